//! The way of a user code: typed, or by a link; and the codes that do not work.

use latchkey::protocol::seal::Sealer;
use latchkey::protocol::session::PrefilledCode;

use super::{fixture, hasty, is_signed_in, page_without_form, ring, signed_in};
use crate::support::{ADA, Answer, Api, Person, sleep};

/// Whether the page is the approval page.
fn asks(page: &Answer) -> bool {
    page.status == 200 && page.body.contains("action=\"/device/approve\"")
}

/// The code that is filled in.
fn filled_in(page: &Answer) -> String {
    let field = page.body.split_once("name=\"user_code\" type=\"text\" value=\"").unwrap().1;
    field.split_once('"').unwrap().0.to_owned()
}

/// Unknown, expired, used, denied and collected codes give one page.
#[tokio::test]
async fn codes_that_do_not_work_cannot_be_told_apart() {
    let fixture = hasty();
    let api = Api::demo(&fixture.a);
    let ada = signed_in(&fixture.a, "ada").await;
    let closed = api.start().await;
    let (approved, denied, collected) = (api.start().await, api.start().await, api.start().await);
    ada.approve(&approved.user_code).await;
    ada.deny(&denied.user_code).await;
    ada.approve(&collected.user_code).await;
    assert!(api.poll(&collected).await.is_granted());
    let unknown = ada.enter("BCDF-GHJK").await;
    assert_eq!(unknown.status, 400);
    assert!(unknown.body.contains("This code does not work."), "{}", unknown.body);
    sleep(3100).await;
    for (what, code) in [
        ("closed for approval", &closed.user_code),
        ("approved", &approved.user_code),
        ("denied", &denied.user_code),
        ("collected", &collected.user_code),
        ("no code", &"hello".to_owned()),
    ] {
        let page = ada.enter(code).await;
        assert_eq!((page.status, page_without_form(&page)), (400, page_without_form(&unknown)), "{what}");
        assert_eq!(page.cookies(), unknown.cookies(), "{what}");
    }
    let page = signed_in(&fixture.b, "bob").await.enter(&approved.user_code).await;
    let bobs = page_without_form(&page).replace("<bdi>bob</bdi>", "<bdi>Ada Lovelace</bdi>");
    assert_eq!(bobs, page_without_form(&unknown), "another user's");
}

/// RFC 8628 6.1: any case, any spacing and dashes.
#[tokio::test]
async fn a_code_may_be_spelt_in_many_ways() {
    let fixture = fixture();
    let ada = signed_in(&fixture.a, "ada").await;
    let code = Api::demo(&fixture.a).start().await.user_code;
    let plain = code.replace('-', "");
    for typed in [
        code.to_lowercase(),
        plain.clone(),
        format!(" {} ", code.replace('-', " ")),
        plain.replace("", "-"),
        code.replace('-', "\u{2013}"),
    ] {
        let page = ada.enter(&typed).await;
        assert!(asks(&page), "{typed}: {}", page.body);
        assert!(page.body.contains(&format!("<strong class=\"code-value\">{code}</strong>")), "shown as the device shows it");
    }
}

