//! Latchkey: an OAuth 2.x authorization server and OpenID Connect provider that is one Rust Worker.
//!
//! Three rooms, and code goes in the purest one that can hold it (see `docs/ARCHITECTURE.md`):
//! [`protocol`] knows the RFCs and plain data, [`pages`] renders HTML from a model, and `edge` is
//! the only one that touches the platform (behind the default feature of the same name).
pub mod pages;
pub mod protocol;

#[cfg(feature = "edge")]
mod edge;
