//! What a warm service costs, and when a client that was disabled stops: the copy of it in an isolate's memory
//! may say yes for `CLIENT_CACHE`, never no.

use std::time::Duration;

use serde_json::json;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::{
    API, PHANTOM, PHANTOM_RSA, RSA, api, ask, assert_error, assert_inactive, cost, fixture, introspect, introspect_as, own,
    rows_of, set_enabled, setup,
};
use crate::code::{assertion, post_by};
use crate::harness::Fixture;
use crate::support::{Answer, Api, sleep};

/// Seconds that a copy of a client is used here.
const CLIENT_CACHE: u64 = 2;

/// A fixture where clients are soon forgotten.
async fn forgetful() -> &'static Fixture {
    static FORGETFUL: OnceCell<Fixture> = OnceCell::const_new();
    FORGETFUL.get_or_init(async || setup().var("CLIENT_CACHE", &CLIENT_CACHE.to_string()).start().await).await
}

/// Costs nothing: no D1, no row, no object, no KV and nobody else.
const FREE: [i64; 5] = [0; 5];

/// The third of three requests: by then client and keys are in memory.
async fn third(ask: impl AsyncFn() -> Answer) -> Answer {
    ask().await;
    ask().await;
    ask().await
}

#[tokio::test]
async fn a_warm_service_reads_and_writes_nothing() {
    let fixture = fixture();
    for base in [&fixture.a, &fixture.b] {
        for (id, resource) in
            [("measured", API), ("measured", RSA), ("measured", PHANTOM), ("measured", PHANTOM_RSA), ("measured-dark", API)]
        {
            let service = api(base, id);
            let answer = third(async || ask(&service, &[("resource", resource)]).await).await;
            assert!(answer.is_granted(), "{id} {resource}: {}", answer.body);
            assert_eq!(cost(fixture, &answer).await, FREE, "{id} {resource}");
        }
    }
    assert_eq!(rows_of(fixture, "measured").await + rows_of(fixture, "measured-dark").await, 0);
    // By a key it costs the mark that it was used, and the object's alarm.
    let by_key = Api::public(&fixture.a, "by-key");
    let answer = third(async || {
        let once = assertion(&fixture.a, "by-key", &json!({}));
        post_by(&by_key, "/token", &once, &[("grant_type", super::CLIENT_CREDENTIALS)]).await
    })
    .await;
    assert!(answer.is_granted(), "{}", answer.body);
    let [d1, rows, objects, kv, outbound] = cost(fixture, &answer).await;
    assert!([d1, objects, kv, outbound] == [0, 1, 0, 0] && (1..=2).contains(&rows), "{d1} {rows} {objects} {kv} {outbound}");
}

#[tokio::test]
async fn a_warm_introspection_is_one_read() {
    let fixture = fixture();
    let user = crate::web::App::web(&fixture.a, "clinic").tokens(&super::person(&fixture.a, "mary").await, &[]).await;
    let tokens =
        [own(&fixture.a, "measured", &[]).await, own(&fixture.a, "measured-dark", &[]).await, user.member("access_token")];
    for base in [&fixture.a, &fixture.b] {
        for token in &tokens {
            for accept in ["application/json", super::INTROSPECTION_JWT, "application/jwt"] {
                let answer = third(async || introspect_as(base, "gateway", token, accept).await).await;
                assert_eq!(answer.status, 200, "{}", answer.body);
                assert_eq!(cost(fixture, &answer).await, [1, 0, 0, 0, 0], "{accept}");
            }
        }
        // What is no token of ours, or not for this server, is not looked up at all.
        for token in ["garbage", "a.b.c", &tokens[0][..tokens[0].len() - 2]] {
            let answer = third(async || introspect(base, "gateway", token).await).await;
            assert_eq!(cost(fixture, &answer).await, FREE, "{token}");
        }
        let answer = third(async || introspect(base, "other-gateway", &tokens[0]).await).await;
        assert_eq!(cost(fixture, &answer).await, FREE);
    }
}

