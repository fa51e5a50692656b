//! Request objects: RFC 9101 (JAR) and OpenID Connect Core 6.

use serde_json::{Map, Value};

use super::client::Client;
use super::config::Config;
use super::error::{Code, OAuthError};
use super::foreign_jwt::{AttestedJwt, NumericDate, check_dates};
use super::form::Form;
use super::json;
use super::time::{Seconds, Timestamp};

/// The explicit `typ` that a request object may have (RFC 9101 10.8).
pub const TYP: &str = "oauth-authz-req+jwt";

/// Claims about the object itself (RFC 7519 4.1), which are no parameters of the request.
const ABOUT: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];
/// Parameters that may be objects or arrays: they become JSON text, as they are outside of a request object.
const JSON: [&str; 3] = ["claims", "registration", "authorization_details"];
/// Parameters that may be arrays of strings: each is sent once for every member.
const REPEATED: [&str; 2] = ["resource", "audience"];

/// An `invalid_request_object`; why is told, for it is told to who signed it or could not.
pub const fn invalid(why: &'static str) -> OAuthError {
    OAuthError::new(Code::InvalidRequestObject, why)
}

/// The parameters in a signed request object, if it was made by this client, for us and in time.
///
/// `iss` and `client_id` must be the client (RFC 9101 5), `aud` name the issuer (4), and the dates be right,
/// where they are there. A client whose requests have to be signed relies on their source (10.2): its objects
/// must have `aud` and `exp`, or one of them could be used elsewhere or for ever.
pub fn parameters(object: &AttestedJwt, client: &Client, config: &Config, now: Timestamp) -> Result<Form, OAuthError> {
    let claims: Map<String, Value> = object.claims().ok_or(invalid("the request object is not a JSON object"))?;
    for name in ["iss", "client_id"] {
        if claims.get(name).is_some_and(|value| *value != client.id) {
            return Err(invalid("iss or client_id of the request object is another client"));
        }
    }
    // It could be taken for an assertion of the client otherwise (10.8).
    if claims.get("sub").is_some_and(|sub| *sub == client.id) {
        return Err(invalid("sub of the request object is the client"));
    }
    let is_issuer = |aud: &Value| *aud == config.issuer;
    if claims.get("aud").is_some_and(|aud| !is_issuer(aud) && !aud.as_array().is_some_and(|auds| auds.iter().any(is_issuer))) {
        return Err(invalid("aud of the request object is not the issuer"));
    }
    if client.metadata.require_signed_request_object && !(claims.contains_key("aud") && claims.contains_key("exp")) {
        return Err(invalid("the request object of this client needs aud and exp"));
    }
    let date = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => json::from_value::<NumericDate>(value.clone())
            .map(Some)
            .map_err(|_| invalid("exp, nbf or iat of the request object is not a date")),
    };
    let longest = Seconds(config.settings.assertion_lifetime);
    if check_dates(date("exp")?, date("nbf")?, date("iat")?, longest, now).is_err() {
        return Err(invalid("the request object is expired, not valid yet or valid for too long"));
    }
    // 4: one inside another would be a second request.
    if claims.contains_key("request") || claims.contains_key("request_uri") {
        return Err(invalid("a request object holds another one"));
    }
    let mut pairs = Vec::new();
    for (name, value) in claims.into_iter().filter(|(name, _)| !ABOUT.contains(&name.as_str())) {
        for text in texts(&name, value).ok_or(invalid("a parameter in the request object has the wrong type"))? {
            pairs.push((name.clone(), text));
        }
    }
    Form::collect(pairs).map_err(|error| OAuthError { code: Code::InvalidRequestObject, ..error })
}

/// A claim as the values of the parameter of its name.
fn texts(name: &str, value: Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text]),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(vec![number.to_string()]),
        Value::Array(values) if REPEATED.contains(&name) => {
            values.into_iter().map(|value| value.as_str().map(str::to_owned)).collect()
        }
        Value::Object(_) | Value::Array(_) if JSON.contains(&name) => Some(vec![value.to_string()]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::client::tests::{DEVICE, client};
    use super::super::config::tests::with;
    use super::super::foreign_jwt::ForeignJwt;
    use super::super::secret::base64url;
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn of(claims: &Value, is_required: bool) -> Result<Form, OAuthError> {
        let text = format!("{}.{}.AA", base64url(br#"{"alg":"ES256"}"#), base64url(claims.to_string().as_bytes()));
        let object = ForeignJwt::parse(&text, &[TYP]).unwrap().attest(true).unwrap();
        let mut client = client(DEVICE);
        client.metadata.require_signed_request_object = is_required;
        parameters(&object, &client, &with(&[]).unwrap(), Timestamp::from_millis(NOW * 1000))
    }

    #[test]
    fn rfc_9101_4_example_becomes_parameters() {
        let claims = json!({
            "iss": "c", "aud": "https://id.example", "response_type": "code id_token", "client_id": "c",
            "redirect_uri": "https://client.example.org/cb", "scope": "openid", "state": "af0ifjsldkj", "nonce": "n-0S6_WzA2Mj",
            "max_age": 86400, "claims": {"userinfo": {"given_name": {"essential": true}, "picture": null}},
            "resource": ["x:1", "x:2"], "prompt": "", "exp": NOW + 60, "nbf": NOW, "iat": NOW, "jti": "j",
        });
        let form = of(&claims, true).unwrap();
        assert_eq!(form.get("redirect_uri"), Some("https://client.example.org/cb"));
        assert_eq!(form.get("max_age"), Some("86400"));
        assert_eq!(form.get("claims"), Some(r#"{"userinfo":{"given_name":{"essential":true},"picture":null}}"#));
        assert_eq!(form.all("resource").collect::<Vec<_>>(), ["x:1", "x:2"]);
        assert_eq!(form.get("client_id"), Some("c"));
        for absent in ["iss", "aud", "exp", "nbf", "iat", "jti", "prompt"] {
            assert_eq!(form.get(absent), None, "{absent}");
        }
    }

    #[test]
    fn only_where_it_is_there_unless_the_client_must_sign() {
        assert!(of(&json!({"scope": "openid"}), false).is_ok());
        assert!(of(&json!({"scope": "openid", "aud": ["x", "https://id.example"], "exp": NOW + 1}), true).is_ok());
        assert!(of(&json!({"scope": "openid", "aud": "https://id.example"}), true).is_err());
        assert!(of(&json!({"scope": "openid", "exp": NOW + 1}), true).is_err());
    }

    #[test]
    fn every_rule() {
        for bad in [
            json!([]),
            json!({"iss": "d"}),
            json!({"iss": 1}),
            json!({"client_id": "d"}),
            json!({"client_id": ["c"]}),
            json!({"sub": "c"}),
            json!({"aud": "https://other.example"}),
            json!({"aud": []}),
            json!({"aud": null}),
            json!({"exp": NOW}),
            json!({"exp": "1"}),
            json!({"exp": null}),
            json!({"exp": NOW + 660}),
            json!({"nbf": NOW + 61}),
            json!({"iat": NOW + 61}),
            json!({"request": "x"}),
            json!({"request_uri": "https://a.example/"}),
            json!({"max_age": 1.5}),
            json!({"max_age": true}),
            json!({"state": null}),
            json!({"scope": ["openid"]}),
            json!({"resource": ["x:1", 2]}),
            json!({"state": {"a": 1}}),
            json!({"nonce": "x".repeat(5_000)}),
        ] {
            assert_eq!(of(&bad, false).unwrap_err().code, Code::InvalidRequestObject, "{bad}");
        }
    }
}
