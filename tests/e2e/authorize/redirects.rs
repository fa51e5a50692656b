//! Where an answer may go: RFC 6749 3.1.2 and 4.1.2.1, RFC 8252 7, RFC 9207, RFC 9700 2.1 and 4.1.

use super::{STATE, ada, app, assert_error_page, back, fixture, post_raw, posting, push, told};
use crate::support::{Answer, Person};
use crate::web::{App, consent, follow, query};

/// The answer to a request, by GET and by POST, which are one.
async fn asked(path: &str) -> [Answer; 2] {
    let nobody = Person::new(&fixture().a);
    [nobody.get(path).await, post_raw("/authorize", path.split_once('?').unwrap().1).await]
}

/// RFC 9700 2.1: exact match. What a parser may read as the registered URI is another one.
#[tokio::test]
async fn nobody_is_sent_to_what_is_not_registered() {
    let strict = app("strict");
    for evil in [
        "https://evil.example/cb",
        "https://strict.example/cb?added=1",
        "https://strict.example/cb?",
        "https://strict.example/cb#",
        "https://strict.example/cb#evil",
        "https://strict.example/cb/",
        "https://strict.example/CB",
        "https://strict.example/cb/../evil",
        "https://strict.example/%63b",
        "https://strict.example",
        "https://STRICT.example/cb",
        "HTTPS://strict.example/cb",
        "http://strict.example/cb",
        "https://strict.example./cb",
        "https://strict.example:443/cb",
        "https://strict.example:8443/cb",
        "https://strict.example@evil.example/cb",
        "https://evil@strict.example/cb",
        "https://strict.example\\@evil.example/cb",
        "https://evil.example\\.strict.example/cb",
        "https:\\\\strict.example/cb",
        "https:///strict.example/cb",
        "https://str\u{131}ct.example/cb",
        "https://strict.exampl\u{435}/cb",
        "https://strict\u{3002}example/cb",
        "https://xn--strict.example/cb",
        "https://evil.strict.example/cb",
        "https://strict.example.evil.example/cb",
        "//strict.example/cb",
        "/cb",
        "cb",
        " https://strict.example/cb",
        "https://strict.example/cb ",
        "https://strict.example/cb\n",
        "https://strict.example/cb\0",
        "https://strict.example/cb https://evil.example/cb",
        "javascript:alert(1)//https://strict.example/cb",
        "data:text/html,evil",
        "example.latchkey.app:/cb",
    ] {
        for answer in asked(&strict.path(&[("redirect_uri", evil)])).await {
            assert_error_page(&answer, evil);
        }
        // A redirect URI that is bad is no place to tell of other faults.
        for fault in [("response_type", "token"), ("prompt", "none"), ("scope", ""), ("response_mode", "form_post")] {
            let answer = Person::new(&fixture().a).get(&strict.path(&[("redirect_uri", evil), fault])).await;
            assert_error_page(&answer, &format!("{evil} {fault:?}"));
        }
        let refused = push(&strict, &[("redirect_uri", evil)]).await;
        assert_eq!((refused.status, refused.error().as_str()), (400, "invalid_request"), "{evil}");
    }
    // The registered one, for all that: to the login page.
    let [got, posted] = asked(&strict.path(&[])).await;
    assert!(got.header("location").starts_with("/login?step="), "{:?}", got.headers);
    assert!(posted.header("location").starts_with("/authorize?step="), "{:?}", posted.headers);
}

/// Until `client_id` is good, the registered redirect URI of whoever else does not help.
#[tokio::test]
async fn nobody_is_sent_anywhere_for_an_unknown_client() {
    let fixture = fixture();
    fixture.d1("UPDATE clients SET enabled = 0 WHERE id = 'off'", &[]).await;
    for (id, redirect_uri) in [
        ("", "https://strict.example/cb"),
        ("nobody", "https://strict.example/cb"),
        ("STRICT", "https://strict.example/cb"),
        ("strict ", "https://strict.example/cb"),
        ("strict\0", "https://strict.example/cb"),
        ("other", "https://strict.example/cb"),
        ("https://strict.example/client.json", "https://strict.example/cb"),
        ("off", "https://off.example/cb"),
        // Asked for twice: the second time from memory.
        ("off", "https://off.example/cb"),
    ] {
        let path = app("strict").path(&[("client_id", id), ("redirect_uri", redirect_uri)]);
        for answer in asked(&path).await {
            assert!(answer.header("location").starts_with("/authorize?step=") || answer.status == 400, "{id}");
            if answer.status == 400 {
                assert_error_page(&answer, id);
            } else {
                let answer = Person::new(&fixture.a).get(answer.header("location")).await;
                assert_error_page(&answer, id);
            }
        }
    }
}

