//! Client authentication: RFC 6749 2.3.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::client::{AuthMethod, Client};
use super::error::{Code, OAuthError};
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
}

impl ClientCredentials {
    /// Reads them from the `Authorization` header and the body. Two methods in one request are an
    /// `invalid_request` (RFC 6749 2.3).
    pub fn parse(authorization: Option<&str>, form: &Form) -> Result<Self, OAuthError> {
        let posted = form.get("client_secret").map(|secret| Secret::new(secret.to_owned()));
        let named = form.get("client_id").map(str::to_owned);
        if form.get("client_assertion").is_some() || form.get("client_assertion_type").is_some() {
            return Err(OAuthError::invalid_client("client assertions are not supported"));
        }
        match (authorization, posted) {
            (Some(_), Some(_)) => Err(OAuthError::new(Code::InvalidRequest, "more than one method of client authentication")),
            (Some(header), None) => {
                let (client_id, secret) =
                    basic(header).ok_or(OAuthError::invalid_client("the Authorization header is not Basic with two parts"))?;
                if named.is_some_and(|named| named != client_id) {
                    return Err(OAuthError::new(Code::InvalidRequest, "client_id differs from the Authorization header"));
                }
                Ok(Self { client_id, proof: Proof::Basic(secret) })
            }
            (None, Some(secret)) => {
                Ok(Self { client_id: named.ok_or(OAuthError::missing("client_id"))?, proof: Proof::Post(secret) })
            }
            (None, None) => Ok(Self { client_id: named.ok_or(OAuthError::missing("client_id"))?, proof: Proof::None }),
        }
    }

    /// Whether Basic was tried, so that a failure is 401 with `WWW-Authenticate` (RFC 6749 5.2).
    pub const fn tried_basic(&self) -> bool {
        matches!(self.proof, Proof::Basic(_))
    }

    /// The client, if it is who it says: enabled, by the method it is registered with, with a secret
    /// that is live at `now`. A refusal is to be repeated on a fresh copy before it is believed.
    pub fn authenticate(&self, client: Option<&Client>, now: Timestamp) -> Result<(), OAuthError> {
        let client = client.ok_or(OAuthError::invalid_client("unknown client"))?;
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
            _ => return Err(OAuthError::invalid_client("not the method it is registered with")),
        }
        if client.enabled { Ok(()) } else { Err(OAuthError::invalid_client("disabled client")) }
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
    fn only_the_registered_method_and_a_live_secret() {
        let basic = |secret: &str| parse(Some(&format!("Basic {}", STANDARD.encode(format!("c:{secret}")))), "").unwrap();
        let post = |secret: &str| parse(None, &format!("client_id=c&client_secret={secret}")).unwrap();
        let none = || parse(None, "client_id=c").unwrap();
        let by_basic = confidential(AuthMethod::ClientSecretBasic);
        assert!(basic("new").authenticate(Some(&by_basic), NOW).is_ok());
        assert!(basic("old").authenticate(Some(&by_basic), NOW.minus(super::super::time::Seconds(1))).is_ok());
        for wrong in [basic("old"), basic("x"), basic(""), post("new"), none()] {
            assert_eq!(wrong.authenticate(Some(&by_basic), NOW).unwrap_err().code, Code::InvalidClient);
        }
        assert!(post("new").authenticate(Some(&confidential(AuthMethod::ClientSecretPost)), NOW).is_ok());
        assert!(none().authenticate(Some(&client(DEVICE)), NOW).is_ok());
        assert!(post("new").authenticate(Some(&client(DEVICE)), NOW).is_err());
        assert!(none().authenticate(None, NOW).is_err());
        let disabled = Client { enabled: false, ..client(DEVICE) };
        assert!(none().authenticate(Some(&disabled), NOW).is_err());
    }
}
