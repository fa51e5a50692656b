//! Signing in: who is told what, whose form it is, and where it leads.

use latchkey::protocol::seal::Sealer;
use latchkey::protocol::session::{BrowserHash, KnownBrowser, LoginForm, LoginStep, SessionCookie};
use latchkey::protocol::time::{Seconds, Timestamp};

use super::{
    PASSWORD, fixture, is_signed_in, page_without_form, resealed, ring, sessions, setup, signed_in, user_id, with_cookies,
};
use crate::support::{ADA, Answer, Api, Person};

/// Wrong password, unknown user, disabled user and nonsense: one page, one status, the same headers; and
/// the Worker does the same work for each.
#[tokio::test]
async fn a_failed_sign_in_tells_nobody_whether_the_user_exists() {
    let fixture = setup().start().await;
    let dorothy = user_id(&fixture, "dorothy").await;
    fixture.d1("UPDATE users SET enabled = 0 WHERE id = ?1", &[dorothy]).await;
    let long = "x".repeat(1025);
    let mut answers: Vec<(&str, Answer)> = Vec::new();
    let mut work = Vec::new();
    for (login, password) in [
        (ADA.0, "wrong"),
        ("nobody-1", "wrong"),
        ("nobody-2", ADA.1),
        ("dorothy", PASSWORD),
        ("dorothy", "wrong"),
        (" Mary ", "Compiler-no-1952"),
        ("edith", ""),
        ("grace", &long),
        ("nobody\u{e9}", "wrong"),
    ] {
        let person = Person::new(&fixture.a);
        person.get("/login").await;
        let answer = person.try_sign_in(login, password).await;
        assert!(person.cookie("session").is_none(), "{login}");
        answers.push((login, answer));
        let lines = fixture.logs().await;
        let line = &lines.last().unwrap()["line"];
        assert_eq!((&line["route"], &line["method"]), (&"login".into(), &"POST".into()));
        let mut cost = line["cost"].clone();
        // The first miss of an object sets its alarm too: one row more, whoever it is.
        cost["rows"] = (cost["rows"].as_i64().unwrap() > 0).into();
        work.push((login, cost, line["detail"].clone()));
    }
    let [(_, first), rest @ ..] = answers.as_slice() else { unreachable!() };
    assert_eq!(first.status, 400);
    assert!(first.body.contains("The name or the password is not right."), "{}", first.body);
    let headers = |answer: &Answer| {
        let mut headers: Vec<String> = answer.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        headers.retain(|header| !["date", "content-length", "x-request-id"].contains(&header.split(':').next().unwrap()));
        headers.sort();
        headers
    };
    for (login, answer) in rest {
        assert_eq!((answer.status, page_without_form(answer)), (400, page_without_form(first)), "{login}");
        assert_eq!(headers(answer), headers(first), "{login}");
    }
    for (login, cost, detail) in &work {
        assert_eq!((cost, detail), (&work[0].1, &work[0].2), "{login}");
    }
    // What cannot be a name at all is answered alike, without a guess.
    for login in [" ", "\u{7}", &"x".repeat(255)] {
        let answer = Person::new(&fixture.a).try_sign_in(login, "x").await;
        assert_eq!((answer.status, page_without_form(&answer)), (400, page_without_form(first)), "{login:?}");
    }
}

