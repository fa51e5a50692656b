//! What every handler gets: configuration, clock, entropy, bindings and the meter.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use wasm_bindgen::JsValue;
use worker::{Date, Env};

use super::failure::Fault;
use super::js;
use super::log::Meter;
use crate::protocol::config::{Config, SETTINGS, TEXT_SETTINGS};
use crate::protocol::ids::{Entropy, random};
use crate::protocol::secret::base64url;
use crate::protocol::time::Timestamp;

thread_local! {
    /// The configuration of this isolate: variables cannot change under it.
    static CONFIG: RefCell<Option<Rc<Config>>> = const { RefCell::new(None) };
}

/// Context of one request or cron run.
pub struct Ctx {
    /// The realm's configuration.
    pub config: Rc<Config>,
    /// When it began.
    pub now: Timestamp,
    /// Network that the request came from (`WireRequest::network`); empty for a cron run.
    pub network: String,
    /// Where it came from, coarsely (`WireRequest::place`); empty for a cron run, or not known.
    pub place: String,
    /// Names it in logs and error answers.
    pub request_id: String,
    /// What it costs.
    pub meter: Rc<Meter>,
    /// Bindings.
    pub env: Env,
}

impl Ctx {
    /// Sets it up; without a good configuration nothing is served.
    pub fn new(env: Env, meter: Rc<Meter>, request_id: String) -> Result<Self, Fault> {
        let config = config(&env)?;
        Ok(Self { config, now: now(), network: String::new(), place: String::new(), request_id, meter, env })
    }
}

/// The platform's random generator.
pub struct Platform;

impl Entropy for Platform {
    fn fill(&mut self, bytes: &mut [u8]) {
        if getrandom::fill(bytes).is_err() {
            // Weak randomness would be worse than no answer: this ends the request, and the platform
            // never refuses random bytes inside one.
            std::process::abort();
        }
    }
}

/// The clock.
pub fn now() -> Timestamp {
    Timestamp::from_millis(i64::try_from(Date::now().as_millis()).unwrap_or(i64::MAX))
}

/// A new request id.
pub fn request_id() -> String {
    base64url(&random::<12>(&mut Platform))
}

fn config(env: &Env) -> Result<Rc<Config>, Fault> {
    if let Some(config) = CONFIG.with_borrow(Clone::clone) {
        return Ok(config);
    }
    let env: &JsValue = env;
    let names: Vec<&str> = SETTINGS.iter().map(|(name, ..)| *name).chain(TEXT_SETTINGS.iter().copied()).collect();
    let vars: BTreeMap<String, String> = js::variables(env, &names).into_iter().collect();
    match Config::parse(&vars) {
        Ok(config) => {
            let config = Rc::new(config);
            CONFIG.set(Some(Rc::clone(&config)));
            Ok(config)
        }
        Err(faults) => Err(Fault::Unavailable(format!("configuration: {}", faults.join("; ")))),
    }
}
