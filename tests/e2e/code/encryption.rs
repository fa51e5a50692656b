//! ID tokens and logout tokens that only their client can read: OpenID Connect Core 2, 10.2 and 16.14, RFC 7516.
//! What a client does is done by an implementation that shares no code with ours.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use latchkey::protocol::client::TOKEN_EXCHANGE;
use latchkey::protocol::secret::{base64url, from_base64url};
use openidconnect::JsonWebKey as _;
use serde_json::{Value, json};

use super::{OFFLINE, alg_of, assert_refused, jwks, key_of, p256, public, rows, rsa, trusted, verified};
use crate::harness::{Fixture, Setup, node};
use crate::judge::{Judge, Reply};
use crate::support::{Answer, Api, Person, claims, client, header, sleep};
use crate::web::{App, secret};

/// Somebody else's library.
fn jose(order: &Value) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/code/encryption/client.mjs");
    let mut process = Command::new(node()).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(order.to_string().as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "the library failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A client's key pair.
#[derive(Debug)]
struct Pair {
    private: Value,
    public: Value,
}

impl Pair {
    fn made(alg: &str, kid: &str) -> Self {
        let mut made = jose(&json!({ "make": alg, "kid": kid }));
        Self { private: made["private"].take(), public: made["public"].take() }
    }

    /// The header and the JWT in a JWE, or the library's error.
    fn open(&self, jwe: &str) -> Result<(Value, String), String> {
        let opened = jose(&json!({ "open": jwe, "key": self.private }));
        match opened["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok((opened["header"].clone(), opened["text"].as_str().unwrap().to_owned())),
        }
    }
}

/// Keys of clients.
struct Keys {
    ec: Pair,
    rsa: Pair,
    other: Pair,
}

fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| Keys {
        ec: Pair::made("ECDH-ES", "ec"),
        rsa: Pair::made("RSA-OAEP-256", "rsa"),
        other: Pair::made("ECDH-ES", "other"),
    })
}

fn set(keys: &[&Value]) -> Value {
    json!({ "keys": keys })
}

/// The metadata of a client that wants encrypted ID tokens.
fn wants(alg: &str, more: &Value) -> Value {
    let mut changes = json!({ "id_token_encrypted_response_alg": alg, "id_token_encrypted_response_enc": "A256GCM" });
    changes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    changes
}

/// The fixture and the server of its clients. What is fetched is used for a second.
fn fixture() -> (&'static Fixture, &'static Judge) {
    static SHARED: OnceLock<(Fixture, Judge)> = OnceLock::new();
    let (fixture, judge) = SHARED.get_or_init(|| {
        let (judge, keys) = (Judge::start(), keys());
        let at = |id: &str| judge.at(&format!("/{id}/jwks"));
        let (ec, rsa_key) = (&keys.ec.public, &keys.rsa.public);
        // Neither has a key that is for signatures alone; one comes first in each set.
        let (for_signing, also_for_signing) = (public(&p256("sig")), public(&rsa("sig")));
        let both = set(&[&for_signing, &also_for_signing, ec, rsa_key]);
        let mut beside_the_curve = ec.clone();
        beside_the_curve["y"] = beside_the_curve["x"].clone();
        let mut unnamed = ec.clone();
        unnamed.as_object_mut().unwrap().retain(|name, _| !["kid", "use", "alg"].contains(&name.as_str()));
        let device = wants("ECDH-ES", &json!({ "jwks": both }));
        let uri_of = |id: &str, alg: &str| trusted(id, &wants(alg, &json!({ "jwks_uri": at(id) })));
        let clients = [
            trusted("ec-inline", &wants("ECDH-ES", &json!({ "jwks": both }))),
            trusted("rsa-inline", &wants("RSA-OAEP-256", &json!({ "jwks": both, "id_token_signed_response_alg": "ES256" }))),
            uri_of("ec-uri", "ECDH-ES"),
            uri_of("rsa-uri", "RSA-OAEP-256"),
            uri_of("away", "ECDH-ES"),
            uri_of("keyless-uri", "ECDH-ES"),
            trusted("unnamed", &wants("ECDH-ES", &json!({ "jwks": set(&[&beside_the_curve, &unnamed]) }))),
            trusted("keyless", &wants("ECDH-ES", &json!({ "jwks": set(&[&for_signing, rsa_key, &beside_the_curve]) }))),
            trusted("changing", &json!({ "jwks": both })),
            client("changing-device", &[json!({ "jwks": both })]),
            client("device", &[device]),
            trusted("reader", &json!({ "resources": ["https://api.example"] })),
            trusted("guard", &json!({
                "protected_resources": ["https://api.example"], "jwks": both,
                "introspection_encrypted_response_alg": "ECDH-ES", "introspection_encrypted_response_enc": "A256GCM",
            })),
            trusted("swapping", &wants("ECDH-ES", &json!({
                "jwks": both, "grant_types": ["authorization_code", TOKEN_EXCHANGE], "token_exchange": { "id_token": true },
            }))),
            trusted(
                "hearing",
                &wants("RSA-OAEP-256", &json!({ "jwks_uri": at("hearing"), "backchannel_logout_uri": judge.at("/hearing") })),
            ),
        ];
        for id in ["ec-uri", "rsa-uri", "hearing"] {
            judge.answer(&format!("/{id}/jwks"), Reply::json(&both));
        }
        let setup = Setup::default()
            .var("OUTBOUND_ALLOW", &judge.host_port())
            .var("OUTBOUND_TIMEOUT", "1")
            .var("CLIENT_KEYS_CACHE", "1")
            .var("CLIENT_KEYS_REFETCH", "1")
            .var("LOGOUT_RETRY", "1")
            .var("DEVICE_INTERVAL", "1")
            .var("REGISTRATION", "open")
            .rate_limit("LIMIT_LOGIN", 1000);
        (setup.seed(&json!({ "clients": clients })).start_now(), judge)
    });
    (fixture, judge)
}

