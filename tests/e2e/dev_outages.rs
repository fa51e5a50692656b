//! Temporary root.
mod harness;
mod outages;
mod support;
