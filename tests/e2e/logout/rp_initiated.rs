//! OpenID Connect RP-Initiated Logout 1.0.

use serde_json::json;

use super::{SIGNED_OUT, SIGNED_OUT_QUERY, app, at_app, fixture, is_signed_in, sid, sign_out, signs_in, tokens, uses};
use crate::support::{Answer, Api, Person, claims, sleep};
use crate::web::{App, follow};

/// Section 2 and 3: a hint that proves who asks, and a registered address.
#[tokio::test]
async fn a_client_signs_out_and_the_browser_comes_back_with_the_state() {
    let (fixture, _) = fixture();
    let state = format!("{}%20%26%C3%A9%2B", "s".repeat(200));
    for (uri, expected) in
        [(SIGNED_OUT, format!("{SIGNED_OUT}?state={state}")), (SIGNED_OUT_QUERY, format!("{SIGNED_OUT_QUERY}&state={state}"))]
    {
        let person = Person::new(&fixture.a);
        let tokens = uses(fixture, &person, "ada2", "web").await;
        let (id_token, access_token) = (tokens.member("id_token"), tokens.member("access_token"));
        let kept = person.cookies();
        assert!(is_signed_in(&person).await);
        assert_eq!(Api::demo(&fixture.a).userinfo(&access_token).await.status, 200);
        let uri = uri.replace('?', "%3F").replace('=', "%3D");
        let more = format!("&post_logout_redirect_uri={uri}&client_id=web&state={state}&ui_locales=de&logout_hint=x");
        let answer = person.get(&sign_out(&id_token, &more)).await;
        assert_eq!((answer.status, answer.header("location")), (303, expected.as_str()), "{}", answer.body);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(person.cookie("session").is_none() && person.cookie("known").is_some());
        assert!(!is_signed_in(&person).await);
        assert_eq!(Api::demo(&fixture.a).userinfo(&access_token).await.status, 401, "it ends with its session");
        person.set_cookie(&format!("{}; Path=/", kept.split("; ").find(|cookie| cookie.starts_with("session=")).unwrap()));
        assert!(!is_signed_in(&person).await, "a cookie that somebody kept is of no use");
        // Once more: there is nobody left to sign out.
        let again = person.get(&sign_out(&id_token, &more)).await;
        assert_eq!((again.status, again.header("location")), (303, expected.as_str()));
    }
}

/// Without an address, or with the state alone: our own last word.
#[tokio::test]
async fn without_an_address_the_browser_stays() {
    let (fixture, _) = fixture();
    for more in ["", "&state=x", "&client_id=web"] {
        let (person, id_token) = at_app(fixture, "barbara", "web").await;
        let answer = person.get(&sign_out(&id_token, more)).await;
        assert!(answer.status == 200 && answer.body.contains("You are signed out"), "{answer:?}");
        assert!(!is_signed_in(&person).await);
    }
}

/// Nobody is led anywhere, and nobody is signed out, by a request that is not right in every point.
#[tokio::test]
async fn what_is_wrong_is_told_and_changes_nothing() {
    let (fixture, _) = fixture();
    let (person, id_token) = at_app(fixture, "bob", "web").await;
    let tokens = uses(fixture, &person, "bob", "web").await;
    let (head, signature) = id_token.rsplit_once('.').unwrap();
    let (header, payload) = head.split_once('.').unwrap();
    let other = if signature.starts_with('A') { 'B' } else { 'A' };
    let forged = format!("{head}.{other}{}", &signature[1..]);
    let none = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.");
    let swapped = format!("{header}.{}.{signature}", latchkey::protocol::secret::base64url(b"{\"sub\":\"x\"}"));
    let back = format!("&post_logout_redirect_uri={SIGNED_OUT}");
    let mut wrong: Vec<String> = Vec::new();
    for hint in ["x", "a.b.c", &forged, &none, &swapped, &tokens.member("access_token"), &id_token[..40]] {
        wrong.push(sign_out(hint, &back));
    }
    for uri in [
        "https://app.example/cb",
        "https://app.example/out/",
        "https://app.example/OUT",
        "https://app.example/out%3Fx%3D1",
        "https://app.example/out%23f",
        "https://app.example:443/out",
        "https://app.example./out",
        "https://user@app.example/out",
        "https://app.example%5C@evil.example/out",
        "https://APP.example/out",
        "http://app.example/out",
        "//app.example/out",
        "/",
        "javascript:alert(1)",
    ] {
        wrong.push(sign_out(&id_token, &format!("&post_logout_redirect_uri={uri}")));
    }
    wrong.push(sign_out(&id_token, &format!("{back}&client_id=other")));
    wrong.push(sign_out(&id_token, &format!("{back}&client_id=nobody")));
    wrong.push(sign_out(&id_token, &format!("{back}&state={}", "x".repeat(2049))));
    wrong.push(sign_out(&id_token, &format!("{back}&state=a&state=b")));
    wrong.push("/logout?client_id=nobody".to_owned());
    for path in &wrong {
        for answer in [person.get(path).await, posted(&person, path).await] {
            assert_eq!(answer.status, 400, "{path}: {answer:?}");
            assert!(answer.body.contains("Something went wrong"), "{path}");
            assert_eq!(answer.header("location"), "", "{path}");
        }
        assert!(is_signed_in(&person).await, "{path}");
    }
    // And the right one still works.
    assert_eq!(person.get(&sign_out(&id_token, &back)).await.header("location"), SIGNED_OUT);
}

