//! `/account`: what is a person's own, and how they end it.

use askama::Template;

use super::{
    layout::{Frame, Html, Realm, render},
    text::Texts,
    time,
};

/// Model of [`account`].
#[derive(Clone, Copy, Debug, Default)]
pub struct AccountPage<'a> {
    /// The name on pages.
    pub name: &'a str,
    /// The name that they sign in with.
    pub login: &'a str,
    /// Their address, and whether it is confirmed.
    pub email: Option<(&'a str, bool)>,
    /// The form that has a link sent, which confirms the address; where there is something to confirm.
    pub verify: Option<&'a str>,
    /// The form that changes the password.
    pub password: &'a str,
    /// What came of the last form.
    pub notice: Option<AccountNotice>,
    /// Browsers.
    pub browsers: &'a [OwnBrowser<'a>],
    /// The form that ends all other browsers; where there are any.
    pub end_browsers: Option<&'a str>,
    /// Devices of this page.
    pub devices: &'a [OwnDevice<'a>],
    /// The form that ends all devices; where there are any.
    pub end_devices: Option<&'a str>,
    /// Pages of devices: before and after this one.
    pub pages: (Option<usize>, Option<usize>),
    /// Apps.
    pub apps: &'a [OwnApp<'a>],
    /// What happened lately, newest first.
    pub events: &'a [OwnEvent<'a>],
}

/// What came of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountNotice {
    /// It was done.
    Done,
    /// The password was changed.
    Password,
    /// A link is on its way.
    Sent,
    /// The old password was wrong.
    Wrong,
    /// The new password may not be set.
    Weak,
    /// Too many wrong passwords; minutes to wait.
    Throttled(u64),
    /// The form was too old.
    Expired,
    /// The name of a device may not be set.
    Name,
}

impl AccountNotice {
    /// Whether it tells of a mistake.
    const fn is_mistake(self) -> bool {
        !matches!(self, Self::Done | Self::Password | Self::Sent)
    }
}

/// A browser that is signed in.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnBrowser<'a> {
    /// Whether it is this one.
    pub this: bool,
    /// Where the sign-in came from; empty: not known.
    pub place: &'a str,
    /// When they signed in, in seconds since 1970.
    pub since: u64,
    /// When it was last used.
    pub used: u64,
    /// The sealed form that ends it.
    pub form: &'a str,
}

/// A device.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnDevice<'a> {
    /// What its owner knows it as.
    pub name: &'a str,
    /// The client's name.
    pub client: &'a str,
    /// Where it was connected; empty: not known.
    pub place: &'a str,
    /// When it was allowed, in seconds since 1970.
    pub since: u64,
    /// When it last got tokens.
    pub used: u64,
    /// The sealed form that renames it.
    pub rename: &'a str,
    /// The sealed form that ends it.
    pub end: &'a str,
}

/// An app.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnApp<'a> {
    /// Its name.
    pub name: &'a str,
    /// When it was first allowed, in seconds since 1970.
    pub since: u64,
    /// When it last got tokens, if that is known.
    pub used: Option<u64>,
    /// What it may do: names of scopes, and the realm's words for them.
    pub scopes: &'a [(&'a str, Option<&'a str>)],
    /// The sealed form that ends it.
    pub form: &'a str,
}

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub struct OwnEvent<'a> {
    /// What.
    pub what: Happened<'a>,
    /// When, in seconds since 1970.
    pub at: u64,
    /// Where; empty: not known.
    pub place: &'a str,
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Happened<'a> {
    /// A sign-in at a browser.
    SignedIn,
    /// A device was connected.
    Connected(&'a str),
    /// The password was changed by its owner.
    PasswordChanged,
    /// The password was replaced by a link.
    PasswordReset,
    /// An administrator set the password.
    PasswordSet,
}

struct Line<'a> {
    name: &'a str,
    facts: Vec<String>,
    permissions: Vec<&'a str>,
    end: &'a str,
    rename: Option<&'a str>,
}