/// RFC 6749 3.1.2.3: mandatory when several are registered, and always with `openid` (Core 3.1.2.1).
#[tokio::test]
async fn redirect_uri_may_only_be_missing_where_there_is_one_and_no_openid() {
    let (one, several) = (app("strict"), app("several"));
    for (app, scope, may) in
        [(&one, "profile", true), (&one, "openid", false), (&several, "profile", false), (&several, "openid", false)]
    {
        let path = app.path(&[("redirect_uri", ""), ("scope", scope), ("prompt", "none")]);
        let answer = Person::new(&fixture().a).get(&path).await;
        if may {
            assert_eq!(told(app, &answer, STATE), "login_required");
        } else {
            assert_error_page(&answer, scope);
        }
    }
    for uri in ["https://several.example/cb", "https://several.example/other"] {
        let app = App { redirect_uri: uri.to_owned(), ..several.clone() };
        let answer = Person::new(&fixture().a).get(&app.path(&[("prompt", "none")])).await;
        assert_eq!(told(&app, &answer, STATE), "login_required");
    }
}

/// RFC 6749 3.1.2: the registered query is kept, and the answer appended to it.
#[tokio::test]
async fn a_registered_query_is_kept() {
    for uri in ["https://query.example/cb?tenant=7", "https://bare.example/cb?"] {
        let app = App { redirect_uri: uri.to_owned(), ..app("query") };
        let answer = Person::new(&fixture().a).get(&app.path(&[("prompt", "none")])).await;
        assert_eq!(told(&app, &answer, STATE), "login_required");
    }
    for uri in ["https://query.example/cb", "https://query.example/cb?tenant=8", "https://query.example/cb?tenant=7&x=1"] {
        let answer = Person::new(&fixture().a).get(&app("query").path(&[("redirect_uri", uri)])).await;
        assert_error_page(&answer, uri);
    }
}

/// RFC 8252 7.1 and 7.3: an app's own scheme exactly, a loopback address with any port.
#[tokio::test]
async fn native_apps_are_answered_at_any_loopback_port_and_their_own_scheme() {
    let (native, base) = (app("app"), &fixture().a);
    for demo in [App::demo(base), App::demo_spa(base), App::demo_mobile(base)] {
        assert_eq!(told(&demo, &Person::new(base).get(&demo.path(&[("prompt", "none")])).await, STATE), "login_required");
    }
    for uri in [
        "http://127.0.0.1/cb",
        "http://127.0.0.1:1/cb",
        "http://127.0.0.1:51004/cb",
        "http://127.0.0.1:65535/cb",
        "http://[::1]/cb",
        "http://[::1]:51004/cb",
        "example.latchkey.app:/cb",
    ] {
        let app = App { redirect_uri: uri.to_owned(), ..native.clone() };
        let answer = Person::new(&fixture().a).get(&app.path(&[("prompt", "none")])).await;
        assert_eq!(told(&app, &answer, STATE), "login_required", "{uri}");
    }
    for uri in [
        "http://localhost:51004/cb",
        "http://127.0.0.2:51004/cb",
        "http://127.1:51004/cb",
        "http://2130706433:51004/cb",
        "http://[::ffff:127.0.0.1]:51004/cb",
        "http://[0:0:0:0:0:0:0:1]:51004/cb",
        "https://127.0.0.1:51004/cb",
        "http://127.0.0.1:51004/CB",
        "http://127.0.0.1:51004/cb?x=1",
        "http://127.0.0.1:51004/cb#x",
        "http://127.0.0.1:51004@evil.example/cb",
        "http://127.0.0.1:/cb",
        "http://127.0.0.1:x/cb",
        "http://127.0.0.1.evil.example:51004/cb",
        "http://evil@127.0.0.1:51004/cb",
        "http://127.0.0.1\\.evil.example/cb",
        "example.latchkey.app:/cb/x",
        "example.latchkey.app:/CB",
        "example.latchkey.app://cb",
        "EXAMPLE.latchkey.app:/cb",
        "example.latchkey.app.evil:/cb",
    ] {
        assert_error_page(&Person::new(&fixture().a).get(&native.path(&[("redirect_uri", uri)])).await, uri);
    }
    // The port of a web client is its own.
    let web = App::demo(&fixture().a);
    let answer = Person::new(&fixture().a).get(&web.path(&[("redirect_uri", "http://localhost:9997/callback")])).await;
    assert_error_page(&answer, "another port");
}

