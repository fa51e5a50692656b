//! What strangers try: whoever may register, push, name an address or hold an old token. Each of these once worked.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken step fails the test by panicking")]

use std::sync::OnceLock;

use latchkey::protocol::secret::base64url;
use serde_json::{Value, json};

use crate::harness::{Fixture, Setup};
use crate::judge::{Judge, Reply};
use crate::support::{ADA, Answer, Api, Person, claims};
use crate::web::{App, Pkce, consent, follow, post, web_client};

/// A realm that is open to everybody, with clients of the operator's, and a server that it may reach.
fn open() -> (&'static Fixture, &'static Judge) {
    static OPEN: OnceLock<(Fixture, Judge)> = OnceLock::new();
    let (fixture, judge) = OPEN.get_or_init(|| {
        let judge = Judge::start();
        let pairwise = |id: &str, host: &str| {
            let redirect_uri = format!("https://{host}/cb");
            web_client(id, &[json!({ "subject_type": "pairwise", "skip_consent": true, "redirect_uris": [redirect_uri] })])
        };
        let asks = web_client("asks", &[json!({ "jwks_uri": judge.at("/keys"), "request_uris": [judge.at("/object")] })]);
        let narrow = web_client("narrow", &[json!({ "skip_consent": true, "scope": "openid email" })]);
        let leaves = json!({ "skip_consent": true, "post_logout_redirect_uris": ["https://leaves.example/out"] });
        let clients = [
            pairwise("one", "one.example"),
            pairwise("two", "two.example"),
            asks,
            narrow,
            web_client("leaves", &[leaves]),
            web_client("plain", &[]),
        ];
        let fixture = Setup::default()
            .var("REGISTRATION", "open")
            .var("CLIENT_ID_DOCUMENTS", "on")
            .var("OUTBOUND_ALLOW", &judge.host_port())
            .rate_limit("LIMIT_PAR", 5)
            .rate_limit("LIMIT_FETCH", 5)
            .rate_limit("LIMIT_REGISTER", 1000)
            .rate_limit("LIMIT_LOGIN", 1000)
            .seed(&json!({ "clients": clients }))
            .start_now();
        (fixture, judge)
    });
    (fixture, judge)
}

async fn register(fixture: &Fixture, changes: &Value) -> Answer {
    let mut body = json!({ "redirect_uris": ["https://stranger.example/cb"], "client_name": "Stranger" });
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    Api::send(Api::public(&fixture.a, "").request("POST", "/register").json(&body)).await
}

/// The app of a client that registered itself.
fn registered(fixture: &Fixture, answer: &Answer) -> App {
    let (id, secret) = (answer.member("client_id"), answer.json()["client_secret"].as_str().map(str::to_owned));
    let api = match &secret {
        Some(secret) => Api::basic(&fixture.a, &id, secret),
        None => Api::public(&fixture.a, &id),
    };
    let redirect_uri = answer.json()["redirect_uris"][0].as_str().unwrap().to_owned();
    App { api, redirect_uri, pkce: Pkce::of(&id) }
}

