//! Clients that share no code with the Worker, and what their tokens say to one who only has the JWKS.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use jwt_compact::alg::{Es256, Rsa};
use jwt_compact::jwk::JsonWebKey;
use jwt_compact::{Algorithm, AlgorithmExt as _, TimeOptions, UntrustedToken};
use latchkey::protocol::secret::{base64url, sha256};
use oauth2::basic::BasicClient;
use oauth2::{
    ClientId, DeviceAuthorizationUrl, HttpRequest, HttpResponse, RevocationUrl, Scope, StandardDeviceAuthorizationResponse,
    TokenResponse as _, TokenUrl,
};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::{fixture, grant_of, grants_of};
use crate::harness::{Fixture, built};
use crate::support::{Answer, Api, Person, header};

/// The http client that the `oauth2` crate is given. The crate revokes over https only, so what it sends
/// to `https://` goes to the fixture over http.
async fn fetch(request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let (parts, body) = request.into_parts();
    let url = parts.uri.to_string().replacen("https://", "http://", 1);
    let answer = reqwest::Client::new().request(parts.method, url).headers(parts.headers).body(body).send().await?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut response = HttpResponse::new(answer.bytes().await?.to_vec());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// The whole of RFC 8628, RFC 6749 6 and RFC 7009 as another implementation understands them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_independent_client_signs_in_refreshes_and_revokes() {
    let fixture = fixture();
    let url = |path: &str| format!("{}{path}", fixture.a);
    let client = BasicClient::new(ClientId::new("crate".to_owned()))
        .set_device_authorization_url(DeviceAuthorizationUrl::new(url("/device_authorization")).unwrap())
        .set_token_uri(TokenUrl::new(url("/token")).unwrap())
        .set_revocation_url(RevocationUrl::new(url("/revoke").replace("http:", "https:")).unwrap());
    let scopes = ["openid", "offline_access", "records:read"].map(|scope| Scope::new(scope.to_owned()));
    let request = client.exchange_device_code().add_scopes(scopes.clone());
    let details: StandardDeviceAuthorizationResponse = request.request_async(&fetch).await.unwrap();
    assert_eq!(details.interval().as_secs(), 1);
    assert_eq!(details.expires_in().as_secs(), 600);
    assert_eq!(details.verification_uri().as_str(), url("/device"));
    let user_code = details.user_code().secret().clone();
    let complete = details.verification_uri_complete().unwrap().secret().clone();
    assert_eq!(complete, url(&format!("/device?user_code={user_code}")));

    // The person approves while the client polls.
    let approval = tokio::spawn(async move {
        let person = Person::ada(&fixture.b).await;
        person.approve(&user_code).await;
    });
    let tokens = client.exchange_device_access_token(&details).request_async(&fetch, tokio::time::sleep, None).await.unwrap();
    approval.await.unwrap();
    assert_eq!(tokens.scopes().unwrap(), &scopes);

    let first = tokens.refresh_token().unwrap();
    let next = client.exchange_refresh_token(first).request_async(&fetch).await.unwrap();
    let second = next.refresh_token().unwrap();
    assert_ne!(first.secret(), second.secret());
    assert_ne!(tokens.access_token().secret(), next.access_token().secret());

    client.revoke_token(second.into()).unwrap().request_async(&fetch).await.unwrap();
    let refused = client.exchange_refresh_token(second).request_async(&fetch).await.unwrap_err();
    assert!(refused.to_string().contains("invalid_grant") || format!("{refused:?}").contains("InvalidGrant"), "{refused:?}");
    assert_eq!(grants_of(fixture, "crate").await, 1);
}

/// The claims of a token whose signature, algorithm and times `jwt-compact` checks with a key of the JWKS.
fn verified<A: Algorithm>(algorithm: &A, jwks: &Value, token: &str) -> (Value, i64, i64)
where
    A::VerifyingKey: for<'a> TryFrom<&'a JsonWebKey<'a>>,
{
    let keys = jwks["keys"].as_array().unwrap();
    let jwk = keys.iter().find(|jwk| jwk["kid"] == header(token)["kid"]).unwrap();
    assert_eq!((&jwk["alg"], &jwk["use"]), (&header(token)["alg"], &json!("sig")));
    let jwk: JsonWebKey<'_> = serde_json::from_value(jwk.clone()).unwrap();
    let Ok(key) = A::VerifyingKey::try_from(&jwk) else { panic!("not a key for this algorithm: {jwk}") };
    let token = UntrustedToken::new(token).unwrap();
    let token = algorithm.validator::<Value>(&key).validate(&token).unwrap();
    let claims = token.claims();
    claims.validate_expiration(&TimeOptions::default()).unwrap();
    let (issued_at, expires_at) = (claims.issued_at.unwrap().timestamp(), claims.expiration.unwrap().timestamp());
    (claims.custom.clone(), issued_at, expires_at)
}

