//! Durable Objects: what must be decided at one place, one event at a time. Each decodes, loads,
//! asks a pure `step`, saves and answers.

pub mod device_flow;
pub mod outbox;
pub mod replay;
pub mod throttle;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use worker::{Request, Storage};

use super::ctx::Ctx;
use super::failure::Fault;
use super::js;
use super::log::Meter;
use crate::protocol::json;

/// An object's answer, with what it cost.
#[derive(Deserialize, Serialize)]
struct Envelope<T> {
    answer: T,
    rows: u64,
}

/// Sends a message that may be sent twice to an object by its name; a lost answer is asked for again.
async fn call<M: Serialize, A: DeserializeOwned>(ctx: &Ctx, binding: &str, name: &str, message: &M) -> Result<A, Fault> {
    exchange(ctx, binding, name, encode(binding, message)?, true).await.and_then(|answer| decode(binding, answer))
}

/// Sends a message to an object by its name, once.
async fn call_once<M: Serialize, A: DeserializeOwned>(ctx: &Ctx, binding: &str, name: &str, message: &M) -> Result<A, Fault> {
    exchange(ctx, binding, name, encode(binding, message)?, false).await.and_then(|answer| decode(binding, answer))
}

fn encode<M: Serialize>(binding: &str, message: &M) -> Result<String, Fault> {
    serde_json::to_string(message).map_err(|error| Fault::broken(binding, error))
}

fn decode<A: DeserializeOwned>(binding: &str, answer: Value) -> Result<A, Fault> {
    json::from_value(answer).map_err(|error| Fault::unavailable(binding, error))
}

async fn exchange(ctx: &Ctx, binding: &str, name: &str, message: String, is_repeatable: bool) -> Result<Value, Fault> {
    let envelope = match attempt(ctx, binding, name, &message).await {
        Err(_) if is_repeatable => attempt(ctx, binding, name, &message).await,
        outcome => outcome,
    };
    let envelope = envelope.map_err(|error| Fault::unavailable(binding, error))?;
    Meter::add(&ctx.meter.rows_written, envelope.rows);
    Ok(envelope.answer)
}

async fn attempt(ctx: &Ctx, binding: &str, name: &str, message: &str) -> worker::Result<Envelope<Value>> {
    Meter::add(&ctx.meter.object_requests, 1);
    let init = web_sys::RequestInit::new();
    init.set_method("POST");
    init.set_body(&message.into());
    // The host is nobody's: the request never leaves the platform.
    let request = Request::from(web_sys::Request::new_with_str_and_init("https://object/", &init)?);
    let mut response = ctx.env.durable_object(binding)?.get_by_name(name)?.fetch_with_request(request).await?;
    if response.status_code() != 200 {
        return Err(format!("status {}", response.status_code()).into());
    }
    Ok(json::read(&response.bytes().await?)?)
}

/// In an object: the message.
async fn message<M: DeserializeOwned>(request: &mut Request) -> worker::Result<M> {
    Ok(json::read(&request.bytes().await?)?)
}

/// In an object: the value under a key, as plain data.
async fn stored(storage: &Storage, key: &str) -> worker::Result<Value> {
    // Of one key too: the SDK reads types itself where a single one is asked for.
    let found = storage.get_multiple(vec![key]).await?.get(&key.into());
    Ok(json::parse(js::to_json(&found)?.as_bytes())?)
}

/// In an object: puts a value under a key.
async fn store<T: Serialize>(storage: &Storage, key: &str, value: &T) -> worker::Result<()> {
    storage.put_raw(key, js::from_json(&serde_json::to_string(value)?)?).await
}
