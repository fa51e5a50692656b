//! `Replay`: what was used and may not be used again. A fixed number of objects by keyed hash; their rows
//! are collected by one alarm.

use std::time::Duration;

use js_sys::Reflect;
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;
use worker::{DurableObject, Env, ListOptions, Request, Response, Result, State, durable_object};

use super::Envelope;
use crate::edge::ctx::{Ctx, Platform, now};
use crate::edge::failure::Fault;
use crate::protocol::ids::random;
use crate::protocol::json;
use crate::protocol::replay::{Claim, Mark, decide};
use crate::protocol::secret::base64url;
use crate::protocol::time::Timestamp;

/// Objects are named by this and the first byte of the hash: 256 of them.
const OBJECTS: &str = "replay";
/// Marks that are looked at together when they are collected: deleting takes 128 keys at once.
const SOME: usize = 128;

/// Marks of everything whose hash leads here.
#[durable_object(alarm)]
pub struct Replay {
    state: State,
}

/// What is answered.
#[derive(Debug, Deserialize, Serialize)]
struct Answer {
    is_first: bool,
}

/// Whether this is the first use of something, by its keyed hash. `expires_at` is when others refuse it
/// without asking. Only to be asked about what is valid otherwise, or strangers could fill storage.
pub async fn is_first(ctx: &Ctx, hash: [u8; 32], expires_at: Timestamp) -> std::result::Result<bool, Fault> {
    let [object, rest @ ..] = hash;
    let key = base64url(rest.first_chunk::<16>().unwrap_or(&[0; 16]));
    // The attempt makes the message one that may be sent twice.
    let claim = Claim { key, expires_at, attempt: base64url(&random::<16>(&mut Platform)) };
    let answer: Answer = super::call(ctx, "REPLAY", &format!("{OBJECTS} {object}"), &claim).await?;
    Ok(answer.is_first)
}

impl DurableObject for Replay {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let claim: Claim = super::message(&mut request).await?;
        let storage = self.state.storage();
        // No await but the storage's own from here to the put: events do not interleave.
        let stored: Option<Mark> = json::from_value(super::stored(&storage, &claim.key).await?)?;
        let (is_first, mark) = decide(stored.as_ref(), &claim, now());
        let mut rows = 0;
        if let Some(mark) = mark {
            if storage.get_alarm().await?.is_none() {
                storage.set_alarm(until(mark.expires_at)).await?;
                rows += 1;
            }
            super::store(&storage, &claim.key, &mark).await?;
            rows += 1;
        }
        Response::from_json(&Envelope { answer: Answer { is_first }, rows })
    }

    async fn alarm(&self) -> Result<Response> {
        let storage = self.state.storage();
        let mut next: Option<Timestamp> = None;
        let mut after = String::new();
        loop {
            let entries = storage.list_with_options(ListOptions::new().start(&after).limit(SOME)).await?;
            let mut expired = Vec::new();
            let mut last = None;
            for entry in entries.entries().into_iter().flatten() {
                let entry: js_sys::Array = entry.into();
                let (Some(key), expires_at) = (entry.get(0).as_string(), expires_at(&entry.get(1))) else {
                    continue;
                };
                last = Some(format!("{key}\0"));
                if expires_at <= now() {
                    expired.push(key);
                } else {
                    // The last to expire: few alarms that each collect much.
                    next = next.max(Some(expires_at));
                }
            }
            if !expired.is_empty() {
                storage.delete_multiple(expired).await?;
            }
            match last {
                Some(key) => after = key,
                None => break,
            }
        }
        if let Some(at) = next {
            storage.set_alarm(until(at)).await?;
        }
        Response::empty()
    }
}

/// When a mark expires, as it comes out of a listing. What cannot be read is over.
fn expires_at(mark: &JsValue) -> Timestamp {
    let millis = Reflect::get(mark, &"expires_at".into()).ok().and_then(|millis| millis.as_f64());
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds, far below 2^53")]
    millis.map_or(Timestamp::EPOCH, |millis| Timestamp::from_millis(millis as i64))
}

fn until(at: Timestamp) -> Duration {
    Duration::from_millis(at.since(now()).max(0).unsigned_abs() + 1_000)
}