async fn jwks(fixture: &Fixture) -> Value {
    Api::demo(&fixture.a).get("/jwks.json").await.json()
}

fn names(claims: &Value) -> HashSet<&str> {
    claims.as_object().unwrap().keys().map(String::as_str).collect()
}

/// RFC 9068 2.1 and 2.2: `typ`, the claims that it demands and no profile of the user. OpenID Connect Core 2
/// and 3.1.3.6: the ID token by RS256, with `at_hash`.
#[tokio::test]
async fn tokens_verify_with_the_jwks_alone() {
    let fixture = fixture();
    let person = Person::ada(&fixture.a).await;
    let api = Api::demo(&fixture.a);
    let (one, two) = (api.signed_in(&person).await, api.at(&fixture.b).signed_in(&person).await);
    let jwks = jwks(fixture).await;
    let access_token = one.member("access_token");
    assert_eq!(header(&access_token)["typ"], "at+jwt");
    let (claims, issued_at, expires_at) = verified(&Es256, &jwks, &access_token);
    let expected = ["iss", "sub", "aud", "client_id", "scope", "jti", "auth_time", "acr", "amr", "sid", "roles"];
    assert_eq!(names(&claims), HashSet::from(expected), "beside iat and exp");
    let grant = grant_of(fixture, &one).await;
    let auth_time = grant["auth_time"].as_i64().unwrap() / 1000;
    let said = ["iss", "sub", "aud", "client_id", "scope", "auth_time", "amr"].map(|name| claims[name].clone());
    let truth = json!([fixture.a, grant["user_id"], fixture.a, "demo-device", super::SCOPE, auth_time, ["pwd"]]);
    assert_eq!(json!(said), truth);
    assert!((0..60).contains(&(issued_at - auth_time)));
    assert!(!access_token.contains(grant["id"].as_str().unwrap()), "no token but the refresh token holds the grant's id");
    let expires_in = one.json()["expires_in"].as_i64().unwrap();
    assert_eq!(expires_in, expires_at - issued_at);

    let (other, ..) = verified(&Es256, &jwks, &two.member("access_token"));
    for name in ["jti", "sid"] {
        assert_ne!(claims[name], other[name], "each device has its own {name}");
    }
    assert_eq!(claims["sub"], other["sub"]);

    let (id_claims, _, id_expires_at) = verified(&Rsa::rs256(), &jwks, &one.member("id_token"));
    let expected = ["iss", "sub", "aud", "auth_time", "acr", "amr", "sid", "at_hash"];
    assert_eq!(names(&id_claims), HashSet::from(expected), "beside iat and exp");
    assert_eq!((&id_claims["aud"], id_expires_at), (&json!("demo-device"), expires_at));
    for name in ["iss", "sub", "auth_time", "acr", "amr", "sid"] {
        assert_eq!(id_claims[name], claims[name], "{name}");
    }
    let at_hash = base64url(&sha256(access_token.as_bytes())[..16]);
    assert_eq!(id_claims["at_hash"], at_hash.as_str());
}

/// A fleet that was switched on together does not come back together: up to a tenth less than the setting.
#[tokio::test]
async fn lifetimes_are_spread_over_the_last_tenth() {
    let (api, first) = super::tokens_for(fixture(), "demo-device").await;
    let mut tokens = first;
    let mut seen = HashSet::new();
    for _ in 0..12 {
        let expires_in = tokens.json()["expires_in"].as_i64().unwrap();
        assert!((540..=600).contains(&expires_in), "{expires_in}");
        seen.insert(expires_in);
        tokens = api.refresh(&tokens.member("refresh_token")).await;
    }
    assert!(seen.len() > 1, "all the same: {seen:?}");
}

/// A scope without `openid` yields no ID token (OpenID Connect Core 3.1.2.1).
#[tokio::test]
async fn no_id_token_without_openid() {
    let fixture = fixture();
    let api = Api::demo(&fixture.a);
    let sign_in = api.start_with(&[("scope", "records:read")]).await;
    Person::ada(&fixture.a).await.approve(&sign_in.user_code).await;
    let tokens = api.poll(&sign_in).await;
    assert!(tokens.is_granted(), "{}", tokens.body);
    assert_eq!(tokens.json()["scope"], "records:read");
    assert_eq!(tokens.json().get("id_token"), None);
}

