//! Everything sealed that a browser, or an app, holds on the way of an authorization x {other browser, other user,
//! after logout, after account switch, expired, posted twice, newer key, epoch raised}. That nothing of another
//! kind opens is in `pages/sealed.rs`.

use latchkey::protocol::code::AuthorizationCode;
use latchkey::protocol::ids::UserId;
use latchkey::protocol::logout::LogoutStep;
use latchkey::protocol::secret::{base64url, from_base64url};
use latchkey::protocol::session::{BrowserHash, EndForm, Holder, LoginForm, LoginStep, LogoutForm};
use latchkey::protocol::steps::{AccountsForm, AuthorizeStep, ConsentForm, EndAppForm};
use latchkey::protocol::time::{Seconds, Timestamp};
use serde_json::{Value, json};

use super::{
    At, PASSWORD, asked, at, choose, consent_of, fixture, id, name_of, resealed, sessions_of, setup, sign_in_beside, signed_in,
    tokens_of, user_id, userinfo,
};
use crate::harness::Fixture;
use crate::support::{Answer, Api, Person};
use crate::web::{App, follow};

/// One person with one of each kind in hand.
struct Desk<'a> {
    fixture: &'a Fixture,
    login: &'static str,
    person: Person,
    app: App,
    held: Vec<(&'static str, String)>,
    session: Option<String>,
}

/// Where each is posted to, and with what.
fn post_of(kind: &str) -> Option<(&'static str, Vec<(&'static str, String)>)> {
    let action = |action: &str| vec![("action", action.to_owned())];
    Some(match kind {
        "consent form" => ("/consent", action("allow")),
        "accounts form" => ("/accounts", action("cancel")),
        "end app form" => ("/apps/end", vec![]),
        "end device form" => ("/device/end", vec![]),
        "login form" => ("/login", action("cancel")),
        "logout form" => ("/logout", action("here")),
        _ => return None,
    })
}

impl<'a> Desk<'a> {
    async fn new(fixture: &'a Fixture, login: &'static str) -> Self {
        let person = signed_in(&fixture.a, login).await;
        let (app, connected) = (App::web(&fixture.a, "asking"), App::web(&fixture.a, "leaver"));
        let tokens = tokens_of(&person, &connected, asked(&person, &connected, &[]).await).await;
        Api::demo(&fixture.a).signed_in(&person).await;
        let code = super::back(&person, &connected, asked(&person, &connected, &[]).await).await["code"].clone();
        let page = asked(&person, &app, &[]).await;
        assert_eq!(at(&page), At::Consent);
        let step = async |changes: &[(&str, &str)], before: &str| {
            let location = person.get(&app.path(changes)).await.header("location").to_owned();
            location.strip_prefix(before).unwrap_or_else(|| panic!("{location}")).to_owned()
        };
        let authorize = step(&[], "/consent?step=").await;
        let login_step = step(&[("prompt", "login")], "/login?step=").await;
        let accounts = asked(&person, &app, &[("prompt", "select_account")]).await.form();
        let login_form = person.get(&format!("/login?step={login_step}")).await.form();
        let hint = tokens.member("id_token");
        let logout = format!("/logout?client_id=leaver&post_logout_redirect_uri={}", "https%3A%2F%2Fleaver.example%2Fout");
        let logout_form = person.get(&logout).await.form();
        let hinted = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", "https://leaver.example/out")];
        let posted = connected.api.post("/logout", &hinted);
        let logout_step = posted.await.header("location").strip_prefix("/logout?step=").unwrap().to_owned();
        let home = person.get("/").await;
        let form_on = |action: &str| {
            let rest =
                home.body.split_once(&format!("action=\"{action}\"><input type=\"hidden\" name=\"form\" value=\"")).unwrap().1;
            rest.split_once('"').unwrap().0.to_owned()
        };
        let held = vec![
            ("authorize step", authorize),
            ("consent form", page.form()),
            ("accounts form", accounts),
            ("end app form", form_on("/apps/end")),
            ("end device form", form_on("/device/end")),
            ("login step", login_step),
            ("login form", login_form),
            ("logout form", logout_form),
            ("logout step", logout_step),
            ("authorization code", code),
        ];
        let session = person.cookie("session");
        Self { fixture, login, person, app, held, session }
    }

