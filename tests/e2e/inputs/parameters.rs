//! Parameters: missing, empty, repeated, too long, unknown.

use super::{FORM, Watch, fixture};
use crate::support::{Api, DEVICE_CODE, Person};

/// What is wrong with a body whatever endpoint it is sent to (RFC 6749 3.2 and appendix B).
fn wrong_everywhere() -> Vec<(&'static str, String)> {
    let many: Vec<String> = (0..129).map(|number| format!("p{number}=1")).collect();
    vec![
        ("client_id is missing", String::new()),
        ("client_id is empty", "client_id=".to_owned()),
        ("client_id twice", "client_id=demo-device&client_id=demo-device".to_owned()),
        ("client_id twice, once empty", "client_id=demo-device&client_id=".to_owned()),
        ("an unknown parameter twice", "client_id=demo-device&x=1&x=2".to_owned()),
        ("a parameter of 4097 bytes", format!("client_id=demo-device&scope={}", "x".repeat(4097))),
        ("a name of 257 bytes", format!("client_id=demo-device&{}=1", "x".repeat(257))),
        ("130 parameters", format!("client_id=demo-device&{}", many.join("&"))),
        ("half an escape", "client_id=demo-device&token=%4".to_owned()),
        ("no escape", "client_id=demo-device&token=%zz".to_owned()),
        ("not UTF-8", "client_id=demo-device&token=%ff%fe".to_owned()),
    ]
}

/// RFC 6749 5.2: `invalid_request`, `unsupported_grant_type`; 3.1: an empty parameter is an omitted one,
/// and none may be there twice.
#[tokio::test]
async fn token_requests_with_wrong_parameters_are_refused() {
    let mut watch = Watch::start().await;
    for (what, body) in wrong_everywhere() {
        let answer = watch.post("/token", &format!("grant_type=refresh_token&refresh_token=x&{body}")).await;
        watch.refused(what, &answer, 400, "invalid_request");
    }
    let code = format!("grant_type={DEVICE_CODE}");
    let refresh = "grant_type=refresh_token";
    let token = watch.tokens.member("refresh_token");
    for (what, body) in [
        ("grant_type is missing", String::new()),
        ("grant_type is empty", "grant_type=&device_code=x".to_owned()),
        ("grant_type twice", format!("{refresh}&{refresh}&refresh_token={token}")),
        ("two grants", format!("{refresh}&{code}&refresh_token={token}")),
        ("device_code is missing", code.clone()),
        ("device_code is empty", format!("{code}&device_code=")),
        ("device_code has no value", format!("{code}&device_code")),
        ("device_code twice", format!("{code}&device_code={0}&device_code={0}", watch.pending.device_code)),
        ("refresh_token is missing", refresh.to_owned()),
        ("refresh_token is empty", format!("{refresh}&refresh_token=")),
        ("refresh_token twice", format!("{refresh}&refresh_token={token}&refresh_token={token}")),
        ("scope twice", format!("{refresh}&refresh_token={token}&scope=openid&scope=")),
        ("client_secret twice", format!("{refresh}&refresh_token={token}&client_secret=&client_secret=")),
    ] {
        let answer = watch.post("/token", &format!("client_id=demo-device&{body}")).await;
        watch.refused(what, &answer, 400, "invalid_request");
    }
    for grant in [
        "password",
        "Client_Credentials",
        "Refresh_Token",
        "refresh_token%20",
        "urn:ietf:params:oauth:grant-type:DEVICE_CODE",
        "urn:ietf:params:oauth:grant-type:saml2-bearer",
        "%00",
    ] {
        let body = format!("client_id=demo-device&grant_type={grant}&device_code=x&refresh_token={token}&username=a&password=b");
        let answer = watch.post("/token", &body).await;
        watch.refused(grant, &answer, 400, "unsupported_grant_type");
    }
    // What the RFC wants ignored is ignored: an unknown parameter, an empty one, a media type with a charset.
    let body = format!("client_id=demo-device&{code}&device_code={}&scope=&x=1&resource=", watch.pending.device_code);
    let request = watch.api.request("POST", "/token").header("content-type", format!("{FORM}; charset=UTF-8"));
    let answer = Api::send(request.body(body)).await;
    watch.refused("a pending poll", &answer, 400, "authorization_pending");
    watch.nothing_happened().await;
}

