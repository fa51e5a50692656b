//! Keys of clients at their `jwks_uri`: fetched, kept, and fetched again for an unknown `kid`, seldom.

use serde_json::{Value, json};

use super::{assert_no_client, assertion_claims, fixture, judge, other_p256, p256, post_by, public, signed};
use crate::judge::Reply;
use crate::support::{Answer, Api, sleep};

/// The client's side: it asks by a key.
struct Client {
    id: &'static str,
}

impl Client {
    fn path(&self) -> String {
        format!("/{}/jwks", self.id)
    }

    fn publish(&self, keys: &[Value]) {
        let keys: Vec<Value> = keys.iter().map(public).collect();
        judge().answer(&self.path(), Reply::json(&json!({ "keys": keys })));
    }

    /// An answer at a Worker to who proves to hold the key.
    async fn asks(&self, base: &str, key: &Value) -> Answer {
        let header = json!({ "alg": "ES256", "kid": key["kid"] });
        let assertion = signed(key, &header, &assertion_claims(&fixture().a, self.id, &json!({})));
        post_by(&Api::public(base, self.id), "/revoke", &assertion, &[("token", "none of ours")]).await
    }

    fn fetches(&self) -> usize {
        judge().heard(&self.path()).len()
    }
}

#[tokio::test]
async fn a_set_is_fetched_once_and_kept() {
    let (fixture, client) = (fixture(), Client { id: "by-uri" });
    client.publish(&[p256("one"), other_p256("two")]);
    for key in [p256("one"), other_p256("two"), p256("one")] {
        assert_eq!(client.asks(&fixture.a, &key).await.status, 200);
    }
    assert_eq!(client.fetches(), 1);
    let heard = &judge().heard(&client.path())[0];
    assert_eq!((heard.method.as_str(), heard.header("cookie"), heard.header("authorization")), ("GET", "", ""));
    assert!(heard.header("accept").contains("json"), "{heard:?}");
    // At the other Worker by ten at once: one fetch, for the others wait for it.
    let key = p256("one");
    let answers = [(); 10].map(|()| client.asks(&fixture.b, &key));
    for answer in futures(answers).await {
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    assert_eq!(client.fetches(), 2);
    assert_no_client(&client.asks(&fixture.a, &other_p256("one")).await, false);
    assert_eq!(client.fetches(), 2, "a wrong signature by a known key fetches nothing");
}

/// All at once.
async fn futures<F: Future<Output = Answer>, const N: usize>(all: [F; N]) -> Vec<Answer> {
    let mut all: Vec<_> = all.into_iter().map(Box::pin).collect();
    let mut answers = Vec::new();
    std::future::poll_fn(|context| {
        all.retain_mut(|one| match one.as_mut().poll(context) {
            std::task::Poll::Ready(answer) => {
                answers.push(answer);
                false
            }
            std::task::Poll::Pending => true,
        });
        if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    answers
}

/// CLIENT_KEYS_REFETCH is one second here.
#[tokio::test]
async fn an_unknown_kid_fetches_again_and_strangers_cannot_make_it_often() {
    let (fixture, client) = (fixture(), Client { id: "by-new-key" });
    client.publish(&[p256("old")]);
    assert_eq!(client.asks(&fixture.a, &p256("old")).await.status, 200);
    // The client replaces its key.
    client.publish(&[other_p256("new")]);
    sleep(1050).await;
    let answer = client.asks(&fixture.a, &other_p256("new")).await;
    assert_eq!((answer.status, client.fetches()), (200, 2), "{}", answer.body);
    assert_no_client(&client.asks(&fixture.a, &p256("old")).await, false);
    // A stranger names keys that nobody has.
    let before = client.fetches();
    for _ in 0..3 {
        for kid in ["a", "b", "c", "d"] {
            assert_no_client(&client.asks(&fixture.a, &p256(kid)).await, false);
        }
    }
    assert!(client.fetches() <= before + 2, "{} fetches", client.fetches() - before);
    assert_eq!(client.asks(&fixture.a, &other_p256("new")).await.status, 200, "and the client goes on");
}

#[tokio::test]
async fn a_set_that_cannot_be_had_proves_nobody() {
    let fixture = fixture();
    let (dead, moved) = (Client { id: "by-dead-uri" }, Client { id: "by-moved-key" });
    judge().answer(&dead.path(), Reply::new(500, "{}"));
    assert_no_client(&dead.asks(&fixture.a, &p256("p")).await, false);
    assert_no_client(&dead.asks(&fixture.a, &p256("p")).await, false);
    assert_eq!(dead.fetches(), 1, "and is not asked for again at once");
    dead.publish(&[p256("p")]);
    assert_eq!(dead.asks(&fixture.b, &p256("p")).await.status, 200, "another Worker finds it in order");

    // No redirect is followed, even to a place that could be reached.
    judge().answer("/elsewhere", Reply::json(&json!({ "keys": [public(&p256("p"))] })));
    judge().answer(&moved.path(), Reply::redirect(&judge().at("/elsewhere")));
    assert_no_client(&moved.asks(&fixture.a, &p256("p")).await, false);
    assert!(judge().heard("/elsewhere").is_empty());
    let padded = json!({ "keys": [public(&p256("p"))], "padding": "x".repeat(65 * 1024) });
    judge().answer(&moved.path(), Reply::json(&padded).unannounced());
    assert_no_client(&moved.asks(&fixture.b, &p256("p")).await, false);
}
