//! Bodies and methods.

use super::{Alone, FORM, Watch};
use crate::support::{Api, Person, raw};

/// Every endpoint that reads a form.
const READERS: [&str; 9] = [
    "/token",
    "/device_authorization",
    "/revoke",
    "/userinfo",
    "/login",
    "/logout",
    "/device",
    "/device/approve",
    "/device/undo",
];

fn is_page(path: &str) -> bool {
    path.starts_with("/log")
        || path == "/device"
        || path.starts_with("/device/")
        || ["/authorize", "/consent", "/accounts", "/apps/end"].contains(&path)
}

/// A form of exactly so many bytes, as many short parameters and then long ones.
fn body_of(length: usize, start: &str) -> String {
    let mut body = start.to_owned();
    let mut number = 0;
    while body.len() < length {
        number += 1;
        let name = format!("&p{number}=");
        let room = length - body.len() - name.len();
        // What is left over must have room for a name of its own.
        let take = if room > 4096 { 4000 } else { room };
        body.push_str(&name);
        body.push_str(&"x".repeat(take));
    }
    assert_eq!(body.len(), length);
    body
}

/// RFC 9110 15.5.14: a body of more than 64 KiB is refused by its announced length before one byte of
/// it came, and while it is read when no length was announced.
#[tokio::test]
async fn a_body_of_more_than_64_kib_is_refused_before_it_is_read() {
    let mut watch = Watch::start().await;
    let base = watch.fixture.a.clone();
    for path in READERS {
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {FORM}\r\n");
        // No byte of the body is ever sent: an answer can only come from somebody who does not wait for it.
        let announced = raw(&base, format!("{head}content-length: 70000000\r\n\r\n")).await;
        let one_over = body_of(65_537, "client_id=demo-device");
        let by_one = raw(&base, format!("{head}content-length: 65537\r\n\r\n{one_over}")).await;
        let chunks = format!("2000\r\n{}\r\n", "x".repeat(0x2000)).repeat(9);
        let chunked = raw(&base, format!("{head}transfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")).await;
        for (what, answer) in [("announced", announced), ("by one", by_one), ("chunked", chunked)] {
            if is_page(path) {
                assert_eq!(answer.status, 413, "{path} {what}: {}", answer.body);
                assert!(answer.body.contains("More was sent than this page accepts"), "{path} {what}: {}", answer.body);
            } else {
                watch.refused(&format!("{path} {what}"), &answer, 413, "invalid_request");
            }
        }
    }
    // 64 KiB are still read: the refusal that comes is about the grant.
    let most = body_of(65_536, "client_id=demo-device&grant_type=nonsense");
    let answer = watch.post("/token", &most).await;
    watch.refused("64 KiB", &answer, 400, "unsupported_grant_type");
    let chunks = format!("{:x}\r\n{most}\r\n0\r\n\r\n", most.len());
    let head = format!("POST /token HTTP/1.1\r\nhost: x\r\ncontent-type: {FORM}\r\ntransfer-encoding: chunked\r\n\r\n");
    let answer = raw(&base, head + &chunks).await;
    watch.refused("64 KiB in chunks", &answer, 400, "unsupported_grant_type");
    watch.nothing_happened().await;
}

/// RFC 6749 3.2 and appendix B: parameters come as a form and as nothing else.
#[tokio::test]
async fn a_body_of_another_media_type_is_refused() {
    let mut watch = Watch::start().await;
    let token = watch.tokens.member("refresh_token");
    let form = format!("grant_type=refresh_token&refresh_token={token}&token={token}&client_id=demo-device");
    let json =
        serde_json::json!({ "grant_type": "refresh_token", "refresh_token": token, "client_id": "demo-device" }).to_string();
    for path in ["/token", "/device_authorization", "/revoke"] {
        for (kind, body) in [
            (Some("application/json"), &json),
            (Some("text/plain"), &form),
            (Some("multipart/form-data; boundary=x"), &form),
            (Some("application/x-www-form-urlencoded-not"), &form),
            (Some("application/xml, application/x-www-form-urlencoded"), &form),
            (Some(""), &form),
            (None, &form),
        ] {
            let mut request = watch.api.request("POST", path).body(body.clone());
            if let Some(kind) = kind {
                request = request.header("content-type", kind);
            }
            let answer = Api::send(request).await;
            watch.refused(&format!("{path} {kind:?}"), &answer, 400, "invalid_request");
        }
        // Parameters in the query are no parameters (RFC 6749 3.2: in the request body).
        let answer = Api::send(watch.api.request("POST", &format!("{path}?{form}")).header("content-type", FORM)).await;
        watch.refused(&format!("{path} in the query"), &answer, 400, "invalid_request");
    }
    let api = watch.api.clone();
    let alone = watch.nothing_happened().await;
    let fixture = alone.fixture;
    for path in ["/login", "/logout", "/device", "/device/approve", "/device/undo"] {
        let answer = Api::send(api.request("POST", path).header("content-type", "text/plain").body("form=x")).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.body);
        assert!(answer.body.contains("could not understand the request"), "{path}");
    }
    assert!(Api::demo(&fixture.a).refresh(&token).await.is_granted());
}

