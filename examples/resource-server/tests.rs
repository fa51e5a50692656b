use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::provider::{Alg, Provider, unix_time};
use crate::testing::{FakeProvider, p256_key, rsa_key, signed};
use crate::{Api, router};

type Change = Box<dyn FnOnce(&mut Value, &mut Value)>;

const AUDIENCE: &str = "https://api.example";
/// Longer than any test takes.
const LONG_PAUSE: Duration = Duration::from_mins(10);

struct Running {
    fake: FakeProvider,
    url: String,
    http: Client,
}

impl Running {
    async fn start() -> Self {
        Self::pausing(LONG_PAUSE).await
    }

    async fn pausing(pause: Duration) -> Self {
        let fake = FakeProvider::start(json!({}), axum::Router::new()).await;
        let mut provider = Provider::new(&fake.issuer).unwrap();
        provider.fetch_pause = pause;
        let (audience, algs) = (AUDIENCE.to_owned(), vec![Alg::ES256]);
        let reader_role = "engineer".to_owned();
        let api = Api { provider, audience, algs, reader_role, records: std::sync::Mutex::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, router(Arc::new(api))).await });
        Self { fake, url, http: Client::builder().no_proxy().build().unwrap() }
    }

    fn claims(&self) -> Value {
        let now = unix_time();
        json!({
            "iss": self.fake.issuer, "aud": [AUDIENCE, "https://other.example"], "sub": "ada", "client_id": "c", "jti": "1",
            "iat": now, "exp": now + 60, "scope": "openid records:read records:write",
        })
    }

    /// A good token but for what `change` does to header and claims.
    fn token(&self, change: impl FnOnce(&mut Value, &mut Value)) -> String {
        let (mut header, mut claims) = (json!({"alg": "ES256", "typ": "at+jwt", "kid": "k1"}), self.claims());
        change(&mut header, &mut claims);
        signed(&header, &claims)
    }

    fn get(&self, token: &str) -> RequestBuilder {
        self.http.get(format!("{}/records", self.url)).bearer_auth(token)
    }

    async fn status(&self, token: &str) -> u16 {
        self.get(token).send().await.unwrap().status().as_u16()
    }
}

/// Status and challenge.
async fn refusal(request: RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    let challenge = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), challenge.unwrap_or_default())
}

