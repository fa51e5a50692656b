//! Signing keys, root secrets and settings, on the real Worker: made once, published before use, replaced
//! without a gap, and never guessed at.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken step fails the test by panicking")]

mod purge;
mod ring;
mod rotation;
mod settings;

use std::collections::HashSet;

use latchkey::protocol::keyring::KeyRing;
use latchkey::protocol::keys::{WrappedKey, thumbprint};
use latchkey::protocol::seal::{OpenError, Sealer};
use latchkey::protocol::secret::from_base64url;
use serde_json::{Value, json};

use crate::harness::{Fault, Fixture, Mode, Setup, Worker};
use crate::support::{Answer, Api, Person, header, sleep};

/// The `kid`s of a JWK Set.
fn kids(jwks: &Value) -> Vec<String> {
    jwks["keys"].as_array().unwrap().iter().map(|jwk| jwk["kid"].as_str().unwrap().to_owned()).collect()
}

/// The `kid`s that are in KV.
async fn published(fixture: &Fixture) -> Vec<String> {
    let jwks = fixture.kv("jwks").await.unwrap();
    kids(&serde_json::from_str(&jwks).unwrap())
}

/// The key that signed an answer's access token.
fn signer(tokens: &Answer) -> String {
    assert!(tokens.is_granted(), "{} {}", tokens.status, tokens.body);
    header(&tokens.member("access_token"))["kid"].as_str().unwrap().to_owned()
}

/// All rows of `signing_keys`.
async fn stored(fixture: &Fixture) -> Vec<Value> {
    fixture.d1("SELECT * FROM signing_keys ORDER BY alg, number", &[]).await
}

async fn jwks(base: &str) -> Value {
    let answer = Api::demo(base).get("/jwks.json").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

fn ring(secrets: &Value) -> KeyRing {
    let text = |name: &str| secrets[name].as_str().unwrap();
    KeyRing::parse(text("LATCHKEY_KEYS"), text("LATCHKEY_KEY_ACTIVE")).unwrap()
}

/// Both Workers meet a realm without keys, many requests at once: one set, and everybody gets that one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_make_one_first_set_of_keys() {
    let fixture = Setup::default().start().await;
    assert_eq!(stored(&fixture).await.len(), 0, "nobody has asked yet");
    let asked: Vec<_> = (0..10)
        .map(|number| {
            let base = if number % 2 == 0 { &fixture.a } else { &fixture.b }.clone();
            tokio::spawn(async move { jwks(&base).await })
        })
        .collect();
    let mut answers = Vec::new();
    for answer in asked {
        answers.push(answer.await.unwrap());
    }
    let rows = stored(&fixture).await;
    let of: Vec<_> = rows.iter().map(|row| (row["alg"].as_str().unwrap(), row["number"].as_i64().unwrap())).collect();
    assert_eq!(of, [("ES256", 1), ("RS256", 1)]);
    let made: Vec<&str> = rows.iter().map(|row| row["kid"].as_str().unwrap()).collect();
    for answer in &answers {
        assert_eq!(kids(answer), made);
        assert_eq!(answer, &answers[0]);
    }
    assert_eq!(published(&fixture).await, made);
    for base in [&fixture.a, &fixture.b] {
        let tokens = Api::demo(base).signed_in(&Person::ada(base).await).await;
        assert_eq!(signer(&tokens), made[0]);
        assert_eq!(header(&tokens.member("id_token"))["kid"], made[1]);
    }
}

/// A request that began before another Worker made the keys, and reads them after that, finds them: an empty
/// set in KV would be everybody's until the next cron.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_from_before_the_first_keys_finds_them() {
    let fixture = Setup::default().start().await;
    fixture.fault(Worker::B, &Fault::new("DB", Mode::Slow(700), "FROM signing_keys")).await;
    let early = tokio::spawn({
        let base = fixture.b.clone();
        async move { jwks(&base).await }
    });
    sleep(200).await;
    let made = jwks(&fixture.a).await;
    assert_eq!(kids(&made).len(), 2);
    assert!(!early.is_finished(), "it still waits for D1");
    assert_eq!(early.await.unwrap(), made);
    assert_eq!(published(&fixture).await, kids(&made));
}

