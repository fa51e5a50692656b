//! A Worker that is not set up right serves nothing, and its log says everything that is wrong at once.

use serde_json::{Value, json};

use crate::harness::{Fixture, Setup, Worker};
use crate::support::{Api, Person};

const ROUTES: [(&str, &str); 17] = [
    ("GET", "/"),
    ("GET", "/.well-known/openid-configuration"),
    ("GET", "/.well-known/oauth-authorization-server"),
    ("GET", "/jwks.json"),
    ("GET", "/healthz"),
    ("GET", "/style.css"),
    ("GET", "/login"),
    ("POST", "/login"),
    ("GET", "/logout"),
    ("GET", "/device"),
    ("GET", "/device/qr?user_code=BBBB-BBBB"),
    ("POST", "/device/approve"),
    ("POST", "/device_authorization"),
    ("POST", "/token"),
    ("POST", "/revoke"),
    ("GET", "/userinfo"),
    ("GET", "/no-such-route"),
];

/// What the log says is wrong with a Worker's settings, once nothing is served on any route.
async fn faults_of(fixture: &Fixture, changes: Value) -> String {
    fixture.restart(json!({ "b": changes })).await;
    let api = Api::demo(&fixture.b);
    for (method, path) in ROUTES {
        let answer = Api::send(api.request(method, path)).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (503, "temporarily_unavailable"),
            "{method} {path}: {}",
            answer.body
        );
        assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{path}");
        assert!(!answer.body.contains("LATCHKEY") && !answer.body.contains("setting"), "{path}: {}", answer.body);
    }
    fixture.cron(Worker::B).await;
    let lines: Vec<Value> = fixture.logs().await.into_iter().filter(|entry| entry["worker"] == "b").collect();
    let details: Vec<_> = lines.iter().rev().map(|entry| entry["line"]["detail"].as_str().unwrap_or_default()).collect();
    let detail = details.first().copied().unwrap_or_default();
    assert!(detail.contains("configuration: "), "{lines:?}");
    let same = details.iter().take_while(|other| **other == detail).count();
    assert!(same > ROUTES.len(), "every request and the cron say so: {details:?}");
    detail.to_owned()
}

#[tokio::test]
async fn a_worker_that_is_set_up_wrong_serves_nothing_and_says_everything() {
    let fixture = Setup::default().start().await;
    let api = Api::demo(&fixture.b);
    let tokens = api.signed_in(&Person::ada(&fixture.b).await).await;
    let refresh_token = tokens.member("refresh_token");
    let secrets = fixture.secrets(Worker::B).await;

    let said = faults_of(&fixture, json!({ "secrets": { "LATCHKEY_KEYS": null, "LATCHKEY_KEY_ACTIVE": null } })).await;
    assert!(said.contains("LATCHKEY_KEYS and LATCHKEY_KEY_ACTIVE: both secrets are needed"), "{said}");

    let secret = "CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCA";
    let wrong = json!({
        "vars": {
            "ISSUER": "http://id.example", "DEVICE_INTERVAL": "0", "KEY_CACHE": "61", "REALM_COLOR": "blue",
            "SCOPES": "[]", "DEVICE_INTERVALL": "5", "latchkey_keys": "1:x",
        },
        "secrets": { "LATCHKEY_KEYS": format!("1:{secret},1:{secret},2:short"), "LATCHKEY_KEY_ACTIVE": "3" },
    });
    let said = faults_of(&fixture, wrong).await;
    let expected = [
        "ISSUER: ",
        "DEVICE_INTERVAL: must be a whole number from 1 to 60",
        "KEY_CACHE: ",
        "REALM_COLOR: ",
        "SCOPES: ",
        "DEVICE_INTERVALL: no such setting",
        "latchkey_keys: no such setting",
        "LATCHKEY_KEYS: number 1 is given twice",
        "LATCHKEY_KEYS: entry 3 ",
        "LATCHKEY_KEY_ACTIVE: ",
    ];
    for fault in expected {
        assert!(said.contains(fault), "{fault} is not in {said}");
    }
    assert!(!said.contains(secret) && !said.contains("short"), "no secret in the log: {said}");

    // Set right again, it goes on where it was; the other Worker never stopped.
    let good = json!({
        "vars": {
            "ISSUER": fixture.a, "DEVICE_INTERVAL": null, "KEY_CACHE": null, "REALM_COLOR": null, "SCOPES": null,
            "DEVICE_INTERVALL": null, "latchkey_keys": null,
        },
        "secrets": secrets,
    });
    let next = Api::demo(&fixture.a).refresh(&refresh_token).await;
    assert!(next.is_granted(), "{}", next.body);
    fixture.restart(json!({ "b": good })).await;
    let back = api.refresh(&next.member("refresh_token")).await;
    assert_eq!(
        back.json()["scope"],
        "openid profile email offline_access",
        "SCOPES is gone, and its scopes with it: {}",
        back.body
    );
}

/// One unknown name is enough: a misspelt setting must not be taken for its default.
#[tokio::test]
async fn an_unknown_setting_is_refused() {
    let fixture = Setup::default().var_of_b("PASSWORD_BUDGETS", "1").start().await;
    let refused = Api::demo(&fixture.b).get("/healthz").await;
    assert_eq!(refused.status, 503);
    let healthy = Api::demo(&fixture.a).get("/healthz").await;
    assert_eq!((healthy.status, &healthy.json()["status"]), (200, &json!("ok")));
}
