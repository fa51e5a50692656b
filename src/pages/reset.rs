//! Pages behind the links in mails, and the one where such a link is asked for.

use askama::Template;

use super::{
    layout::{Frame, Html, Realm, render},
    text::Texts,
};

/// Model of [`reset`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Reset<'a> {
    /// The sealed form.
    pub form: &'a str,
    /// What the name field already holds.
    pub login: &'a str,
    /// Whether it was a link, or a form, that is not good any more.
    pub stale: bool,
}

/// Model of [`new_password`].
#[derive(Clone, Copy, Debug, Default)]
pub struct NewPassword<'a> {
    /// The sealed link.
    pub form: &'a str,
    /// The name that the user signs in with: for programs that keep passwords.
    pub login: &'a str,
    /// Whether the password that was chosen may not be set.
    pub weak: bool,
}

/// Model of [`verify`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Verify<'a> {
    /// The sealed link.
    pub form: &'a str,
    /// The address.
    pub address: &'a str,
}

/// What [`told`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// A link is on its way, if there is such an account.
    Sent,
    /// The password was set.
    PasswordSet,
    /// The address was confirmed.
    Verified,
    /// The link that was to confirm the address is not good any more.
    Stale,
}

/// A mail as the outbox of a developer's machine shows it.
#[derive(Clone, Debug)]
pub struct KeptMail {
    /// To whom.
    pub to: String,
    /// When, in words.
    pub at: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub body: String,
}

#[derive(Template)]
#[template(path = "reset.html")]
struct ResetView<'a> {
    frame: Frame<'a>,
    t: &'a Texts,
    model: &'a Reset<'a>,
}

#[derive(Template)]
#[template(path = "new_password.html")]
struct NewPasswordView<'a> {
    frame: Frame<'a>,
    t: &'a Texts,
    model: &'a NewPassword<'a>,
}

#[derive(Template)]
#[template(path = "verify.html")]
struct VerifyView<'a> {
    frame: Frame<'a>,
    t: &'a Texts,
    model: &'a Verify<'a>,
}

#[derive(Template)]
#[template(path = "told.html")]
struct ToldView<'a> {
    frame: Frame<'a>,
    t: &'a Texts,
    lede: &'a str,
    /// Whether the way on is to sign in.
    signs_in: bool,
}

#[derive(Template)]
#[template(path = "dev_outbox.html")]
struct OutboxView<'a> {
    frame: Frame<'a>,
    t: &'a Texts,
    mails: &'a [KeptMail],
}

/// `/reset`: whose password. Posts `form` and `login`.
pub fn reset(realm: &Realm<'_>, model: &Reset<'_>) -> Html {
    let t = realm.texts;
    render(&ResetView { frame: Frame::new(realm, t.reset.heading, model.stale), t, model })
}

/// `/reset?link=`: the new password. Posts `form`, `password` and `everywhere`.
pub fn new_password(realm: &Realm<'_>, model: &NewPassword<'_>) -> Html {
    let t = realm.texts;
    render(&NewPasswordView { frame: Frame::new(realm, t.reset.new_heading, model.weak), t, model })
}

/// `/verify?link=`: whether this is their address. Posts `form`.
pub fn verify(realm: &Realm<'_>, model: &Verify<'_>) -> Html {
    let t = realm.texts;
    render(&VerifyView { frame: Frame::new(realm, t.reset.verify_heading, false), t, model })
}

/// What came of it.
pub fn told(realm: &Realm<'_>, told: Told) -> Html {
    let t = realm.texts;
    let (heading, lede) = match told {
        Told::Sent => (t.reset.sent_heading, t.reset.sent),
        Told::PasswordSet => (t.reset.done_heading, t.reset.done),
        Told::Verified => (t.reset.verified_heading, t.reset.verified),
        Told::Stale => (t.reset.verify_heading, t.reset.verify_stale),
    };
    let frame = Frame::new(realm, heading, told == Told::Stale);
    render(&ToldView { frame, t, lede, signs_in: told == Told::PasswordSet })
}

/// `/dev/outbox`: the mails that were not sent, newest first.
pub fn dev_outbox(realm: &Realm<'_>, mails: &[KeptMail]) -> Html {
    let t = realm.texts;
    render(&OutboxView { frame: Frame::new(realm, t.reset.outbox_heading, false), t, mails })
}