/// The JWT in an ID token that was encrypted to a key, and its verified claims.
async fn opened(fixture: &Fixture, pair: &Pair, id_token: &str) -> (String, Value) {
    let (said, jwt) = pair.open(id_token).unwrap();
    assert_eq!(said, header(id_token), "the header is protected");
    let mut expected = json!({ "alg": pair.private["alg"], "enc": "A256GCM", "cty": "JWT", "kid": pair.private["kid"] });
    if pair.private["alg"] == "ECDH-ES" {
        expected["epk"] = said["epk"].clone();
        let names: BTreeSet<&str> = said["epk"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            (names, &said["epk"]["crv"]),
            (BTreeSet::from(["crv", "kty", "x", "y"]), &json!("P-256")),
            "public members alone"
        );
    }
    assert_eq!(said, expected);
    let claims = verified(&jwks(&fixture.a).await, &jwt);
    (jwt, claims)
}

#[track_caller]
fn assert_try_again(answer: &Answer) {
    assert_eq!((answer.status, answer.error().as_str()), (503, "temporarily_unavailable"), "{}", answer.body);
    assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{:?}", answer.headers);
}

#[track_caller]
fn assert_keyless(answer: &Answer) {
    assert_refused(answer, "invalid_request");
    assert_eq!(answer.member("error_description"), "the client has no key to encrypt to");
}

