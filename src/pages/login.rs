//! The sign-in page.

use askama::Template;

use super::{
    client::Client,
    layout::{Frame, Html, Realm, render},
    text::Texts,
};

/// Model of [`login`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Login<'a> {
    /// The sealed form.
    pub form: &'a str,
    /// What the name field already holds.
    pub login: &'a str,
    /// What the sign-in is for.
    pub purpose: Purpose,
    /// The client that the sign-in leads to: shown, with the links to its policy and terms.
    pub client: Option<Client<'a>>,
    /// Whether a person who is signed in must prove it once more.
    pub again: bool,
    /// Whether a forgotten password can be replaced.
    pub can_reset: bool,
    /// Why the last attempt did not work.
    pub error: Option<LoginError>,
}

/// What a sign-in is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// Nothing but the account itself.
    #[default]
    Account,
    /// To connect a device.
    Device,
    /// To continue to [`Login::client`].
    Client,
}

/// Why a sign-in did not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginError {
    /// Name or password: one text for every cause.
    Wrong,
    /// Too many attempts.
    Throttled {
        /// How long to wait; 0 is shown as 1.
        minutes: u64,
    },
    /// The sealed form is too old or not this browser's.
    Expired,
}

#[derive(Template)]
#[template(path = "login.html")]
struct View<'a> {
    frame: Frame<'a>,
    t: &'a Texts,
    model: &'a Login<'a>,
    lede: Option<&'a str>,
    alert: Option<String>,
    /// Whether the fields themselves are at fault.
    invalid: bool,
}

/// `/login`: name and password. Posts `form`, `login` and `password`, or `action=cancel`.
pub fn login(realm: &Realm<'_>, model: &Login<'_>) -> Html {
    let t = realm.texts;
    let lede = match (model.again, model.purpose) {
        (true, _) => Some(t.login.again),
        (false, Purpose::Account) => Some(t.login.for_account),
        (false, Purpose::Device) => Some(t.login.for_device),
        // The client's name says it.
        (false, Purpose::Client) => None,
    };
    let alert = model.error.map(|error| match error {
        LoginError::Wrong => t.login.wrong.to_owned(),
        LoginError::Throttled { minutes } => (t.throttled)(minutes.max(1)),
        LoginError::Expired => t.expired.to_owned(),
    });
    render(&View {
        frame: Frame::new(realm, t.login.heading, alert.is_some()),
        t,
        model,
        lede,
        alert,
        invalid: model.error == Some(LoginError::Wrong),
    })
}
