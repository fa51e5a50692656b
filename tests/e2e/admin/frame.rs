//! Who may, and what a request must look like.

use serde_json::json;

use super::{Admin, SCOPES, assert_problem, cli, token};
use crate::harness::{Fixture, Setup};
use crate::support::{Api, Person};
use crate::web::{App, web_client};

/// RFC 6750 3, RFC 9068 4.
#[tokio::test]
async fn only_a_token_for_us_with_the_scope_lets_in() {
    let fixture = Fixture::shared();
    let base = &fixture.a;
    let nobody = Admin::with(base, "").get("roles").await;
    assert_problem("no token", &nobody, 401, "unauthorized");
    let challenge = nobody.header("www-authenticate");
    assert!(challenge.starts_with("Bearer ") && !challenge.contains("error"), "{challenge}");

    let person = Person::ada(base).await;
    let tokens = App::demo(base).tokens(&person, &[("scope", "openid records:read")]).await;
    for (what, token) in [("garbage", "x".to_owned()), ("an ID token", tokens.member("id_token"))] {
        let answer = Admin::with(base, &token).get("roles").await;
        assert_problem(what, &answer, 401, "unauthorized");
        assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""), "{what}");
    }
    let answer = Admin::with(base, &tokens.member("access_token")).get("roles").await;
    assert_problem("no such scope", &answer, 403, "insufficient_scope");
    assert!(answer.header("www-authenticate").contains("scope=\"latchkey:users\""), "{}", answer.header("www-authenticate"));
    // For its resource, and not for us.
    let service = Api::basic(base, "demo-service", "demo-service-secret-0123456789abcdef");
    let elsewhere = service.post("/token", &[("grant_type", "client_credentials")]).await.member("access_token");
    assert_problem("for somebody else", &Admin::with(base, &elsewhere).get("roles").await, 401, "unauthorized");
    // The operator's own service.
    let operator = Api::basic(base, "demo-operator", "demo-operator-secret-0123456789abcdef");
    let operator = operator.post("/token", &[("grant_type", "client_credentials")]).await.member("access_token");
    assert_eq!(Admin::with(base, &operator).get("roles").await.status, 200);

    let admin = Admin::ada(base).await;
    assert_problem("no such path", &admin.get("nothing").await, 404, "not_found");
    let answer = Api::send(admin.request("PUT", "roles/x")).await;
    assert_problem("no such method", &answer, 405, "method_not_allowed");
    assert_eq!(answer.header("allow"), "GET, PATCH, DELETE");
}

#[tokio::test]
async fn a_finer_scope_does_no_more_than_it_says() {
    let fixture = Fixture::shared();
    let admin = |token: String| Admin::with(&fixture.a, &token);
    let reader = admin(token(&fixture.a, "openid latchkey:admin.read").await);
    assert_eq!(reader.get("roles").await.status, 200);
    let refused = reader.post("roles", &json!({ "name": "fine-reader" })).await;
    assert_problem("a reader", &refused, 403, "insufficient_scope");
    let keys = admin(token(&fixture.a, "openid latchkey:keys").await);
    assert_problem("of keys alone", &keys.get("roles").await, 403, "insufficient_scope");
    let users = admin(token(&fixture.a, "openid latchkey:users").await);
    assert_eq!(users.post("roles", &json!({ "name": "fine-users" })).await.status, 201);
}

/// The role counts as it is now, and so does everything else behind the token.
#[tokio::test]
async fn a_role_taken_away_ends_administration_at_once() {
    let fixture = Setup::default().var("CLIENT_CACHE", "300").start().await;
    let admin = Admin::ada(&fixture.a).await;
    let there = admin.at(&fixture.b);
    assert_eq!(admin.get("roles").await.status, 200);
    let set = async |roles: &str| {
        fixture
            .d1("UPDATE users SET roles = ?1 WHERE id = (SELECT user_id FROM logins WHERE login = 'ada')", &[json!(roles)])
            .await
    };
    set("[\"latchkey:keys\",\"admin\"]").await;
    for admin in [&admin, &there] {
        assert_problem("the role is gone", &admin.get("roles").await, 403, "insufficient_scope");
    }
    set("[\"latchkey:admin\"]").await;
    assert_eq!(there.get("roles").await.status, 200);
    fixture.d1("UPDATE users SET enabled = 0 WHERE id = (SELECT user_id FROM logins WHERE login = 'ada')", &[]).await;
    assert_problem("disabled", &admin.get("roles").await, 401, "unauthorized");
    // A service's registration counts as it is now too.
    let operator = Api::basic(&fixture.a, "demo-operator", "demo-operator-secret-0123456789abcdef");
    let operator = operator.post("/token", &[("grant_type", "client_credentials")]).await.member("access_token");
    let operator = Admin::with(&fixture.a, &operator);
    assert_eq!(operator.get("roles").await.status, 200);
    let sql = "UPDATE clients SET metadata = json_set(metadata, '$.scope', 'records:read') WHERE id = 'demo-operator'";
    fixture.d1(sql, &[]).await;
    assert_problem("not registered for it", &operator.get("roles").await, 403, "insufficient_scope");
}

