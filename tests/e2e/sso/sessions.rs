//! Single sign-on, `sid`, and everything that changes at a sign-in so that nothing from before it is worth anything.

use super::{
    At, PASSWORD, asked, at, fixture, get_with, id, lines_of, name_of, sessions_of, sign_in_on, signed_in, tokens_of, user_id,
    userinfo,
};
use crate::support::{Api, Person};
use crate::web::{App, follow, pairs, query};

/// OpenID Connect Core 3.1.2.3: one sign-in serves all clients, at either Worker, and all know it by one `sid`.
#[tokio::test]
async fn one_sign_in_serves_all_clients() {
    let fixture = fixture();
    let person = Person::new(&fixture.a);
    let (one, two) = (App::web(&fixture.a, "one"), App::web(&fixture.b, "two"));
    let page = asked(&person, &one, &[]).await;
    let page = sign_in_on(&person, &page, "alan").await;
    let first = tokens_of(&person, &one, page).await;
    let page = asked(&person, &two, &[]).await;
    assert_eq!(at(&page), At::Consent, "no second sign-in");
    let second = tokens_of(&person, &two, page).await;
    for claim in ["sid", "sub", "auth_time"] {
        assert_eq!(id(&first, claim), id(&second, claim), "{claim}");
        assert!(!id(&first, claim).is_null(), "{claim}");
    }
    // And silently from now on.
    for app in [&one, &two] {
        let again = asked(&person, app, &[("prompt", "none")]).await;
        assert_eq!(id(&tokens_of(&person, app, again).await, "sid"), id(&first, "sid"));
    }
    // The end of the session is the end for both.
    let form = person.get("/logout").await.form();
    assert_eq!(person.post("/logout", &[("form", &form), ("action", "here")]).await.status, 200);
    assert_eq!((userinfo(&one, &first).await, userinfo(&two, &second).await), (401, 401));
    let back = pairs(asked(&person, &one, &[("prompt", "none")]).await.header("location").split_once('?').unwrap().1);
    assert_eq!(back["error"], "login_required");
}

/// The same user signs in again at the same browser: `sid` stays, for clients see one session; its id, both
/// cookies and `auth_time` change, and nothing from before is worth anything.
#[tokio::test]
async fn signing_in_again_keeps_the_sid_and_changes_everything_else() {
    let fixture = fixture();
    let person = signed_in(&fixture.a, "annie").await;
    let one = App::web(&fixture.a, "one");
    let first = tokens_of(&person, &one, asked(&person, &one, &[]).await).await;
    let (rows, cookies) = (sessions_of(fixture, "annie").await, person.cookies());
    let (browser, session) = (person.cookie("browser"), person.cookie("session"));
    // `auth_time` counts whole seconds.
    crate::support::sleep(1000).await;
    let page = asked(&person, &one, &[("prompt", "login")]).await;
    let page = sign_in_on(&person, &page, "annie").await;
    let second = tokens_of(&person, &one, page).await;
    assert_eq!((id(&first, "sid"), id(&first, "sub")), (id(&second, "sid"), id(&second, "sub")));
    assert!(id(&second, "auth_time").as_i64() > id(&first, "auth_time").as_i64());
    let rows_after = sessions_of(fixture, "annie").await;
    assert!(rows_after.len() == 1 && rows.len() == 1 && rows_after != rows, "{rows:?} {rows_after:?}");
    assert!(person.cookie("browser") != browser && person.cookie("session") != session);
    assert!(!get_with(&fixture.a, "/", &cookies).await.body.contains("You are signed in"), "the old cookies");
    assert_eq!((userinfo(&one, &first).await, userinfo(&one, &second).await), (200, 200), "one session, to the client");

    // Another browser, and the same one after a sign-out, are other sessions.
    let elsewhere = signed_in(&fixture.b, "annie").await;
    let third = tokens_of(&elsewhere, &one, asked(&elsewhere, &one, &[]).await).await;
    let form = person.get("/logout").await.form();
    person.post("/logout", &[("form", &form), ("action", "here")]).await;
    person.sign_in("annie", PASSWORD).await;
    let fourth = tokens_of(&person, &one, asked(&person, &one, &[]).await).await;
    let sids = [&first, &third, &fourth].map(|tokens| id(tokens, "sid"));
    assert!(sids[0] != sids[1] && sids[1] != sids[2] && sids[0] != sids[2], "{sids:?}");
    assert_eq!((userinfo(&one, &second).await, userinfo(&one, &third).await), (401, 200), "the other browser's goes on");
}

