//! Clients that a metadata document describes (draft-ietf-oauth-client-id-metadata-document).

use latchkey::protocol::form::encode;
use latchkey::protocol::secret::{base64url, sha256};
use serde_json::{Value, json};

use super::{alone, clients, open, opened, row};
use crate::harness::{Fixture, Setup};
use crate::judge::{Judge, Reply};
use crate::support::{Answer, Api, Person, sleep};

const REDIRECT: &str = "https://app.example/cb";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// A document at this URL, with changes.
fn document(url: &str, changes: &Value) -> Value {
    let mut document = json!({
        "client_id": url, "client_name": "App of a document", "redirect_uris": [REDIRECT],
        "grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "none",
    });
    document.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    document
}

/// Serves such a document under a path; its URL.
fn serve(judge: &Judge, path: &str, changes: &Value) -> String {
    let url = judge.at(path);
    judge.answer(path, Reply::json(&document(&url, changes)));
    url
}

/// An authorization request of a client.
fn request(client: &str) -> String {
    let challenge = base64url(&sha256(VERIFIER.as_bytes()));
    format!(
        "client_id={}&redirect_uri={}&response_type=code&scope=openid+profile+offline_access&state=s&code_challenge={challenge}&code_challenge_method=S256",
        encode(client),
        encode(REDIRECT)
    )
}

/// What `/authorize` comes to: the page after all redirects within the site, or the one away from it.
async fn authorize(person: &Person, client: &str) -> Answer {
    follow(person, person.get(&format!("/authorize?{}", request(client))).await).await
}

/// The same where the client wants a refresh token, which takes a question.
async fn authorize_offline(person: &Person, client: &str) -> Answer {
    follow(person, person.get(&format!("/authorize?{}&prompt=consent", request(client))).await).await
}

async fn follow(person: &Person, mut answer: Answer) -> Answer {
    for _ in 0..5 {
        if answer.status != 303 || !answer.header("location").starts_with('/') {
            break;
        }
        let location = answer.header("location").to_owned();
        answer = person.get(&location).await;
    }
    answer
}

/// Answers a consent page with everything ticked.
async fn consent(person: &Person, page: &Answer, action: &str) -> Answer {
    assert!(page.body.contains("id=\"consent-allow\""), "{} {}", page.status, page.body);
    let form = page.form();
    let names: Vec<String> =
        page.body.split("name=\"scope.").skip(1).map(|rest| format!("scope.{}", rest.split('"').next().unwrap())).collect();
    let mut fields = vec![("form", form.as_str()), ("action", action)];
    fields.extend(names.iter().map(|name| (name.as_str(), "1")));
    person.post("/consent", &fields).await
}

/// The code of a redirect to the client.
fn code(answer: &Answer) -> String {
    let location = answer.header("location");
    assert!(answer.status == 303 && location.starts_with(REDIRECT), "{} {location} {}", answer.status, answer.body);
    let code = location.split(['?', '&']).find_map(|part| part.strip_prefix("code="));
    code.unwrap_or_else(|| panic!("no code in {location}")).to_owned()
}

