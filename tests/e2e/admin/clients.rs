//! Clients, their secrets, and initial access tokens.

use serde_json::{Value, json};

use super::{Admin, assert_problem, last_change, token};
use crate::harness::{Fixture, Setup};
use crate::support::{Answer, Api, Person};
use crate::web::{App, Pkce};

/// A client for the authorization code grant.
fn web(id: &str) -> Value {
    json!({
        "client_id": id,
        "redirect_uris": [format!("https://{id}.example/cb")],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid offline_access records:read",
        "skip_consent": true,
    })
}

fn app(base: &str, id: &str, secret: &str) -> App {
    App { api: Api::basic(base, id, secret), redirect_uri: format!("https://{id}.example/cb"), pkce: Pkce::of(id) }
}

fn pointers(problem: &Value) -> Vec<&str> {
    let mut pointers: Vec<&str> = problem["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    pointers.sort_unstable();
    pointers
}

#[tokio::test]
async fn a_client_is_made_used_changed_and_deleted_with_its_grants() {
    let fixture = Fixture::shared();
    let base = &fixture.a;
    let admin = Admin::ada(base).await;
    let made = admin.post("clients", &web("life-app")).await;
    assert_eq!((made.status, made.header("location")), (201, "/admin/v1/clients/life-app"), "{}", made.body);
    assert_eq!(last_change(fixture, "life-app").await, json!({ "action": "client.create", "id": "life-app" }));
    let secret = made.member("client_secret");
    let read = admin.get("clients/life-app").await;
    assert_eq!(read.header("etag"), made.header("etag"));
    assert_eq!((&read.json()["origin"], read.json().get("client_secret")), (&json!("operator"), None));
    assert!(!read.body.contains(&secret) && !read.body.contains("sha256"));

    let person = Person::ada(base).await;
    let app = app(base, "life-app", &secret);
    let tokens = app.tokens(&person, &[("scope", "openid offline_access records:read")]).await;

    let path = "clients/life-app";
    let etag = read.header("etag").to_owned();
    let changed =
        admin.patch(path, &etag, &json!({ "client_name": "New name", "redirect_uris": ["https://life-app.example/cb"] })).await;
    assert_eq!((changed.status, changed.member("client_name").as_str()), (200, "New name"), "{}", changed.body);
    let change = last_change(fixture, "life-app").await;
    assert_eq!(change, json!({ "action": "client.patch", "id": "life-app", "fields": ["client_name", "redirect_uris"] }));
    assert_problem("stale", &admin.patch(path, &etag, &json!({ "client_name": "x" })).await, 412, "stale");
    let unsaid = Api::send(admin.request("PATCH", path).json(&json!({ "client_name": "x" }))).await;
    assert_problem("no If-Match", &unsaid, 428, "precondition_required");
    assert_eq!(admin.get(path).await.member("client_name"), "New name");

    // Deleted, and made again under the same id and secret: nothing comes back to life.
    let refreshed = app.api.refresh(&tokens.member("refresh_token")).await;
    assert!(refreshed.is_granted(), "{}", refreshed.body);
    assert_eq!(admin.delete(path).await.status, 204);
    assert_problem("gone", &admin.get(path).await, 404, "not_found");
    assert_problem("gone", &admin.delete(path).await, 404, "not_found");
    assert!(!app.api.refresh(&refreshed.member("refresh_token")).await.is_granted());
    let mut again = web("life-app");
    again["client_secret"] = secret.into();
    assert_eq!(admin.post("clients", &again).await.status, 201);
    assert_eq!(app.api.refresh(&refreshed.member("refresh_token")).await.error(), "invalid_grant");
    assert!(app.tokens(&person, &[("scope", "openid")]).await.is_granted());
    assert_problem("there is one", &admin.post("clients", &again).await, 409, "conflict");
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_client_is_told_at_once() {
    let fixture = Fixture::shared();
    let admin = Admin::ada(&fixture.a).await;
    let unknown = json!({ "client_id": "wrong", "client_naem": "x", "version": 1 });
    let problem = assert_problem("unknown", &admin.post("clients", &unknown).await, 400, "unknown_field");
    assert_eq!(pointers(&problem), ["/client_naem", "/version"]);
    let types = json!({ "client_id": "a b", "client_secret": "short", "enabled": 1, "client_name": 7, "redirect_uris": "x" });
    let problem = assert_problem("types", &admin.post("clients", &types).await, 400, "invalid");
    assert_eq!(pointers(&problem), ["/client_id", "/client_name", "/client_secret", "/enabled", "/redirect_uris"]);
    let rules = json!({ "client_id": "wrong", "client_name": " ", "logo_uri": "http://x/", "grant_types": ["password"] });
    let problem = assert_problem("rules", &admin.post("clients", &rules).await, 400, "invalid");
    let found = pointers(&problem);
    assert!(["/client_name", "/grant_types", "/logo_uri"].iter().all(|pointer| found.contains(pointer)), "{problem}");
    let public = json!({ "client_id": "wrong", "token_endpoint_auth_method": "none", "client_secret": "x".repeat(40),
        "redirect_uris": ["https://wrong.example/cb"] });
    assert_problem("no secret for it", &admin.post("clients", &public).await, 400, "invalid");
    assert_eq!(admin.get("clients/wrong").await.status, 404);
}

#[tokio::test]
async fn a_new_secret_leaves_the_old_one_its_overlap() {
    let fixture = Fixture::shared();
    let base = &fixture.a;
    let admin = Admin::ada(base).await;
    let service = json!({ "client_id": "spare", "grant_types": ["client_credentials"], "scope": "records:read" });
    let made = admin.post("clients", &service).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let ask = async |secret: &str| -> Answer {
        Api::basic(base, "spare", secret).post("/token", &[("grant_type", "client_credentials")]).await
    };
    let first = made.member("client_secret");
    assert!(ask(&first).await.is_granted());
    let body = json!({ "overlap_seconds": 3 });
    let second = admin.post_once("clients/spare/secrets", "spare 2", &body).await;
    assert_eq!(second.status, 201, "{}", second.body);
    // Asked again, for the answer may have been lost: the same secret.
    assert_eq!(admin.post_once("clients/spare/secrets", "spare 2", &body).await.body, second.body);
    let second = second.member("client_secret");
    assert!(ask(&second).await.is_granted() && ask(&first).await.is_granted(), "both during the overlap");
    tokio::time::sleep(std::time::Duration::from_millis(3_200)).await;
    assert_eq!(ask(&first).await.error(), "invalid_client");
    assert!(ask(&second).await.is_granted());
    let third = admin.post("clients/spare/secrets", &json!({ "overlap_seconds": 0 })).await.member("client_secret");
    assert_eq!((ask(&second).await.error().as_str(), ask(&third).await.is_granted()), ("invalid_client", true));
    let long = admin.post("clients/spare/secrets", &json!({ "overlap_seconds": 99_999_999 })).await;
    assert_problem("too long", &long, 400, "invalid");
    assert_problem("has none", &admin.post("clients/demo-spa/secrets", &json!({})).await, 409, "conflict");
    let stored = fixture.d1("SELECT answer FROM idempotency", &[]).await;
    assert!(!Value::from(stored).to_string().contains(&second), "a secret lies in the clear");
    assert_eq!(last_change(fixture, "spare").await["fields"], json!(["secrets"]));
}

/// Who may change clients cannot become an administrator by it.
#[tokio::test]
async fn clients_that_administer_are_for_administrators() {
    let fixture = Setup::default().start().await;
    let base = &fixture.a;
    let clerk = Admin::with(base, &token(base, "openid latchkey:clients").await);
    let robot = json!({ "client_id": "robot", "grant_types": ["client_credentials"], "scope": "latchkey:admin" });
    assert_problem("a robot", &clerk.post("clients", &robot).await, 403, "insufficient_scope");
    let plain = json!({ "client_id": "plain", "grant_types": ["client_credentials"], "scope": "records:read" });
    let made = clerk.post("clients", &plain).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let wider = clerk.patch("clients/plain", made.header("etag"), &json!({ "scope": "latchkey:users" })).await;
    assert_problem("wider", &wider, 403, "insufficient_scope");
    let cli = clerk.get("clients/latchkey-cli").await;
    let elsewhere = json!({ "redirect_uris": ["https://evil.example/cb"] });
    let answer = clerk.patch("clients/latchkey-cli", cli.header("etag"), &elsewhere).await;
    assert_problem("whose answers go elsewhere", &answer, 403, "insufficient_scope");
    assert_problem("a secret", &clerk.post("clients/demo-operator/secrets", &json!({})).await, 403, "insufficient_scope");
    assert_problem("deleted", &clerk.delete("clients/latchkey-cli").await, 403, "insufficient_scope");
    assert_eq!(clerk.get("clients/latchkey-cli").await.body, cli.body);

    let made = Admin::ada(base).await.post("clients", &robot).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let robot = Api::basic(base, "robot", &made.member("client_secret"));
    let robot = robot.post("/token", &[("grant_type", "client_credentials")]).await;
    assert_eq!(Admin::with(base, &robot.member("access_token")).get("clients").await.status, 200);
}

#[tokio::test]
async fn a_disabled_client_is_nobody_and_comes_back() {
    let fixture = Setup::default().var("CLIENT_CACHE", "0").start().await;
    let admin = Admin::ada(&fixture.a).await;
    let ask = async || {
        let service = Api::basic(&fixture.a, "demo-operator", "demo-operator-secret-0123456789abcdef");
        service.post("/token", &[("grant_type", "client_credentials")]).await.is_granted()
    };
    let etag = admin.get("clients/demo-operator").await.header("etag").to_owned();
    let off = admin.patch("clients/demo-operator", &etag, &json!({ "enabled": false })).await;
    assert_eq!((off.status, &off.json()["enabled"]), (200, &json!(false)), "{}", off.body);
    assert!(!ask().await);
    let on = admin.patch("clients/demo-operator", off.header("etag"), &json!({ "enabled": true })).await;
    assert_eq!(on.status, 200, "{}", on.body);
    assert!(ask().await);
    // All of them are listed, page by page.
    let (mut ids, mut query) = (Vec::new(), "limit=4".to_owned());
    loop {
        let page = admin.get(&format!("clients?{query}")).await.json();
        ids.extend(page["items"].as_array().unwrap().iter().map(|client| client["client_id"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("limit=4&after={next}");
    }
    let count = fixture.d1("SELECT COUNT(*) AS n FROM clients", &[]).await[0]["n"].clone();
    assert_eq!(json!(ids.len()), count);
}

#[tokio::test]
async fn initial_access_tokens_let_others_register_so_often() {
    let fixture = Fixture::shared();
    let base = &fixture.a;
    let admin = Admin::with(base, &token(base, "openid latchkey:trust").await);
    let made = admin.post("initial-access-tokens", &json!({ "uses": 1, "expires_in": 600 })).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let (id, initial) = (made.member("id"), made.member("token"));
    let listed = |page: Answer| page.json()["items"].as_array().unwrap().iter().find(|token| token["id"] == id).cloned();
    let token = listed(admin.get("initial-access-tokens").await).unwrap();
    assert_eq!((&token["uses"], token.get("token")), (&json!(1), None));
    let register = async |initial: &str| {
        let body = json!({ "redirect_uris": ["https://registered.example/cb"] });
        Api::send(Api::public(base, "").request("POST", "/register").bearer_auth(initial).json(&body)).await.status
    };
    assert_eq!((register(&initial).await, register(&initial).await), (201, 401));
    let second = admin.post("initial-access-tokens", &json!({})).await;
    let path = format!("initial-access-tokens/{}", second.member("id"));
    assert_eq!((admin.delete(&path).await.status, admin.delete(&path).await.status), (204, 404));
    assert_eq!(register(&second.member("token")).await, 401);
    let wrong = admin.post("initial-access-tokens", &json!({ "uses": 0, "expires_in": 0 })).await;
    assert_eq!(pointers(&assert_problem("wrong", &wrong, 400, "invalid")), ["/expires_in", "/uses"]);
}
