//! Temporary root while the modules are written side by side.
mod browser;
mod harness;
mod support;
