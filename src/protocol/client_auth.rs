//! Client authentication: RFC 6749 2.3, RFC 7521 4.2, OpenID Connect Core 9.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::client::{AuthMethod, Client};
use super::client_assertion::JWT_BEARER;
use super::error::{Code, OAuthError};
use super::foreign_jwt::unverified_subject;
use super::form::{Form, decode};
use super::secret::{Secret, SecretHash};
use super::time::Timestamp;

/// Who the client says it is and how it means to prove it.
#[derive(Debug)]
pub struct ClientCredentials {
    /// `client_id`.
    pub client_id: String,
    proof: Proof,
}

#[derive(Debug)]
enum Proof {
    None,
    Basic(Secret),
    Post(Secret),
    Assertion(Secret),
}

/// What a client that passed [`ClientCredentials::authenticate`] has still to prove.
#[derive(Debug)]
#[must_use]
pub enum Remaining<'a> {
    /// Nothing: it is who it says.
    Nothing,
    /// That this assertion is its own, good here and not used before.
    Assertion(&'a Secret),
}

impl ClientCredentials {
    /// Whether a request names a client or sends a proof of one at all.
    pub fn are_in(authorization: Option<&str>, form: &Form) -> bool {
        let names = ["client_id", "client_secret", "client_assertion", "client_assertion_type"];
        authorization.is_some() || names.iter().any(|name| form.get(name).is_some())
    }

    /// Whether it only names itself, without any proof.
    pub const fn is_bare(&self) -> bool {
        matches!(self.proof, Proof::None)
    }

    /// Reads them from the `Authorization` header and the body. Two methods in one request are an
    /// `invalid_request` (RFC 6749 2.3).
    pub fn parse(authorization: Option<&str>, form: &Form) -> Result<Self, OAuthError> {
        let two_methods = OAuthError::new(Code::InvalidRequest, "more than one method of client authentication");
        let posted = form.get("client_secret").map(|secret| Secret::new(secret.to_owned()));
        let named = form.get("client_id").map(str::to_owned);
        let assertion = assertion(form)?;
        match (authorization, posted, assertion) {
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => Err(two_methods),
            (Some(header), None, None) => {
                let (client_id, secret) =
                    basic(header).ok_or(OAuthError::invalid_client("the Authorization header is not Basic with two parts"))?;
                if named.is_some_and(|named| named != client_id) {
                    return Err(OAuthError::new(Code::InvalidRequest, "client_id differs from the Authorization header"));
                }
                Ok(Self { client_id, proof: Proof::Basic(secret) })
            }
            (None, Some(secret), None) => {
                Ok(Self { client_id: named.ok_or(OAuthError::missing("client_id"))?, proof: Proof::Post(secret) })
            }
            (None, None, Some(text)) => {
                // RFC 7521 4.2: the client is named by the assertion. Where the request names it too, both
                // must be the same, and are: the assertion's `sub` is compared with this.
                let client_id = named.or_else(|| unverified_subject(text));
                let client_id = client_id.ok_or(OAuthError::invalid_client("the assertion names no client"))?;
                Ok(Self { client_id, proof: Proof::Assertion(Secret::new(text.to_owned())) })
            }
            (None, None, None) => Ok(Self { client_id: named.ok_or(OAuthError::missing("client_id"))?, proof: Proof::None }),
        }
    }

    /// Whether Basic was tried, so that a failure is 401 with `WWW-Authenticate` (RFC 6749 5.2).
    pub const fn tried_basic(&self) -> bool {
        matches!(self.proof, Proof::Basic(_))
    }

    /// The client, if it may be who it says: enabled, by the method it is registered with, with a secret
    /// that is live at `now`. What an assertion says remains to be seen. A refusal is to be repeated on a
    /// fresh copy before it is believed.
    pub fn authenticate(&self, client: &Client, now: Timestamp) -> Result<Remaining<'_>, OAuthError> {
        let mut remaining = Remaining::Nothing;
        match (&self.proof, client.metadata.token_endpoint_auth_method) {
            (Proof::None, AuthMethod::None) => {}
            (Proof::Basic(secret), AuthMethod::ClientSecretBasic) | (Proof::Post(secret), AuthMethod::ClientSecretPost) => {
                let hash = SecretHash::of(secret.expose().as_bytes());
                let live = client.secrets.iter().filter(|stored| stored.expires_at.is_none_or(|end| now < end));
                // Every live secret is compared, so that the time tells nothing about which matched.
                if live.fold(0, |matches, stored| matches + u32::from(stored.sha256.matches(&hash))) == 0 {
                    return Err(OAuthError::invalid_client("wrong secret"));
                }
            }
            (Proof::Assertion(text), AuthMethod::PrivateKeyJwt) => remaining = Remaining::Assertion(text),
            _ => return Err(OAuthError::invalid_client("not the method it is registered with")),
        }
        if client.enabled { Ok(remaining) } else { Err(OAuthError::invalid_client("disabled client")) }
    }
}

/// `client_assertion` of the one type that there is (RFC 7523 2.2).
fn assertion(form: &Form) -> Result<Option<&str>, OAuthError> {
    match (form.get("client_assertion_type"), form.get("client_assertion")) {
        (None, None) => Ok(None),
        (Some(JWT_BEARER), Some(text)) => Ok(Some(text)),
        (Some(_), Some(_)) => Err(OAuthError::invalid_client("another client_assertion_type")),
        (None, Some(_)) => Err(OAuthError::missing("client_assertion_type")),
        (Some(_), None) => Err(OAuthError::missing("client_assertion")),
    }
}

