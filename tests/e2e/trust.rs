//! Tokens of trusted outside issuers, on the real Worker: what they buy by token exchange (RFC 8693) and as
//! assertions (RFC 7523), what is refused, and what the issuer is asked. The issuer is a server of the tests with
//! keys of its own.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a broken step fails the test by panicking")]

mod accounts;
mod bad_tokens;
mod changes;
mod explain;
mod keys;
mod presets;
mod realms;
mod seed;
mod single_use;
mod subjects;

use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::code::{fresh, now, p256, public, signed};
use crate::harness::{Fixture, Setup};
use crate::judge::{Judge, Reply};
use crate::support::{Answer, Api};
use crate::web::{secret, web_client};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// What service accounts may reach beside their default.
const DEPLOY: &str = "https://deploy.example";
const API: &str = "https://api.example";

/// Where the issuers live.
fn judge() -> &'static Judge {
    static JUDGE: OnceLock<Judge> = OnceLock::new();
    JUDGE.get_or_init(Judge::start)
}

/// A client that may trade outside tokens.
fn service(id: &str, changes: &Value) -> Value {
    let base = json!({
        "grant_types": [EXCHANGE, BEARER, "client_credentials"],
        "redirect_uris": [],
        "scope": "records:read records:write",
        "resources": [API, DEPLOY],
    });
    web_client(id, &[base, changes.clone()])
}

/// The clients of every fixture here.
fn clients() -> Vec<Value> {
    vec![
        service("deployer", &json!({ "access_token_claims": { "team": "ship" } })),
        service("reader", &json!({ "scope": "records:read" })),
        service("phantom", &json!({ "access_token_format": "opaque" })),
        service("broker", &json!({})),
        service("other-broker", &json!({})),
        service("public-broker", &json!({ "token_endpoint_auth_method": "none", "grant_types": [EXCHANGE, BEARER] })),
        service("outsider", &json!({})),
        service("only-bearer", &json!({ "grant_types": [BEARER] })),
        service("only-exchange", &json!({ "grant_types": [EXCHANGE] })),
        service("disabled-account", &json!({})),
        service("gateway", &json!({ "protected_resources": [API] })),
        service("gone-account", &json!({})),
        service(
            "operator-elsewhere",
            &json!({ "scope": "latchkey:admin", "resources": [DEPLOY], "grant_types": ["client_credentials"] }),
        ),
    ]
}

/// Settings that suit these tests, with these issuers.
fn setup(issuers: &[Value]) -> Setup {
    Setup::default()
        .var("OUTBOUND_ALLOW", &judge().host_port())
        .var("CLIENT_KEYS_REFETCH", "1")
        .var("OUTBOUND_TIMEOUT", "2")
        .rate_limit("LIMIT_TOKEN", 100_000)
        .rate_limit("LIMIT_CLIENT", 100_000)
        .rate_limit("LIMIT_LOGIN", 1000)
        .seed(&json!({ "clients": clients(), "trusted_issuers": issuers }))
}

/// The fixture that all tests share which change nothing.
fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let issuers = [
            presets::issuers(),
            accounts::issuers(),
            subjects::issuers(),
            bad_tokens::issuers(),
            keys::issuers(),
            single_use::issuers(),
            explain::issuers(),
        ];
        setup(&issuers.concat()).start_now()
    })
}