struct EventLine<'a> {
    text: &'a str,
    name: Option<&'a str>,
    facts: String,
}

#[derive(Template)]
#[template(path = "account.html")]
struct View<'a> {
    frame: Frame<'a>,
    t: &'a Texts,
    model: &'a AccountPage<'a>,
    alert: Option<String>,
    notice: Option<String>,
    browsers: Vec<Line<'a>>,
    devices: Vec<Line<'a>>,
    apps: Vec<Line<'a>>,
    events: Vec<EventLine<'a>>,
}

/// `/account`. All its forms post to itself: `form`; the password's also `old`, `password` and `everywhere`, a device's name
/// also `name`.
pub fn account<'a>(realm: &Realm<'a>, model: &AccountPage<'a>) -> Html {
    let t = realm.texts;
    let a = t.account;
    let day = |label: &str, at: u64| format!("{label} {}", time::day(at));
    let from = |place: &str| format!("{}: {}", t.approval.place, if place.is_empty() { t.approval.unknown_place } else { place });
    let browser = |browser: &OwnBrowser<'a>| Line {
        name: if browser.this { a.this_browser } else { a.browser },
        facts: vec![from(browser.place), day(a.since, browser.since), day(t.home.used_on, browser.used)],
        permissions: Vec::new(),
        end: if browser.this { "" } else { browser.form },
        rename: None,
    };
    let device = |device: &OwnDevice<'a>| {
        let client = (device.client != device.name).then(|| device.client.to_owned());
        let facts = [from(device.place), day(t.home.allowed_on, device.since), day(t.home.used_on, device.used)];
        Line {
            name: device.name,
            facts: client.into_iter().chain(facts).collect(),
            permissions: Vec::new(),
            end: device.end,
            rename: Some(device.rename),
        }
    };
    let app = |app: &OwnApp<'a>| {
        let words = |(name, words): &(&'a str, Option<&'a str>)| {
            words.or_else(|| t.scopes.of(name).map(|scope| scope.title)).unwrap_or(name)
        };
        let used = app.used.map(|used| day(t.home.used_on, used));
        Line {
            name: app.name,
            facts: std::iter::once(day(t.home.allowed_on, app.since)).chain(used).collect(),
            permissions: app.scopes.iter().map(words).collect(),
            end: app.form,
            rename: None,
        }
    };
    let event = |event: &OwnEvent<'a>| {
        let (text, name) = match event.what {
            Happened::SignedIn => (a.signed_in, None),
            Happened::Connected(name) => (a.connected, Some(name)),
            Happened::PasswordChanged => (a.password_changed, None),
            Happened::PasswordReset => (a.password_reset, None),
            Happened::PasswordSet => (a.password_set, None),
        };
        EventLine { text, name, facts: format!("{} {}, {}", time::day(event.at), time::clock(event.at), from(event.place)) }
    };
    let words = model.notice.map(|notice| match notice {
        AccountNotice::Done => a.done.to_owned(),
        AccountNotice::Password => t.reset.done_heading.to_owned(),
        AccountNotice::Sent => a.sent.to_owned(),
        AccountNotice::Wrong => a.wrong.to_owned(),
        AccountNotice::Weak => t.reset.weak.to_owned(),
        AccountNotice::Throttled(minutes) => (t.throttled)(minutes.max(1)),
        AccountNotice::Expired => t.expired.to_owned(),
        AccountNotice::Name => a.name_wrong.to_owned(),
    });
    let failed = model.notice.is_some_and(AccountNotice::is_mistake);
    let (alert, notice) = if failed { (words, None) } else { (None, words) };
    render(&View {
        frame: Frame::new(realm, a.heading, failed),
        t,
        model,
        alert,
        notice,
        browsers: model.browsers.iter().map(browser).collect(),
        devices: model.devices.iter().map(device).collect(),
        apps: model.apps.iter().map(app).collect(),
        events: model.events.iter().map(event).collect(),
    })
}
