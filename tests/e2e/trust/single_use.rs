//! Tokens that are taken once: by however many ask, at whichever Worker, by whichever grant.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{BOTH, Grant, Outside, client, clients, line, setup};
use crate::code::{assert_no_client, assert_refused, fresh, now, p256};
use crate::harness::{Fault, Fixture, Mode, Worker};
use crate::support::Api;

const ONCE: Outside = Outside("once");
/// Whose name and a `jti` read as [`ONCE`]'s do, put together.
const ONCE_TOO: Outside = Outside("onc");

pub fn issuers() -> Vec<Value> {
    let rules = json!([
        { "id": "robot", "claims": { "sub": { "equals": "robot" } }, "single_use": true, "yields": { "client": "deployer", "scope": "records:read" } },
        { "id": "bearer", "claims": { "sub": { "equals": "bearer" } }, "single_use": true, "yields": { "client": "only-bearer", "scope": "records:read" } },
        { "id": "often", "claims": { "sub": { "equals": "often" } }, "yields": { "client": "deployer", "scope": "records:read" } },
    ]);
    vec![ONCE.seed(&json!({ "rules": rules })), ONCE_TOO.seed(&json!({ "rules": rules }))]
}

async fn start() -> Fixture {
    assert!(!clients().is_empty());
    ONCE.publish(&[p256("k")]);
    ONCE_TOO.publish(&[p256("k")]);
    setup(&issuers()).start().await
}

/// What the marks of used tokens are.
async fn marks(fixture: &Fixture) -> Vec<Value> {
    let mut marks = Vec::new();
    for id in fixture.objects("Replay").await {
        let held = fixture.object("Replay", &id).await;
        marks.extend(held["stored"].as_object().unwrap().values().cloned());
    }
    marks
}

/// 40 at once over two Workers and both grants: one wins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_forty_at_once_one_wins_and_nobody_comes_after_it() {
    let fixture = start().await;
    for round in 0..2 {
        let token = ONCE.token(&fixture, &json!({}));
        let mut all = JoinSet::new();
        for number in 0..40 {
            let (base, token) = (if number % 2 == 0 { &fixture.a } else { &fixture.b }.clone(), token.clone());
            let grant = BOTH[number / 2 % 2];
            all.spawn(async move { (grant, grant.anonymous(&base, &token, &[]).await) });
        }
        let mut winners = 0;
        for (grant, answer) in all.join_all().await {
            if answer.is_granted() {
                winners += 1;
            } else {
                assert_eq!(answer.error(), grant.error(), "{}", answer.body);
                assert_refused(&answer, grant.error());
            }
        }
        assert_eq!(winners, 1, "round {round}");
        assert_eq!(marks(&fixture).await.len(), round + 1);
        // Not by the memory of anything that runs.
        fixture.evict("Replay").await;
        for base in [&fixture.a, &fixture.b] {
            for grant in BOTH {
                assert_refused(&grant.anonymous(base, &token, &[]).await, grant.error());
            }
        }
    }
    assert_eq!(marks(&fixture).await.len(), 2);
}

