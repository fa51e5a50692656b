//! Refresh tokens: one family per device, answers that get lost, and thieves. RFC 6749 6, RFC 9700 4.14.

use serde_json::{Value, json};

use super::redeem::at_both;
use super::{KIOSK_SECRET, SCOPE, age, assert_refused, fixture, grant_of, grants_of, tokens_for};
use crate::harness::{Fixture, Setup};
use crate::support::{Answer, Api, Person, claims, sleep};

const DEVICE: &str = "demo-device";

/// A refresh that asks for a scope.
async fn refresh_for(api: &Api, tokens: &Answer, scope: &str) -> Answer {
    let parameters = [("grant_type", "refresh_token"), ("refresh_token", &tokens.member("refresh_token")), ("scope", scope)];
    api.post("/token", &parameters).await
}

async fn is_revoked(fixture: &Fixture, tokens: &Answer) -> bool {
    !grant_of(fixture, tokens).await["revoked_at"].is_null()
}

/// Forty holders of one token at two Workers, at once: one rotation, one successor.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_refreshes_end_with_one_generation() {
    let fixture = fixture();
    let (api, tokens) = tokens_for(fixture, "refresh-raced").await;
    let presented = tokens.member("refresh_token");
    let answers = at_both(40, |url| {
        let (api, presented) = (api.at(url), presented.clone());
        async move { api.refresh(&presented).await }
    })
    .await;
    for answer in &answers {
        assert!(answer.is_granted(), "{} {}", answer.status, answer.body);
        assert_eq!(answer.member("refresh_token"), answers[0].member("refresh_token"));
    }
    assert_ne!(answers[0].member("refresh_token"), presented);
    let grant = grant_of(fixture, &tokens).await;
    assert_eq!((&grant["generation"], &grant["revoked_at"]), (&json!(1), &Value::Null));
    assert_eq!(grants_of(fixture, "refresh-raced").await, 1);
    assert!(api.refresh(&answers[0].member("refresh_token")).await.is_granted());
}

/// An answer that was lost is asked for again: the same bytes at once and half a minute later (the grace
/// is one minute), at the other Worker too, and nothing is written; after a minute and a half it is a thief's.
#[tokio::test]
async fn a_lost_answer_can_be_asked_for_again_within_the_grace() {
    let fixture = fixture();
    let (api, tokens) = tokens_for(fixture, DEVICE).await;
    let first = tokens.member("refresh_token");
    let second = api.refresh(&first).await.member("refresh_token");
    assert_eq!(api.refresh(&first).await.member("refresh_token"), second);
    age(fixture, &tokens, 30_000).await;
    let before = grant_of(fixture, &tokens).await;
    assert_eq!(api.at(&fixture.b).refresh(&first).await.member("refresh_token"), second);
    assert_eq!(grant_of(fixture, &tokens).await, before, "nothing is written");

    age(fixture, &tokens, 60_000).await;
    assert_refused(&api.refresh(&first).await, "invalid_grant");
    assert!(is_revoked(fixture, &tokens).await);
    assert_refused(&api.refresh(&second).await, "invalid_grant");
}

/// The grace is the client's: a second, or a day for a kiosk whose line drops.
#[tokio::test]
async fn the_grace_is_the_clients_own() {
    let fixture = fixture();
    let (api, tokens) = tokens_for(fixture, "short-grace").await;
    let kiosk = Api::basic(&fixture.a, "kiosk", KIOSK_SECRET);
    let kiosk_tokens = kiosk.signed_in(&Person::ada(&fixture.a).await).await;
    let [first, kiosk_first] = [&tokens, &kiosk_tokens].map(|tokens| tokens.member("refresh_token"));
    let kiosk_second = kiosk.refresh(&kiosk_first).await.member("refresh_token");
    let second = api.refresh(&first).await.member("refresh_token");
    assert_eq!(api.refresh(&first).await.member("refresh_token"), second);
    sleep(1100).await;
    assert_refused(&api.refresh(&first).await, "invalid_grant");
    assert!(is_revoked(fixture, &tokens).await);

    age(fixture, &kiosk_tokens, 86_000_000).await;
    assert_eq!(kiosk.refresh(&kiosk_first).await.member("refresh_token"), kiosk_second);
    age(fixture, &kiosk_tokens, 500_000).await;
    assert_refused(&kiosk.refresh(&kiosk_first).await, "invalid_grant");
    assert!(is_revoked(fixture, &kiosk_tokens).await);
}

