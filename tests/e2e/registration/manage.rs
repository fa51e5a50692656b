//! The client configuration endpoint: RFC 7592.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{device, manage, open, opened, refused, registered, row, web};
use crate::harness::{Fault, Fixture, Mode, Worker};
use crate::judge::{Judge, Reply};
use crate::support::{Answer, Api, Person};

/// A client that registered itself.
struct Own {
    id: String,
    token: String,
    told: Answer,
}

impl Own {
    async fn new(base: &str, body: &Value) -> Self {
        let told = registered(base, body).await;
        Self { id: told.member("client_id"), token: told.member("registration_access_token"), told }
    }

    async fn get(&self, base: &str) -> Answer {
        manage(base, "GET", &self.id, &self.token, None).await
    }

    /// PUT with these members and the client's id.
    async fn put(&self, base: &str, body: &Value) -> Answer {
        manage(base, "PUT", &self.id, &self.token, Some(&self.naming(body))).await
    }

    async fn delete(&self, base: &str) -> Answer {
        manage(base, "DELETE", &self.id, &self.token, None).await
    }

    fn naming(&self, body: &Value) -> Value {
        let mut body = body.clone();
        body["client_id"] = self.id.as_str().into();
        body
    }

    async fn version(&self, fixture: &Fixture) -> i64 {
        row(fixture, &self.id).await.unwrap()["version"].as_i64().unwrap()
    }
}

/// RFC 7592 2.1 and 3: everything that was told at registration, but not the secret, which is kept as a hash.
#[tokio::test]
async fn a_client_reads_what_it_is_registered_with() {
    let (fixture, _) = open();
    let own = Own::new(&fixture.a, &web(&json!({ "client_name": "Mine", "contacts": ["ada@app.example"] }))).await;
    let read = own.get(&fixture.b).await;
    assert_eq!((read.status, read.header("cache-control")), (200, "no-store"), "{}", read.body);
    let mut told = own.told.json();
    let secret = told.as_object_mut().unwrap().remove("client_secret").unwrap();
    told.as_object_mut().unwrap().remove("client_secret_expires_at").unwrap();
    assert_eq!(read.json(), told);
    let logs = fixture.logs().await;
    let line =
        logs.iter().find(|entry| entry["line"]["route"] == "register/client" && entry["line"]["client"] == own.id.as_str());
    assert_eq!(line.unwrap()["line"]["cost"]["rows"], 0);
    let logs = format!("{logs:?}");
    assert!(!logs.contains(&own.token) && !logs.contains(secret.as_str().unwrap()));
}

/// RFC 7592 2: without the client's own token nothing is told, not even whether there is such a client.
#[tokio::test]
async fn only_with_the_clients_own_token() {
    let (fixture, _) = open();
    let own = Own::new(&fixture.a, &device()).await;
    let other = Own::new(&fixture.a, &device()).await;
    let before = row(fixture, &own.id).await;
    let mut descriptions = Vec::new();
    for method in ["GET", "PUT", "DELETE"] {
        let body = own.naming(&device());
        for (what, id, token) in [
            ("another client's token", own.id.as_str(), other.token.as_str()),
            ("a secret", &own.id, &own.told.member("client_secret")),
            ("a part of the token", &own.id, &own.token[1..]),
            ("no token", &own.id, ""),
            ("nobody", "AQIDBAUGBwgJCgsMDQ4PEA", &own.token),
            ("the operator's client", "demo-web", &own.token),
            ("no id", "", &own.token),
            ("no client id", "%20", &own.token),
            ("deeper", &format!("{}/x", own.id), &own.token),
        ] {
            let answer = manage(&fixture.a, method, id, token, Some(&body)).await;
            refused(&format!("{method} {what}"), &answer, 401, "invalid_token");
            descriptions.push(answer.member("error_description"));
        }
        let api = Api::public(&fixture.a, "");
        let path = format!("/register/{}", own.id);
        let without = Api::send(api.request(method, &path).json(&body)).await;
        refused(&format!("{method} without"), &without, 401, "invalid_token");
        let basic = Api::send(api.request(method, &path).basic_auth(&own.id, Some(&own.token)).json(&body)).await;
        refused(&format!("{method} by Basic"), &basic, 401, "invalid_token");
        descriptions.extend([without.member("error_description"), basic.member("error_description")]);
    }
    descriptions.dedup();
    assert_eq!(descriptions.len(), 1, "{descriptions:?}");
    assert_eq!(row(fixture, &own.id).await, before);
    // A client that the administrator disabled manages itself no more.
    fixture.d1("UPDATE clients SET enabled = 0 WHERE id = ?1", &[own.id.as_str().into()]).await;
    for method in ["GET", "PUT", "DELETE"] {
        let body = own.naming(&device());
        refused(method, &manage(&fixture.a, method, &own.id, &own.token, Some(&body)).await, 401, "invalid_token");
    }
    assert_eq!(row(fixture, &own.id).await.unwrap()["version"], 1);
}