/// RFC 8252 8.6: whoever listens there is not known, so a public native app is asked about each time.
#[tokio::test]
async fn a_native_apps_consent_is_asked_again() {
    let person = ada().await;
    let native = App { redirect_uri: "http://127.0.0.1:51004/cb".to_owned(), ..app("app") };
    for time in ["first", "second"] {
        let page = follow(&person, person.get(&native.path(&[])).await).await;
        assert!(page.body.contains("id=\"consent-allow\""), "{time}: {}", page.body);
        assert!(back(&native, &consent(&person, &page).await, STATE).contains_key("code"));
    }
    let silent = person.get(&native.path(&[("prompt", "none")])).await;
    assert_eq!(told(&native, &silent, STATE), "consent_required");
}

/// RFC 6749 3.1: no parameter twice, whatever it is, even if both say the same or one is empty; and who sends two
/// redirect URIs is sent to neither.
#[tokio::test]
async fn a_parameter_that_is_sent_twice_is_refused() {
    let strict = app("strict");
    for (name, value) in [
        ("client_id", "strict"),
        ("client_id", "other"),
        ("redirect_uri", "https://strict.example/cb"),
        ("redirect_uri", "https://evil.example/cb"),
        ("redirect_uri", ""),
        ("response_type", "code"),
        ("response_mode", "query"),
        ("scope", "profile"),
        ("state", "other"),
        ("state", ""),
        ("nonce", "other"),
        ("code_challenge", "other"),
        ("code_challenge_method", "plain"),
        ("prompt", "none"),
        ("unknown", "x"),
    ] {
        let mut parameters = strict.parameters(&[("unknown", "y"), ("response_mode", "query"), ("prompt", "login")]);
        parameters.push((name.to_owned(), value.to_owned()));
        let last = query(&parameters);
        parameters.rotate_right(1);
        for text in [last, query(&parameters)] {
            for answer in asked(&format!("/authorize?{text}")).await {
                assert_error_page(&answer, &format!("two of {name}: {text}"));
            }
        }
    }
    // The resource alone may be there more than once (RFC 8707 2).
    let api = app("api");
    let text = format!("{}&resource=urn:example:files&resource=https://api.example/v1&prompt=none", query(&api.parameters(&[])));
    let answer = Person::new(&fixture().a).get(&format!("/authorize?{text}")).await;
    assert_eq!(told(&api, &answer, STATE), "login_required");
}

/// RFC 6749 4.1.2.1: exactly, however long and odd.
#[tokio::test]
async fn state_comes_back_exactly() {
    let strict = app("strict");
    let long = "-._~".repeat(32) + &"aZ9".repeat(600);
    let all: String = (0x20..0x7f_u8).map(char::from).collect();
    for state in [
        "x",
        "0",
        "null",
        &long,
        &all,
        "a+b c%20d%2B%",
        "&error=x&code=y#z?",
        "\"'><script>alert(1)</script>",
        "\u{e4}\u{20ac}\u{1f511}\u{202e}",
        "https://evil.example/",
        "tab\there",
        "  spaces  ",
        "&amp;&#38;",
    ] {
        let none = [("state", state), ("prompt", "none")];
        let answer = Person::new(&fixture().a).get(&strict.path(&none)).await;
        assert_eq!(told(&strict, &answer, Some(state)), "login_required", "{state}");
        // The same in a form that posts itself, and where a page is between.
        let page = Person::new(&fixture().a).get(&strict.path(&[none[0], none[1], ("response_mode", "form_post")])).await;
        let (action, fields) = posting(&page);
        assert_eq!(action, strict.redirect_uri);
        assert_eq!(super::known(fields, Some(state))["error"], "login_required", "{state}");
    }
    let person = ada().await;
    let trusted = app("trusted");
    for state in [&all, &long] {
        assert!(back(&trusted, &person.get(&trusted.path(&[("state", state)])).await, Some(state)).contains_key("code"));
        let location = post_raw("/authorize", trusted.path(&[("state", state)]).split_once('?').unwrap().1).await;
        let answer = person.get(location.header("location")).await;
        assert!(back(&trusted, &answer, Some(state)).contains_key("code"));
    }
    // None, or an empty one, which counts as none (RFC 6749 3.1).
    for path in [strict.path(&[("state", "")]), strict.path(&[("state", "")]) + "&state="] {
        let answer = Person::new(&fixture().a).get(&(path + "&prompt=none")).await;
        assert_eq!(told(&strict, &answer, None), "login_required");
    }
}