/// Session fixation: ids that somebody planted are worth nothing after the sign-in, and the session that
/// the browser had ends with it.
#[tokio::test]
async fn browser_and_session_change_at_sign_in() {
    let fixture = fixture();
    let attacker = signed_in(&fixture.a, "barbara").await;
    let before = sessions(fixture, "barbara").await;
    let cookie = |person: &Person, name: &str| person.cookie(name).unwrap();
    let (browser, session) = (cookie(&attacker, "browser"), cookie(&attacker, "session"));
    let victim = Person::new(&fixture.a);
    victim.set_cookie(&format!("browser={browser}; Path=/"));
    let page = victim.get("/login").await;
    assert_eq!(cookie(&victim, "browser"), browser, "a known id is kept until the sign-in");
    victim.set_cookie(&format!("session={session}; Path=/"));
    let fields = [("form", page.form()), ("login", ADA.0.to_owned()), ("password", ADA.1.to_owned())];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = victim.post("/login", &fields).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    assert!(cookie(&victim, "browser") != browser && cookie(&victim, "session") != session);
    assert!(is_signed_in(&victim).await);
    assert!(!is_signed_in(&attacker).await, "the planted session is over");
    assert_eq!(sessions(fixture, "barbara").await, before - 1);
    // The sealed session is of another id too, not only sealed anew.
    let ring = ring(fixture).await;
    let sealer = Sealer { ring: &ring, issuer: &fixture.a, epoch: 1 };
    let open = |text: &str| sealer.open::<SessionCookie>(text).unwrap();
    assert_ne!(open(&session).current.session, open(&cookie(&victim, "session")).current.session);
    // A second post of the same form is another browser's by now.
    assert_eq!(victim.post("/login", &fields).await.status, 400);

    // A sign-in again changes both once more; so does a sign-out for the browser.
    let first = signed_in(&fixture.a, "barbara").await;
    let (browser, session) = (cookie(&first, "browser"), cookie(&first, "session"));
    let login = with_cookies(&fixture.a, "/login", &format!("browser={browser}")).await.form();
    let answer = first.post("/login", &[("form", &login), ("login", "barbara"), ("password", PASSWORD)]).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    assert!(cookie(&first, "browser") != browser && cookie(&first, "session") != session);
    assert!(!with_cookies(&fixture.a, "/", &format!("session={session}")).await.body.contains("You are signed in"));
    let browser = cookie(&first, "browser");
    let form = first.get("/logout").await.form();
    first.post("/logout", &[("form", &form)]).await;
    assert_ne!(cookie(&first, "browser"), browser);

    // An id that is not of our making is replaced at once.
    for planted in ["x", "AAAA", &"A".repeat(200), "%00", "AAAAAAAAAAAAAAAAAAAAAB"] {
        let answer = with_cookies(&fixture.a, "/login", &format!("browser={planted}")).await;
        let set = answer.cookies().into_iter().find(|cookie| cookie.starts_with("browser=")).unwrap();
        assert!(!set.starts_with(&format!("browser={planted};")), "{set}");
    }
}

/// Login CSRF: nobody can sign another person's browser in.
#[tokio::test]
async fn a_login_form_works_in_its_own_browser_and_for_a_while_only() {
    let fixture = fixture();
    let mine = Person::new(&fixture.a);
    let form = mine.get("/login").await.form();
    let credentials = |form: &str| [("form", form.to_owned()), ("login", ADA.0.to_owned()), ("password", ADA.1.to_owned())];
    let post = async |person: &Person, form: &str, site: Option<&str>| {
        let request = person.request("POST", "/login").form(&credentials(form));
        Api::send(if let Some(site) = site { request.header("sec-fetch-site", site) } else { request }).await
    };
    let refused = |what: &str, answer: &Answer, sentence: &str| {
        assert_eq!(answer.status, 400, "{what}: {}", answer.body);
        assert!(answer.body.contains(sentence), "{what}: {}", answer.body);
        assert!(!answer.cookies().iter().any(|cookie| cookie.starts_with("session=") || cookie.starts_with("known=")), "{what}");
    };
    let (old, strange) = ("This page was open too long.", "could not understand the request");

    let other = Person::new(&fixture.a);
    refused("no cookie at all", &post(&other, &form, None).await, old);
    other.get("/login").await;
    refused("another browser", &post(&other, &form, None).await, old);
    for bogus in ["", "x", &form[1..], &format!("{form}A")] {
        refused(bogus, &post(&mine, bogus, None).await, old);
    }
    let without = mine.request("POST", "/login").form(&[("login", ADA.0), ("password", ADA.1)]);
    refused("no form", &Api::send(without).await, old);
    let aged = resealed::<LoginForm>(fixture, &form, |form| form.made_at = form.made_at.minus(Seconds(1801))).await;
    refused("too old", &post(&mine, &aged, None).await, old);
    let young = resealed::<LoginForm>(fixture, &form, |form| form.made_at = form.made_at.plus(Seconds(600))).await;
    refused("from the future", &post(&mine, &young, None).await, old);
    let foreign = resealed::<LoginForm>(fixture, &form, |form| form.browser = BrowserHash::of("x")).await;
    refused("sealed to another browser", &post(&mine, &foreign, None).await, old);
    for site in ["cross-site", "same-site", "Same-Origin", "x", ""] {
        refused(site, &post(&mine, &form, Some(site)).await, strange);
    }
    assert!(!is_signed_in(&mine).await);
    for site in [Some("same-origin"), Some("none"), None] {
        let person = Person::new(&fixture.a);
        let form = person.get("/login").await.form();
        assert_eq!(post(&person, &form, site).await.status, 303, "{site:?}");
    }
    // The form of nearly half an hour ago still works.
    let aged = resealed::<LoginForm>(fixture, &form, |form| form.made_at = form.made_at.minus(Seconds(1790))).await;
    assert_eq!(post(&mine, &aged, None).await.status, 303);
}

