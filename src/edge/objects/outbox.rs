//! `Outbox`: logout tokens on their way to clients, messages to webhooks and mails to users, until they arrived or were tried
//! for long enough. A fixed number of objects by keyed hash of the recipient, each with one alarm.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;
use worker::{DurableObject, Env, ListOptions, Request, Response, Result, State, durable_object};

use super::Envelope;
use crate::edge::backchannel;
use crate::edge::ctx::{Ctx, Platform, now, request_id};
use crate::edge::failure::{Failure, Fault};
use crate::edge::js;
use crate::edge::letters;
use crate::edge::log::{self, Meter};
use crate::edge::webhooks;
use crate::protocol::ids::random;
use crate::protocol::json;
use crate::protocol::outbox::{Answer, Parcel, Pending, next_turn};
use crate::protocol::time::Timestamp;

/// How many objects there are.
const OBJECTS: u8 = 64;
/// Deliveries in one message, and in one `put`, at most: the platform takes 128 values at once.
const MOST_AT_ONCE: usize = 100;
/// What a run of the alarm looks at.
const WINDOW: usize = 100;
/// Attempts at the same time: the connections that a Worker may have open.
const TURN: usize = 6;
/// Attempts in one run of the alarm, about: after them it is set again at once, so that no run is long.
const RUN: usize = 24;
/// When a run could not even begin, the next begins so much later.
const AGAIN: Duration = Duration::from_mins(1);

/// What is for all recipients whose hash leads here, under keys that sort by when they are due.
#[durable_object(alarm)]
pub struct Outbox {
    state: State,
    env: Env,
}

#[derive(Deserialize, Serialize)]
struct Message {
    deliveries: Vec<Parcel>,
}

/// Hands deliveries over: once this returns they are stored and on their way. Sent twice they are stored once.
pub async fn enqueue(ctx: &Ctx, deliveries: Vec<Parcel>) -> std::result::Result<(), Fault> {
    let sealer = ctx.config.sealer();
    let mut objects: BTreeMap<u8, Vec<Parcel>> = BTreeMap::new();
    for delivery in deliveries {
        let [first, ..] = sealer.mac(ctx.config.ring.active(), "outbox object", &[delivery.recipient().as_bytes()]);
        objects.entry(first % OBJECTS).or_default().push(delivery);
    }
    for (object, deliveries) in objects {
        for some in deliveries.chunks(MOST_AT_ONCE) {
            let message = Message { deliveries: some.to_vec() };
            super::call::<_, ()>(ctx, "OUTBOX", &format!("outbox {object}"), &message).await?;
        }
    }
    Ok(())
}

impl DurableObject for Outbox {
    fn new(state: State, env: Env) -> Self {
        Self { state, env }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let message: Message = super::message(&mut request).await?;
        let storage = self.state.storage();
        let pending: Vec<Pending> = message.deliveries.into_iter().map(Pending::new).collect();
        let rows = js::object(&[]);
        for pending in &pending {
            js_sys::Reflect::set(&rows, &pending.key().into(), &stored(pending)?)?;
        }
        // The alarm first: a delivery must never be there without it.
        storage.set_alarm(Duration::ZERO).await?;
        storage.put_multiple_raw(rows).await?;
        Response::from_json(&Envelope { answer: (), rows: pending.len() as u64 + 1 })
    }

    async fn alarm(&self) -> Result<Response> {
        let meter = Rc::new(Meter::default());
        match Ctx::new(self.env.clone(), Rc::clone(&meter), request_id()) {
            Ok(ctx) => self.run(&ctx).await?,
            Err(fault) => {
                log::event("error", "outbox", &Failure::from(fault).into_parts().1, &meter);
                self.state.storage().set_alarm(AGAIN).await?;
            }
        }
        Response::empty()
    }
}

