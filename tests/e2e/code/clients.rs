//! Clients that change: seen at once by whatever is decided, through whichever Worker.

use latchkey::protocol::client::StoredSecret;
use latchkey::protocol::secret::SecretHash;
use latchkey::protocol::time::Timestamp;
use serde_json::{Value, json};

use super::{OFFLINE, assert_no_client, assert_refused, fixture, now};
use crate::support::{Answer, Api, Person, header, sleep};
use crate::web::{App, Pkce, secret};

/// Two secrets are live while one is replaced; the old one ends at its time.
#[tokio::test]
async fn two_secrets_live_side_by_side_and_the_old_one_ends() {
    let fixture = fixture();
    let person = Person::ada(&fixture.a).await;
    let old = App::web(&fixture.a, "two-secrets");
    let with = |secret: &str| App { api: Api::basic(&fixture.a, "two-secrets", secret), ..old.clone() };
    let new = with("the-new-secret-0123456789abcdef0123456789");
    let both_workers = async |app: &App, works: bool| {
        for base in [&fixture.a, &fixture.b] {
            let app = app.at(base);
            let code = app.code(&person, &OFFLINE).await;
            let tokens = app.redeem(&code).await;
            if works {
                assert!(tokens.is_granted(), "{}", tokens.body);
                assert_eq!(app.api.post("/revoke", &[("token", "none of ours")]).await.status, 200);
            } else {
                assert_no_client(&tokens, true);
            }
        }
    };
    both_workers(&old, true).await;
    both_workers(&new, false).await;
    let set = async |secrets: &[(&str, Option<i64>)]| {
        let stored = |(secret, ends): &(&str, Option<i64>)| StoredSecret {
            sha256: SecretHash::of(secret.as_bytes()),
            expires_at: ends.map(Timestamp::from_millis),
        };
        let secrets = serde_json::to_string(&secrets.iter().map(stored).collect::<Vec<_>>()).unwrap();
        fixture.d1("UPDATE clients SET secrets = ?1, version = version + 1 WHERE id = 'two-secrets'", &[secrets.into()]).await;
    };
    let ends = (now() + 4) * 1000;
    set(&[(&secret("two-secrets"), Some(ends)), ("the-new-secret-0123456789abcdef0123456789", None)]).await;
    both_workers(&new, true).await;
    both_workers(&old, true).await;
    both_workers(&with("neither"), false).await;
    let ended = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    sleep(u64::try_from(i128::from(ends) - i128::try_from(ended).unwrap() + 50).unwrap_or(0)).await;
    both_workers(&old, false).await;
    both_workers(&new, true).await;
    // Taken away at once, though both Workers remember it: a redemption and a refresh decide on what is there now.
    let tokens = new.tokens(&person, &OFFLINE).await;
    let code = new.code(&person, &[]).await;
    set(&[("the-third-secret-0123456789abcdef01234567", None)]).await;
    assert_no_client(&new.at(&fixture.b).redeem(&code).await, true);
    assert_no_client(&new.at(&fixture.b).api.refresh(&tokens.member("refresh_token")).await, true);
    let third = with("the-third-secret-0123456789abcdef01234567");
    assert!(third.redeem(&code).await.is_granted(), "the code was not spent");
    assert!(third.api.refresh(&tokens.member("refresh_token")).await.is_granted());
}

/// A client that is registered through one Worker: its changes hold at the other from the next request on.
#[tokio::test]
async fn a_client_that_is_changed_through_one_worker_is_changed_at_the_other() {
    let fixture = fixture();
    let api = Api::public(&fixture.a, "nobody");
    let metadata = json!({
        "client_name": "Registered", "redirect_uris": ["https://registered.example/cb"],
        "grant_types": ["authorization_code", "refresh_token"], "scope": "openid profile email offline_access",
    });
    let made = Api::send(api.request("POST", "/register").json(&metadata)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let (id, secret) = (made.member("client_id"), made.member("client_secret"));
    let place = made.member("registration_client_uri").replace(&fixture.a, "");
    let change = async |method: &str, changes: Value| -> Answer {
        let mut body = metadata.clone();
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        body["client_id"] = json!(id);
        let request = api.request(method, &place).bearer_auth(made.member("registration_access_token"));
        let answer = Api::send(if method == "PUT" { request.json(&body) } else { request }).await;
        assert!(answer.status < 300, "{}", answer.body);
        answer
    };
    let app = App {
        api: Api::basic(&fixture.b, &id, &secret),
        redirect_uri: "https://registered.example/cb".to_owned(),
        pkce: Pkce::of("registered"),
    };
    let person = Person::ada(&fixture.b).await;
    let first = app.tokens(&person, &OFFLINE).await;
    assert_eq!(header(&first.member("id_token"))["alg"], "RS256");

    // Another algorithm, less scope: what was approved before and is redeemed now.
    let code = app.code(&person, &[("scope", "openid profile email")]).await;
    change("PUT", json!({ "id_token_signed_response_alg": "ES256", "scope": "openid email offline_access" })).await;
    let tokens = app.redeem(&code).await;
    assert_eq!(
        (header(&tokens.member("id_token"))["alg"].clone(), tokens.member("scope")),
        (json!("ES256"), "openid email".to_owned())
    );
    let renewed = app.api.refresh(&first.member("refresh_token")).await;
    assert_eq!(renewed.member("scope"), "openid offline_access", "{}", renewed.body);
    assert_eq!(header(&renewed.member("id_token"))["alg"], "ES256");

    // Another redirect URI: what still went to the old one, by a copy that a Worker remembers, is worth nothing.
    let before = app.code(&person, &[]).await;
    change("PUT", json!({ "redirect_uris": ["https://registered.example/new"] })).await;
    assert_eq!(Person::ada(&fixture.a).await.get(&app.path(&[])).await.status, 400, "the Worker that changed it");
    assert_refused(&app.redeem(&before).await, "invalid_grant");
    let page = person.get(&app.path(&[])).await;
    if page.status != 400 {
        assert_refused(&app.redeem(&app.returned(&page)["code"]).await, "invalid_grant");
    }
    let moved = App { redirect_uri: "https://registered.example/new".to_owned(), ..app.clone() };
    let code = moved.code(&person, &[]).await;

    // No refresh any more, then no client any more.
    change("PUT", json!({ "grant_types": ["authorization_code"], "redirect_uris": ["https://registered.example/new"] })).await;
    assert_refused(&app.api.refresh(&renewed.member("refresh_token")).await, "unauthorized_client");
    change("DELETE", json!({})).await;
    assert_no_client(&moved.redeem(&code).await, true);
    assert_eq!(app.api.userinfo(&renewed.member("access_token")).await.status, 401);
}
