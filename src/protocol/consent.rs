//! What a user said yes and no to, remembered per client.

use serde::{Deserialize, Serialize};

use super::admin::scopes::is_administrative;
use super::claims::scope_of_claim;
use super::client::{Client, Origin};
use super::client_metadata::ApplicationType;
use super::redirect;
use super::requested_claims::RequestedClaims;
use super::scope::Scope;

/// A remembered choice. What was offered and left out is remembered too, so that it is not asked again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// Scopes allowed.
    pub allowed: Scope,
    /// Scopes offered and left out.
    #[serde(default)]
    pub declined: Scope,
    /// Single claims allowed.
    #[serde(default)]
    pub claims: Vec<String>,
    /// Single claims offered and left out.
    #[serde(default)]
    pub declined_claims: Vec<String>,
}

impl Choice {
    /// Whether everything that is asked was answered before.
    pub fn covers(&self, scope: &Scope, claims: &RequestedClaims) -> bool {
        let has = |list: &[String], name: &str| list.iter().any(|known| known == name);
        scope.iter().all(|token| self.allowed.contains(token) || self.declined.contains(token))
            && alone(scope, claims).iter().all(|name| has(&self.claims, name) || has(&self.declined_claims, name))
    }

    /// What of it is granted.
    pub fn granted(&self, scope: &Scope, claims: &RequestedClaims) -> (Scope, RequestedClaims) {
        let granted = scope.and(&self.allowed);
        let is_allowed = |name: &str| match scope_of_claim(name).filter(|of| scope.contains(of)) {
            Some(of) => granted.contains(of),
            None => self.claims.iter().any(|known| known == name),
        };
        let claims = claims.filter(is_allowed);
        (granted, claims)
    }

    /// What of it is remembered: administration is asked about every time.
    #[must_use]
    pub fn to_remember(self) -> Self {
        let kept = |scope: &Scope| scope.filter(|token| !is_administrative(token));
        Self { allowed: kept(&self.allowed), declined: kept(&self.declined), ..self }
    }

    /// After an answer about `asked`: of that what is in `chosen` is allowed and the rest declined; what was
    /// not asked now stays as it was.
    #[must_use]
    pub fn answered(
        &self,
        asked: (&Scope, &RequestedClaims),
        chosen: impl Fn(&str) -> bool,
        chosen_claim: impl Fn(&str) -> bool,
    ) -> Self {
        let (scope, claims) = asked;
        let before = |list: &Scope| list.filter(|token| !scope.contains(token));
        let names = alone(scope, claims);
        let claims_before =
            |list: &[String]| list.iter().filter(|name| !names.contains(&name.as_str())).cloned().collect::<Vec<_>>();
        let claims_now =
            |yes: bool| names.iter().filter(|name| chosen_claim(name) == yes).map(|name| (*name).to_owned()).collect();
        Self {
            allowed: before(&self.allowed).or(&scope.filter(&chosen)),
            declined: before(&self.declined).or(&scope.filter(|token| !chosen(token))),
            claims: [claims_before(&self.claims), claims_now(true)].concat(),
            declined_claims: [claims_before(&self.declined_claims), claims_now(false)].concat(),
        }
    }
}

/// The single claims that have to be asked about by themselves: those of a scope that is asked for go with it.
pub fn alone<'a>(scope: &Scope, claims: &'a RequestedClaims) -> Vec<&'a str> {
    let mut names = claims.names();
    names.retain(|name| !scope_of_claim(name).is_some_and(|of| scope.contains(of)));
    names
}

/// Whether the operator's word stands for the user's: a first-party client. Not one that anybody could
/// impersonate (RFC 8252 8.6).
pub fn is_given_by_operator(client: &Client, redirect_uri: &str) -> bool {
    client.metadata.skip_consent && !must_always_ask(client, redirect_uri)
}

/// Whether even a remembered consent is asked again, because whoever receives the answer is not known
/// (RFC 6749 10.2, RFC 8252 8.6).
pub fn must_always_ask(client: &Client, redirect_uri: &str) -> bool {
    // A web client at a loopback address is somebody's development, by the operator's word; nobody else's.
    let is_an_app = client.metadata.application_type == ApplicationType::Native || client.origin != Origin::Operator;
    client.is_public() && is_an_app && !redirect::proves_receiver(redirect_uri)
}

#[cfg(test)]
mod tests {
    use super::super::client::tests::{DEVICE, client};
    use super::*;

    fn scope(text: &str) -> Scope {
        Scope::parse(text).unwrap()
    }

    #[test]
    fn the_choice_is_remembered_both_ways() {
        let claims = RequestedClaims::parse(r#"{"userinfo":{"birthdate":null,"gender":null}}"#).unwrap();
        let none = RequestedClaims::default();
        let choice = Choice::default().answered(
            (&scope("openid email phone"), &claims),
            |token| token != "phone",
            |name| name == "gender",
        );
        assert!(choice.covers(&scope("openid phone"), &claims));
        assert!(!choice.covers(&scope("openid profile"), &none));
        let (granted, granted_claims) = choice.granted(&scope("openid phone"), &claims);
        assert_eq!(granted.to_string(), "openid");
        assert_eq!(granted_claims.names(), ["gender"]);
        let later = choice.answered((&scope("phone"), &none), |_| true, |_| true);
        assert_eq!(later.allowed.to_string(), "openid email phone");
        assert!(later.declined.is_empty());
        assert_eq!((later.claims.len(), later.declined_claims.len()), (1, 1), "what was not asked stays");
    }

    #[test]
    fn a_claim_of_a_scope_that_is_asked_for_goes_with_it() {
        let claims = RequestedClaims::parse(r#"{"id_token":{"email":null,"gender":null}}"#).unwrap();
        let asked = scope("openid email");
        assert_eq!(alone(&asked, &claims), ["gender"]);
        let granted = |chosen: &'static str| {
            let choice = Choice::default().answered((&asked, &claims), |token| chosen.contains(token), |_| false);
            assert!(choice.covers(&asked, &claims));
            choice.granted(&asked, &claims).1
        };
        assert_eq!(granted("openid email").names(), ["email"]);
        assert!(granted("openid").names().is_empty(), "the scope was left out");
    }

    #[test]
    fn an_app_that_anybody_could_be_is_always_asked_about() {
        let mut client = client(DEVICE);
        client.metadata.skip_consent = true;
        assert!(is_given_by_operator(&client, "https://a.example/cb"));
        client.metadata.application_type = ApplicationType::Native;
        assert!(is_given_by_operator(&client, "https://a.example/cb"));
        for redirect_uri in ["com.example.app:/cb", "http://127.0.0.1:5/cb"] {
            assert!(must_always_ask(&client, redirect_uri) && !is_given_by_operator(&client, redirect_uri));
        }
    }
}
