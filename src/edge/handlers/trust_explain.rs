//! `POST /admin/trust/explain`: why a token of an outside issuer is worth what it is, for the operator.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::edge::client_keys;
use crate::edge::ctx::Ctx;
use crate::edge::failure::Failure;
use crate::edge::handlers::access_token::{self, Standing, standing};
use crate::edge::handlers::api::bearer;
use crate::edge::handlers::outside::keys_of;
use crate::edge::handlers::userinfo::challenge;
use crate::edge::http::{WireRequest, WireResponse};
use crate::edge::log::Line;
use crate::edge::store::{clients, trusted_issuers};
use crate::protocol::admin::issuer::settings;
use crate::protocol::admin::problem::Wrong;
use crate::protocol::error::{Code, OAuthError};
use crate::protocol::foreign_jwt::{ForeignJwt, unverified_issuer};
use crate::protocol::json;
use crate::protocol::secret::Secret;
use crate::protocol::trust::{Account, Asking, Check, RuleAccount, Token, TrustedIssuer};

/// The scope of those who may ask.
pub const SCOPE: &str = "latchkey:admin";

/// What is asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The outside token.
    token: String,
    /// Settings that are not saved yet; absent: those of the token's issuer.
    settings: Option<Value>,
    /// As if this client, authenticated, had sent the token; absent: it does not matter who does.
    client_id: Option<String>,
}

/// What is told.
#[derive(Serialize)]
pub struct Explanation {
    /// `iss` of the token.
    issuer: Option<String>,
    /// Whether it is in the database.
    known: bool,
    /// Whether the issuer was asked for its keys, or would have been: the checks and a rule were met before.
    signature_checked: bool,
    /// Whether the token would be accepted, if it was not used before.
    accepted: bool,
    /// The rule that counts.
    rule: Option<String>,
    checks: Vec<Check>,
    rules: Vec<RuleAccount>,
}

/// Answers the endpoint that is older than the admin API.
///
/// 1. The bearer token of the request: in the header alone (RFC 6750 2.1), of ours, with the scope of
///    administrators, and with somebody alive behind it.
/// 2. The question.
pub async fn explain(ctx: &Ctx, request: &mut WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    // 1
    let Some(token) = bearer(request) else {
        // RFC 6750 3.1: no error code when no token was sent.
        return Ok(WireResponse::empty(401).header("www-authenticate", challenge(ctx, None, SCOPE)));
    };
    administrator(ctx, &token, line).await?;
    // 2
    let malformed = OAuthError::new(Code::InvalidRequest, "the body is not a JSON object with token, settings and client_id");
    let question: Question = json::read(&request.json().await?).map_err(|_| malformed)?;
    Ok(match explained(ctx, question).await? {
        Ok(explanation) => WireResponse::json(200, &explanation),
        Err(wrong) => {
            let faults: Vec<String> = wrong.iter().map(|Wrong { pointer, detail }| format!("{pointer}: {detail}")).collect();
            let body = json!({ "error": "invalid_request", "error_description": "settings have faults", "faults": faults,
                "request_id": ctx.request_id });
            WireResponse::json(400, &body)
        }
    })
}

