//! What ID tokens and logout tokens must be, beyond signature, issuer, audience and times.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::provider::{Alg, Provider, Refusal, Rules, Verified, unix_time};

const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The claims of an ID token that came with `access_token` (OpenID Connect Core 3.1.3.7). After a refresh there is usually no
/// nonce, so `nonce` is what it must be if `is_first`, and what it must be if it is there otherwise (Core 12.2).
pub async fn id_token(
    provider: &Provider,
    (client_id, alg): (&str, Alg),
    token: &str,
    (nonce, is_first): (&str, bool),
    access_token: &str,
) -> Result<Verified, Refusal> {
    let rules = Rules { algs: &[alg], types: &["", "jwt"], audience: client_id };
    let verified = provider.verified(token, &rules, unix_time()).await?;
    check_id_token(&verified, client_id, (nonce, is_first), access_token).map_err(Refusal::Invalid)?;
    Ok(verified)
}

fn check_id_token(
    token: &Verified,
    client_id: &str,
    (nonce, is_first): (&str, bool),
    access_token: &str,
) -> Result<(), &'static str> {
    token.text("sub").ok_or("no subject")?;
    let is_for_many = token.claims.get("aud").and_then(Value::as_array).is_some_and(|aud| aud.len() > 1);
    match token.claims.get("azp").map(Value::as_str) {
        Some(party) if party != Some(client_id) => return Err("authorized for another party"),
        None if is_for_many => return Err("meant for several, and for nobody in particular"),
        _ => {}
    }
    match token.claims.get("nonce").map(Value::as_str) {
        Some(sent) if sent != Some(nonce) => return Err("of another sign-in (nonce)"),
        None if is_first => return Err("of no sign-in (nonce)"),
        _ => {}
    }
    let at_hash = token.claims.get("at_hash").map(Value::as_str);
    if at_hash.is_some_and(|sent| sent != Some(&hash_of(access_token))) {
        return Err("of another access token (at_hash)");
    }
    Ok(())
}

/// `at_hash` (Core 3.1.3.6): all our algorithms are of SHA-256.
pub fn hash_of(access_token: &str) -> String {
    let hash: [u8; 32] = Sha256::digest(access_token).into();
    let (left, _) = hash.split_at(16);
    URL_SAFE_NO_PAD.encode(left)
}

/// Who is signed out (OpenID Connect Back-Channel Logout 1.0).
#[derive(Debug, PartialEq, Eq)]
pub struct Logout {
    /// One session at the provider
    pub sid: Option<String>,
    /// One person
    pub sub: Option<String>,
    /// Names this token, for ever
    pub jti: String,
    /// Unix time in seconds
    pub expires_at: i64,
}

/// Section 2.6, but for `jti`, which the caller remembers.
pub async fn logout_token(provider: &Provider, (client_id, alg): (&str, Alg), token: &str) -> Result<Logout, Refusal> {
    let rules = Rules { algs: &[alg], types: &["logout+jwt"], audience: client_id };
    let verified = provider.verified(token, &rules, unix_time()).await?;
    logout_of(&verified).map_err(Refusal::Invalid)
}

fn logout_of(token: &Verified) -> Result<Logout, &'static str> {
    let text = |name| token.text(name).map(str::to_owned);
    let is_logout = token.claims.get("events").and_then(|events| events.get(LOGOUT_EVENT)).is_some_and(Value::is_object);
    if !is_logout {
        return Err("no logout event");
    }
    if token.claims.contains_key("nonce") {
        return Err("an ID token (nonce)");
    }
    let (sid, sub) = (text("sid"), text("sub"));
    if sid.is_none() && sub.is_none() {
        return Err("neither session nor subject");
    }
    let jti = text("jti").ok_or("no id")?;
    let expires_at = token.claims.get("exp").and_then(Value::as_i64).ok_or("no expiry")?;
    Ok(Logout { sid, sub, jti, expires_at })
}