    fn held(&self, kind: &str) -> &str {
        &self.held.iter().find(|(held, _)| *held == kind).unwrap().1
    }

    /// Posts a form of a kind.
    async fn post(&self, browser: &Person, kind: &str, form: &str) -> Answer {
        let (path, mut fields) = post_of(kind).unwrap();
        fields.push(("form", form.to_owned()));
        crate::web::post(browser, path, &fields).await
    }

    /// Every form, changed by `change`, from a browser that it is not for: it does nothing there.
    async fn refused(&self, what: &str, browser: &Person, change: impl AsyncFn(&str, &str) -> String) {
        let (before, cookie) = (self.stored().await, browser.cookie("session"));
        for (kind, held) in self.held.iter().filter(|(kind, _)| post_of(kind).is_some()) {
            let answer = self.post(browser, kind, &change(kind, held).await).await;
            let location = answer.header("location");
            let refused = match *kind {
                "consent form" | "accounts form" => answer.status == 303 && location.starts_with("/authorize?step="),
                "end app form" | "end device form" => answer.status == 303 && location == "/",
                "login form" => answer.status == 400 && answer.body.contains("This page was open too long."),
                // Nobody is signed in there: then it is done already.
                _ if cookie.is_none() => [200, 303].contains(&answer.status),
                _ => answer.status == 400 && answer.body.contains("This page was open too long."),
            };
            assert!(refused, "{what}, {kind}: {} {location} {}", answer.status, answer.body);
            assert!(
                answer.cookies().iter().all(|cookie| !cookie.starts_with("session=")),
                "{what}, {kind}: {:?}",
                answer.cookies()
            );
        }
        assert_eq!(self.stored().await, before, "{what}");
        assert_eq!(browser.cookie("session"), cookie, "{what}");
    }

    /// What of the person's a form could have changed.
    async fn stored(&self) -> Vec<Value> {
        let user: Value = user_id(self.fixture, self.login).await.into();
        let mut stored = Vec::new();
        for columns in ["sessions", "consents", "redemptions"] {
            stored.extend(
                self.fixture
                    .d1(&format!("SELECT * FROM {columns} WHERE user_id = ?1 ORDER BY 2"), std::slice::from_ref(&user))
                    .await,
            );
        }
        stored.extend(self.fixture.d1("SELECT id, revoked_at FROM grants WHERE user_id = ?1 ORDER BY id", &[user]).await);
        // A session's last use may be noted.
        for row in &mut stored {
            row.as_object_mut().unwrap().remove("seen_at");
        }
        stored
    }

    /// Every form with another holder or time.
    async fn with(&self, kind: &str, form: &str, change: &Change) -> String {
        let fixture = self.fixture;
        match kind {
            "consent form" => resealed::<ConsentForm>(fixture, form, |form| change.to(&mut form.holder)).await,
            "end app form" => resealed::<EndAppForm>(fixture, form, |form| change.to(&mut form.holder)).await,
            "end device form" => resealed::<EndForm>(fixture, form, |form| change.to(&mut form.holder)).await,
            "logout form" => resealed::<LogoutForm>(fixture, form, |form| change.to(&mut form.holder)).await,
            "accounts form" => {
                resealed::<AccountsForm>(fixture, form, |form| change.apply(&mut form.browser, &mut form.made_at)).await
            }
            "login form" => resealed::<LoginForm>(fixture, form, |form| change.apply(&mut form.browser, &mut form.made_at)).await,
            _ => panic!("{kind}"),
        }
    }
}

/// A change to whom and when a form is made for.
enum Change {
    Nothing,
    Browser,
    User,
    Session,
    Earlier(u32),
    Later(u32),
}

impl Change {
    fn apply(&self, browser: &mut BrowserHash, made_at: &mut Timestamp) {
        match self {
            Self::Browser => *browser = BrowserHash::of("x"),
            Self::Earlier(seconds) => *made_at = made_at.minus(Seconds(*seconds)),
            Self::Later(seconds) => *made_at = made_at.plus(Seconds(*seconds)),
            Self::Nothing | Self::User | Self::Session => {}
        }
    }