impl Outbox {
    /// Tries what is due, in turns, and sets the alarm for what is next.
    async fn run(&self, ctx: &Ctx) -> Result<()> {
        let storage = self.state.storage();
        let end = Pending::first_key_after(now());
        let mut due = Vec::new();
        for (key, value) in entries(&storage.list_with_options(ListOptions::new().end(&end).limit(WINDOW)).await?) {
            match value.as_string().and_then(|json| json::read::<Pending>(json.as_bytes()).ok()) {
                Some(pending) => due.push(pending),
                // Nothing that we wrote; it must not stand in the way.
                None => drop(storage.delete(&key).await?),
            }
        }
        let (mut attempts, mut silent) = (0, BTreeSet::new());
        while !due.is_empty() && attempts < RUN {
            let (turn, others) = next_turn(due, TURN);
            attempts += turn.len();
            let answers = all(turn.iter().map(|pending| deliver(ctx, &pending.delivery)).collect()).await;
            for (pending, answer) in turn.iter().zip(answers) {
                if let Answer::Silence(_) = answer {
                    silent.insert(pending.delivery.recipient().to_owned());
                }
                self.settle(ctx, pending, answer).await?;
            }
            // Who does not answer is not asked again in this run: the others would wait for it.
            let (waiting, asked_later): (Vec<_>, Vec<_>) =
                others.into_iter().partition(|pending| !silent.contains(pending.delivery.recipient()));
            for pending in asked_later {
                self.settle(ctx, &pending, Answer::Silence("did not answer another one")).await?;
            }
            due = waiting;
        }
        let next = entries(&storage.list_with_options(ListOptions::new().limit(1)).await?).next();
        if let Some(at) = next.and_then(|(key, _)| Pending::due_at(&key)) {
            storage.set_alarm(wait_until(at)).await?;
        }
        Ok(())
    }

    /// Writes down what came of an attempt.
    async fn settle(&self, ctx: &Ctx, pending: &Pending, answer: Answer) -> Result<()> {
        let storage = self.state.storage();
        if !answer.is_heard() {
            let [jitter] = random(&mut Platform);
            let next = pending.put_off(&ctx.config.settings, jitter, now());
            let (level, what) = if next.is_some() { ("warning", "is tried again") } else { ("error", "was given up") };
            let answered = match answer {
                Answer::Status(status) => format!("status {status}"),
                Answer::Silence(why) => why.to_owned(),
                Answer::Taken | Answer::Unwanted => String::new(),
            };
            let detail = format!("{}: {answered}, attempt {}; it {what}", pending.delivery.to(), pending.failures + 1);
            log::event(level, pending.delivery.what(), &detail, &ctx.meter);
            if let Some(next) = next {
                storage.put_raw(&next.key(), stored(&next)?).await?;
            }
        }
        storage.delete(&pending.key()).await.map(drop)
    }
}

/// One attempt.
async fn deliver(ctx: &Ctx, parcel: &Parcel) -> Answer {
    match parcel {
        Parcel::Logout(delivery) => backchannel::deliver(ctx, delivery).await,
        Parcel::Webhook(message) => webhooks::deliver(ctx, message).await,
        Parcel::Letter(letter) => letters::deliver(ctx, letter).await,
    }
}

fn stored(pending: &Pending) -> Result<JsValue> {
    Ok(serde_json::to_string(pending)?.into())
}

fn entries(listing: &js_sys::Map) -> impl Iterator<Item = (String, JsValue)> {
    listing.entries().into_iter().flatten().filter_map(|entry| {
        let entry: js_sys::Array = entry.into();
        Some((entry.get(0).as_string()?, entry.get(1)))
    })
}

fn wait_until(at: Timestamp) -> Duration {
    Duration::from_millis(at.since(now()).max(0).unsigned_abs())
}

/// Runs futures side by side; their outputs in the same order.
async fn all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    poll_fn(|context| {
        let mut done = true;
        for (future, output) in running.iter_mut().filter(|(_, output)| output.is_none()) {
            match future.as_mut().poll(context) {
                Poll::Ready(value) => *output = Some(value),
                Poll::Pending => done = false,
            }
        }
        if done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}
