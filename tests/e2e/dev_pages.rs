//! Temporary root while the modules are written side by side.
mod harness;
mod pages;
mod support;
