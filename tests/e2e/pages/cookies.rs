//! The cookie parser on raw headers, and the names of cookies on https.

use super::{fixture, setup, signed_in};
use crate::support::{ADA, Answer, Api, raw};
use crate::web::App;

fn knows(answer: &Answer) -> bool {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body.contains("You are signed in")
}

/// RFC 6265 5.4 is what browsers send; what they never send is not understood. A name that is there twice
/// refuses both: one of the two was planted (by a neighbouring host or path), and nobody knows which.
#[tokio::test]
async fn cookies_are_read_exactly() {
    let fixture = fixture();
    let ada = signed_in(&fixture.a, "ada").await;
    let session = ada.cookie("session").unwrap();
    let bob = signed_in(&fixture.a, "bob").await.cookie("session").unwrap();
    let get = async |lines: &[String]| {
        let cookies = lines.join("\r\ncookie: ");
        knows(&raw(&fixture.a, format!("GET / HTTP/1.1\r\nhost: localhost\r\ncookie: {cookies}\r\n\r\n")).await)
    };
    for header in [
        format!("session={session}"),
        format!("a=b; session={session}; c=d"),
        format!("a=b;session={session};c"),
        format!("a=b;\tsession\t=\t{session}\t; c=d"),
        format!("; ; session={session};;"),
        format!("=x; session={session}; =y"),
        format!("a=session=x; session={session}"),
        format!("__Host-session={bob}; session={session}"),
        format!("Session={bob}; session={session}; SESSION={bob}"),
    ] {
        assert!(get(std::slice::from_ref(&header)).await, "{header}");
    }
    for header in [
        format!("session={bob}; session={session}"),
        format!("session={session}; session={session}"),
        format!("session={session}; session="),
        format!("session={session};\tsession\t=x"),
        format!("session=\"{session}\""),
        format!("session={}", session.replace('A', "%41")),
        format!("session={session}, a=b"),
        format!("session={session} x"),
        format!("Session={session}"),
        format!("__Host-session={session}"),
        format!("__Secure-session={session}"),
        format!("xsession={session}"),
        format!("session.={session}"),
        format!("a=b, session={session}"),
        format!("a=\"b; session={session}\""),
        format!("session\u{a0}={session}"),
        format!("session\u{b}={session}"),
        "session".to_owned(),
    ] {
        assert!(!get(std::slice::from_ref(&header)).await, "{header}");
    }
    // RFC 9113 8.2.3 lets the header be split; two of them are one list.
    assert!(!get(&[format!("session={bob}"), format!("session={session}")]).await, "twice in two headers");

    // At `/authorize` as on the pages: nobody is signed in where nobody knows who.
    let app = App::demo(&fixture.a);
    let path = app.path(&[("prompt", "none"), ("scope", "openid phone")]);
    for (cookies, expected) in [
        (format!("session={session}"), "consent_required"),
        (format!("session={bob}; session={session}"), "login_required"),
        (format!("__Host-session={session}"), "login_required"),
        (String::new(), "login_required"),
    ] {
        let answer = super::with_cookies(&fixture.a, &path, &cookies).await;
        assert_eq!(app.returned(&answer)["error"], expected, "{cookies}");
    }

    // The same for the others: a repeated browser id is no id, and a form made for it is not taken.
    let browser = ada.cookie("browser").unwrap();
    let page = super::with_cookies(&fixture.a, "/login", &format!("browser={browser}")).await;
    let post = async |cookies: String| {
        let request = Api::demo(&fixture.a).request("POST", "/login").header("cookie", cookies);
        Api::send(request.form(&[("form", page.form().as_str()), ("login", ADA.0), ("password", ADA.1)])).await.status
    };
    assert_eq!(post(format!("browser={browser}; browser={browser}")).await, 400);
    assert_eq!(post(format!("browser={browser}; browser=")).await, 400);
    assert_eq!(post(format!("__Host-browser={browser}")).await, 400);
    assert_eq!(post(format!("browser={browser}")).await, 303);
}