#[tokio::test]
async fn a_good_token_reads_and_writes_its_own_records() {
    let api = Running::start().await;
    let (ada, bob) = (api.token(|_, _| {}), api.token(|_, claims| claims["sub"] = json!("bob")));
    let add = |token: &str, body: Value| api.http.post(format!("{}/records", api.url)).bearer_auth(token).json(&body);
    assert_eq!(add(&ada, json!({"text": " first "})).send().await.unwrap().status(), 201);
    for bad in [json!({"text": "  "}), json!({"text": "x".repeat(501)}), json!({"text": 1}), json!({})] {
        assert!(add(&ada, bad.clone()).send().await.unwrap().status().is_client_error(), "{bad}");
    }
    let read = async |token| {
        let answer = api.get(token).send().await.unwrap();
        assert_eq!(answer.headers()["cache-control"], "no-store");
        answer.json::<Value>().await.unwrap()["records"].clone()
    };
    let records = read(&ada).await;
    assert_eq!((records.as_array().unwrap().len(), &records[0]["text"]), (1, &json!("first")));
    assert_eq!(read(&bob).await, json!([]));
    assert_eq!(api.http.get(format!("{}/healthz", api.url)).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn types_of_other_spelling_are_the_same_type() {
    let api = Running::start().await;
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"] {
        assert_eq!(api.status(&api.token(|header, _| header["typ"] = json!(typ))).await, 200, "{typ}");
    }
    let just_now = |_: &mut Value, claims: &mut Value| claims["exp"] = json!(unix_time() - 1);
    assert_eq!(api.status(&api.token(just_now)).await, 200, "within the leeway");
    assert_eq!(api.status(&api.token(|_, claims| claims["aud"] = json!(AUDIENCE))).await, 200, "one audience");
}

#[tokio::test]
async fn every_rule_of_access_tokens_is_kept() {
    let api = Running::start().await;
    let now = unix_time();
    let header = |name: &'static str, value: Value| -> Change { Box::new(move |header, _| header[name] = value) };
    let claim = |name: &'static str, value: Value| -> Change { Box::new(move |_, claims| claims[name] = value) };
    let without = |name: &'static str| -> Change {
        Box::new(move |header, claims| {
            header.as_object_mut().unwrap().remove(name);
            claims.as_object_mut().unwrap().remove(name);
        })
    };
    for (what, change) in [
        ("an ID token", header("typ", json!("JWT"))),
        ("no type", without("typ")),
        ("a logout token", header("typ", json!("logout+jwt"))),
        ("a critical header", header("crit", json!(["b64"]))),
        ("no signature", header("alg", json!("none"))),
        (
            "an algorithm that is not on the list",
            Box::new(|header, _| (header["alg"], header["kid"]) = (json!("RS256"), json!("r1"))),
        ),
        ("a key of another algorithm", header("kid", json!("r1"))),
        ("an unknown key", header("kid", json!("k2"))),
        ("another issuer", claim("iss", json!("https://other.example"))),
        ("another audience", claim("aud", json!("https://other.example"))),
        ("a part of the audience", claim("aud", json!([format!("{AUDIENCE}/")]))),
        ("no audience", without("aud")),
        ("expired", claim("exp", json!(now - 10))),
        ("no expiry", without("exp")),
        ("an expiry that is no number", claim("exp", json!("9999999999"))),
        ("not valid yet", claim("nbf", json!(now + 60))),
        ("from the future", claim("iat", json!(now + 60))),
        ("no time of issue", without("iat")),
        ("nobody", without("sub")),
        ("no client", without("client_id")),
        ("no id", without("jti")),
        ("bound to a key", claim("cnf", json!({"jkt": "x"}))),
    ] {
        let (status, challenge) = refusal(api.get(&api.token(change))).await;
        assert_eq!(status, 401, "{what}");
        assert!(challenge.starts_with(r#"Bearer realm="records", error="invalid_token", error_description=""#), "{challenge}");
    }
    // A signature that is somebody else's, or of the public key as a secret (HS256).
    let good = api.token(|_, _| {});
    let other = api.token(|_, claims| claims["sub"] = json!("bob"));
    let forged = format!("{}.{}", good.rsplit_once('.').unwrap().0, other.rsplit_once('.').unwrap().1);
    assert_eq!(api.status(&forged).await, 401);
    assert_eq!(api.status(&hs256_with_the_public_key(&good)).await, 401);
    assert_eq!(api.status("not.a.token").await, 401);
}

/// RFC 8725 2.1: a verifier that lets the token choose would take the public key as the secret.
fn hs256_with_the_public_key(good: &str) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use hmac::{Hmac, KeyInit, Mac};
    let header = URL_SAFE_NO_PAD.encode(json!({"alg": "HS256", "typ": "at+jwt", "kid": "k1"}).to_string());
    let input = format!("{header}.{}", good.split('.').nth(1).unwrap());
    let mut point = vec![4];
    for coordinate in ["x", "y"] {
        point.extend(URL_SAFE_NO_PAD.decode(p256_key("k1")[coordinate].as_str().unwrap()).unwrap());
    }
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&point).unwrap();
    mac.update(input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

#[tokio::test]
async fn requests_are_refused_as_rfc_6750_says() {
    let api = Running::start().await;
    let url = format!("{}/records", api.url);
    let plain = (401, r#"Bearer realm="records""#.to_owned());
    assert_eq!(refusal(api.http.get(&url)).await, plain);
    assert_eq!(refusal(api.http.get(&url).basic_auth("a", Some("b"))).await, plain);
    let good = api.token(|_, _| {});
    for request in [
        api.get(&good).header("Authorization", format!("Bearer {good}")),
        api.get(&good).query(&[("access_token", &good)]),
        api.http.get(&url).query(&[("access_token", &good)]),
        api.http.get(&url).header("Authorization", "Bearer"),
        api.http.get(&url).header("Authorization", "Bearer a b"),
    ] {
        let (status, challenge) = refusal(request).await;
        assert_eq!(status, 400);
        assert!(challenge.contains(r#"error="invalid_request""#), "{challenge}");
    }
    let reader = api.token(|_, claims| claims["scope"] = json!("records:read records:writer"));
    assert_eq!(api.status(&reader).await, 200);
    let (status, challenge) = refusal(api.http.post(&url).bearer_auth(&reader).body("no JSON")).await;
    assert_eq!(status, 403);
    assert!(
        challenge.contains(r#"error="insufficient_scope""#) && challenge.ends_with(r#", scope="records:write""#),
        "{challenge}"
    );
    assert_eq!(api.status(&api.token(|_, claims| claims["scope"] = json!(""))).await, 403);
}

#[tokio::test]
async fn a_service_a_role_and_an_actor_are_seen() {
    let api = Running::start().await;
    let get = async |path: &str, token: &str| {
        let request = api.http.get(format!("{}{path}", api.url)).bearer_auth(token);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let service = api.token(|_, claims| (claims["sub"], claims["scope"]) = (json!("c"), json!("records:read")));
    let seen = json!({"subject": "c", "client_id": "c", "scope": "records:read", "roles": [], "service": true});
    assert_eq!(get("/caller", &service).await, (200, seen));
    assert_eq!(get("/records", &service).await, (200, json!({"records": []})));

    let act = json!({"sub": "helpdesk", "act": {"sub": "before"}});
    let delegated = api.token(|_, claims| (claims["act"], claims["roles"]) = (act.clone(), json!(["engineer", 1])));
    let (_, seen) = get("/caller", &delegated).await;
    assert_eq!((&seen["act"], &seen["roles"], &seen["service"]), (&act, &json!(["engineer"]), &json!(false)));
    let add = api.http.post(format!("{}/records", api.url)).bearer_auth(&delegated).json(&json!({"text": "for her"}));
    let added: Value = add.send().await.unwrap().json().await.unwrap();
    assert_eq!(added["actor"], "helpdesk");

    let (status, all) = get("/records/all", &delegated).await;
    let first = &all["records"][0];
    assert_eq!((status, &first["subject"], &first["text"]), (200, &json!("ada"), &json!("for her")));
    for roles in [json!(["customer"]), json!([]), json!("engineer"), json!({"engineer": true}), json!(["engineers"])] {
        let token = api.token(|_, claims| claims["roles"] = roles.clone());
        let (status, challenge) = refusal(api.http.get(format!("{}/records/all", api.url)).bearer_auth(&token)).await;
        assert!(status == 403 && challenge.contains(r#"error="insufficient_scope""#), "{roles}: {status} {challenge}");
    }
    let unscoped = api.token(|_, claims| (claims["roles"], claims["scope"]) = (json!(["engineer"]), json!("openid")));
    assert_eq!((get("/records/all", &unscoped).await.0, get("/records/all", "x").await.0), (403, 401));
}

#[tokio::test]
async fn keys_are_fetched_once_and_not_for_each_invented_one() {
    let api = Running::start().await;
    let good = api.token(|_, _| {});
    let together: Vec<_> = (0..8).map(|_| tokio::spawn(api.get(&good).send())).collect();
    for answer in together {
        assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    }
    for kid in ["k2", "k3", "k4"] {
        assert_eq!(api.status(&api.token(|header, _| header["kid"] = json!(kid))).await, 401);
    }
    assert_eq!(api.fake.fetches.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn new_keys_are_found_and_old_ones_outlive_an_outage() {
    let api = Running::pausing(Duration::ZERO).await;
    let (one, two) = (api.token(|_, _| {}), api.token(|header, _| header["kid"] = json!("k2")));
    *api.fake.jwks.lock().unwrap() = None;
    let answer = api.get(&one).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (503, "5"));
    api.fake.publish(&[p256_key("k1"), rsa_key("r1")]);
    assert_eq!((api.status(&one).await, api.status(&two).await), (200, 401));
    *api.fake.jwks.lock().unwrap() = None;
    assert_eq!((api.status(&one).await, api.status(&two).await), (200, 503));
    *api.fake.jwks.lock().unwrap() = Some(json!({"keys": []}));
    assert_eq!((api.status(&one).await, api.status(&two).await), (200, 503));
    api.fake.publish(&[p256_key("k2")]);
    assert_eq!((api.status(&two).await, api.status(&one).await), (200, 401));
}

#[test]
fn issuers_are_https_or_this_machine() {
    for good in ["https://a.example", "http://localhost:1", "http://127.0.0.1:1/t", "http://[::1]:1"] {
        assert!(Provider::new(good).is_ok(), "{good}");
    }
    for bad in ["http://a.example", "ftp://localhost", "https://u@a.example", "https://a.example/?x", "https://a.example/#x", "x"]
    {
        assert!(Provider::new(bad).is_err(), "{bad}");
    }
}
