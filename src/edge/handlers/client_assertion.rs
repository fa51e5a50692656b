//! `private_key_jwt` where a client authenticates: RFC 7523 3.

use std::cell::RefCell;

use serde_json::Value;

use crate::edge::client_keys;
use crate::edge::ctx::Ctx;
use crate::edge::failure::Failure;
use crate::edge::handlers::api::limit_fetches;
use crate::edge::objects::replay;
use crate::edge::salts::{Purpose, salt};
use crate::protocol::client::Client;
use crate::protocol::client_assertion::{AssertionClaims, TYP};
use crate::protocol::error::OAuthError;
use crate::protocol::foreign_jwt::ForeignJwt;
use crate::protocol::jose::Alg;
use crate::protocol::secret::Secret;
use crate::protocol::time::Seconds;

/// So long past its end the use of an assertion is remembered: clocks differ among Workers too.
const MARGIN: Seconds = Seconds(60);

/// What one request found out about its assertion. The client may be read again while it is answered;
/// the assertion is verified once for each set of keys and used once.
#[derive(Debug, Default)]
pub struct Assertion {
    checked: RefCell<Option<(Basis, Result<AssertionClaims, OAuthError>)>>,
    is_first: RefCell<Option<bool>>,
}

/// All of a client that the verdict depends on.
#[derive(Debug, PartialEq)]
struct Basis {
    client: String,
    jwks: Option<Value>,
    jwks_uri: Option<String>,
    alg: Option<Alg>,
    endpoint_audience: bool,
}

impl Basis {
    fn of(client: &Client) -> Self {
        let metadata = &client.metadata;
        Self {
            client: client.id.clone(),
            jwks: metadata.jwks.clone(),
            jwks_uri: metadata.jwks_uri.clone(),
            alg: metadata.token_endpoint_auth_signing_alg,
            endpoint_audience: metadata.endpoint_audience,
        }
    }
}

impl Assertion {
    /// Proves that an assertion is this client's own and good here, and uses it.
    pub async fn prove(&self, ctx: &Ctx, client: &Client, text: &Secret) -> Result<(), Failure> {
        let basis = Basis::of(client);
        let known = self.checked.borrow().as_ref().filter(|(of, _)| *of == basis).map(|(_, verdict)| verdict.clone());
        let verdict = match known {
            Some(verdict) => verdict,
            None => {
                let verdict = match verified(ctx, client, text).await {
                    Ok(claims) => Ok(claims),
                    Err(Failure::Peer(error)) => Err(error),
                    Err(fault) => return Err(fault),
                };
                self.checked.replace(Some((basis, verdict.clone())));
                verdict
            }
        };
        if self.is_first(ctx, client, &verdict?).await? {
            Ok(())
        } else {
            Err(OAuthError::invalid_client("assertion: used before").into())
        }
    }

    /// Whether this request is the first to use it.
    async fn is_first(&self, ctx: &Ctx, client: &Client, claims: &AssertionClaims) -> Result<bool, Failure> {
        if let Some(is_first) = *self.is_first.borrow() {
            return Ok(is_first);
        }
        let salt = salt(ctx, Purpose::Replay).await?;
        let hash = salt.mac(&[b"client assertion", client.id.as_bytes(), claims.jti.as_bytes()]);
        let is_first = replay::is_first(ctx, hash, claims.exp.0.plus(MARGIN)).await?;
        self.is_first.replace(Some(is_first));
        Ok(is_first)
    }
}

async fn verified(ctx: &Ctx, client: &Client, text: &Secret) -> Result<AssertionClaims, Failure> {
    let refuse = OAuthError::invalid_client;
    let jwt = ForeignJwt::parse(text.expose(), &[TYP]).ok_or(refuse("assertion: malformed, or of another algorithm or type"))?;
    if client.metadata.token_endpoint_auth_signing_alg.is_some_and(|alg| alg != jwt.alg) {
        return Err(refuse("assertion: not the algorithm that is registered").into());
    }
    limit_fetches(ctx, client).await?;
    let attested = client_keys::attested(ctx, client, jwt, refuse).await?;
    let claims: AssertionClaims = attested.claims().ok_or(refuse("assertion: a claim is missing or malformed"))?;
    claims.check(client, &ctx.config, ctx.now).map_err(refuse)?;
    Ok(claims)
}
