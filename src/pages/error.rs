//! The page for everything that went wrong.

use askama::Template;

use super::{
    layout::{Frame, Html, Realm, render},
    text::Texts,
};

/// Model of [`error`].
#[derive(Clone, Copy, Debug)]
pub struct ErrorPage<'a> {
    /// The HTTP status, which chooses the sentence.
    pub status: u16,
    /// What the log knows this request by.
    pub request_id: &'a str,
    /// The error code, such as `invalid_request` (RFC 6749, section 4.1.2.1), for the developer.
    pub code: Option<&'a str>,
    /// What exactly is wrong, in English, for the developer.
    pub description: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "error.html")]
struct View<'a> {
    frame: Frame<'a>,
    t: &'a Texts,
    model: &'a ErrorPage<'a>,
    sentence: &'a str,
}

/// "Something went wrong": every error that is answered to a browser.
pub fn error(realm: &Realm<'_>, model: &ErrorPage<'_>) -> Html {
    let t = realm.texts;
    let sentence = match model.status {
        404 => t.error.not_found,
        405 => t.error.wrong_method,
        413 => t.error.too_large,
        429 => t.error.too_many,
        400..=499 => t.error.bad_request,
        _ => t.error.unavailable,
    };
    render(&View { frame: Frame::new(realm, t.error.heading, false), t, model, sentence })
}
