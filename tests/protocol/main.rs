//! Ring 1: rules as properties over the pure state machines, and RFC vectors.

mod device;
mod jose;
mod parsers;
mod refresh;