/// A token older than the one before: two hold the family, and it ends for both, access tokens included.
/// Only the client that it belongs to can cause that.
#[tokio::test]
async fn a_replayed_token_ends_the_grant() {
    let fixture = fixture();
    let (api, tokens) = tokens_for(fixture, DEVICE).await;
    let first = tokens.member("refresh_token");
    let second = api.refresh(&first).await.member("refresh_token");
    let third = api.refresh(&second).await;

    for stranger in [Api::public(&fixture.a, "other"), Api::demo_secret(&fixture.b)] {
        assert_refused(&stranger.refresh(&first).await, "invalid_grant");
    }
    assert!(!is_revoked(fixture, &tokens).await);
    assert_eq!(api.userinfo(&third.member("access_token")).await.status, 200);

    assert_refused(&api.at(&fixture.b).refresh(&first).await, "invalid_grant");
    assert!(is_revoked(fixture, &tokens).await);
    for token in [&first, &second, &third.member("refresh_token")] {
        assert_refused(&api.refresh(token).await, "invalid_grant");
    }
    assert_eq!(api.userinfo(&third.member("access_token")).await.status, 401);
    assert_eq!(grant_of(fixture, &tokens).await["generation"], 2, "after theft nothing rotates");
}

/// RFC 6749 6: bound to the client. A foreign one gets nothing and does no harm.
#[tokio::test]
async fn a_foreign_clients_refresh_token_is_refused_and_left_alone() {
    let fixture = fixture();
    let (api, tokens) = tokens_for(fixture, DEVICE).await;
    let token = tokens.member("refresh_token");
    let before = grant_of(fixture, &tokens).await;
    for stranger in [Api::public(&fixture.a, "other"), Api::demo_secret(&fixture.a)] {
        assert_refused(&stranger.refresh(&token).await, "invalid_grant");
        assert_refused(&refresh_for(&stranger, &tokens, "records:read").await, "invalid_grant");
    }
    assert_eq!(grant_of(fixture, &tokens).await, before);
    assert!(api.refresh(&token).await.is_granted());
}

/// A database restored to before some rotations knows less than the device: refused, and nothing is
/// revoked, for nobody stole anything.
#[tokio::test]
async fn a_restored_database_revokes_nobody() {
    let fixture = fixture();
    let (api, tokens) = tokens_for(fixture, DEVICE).await;
    let mut current = tokens.clone();
    for _ in 0..5 {
        current = api.refresh(&current.member("refresh_token")).await;
    }
    let restore = "UPDATE grants SET generation = generation + ?2 WHERE id = ?1";
    let id = grant_of(fixture, &tokens).await["id"].clone();
    fixture.d1(restore, &[id.clone(), json!(-4)]).await;
    assert_refused(&api.refresh(&current.member("refresh_token")).await, "invalid_grant");
    let grant = grant_of(fixture, &tokens).await;
    assert_eq!((&grant["generation"], &grant["revoked_at"]), (&json!(1), &Value::Null));
    let line = fixture.logs().await.into_iter().rev().map(|entry| entry["line"].clone());
    let mut said = line.filter(|line| line["route"] == "token" && line["error"] == "invalid_grant");
    assert!(
        said.any(|line| line["detail"].as_str().is_some_and(|detail| detail.contains("ahead of the database"))),
        "the log says why"
    );
    fixture.d1(restore, &[id, json!(4)]).await;
    assert!(api.refresh(&current.member("refresh_token")).await.is_granted());
}