/// The parameters of a path as a form that another site posts.
async fn posted(person: &Person, path: &str) -> Answer {
    let (path, query) = path.split_once('?').unwrap();
    let request = person.request("POST", path).header("content-type", "application/x-www-form-urlencoded");
    Api::send(request.header("sec-fetch-site", "cross-site").body(query.to_owned())).await
}

/// A link without a hint signs nobody out, and leads nowhere.
#[tokio::test]
async fn without_a_hint_the_person_is_asked() {
    let (fixture, _) = fixture();
    let (person, _) = at_app(fixture, "carol", "web").await;
    for query in ["", "?state=x", "?client_id=web", &format!("?client_id=web&post_logout_redirect_uri={SIGNED_OUT}")] {
        let page = person.get(&format!("/logout{query}")).await;
        assert!(page.status == 200 && page.body.contains("id=\"logout-confirm\""), "{query}: {page:?}");
        assert_eq!(page.body.contains("Client web"), query.contains("client_id"), "{query}");
        assert!(is_signed_in(&person).await);
    }
    let page = person.get(&format!("/logout?client_id=web&post_logout_redirect_uri={SIGNED_OUT}&ui_locales=fr")).await;
    assert!(page.body.contains("<html lang=\"fr\""), "{}", page.body);
    assert!(!page.header("content-security-policy").contains("app.example"));
    let answer = person.post("/logout", &[("form", &page.form()), ("action", "here")]).await;
    assert_eq!((answer.status, answer.header("location")), (200, ""), "{answer:?}");
    assert!(!is_signed_in(&person).await);
    let done = person.get(&format!("/logout?post_logout_redirect_uri={SIGNED_OUT}")).await;
    assert!(done.status == 200 && done.body.contains("You are signed out"), "{done:?}");
}

/// A hint of somebody who is not here: who is here is asked, and then the browser comes back.
#[tokio::test]
async fn a_hint_of_somebody_else_asks_first() {
    let (fixture, _) = fixture();
    let (_, theirs) = at_app(fixture, "edith", "web").await;
    let (person, _) = at_app(fixture, "dorothy", "web").await;
    let path = sign_out(&theirs, &format!("&post_logout_redirect_uri={SIGNED_OUT}&state=x"));
    let page = person.get(&path).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("Client web") && page.body.contains("dorothy"), "{}", page.body);
    assert!(is_signed_in(&person).await);
    let policy = page.header("content-security-policy").to_owned();
    assert!(policy.contains("form-action 'self' https://app.example;"), "{policy}");
    // A form of another browser, or one that is made up, asks again, and the page still leads back.
    let other = Person::new(&fixture.a);
    uses(fixture, &other, "edith", "web").await;
    for form in ["x", &other.get(&path).await.form_or_empty()] {
        let again = person.post("/logout", &[("form", form), ("action", "here")]).await;
        assert_eq!((again.status, again.header("location")), (400, ""));
    }
    assert!(is_signed_in(&person).await);
    let answer = person.post("/logout", &[("form", &page.form()), ("action", "here")]).await;
    assert_eq!((answer.status, answer.header("location")), (303, format!("{SIGNED_OUT}?state=x").as_str()), "{answer:?}");
    assert!(!is_signed_in(&person).await);
}

impl Answer {
    /// The sealed form on a page, or a text that is none.
    fn form_or_empty(&self) -> String {
        if self.body.contains("name=\"form\"") { self.form() } else { "none".to_owned() }
    }
}

