//! What the endpoints for clients share.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::edge::ctx::Ctx;
use crate::edge::failure::Failure;
use crate::edge::handlers::client_assertion::Assertion;
use crate::edge::http::WireRequest;
use crate::edge::log::{self, Line};
use crate::edge::store::clients;
use crate::protocol::client::{Client, Origin};
use crate::protocol::client_auth::{ClientCredentials, Remaining};
use crate::protocol::error::{Code, OAuthError};
use crate::protocol::form::Form;
use crate::protocol::secret::Secret;
use crate::protocol::time::{Seconds, Timestamp};

/// A client's request: its parameters, and who it says it is.
pub struct ClientRequest {
    /// Parameters.
    pub form: Form,
    /// Who it says it is.
    pub credentials: ClientCredentials,
    assertion: Assertion,
}

impl ClientRequest {
    /// Reads body and credentials; the client is named in the log from here on.
    pub async fn read(request: &mut WireRequest, line: &mut Line) -> Result<Self, Failure> {
        let form = request.form().await?;
        Self::of(request.header("authorization").as_deref(), form, line)
    }

    /// The same of a body that was read already.
    pub fn of(authorization: Option<&str>, form: Form, line: &mut Line) -> Result<Self, Failure> {
        let credentials = ClientCredentials::parse(authorization, &form)?;
        // What is no client id is not a name for a log either.
        line.client = Client::is_id(&credentials.client_id).then(|| credentials.client_id.clone());
        Ok(Self { form, credentials, assertion: Assertion::default() })
    }

    /// The authenticated client and what is decided on it. A refusal by a copy from memory is decided
    /// again on a fresh one before it is told.
    pub async fn decided<T>(&self, ctx: &Ctx, decide: impl Fn(&Client) -> Result<T, OAuthError>) -> Result<(Client, T), Failure> {
        let client = self.authenticated(ctx).await?;
        if let Ok(decision) = decide(&client) {
            return Ok((client, decision));
        }
        let client = self.authenticated_afresh(ctx).await?;
        let decision = decide(&client)?;
        Ok((client, decision))
    }

    /// The authenticated client, or the peer's error. A copy from memory may say yes, never no: before
    /// refusing, the database is read once.
    pub async fn authenticated(&self, ctx: &Ctx) -> Result<Client, Failure> {
        if let Some(client) = clients::remembered(ctx, &self.credentials.client_id) {
            match self.prove(ctx, &client).await {
                Ok(()) => return Ok(client),
                Err(Failure::Peer(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
        self.authenticated_afresh(ctx).await
    }

    /// The authenticated client as it is in the database now, or the peer's error.
    ///
    /// What is refused ends here, one read each: a coarse filter keeps floods of wrong secrets from the database.
    pub async fn authenticated_afresh(&self, ctx: &Ctx) -> Result<Client, Failure> {
        limit(ctx, "LIMIT_CLIENT", ctx.network.clone()).await?;
        let client = clients::fresh(ctx, &self.credentials.client_id).await?;
        let client = client.ok_or(OAuthError::invalid_client("unknown client"))?;
        self.prove(ctx, &client).await?;
        Ok(client)
    }

    /// Whether this client, read a moment ago, is who sends the request. An assertion is used once,
    /// however often this is asked.
    pub async fn prove(&self, ctx: &Ctx, client: &Client) -> Result<(), Failure> {
        match self.credentials.authenticate(client, ctx.now)? {
            Remaining::Nothing => Ok(()),
            Remaining::Assertion(text) => self.assertion.prove(ctx, client, text).await,
        }
    }
}

/// The token of an `Authorization: Bearer` header (RFC 6750 2.1); nothing when there is no such header.
pub fn bearer(request: &WireRequest) -> Option<Secret> {
    let header = request.header("authorization")?;
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| Secret::new(token.trim_matches(' ').to_owned()))
}

/// A coarse filter before keys may be fetched from an address that a stranger registered: many such clients in
/// turn could have us fetch without end.
pub async fn limit_fetches(ctx: &Ctx, client: &Client) -> Result<(), Failure> {
    if client.origin == Origin::Operator || client.metadata.jwks_uri.is_none() {
        return Ok(());
    }
    limit(ctx, "LIMIT_FETCH", format!("keys {}", ctx.network)).await
}

/// The same for what is asked very often by one key: asking would cost more than what is asked for. So an isolate asks
/// about the first ones of a minute, and from there about one in [`SAMPLE`]; after a refusal about each again.
pub async fn limit_often(ctx: &Ctx, binding: &str, key: String) -> Result<(), Failure> {
    let seen = SEEN.with_borrow_mut(|seen| {
        if seen.len() >= MOST_SEEN && !seen.contains_key(&key) {
            // Rare, and any choice is good: start over.
            seen.clear();
        }
        let (since, count) = seen.entry(key.clone()).or_insert((ctx.now, 0));
        if !(0..MINUTE.millis()).contains(&ctx.now.since(*since)) {
            (*since, *count) = (ctx.now, 0);
        }
        *count += 1;
        *count
    });
    if seen > ALL_OF && !seen.is_multiple_of(SAMPLE) {
        return Ok(());
    }
    let outcome = limit(ctx, binding, key.clone()).await;
    if outcome.is_err() {
        SEEN.with_borrow_mut(|seen| seen.remove(&key));
    }
    outcome
}

/// So many of a key in a minute are all asked about.
const ALL_OF: u32 = 32;
/// Of those beyond, one in so many is.
const SAMPLE: u32 = 8;
/// Keys that an isolate remembers at most.
const MOST_SEEN: usize = 256;
/// The period of the bindings.
const MINUTE: Seconds = Seconds(60);

thread_local! {
    /// By key: since when, and how often it was seen.
    static SEEN: RefCell<HashMap<String, (Timestamp, u32)>> = RefCell::default();
}

/// Asks a rate-limit binding: a cheap first filter, by location and approximate.
pub async fn limit(ctx: &Ctx, binding: &str, key: String) -> Result<(), Failure> {
    let too_many = OAuthError::new(Code::TooManyRequests, "too many requests").retry_after(60);
    let outcome = match ctx.env.rate_limiter(binding) {
        Ok(limiter) => limiter.limit(key).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(outcome) if !outcome.success => Err(too_many.into()),
        Ok(_) => Ok(()),
        // Where guessing could succeed exact budgets stand behind it: a filter that is out of order must not stop
        // the realm, but somebody should know.
        Err(error) => {
            log::event("error", "rate limit", &format!("{binding}: {error}"), &ctx.meter);
            Ok(())
        }
    }
}
