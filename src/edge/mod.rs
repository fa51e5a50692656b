//! The room that touches the platform: routes, handlers, D1, KV, Durable Objects, `WebCrypto`, logs.
//! Rules are in `protocol`; this room asks them.

mod backchannel;
mod client_keys;
mod crypto;
mod ctx;
mod entry;
mod failure;
mod handlers;
mod http;
mod js;
mod jwe;
mod letters;
mod log;
mod objects;
mod outbound;
mod pairwise;
mod published;
mod record;
mod routes;
mod salts;
mod signers;
mod store;
mod webhooks;