/// RFC 7517 5: public members only and distinct `kid`s (RFC 7638 thumbprints), one key of each algorithm;
/// open to scripts of every origin, kept by caches for as long as it says, and 304 to who has it.
#[tokio::test]
async fn the_jwks_is_public_cacheable_and_has_no_private_member() {
    let fixture = Fixture::shared();
    let api = Api::demo(&fixture.a);
    let answer = api.get("/jwks.json").await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    let jwks = answer.json();
    let keys = jwks["keys"].as_array().unwrap();
    assert_eq!(keys.iter().map(|jwk| jwk["alg"].as_str().unwrap()).collect::<HashSet<_>>(), HashSet::from(["ES256", "RS256"]));
    assert_eq!(kids(&jwks).into_iter().collect::<HashSet<_>>().len(), keys.len());
    for jwk in keys {
        assert_eq!(jwk["kid"], thumbprint(jwk));
        let names: HashSet<&str> = jwk.as_object().unwrap().keys().map(String::as_str).collect();
        let members = if jwk["kty"] == "EC" { ["crv", "x", "y"].as_slice() } else { &["n", "e"] };
        assert_eq!(names, ["kty", "kid", "alg", "use"].iter().chain(members).copied().collect());
    }
    assert_eq!(self::jwks(&fixture.b).await, jwks);

    let tag = answer.header("etag");
    for condition in [tag.to_owned(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let unchanged = Api::send(api.request("GET", "/jwks.json").header("if-none-match", &condition)).await;
        assert_eq!((unchanged.status, unchanged.body.as_str()), (304, ""), "{condition}");
        assert_eq!(unchanged.header("etag"), tag);
        assert_eq!(unchanged.header("cache-control"), "public, max-age=300");
        assert_eq!(unchanged.header("access-control-allow-origin"), "*");
    }
    let changed = Api::send(api.request("GET", "/jwks.json").header("if-none-match", "\"other\"")).await;
    assert_eq!((changed.status, changed.body), (200, answer.body.clone()));
    let preflight = Api::send(api.request("OPTIONS", "/jwks.json").header("origin", "https://app.example")).await;
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (204, "*"));
    let head = Api::send(api.request("HEAD", "/jwks.json")).await;
    assert_eq!((head.status, head.body.as_str(), head.header("etag")), (200, "", tag));
}

/// The JWKS costs no D1; without KV it comes from D1 and is put back; and private halves are in D1 only
/// sealed by the ring.
#[tokio::test]
async fn the_jwks_outlives_kv_and_private_keys_are_wrapped() {
    let fixture = Setup::default().start().await;
    let first = jwks(&fixture.a).await;
    let cost = async || {
        let mut lines = fixture.logs().await.into_iter().rev().map(|entry| entry["line"].clone());
        let cost = lines.find(|line| line["route"] == "jwks").unwrap()["cost"].clone();
        [cost["d1_trips"].as_i64().unwrap(), cost["kv"].as_i64().unwrap()]
    };
    // From memory; from KV by an isolate that is new; from D1 when KV is empty, and when it is down.
    assert_eq!(jwks(&fixture.a).await, first);
    assert_eq!(cost().await, [0, 0]);
    fixture.restart(json!({})).await;
    assert_eq!(jwks(&fixture.b).await, first);
    assert_eq!(cost().await, [0, 1]);
    fixture.restart(json!({})).await;
    fixture.set_kv("jwks", None).await;
    assert_eq!(jwks(&fixture.b).await, first);
    assert_eq!(cost().await, [1, 2]);
    assert_eq!(published(&fixture).await, kids(&first), "put back");
    fixture.fault(Worker::A, &Fault::new("PUBLISHED", Mode::Before, "get jwks")).await;
    assert_eq!(jwks(&fixture.a).await, first);
    assert_eq!(fixture.disarm(Worker::A).await, 0);

    let ring = ring(&fixture.secrets(Worker::A).await);
    let wrapper = Sealer { ring: &ring, issuer: "", epoch: 0 };
    let other = KeyRing::parse("1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "1").unwrap();
    let rows = stored(&fixture).await;
    assert_eq!(rows.len(), 2);
    for row in &rows {
        let sealed = row["wrapped"].as_str().unwrap();
        let key: WrappedKey = wrapper.open(sealed).unwrap();
        assert_eq!(row["kid"], thumbprint(&key.jwk));
        let private = key.jwk["d"].as_str().unwrap();
        assert!(!json!(rows).to_string().contains(private), "in no column");
        let bytes = from_base64url(sealed).unwrap();
        assert!(!bytes.windows(private.len()).any(|window| window == private.as_bytes()), "and not encoded");
        let stranger = Sealer { ring: &other, issuer: "", epoch: 0 }.open::<WrappedKey>(sealed);
        assert_eq!(stranger.err(), Some(OpenError::Bogus));
    }
}
