//! What time does to a device sign-in. Lifetimes are seconds here.

use std::sync::OnceLock;
use std::time::Duration;

use latchkey::protocol::device::DeviceCode;
use latchkey::protocol::ids::Entropy;
use latchkey::protocol::secret::SecretHash;
use latchkey::protocol::time::Seconds;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{assert_refused, client, grant_of, grants_of, unsealed, with_sealer};
use crate::harness::{Fault, Fixture, Mode, Setup, Worker};
use crate::support::{Api, DeviceSignIn, Person, sleep};

/// Codes live for six seconds; approval closes two before that; what was approved is collectable for two
/// intervals of a second longer, and for two seconds more than once.
fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let numbers =
            [("DEVICE_CODE_LIFETIME", "6"), ("DEVICE_APPROVAL_MARGIN", "2"), ("DEVICE_INTERVAL", "1"), ("DEVICE_REPEAT", "2")];
        let setup = numbers.iter().fold(Setup::default(), |setup, (name, value)| setup.var(name, value));
        setup.seed(&json!({ "clients": [client("undone", &json!({}))] })).start_now()
    })
}

/// What the flow's object has stored, and its id.
async fn flow_of(fixture: &Fixture, sign_in: &DeviceSignIn) -> (String, Value) {
    let code: DeviceCode = unsealed(fixture, &sign_in.device_code).await;
    let hash = json!(SecretHash::of(code.secret.as_bytes()));
    for id in fixture.objects("DeviceFlow").await {
        let object = fixture.object("DeviceFlow", &id).await;
        if object["stored"]["flow"]["secret"] == hash {
            return (id, object);
        }
    }
    (String::new(), Value::Null)
}

struct Fixed;

