//! Client authentication: RFC 6749 2.3 and `invalid_client` in 5.2.

use latchkey::protocol::secret::base64url;
use reqwest::RequestBuilder;

use super::{BASIC_SECRET, FORM, POST_SECRET, Watch};
use crate::support::{Answer, Api, DEVICE_CODE, raw};

/// The endpoints where clients authenticate, with parameters that would do something.
fn endpoints(watch: &Watch) -> [(&'static str, String); 4] {
    [
        ("/token", format!("grant_type={DEVICE_CODE}&device_code={}", watch.pending.device_code)),
        ("/token", format!("grant_type=refresh_token&refresh_token={}", watch.tokens.member("refresh_token"))),
        ("/device_authorization", String::new()),
        ("/revoke", format!("token={}", watch.tokens.member("refresh_token"))),
    ]
}

fn post(watch: &Watch, path: &str, body: &str) -> RequestBuilder {
    watch.api.request("POST", path).header("content-type", FORM).body(body.to_owned())
}

/// Without an `Authorization` header: 400 and no challenge. The three reasons (unknown, wrong, not the
/// method it is registered with) cannot be told apart.
#[tokio::test]
async fn clients_that_do_not_prove_themselves_in_the_body_are_refused_alike() {
    let mut watch = Watch::start().await;
    let mut bodies: Vec<String> = Vec::new();
    for (path, parameters) in endpoints(&watch) {
        for (what, credentials) in [
            ("an unknown client", "client_id=nobody".to_owned()),
            ("an unknown client with a secret", format!("client_id=nobody&client_secret={BASIC_SECRET}")),
            ("a disabled client", "client_id=disabled".to_owned()),
            ("a wrong secret", "client_id=by-post&client_secret=by-post-secret-0123456789abcdefghiJ".to_owned()),
            ("a part of the secret", format!("client_id=by-post&client_secret={}", &POST_SECRET[..30])),
            ("another client's secret", format!("client_id=by-post&client_secret={BASIC_SECRET}")),
            ("no secret", "client_id=by-post".to_owned()),
            ("an empty secret", "client_id=by-post&client_secret=".to_owned()),
            ("a client of Basic by post", format!("client_id=demo-device-secret&client_secret={BASIC_SECRET}")),
            ("a client of Basic without secret", "client_id=demo-device-secret".to_owned()),
            ("a public client with a secret", format!("client_id=demo-device&client_secret={BASIC_SECRET}")),
            ("an id of other characters", "client_id=demo%20device%22%0A".to_owned()),
            ("an id that is SQL", "client_id=demo-device%27%20OR%20%271%27=%271".to_owned()),
            ("an id of 129 characters", format!("client_id={}", "x".repeat(129))),
            ("an id in capitals", "client_id=DEMO-DEVICE".to_owned()),
        ] {
            let answer = Api::send(post(&watch, path, &format!("{credentials}&{parameters}"))).await;
            watch.refused(what, &answer, 400, "invalid_client");
            bodies.push(answer.member("error_description"));
        }
        // RFC 6749 2.3: not more than one method in a request.
        let both = post(&watch, path, &format!("client_id=by-post&client_secret={POST_SECRET}&{parameters}"));
        let answer = Api::send(both.basic_auth("demo-device-secret", Some(BASIC_SECRET))).await;
        watch.refused("two methods", &answer, 400, "invalid_request");
        let other = post(&watch, path, &format!("client_id=demo-device&{parameters}"));
        let answer = Api::send(other.basic_auth("demo-device-secret", Some(BASIC_SECRET))).await;
        watch.refused("two ids", &answer, 400, "invalid_request");
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    let alone = watch.nothing_happened().await;
    let fixture = alone.fixture;
    // What is no client id is no name for a log.
    let lines = fixture.logs().await;
    assert!(!lines.iter().any(|entry| entry["line"]["client"].as_str().is_some_and(|id| id.contains(' ') || id.len() > 128)));
}

/// With an `Authorization` header: 401 and a challenge of the scheme (RFC 6749 5.2).
#[tokio::test]
async fn clients_that_do_not_prove_themselves_in_the_header_are_challenged() {
    let mut watch = Watch::start().await;
    let basic = |text: &str| format!("Basic {}", standard_base64(text));
    for (path, parameters) in endpoints(&watch) {
        for (what, header) in [
            ("an unknown client", basic("nobody:secret")),
            ("a wrong secret", basic("demo-device-secret:demo-device-secret-0123456789abcdeF")),
            ("no secret", basic("demo-device-secret:")),
            ("no colon", basic("demo-device-secret")),
            ("no name", basic(&format!(":{BASIC_SECRET}"))),
            ("a client of post by Basic", basic(&format!("by-post:{POST_SECRET}"))),
            ("a public client by Basic", basic("demo-device:")),
            ("a public client with a secret", basic(&format!("demo-device:{BASIC_SECRET}"))),
            ("a half that is not form-encoded", basic("demo-device-secret:%zz")),
            ("no base64", "Basic %%%%".to_owned()),
            ("base64url", format!("Basic {}", base64url(b"demo-device-secret:??>>??>>"))),
            ("not UTF-8", "Basic /////w==".to_owned()),
            ("nothing after the scheme", "Basic".to_owned()),
            ("Bearer", format!("Bearer {}", watch.tokens.member("access_token"))),
            ("Digest", "Digest username=\"demo-device-secret\"".to_owned()),
        ] {
            let answer = Api::send(post(&watch, path, &parameters).header("authorization", header)).await;
            watch.refused(what, &answer, 401, "invalid_client");
            assert_eq!(answer.header("www-authenticate"), format!("Basic realm=\"{}\"", watch.fixture.a), "{what}");
        }
        // Two headers of the right sort are as wrong as one of a wrong sort.
        let right = basic(&format!("demo-device-secret:{BASIC_SECRET}"));
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: {right}\r\nauthorization: {right}\r\ncontent-type: {FORM}\r\n\
             content-length: {}\r\n\r\n{parameters}",
            parameters.len()
        );
        let answer = raw(&watch.fixture.a, request).await;
        watch.refused("two Authorization headers", &answer, 401, "invalid_client");
    }
    watch.nothing_happened().await;
}

/// The right ones pass, each by its own method: without this the refusals above would prove nothing.
#[tokio::test]
async fn clients_pass_by_the_method_that_they_are_registered_with() {
    let watch = Watch::start().await;
    let started = |answer: Answer, what: &str| assert_eq!(answer.status, 200, "{what}: {}", answer.body);
    let path = "/device_authorization";
    started(Api::demo_secret(&watch.fixture.a).post(path, &[]).await, "basic");
    started(Api::demo_secret(&watch.fixture.a).post(path, &[("client_id", "demo-device-secret")]).await, "basic, named again");
    started(watch.post(path, &format!("client_id=by-post&client_secret={POST_SECRET}")).await, "post");
    started(watch.post(path, "client_id=demo-device").await, "public");
    // RFC 6749 2.3.1: both halves are form-encoded first; scheme names have no case (RFC 9110 11.1).
    let header = format!("bASIC {}", standard_base64(&format!("demo%2Ddevice-secret:{}", BASIC_SECRET.replace('-', "%2D"))));
    started(Api::send(post(&watch, path, "").header("authorization", header)).await, "encoded halves");
}

fn standard_base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}
