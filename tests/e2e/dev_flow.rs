//! Temporary root while the modules are written side by side.
mod flow;
mod harness;
mod support;