/// RFC 9110 15.5.6: 405 names what is allowed. A method that nobody knows is not taken for GET.
#[tokio::test]
async fn a_wrong_method_is_answered_with_the_right_ones() {
    let alone = Alone::start().await;
    let fixture = alone.fixture;
    let api = Api::demo(&fixture.a);
    api.get("/healthz").await;
    let ada = Person::ada(&fixture.a).await;
    let (stored, before) = (fixture.stored().await, fixture.logs().await.len());
    let documents = ["/jwks.json", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"];
    let rows: Vec<(&str, &str)> = [
        ("/token", "POST, OPTIONS"),
        ("/device_authorization", "POST"),
        ("/par", "POST"),
        ("/register", "POST"),
        ("/register/x", "GET, PUT, DELETE"),
        ("/revoke", "POST, OPTIONS"),
        ("/apps/end", "POST"),
        ("/authorize", "GET, POST"),
        ("/consent", "GET, HEAD, POST"),
        ("/accounts", "GET, HEAD, POST"),
        ("/form_post.js", "GET, HEAD"),
        ("/device/approve", "POST"),
        ("/device/undo", "POST"),
        ("/userinfo", "GET, POST, OPTIONS"),
        ("/login", "GET, HEAD, POST"),
        ("/logout", "GET, HEAD, POST"),
        ("/device", "GET, HEAD, POST"),
        ("/", "GET, HEAD"),
        ("/style.css", "GET, HEAD"),
        ("/device/qr", "GET, HEAD"),
    ]
    .into_iter()
    .chain(documents.map(|path| (path, "GET, HEAD, OPTIONS")))
    .collect();
    let every = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "MKCOL", "LOCK", "SEARCH", "PURGE"];
    for (path, allowed) in &rows {
        for method in every.iter().filter(|method| !allowed.split(", ").any(|allowed| allowed == **method)) {
            for answer in [
                Api::send(api.request(method, path).header("content-type", FORM).body("client_id=demo-device")).await,
                Api::send(ada.request(method, path)).await,
            ] {
                assert_eq!((answer.status, answer.header("allow")), (405, *allowed), "{method} {path}: {}", answer.body);
                assert_eq!(answer.header("cache-control"), "no-store", "{method} {path}");
                assert_eq!(answer.cookies(), [""; 0], "{method} {path}");
                if *path == "/" || is_page(path) && *path != "/device/qr" {
                    assert!(answer.body.contains("cannot be opened in this way"), "{method} {path}: {}", answer.body);
                } else {
                    assert_eq!(answer.error(), "invalid_request", "{method} {path}");
                }
            }
        }
        // HEAD is refused without a body (RFC 9110 9.3.2).
        if !allowed.contains("HEAD") {
            let answer = Api::send(api.request("HEAD", path)).await;
            assert_eq!((answer.status, answer.header("allow"), answer.body.as_str()), (405, *allowed, ""), "HEAD {path}");
        }
    }
    fixture.assert_unchanged(stored).await;
    for entry in fixture.logs().await[before..].iter().filter(|entry| entry["line"]["status"] == 405) {
        let line = &entry["line"];
        assert_eq!((line["cost"]["rows"].as_i64(), line["cost"]["d1_trips"].as_i64()), (Some(0), Some(0)), "{line}");
        let known = ["GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE", "other"];
        assert!(known.contains(&line["method"].as_str().unwrap()), "{line}");
    }
}
