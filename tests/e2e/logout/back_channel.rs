//! OpenID Connect Back-Channel Logout 1.0.

use std::collections::HashSet;

use jwt_compact::alg::{Es256, Rsa};
use jwt_compact::jwk::JsonWebKey;
use jwt_compact::{Algorithm, AlgorithmExt as _, UntrustedToken};
use serde_json::{Value, json};

use super::{app, at_app, fixture, is_signed_in, setup, sid, sign_out, signs_in, signs_out, tokens, uses, uses_for};
use crate::harness::{Fault, Fixture, Mode, Worker};
use crate::judge::{Judge, Reply};
use crate::support::{Answer, Api, Person, claims, header, sleep};
use crate::web::{App, follow};

/// The logout tokens about a session that a path heard, once there are `n`.
pub async fn told(judge: &Judge, path: &str, sid: &str, n: usize) -> Vec<String> {
    for _ in 0..200 {
        let tokens = heard(judge, path, sid);
        if tokens.len() >= n {
            return tokens;
        }
        sleep(50).await;
    }
    panic!("{path} was not told {n} times of {sid}: {:?}", judge.heard(path));
}

/// The logout tokens about a session that a path heard so far.
fn heard(judge: &Judge, path: &str, sid: &str) -> Vec<String> {
    let tokens = judge.heard(path).into_iter().map(|heard| {
        assert_eq!((heard.method.as_str(), heard.query.as_str()), ("POST", ""));
        assert_eq!(heard.header("content-type"), "application/x-www-form-urlencoded");
        assert_eq!((heard.header("cookie"), heard.header("authorization")), ("", ""));
        heard.body.strip_prefix("logout_token=").unwrap_or_else(|| panic!("{heard:?}")).to_owned()
    });
    tokens.filter(|token| claims(token)["sid"] == sid).collect()
}

/// The deliveries that wait in the objects.
async fn waiting(fixture: &Fixture) -> Vec<Value> {
    let mut waiting = Vec::new();
    for id in fixture.objects("Outbox").await {
        let stored = fixture.object("Outbox", &id).await["stored"].clone();
        let stored = stored.as_object().unwrap().values().cloned();
        waiting.extend(stored.map(|value| serde_json::from_str::<Value>(value.as_str().unwrap()).unwrap()));
    }
    waiting
}

/// How many deliveries to a client wait.
async fn waiting_for(fixture: &Fixture, client: &str) -> usize {
    waiting(fixture).await.iter().filter(|pending| pending["delivery"]["client_id"] == client).count()
}

fn assert_signed<A: Algorithm>(algorithm: &A, jwks: &Value, token: &str)
where
    A::VerifyingKey: for<'a> TryFrom<&'a JsonWebKey<'a>>,
{
    let jwk = jwks["keys"].as_array().unwrap().iter().find(|jwk| jwk["kid"] == header(token)["kid"]).unwrap().clone();
    let jwk: JsonWebKey<'_> = serde_json::from_value(jwk).unwrap();
    let Ok(key) = A::VerifyingKey::try_from(&jwk) else { panic!("not a key for this algorithm: {jwk}") };
    let token = UntrustedToken::new(token).unwrap();
    algorithm.validator::<Value>(&key).validate(&token).unwrap();
}

/// Section 2.4: what a logout token is and says, whichever algorithm the client wants.
#[tokio::test]
async fn a_logout_token_is_what_it_must_be() {
    let (fixture, judge) = fixture();
    for path in ["/web", "/other", "/pairwise"] {
        judge.answer(path, Reply::new(200, ""));
    }
    let person = Person::new(&fixture.a);
    let mut id_tokens = Vec::new();
    for client in ["web", "other", "pairwise"] {
        id_tokens.push((client, uses(fixture, &person, "joan", client).await.member("id_token")));
    }
    signs_out(&person).await;
    let jwks = Api::demo(&fixture.a).get("/jwks.json").await.json();
    let mut seen = HashSet::new();
    for (client, id_token) in &id_tokens {
        let tokens = told(judge, &format!("/{client}"), &sid(id_token), 1).await;
        let token = &tokens[0];
        assert_eq!(header(token)["typ"], "logout+jwt");
        assert_eq!(header(token)["alg"], header(id_token)["alg"]);
        match header(token)["alg"].as_str().unwrap() {
            "RS256" => assert_signed(&Rsa::rs256(), &jwks, token),
            "ES256" => assert_signed(&Es256, &jwks, token),
            _ => assert_eq!((*client, header(token)["alg"].as_str()), ("pairwise", Some("EdDSA"))),
        }
        let said = claims(token);
        let names: HashSet<&str> = said.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, HashSet::from(["iss", "aud", "iat", "exp", "jti", "sub", "sid", "events"]));
        assert_eq!((said["iss"].as_str().unwrap(), &said["aud"]), (fixture.a.as_str(), &json!(client)));
        assert_eq!((&said["sub"], &said["sid"]), (&claims(id_token)["sub"], &claims(id_token)["sid"]));
        assert_eq!(said["events"], json!({ "http://schemas.openid.net/event/backchannel-logout": {} }));
        assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 120);
        assert!(said["jti"].as_str().unwrap().len() >= 22);
        assert!(seen.insert(said["jti"].clone()));
        // It is good for nothing else.
        assert_eq!(Api::demo(&fixture.a).userinfo(token).await.status, 401);
        assert_eq!(Person::new(&fixture.a).get(&sign_out(token, "")).await.status, 400);
    }
    assert_ne!(claims(&id_tokens[0].1)["sub"], claims(&id_tokens[2].1)["sub"]);
    for (client, id_token) in &id_tokens {
        assert_eq!(heard(judge, &format!("/{client}"), &sid(id_token)).len(), 1, "{client}: told once");
    }
}

