//! Every page in every language, on desk and phone: its words, its `lang`, what automation holds on to, its width, and
//! what axe says. What a client asks for (`ui_locales`) comes before what the browser asks for (`Accept-Language`).
#![expect(clippy::panic, reason = "a broken step fails the test by panicking")]

use super::chromium::{Chromium, Look, Scripts};
use super::{allow, ask};
use crate::apps::{sign_in, world};
use crate::support::Api;

const LANGUAGES: [&str; 3] = ["en", "de", "fr"];

/// Pages, their headings in the order of [`LANGUAGES`], and the elements by which people and automation find their way.
const PAGES: &[(&str, [&str; 3], &[&str])] = &[
    ("welcome", ["Welcome", "Willkommen", "Bienvenue"], &["a[href='/login']"]),
    ("error", ["Something went wrong", "Etwas ist schiefgegangen", "Un problème est survenu"], &["code", "a[href='/']"]),
    (
        "client-login",
        ["Sign in", "Anmelden", "Se connecter"],
        &[
            "input[name=login]",
            "input[name=password]",
            "#login-submit",
            "#login-cancel",
            ORNATE[0],
            ORNATE[1],
            ORNATE[2],
            ORNATE[3],
        ],
    ),
    (
        "client-login-error",
        ["Sign in", "Anmelden", "Se connecter"],
        &["[role=alert]", "input[name=password][aria-invalid=true]", ORNATE[0], ORNATE[1], ORNATE[2], ORNATE[3]],
    ),
    (
        "client-consent",
        ["Allow access?", "Zugriff erlauben?", "Autoriser l’accès\u{a0}?"],
        &[
            "#consent-allow",
            "#consent-deny",
            "#consent-switch",
            "input[name='scope.profile']:checked",
            "input[name='scope.offline_access']:checked",
            "input[name='claim.address']:checked",
            "input[name='claim.phone_number']:checked",
            ".destination",
            ORNATE[0],
            ORNATE[1],
            ORNATE[2],
            ORNATE[3],
        ],
    ),
    (
        "accounts",
        ["Choose an account", "Konto auswählen", "Choisir un compte"],
        &["li + li button[name=account]", "#accounts-other", "#accounts-cancel", ORNATE[0], ORNATE[1]],
    ),
    (
        "form-post",
        ["One moment, please", "Einen Moment, bitte", "Un instant, s’il vous plaît"],
        &[
            "form#form-post input[name=code]",
            "form#form-post input[name=state]",
            "form#form-post input[name=iss]",
            "#form-post-continue",
        ],
    ),
    ("device", ["Connect a device", "Gerät verbinden", "Associer un appareil"], &["input[name=user_code]", "#device-continue"]),
    (
        "device-approval",
        ["Connect this device?", "Dieses Gerät verbinden?", "Associer cet appareil\u{a0}?"],
        &["input[name=confirm_device]", "#device-allow", "#device-deny", ".code-value"],
    ),
    (
        "device-allowed",
        ["You can go back to your device", "Sie können zu Ihrem Gerät zurückkehren", "Vous pouvez revenir à votre appareil"],
        &["#device-undo"],
    ),
    (
        "device-undone",
        ["The device is no longer connected", "Das Gerät ist nicht mehr verbunden", "L’appareil n’est plus associé"],
        &["a[href='/']"],
    ),
    (
        "device-denied",
        ["The device was not connected", "Das Gerät wurde nicht verbunden", "L’appareil n’a pas été associé"],
        &["a[href='/']"],
    ),
    (
        "home",
        ["You are signed in", "Sie sind angemeldet", "Votre connexion est active"],
        &[
            "a[href='/logout']",
            "a[href='/device']",
            ".devices form[action='/device/end']",
            ".apps form[action='/apps/end']",
            ".apps .client-logo",
        ],
    ),
    (
        "client-logout",
        ["Sign out?", "Abmelden?", "Se déconnecter\u{a0}?"],
        &["#logout-confirm", "#logout-everywhere", ORNATE[0], ORNATE[1], ORNATE[2], ORNATE[3]],
    ),
    ("signed-out", ["You are signed out", "Sie sind abgemeldet", "Déconnexion effectuée"], &["a[href='/login']"]),
    (
        "login",
        ["Sign in", "Anmelden", "Se connecter"],
        &["input[name=login]", "input[name=password]", "#login-submit", "#login-cancel"],
    ),
];

/// What a page shows of the client with every ornament.
const ORNATE: [&str; 4] =
    [".client-name", ".client-logo", "a[href='https://ornate.example/privacy']", "a[href='https://ornate.example/terms']"];

/// Looks at the pages in one language and gathers what is wrong.
struct Tour<'a> {
    page: &'a Chromium,
    language: usize,
    faults: Vec<String>,
    seen: Vec<&'static str>,
}

