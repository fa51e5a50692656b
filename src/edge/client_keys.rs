//! The keys of clients: in their metadata, or fetched from their `jwks_uri` and kept by this isolate for a
//! while. What is kept is plain data; who waits for a fetch of another request looks again and again, for a
//! request cannot await what belongs to another.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::crypto;
use super::ctx::{Ctx, now};
use super::failure::{Failure, Fault};
use super::js;
use super::outbound::{self, Refused};
use crate::protocol::client::Client;
use crate::protocol::client_keys::{ClientKey, Fetches, Pace, Step, candidates, knows, usable};
use crate::protocol::error::OAuthError;
use crate::protocol::foreign_jwt::{AttestedJwt, ForeignJwt};
use crate::protocol::json;
use crate::protocol::time::{Seconds, Timestamp};

/// Sets that an isolate keeps at most.
const MOST: usize = 64;
/// Largest set, in bytes.
const LARGEST: usize = 64 * 1024;
/// Between two looks at a fetch that is under way, in milliseconds.
const LOOK_AGAIN: u32 = 50;

thread_local! {
    /// By client.
    static SETS: RefCell<HashMap<String, Set>> = RefCell::new(HashMap::new());
}

/// What is known about one client's `jwks_uri`.
#[derive(Clone)]
struct Set {
    uri: String,
    fetches: Fetches,
    keys: Rc<[ClientKey]>,
}

/// The claims of a JWT that this client signed. `refuse` makes the error of one that it did not.
pub async fn attested(
    ctx: &Ctx,
    client: &Client,
    jwt: ForeignJwt<'_>,
    refuse: fn(&'static str) -> OAuthError,
) -> Result<AttestedJwt, Failure> {
    let not_signed = || Failure::from(refuse("no key of the client has signed it"));
    if let Some(set) = &client.metadata.jwks {
        let keys = usable(set).ok_or(refuse("the client's jwks is no JWK Set"))?;
        let is_signed = is_signed(&keys, &jwt).await?;
        return jwt.attest(is_signed).ok_or_else(not_signed);
    }
    let uri = client.metadata.jwks_uri.as_deref().ok_or(refuse("the client has no keys"))?;
    let mut lacking = None;
    loop {
        let (fetched_at, keys) = fetched(ctx, &client.id, uri, lacking).await.map_err(refuse)?;
        if is_signed(&keys, &jwt).await? {
            return jwt.attest(true).ok_or_else(not_signed);
        }
        // A newer set brings nothing where the key that is named was tried, nor a second time.
        if knows(&keys, jwt.kid.as_deref()) || lacking.is_some() {
            return Err(not_signed());
        }
        lacking = Some(fetched_at);
    }
}

async fn is_signed(keys: &[ClientKey], jwt: &ForeignJwt<'_>) -> Result<bool, Fault> {
    for key in candidates(keys, jwt.alg, jwt.kid.as_deref()) {
        if crypto::is_signed_by(&key.jwk, jwt.alg, jwt.message(), jwt.signature()).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The keys at a client's `jwks_uri` and when they were fetched: another time than `lacking`, if there can be.
async fn fetched(
    ctx: &Ctx,
    client: &str,
    uri: &str,
    lacking: Option<Timestamp>,
) -> Result<(Timestamp, Rc<[ClientKey]>), &'static str> {
    let settings = &ctx.config.settings;
    let pace = Pace {
        cache: Seconds(settings.client_keys_cache),
        refetch: Seconds(settings.client_keys_refetch),
        timeout: Seconds(settings.outbound_timeout),
    };
    loop {
        let set = known(client, uri);
        match set.fetches.step(lacking, pace, now()) {
            Step::Use => return Ok((set.fetches.kept.unwrap_or(Timestamp::EPOCH), set.keys)),
            Step::Wait => js::sleep(LOOK_AGAIN).await,
            Step::Refuse(why) => return Err(why),
            Step::Fetch => {
                let fetches = Fetches { began: Some(now()), ..set.fetches };
                remember(client, Set { fetches, ..set });
                let answer = fetch(ctx, uri).await;
                let ended = now();
                // Read again, for others ran meanwhile.
                let set = known(client, uri);
                let fetches = Fetches { ended: Some(ended), began: None, ..set.fetches };
                match answer {
                    Ok(keys) => {
                        let fetches = Fetches { kept: Some(ended), ..fetches };
                        remember(client, Set { fetches, keys: Rc::clone(&keys), ..set });
                        return Ok((ended, keys));
                    }
                    Err(why) => {
                        remember(client, Set { fetches, ..set });
                        return Err(why);
                    }
                }
            }
        }
    }
}

async fn fetch(ctx: &Ctx, uri: &str) -> Result<Rc<[ClientKey]>, &'static str> {
    let body = outbound::get(ctx, uri, "application/jwk-set+json, application/json", LARGEST).await;
    let set = json::parse(&body.map_err(Refused::word)?).map_err(|_| "jwks_uri answered with something else than JSON")?;
    Ok(usable(&set).ok_or("jwks_uri answered with something else than a JWK Set")?.into())
}

/// What is known, which is nothing when the client has another `jwks_uri` now.
fn known(client: &str, uri: &str) -> Set {
    let set = SETS.with_borrow(|sets| sets.get(client).filter(|set| set.uri == uri).cloned());
    set.unwrap_or_else(|| Set { uri: uri.to_owned(), fetches: Fetches::default(), keys: Rc::new([]) })
}

fn remember(client: &str, set: Set) {
    SETS.with_borrow_mut(|sets| {
        if sets.len() >= MOST && !sets.contains_key(client) {
            let last_use = |set: &Set| set.fetches.began.max(set.fetches.ended);
            let oldest = sets.iter().min_by_key(|(_, set)| last_use(set)).map(|(client, _)| client.clone());
            if let Some(oldest) = oldest {
                sets.remove(&oldest);
            }
        }
        sets.insert(client.to_owned(), set);
    });
}
