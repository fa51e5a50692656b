//! What the portal remembers: sign-ins under way, who is signed in with which tokens, logout tokens that came.
//! All of it in memory, all of it bounded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::provider::LEEWAY;
use crate::rules::Logout;

/// How long a person may take at the provider.
pub const ATTEMPT_LIFETIME: Duration = Duration::from_mins(10);
/// Longest time between two sign-ins.
pub const SESSION_LIFETIME: Duration = Duration::from_hours(12);
/// Of each kind; the oldest makes room.
const MOST: usize = 1000;

/// 256 random bits as text.
pub fn random() -> Result<String, Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| Failure::bad_gateway("There is no randomness."))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// A sign-in under way.
#[derive(Clone)]
pub struct Attempt {
    /// Value of the cookie of the browser that started it
    pub browser: String,
    /// What the ID token must repeat
    pub nonce: String,
    /// RFC 7636 4.1
    pub verifier: String,
    started: Instant,
}

/// Sign-ins under way, by `state`.
#[derive(Default)]
pub struct Attempts(Mutex<HashMap<String, Attempt>>);

impl Attempts {
    /// A new one of this browser, and its `state`.
    pub fn start(&self, browser: &str) -> Result<(String, Attempt), Failure> {
        let (state, nonce, verifier) = (random()?, random()?, random()?);
        let attempt = Attempt { browser: browser.to_owned(), nonce, verifier, started: Instant::now() };
        let mut attempts = locked(&self.0);
        make_room(&mut attempts, ATTEMPT_LIFETIME, |attempt| attempt.started);
        attempts.insert(state.clone(), attempt.clone());
        Ok((state, attempt))
    }

    /// The one with this `state`, if this browser started it. It cannot be had twice.
    pub fn take(&self, state: &str, browser: &str) -> Option<Attempt> {
        let mut attempts = locked(&self.0);
        let attempt = attempts.get(state)?;
        if !is_same(&attempt.browser, browser) || attempt.started.elapsed() > ATTEMPT_LIFETIME {
            return None;
        }
        attempts.remove(state)
    }
}

/// What the provider gave.
#[derive(Clone)]
pub struct Tokens {
    /// For the API
    pub access_token: String,
    /// Unix time in seconds
    pub expires_at: i64,
    /// None without `offline_access`
    pub refresh_token: Option<String>,
    /// The latest one, as a hint at sign-out
    pub id_token: String,
}

/// Somebody who is signed in.
pub struct Session {
    /// The cookie's value
    pub id: String,
    /// In every form (and in nothing else)
    pub csrf: String,
    /// `sub`
    pub subject: String,
    /// The provider's session
    pub sid: Option<String>,
    /// `nonce` of the sign-in
    pub nonce: String,
    /// In words
    pub name: String,
    /// If the provider tells it
    pub email: Option<String>,
    /// Held during a refresh, so that there is one at a time
    pub refreshing: tokio::sync::Mutex<()>,
    tokens: Mutex<Arc<Tokens>>,
    started: Instant,
}

impl Session {
    /// Of this person, from now on.
    pub fn new(subject: &str, sid: Option<&str>, nonce: &str, tokens: Tokens) -> Result<Self, Failure> {
        Ok(Self {
            id: random()?,
            csrf: random()?,
            subject: subject.to_owned(),
            sid: sid.map(str::to_owned),
            nonce: nonce.to_owned(),
            name: subject.to_owned(),
            email: None,
            refreshing: tokio::sync::Mutex::default(),
            tokens: Mutex::new(Arc::new(tokens)),
            started: Instant::now(),
        })
    }

    /// The current ones.
    pub fn tokens(&self) -> Arc<Tokens> {
        Arc::clone(&locked(&self.tokens))
    }

    /// Sets the current ones.
    pub fn renew(&self, tokens: Tokens) -> Arc<Tokens> {
        let tokens = Arc::new(tokens);
        *locked(&self.tokens) = Arc::clone(&tokens);
        tokens
    }
}

/// Who is signed in, by the cookie's value.
#[derive(Default)]
pub struct Sessions(Mutex<HashMap<String, Arc<Session>>>);

impl Sessions {
    /// From now on it is found.
    pub fn start(&self, session: Session) -> Arc<Session> {
        let session = Arc::new(session);
        let mut sessions = locked(&self.0);
        make_room(&mut sessions, SESSION_LIFETIME, |session| session.started);
        sessions.insert(session.id.clone(), Arc::clone(&session));
        session
    }

    /// The one of this cookie, if it is alive.
    pub fn find(&self, id: &str) -> Option<Arc<Session>> {
        locked(&self.0).get(id).filter(|session| session.started.elapsed() < SESSION_LIFETIME).cloned()
    }

    /// From now on it is not found.
    pub fn end(&self, id: &str) -> Option<Arc<Session>> {
        locked(&self.0).remove(id)
    }

    /// Ends all that the provider means, and says how many those were.
    pub fn sign_out(&self, logout: &Logout) -> usize {
        let mut sessions = locked(&self.0);
        let before = sessions.len();
        let is_meant = |session: &Session| {
            logout.sid.as_ref().is_none_or(|sid| session.sid.as_ref() == Some(sid))
                && logout.sub.as_ref().is_none_or(|sub| session.subject == *sub)
        };
        sessions.retain(|_, session| !is_meant(session));
        before - sessions.len()
    }
}

/// Logout tokens that came, until they expire.
#[derive(Default)]
pub struct Logouts(Mutex<HashMap<String, i64>>);

impl Logouts {
    /// True the first time.
    pub fn is_new(&self, logout: &Logout, now: i64) -> bool {
        let mut seen = locked(&self.0);
        seen.retain(|_, expires_at| now < expires_at.saturating_add(LEEWAY));
        seen.insert(logout.jti.clone(), logout.expires_at).is_none()
    }
}

/// Compares secrets.
pub fn is_same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn make_room<T>(held: &mut HashMap<String, T>, lifetime: Duration, started: impl Fn(&T) -> Instant) {
    held.retain(|_, one| started(one).elapsed() < lifetime);
    if held.len() >= MOST {
        let oldest = held.iter().min_by_key(|(_, one)| started(one)).map(|(key, _)| key.clone());
        oldest.and_then(|key| held.remove(&key));
    }
}
