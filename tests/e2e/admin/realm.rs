//! A whole realm as one document: exported, planned, imported; all or nothing.

use serde_json::{Value, json};

use super::{Admin, assert_problem, token};
use crate::harness::{Fault, Fixture, Mode, Setup, Worker};
use crate::support::{ADA, Api, Person};
use crate::web::App;

const SECRET: &str = "a-secret-of-32-characters-or-more";

fn device(id: &str) -> Value {
    json!({ "client_id": id, "client_name": "Ward device", "token_endpoint_auth_method": "none",
        "grant_types": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"], "scope": "openid profile offline_access" })
}

fn document() -> Value {
    json!({ "format": 1,
        "clients": [device("ward"), { "client_id": "job", "client_secret": SECRET, "grant_types": ["client_credentials"],
            "token_endpoint_auth_method": "client_secret_basic", "scope": "records:read" }],
        "users": [{ "login": "Grace", "password": "compiler no. 1952", "claims": { "name": "Grace" }, "roles": ["nurse"] }],
        "roles": [{ "name": "nurse", "description": "Looks after people" }],
        "trusted_issuers": [{ "issuer": "https://ci.example", "preset": "oidc", "audiences": ["https://id.example"],
            "rules": [{ "id": "r", "claims": { "sub": { "equals": "x" } }, "yields": { "client": "job", "scope": "records:read" } }] }] })
}

async fn plan(admin: &Admin, document: &Value) -> Vec<String> {
    let answer = admin.post("plan", &json!({ "document": document })).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    told(&answer.json())
}

fn told(answer: &Value) -> Vec<String> {
    let changes = answer["changes"].as_array().unwrap().iter();
    changes.map(|change| format!("{} {} {}", change["action"], change["kind"], change["id"]).replace('"', "")).collect()
}

#[tokio::test]
async fn what_is_declared_is_made_so_and_then_nothing_is_left_to_do() {
    let fixture = Setup::default().start().await;
    let admin = Admin::ada(&fixture.a).await;
    let before = fixture.d1("SELECT (SELECT COUNT(*) FROM clients) AS c, (SELECT COUNT(*) FROM users) AS u", &[]).await;
    let expected = [
        "create client ward",
        "create client job",
        "create user grace",
        "create role nurse",
        "create trusted_issuer https://ci.example",
    ];
    assert_eq!(plan(&admin, &document()).await, expected);
    let same = fixture.d1("SELECT (SELECT COUNT(*) FROM clients) AS c, (SELECT COUNT(*) FROM users) AS u", &[]).await;
    assert_eq!(same, before, "a plan changes nothing");
    let done = admin.post("import", &json!({ "document": document() })).await;
    assert_eq!((done.status, told(&done.json())), (200, expected.map(str::to_owned).to_vec()), "{}", done.body);
    assert_eq!(plan(&admin, &document()).await, [""; 0]);
    let events =
        fixture.d1("SELECT detail FROM audit_events WHERE kind = 'admin_change' AND detail LIKE '%import_create%'", &[]).await;
    assert_eq!(events.len(), expected.len());

    // It works at once, at the other Worker too.
    let person = Person::new(&fixture.b);
    person.sign_in("grace", "compiler no. 1952").await;
    let tokens = Api::public(&fixture.a, "ward").signed_in(&person).await;
    let job = Api::basic(&fixture.b, "job", SECRET);
    assert_eq!(job.post("/token", &[("grant_type", "client_credentials")]).await.status, 200);

    // Secrets and passwords that are not said stay; what else is left out has its default.
    let mut changed = document();
    changed["clients"][1].as_object_mut().unwrap().remove("client_secret");
    changed["users"][0].as_object_mut().unwrap().remove("password");
    assert_eq!(plan(&admin, &changed).await, [""; 0]);
    changed["users"][0]["roles"] = json!([]);
    changed["clients"][0]["client_name"] = json!("Other device");
    let answer = admin.post("import", &json!({ "document": changed })).await.json();
    assert_eq!(told(&answer), ["update client ward", "update user grace"]);
    assert_eq!((&answer["changes"][0]["fields"], &answer["changes"][1]["fields"]), (&json!(["client_name"]), &json!(["roles"])));
    assert_eq!(Person::new(&fixture.a).try_sign_in("grace", "compiler no. 1952").await.status, 303);

    // What is not in the document stays, unless it is pruned; users stay always, and so does the client that asks.
    let rest = json!({ "format": 1, "clients": [], "users": [], "roles": [] });
    assert_eq!(plan(&admin, &rest).await, [""; 0]);
    let pruned = admin.post("import", &json!({ "document": rest, "prune": true })).await;
    let pruned = told(&pruned.json());
    assert!(pruned.contains(&"delete client ward".to_owned()) && pruned.contains(&"delete role nurse".to_owned()), "{pruned:?}");
    assert!(!pruned.iter().any(|told| told.contains("user") || told.contains("latchkey-cli")), "{pruned:?}");
    assert_eq!(Api::public(&fixture.a, "ward").refresh(&tokens.member("refresh_token")).await.error(), "invalid_client");
    // A client that is made again under its name gets nothing of what was.
    assert_eq!(admin.post("import", &json!({ "document": document() })).await.status, 200);
    assert_eq!(Api::public(&fixture.b, "ward").refresh(&tokens.member("refresh_token")).await.error(), "invalid_grant");
}

#[tokio::test]
async fn a_document_with_faults_changes_nothing_and_hears_of_all() {
    let fixture = Fixture::shared();
    let admin = Admin::ada(&fixture.a).await;
    let before = fixture.stored().await;
    let mut bad = document();
    bad["clients"][0]["client_naem"] = json!("x");
    bad["clients"].as_array_mut().unwrap().push(json!({ "client_id": "new", "redirect_uris": ["https://a.example/"] }));
    bad["users"][0]["password"] = json!("short");
    bad["users"].as_array_mut().unwrap().push(json!({ "login": "mallory", "admin": true }));
    bad["roles"][0]["name"] = json!("latchkey:admin");
    for path in ["plan", "import"] {
        let problem = assert_problem(path, &admin.post(path, &json!({ "document": bad })).await, 400, "invalid");
        let pointers: Vec<&str> = problem["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
        assert_eq!(pointers, ["/clients/0/client_naem", "/users/0/password", "/users/1/admin", "/roles/0/name"]);
    }
    // What only the realm tells: new things without what proves them, another id, a client that is not the operator's.
    let ada = fixture.d1("SELECT id FROM users WHERE login = 'ada'", &[]).await[0]["id"].clone();
    let unknown = json!({ "format": 1, "clients": [{ "client_id": "new", "redirect_uris": ["https://a.example/"] }],
        "users": [{ "login": "mallory" }, { "login": "ada", "id": "AAAAAAAAAAAAAAAAAAAAAA" }] });
    assert_ne!(ada, "AAAAAAAAAAAAAAAAAAAAAA");
    let problem = assert_problem("lacks", &admin.post("import", &json!({ "document": unknown })).await, 400, "invalid");
    let pointers: Vec<&str> = problem["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/clients/0/client_secret", "/users/0/password", "/users/1/id"]);
    assert_problem("no format", &admin.post("plan", &json!({ "document": {} })).await, 400, "invalid");
    assert_problem("unknown", &admin.post("plan", &json!({ "document": {}, "force": true })).await, 400, "unknown_field");
    let large = json!({ "document": { "x": "y".repeat(1_100_000) } });
    assert_problem("large", &admin.post("plan", &large).await, 413, "too_large");
    fixture.assert_unchanged(before).await;
}

#[tokio::test]
async fn only_administrators_of_everything() {
    let fixture = Fixture::shared();
    let reader = Admin::with(&fixture.a, &token(&fixture.a, "openid latchkey:admin.read").await);
    assert_eq!(reader.get("export").await.status, 200);
    assert_eq!(reader.post("plan", &json!({ "document": { "format": 1 } })).await.status, 200);
    // Nothing to guess passwords by: neither their hashes nor whether one is right.
    let export = reader.get("export").await;
    assert!(!export.body.contains("argon2id") && !export.body.contains("sha256") && export.body.contains("demo-service"));
    for guess in [ADA.1, "another password of hers"] {
        let user = json!({ "login": ADA.0, "password": guess });
        let secret = json!({ "client_id": "demo-service", "client_secret": SECRET, "grant_types": ["client_credentials"] });
        let plan = reader.post("plan", &json!({ "document": { "format": 1, "users": [user], "clients": [secret] } })).await;
        assert!(plan.status == 200 && !plan.body.contains("password") && !plan.body.contains("secrets"), "{}", plan.body);
    }
    for (path, body) in [("import", json!({ "document": { "format": 1 } })), ("export", json!({ "passphrase": "x".repeat(20) }))]
    {
        assert_problem(path, &reader.post(path, &body).await, 403, "insufficient_scope");
    }
    let clients = Admin::with(&fixture.a, &token(&fixture.a, "openid latchkey:clients latchkey:users").await);
    assert_problem("finer scopes", &clients.get("export").await, 403, "insufficient_scope");
}

/// The realm is never left without an administrator, and never half changed.
#[tokio::test]
async fn all_or_nothing() {
    let fixture = Setup::default().start().await;
    let admin = Admin::ada(&fixture.a).await;
    let mut last = document();
    last["users"].as_array_mut().unwrap().push(json!({ "login": ADA.0, "roles": [] }));
    assert_problem("last administrator", &admin.post("import", &json!({ "document": last })).await, 409, "conflict");
    last["users"][1] = json!({ "login": ADA.0, "roles": ["latchkey:admin"], "enabled": false });
    assert_problem("disabled", &admin.post("import", &json!({ "document": last })).await, 409, "conflict");
    assert!(fixture.d1("SELECT 1 FROM clients WHERE id IN ('ward', 'job')", &[]).await.is_empty());
    assert!(fixture.d1("SELECT 1 FROM audit_events WHERE detail LIKE '%import%'", &[]).await.is_empty());

    // Somebody else was quicker.
    fixture.fault(Worker::A, &Fault::new("DB", Mode::Slow(1500), "changed meanwhile")).await;
    let (late, body) = (admin.clone(), json!({ "document": document() }));
    let late = tokio::spawn(async move { late.post("import", &body).await });
    crate::support::sleep(500).await;
    assert_eq!(admin.at(&fixture.b).post("roles", &json!({ "name": "nurse" })).await.status, 201);
    assert_problem("changed meanwhile", &late.await.unwrap(), 409, "conflict");
    assert!(fixture.d1("SELECT 1 FROM clients WHERE id = 'ward'", &[]).await.is_empty());

    // A lost answer: done once, and told so.
    fixture.fault(Worker::A, &Fault::new("DB", Mode::After, "changed meanwhile")).await;
    let done = admin.post("import", &json!({ "document": document() })).await;
    assert_eq!((done.status, fixture.disarm(Worker::A).await), (200, 0), "{}", done.body);
    assert_eq!(fixture.d1("SELECT version FROM roles WHERE name = 'nurse'", &[]).await[0]["version"], 2);
    assert_eq!(fixture.d1("SELECT 1 FROM audit_events WHERE detail LIKE '%import_%'", &[]).await.len(), 5);
}

/// Export, then import into an empty realm: the same people, clients and tokens.
#[tokio::test]
async fn a_realm_moves() {
    let old = Setup::default().start().await;
    let admin = Admin::ada(&old.a).await;
    assert_eq!(admin.post("import", &json!({ "document": document() })).await.status, 200);
    let person = Person::ada(&old.a).await;
    // A client with subjects of its own has the realm make a salt.
    let tokens = App::demo(&old.a).tokens(&person, &[("scope", "openid records:read")]).await;
    let passphrase = "a passphrase of the operator";
    let plain = admin.get("export").await;
    assert_eq!(plain.status, 200);
    let members: Vec<String> = plain.json().as_object().unwrap().keys().cloned().collect();
    assert_eq!(members, ["clients", "format", "issuer", "roles", "trusted_issuers", "users"]);
    for never in ["\"d\":", "wrapped", "sealed"] {
        assert!(!plain.body.contains(never), "{never}");
    }
    assert!(!plain.body.contains(SECRET) && !plain.body.contains("compiler no") && plain.body.contains("$argon2id$"));
    assert_problem("weak", &admin.post("export", &json!({ "passphrase": "short" })).await, 400, "invalid");
    let exported = admin.post("export", &json!({ "passphrase": passphrase })).await;
    assert_eq!(exported.status, 200, "{}", exported.body);
    let kids: Vec<Value> = Api::demo(&old.a).get("/jwks.json").await.json()["keys"].as_array().unwrap().clone();

    let new = Setup::default().start().await;
    let admin = Admin::ada(&new.a).await;
    let document = exported.json();
    let wrong = json!({ "document": document, "passphrase": "another passphrase of theirs" });
    let problem = assert_problem("passphrase", &admin.post("import", &wrong).await, 400, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/keys");
    let done = admin.post("import", &json!({ "document": document, "passphrase": passphrase })).await;
    assert_eq!(done.status, 200, "{}", done.body);
    let moved: Vec<Value> = Api::demo(&new.a).get("/jwks.json").await.json()["keys"].as_array().unwrap().clone();
    for key in &kids {
        assert!(moved.iter().any(|other| other["kid"] == key["kid"]), "{key}");
    }
    let person = Person::new(&new.b);
    person.sign_in("grace", "compiler no. 1952").await;
    let job = Api::basic(&new.a, "job", SECRET);
    assert_eq!(job.post("/token", &[("grant_type", "client_credentials")]).await.status, 200);
    let sub = |fixture: &Fixture| {
        let fixture = fixture.a.clone();
        async move { Admin::ada(&fixture).await.get("users?login=grace").await.json()["items"][0]["id"].clone() }
    };
    assert_eq!(sub(&old).await, sub(&new).await);
    assert!(tokens.is_granted());
    // Once it is used, its keys are its own.
    Api::public(&new.a, "ward").signed_in(&person).await;
    let admin = Admin::ada(&new.a).await;
    let again = json!({ "document": document, "passphrase": passphrase });
    assert_problem("used", &admin.post("import", &again).await, 400, "invalid");
}

/// An id is its user's: nobody becomes another by it.
#[tokio::test]
async fn a_new_login_takes_nobodys_id() {
    let fixture = Fixture::shared();
    let admin = Admin::ada(&fixture.a).await;
    let before = fixture.stored().await;
    let ada = fixture.d1("SELECT id FROM users WHERE login = 'ada'", &[]).await[0]["id"].clone();
    let user = json!({ "login": "mallory", "id": ada, "password": "long enough for all", "roles": ["latchkey:admin"] });
    for path in ["plan", "import"] {
        let document = json!({ "document": { "format": 1, "users": [user] } });
        let problem = assert_problem(path, &admin.post(path, &document).await, 400, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/users/0/id");
    }
    fixture.assert_unchanged(before).await;
    let many: Vec<Value> = (0..101).map(|n| json!({ "login": format!("new-{n}"), "password": "long enough for all" })).collect();
    let many = json!({ "document": { "format": 1, "users": many } });
    assert_eq!(assert_problem("hashing", &admin.post("plan", &many).await, 400, "invalid")["errors"][0]["pointer"], "/users");
}

/// Also when somebody is quicker: the same login, made again, is another user.
#[tokio::test]
async fn a_user_who_was_made_again_is_another() {
    let fixture = Setup::default().start().await;
    let admin = Admin::ada(&fixture.a).await;
    assert_eq!(admin.post("import", &json!({ "document": document() })).await.status, 200);
    let id = fixture.d1("SELECT id FROM users WHERE login = 'grace'", &[]).await[0]["id"].as_str().unwrap().to_owned();
    fixture.fault(Worker::A, &Fault::new("DB", Mode::Slow(2000), "changed meanwhile")).await;
    let (late, changed) = (admin.clone(), json!({ "format": 1, "users": [{ "login": "grace", "claims": { "name": "Late" } }] }));
    let late = tokio::spawn(async move { late.post("import", &json!({ "document": changed })).await });
    crate::support::sleep(400).await;
    let quick = admin.at(&fixture.b);
    assert_eq!(quick.delete(&format!("users/{id}")).await.status, 204);
    assert_eq!(quick.post("users", &json!({ "login": "grace", "password": "long enough for all" })).await.status, 201);
    assert_problem("made again", &late.await.unwrap(), 409, "conflict");
    let users = fixture.d1("SELECT claims FROM users WHERE login = 'grace'", &[]).await;
    assert_eq!(users, [json!({ "claims": "{}" })]);
}

#[tokio::test]
async fn what_is_pruned_is_nobodys() {
    let fixture = Setup::default().start().await;
    let admin = Admin::ada(&fixture.a).await;
    assert_eq!(admin.post("import", &json!({ "document": document() })).await.status, 200);
    // A service prunes as it likes, and is still there after.
    let operator = Api::basic(&fixture.a, "demo-operator", "demo-operator-secret-0123456789abcdef");
    let operator = operator.post("/token", &[("grant_type", "client_credentials")]).await.member("access_token");
    let operator = Admin::with(&fixture.a, &operator);
    let mut rest = json!({ "format": 1, "users": [{ "login": "grace", "roles": ["nurse"] }] });
    for users in [json!([]), rest["users"].clone()] {
        rest["users"] = users;
        let problem = operator.post("plan", &json!({ "document": rest, "prune": true })).await;
        let problem = assert_problem("somebody is a nurse", &problem, 400, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/roles");
    }
    rest["users"] = json!([{ "login": "grace" }]);
    let done = operator.post("import", &json!({ "document": rest, "prune": true })).await;
    let done = told(&done.json());
    assert!(done.contains(&"delete role nurse".to_owned()) && done.contains(&"delete client ward".to_owned()), "{done:?}");
    assert!(!done.iter().any(|told| told.contains("demo-operator")), "{done:?}");
    assert_eq!(operator.get("roles").await.status, 200);
}

/// Their owner is told on the account page.
#[tokio::test]
async fn a_password_that_is_imported_is_told() {
    let fixture = Setup::default().start().await;
    let admin = Admin::ada(&fixture.a).await;
    assert_eq!(admin.post("import", &json!({ "document": document() })).await.status, 200);
    let mut changed = document();
    changed["users"][0]["claims"] = json!({ "name": "Grace Hopper" });
    assert_eq!(admin.post("import", &json!({ "document": changed })).await.status, 200);
    let events = async || fixture.d1("SELECT security_events AS e FROM users WHERE login = 'grace'", &[]).await[0]["e"].clone();
    assert_eq!(events().await, "[]");
    changed["users"][0]["password"] = json!("another one of hers");
    assert_eq!(admin.post("import", &json!({ "document": changed })).await.status, 200);
    assert_eq!(events().await.as_str().unwrap().matches("\"what\":\"password_set\"").count(), 1);
}