async fn redeem(base: &str, client: &str, code: &str) -> Answer {
    let parameters =
        [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", REDIRECT), ("code_verifier", VERIFIER)];
    Api::public(base, client).post("/token", &parameters).await
}

/// Asserts the error page that `/authorize` shows when it does not know a client.
#[track_caller]
fn unknown(what: &str, answer: &Answer) {
    assert_eq!(answer.status, 400, "{what}: {} {}", answer.header("location"), answer.body);
    assert!(answer.body.contains("Something went wrong") && answer.header("location").is_empty(), "{what}: {}", answer.body);
}

/// A whole sign-in. The client's row is made by the user's yes and by nothing before it.
#[tokio::test]
async fn a_document_is_a_client_once_a_user_said_yes() {
    let (fixture, judge) = open();
    let client = serve(judge, "/apps/whole.json", &json!({}));
    let person = Person::ada(&fixture.a).await;
    let page = authorize(&person, &client).await;
    assert!(page.body.contains("App of a document") && page.body.contains("127.0.0.1"), "{}", page.body);
    let no = consent(&person, &page, "deny").await;
    assert!(no.header("location").contains("error=access_denied"), "{}", no.header("location"));
    assert_eq!(redeem(&fixture.a, &client, "nonsense").await.error(), "invalid_client");
    assert!(row(fixture, &client).await.is_none(), "a client that nobody said yes to has no row");

    let page = authorize_offline(&person, &client).await;
    let code = code(&consent(&person, &page, "allow").await);
    let made = row(fixture, &client).await.unwrap();
    assert_eq!(
        (made["origin"].as_str(), made["version"].as_i64(), made["secrets"].as_str()),
        (Some("document"), Some(1), Some("[]"))
    );
    // The other Worker never saw the document.
    let tokens = redeem(&fixture.b, &client, &code).await;
    assert!(tokens.is_granted(), "{}", tokens.body);
    assert_eq!(crate::support::claims(&tokens.member("access_token"))["client_id"], client.as_str());
    let api = Api::public(&fixture.b, &client);
    assert!(api.refresh(&tokens.member("refresh_token")).await.is_granted());
    assert_eq!(api.userinfo(&tokens.member("access_token")).await.status, 200);

    // Fetched once, without anything of ours in it; and the log names the client.
    let [heard] = judge.heard("/apps/whole.json").try_into().unwrap();
    assert_eq!((heard.method.as_str(), heard.header("accept"), heard.header("cookie")), ("GET", "application/json", ""));
    assert!(fixture.logs().await.iter().any(|entry| entry["line"]["client"] == client.as_str()));
    // The same user again: no question, no new row.
    code_again(&authorize(&person, &client).await);
    assert_eq!(row(fixture, &client).await.unwrap(), made);
}

fn code_again(answer: &Answer) {
    assert!(!code(answer).is_empty());
}

/// What a changed document says holds from the next code on, at the token endpoint too.
#[tokio::test]
async fn a_changed_document_is_followed() {
    let (fixture, judge) = open();
    let path = "/apps/changing.json";
    let url = judge.at(path);
    let say = |name: &str| {
        let document = document(&url, &json!({ "client_name": name }));
        judge.answer(path, Reply::json(&document).header("cache-control", "max-age=1"));
    };
    say("First");
    let person = Person::ada(&fixture.a).await;
    let page = authorize(&person, &url).await;
    code_again(&consent(&person, &page, "allow").await);
    say("Second");
    code_again(&authorize(&person, &url).await);
    assert!(row(fixture, &url).await.unwrap()["metadata"].as_str().unwrap().contains("First"), "from memory");
    sleep(1_100).await;
    let answer = authorize(&person, &url).await;
    assert!(redeem(&fixture.b, &url, &code(&answer)).await.is_granted());
    let now = row(fixture, &url).await.unwrap();
    assert!(now["metadata"].as_str().unwrap().contains("Second") && now["version"] == 2, "{now}");
    sleep(1_100).await;
    code_again(&authorize(&person, &url).await);
    assert_eq!(row(fixture, &url).await.unwrap()["version"], 2, "unchanged, nothing is written");
    assert_eq!(judge.heard(path).len(), 3);
    // A document that is gone is a client no more.
    judge.answer(path, Reply::new(404, ""));
    sleep(1_100).await;
    unknown("gone", &authorize(&person, &url).await);
}

/// Everything that is no good document is an unknown client: an error page, no redirect, no row; and it is not
/// fetched again and again.
#[tokio::test]
async fn bad_documents_are_unknown_clients() {
    let (_turn, fixture, judge) = alone().await;
    let before = clients(fixture).await;
    let person = Person::new(&fixture.a);
    let path_of = |what: &str| format!("/bad/{}", what.replace([' ', '\''], "-"));
    let url_of = |what: &str| judge.at(&path_of(what));
    let mut names = Vec::new();
    for (what, changes) in [
        ("another id", json!({ "client_id": judge.at("/apps/other.json") })),
        ("no id", json!({ "client_id": null })),
        ("a longer id", json!({ "client_id": url_of("a longer id/") })),
        ("a secret", json!({ "client_secret": "x" })),
        ("a secret's end", json!({ "client_secret_expires_at": 0 })),
        ("basic", json!({ "token_endpoint_auth_method": "client_secret_basic" })),
        ("post", json!({ "token_endpoint_auth_method": "client_secret_post" })),
        ("a secret's jwt", json!({ "token_endpoint_auth_method": "client_secret_jwt" })),
        ("no redirect uri", json!({ "redirect_uris": [] })),
        ("a fragment", json!({ "redirect_uris": ["https://app.example/#x"] })),
        ("a statement", json!({ "software_statement": "x" })),
        ("keys on a private address", json!({ "jwks_uri": "https://192.168.0.1/jwks" })),
        ("a sector elsewhere", json!({ "sector_identifier_uri": judge.at("/bad/sector") })),
        ("too large", json!({ "x": "x".repeat(16_384) })),
    ] {
        serve(judge, &path_of(what), &changes);
        names.push(what);
    }
    serve(judge, "/bad/target", &json!({ "client_id": url_of("redirect") }));
    let good = |what: &str| document(&url_of(what), &json!({}));
    let body =
        |status: u16, what: &str, media_type: &str| Reply::new(status, good(what).to_string()).header("content-type", media_type);
    for (what, reply) in [
        ("text", body(200, "text", "text/html")),
        ("no type", Reply::new(200, good("no type").to_string())),
        ("no JSON", Reply::new(200, "{").header("content-type", "application/json")),
        ("an array", Reply::json(&json!([good("an array")]))),
        ("unannounced", Reply::json(&document(&url_of("unannounced"), &json!({ "x": "x".repeat(16_384) }))).unannounced()),
        ("redirect", Reply::redirect(&judge.at("/bad/target"))),
        ("created", body(201, "created", "application/json")),
        ("not found", body(404, "not found", "application/json")),
        ("broken", body(500, "broken", "application/json")),
        ("late", body(200, "late", "application/json").after(2_500)),
        ("hung up", Reply::hang_up()),
    ] {
        judge.answer(&path_of(what), reply);
        names.push(what);
    }
    for what in names {
        for _ in 0..3 {
            unknown(what, &authorize(&person, &url_of(what)).await);
        }
        assert_eq!(judge.heard(&path_of(what)).len(), 1, "{what}: a failure is not asked for again at once");
    }
    assert_eq!(judge.heard("/bad/target").len(), 0, "no redirect was followed");
    assert_eq!(clients(fixture).await, before);
    // A server that has recovered is asked again after a pause.
    judge.answer("/bad/broken", body(200, "broken", "application/oauth-client+json"));
    sleep(5_100).await;
    let answer = authorize(&person, &url_of("broken")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.contains("name=\"password\""), "{}", answer.body);
}

/// Ids that are no document's URL, or lead where nothing may be fetched: nobody is asked.
#[tokio::test]
async fn ids_that_are_no_documents_are_not_fetched() {
    let (fixture, judge) = open();
    let person = Person::new(&fixture.a);
    serve(judge, "/odd/app.json", &json!({}));
    for id in [
        judge.url(),
        judge.at("/"),
        judge.at("/odd/app.json#x"),
        judge.at("/odd/../odd/app.json"),
        judge.at("/odd/./app.json"),
        judge.at("/odd/%61pp.json"),
        judge.at("/odd/app.json").replace("http://", "http://x@"),
        judge.at("/odd/app.json").replace("127.0.0.1", "localhost"),
        judge.at("/odd/app.json").replace("http://", "https://"),
        judge.at("/odd/app.json").replace("http://", "ftp://"),
        "https://127.0.0.1/app.json".to_owned(),
        "https://localhost/app.json".to_owned(),
        "https://10.0.0.1/app.json".to_owned(),
        format!("{}/app.json", fixture.a),
        judge.at(&format!("/odd/{}", "x".repeat(512))),
    ] {
        unknown(&id, &authorize(&person, &id).await);
    }
    assert_eq!(judge.heard("/odd/app.json").len(), 0);
    assert_eq!(judge.heard("/app.json").len(), 0);
    assert_eq!(authorize(&person, &judge.at("/odd/app.json")).await.status, 200, "and yet it is one");
}

/// A document is kept as long as its server and the realm both allow.
#[tokio::test]
async fn documents_are_kept_as_long_as_they_may_be() {
    let judge = Judge::start();
    let fixture = opened(&judge).var("DOCUMENT_CACHE", "2").start().await;
    let person = Person::new(&fixture.a);
    let reply = |path: &str, control: &str| {
        judge.answer(path, Reply::json(&document(&judge.at(path), &json!({}))).header("cache-control", control));
    };
    for (path, control) in [("/no-store", "no-store"), ("/zero", "max-age=0"), ("/one", "max-age=1"), ("/long", "max-age=86400")]
    {
        reply(path, control);
    }
    judge.answer("/unsaid", Reply::json(&document(&judge.at("/unsaid"), &json!({}))));
    let ask = async || {
        for path in ["/no-store", "/zero", "/one", "/long", "/unsaid"] {
            assert_eq!(authorize(&person, &judge.at(path)).await.status, 200, "{path}");
        }
    };
    let asked = |path: &str| judge.heard(path).len();
    ask().await;
    let (no_store, zero) = (asked("/no-store"), asked("/zero"));
    assert!(no_store >= 1 && zero >= 1);
    sleep(1_100).await;
    ask().await;
    assert!(asked("/no-store") > no_store && asked("/zero") > zero);
    assert_eq!((asked("/one"), asked("/long"), asked("/unsaid")), (2, 1, 1));
    sleep(1_100).await;
    ask().await;
    assert_eq!((asked("/one"), asked("/long"), asked("/unsaid")), (3, 2, 2), "the realm's limit");
}

/// Off, which is the default: such an id is unknown everywhere, whatever was there before.
#[tokio::test]
async fn documents_are_off_by_default() {
    let judge = Judge::start();
    let fixture = opened(&judge).start().await;
    let client = serve(&judge, "/app.json", &json!({}));
    let person = Person::ada(&fixture.a).await;
    let tokens = signed_in(&fixture, &person, &client).await;
    let off = json!({ "vars": { "CLIENT_ID_DOCUMENTS": null } });
    fixture.restart(json!({ "a": off, "b": off })).await;
    let asked = judge.heard("/app.json").len();
    unknown("off", &authorize(&person, &client).await);
    for base in [&fixture.a, &fixture.b] {
        let api = Api::public(base, &client);
        assert_eq!(api.refresh(&tokens.member("refresh_token")).await.error(), "invalid_client");
        assert_eq!(api.post("/par", &[]).await.error(), "invalid_client");
    }
    assert_eq!(judge.heard("/app.json").len(), asked);
    let metadata = Api::demo(&fixture.a).get("/.well-known/openid-configuration").await.json();
    assert!(metadata.get("client_id_metadata_document_supported").is_none());
}

/// A whole sign-in: the tokens.
async fn signed_in(fixture: &Fixture, person: &Person, client: &str) -> Answer {
    let page = authorize_offline(person, client).await;
    let code = code(&consent(person, &page, "allow").await);
    let tokens = redeem(&fixture.a, client, &code).await;
    assert!(tokens.is_granted(), "{}", tokens.body);
    tokens
}

/// The administrator's switch holds, also while the document is still in memory.
#[tokio::test]
async fn a_disabled_document_client_stays_disabled() {
    let (fixture, judge) = open();
    let client = serve(judge, "/apps/disabled.json", &json!({}));
    let person = Person::ada(&fixture.a).await;
    let tokens = signed_in(fixture, &person, &client).await;
    fixture.d1("UPDATE clients SET enabled = 0 WHERE id = ?1", &[client.as_str().into()]).await;
    unknown("from memory", &authorize(&person, &client).await);
    let refresh = Api::public(&fixture.a, &client).refresh(&tokens.member("refresh_token")).await;
    assert!(["invalid_client", "invalid_grant"].contains(&refresh.error().as_str()), "{}", refresh.body);
    assert_eq!(row(fixture, &client).await.unwrap()["enabled"], 0);
    // A Worker that never saw the document does not fetch it.
    unknown("from the row", &authorize(&Person::new(&fixture.b), &client).await);
    assert_eq!(judge.heard("/apps/disabled.json").len(), 1);
}

/// A client that the operator made under such an id is the operator's: no document speaks for it.
#[tokio::test]
async fn the_operators_own_client_is_not_a_documents() {
    let judge = Judge::start();
    let client = serve(&judge, "/own.json", &json!({ "client_name": "Of the document" }));
    let own = json!({
        "client_id": client, "client_name": "Of the operator", "redirect_uris": [REDIRECT], "grant_types": ["authorization_code"],
        "token_endpoint_auth_method": "none", "scope": "openid profile offline_access",
    });
    let fixture = opened(&judge).seed(&json!({ "clients": [own] })).start().await;
    let person = Person::ada(&fixture.a).await;
    let page = authorize(&person, &client).await;
    assert!(page.body.contains("Of the operator"), "{}", page.body);
    let before = row(&fixture, &client).await;
    code_again(&consent(&person, &page, "allow").await);
    assert_eq!(row(&fixture, &client).await, before);
    assert_eq!(judge.heard("/own.json").len(), 0);
}

/// RFC 9126: the document alone lets a client push its first request.
#[tokio::test]
async fn a_document_client_pushes_its_first_request() {
    let (fixture, judge) = open();
    let client = serve(judge, "/apps/pushing.json", &json!({ "require_pushed_authorization_requests": true }));
    let api = Api::public(&fixture.a, &client);
    let body = request(&client);
    let push = api.request("POST", "/par").header("content-type", "application/x-www-form-urlencoded").body(body);
    let pushed = Api::send(push).await;
    assert_eq!(pushed.status, 201, "{}", pushed.body);
    let person = Person::ada(&fixture.a).await;
    let query = format!("client_id={}&request_uri={}", encode(&client), encode(&pushed.member("request_uri")));
    let page = follow(&person, person.get(&format!("/authorize?{query}")).await).await;
    let code = code(&consent(&person, &page, "allow").await);
    assert!(redeem(&fixture.a, &client, &code).await.is_granted());
    // A secret is no proof of a client that has none.
    let with_secret = Api::basic(&fixture.a, &client, "x").post("/par", &[]).await;
    assert_eq!((with_secret.status, with_secret.error().as_str()), (401, "invalid_client"));
}

/// So many fetches for one address: nobody makes us flood another's server.
#[tokio::test]
async fn fetches_are_limited_per_address() {
    let judge = Judge::start();
    let fixture = opened(&judge).rate_limit("LIMIT_REGISTER", 3).start().await;
    let ask = async |number: u32, address: &str| {
        let path = format!("/many/{number}.json");
        let client = serve(&judge, &path, &json!({}));
        let url = format!("/authorize?{}", request(&client));
        let answer = Api::send(Api::public(&fixture.a, "").request("GET", &url).header("cf-connecting-ip", address)).await;
        (answer.status, judge.heard(&path).len())
    };
    for number in 0..3 {
        assert_eq!(ask(number, "192.0.2.1").await, (303, 1));
    }
    assert_eq!(ask(3, "192.0.2.1").await, (429, 0));
    assert_eq!(ask(0, "192.0.2.1").await, (303, 1), "one in memory is not fetched");
    assert_eq!(ask(4, "192.0.2.2").await, (303, 1), "another address");
}

/// The settings that a default Worker has: nothing here is on.
#[tokio::test]
async fn a_default_worker_fetches_no_document() {
    let judge = Judge::start();
    let fixture = Setup::default().var("OUTBOUND_ALLOW", &judge.host_port()).start().await;
    let client = serve(&judge, "/app.json", &json!({}));
    unknown("default", &authorize(&Person::new(&fixture.a), &client).await);
    assert_eq!(judge.heard("/app.json").len(), 0);
}