#[tokio::test]
async fn nobody_fills_the_database_with_pushed_requests() {
    let (fixture, _) = open();
    let spa = App::demo_spa(&fixture.a);
    let parameters = spa.parameters(&[("client_id", "")]);
    let parameters: Vec<(&str, &str)> = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut statuses = Vec::new();
    for _ in 0..8 {
        statuses.push(spa.api.post("/par", &parameters).await.status);
    }
    assert!(statuses.contains(&429), "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 5, "{statuses:?}");
    // What is left of them goes with the next cron run once no page of their flow can be open.
    fixture.d1("UPDATE pushed_requests SET created_at = created_at - 1900000", &[]).await;
    fixture.cron(crate::harness::Worker::A).await;
    assert_eq!(fixture.d1("SELECT id FROM pushed_requests", &[]).await, [Value::Null; 0]);
}

#[tokio::test]
async fn nobody_makes_us_fetch_without_end() {
    let (fixture, judge) = open();
    judge.answer("/object", Reply::new(200, "junk"));
    let person = Person::new(&fixture.a);
    let path = format!("/authorize?client_id=asks&request_uri={}", judge.at("/object").replace(':', "%3A").replace('/', "%2F"));
    let mut last = String::new();
    for _ in 0..9 {
        last = person.get(&path).await.header("location").to_owned();
    }
    assert!(last.contains("error=temporarily_unavailable"), "{last}");
    assert!(judge.heard("/object").len() <= 5, "{}", judge.heard("/object").len());
}

/// A client that registered itself and wants encrypted ID tokens has us fetch its keys.
#[tokio::test]
async fn nobody_makes_us_fetch_keys_to_encrypt_to_without_end() {
    let (fixture, judge) = open();
    let key = json!({ "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                      "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" });
    judge.answer("/eager/jwks", Reply::json(&json!({ "keys": [key] })));
    let wants = json!({
        "grant_types": ["authorization_code", "refresh_token"], "jwks_uri": judge.at("/eager/jwks"),
        "id_token_encrypted_response_alg": "ECDH-ES", "id_token_encrypted_response_enc": "A256GCM",
    });
    let eager = registered(fixture, &register(fixture, &wants).await);
    let person = Person::ada(&fixture.a).await;
    let tokens = eager.tokens(&person, &[("scope", "openid offline_access"), ("prompt", "consent")]).await;
    let mut token = tokens.member("refresh_token");
    let mut last = tokens;
    for _ in 0..9 {
        last = eager.api.refresh(&token).await;
        if last.is_granted() {
            token = last.member("refresh_token");
        }
    }
    assert_eq!((last.status, last.header("retry-after")), (429, "60"), "{}", last.body);
    assert_eq!(judge.heard("/eager/jwks").len(), 1);
}

#[tokio::test]
async fn a_session_has_another_sid_for_each_sector() {
    let (fixture, _) = open();
    let person = Person::ada(&fixture.a).await;
    let mut sids = Vec::new();
    for id in ["one", "two", "narrow"] {
        let tokens = App::web(&fixture.a, id);
        let tokens = App { redirect_uri: format!("https://{id}.example/cb"), ..tokens }.tokens(&person, &[]).await;
        let sid = claims(&tokens.member("id_token"))["sid"].clone();
        assert_eq!(claims(&tokens.member("access_token"))["sid"], sid, "{id}");
        assert!(!sids.contains(&sid), "{id}: {sid}");
        sids.push(sid);
    }
}

#[tokio::test]
async fn nobody_registers_into_somebody_elses_sector() {
    let (fixture, _) = open();
    let person = Person::ada(&fixture.a).await;
    let one = App { redirect_uri: "https://one.example/cb".to_owned(), ..App::web(&fixture.a, "one") };
    let sub = claims(&one.tokens(&person, &[]).await.member("id_token"))["sub"].clone();
    let answer = register(fixture, &json!({ "subject_type": "pairwise", "redirect_uris": ["https://one.example/never"] })).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let stranger = registered(fixture, &answer);
    let tokens = stranger.tokens(&person, &[]).await;
    assert_ne!(claims(&tokens.member("id_token"))["sub"], sub);
}

#[tokio::test]
async fn an_id_token_of_another_session_signs_nobody_out_unasked() {
    let (fixture, _) = open();
    let leaves = App::web(&fixture.a, "leaves");
    let elsewhere = Person::ada(&fixture.a).await;
    let hint = leaves.tokens(&elsewhere, &[]).await.member("id_token");
    let person = Person::ada(&fixture.a).await;
    let answer =
        person.get(&format!("/logout?id_token_hint={hint}&post_logout_redirect_uri=https%3A%2F%2Fleaves.example%2Fout")).await;
    assert!(answer.status == 200 && answer.body.contains("id=\"logout-confirm\""), "{}", answer.body);
    assert!(leaves.authorized(&person, &[("prompt", "none")]).await.contains_key("code"), "still signed in");
    // That of this very session does.
    let own = leaves.tokens(&person, &[]).await.member("id_token");
    let answer =
        person.get(&format!("/logout?id_token_hint={own}&post_logout_redirect_uri=https%3A%2F%2Fleaves.example%2Fout")).await;
    assert_eq!((answer.status, answer.header("location")), (303, "https://leaves.example/out"));
}

#[tokio::test]
async fn a_client_that_nobody_said_yes_to_learns_not_who_is_signed_in() {
    let (fixture, _) = open();
    let person = Person::ada(&fixture.a).await;
    let narrow = App::web(&fixture.a, "narrow");
    let sub = claims(&narrow.tokens(&person, &[]).await.member("id_token"))["sub"].as_str().unwrap().to_owned();
    let curious = App::web(&fixture.a, "plain");
    for subject in [sub.as_str(), "AAAAAAAAAAAAAAAAAAAAAA"] {
        let wanted = json!({ "id_token": { "sub": { "value": subject } } }).to_string();
        let back = curious.authorized(&person, &[("prompt", "none"), ("claims", &wanted)]).await;
        assert_eq!(back["error"], "login_required", "{subject}");
    }
    assert_eq!(curious.authorized(&person, &[("prompt", "none")]).await["error"], "consent_required");
}

#[tokio::test]
async fn single_claims_stay_within_the_clients_scope() {
    let (fixture, _) = open();
    let person = Person::ada(&fixture.a).await;
    let narrow = App::web(&fixture.a, "narrow");
    let wanted =
        json!({ "userinfo": { "email": null, "phone_number": null, "address": null }, "id_token": { "birthdate": null } });
    let tokens = narrow.tokens(&person, &[("claims", &wanted.to_string())]).await;
    let info = narrow.api.userinfo(&tokens.member("access_token")).await.json();
    let members: Vec<&String> = info.as_object().unwrap().keys().collect();
    assert_eq!(members, ["email", "sub"]);
    assert_eq!(claims(&tokens.member("id_token")).get("birthdate"), None);
}

#[tokio::test]
async fn a_form_sent_twice_leaves_no_session_behind() {
    let (fixture, _) = open();
    let narrow = App::web(&fixture.a, "narrow");
    for _ in 0..3 {
        let person = Person::ada(&fixture.a).await;
        let page = follow(&person, person.get(&narrow.path(&[("prompt", "login")])).await).await;
        let fields = [("form", page.form()), ("login", ADA.0.to_owned()), ("password", ADA.1.to_owned())];
        let (first, second) = tokio::join!(post(&person, "/login", &fields), post(&person, "/login", &fields));
        assert!(first.status == 303 || second.status == 303);
        let tokens = narrow.tokens(&person, &[]).await;
        let access_token = tokens.member("access_token");
        assert_eq!(narrow.api.userinfo(&access_token).await.status, 200);
        let page = person.get("/logout").await;
        post(&person, "/logout", &[("form", page.form()), ("action", "here".to_owned())]).await;
        assert_eq!(narrow.api.userinfo(&access_token).await.status, 401, "a twin session is alive");
    }
}

#[tokio::test]
async fn what_an_operator_set_stays() {
    let (fixture, _) = open();
    let answer = register(fixture, &json!({})).await;
    let id = answer.member("client_id");
    let sql = "UPDATE clients SET metadata = json_set(metadata, '$.access_token_lifetime', 7, '$.publisher', 'Operator'), \
               version = version + 1 WHERE id = ?1";
    fixture.d1(sql, &[id.clone().into()]).await;
    let body = json!({ "client_id": id, "redirect_uris": ["https://stranger.example/new"], "access_token_lifetime": 3600 });
    let request = Api::public(&fixture.a, "").request("PUT", &format!("/register/{id}")).json(&body);
    let answer = Api::send(request.bearer_auth(answer.member("registration_access_token"))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let rows = fixture.d1("SELECT metadata FROM clients WHERE id = ?1", &[id.into()]).await;
    let metadata: Value = serde_json::from_str(rows[0]["metadata"].as_str().unwrap()).unwrap();
    assert_eq!((&metadata["access_token_lifetime"], &metadata["publisher"]), (&json!(7), &json!("Operator")));
    assert_eq!(metadata["redirect_uris"], json!(["https://stranger.example/new"]));
}

#[tokio::test]
async fn names_hide_nothing_and_keys_are_not_huge() {
    let (fixture, _) = open();
    for name in ["\u{200b}Latchkey", "Latch\u{ad}key", "\u{2060}Latchkey", "\u{202e}yekhctaL", "Latchkey\u{feff}"] {
        let answer = register(fixture, &json!({ "client_name": name })).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_client_metadata"), "{name:?}");
    }
    let huge = json!({ "keys": [{ "kty": "RSA", "n": base64url(&[0xff; 1024]), "e": "AQAB" }] });
    let answer = register(fixture, &json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": huge })).await;
    if answer.status == 201 {
        // The key is never tried.
        let stranger = registered(fixture, &answer);
        let assertion = format!("{}.{}.{}", base64url(br#"{"alg":"RS256"}"#), base64url(b"{}"), base64url(&[1; 1024]));
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", "x"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion.as_str()),
        ];
        assert_eq!(stranger.api.post("/token", &fields).await.error(), "invalid_client");
    }
}

#[tokio::test]
async fn a_program_on_a_loopback_port_is_asked_about_every_time() {
    let (fixture, _) = open();
    let changes = json!({ "redirect_uris": ["http://localhost:7777/cb"], "token_endpoint_auth_method": "none" });
    let app = registered(fixture, &register(fixture, &changes).await);
    let person = Person::ada(&fixture.a).await;
    assert!(app.authorized(&person, &[]).await.contains_key("code"));
    assert_eq!(app.authorized(&person, &[("prompt", "none")]).await["error"], "consent_required", "anybody may listen there");
}

#[tokio::test]
async fn a_document_is_shown_beside_where_the_browser_goes() {
    let (fixture, judge) = open();
    let id = judge.at("/client.json");
    let document = json!({ "client_id": id, "client_name": "Known app", "redirect_uris": ["https://evil.example/cb"] });
    judge.answer("/client.json", Reply::json(&document));
    let app =
        App { api: Api::public(&fixture.a, &id), redirect_uri: "https://evil.example/cb".to_owned(), pkce: Pkce::of("doc") };
    let person = Person::ada(&fixture.a).await;
    let page = follow(&person, person.get(&app.path(&[])).await).await;
    let destination = page.body.split("class=\"destination\"").nth(1).unwrap_or_else(|| panic!("{}", page.body));
    assert!(destination.split("</p>").next().unwrap().contains("evil.example"), "{destination}");
    assert!(page.body.contains("<bdi>localhost</bdi>") || page.body.contains("<bdi>127.0.0.1</bdi>"), "{}", page.body);
    assert!(app.returned(&consent(&person, &page).await).contains_key("code"));
}
