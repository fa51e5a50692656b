//! `Throttle`: budgets for guesses. A fixed number of objects by keyed hash, so that a stranger
//! cannot create any; their rows are collected by one alarm.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

use super::Envelope;
use crate::edge::ctx::{Ctx, now};
use crate::edge::failure::Fault;
use crate::protocol::json;
use crate::protocol::secret::base64url;
use crate::protocol::throttle::{Claim, Kept, Usage};
use crate::protocol::time::Timestamp;

/// Objects are named by this and the first byte of a keyed hash: 256 of them.
const OBJECTS: &str = "throttle";

/// Above this many, what is in memory is dropped: memory is bounded, and misses are in storage.
const MOST_IN_MEMORY: usize = 4096;

/// Budgets of everything whose hash leads here.
///
/// Reservations live in memory, so that a right guess costs no row; a miss is written down. An object
/// that is asked is not evicted for idling between the two, and who breaks a connection off in between
/// learns nothing from the guess.
#[durable_object(alarm)]
pub struct Throttle {
    state: State,
    memory: RefCell<HashMap<String, Usage>>,
}

/// What is asked.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verb {
    /// Before a guess is checked.
    Reserve,
    /// It was right: give it back.
    Release,
    /// It was wrong: write it down.
    Spend,
}

#[derive(Debug, Deserialize, Serialize)]
struct Message {
    verb: Verb,
    claims: Vec<Claim>,
}

/// What is answered.
#[derive(Debug, Deserialize, Serialize)]
struct Answer {
    wait: Option<i64>,
    /// A miss was written down, and there is nothing left in one of the budgets.
    #[serde(default)]
    used_up: bool,
}

/// Takes one from each of these budgets, or from none: then the answer is the milliseconds to wait.
/// `owner` picks the object.
pub async fn reserve(ctx: &Ctx, owner: &str, claims: &[Claim]) -> std::result::Result<Option<i64>, Fault> {
    Ok(send(ctx, owner, Verb::Reserve, claims).await?.wait)
}

/// The guess was right: gives one back to each of these budgets.
pub async fn release(ctx: &Ctx, owner: &str, claims: &[Claim]) -> std::result::Result<(), Fault> {
    send(ctx, owner, Verb::Release, claims).await.map(drop)
}

/// The guess was wrong: writes down what was reserved. Whether one of the budgets is used up by it.
pub async fn spend(ctx: &Ctx, owner: &str, claims: &[Claim]) -> std::result::Result<bool, Fault> {
    Ok(send(ctx, owner, Verb::Spend, claims).await?.used_up)
}

async fn send(ctx: &Ctx, owner: &str, verb: Verb, claims: &[Claim]) -> std::result::Result<Answer, Fault> {
    let sealer = ctx.config.sealer();
    let [object, ..] = sealer.mac(ctx.config.ring.active(), "throttle object", &[owner.as_bytes()]);
    let message = Message { verb, claims: claims.to_vec() };
    // Never sent twice: a reservation would be taken twice, and a release erase somebody's miss.
    super::call_once(ctx, "THROTTLE", &format!("{OBJECTS} {object}"), &message).await
}

/// The key of a budget: what it is for, hashed, so that storage holds no names.
pub fn key(ctx: &Ctx, kind: &str, of: &str) -> String {
    let mac = ctx.config.sealer().mac(ctx.config.ring.active(), "throttle key", &[kind.as_bytes(), of.as_bytes()]);
    base64url(mac.first_chunk::<16>().unwrap_or(&[0; 16]))
}