/// Only who got something in the session that ends is told, and of this session only.
#[tokio::test]
async fn only_who_was_used_in_this_session_is_told() {
    let (fixture, judge) = fixture();
    for path in ["/web", "/other"] {
        judge.answer(path, Reply::new(204, ""));
    }
    let (here, at_web) = at_app(fixture, "katherine", "web").await;
    uses(fixture, &here, "katherine", "quiet").await;
    let (there, elsewhere) = at_app(fixture, "katherine", "web").await;
    let tokens_at_other = uses_for(fixture, &there, "katherine", "other", "openid offline_access").await;
    let (at_other, refresh_token) = (tokens_at_other.member("id_token"), tokens_at_other.member("refresh_token"));
    assert_eq!(sid(&elsewhere), sid(&at_other), "one session at all apps");
    assert_ne!(sid(&at_web), sid(&elsewhere));
    signs_out(&here).await;
    told(judge, "/web", &sid(&at_web), 1).await;
    assert!(is_signed_in(&there).await);
    assert!(heard(judge, "/other", &sid(&at_web)).is_empty() && heard(judge, "/web", &sid(&elsewhere)).is_empty());

    // Everywhere: all sessions, and devices, which have a session of their own.
    judge.answer("/device", Reply::new(200, ""));
    let device = Api::public(&fixture.a, "device").signed_in(&there).await.member("id_token");
    there.sign_out_everywhere().await;
    for (path, id_token) in [("/web", &elsewhere), ("/other", &at_other), ("/device", &device)] {
        told(judge, path, &sid(id_token), 1).await;
    }
    let refused = App::web(&fixture.a, "other").api.refresh(&refresh_token).await;
    assert_eq!(refused.error(), "invalid_grant", "{}", refused.body);
}

/// What has a refresh token is told too, and lives on: the person signed out of a browser, not of the app
/// (OpenID Connect Core 11).
#[tokio::test]
async fn offline_access_outlives_the_browser_session_and_hears_of_its_end() {
    let (fixture, judge) = fixture();
    judge.answer("/other", Reply::new(200, ""));
    let person = Person::new(&fixture.a);
    let tokens = uses_for(fixture, &person, "pia", "other", "openid offline_access").await;
    signs_out(&person).await;
    told(judge, "/other", &sid(&tokens.member("id_token")), 1).await;
    let other = App::web(&fixture.a, "other").api;
    assert_eq!(other.userinfo(&tokens.member("access_token")).await.status, 200);
    assert!(other.refresh(&tokens.member("refresh_token")).await.is_granted());
}

/// A sign-in of somebody else at the same browser ends the session there.
#[tokio::test]
async fn a_session_that_somebody_else_takes_over_ends() {
    let (fixture, judge) = fixture();
    judge.answer("/web", Reply::new(200, ""));
    let (person, id_token) = at_app(fixture, "lynn", "web").await;
    let next = signs_in_again(fixture, &person, "mary").await.member("id_token");
    assert_ne!(sid(&next), sid(&id_token));
    told(judge, "/web", &sid(&id_token), 1).await;
    // The same user who signs in again goes on in the same session, and nobody is told.
    let same = signs_in_again(fixture, &person, "mary").await.member("id_token");
    assert_eq!(sid(&same), sid(&next));
    sleep(500).await;
    assert!(heard(judge, "/web", &sid(&next)).is_empty());
}

/// A sign-in that the app "web" insists on; the tokens.
async fn signs_in_again(fixture: &Fixture, person: &Person, login: &str) -> Answer {
    let web = App::web(&fixture.a, "web");
    let page = follow(person, person.get(&web.path(&[("prompt", "login")])).await).await;
    tokens(&web, &signs_in(person, &page, login).await).await
}

