//! Web, single-page and mobile apps of somebody else, signed in to in a real Chromium, and the example portal.
#![expect(clippy::panic, reason = "a broken step fails the test by panicking")]

mod frames;
mod mobile;
mod portal;
mod spa;
mod web;

use std::net::TcpListener;
use std::sync::OnceLock;

use serde_json::json;

use crate::browser::chromium::Chromium;
use crate::harness::{Fixture, Setup};
use crate::judge::{Heard, Judge, Reply};
use crate::support::Api;
use crate::web::{App, Pkce, pairs, secret, web_client};

/// Everybody's password but ada's.
pub const PASSWORD: &str = "compiler-no-1952";

/// Whoever signs in, each in one test alone.
const PEOPLE: [&str; 15] = [
    "reader-en",
    "reader-de",
    "reader-fr",
    "second-en",
    "second-de",
    "second-fr",
    "framed",
    "poster",
    "scripted",
    "shielded",
    "spa",
    "strange",
    "mobile",
    "phoned",
    "portal",
];

/// One fixture for all tests with apps in a browser, and the ports that it knows of.
#[derive(Debug)]
pub struct World {
    /// The Workers.
    pub fixture: Fixture,
    /// A server of a stranger, at 127.0.0.1: a site that `localhost` is not.
    pub stranger: Judge,
    /// Where the example portal may listen.
    portal: u16,
    /// Where its API may.
    api: u16,
}

/// The one.
pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let stranger = Judge::start();
        stranger.answer("/logo.svg", Reply::new(200, LOGO).header("content-type", "image/svg+xml"));
        stranger.answer("/callback", html("<h1>Arrived</h1>"));
        let [portal, api] = free_ports();
        let people: Vec<_> = PEOPLE.iter().map(|name| person(name)).collect();
        let setup = Setup::default()
            .rate_limit("LIMIT_LOGIN", 1_000_000)
            .var("DEVICE_INTERVAL", "1")
            .var("OUTBOUND_ALLOW", &format!("localhost:{portal}"))
            .seed(&json!({ "users": people, "clients": [
                web_client("ornate", &[json!({
                    "client_name": "Patientenakteneinsichtsanwendung der Häuser am See",
                    "publisher": "Medizintechnik und angeschlossene Häuser",
                    "redirect_uris": [stranger.at("/callback")],
                    "policy_uri": "https://ornate.example/privacy",
                    "tos_uri": "https://ornate.example/terms",
                    "required_scope": "openid",
                    "scope": "openid profile email address phone offline_access",
                })]),
                web_client("portal", &[json!({
                    "redirect_uris": [format!("http://localhost:{portal}/callback")],
                    "post_logout_redirect_uris": [format!("http://localhost:{portal}/signed-out")],
                    "backchannel_logout_uri": format!("http://localhost:{portal}/backchannel-logout"),
                    "resources": [format!("http://localhost:{api}")],
                    "skip_consent": true,
                    "scope": "openid profile email offline_access records:read records:write",
                })]),
            ]}));
        World { fixture: setup.start_now(), stranger, portal, api }
    })
}

impl World {
    /// A client with every ornament, whose redirect URI the stranger serves.
    pub async fn ornate(&self) -> App {
        // Logos are https, and nobody here has a certificate; so its address is put where it is kept.
        let sql = "UPDATE clients SET metadata = json_set(metadata, '$.logo_uri', ?1) WHERE id = 'ornate'";
        self.fixture.d1(sql, &[self.stranger.at("/logo.svg").into()]).await;
        let api = Api::basic(&self.fixture.a, "ornate", &secret("ornate"));
        App { api, redirect_uri: self.stranger.at("/callback"), pkce: Pkce::of("ornate") }
    }

    /// The whole address of a path of the Worker.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.fixture.a)
    }
}

/// The server of `demo-web`, which is at the port that its redirect URI names.
fn demo_web() -> &'static Judge {
    static SERVER: OnceLock<Judge> = OnceLock::new();
    SERVER.get_or_init(|| {
        let server = Judge::start_at("127.0.0.1:9999");
        server.answer("/callback", html("<h1>Arrived</h1>"));
        server
    })
}

/// A page.
fn html(body: &str) -> Reply {
    let page = format!("<!doctype html><html lang=\"en\"><title>App</title>{body}</html>");
    Reply::new(200, page).header("content-type", "text/html; charset=utf-8")
}

fn person(name: &str) -> serde_json::Value {
    json!({ "login": name, "password": PASSWORD, "claims": {
        "name": format!("Person {name}"), "email": format!("{name}@people.example"), "email_verified": true, "birthdate": "1985-12-10",
    } })
}

/// Ports below those that the system gives to everybody's connections.
fn free_ports() -> [u16; 2] {
    let first = 12_000 + (std::process::id() % 7_000) as u16;
    let mut free = (first..).filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    [(); 2].map(|()| free.next().unwrap_or_default())
}

/// Fills the login form in and sends it.
pub async fn sign_in(page: &Chromium, login: &str) {
    page.fill("input[name=login]", login).await;
    page.fill("input[name=password]", PASSWORD).await;
    page.follow("#login-submit").await;
}

/// What came to a path of an app for the request with this state, by whichever response mode.
fn arrived(server: &Judge, path: &str, state: &str) -> (Heard, std::collections::BTreeMap<String, String>) {
    let parameters = |heard: &Heard| pairs(if heard.method == "POST" { &heard.body } else { &heard.query });
    let mut all = server.heard(path).into_iter().map(|heard| (parameters(&heard), heard));
    let found = all.find(|(parameters, _)| parameters.get("state").is_some_and(|found| found == state));
    let (parameters, heard) = found.unwrap_or_else(|| panic!("nothing came to {path} for {state}: {:?}", server.heard(path)));
    (heard, parameters)
}

const LOGO: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 48 48\"><rect width=\"48\" height=\"48\" rx=\"10\" fill=\"#0b6e4f\"/>\
                    <path d=\"M24 10v28M10 24h28\" stroke=\"#fff\" stroke-width=\"8\"/></svg>";