impl DurableObject for Throttle {
    fn new(state: State, _env: Env) -> Self {
        Self { state, memory: RefCell::default() }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let message: Message = super::message(&mut request).await?;
        let now = now();
        // Load everything, decide everything, then write: no await but the storage's own between.
        let mut usages = Vec::with_capacity(message.claims.len());
        for claim in &message.claims {
            usages.push(self.load(claim).await?);
        }
        let after: std::result::Result<Vec<Usage>, i64> = message
            .claims
            .iter()
            .zip(usages)
            .map(|(claim, usage)| match message.verb {
                Verb::Reserve => usage.reserve(claim.budget, now),
                Verb::Release if self.memory.borrow().contains_key(&claim.key) => Ok(usage.release(claim.budget)),
                // The reservation is lost (a deploy in between): what is written down are misses.
                Verb::Release => Ok(usage),
                Verb::Spend if self.memory.borrow().contains_key(&claim.key) => Ok(usage),
                // The reservation is lost (a deploy in between): the miss still counts.
                Verb::Spend => Ok(usage.reserve(claim.budget, now).unwrap_or(usage)),
            })
            .collect();
        let (mut rows, mut used_up) = (0, false);
        let wait = match after {
            Err(millis) => Some(millis),
            Ok(after) => {
                for (claim, usage) in message.claims.iter().zip(after) {
                    self.remember(claim, usage, now);
                    used_up |= matches!(message.verb, Verb::Spend) && usage.reserve(claim.budget, now).is_err();
                    let is_told =
                        matches!((message.verb, claim.kept), (Verb::Spend, Kept::Exactly) | (Verb::Reserve, Kept::Roughly));
                    if is_told && claim.is_due(usage, self.stored(claim).await?, now) {
                        rows += self.write(claim, usage, now).await?;
                    }
                }
                None
            }
        };
        Response::from_json(&Envelope { answer: Answer { wait, used_up }, rows })
    }

    async fn alarm(&self) -> Result<Response> {
        let storage = self.state.storage();
        let now = now();
        let mut next: Option<Timestamp> = None;
        let mut spent = Vec::new();
        let entries = storage.list().await?;
        for entry in entries.entries().into_iter().flatten() {
            let entry: js_sys::Array = entry.into();
            let (Some(key), Ok(usage)) = (entry.get(0).as_string(), listed_usage(&entry.get(1))) else {
                continue;
            };
            if usage.is_spent(now) {
                spent.push(key);
            } else {
                next = Some(next.map_or(usage.0, |at: Timestamp| at.max(usage.0)));
            }
        }
        for some in spent.chunks(128) {
            storage.delete_multiple(some.to_vec()).await?;
        }
        if let Some(at) = next {
            storage.set_alarm(millis_until(at, now)).await?;
        }
        Response::empty()
    }
}

impl Throttle {
    /// What is used: memory knows best, and after an eviction what was written down.
    async fn load(&self, claim: &Claim) -> Result<Usage> {
        if let Some(usage) = self.memory.borrow().get(&claim.key) {
            return Ok(*usage);
        }
        self.stored(claim).await
    }

    async fn stored(&self, claim: &Claim) -> Result<Usage> {
        let stored: Option<Usage> = json::from_value(super::stored(&self.state.storage(), &claim.key).await?)?;
        Ok(stored.unwrap_or(Usage::NONE))
    }

    fn remember(&self, claim: &Claim, usage: Usage, now: Timestamp) {
        let mut memory = self.memory.borrow_mut();
        if memory.len() >= MOST_IN_MEMORY {
            memory.retain(|_, usage| !usage.is_spent(now));
        }
        if memory.len() >= MOST_IN_MEMORY {
            memory.clear();
        }
        memory.insert(claim.key.clone(), usage);
    }

    /// Writes down what is used; the rows that it cost.
    async fn write(&self, claim: &Claim, usage: Usage, now: Timestamp) -> Result<u64> {
        let storage = self.state.storage();
        super::store(&storage, &claim.key, &usage).await?;
        if storage.get_alarm().await?.is_some() {
            return Ok(1);
        }
        storage.set_alarm(millis_until(usage.0, now)).await?;
        Ok(2)
    }
}

/// A usage as it comes out of a listing.
fn listed_usage(value: &JsValue) -> std::result::Result<Usage, ()> {
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds, far below 2^53")]
    value.as_f64().map(|millis| Usage(Timestamp::from_millis(millis as i64))).ok_or(())
}

fn millis_until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::from_millis(at.since(now).max(0).unsigned_abs() + 1_000)
}