/// `Basic base64(form-encoded id ":" form-encoded secret)` (RFC 6749 2.3.1).
fn basic(header: &str) -> Option<(String, Secret)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = STANDARD.decode(encoded.trim_matches(' ')).ok()?;
    let at = pair.iter().position(|byte| *byte == b':')?;
    let id = decode(pair.get(..at)?)?;
    let secret = decode(pair.get(at + 1..)?)?;
    Some((id, Secret::new(secret)))
}

#[cfg(test)]
mod tests {
    use super::super::client::StoredSecret;
    use super::super::client::tests::{DEVICE, client};
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn parse(header: Option<&str>, body: &str) -> Result<ClientCredentials, OAuthError> {
        ClientCredentials::parse(header, &Form::parse(body.as_bytes()).unwrap())
    }

    fn confidential(method: AuthMethod) -> Client {
        let mut client = client(DEVICE);
        client.metadata.token_endpoint_auth_method = method;
        client.secrets = vec![
            StoredSecret { sha256: SecretHash::of(b"old"), expires_at: Some(NOW) },
            StoredSecret { sha256: SecretHash::of(b"new"), expires_at: None },
        ];
        client
    }

    #[test]
    fn rfc_6749_example() {
        let credentials = parse(Some("Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW"), "").unwrap();
        assert_eq!(credentials.client_id, "s6BhdRkqt3");
        assert!(matches!(&credentials.proof, Proof::Basic(secret) if secret.expose() == "gX1fBat3bV"));
        assert!(credentials.tried_basic());
    }

    #[test]
    fn halves_are_form_decoded() {
        // "a%3Ab:c+%2B"
        let credentials = parse(Some("basic YSUzQWI6YyslMkI="), "").unwrap();
        assert_eq!(credentials.client_id, "a:b");
        assert!(matches!(&credentials.proof, Proof::Basic(secret) if secret.expose() == "c +"));
    }

    #[test]
    fn two_methods_or_none() {
        assert_eq!(parse(Some("Basic YTpi"), "client_secret=x&client_id=a").unwrap_err().code, Code::InvalidRequest);
        assert_eq!(parse(Some("Basic YTpi"), "client_id=z").unwrap_err().code, Code::InvalidRequest);
        assert_eq!(parse(None, "").unwrap_err().code, Code::InvalidRequest);
        assert_eq!(parse(None, "client_secret=x").unwrap_err().code, Code::InvalidRequest);
        assert_eq!(parse(Some("Bearer x"), "").unwrap_err().code, Code::InvalidClient);
        assert_eq!(parse(Some("Basic %%%"), "").unwrap_err().code, Code::InvalidClient);
    }

    #[test]
    fn assertions_are_a_method_of_their_own() {
        let kind = "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
        // {"sub":"c"}
        let with = |more: &str| parse(None, &format!("{kind}&client_assertion=e30.eyJzdWIiOiJjIn0.AA{more}"));
        let credentials = with("").unwrap();
        assert_eq!(credentials.client_id, "c");
        assert_eq!(with("&client_id=d").unwrap().client_id, "d", "its assertion fails, for sub is another");
        let by_key = confidential(AuthMethod::PrivateKeyJwt);
        assert!(matches!(credentials.authenticate(&by_key, NOW), Ok(Remaining::Assertion(_))));
        for method in [AuthMethod::None, AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost] {
            assert!(credentials.authenticate(&confidential(method), NOW).is_err());
        }
        assert!(parse(None, "client_id=c").unwrap().authenticate(&by_key, NOW).is_err());
        let disabled = Client { enabled: false, ..by_key };
        assert!(credentials.authenticate(&disabled, NOW).is_err());

        assert_eq!(with("&client_secret=x").unwrap_err().code, Code::InvalidRequest);
        let body = format!("{kind}&client_assertion=e30.eyJzdWIiOiJjIn0.AA");
        assert_eq!(parse(Some("Basic YTpi"), &body).unwrap_err().code, Code::InvalidRequest);
        assert_eq!(parse(None, kind).unwrap_err().code, Code::InvalidRequest);
        assert_eq!(parse(None, "client_assertion=x&client_id=c").unwrap_err().code, Code::InvalidRequest);
        assert_eq!(parse(None, "client_assertion=x&client_assertion_type=y&client_id=c").unwrap_err().code, Code::InvalidClient);
        assert_eq!(parse(None, &format!("{kind}&client_assertion=x")).unwrap_err().code, Code::InvalidClient);
    }

    #[test]
    fn only_the_registered_method_and_a_live_secret() {
        let basic = |secret: &str| parse(Some(&format!("Basic {}", STANDARD.encode(format!("c:{secret}")))), "").unwrap();
        let post = |secret: &str| parse(None, &format!("client_id=c&client_secret={secret}")).unwrap();
        let none = || parse(None, "client_id=c").unwrap();
        let by_basic = confidential(AuthMethod::ClientSecretBasic);
        assert!(basic("new").authenticate(&by_basic, NOW).is_ok());
        assert!(basic("old").authenticate(&by_basic, NOW.minus(super::super::time::Seconds(1))).is_ok());
        for wrong in [basic("old"), basic("x"), basic(""), post("new"), none()] {
            assert_eq!(wrong.authenticate(&by_basic, NOW).unwrap_err().code, Code::InvalidClient);
        }
        assert!(post("new").authenticate(&confidential(AuthMethod::ClientSecretPost), NOW).is_ok());
        assert!(none().authenticate(&client(DEVICE), NOW).is_ok());
        assert!(post("new").authenticate(&client(DEVICE), NOW).is_err());
        let disabled = Client { enabled: false, ..client(DEVICE) };
        assert!(none().authenticate(&disabled, NOW).is_err());
    }
}
