//! The admin API on the real Worker.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken step fails the test by panicking")]

mod bootstrap;
mod clients;
mod frame;
mod grants;
mod keys;
mod openapi;
mod realm;
mod roles;
mod trusted_issuers;
mod users;
mod webhooks;

use serde_json::{Value, json};

use crate::support::{Answer, Api, Person};
use crate::web::{App, Pkce};

/// All scopes of administration.
pub const SCOPES: &str = "latchkey:admin latchkey:admin.read latchkey:clients latchkey:users latchkey:grants latchkey:keys \
                          latchkey:trust latchkey:audit";

/// `latchkey-cli`, at a loopback port.
pub fn cli(base: &str) -> App {
    let api = Api::public(base, "latchkey-cli");
    App { api, redirect_uri: "http://127.0.0.1:51017/callback".to_owned(), pkce: Pkce::of("latchkey-cli") }
}

/// An access token of Ada, who is an administrator in the demo, for this scope.
pub async fn token(base: &str, scope: &str) -> String {
    let person = Person::ada(base).await;
    cli(base).tokens(&person, &[("scope", scope)]).await.member("access_token")
}

/// Somebody with a token, at the admin API.
#[derive(Clone, Debug)]
pub struct Admin {
    api: Api,
    token: String,
}

impl Admin {
    /// An administrator: Ada, with everything.
    pub async fn ada(base: &str) -> Self {
        Self::with(base, &token(base, "openid latchkey:admin").await)
    }

    /// Whoever has this token; nobody where it is empty.
    pub fn with(base: &str, token: &str) -> Self {
        Self { api: Api::public(base, ""), token: token.to_owned() }
    }

    /// The same at another Worker.
    pub fn at(&self, base: &str) -> Self {
        Self { api: self.api.at(base), ..self.clone() }
    }

    /// A request: `path` is below `/admin/v1/`.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let request = self.api.request(method, &format!("/admin/v1/{path}"));
        if self.token.is_empty() { request } else { request.bearer_auth(&self.token) }
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        Api::send(self.request("GET", path)).await
    }

    /// `POST` of a body.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        Api::send(self.request("POST", path).json(body)).await
    }

    /// `POST` of a body under an idempotency key.
    pub async fn post_once(&self, path: &str, key: &str, body: &Value) -> Answer {
        Api::send(self.request("POST", path).header("idempotency-key", key).json(body)).await
    }

    /// `PATCH` of the version that this `ETag` names.
    pub async fn patch(&self, path: &str, etag: &str, body: &Value) -> Answer {
        let request = self.request("PATCH", path).header("if-match", etag);
        Api::send(request.header("content-type", "application/merge-patch+json").body(body.to_string())).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Answer {
        Api::send(self.request("DELETE", path)).await
    }
}

/// Asserts that an answer is this problem; its body.
pub fn assert_problem(what: &str, answer: &Answer, status: u16, word: &str) -> Value {
    assert_eq!(answer.status, status, "{what}: {}", answer.body);
    assert_eq!(answer.header("content-type"), "application/problem+json", "{what}");
    assert_eq!(answer.header("cache-control"), "no-store", "{what}");
    let body = answer.json();
    assert_eq!(body["type"], format!("urn:latchkey:problem:{word}"), "{what}: {body}");
    assert_eq!(body["status"], json!(status), "{what}");
    assert_eq!(body["request_id"], answer.header("x-request-id"), "{what}");
    body
}

/// The last change by an administrator that the audit log has of this thing: its detail.
pub async fn last_change(fixture: &crate::harness::Fixture, id: &str) -> Value {
    let sql = "SELECT detail FROM audit_events WHERE kind = 'admin_change' AND json_extract(detail, '$.id') = ?1 \
               ORDER BY at DESC, id LIMIT 1";
    let rows = fixture.d1(sql, &[json!(id)]).await;
    rows.first().map(|row| serde_json::from_str(row["detail"].as_str().unwrap()).unwrap()).unwrap_or_default()
}