/// Session fixation: whoever planted cookies before the sign-in, or kept forms of that time, has nothing after it.
#[tokio::test]
async fn what_was_planted_before_a_sign_in_is_worthless_after_it() {
    let fixture = fixture();
    let (one, base) = (App::web(&fixture.a, "one"), &fixture.a);
    // Mallory's browser, in the middle of an authorization and signed in to an account of her own.
    let mallory = signed_in(base, "claire").await;
    let consent_page = asked(&mallory, &one, &[]).await;
    assert_eq!(at(&consent_page), At::Consent);
    let stranger = Person::new(base);
    stranger.set_cookie(&format!("browser={}; Path=/", mallory.cookie("browser").unwrap()));
    let login_page = asked(&stranger, &one, &[]).await;
    let planted = ["browser", "session"].map(|name| format!("{name}={}", mallory.cookie(name).unwrap()));

    for plant in [planted.to_vec(), vec![planted[0].clone()], vec!["session=x".to_owned(), "browser=x".to_owned()]] {
        let victim = Person::new(base);
        for cookie in &plant {
            victim.set_cookie(&format!("{cookie}; Path=/"));
        }
        let page = asked(&victim, &one, &[("prompt", "login")]).await;
        sign_in_on(&victim, &page, "dorothy").await;
        assert_eq!(name_of(&victim).await.as_deref(), Some("dorothy"), "{plant:?}");
        for cookie in &planted {
            let (name, value) = cookie.split_once('=').unwrap();
            assert_ne!(victim.cookie(name).as_deref(), Some(value), "{plant:?}: {name} stayed");
        }
        let seen = get_with(base, "/", &planted.join("; ")).await;
        assert!(!seen.body.contains("dorothy"), "{plant:?}: the planted cookies are the victim's");
        // Forms that were made for the planted browser do nothing in the victim's.
        let sessions = victim.cookie("session");
        let fields = [("form", login_page.form()), ("login", "claire".to_owned()), ("password", PASSWORD.to_owned())];
        let answer = crate::web::post(&victim, "/login", &fields).await;
        assert!(answer.status == 400 && answer.body.contains("This page was open too long."), "{}", answer.body);
        let answer = victim.post("/consent", &[("form", &consent_page.form()), ("action", "allow")]).await;
        assert!(answer.header("location").starts_with("/authorize?step="), "{} {}", answer.status, answer.header("location"));
        assert_eq!((name_of(&victim).await.as_deref(), victim.cookie("session")), (Some("dorothy"), sessions));
    }
    assert_eq!(sessions_of(fixture, "claire").await.len(), 0, "the session that was planted ended with the victim's sign-in");
}

/// Who signs in as somebody else without asking for an account beside the first ends the first.
#[tokio::test]
async fn signing_in_as_somebody_else_ends_the_first_session() {
    let fixture = fixture();
    let person = signed_in(&fixture.a, "donald").await;
    let one = App::web(&fixture.a, "one");
    let first = tokens_of(&person, &one, asked(&person, &one, &[]).await).await;
    let cookies = person.cookies();
    let page = asked(&person, &one, &[("prompt", "login")]).await;
    let page = sign_in_on(&person, &page, "edsger").await;
    let second = tokens_of(&person, &one, page).await;
    assert_ne!(id(&first, "sub"), id(&second, "sub"));
    assert_ne!(id(&first, "sid"), id(&second, "sid"));
    assert_eq!(sessions_of(fixture, "donald").await.len(), 0);
    assert_eq!((userinfo(&one, &first).await, userinfo(&one, &second).await), (401, 200));
    assert!(!get_with(&fixture.a, "/", &cookies).await.body.contains("You are signed in"));
    let chooser = asked(&person, &one, &[("prompt", "select_account")]).await;
    assert_eq!(super::offered(&chooser), [user_id(fixture, "edsger").await]);
}

/// Login CSRF: a stranger's form or step signs nobody in at another browser, and never chooses the account there.
#[tokio::test]
async fn a_login_cannot_be_forced_on_another_browser() {
    let fixture = fixture();
    let one = App::web(&fixture.a, "one");
    let (mallory, victim) = (Person::new(&fixture.a), signed_in(&fixture.a, "edith").await);
    let login_page = asked(&mallory, &one, &[]).await;
    let fields = [("form", login_page.form()), ("login", "frances".to_owned()), ("password", PASSWORD.to_owned())];
    let nobody = Person::new(&fixture.a);
    for browser in [&victim, &nobody] {
        let answer = crate::web::post(browser, "/login", &fields).await;
        assert_eq!(answer.status, 400);
        assert!(answer.cookies().iter().all(|cookie| !cookie.starts_with("session=")), "{:?}", answer.cookies());
        assert_eq!(at(&asked(browser, &one, &[("prompt", "none")]).await), At::Back);
    }
    assert_eq!((name_of(&victim).await.as_deref(), name_of(&nobody).await), (Some("edith"), None));
    // The page of the refusal goes on with the authorization, for a person who means it.
    let refused = crate::web::post(&nobody, "/login", &fields).await;
    let fields = [("form", refused.form()), ("login", "frances".to_owned()), ("password", PASSWORD.to_owned())];
    let page = follow(&nobody, crate::web::post(&nobody, "/login", &fields).await).await;
    tokens_of(&nobody, &one, page).await;

    // Mallory signs in and sends the step that leads on from there: it chooses no account for the victim.
    let step = crate::web::post(
        &mallory,
        "/login",
        &[("form", login_page.form()), ("login", "frances".into()), ("password", PASSWORD.into())],
    )
    .await;
    let step = step.header("location").to_owned();
    assert!(step.starts_with("/authorize?step="), "{step}");
    let tokens = tokens_of(&victim, &one, follow(&victim, victim.get(&step).await).await).await;
    assert_eq!(id(&tokens, "sub"), user_id(fixture, "edith").await, "who is signed in here");
    assert_eq!(name_of(&victim).await.as_deref(), Some("edith"));
}