/// Who fails, hangs up or does not answer in time is told again until it has heard; the others do not wait.
#[tokio::test]
async fn a_receiver_that_is_failing_down_or_slow_is_told_again() {
    let (fixture, judge) = fixture();
    judge.answer("/web", Reply::new(200, ""));
    judge.answer("/failing", Reply::new(500, "no"));
    judge.answer("/down", Reply::hang_up());
    judge.answer("/slow", Reply::new(200, "").after(3_000));
    let person = Person::new(&fixture.a);
    let mut session = String::new();
    for client in ["slow", "failing", "down", "web"] {
        session = sid(&uses(fixture, &person, "niklaus", client).await.member("id_token"));
    }
    signs_out(&person).await;
    told(judge, "/web", &session, 1).await;
    for path in ["/failing", "/down", "/slow"] {
        let tokens = told(judge, path, &session, 2).await;
        let jtis: HashSet<String> = tokens.iter().map(|token| claims(token)["jti"].to_string()).collect();
        assert_eq!(jtis.len(), tokens.len(), "{path}: each attempt has a token of its own");
    }
    // What waits outlives the objects; nothing that waits is a token.
    fixture.evict("Outbox").await;
    for client in ["failing", "down", "slow"] {
        assert_eq!(waiting_for(fixture, client).await, 1, "{client}");
    }
    assert!(!waiting(fixture).await.iter().any(|pending| pending.to_string().contains("eyJ")));
    for path in ["/failing", "/down", "/slow"] {
        judge.answer(path, Reply::new(200, ""));
    }
    for _ in 0..200 {
        let mut left = 0;
        for client in ["failing", "down", "slow"] {
            left += waiting_for(fixture, client).await;
        }
        if left == 0 {
            break;
        }
        sleep(100).await;
    }
    for client in ["failing", "down", "slow", "web"] {
        assert_eq!(waiting_for(fixture, client).await, 0, "{client}");
        let before = heard(judge, &format!("/{client}"), &session).len();
        sleep(300).await;
        assert_eq!(heard(judge, &format!("/{client}"), &session).len(), before, "{client}: heard, and told no more");
    }
    let logs = fixture.logs().await;
    let of_failing: Vec<&Value> = logs
        .iter()
        .filter(|entry| entry["line"]["detail"].as_str().is_some_and(|detail| detail.starts_with("client failing:")))
        .collect();
    assert!(of_failing.iter().any(|entry| entry["line"]["level"] == "warning"), "{of_failing:?}");
    assert!(of_failing.iter().all(|entry| !entry.to_string().contains("eyJ")), "no token in the log");
}

/// What cannot be told for long enough is given up, and the log says so. A place that is not ours to reach
/// is not reached, and keeps nobody from signing out.
#[tokio::test]
async fn what_nobody_hears_is_given_up() {
    let judge = Judge::start();
    judge.answer("/never", Reply::new(503, ""));
    let local = json!({ "backchannel_logout_uri": "https://localhost:1/x" });
    let clients = [app(Some(&judge), "never", &json!({})), app(None, "local", &local), app(None, "quiet", &json!({}))];
    let fixture = setup(&judge, &clients).var("LOGOUT_GIVE_UP", "3").start().await;
    let (person, id_token) = at_app(&fixture, "olga", "never").await;
    uses(&fixture, &person, "olga", "local").await;
    signs_out(&person).await;
    told(&judge, "/never", &sid(&id_token), 3).await;
    for _ in 0..100 {
        if waiting(&fixture).await.is_empty() {
            break;
        }
        sleep(100).await;
    }
    assert_eq!(waiting(&fixture).await, Vec::<Value>::new());
    let lines: Vec<Value> = fixture.logs().await.into_iter().map(|entry| entry["line"].clone()).collect();
    let given_up = |start: &str| {
        let found = lines
            .iter()
            .find(|line| line["level"] == "error" && line["detail"].as_str().is_some_and(|detail| detail.starts_with(start)));
        found.is_some_and(|line| line["detail"].as_str().unwrap().ends_with("it was given up"))
    };
    assert!(given_up("client never: status 503"), "{lines:?}");
    assert!(given_up("client local: "), "{lines:?}");
    let before = judge.heard("/never").len();
    sleep(1_500).await;
    assert_eq!(judge.heard("/never").len(), before);
}

/// A sign-out that cannot be put down for the telling has not happened; a lost answer is asked for again.
#[tokio::test]
async fn no_sign_out_without_the_telling() {
    let judge = Judge::start();
    judge.answer("/web", Reply::new(200, ""));
    let fixture = setup(&judge, &[app(Some(&judge), "web", &json!({})), app(None, "quiet", &json!({}))]).start().await;
    let (person, id_token) = at_app(&fixture, "olga", "web").await;
    let page = person.get("/logout").await;
    let fault = |mode, binding, matching, times| Fault { times, ..Fault::new(binding, mode, matching) };
    fixture.fault(Worker::A, &fault(Mode::Before, "OUTBOX", "", 2)).await;
    let answer = person.post("/logout", &[("form", &page.form()), ("action", "here")]).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(is_signed_in(&person).await);
    assert_eq!(fixture.disarm(Worker::A).await, 0);
    assert!(judge.heard("/web").is_empty());
    // The same page does it when the object is there again, and when its answer or D1's is lost.
    fixture.fault(Worker::A, &fault(Mode::After, "OUTBOX", "", 1)).await;
    fixture.fault(Worker::A, &fault(Mode::After, "DB", "DELETE FROM sessions", 1)).await;
    let answer = person.post("/logout", &[("form", &page.form()), ("action", "here")]).await;
    assert!(answer.status == 200 && answer.body.contains("You are signed out"), "{answer:?}");
    assert_eq!(fixture.disarm(Worker::A).await, 0);
    assert!(!is_signed_in(&person).await);
    told(&judge, "/web", &sid(&id_token), 1).await;
}