/// RFC 7592 2.2: PUT replaces everything; what is left out is at its default again.
#[tokio::test]
async fn an_update_replaces_everything() {
    let (fixture, _) = open();
    let first =
        web(&json!({ "client_name": "First", "policy_uri": "https://app.example/p", "id_token_signed_response_alg": "ES256",
        "scope": "openid", "require_pkce": true }));
    let own = Own::new(&fixture.a, &first).await;
    let second = json!({ "redirect_uris": ["https://other.example/cb"], "tos_uri": "https://other.example/t" });
    let answer = own.put(&fixture.b, &second).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"), "{}", answer.body);
    let told = answer.json();
    assert_eq!(told["redirect_uris"], json!(["https://other.example/cb"]));
    assert_eq!(
        (told["client_name"].as_str(), told["tos_uri"].as_str()),
        (Some("other.example"), Some("https://other.example/t"))
    );
    assert_eq!((told["id_token_signed_response_alg"].as_str(), told["require_pkce"].as_bool()), (Some("RS256"), Some(false)));
    assert_eq!(told["scope"], "openid profile email address phone offline_access");
    assert!(told.get("policy_uri").is_none() && told.get("client_secret").is_none());
    for member in ["client_id", "client_id_issued_at", "registration_client_uri", "registration_access_token"] {
        assert_eq!(told[member], own.told.json()[member], "{member}");
    }
    assert_eq!(own.version(fixture).await, 2);
    assert_eq!(own.get(&fixture.a).await.json(), told);
    // What is the operator's stays the operator's, here too.
    let greedy = own.put(&fixture.a, &web(&json!({ "skip_consent": true, "scope": "openid latchkey:admin" }))).await;
    assert_eq!((greedy.status, greedy.member("scope")), (200, "openid".to_owned()));
    assert!(!row(fixture, &own.id).await.unwrap()["metadata"].as_str().unwrap().contains("skip_consent"));
}

/// An update is used at once at every Worker, and the client's secret stays what it was.
#[tokio::test]
async fn an_update_is_used_at_once() {
    let (fixture, _) = open();
    let own = Own::new(&fixture.a, &device()).await;
    let secret = own.told.member("client_secret");
    let basic = |base: &str| Api::basic(base, &own.id, &secret);
    // Both Workers remember the client as it was.
    for base in [&fixture.a, &fixture.b] {
        assert_eq!(basic(base).post("/device_authorization", &[]).await.status, 200);
    }
    let mut posting = device();
    posting["token_endpoint_auth_method"] = "client_secret_post".into();
    // RFC 7592 2.2: the secret may be sent along, if it is the client's.
    posting["client_secret"] = secret.as_str().into();
    let told = own.put(&fixture.a, &posting).await;
    assert_eq!(told.status, 200, "{}", told.body);
    assert!(told.json().get("client_secret").is_none(), "no new one");
    let by_post = [("client_secret", secret.as_str())];
    for base in [&fixture.a, &fixture.b] {
        assert_eq!(Api::public(base, &own.id).post("/device_authorization", &by_post).await.status, 200);
    }
    assert_eq!(basic(&fixture.a).post("/device_authorization", &[]).await.error(), "invalid_client");
    // Without a secret, and back.
    posting.as_object_mut().unwrap().remove("client_secret");
    let mut public = posting.clone();
    public["token_endpoint_auth_method"] = "none".into();
    let told = own.put(&fixture.a, &public).await;
    assert_eq!((told.status, told.json().get("client_secret")), (200, None));
    assert_eq!(row(fixture, &own.id).await.unwrap()["secrets"], "[]");
    assert_eq!(Api::public(&fixture.b, &own.id).post("/device_authorization", &[]).await.status, 200);
    let told = own.put(&fixture.a, &posting).await;
    let fresh = told.member("client_secret");
    assert_eq!((told.json()["client_secret_expires_at"].as_i64(), fresh == secret), (Some(0), false));
    let by_post = |secret: &str| [("client_secret".to_owned(), secret.to_owned())];
    for (secret, status) in [(&fresh, 200), (&secret, 400)] {
        let parameters = by_post(secret);
        let [(name, value)] = &parameters;
        assert_eq!(Api::public(&fixture.a, &own.id).post("/device_authorization", &[(name, value)]).await.status, status);
    }
}

