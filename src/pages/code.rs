//! The page on which a person enters the code that a device shows.

use askama::Template;

use super::{
    layout::{Frame, Html, Realm, render},
    text::Texts,
};

/// Model of [`code_entry`].
#[derive(Clone, Copy, Debug, Default)]
pub struct CodeEntry<'a> {
    /// The sealed form.
    pub form: &'a str,
    /// Who is signed in.
    pub name: &'a str,
    /// What the field already holds.
    pub code: &'a str,
    /// Whether `code` came in by a link, so that the person never typed it and has to compare.
    pub prefilled: bool,
    /// Why the last code did not work.
    pub error: Option<CodeError>,
}

/// Why a code did not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeError {
    /// Unknown, expired, used and denied codes: one text.
    NotFound,
    /// Too many wrong codes.
    Throttled {
        /// How long to wait; 0 is shown as 1.
        minutes: u64,
    },
    /// The sealed form is too old or not this browser's.
    Expired,
}

#[derive(Template)]
#[template(path = "code.html")]
struct View<'a> {
    frame: Frame<'a>,
    t: &'a Texts,
    model: &'a CodeEntry<'a>,
    alert: Option<String>,
    /// Whether the field itself is at fault.
    invalid: bool,
}

/// `/device`: the user code (RFC 8628, section 3.3). A prefilled code is never submitted by itself.
pub fn code_entry(realm: &Realm<'_>, model: &CodeEntry<'_>) -> Html {
    let t = realm.texts;
    let alert = model.error.map(|error| match error {
        CodeError::NotFound => t.code.not_found.to_owned(),
        CodeError::Throttled { minutes } => (t.throttled)(minutes.max(1)),
        CodeError::Expired => t.expired.to_owned(),
    });
    render(&View {
        frame: Frame::new(realm, t.code.heading, alert.is_some()),
        t,
        model,
        alert,
        invalid: model.error == Some(CodeError::NotFound),
    })
}
