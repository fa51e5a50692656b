//! One access token for all callers of a program: asked for when it is needed, by one request however many callers
//! wait for it, renewed before it is over, and asked for politely where the provider is in trouble.
//!
//! Knows no HTTP: [`Source`] gets a token, this decides when. Times are tokio's, so tests have their own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// Where tokens come from: the client credentials grant (RFC 6749 4.4), or a test.
pub trait Source: Send + Sync + 'static {
    /// Asks for a token, once.
    fn fetch(&self) -> impl Future<Output = Result<Issued, Trouble>> + Send;
}

/// RFC 6749 5.1.
#[derive(Debug)]
pub struct Issued {
    /// `access_token`
    pub access_token: String,
    /// `expires_in`
    pub lifetime: Duration,
}

/// Why there is no token.
#[derive(Debug)]
pub enum Trouble {
    /// Asking again is no use (RFC 6749 5.2): wrong secret, wrong scope, and so on.
    Refused(String),
    /// No answer, 429 or 5xx; and for how long the provider wants to be left alone, if it says (RFC 9110 10.2.3).
    Busy(String, Option<Duration>),
}

/// What a caller hears in place of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The provider says no, and will: nothing is asked of it any more.
    Refused(String),
    /// Nothing came yet; until the given time has passed, nothing is asked.
    Unavailable(String, Duration),
}

/// How eagerly tokens are renewed, and how patiently asked for.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// A token is renewed between one and two of these before its end, at random: a thousand instances that started
    /// together do not renew together. A quarter of its life at most.
    pub margin: Duration,
    /// Ceiling of the pause after the first failure; it doubles with each.
    pub first_pause: Duration,
    /// Highest ceiling of a pause.
    pub longest_pause: Duration,
    /// Callers wait no longer than this.
    pub patience: Duration,
    /// So long after a token was taken back because of an answer 401, no other one is.
    pub between_rejections: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            margin: Duration::from_mins(1),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(30),
            patience: Duration::from_mins(1),
            between_rejections: Duration::from_secs(30),
        }
    }
}

impl Pace {
    /// When a token is no longer shown, and when it is renewed, both after it was asked for; `random` is from 0 to 1.
    fn ages(&self, lifetime: Duration, random: f64) -> (Duration, Duration) {
        let margin = self.margin.min(lifetime / 4);
        // It must also reach the API, whose clock may be ahead.
        (lifetime.saturating_sub(margin / 4), lifetime.saturating_sub(margin + margin.mul_f64(random)))
    }

    /// The pause after the failure of this number, counted from 0: half of the ceiling or what the provider said, and
    /// up to half of the ceiling more. So it is never earlier than was said, and spread in any case.
    pub fn pause(&self, failures: u32, told: Option<Duration>, random: f64) -> Duration {
        let doubled = self.first_pause.saturating_mul(2_u32.saturating_pow(failures));
        let half = doubled.min(self.longest_pause) / 2;
        told.unwrap_or(half).max(half) + half.mul_f64(random)
    }
}

/// A token that is held.
#[derive(Debug)]
pub struct Token {
    /// What is sent (RFC 6750 2.1)
    pub text: String,
    renew_at: Instant,
    shown_until: Instant,
}

type Outcome = Result<Arc<Token>, Failure>;

#[derive(Default)]
struct State {
    held: Option<Arc<Token>>,
    /// The one request that is under way; its outcome, when it is there.
    flight: Option<watch::Receiver<Option<Outcome>>>,
    /// The last request failed: nothing is asked before then, or never again.
    failed: Option<(Option<Instant>, Failure)>,
    rejected_at: Option<Instant>,
}

impl State {
    /// What the last failure still means now.
    fn failure(&self, now: Instant) -> Option<Failure> {
        match self.failed.as_ref()? {
            (None, failure) => Some(failure.clone()),
            (Some(until), Failure::Unavailable(reason, _)) if now < *until => {
                Some(Failure::Unavailable(reason.clone(), *until - now))
            }
            _ => None,
        }
    }
}

