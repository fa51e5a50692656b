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

/// A device as the template shows it.
struct Line<'a> {
    name: &'a str,
    form: &'a str,
    approved: String,
    used: String,
}

#[derive(Template)]
#[template(path = "home.html")]
struct View<'a> {
    frame: Frame<'a>,
    t: &'a Texts,
    model: &'a Home<'a>,
    devices: Vec<Line<'a>>,
}

/// `GET /`: who is signed in, the devices that are connected, and the ways on from here.
///
/// Each device's button posts to `/device/end`: `form`.
pub fn home<'a>(realm: &Realm<'a>, model: &Home<'a>) -> Html {
    let t = realm.texts;
    let title = if model.name.is_some() { t.home.signed_in } else { t.home.welcome };
    let line = |device: &Device<'a>| Line {
        name: device.name,
        form: device.form,
        approved: time::day(device.approved_at),
        used: time::day(device.used_at),
    };
    let devices = model.devices.iter().map(line).collect();
    render(&View { frame: Frame::new(realm, title, false), t, model, devices })
}
