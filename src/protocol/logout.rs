//! RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0): what a client asks for, and where the
//! browser may go when it is done.

use serde::{Deserialize, Serialize};

use super::authorize::with_query;
use super::client::Client;
use super::error::{Code, OAuthError};
use super::form::Form;
use super::seal::sealed_json;
use super::time::Timestamp;

/// Longest `state` that is carried back, in bytes.
const MOST_STATE: usize = 2048;
/// Longest `ui_locales` that is looked at, in bytes.
const MOST_LOCALES: usize = 256;

/// The parameters of a request to the `end_session_endpoint` (RP-Initiated Logout 2) that decide something.
/// `logout_hint` does not: whom it names is not proved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogoutRequest {
    /// An ID token of ours, by which the client is known, and whom it wants to be signed out.
    pub id_token_hint: Option<String>,
    /// The client, by its own word.
    pub client_id: Option<String>,
    /// Where the browser goes when it is done.
    pub post_logout_redirect_uri: Option<String>,
    /// Goes along, unchanged.
    pub state: Option<String>,
    /// The languages that the user reads.
    pub ui_locales: Option<String>,
}

/// The claims of a verified ID token of ours that count as a hint. Its time may be over.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Hint {
    /// Issuer.
    pub iss: String,
    /// Subject, as the client knows it.
    pub sub: String,
    /// The client.
    pub aud: String,
    /// The session.
    #[serde(default)]
    pub sid: Option<String>,
}

/// What was asked, as far as it may be followed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogoutAsked {
    /// The client that asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Where the browser goes when it is done: a registered URI, with the state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The session that the client names, if a hint proved who asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// The languages that the user reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ui_locales: Option<String>,
}

/// A request that another site posted, in the query of `/logout`: our cookies are not sent with such a
/// request, so it comes back as a link. It is nobody's in particular, as links are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogoutStep {
    /// What was asked.
    pub asked: LogoutAsked,
    /// When it was made.
    pub made_at: Timestamp,
}
sealed_json!(LogoutStep, "logout step");

impl LogoutRequest {
    /// Parses a query or body.
    pub fn parse(form: &Form) -> Result<Self, OAuthError> {
        let text = |name: &str| form.get(name).map(str::to_owned);
        let state = text("state");
        if state.as_ref().is_some_and(|state| state.len() > MOST_STATE) {
            return Err(OAuthError::new(Code::InvalidRequest, "state is longer than 2048 bytes"));
        }
        Ok(Self {
            id_token_hint: text("id_token_hint"),
            client_id: text("client_id"),
            post_logout_redirect_uri: text("post_logout_redirect_uri"),
            state,
            ui_locales: text("ui_locales").filter(|locales| locales.len() <= MOST_LOCALES),
        })
    }

    /// The client that asks, by what there is of `hint`, the verified `id_token_hint`, and `client_id`, which
    /// must agree (RP-Initiated Logout 2).
    pub fn client<'a>(&'a self, hint: Option<&'a Hint>) -> Result<Option<&'a str>, OAuthError> {
        match (hint, self.client_id.as_deref()) {
            (Some(hint), Some(client)) if hint.aud != client => {
                Err(OAuthError::new(Code::InvalidRequest, "id_token_hint was issued to another client than client_id"))
            }
            (hint, client) => Ok(hint.map(|hint| hint.aud.as_str()).or(client)),
        }
    }

    /// What may be followed of it. `client` is the row of whom [`LogoutRequest::client`] named.
    ///
    /// The browser goes only where the client registered, character by character, and only when the hint
    /// proves that it is the client who asks (RP-Initiated Logout 3): else anybody could use our address to
    /// lead there.
    pub fn decide(&self, hint: Option<&Hint>, client: Option<&Client>) -> Result<LogoutAsked, OAuthError> {
        let client = client.filter(|client| client.enabled);
        if self.client_id.is_some() && client.is_none() {
            return Err(OAuthError::new(Code::InvalidRequest, "client_id is not known"));
        }
        let target = match (&self.post_logout_redirect_uri, hint) {
            (Some(uri), Some(_)) => {
                let is_registered = |client: &Client| client.metadata.post_logout_redirect_uris.contains(uri);
                if !client.is_some_and(is_registered) {
                    return Err(OAuthError::new(
                        Code::InvalidRequest,
                        "post_logout_redirect_uri is not registered for this client",
                    ));
                }
                let state = self.state.clone().map(|state| ("state", state));
                Some(with_query(uri, state.as_slice()))
            }
            _ => None,
        };
        let sid = hint.and_then(|hint| hint.sid.clone());
        let client = client.map(|client| client.id.clone());
        Ok(LogoutAsked { client, target, sid, ui_locales: self.ui_locales.clone() })
    }
}

