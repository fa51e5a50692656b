//! The matrix of sealed kinds: a value sealed for one purpose is nothing in any other
//! place, though browser, session, subject and time are right.

use serde_json::Value;

use super::{setup, signed_in, with_cookies};
use crate::harness::Fixture;
use crate::support::{ADA, Answer, Api, DEVICE_CODE, DeviceSignIn, Person, claims};

/// The places where something sealed is taken.
const PLACES: [&str; 11] = [
    "login step",
    "login form",
    "code form",
    "approval form",
    "undo form",
    "logout form",
    "session cookie",
    "known cookie",
    "user_code cookie",
    "device code",
    "refresh token",
];

struct Matrix {
    fixture: Fixture,
    api: Api,
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
        let fixture = setup().var("PASSWORD_BUDGET", "1").start().await;
        let api = Api::demo(&fixture.a);
        let ada = signed_in(&fixture.a, "ada").await;
        let tokens = api.signed_in(&ada).await;
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
        let wrapped = fixture.d1("SELECT wrapped FROM signing_keys WHERE alg = 'ES256'", &[]).await;
        let kinds = vec![
            ("login step", step),
            ("login form", login.clone()),
            ("code form", code),
            ("approval form", approval),
            ("undo form", undo),
            ("logout form", logout),
            ("session cookie", session.clone()),
            ("known cookie", known),
            ("user_code cookie", ada.cookie("user_code").unwrap()),
            ("device code", allowed.device_code),
            ("refresh token", tokens.member("refresh_token")),
            ("jti", claims(&tokens.member("access_token"))["jti"].as_str().unwrap().to_owned()),
            ("wrapped key", wrapped[0]["wrapped"].as_str().unwrap().to_owned()),
            ("browser id", browser.clone()),
        ];
        // From here on only a known browser may try ada's password.
        let stranger = Person::new(&fixture.a);
        assert_eq!(stranger.try_sign_in(ADA.0, &"x".repeat(1025)).await.status, 400);
        Self { fixture, api, browser, session, asked, login, kinds }
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
            "known cookie" => {
                let cookies = format!("{browser}; known={value}");
                taken(&self.post("/login", &cookies, &credentials(&self.login)).await, 303, 429)
            }
            "user_code cookie" => {
                get("/device", &format!("{session}; user_code={value}")).await.body.contains(&self.asked.user_code)
            }
            "device code" => self.token(DEVICE_CODE, "device_code", value).await,
            "refresh token" => self.token("refresh_token", "refresh_token", value).await,
            _ => unreachable!("{place}"),
        }
    }

    async fn token(&self, grant: &str, name: &str, value: &str) -> bool {
        let answer = self.api.post("/token", &[("grant_type", grant), (name, value)]).await;
        assert!(answer.status == 200 || answer.error() == "invalid_grant", "{}", answer.body);
        answer.status == 200
    }
}

/// Every kind in every place but its own is refused and changes nothing; then each in its own is taken.
#[tokio::test]
async fn a_sealed_value_is_good_in_one_place_only() {
    let matrix = Matrix::new().await;
    let before = matrix.stored().await;
    for (kind, value) in &matrix.kinds {
        for place in PLACES.iter().filter(|place| *place != kind) {
            assert!(!matrix.is_taken(place, value).await, "a {kind} is taken for a {place}");
        }
        // Revocation answers 200 to everything (RFC 7009 2.2); that nothing happened is seen below.
        if *kind != "refresh token" {
            assert_eq!(matrix.api.post("/revoke", &[("token", value)]).await.status, 200);
        }
        assert_eq!(matrix.api.userinfo(value).await.status, 401, "{kind}");
    }
    assert_eq!(matrix.stored().await, before, "something was written");
    // Each in its own place, or the refusals above would say nothing; those that end others come last.
    let order = [
        "login step",
        "login form",
        "session cookie",
        "user_code cookie",
        "code form",
        "known cookie",
        "device code",
        "refresh token",
        "approval form",
        "undo form",
        "logout form",
    ];
    for place in order {
        let (_, value) = matrix.kinds.iter().find(|(kind, _)| *kind == place).unwrap();
        assert!(matrix.is_taken(place, value).await, "a {place} is refused in its own place");
    }
}
