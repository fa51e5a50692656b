//! Signing out.

use askama::Template;

use super::{
    client::Client,
    layout::{Frame, Html, Realm, render},
    text::Texts,
};

/// Model of [`logout`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Logout<'a> {
    /// The sealed form.
    pub form: &'a str,
    /// Who is signed in.
    pub name: &'a str,
    /// Whether the form that came back was too old or not this browser's.
    pub expired: bool,
    /// The client that asks (OpenID Connect RP-Initiated Logout 1.0, section 2).
    pub client: Option<Client<'a>>,
}

/// Model of [`signed_out`].
#[derive(Clone, Copy, Debug, Default)]
pub struct SignedOut {
    /// Whether it was everywhere, not just in this browser.
    pub everywhere: bool,
}

#[derive(Template)]
#[template(path = "logout.html")]
struct View<'a> {
    frame: Frame<'a>,
    t: &'a Texts,
    model: &'a Logout<'a>,
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOutView<'a> {
    frame: Frame<'a>,
    t: &'a Texts,
    lede: &'a str,
}

/// `/logout`: asks first. Posts `form` and `action` (`here` or `everywhere`).
pub fn logout(realm: &Realm<'_>, model: &Logout<'_>) -> Html {
    let t = realm.texts;
    render(&View { frame: Frame::new(realm, t.logout.heading, model.expired), t, model })
}

/// "You are signed out": also the answer when nobody was signed in.
pub fn signed_out(realm: &Realm<'_>, model: &SignedOut) -> Html {
    let t = realm.texts;
    let lede = if model.everywhere { t.signed_out.everywhere } else { t.signed_out.here };
    render(&SignedOutView { frame: Frame::new(realm, t.signed_out.heading, false), t, lede })
}
