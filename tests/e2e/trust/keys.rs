//! The keys of issuers: found by discovery or at the operator's word, kept, fetched again for an unknown `kid`,
//! seldom; and servers that do what they should not.

use std::sync::OnceLock;

use serde_json::{Value, json};

use super::{Grant, Outside, fixture, judge, line};
use crate::code::{assert_refused, now, other_p256, p256, public, signed};
use crate::judge::{Judge, Reply};
use crate::support::{Answer, sleep};

const KEPT: Outside = Outside("kept");
const ROTATING: Outside = Outside("rotating");
const SLASH: Outside = Outside("slash");
const BACK: Outside = Outside("back-again");

/// What a server does that it should not: where the keys are, and where the metadata are.
const BAD_KEYS: [&str; 11] = [
    "keys-down",
    "keys-gone",
    "keys-created",
    "keys-huge",
    "keys-huge-unannounced",
    "keys-slow",
    "keys-trickle",
    "keys-moved",
    "keys-html",
    "keys-no-set",
    "keys-hang-up",
];
const BAD_METADATA: [&str; 13] = [
    "meta-down",
    "meta-moved",
    "meta-html",
    "meta-other-issuer",
    "meta-slash",
    "meta-no-keys",
    "meta-huge",
    "meta-slow",
    "meta-private",
    "meta-metadata-service",
    "meta-plain",
    "meta-ourselves",
    "meta-neighbour",
];

pub fn issuers() -> Vec<Value> {
    let bad = BAD_KEYS.iter().chain(&BAD_METADATA).map(|name| Outside(name).seed(&json!({})));
    let mut issuers: Vec<Value> = bad.collect();
    issuers.extend([KEPT, ROTATING, BACK].map(|issuer| issuer.seed(&json!({}))));
    issuers.push(SLASH.seed(&json!({ "issuer": format!("{}/", SLASH.issuer()) })));
    issuers
}

/// A server of the same machine that `OUTBOUND_ALLOW` does not name: only its port differs.
fn neighbour() -> &'static Judge {
    static NEIGHBOUR: OnceLock<Judge> = OnceLock::new();
    NEIGHBOUR.get_or_init(|| {
        let neighbour = Judge::start();
        neighbour.answer("/keys", Reply::json(&json!({ "keys": [public(&p256("k"))] })));
        neighbour
    })
}

fn by(issuer: Outside, key: &Value) -> String {
    signed(key, &json!({ "alg": "ES256", "kid": key["kid"] }), &issuer.claims(fixture(), &json!({})))
}

async fn trade(base: &str, token: &str) -> Answer {
    Grant::Bearer.anonymous(base, token, &[]).await
}

/// Found once by each Worker, however many ask at once; then nobody is asked, and nothing is read or written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_found_once_and_kept() {
    let fixture = fixture();
    KEPT.publish(&[p256("k")]);
    judge().answer(&KEPT.keys(), Reply::json(&json!({ "keys": [public(&p256("k"))] })).after(300));
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..10 {
        all.spawn(async move { trade(&fixture.b, &by(KEPT, &p256("k"))).await });
    }
    for answer in all.join_all().await {
        assert!(answer.is_granted(), "{}", answer.body);
    }
    assert_eq!(KEPT.asked(), [1, 1], "the others wait for the one that asks");
    for path in [KEPT.metadata(), KEPT.keys()] {
        let heard = &judge().heard(&path)[0];
        assert_eq!((heard.method.as_str(), heard.header("cookie"), heard.header("authorization")), ("GET", "", ""));
        assert!(heard.header("accept").contains("application/json"), "{heard:?}");
        assert_eq!(heard.body, "");
    }
    let mut trips = Vec::new();
    for _ in 0..3 {
        let answer = trade(&fixture.b, &by(KEPT, &p256("k"))).await;
        let cost = line(fixture, &answer).await["cost"].clone();
        assert!(answer.is_granted(), "{}", answer.body);
        for what in ["outbound", "rows", "objects", "kv"] {
            assert_eq!(cost[what], 0, "{what}: {cost}");
        }
        trips.push(cost["d1_trips"].as_i64().unwrap());
    }
    // The copies in memory may have come of age at one of these.
    assert!(trips.contains(&0), "{trips:?}");
    // A wrong signature by a key that is known asks nobody either.
    assert_refused(&trade(&fixture.b, &by(KEPT, &other_p256("k"))).await, "invalid_grant");
    assert_eq!(KEPT.asked(), [1, 1]);
}

