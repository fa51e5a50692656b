//! Signing keys that succeed each other, or are made for the first client that wants them, while apps go on.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::{ALGS, OFFLINE, by_alg, jwks, trusted, verified};
use crate::harness::{Fixture, Setup, Worker};
use crate::support::{Person, header, sleep};
use crate::web::App;

const NOW: &str = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";

fn clients() -> Value {
    json!({ "clients": ALGS.map(|alg| {
        trusted(&by_alg(alg), &json!({ "id_token_signed_response_alg": alg, "userinfo_signed_response_alg": alg }))
    }) })
}

async fn published(fixture: &Fixture) -> Value {
    serde_json::from_str(&fixture.kv("jwks").await.unwrap()).unwrap()
}

fn has(jwks: &Value, kid: &Value) -> bool {
    jwks["keys"].as_array().unwrap().iter().any(|jwk| jwk["kid"] == *kid)
}

/// KEY_PUBLISH_LEAD is three seconds. A code of before the change is redeemed after it; what was signed before
/// is good until its key leaves, and is a hint for longer.
#[tokio::test]
async fn keys_rotate_in_mid_flow() {
    let fixture = Setup::default().var("KEY_PUBLISH_LEAD", "3").var("KEY_CACHE", "1").seed(&clients()).start().await;
    let person = Person::ada(&fixture.a).await;
    let apps = ["by-rs256", "by-eddsa"].map(|id| App::web(&fixture.a, id));
    jwks(&fixture.a).await;
    let mut before = Vec::new();
    for app in &apps {
        let tokens = app.tokens(&person, &OFFLINE).await;
        verified(&published(&fixture).await, &tokens.member("id_token"));
        before.push((tokens, app.code(&person, &[]).await));
    }
    fixture.d1(&format!("UPDATE signing_keys SET sign_until = {NOW} + 5000"), &[]).await;
    fixture.cron(Worker::A).await;
    let made_at = Instant::now();
    assert_eq!(fixture.d1("SELECT kid FROM signing_keys WHERE number = 2", &[]).await.len(), 3, "ES256, RS256 and EdDSA");
    sleep_until(made_at + Duration::from_millis(4300)).await;

    let set = published(&fixture).await;
    for (app, (tokens, code)) in apps.iter().zip(&before) {
        let later = app.at(&fixture.b).redeem(code).await;
        let renewed = app.at(&fixture.b).api.refresh(&tokens.member("refresh_token")).await;
        for name in ["id_token", "access_token"] {
            let [old, new, also_new] = [tokens, &later, &renewed].map(|tokens| tokens.member(name));
            assert!(header(&old)["kid"] != header(&new)["kid"] && header(&new)["kid"] == header(&also_new)["kid"], "{name}");
            // Whoever fetched the set a moment ago knows both.
            for jwt in [&old, &new, &also_new] {
                verified(&set, jwt);
            }
        }
        for tokens in [tokens, &later, &renewed] {
            let info = app.api.userinfo(&tokens.member("access_token")).await;
            assert_eq!(info.status, 200, "{}", info.body);
            assert_eq!(header(&info.body)["kid"], header(&later.member("id_token"))["kid"]);
            verified(&set, &info.body);
        }
    }

    // The old ones leave, in an emergency at once.
    fixture.d1(&format!("UPDATE signing_keys SET remove_at = {NOW}, sign_until = {NOW} WHERE number = 1"), &[]).await;
    sleep(1100).await;
    fixture.cron(Worker::B).await;
    let set = published(&fixture).await;
    for (app, (tokens, _)) in apps.iter().zip(&before) {
        let id_token = tokens.member("id_token");
        assert!(!has(&set, &header(&id_token)["kid"]));
        assert_eq!(app.api.userinfo(&tokens.member("access_token")).await.status, 401);
        let hint = [("prompt", "none"), ("id_token_hint", id_token.as_str())];
        assert!(app.authorized(&person, &hint).await.contains_key("code"), "the hint of a key that left");
    }
}

/// The keys of PS256 and EdDSA are made when a client first wants one, by whichever Worker: one each, and who
/// holds a token of it finds it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_key_of_an_algorithm_is_in_the_jwks_at_once() {
    let fixture = Setup::default().seed(&clients()).start().await;
    let person = Person::ada(&fixture.a).await;
    for base in [&fixture.a, &fixture.b] {
        assert_eq!(jwks(base).await["keys"].as_array().unwrap().len(), 2, "as remembered from now on");
    }
    for alg in ["PS256", "EdDSA"] {
        let app = App::web(&fixture.a, &by_alg(alg));
        let tokens = app.tokens(&person, &OFFLINE).await;
        let id_token = tokens.member("id_token");
        assert_eq!(header(&id_token)["alg"], alg);
        verified(&jwks(&fixture.a).await, &id_token);
        assert!(has(&published(&fixture).await, &header(&id_token)["kid"]), "{alg}");
        let at_b = app.at(&fixture.b).api.refresh(&tokens.member("refresh_token")).await;
        assert_eq!(header(&at_b.member("id_token"))["kid"], header(&id_token)["kid"], "{alg}: the other Worker's is the same");
    }
    fixture.restart(json!({})).await;
    assert_eq!(jwks(&fixture.b).await["keys"].as_array().unwrap().len(), 4, "and so is what a new isolate answers");

    // Many at once, at both, in a realm where it is not there yet.
    fixture.d1("DELETE FROM signing_keys WHERE alg = 'EdDSA'", &[]).await;
    fixture.restart(json!({})).await;
    let app = App::web(&fixture.a, "by-eddsa");
    let mut sign_ins = JoinSet::new();
    for number in 0..10 {
        let code = app.code(&person, &[]).await;
        let app = app.at(if number % 2 == 0 { &fixture.a } else { &fixture.b });
        sign_ins.spawn(async move { app.redeem(&code).await });
    }
    let tokens = sign_ins.join_all().await;
    assert_eq!(fixture.d1("SELECT kid FROM signing_keys WHERE alg = 'EdDSA'", &[]).await.len(), 1);
    let set = published(&fixture).await;
    for tokens in &tokens {
        assert!(tokens.is_granted(), "{}", tokens.body);
        verified(&set, &tokens.member("id_token"));
    }
}
