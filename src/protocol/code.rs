//! Authorization codes: sealed, single use by the row that their redemption inserts.

use serde::{Deserialize, Serialize};

use super::authorize::ReturnTo;
use super::claims::Origin;
use super::error::OAuthError;
use super::ids::{OwnedId, UserId};
use super::pkce::Challenge;
use super::requested_claims::RequestedClaims;
use super::scope::Scope;
use super::seal::sealed_json;
use super::secret::{base64url, constant_time_eq, sha256};
use super::time::Timestamp;

/// Longest code, in characters.
pub const MOST: usize = 2047;

/// What a code says. The names are short because it travels in a URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationCode {
    /// The client that it is for.
    #[serde(rename = "c")]
    pub client: String,
    /// Who approved.
    #[serde(rename = "u")]
    pub user: UserId,
    /// Id of the row that its redemption inserts.
    #[serde(rename = "i")]
    pub id: OwnedId,
    /// Whether it yields a refresh token, and so which table that row is in.
    #[serde(rename = "o", default, skip_serializing_if = "std::ops::Not::not")]
    pub offline: bool,
    /// `sid` of the browser session.
    #[serde(rename = "s")]
    pub sid: String,
    /// Hash of the redirect URI, if the request named one.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub redirect: Option<String>,
    /// PKCE.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<Challenge>,
    /// What was approved.
    #[serde(rename = "a")]
    pub scope: Scope,
    /// Resources asked for.
    #[serde(rename = "t", default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// Single claims that were approved.
    #[serde(rename = "q", default, skip_serializing_if = "RequestedClaims::is_empty")]
    pub claims: RequestedClaims,
    /// For the ID token.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// When it was made.
    #[serde(rename = "m")]
    pub made_at: Timestamp,
    /// When it expires.
    #[serde(rename = "e")]
    pub expires_at: Timestamp,
}
sealed_json!(AuthorizationCode, "authorization code");

impl AuthorizationCode {
    /// The table of its row.
    pub const fn origin(&self) -> Origin {
        if self.offline { Origin::Grant } else { Origin::Redemption }
    }

    /// What is kept of where the answer went.
    pub fn redirect_hash(to: &ReturnTo) -> Option<String> {
        to.is_named.then(|| hash(&to.redirect_uri))
    }

    /// Whether an authenticated client may redeem it with these (RFC 6749 4.1.3, RFC 7636 4.6). Whether it is
    /// still in time is another question: a late replay counts as one.
    pub fn check(&self, client: &str, redirect_uri: Option<&str>, verifier: Option<&str>) -> Result<(), OAuthError> {
        if self.client != client {
            return Err(OAuthError::invalid_grant("another client's code"));
        }
        let is_redirect_right = match (&self.redirect, redirect_uri) {
            (Some(expected), Some(uri)) => constant_time_eq(hash(uri).as_bytes(), expected.as_bytes()),
            (Some(_), None) => false,
            (None, _) => true,
        };
        if !is_redirect_right {
            return Err(OAuthError::invalid_grant("redirect_uri differs"));
        }
        match (&self.challenge, verifier) {
            (Some(challenge), Some(verifier)) if challenge.is_met_by(verifier) => Ok(()),
            (Some(_), Some(_)) => Err(OAuthError::invalid_grant("wrong code_verifier")),
            (Some(_), None) => Err(OAuthError::invalid_grant("code_verifier is missing")),
            // RFC 9700 2.1.1: or a challenge could be taken out of a request unnoticed.
            (None, Some(_)) => Err(OAuthError::invalid_grant("a code_verifier for a code without a challenge")),
            (None, None) => Ok(()),
        }
    }
}

fn hash(uri: &str) -> String {
    base64url(sha256(uri.as_bytes()).first_chunk::<16>().unwrap_or(&[0; 16]))
}

#[cfg(test)]
mod tests {
    use super::super::form::Form;
    use super::super::ids::tests::Counted;
    use super::super::keyring::tests::ring;
    use super::super::seal::Sealer;
    use super::*;

    fn code(challenge: bool) -> AuthorizationCode {
        let query = "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
        let user = UserId::generate(&mut Counted(0));
        AuthorizationCode {
            client: "web".into(),
            id: OwnedId::generate(&user, &mut Counted(0)),
            user,
            offline: false,
            sid: "AQIDBAUGBwgJCgsMDQ4PEA".into(),
            redirect: Some(hash("https://a.example/cb")),
            challenge: challenge.then(|| Challenge::parse(&Form::parse(query.as_bytes()).unwrap()).unwrap().unwrap()),
            scope: Scope::parse("openid").unwrap(),
            resources: vec![],
            claims: RequestedClaims::default(),
            nonce: Some("n".into()),
            made_at: Timestamp::from_millis(1),
            expires_at: Timestamp::from_millis(60_001),
        }
    }

    #[test]
    fn redeemed_by_its_client_at_its_redirect_uri_with_its_verifier() {
        let (uri, verifier) = (Some("https://a.example/cb"), Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        let with = code(true);
        assert!(with.check("web", uri, verifier).is_ok());
        for (client, uri, verifier) in [
            ("other", uri, verifier),
            ("web", None, verifier),
            ("web", Some("https://a.example/cb?"), verifier),
            ("web", uri, None),
            ("web", uri, Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl")),
        ] {
            assert!(with.check(client, uri, verifier).is_err());
        }
        assert!(code(false).check("web", uri, None).is_ok());
        assert!(code(false).check("web", uri, verifier).is_err(), "PKCE downgrade");
    }

    #[test]
    fn it_is_short_and_opens() {
        let ring = ring();
        let sealer = Sealer { ring: &ring, issuer: "https://id.example", epoch: 1 };
        let text = sealer.seal(&code(true), &mut Counted(0));
        assert!(text.len() < 600, "{}", text.len());
        assert_eq!(sealer.open::<AuthorizationCode>(&text), Ok(code(true)));
    }
}
