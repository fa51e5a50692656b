//! Opaque tokens while root secrets are replaced and the realm's epoch is raised.

use serde_json::{Value, json};

use super::{api, assert_error, assert_inactive, exchange, introspect, is_active, own, person, setup};
use crate::harness::Worker;
use crate::support::Answer;
use crate::web::App;

const SECOND: &str = "2:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA";

fn secrets(keys: &str, active: &str) -> Value {
    json!({ "secrets": { "LATCHKEY_KEYS": keys, "LATCHKEY_KEY_ACTIVE": active } })
}

#[track_caller]
fn assert_try_again(what: &str, answer: &Answer) {
    assert_error(what, answer, 503, "temporarily_unavailable");
    assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{what}");
}

/// A Worker that has not heard of the secret that sealed a token says "try again", never "no"; one that has opens
/// what was sealed before and since. When the old secret goes, so does what it sealed. The epoch ends all.
#[tokio::test]
async fn opaque_tokens_follow_the_root_secrets() {
    let fixture = setup().start().await;
    let first = fixture.secrets(Worker::A).await["LATCHKEY_KEYS"].as_str().unwrap().to_owned();
    let user = App::web(&fixture.a, "clinic-dark").tokens(&person(&fixture.a, "mary").await, &[]).await.member("access_token");
    let old = own(&fixture.b, "dark", &[]).await;
    assert!(is_active(&fixture, &old).await && is_active(&fixture, &user).await);

    // `a` seals by number 2.
    let both = secrets(&format!("{SECOND},{first}"), "2");
    fixture.restart(json!({ "a": both })).await;
    let new = own(&fixture.a, "dark", &[]).await;
    super::told(&introspect(&fixture.a, "gateway", &new).await);
    let gateway = api(&fixture.b, "gateway");
    assert_try_again("introspection", &introspect(&fixture.b, "gateway", &new).await);
    assert_try_again("userinfo", &gateway.userinfo(&new).await);
    assert_try_again("exchange", &exchange(&gateway, &new, "access_token").await);
    assert_try_again("revocation", &gateway.post("/revoke", &[("token", &new)]).await);
    assert!(is_active(&fixture, &old).await, "what number 1 sealed is good at both");

    // `b` learns it; the cron wraps the signing keys anew, and number 1 goes.
    fixture.restart(json!({ "b": both })).await;
    assert!(is_active(&fixture, &new).await && is_active(&fixture, &user).await);
    fixture.cron(Worker::A).await;
    let only_second = secrets(SECOND, "2");
    fixture.restart(json!({ "a": only_second, "b": only_second })).await;
    assert!(is_active(&fixture, &new).await);
    for base in [&fixture.a, &fixture.b] {
        for gone in [&old, &user] {
            assert_inactive("its secret is gone", &introspect(base, "gateway", gone).await);
            assert_error("its secret is gone", &api(base, "gateway").userinfo(gone).await, 401, "invalid_token");
        }
    }

    let epoch = json!({ "vars": { "REALM_EPOCH": "2" } });
    fixture.restart(json!({ "a": epoch, "b": epoch })).await;
    for base in [&fixture.a, &fixture.b] {
        assert_inactive("of another epoch", &introspect(base, "gateway", &new).await);
    }
    let again = own(&fixture.a, "dark", &[]).await;
    assert!(is_active(&fixture, &again).await, "and services go on");
}
