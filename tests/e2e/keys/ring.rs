//! Root secrets, replaced while devices live on: verify-only first, then active, then the old one goes.

use latchkey::protocol::seal::Sealer;
use serde_json::{Value, json};

use super::{jwks, kids, signer, stored};
use crate::harness::{Fixture, Setup, Worker};
use crate::support::{Answer, Api, Person};

const SECOND: &str = "2:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA";

/// 503 with `Retry-After`: never an error that makes a client throw its token away.
#[track_caller]
fn assert_try_again(answer: &Answer) {
    assert_eq!((answer.status, answer.error().as_str()), (503, "temporarily_unavailable"), "{}", answer.body);
    assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{:?}", answer.headers);
}

#[track_caller]
fn assert_invalid_grant(answer: &Answer) {
    assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_grant"), "{}", answer.body);
}

/// The numbers of the keys that wrap the signing keys.
async fn wrapped_by(fixture: &Fixture) -> Vec<Option<u16>> {
    stored(fixture).await.iter().map(|row| Sealer::key_number(row["wrapped"].as_str().unwrap())).collect()
}

/// Secrets for `restart`.
fn secrets(keys: &str, active: &str) -> Value {
    json!({ "secrets": { "LATCHKEY_KEYS": keys, "LATCHKEY_KEY_ACTIVE": active } })
}

/// A Worker that does not know a root secret yet asks to try again; once it does, all goes on. After the
/// cron wrapped the signing keys anew the old secret can go, and with it what it had sealed.
#[tokio::test]
async fn a_root_secret_is_replaced_under_living_devices() {
    let fixture = Setup::default().start().await;
    let (a, b) = (Api::demo(&fixture.a), Api::demo(&fixture.b));
    let before = kids(&jwks(&fixture.a).await);
    let person = Person::ada(&fixture.a).await;
    let old = a.signed_in(&person).await;
    let (started_before, first) = (b.start().await, fixture.secrets(Worker::A).await);
    let first = first["LATCHKEY_KEYS"].as_str().unwrap().to_owned();
    let both = secrets(&format!("{SECOND},{first}"), "2");

    // `a` seals by number 2, of which `b` has never heard.
    fixture.restart(json!({ "a": both })).await;
    let (new, sign_in) = (a.signed_in(&person).await, a.start().await);
    let refused = [
        b.poll(&sign_in).await,
        b.refresh(&new.member("refresh_token")).await,
        b.userinfo(&new.member("access_token")).await,
        b.post("/revoke", &[("token", &new.member("refresh_token"))]).await,
    ];
    refused.iter().for_each(assert_try_again);
    person.approve(&sign_in.user_code).await;
    assert_try_again(&b.poll(&sign_in).await);
    assert!(a.poll(&sign_in).await.is_granted(), "and nothing was lost");
    // What number 1 sealed is good at both; so is a code that was made under it.
    let old = b.refresh(&old.member("refresh_token")).await;
    person.approve(&started_before.user_code).await;
    assert!(a.poll(&started_before).await.is_granted());

    // The cron wraps by number 2. `b` cannot unwrap that: it rotates nothing, and the retry at `a` does.
    assert_eq!(wrapped_by(&fixture).await, [Some(1), Some(1)]);
    fixture.cron(Worker::A).await;
    assert_eq!(wrapped_by(&fixture).await, [Some(2), Some(2)]);
    fixture.restart(json!({})).await;
    let before_that = fixture.d1("SELECT id, generation FROM grants ORDER BY id", &[]).await;
    assert_try_again(&b.refresh(&old.member("refresh_token")).await);
    assert_eq!(fixture.d1("SELECT id, generation FROM grants ORDER BY id", &[]).await, before_that);
    let old = a.refresh(&old.member("refresh_token")).await;
    assert!(old.is_granted(), "{}", old.body);
    assert_eq!(stored(&fixture).await.len(), 2, "never new keys");

    // `b` learns it.
    let last_of_first = b.start().await;
    fixture.restart(json!({ "b": both })).await;
    let new = b.refresh(&new.member("refresh_token")).await;
    assert!(new.is_granted(), "{}", new.body);
    assert!(b.refresh(&old.member("refresh_token")).await.is_granted());

    // Number 1 goes.
    let only_second = secrets(SECOND, "2");
    fixture.restart(json!({ "a": only_second, "b": only_second })).await;
    assert_eq!(kids(&jwks(&fixture.b).await), before);
    for api in [&a, &b] {
        assert_invalid_grant(&api.poll(&last_of_first).await);
        let person = Person::ada(&api.base).await;
        let fresh = api.signed_in(&person).await;
        assert!(before.contains(&signer(&fresh)), "the same keys sign");
    }
    let new = a.refresh(&new.member("refresh_token")).await;
    assert!(new.is_granted(), "{}", new.body);
    fixture.cron(Worker::A).await;
    assert_eq!((wrapped_by(&fixture).await, stored(&fixture).await.len()), (vec![Some(2), Some(2)], 2));
}