/// What is refused for anything else has spent nothing and written nothing.
#[tokio::test]
async fn a_refused_request_does_not_spend_the_token() {
    let fixture = start().await;
    let robot = Api::public(&fixture.a, "deployer");
    let warm = Grant::Exchange.anonymous(&fixture.a, &ONCE.token(&fixture, &json!({})), &[]).await;
    assert!(warm.is_granted(), "{}", warm.body);
    let before = fixture.stored().await;
    let exp = now() + 200;
    let token = ONCE.token(&fixture, &json!({ "jti": "spent last", "exp": exp }));
    for grant in BOTH {
        for (error, more) in [
            ("invalid_scope", ("scope", "records:write")),
            ("invalid_scope", ("scope", "openid")),
            ("invalid_target", ("resource", "https://elsewhere.example")),
        ] {
            assert_refused(&grant.by(&robot, &token, &[more]).await, error);
        }
        let wrong = Api::basic(&fixture.a, "deployer", "not-the-secret-0123456789abcdef0123456789");
        assert_no_client(&grant.by(&wrong, &token, &[]).await, true);
        assert_refused(&grant.by(&client(&fixture.a, "reader"), &token, &[]).await, grant.error());
    }
    for kind in ["id_token", "refresh_token"] {
        let kind = format!("urn:ietf:params:oauth:token-type:{kind}");
        assert_refused(&Grant::Exchange.by(&robot, &token, &[("requested_token_type", &kind)]).await, "invalid_request");
    }
    assert_refused(
        &Grant::Exchange.by(&robot, &token, &[("actor_token", "x"), ("actor_token_type", super::ACCESS_TOKEN)]).await,
        "invalid_request",
    );
    let bearer = ONCE.token(&fixture, &json!({ "sub": "bearer" }));
    assert_refused(&Grant::Exchange.anonymous(&fixture.a, &bearer, &[]).await, "unauthorized_client");
    // Somebody else's signature cannot spend it either.
    let (message, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{message}.{}", bearer.rsplit_once('.').unwrap().1);
    assert_refused(&Grant::Exchange.anonymous(&fixture.a, &forged, &[]).await, "invalid_request");
    fixture.assert_unchanged(before).await;

    let answer = Grant::Bearer.anonymous(&fixture.a, &token, &[]).await;
    assert!(answer.is_granted(), "{}", answer.body);
    assert_eq!(line(&fixture, &answer).await["cost"]["objects"], 1);
    assert!(Grant::Bearer.anonymous(&fixture.b, &bearer, &[]).await.is_granted());
    for grant in BOTH {
        assert_refused(&grant.anonymous(&fixture.b, &token, &[]).await, grant.error());
    }
    // Used is the `jti`, in whichever token of the issuer; and it is remembered until after the token's end.
    let again = ONCE.token(&fixture, &json!({ "jti": "spent last", "exp": exp + 50 }));
    assert_refused(&Grant::Exchange.anonymous(&fixture.a, &again, &[]).await, "invalid_request");
    let ends: Vec<i64> = marks(&fixture).await.iter().map(|mark| mark["expires_at"].as_i64().unwrap()).collect();
    assert!(ends.iter().any(|end| (exp * 1000 + 1..=exp * 1000 + 120_000).contains(end)), "{exp} {ends:?}");
    // Another issuer's of the same name is another's.
    for jti in ["spent last", "espent last"] {
        let other = ONCE_TOO.token(&fixture, &json!({ "jti": jti }));
        assert!(Grant::Exchange.anonymous(&fixture.a, &other, &[]).await.is_granted(), "{jti}");
    }
    // A rule that does not say so takes a token again, and asks no object.
    let often = ONCE.token(&fixture, &json!({ "sub": "often", "jti": "spent last" }));
    for base in [&fixture.a, &fixture.b, &fixture.a] {
        let answer = Grant::Exchange.anonymous(base, &often, &[]).await;
        assert!(answer.is_granted(), "{}", answer.body);
        assert_eq!(line(&fixture, &answer).await["cost"]["objects"], 0);
    }
}

/// When the mark's outcome is unknown it is asked again; when nobody can be asked, nothing is issued.
#[tokio::test]
async fn a_lost_answer_neither_loses_nor_doubles_a_use() {
    let fixture = start().await;
    let trade = async |token: &str| Grant::Bearer.anonymous(&fixture.a, token, &[]).await;
    let token = || ONCE.token(&fixture, &json!({ "jti": fresh() }));
    assert!(trade(&token()).await.is_granted());
    for mode in [Mode::Before, Mode::After] {
        let one = token();
        fixture.fault(Worker::A, &Fault::new("REPLAY", mode, "")).await;
        let answer = trade(&one).await;
        assert!(answer.is_granted(), "{mode:?}: {}", answer.body);
        assert_eq!(fixture.disarm(Worker::A).await, 0, "it struck");
        assert_refused(&trade(&one).await, "invalid_grant");
    }
    for (mode, is_spent) in [(Mode::Before, false), (Mode::After, true)] {
        let one = token();
        fixture.fault(Worker::A, &Fault { times: 2, ..Fault::new("REPLAY", mode, "") }).await;
        let answer = trade(&one).await;
        assert_eq!((answer.status, answer.error().as_str()), (503, "temporarily_unavailable"), "{mode:?}: {}", answer.body);
        assert!(!answer.header("retry-after").is_empty(), "{mode:?}");
        assert_eq!(fixture.disarm(Worker::A).await, 0, "it struck");
        let next = trade(&one).await;
        assert_eq!(next.is_granted(), !is_spent, "{mode:?}: {}", next.body);
    }
    // Who cannot be looked up is not a stranger for it: nobody is told that his token is no good.
    let one = token();
    fixture.fault(Worker::B, &Fault { times: 2, ..Fault::new("DB", Mode::Before, "FROM trusted_issuers") }).await;
    let answer = Grant::Bearer.anonymous(&fixture.b, &one, &[]).await;
    assert_eq!((answer.status, answer.error().as_str()), (503, "temporarily_unavailable"), "{}", answer.body);
    assert_ne!(answer.header("retry-after"), "");
    fixture.disarm(Worker::B).await;
    assert!(Grant::Bearer.anonymous(&fixture.b, &one, &[]).await.is_granted());
}