    fn to(&self, holder: &mut Holder) {
        self.apply(&mut holder.browser, &mut holder.made_at);
        match self {
            Self::User => holder.user = UserId::from_bytes([7; 16]),
            Self::Session => {
                let mut bytes = *holder.session.bytes();
                bytes[18] ^= 1;
                holder.session = latchkey::protocol::ids::OwnedId::from_bytes(bytes).unwrap();
            }
            _ => {}
        }
    }
}

async fn as_it_is(_: &str, form: &str) -> String {
    form.to_owned()
}

/// Each form x {other browser of the same user, other user, nobody, made for another browser, user or session,
/// expired, from the future}; then, as they are, each does its work, and the second time no more.
#[tokio::test]
async fn a_form_is_good_for_its_browser_session_and_subject_alone() {
    let fixture = fixture();
    let desk = Desk::new(fixture, "ivan").await;
    desk.refused("another browser of the same user", &signed_in(&fixture.a, "ivan").await, as_it_is).await;
    desk.refused("another user", &signed_in(&fixture.a, "alan").await, as_it_is).await;
    desk.refused("nobody", &Person::new(&fixture.a), as_it_is).await;
    for (what, change) in [
        ("made for another browser", Change::Browser),
        ("expired", Change::Earlier(1800)),
        ("from the future", Change::Later(120)),
    ] {
        desk.refused(what, &desk.person, async |kind: &str, form: &str| desk.with(kind, form, &change).await).await;
    }
    for (what, change) in [("made for another user", Change::User), ("made for another session", Change::Session)] {
        // Those two are sealed to the browser alone: nobody is named in them.
        let unnamed = |kind: &str| ["accounts form", "login form"].contains(&kind);
        let changed = async |kind: &str, form: &str| {
            if unnamed(kind) { desk.with(kind, form, &Change::Browser).await } else { desk.with(kind, form, &change).await }
        };
        desk.refused(what, &desk.person, changed).await;
    }
    assert_eq!((name_of(&desk.person).await.as_deref(), desk.person.cookie("session")), (Some("ivan"), desk.session.clone()));

    // Sealed again without a change they work, twice, and the second time changes nothing.
    let order = ["login form", "accounts form", "consent form", "end app form", "end device form", "logout form"];
    for kind in order {
        let form = desk.with(kind, desk.held(kind), &Change::Nothing).await;
        let before = desk.stored().await;
        let first = desk.post(&desk.person, kind, &form).await;
        let after = desk.stored().await;
        let second = desk.post(&desk.person, kind, &form).await;
        let status = if kind == "logout form" { 200 } else { 303 };
        assert_eq!((first.status, second.status), (status, status), "{kind}: {} {}", first.body, second.body);
        let stored = desk.stored().await;
        let expected = match kind {
            "login form" | "accounts form" => {
                assert_eq!(desk.app.returned(&second)["error"], "access_denied");
                before.clone()
            }
            "consent form" => {
                let codes = [&first, &second].map(|answer| desk.app.returned(answer)["code"].clone());
                assert_ne!(codes[0], codes[1]);
                after.clone()
            }
            "end app form" => {
                let without_time = |row: &Option<Value>| row.as_ref().unwrap()["choice"].clone();
                assert_eq!(without_time(&consent_of(fixture, "ivan", "leaver").await), "");
                stored.clone()
            }
            "logout form" => {
                assert_eq!(first.header("location"), "", "as asked by a client without proof: nowhere");
                after.clone()
            }
            _ => after.clone(),
        };
        assert_eq!(stored, expected, "{kind}");
        assert_eq!(before != after, !["login form", "accounts form"].contains(&kind), "{kind} did its work");
    }
    assert_eq!(name_of(&desk.person).await, None);
}

