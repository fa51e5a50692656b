//! CORS: scripts of a client's own pages may call `/token`, `/userinfo` and `/revoke`, without credentials.

use super::{assert_refused, fixture};
use crate::support::{Answer, Api, Person};
use crate::web::App;

const SPA: &str = "http://localhost:9998";
const ENDPOINTS: [&str; 3] = ["/token", "/userinfo", "/revoke"];

/// Names of a comma separated list, in lower case.
fn list(answer: &Answer, header: &str) -> Vec<String> {
    answer.header(header).split(',').map(|name| name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty()).collect()
}

/// Whether a script of this origin can read the answer.
fn may_read(answer: &Answer, origin: &str) -> bool {
    assert_eq!(answer.header("access-control-allow-credentials"), "", "never with credentials");
    let allowed = answer.header("access-control-allow-origin");
    assert!(allowed.is_empty() || allowed == origin, "{allowed}");
    if !allowed.is_empty() {
        let exposed = list(answer, "access-control-expose-headers");
        assert!(exposed.contains(&"www-authenticate".to_owned()) && exposed.contains(&"dpop".to_owned()), "{exposed:?}");
    }
    assert!(list(answer, "vary").contains(&"origin".to_owned()), "caches must tell origins apart: {:?}", answer.headers);
    !allowed.is_empty()
}

#[tokio::test]
async fn a_preflight_is_answered_without_credentials() {
    let api = Api::public(&fixture().a, "demo-spa");
    for path in ENDPOINTS {
        let preflight = api
            .request("OPTIONS", path)
            .header("origin", SPA)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type,dpop");
        let answer = Api::send(preflight).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), SPA);
        assert_eq!(answer.header("access-control-allow-credentials"), "");
        let headers = list(&answer, "access-control-allow-headers");
        assert!(
            ["authorization", "content-type", "dpop"].iter().all(|name| headers.contains(&(*name).to_owned())),
            "{headers:?}"
        );
        let methods = list(&answer, "access-control-allow-methods");
        assert!(
            methods.contains(&"post".to_owned()) && (path != "/userinfo" || methods.contains(&"get".to_owned())),
            "{methods:?}"
        );
        assert!(answer.header("access-control-max-age").parse::<u32>().is_ok_and(|age| age <= 7200));
        assert!(list(&answer, "vary").contains(&"origin".to_owned()));
        let plain = Api::send(api.request("OPTIONS", path)).await;
        assert_eq!((plain.status, plain.header("access-control-allow-origin")), (204, ""), "{path}: no origin asked");
    }
}

#[tokio::test]
async fn pages_of_the_clients_own_origins_read_answers_and_errors_and_no_others() {
    let fixture = fixture();
    let (person, app) = (Person::ada(&fixture.a).await, App::demo_spa(&fixture.a));
    let token = async |origin: &str| {
        let code = app.code(&person, &[]).await;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", &app.redirect_uri),
            ("code_verifier", &app.pkce.verifier),
            ("client_id", "demo-spa"),
        ];
        Api::send(app.api.request("POST", "/token").header("origin", origin).form(&form)).await
    };
    let tokens = token(SPA).await;
    assert!(tokens.is_granted() && may_read(&tokens, SPA), "{}", tokens.body);
    let access_token = tokens.member("access_token");
    let userinfo = |token: &str, origin: &str| app.api.request("GET", "/userinfo").bearer_auth(token).header("origin", origin);
    let bad = |path: &str, origin: &str| {
        app.api.request("POST", path).header("origin", origin).form(&[
            ("client_id", "demo-spa"),
            ("token", "x"),
            ("grant_type", "x"),
        ])
    };
    let others = [
        "https://evil.example",
        "http://localhost:9999",
        "http://localhost:99980",
        "https://localhost:9998",
        "http://localhost:9998.evil.example",
        "http://LOCALHOST:9998",
        "null",
    ];
    for (origin, own) in [(SPA, true)].into_iter().chain(others.map(|origin| (origin, false))) {
        let info = Api::send(userinfo(&access_token, origin)).await;
        assert_eq!((info.status, may_read(&info, origin)), (200, own), "{origin}");
        let refused = Api::send(bad("/token", origin)).await;
        assert_refused(&refused, "unsupported_grant_type");
        assert_eq!(may_read(&refused, origin), own, "{origin}: errors too");
        let revoked = Api::send(bad("/revoke", origin)).await;
        assert_eq!((revoked.status, may_read(&revoked, origin)), (200, own), "{origin}");
    }
    // The token that ended: its own page learns why; the other client's page learns nothing of it.
    app.api.post("/revoke", &[("token", &access_token)]).await;
    let refused = Api::send(userinfo(&access_token, SPA)).await;
    assert_eq!((refused.status, may_read(&refused, SPA)), (401, true));
    assert!(refused.header("www-authenticate").contains("invalid_token"));
    let refused = Api::send(userinfo(&access_token, "http://localhost:9999")).await;
    assert_eq!((refused.status, may_read(&refused, "http://localhost:9999")), (401, false));
    let unknown = app.api.request("POST", "/token").header("origin", SPA).form(&[("client_id", "nobody"), ("grant_type", "x")]);
    assert!(!may_read(&Api::send(unknown).await, SPA), "a client that does not exist has no pages");
    // A native app's redirect URIs have no pages behind them; loopback ones have those of their very origin.
    let mobile = Api::public(&fixture.a, "demo-mobile");
    for (origin, own) in [("http://127.0.0.1", true), ("http://127.0.0.1:51004", false), ("example.latchkey.demo:", false)] {
        let form = [("client_id", "demo-mobile"), ("token", "x")];
        let answer = Api::send(mobile.request("POST", "/revoke").header("origin", origin).form(&form)).await;
        assert_eq!(may_read(&answer, origin), own, "{origin}");
    }
}

#[tokio::test]
async fn no_script_of_another_origin_reads_a_page_or_starts_a_sign_in() {
    let fixture = fixture();
    let (person, app) = (Person::ada(&fixture.a).await, App::demo_spa(&fixture.a));
    let mut pages = vec![app.path(&[]), app.path(&[("prompt", "none")])];
    pages.extend(
        ["/", "/login", "/logout", "/device", "/authorize", "/consent?step=x", "/accounts?step=x", "/nothing"].map(str::to_owned),
    );
    for path in pages {
        let answer = Api::send(person_request(&person, "GET", &path)).await;
        let cors: Vec<_> = answer.headers.keys().filter(|name| name.as_str().starts_with("access-control-")).collect();
        assert!(cors.is_empty(), "{path}: {cors:?}");
        let preflight =
            Api::send(person_request(&person, "OPTIONS", &path).header("access-control-request-method", "POST")).await;
        assert!(preflight.status >= 400 && preflight.header("access-control-allow-origin").is_empty(), "{path}");
    }
    for (method, path) in [("POST", "/par"), ("OPTIONS", "/par"), ("POST", "/device_authorization"), ("POST", "/register")] {
        let answer = Api::send(app.api.request(method, path).header("origin", SPA).form(&[("client_id", "demo-spa")])).await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{method} {path}");
    }
    for path in ["/jwks.json", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
        let answer = Api::send(app.api.request("GET", path).header("origin", "https://anybody.example")).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, "*"), "{path}");
    }
}

fn person_request(person: &Person, method: &str, path: &str) -> reqwest::RequestBuilder {
    person.request(method, path).header("origin", SPA)
}
