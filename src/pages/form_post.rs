//! The page that carries an answer to the client in a form (OAuth 2.0 Form Post Response Mode).

use askama::Template;

use super::{
    layout::{Frame, Html, Realm, render},
    text::Texts,
};

/// Submits the form of [`form_post`]. It is fetched and not inline, so that the content security
/// policy needs no exception. The form's own `submit` could be hidden by a field of that name.
const SCRIPT: &str = "HTMLFormElement.prototype.submit.call(document.getElementById(\"form-post\"));\n";

/// Model of [`form_post`].
#[derive(Clone, Copy, Debug, Default)]
pub struct FormPost<'a> {
    /// The redirect URI; the caller admits only registered ones, and the content security policy
    /// must let forms go there.
    pub action: &'a str,
    /// The parameters of the answer, by name.
    pub fields: &'a [(&'a str, &'a str)],
    /// Name of the client.
    pub client_name: &'a str,
}

#[derive(Template)]
#[template(path = "form_post.html")]
struct View<'a> {
    frame: Frame<'a>,
    t: &'a Texts,
    model: &'a FormPost<'a>,
}

/// The answer as a form that sends itself to the client (OAuth 2.0 Form Post Response Mode, section
/// 2), or is sent by a button where no script runs.
pub fn form_post(realm: &Realm<'_>, model: &FormPost<'_>) -> Html {
    let t = realm.texts;
    render(&View { frame: Frame::new(realm, t.form_post.heading, false), t, model })
}

/// `GET /form_post.js`: the one script, and all that it does is to submit that form.
pub fn form_post_script() -> &'static str {
    SCRIPT
}