/// Core 10.2: by a key of the client's set, inline or fetched; the signed ID token inside is as it would be without.
#[tokio::test]
async fn only_the_client_can_read_its_id_token() {
    let (fixture, judge) = fixture();
    let person = Person::ada(&fixture.a).await;
    let set = jwks(&fixture.a).await;
    let Keys { ec, rsa, other } = keys();
    for (id, pair, alg) in
        [("ec-inline", ec, "RS256"), ("rsa-inline", rsa, "ES256"), ("ec-uri", ec, "RS256"), ("rsa-uri", rsa, "RS256")]
    {
        let app = App::web(&fixture.a, id);
        let tokens = app.tokens(&person, &OFFLINE).await;
        let (id_token, access_token) = (tokens.member("id_token"), tokens.member("access_token"));
        assert_eq!(id_token.split('.').count(), 5, "{id_token}");
        let (jwt, said) = opened(fixture, pair, &id_token).await;
        assert_eq!((&said["iss"], &said["aud"], &said["nonce"]), (&json!(fixture.a), &json!(id), &json!("a nonce")));
        assert_eq!((&header(&jwt)["alg"], &header(&jwt)["typ"]), (&json!(alg), &json!("JWT")));
        let hash = key_of(&set, &jwt).hash_bytes(access_token.as_bytes(), &alg_of(&jwt)).unwrap();
        assert_eq!(said["at_hash"], base64url(&hash[..hash.len() / 2]));
        // The access token is for its resource server, and the client gets what it always got.
        assert_eq!(claims(&access_token)["sub"], said["sub"]);
        assert_eq!(app.api.userinfo(&access_token).await.json()["sub"], said["sub"]);
        // A refresh answers alike, at the other Worker too, and no two messages share a key.
        let later = app.at(&fixture.b).api.refresh(&tokens.member("refresh_token")).await;
        assert!(later.is_granted(), "{}", later.body);
        let renewed = later.member("id_token");
        assert_eq!(opened(fixture, pair, &renewed).await.1["sub"], said["sub"]);
        let [first, second] = [&id_token, &renewed].map(|jwe| jwe.split('.').map(str::to_owned).collect::<Vec<_>>());
        if id.starts_with("ec") {
            assert_eq!((first[1].as_str(), second[1].as_str()), ("", ""), "a key that is agreed on is not sent");
            assert_ne!(header(&id_token)["epk"], header(&renewed)["epk"]);
        } else {
            assert_ne!(first[1], second[1]);
            assert_eq!(from_base64url(&first[1]).unwrap().len(), 256);
        }
        assert_ne!(first[2], second[2]);
        assert_eq!((from_base64url(&first[2]).unwrap().len(), from_base64url(&first[4]).unwrap().len()), (12, 16));
    }
    assert!(judge.heard("/ec-uri/jwks").iter().all(|heard| heard.method == "GET" && heard.header("authorization").is_empty()));
    // Nobody else's key opens it, and nothing of it can be changed.
    let id_token = App::web(&fixture.a, "ec-inline").tokens(&person, &[]).await.member("id_token");
    assert_eq!(other.open(&id_token).unwrap_err(), "ERR_JWE_DECRYPTION_FAILED");
    for part in [0, 2, 3, 4] {
        let mut parts: Vec<String> = id_token.split('.').map(str::to_owned).collect();
        let changed = if part == 0 {
            let mut said = header(&id_token);
            said["kid"] = json!("another");
            base64url(said.to_string().as_bytes())
        } else {
            let mut bytes = from_base64url(&parts[part]).unwrap();
            bytes[0] ^= 1;
            base64url(&bytes)
        };
        parts[part] = changed;
        assert_eq!(ec.open(&parts.join(".")).unwrap_err(), "ERR_JWE_DECRYPTION_FAILED", "part {part}");
    }
}

/// A key without a name or a use is one too; a point beside the curve is none.
#[tokio::test]
async fn a_key_need_not_have_a_name_and_must_be_one() {
    let (fixture, _) = fixture();
    let tokens = App::web(&fixture.a, "unnamed").tokens(&Person::ada(&fixture.a).await, &[]).await;
    let (said, jwt) = keys().ec.open(&tokens.member("id_token")).unwrap();
    assert_eq!(said.get("kid"), None);
    verified(&jwks(&fixture.a).await, &jwt);
}

/// RFC 8628: a device is a client like any other.
#[tokio::test]
async fn a_device_gets_an_encrypted_id_token_too() {
    let (fixture, _) = fixture();
    let api = Api::public(&fixture.a, "device");
    let tokens = api.signed_in(&Person::ada(&fixture.a).await).await;
    let (_, said) = opened(fixture, &keys().ec, &tokens.member("id_token")).await;
    assert_eq!((&said["aud"], said["amr"].as_array().is_some()), (&json!("device"), true));
    let later = api.at(&fixture.b).refresh(&tokens.member("refresh_token")).await;
    opened(fixture, &keys().ec, &later.member("id_token")).await;
    // Without openid there is no ID token, encrypted or not.
    let sign_in = api.start_with(&[("scope", "profile")]).await;
    Person::ada(&fixture.a).await.approve(&sign_in.user_code).await;
    let tokens = api.poll(&sign_in).await;
    assert!(tokens.is_granted() && tokens.json().get("id_token").is_none(), "{}", tokens.body);
}

