//! The keys of clients and of trusted issuers: written down here, or fetched from where they are and kept by
//! this isolate for a while. What is kept is plain data; who waits for a fetch of another request looks again and again, for a
//! request cannot await what belongs to another.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use serde::Deserialize;
use serde_json::Value;

use super::crypto;
use super::ctx::{Ctx, now};
use super::failure::{Failure, Fault};
use super::js;
use super::outbound::{self, Refused};
use crate::protocol::client::Client;
use crate::protocol::client_keys::{ClientKey, Fetches, Pace, Step, candidates, knows, recipients, usable};
use crate::protocol::error::OAuthError;
use crate::protocol::foreign_jwt::{AttestedJwt, ForeignJwt};
use crate::protocol::json;
use crate::protocol::jwe::{KeySource, Recipient};
use crate::protocol::time::{Seconds, Timestamp};
use crate::protocol::trust::{Keys, TrustedIssuer};

/// Sets that an isolate keeps at most.
const MOST: usize = 64;
/// How the names of issuers' sets begin; no `client_id` has a space in it.
pub const ISSUER: &str = "issuer ";
/// Largest set, and largest metadata of an issuer, in bytes.
const LARGEST: usize = 64 * 1024;
/// Between two looks at a fetch that is under way, in milliseconds.
const LOOK_AGAIN: u32 = 50;

thread_local! {
    /// By whose they are.
    static SETS: RefCell<HashMap<String, Set>> = RefCell::new(HashMap::new());
}

/// What is known about one set.
#[derive(Clone)]
struct Set {
    source: Source,
    fetches: Fetches,
    keys: Rc<[ClientKey]>,
}

/// Where a set is fetched from.
#[derive(Clone, PartialEq)]
enum Source {
    /// A JWK Set.
    Uri(String),
    /// The metadata of this issuer, which say where its JWK Set is.
    Metadata { issuer: String, url: String },
}