/// Another site's form: our cookies do not come along, so it comes back as a link and signs out then.
#[tokio::test]
async fn a_post_from_another_site_becomes_a_link() {
    let (fixture, _) = fixture();
    let (person, id_token) = at_app(fixture, "frances", "web").await;
    let path = sign_out(&id_token, &format!("&post_logout_redirect_uri={SIGNED_OUT}&state=x"));
    let step = posted(&Person::new(&fixture.b), &path).await;
    assert_eq!((step.status, step.cookies().len()), (303, 0), "a session must not be lost by it: {step:?}");
    let link = step.header("location").to_owned();
    assert!(link.starts_with("/logout?step="), "{link}");
    assert!(!link.contains(&id_token), "the token stays out of the address");
    // HEAD changes nothing; a step that is none of ours asks for nothing but the page.
    assert_eq!(Api::send(person.request("HEAD", &link)).await.status, 200);
    let page = person.get("/logout?step=x").await;
    assert!(page.status == 200 && page.body.contains("id=\"logout-confirm\""));
    assert!(is_signed_in(&person).await);
    let answer = person.get(&link).await;
    assert_eq!((answer.status, answer.header("location")), (303, format!("{SIGNED_OUT}?state=x").as_str()));
    assert!(!is_signed_in(&person).await);
}

/// "Here" is this browser: all accounts that are signed in at it, whichever of them the hint names.
#[tokio::test]
async fn all_accounts_of_the_browser_end() {
    let (fixture, judge) = fixture();
    let (person, first) = at_app(fixture, "grace", "web").await;
    let other = App::web(&fixture.a, "other");
    let page = follow(&person, person.get(&other.path(&[("prompt", "select_account")])).await).await;
    let page = follow(&person, person.post("/accounts", &[("form", &page.form()), ("action", "other")]).await).await;
    let second = tokens(&other, &signs_in(&person, &page, "hedy").await).await.member("id_token");
    assert_ne!((claims(&first)["sub"].clone(), sid(&first)), (claims(&second)["sub"].clone(), sid(&second)));
    let answer = person.get(&sign_out(&first, &format!("&post_logout_redirect_uri={SIGNED_OUT}"))).await;
    assert_eq!((answer.status, answer.header("location")), (303, SIGNED_OUT), "{answer:?}");
    assert!(!is_signed_in(&person).await);
    for (path, id_token) in [("/web", &first), ("/other", &second)] {
        super::back_channel::told(judge, path, &sid(id_token), 1).await;
    }
}

/// A hint counts however old it is.
#[tokio::test]
async fn a_hint_may_be_expired() {
    let (fixture, _) = fixture();
    let (person, id_token) = at_app(fixture, "ida", "brief").await;
    let remaining = claims(&id_token)["exp"].as_i64().unwrap() - claims(&id_token)["iat"].as_i64().unwrap();
    assert!(remaining <= 5);
    sleep(6_000).await;
    let answer = person.get(&sign_out(&id_token, &format!("&post_logout_redirect_uri={SIGNED_OUT}"))).await;
    assert_eq!((answer.status, answer.header("location")), (303, SIGNED_OUT), "{answer:?}");
}

/// A client that is gone, or switched off, leads nowhere; its hint still names whom to sign out.
#[tokio::test]
async fn a_client_that_is_gone_leads_nowhere() {
    let judge = crate::judge::Judge::start();
    let clients = [app(None, "gone", &json!({})), app(None, "off", &json!({})), app(None, "quiet", &json!({}))];
    let fixture = super::setup(&judge, &clients).var("CLIENT_CACHE", "0").start().await;
    let (person, gone) = at_app(&fixture, "ida", "gone").await;
    let off = uses(&fixture, &person, "ida", "off").await.member("id_token");
    fixture.d1("DELETE FROM clients WHERE id = 'gone'", &[]).await;
    fixture.d1("UPDATE clients SET enabled = 0 WHERE id = 'off'", &[]).await;
    for hint in [&gone, &off] {
        let answer = person.get(&sign_out(hint, &format!("&post_logout_redirect_uri={SIGNED_OUT}"))).await;
        assert_eq!((answer.status, answer.header("location")), (400, ""), "{answer:?}");
        assert!(is_signed_in(&person).await);
    }
    let answer = person.get(&sign_out(&gone, "")).await;
    assert!(answer.status == 200 && answer.body.contains("You are signed out"), "{answer:?}");
    assert!(!is_signed_in(&person).await);
}