/// RFC 8628 3.3.1 and 5.4: a link fills the code in, leaves it in no address,
/// and never submits it.
#[tokio::test]
async fn a_link_fills_the_code_in_and_never_submits_it() {
    let fixture = fixture();
    let started = Api::demo(&fixture.a).start().await;
    let link = started.answer.member("verification_uri_complete");
    let path = link.strip_prefix(&fixture.a).unwrap();
    let person = Person::new(&fixture.a);
    let mut answer = person.get(path).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/device"));
    let plain = started.user_code.replace('-', "");
    let says_code = |text: &str| text.contains(&started.user_code) || text.contains(&plain);
    for _ in 0..2 {
        let location = answer.header("location").to_owned();
        assert!(!says_code(&location), "{location}");
        assert!(!answer.cookies().iter().any(|cookie| says_code(cookie)), "sealed");
        answer = person.get(&location).await;
    }
    assert!(answer.status == 200 && answer.body.contains("id=\"login-submit\"") && !says_code(&answer.body), "sign in first");
    let answer = person.post("/login", &[("form", &answer.form()), ("login", ADA.0), ("password", ADA.1)]).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/device"));
    let page = person.get("/device").await;
    assert_eq!(filled_in(&page), started.user_code);
    assert!(!asks(&page) && page.body.contains("Compare this code with the one on your device."), "{}", page.body);
    // Only the person's own click goes on, and then the link is forgotten.
    let next = person.post("/device", &[("form", &page.form()), ("user_code", &started.user_code)]).await;
    assert!(asks(&next), "{}", next.body);
    assert!(person.cookie("user_code").is_none());
    assert_eq!(filled_in(&person.get("/device").await), "");

    // Who is signed in already gets the same page, and nothing happens by the link alone.
    let started = Api::demo(&fixture.a).start().await;
    let page = person.visit(&format!("/device?user_code={}", started.user_code)).await;
    assert_eq!(filled_in(&page), started.user_code);
    assert_eq!(Api::demo(&fixture.a).poll(&started).await.error(), "authorization_pending");
    // A link with nonsense fills nothing in, and keeps nothing of it.
    let fresh = signed_in(&fixture.a, "ada").await;
    for nonsense in ["hello", "<b>", "%22%3E%3Cscript%3E", "BCDF-GHJ", "%00"] {
        let page = fresh.visit(&format!("/device?user_code={nonsense}")).await;
        assert_eq!((page.status, filled_in(&page)), (200, String::new()), "{nonsense}");
        assert!(fresh.cookie("user_code").is_none());
    }
}

/// The cookie with the code is this browser's and young, or nobody's.
#[tokio::test]
async fn a_code_from_a_link_stays_in_its_browser() {
    let fixture = fixture();
    let ada = signed_in(&fixture.a, "ada").await;
    ada.get("/device?user_code=BCDF-GHJK").await;
    let cookie = ada.cookie("user_code").unwrap();
    let ring = ring(fixture).await;
    let sealer = Sealer { ring: &ring, issuer: &fixture.a, epoch: 1 };
    let mut code: PrefilledCode = sealer.open(&cookie).unwrap();
    assert_eq!(filled_in(&ada.get("/device").await), "BCDF-GHJK");
    let bob = signed_in(&fixture.a, "bob").await;
    bob.set_cookie(&format!("user_code={cookie}; Path=/"));
    assert_eq!(filled_in(&bob.get("/device").await), "", "planted");
    code.made_at = code.made_at.minus(latchkey::protocol::time::Seconds(1801));
    ada.set_cookie(&format!("user_code={}; Path=/", sealer.seal_deterministic(&code)));
    assert_eq!(filled_in(&ada.get("/device").await), "", "too old");
}

/// `verification_uri_complete` is a setting of the client: without it a code that a
/// link filled in is refused, and one that a person types works.
#[tokio::test]
async fn codes_of_some_clients_must_be_typed() {
    let fixture = fixture();
    let started = Api::public(&fixture.a, "typed").start().await;
    assert!(started.answer.json().get("verification_uri_complete").is_none());
    let ada = signed_in(&fixture.a, "ada").await;
    let page = ada.visit(&format!("/device?user_code={}", started.user_code)).await;
    assert_eq!(filled_in(&page), started.user_code, "the page cannot know yet whose it is");
    let refused = ada.post("/device", &[("form", &page.form()), ("user_code", &started.user_code)]).await;
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("This code does not work.") && filled_in(&refused).is_empty(), "{}", refused.body);
    assert!(asks(&ada.enter(&started.user_code).await));
    // By way of the sign-in it is no other.
    let stranger = Person::new(&fixture.a);
    let login = stranger.visit(&format!("/device?user_code={}", started.user_code)).await;
    stranger.post("/login", &[("form", &login.form()), ("login", ADA.0), ("password", ADA.1)]).await;
    let page = stranger.visit("/device").await;
    let refused = stranger.post("/device", &[("form", &page.form()), ("user_code", &started.user_code)]).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
}