/// The claims of a JWT that this client signed. `refuse` makes the error of one that it did not.
pub async fn attested(
    ctx: &Ctx,
    client: &Client,
    jwt: ForeignJwt<'_>,
    refuse: fn(&'static str) -> OAuthError,
) -> Result<AttestedJwt, Failure> {
    if let Some(set) = &client.metadata.jwks {
        return by_set(set, jwt, refuse).await;
    }
    let uri = client.metadata.jwks_uri.as_deref().ok_or(refuse("it has no keys"))?;
    by_fetched(ctx, &client.id, Source::Uri(uri.to_owned()), jwt, refuse).await
}

/// The claims of a JWT that a trusted issuer signed. `name` is under which its keys are kept.
pub async fn attested_by_issuer(
    ctx: &Ctx,
    name: &str,
    trusted: &TrustedIssuer,
    jwt: ForeignJwt<'_>,
    refuse: fn(&'static str) -> OAuthError,
) -> Result<AttestedJwt, Failure> {
    let source = match trusted.keys() {
        Keys::Inline(set) => return by_set(set, jwt, refuse).await,
        Keys::Uri(uri) => Source::Uri(uri.to_owned()),
        Keys::Discovery(url) => Source::Metadata { issuer: trusted.issuer.clone(), url },
    };
    by_fetched(ctx, name, source, jwt, refuse).await
}

const NOT_SIGNED: &str = "none of its keys has signed it";

async fn by_set(set: &Value, jwt: ForeignJwt<'_>, refuse: fn(&'static str) -> OAuthError) -> Result<AttestedJwt, Failure> {
    let keys = usable(set).ok_or(refuse("its jwks is no JWK Set"))?;
    let is_signed = is_signed(&keys, &jwt).await?;
    jwt.attest(is_signed).ok_or_else(|| refuse(NOT_SIGNED).into())
}

async fn by_fetched(
    ctx: &Ctx,
    name: &str,
    source: Source,
    jwt: ForeignJwt<'_>,
    refuse: fn(&'static str) -> OAuthError,
) -> Result<AttestedJwt, Failure> {
    let mut lacking = None;
    loop {
        let (fetched_at, keys) = fetched(ctx, name, &source, lacking).await.map_err(refuse)?;
        if is_signed(&keys, &jwt).await? {
            return jwt.attest(true).ok_or_else(|| refuse(NOT_SIGNED).into());
        }
        // A newer set brings nothing where the key that is named was tried, nor a second time.
        if knows(&keys, jwt.kid.as_deref()) || lacking.is_some() {
            return Err(refuse(NOT_SIGNED).into());
        }
        lacking = Some(fetched_at);
    }
}

/// The keys that something may be encrypted to, the best first; none where the recipient has none. A set that
/// cannot be had now is no reason to say that.
pub async fn encryption_keys(ctx: &Ctx, recipient: &Recipient) -> Result<Vec<ClientKey>, Fault> {
    let Recipient { client, alg, keys, .. } = recipient;
    let source = match keys {
        KeySource::Inline(set) => return Ok(recipients(&usable(set).unwrap_or_default(), *alg)),
        KeySource::Fetched(uri) => Source::Uri(uri.clone()),
    };
    let (fetched_at, keys) =
        fetched(ctx, client, &source, None).await.map_err(|why| Fault::unavailable("keys of a client", why))?;
    let fitting = recipients(&keys, *alg);
    if !fitting.is_empty() {
        return Ok(fitting);
    }
    // A newer set may have one. That there is no newer one leaves what is known.
    let newer = fetched(ctx, client, &source, Some(fetched_at)).await;
    Ok(newer.map(|(_, keys)| recipients(&keys, *alg)).unwrap_or_default())
}

async fn is_signed(keys: &[ClientKey], jwt: &ForeignJwt<'_>) -> Result<bool, Fault> {
    for key in candidates(keys, jwt.alg, jwt.kid.as_deref()) {
        if crypto::is_signed_by(&key.jwk, jwt.alg, jwt.message(), jwt.signature()).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The keys of a source and when they were fetched: another time than `lacking`, if there can be.
async fn fetched(
    ctx: &Ctx,
    name: &str,
    source: &Source,
    lacking: Option<Timestamp>,
) -> Result<(Timestamp, Rc<[ClientKey]>), &'static str> {
    let settings = &ctx.config.settings;
    let pace = Pace {
        cache: Seconds(settings.client_keys_cache),
        refetch: Seconds(settings.client_keys_refetch),
        timeout: Seconds(settings.outbound_timeout * source.requests()),
    };
    loop {
        let set = known(name, source);
        match set.fetches.step(lacking, pace, now()) {
            Step::Use => return Ok((set.fetches.kept.unwrap_or(Timestamp::EPOCH), set.keys)),
            Step::Wait => js::sleep(LOOK_AGAIN).await,
            Step::Refuse(why) => return Err(why),
            Step::Fetch => {
                let fetches = Fetches { began: Some(now()), ..set.fetches };
                remember(name, Set { fetches, ..set });
                let answer = fetch(ctx, source).await;
                let ended = now();
                // Read again, for others ran meanwhile.
                let set = known(name, source);
                let fetches = Fetches { ended: Some(ended), began: None, ..set.fetches };
                match answer {
                    Ok(keys) => {
                        let fetches = Fetches { kept: Some(ended), ..fetches };
                        remember(name, Set { fetches, keys: Rc::clone(&keys), ..set });
                        return Ok((ended, keys));
                    }
                    Err(why) => {
                        remember(name, Set { fetches, ..set });
                        return Err(why);
                    }
                }
            }
        }
    }
}

impl Source {
    /// How many requests fetching it takes.
    const fn requests(&self) -> u32 {
        match self {
            Self::Uri(_) => 1,
            Self::Metadata { .. } => 2,
        }
    }
}

async fn fetch(ctx: &Ctx, source: &Source) -> Result<Rc<[ClientKey]>, &'static str> {
    let discovered;
    let uri = match source {
        Source::Uri(uri) => uri,
        Source::Metadata { issuer, url } => {
            discovered = discover(ctx, issuer, url).await?;
            &discovered
        }
    };
    let body = outbound::get(ctx, uri, "application/jwk-set+json, application/json", LARGEST).await;
    let set = json::parse(&body.map_err(Refused::word)?).map_err(|_| "jwks_uri answered with something else than JSON")?;
    Ok(usable(&set).ok_or("jwks_uri answered with something else than a JWK Set")?.into())
}

/// The `jwks_uri` of an issuer's metadata, which must be just this issuer's (OpenID Connect Discovery 4.3). It may
/// be on another host.
async fn discover(ctx: &Ctx, issuer: &str, url: &str) -> Result<String, &'static str> {
    #[derive(Deserialize)]
    struct Metadata {
        issuer: String,
        jwks_uri: String,
    }
    let body = outbound::get(ctx, url, "application/json", LARGEST).await.map_err(Refused::word)?;
    let metadata: Metadata = json::read(&body).map_err(|_| "the issuer's metadata are none, or without jwks_uri")?;
    if metadata.issuer == issuer { Ok(metadata.jwks_uri) } else { Err("the issuer's metadata are of another issuer") }
}

/// What is known, which is nothing when they are somewhere else now.
fn known(name: &str, source: &Source) -> Set {
    let set = SETS.with_borrow(|sets| sets.get(name).filter(|set| set.source == *source).cloned());
    set.unwrap_or_else(|| Set { source: source.clone(), fetches: Fetches::default(), keys: Rc::new([]) })
}

fn remember(name: &str, set: Set) {
    SETS.with_borrow_mut(|sets| {
        if sets.len() >= MOST && !sets.contains_key(name) {
            let last_use = |set: &Set| set.fetches.began.max(set.fetches.ended);
            // Issuers, whom the operator trusts, go last: strangers' clients must not push them out.
            let rank = |name: &str, set: &Set| (name.starts_with(ISSUER), last_use(set));
            let oldest = sets.iter().min_by_key(|(name, set)| rank(name, set)).map(|(name, _)| name.clone());
            if let Some(oldest) = oldest {
                sets.remove(&oldest);
            }
        }
        sets.insert(name.to_owned(), set);
    });
}