/// CLIENT_KEYS_REFETCH is one second here.
#[tokio::test]
async fn a_new_key_is_found_and_strangers_cannot_make_us_ask_often() {
    let fixture = fixture();
    ROTATING.publish(&[p256("old")]);
    assert!(trade(&fixture.a, &by(ROTATING, &p256("old"))).await.is_granted());
    // Both are published while tokens of both are about.
    ROTATING.publish(&[p256("old"), other_p256("new")]);
    sleep(1050).await;
    assert!(trade(&fixture.a, &by(ROTATING, &other_p256("new"))).await.is_granted());
    assert!(trade(&fixture.a, &by(ROTATING, &p256("old"))).await.is_granted());
    assert_eq!(ROTATING.asked(), [2, 2]);
    // Names of keys that nobody has: so many in less than a second, and after it.
    for round in 0..2 {
        let [before, _] = ROTATING.asked();
        let began = now();
        for kid in ["a", "b", "c", "d", "e", "f"] {
            assert_refused(&trade(&fixture.a, &by(ROTATING, &p256(kid))).await, "invalid_grant");
        }
        let seconds = usize::try_from(now() - began).unwrap();
        let asked = ROTATING.asked()[0] - before;
        assert!(asked <= seconds + 2, "round {round}: {asked} in {seconds} s");
        sleep(1050).await;
    }
    // The old key is taken back: it goes when the set is fetched again.
    ROTATING.publish(&[other_p256("new")]);
    assert_refused(&trade(&fixture.a, &by(ROTATING, &p256("unknown"))).await, "invalid_grant");
    assert_refused(&trade(&fixture.a, &by(ROTATING, &p256("old"))).await, "invalid_grant");
    assert!(trade(&fixture.a, &by(ROTATING, &other_p256("new"))).await.is_granted());
    // And while its server is down, what is kept counts.
    ROTATING.serve(Reply::new(503, ""));
    sleep(1050).await;
    assert_refused(&trade(&fixture.a, &by(ROTATING, &p256("another"))).await, "invalid_grant");
    assert!(trade(&fixture.a, &by(ROTATING, &other_p256("new"))).await.is_granted());
}

/// OpenID Connect Discovery 4.1: a slash at the end of the issuer goes before the path is added, and stays in `iss`.
#[tokio::test]
async fn an_issuer_may_end_with_a_slash() {
    let fixture = fixture();
    let issuer = format!("{}/", SLASH.issuer());
    judge().answer(&SLASH.metadata(), Reply::json(&json!({ "issuer": issuer, "jwks_uri": judge().at(&SLASH.keys()) })));
    judge().answer(&SLASH.keys(), Reply::json(&json!({ "keys": [public(&p256("k"))] })));
    assert_refused(&trade(&fixture.a, &SLASH.token(fixture, &json!({}))).await, "invalid_grant");
    assert!(trade(&fixture.a, &SLASH.token(fixture, &json!({ "iss": issuer }))).await.is_granted());
}

