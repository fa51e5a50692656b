//! However tokens are exchanged one for another, nothing widens.

use serde_json::Value;

use super::{B, C, PHANTOM, RSA, adas, api, delegate, exchange, fixture, introspected, own, uri};
use crate::support::{Answer, claims};

/// Clients that take turns, and what they may have.
const CLIENTS: [&str; 7] = ["gate", "orders", "stock", "reading", "short", "impersonating", "second"];
const SCOPES: [&str; 5] = ["openid", "profile", "offline_access", "records:read", "records:write"];
const RESOURCES: [&str; 4] = [B, C, PHANTOM, RSA];

/// A small generator: the same chains every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

/// The scopes, resources and earlier actors in what a token says.
fn words(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => text.split(' ').collect(),
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn actors(said: &Value) -> Vec<&str> {
    std::iter::successors(said.get("act"), |act| act.get("act")).map(|act| act["sub"].as_str().unwrap()).collect()
}

/// What a token says: read, or by introspection where it is opaque.
async fn told(base: &str, token: &str) -> Value {
    if token.contains('.') { claims(token) } else { introspected(base, token).await }
}

#[tokio::test]
async fn no_chain_of_exchanges_widens() {
    let fixture = fixture();
    let mut actors_tokens = Vec::new();
    for id in CLIENTS {
        actors_tokens.push(own(&api(&fixture.a, id)).await);
    }
    let start = adas(&fixture.a, "app").await;
    let (first, mut dice) = (claims(&start), Dice(8693));
    let (mut granted, mut refused, mut longest) = (0, 0, 0);
    for _ in 0..12 {
        let (mut token, mut before, mut length) = (start.clone(), first.clone(), 0);
        for _ in 0..10 {
            let who = dice.roll(CLIENTS.len());
            let client = api(if dice.roll(2) == 0 { &fixture.a } else { &fixture.b }, CLIENTS[who]);
            let asked: Vec<&str> = SCOPES.into_iter().filter(|_| dice.roll(3) != 0).collect();
            let (asked, kind) = (asked.join(" "), uri(["access_token", "jwt"][dice.roll(2)]));
            let mut more = vec![("requested_token_type", kind.as_str())];
            if dice.roll(3) == 0 && !asked.is_empty() {
                more.push(("scope", &asked));
            }
            if dice.roll(3) != 0 {
                more.push((["resource", "audience"][dice.roll(2)], RESOURCES[dice.roll(4)]));
            }
            let acts = dice.roll(3) == 0;
            let answer: Answer = if acts {
                delegate(&client, &token, &actors_tokens[who], &more).await
            } else {
                exchange(&client, &token, &more).await
            };
            if answer.status != 200 {
                assert_eq!(answer.status, 400, "{}", answer.body);
                refused += 1;
                continue;
            }
            (granted, length) = (granted + 1, length + 1);
            token = answer.member("access_token");
            let said = told(&fixture.a, &token).await;
            let trail = format!("{} {more:?} acts={acts}: {before} -> {said}", CLIENTS[who]);
            let was = words(&before["scope"]);
            assert!(words(&said["scope"]).iter().all(|scope| was.contains(scope)), "{trail}");
            assert!(words(&said["aud"]).iter().all(|resource| RESOURCES.contains(resource)), "{trail}");
            assert!(said["exp"].as_i64() <= before["exp"].as_i64(), "{trail}");
            for name in ["iss", "sub", "sid", "auth_time", "acr"] {
                assert_eq!(said[name], first[name], "{name}: {trail}");
            }
            assert_eq!(said["client_id"], CLIENTS[who], "{trail}");
            assert!(actors(&said).ends_with(&actors(&before)), "{trail}");
            assert_eq!(actors(&said).len(), actors(&before).len() + usize::from(acts), "{trail}");
            if acts {
                assert_eq!((actors(&said)[0], before["may_act"]["sub"].as_str()), (CLIENTS[who], Some(CLIENTS[who])), "{trail}");
            }
            assert!(
                CLIENTS[who] != "reading" || words(&said["scope"]).iter().all(|scope| ["openid", "records:read"].contains(scope))
            );
            before = said;
        }
        longest = longest.max(length);
    }
    assert!(granted >= 20 && refused >= 20 && longest >= 4, "the chains do something: {granted} {refused} {longest}");
}