/// RFC 7592 2.2: what an update must and must not hold. A refused one changes nothing.
#[tokio::test]
async fn a_bad_update_changes_nothing() {
    let (fixture, judge) = open();
    let own = Own::new(&fixture.a, &web(&json!({}))).await;
    let before = row(fixture, &own.id).await;
    let with = |more: Value| own.naming(&web(&more));
    judge.answer("/sector/elsewhere", Reply::json(&json!(["https://elsewhere.example/"])));
    for (member, body) in [
        ("client_id", web(&json!({}))),
        ("client_id", web(&json!({ "client_id": "demo-web" }))),
        ("client_id", web(&json!({ "client_id": [own.id] }))),
        ("client_secret", with(json!({ "client_secret": "of-my-own-choice-0123456789abcdef" }))),
        ("client_secret", with(json!({ "client_secret": "" }))),
        ("client_secret", with(json!({ "client_secret": 7 }))),
        ("registration_access_token", with(json!({ "registration_access_token": own.token }))),
        ("registration_client_uri", with(json!({ "registration_client_uri": "x" }))),
        ("client_secret_expires_at", with(json!({ "client_secret_expires_at": 0 }))),
        ("client_id_issued_at", with(json!({ "client_id_issued_at": 1 }))),
        ("scope", with(json!({ "scope": "latchkey:admin" }))),
        ("jwks_uri", with(json!({ "jwks_uri": "https://localhost/jwks" }))),
        ("sector_identifier_uri", with(json!({ "sector_identifier_uri": judge.at("/sector/elsewhere") }))),
    ] {
        let answer = manage(&fixture.a, "PUT", &own.id, &own.token, Some(&body)).await;
        refused(&body.to_string(), &answer, 400, "invalid_client_metadata");
        assert!(answer.member("error_description").starts_with(&format!("{member}: ")), "{}", answer.body);
    }
    let fragment = own.put(&fixture.a, &json!({ "redirect_uris": ["https://app.example/#x"] })).await;
    refused("fragment", &fragment, 400, "invalid_redirect_uri");
    let statement = own.put(&fixture.a, &web(&json!({ "software_statement": "x" }))).await;
    refused("statement", &statement, 400, "unapproved_software_statement");
    let api = Api::public(&fixture.a, "");
    let form = api.request("PUT", &format!("/register/{}", own.id)).bearer_auth(&own.token).form(&[("client_id", &own.id)]);
    refused("form", &Api::send(form).await, 400, "invalid_request");
    // A client without a secret has none that could be sent.
    let public = Own::new(&fixture.a, &web(&json!({ "token_endpoint_auth_method": "none" }))).await;
    let sent = public.put(&fixture.a, &web(&json!({ "client_secret": "" }))).await;
    refused("no secret", &sent, 400, "invalid_client_metadata");
    assert_eq!(row(fixture, &own.id).await, before);
}