/// Until `TRUST_AHEAD_UNTIL` the row catches up with the device, once, and theft is found as before. A new epoch is
/// stronger: nothing of before lives on, whatever is trusted.
#[tokio::test]
async fn what_is_ahead_of_a_restored_database_is_taken_while_the_operator_trusts_it() {
    let hour = (crate::code::now() + 3600) * 1000;
    let fixture = Setup::default().var("TRUST_AHEAD_UNTIL", &hour.to_string()).start().await;
    let (api, tokens) = (Api::demo(&fixture.a), Api::demo(&fixture.a).signed_in(&Person::ada(&fixture.a).await).await);
    let mut all = vec![tokens.member("refresh_token")];
    for _ in 0..5 {
        all.push(api.refresh(all.last().unwrap()).await.member("refresh_token"));
    }
    let restore = "UPDATE grants SET generation = 1";
    let enable = "UPDATE users SET enabled = ?1";
    fixture.d1(restore, &[]).await;
    // The gate is asked as ever.
    fixture.d1(enable, &[json!(0)]).await;
    assert_refused(&api.refresh(&all[5]).await, "invalid_grant");
    fixture.d1(enable, &[json!(1)]).await;
    assert_refused(&Api::demo_secret(&fixture.a).refresh(&all[5]).await, "invalid_grant");
    assert_eq!(grant_of(&fixture, &tokens).await["generation"], 1);

    let calls: Vec<_> = (0..20)
        .map(|number| {
            let (api, token) = (api.at(if number % 2 == 0 { &fixture.a } else { &fixture.b }), all[5].clone());
            tokio::spawn(async move { api.refresh(&token).await })
        })
        .collect();
    let mut next = Vec::new();
    for call in calls {
        next.push(call.await.unwrap().member("refresh_token"));
    }
    next.dedup();
    assert_eq!((next.len(), &grant_of(&fixture, &tokens).await["generation"]), (1, &json!(6)));
    let events = "SELECT detail FROM audit_events WHERE kind = 'admin_change' AND actor = 'TRUST_AHEAD_UNTIL'";
    let events = fixture.d1(events, &[]).await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(events[0]["detail"].as_str().unwrap().contains("\"from\":1,\"id\""), "{events:?}");
    // One from in between is somebody else's now.
    assert_refused(&api.refresh(&all[3]).await, "invalid_grant");
    assert!(is_revoked(&fixture, &tokens).await);
    assert_refused(&api.refresh(&next[0]).await, "invalid_grant");

    let other = api.signed_in(&Person::ada(&fixture.a).await).await;
    let ahead = api.refresh(&other.member("refresh_token")).await.member("refresh_token");
    fixture.d1("UPDATE grants SET generation = 0 WHERE revoked_at IS NULL", &[]).await;
    let past = json!({ "vars": { "TRUST_AHEAD_UNTIL": ((crate::code::now() - 1) * 1000).to_string() } });
    fixture.restart(json!({ "a": past, "b": past })).await;
    assert_refused(&api.refresh(&ahead).await, "invalid_grant");
    let epoch = json!({ "vars": { "TRUST_AHEAD_UNTIL": hour.to_string(), "REALM_EPOCH": "2" } });
    fixture.restart(json!({ "a": epoch, "b": epoch })).await;
    assert_refused(&api.refresh(&ahead).await, "invalid_grant");
    let trusted = json!({ "vars": { "TRUST_AHEAD_UNTIL": hour.to_string(), "REALM_EPOCH": "1" } });
    fixture.restart(json!({ "a": trusted, "b": trusted })).await;
    assert!(api.refresh(&ahead).await.is_granted());
}

/// Unused for too long, or simply too old: over, by the client's own lifetimes.
#[tokio::test]
async fn families_grow_old_by_idling_and_by_age() {
    let fixture = fixture();
    let (idle, idle_tokens) = tokens_for(fixture, "idle").await;
    age(fixture, &idle_tokens, 3_500_000).await;
    let next = idle.refresh(&idle_tokens.member("refresh_token")).await;
    assert!(next.is_granted(), "just in time, and the clock starts again: {}", next.body);
    age(fixture, &idle_tokens, 3_500_000).await;
    let next = idle.refresh(&next.member("refresh_token")).await;
    assert!(next.is_granted(), "{}", next.body);
    age(fixture, &idle_tokens, 3_600_000).await;
    assert_refused(&idle.refresh(&next.member("refresh_token")).await, "invalid_grant");

    let (mortal, mortal_tokens) = tokens_for(fixture, "mortal").await;
    age(fixture, &mortal_tokens, 3_500_000).await;
    let next = mortal.refresh(&mortal_tokens.member("refresh_token")).await;
    assert!(next.is_granted(), "{}", next.body);
    age(fixture, &mortal_tokens, 100_000).await;
    assert_refused(&mortal.refresh(&next.member("refresh_token")).await, "invalid_grant");
    assert!(!is_revoked(fixture, &mortal_tokens).await, "ended, not stolen");
}

