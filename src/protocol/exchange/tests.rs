use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::claims::{AccessClaims, Audience};
use super::super::client::tests::client;
use super::super::config::tests::with;
use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const SCOPES: &str = r#"{"a":{"title":"a"},"b":{"title":"b"},"c":{"title":"c"}}"#;

fn config() -> Config {
    with(&[("SCOPES", SCOPES), ("RESOURCES", r#"{"https://secret.example":{"access_token_format":"opaque"}}"#)]).unwrap()
}

/// A client that exchanges: of this id, with these members more.
fn party(id: &str, more: &Value) -> Client {
    let mut members = json!({"client_name": id, "grant_types": [TOKEN_EXCHANGE, REFRESH_TOKEN], "scope": "openid offline_access a b",
        "token_endpoint_auth_method": "client_secret_basic",
        "resources": ["https://b.example", "https://c.example"], "protected_resources": ["https://a.example"]});
    members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Client { id: id.to_owned(), ..client(&members.to_string()) }
}

/// A user's token for the resource a, issued to the app `app`.
fn token(changes: &Value) -> AccessToken {
    let mut claims = json!({"iss": "https://id.example", "sub": "u", "aud": "https://a.example", "client_id": "app",
        "scope": "openid offline_access a b c", "jti": "j", "sid": "s", "auth_time": 1, "acr": "x", "amr": ["pwd"]});
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    AccessToken { claims: serde_json::from_value(claims).unwrap(), iat: NOW, exp: NOW.plus(Seconds(600)) }
}

/// The own token of a service.
fn own(id: &str) -> AccessToken {
    token(&json!({"sub": id, "client_id": id, "scope": "a", "sid": null, "auth_time": null, "acr": null, "amr": []}))
}

fn request(more: &str) -> Result<ExchangeRequest, Code> {
    let base = "subject_token=s&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token";
    ExchangeRequest::parse(&Form::parse(format!("{base}&{more}").as_bytes()).unwrap()).map_err(|error| error.code)
}

fn decided(more: &str, client: &Client, subject: &AccessToken, actor: Option<&AccessToken>) -> Result<Exchange, Code> {
    decide(&request(more)?, client, &config(), subject, actor).map_err(|error| error.code)
}

#[test]
fn the_request_of_rfc_8693_2_3() {
    let body = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&resource=https%3A%2F%2Fbackend.example.com%2Fapi%20\
                &subject_token=accVkjcJyb4BWCxGsndESCJQbdFMogUC5PbRDqceLTC\
                &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token";
    let request = ExchangeRequest::parse(&Form::parse(body.replace("%20", "").as_bytes()).unwrap()).unwrap();
    assert_eq!(request.subject_token.expose(), "accVkjcJyb4BWCxGsndESCJQbdFMogUC5PbRDqceLTC");
    assert_eq!((request.subject_token_type, request.requested), (TokenType::AccessToken, TokenType::AccessToken));
    assert_eq!(request.resources, ["https://backend.example.com/api"]);
    assert!(request.actor_token.is_none() && request.scope.is_none());
}

#[test]
fn the_claims_of_rfc_8693_4() {
    // 4.1, figure 6: a chain of actors.
    let act = json!({"sub": "https://service16.example.com", "act": {"sub": "https://service77.example.com"}});
    let token = token(&json!({"sub": "user@example.com", "act": act, "may_act": {"sub": "admin@example.com"}}));
    let chain: Vec<&str> = token.claims.act.as_ref().unwrap().chain().map(|party| party.sub.as_str()).collect();
    assert_eq!(chain, ["https://service16.example.com", "https://service77.example.com"]);
    // 4.4.
    assert_eq!(token.claims.may_act, Some(Party { iss: None, sub: "admin@example.com".into() }));
    let again = serde_json::to_value(&token.claims).unwrap();
    assert_eq!(again["act"], act);
}

#[test]
fn types_and_pairs() {
    let kind = |name: &str| format!("urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3A{name}");
    for bad in [
        "actor_token=x".to_owned(),
        format!("actor_token_type={}", kind("jwt")),
        format!("actor_token=x&actor_token_type={}", kind("id_token")),
        format!("actor_token=x&actor_token_type={}", kind("saml2")),
        format!("requested_token_type={}", kind("saml1")),
        "requested_token_type=access_token".to_owned(),
    ] {
        assert_eq!(request(&bad).unwrap_err(), Code::InvalidRequest, "{bad}");
    }
    for name in ["access_token", "jwt", "id_token", "refresh_token"] {
        assert!(request(&format!("requested_token_type={}", kind(name))).is_ok(), "{name}");
    }
    let parse = |body: String| ExchangeRequest::parse(&Form::parse(body.as_bytes()).unwrap()).map_err(|error| error.code);
    assert_eq!(parse("subject_token=x".into()).unwrap_err(), Code::InvalidRequest);
    assert_eq!(parse(format!("subject_token_type={}", kind("jwt"))).unwrap_err(), Code::InvalidRequest);
    assert_eq!(parse(format!("subject_token=x&subject_token_type={}", kind("refresh_token"))).unwrap_err(), Code::InvalidRequest);
    assert_eq!(parse(format!("subject_token=x&subject_token_type={}&scope=%22", kind("jwt"))).unwrap_err(), Code::InvalidScope);
    assert_eq!(request("resource=x").unwrap_err(), Code::InvalidTarget);
    assert_eq!(request("resource=x:y&audience=x:y&audience=z").unwrap().resources, ["x:y", "z"]);
}

#[test]
fn who_may_exchange_what() {
    let (service, subject) = (party("svc", &json!({})), token(&json!({"may_act": {"sub": "svc"}})));
    let actor = own("svc");
    // Delegation, as the resource server that the token is for.
    let exchange = decided("", &service, &subject, Some(&actor)).unwrap();
    assert_eq!(exchange.act, Some(Actor { party: Party { iss: None, sub: "svc".into() }, act: None }));
    assert_eq!(exchange.scope.to_string(), "openid offline_access a b", "what the subject has and the client may have");
    assert_eq!(exchange.target.audience, ["https://b.example"]);
    // Impersonation is the operator's to allow.
    assert_eq!(decided("", &service, &subject, None), Err(Code::InvalidRequest));
    let trusted = party("svc", &json!({"token_exchange": {"impersonation": true}}));
    assert_eq!(decided("", &trusted, &subject, None).unwrap().act, None);
    // Narrowing one's own is everybody's.
    let own_token = token(&json!({"client_id": "svc", "aud": ["https://c.example", "https://x.example"]}));
    let narrowed = decided("scope=a", &service, &own_token, None).unwrap();
    assert_eq!(
        (narrowed.scope.to_string().as_str(), narrowed.target.audience.as_slice()),
        ("a", ["https://c.example".to_owned()].as_slice())
    );
    // That is all that one does with one's own: where else it could be of use is not where the user sent it.
    assert_eq!(decided("resource=https://b.example", &service, &own_token, None), Err(Code::InvalidTarget));
    assert_eq!(
        decided("", &service, &token(&json!({"client_id": "svc", "aud": "https://x.example"})), None),
        Err(Code::InvalidTarget)
    );
    // Neither one's own nor meant for one.
    let stray = token(&json!({"aud": "https://other.example", "may_act": {"sub": "svc"}}));
    assert_eq!(decided("", &service, &stray, Some(&actor)), Err(Code::InvalidRequest));
}

#[test]
fn actors() {
    let service = party("svc", &json!({}));
    let with = |may_act: Value| token(&json!({"may_act": may_act}));
    let good = with(json!({"sub": "svc", "iss": "https://id.example"}));
    assert!(decided("", &service, &good, Some(&own("svc"))).is_ok());
    for (what, subject, actor) in [
        ("no may_act", with(Value::Null), own("svc")),
        ("another's may_act", with(json!({"sub": "other"})), own("svc")),
        ("the same name elsewhere", with(json!({"sub": "svc", "iss": "https://evil.example"})), own("svc")),
        ("somebody else's actor token", good.clone(), token(&json!({"sub": "svc", "client_id": "other"}))),
        ("somebody whom it steps in for", good.clone(), token(&json!({"sub": "plain", "client_id": "svc"}))),
        ("an actor who is acted for", good.clone(), token(&json!({"sub": "svc", "client_id": "svc", "act": {"sub": "x"}}))),
    ] {
        assert_eq!(decided("", &service, &subject, Some(&actor)), Err(Code::InvalidRequest), "{what}");
    }
    // Whoever acted before stays, also when nobody is added; and there is an end to it.
    let chain = |length: usize| {
        (0..length).fold(Value::Null, |act, n| {
            if act.is_null() { json!({"sub": n.to_string()}) } else { json!({"sub": n.to_string(), "act": act}) }
        })
    };
    let of = |length: usize| token(&json!({"may_act": {"sub": "svc"}, "act": chain(length)}));
    assert_eq!(decided("", &service, &of(4), Some(&own("svc"))).unwrap().act.unwrap().chain().count(), 5);
    assert_eq!(decided("", &service, &of(5), Some(&own("svc"))), Err(Code::InvalidRequest));
    let trusted = party("svc", &json!({"token_exchange": {"impersonation": true}}));
    assert_eq!(decided("", &trusted, &of(2), None).unwrap().act.unwrap().chain().count(), 2);
}

#[test]
fn what_may_be_asked_for() {
    let trusted = |more: Value| party("svc", &json!({"token_exchange": more}));
    let all = trusted(json!({"impersonation": true, "id_token": true, "refresh_token": true}));
    let user = token(&json!({}));
    let of = |client: &Client, name: &str, more: &str, subject: &AccessToken| {
        decided(&format!("requested_token_type=urn:ietf:params:oauth:token-type:{name}&{more}"), client, subject, None)
            .map(|_| ())
    };
    for name in ["access_token", "jwt", "id_token", "refresh_token"] {
        assert_eq!(of(&all, name, "", &user), Ok(()), "{name}");
    }
    let none = trusted(json!({"impersonation": true}));
    for name in ["id_token", "refresh_token"] {
        assert_eq!(of(&none, name, "", &user), Err(Code::InvalidRequest), "{name}");
        assert_eq!(of(&all, name, "scope=a", &user), Err(Code::InvalidRequest), "{name} without the scope for it");
        let service = token(&json!({"sid": null, "auth_time": null}));
        assert_eq!(of(&all, name, "", &service), Err(Code::InvalidRequest), "{name} about no user");
    }
    assert_eq!(of(&all, "id_token", "resource=https://b.example", &user), Err(Code::InvalidRequest));
    let delegated = token(&json!({"act": {"sub": "x"}}));
    assert_eq!(of(&all, "refresh_token", "", &delegated), Err(Code::InvalidRequest), "nobody acts for another for ever");
    let wants_opaque = party("svc", &json!({"token_exchange": {"impersonation": true}, "resources": ["https://secret.example"]}));
    assert_eq!(of(&wants_opaque, "access_token", "", &user), Ok(()));
    assert_eq!(of(&wants_opaque, "jwt", "", &user), Err(Code::InvalidRequest));
}

#[test]
fn scope_and_target() {
    let client = party("svc", &json!({"token_exchange": {"impersonation": true}}));
    let subject = token(&json!({"scope": "a c"}));
    let of = |more: &str| decided(more, &client, &subject, None);
    assert_eq!(of("").unwrap().scope.to_string(), "a");
    for wider in ["scope=b", "scope=a+b", "scope=c", "scope=unknown"] {
        assert_eq!(of(wider), Err(Code::InvalidScope), "{wider}");
    }
    assert_eq!(decided("", &client, &token(&json!({"scope": "c"})), None), Err(Code::InvalidScope), "nothing is left");
    assert_eq!(of("audience=https://c.example").unwrap().target.audience, ["https://c.example"]);
    for other in ["resource=https://a.example", "audience=https://x.example", "audience=svc"] {
        assert_eq!(of(other), Err(Code::InvalidTarget), "{other}");
    }
}

#[test]
fn the_end_is_the_first_of_all_ends() {
    let client = party("svc", &json!({}));
    let (subject, mut actor) = (token(&json!({"may_act": {"sub": "svc"}})), own("svc"));
    assert_eq!(decided("", &client, &subject, Some(&actor)).unwrap().ends_by, subject.exp);
    actor.exp = NOW.plus(Seconds(5));
    assert_eq!(decided("", &client, &subject, Some(&actor)).unwrap().ends_by, actor.exp);
    assert_eq!(remaining(actor.exp, NOW), Seconds(5));
    assert_eq!(remaining(NOW, actor.exp), Seconds(0));
}

const RESOURCES: [&str; 4] = ["https://a.example", "https://b.example", "https://c.example", "https://id.example"];

fn some_scope() -> impl Strategy<Value = String> {
    proptest::sample::subsequence(vec!["openid", "offline_access", "a", "b", "c"], 1..=5).prop_map(|tokens| tokens.join(" "))
}

fn some_resources() -> impl Strategy<Value = Vec<&'static str>> {
    proptest::sample::subsequence(RESOURCES.to_vec(), 0..=4)
}

/// One exchange: by which of three clients, registered how, asking for what, as whom.
fn some_step() -> impl Strategy<Value = (usize, Client, String, bool)> {
    let client = (0..3_usize, some_scope(), some_resources(), some_resources(), any::<bool>(), 0..4_usize);
    (client, proptest::option::of(some_scope()), some_resources(), any::<bool>()).prop_map(
        |((who, scope, resources, protected, impersonation, may_act), asked, targets, acts)| {
            let mut more = json!({"scope": scope, "resources": resources, "protected_resources": protected,
                "token_exchange": {"impersonation": impersonation}});
            if may_act < 3 {
                more["may_act"] = format!("svc{may_act}").into();
            }
            let mut asks: Vec<String> = targets.iter().map(|target| format!("resource={target}")).collect();
            asks.extend(asked.map(|scope| format!("scope={}", scope.replace(' ', "+"))));
            (who, party(&format!("svc{who}"), &more), asks.join("&"), acts)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// However tokens are exchanged one for another, what comes out has no scope, no time and no less of a history
    /// than the first.
    #[test]
    fn no_sequence_widens(scope in some_scope(), audience in some_resources(), steps in proptest::collection::vec(some_step(), 1..6)) {
        let audience = if audience.is_empty() { vec!["https://a.example"] } else { audience };
        let first = token(&json!({"scope": scope, "aud": audience, "client_id": "svc0", "may_act": {"sub": "svc1"}}));
        let mut now = first.clone();
        for (_, client, more, acts) in steps {
            let actor = own(&client.id);
            let Ok(exchange) = decided(&more, &client, &now, acts.then_some(&actor)) else { continue };
            prop_assert!(exchange.scope.is_subset_of(&now.claims.scope));
            prop_assert!(exchange.scope.is_subset_of(&first.claims.scope));
            prop_assert!(exchange.scope.is_subset_of(&client.metadata.scope));
            prop_assert!(exchange.ends_by <= now.exp && exchange.ends_by <= first.exp);
            let reachable = |resource: &String| client.metadata.resources.contains(resource) || resource == client.default_audience(&config());
            prop_assert!(exchange.target.audience.iter().all(reachable) && !exchange.target.audience.is_empty());
            let history = |act: Option<&Actor>| act.map(|act| act.chain().cloned().collect::<Vec<_>>()).unwrap_or_default();
            prop_assert!(history(exchange.act.as_ref()).ends_with(&history(now.claims.act.as_ref())));
            let is_own = now.claims.client_id == client.id;
            prop_assert!(acts || is_own || client.metadata.token_exchange.impersonation);
            prop_assert_eq!(exchange.act.is_some(), acts || now.claims.act.is_some());
            // The next token, as the edge makes it.
            now = AccessToken {
                claims: AccessClaims {
                    client_id: client.id.clone(),
                    scope: exchange.scope,
                    aud: Audience::from(exchange.target.audience),
                    act: exchange.act,
                    may_act: crate::protocol::service::may_act(&client),
                    more: Map::new(),
                    ..now.claims
                },
                iat: now.iat,
                exp: exchange.ends_by,
            };
            prop_assert_eq!(&now.claims.sub, &first.claims.sub);
        }
    }
}