/// Each form x {after logout, after signing in again, after an account switch}, at the same browser.
#[tokio::test]
async fn a_form_dies_with_its_session_and_with_its_turn() {
    let fixture = fixture();
    let desk = Desk::new(fixture, "vint").await;
    let person = &desk.person;
    // Somebody else comes beside, and then in turn.
    sign_in_beside(person, "anders").await;
    desk.refused("after a sign-in beside", person, as_it_is).await;
    let app = App::web(&fixture.a, "one");
    let adele = user_id(fixture, "vint").await;
    let anders = user_id(fixture, "anders").await;
    let chooser = asked(person, &app, &[("prompt", "select_account")]).await;
    choose(person, &chooser, &adele).await;
    desk.refused("after an account switch", person, as_it_is).await;
    let accounts = asked(person, &app, &[("prompt", "select_account")]).await.form();
    let page = asked(person, &desk.app, &[]).await;
    assert_eq!(at(&page), At::Consent);
    let chooser = asked(person, &app, &[("prompt", "select_account")]).await;
    choose(person, &chooser, &anders).await;
    let held = Desk {
        held: vec![("consent form", page.form()), ("accounts form", accounts)],
        person: person.clone(),
        app: desk.app.clone(),
        session: None,
        ..desk
    };
    held.refused("after an account switch", person, as_it_is).await;
    let logout = person.get("/logout").await.form();
    person.post("/logout", &[("form", &logout), ("action", "here")]).await;
    let desk = Desk::new(fixture, "leslie").await;
    let logout = desk.person.get("/logout").await.form();
    desk.person.post("/logout", &[("form", &logout), ("action", "here")]).await;
    desk.refused("after logout", &desk.person, as_it_is).await;
    desk.person.sign_in("leslie", PASSWORD).await;
    desk.refused("after signing in again", &desk.person, as_it_is).await;
    assert_eq!(sessions_of(fixture, "leslie").await.len(), 1);
    // The code dies with the session that it was made in.
    let connected = App::web(&fixture.a, "leaver");
    assert_eq!(connected.redeem(desk.held("authorization code")).await.error(), "invalid_grant");
}

/// A step that is old or another browser's is the link that it once was: what was chosen on the way does not count,
/// and what was asked of the sign-in is asked anew.
#[tokio::test]
async fn a_step_of_another_browser_or_time_is_a_link() {
    let fixture = fixture();
    let one = App::web(&fixture.a, "one");
    let person = signed_in(&fixture.a, "john").await;
    sign_in_beside(&person, "kay").await;
    for login in ["john", "kay"] {
        let user = user_id(fixture, login).await;
        let chooser = asked(&person, &one, &[("prompt", "select_account")]).await;
        tokens_of(&person, &one, choose(&person, &chooser, &user).await).await;
    }
    let (john, kay) = (user_id(fixture, "john").await, user_id(fixture, "kay").await);
    // A step in which john is chosen, while kay is in use.
    let chooser = asked(&person, &one, &[("prompt", "select_account")]).await;
    let location = crate::web::post(&person, "/accounts", &[("form", chooser.form()), ("account", john.clone())]).await;
    let step = location.header("location").strip_prefix("/authorize?step=").unwrap().to_owned();
    let chooser = asked(&person, &one, &[("prompt", "select_account")]).await;
    choose(&person, &chooser, &kay).await;
    assert_eq!(name_of(&person).await.as_deref(), Some("kay"));
    let browser = BrowserHash::of(&person.cookie("browser").unwrap());
    let of_mine = async |change: &dyn Fn(&mut AuthorizeStep)| {
        let step = resealed::<AuthorizeStep>(fixture, &step, |step| {
            step.browser = Some(browser.clone());
            change(step);
        })
        .await;
        follow(&person, person.get(&format!("/authorize?step={step}")).await).await
    };
    let answer = of_mine(&|_| ()).await;
    assert_eq!(id(&tokens_of(&person, &one, answer).await, "sub"), json!(john), "who was chosen");
    for (what, answer) in [
        (
            "as it is, of the browser before the switch",
            follow(&person, person.get(&format!("/authorize?step={step}")).await).await,
        ),
        ("another browser's", of_mine(&|step| step.browser = Some(BrowserHash::of("x"))).await),
        ("nobody's", of_mine(&|step| step.browser = None).await),
        ("expired", of_mine(&|step| step.made_at = step.made_at.minus(Seconds(1800))).await),
        ("from the future", of_mine(&|step| step.made_at = step.made_at.plus(Seconds(120))).await),
    ] {
        assert_eq!(at(&answer), At::Accounts, "{what}: a new link asks which account");
    }
    // prompt=login and max_age in a link of somebody else's: an earlier sign-in here does not meet them.
    let stranger = Person::new(&fixture.a);
    for changes in [[("prompt", "login")], [("max_age", "600")]] {
        let location = stranger.get(&one.path(&changes)).await.header("location").to_owned();
        let step = location.strip_prefix("/login?step=").unwrap();
        let later = signed_in(&fixture.a, "martin").await;
        tokens_of(&later, &one, asked(&later, &one, &[]).await).await;
        let old = resealed::<LoginStep>(fixture, step, |step| {
            step.made_at = step.made_at.minus(Seconds(7200));
            if let latchkey::protocol::session::Next::Authorize { asked, .. } = &mut step.next {
                asked.made_at = asked.made_at.minus(Seconds(7200));
            }
        })
        .await;
        // Signed in since the request was made, but for max_age too long ago.
        let user = user_id(fixture, "martin").await;
        let sql = "UPDATE sessions SET auth_time = auth_time - 3600000 WHERE user_id = ?1";
        fixture.d1(sql, &[user.as_str().into()]).await;
        let page = follow(&later, later.get(&format!("/login?step={old}")).await).await;
        assert_eq!(at(&page), At::Login, "{changes:?}: a step two hours old and a sign-in one hour old");
        fixture.d1("DELETE FROM sessions WHERE user_id = ?1", &[user.into()]).await;
    }
}

