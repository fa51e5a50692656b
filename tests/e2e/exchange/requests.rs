//! The request (RFC 8693 2.1) and what is wrong with it.

use latchkey::protocol::client::TOKEN_EXCHANGE;
use serde_json::json;

use super::{A, B, adas, alone, api, exchange, fixture, granted, refused, uri};
use crate::support::{Api, claims};
use crate::web::query;

/// Changed parameters.
type Changes<'a> = Vec<(&'a str, &'a str)>;

/// The request of 2.3 and, in its answer, the members of 2.2.1.
#[tokio::test]
async fn the_example_of_rfc_8693_2_3() {
    let fixture = fixture();
    let subject = adas(&fixture.a, "app").await;
    let body = format!(
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&resource=https%3A%2F%2Fb.example&subject_token={subject}\
         &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token"
    );
    let request = Api::public(&fixture.a, "").request("POST", "/token").basic_auth("gate", Some(crate::web::secret("gate")));
    let answer = Api::send(request.header("content-type", "application/x-www-form-urlencoded").body(body)).await;
    let token = granted(&answer);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(claims(&token)["aud"], B);
    assert!((1..=600).contains(&answer.json()["expires_in"].as_i64().unwrap()), "{}", answer.body);
}

#[tokio::test]
async fn bad_requests_get_their_error_and_leave_nothing() {
    let (_turn, fixture) = alone().await;
    let gate = api(&fixture.a, "gate");
    let (subject, spas) = (adas(&fixture.a, "app").await, adas(&fixture.a, "plain").await);
    granted(&exchange(&gate, &subject, &[("resource", B)]).await);
    let before = fixture.stored().await;

    let types: Vec<String> = ["saml1", "saml2", "Access_Token", "access_token ", ""].map(uri).to_vec();
    let mut table: Vec<(&str, Changes<'_>, &str)> = vec![
        ("no subject token", vec![("subject_token", "")], "invalid_request"),
        ("no type of it", vec![("subject_token_type", "")], "invalid_request"),
        ("a word in place of a type", vec![("subject_token_type", "access_token")], "invalid_request"),
        ("a word in place of a wanted type", vec![("requested_token_type", "access_token")], "invalid_request"),
        ("a scope of bad characters", vec![("scope", "records:read \"")], "invalid_scope"),
        ("a scope with two spaces", vec![("scope", "openid  profile")], "invalid_scope"),
        ("a scope that nobody knows", vec![("scope", "unknown")], "invalid_scope"),
        ("administration", vec![("scope", "latchkey:admin")], "invalid_scope"),
        ("a relative resource", vec![("resource", "/b")], "invalid_target"),
        ("a resource with fragment", vec![("resource", "https://b.example#f")], "invalid_target"),
        ("an unknown resource", vec![("resource", "https://evil.example")], "invalid_target"),
        ("almost one's resource", vec![("resource", "https://b.example/")], "invalid_target"),
        ("one that it may not reach", vec![("resource", A)], "invalid_target"),
        ("an unknown audience", vec![("audience", "stock")], "invalid_target"),
        ("one good audience and a bad", vec![("resource", B), ("audience", "https://evil.example")], "invalid_target"),
        ("no such grant type", vec![("grant_type", "urn:ietf:params:oauth:grant-type:token-exchang")], "unsupported_grant_type"),
        ("no grant type", vec![("grant_type", "")], "invalid_request"),
    ];
    for kind in &types {
        table.push(("an unknown type of subject token", vec![("subject_token_type", kind)], "invalid_request"));
        table.push(("an unknown wanted type", vec![("requested_token_type", kind)], "invalid_request"));
    }
    for (what, changes, error) in &table {
        refused(&format!("{what}: {changes:?}"), &exchange(&gate, &subject, changes).await, error);
    }

    // Nothing but `resource` and `audience` may be there twice (RFC 6749 3.2), not even with the same value.
    let access = uri("access_token");
    let whole = [
        ("grant_type", TOKEN_EXCHANGE),
        ("subject_token", &subject),
        ("subject_token_type", &access),
        ("actor_token", &subject),
        ("actor_token_type", &access),
        ("requested_token_type", &access),
        ("scope", "records:read"),
    ];
    for twice in whole {
        let parameters: Vec<(String, String)> =
            whole.iter().chain([&twice]).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let request = gate.request("POST", "/token").basic_auth("gate", Some(crate::web::secret("gate")));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(query(&parameters));
        refused(twice.0, &Api::send(request).await, "invalid_request");
    }

    // Who is not registered for it, whatever else is right.
    for id in ["no-exchange", "app"] {
        refused(id, &exchange(&api(&fixture.a, id), &subject, &[]).await, "unauthorized_client");
    }
    refused("a public client", &exchange(&Api::public(&fixture.a, "plain"), &spas, &[]).await, "unauthorized_client");
    // Who does not prove who they are.
    let wrong = exchange(&Api::basic(&fixture.a, "gate", "wrong"), &subject, &[]).await;
    assert_eq!((wrong.status, wrong.error().as_str()), (401, "invalid_client"), "{}", wrong.body);
    assert!(wrong.header("www-authenticate").starts_with("Basic "), "{:?}", wrong.headers);
    for public in ["gate", "nobody"] {
        refused(public, &exchange(&Api::public(&fixture.a, public), &subject, &[]).await, "invalid_client");
    }
    refused("nobody at all", &exchange(&Api::public(&fixture.a, ""), &subject, &[]).await, "invalid_request");
    let answer = Api::send(gate.request("GET", &format!("/token?grant_type={TOKEN_EXCHANGE}&subject_token={subject}"))).await;
    assert_eq!((answer.status, answer.header("allow")), (405, "POST, OPTIONS"), "{}", answer.body);
    fixture.assert_unchanged(before).await;
    assert_eq!(claims(&subject)["aud"], json!(A));
}

/// A public client proves nothing about itself, so it can only take away from what is its own.
#[tokio::test]
async fn a_public_client_narrows_its_own_token_and_no_other() {
    let fixture = fixture();
    let spa = Api::public(&fixture.a, "spa");
    let (own, others) = (adas(&fixture.a, "spa").await, adas(&fixture.a, "app").await);
    let said = claims(&granted(&exchange(&spa, &own, &[("scope", "openid records:read")]).await));
    assert_eq!((&said["scope"], &said["client_id"], &said["aud"]), (&json!("openid records:read"), &json!("spa"), &json!(A)));
    refused("for where the user did not send it", &exchange(&spa, &own, &[("resource", B)]).await, "invalid_target");
    refused("another's token", &exchange(&spa, &others, &[]).await, "invalid_request");
    refused("an ID token", &exchange(&spa, &own, &[("requested_token_type", &uri("id_token"))]).await, "invalid_request");
    refused(
        "a refresh token",
        &exchange(&spa, &own, &[("requested_token_type", &uri("refresh_token"))]).await,
        "invalid_request",
    );
}
