//! `POST /introspect`: RFC 7662, with JWT answers (RFC 9701).

use serde_json::{Map, Value, json};

use super::access_token::AccessToken;
use super::client::Client;
use super::error::{Code, OAuthError};
use super::form::Form;
use super::secret::Secret;
use super::token::BEARER;

/// Media type of a signed answer (RFC 9701 5).
pub const INTROSPECTION_JWT: &str = "application/token-introspection+jwt";

/// An introspection request. `token_type_hint` is only a hint (RFC 7662 2.1) and our tokens tell what they
/// are, so it is not looked at.
#[derive(Debug)]
pub struct IntrospectionRequest {
    /// An access token, or anything.
    pub token: Secret,
}

impl IntrospectionRequest {
    /// Parses the parameters beside the resource server's credentials.
    pub fn parse(form: &Form) -> Result<Self, OAuthError> {
        form.require("token").map(|token| Self { token: Secret::new(token.to_owned()) })
    }
}

/// How the resource server wants the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerForm {
    /// RFC 7662 2.2.
    Json,
    /// RFC 9701: a JWT about the token, for this resource server alone.
    SignedJson,
    /// The access token itself as a JWT (RFC 9068), to be passed on in place of an opaque one.
    AccessToken,
}

impl AnswerForm {
    /// By the `Accept` header (RFC 9110 12.5.1): the one of ours that is preferred most, the first of equals.
    pub fn of(accept: Option<&str>) -> Self {
        let mut best = (Self::Json, 0);
        for range in accept.unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let form = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
                INTROSPECTION_JWT => Self::SignedJson,
                "application/jwt" => Self::AccessToken,
                "application/json" | "application/*" | "*/*" => Self::Json,
                _ => continue,
            };
            let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
            let weight = weight.map_or(1000, thousandths);
            if weight > best.1 {
                best = (form, weight);
            }
        }
        best.0
    }
}

/// A weight in thousandths (RFC 9110 12.4.2); what is none counts as nothing.
fn thousandths(weight: &str) -> u32 {
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    match (whole, fraction.len(), format!("{fraction:0<3}").parse()) {
        ("0", 0..=3, Ok(thousandths)) => thousandths,
        ("1", 0..=3, Ok(0)) => 1000,
        _ => 0,
    }
}

/// Whether this client is a resource server at all: one that the operator registered for resources.
pub fn check_resource_server(client: &Client) -> Result<(), OAuthError> {
    if client.is_public() || client.metadata.protected_resources.is_empty() {
        Err(OAuthError::new(Code::UnauthorizedClient, "the client is not registered as a resource server"))
    } else {
        Ok(())
    }
}

/// The answer about a token that is good: what its JWT says, and that it is active.
pub fn active(token: &AccessToken) -> Map<String, Value> {
    let mut members = match serde_json::to_value(&token.claims) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    };
    members.insert("active".to_owned(), true.into());
    members.insert("token_type".to_owned(), BEARER.into());
    members.insert("iat".to_owned(), token.iat.seconds().into());
    members.insert("exp".to_owned(), token.exp.seconds().into());
    members
}

/// The answer about every other token: nothing more is told (RFC 7662 2.2).
pub fn inactive() -> Map<String, Value> {
    Map::from_iter([("active".to_owned(), Value::Bool(false))])
}

/// Claims of a signed answer beside `iat` (RFC 9701 5). No `sub` and no `exp`, so that it never passes as an
/// access token.
pub fn signed_claims(issuer: &str, resource_server: &Client, members: &Map<String, Value>) -> Value {
    json!({ "iss": issuer, "aud": resource_server.id, "token_introspection": members })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_negotiated() {
        let of = |accept: &str| AnswerForm::of(Some(accept));
        assert_eq!(AnswerForm::of(None), AnswerForm::Json);
        for json in [
            "",
            "*/*",
            "text/html",
            "application/json, application/jwt",
            "application/jwt;q=0",
            "application/jwt;q=0.1,application/json",
            "application/jwt;q=x",
        ] {
            assert_eq!(of(json), AnswerForm::Json, "{json}");
        }
        for signed in [
            "application/token-introspection+jwt",
            "Application/Token-Introspection+JWT; charset=utf-8",
            "*/*;q=0.1, application/token-introspection+jwt",
        ] {
            assert_eq!(of(signed), AnswerForm::SignedJson, "{signed}");
        }
        for jwt in ["application/jwt, */*;q=0.5", "application/json;q=0.499,application/jwt;q=0.5", "application/jwt;q=1.000"] {
            assert_eq!(of(jwt), AnswerForm::AccessToken, "{jwt}");
        }
    }
}