/// The client's server is down: nothing is spent, and nothing goes out unencrypted.
#[tokio::test]
async fn keys_that_cannot_be_had_now_spend_nothing() {
    let (fixture, judge) = fixture();
    let person = Person::ada(&fixture.a).await;
    let app = App::web(&fixture.a, "away");
    let good = Reply::json(&set(&[&keys().ec.public]));
    judge.answer("/away/jwks", Reply::new(500, "{}"));
    let code = app.code(&person, &OFFLINE).await;
    let before = rows(fixture, "away").await;
    for _ in 0..2 {
        assert_try_again(&app.redeem(&code).await);
    }
    assert_eq!(judge.heard("/away/jwks").len(), 1, "and it is not asked again at once");
    for broken in
        [Reply::hang_up(), Reply::new(200, "no JSON"), Reply::json(&json!([])), Reply::redirect(&judge.at("/ec-uri/jwks"))]
    {
        judge.answer("/away/jwks", broken);
        sleep(5_100).await;
        assert_try_again(&app.redeem(&code).await);
    }
    assert_eq!(rows(fixture, "away").await, before);
    // The code is as good as before, at the Worker that did not see the failure at once.
    judge.answer("/away/jwks", good.clone());
    let tokens = app.at(&fixture.b).redeem(&code).await;
    assert!(tokens.is_granted(), "{}", tokens.body);
    opened(fixture, &keys().ec, &tokens.member("id_token")).await;
    // Gone again, after what was kept is too old: the refresh token is not rotated.
    let at_b = app.at(&fixture.b).api;
    let token = tokens.member("refresh_token");
    judge.answer("/away/jwks", Reply::hang_up());
    sleep(1_100).await;
    let before = rows(fixture, "away").await;
    assert_try_again(&at_b.refresh(&token).await);
    assert_eq!(rows(fixture, "away").await, before);
    judge.answer("/away/jwks", good);
    sleep(5_100).await;
    let renewed = at_b.refresh(&token).await;
    assert!(renewed.is_granted(), "{}", renewed.body);
    opened(fixture, &keys().ec, &renewed.member("id_token")).await;
}

/// A key for signatures, of another kind, or beside the curve is not encrypted to: nothing is spent.
#[tokio::test]
async fn a_client_without_a_fitting_key_is_told() {
    let (fixture, judge) = fixture();
    let person = Person::ada(&fixture.a).await;
    let app = App::web(&fixture.a, "keyless");
    let code = app.code(&person, &OFFLINE).await;
    assert_keyless(&app.redeem(&code).await);
    assert_keyless(&app.redeem(&code).await);
    assert_eq!(rows(fixture, "keyless").await, Vec::<Value>::new());
    // It gets one: known at once, for a copy from memory never says no.
    put_jwks(fixture, "keyless", &set(&[&keys().other.public])).await;
    let tokens = app.redeem(&code).await;
    assert!(tokens.is_granted(), "{}", tokens.body);
    opened(fixture, &keys().other, &tokens.member("id_token")).await;
    put_jwks(fixture, "keyless", &set(&[&public(&p256("sig"))])).await;
    let before = rows(fixture, "keyless").await;
    let at_b = app.at(&fixture.b).api;
    assert_keyless(&at_b.refresh(&tokens.member("refresh_token")).await);
    assert_eq!(rows(fixture, "keyless").await, before);

    // Fetched: once more for a key that is not there, and then it is known that there is none.
    let app = App::web(&fixture.a, "keyless-uri");
    judge.answer("/keyless-uri/jwks", Reply::json(&set(&[&public(&p256("sig")), &keys().rsa.public])));
    let code = app.code(&person, &[]).await;
    assert_keyless(&app.redeem(&code).await);
    assert_eq!(rows(fixture, "keyless-uri").await, Vec::<Value>::new());
    judge.answer("/keyless-uri/jwks", Reply::json(&set(&[&public(&p256("sig")), &keys().ec.public])));
    sleep(1_100).await;
    let tokens = app.redeem(&code).await;
    assert!(tokens.is_granted(), "{}", tokens.body);
    opened(fixture, &keys().ec, &tokens.member("id_token")).await;
}

async fn put_jwks(fixture: &Fixture, client: &str, jwks: &Value) {
    let sql =
        "UPDATE clients SET metadata = json_set(metadata, '$.jwks', json(?2)), version = version + 1 WHERE id = ?1 RETURNING id";
    assert_eq!(fixture.d1(sql, &[client.into(), jwks.to_string().into()]).await.len(), 1);
}

