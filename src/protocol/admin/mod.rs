//! The admin API as plain data: its operations, what may be asked by whom, and how it says no.

pub mod body;
pub mod cli;
pub mod client;
pub mod document;
pub mod issuer;
pub mod openapi;
pub mod operations;
pub mod page;
pub mod problem;
pub mod scopes;
pub mod sealed_keys;