/// What the bad servers of this name answer.
fn misbehave(name: &'static str) {
    let issuer = Outside(name);
    let keys = json!({ "keys": [public(&p256("k"))] });
    let padded = json!({ "keys": [public(&p256("k"))], "padding": "x".repeat(66 * 1024) });
    judge().answer("/good/keys", Reply::json(&keys));
    let metadata = |more: Value| {
        let mut metadata = json!({ "issuer": issuer.issuer(), "jwks_uri": judge().at(&issuer.keys()) });
        metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        metadata.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        metadata
    };
    issuer.publish(&[p256("k")]);
    if let Some(what) = name.strip_prefix("keys-") {
        judge().answer(
            &issuer.keys(),
            match what {
                "down" => Reply::new(500, keys.to_string()),
                "gone" => Reply::new(404, ""),
                "created" => Reply::new(201, keys.to_string()),
                "huge" => Reply::json(&padded),
                "huge-unannounced" => Reply::json(&padded).unannounced(),
                "slow" => Reply::json(&keys).after(4000),
                // It says more than comes.
                "trickle" => Reply::new(200, &keys.to_string()[..20]).header("content-length", "2000").unannounced(),
                "moved" => Reply::redirect(&judge().at("/good/keys")),
                "html" => Reply::new(200, "<html>"),
                "no-set" => Reply::json(&json!([public(&p256("k"))])),
                "hang-up" => Reply::hang_up(),
                _ => panic!("{name}"),
            },
        );
        return;
    }
    let reply = match name.strip_prefix("meta-").unwrap() {
        "down" => Reply::new(500, metadata(json!({})).to_string()),
        "moved" => Reply::redirect(&judge().at("/good/metadata")),
        "html" => Reply::new(200, "<html>"),
        // OpenID Connect Discovery 4.3.
        "other-issuer" => Reply::json(&metadata(json!({ "issuer": "https://other.example" }))),
        "slash" => Reply::json(&metadata(json!({ "issuer": format!("{}/", issuer.issuer()) }))),
        "no-keys" => Reply::json(&metadata(json!({ "jwks_uri": null, "jwks": keys }))),
        "huge" => Reply::json(&metadata(json!({ "padding": "x".repeat(66 * 1024) }))),
        "slow" => Reply::json(&metadata(json!({}))).after(4000),
        "private" => Reply::json(&metadata(json!({ "jwks_uri": "https://192.168.0.1/keys" }))),
        "metadata-service" => Reply::json(&metadata(json!({ "jwks_uri": "http://169.254.169.254/latest/meta-data" }))),
        "plain" => Reply::json(&metadata(json!({ "jwks_uri": "http://keys.example/keys" }))),
        "ourselves" => Reply::json(&metadata(json!({ "jwks_uri": format!("{}/jwks.json", fixture().a) }))),
        "neighbour" => Reply::json(&metadata(json!({ "jwks_uri": neighbour().at("/keys") }))),
        _ => panic!("{name}"),
    };
    judge().answer("/good/metadata", Reply::json(&metadata(json!({}))));
    judge().answer(&issuer.metadata(), reply);
}

/// Whatever the issuer's server does, its tokens are refused, in time, and it is not asked again at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_misbehave_only_harm_themselves() {
    let fixture = fixture();
    let mut all = tokio::task::JoinSet::new();
    for name in BAD_KEYS.into_iter().chain(BAD_METADATA) {
        // What is fetched is what is answered: both at this Worker, one after the other.
        all.spawn(async move {
            let issuer = Outside(name);
            misbehave(name);
            let began = now();
            for _ in 0..2 {
                let answer = trade(&fixture.a, &by(issuer, &p256("k"))).await;
                assert_eq!(answer.error(), "invalid_grant", "{name}: {}", answer.body);
                assert_refused(&answer, "invalid_grant");
            }
            let [metadata, keys] = issuer.asked();
            let is_keys = name.starts_with("keys-");
            assert_eq!(metadata, 1, "{name}: asked again at once");
            assert_eq!(keys, usize::from(is_keys), "{name}");
            now() - began
        });
    }
    for took in all.join_all().await {
        assert!(took < 30, "{took} s");
    }
    assert!(judge().heard("/good/keys").is_empty() && judge().heard("/good/metadata").is_empty(), "no redirect is followed");
    assert!(neighbour().heard("/keys").is_empty(), "a port beside is not reached");
}

/// A server that is back is asked again after a few seconds, as a test of the pace says; by another Worker at once.
#[tokio::test]
async fn a_server_that_is_back_is_found() {
    let fixture = fixture();
    BACK.serve(Reply::new(502, ""));
    assert_refused(&trade(&fixture.a, &by(BACK, &p256("k"))).await, "invalid_grant");
    BACK.publish(&[p256("k")]);
    assert_refused(&trade(&fixture.a, &by(BACK, &p256("k"))).await, "invalid_grant");
    assert!(trade(&fixture.b, &by(BACK, &p256("k"))).await.is_granted());
}