/// What a client registers holds at every Worker at once, although one remembers it as it was.
#[tokio::test]
async fn a_client_that_changes_its_mind_gets_no_plain_token_any_more() {
    let (fixture, _) = fixture();
    let person = Person::ada(&fixture.a).await;
    let app = App::web(&fixture.a, "changing");
    let plain = app.tokens(&person, &OFFLINE).await;
    assert_eq!(plain.member("id_token").split('.').count(), 3);
    let codes = [app.code(&person, &[]).await, app.code(&person, &OFFLINE).await];
    let device = Api::public(&fixture.a, "changing-device");
    assert_eq!(device.signed_in(&person).await.member("id_token").split('.').count(), 3);
    let sign_in = device.start().await;
    person.approve(&sign_in.user_code).await;
    let sql = "UPDATE clients SET metadata = json_set(metadata, '$.id_token_encrypted_response_alg', 'ECDH-ES', \
               '$.id_token_encrypted_response_enc', 'A256GCM'), version = version + 1 \
               WHERE id LIKE 'changing%' RETURNING id";
    assert_eq!(fixture.d1(sql, &[]).await.len(), 2);
    let renewed = app.api.refresh(&plain.member("refresh_token")).await;
    opened(fixture, &keys().ec, &renewed.member("id_token")).await;
    for code in &codes {
        opened(fixture, &keys().ec, &app.redeem(code).await.member("id_token")).await;
    }
    opened(fixture, &keys().ec, &device.poll(&sign_in).await.member("id_token")).await;
}

/// RFC 8693: an ID token that was swapped for is one like any other.
#[tokio::test]
async fn an_id_token_by_exchange_is_encrypted_too() {
    let (fixture, _) = fixture();
    let app = App::web(&fixture.a, "swapping");
    let tokens = app.tokens(&Person::ada(&fixture.a).await, &[]).await;
    let subject = tokens.member("access_token");
    let swap = async |requested: &str| {
        let parameters = [
            ("grant_type", TOKEN_EXCHANGE),
            ("subject_token", &subject),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("requested_token_type", requested),
        ];
        app.api.post("/token", &parameters).await
    };
    let swapped = swap("urn:ietf:params:oauth:token-type:id_token").await;
    assert_eq!(swapped.status, 200, "{}", swapped.body);
    let (_, said) = opened(fixture, &keys().ec, &swapped.member("access_token")).await;
    assert_eq!((&said["sub"], &said["aud"]), (&claims(&subject)["sub"], &json!("swapping")));
    // Without a key there is none; an access token needs none.
    put_jwks(fixture, "swapping", &set(&[&public(&p256("sig"))])).await;
    assert_keyless(&swap("urn:ietf:params:oauth:token-type:id_token").await);
    assert_eq!(swap("urn:ietf:params:oauth:token-type:access_token").await.status, 200);
}

/// RFC 9701 5: what a resource server is told about a token, for its eyes alone.
#[tokio::test]
async fn introspection_answers_are_encrypted_to_who_wants_it() {
    let (fixture, _) = fixture();
    let tokens = App::web(&fixture.a, "reader").tokens(&Person::ada(&fixture.a).await, &[]).await;
    let (access_token, guard) = (tokens.member("access_token"), App::web(&fixture.a, "guard").api);
    let ask = async |base: &str, token: &str| {
        let request = guard.at(base).request("POST", "/introspect").basic_auth("guard", Some(secret("guard")));
        Api::send(request.header("accept", "application/token-introspection+jwt").form(&[("token", token)])).await
    };
    for (token, is_active) in [(access_token.as_str(), true), ("none of ours", false)] {
        let answer = ask(&fixture.a, token).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, "application/token-introspection+jwt"),
            "{}",
            answer.body
        );
        let (jwt, said) = opened(fixture, &keys().ec, &answer.body).await;
        assert_eq!(header(&jwt)["typ"], "token-introspection+jwt");
        assert_eq!((&said["aud"], &said["token_introspection"]["active"]), (&json!("guard"), &json!(is_active)));
        let told = said["token_introspection"].get("sub");
        assert_eq!(told, is_active.then(|| claims(&access_token)["sub"].clone()).as_ref());
    }
    put_jwks(fixture, "guard", &set(&[&public(&p256("sig"))])).await;
    assert_keyless(&ask(&fixture.b, &access_token).await);
}

