//! What the version before wrote works on: deployments overlap, and either may meet the other's work.

use latchkey::protocol::keyring::KeyRing;
use latchkey::protocol::seal::{Sealable, Sealer};
use serde_json::{Map, Value, json};

use super::{At, asked, at, fixture, id, sign_in_beside, sign_in_on, signed_in, tokens_of, user_id, userinfo};
use crate::harness::{Fixture, Worker};
use crate::support::Person;
use crate::web::App;

/// The session cookie as the version before reads and writes it.
struct OldCookie(Map<String, Value>);

impl Sealable for OldCookie {
    const PURPOSE: &'static str = "session cookie";

    fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(&self.0).unwrap()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().map(Self)
    }
}

/// The logout form as the version before reads and writes it.
struct OldLogoutForm(Map<String, Value>);

impl Sealable for OldLogoutForm {
    const PURPOSE: &'static str = "logout form";

    fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(&self.0).unwrap()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().map(Self)
    }
}

/// Makes the session of somebody one that the version before wrote: no `sid`, and a cookie of two members.
async fn written_before(fixture: &Fixture, person: &Person, login: &str) {
    let user = user_id(fixture, login).await;
    let rows = fixture.d1("UPDATE sessions SET sid = '' WHERE user_id = ?1 RETURNING id", &[user.as_str().into()]).await;
    let secrets = fixture.secrets(Worker::A).await;
    let ring = KeyRing::parse(secrets["LATCHKEY_KEYS"].as_str().unwrap(), "1").unwrap();
    let sealer = Sealer { ring: &ring, issuer: &fixture.a, epoch: 1 };
    let members = json!({ "user": user, "session": rows[0]["id"] });
    let cookie = sealer.seal_deterministic(&OldCookie(members.as_object().unwrap().clone()));
    person.set_cookie(&format!("session={cookie}; Path=/"));
}

async fn sids(fixture: &Fixture, login: &str) -> Vec<Value> {
    let rows = fixture.d1("SELECT sid FROM sessions WHERE user_id = ?1", &[user_id(fixture, login).await.into()]).await;
    rows.iter().map(|row| row["sid"].clone()).collect()
}

/// A session without `sid`, in a cookie of the old form, signs in to apps; its `sid` is one and the same from then
/// on, also after the user signs in again and when both Workers meet it first at once.
#[tokio::test]
async fn a_session_of_the_version_before_works_on() {
    let fixture = fixture();
    let (one, two) = (App::web(&fixture.a, "one"), App::web(&fixture.b, "two"));
    let person = signed_in(&fixture.a, "rasmus").await;
    for app in [&one, &two] {
        tokens_of(&person, app, asked(&person, app, &[]).await).await;
    }
    written_before(fixture, &person, "rasmus").await;
    let mut at_b = person.clone();
    at_b.base.clone_from(&fixture.b);
    let (to_one, to_two) = (one.path(&[]), two.path(&[]));
    let (first, second) = tokio::join!(person.get(&to_one), at_b.get(&to_two));
    assert_eq!((at(&first), at(&second)), (At::Back, At::Back), "{} {}", first.body, second.body);
    let (first, second) = (tokens_of(&person, &one, first).await, tokens_of(&at_b, &two, second).await);
    let sid = id(&first, "sid");
    assert!(sid.as_str().is_some_and(|sid| sid.len() == 22), "{sid}");
    assert_eq!(id(&second, "sid"), sid);
    assert_eq!(sids(fixture, "rasmus").await, std::slice::from_ref(&sid));
    assert_eq!((userinfo(&one, &first).await, userinfo(&two, &second).await), (200, 200));
    // It was not lately noted either: the touch must not be missed.
    let again = tokens_of(&person, &one, asked(&person, &one, &[]).await).await;
    assert_eq!(id(&again, "sid"), sid);
    let page = asked(&person, &one, &[("prompt", "login")]).await;
    let page = sign_in_on(&person, &page, "rasmus").await;
    assert_eq!(id(&tokens_of(&person, &one, page).await, "sid"), sid);

    // A re-login that is the first thing to happen to such a session keeps the `sid` that follows from its id.
    written_before(fixture, &person, "rasmus").await;
    let page = person.get(&one.path(&[("prompt", "login")])).await;
    let page = crate::web::follow(&person, page).await;
    let page = sign_in_on(&person, &page, "rasmus").await;
    let after = tokens_of(&person, &one, page).await;
    assert_eq!(sids(fixture, "rasmus").await, [id(&after, "sid")]);
}

/// The version before reads the cookie of this one: the account in use stands where it always did. And a logout
/// form of the version before, which knows nothing of clients, signs out.
#[tokio::test]
async fn cookies_and_forms_are_read_across_versions() {
    let fixture = fixture();
    let person = signed_in(&fixture.a, "wietse").await;
    sign_in_beside(&person, "linus").await;
    let secrets = fixture.secrets(Worker::A).await;
    let ring = KeyRing::parse(secrets["LATCHKEY_KEYS"].as_str().unwrap(), "1").unwrap();
    let sealer = Sealer { ring: &ring, issuer: &fixture.a, epoch: 1 };
    let cookie: OldCookie = sealer.open(&person.cookie("session").unwrap()).unwrap();
    assert_eq!(cookie.0["user"], user_id(fixture, "linus").await);
    assert!(cookie.0["session"].is_string() && cookie.0["others"].as_array().unwrap().len() == 1);
    let form = person.get("/logout").await.form();
    let old: OldLogoutForm = sealer.open(&form).unwrap();
    assert_eq!(old.0.keys().collect::<Vec<_>>(), ["holder"], "what the version before writes");
    let form = sealer.seal_deterministic(&old);
    let answer = person.post("/logout", &[("form", &form), ("action", "here")]).await;
    assert!(answer.status == 200 && answer.body.contains("You are signed out"), "{}", answer.body);
}
