//! One family per device: each is listed under its own name on the start page, and ended there alone.
#![expect(clippy::unwrap_used, reason = "a broken step fails the test by panicking")]

use serde_json::json;

use crate::harness::{Fixture, Setup};
use crate::support::{Answer, Api, Person};

const PASSWORD: &str = "compiler-no-1952";

async fn fixture() -> Fixture {
    let people = ["grace", "jean"].map(|login| json!({ "login": login, "password": PASSWORD, "claims": { "name": login } }));
    Setup::default().seed(&json!({ "users": people })).start().await
}

/// A device somewhere, signed in by a person.
async fn device(fixture: &Fixture, person: &Person, city: &str) -> Answer {
    let api = Api::demo(&fixture.a);
    let place = json!({ "city": city, "country": "CH" }).to_string();
    let start = api.request("POST", "/device_authorization").header("mf-cf-blob", place).form(&[("client_id", "demo-device")]);
    let started = Api::send(start).await;
    person.approve(&started.member("user_code")).await;
    let code = started.member("device_code");
    let tokens = api.post("/token", &[("grant_type", crate::support::DEVICE_CODE), ("device_code", &code)]).await;
    assert!(tokens.is_granted(), "{}", tokens.body);
    tokens
}

/// The sealed form of the device whose name holds a word.
fn form_of(page: &Answer, word: &str) -> String {
    let item = page.body.split("<li>").find(|item| item.contains(word)).unwrap();
    let (_, rest) = item.split_once("name=\"form\" value=\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

#[tokio::test]
async fn each_device_is_named_listed_and_ended_on_its_own() {
    let fixture = fixture().await;
    let (api, person, other) = (Api::demo(&fixture.a), Person::new(&fixture.a), Person::new(&fixture.a));
    person.sign_in("grace", PASSWORD).await;
    other.sign_in("jean", PASSWORD).await;
    assert!(!person.get("/").await.body.contains("Your devices"));
    let (bern, chur) = (device(&fixture, &person, "Bern").await, device(&fixture, &person, "Chur").await);
    let page = person.get("/").await;
    assert!(page.body.contains("Bern, CH") && page.body.contains("Chur, CH"), "{}", page.body);
    assert!(!other.get("/").await.body.contains("Bern"), "nobody else sees them");

    // Another person's form, and a form after a sign-out, end nothing.
    let form = form_of(&page, "Bern");
    assert_eq!(other.post("/device/end", &[("form", &form)]).await.status, 303);
    assert_eq!(Person::new(&fixture.a).post("/device/end", &[("form", &form)]).await.status, 303);
    assert_eq!(person.post("/device/end", &[("form", "garbage")]).await.status, 303);
    let bern = api.refresh(&bern.member("refresh_token")).await;
    assert!(bern.is_granted(), "{}", bern.body);

    assert_eq!(person.post("/device/end", &[("form", &form)]).await.header("location"), "/");
    let page = person.get("/").await;
    assert!(!page.body.contains("Bern") && page.body.contains("Chur"), "{}", page.body);
    assert_eq!(api.refresh(&bern.member("refresh_token")).await.error(), "invalid_grant");
    assert_eq!(api.userinfo(&bern.member("access_token")).await.status, 401);
    assert!(api.refresh(&chur.member("refresh_token")).await.is_granted(), "the other one goes on");

    person.sign_out_everywhere().await;
    person.sign_in("grace", PASSWORD).await;
    assert!(!person.get("/").await.body.contains("Chur"), "what signing out everywhere ended is not listed");
}
