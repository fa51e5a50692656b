//! What the portal says to the provider.

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Client, Url};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::failure::Failure;
use crate::provider::{Alg, Provider, Verified, body, root_cause, unix_time};
use crate::rules;
use crate::sessions::{Attempt, Tokens};

/// Lifetime of an access token if the provider does not say, and the longest that is believed, in seconds.
const LIFETIMES: (i64, i64) = (300, 24 * 3600);

/// A registered client of one provider.
pub struct Oauth {
    /// Who signs people in
    pub provider: Provider,
    /// For its endpoints
    pub http: Client,
    /// As registered
    pub client_id: String,
    /// As registered
    pub client_secret: String,
    /// As registered
    pub redirect_uri: String,
    /// As registered
    pub signed_out_uri: String,
    /// What is asked for
    pub scope: String,
    /// What the access token is for (RFC 8707)
    pub resource: String,
    /// OpenID Connect Core 3.1.2.1
    pub prompt: Option<String>,
    /// Of ID tokens and logout tokens
    pub alg: Alg,
}

impl Oauth {
    /// Where to send the browser to sign in (RFC 6749 4.1.1, RFC 7636 4.3, RFC 8707 2.1).
    pub async fn authorization_url(&self, state: &str, attempt: &Attempt) -> Result<Url, Failure> {
        let mut url = self.endpoint("authorization_endpoint").await?;
        let challenge: [u8; 32] = Sha256::digest(&attempt.verifier).into();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("scope", &self.scope)
            .append_pair("resource", &self.resource)
            .append_pair("state", state)
            .append_pair("nonce", &attempt.nonce)
            .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(challenge))
            .append_pair("code_challenge_method", "S256");
        if let Some(prompt) = &self.prompt {
            url.query_pairs_mut().append_pair("prompt", prompt);
        }
        Ok(url)
    }

    /// RFC 9207 2.4: an answer must come from whom we asked. Who says that it names itself always must.
    pub async fn check_issuer(&self, iss: Option<&str>) -> Result<(), Failure> {
        let metadata = self.provider.metadata().await?;
        let promised = metadata.get("authorization_response_iss_parameter_supported") == Some(&Value::Bool(true));
        let is_right = match iss {
            Some(iss) => metadata.get("issuer").and_then(Value::as_str) == Some(iss),
            None => !promised,
        };
        if is_right { Ok(()) } else { Err(Failure::bad_request("This answer comes from another provider.")) }
    }

    /// Tokens for a code, and who signed in (RFC 6749 4.1.3, OpenID Connect Core 3.1.3).
    pub async fn exchange(&self, code: &str, attempt: &Attempt) -> Result<(Tokens, Verified), Failure> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", &attempt.verifier),
            ("resource", &self.resource),
        ];
        let answer = self.token(&form).await?;
        let id_token = text(&answer, "id_token").ok_or_else(|| Failure::bad_gateway("The provider sent no ID token."))?;
        let access_token = text(&answer, "access_token").unwrap_or_default();
        let nonce = (attempt.nonce.as_str(), true);
        let id = rules::id_token(&self.provider, (&self.client_id, self.alg), id_token, nonce, access_token).await?;
        Ok((tokens(&answer, id_token, None)?, id))
    }

    /// New tokens for old ones (RFC 6749 6, OpenID Connect Core 12); nothing if there is no refresh token.
    pub async fn refresh(&self, held: &Tokens, subject: &str, nonce: &str) -> Result<Option<Tokens>, Failure> {
        let Some(refresh_token) = &held.refresh_token else {
            return Ok(None);
        };
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token), ("resource", &self.resource)];
        let answer = self.token(&form).await?;
        let mut id_token = held.id_token.as_str();
        if let Some(renewed) = text(&answer, "id_token") {
            let access_token = text(&answer, "access_token").unwrap_or_default();
            let rules = (self.client_id.as_str(), self.alg);
            let id = rules::id_token(&self.provider, rules, renewed, (nonce, false), access_token).await?;
            if id.text("sub") != Some(subject) {
                return Err(Failure::bad_gateway("The provider's new ID token is about somebody else."));
            }
            id_token = renewed;
        }
        tokens(&answer, id_token, Some(refresh_token)).map(Some)
    }

    /// Tells the provider that the refresh token is not needed any more (RFC 7009), if it can be told.
    pub async fn revoke(&self, tokens: &Tokens) {
        if let (Some(token), Ok(Some(url))) = (&tokens.refresh_token, self.provider.endpoint("revocation_endpoint").await)
            && let Err(failure) = self.post(url, &[("token", token), ("token_type_hint", "refresh_token")]).await
        {
            eprintln!("portal: a refresh token was not revoked: {} {}", failure.error, failure.text);
        }
    }

    /// What the provider tells about the subject (OpenID Connect Core 5.3), if it does.
    pub async fn userinfo(&self, access_token: &str, subject: &str) -> Option<Map<String, Value>> {
        let url = self.provider.endpoint("userinfo_endpoint").await.ok()??;
        let response = self.http.get(url).bearer_auth(access_token).send().await.ok()?;
        let is_good = response.status() == 200;
        let claims: Map<String, Value> = serde_json::from_slice(&body(response).await.filter(|_| is_good)?).ok()?;
        // Section 5.3.2: an answer about somebody else must not be used.
        (text(&claims, "sub") == Some(subject)).then_some(claims)
    }

    /// Where the browser ends the sign-in at the provider (OpenID Connect RP-Initiated Logout 1.0), if it can.
    pub async fn sign_out_url(&self, id_token: &str, state: &str) -> Result<Option<Url>, Failure> {
        let mut url = self.provider.endpoint("end_session_endpoint").await?;
        if let Some(url) = &mut url {
            url.query_pairs_mut()
                .append_pair("id_token_hint", id_token)
                .append_pair("client_id", &self.client_id)
                .append_pair("post_logout_redirect_uri", &self.signed_out_uri)
                .append_pair("state", state);
        }
        Ok(url)
    }

    async fn endpoint(&self, name: &str) -> Result<Url, Failure> {
        let url = self.provider.endpoint(name).await?;
        url.ok_or_else(|| Failure::bad_gateway(&format!("The provider has no {name}.")))
    }

    async fn token(&self, form: &[(&str, &str)]) -> Result<Map<String, Value>, Failure> {
        let answer = self.post(self.endpoint("token_endpoint").await?, form).await?;
        serde_json::from_slice(&answer).map_err(|_| Failure::bad_gateway("The provider's answer is no JSON object."))
    }

    /// With `client_secret_basic`, both halves form-encoded (RFC 6749 2.3.1).
    async fn post(&self, url: Url, form: &[(&str, &str)]) -> Result<Vec<u8>, Failure> {
        let (id, secret) = (form_encoded(&self.client_id), form_encoded(&self.client_secret));
        let request = self.http.post(url).basic_auth(id, Some(secret)).header("Accept", "application/json").form(form);
        let unreachable = |error| Failure::bad_gateway(&format!("The provider cannot be reached: {}.", root_cause(&error)));
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let answer = body(response).await;
        let answer = answer.ok_or_else(|| Failure::bad_gateway("The provider's answer broke off or is too long."))?;
        if status == 200 {
            return Ok(answer);
        }
        // RFC 6749 5.2
        let told: Map<String, Value> = serde_json::from_slice(&answer).unwrap_or_default();
        let described = text(&told, "error_description").map(str::to_owned);
        let described = described.unwrap_or_else(|| format!("The provider answered {status}."));
        Err(Failure::new(StatusCode::BAD_GATEWAY, text(&told, "error").unwrap_or_default(), &described))
    }
}

/// The tokens of RFC 6749 5.1. Without a new refresh token the old one goes on.
fn tokens(answer: &Map<String, Value>, id_token: &str, before: Option<&str>) -> Result<Tokens, Failure> {
    let is_bearer = text(answer, "token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"));
    let access_token = text(answer, "access_token").filter(|_| is_bearer);
    let access_token = access_token.ok_or_else(|| Failure::bad_gateway("The provider sent no bearer token."))?;
    let (default, most) = LIFETIMES;
    let lifetime = answer.get("expires_in").and_then(Value::as_i64).unwrap_or(default).clamp(0, most);
    Ok(Tokens {
        access_token: access_token.to_owned(),
        expires_at: unix_time().saturating_add(lifetime),
        refresh_token: text(answer, "refresh_token").or(before).map(str::to_owned),
        id_token: id_token.to_owned(),
    })
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// `application/x-www-form-urlencoded`, as RFC 6749 appendix B says.
fn form_encoded(text: &str) -> String {
    let url = Url::parse_with_params("x:", [("", text)]);
    let query = url.as_ref().ok().and_then(Url::query).unwrap_or_default();
    query.trim_start_matches('=').to_owned()
}
