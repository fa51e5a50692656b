//! Ring 1: rules as properties over the pure state machines, and RFC vectors.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail by panicking too")]

mod device;
mod formats;
mod jose;
mod parsers;
mod refresh;
mod register;
mod trust;
