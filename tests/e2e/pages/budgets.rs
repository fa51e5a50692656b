//! Budgets of guesses. A guess is reserved before it is checked, so
//! parallel guesses cannot overdraw; strangers' failures never keep a user out; and what a stranger sends
//! never makes an object of its own.

use tokio::task::JoinSet;

use super::{PASSWORD, fixture, is_signed_in, page_without_form, setup, signed_in};
use crate::harness::{Fault, Fixture, Mode, Worker};
use crate::support::{ADA, Answer, Api, Person, sleep};

/// A password that is wrong without the work of a hash: it is longer than any that is hashed.
fn cheaply_wrong() -> String {
    "x".repeat(1025)
}

async fn statuses(mut posts: JoinSet<Answer>) -> Vec<u16> {
    let mut statuses = Vec::new();
    while let Some(answer) = posts.join_next().await {
        statuses.push(answer.unwrap().status);
    }
    statuses.sort_unstable();
    statuses
}

fn is_throttled(what: &str, answer: &Answer) {
    assert_eq!(answer.status, 429, "{what}: {}", answer.body);
    assert!(answer.header("retry-after").parse::<u32>().unwrap() >= 1, "{what}");
    assert!(answer.body.contains("Too many attempts. Please wait"), "{what}: {}", answer.body);
    assert!(answer.cookies().iter().all(|cookie| cookie.starts_with("browser=")), "{what}");
}

/// The login form again at a browser that is signed in.
async fn signs_in_again(person: &Person, login: &str, password: &str) -> Answer {
    person.set_cookie("session=; Path=/; Max-Age=0");
    person.try_sign_in(login, password).await
}

async fn count_of_detail(fixture: &Fixture, detail: &str) -> usize {
    fixture.logs().await.iter().filter(|entry| entry["line"]["detail"] == detail).count()
}

