use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::{Client, Response, Url, redirect::Policy};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::provider::{Alg, Provider, unix_time};
use crate::rules::{Logout, hash_of, id_token, logout_token};
use crate::testing::{FakeProvider, signed};
use crate::{Args, portal, routes};

const CLIENT: &str = "the portal";
const SECRET: &str = "s:e c/r";

/// Behind the fake provider's token endpoint, and the API.
#[derive(Default)]
struct Fake {
    issuer: OnceLock<String>,
    /// Challenge and nonce, by code
    codes: Mutex<HashMap<String, (String, String)>>,
    issued: AtomicUsize,
    refreshes: AtomicUsize,
    /// What the token endpoint answers to a refresh instead of tokens
    refresh_error: Mutex<Option<(u16, Value)>>,
    expires_in: AtomicUsize,
    revoked: Mutex<Vec<String>>,
    records: Mutex<Vec<String>>,
}

impl Fake {
    fn tokens(&self, nonce: Option<&str>) -> Value {
        let number = self.issued.fetch_add(1, Ordering::SeqCst);
        let (access, now) = (format!("access {number}"), unix_time());
        let mut claims = json!({
            "iss": self.issuer.get(), "sub": "ada", "aud": CLIENT, "sid": "s1", "iat": now, "exp": now + 60, "at_hash": hash_of(&access),
        });
        if let Some(nonce) = nonce {
            claims["nonce"] = json!(nonce);
        }
        json!({
            "token_type": "bearer", "access_token": access, "expires_in": self.expires_in.load(Ordering::SeqCst),
            "refresh_token": format!("refresh {number}"), "id_token": signed(&json!({"alg": "ES256", "kid": "k1"}), &claims),
        })
    }
}