/// 20 updates at once: each that is told to have happened is one version, and the last of them stands.
#[tokio::test]
async fn updates_at_once_do_not_mix() {
    let (fixture, _) = open();
    let own = Own::new(&fixture.a, &web(&json!({}))).await;
    let mut updates = JoinSet::new();
    for n in 0..20 {
        let base = if n % 2 == 0 { fixture.a.clone() } else { fixture.b.clone() };
        let body = own.naming(&web(&json!({ "client_name": format!("App {n}"), "software_version": n.to_string() })));
        let (id, token) = (own.id.clone(), own.token.clone());
        updates.spawn(async move { manage(&base, "PUT", &id, &token, Some(&body)).await });
    }
    let answers = updates.join_all().await;
    let done = answers.iter().filter(|answer| answer.status == 200).count();
    assert!(done >= 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        refused("lost", answer, 503, "temporarily_unavailable");
    }
    assert_eq!(own.version(fixture).await, 1 + i64::try_from(done).unwrap());
    let now = own.get(&fixture.a).await;
    assert_eq!(now.member("client_name"), format!("App {}", now.member("software_version")));
    assert!(answers.iter().any(|answer| answer.status == 200 && answer.json() == now.json()));
}

/// A lost answer of the database is asked for again, and the update happened once.
#[tokio::test]
async fn an_update_survives_a_lost_answer() {
    let fixture = opened(&Judge::start()).start().await;
    let own = Own::new(&fixture.a, &web(&json!({ "token_endpoint_auth_method": "none" }))).await;
    fixture.fault(Worker::A, &Fault::new("DB", Mode::After, "UPDATE clients")).await;
    let told = own.put(&fixture.a, &web(&json!({ "client_name": "Again" }))).await;
    assert_eq!(fixture.disarm(Worker::A).await, 0);
    assert_eq!((told.status, told.member("client_name")), (200, "Again".to_owned()), "{}", told.body);
    assert_eq!(own.version(&fixture).await, 2);
    assert!(!told.member("client_secret").is_empty(), "the secret that is stored is told");
    fixture.fault(Worker::A, &Fault::new("DB", Mode::After, "DELETE FROM clients")).await;
    assert_eq!(own.delete(&fixture.a).await.status, 204);
    assert_eq!(fixture.disarm(Worker::A).await, 0);
}

/// RFC 7592 2.3: 204, and everything that the client was granted ends.
#[tokio::test]
async fn a_deleted_client_is_gone_and_so_is_what_it_was_granted() {
    let (fixture, _) = open();
    let own = Own::new(&fixture.a, &device()).await;
    let secret = own.told.member("client_secret");
    let (at_a, at_b) = (Api::basic(&fixture.a, &own.id, &secret), Api::basic(&fixture.b, &own.id, &secret));
    let person = Person::ada(&fixture.a).await;
    let tokens = at_a.signed_in(&person).await;
    let pending = at_b.start().await;
    person.approve(&pending.user_code).await;
    assert_eq!(at_a.userinfo(&tokens.member("access_token")).await.status, 200);

    let gone = own.delete(&fixture.a).await;
    assert_eq!((gone.status, gone.body.as_str(), gone.header("cache-control")), (204, "", "no-store"));
    assert!(row(fixture, &own.id).await.is_none());
    for method in ["GET", "PUT", "DELETE"] {
        let body = own.naming(&device());
        refused(method, &manage(&fixture.b, method, &own.id, &own.token, Some(&body)).await, 401, "invalid_token");
    }
    for api in [&at_a, &at_b] {
        // The other Worker may still remember the client, but its row is asked before anything is granted.
        let refresh = api.refresh(&tokens.member("refresh_token")).await;
        assert!(["invalid_client", "invalid_grant"].contains(&refresh.error().as_str()), "{}", refresh.body);
        assert!(!api.poll(&pending).await.is_granted());
        assert_eq!(api.userinfo(&tokens.member("access_token")).await.status, 401);
    }
    assert_eq!(at_a.post("/device_authorization", &[]).await.error(), "invalid_client");
    assert!(row(fixture, &own.id).await.is_none(), "nothing brought it back");
}
