//! The page that asks whether a device may be connected, and the pages after it.

use askama::Template;

use super::{
    client::{Client, RequestedScope, ScopeLine},
    layout::{Frame, Html, Realm, render},
    text::Texts,
    time,
};

/// Model of [`approval`]: everything that a person has to see before a yes (RFC 8628 5.4, RFC 10027).
#[derive(Clone, Copy, Debug)]
pub struct Approval<'a> {
    /// The sealed form.
    pub form: &'a str,
    /// Who is signed in.
    pub name: &'a str,
    /// What asks.
    pub client: Client<'a>,
    /// The code to compare, as the device shows it.
    pub user_code: &'a str,
    /// What is asked for, in the order to show it.
    pub scopes: &'a [RequestedScope<'a>],
    /// When the device asked, in seconds since 1970.
    pub requested_at: u64,
    /// When the page is made, in seconds since 1970.
    pub now: u64,
    /// Roughly where the device is, such as "Basel, Switzerland".
    pub device_place: Option<&'a str>,
    /// Roughly where this browser is.
    pub browser_place: Option<&'a str>,
    /// Whether the two places are far enough apart for a warning.
    pub places_differ: bool,
    /// Why the form that came back was no answer.
    pub error: Option<ApprovalError>,
}

/// Why a form that came back was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApprovalError {
    /// The "this is my device" box was not ticked.
    Unconfirmed,
    /// Everything that was asked for was left out.
    NothingChosen,
}

impl Approval<'_> {
    /// Whether the box is what is missing.
    fn is_unconfirmed(&self) -> bool {
        self.error == Some(ApprovalError::Unconfirmed)
    }

    /// What to say about the form that came back.
    fn problem(&self, texts: &Texts) -> Option<&'static str> {
        self.error.map(|error| match error {
            ApprovalError::Unconfirmed => texts.approval.unconfirmed,
            ApprovalError::NothingChosen => texts.permission.nothing_chosen,
        })
    }
}

/// Model of [`allowed`].
#[derive(Clone, Copy, Debug)]
pub struct Allowed<'a> {
    /// The sealed form of Undo.
    pub form: &'a str,
    /// Name of what was allowed.
    pub client_name: &'a str,
}

#[derive(Template)]
#[template(path = "approval.html")]
struct ApprovalView<'a> {
    frame: Frame<'a>,
    t: &'a Texts,
    model: &'a Approval<'a>,
    scopes: Vec<ScopeLine<'a>>,
    ago: String,
    clock: String,
    timestamp: String,
}

#[derive(Template)]
#[template(path = "allowed.html")]
struct AllowedView<'a> {
    frame: Frame<'a>,
    t: &'a Texts,
    model: &'a Allowed<'a>,
}

#[derive(Template)]
#[template(path = "denied.html")]
struct DeniedView<'a> {
    frame: Frame<'a>,
    t: &'a Texts,
}

#[derive(Template)]
#[template(path = "undone.html")]
struct UndoneView<'a> {
    frame: Frame<'a>,
    t: &'a Texts,
}

/// `/device` once the code is known: may this device be connected (RFC 8628, sections 3.3 and 5.4)?
///
/// Posts to `/device/approve`: `form`, `action` (`allow` or `deny`), `confirm_device=1`, and
/// `scope.<name>=1` for each optional scope that stayed ticked.
pub fn approval(realm: &Realm<'_>, model: &Approval<'_>) -> Html {
    let t = realm.texts;
    render(&ApprovalView {
        frame: Frame::new(realm, t.approval.heading, model.error.is_some()),
        t,
        model,
        scopes: ScopeLine::all(t, model.scopes),
        ago: (t.approval.ago)(model.now.saturating_sub(model.requested_at) / 60),
        clock: time::clock(model.requested_at),
        timestamp: time::timestamp(model.requested_at),
    })
}

/// After Allow: what happens next, and the way back.
pub fn allowed(realm: &Realm<'_>, model: &Allowed<'_>) -> Html {
    let t = realm.texts;
    render(&AllowedView { frame: Frame::new(realm, t.allowed.heading, false), t, model })
}

/// After Deny: what happens next, and what to do if someone else started it.
pub fn denied(realm: &Realm<'_>) -> Html {
    let t = realm.texts;
    render(&DeniedView { frame: Frame::new(realm, t.denied.heading, false), t })
}

/// After Undo.
pub fn undone(realm: &Realm<'_>) -> Html {
    let t = realm.texts;
    render(&UndoneView { frame: Frame::new(realm, t.undone.heading, false), t })
}