/// RFC 8628 3.1 and 3.2: errors as at the token endpoint.
#[tokio::test]
async fn device_authorization_requests_with_wrong_parameters_are_refused() {
    let mut watch = Watch::start().await;
    for (what, body) in wrong_everywhere() {
        let answer = watch.post("/device_authorization", &body).await;
        watch.refused(what, &answer, 400, "invalid_request");
    }
    for (what, scope) in [
        ("unknown", "records:delete"),
        ("not the client's", "address"),
        ("one of two unknown", "openid+records:delete"),
        ("administration", "latchkey:admin"),
        ("two spaces", "openid++profile"),
        ("a space in front", "+openid"),
        ("a space behind", "openid+"),
        ("only a space", "+"),
        ("a tab", "openid%09profile"),
        ("a line feed", "openid%0Aprofile"),
        ("a quote", "openid%22"),
        ("a backslash", "openid%5C"),
        ("not ASCII", "%C3%A9"),
        ("NUL", "openid%00"),
    ] {
        let answer = watch.post("/device_authorization", &format!("client_id=demo-device&scope={scope}")).await;
        watch.refused(what, &answer, 400, "invalid_scope");
    }
    let answer = watch.post("/device_authorization", &format!("client_id=demo-device&scope={}", "a+".repeat(900) + "a")).await;
    watch.refused("a scope of 1801 characters", &answer, 400, "invalid_scope");
    // RFC 8707 2
    for resource in ["https://unknown.example", "relative", "/path", "https://api.example/v1%23fragment", "%20", "javascript:"] {
        for client in ["demo-device", "api"] {
            let body = format!("client_id={client}&resource={resource}");
            let answer = watch.post("/device_authorization", &body).await;
            watch.refused(resource, &answer, 400, "invalid_target");
        }
    }
    let body = "client_id=api&resource=https://api.example/v1&resource=https://unknown.example";
    let answer = watch.post("/device_authorization", body).await;
    watch.refused("one of two resources unknown", &answer, 400, "invalid_target");
    watch.nothing_happened().await;
}

/// RFC 7009 2.1, RFC 6749 6, RFC 8707 2.2: a refresh asks for no more than was granted.
#[tokio::test]
async fn wrong_parameters_of_revocation_and_refresh_are_refused() {
    let mut watch = Watch::start().await;
    for (what, body) in wrong_everywhere() {
        let answer = watch.post("/revoke", &body).await;
        watch.refused(what, &answer, 400, "invalid_request");
    }
    let token = watch.tokens.member("refresh_token");
    for (what, body) in [
        ("token is missing", "token_type_hint=refresh_token".to_owned()),
        ("token is empty", "token=".to_owned()),
        ("token twice", format!("token={token}&token={token}")),
    ] {
        let answer = watch.post("/revoke", &format!("client_id=demo-device&{body}")).await;
        watch.refused(what, &answer, 400, "invalid_request");
    }
    let refresh = format!("client_id=demo-device&grant_type=refresh_token&refresh_token={token}");
    for scope in ["openid+address", "latchkey:admin", "openid++email", "%22"] {
        let answer = watch.post("/token", &format!("{refresh}&scope={scope}")).await;
        watch.refused(scope, &answer, 400, "invalid_scope");
    }
    for resource in ["https://unknown.example", "relative", "https://x.example/%23"] {
        let answer = watch.post("/token", &format!("{refresh}&resource={resource}")).await;
        watch.refused(resource, &answer, 400, "invalid_target");
    }
    let (api, pending) = (watch.api.clone(), watch.pending.clone());
    let alone = watch.nothing_happened().await;
    // Nothing was used up by any of it.
    assert!(api.refresh(&token).await.is_granted());
    Person::ada(&alone.fixture.a).await.approve(&pending.user_code).await;
    assert!(api.poll(&pending).await.is_granted());
}

