//! The account chooser.

use askama::Template;

use super::{
    client::Client,
    layout::{Frame, Html, Realm, render},
    text::Texts,
};

/// Model of [`accounts`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Accounts<'a> {
    /// The sealed form.
    pub form: &'a str,
    /// What the choice is for.
    pub client: Client<'a>,
    /// The accounts that are signed in at this browser, in the order to show them.
    pub accounts: &'a [Account<'a>],
}

/// An account that is signed in at a browser.
#[derive(Clone, Copy, Debug, Default)]
pub struct Account<'a> {
    /// What comes back when it is chosen.
    pub id: &'a str,
    /// The person's name.
    pub name: &'a str,
    /// What tells two accounts of one name apart: an e-mail address or a login name.
    pub detail: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "accounts.html")]
struct View<'a> {
    frame: Frame<'a>,
    t: &'a Texts,
    model: &'a Accounts<'a>,
}

/// `/accounts`: which account (`prompt=select_account`; OpenID Connect Core 1.0, section 3.1.2.1)?
///
/// Posts to `/accounts`: `form`, and either `account` (the [`Account::id`]) or `action` (`other` or
/// `cancel`).
pub fn accounts(realm: &Realm<'_>, model: &Accounts<'_>) -> Html {
    let t = realm.texts;
    render(&View { frame: Frame::new(realm, t.accounts.heading, false), t, model })
}