/// RFC 6749 2.3.1 and 5.2: Basic; a wrong secret is 401 with a challenge, and never a token.
#[tokio::test]
async fn a_client_with_a_secret_proves_itself_by_basic() {
    let fixture = fixture();
    let person = Person::ada(&fixture.a).await;
    let api = Api::demo_secret(&fixture.a);
    let sign_in = api.start().await;
    person.approve(&sign_in.user_code).await;
    let impostor = Api::basic(&fixture.a, "demo-device-secret", "demo-device-secret-0123456789abcdeX");
    for refused in [impostor.poll(&sign_in).await, impostor.post("/device_authorization", &[]).await] {
        assert_eq!((refused.status, refused.error().as_str()), (401, "invalid_client"), "{}", refused.body);
        assert!(refused.header("www-authenticate").starts_with("Basic "), "{:?}", refused.headers);
    }
    let nobody = Api::public(&fixture.a, "demo-device-secret").poll(&sign_in).await;
    assert_eq!(nobody.error(), "invalid_client", "a confidential client cannot only name itself: {}", nobody.body);
    let tokens = api.poll(&sign_in).await;
    assert!(tokens.is_granted(), "{}", tokens.body);
    assert_eq!(impostor.refresh(&tokens.member("refresh_token")).await.error(), "invalid_client");
    assert!(api.refresh(&tokens.member("refresh_token")).await.is_granted());
}

/// `examples/device` against the fixture: exit code and its JSON lines. The person approves what it shows.
async fn run_example(fixture: &Fixture, store: &str, more: &[&str], approver: Option<&Person>) -> (Option<i32>, Vec<Value>) {
    let program = built("examples/device");
    let mut command = Command::new(&program);
    command.args(["--issuer", &fixture.a, "--client-id", "example", "--json", "--no-qr", "--store", store]).args(more);
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut process = spawned.unwrap_or_else(|error| panic!("{}: {error} (`make test` builds it)", program.display()));
    let mut stdout = BufReader::new(process.stdout.take().unwrap());
    let mut text = String::new();
    if let Some(person) = approver {
        (stdout, text) = spawn_blocking(move || {
            stdout.read_line(&mut text).unwrap();
            (stdout, text)
        })
        .await
        .unwrap();
        let shown: Value = serde_json::from_str(&text).unwrap();
        person.approve(shown["user_code"].as_str().unwrap()).await;
    }
    let (code, text) = spawn_blocking(move || {
        stdout.read_to_string(&mut text).unwrap();
        (process.wait().unwrap().code(), text)
    })
    .await
    .unwrap();
    (code, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// The program of the README's walkthrough signs in, comes back with a refresh, signs out, and what it
/// held is dead then.
#[tokio::test]
async fn the_example_program_signs_in_refreshes_and_signs_out() {
    let fixture = fixture();
    let store = format!("{}/example-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    let person = Person::ada(&fixture.a).await;

    let (code, lines) = run_example(fixture, &store, &["--scope", "openid profile offline_access"], Some(&person)).await;
    assert_eq!(code, Some(0), "{lines:?}");
    let events: Vec<&Value> = lines.iter().map(|line| &line["event"]).collect();
    assert_eq!(events, ["verification", "signed_in"]);
    assert_eq!(lines[1]["claims"]["name"], "Ada Lovelace");
    let access_token = lines[1]["access_token"].as_str().unwrap();
    verified(&Es256, &jwks(fixture).await, access_token);

    let (code, lines) = run_example(fixture, &store, &[], None).await;
    assert_eq!((code, &lines[0]["event"]), (Some(0), &json!("refreshed")), "{lines:?}");
    assert_eq!(grants_of(fixture, "example").await, 1, "the second run refreshed the first one's grant");

    let kept = std::fs::read_dir(&store).unwrap().map(|entry| entry.unwrap().path());
    let kept = kept.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "json")).unwrap();
    let stored: Value = serde_json::from_slice(&std::fs::read(&kept).unwrap()).unwrap();
    let (code, lines) = run_example(fixture, &store, &["--logout"], None).await;
    assert_eq!((code, &lines[0]["event"]), (Some(0), &json!("signed_out")), "{lines:?}");
    assert!(!kept.exists());
    let refused: Answer = Api::public(&fixture.a, "example").refresh(stored["refresh_token"].as_str().unwrap()).await;
    super::assert_refused(&refused, "invalid_grant");
    let (code, _) = run_example(fixture, &store, &["--status"], None).await;
    assert_eq!(code, Some(8), "not signed in");
    std::fs::remove_dir_all(&store).unwrap();
}
