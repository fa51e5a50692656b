//! The matrix of sealed kinds: a value sealed for one purpose is nothing in any other
//! place, though browser, session, subject and time are right.

use serde_json::{Value, json};

use super::{setup, signed_in, with_cookies};
use crate::admin::Admin;
use crate::harness::Fixture;
use crate::support::{ADA, Answer, Api, DEVICE_CODE, DeviceSignIn, Person, claims, sleep};
use crate::web::App;

/// The places where something sealed is taken; each is named by the purpose of what belongs there.
const PLACES: [&str; 28] = [
    "authorize step",
    "consent step",
    "accounts step",
    "consent form",
    "accounts form",
    "end app form",
    "end device form",
    "logout step",
    "authorization code",
    "login step",
    "login form",
    "code form",
    "approval form",
    "undo form",
    "logout form",
    "session cookie",
    "known browser",
    "prefilled user code",
    "device code",
    "refresh token",
    "opaque access token",
    "introspected token",
    "subject token",
    "password reset form",
    "password reset link",
    "address verification link",
    "account form",
    "console form",
];

/// The kind that belongs in a place.
fn kind_of(place: &str) -> &str {
    match place {
        "consent step" | "accounts step" => "authorize step",
        "introspected token" | "subject token" => "opaque access token",
        place => place,
    }
}

struct Matrix {
    fixture: Fixture,
    api: Api,
    web: App,
    /// The resource server of the realm itself.
    gateway: Api,
    /// Cookies of the browser that all values are sealed to.
    browser: String,
    session: String,
    /// Its approval page is open.
    asked: DeviceSignIn,
    /// A login form that is right.
    login: String,
    kinds: Vec<(&'static str, String)>,
}

impl Matrix {
    async fn new() -> Self {
        let fixture = setup().var("PASSWORD_BUDGET", "1").var("DEV_OUTBOX", "on").start().await;
        let api = Api::demo(&fixture.a);
        let ada = signed_in(&fixture.a, "ada").await;
        let tokens = api.signed_in(&ada).await;
        let opaque = Api::public(&fixture.a, "dark").signed_in(&ada).await.member("access_token");
        let (asked, allowed) = (api.start().await, api.start().await);
        let [browser, session, known] = ["browser", "session", "known"].map(|name| ada.cookie(name).unwrap());
        let anonymous = format!("browser={browser}");
        let step = with_cookies(&fixture.a, "/device", &anonymous).await.header("location").to_owned();
        let step = step.strip_prefix("/login?step=").unwrap().to_owned();
        let login = with_cookies(&fixture.a, &format!("/login?step={step}"), &anonymous).await.form();
        let code = ada.get("/device").await.form();
        let approval = ada.enter(&asked.user_code).await.form();
        let undo = ada.approve(&allowed.user_code).await.form();
        let logout = ada.get("/logout").await.form();
        ada.get(&format!("/device?user_code={}", asked.user_code)).await;
        let web = App::demo(&fixture.a);
        let web_code = web.code(&ada, &[]).await;
        // A client that sees subjects of its own has the realm make a salt.
        App::web(&fixture.a, "pairwise").code(&ada, &[]).await;
        let salt = fixture.d1("SELECT wrapped FROM secrets", &[]).await;
        let authorize = ada.get(&web.path(&[("scope", "openid email")])).await.header("location").to_owned();
        let consent = ada.get(&authorize).await.form();
        let accounts = ada.visit(&web.path(&[("prompt", "select_account")])).await.form();
        let posted = Api::send(api.request("POST", "/logout").form(&[("client_id", "demo-web")])).await;
        let logout_step = posted.header("location").strip_prefix("/logout?step=").unwrap().to_owned();
        let home = ada.get("/").await.body;
        let end_form = |action: &str| {
            let rest = home.split_once(&format!("action=\"{action}\"><input type=\"hidden\" name=\"form\" value=\"")).unwrap().1;
            rest.split_once('"').unwrap().0.to_owned()
        };
        let reset = ada.get("/reset").await.form();
        // The first one of the page: it renames a device, which needs a name.
        let account = ada.get("/account").await.body;
        let account = account.split("<details>").nth(1).unwrap().split("value=\"").nth(1).unwrap();
        let account = account.split('"').next().unwrap().to_owned();
        let [reset_link, verify_link, webhook] = mailed(&fixture, &ada, &reset).await;
        let wrapped = fixture.d1("SELECT wrapped FROM signing_keys WHERE alg = 'ES256'", &[]).await;
        let kinds = vec![
            ("authorize step", authorize.strip_prefix("/consent?step=").unwrap().to_owned()),
            ("consent form", consent),
            ("accounts form", accounts),
            ("end app form", end_form("/apps/end")),
            ("end device form", end_form("/device/end")),
            ("logout step", logout_step),
            ("authorization code", web_code),
            ("login step", step),
            ("login form", login.clone()),
            ("code form", code),
            ("approval form", approval),
            ("undo form", undo),
            ("logout form", logout),
            ("session cookie", session.clone()),
            ("known browser", known),
            ("prefilled user code", ada.cookie("user_code").unwrap()),
            ("device code", allowed.device_code),
            ("refresh token", tokens.member("refresh_token")),
            ("opaque access token", opaque),
            ("token id", claims(&tokens.member("access_token"))["jti"].as_str().unwrap().to_owned()),
            ("signing key", wrapped[0]["wrapped"].as_str().unwrap().to_owned()),
            ("salt", salt[0]["wrapped"].as_str().unwrap().to_owned()),
            ("account form", account),
            ("console form", ada.get("/console/keys").await.form()),
            ("password reset form", reset),
            ("password reset link", reset_link),
            ("address verification link", verify_link),
            ("webhook secret", webhook),
            ("browser id", browser.clone()),
        ];
        // From here on only a known browser may try ada's password.
        let stranger = Person::new(&fixture.a);
        assert_eq!(stranger.try_sign_in(ADA.0, &"x".repeat(1025)).await.status, 400);
        let gateway = Api::basic(&fixture.a, "demo-gateway", "demo-gateway-secret-0123456789abcdef");
        Self { fixture, api, web, gateway, browser, session, asked, login, kinds }
    }