/// A refresh token that a dropped secret sealed is not valid any more, and its grant is not revoked.
#[tokio::test]
async fn tokens_of_a_dropped_secret_are_refused() {
    let fixture = Setup::default().start().await;
    let api = Api::demo(&fixture.a);
    let tokens = api.signed_in(&Person::ada(&fixture.a).await).await;
    let first = fixture.secrets(Worker::A).await["LATCHKEY_KEYS"].as_str().unwrap().to_owned();
    let both = secrets(&format!("{first},{SECOND}"), "2");
    fixture.restart(json!({ "a": both, "b": both })).await;
    fixture.cron(Worker::A).await;
    let only_second = secrets(SECOND, "2");
    fixture.restart(json!({ "a": only_second, "b": only_second })).await;
    assert_invalid_grant(&api.refresh(&tokens.member("refresh_token")).await);
    assert_eq!(api.userinfo(&tokens.member("access_token")).await.status, 401);
    fixture.restart(json!({ "a": both, "b": both })).await;
    assert!(api.refresh(&tokens.member("refresh_token")).await.is_granted(), "taken back in, it lives");
}

/// `REALM_EPOCH` signs everybody out, the safe answer to a restored backup; signing keys are not part of it.
#[tokio::test]
async fn raising_the_epoch_signs_everybody_out_and_keeps_the_keys() {
    let fixture = Setup::default().start().await;
    let api = Api::demo(&fixture.a);
    let person = Person::ada(&fixture.a).await;
    let (tokens, sign_in) = (api.signed_in(&person).await, api.start().await);
    let (before, kid) = (jwks(&fixture.a).await, signer(&tokens));
    assert_eq!(person.get("/device").await.status, 200);

    let epoch = json!({ "vars": { "REALM_EPOCH": "2" } });
    fixture.restart(json!({ "a": epoch, "b": epoch })).await;
    assert_invalid_grant(&api.refresh(&tokens.member("refresh_token")).await);
    assert_invalid_grant(&api.poll(&sign_in).await);
    assert_eq!(api.userinfo(&tokens.member("access_token")).await.status, 401);
    let page = person.get("/device").await;
    assert_eq!((page.status, page.header("location").starts_with("/login")), (303, true));
    assert_eq!(jwks(&fixture.a).await, before);

    let fresh = api.signed_in(&Person::ada(&fixture.b).await).await;
    assert_eq!(signer(&fresh), kid);
    assert_eq!(stored(&fixture).await.len(), 2);
}

/// A wrapped key that does not unwrap is our fault and never a reason for new keys: readers would meet
/// tokens that they cannot check.
#[tokio::test]
async fn a_key_that_does_not_unwrap_never_leads_to_new_keys() {
    let fixture = Setup::default().start().await;
    let api = Api::demo(&fixture.a);
    let tokens = api.signed_in(&Person::ada(&fixture.a).await).await;
    let before = jwks(&fixture.a).await;
    let rows = stored(&fixture).await;
    // One character of the ciphertext, and one in front of which no number can be read.
    for broken in ["substr(wrapped, 1, 60) || 'AAAAA' || substr(wrapped, 66)", "'x' || wrapped"] {
        fixture.d1(&format!("UPDATE signing_keys SET wrapped = {broken}"), &[]).await;
        fixture.restart(json!({})).await;
        let failed = api.refresh(&tokens.member("refresh_token")).await;
        assert_eq!((failed.status, failed.error().as_str()), (500, "server_error"), "{}", failed.body);
        assert!(!failed.body.contains("wrap"), "the detail is for the log: {}", failed.body);
        let generations = fixture.d1("SELECT generation FROM grants", &[]).await;
        assert_eq!(generations, [json!({ "generation": 0 })], "what cannot be answered is not rotated");
        fixture.cron(Worker::A).await;
        fixture.cron(Worker::B).await;
        assert_eq!(stored(&fixture).await.len(), 2, "{broken}");
        assert_eq!(jwks(&fixture.a).await, before, "what was signed can still be checked");
        assert_eq!(api.userinfo(&tokens.member("access_token")).await.status, 200);
        for row in &rows {
            let sql = "UPDATE signing_keys SET wrapped = ?3 WHERE alg = ?1 AND number = ?2";
            fixture.d1(sql, &["alg", "number", "wrapped"].map(|column| row[column].clone())).await;
        }
    }
    let said = fixture.logs().await.into_iter().map(|entry| entry["line"].clone());
    let said: Vec<_> = said.filter(|line| line["error"] == "server_error").collect();
    assert!(said.iter().all(|line| line["detail"].as_str().unwrap().contains("does not unwrap")), "{said:?}");
    assert_eq!(said.len(), 2);
    fixture.restart(json!({})).await;
    assert!(api.refresh(&tokens.member("refresh_token")).await.is_granted());
}