/// RFC 6749 6: a refresh may ask for less, and gets all of it back when it asks for nothing; never for
/// what the user left out, and a refused one has changed nothing.
#[tokio::test]
async fn scope_narrows_and_never_widens() {
    let fixture = fixture();
    let api = Api::public(&fixture.a, "narrow");
    let person = Person::ada(&fixture.a).await;
    let sign_in = api.start().await;
    let page = person.enter(&sign_in.user_code).await;
    let form = page.form();
    let ticked = ["scope.profile", "scope.records:read"].map(|name| (name, "1"));
    let fields = [[("form", form.as_str()), ("action", "allow"), ("confirm_device", "1")].as_slice(), &ticked].concat();
    assert_eq!(person.post("/device/approve", &fields).await.status, 200);
    let tokens = api.poll(&sign_in).await;
    let approved = "openid profile offline_access records:read";
    assert_eq!(tokens.json()["scope"], approved, "required scopes stay, others as ticked");
    let grant = grant_of(fixture, &tokens).await;
    assert_eq!((&grant["approved_scope"], &grant["granted_scope"]), (&json!(approved), &json!(approved)));

    for wider in ["records:write", "openid email", SCOPE, "nonsense"] {
        assert_refused(&refresh_for(&api, &tokens, wider).await, "invalid_scope");
    }
    assert_eq!(grant_of(fixture, &tokens).await, grant, "not even the generation");

    let narrow = refresh_for(&api, &tokens, "records:read").await;
    assert_eq!(narrow.json()["scope"], "records:read");
    assert_eq!(claims(&narrow.member("access_token"))["scope"], "records:read");
    assert_eq!(narrow.json().get("id_token"), None);
    let all = api.refresh(&narrow.member("refresh_token")).await;
    assert_eq!(all.json()["scope"], approved);
    assert_eq!(grant_of(fixture, &tokens).await["granted_scope"], approved);
}

/// What was approved and what is granted now are two things: a scope that the client may no longer have
/// is gone from the next token, and back when the client may have it again.
#[tokio::test]
async fn what_the_client_may_have_shrinks_what_is_granted() {
    let fixture = fixture();
    let (api, tokens) = tokens_for(fixture, "shrinking").await;
    let allow = async |scope: &str| {
        let sql = "UPDATE clients SET metadata = json_set(metadata, '$.scope', ?1), version = version + 1 WHERE id = 'shrinking'";
        fixture.d1(sql, &[scope.into()]).await;
    };
    let scopes = async || {
        let grant = grant_of(fixture, &tokens).await;
        [grant["approved_scope"].clone(), grant["granted_scope"].clone()]
    };
    let less = "openid offline_access records:read";
    allow(less).await;
    let next = api.refresh(&tokens.member("refresh_token")).await;
    assert_eq!(next.json()["scope"], less);
    assert_eq!(scopes().await, [SCOPE, less]);
    assert_refused(&refresh_for(&api, &next, "records:write").await, "invalid_scope");
    let before = grant_of(fixture, &tokens).await;
    allow("address").await;
    assert_refused(&api.refresh(&next.member("refresh_token")).await, "invalid_grant");
    assert_eq!(grant_of(fixture, &tokens).await, before, "a refused refresh has changed nothing");
    allow(&format!("{SCOPE} address")).await;
    let back = api.at(&fixture.b).refresh(&next.member("refresh_token")).await;
    assert_eq!(back.json()["scope"], SCOPE, "as approved, and nothing that was not: {}", back.body);
    assert_eq!(scopes().await, [SCOPE, SCOPE]);
}