/// An outside issuer: a folder of the server.
#[derive(Clone, Copy, Debug)]
struct Outside(&'static str);

impl Outside {
    /// `iss`.
    fn issuer(self) -> String {
        judge().at(&format!("/{}", self.0))
    }

    /// Where its metadata are.
    fn metadata(self) -> String {
        format!("/{}/.well-known/openid-configuration", self.0)
    }

    /// Where its keys are.
    fn keys(self) -> String {
        format!("/{}/keys", self.0)
    }

    /// In the form of a seed file: an OpenID provider whose `robot` is `deployer`, and all others are brought by
    /// `broker`; with changes.
    fn seed(self, changes: &Value) -> Value {
        let mut seed = json!({
            "issuer": self.issuer(),
            "preset": "oidc",
            "rules": [
                { "id": "robot", "claims": { "sub": { "equals": "robot" } }, "yields": { "client": "deployer", "scope": "records:read" } },
                { "id": "people", "yields": { "clients": ["broker"], "scope": "records:read" } },
            ],
        });
        seed.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        seed
    }

    /// Serves metadata and these keys from now on.
    fn publish(self, keys: &[Value]) -> Self {
        let keys: Vec<Value> = keys.iter().map(public).collect();
        self.serve(Reply::json(&json!({ "keys": keys })))
    }

    /// Serves metadata, and this where the keys are said to be.
    fn serve(self, keys: Reply) -> Self {
        let metadata = json!({ "issuer": self.issuer(), "jwks_uri": judge().at(&self.keys()) });
        judge().answer(&self.metadata(), Reply::json(&metadata));
        judge().answer(&self.keys(), keys);
        self
    }

    /// How often it was asked for its metadata, and for its keys.
    fn asked(self) -> [usize; 2] {
        [self.metadata(), self.keys()].map(|path| judge().heard(&path).len())
    }

    /// The claims of a good token of its `robot` for these Workers, with changes; null removes.
    fn claims(self, fixture: &Fixture, changes: &Value) -> Value {
        let mut claims = json!({
            "iss": self.issuer(), "sub": "robot", "aud": fixture.a,
            "exp": now() + 300, "iat": now(), "nbf": now(), "jti": fresh(),
        });
        let members = claims.as_object_mut().unwrap();
        members.extend(changes.as_object().unwrap().clone());
        members.retain(|_, value| !value.is_null());
        claims
    }

    /// Such a token, signed by the key `k`.
    fn token(self, fixture: &Fixture, changes: &Value) -> String {
        signed(&p256("k"), &json!({ "alg": "ES256", "kid": "k" }), &self.claims(fixture, changes))
    }
}

/// By which grant an outside token is traded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grant {
    Exchange,
    Bearer,
}

const BOTH: [Grant; 2] = [Grant::Exchange, Grant::Bearer];

impl Grant {
    /// The parameters of a trade, and more.
    fn parameters<'a>(self, token: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let own = match self {
            Self::Exchange => vec![("grant_type", EXCHANGE), ("subject_token", token), ("subject_token_type", JWT)],
            Self::Bearer => vec![("grant_type", BEARER), ("assertion", token)],
        };
        [own, more.to_vec()].concat()
    }

    /// Trades without a word about any client.
    async fn anonymous(self, base: &str, token: &str, more: &[(&str, &str)]) -> Answer {
        post(base, &self.parameters(token, more)).await
    }

    /// Trades as a client.
    async fn by(self, api: &Api, token: &str, more: &[(&str, &str)]) -> Answer {
        api.post("/token", &self.parameters(token, more)).await
    }

    /// The error of a token that is no good: RFC 8693 2.2.2, RFC 7523 3.1.
    fn error(self) -> &'static str {
        match self {
            Self::Exchange => "invalid_request",
            Self::Bearer => "invalid_grant",
        }
    }
}

/// Posts to the token endpoint with just these parameters.
async fn post(base: &str, parameters: &[(&str, &str)]) -> Answer {
    Api::send(Api::public(base, "").request("POST", "/token").form(parameters)).await
}

/// A confidential client of [`clients`].
fn client(base: &str, id: &str) -> Api {
    Api::basic(base, id, &secret(id))
}

/// The line that a Worker logged about an answer.
async fn line(fixture: &Fixture, answer: &Answer) -> Value {
    let request = answer.header("x-request-id").to_owned();
    let lines = fixture.logs().await.into_iter().map(|entry| entry["line"].clone());
    let mut lines = lines.filter(|line| line["request"] == *request && line.get("route").is_some());
    lines.next().unwrap_or_else(|| panic!("no line of {request}"))
}

/// The lines of many answers, in order.
async fn lines(fixture: &Fixture, answers: &[&Answer]) -> Vec<Value> {
    let logs = fixture.logs().await;
    let find = |answer: &&Answer| {
        let request = answer.header("x-request-id");
        let mut lines = logs.iter().map(|entry| &entry["line"]).filter(|line| line["request"] == request);
        lines.find(|line| line.get("route").is_some()).unwrap_or_else(|| panic!("no line of {request}")).clone()
    };
    answers.iter().map(find).collect()
}

/// Changes the row of an issuer as an administrator would.
async fn change(fixture: &Fixture, outside: Outside, settings: &Value) {
    let mut settings = settings.clone();
    settings.as_object_mut().unwrap().remove("issuer");
    let sql = "UPDATE trusted_issuers SET settings = ?2, version = version + 1 WHERE issuer = ?1 RETURNING issuer";
    let rows = fixture.d1(sql, &[outside.issuer().into(), settings.to_string().into()]).await;
    assert_eq!(rows.len(), 1);
}
