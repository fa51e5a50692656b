//! Forms and what they are bound to: browser, session, subject, time, and one flow.

use latchkey::protocol::ids::{OwnedId, UserId};
use latchkey::protocol::seal::Sealable;
use latchkey::protocol::session::{ApprovalForm, BrowserHash, CodeForm, Holder, LogoutForm, UndoForm};
use latchkey::protocol::time::Seconds;
use serde_json::Value;

use super::{PASSWORD, fixture, hasty, is_signed_in, resealed, signed_in};
use crate::harness::Fixture;
use crate::support::{Answer, Api, DeviceSignIn, Person, sleep};

/// A change to whom a form is made for.
type Change = fn(&mut Holder);

/// A person with one form of each kind, and the flows that they would change.
struct Desk {
    fixture: &'static Fixture,
    person: Person,
    api: Api,
    /// Its approval page is open.
    asked: DeviceSignIn,
    /// It was allowed and not collected.
    allowed: DeviceSignIn,
    forms: [(&'static str, String); 4],
}

impl Desk {
    async fn new(login: &str) -> Self {
        let fixture = fixture();
        let api = Api::demo(&fixture.a);
        let person = signed_in(&fixture.a, login).await;
        let (asked, allowed) = (api.start().await, api.start().await);
        let forms = [
            ("/device", person.get("/device").await.form()),
            ("/device/approve", person.enter(&asked.user_code).await.form()),
            ("/device/undo", person.approve(&allowed.user_code).await.form()),
            ("/logout", person.get("/logout").await.form()),
        ];
        Self { fixture, person, api, asked, allowed, forms }
    }

    /// Posts each form, as it is or changed, from a browser; none does anything.
    async fn refused(&self, what: &str, browser: &Person, form: impl AsyncFn(&str, &str) -> String) {
        for (path, own) in &self.forms {
            let answer = self.post(browser, path, &form(path, own).await).await;
            let to_login = answer.status == 303 && answer.header("location").starts_with("/login?step=");
            let too_old = answer.status == 400 && answer.body.contains("This page was open too long.");
            let signed_out = *path == "/logout" && answer.status == 200 && answer.body.contains("You are signed out");
            assert!(to_login || too_old || signed_out, "{what}, {path}: {} {}", answer.status, answer.body);
        }
    }

    async fn post(&self, browser: &Person, path: &str, form: &str) -> Answer {
        let fields = [("form", form), ("user_code", &self.asked.user_code), ("action", "allow"), ("confirm_device", "1")];
        browser.post(path, &fields).await
    }

    /// The flows are as they were.
    async fn nothing_changed(&self) {
        let error = self.api.poll(&self.asked).await.error();
        assert!(error == "authorization_pending" || error == "slow_down", "{error}");
        assert!(self.api.poll(&self.allowed).await.is_granted());
    }

    /// Every form with its holder changed.
    async fn with_holder(&self, path: &str, form: &str, change: Change) -> String {
        async fn one<T: Sealable>(fixture: &Fixture, form: &str, change: impl FnOnce(&mut T)) -> String {
            resealed(fixture, form, change).await
        }
        match path {
            "/device" => one::<CodeForm>(self.fixture, form, |form| change(&mut form.holder)).await,
            "/device/approve" => one::<ApprovalForm>(self.fixture, form, |form| change(&mut form.holder)).await,
            "/device/undo" => one::<UndoForm>(self.fixture, form, |form| change(&mut form.holder)).await,
            _ => one::<LogoutForm>(self.fixture, form, |form| change(&mut form.holder)).await,
        }
    }
}

/// Every form x {other browser, other user, other session, expired}.
#[tokio::test]
async fn a_form_is_good_for_its_browser_session_and_subject_alone() {
    let desk = Desk::new("ada").await;
    let as_it_is = async |_: &str, form: &str| form.to_owned();
    desk.refused("another browser of the same user", &signed_in(&desk.fixture.a, "ada").await, as_it_is).await;
    desk.refused("another user", &signed_in(&desk.fixture.a, "bob").await, as_it_is).await;
    desk.refused("nobody", &Person::new(&desk.fixture.a), as_it_is).await;
    // Each binding on its own: everything else about these forms is right.
    let changes: [(&str, Change); 5] = [
        ("made for another browser", |holder| holder.browser = BrowserHash::of("x")),
        ("made for another session", |holder| {
            let mut bytes = *holder.session.bytes();
            bytes[18] ^= 1;
            holder.session = OwnedId::from_bytes(bytes).unwrap();
        }),
        ("made for another subject", |holder| holder.user = UserId::from_bytes([7; 16])),
        ("made too long ago", |holder| holder.made_at = holder.made_at.minus(Seconds(1801))),
        ("made in the future", |holder| holder.made_at = holder.made_at.plus(Seconds(600))),
    ];
    for (what, change) in changes {
        desk.refused(what, &desk.person, async |path: &str, form: &str| desk.with_holder(path, form, change).await).await;
    }
    desk.refused("no form", &desk.person, async |_: &str, _: &str| String::new()).await;
    desk.refused("half a form", &desk.person, async |_: &str, form: &str| form[..form.len() / 2].to_owned()).await;
    for site in ["cross-site", "same-site"] {
        for (path, form) in &desk.forms {
            let request = desk.person.request("POST", path).header("sec-fetch-site", site);
            let fields =
                [("form", form.as_str()), ("user_code", &desk.asked.user_code), ("action", "allow"), ("confirm_device", "1")];
            let answer = Api::send(request.form(&fields)).await;
            assert!(answer.status == 400 && answer.body.contains("could not understand"), "{site} {path}: {}", answer.body);
        }
    }
    assert!(is_signed_in(&desk.person).await);
    desk.nothing_changed().await;
    // Sealed again without a change they all work, so it was the change that was refused.
    for (path, form) in &desk.forms {
        let form = desk.with_holder(path, form, |_| ()).await;
        let answer = desk.post(&desk.person, path, &form).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
    assert!(desk.api.poll(&desk.asked).await.is_granted());
    assert_eq!(desk.api.poll(&desk.allowed).await.error(), "access_denied");
    assert!(!is_signed_in(&desk.person).await);
}

/// Every form x {after logout, after signing in again, after account switch}, at the same browser.
#[tokio::test]
async fn a_form_dies_with_its_session() {
    let desk = Desk::new("mary").await;
    let as_it_is = async |_: &str, form: &str| form.to_owned();
    let out = desk.person.get("/logout").await.form();
    assert_eq!(desk.person.post("/logout", &[("form", &out)]).await.status, 200);
    desk.refused("after logout", &desk.person, as_it_is).await;
    desk.person.sign_in("mary", PASSWORD).await;
    desk.refused("after signing in again", &desk.person, as_it_is).await;
    assert!(is_signed_in(&desk.person).await);
    desk.person.set_cookie("session=; Path=/; Max-Age=0");
    desk.person.sign_in("bob", PASSWORD).await;
    desk.refused("after an account switch", &desk.person, as_it_is).await;
    assert!(is_signed_in(&desk.person).await);
    desk.nothing_changed().await;
}

/// A form is of one flow: one that took over the same user code in between is
/// another instance, and is not approved, denied or undone by the page of the one before.
#[tokio::test]
async fn a_page_of_one_flow_answers_no_other() {
    let desk = Desk::new("ada").await;
    let [_, (_, approval), (_, undo), _] = &desk.forms;
    let wrong = "AAAAAAAAAAAAAAAAAAAAAA";
    for action in ["allow", "deny"] {
        for field in ["instance", "flow"] {
            let form = resealed::<ApprovalForm>(desk.fixture, approval, |form| match field {
                "instance" => wrong.clone_into(&mut form.instance),
                _ => wrong.clone_into(&mut form.flow),
            })
            .await;
            let answer =
                desk.person.post("/device/approve", &[("form", &form), ("action", action), ("confirm_device", "1")]).await;
            assert!(
                answer.status == 400 && answer.body.contains("This code does not work."),
                "{action} {field}: {}",
                answer.body
            );
        }
    }
    let form = resealed::<UndoForm>(desk.fixture, undo, |form| {
        wrong.clone_into(&mut form.instance);
        let mut bytes = *form.grant.bytes();
        bytes[18] ^= 1;
        form.grant = OwnedId::from_bytes(bytes).unwrap();
    })
    .await;
    desk.person.post("/device/undo", &[("form", &form)]).await;
    desk.nothing_changed().await;
}

/// Posted twice, each form does its work once; the second answer is no error that frightens anybody.
#[tokio::test]
async fn a_form_posted_twice_does_its_work_once() {
    let desk = Desk::new("barbara").await;
    let grants = async || {
        let user: Vec<Value> = vec![super::user_id(desk.fixture, "barbara").await];
        desk.fixture.d1("SELECT id, revoked_at FROM grants WHERE user_id = ?1 ORDER BY id", &user).await
    };
    for (path, form) in &desk.forms {
        let first = desk.post(&desk.person, path, form).await;
        let before = grants().await;
        let second = desk.post(&desk.person, path, form).await;
        assert_eq!((first.status, second.status), (200, 200), "{path}: {}", second.body);
        assert_eq!(grants().await, before, "{path}");
    }
    assert!(desk.api.poll(&desk.asked).await.is_granted());
    assert_eq!(desk.api.poll(&desk.allowed).await.error(), "access_denied");
}

/// `FORM_LIFETIME` by the clock: forms, the step to the login page and the code of a link.
#[tokio::test]
async fn what_a_browser_holds_expires() {
    let fixture = hasty();
    let api = Api::demo(&fixture.a);
    let (ada, stranger) = (signed_in(&fixture.a, "ada").await, Person::new(&fixture.a));
    let started = api.start().await;
    let step = stranger.get(&format!("/device?user_code={}", started.user_code)).await;
    assert!(step.cookies().iter().any(|cookie| cookie.starts_with("user_code=") && cookie.ends_with("Max-Age=5")));
    let step = stranger.get("/device").await.header("location").to_owned();
    let login = stranger.get(&step).await;
    assert!(login.body.contains("Sign in to connect a device."));
    let (code, approval) = (ada.get("/device").await.form(), ada.enter(&started.user_code).await);
    sleep(5050).await;
    let late = stranger.get(&step).await;
    assert!(late.body.contains("Use the account that you were given."), "{}", late.body);
    let old = "This page was open too long.";
    let answer = stranger.post("/login", &[("form", &login.form()), ("login", "bob"), ("password", PASSWORD)]).await;
    assert!(answer.status == 400 && answer.body.contains(old), "{}", answer.body);
    let answer = ada.post("/device", &[("form", &code), ("user_code", &started.user_code)]).await;
    assert!(answer.status == 400 && answer.body.contains(old), "{}", answer.body);
    let answer = ada.allow(&approval).await;
    assert!(answer.status == 400 && answer.body.contains(old), "{}", answer.body);
    assert_eq!(api.poll(&started).await.error(), "authorization_pending");
    // The page of the refusal holds a new form.
    let answer = ada.post("/device", &[("form", &answer.form()), ("user_code", &api.start().await.user_code)]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}