/// A device code is as good for one client only (RFC 8628 3.4), a refresh token too (RFC 6749 6).
#[tokio::test]
async fn codes_and_tokens_of_another_client_are_refused_and_stay_good() {
    let mut watch = Watch::start().await;
    let stranger = Api::demo_secret(&watch.fixture.a);
    let refresh_token = watch.tokens.member("refresh_token");
    let answer = stranger.poll(&watch.pending).await;
    watch.refused("a foreign device code", &answer, 400, "invalid_grant");
    let answer = stranger.refresh(&refresh_token).await;
    watch.refused("a foreign refresh token", &answer, 400, "invalid_grant");
    for name in ["refresh_token", "access_token"] {
        let answer = stranger.post("/revoke", &[("token", &watch.tokens.member(name))]).await;
        watch.refused(name, &answer, 400, "invalid_grant");
    }
    let (api, access_token) = (watch.api.clone(), watch.tokens.member("access_token"));
    let _alive = watch.nothing_happened().await;
    assert_eq!(api.userinfo(&access_token).await.status, 200);
    assert!(api.refresh(&refresh_token).await.is_granted());
}

/// RFC 6749 5.2 `unauthorized_client`: the client is not registered for the grant.
#[tokio::test]
async fn a_client_uses_only_the_grants_that_it_is_registered_for() {
    let mut watch = Watch::start().await;
    let refresh_token = watch.tokens.member("refresh_token");
    for (client, path, body) in [
        ("only-device", "/token", format!("grant_type=refresh_token&refresh_token={refresh_token}")),
        ("only-refresh", "/token", format!("grant_type={DEVICE_CODE}&device_code={}", watch.pending.device_code)),
        ("only-refresh", "/device_authorization", String::new()),
    ] {
        let answer = watch.post(path, &format!("client_id={client}&{body}")).await;
        watch.refused(client, &answer, 400, "unauthorized_client");
    }
    let alone = watch.nothing_happened().await;
    // A client without the refresh grant gets no refresh token.
    let base = &alone.fixture.a;
    let tokens = Api::public(base, "only-device").signed_in(&Person::ada(base).await).await;
    assert!(tokens.json().get("refresh_token").is_none(), "{}", tokens.body);
}

/// RFC 8628 3.2: what every answer holds, and RFC 8707 2: what becomes of `resource`.
#[tokio::test]
async fn device_authorization_answers_hold_everything_and_resources_become_the_audience() {
    let fixture = fixture();
    let person = Person::ada(&fixture.a).await;
    for (base, client) in [(&fixture.a, "demo-device"), (&fixture.b, "quiet"), (&fixture.b, "only-device")] {
        let started = Api::public(base, client).start().await;
        let body = started.answer.json();
        assert_eq!(body["verification_uri"], format!("{}/device", fixture.a));
        assert_eq!((&body["interval"], &body["expires_in"]), (&7.into(), &123.into()));
        assert_eq!(started.answer.header("cache-control"), "no-store");
        let complete = format!("{}/device?user_code={}", fixture.a, started.user_code);
        let expected = if client == "quiet" { None } else { Some(complete) };
        assert_eq!(body.get("verification_uri_complete").map(|uri| uri.as_str().unwrap().to_owned()), expected);
    }
    let audience = |answer: &crate::support::Answer| crate::support::claims(&answer.member("access_token"))["aud"].clone();
    let api = Api::public(&fixture.a, "api");
    let collect = async |parameters: &[(&str, &str)]| {
        let started = api.start_with(parameters).await;
        person.approve(&started.user_code).await;
        let answer = api.poll(&started).await;
        assert!(answer.is_granted(), "{}", answer.body);
        answer
    };
    assert_eq!(audience(&collect(&[]).await), "https://api.example/v1", "the client's first is its default");
    assert_eq!(audience(&collect(&[("resource", "urn:example:files")]).await), "urn:example:files");
    let both = [("resource", "https://api.example/v1"), ("resource", "urn:example:files")];
    let tokens = collect(&both).await;
    assert_eq!(audience(&tokens), serde_json::json!(["https://api.example/v1", "urn:example:files"]));
    // A refresh narrows (RFC 8707 2.2) for its own access token and never for good.
    let refresh = async |token: &str, resource: Option<&str>| {
        let mut parameters = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
        parameters.extend(resource.map(|resource| ("resource", resource)));
        api.post("/token", &parameters).await
    };
    let narrowed = refresh(&tokens.member("refresh_token"), Some("urn:example:files")).await;
    assert_eq!(audience(&narrowed), "urn:example:files");
    let whole = refresh(&narrowed.member("refresh_token"), None).await;
    assert_eq!(audience(&whole), audience(&tokens));
    assert_eq!(audience(&Api::demo(&fixture.a).signed_in(&person).await), fixture.a.as_str(), "without resources: the issuer");
}