async fn token(
    State(fake): State<Arc<Fake>>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> (StatusCode, Json<Value>) {
    let refused = |error: &str| (StatusCode::BAD_REQUEST, Json(json!({"error": error, "error_description": "<b>no</b>"})));
    let basic = format!("Basic {}", STANDARD.encode("the+portal:s%3Ae+c%2Fr"));
    if headers["authorization"] != basic.as_str() {
        return refused("invalid_client");
    }
    if form["grant_type"] == "refresh_token" {
        fake.refreshes.fetch_add(1, Ordering::SeqCst);
        if let Some((status, body)) = fake.refresh_error.lock().unwrap().clone() {
            return (StatusCode::from_u16(status).unwrap(), Json(body));
        }
        // The tests below want to meet it under way.
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        fake.expires_in.store(300, Ordering::SeqCst);
        return (StatusCode::OK, Json(fake.tokens(None)));
    }
    let Some((challenge, nonce)) = fake.codes.lock().unwrap().remove(&form["code"]) else {
        return refused("invalid_grant");
    };
    let verifier: [u8; 32] = Sha256::digest(&form["code_verifier"]).into();
    assert_eq!(URL_SAFE_NO_PAD.encode(verifier), challenge);
    assert!(form["redirect_uri"].ends_with("/callback"));
    (StatusCode::OK, Json(fake.tokens(Some(&nonce))))
}

async fn list(State(fake): State<Arc<Fake>>, headers: HeaderMap) -> Result<Json<Value>, StatusCode> {
    // The API knows the newest access token alone.
    let newest = format!("Bearer access {}", fake.issued.load(Ordering::SeqCst) - 1);
    if headers["authorization"] != newest.as_str() {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let records: Vec<_> = fake.records.lock().unwrap().iter().map(|text| json!({"text": text})).collect();
    Ok(Json(json!({"records": records})))
}

async fn add(State(fake): State<Arc<Fake>>, Json(body): Json<Value>) -> StatusCode {
    fake.records.lock().unwrap().push(body["text"].as_str().unwrap().to_owned());
    StatusCode::CREATED
}

/// The portal, the provider, the API and a browser that follows no redirect.
struct Running {
    op: FakeProvider,
    fake: Arc<Fake>,
    url: String,
    browser: Client,
}

fn browser() -> Client {
    Client::builder().cookie_store(true).no_proxy().redirect(Policy::none()).build().unwrap()
}

impl Running {
    async fn start() -> Self {
        let fake = Arc::new(Fake::default());
        fake.expires_in.store(300, Ordering::SeqCst);
        let revoke = async |State(fake): State<Arc<Fake>>, Form(form): Form<HashMap<String, String>>| {
            fake.revoked.lock().unwrap().push(form["token"].clone());
        };
        let userinfo = async || Json(json!({"sub": "ada", "name": "Ada <Lovelace>", "email": "ada@ada.example"}));
        let more = Router::new()
            .route("/token", post(token))
            .route("/revoke", post(revoke))
            .route("/userinfo", get(userinfo))
            .route("/records", get(list).post(add))
            .with_state(Arc::clone(&fake));
        let metadata = json!({
            "authorization_endpoint": "/authorize?realm=1", "token_endpoint": "/token", "revocation_endpoint": "/revoke",
            "userinfo_endpoint": "/userinfo", "end_session_endpoint": "/end", "authorization_response_iss_parameter_supported": true,
        });
        let op = FakeProvider::start(metadata, more).await;
        fake.issuer.set(op.issuer.clone()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listen = listener.local_addr().unwrap().to_string();
        let url = format!("http://{listen}");
        let mut portal = portal(args(&op.issuer, &listen, None)).unwrap();
        portal.oauth.client_secret = SECRET.to_owned();
        tokio::spawn(async { axum::serve(listener, routes::router(Arc::new(portal))).await });
        Self { op, fake, url, browser: browser() }
    }

    async fn get(&self, path: &str) -> Response {
        self.browser.get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Response {
        self.browser.post(format!("{}{path}", self.url)).form(form).send().await.unwrap()
    }

    /// Starts a sign-in and lets the provider say yes; what it sends the browser back with.
    async fn approved(&self) -> HashMap<String, String> {
        let url = location(&self.get("/login").await);
        let mut asked: HashMap<String, String> = Url::parse(&url).unwrap().query_pairs().into_owned().collect();
        let code = format!("code {}", asked["state"]);
        let (challenge, nonce) = (asked.remove("code_challenge").unwrap(), asked.remove("nonce").unwrap());
        self.fake.codes.lock().unwrap().insert(code.clone(), (challenge, nonce));
        let state = asked.remove("state").unwrap();
        HashMap::from([("code".to_owned(), code), ("state".to_owned(), state), ("iss".to_owned(), self.op.issuer.clone())])
    }

    async fn callback(&self, answer: &HashMap<String, String>) -> Response {
        self.browser.get(format!("{}/callback", self.url)).query(answer).send().await.unwrap()
    }

    /// Signs in; the `csrf` of the page after it.
    async fn sign_in(&self) -> String {
        let answer = self.approved().await;
        assert_eq!(location(&self.callback(&answer).await), "/");
        between(&self.get("/").await.text().await.unwrap(), r#"name="csrf" value=""#, "\"")
    }

    async fn logout(&self, change: impl FnOnce(&mut Value, &mut Value)) -> (u16, String) {
        let (mut header, mut claims) = logout_parts(&self.op.issuer);
        change(&mut header, &mut claims);
        let answer = self.post("/backchannel-logout", &[("logout_token", &signed(&header, &claims))]).await;
        assert_eq!(answer.headers()["cache-control"], "no-store");
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

fn args(issuer: &str, listen: &str, origin: Option<&str>) -> Args {
    // Any file will do for a secret.
    let secret = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let fixed = ["portal", "--client-id", CLIENT, "--id-token-alg", "ES256", "--client-secret-file", secret];
    let given = ["--issuer", issuer, "--api", issuer, "--listen", listen];
    let origin = origin.into_iter().flat_map(|origin| ["--origin", origin]);
    clap::Parser::try_parse_from(fixed.into_iter().chain(given).chain(origin)).unwrap()
}

fn logout_parts(issuer: &str) -> (Value, Value) {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let (number, now) = (NEXT.fetch_add(1, Ordering::SeqCst), unix_time());
    let claims = json!({
        "iss": issuer, "aud": CLIENT, "iat": now, "exp": now + 60, "jti": format!("{number}"), "sid": "s1", "sub": "ada",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    });
    (json!({"alg": "ES256", "kid": "k1", "typ": "logout+jwt"}), claims)
}

fn location(response: &Response) -> String {
    assert_eq!(response.status(), 303);
    response.headers()["location"].to_str().unwrap().to_owned()
}

fn cookies(response: &Response) -> Vec<String> {
    response.headers().get_all("set-cookie").iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}

fn between(text: &str, before: &str, after: &str) -> String {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split(after).next().unwrap().to_owned()
}

#[tokio::test]
async fn a_person_signs_in_works_and_signs_out() {
    let all = Running::start().await;
    assert!(all.get("/").await.text().await.unwrap().contains(r#"id="sign-in""#));
    let login = all.get("/login").await;
    let [cookie] = &cookies(&login)[..] else { panic!("one cookie") };
    assert!(cookie.contains("; HttpOnly; SameSite=Lax; Max-Age=600") && !cookie.contains("Secure"), "{cookie}");
    let url = Url::parse(&location(&login)).unwrap();
    let asked: HashMap<_, _> = url.query_pairs().into_owned().collect();
    let redirect = format!("{}/callback", all.url);
    for (name, value) in [
        ("realm", "1"),
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", &redirect),
        ("scope", "openid profile email offline_access records:read records:write"),
        ("resource", &all.op.issuer),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(asked[name], value, "{name}");
    }
    assert!(!asked.contains_key("prompt"));

    let answer = all.approved().await;
    let done = all.callback(&answer).await;
    assert_eq!(location(&done), "/");
    let session = cookies(&done).into_iter().find(|cookie| cookie.starts_with("portal-session=")).unwrap();
    assert!(session.contains("; HttpOnly; SameSite=Lax; Max-Age=43200"), "{session}");
    let home = all.get("/").await;
    let policy = home.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    assert!(policy.contains(&format!("form-action 'self' {};", all.op.issuer)), "{policy}");
    let home = home.text().await.unwrap();
    assert_eq!(between(&home, r#"id="who">"#, "<").replace("&#60;", "(").replace("&#62;", ")"), "Ada (Lovelace)");
    assert!(home.contains("ada@ada.example") && !home.contains("access 0"));
    assert!((290..=300).contains(&between(&home, r#"id="expires">"#, "<").parse::<i32>().unwrap()));
    let csrf = between(&home, r#"name="csrf" value=""#, "\"");

    assert_eq!(location(&all.post("/records", &[("csrf", &csrf), ("text", "<i>one</i>")]).await), "/");
    let home = all.get("/").await.text().await.unwrap();
    assert!(home.contains("<li>&#60;i&#62;one&#60;/i&#62;</li>"), "{home}");
    let before = between(&home, r#"id="access-token-id">"#, "<");
    assert_eq!(location(&all.post("/refresh", &[("csrf", &csrf)]).await), "/");
    let after = between(&all.get("/").await.text().await.unwrap(), r#"id="access-token-id">"#, "<");
    assert!(before != after && after.len() == 8, "{before} {after}");

    let out = all.post("/logout", &[("csrf", &csrf)]).await;
    let url = Url::parse(&location(&out)).unwrap();
    let told: HashMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!((url.path(), told["client_id"].as_str()), ("/end", CLIENT));
    assert_eq!(told["post_logout_redirect_uri"], format!("{}/signed-out", all.url));
    assert_eq!(told["id_token_hint"].split('.').count(), 3);
    assert_eq!(*all.fake.revoked.lock().unwrap(), ["refresh 1"]);
    assert!(all.get("/").await.text().await.unwrap().contains(r#"id="sign-in""#));
    let page = async |path: &str| all.get(path).await.text().await.unwrap();
    let signed_out = format!("/signed-out?state={}", told["state"]);
    assert!(page(&signed_out).await.contains(r#"id="signed-out">You are signed out here and at the provider."#));
    assert!(page(&signed_out).await.contains(r#"id="signed-out">You are signed out here."#), "once");
}

#[tokio::test]
async fn a_session_id_lives_from_one_sign_in_to_the_next() {
    let all = Running::start().await;
    let id = |response: &Response| between(&cookies(response).join("\n"), "portal-session=", ";");
    let (one, two) = (all.approved().await, all.approved().await);
    let first = id(&all.callback(&one).await);
    let refused = all.callback(&two).await;
    assert_eq!(refused.status(), 400, "the first sign-in ended the cookie of both");
    let second = id(&all.callback(&all.approved().await).await);
    assert_ne!(first, second);
    let old = Client::builder().no_proxy().build().unwrap().get(&all.url).header("cookie", format!("portal-session={first}"));
    assert!(old.send().await.unwrap().text().await.unwrap().contains(r#"id="sign-in""#));
}

#[tokio::test]
async fn answers_that_nobody_asked_for_are_refused() {
    let all = Running::start().await;
    let shown = async |answer: Response| {
        let status = answer.status().as_u16();
        (status, between(&answer.text().await.unwrap(), r#"id="error" role="alert">"#, "</p>"))
    };
    let good = all.approved().await;
    let with = |name: &str, value: &str| {
        let mut answer = good.clone();
        answer.insert(name.to_owned(), value.to_owned());
        answer
    };
    assert_eq!(shown(all.callback(&with("state", "x")).await).await.0, 400);
    let other = Running {
        op: FakeProvider::start(json!({}), Router::new()).await,
        browser: browser(),
        fake: Arc::default(),
        url: all.url.clone(),
    };
    assert_eq!(shown(other.callback(&good).await).await.0, 400, "another browser");
    assert_eq!(shown(all.get("/callback?state=a&state=b&code=c").await).await.0, 400);
    // A refused state is not used up by others, but by its own browser it is, whatever comes of it.
    assert_eq!(shown(all.callback(&with("iss", "https://other.example")).await).await.0, 400);
    assert_eq!(shown(all.callback(&good).await).await.0, 400, "a second time");
    let mut silent = all.approved().await;
    silent.remove("iss");
    assert_eq!(shown(all.callback(&silent).await).await.0, 400, "iss was promised");
    let mut denied = all.approved().await;
    denied.remove("code");
    denied.extend([("error".to_owned(), "access_denied".to_owned()), ("error_description".to_owned(), "<script>".to_owned())]);
    let (status, text) = shown(all.callback(&denied).await).await;
    assert_eq!((status, text.as_str()), (400, "<strong>access_denied</strong>: &#60;script&#62;"));
    let mut bogus = all.approved().await;
    bogus.insert("code".to_owned(), "bogus".to_owned());
    let (status, text) = shown(all.callback(&bogus).await).await;
    assert_eq!((status, text.as_str()), (502, "<strong>invalid_grant</strong>: &#60;b&#62;no&#60;/b&#62;"));
    assert!(all.get("/").await.text().await.unwrap().contains(r#"id="sign-in""#));
}

#[tokio::test]
async fn forms_of_other_sites_do_nothing() {
    let all = Running::start().await;
    let csrf = all.sign_in().await;
    for path in ["/records", "/refresh", "/logout"] {
        assert_eq!(all.post(path, &[("text", "x")]).await.status(), 403, "{path}");
        assert_eq!(all.post(path, &[("csrf", "x"), ("text", "x")]).await.status(), 403, "{path}");
        assert_eq!(all.get(path).await.status(), 405, "{path}");
    }
    assert!(all.fake.records.lock().unwrap().is_empty() && all.fake.refreshes.load(Ordering::SeqCst) == 0);
    assert_eq!(location(&all.post("/refresh", &[("csrf", &csrf)]).await), "/");
}

#[tokio::test]
async fn one_refresh_serves_all_who_wait_for_it() {
    let all = Running::start().await;
    all.fake.expires_in.store(1, Ordering::SeqCst);
    let answer = all.approved().await;
    all.callback(&answer).await;
    let asked: Vec<_> = (0..5).map(|_| tokio::spawn(all.browser.get(&all.url).send())).collect();
    for page in asked {
        assert!(page.await.unwrap().unwrap().text().await.unwrap().contains("Ada"));
    }
    assert_eq!(all.fake.refreshes.load(Ordering::SeqCst), 1);
    // The API refuses what looks good: one refresh more, then it is taken.
    all.fake.issued.fetch_add(1, Ordering::SeqCst);
    let page = all.get("/").await;
    assert_eq!((page.status().as_u16(), all.fake.refreshes.load(Ordering::SeqCst)), (200, 2));
}

#[tokio::test]
async fn invalid_grant_ends_the_session_and_an_outage_does_not() {
    let all = Running::start().await;
    let csrf = all.sign_in().await;
    let error = |status, body| *all.fake.refresh_error.lock().unwrap() = Some((status, body));
    error(503, json!({}));
    let page = all.post("/refresh", &[("csrf", &csrf)]).await;
    assert_eq!(page.status(), 502);
    let page = page.text().await.unwrap();
    assert!(page.contains(r#"id="error""#) && page.contains(r#"id="who""#), "{page}");
    error(400, json!({"error": "invalid_grant", "error_description": "over"}));
    let page = all.post("/refresh", &[("csrf", &csrf)]).await;
    assert!(cookies(&page).iter().any(|cookie| cookie.starts_with("portal-session=;")));
    let page = page.text().await.unwrap();
    assert!(page.contains("Your sign-in has ended: over") && page.contains(r#"id="sign-in""#), "{page}");
    assert!(!all.get("/").await.text().await.unwrap().contains(r#"id="who""#));
}

#[tokio::test]
async fn the_provider_ends_sessions_behind_the_browser() {
    let all = Running::start().await;
    let is_signed_in = async || all.get("/").await.text().await.unwrap().contains(r#"id="who""#);
    all.sign_in().await;
    let other = |name: &'static str| move |_: &mut Value, claims: &mut Value| claims[name] = json!("other");
    for name in ["sid", "sub"] {
        assert_eq!(all.logout(other(name)).await.0, 200);
        assert!(is_signed_in().await, "another {name}");
    }
    let (status, text) = all.logout(|header, _| header["typ"] = json!("JWT")).await;
    assert!(status == 400 && text.contains(r#""error":"invalid_request""#) && is_signed_in().await, "{text}");
    assert_eq!(all.post("/backchannel-logout", &[]).await.status(), 400);
    for gone in ["sid", "sub"] {
        let without = |_: &mut Value, claims: &mut Value| drop(claims.as_object_mut().unwrap().remove(gone));
        assert_eq!(all.logout(without).await.0, 200);
        assert!(!is_signed_in().await, "without {gone}");
        all.sign_in().await;
    }
    let once = |_: &mut Value, claims: &mut Value| claims["jti"] = json!("once");
    assert_eq!(all.logout(once).await.0, 200);
    assert!(!is_signed_in().await);
    all.sign_in().await;
    assert_eq!(all.logout(once).await.0, 400);
    assert!(is_signed_in().await);
}

type Change = Box<dyn FnOnce(&mut Value, &mut Value)>;

fn header(name: &'static str, value: Value) -> Change {
    Box::new(move |header, _| header[name] = value)
}

fn claim(name: &'static str, value: Value) -> Change {
    Box::new(move |_, claims| claims[name] = value)
}

fn without(name: &'static str) -> Change {
    Box::new(move |_, claims| drop(claims.as_object_mut().unwrap().remove(name)))
}

#[tokio::test]
async fn every_rule_of_id_tokens_is_kept() {
    let op = FakeProvider::start(json!({}), Router::new()).await;
    let provider = Provider::new(&op.issuer).unwrap();
    let (access, now) = ("an access token", unix_time());
    let taken = async |change: Change, is_first| {
        let mut header = json!({"alg": "ES256", "kid": "k1", "typ": "JWT"});
        let mut claims = json!({
            "iss": op.issuer, "sub": "ada", "aud": CLIENT, "nonce": "n", "iat": now, "exp": now + 60, "at_hash": hash_of(access),
        });
        change(&mut header, &mut claims);
        let alg = if header["kid"] == "r1" { Alg::RS256 } else { Alg::ES256 };
        id_token(&provider, (CLIENT, alg), &signed(&header, &claims), ("n", is_first), access).await
    };
    let rsa =
        |alg: &'static str| -> Change { Box::new(move |header, _| (header["alg"], header["kid"]) = (json!(alg), json!("r1"))) };
    for (what, change, is_first) in [
        ("as it should be", claim("sub", json!("ada")), true),
        ("with RSA", rsa("RS256"), true),
        ("no type, no at_hash", without("at_hash"), true),
        (
            "for many, authorized for us",
            Box::new(|_: &mut Value, claims: &mut Value| {
                (claims["aud"], claims["azp"]) = (json!([CLIENT, "other"]), json!(CLIENT));
            }) as Change,
            true,
        ),
        ("no nonce after a refresh", without("nonce"), false),
    ] {
        assert_eq!(taken(change, is_first).await.unwrap().text("sub"), Some("ada"), "{what}");
    }
    for (what, change, is_first) in [
        ("no signature", header("alg", json!("none")), true),
        ("a shared secret's algorithm", header("alg", json!("HS256")), true),
        ("an algorithm that was not registered", rsa("PS256"), true),
        ("an unknown key", header("kid", json!("k2")), true),
        ("an access token", header("typ", json!("at+jwt")), true),
        ("a logout token", header("typ", json!("logout+jwt")), true),
        ("another issuer", claim("iss", json!("https://other.example")), true),
        ("another audience", claim("aud", json!("other")), true),
        ("for many, nobody in particular", claim("aud", json!([CLIENT, "other"])), true),
        ("authorized for another", claim("azp", json!("other")), true),
        ("expired", claim("exp", json!(now - 10)), true),
        ("from the future", claim("iat", json!(now + 60)), true),
        ("nobody", without("sub"), true),
        ("no nonce", without("nonce"), true),
        ("another nonce", claim("nonce", json!("m")), true),
        ("another nonce after a refresh", claim("nonce", json!("m")), false),
        ("another access token", claim("at_hash", json!(hash_of("another"))), true),
    ] {
        assert!(taken(change, is_first).await.is_err(), "{what}");
    }
}

#[tokio::test]
async fn every_rule_of_logout_tokens_is_kept() {
    let op = FakeProvider::start(json!({}), Router::new()).await;
    let provider = Provider::new(&op.issuer).unwrap();
    let now = unix_time();
    let taken = async |change: Change| {
        let (mut header, mut claims) = logout_parts(&op.issuer);
        change(&mut header, &mut claims);
        logout_token(&provider, (CLIENT, Alg::ES256), &signed(&header, &claims)).await
    };
    let all = taken(claim("jti", json!("j"))).await.unwrap();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(all, Logout { sid: text("s1"), sub: text("ada"), jti: "j".to_owned(), expires_at: now + 60 });
    for (what, change) in [
        ("no signature", header("alg", json!("none"))),
        ("an ID token", header("typ", json!("JWT"))),
        ("no type", header("typ", Value::Null)),
        ("another issuer", claim("iss", json!("https://other.example"))),
        ("another audience", claim("aud", json!("other"))),
        ("expired", claim("exp", json!(now - 10))),
        ("no expiry", without("exp")),
        ("no time of issue", without("iat")),
        ("from the future", claim("iat", json!(now + 60))),
        ("no id", without("jti")),
        ("no events", without("events")),
        ("another event", claim("events", json!({"other": {}}))),
        ("an event that is no object", claim("events", json!({"http://schemas.openid.net/event/backchannel-logout": true}))),
        ("a nonce", claim("nonce", json!("n"))),
        ("nobody", Box::new(|_: &mut Value, claims: &mut Value| (claims["sid"], claims["sub"]) = (json!(""), Value::Null))),
    ] {
        assert!(taken(change).await.is_err(), "{what}");
    }
}

#[tokio::test]
async fn with_https_cookies_are_the_hosts_own() {
    let op = FakeProvider::start(json!({"authorization_endpoint": "/authorize"}), Router::new()).await;
    let portal = portal(args(&op.issuer, "localhost:1", Some("https://portal.example"))).unwrap();
    assert_eq!(portal.oauth.redirect_uri, "https://portal.example/callback");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/login", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, routes::router(Arc::new(portal))).await });
    let [cookie] = &cookies(&browser().get(url).send().await.unwrap())[..] else { panic!("one cookie") };
    assert!(cookie.starts_with("__Host-portal-sign-in=") && cookie.ends_with("; Secure"), "{cookie}");
    for bad in ["https://portal.example/", "http://portal.example", "portal.example"] {
        assert!(crate::portal(args(&op.issuer, "localhost:1", Some(bad))).is_err(), "{bad}");
    }
}
