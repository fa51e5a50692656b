//! One file per endpoint: parse, load, decide, commit, answer. The doc comment of each lists the
//! RFC's steps, and the body repeats their numbers.

pub mod access_token;
pub mod accounts;
pub mod answer;
pub mod api;
pub mod authorize;
pub mod browser;
pub mod client_assertion;
pub mod client_credentials;
pub mod client_document;
pub mod clients;
pub mod code;
pub mod consent;
pub mod device;
pub mod device_authorization;
pub mod device_page;
pub mod exchange;
pub mod federation;
pub mod guess;
pub mod home;
pub mod introspect;
pub mod issue;
pub mod login;
pub mod logout;
pub mod metadata;
pub mod outside;
pub mod par;
pub mod refresh;
pub mod register;
pub mod request_object;
pub mod revoke;
pub mod session_end;
pub mod style;
pub mod token;
pub mod trust_explain;
pub mod userinfo;