/// The code x {expired, another session's, account switch, twice}: RFC 6749 4.1.2.
#[tokio::test]
async fn a_code_is_good_once_and_while_its_session_lives() {
    let fixture = fixture();
    let one = App::web(&fixture.a, "one");
    let person = signed_in(&fixture.a, "sophie").await;
    tokens_of(&person, &one, asked(&person, &one, &[]).await).await;
    let code = async || super::back(&person, &one, asked(&person, &one, &[]).await).await["code"].clone();
    let refused = async |code: &str| {
        let answer = one.redeem(code).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_grant"), "{}", answer.body);
    };
    let own = code().await;
    let changed =
        async |change: &dyn Fn(&mut AuthorizationCode)| resealed::<AuthorizationCode>(fixture, &own, |code| change(code)).await;
    refused(&changed(&|code| code.expires_at = code.made_at).await).await;
    refused(&changed(&|code| code.sid = "x".into()).await).await;
    refused(&changed(&|code| code.user = UserId::from_bytes([7; 16])).await).await;
    refused(&changed(&|code| code.client = "two".into()).await).await;
    // An account switch is no end of the session.
    sign_in_beside(&person, "tony").await;
    let tokens = one.redeem(&own).await;
    assert!(tokens.is_granted() && userinfo(&one, &tokens).await == 200, "{}", tokens.body);
    refused(&own).await;
    assert_eq!(userinfo(&one, &tokens).await, 401, "what the first use issued");
}

/// The number of the key in front of a sealed text, as of a deployment that is newer than this one.
fn newer(text: &str) -> String {
    let mut bytes = from_base64url(text).unwrap();
    bytes[2] = 9;
    base64url(&bytes)
}

/// A key number that is not known yet is "try again" (503), never "not valid": the flow must not be lost while
/// versions overlap.
#[tokio::test]
async fn what_a_newer_key_sealed_is_try_again() {
    let fixture = fixture();
    let desk = Desk::new(fixture, "butler").await;
    let before = desk.stored().await;
    let try_again = |what: &str, answer: &Answer| {
        assert_eq!(answer.status, 503, "{what}: {} {}", answer.header("location"), answer.body);
        assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{what}");
    };
    for (kind, held) in &desk.held {
        let held = newer(held);
        if post_of(kind).is_some() {
            try_again(kind, &desk.post(&desk.person, kind, &held).await);
        }
        let paths: &[&str] = match *kind {
            "authorize step" => &["/authorize", "/consent", "/accounts"],
            "login step" => &["/login"],
            "logout step" => &["/logout"],
            _ => &[],
        };
        for path in paths {
            try_again(path, &desk.person.get(&format!("{path}?step={held}")).await);
        }
    }
    let answer = App::web(&fixture.a, "leaver").redeem(&newer(desk.held("authorization code"))).await;
    try_again("code", &answer);
    assert_eq!(answer.error(), "temporarily_unavailable");
    // The session cookie: nobody is told that nobody is signed in.
    let person = Person::new(&fixture.a);
    person.set_cookie(&format!("browser={}; Path=/", desk.person.cookie("browser").unwrap()));
    person.set_cookie(&format!("session={}; Path=/", newer(&desk.session.clone().unwrap())));
    for path in
        [desk.app.path(&[]), desk.app.path(&[("prompt", "none")]), "/".to_owned(), "/device".to_owned(), "/logout".to_owned()]
    {
        try_again(&path, &person.get(&path).await);
    }
    try_again("consent", &desk.post(&person, "consent form", desk.held("consent form")).await);
    assert_eq!(desk.stored().await, before);
    // And it all goes on where the key is known.
    assert_eq!(desk.post(&desk.person, "consent form", desk.held("consent form")).await.status, 303);
}