    /// What is stored, but for the throttle's rows, which go by themselves.
    async fn stored(&self) -> Vec<Value> {
        let stored = self.fixture.stored().await;
        stored.into_iter().filter(|row| row.get("Throttle").is_none()).collect()
    }

    async fn post(&self, path: &str, cookies: &str, fields: &[(&str, &str)]) -> Answer {
        Api::send(self.api.request("POST", path).header("cookie", cookies).form(fields)).await
    }

    /// Presents a value in a place; whether it was taken for what belongs there.
    async fn is_taken(&self, place: &str, value: &str) -> bool {
        let browser = format!("browser={}", self.browser);
        let session = format!("{browser}; session={}", self.session);
        let credentials = |form| [("form", form), ("login", ADA.0), ("password", ADA.1)];
        let yes = [("form", value), ("action", "allow"), ("confirm_device", "1")];
        let get = async |path: &str, cookies: &str| with_cookies(&self.fixture.a, path, cookies).await;
        let taken = |answer: &Answer, status: u16, refused: u16| {
            assert!([status, refused].contains(&answer.status), "{place}: {} {}", answer.status, answer.body);
            answer.status == status
        };
        match place {
            "authorize step" => taken(&get(&format!("/authorize?step={value}"), &session).await, 303, 400),
            "consent step" => taken(&get(&format!("/consent?step={value}"), &session).await, 200, 400),
            "accounts step" => taken(&get(&format!("/accounts?step={value}"), &session).await, 200, 400),
            "consent form" => taken(&self.post("/consent", &session, &[("form", value)]).await, 303, 400),
            "accounts form" => taken(&self.post("/accounts", &session, &[("form", value), ("action", "cancel")]).await, 303, 400),
            "end app form" => {
                self.post("/apps/end", &session, &[("form", value)]).await;
                self.has("SELECT 1 FROM consents WHERE withdrawn_at IS NOT NULL").await
            }
            "end device form" => {
                self.post("/device/end", &session, &[("form", value)]).await;
                self.has("SELECT 1 FROM grants WHERE revoked_why = 'ended by its owner'").await
            }
            "logout step" => get(&format!("/logout?step={value}"), &session).await.body.contains("asks you to sign out."),
            "authorization code" => {
                let answer = self.web.redeem(value).await;
                assert!(answer.status == 200 || answer.error() == "invalid_grant", "{}", answer.body);
                answer.status == 200
            }
            "login step" => get(&format!("/login?step={value}"), &browser).await.body.contains("Sign in to connect a device."),
            // The form comes before the budget, which is spent: 429 says that the form was right.
            "login form" => taken(&self.post("/login", &browser, &credentials(value)).await, 429, 400),
            "code form" => {
                let fields = [("form", value), ("user_code", &self.asked.user_code)];
                taken(&self.post("/device", &session, &fields).await, 200, 400)
            }
            "approval form" => taken(&self.post("/device/approve", &session, &yes).await, 200, 400),
            "undo form" => taken(&self.post("/device/undo", &session, &yes).await, 200, 400),
            "logout form" => taken(&self.post("/logout", &session, &yes).await, 200, 400),
            "session cookie" => get("/", &format!("{browser}; session={value}")).await.body.contains("You are signed in"),
            "known browser" => {
                let cookies = format!("{browser}; known={value}");
                taken(&self.post("/login", &cookies, &credentials(&self.login)).await, 303, 429)
            }
            "prefilled user code" => {
                get("/device", &format!("{session}; user_code={value}")).await.body.contains(&self.asked.user_code)
            }
            "device code" => self.token(DEVICE_CODE, "device_code", value).await,
            "refresh token" => self.token("refresh_token", "refresh_token", value).await,
            "opaque access token" => taken(&self.api.userinfo(value).await, 200, 401),
            "introspected token" => {
                self.gateway.post("/introspect", &[("token", value)]).await.json()["active"].as_bool().unwrap()
            }
            "subject token" => {
                let answer = exchange(&self.gateway, value).await;
                // The gateway may not take a user's place: that it is told so says that the token was read.
                assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_request"), "{}", answer.body);
                let detail = line_of(&self.fixture, &answer).await["detail"].clone();
                let read = "an actor_token is needed: the client may not impersonate";
                assert!([read, "not an access token of ours, or expired"].contains(&detail.as_str().unwrap()), "{detail}");
                detail == read
            }
            "password reset form" => {
                taken(&self.post("/reset", &browser, &[("form", value), ("login", "nobody")]).await, 200, 400)
            }
            "password reset link" => taken(&get(&format!("/reset?link={value}"), &browser).await, 200, 400),
            "address verification link" => taken(&get(&format!("/verify?link={value}"), &browser).await, 200, 400),
            "console form" => {
                self.post("/console", &session, &[("form", value)]).await;
                self.has("SELECT 1 FROM signing_keys WHERE number > 1").await
            }
            "account form" => {
                self.post("/account", &session, &[("form", value), ("name", "renamed by the matrix")]).await;
                self.has("SELECT 1 FROM grants WHERE name = 'renamed by the matrix'").await
            }
            _ => unreachable!("{place}"),
        }
    }