/// RFC 7591: a client that registers itself may ask for it, and is refused what is not here.
#[tokio::test]
async fn a_client_that_registered_itself_gets_it_too() {
    let (fixture, judge) = fixture();
    judge.answer("/registered/jwks", Reply::json(&set(&[&keys().rsa.public])));
    let register = async |changes: &Value| {
        let mut body = wants(
            "RSA-OAEP-256",
            &json!({ "redirect_uris": ["https://registered.example/cb"], "jwks_uri": judge.at("/registered/jwks") }),
        );
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        Api::send(Api::public(&fixture.a, "").request("POST", "/register").json(&body)).await
    };
    let told = register(&json!({})).await;
    assert_eq!(told.status, 201, "{}", told.body);
    for member in ["id_token_encrypted_response_alg", "id_token_encrypted_response_enc"] {
        assert_eq!(told.json()[member], wants("RSA-OAEP-256", &json!({}))[member]);
    }
    let (id, secret) = (told.member("client_id"), told.member("client_secret"));
    let app = App {
        api: Api::basic(&fixture.a, &id, &secret),
        redirect_uri: "https://registered.example/cb".to_owned(),
        ..App::web(&fixture.a, &id)
    };
    let tokens = app.tokens(&Person::ada(&fixture.a).await, &[]).await;
    opened(fixture, &keys().rsa, &tokens.member("id_token")).await;
    for (member, value) in [
        // Left out it is A128CBC-HS256 (Registration 2), which is not here.
        ("id_token_encrypted_response_enc", json!(null)),
        ("id_token_encrypted_response_enc", json!("A128CBC-HS256")),
        ("id_token_encrypted_response_alg", json!(null)),
        ("id_token_encrypted_response_alg", json!("RSA1_5")),
        ("id_token_encrypted_response_alg", json!("ECDH-ES+A256KW")),
    ] {
        let answer = register(&json!({ member: value })).await;
        assert_refused(&answer, "invalid_client_metadata");
        let description = answer.member("error_description");
        assert!(description.starts_with(&format!("{member}: ")), "{value}: {description}");
        assert!(value != json!(null) || member.ends_with("alg") || description.contains("A256GCM"), "{description}");
    }
    let answer = register(&json!({ "jwks_uri": null })).await;
    assert!(answer.status == 400 && answer.member("error_description").starts_with("jwks: "), "{}", answer.body);
}

/// Back-Channel Logout 2.4 and 2.6: whoever negotiated encryption of ID tokens expects it of logout tokens. What
/// comes back as a hint is the JWT inside.
#[tokio::test]
async fn logout_tokens_are_encrypted_where_id_tokens_are() {
    let (fixture, judge) = fixture();
    judge.answer("/hearing", Reply::new(200, ""));
    let person = Person::ada(&fixture.a).await;
    let tokens = App::web(&fixture.a, "hearing").tokens(&person, &[]).await;
    let id_token = tokens.member("id_token");
    let (jwt, said) = opened(fixture, &keys().rsa, &id_token).await;
    assert_eq!(person.get(&format!("/logout?id_token_hint={id_token}")).await.status, 400, "we cannot read it either");
    // Its keys are away when the session ends: it is told when they are back.
    judge.answer("/hearing/jwks", Reply::new(503, ""));
    sleep(1_100).await;
    let answer = person.get(&format!("/logout?id_token_hint={jwt}")).await;
    assert!(answer.status == 200 && answer.body.contains("You are signed out"), "{answer:?}");
    judge.wait_for("/hearing/jwks", judge.heard("/hearing/jwks").len() + 1).await;
    assert_eq!(judge.heard("/hearing").len(), 0);
    judge.answer("/hearing/jwks", Reply::json(&set(&[&keys().rsa.public])));
    let heard = judge.wait_for("/hearing", 1).await.remove(0);
    let token = heard.body.strip_prefix("logout_token=").unwrap();
    let (outside, inside) = keys().rsa.open(token).unwrap();
    let expected = json!({ "alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "JWT", "kid": "rsa", "iss": fixture.a });
    assert_eq!(outside, expected);
    let told = verified(&jwks(&fixture.a).await, &inside);
    assert_eq!((&header(&inside)["typ"], &told["sid"], &told["aud"]), (&json!("logout+jwt"), &said["sid"], &json!("hearing")));
    assert_eq!((&told["iss"], told.get("nonce")), (&json!(fixture.a), None));
}

/// OpenID Connect Discovery 3, RFC 9701 7.
#[tokio::test]
async fn the_metadata_tells() {
    let (fixture, _) = fixture();
    let metadata = Api::public(&fixture.a, "").get("/.well-known/openid-configuration").await.json();
    for kind in ["id_token", "introspection"] {
        assert_eq!(metadata[format!("{kind}_encryption_alg_values_supported")], json!(["ECDH-ES", "RSA-OAEP-256"]));
        assert_eq!(metadata[format!("{kind}_encryption_enc_values_supported")], json!(["A256GCM"]));
    }
}