/// `REALM_EPOCH` voids every seal: sessions, steps, forms, codes, and the tokens that were issued.
#[tokio::test]
async fn raising_the_epoch_voids_every_seal() {
    let fixture = &setup().start().await;
    let desk = Desk::new(fixture, "ivan").await;
    let (connected, login) = (App::web(&fixture.a, "leaver"), user_id(fixture, "ivan").await);
    let offline = asked(&desk.person, &connected, &[("scope", "openid offline_access"), ("prompt", "consent")]).await;
    let tokens = tokens_of(&desk.person, &connected, offline).await;
    let epoch = json!({ "vars": { "REALM_EPOCH": "2" } });
    fixture.restart(json!({ "a": epoch, "b": epoch })).await;
    let before = desk.stored().await;
    assert_eq!(name_of(&desk.person).await, None);
    for (kind, held) in &desk.held {
        if post_of(kind).is_some() {
            let answer = desk.post(&desk.person, kind, held).await;
            let harmless = match *kind {
                "end app form" | "end device form" => answer.header("location") == "/",
                "logout form" => answer.status == 200 && answer.body.contains("You are signed out"),
                _ => answer.status == 400,
            };
            assert!(harmless, "{kind}: {} {} {}", answer.status, answer.header("location"), answer.body);
        }
    }
    for path in ["/authorize", "/consent", "/accounts"] {
        let answer = desk.person.get(&format!("{path}?step={}", desk.held("authorize step"))).await;
        assert_eq!((answer.status, at(&answer)), (400, At::Error), "{path}");
    }
    let page = desk.person.get(&format!("/login?step={}", desk.held("login step"))).await;
    assert!(page.body.contains("Use the account that you were given."), "it leads nowhere: {}", page.body);
    let page = desk.person.get(&format!("/logout?step={}", desk.held("logout step"))).await;
    assert!(page.status == 200 && page.header("location").is_empty(), "{}", page.body);
    assert_eq!(connected.redeem(desk.held("authorization code")).await.error(), "invalid_grant");
    assert_eq!(connected.api.refresh(&tokens.member("refresh_token")).await.error(), "invalid_grant");
    assert_eq!(userinfo(&connected, &tokens).await, 401);
    assert_eq!(desk.stored().await, before);
    // What a person said to an app is no seal, and still holds.
    desk.person.sign_in("ivan", PASSWORD).await;
    let again = tokens_of(&desk.person, &connected, asked(&desk.person, &connected, &[("prompt", "none")]).await).await;
    assert_eq!(id(&again, "sub"), json!(login));
}

/// A logout step is no one's in particular, as links are, and asks nothing once it is old.
#[tokio::test]
async fn a_logout_step_is_a_link() {
    let fixture = fixture();
    let desk = Desk::new(fixture, "yukihiro").await;
    let step = desk.held("logout step");
    let old = resealed::<LogoutStep>(fixture, step, |step| step.made_at = step.made_at.minus(Seconds(1800))).await;
    let page = desk.person.get(&format!("/logout?step={old}")).await;
    assert!(page.status == 200 && page.body.contains("id=\"logout-confirm\""), "asked, for a link must not: {}", page.body);
    assert!(!page.body.contains("Client leaver"), "{}", page.body);
    // The hint names somebody: at a stranger's browser it ends nothing there.
    let other = signed_in(&fixture.a, "edsger").await;
    let page = other.get(&format!("/logout?step={step}")).await;
    assert!(page.status == 200 && page.body.contains("Client leaver"), "{}", page.body);
    assert_eq!(name_of(&other).await.as_deref(), Some("edsger"));
    let answer = desk.person.get(&format!("/logout?step={step}")).await;
    assert_eq!((answer.status, answer.header("location")), (303, "https://leaver.example/out"));
    assert_eq!(name_of(&desk.person).await, None);
}