/// A request that another site posts comes without cookies (`SameSite=Lax`): it is asked for again by GET, and
/// then who is signed in is known. Neither it nor a refusal touches the browser's cookies.
#[tokio::test]
async fn a_request_that_another_site_posts_keeps_the_session() {
    let fixture = fixture();
    let (one, victim) = (App::web(&fixture.a, "one"), signed_in(&fixture.a, "frank").await);
    tokens_of(&victim, &one, asked(&victim, &one, &[]).await).await;
    let session = victim.cookies();
    let posted = async |changes: &[(&str, &str)]| {
        let request = Api::demo(&fixture.a).request("POST", "/authorize").header("sec-fetch-site", "cross-site");
        let request = request.header("origin", "https://one.example").header("content-type", "application/x-www-form-urlencoded");
        Api::send(request.body(query(&one.parameters(changes)))).await
    };
    for mode in ["query", "form_post"] {
        let answer = posted(&[("response_mode", mode), ("prompt", "none")]).await;
        assert!(answer.status == 303 && answer.header("location").starts_with("/authorize?step="), "{}", answer.body);
        assert!(answer.cookies().is_empty(), "{:?}", answer.cookies());
        let answer = victim.get(answer.header("location")).await;
        if mode == "query" {
            assert_eq!(one.returned(&answer)["state"], "a state & more");
            tokens_of(&victim, &one, answer).await;
        } else {
            assert!(answer.status == 200 && answer.body.contains("name=\"code\""), "{}", answer.body);
        }
    }
    // Refused: by redirect, by a page that posts itself, and by an error page.
    for changes in [
        &[("scope", "")][..],
        &[("scope", ""), ("response_mode", "form_post")],
        &[("response_type", "token"), ("response_mode", "form_post")],
        &[("redirect_uri", "https://evil.example/")],
    ] {
        let answer = posted(changes).await;
        assert!(answer.cookies().is_empty(), "{changes:?}: a stranger's form renames the browser: {:?}", answer.cookies());
    }
    assert_eq!(victim.cookies(), session);
    assert_eq!(name_of(&victim).await.as_deref(), Some("frank"));
    // Our own forms are not for other sites.
    for path in ["/login", "/consent", "/accounts", "/apps/end", "/device/end"] {
        for site in ["cross-site", "same-site"] {
            let answer = Api::send(victim.request("POST", path).header("sec-fetch-site", site).form(&[("form", "x")])).await;
            assert_eq!((answer.status, answer.cookies()), (400, vec![]), "{path} {site}: {}", answer.body);
        }
    }
}

/// The use of a session is written down at most every `SESSION_TOUCH` (300 s), counted in the Worker's own log.
#[tokio::test]
async fn a_session_in_use_is_touched_every_few_minutes_at_most() {
    let fixture = fixture();
    let (app, person) = (App::web(&fixture.a, "touched"), signed_in(&fixture.a, "grace").await);
    let user = user_id(fixture, "grace").await;
    let rows_of_one = async || {
        let before = lines_of(fixture, "touched").await.len();
        assert_eq!(at(&person.get(&app.path(&[("prompt", "none")])).await), At::Back);
        let lines = lines_of(fixture, "touched").await.split_off(before);
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines[0]["cost"]["rows"].as_i64().unwrap()
    };
    let aged = async |seconds: i64| {
        let sql =
            "UPDATE sessions SET seen_at = CAST(unixepoch('subsec') * 1000 AS INTEGER) - ?2 WHERE user_id = ?1 RETURNING id";
        assert_eq!(fixture.d1(sql, &[user.as_str().into(), (seconds * 1000).into()]).await.len(), 1);
    };
    for _ in 0..5 {
        assert_eq!(rows_of_one().await, 0);
    }
    aged(290).await;
    assert_eq!(rows_of_one().await, 0);
    aged(300).await;
    assert_eq!((rows_of_one().await, rows_of_one().await), (1, 0));
}
