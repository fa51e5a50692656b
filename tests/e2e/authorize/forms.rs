//! POST, form_post, and what the pages may do: Core 3.1.2.1, Form Post Response Mode, RFC 9700 4.16.

use super::{STATE, ada, app, assert_error_page, back, fixture, known, post_raw, posting, told};
use crate::support::{Answer, Api, Person};
use crate::web::{App, consent, follow};

fn policy(page: &Answer) -> Vec<&str> {
    page.header("content-security-policy").split("; ").collect()
}

/// Core 3.1.2.1: POST is GET. Another site's form comes without our cookies, so nothing is decided by them, and
/// nothing is set or taken away.
#[tokio::test]
async fn a_post_is_answered_303_without_setting_or_clearing_cookies() {
    let person = ada().await;
    let trusted = app("trusted");
    let body = trusted.path(&[]).split_once('?').unwrap().1.to_owned();
    let cookies = person.cookies();
    let answer = post_raw("/authorize", &body).await;
    assert_eq!((answer.status, answer.cookies().len(), answer.body.as_str()), (303, 0, ""));
    assert_eq!(answer.header("cache-control"), "no-store");
    // The GET has the cookies: the session is kept, and nobody is asked for anything.
    let done = person.get(answer.header("location")).await;
    assert!(back(&trusted, &done, STATE).contains_key("code"));
    assert_eq!((person.cookies(), done.cookies().len()), (cookies, 0));
    // With cookies and from another site, as browsers say it: the same.
    let request = person.request("POST", "/authorize").header("sec-fetch-site", "cross-site").header("origin", "null");
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
    let answer = Api::send(request).await;
    assert_eq!((answer.status, answer.cookies().len()), (303, 0));
    assert!(answer.header("location").starts_with("/authorize?step="), "{:?}", answer.headers);
    // A query is not part of a POST.
    let answer = post_raw(&trusted.path(&[]), "scope=openid").await;
    assert_error_page(&answer, "parameters in the query");
    // Neither are other media types.
    for media_type in ["application/json", "text/plain", "multipart/form-data; boundary=x", ""] {
        let request = Api::public(&fixture().a, "x").request("POST", "/authorize").header("content-type", media_type);
        assert_error_page(&Api::send(request.body("client_id=trusted")).await, media_type);
    }
}

/// A refused POST sets nothing either: the browser did not say who it is, and is not to be renamed for it.
#[tokio::test]
async fn a_refused_post_sets_no_cookie() {
    let strict = app("strict");
    for changes in [
        &[("response_type", "token")][..],
        &[("response_type", "token"), ("response_mode", "form_post")],
        &[("redirect_uri", "https://evil.example/")],
        &[("request", "x.y.z"), ("response_mode", "form_post")],
    ] {
        let answer = post_raw("/authorize", strict.path(changes).split_once('?').unwrap().1).await;
        assert_eq!(answer.cookies(), [""; 0], "{changes:?}");
        assert!([200, 303, 400].contains(&answer.status), "{changes:?}: {}", answer.body);
    }
}

/// Form Post Response Mode 2: a page that posts code or error, with a button, and under a policy that lets it.
#[tokio::test]
async fn form_post_answers_codes_and_errors() {
    let (person, trusted) = (ada().await, app("trusted"));
    let nobody = Person::new(&fixture().a);
    let mode = ("response_mode", "form_post");
    for (page, is_code) in [
        (person.get(&trusted.path(&[mode])).await, true),
        (nobody.get(&trusted.path(&[mode, ("prompt", "none")])).await, false),
        (nobody.get(&trusted.path(&[mode, ("response_type", "")])).await, false),
        (nobody.get(&trusted.path(&[mode, ("response_type", "id_token")])).await, false),
        (nobody.get(&trusted.path(&[mode, ("scope", "nothing:known")])).await, false),
        (nobody.get(&trusted.path(&[mode, ("request", "x.y.z")])).await, false),
        (post_raw("/authorize", trusted.path(&[mode, ("scope", "")]).split_once('?').unwrap().1).await, false),
    ] {
        let (action, fields) = posting(&page);
        assert_eq!(action, trusted.redirect_uri);
        assert_eq!(known(fields, STATE).contains_key("code"), is_code);
        assert_eq!((page.header("location"), page.header("cache-control")), ("", "no-store"));
        let policy = policy(&page);
        assert!(policy.contains(&"script-src 'self'") && policy.contains(&"default-src 'none'"), "{policy:?}");
        assert!(policy.contains(&"form-action 'self' https://trusted.example"), "{policy:?}");
        assert!(policy.contains(&"frame-ancestors 'none'"), "{policy:?}");
        assert!(page.body.contains("<script src=\"/form_post.js\"></script>"));
        assert!(page.body.contains("id=\"form-post-continue\" type=\"submit\""), "a button for those without script");
        assert!(!page.body.contains("enctype"), "urlencoded, which is the default");
        assert_eq!(page.body.matches("<script").count(), 1, "nothing inline");
    }
    // Known modes only, and an unknown one is told by query, the default of `code`.
    for unknown in ["fragment", "form_post.jwt", "query.jwt", "jwt", "web_message", "Query", "FORM_POST", "none"] {
        let answer = nobody.get(&trusted.path(&[("response_mode", unknown)])).await;
        assert_eq!(told(&trusted, &answer, STATE), "invalid_request", "{unknown}");
    }
    assert!(back(&trusted, &person.get(&trusted.path(&[("response_mode", "query")])).await, STATE).contains_key("code"));
    let script = nobody.get("/form_post.js").await;
    assert_eq!((script.status, script.header("content-type")), (200, "text/javascript; charset=utf-8"));
}