impl LogoutAsked {
    /// Whether no client asked for anything.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the client asks for the end of the session that it knows by this `sid`. Then nobody has to be
    /// asked: it proved that it signed this person in, in this very session. That it once did so in another
    /// one is no reason (RP-Initiated Logout 2: such a request is suspect).
    pub fn names(&self, sid: &str) -> bool {
        self.sid.as_deref() == Some(sid)
    }
}

#[cfg(test)]
mod tests {
    use super::super::client::tests::client;
    use super::*;

    const WEB: &str = r#"{"client_name":"Web","grant_types":["authorization_code"],"token_endpoint_auth_method":"none","scope":"openid",
        "redirect_uris":["https://a.example/cb"],"post_logout_redirect_uris":["https://a.example/out","https://a.example/out?x=1"]}"#;

    fn request(query: &str) -> LogoutRequest {
        LogoutRequest::parse(&Form::parse(query.as_bytes()).unwrap()).unwrap()
    }

    fn hint() -> Hint {
        Hint { iss: "https://id.example".into(), sub: "u".into(), aud: "c".into(), sid: Some("s".into()) }
    }

    fn target(query: &str, hint: Option<&Hint>) -> Result<Option<String>, OAuthError> {
        request(query).decide(hint, Some(&client(WEB))).map(|asked| asked.target)
    }

    #[test]
    fn the_browser_goes_where_the_client_registered() {
        let hint = hint();
        for (query, expected) in [
            ("post_logout_redirect_uri=https://a.example/out", "https://a.example/out"),
            (
                "post_logout_redirect_uri=https://a.example/out&state=a%26b%3D%20%C3%A9",
                "https://a.example/out?state=a%26b%3D%20%C3%A9",
            ),
            ("post_logout_redirect_uri=https://a.example/out?x=1&state=y", "https://a.example/out?x=1&state=y"),
            ("post_logout_redirect_uri=https://a.example/out&client_id=c", "https://a.example/out"),
        ] {
            assert_eq!(target(query, Some(&hint)).unwrap().as_deref(), Some(expected));
        }
        let state = "x".repeat(2048);
        let long = target(&format!("post_logout_redirect_uri=https://a.example/out&state={state}"), Some(&hint)).unwrap();
        assert_eq!(long, Some(format!("https://a.example/out?state={state}")));
    }

    #[test]
    fn and_nowhere_else() {
        for uri in [
            "https://a.example/cb",
            "https://a.example/out/",
            "https://a.example/out?x=2",
            "https://a.example/out?x=1%26y=2",
            "https://A.example/out",
            "https://a.example./out",
            "https://a.example:443/out",
            "https://user@a.example/out",
            "https://a.example\\@evil.example/out",
            "https://a.example/out%23f",
            "//a.example/out",
            "javascript:alert(1)",
            "https://evil.example/",
        ] {
            assert!(target(&format!("post_logout_redirect_uri={uri}"), Some(&hint())).is_err(), "{uri}");
        }
        // Without a hint nobody knows who asks: no redirect, but no error either.
        for query in
            ["post_logout_redirect_uri=https://a.example/out&client_id=c", "post_logout_redirect_uri=https://evil.example/"]
        {
            assert_eq!(target(query, None).unwrap(), None);
        }
        let mut disabled = client(WEB);
        disabled.enabled = false;
        let request = request("post_logout_redirect_uri=https://a.example/out");
        assert!(request.decide(Some(&hint()), Some(&disabled)).is_err());
        assert!(request.decide(Some(&hint()), None).is_err());
    }

    #[test]
    fn hint_and_client_id_must_agree() {
        let hint = hint();
        assert_eq!(request("client_id=c").client(Some(&hint)).unwrap(), Some("c"));
        assert!(request("client_id=d").client(Some(&hint)).is_err());
        assert_eq!(request("client_id=d").client(None).unwrap(), Some("d"));
        assert_eq!(request("state=x").client(Some(&hint)).unwrap(), Some("c"));
        assert_eq!(request("").client(None).unwrap(), None);
        assert!(request("client_id=d").decide(None, None).is_err(), "who is not known");
        assert!(request("").decide(Some(&hint), None).is_ok(), "a client that is gone");
    }

    #[test]
    fn what_is_carried_is_bounded() {
        let parse = |query: String| LogoutRequest::parse(&Form::parse(query.as_bytes()).unwrap());
        assert!(parse(format!("state={}", "x".repeat(2049))).is_err());
        assert_eq!(parse("state=x&logout_hint=ada&ui_locales=de".to_owned()).unwrap().state.as_deref(), Some("x"));
    }

    #[test]
    fn a_session_is_named_by_its_sid_alone() {
        let asked = |sid: Option<&str>| LogoutAsked { sid: sid.map(str::to_owned), ..LogoutAsked::default() };
        assert!(asked(Some("s")).names("s"));
        assert!(!asked(Some("t")).names("s"), "another session of the same user");
        assert!(!asked(None).names(""), "no hint names nobody");
    }
}
