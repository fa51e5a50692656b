//! Durable Objects: what must be decided at one place, one event at a time. Each decodes, loads,
//! asks a pure `step`, saves and answers.

pub mod device_flow;
pub mod outbox;
pub mod replay;
pub mod throttle;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use worker::{Method, Request, RequestInit};

use super::ctx::Ctx;
use super::failure::Fault;
use super::log::Meter;

/// An object's answer, with what it cost.
#[derive(Deserialize, Serialize)]
struct Envelope<T> {
    answer: T,
    rows: u64,
}

/// Sends a message that may be sent twice to an object by its name; a lost answer is asked for again.
async fn call<M: Serialize, A: DeserializeOwned>(ctx: &Ctx, binding: &str, name: &str, message: &M) -> Result<A, Fault> {
    match call_once(ctx, binding, name, message).await {
        Ok(answer) => Ok(answer),
        Err(_) => call_once(ctx, binding, name, message).await,
    }
}

/// Sends a message to an object by its name, once.
async fn call_once<M: Serialize, A: DeserializeOwned>(ctx: &Ctx, binding: &str, name: &str, message: &M) -> Result<A, Fault> {
    let body = serde_json::to_string(message).map_err(|error| Fault::broken(binding, error))?;
    let envelope: Envelope<A> = attempt(ctx, binding, name, &body).await.map_err(|error| Fault::unavailable(binding, error))?;
    Meter::add(&ctx.meter.rows_written, envelope.rows);
    Ok(envelope.answer)
}

async fn attempt<A: DeserializeOwned>(ctx: &Ctx, binding: &str, name: &str, body: &str) -> worker::Result<Envelope<A>> {
    Meter::add(&ctx.meter.object_requests, 1);
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_body(Some(body.into()));
    // The host is nobody's: the request never leaves the platform.
    let request = Request::new_with_init("https://object/", &init)?;
    let mut response = ctx.env.durable_object(binding)?.get_by_name(name)?.fetch_with_request(request).await?;
    if response.status_code() == 200 { response.json().await } else { Err(format!("status {}", response.status_code()).into()) }
}