/// No parameter leads out of here: every redirect is a path of ours, whatever was asked.
#[tokio::test]
async fn no_redirect_leaves_the_site() {
    let fixture = fixture();
    let targets = [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "%0d%0aLocation:%20https://evil.example",
        "BCDF-GHJK%0d%0aSet-Cookie:%20a=b",
        "/device",
    ];
    let names = ["step", "next", "return_to", "redirect_uri", "redirect", "url", "continue", "user_code", "client_id"];
    let stays = |what: &str, answer: &Answer| {
        let location = answer.header("location");
        let is_ours = location == "/" || location == "/device" || location.starts_with("/login?step=");
        assert!(location.is_empty() || is_ours, "{what}: {location}");
        assert!(!location.contains("evil") && !answer.cookies().iter().any(|cookie| cookie.contains("evil")), "{what}");
        assert!(answer.status < 500, "{what}");
    };
    let ada = signed_in(&fixture.a, "ada").await;
    let stranger = Person::new(&fixture.a);
    for name in names {
        for target in targets {
            for path in ["/login", "/device", "/logout", "/"] {
                for person in [&ada, &stranger] {
                    let what = format!("{path}?{name}={target}");
                    stays(&what, &person.get(&what).await);
                }
            }
        }
    }
    for name in names.iter().filter(|name| **name != "user_code") {
        for target in ["https://evil.example", "//evil.example", "/\\evil.example"] {
            let form = stranger.get("/login").await.form();
            let answer = stranger.post("/login", &[("form", &form), ("action", "cancel"), (name, target)]).await;
            assert_eq!((answer.status, answer.header("location")), (303, "/"));
        }
    }
    let person = Person::new(&fixture.a);
    let form = person.get("/login?next=https://evil.example&return_to=//evil.example").await.form();
    let fields = [("form", form.as_str()), ("login", ADA.0), ("password", ADA.1), ("next", "//evil.example"), ("step", "x")];
    let answer = person.post("/login", &fields).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/"));
}

/// A login step says where to go on, for the browser and the time that it was made for.
#[tokio::test]
async fn a_login_step_of_another_browser_or_time_leads_to_the_start_page() {
    let fixture = fixture();
    let person = Person::new(&fixture.a);
    let location = person.get("/device").await.header("location").to_owned();
    let step = location.strip_prefix("/login?step=").unwrap();
    let leads = async |person: &Person, step: &str| {
        let page = person.get(&format!("/login?step={step}")).await;
        assert_eq!(page.status, 200);
        let (form, is_device) = (page.form(), page.body.contains("Sign in to connect a device."));
        let answer = person.post("/login", &[("form", &form), ("login", ADA.0), ("password", ADA.1)]).await;
        assert_eq!(answer.header("location"), if is_device { "/device" } else { "/" });
        is_device
    };
    assert!(!leads(&Person::new(&fixture.a), step).await, "another browser");
    let of_mine = async |change: fn(&mut LoginStep)| {
        let person = Person::new(&fixture.a);
        let location = person.get("/device").await.header("location").to_owned();
        let step = resealed::<LoginStep>(fixture, location.strip_prefix("/login?step=").unwrap(), change).await;
        leads(&person, &step).await
    };
    assert!(!of_mine(|step| step.made_at = step.made_at.minus(Seconds(1801))).await, "too old");
    assert!(!of_mine(|step| step.made_at = Timestamp::from_millis(i64::MAX)).await, "from the future");
    assert!(of_mine(|_| ()).await);
    assert!(leads(&person, step).await);
}

/// The cookie that names known accounts holds hashes, at most five, newest first.
#[tokio::test]
async fn the_known_browser_cookie_remembers_accounts_by_hash() {
    let fixture = fixture();
    let person = Person::new(&fixture.a);
    for login in ["barbara", "edith", "grace", "ada"] {
        person.set_cookie("session=; Path=/; Max-Age=0");
        person.sign_in(login, if login == "ada" { ADA.1 } else { PASSWORD }).await;
    }
    let ring = ring(fixture).await;
    let sealer = Sealer { ring: &ring, issuer: &fixture.a, epoch: 1 };
    let known: KnownBrowser = sealer.open(&person.cookie("known").unwrap()).unwrap();
    assert_eq!(known.accounts.len(), 4);
    assert_eq!(known.accounts[0].login, latchkey::protocol::session::login_hash(&sealer, 1, "ada"));
    assert!(!format!("{known:?}").contains("ada"));
}
