//! `private_key_jwt`: RFC 7523 3, OpenID Connect Core 9, FAPI 2.0 Security Profile 5.3.2.1.

use serde::Deserialize;

use super::claims::Audience;
use super::client::Client;
use super::config::Config;
use super::foreign_jwt::{NumericDate, check_dates};
use super::time::{Seconds, Timestamp};

/// The one `client_assertion_type` (RFC 7523 2.2).
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The explicit `typ` that an assertion may have.
pub const TYP: &str = "client-authentication+jwt";
/// Longest `jti`, in bytes.
const LONGEST_JTI: usize = 256;

/// What an assertion says.
#[derive(Clone, Debug, Deserialize)]
pub struct AssertionClaims {
    iss: String,
    sub: String,
    aud: Audience,
    /// When it ends.
    pub exp: NumericDate,
    nbf: Option<NumericDate>,
    iat: Option<NumericDate>,
    /// Its id, good for one use.
    pub jti: String,
}

impl AssertionClaims {
    /// Whether a signed assertion authenticates this client here and now; the error says why not.
    ///
    /// The audience is the issuer, alone and as a string. A client that is registered with
    /// `endpoint_audience` may also name the token or the PAR endpoint, or several of the three.
    pub fn check(&self, client: &Client, config: &Config, now: Timestamp) -> Result<(), &'static str> {
        if self.iss != client.id || self.sub != client.id {
            return Err("assertion: iss and sub are not both the client");
        }
        let endpoints = ["/token", "/par"].map(|path| format!("{}{path}", config.issuer));
        let is_ours = match &self.aud {
            Audience::One(aud) if *aud == config.issuer => true,
            Audience::One(aud) => client.metadata.endpoint_audience && endpoints.contains(aud),
            Audience::Many(auds) => {
                client.metadata.endpoint_audience
                    && !auds.is_empty()
                    && auds.iter().all(|aud| *aud == config.issuer || endpoints.contains(aud))
            }
        };
        if !is_ours {
            return Err("assertion: its audience is another");
        }
        if !(1..=LONGEST_JTI).contains(&self.jti.len()) {
            return Err("assertion: jti is empty or too long");
        }
        check_dates(Some(self.exp), self.nbf, self.iat, Seconds(config.settings.assertion_lifetime), now)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::client::tests::{DEVICE, client};
    use super::super::config::tests::with;
    use super::*;

    const NOW: i64 = 1_800_000_000;

    /// A good assertion with these changes; `null` removes.
    fn check_for(endpoint_audience: bool, changes: &Value) -> Result<(), String> {
        let mut claims = json!({"iss": "c", "sub": "c", "aud": "https://id.example", "exp": NOW + 60, "iat": NOW, "jti": "j"});
        let members = claims.as_object_mut().unwrap();
        members.extend(changes.as_object().unwrap().clone());
        members.retain(|_, value| !value.is_null());
        let claims: AssertionClaims = serde_json::from_value(claims).map_err(|error| error.to_string())?;
        let mut client = client(DEVICE);
        client.metadata.endpoint_audience = endpoint_audience;
        Ok(claims.check(&client, &with(&[]).unwrap(), Timestamp::from_millis(NOW * 1000))?)
    }

    fn check(changes: &Value) -> Result<(), String> {
        check_for(false, changes)
    }

    #[test]
    fn good_ones() {
        for good in [
            json!({}),
            json!({"iat": null}),
            json!({"exp": NOW + 600}),
            json!({"iat": NOW + 10, "nbf": NOW + 10}),
            json!({"jti": "x".repeat(256)}),
            json!({"other": [1]}),
        ] {
            assert_eq!(check(&good), Ok(()), "{good}");
        }
    }

    #[test]
    fn every_rule() {
        for bad in [
            json!({"iss": "d"}),
            json!({"sub": "d"}),
            json!({"iss": null}),
            json!({"sub": null}),
            json!({"aud": null}),
            json!({"aud": "https://id.example/"}),
            json!({"aud": "https://id.example/token"}),
            json!({"aud": "https://other.example"}),
            json!({"aud": ["https://id.example"]}),
            json!({"aud": []}),
            json!({"exp": null}),
            json!({"exp": NOW}),
            json!({"exp": NOW + 660}),
            json!({"exp": "2030"}),
            json!({"iat": NOW + 61}),
            json!({"nbf": NOW + 61}),
            json!({"jti": null}),
            json!({"jti": ""}),
            json!({"jti": 1}),
            json!({"jti": "x".repeat(257)}),
        ] {
            assert!(check(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn endpoints_as_audience_for_clients_registered_so() {
        for good in [
            json!({}),
            json!({"aud": "https://id.example/token"}),
            json!({"aud": "https://id.example/par"}),
            json!({"aud": ["https://id.example", "https://id.example/token"]}),
        ] {
            assert_eq!(check_for(true, &good), Ok(()), "{good}");
        }
        for bad in [
            json!({"aud": "https://id.example/revoke"}),
            json!({"aud": []}),
            json!({"aud": ["https://id.example", "https://other.example"]}),
        ] {
            assert!(check_for(true, &bad).is_err(), "{bad}");
        }
    }
}