    async fn has(&self, sql: &str) -> bool {
        !self.fixture.d1(sql, &[]).await.is_empty()
    }

    async fn token(&self, grant: &str, name: &str, value: &str) -> bool {
        let answer = self.api.post("/token", &[("grant_type", grant), (name, value)]).await;
        assert!(answer.status == 200 || answer.error() == "invalid_grant", "{}", answer.body);
        answer.status == 200
    }
}

/// A link to a new password for ada, one that confirms bob's address, and a wrapped secret; all mails have arrived.
async fn mailed(fixture: &Fixture, ada: &Person, reset: &str) -> [String; 3] {
    assert_eq!(ada.post("/reset", &[("form", reset), ("login", ADA.0)]).await.status, 200);
    fixture.d1("UPDATE users SET claims = '{\"email\":\"bob@b.example\"}' WHERE login = 'bob'", &[]).await;
    let admin = Admin::ada(&fixture.a).await;
    let bob = admin.get("users?login=bob").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(admin.post(&format!("users/{bob}/mail"), &json!({ "about": "verify" })).await.status, 204);
    assert_eq!(admin.post("webhooks", &json!({ "url": "https://a.example/", "enabled": false })).await.status, 201);
    let secret = fixture.d1("SELECT secret FROM webhooks", &[]).await[0]["secret"].as_str().unwrap().to_owned();
    for _ in 0..200 {
        let mut waits = 0;
        for id in fixture.objects("Outbox").await {
            waits += fixture.object("Outbox", &id).await["stored"].as_object().unwrap().len();
        }
        let mails = fixture.d1("SELECT body FROM dev_outbox", &[]).await;
        let link = |path: &str| {
            let mut bodies = mails.iter().map(|mail| mail["body"].as_str().unwrap());
            let after = bodies.find_map(|body| body.split_once(&format!("{path}?link=")))?.1;
            after.split_whitespace().next().map(str::to_owned)
        };
        if let (0, Some(reset), Some(verify)) = (waits, link("/reset"), link("/verify")) {
            return [reset, verify, secret];
        }
        sleep(50).await;
    }
    unreachable!("the mails never come");
}

/// A token exchange that asks for nothing but what the subject token is.
async fn exchange(api: &Api, subject: &str) -> Answer {
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", subject),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
    ];
    api.post("/token", &fields).await
}