/// Nonce, state and claims travel in URLs and codes: what is too long is refused clearly, and with the state that
/// it came with.
#[tokio::test]
async fn what_is_too_long_is_refused_by_redirect() {
    let strict = app("strict");
    let claims = format!(r#"{{"userinfo":{{"x{}":null}}}}"#, "x".repeat(760));
    let of = |length: usize| "s".repeat(length);
    for (state, nonce, claims, is_good) in [
        (of(2048), "", "", true),
        (of(2049), "", "", false),
        (of(4097), "", "", false),
        (of(30_000), "", "", false),
        (of(1), &*of(768), "", true),
        (of(1), &*of(769), "", false),
        (of(1300), &*of(749), "", false),
        (of(1), "n", &*claims, false),
        (of(1), "", &*claims.replacen("xxx", "", 10), true),
    ] {
        let parameters = [("state", state.as_str()), ("nonce", nonce), ("claims", claims), ("prompt", "none")];
        for answer in asked(&strict.path(&parameters)).await {
            let is_asked = answer.header("location").starts_with("/authorize?step=");
            let error = if is_asked { "login_required".to_owned() } else { told(&strict, &answer, Some(&state)) };
            let expected = if is_good { "login_required" } else { "invalid_request" };
            assert_eq!(error, expected, "{} {} {}", state.len(), nonce.len(), claims.len());
        }
    }
    // The longest code that there can be.
    let (person, trusted) = (ada().await, app("trusted"));
    let parameters = [("scope", "openid profile email address phone offline_access records:read"), ("nonce", &*of(768))];
    let code = back(&trusted, &person.get(&trusted.path(&parameters)).await, STATE).remove("code").unwrap();
    assert!(code.len() < 2048, "{}", code.len());
}

/// RFC 7636 4.3 and 4.4.1, RFC 9700 2.1.1: S256 and nothing else, and none may take it away.
#[tokio::test]
async fn pkce_is_never_downgraded() {
    let challenge = app("strict").pkce.challenge;
    for (id, challenge, method, is_good) in [
        ("strict", &*challenge, "S256", true),
        ("strict", "", "", false),
        ("strict", "", "S256", false),
        ("strict", &challenge, "", false),
        ("strict", &challenge, "plain", false),
        ("strict", &challenge, "s256", false),
        ("strict", &challenge, "S512", false),
        ("strict", &challenge[1..], "S256", false),
        ("strict", &format!("{challenge}A"), "S256", false),
        ("strict", &format!("{challenge}="), "S256", false),
        ("strict", &challenge.replace(|c: char| c.is_ascii_digit(), "+"), "S256", false),
        ("strict", &"A".repeat(128), "S256", false),
        ("public", "", "", false),
        ("public", &challenge, "plain", false),
        ("public", &challenge, "S256", true),
        ("plain", "", "", true),
        ("plain", &challenge, "S256", true),
        ("plain", &challenge, "plain", false),
        ("plain", &challenge, "", false),
        ("plain", "", "S256", false),
    ] {
        let app = app(id);
        let changes = [("code_challenge", challenge), ("code_challenge_method", method), ("prompt", "none")];
        let answer = Person::new(&fixture().a).get(&app.path(&changes)).await;
        let expected = if is_good { "login_required" } else { "invalid_request" };
        assert_eq!(told(&app, &answer, STATE), expected, "{changes:?}");
        let pushed = push(&app, &changes).await;
        let outcome = if is_good { (201, String::new()) } else { (400, "invalid_request".to_owned()) };
        assert_eq!((pushed.status, pushed.error()), outcome, "{changes:?}");
    }
}

/// RFC 9700 4.8.2: a verifier for a code without challenge is an attack; so is a code with one and no verifier.
#[tokio::test]
async fn a_code_is_redeemed_with_pkce_exactly_if_it_was_asked_for_with_it() {
    let (person, plain) = (ada().await, app("plain"));
    plain.code(&person, &[]).await;
    let without = [("code_challenge", ""), ("code_challenge_method", "")];
    for (asked, verifier, is_good) in [
        (&without[..], plain.pkce.verifier.as_str(), false),
        (&[], "", false),
        (&[], "A".repeat(43).as_str(), false),
        (&[], plain.pkce.challenge.as_str(), false),
        (&without, "", true),
        (&[], plain.pkce.verifier.as_str(), true),
    ] {
        let code = plain.code(&person, asked).await;
        let tokens = plain.redeem_with(&code, &[("code_verifier", verifier)]).await;
        assert_eq!(tokens.is_granted(), is_good, "{asked:?} {verifier}: {}", tokens.body);
        assert!(is_good || tokens.error() == "invalid_grant", "{}", tokens.body);
    }
}
