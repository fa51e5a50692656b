//! The room that touches the platform: routes, handlers, D1, KV, Durable Objects, `WebCrypto`, logs.
//! It decides nothing; every rule is in `protocol`.

mod crypto;
mod ctx;
mod entry;
mod failure;
mod handlers;
mod http;
mod js;
mod log;
mod objects;
mod published;
mod routes;
mod store;
