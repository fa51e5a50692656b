//! The page that asks whether an app may use the account.

use askama::Template;

use super::{
    client::{Client, RequestedScope, ScopeLine},
    layout::{Frame, Html, Realm, render},
    text::Texts,
};

/// Model of [`consent`]: what OpenID Connect Core 1.0, section 3.1.2.4, asks a person.
#[derive(Clone, Copy, Debug)]
pub struct Consent<'a> {
    /// The sealed form.
    pub form: &'a str,
    /// Who is signed in.
    pub name: &'a str,
    /// What asks.
    pub client: Client<'a>,
    /// What is asked for, in the order to show it.
    pub scopes: &'a [RequestedScope<'a>],
    /// Single claims that are asked for by the `claims` parameter (OpenID Connect Core 1.0, section
    /// 5.5). Each is optional. They are ticked at first, but not again after an error: what a person
    /// left out must not come back by itself.
    pub claims: &'a [&'a str],
    /// The host or app that the browser goes to from here, whatever the answer. It is shown because
    /// a stranger's app can call itself anything but cannot be reached at somebody else's address.
    pub destination: &'a str,
    /// Address of the way to use another account.
    pub switch: &'a str,
    /// Why the form that came back was no answer.
    pub error: Option<ConsentError>,
}

/// Why a form that came back was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentError {
    /// Everything that was asked for was left out.
    NothingChosen,
    /// The sealed form is too old or not this browser's.
    Expired,
}

/// A claim in words.
struct ClaimLine<'a> {
    name: &'a str,
    title: &'a str,
}

#[derive(Template)]
#[template(path = "consent.html")]
struct View<'a> {
    frame: Frame<'a>,
    t: &'a Texts,
    model: &'a Consent<'a>,
    scopes: Vec<ScopeLine<'a>>,
    claims: Vec<ClaimLine<'a>>,
    problem: Option<&'a str>,
}

/// `/consent`: may this client use the account (RFC 6749, section 4.1.1; OpenID Connect Core 1.0,
/// section 3.1.2.4)?
///
/// Posts to `/consent`: `form`, `action` (`allow` or `deny`), `scope.<name>=1` for each optional scope
/// and `claim.<name>=1` for each claim that stayed ticked.
pub fn consent(realm: &Realm<'_>, model: &Consent<'_>) -> Html {
    let t = realm.texts;
    let problem = model.error.map(|error| match error {
        ConsentError::NothingChosen => t.permission.nothing_chosen,
        ConsentError::Expired => t.expired,
    });
    let claims = model.claims.iter().map(|name| ClaimLine { name, title: t.claims.of(name).unwrap_or(name) }).collect();
    render(&View {
        frame: Frame::new(realm, t.consent.heading, problem.is_some()),
        t,
        model,
        scopes: ScopeLine::all(t, model.scopes),
        claims,
        problem,
    })
}
