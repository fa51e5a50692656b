//! `DeviceFlow`: one device sign-in until it is collected. One value, one alarm, then nothing.

use std::cell::RefCell;
use std::time::Duration;

use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

use super::Envelope;
use crate::edge::ctx::{Ctx, now};
use crate::edge::failure::Fault;
use crate::protocol::device::{Answer, Flow, Message, Pace, step};
use crate::protocol::json;

/// The value's key.
const FLOW: &str = "flow";

/// One device sign-in.
#[durable_object(alarm)]
pub struct DeviceFlow {
    state: State,
    /// Lost at eviction, on purpose: see [`Pace`].
    pace: RefCell<Pace>,
}

/// Sends a message to the flow of this name.
pub async fn send(ctx: &Ctx, name: &str, message: &Message) -> std::result::Result<Answer, Fault> {
    super::call(ctx, "DEVICE_FLOW", name, message).await
}

impl DurableObject for DeviceFlow {
    fn new(state: State, _env: Env) -> Self {
        // Nothing is written here: a guess that finds no flow leaves nothing behind.
        Self { state, pace: RefCell::default() }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let message: Message = super::message(&mut request).await?;
        let storage = self.state.storage();
        // No await but the storage's own from here to the last put: events do not interleave.
        let stored: Option<Flow> = json::from_value(super::stored(&storage, FLOW).await?)?;
        let is_new = stored.is_none();
        let (save, pace, answer) = step(stored, self.pace.take(), message, now());
        self.pace.replace(pace);
        let mut rows = 0;
        if let Some(flow) = save {
            if is_new {
                // The alarm first: a flow must never be there without its end.
                let until_the_end = flow.kept_until().since(now());
                let a_moment_later = until_the_end.max(0).unsigned_abs() + 5_000;
                storage.set_alarm(Duration::from_millis(a_moment_later)).await?;
                rows += 1;
            }
            super::store(&storage, FLOW, &flow).await?;
            rows += 1;
        }
        Response::from_json(&Envelope { answer, rows })
    }

    async fn alarm(&self) -> Result<Response> {
        self.state.storage().delete_all().await?;
        Response::empty()
    }
}