/// RFC 9470 3.
#[tokio::test]
async fn an_old_sign_in_is_sent_to_sign_in_again() {
    let fixture = Setup::default().var("ADMIN_MAX_AUTH_AGE", "2").start().await;
    let admin = Admin::ada(&fixture.a).await;
    assert_eq!(admin.get("roles").await.status, 200);
    tokio::time::sleep(std::time::Duration::from_millis(2_200)).await;
    let answer = admin.get("roles").await;
    assert_problem("long ago", &answer, 401, "insufficient_user_authentication");
    let challenge = answer.header("www-authenticate");
    assert!(challenge.contains("error=\"insufficient_user_authentication\", max_age=\"2\""), "{challenge}");
}

#[tokio::test]
async fn bodies_are_json_objects_whose_members_are_all_known() {
    let fixture = Fixture::shared();
    let admin = Admin::ada(&fixture.a).await;
    let body = json!({ "name": "odd", "descripton": "x", "colour": "red", "a/b": 1 });
    let problem = assert_problem("unknown", &admin.post("roles", &body).await, 400, "unknown_field");
    let mut pointers: Vec<&str> = problem["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/a~1b", "/colour", "/descripton"]);
    assert_eq!(admin.get("roles/odd").await.status, 404);
    for body in ["[]", "{", "{\"name\":1}", "{}", "null"] {
        let request = admin.request("POST", "roles").header("content-type", "application/json").body(body);
        assert_problem(body, &Api::send(request).await, 400, "invalid");
    }
    let form = admin.request("POST", "roles").form(&[("name", "x")]);
    assert_problem("a form", &Api::send(form).await, 400, "invalid");
    let large = json!({ "name": "large", "description": "x".repeat(70_000) });
    assert_problem("large", &admin.post("roles", &large).await, 413, "too_large");
    for query in ["limit=0", "limit=1000", "after=!"] {
        assert_problem(query, &admin.get(&format!("roles?{query}")).await, 400, "invalid");
    }
}

/// Whoever is talked into signing in for a stranger's `latchkey-cli` gives nothing away without having the role, is asked
/// every time, and the code goes to their own computer alone.
#[tokio::test]
async fn phishing_yields_nothing_from_who_has_nothing() {
    let seed = json!({
        "users": [{ "login": "grace", "password": "compiler-no-1952", "roles": ["latchkey:keys"] }],
        "clients": [web_client("trusted", &[json!({ "skip_consent": true, "scope": format!("openid {SCOPES}") })])],
    });
    let fixture = Setup::default().seed(&seed).start().await;
    let base = &fixture.a;
    let cli = cli(base);
    // An administrator is asked each time, also by a client that the operator answers for.
    let ada = Person::ada(base).await;
    for app in [&cli, &App::web(base, "trusted")] {
        for _ in 0..2 {
            let page = crate::web::follow(&ada, ada.get(&app.path(&[("scope", &format!("openid {SCOPES}"))])).await).await;
            assert!(page.body.contains("See all of this realm") && page.body.contains("action=\"/consent\""), "{}", page.body);
            assert!(crate::web::consent(&ada, &page).await.status == 303);
        }
    }
    // Somebody else is asked for what they may give.
    let grace = Person::new(base);
    grace.sign_in("grace", "compiler-no-1952").await;
    let path = cli.path(&[("scope", &format!("openid {SCOPES}"))]);
    let page = crate::web::follow(&grace, grace.get(&path).await).await;
    assert!(!page.body.contains("scope.latchkey:admin") && page.body.contains("Signing keys"), "{}", page.body);
    let back = cli.returned(&crate::web::consent(&grace, &page).await);
    let tokens = cli.redeem(&back["code"]).await;
    assert_eq!(tokens.member("scope"), "openid latchkey:keys");
    let admin = Admin::with(base, &tokens.member("access_token"));
    assert_problem("not hers", &admin.get("roles").await, 403, "insufficient_scope");
    // The code goes nowhere but to a loopback address.
    for uri in [
        "https://evil.example/callback",
        "http://localhost:1/callback",
        "http://127.0.0.1:1/other",
        "http://127.0.0.1.evil.example/callback",
    ] {
        let answer = ada.get(&cli.path(&[("redirect_uri", uri)])).await;
        assert_eq!((answer.status, answer.header("location")), (400, ""), "{uri}");
    }
}

/// The device grant yields scopes of administration only where the operator wants that.
#[tokio::test]
async fn a_device_administers_only_where_the_setting_lists_it() {
    let seed = |id: &str| json!({ "clients": [crate::support::client(id, &[json!({ "scope": format!("openid offline_access {SCOPES}") })])] });
    let closed = Setup::default().seed(&seed("wall-tablet")).start().await;
    let device = Api::public(&closed.a, "wall-tablet");
    assert_eq!(device.post("/device_authorization", &[("scope", "latchkey:admin")]).await.error(), "invalid_scope");
    let tokens = device.signed_in(&Person::ada(&closed.a).await).await;
    assert!(!tokens.member("scope").contains("latchkey:"), "{}", tokens.body);

    let scopes = json!({ "latchkey:admin": { "title": "Run it all", "grant_types": [crate::support::DEVICE_CODE] } });
    let open = Setup::default().var("SCOPES", &scopes.to_string()).seed(&seed("wall-tablet")).start().await;
    let device = Api::public(&open.a, "wall-tablet");
    let tokens = device.signed_in(&Person::ada(&open.a).await).await;
    assert!(tokens.member("scope").contains("latchkey:admin"), "{}", tokens.body);
    assert_eq!(Admin::with(&open.a, &tokens.member("access_token")).get("roles").await.status, 200);
    assert_problem("only that", &Admin::with(&open.a, "x").get("roles").await, 401, "unauthorized");
}