/// Explains a token, or tells what is wrong with the settings that are tried out. Nothing of it gets into the log, and
/// nothing is spent.
///
/// 1. The issuer that is asked about.
/// 2. The token's header and claims. What is refused here is not verified.
/// 3. Its signature.
/// 4. Every condition of the issuer and of each rule.
pub async fn explained(ctx: &Ctx, question: Question) -> Result<Result<Explanation, Vec<Wrong>>, Failure> {
    // 1
    let token = Secret::new(question.token);
    let issuer = unverified_issuer(token.expose());
    let saved = match &issuer {
        Some(issuer) => trusted_issuers::fresh(ctx, issuer).await?,
        None => None,
    };
    let mut explanation = Explanation {
        known: saved.is_some(),
        issuer,
        signature_checked: false,
        accepted: false,
        rule: None,
        checks: Vec::new(),
        rules: Vec::new(),
    };
    if explanation.issuer.as_ref() == Some(&ctx.config.issuer) {
        explanation.checks.push(Check::of("issuer", Err("it says that it is our own")));
        return Ok(Ok(explanation));
    }
    let (trusted, keys) = match (question.settings, saved) {
        (Some(settings), _) => match proposed(explanation.issuer.clone().unwrap_or_default(), settings) {
            // What is tried out here must not push out what is known about the issuer that is saved.
            Ok(trusted) => (trusted.clone(), format!("proposed {}", keys_of(&trusted))),
            Err(wrong) => return Ok(Err(wrong)),
        },
        (None, Some(saved)) => ((*saved).clone(), keys_of(&saved)),
        (None, None) => {
            explanation.checks.push(Check::of("issuer", Err("its issuer is not trusted, or it is no JWT with an issuer")));
            return Ok(Ok(explanation));
        }
    };
    // 2
    let Some(jwt) = ForeignJwt::parse_any(token.expose()) else {
        explanation.checks.push(Check::of("jwt", Err("it is no JWT that is signed by an algorithm of ours")));
        return Ok(Ok(explanation));
    };
    let (typ, alg) = (jwt.typ.clone(), jwt.alg);
    let asking = question.client_id.as_deref().map(Asking::Authenticated);
    let account = |claims: &Map<String, Value>| {
        let token = Token { typ: typ.as_deref(), alg, claims, now: ctx.now };
        trusted.explain(&token, &ctx.config.issuer, asking)
    };
    let unverified = jwt.refused_early(|claims| {
        let account = account(claims);
        if account.rule.is_some() { Ok(()) } else { Err(account) }
    });
    if let Err(account) = unverified {
        return Ok(Ok(explanation.with(account, None)));
    }
    // 3
    let again = ForeignJwt::parse_any(token.expose());
    let refuse = |why| OAuthError::new(Code::InvalidRequest, why);
    let signature = match client_keys::attested_by_issuer(ctx, &keys, &trusted, jwt, refuse).await {
        Ok(attested) => Ok(attested.claims().unwrap_or_default()),
        Err(Failure::Peer(error)) => Err(error.description),
        Err(fault) => return Err(fault),
    };
    // 4
    match signature {
        Ok(claims) => Ok(Ok(explanation.with(account(&claims), Some(Ok(()))))),
        // It is refused for what no claim can change, so they can be shown.
        Err(why) => match again.map(|jwt| jwt.refused_early(|claims| Err(account(claims)))) {
            Some(Err(account)) => Ok(Ok(explanation.with(account, Some(Err(why))))),
            _ => Ok(Ok(explanation)),
        },
    }
}

impl Explanation {
    /// The same, with what became of the signature where it was checked.
    fn with(mut self, account: Account, signature: Option<Result<(), &'static str>>) -> Self {
        self.signature_checked = signature.is_some();
        self.accepted = account.rule.is_some() && signature.is_some_and(|signature| signature.is_ok());
        self.rule = account.rule.filter(|_| self.accepted);
        self.checks = account.checks;
        self.checks.extend(signature.map(|outcome| Check::of("signature", outcome)));
        self.rules = account.rules;
        self
    }
}

/// The issuer with settings that somebody tries out, or everything that is wrong with them.
fn proposed(issuer: String, said: Value) -> Result<TrustedIssuer, Vec<Wrong>> {
    let settings = settings(&issuer, said)?;
    if !TrustedIssuer::is_issuer(&issuer) {
        return Err(vec![Wrong::at("issuer", "the token's must be an https URL without query and fragment")]);
    }
    Ok(TrustedIssuer { issuer, settings, enabled: true, version: 0 })
}

/// Refuses who is no administrator right now.
async fn administrator(ctx: &Ctx, token: &Secret, line: &mut Line) -> Result<(), Failure> {
    let token = access_token::read(ctx, token).await?.ok_or(invalid("not an access token of ours, or expired"))?;
    let claims = &token.claims;
    line.client = Some(claims.client_id.clone());
    // RFC 9068 4: a token for some resource is none for administration, wherever that resource took it.
    if !claims.aud.iter().any(|audience| audience == ctx.config.issuer) {
        return Err(invalid("the token is for somebody else").into());
    }
    let lacks = || OAuthError::new(Code::InsufficientScope, "the token has no scope latchkey:admin");
    if !claims.scope.contains(SCOPE) {
        return Err(lacks().into());
    }
    let still_has = match standing(ctx, &token).await? {
        Standing::Grant(grant) => grant.approved_scope.contains(SCOPE),
        Standing::Client => {
            clients::known(ctx, &claims.client_id).await?.is_some_and(|client| client.metadata.scope.contains(SCOPE))
        }
        Standing::Fallen(why) => return Err(invalid(why).into()),
    };
    if still_has { Ok(()) } else { Err(lacks().into()) }
}

const fn invalid(detail: &'static str) -> OAuthError {
    OAuthError::new(Code::InvalidToken, "the access token is not valid").because(detail)
}