/// `device_max_auth_age`: on a shared workstation the sign-in must be young, when the code is entered and
/// when the yes is given.
#[tokio::test]
async fn a_client_may_demand_a_fresh_sign_in() {
    let fixture = fixture();
    let api = Api::public(&fixture.a, "fresh");
    let started = api.start().await;
    let ada = signed_in(&fixture.a, "ada").await;
    assert!(asks(&ada.enter(&started.user_code).await), "young enough");
    sleep(2050).await;
    let page = ada.enter(&started.user_code).await;
    assert_eq!(page.status, 303, "{}", page.body);
    let login = ada.get(page.header("location")).await;
    assert!(login.body.contains("Please sign in again to continue."), "{}", login.body);
    let again = async |login: &Answer| {
        let answer = ada.post("/login", &[("form", &login.form()), ("login", ADA.0), ("password", ADA.1)]).await;
        assert_eq!(answer.header("location"), "/device", "{}", answer.body);
        let page = ada.visit("/device").await;
        assert_eq!(filled_in(&page), started.user_code);
        ada.post("/device", &[("form", &page.form()), ("user_code", &started.user_code)]).await
    };
    let page = again(&login).await;
    assert!(asks(&page));
    // The page lay open too long for this client.
    sleep(2050).await;
    let stale = ada.allow(&page).await;
    assert_eq!(stale.status, 303, "{}", stale.body);
    assert_eq!(api.poll(&started).await.error(), "authorization_pending");
    // The wish to sign in again is no end of the session.
    assert!(is_signed_in(&ada).await);
    let page = again(&ada.get(stale.header("location")).await).await;
    assert_eq!(ada.allow(&page).await.status, 200);
    assert!(api.poll(&started).await.is_granted());
}

/// The QR code is a pure function of a well-formed code.
#[tokio::test]
async fn the_qr_code_looks_nothing_up() {
    let fixture = fixture();
    let api = Api::demo(&fixture.a);
    let started = api.start().await;
    let real = api.get(&format!("/device/qr?user_code={}", started.user_code)).await;
    let spelt = api.get(&format!("/device/qr?user_code={}", started.user_code.to_lowercase().replace('-', "+"))).await;
    let unknown = api.get("/device/qr?user_code=BCDF-GHJK").await;
    for svg in [&real, &spelt, &unknown] {
        assert_eq!((svg.status, svg.header("content-type")), (200, "image/svg+xml"), "{}", svg.body);
        assert!(svg.body.starts_with("<svg ") && svg.body.trim_end().ends_with("</svg>"), "{}", svg.body);
        assert!(!svg.body.contains("<script") && !svg.body.contains("href"), "{}", svg.body);
        assert_eq!(svg.header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
        assert_eq!((svg.header("cache-control"), svg.header("x-content-type-options")), ("no-store", "nosniff"));
        assert!(svg.cookies().is_empty());
    }
    assert_eq!(real.body, spelt.body);
    assert_ne!(real.body, unknown.body);
    for query in [
        "",
        "?",
        "?user_code=",
        "?user_code=hello",
        "?user_code=BCDF-GHJ0",
        "?user_code=BCDFGHJK&user_code=BCDFGHJK",
        "?code=BCDFGHJK",
    ] {
        let answer = api.get(&format!("/device/qr{query}")).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_request"), "{query}");
    }
    for entry in fixture.logs().await.iter().filter(|entry| entry["line"]["route"] == "device/qr") {
        let cost = entry["line"]["cost"].as_object().unwrap();
        assert!(cost.values().all(|count| *count == 0), "{entry}");
    }
}
