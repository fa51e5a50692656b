//! The RFCs as plain data and pure functions: no I/O, no clock, no randomness, no panics.
//!
//! Time and entropy come in as arguments, so every rule can be tested as a property in
//! microseconds, and the same inputs always give the same answer.

pub mod access_token;
pub mod authorize;
pub mod claims;
pub mod client;
pub mod client_assertion;
pub mod client_auth;
pub mod client_keys;
pub mod client_metadata;
pub mod code;
pub mod config;
pub mod consent;
pub mod cookie;
pub mod device;
pub mod device_authorization;
pub mod discovery;
pub mod error;
pub mod exchange;
pub mod foreign_jwt;
pub mod form;
pub mod ids;
pub mod introspect;
pub mod jose;
pub mod json;
pub mod jwe;
pub mod keyring;
pub mod keys;
pub mod logout;
pub mod outbound;
pub mod outbox;
pub mod pairwise;
pub mod password;
pub mod pkce;
pub mod redirect;
pub mod refresh;
pub mod register;
pub mod replay;
pub mod request_object;
pub mod requested_claims;
pub mod resource;
pub mod revoke;
pub mod salt;
pub mod scope;
pub mod seal;
pub mod secret;
pub mod service;
pub mod session;
pub mod steps;
pub mod throttle;
pub mod time;
pub mod token;
pub mod trust;
pub mod uri;
pub mod user_code;