impl Entropy for Fixed {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

/// RFC 8628 3.5: `expired_token`, for ever; a code that waits for its user can be polled until then and
/// approved until a little before. A user who read "done" is not followed by it.
#[tokio::test]
async fn codes_expire_and_what_was_approved_in_time_is_collected() {
    let fixture = fixture();
    let api = Api::demo(&fixture.a);
    let person = Person::ada(&fixture.a).await;
    let (collected, forgotten, ignored, gone) = (api.start().await, api.start().await, api.start().await, api.start().await);
    let begin = Instant::now();
    let at = |millis| tokio::time::sleep_until(begin + Duration::from_millis(millis));
    assert_eq!(ignored.answer.json()["expires_in"], 6);
    person.approve(&collected.user_code).await;
    person.approve(&forgotten.user_code).await;
    assert!(begin.elapsed().as_secs() < 4, "too slow a machine to tell");

    at(4100).await;
    let closed = person.enter(&ignored.user_code).await;
    assert_eq!(closed.status, 400, "approval is closed: {}", closed.body);
    assert!(!closed.body.contains("confirm_device"), "{}", closed.body);
    assert_refused(&api.poll(&ignored).await, "authorization_pending");

    at(6100).await;
    assert!(api.poll(&collected).await.is_granted(), "approved in time");
    assert_refused(&api.poll(&ignored).await, "expired_token");
    assert_refused(&api.at(&fixture.b).poll(&ignored).await, "expired_token");
    at(8100).await;
    assert_refused(&api.poll(&forgotten).await, "expired_token");

    // The object collects itself, and then only the code itself can tell.
    let (id, object) = flow_of(fixture, &gone).await;
    let due = object["alarm"].as_i64().unwrap() - object["stored"]["flow"]["expires_at"].as_i64().unwrap();
    assert!((120_000..=130_000).contains(&due), "after the last answer that it can give: {due}");
    fixture.alarm("DeviceFlow", &id).await;
    assert_eq!(flow_of(fixture, &gone).await.1, Value::Null, "nothing is left");
    assert_refused(&api.poll(&gone).await, "expired_token");
    let code: DeviceCode = unsealed(fixture, &gone.device_code).await;
    let last_year = DeviceCode { expires_at: code.expires_at.minus(Seconds(365 * 86_400)), ..code };
    let sealed = with_sealer(fixture, |sealer| sealer.seal(&last_year, &mut Fixed)).await;
    assert_refused(&api.poll(&DeviceSignIn { device_code: sealed, ..gone }).await, "expired_token");
}

/// A lost answer can be asked for again for a while; after that the code is spent, and asking does not
/// hurt the grant.
#[tokio::test]
async fn a_device_code_repeats_for_a_while_and_then_is_spent() {
    let fixture = fixture();
    let api = Api::demo(&fixture.a);
    let person = Person::ada(&fixture.a).await;
    let (sign_in, rotated) = (api.start().await, api.start().await);
    person.approve(&sign_in.user_code).await;
    person.approve(&rotated.user_code).await;
    let tokens = api.poll(&sign_in).await;
    assert!(tokens.is_granted(), "{}", tokens.body);
    assert_eq!(api.poll(&sign_in).await.member("refresh_token"), tokens.member("refresh_token"));

    // Who refreshed has the answer: its code is spent at once.
    let other = api.poll(&rotated).await;
    let next = api.refresh(&other.member("refresh_token")).await;
    assert_refused(&api.poll(&rotated).await, "invalid_grant");
    assert!(api.refresh(&next.member("refresh_token")).await.is_granted());

    sleep(2100).await;
    assert_refused(&api.poll(&sign_in).await, "invalid_grant");
    assert_eq!(grant_of(fixture, &tokens).await["revoked_at"], Value::Null);
    assert!(api.refresh(&tokens.member("refresh_token")).await.is_granted());
}

/// A flow that was moved has forgotten its pace, and takes the next poll as the first.
#[tokio::test]
async fn the_first_poll_after_an_eviction_is_accepted() {
    let fixture = fixture();
    let api = Api::demo(&fixture.a);
    let sign_in = api.start().await;
    assert_refused(&api.poll(&sign_in).await, "authorization_pending");
    fixture.evict("DeviceFlow").await;
    assert_refused(&api.poll(&sign_in).await, "authorization_pending");
    assert_refused(&api.poll(&sign_in).await, "slow_down");
    let interval = flow_of(fixture, &sign_in).await.1["stored"]["flow"]["state"]["interval"].clone();
    assert_eq!(interval, 6);
    fixture.evict("DeviceFlow").await;
    assert_refused(&api.poll(&sign_in).await, "authorization_pending");
    let interval = flow_of(fixture, &sign_in).await.1["stored"]["flow"]["state"]["interval"].clone();
    assert_eq!(interval, 6, "what was slowed down stays slow");
}

/// Undo while a poll is between the flow and the database: the poll ends with nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_yes_taken_back_during_a_poll_yields_no_tokens() {
    let fixture = fixture();
    let person = Person::ada(&fixture.a).await;
    let api = Api::public(&fixture.b, "undone");
    let sign_in = api.start().await;
    let page = person.approve(&sign_in.user_code).await;
    fixture.fault(Worker::B, &Fault::new("DB", Mode::Slow(1000), "INSERT INTO grants")).await;
    let poll = tokio::spawn({
        let (api, sign_in) = (api.clone(), sign_in.clone());
        async move { api.poll(&sign_in).await }
    });
    sleep(400).await;
    let undone = person.post("/device/undo", &[("form", &page.form())]).await;
    assert_eq!(undone.status, 200);
    assert!(!poll.is_finished(), "the insert is still to come");
    assert_refused(&poll.await.unwrap(), "invalid_grant");
    assert_eq!(fixture.disarm(Worker::B).await, 0);
    let alive = fixture.d1("SELECT id FROM grants WHERE client_id = 'undone' AND revoked_at IS NULL", &[]).await;
    assert_eq!((alive.len(), grants_of(fixture, "undone").await), (0, 1), "the insert met a tombstone");
    assert_refused(&api.poll(&sign_in).await, "access_denied");
}