/// Arms a fault that changes nothing, to count the calls of a binding; [`calls`] takes the count.
async fn count_calls(fixture: &Fixture, bindings: &[&'static str]) {
    for binding in bindings {
        let fault = Fault { times: 100_000, ..Fault::new(binding, Mode::Slow(0), "") };
        fixture.fault(Worker::A, &fault).await;
    }
}

async fn calls(fixture: &Fixture, bindings: u64) -> u64 {
    bindings * 100_000 - fixture.disarm(Worker::A).await
}

/// 40 parallel wrong passwords on a budget of 5; and the person whose name it is goes on working.
#[tokio::test(flavor = "multi_thread")]
async fn parallel_guesses_do_not_overdraw_and_strangers_do_not_keep_a_user_out() {
    let fixture = setup().var("KNOWN_BROWSER_BUDGET", "3").start().await;
    let (known, also_known) = (signed_in(&fixture.a, "ada").await, signed_in(&fixture.b, "ada").await);
    let api = Api::demo(&fixture.a);
    let device = api.signed_in(&known).await;

    let stranger = Person::new(&fixture.a);
    let form = stranger.visit("/login").await.form();
    let mut posts = JoinSet::new();
    for number in 0..40 {
        let (mut stranger, form) = (stranger.clone(), form.clone());
        if number % 2 == 1 {
            stranger.base.clone_from(&fixture.b);
        }
        posts.spawn(async move {
            // One name however it is spelt.
            let login = ["ada", "Ada", " ADA "][number % 3];
            stranger.post("/login", &[("form", &form), ("login", login), ("password", &format!("guess-{number}"))]).await
        });
    }
    assert_eq!(statuses(posts).await, [[400; 5].as_slice(), &[429; 35]].concat());
    assert_eq!(count_of_detail(&fixture, "wrong name or password").await, 5, "five were judged");
    assert_eq!(count_of_detail(&fixture, "too many wrong passwords").await, 35);

    // The right password of an unknown browser is no better than a guess now, at either Worker.
    for base in [&fixture.a, &fixture.b] {
        is_throttled("unknown browser", &Person::new(base).try_sign_in(ADA.0, ADA.1).await);
    }
    assert_eq!(Person::new(&fixture.a).try_sign_in("bob", PASSWORD).await.status, 303, "another account");
    // Ada does not notice: her device, her session, and her browser when it signs in again.
    assert!(api.refresh(&device.member("refresh_token")).await.is_granted());
    assert!(is_signed_in(&known).await);
    assert_eq!(signs_in_again(&known, ADA.0, ADA.1).await.status, 303);

    // A known browser has a budget of its own, and another known browser another.
    for _ in 0..3 {
        assert_eq!(signs_in_again(&known, ADA.0, "wrong").await.status, 400);
    }
    is_throttled("known browser", &signs_in_again(&known, ADA.0, ADA.1).await);
    assert_eq!(signs_in_again(&also_known, ADA.0, ADA.1).await.status, 303);
    // It is known for the accounts that signed in at it and for no other.
    let bobs = signed_in(&fixture.a, "bob").await;
    is_throttled("known for bob only", &signs_in_again(&bobs, ADA.0, ADA.1).await);
}

/// Names that a stranger makes up fill a fixed number of objects, which hold no name.
#[tokio::test(flavor = "multi_thread")]
async fn made_up_names_create_no_objects_of_their_own() {
    let fixture = fixture();
    let person = Person::new(&fixture.a);
    let form = person.visit("/login").await.form();
    let password = cheaply_wrong();
    let mut posts = JoinSet::new();
    let mut answers = Vec::new();
    for number in 0..300 {
        let (person, form, password) = (person.clone(), form.clone(), password.clone());
        posts.spawn(async move {
            let login = format!("made-up-{number}");
            person.post("/login", &[("form", &form), ("login", &login), ("password", &password)]).await.status
        });
        if posts.len() == 20 {
            answers.push(posts.join_next().await.unwrap().unwrap());
        }
    }
    answers.extend(posts.join_all().await);
    assert_eq!(answers, [400; 300], "each was judged");
    let objects = fixture.objects("Throttle").await;
    // 300 names in 256 objects: 177 are expected to be used, and never more than there are.
    assert!((130..=256).contains(&objects.len()), "{} objects", objects.len());
    let mut rows = 0;
    for id in &objects {
        let stored = fixture.object("Throttle", id).await;
        assert!(!stored.to_string().contains("made-up"), "{stored}");
        rows += stored["stored"].as_object().unwrap().len();
        // Keys are hashes of 16 bytes and values are times.
        for (key, value) in stored["stored"].as_object().unwrap() {
            assert!(key.len() == 22 && value.is_number(), "{key}: {value}");
        }
    }
    assert!(rows >= 300, "{rows}");
    assert_eq!(fixture.d1("SELECT login FROM logins WHERE login LIKE 'made-up%'", &[]).await, [serde_json::Value::Null; 0]);
}

/// A spent budget fills up again, and what is full leaves no row behind.
#[tokio::test]
async fn budgets_fill_up_and_their_rows_are_collected() {
    let fixture = setup().var("PASSWORD_BUDGET", "2").var("BUDGET_WINDOW", "2").start().await;
    let password = cheaply_wrong();
    let person = Person::new(&fixture.a);
    for _ in 0..2 {
        assert_eq!(person.try_sign_in("somebody", &password).await.status, 400);
    }
    let answer = person.try_sign_in("somebody", &password).await;
    is_throttled("spent", &answer);
    assert_eq!(answer.header("retry-after"), "1");
    sleep(1000).await;
    assert_eq!(person.try_sign_in("somebody", &password).await.status, 400, "one is back after half the window");
    let objects = fixture.objects("Throttle").await;
    let rows = async || {
        let mut rows = 0;
        for id in &objects {
            let object = fixture.object("Throttle", id).await;
            rows += object["stored"].as_object().unwrap().len() + usize::from(!object["alarm"].is_null());
        }
        rows
    };
    assert!(rows().await > 0);
    for _ in 0..60 {
        sleep(100).await;
        if rows().await == 0 {
            return;
        }
    }
    panic!("rows stay for ever");
}

/// The budget of the whole realm stops guesses at many names, and no known browser.
#[tokio::test]
async fn the_realms_budget_of_wrong_passwords_holds_for_unknown_browsers() {
    let fixture = setup().var("REALM_PASSWORD_BUDGET", "3").var("PASSWORD_BUDGET", "2").start().await;
    let known = signed_in(&fixture.a, "ada").await;
    let password = cheaply_wrong();
    // A right password is given back to both budgets.
    for _ in 0..4 {
        signed_in(&fixture.b, "bob").await;
    }
    for name in ["made-up-1", "mary", "made-up-2"] {
        assert_eq!(Person::new(&fixture.a).try_sign_in(name, &password).await.status, 400, "{name}");
    }
    for (name, password) in [("made-up-3", password.as_str()), ("grace", PASSWORD), (ADA.0, ADA.1)] {
        is_throttled(name, &Person::new(&fixture.b).try_sign_in(name, password).await);
    }
    for _ in 0..2 {
        assert_eq!(signs_in_again(&known, ADA.0, "wrong").await.status, 400);
    }
    assert_eq!(signs_in_again(&known, ADA.0, ADA.1).await.status, 303);
}

fn code(number: usize) -> String {
    let letters = b"BCDFGHJKLMNPQRSTVWXZ";
    let [a, b] = [number / 20 % 20, number % 20].map(|at| char::from(letters[at]));
    format!("BBBB-BB{a}{b}")
}

/// 40 parallel wrong user codes on a budget of 5 look up five flows; the budgets of session, account and
/// realm stand behind each other; and a guess stores nothing in any flow.
#[tokio::test(flavor = "multi_thread")]
async fn guesses_of_user_codes_are_budgeted_per_session_account_and_realm() {
    let settings = [("CODE_BUDGET_SESSION", "5"), ("CODE_BUDGET_ACCOUNT", "8"), ("CODE_BUDGET_REALM", "10")];
    let fixture = settings.into_iter().fold(setup(), |setup, (name, value)| setup.var(name, value)).start().await;
    let ada = signed_in(&fixture.a, "ada").await;
    let api = Api::demo(&fixture.a);
    let started = api.start().await;
    let flows = fixture.objects("DeviceFlow").await;
    let untouched = fixture.object("DeviceFlow", &flows[0]).await;

    // A right code is given back, however often it is entered.
    for _ in 0..6 {
        assert_eq!(ada.enter(&started.user_code).await.status, 200);
    }
    // What cannot be a code asks no object at all.
    let form = ada.get("/device").await.form();
    count_calls(&fixture, &["DEVICE_FLOW", "THROTTLE"]).await;
    for wrong in ["", " ", "BCDF", "BCDF-GHJKL", "ACDF-GHJK", "BCDF-GHJ0", "BCDF/GHJK", "<script>", &"B".repeat(4000)] {
        let page = ada.post("/device", &[("form", &form), ("user_code", wrong)]).await;
        assert_eq!(page.status, 400, "{wrong}");
        assert!(page.body.contains("This code does not work."), "{wrong}: {}", page.body);
    }
    assert_eq!(calls(&fixture, 2).await, 0);

    count_calls(&fixture, &["DEVICE_FLOW"]).await;
    let mut posts = JoinSet::new();
    for number in 0..40 {
        let (ada, form) = (ada.clone(), form.clone());
        posts.spawn(async move { ada.post("/device", &[("form", &form), ("user_code", &code(number))]).await });
    }
    assert_eq!(statuses(posts).await, [[400; 5].as_slice(), &[429; 35]].concat());
    assert_eq!(calls(&fixture, 1).await, 5, "flows looked up");
    assert_eq!(count_of_detail(&fixture, "too many wrong codes").await, 35);
    is_throttled("the right code too", &ada.enter(&started.user_code).await);

    // Another session of the same account has what is left of the account's eight, at either Worker.
    let again = signed_in(&fixture.b, "ada").await;
    for number in 40..43 {
        assert_eq!(again.enter(&code(number)).await.status, 400, "{number}");
    }
    is_throttled("account", &again.enter(&code(43)).await);
    // Another account has what is left of the realm's ten.
    let bob = signed_in(&fixture.a, "bob").await;
    for number in 44..46 {
        assert_eq!(bob.enter(&code(number)).await.status, 400, "{number}");
    }
    is_throttled("realm", &bob.enter(&code(46)).await);
    is_throttled("realm, with the right code", &bob.enter(&started.user_code).await);
    let page = bob.enter(&code(47)).await;
    assert_eq!(page_without_form(&page), page_without_form(&bob.enter(&started.user_code).await), "nobody can tell which");

    for id in fixture.objects("DeviceFlow").await {
        let object = fixture.object("DeviceFlow", &id).await;
        let expected = if id == flows[0] { untouched.clone() } else { serde_json::json!({ "alarm": null, "stored": {} }) };
        assert_eq!(object, expected, "a guess stores nothing");
    }
    assert_eq!(api.poll(&started).await.error(), "authorization_pending");
}

/// The coarse filter at sign-in is per address for strangers; a browser that signed in before is not held
/// up by whoever shares its address.
#[tokio::test]
async fn the_filter_per_address_spares_known_browsers() {
    let fixture = setup().rate_limit("LIMIT_LOGIN", 3).var("PASSWORD_BUDGET", "100").start().await;
    let known = Person::new(&fixture.a);
    known.sign_in(ADA.0, ADA.1).await;
    // Windows are aligned to the clock: even when one begins in between, four of these fall into another.
    let mut statuses = Vec::new();
    for _ in 0..8 {
        statuses.push(Person::new(&fixture.a).try_sign_in("grace", &cheaply_wrong()).await.status);
    }
    assert!(statuses.contains(&429), "{statuses:?}");
    assert_eq!(signs_in_again(&known, ADA.0, ADA.1).await.status, 303);
}