/// On an https issuer every cookie is `__Host-` and `Secure`, and the plain names, which a neighbouring
/// host could set, are nobody's.
#[tokio::test]
async fn cookies_of_an_https_issuer_cannot_be_planted() {
    let fixture = setup().var("ISSUER", "https://id.example").start().await;
    let api = Api::demo(&fixture.a);
    let flags = |cookie: &str| {
        let (pair, flags) = cookie.split_once("; ").unwrap();
        assert!(pair.starts_with("__Host-"), "{cookie}");
        assert!(flags.starts_with("Path=/; HttpOnly; SameSite=Lax; Secure") && !flags.contains("Domain"), "{cookie}");
        pair.to_owned()
    };
    let page = api.get("/device?user_code=BCDF-GHJK").await;
    let pairs: Vec<String> = page.cookies().iter().map(|cookie| flags(cookie)).collect();
    assert_eq!(pairs.len(), 2, "{pairs:?}");
    let login = super::with_cookies(&fixture.a, "/login", &pairs[0]).await;
    assert!(login.cookies().is_empty(), "the browser is recognised");
    assert_eq!(login.header("strict-transport-security"), "max-age=31536000");
    let fields = [("form", login.form()), ("login", ADA.0.to_owned()), ("password", ADA.1.to_owned())];
    let plain = pairs[0].replace("__Host-", "");
    for wrong in [plain.clone(), format!("__Secure-{plain}"), format!("__host-{plain}"), format!("{0}; {0}", pairs[0])] {
        let answer = Api::send(api.request("POST", "/login").header("cookie", &wrong).form(&fields)).await;
        assert_eq!(answer.status, 400, "{wrong}");
    }
    // A planted plain cookie beside the right one changes nothing.
    let both = format!("browser=AAAAAAAAAAAAAAAAAAAAAA; {}; session=x", pairs[0]);
    let answer = Api::send(api.request("POST", "/login").header("cookie", &both).form(&fields)).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let pairs: Vec<String> = answer.cookies().iter().map(|cookie| flags(cookie)).collect();
    let mut names: Vec<&str> = pairs.iter().filter_map(|pair| pair.split('=').next()).collect();
    names.sort_unstable();
    assert_eq!(names, ["__Host-browser", "__Host-known", "__Host-session"]);
    let session = pairs.iter().find(|pair| pair.starts_with("__Host-session=")).unwrap();
    assert!(knows(&super::with_cookies(&fixture.a, "/", session).await));
    assert!(knows(&super::with_cookies(&fixture.a, "/", &format!("session=x; {session}")).await));
    assert!(!knows(&super::with_cookies(&fixture.a, "/", &session.replace("__Host-", "")).await));
    // So are those that the account chooser sets.
    let (app, all) = (App::demo(&fixture.a), pairs.join("; "));
    let step = super::with_cookies(&fixture.a, &app.path(&[("prompt", "select_account")]), &all).await;
    let chooser = super::with_cookies(&fixture.a, step.header("location"), &all).await;
    let account = chooser.body.split_once("name=\"account\" value=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
    let fields = [("form", chooser.form()), ("account", account)];
    let chosen = Api::send(api.request("POST", "/accounts").header("cookie", &all).form(&fields)).await;
    let set: Vec<String> = chosen.cookies().iter().map(|cookie| flags(cookie)).collect();
    assert!(chosen.status == 303 && set.iter().any(|pair| pair.starts_with("__Host-session=")), "{set:?}");
    // Clearing must carry the flags too, or a browser would not take it.
    let out = super::with_cookies(&fixture.a, "/logout", &pairs.join("; ")).await;
    let request = api.request("POST", "/logout").header("cookie", pairs.join("; ")).form(&[("form", out.form())]);
    for cookie in Api::send(request).await.cookies() {
        flags(&cookie);
    }
}