/// Within `CLIENT_CACHE` of the last read a disabled client may still get tokens; after that never, however
/// often it asks, at either Worker. What it got is over at once wherever somebody asks.
#[tokio::test]
async fn a_disabled_client_stops_within_the_documented_age_and_comes_back_at_once() {
    let fixture = forgetful().await;
    for id in ["switched", "switched-dark"] {
        let services = [api(&fixture.a, id), api(&fixture.b, id)];
        // Whatever was remembered before is too old now, so these two are read now.
        sleep(CLIENT_CACHE * 1000 + 100).await;
        let before = Instant::now();
        let token = ask(&services[0], &[]).await.member("access_token");
        assert!(ask(&services[1], &[]).await.is_granted());
        let read = Instant::now();
        set_enabled(fixture, id, false).await;
        let answer = ask(&services[0], &[]).await;
        if before.elapsed() < Duration::from_secs(CLIENT_CACHE) {
            assert!(answer.is_granted(), "{id}: no read was due: {}", answer.body);
            assert_eq!(cost(fixture, &answer).await, FREE, "{id}");
        }
        // Asking does not make the copy younger.
        while read.elapsed() < Duration::from_millis(CLIENT_CACHE * 1000 - 300) {
            ask(&services[1], &[]).await;
            sleep(200).await;
        }
        sleep(400).await;
        for service in &services {
            for _ in 0..2 {
                let answer = ask(service, &[]).await;
                assert_error(id, &answer, 401, "invalid_client");
                assert!(cost(fixture, &answer).await[0] >= 1, "{id}: decided on what is there now");
            }
        }
        for base in [&fixture.a, &fixture.b] {
            assert_inactive(id, &introspect(base, "gateway", &token).await);
        }
        // No is never remembered.
        set_enabled(fixture, id, true).await;
        for service in &services {
            assert!(ask(service, &[]).await.is_granted(), "{id}");
        }
        for base in [&fixture.a, &fixture.b] {
            super::told(&introspect(base, "gateway", &token).await);
        }
    }
}

/// The same of everything else that makes a copy say no: scope, resource, secret, grant type, all given now.
#[tokio::test]
async fn what_a_client_was_given_it_has_at_once() {
    let fixture = fixture();
    let services = [api(&fixture.a, "stopped"), api(&fixture.b, "stopped")];
    let given = "https://given.example";
    let set = async |path: &str, value: &str| {
        let sql = format!(
            "UPDATE clients SET metadata = json_set(metadata, '{path}', json(?1)), version = version + 1 WHERE id = 'stopped'"
        );
        fixture.d1(&sql, &[value.into()]).await;
    };
    for service in &services {
        assert!(ask(service, &[]).await.is_granted());
        assert_error("not yet", &ask(service, &[("scope", "latchkey:admin")]).await, 400, "invalid_scope");
        assert_error("not yet", &ask(service, &[("resource", given)]).await, 400, "invalid_target");
    }
    set("$.scope", "\"records:read latchkey:admin\"").await;
    set("$.resources", &json!([API, given]).to_string()).await;
    for service in &services {
        assert!(ask(service, &[("scope", "latchkey:admin"), ("resource", given)]).await.is_granted());
    }
    set("$.grant_types", "[\"urn:ietf:params:oauth:grant-type:token-exchange\"]").await;
    // A refusal reads the client, and so the copy that said yes is gone too.
    for service in &services {
        ask(service, &[("scope", "records:write")]).await;
        assert_error("taken", &ask(service, &[]).await, 400, "unauthorized_client");
    }
    set("$.grant_types", "[\"client_credentials\"]").await;
    for service in &services {
        assert!(ask(service, &[]).await.is_granted());
    }
}

/// A resource server that was disabled, or that no resources are left to, hears nothing more.
#[tokio::test]
async fn a_resource_server_that_was_disabled_hears_nothing_more() {
    let fixture = forgetful().await;
    let token = own(&fixture.a, "worker", &[]).await;
    super::told(&introspect(&fixture.a, "closed-gateway", &token).await);
    set_enabled(fixture, "closed-gateway", false).await;
    sleep(CLIENT_CACHE * 1000 + 100).await;
    assert_error("disabled", &introspect(&fixture.a, "closed-gateway", &token).await, 401, "invalid_client");
    let sql = "UPDATE clients SET enabled = 1, metadata = json_set(metadata, '$.protected_resources', json('[]')) WHERE id = 'closed-gateway'";
    fixture.d1(sql, &[]).await;
    assert_error("no resource server", &introspect(&fixture.a, "closed-gateway", &token).await, 400, "unauthorized_client");
}