/// The token of a program, for as many callers as it has.
pub struct Tokens<S> {
    source: S,
    pace: Pace,
    /// From 0 to 1
    random: fn() -> f64,
    state: Mutex<State>,
}

impl<S: Source> Tokens<S> {
    /// None is asked for yet.
    pub fn new(source: S, pace: Pace, random: fn() -> f64) -> Arc<Self> {
        Arc::new(Self { source, pace, random, state: Mutex::default() })
    }

    /// A token that is good for a while. One that wants renewing is answered at once, and renewed meanwhile.
    pub async fn get(self: &Arc<Self>) -> Outcome {
        let mut flight = {
            let mut state = self.state();
            let now = Instant::now();
            let held = state.held.clone().filter(|token| now < token.shown_until);
            if let Some(token) = &held
                && now < token.renew_at
            {
                return Ok(Arc::clone(token));
            }
            if let Some(failure) = state.failure(now) {
                return held.ok_or(failure);
            }
            // A flight that crashed has no sender any more.
            let flying = state.flight.take().filter(|flight| flight.has_changed().is_ok());
            let flight = flying.unwrap_or_else(|| self.depart());
            state.flight = Some(flight.clone());
            if let Some(token) = held {
                return Ok(token);
            }
            flight
        };
        let landed = flight.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
        landed.unwrap_or_else(|| Err(Failure::Unavailable("the request was given up".to_owned(), Duration::ZERO)))
    }

    /// An API does not take this token: it is not shown again, unless another one was taken back just before. So a token
    /// that was revoked is replaced, and an API that refuses all tokens does not make us ask for one per call.
    /// Says whether it is worth asking for another.
    pub fn reject(&self, token: &Arc<Token>) -> bool {
        let mut state = self.state();
        let now = Instant::now();
        let Some(held) = &state.held else { return true };
        if !Arc::ptr_eq(held, token) {
            // Somebody was faster.
            return true;
        }
        if state.rejected_at.is_some_and(|at| now - at < self.pace.between_rejections) {
            return false;
        }
        (state.held, state.rejected_at) = (None, Some(now));
        true
    }

    /// Starts the one request, in a task of its own: a caller who leaves takes nothing away from the others.
    fn depart(self: &Arc<Self>) -> watch::Receiver<Option<Outcome>> {
        let (sender, receiver) = watch::channel(None);
        let tokens = Arc::clone(self);
        tokio::spawn(async move {
            let (outcome, quiet) = tokens.fly().await;
            let mut state = tokens.state();
            state.flight = None;
            match &outcome {
                Ok(token) => (state.held, state.failed) = (Some(Arc::clone(token)), None),
                Err(failure) => state.failed = Some((quiet, failure.clone())),
            }
            sender.send_replace(Some(outcome));
        });
        receiver
    }

    /// Asks until it is decided or patience ends; after a failure also until when nothing shall be asked, if ever.
    async fn fly(&self) -> (Outcome, Option<Instant>) {
        let give_up = Instant::now() + self.pace.patience;
        let mut failures = 0;
        loop {
            // Its life began no later than now.
            let asked = Instant::now();
            let (reason, told) = match self.source.fetch().await {
                Ok(Issued { access_token, lifetime }) => {
                    let (shown, renewed) = self.pace.ages(lifetime, (self.random)());
                    let (shown_until, renew_at) = (asked + shown, asked + renewed);
                    return (Ok(Arc::new(Token { text: access_token, renew_at, shown_until })), None);
                }
                Err(Trouble::Refused(reason)) => return (Err(Failure::Refused(reason)), None),
                Err(Trouble::Busy(reason, told)) => (reason, told),
            };
            let pause = self.pace.pause(failures, told, (self.random)());
            let next = Instant::now() + pause;
            if next >= give_up {
                return (Err(Failure::Unavailable(reason, pause)), Some(next));
            }
            sleep(pause).await;
            failures += 1;
        }
    }

    /// Where they come from.
    pub const fn source(&self) -> &S {
        &self.source
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
