//! The start page.

use askama::Template;

use super::{
    layout::{Frame, Html, Realm, render},
    text::Texts,
    time,
};

/// Model of [`home`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Home<'a> {
    /// Name of the person who is signed in, if anyone is.
    pub name: Option<&'a str>,
    /// The devices that are connected to their account.
    pub devices: &'a [Device<'a>],
    /// The apps that may use their account.
    pub apps: &'a [App<'a>],
}

/// A connected device.
#[derive(Clone, Copy, Debug, Default)]
pub struct Device<'a> {
    /// What its owner knows it as.
    pub name: &'a str,
    /// When it was allowed, in seconds since 1970.
    pub approved_at: u64,
    /// When it last got tokens, in seconds since 1970.
    pub used_at: u64,
    /// The sealed form that ends it.
    pub form: &'a str,
}

/// An app that may use the account.
#[derive(Clone, Copy, Debug, Default)]
pub struct App<'a> {
    /// Its name.
    pub name: &'a str,
    /// Address of its logo, whose origin the content security policy must allow.
    pub logo: Option<&'a str>,
    /// When it was first allowed, in seconds since 1970.
    pub since: u64,
    /// When it last got tokens, in seconds since 1970, if that is known.
    pub used_at: Option<u64>,
    /// The sealed form that ends it.
    pub form: &'a str,
}

/// A device or app as the template shows it.
struct Line<'a> {
    name: &'a str,
    logo: Option<&'a str>,
    form: &'a str,
    since: String,
    used: Option<String>,
}

/// The devices or the apps.
struct List<'a> {
    /// Of the heading; also the class of the list.
    id: &'static str,
    heading: &'static str,
    /// Where the buttons post to.
    action: &'static str,
    /// What the buttons say.
    end: &'static str,
    lines: Vec<Line<'a>>,
}

#[derive(Template)]
#[template(path = "home.html")]
struct View<'a> {
    frame: Frame<'a>,
    t: &'a Texts,
    model: &'a Home<'a>,
    lists: Vec<List<'a>>,
}

/// `GET /`: who is signed in, the devices that are connected, the apps that may use the account, and
/// the ways on from here.
///
/// Each device's button posts to `/device/end` and each app's to `/apps/end`: `form`.
pub fn home<'a>(realm: &Realm<'a>, model: &Home<'a>) -> Html {
    let t = realm.texts;
    let title = if model.name.is_some() { t.home.signed_in } else { t.home.welcome };
    let device = |device: &Device<'a>| Line {
        name: device.name,
        logo: None,
        form: device.form,
        since: time::day(device.approved_at),
        used: Some(time::day(device.used_at)),
    };
    let app = |app: &App<'a>| Line {
        name: app.name,
        logo: app.logo,
        form: app.form,
        since: time::day(app.since),
        used: app.used_at.map(time::day),
    };
    let devices = List {
        id: "devices",
        heading: t.home.devices,
        action: "/device/end",
        end: t.home.end,
        lines: model.devices.iter().map(device).collect(),
    };
    let apps = List {
        id: "apps",
        heading: t.home.apps,
        action: "/apps/end",
        end: t.home.end_app,
        lines: model.apps.iter().map(app).collect(),
    };
    let lists = [devices, apps].into_iter().filter(|list| !list.lines.is_empty()).collect();
    render(&View { frame: Frame::new(realm, title, false), t, model, lists })
}