/// The log line about the request of an answer.
async fn line_of(fixture: &Fixture, answer: &Answer) -> Value {
    let logs = fixture.logs().await;
    let line = logs.iter().map(|entry| &entry["line"]).find(|line| line["request"] == answer.header("x-request-id"));
    line.unwrap().clone()
}

/// Every kind in every place but its own is refused and changes nothing; then each in its own is taken.
#[tokio::test]
async fn a_sealed_value_is_good_in_one_place_only() {
    let matrix = Matrix::new().await;
    let before = matrix.stored().await;
    for (kind, value) in &matrix.kinds {
        for place in PLACES.iter().filter(|place| kind_of(place) != *kind) {
            assert!(!matrix.is_taken(place, value).await, "a {kind} is taken for a {place}");
        }
        // Revocation answers 200 to everything (RFC 7009 2.2); that nothing happened is seen below.
        if !["refresh token", "opaque access token"].contains(kind) {
            assert_eq!(matrix.api.post("/revoke", &[("token", value)]).await.status, 200);
        }
    }
    assert_eq!(matrix.stored().await, before, "something was written");
    // Each in its own place, or the refusals above would say nothing; those that end others come last.
    let order = [
        "opaque access token",
        "introspected token",
        "subject token",
        "authorize step",
        "consent step",
        "accounts step",
        "accounts form",
        "consent form",
        "logout step",
        "authorization code",
        "login step",
        "login form",
        "session cookie",
        "prefilled user code",
        "code form",
        "known browser",
        "device code",
        "refresh token",
        "account form",
        "console form",
        "end device form",
        "end app form",
        "approval form",
        "undo form",
        "logout form",
        "password reset link",
        "address verification link",
        "password reset form",
    ];
    for place in order {
        let (_, value) = matrix.kinds.iter().find(|(kind, _)| *kind == kind_of(place)).unwrap();
        assert!(matrix.is_taken(place, value).await, "a {place} is refused in its own place");
    }
}

/// Whoever adds a kind adds it here: every purpose in the source is one of the matrix.
#[tokio::test]
async fn every_sealed_kind_is_in_the_matrix() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/protocol");
    let (mut purposes, mut files) = (Vec::new(), 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        files += 1;
        let source = std::fs::read_to_string(&path).unwrap();
        // Before the tests of the file, whose kinds are nobody's.
        let source = source.split("#[cfg(test)]").next().unwrap();
        for line in source.lines().map(str::trim) {
            let is_kind = line.starts_with("sealed_json!(") || line.starts_with("const PURPOSE: &'static str = ");
            if let Some(purpose) = line.split('"').nth(1).filter(|_| is_kind) {
                purposes.push(purpose.to_owned());
            }
        }
    }
    assert!(files > 30 && purposes.len() >= 20, "{files} files: {purposes:?}");
    let known = PLACES.into_iter().chain(["token id", "signing key", "salt", "webhook secret"]);
    let missing: Vec<&String> = purposes.iter().filter(|purpose| !known.clone().any(|kind| kind == *purpose)).collect();
    assert!(missing.is_empty(), "not in the matrix: {missing:?}");
}