impl Tour<'_> {
    fn lang(&self) -> &'static str {
        LANGUAGES.get(self.language).copied().unwrap_or_default()
    }

    async fn look(&mut self, name: &'static str) {
        let (page, lang) = (self.page, self.lang());
        let found = PAGES.iter().find(|(page, ..)| *page == name);
        let (_, headings, hooks) = found.unwrap_or_else(|| panic!("{name} is no page of the table"));
        let mut faults = page.complaints().await;
        let heading = page.property("h1", "textContent").await;
        if Some(heading.as_str()) != headings.get(self.language).copied() {
            faults.push(format!("heading {heading}"));
        }
        if page.script("return document.documentElement.lang").await != lang {
            faults.push("another lang".to_owned());
        }
        for hook in *hooks {
            if !page.has(hook).await {
                faults.push(format!("no {hook}"));
            }
        }
        let unseen = "return [...document.images].filter((image) => !image.naturalWidth).map((image) => image.src)";
        if page.script(unseen).await != serde_json::json!([]) {
            faults.push("a picture that does not show".to_owned());
        }
        for look in [Look::DESKTOP, Look::PHONE] {
            page.show_as(look).await;
            faults.extend(page.faults(look).await.into_iter().map(|fault| format!("{look:?}: {fault}")));
            page.picture(&format!("{name}-{lang}-{}", look.width)).await;
        }
        page.show_as(Look::DESKTOP).await;
        self.faults.extend(faults.into_iter().map(|fault| format!("{name} {lang}: {fault}")));
        self.seen.push(name);
    }
}

async fn tour(language: usize) {
    let world = world();
    let (app, api) = (world.ornate().await, Api::demo(&world.fixture.a));
    let page = &Chromium::start(Scripts::On).await;
    page.load_axe().await;
    let mut tour = Tour { page, language, faults: Vec::new(), seen: Vec::new() };
    let lang = tour.lang();
    let (reader, second) = (format!("reader-{lang}"), format!("second-{lang}"));
    let other = LANGUAGES.into_iter().find(|other| *other != lang).unwrap_or_default();
    let by_client = format!("xx {lang}-CH");
    let by_browser = format!("xx,{lang}-CH;q=0.9,{other};q=0.5");
    let asks = |changes: &[(&str, &str)]| {
        // A claim of a scope that is asked for goes with that and has no box of its own.
        let scope = "openid profile email offline_access";
        let claims = r#"{"userinfo":{"address":{"essential":true}},"id_token":{"phone_number":null,"updated_at":null}}"#;
        let all = [&[("ui_locales", by_client.as_str()), ("scope", scope), ("prompt", "consent"), ("claims", claims)], changes]
            .concat();
        world.at(&app.path(&all))
    };

    // What the client asks for is stronger.
    page.reads(other).await;
    page.open(&world.at(&format!("/authorize?client_id=nobody&ui_locales={lang}"))).await;
    tour.look("error").await;
    page.open(&asks(&[])).await;
    tour.look("client-login").await;
    page.fill("input[name=login]", &reader).await;
    page.fill("input[name=password]", "wrong").await;
    page.follow("#login-submit").await;
    tour.look("client-login-error").await;
    sign_in(page, &reader).await;
    tour.look("client-consent").await;
    page.follow("#consent-allow").await;
    assert_eq!(page.text("h1").await, "Arrived");
    page.open(&asks(&[("prompt", "select_account")])).await;
    page.follow("#accounts-other").await;
    sign_in(page, &second).await;
    page.open(&asks(&[("prompt", "select_account")])).await;
    tour.look("accounts").await;
    page.follow("li:last-child button[name=account]").await;

    page.devtools("Network.setBlockedURLs", serde_json::json!({ "urls": ["*/form_post.js"] })).await;
    page.open(&asks(&[("prompt", "none"), ("response_mode", "form_post")])).await;
    tour.look("form-post").await;

    page.open(&world.at(&format!("/logout?client_id=ornate&ui_locales={lang}"))).await;
    tour.look("client-logout").await;
    page.follow("#logout-confirm").await;
    tour.look("signed-out").await;

    // Without a client it is the browser's.
    page.reads(&by_browser).await;
    page.open(&world.at("/")).await;
    tour.look("welcome").await;
    page.open(&world.at("/login")).await;
    tour.look("login").await;
    sign_in(page, &reader).await;
    page.open(&world.at("/device")).await;
    tour.look("device").await;
    let device = api.start().await;
    ask(page, &world.fixture, &device).await;
    tour.look("device-approval").await;
    page.follow("#device-deny").await;
    tour.look("device-denied").await;
    let device = api.start().await;
    allow(page, &world.fixture, &device).await;
    tour.look("device-allowed").await;
    page.follow("#device-undo").await;
    tour.look("device-undone").await;
    let device = api.start().await;
    allow(page, &world.fixture, &device).await;
    assert!(api.poll(&device).await.is_granted());
    page.open(&world.at("/")).await;
    tour.look("home").await;

    tour.seen.sort_unstable();
    let mut all: Vec<&str> = PAGES.iter().map(|(name, ..)| *name).collect();
    all.sort_unstable();
    assert_eq!(tour.seen, all, "every page was looked at");
    assert!(tour.faults.is_empty(), "{}", tour.faults.join("\n"));
}

#[tokio::test]
async fn every_page_is_fit_for_everybody_in_english() {
    tour(0).await;
}

#[tokio::test]
async fn every_page_is_fit_for_everybody_in_german() {
    tour(1).await;
}

#[tokio::test]
async fn every_page_is_fit_for_everybody_in_french() {
    tour(2).await;
}
