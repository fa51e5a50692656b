//! The start page.

use askama::Template;

use super::{
    layout::{Frame, Html, Realm, render},
    text::Texts,
};

/// Model of [`home`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Home<'a> {
    /// Name of the person who is signed in, if anyone is.
    pub name: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "home.html")]
struct View<'a> {
    frame: Frame<'a>,
    t: &'a Texts,
    model: &'a Home<'a>,
}

/// `GET /`: who is signed in, and the ways on from here.
pub fn home(realm: &Realm<'_>, model: &Home<'_>) -> Html {
    let t = realm.texts;
    let title = if model.name.is_some() { t.home.signed_in } else { t.home.welcome };
    render(&View { frame: Frame::new(realm, title, false), t, model })
}