/// Also after a page: No and Cancel are told in the way that was asked for.
#[tokio::test]
async fn form_post_after_pages() {
    let strict = app("strict");
    let mode = [("response_mode", "form_post"), ("prompt", "consent")];
    let person = ada().await;
    let page = follow(&person, person.get(&strict.path(&mode)).await).await;
    let denied = person.post("/consent", &[("form", &page.form()), ("action", "deny")]).await;
    assert_eq!(known(posting(&denied).1, STATE)["error"], "access_denied");
    let allowed = consent(&person, &page).await;
    assert!(known(posting(&allowed).1, STATE).contains_key("code"));
    let nobody = Person::new(&fixture().a);
    let page = follow(&nobody, nobody.get(&strict.path(&mode)).await).await;
    let cancelled = nobody.post("/login", &[("form", &page.form()), ("action", "cancel")]).await;
    assert_eq!(known(posting(&cancelled).1, STATE)["error"], "access_denied");
}

/// RFC 9700 4.16: no page of ours in a frame. `form-action` names the redirect target, or Chromium stops the
/// redirect after a POST; on no page does it name another.
#[tokio::test]
async fn pages_of_a_flow_may_lead_to_its_redirect_uri_and_nowhere_else() {
    let base = &fixture().a;
    for (id, uri, source) in [
        ("strict", "https://strict.example/cb", "https://strict.example"),
        ("pretty", "https://pretty.example:8443/cb", "https://pretty.example:8443"),
        ("query", "https://query.example/cb?tenant=7", "https://query.example"),
        ("app", "http://127.0.0.1:51004/cb", "http://127.0.0.1:51004"),
        ("app", "example.latchkey.app:/cb", "example.latchkey.app:"),
        // A policy cannot name an IPv6 address (CSP3 2.3.1): only the whole scheme lets the browser through.
        ("app", "http://[::1]:51004/cb", "http:"),
    ] {
        let app = App { redirect_uri: uri.to_owned(), ..app(id) };
        let (person, nobody) = (ada().await, Person::new(base));
        let login = follow(&nobody, nobody.get(&app.path(&[])).await).await;
        assert!(login.body.contains("id=\"login-submit\""), "{}", login.body);
        let form = login.form();
        let wrong = nobody.post("/login", &[("form", &form), ("login", "nobody"), ("password", "wrong")]).await;
        let consent = follow(&person, person.get(&app.path(&[("prompt", "consent")])).await).await;
        assert!(consent.body.contains("id=\"consent-allow\""), "{}", consent.body);
        let choose = follow(&person, person.get(&app.path(&[("prompt", "select_account")])).await).await;
        assert!(choose.body.contains("name=\"account\""), "{}", choose.body);
        let posts = nobody.get(&app.path(&[("prompt", "none"), ("response_mode", "form_post")])).await;
        for page in [&login, &wrong, &consent, &choose, &posts] {
            let policy = policy(page);
            let expected = format!("form-action 'self' {source}");
            assert!(policy.contains(&expected.as_str()), "{uri}: {policy:?}");
            for directive in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
                assert!(policy.contains(&directive), "{uri}: {policy:?}");
            }
            assert_eq!(page.header("x-frame-options"), "DENY");
            assert_eq!(page.header("cache-control"), "no-store");
            assert_eq!(page.header("referrer-policy"), "same-origin");
            assert!(page.body.matches("<form").count() >= 1);
            let image = policy.iter().find(|directive| directive.starts_with("img-src")).unwrap();
            assert_eq!(
                image.contains("https://cdn.example"),
                id == "pretty" && page.body.contains("cdn.example"),
                "{uri}: {image}"
            );
        }
    }
}

/// Login CSRF and stolen forms: the forms of a flow are one browser's, and not for other sites to send.
#[tokio::test]
async fn forms_of_a_flow_are_this_browsers() {
    let (person, strict) = (ada().await, app("strict"));
    let page = follow(&person, person.get(&strict.path(&[("prompt", "consent")])).await).await;
    let fields = [("form", page.form()), ("action", "allow".to_owned())];
    // Another person's browser with it: no code for anybody.
    let stranger = Person::ada(&fixture().a).await;
    let answer = stranger.post("/consent", &fields.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
    assert!(answer.status == 303 && answer.header("location").starts_with("/authorize?step="), "{:?}", answer.headers);
    // From another site.
    for path in ["/consent", "/accounts", "/login"] {
        for site in ["cross-site", "same-site"] {
            let request = person.request("POST", path).header("sec-fetch-site", site).form(&fields);
            assert_error_page(&Api::send(request).await, site);
        }
        for bogus in ["", "AAAA", "x"] {
            let answer = person.post(path, &[("form", bogus), ("action", "allow"), ("login", "ada")]).await;
            assert_eq!((answer.status, answer.header("location")), (400, ""), "{path} {bogus}");
        }
    }
    // A step that is not ours.
    for path in ["/authorize", "/consent", "/accounts"] {
        assert_error_page(&person.get(&format!("{path}?step=AAAA")).await, path);
    }
}
