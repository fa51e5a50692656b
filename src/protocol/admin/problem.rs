//! How the admin API says no: RFC 9457.

use serde_json::{Value, json};

/// What kind of problem it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// No access token, or none that is good.
    Unauthorized,
    /// The token, or its user, lacks a scope.
    InsufficientScope,
    /// The user signed in too long ago (RFC 9470).
    InsufficientUserAuthentication,
    /// There is no such thing.
    NotFound,
    /// Another HTTP method is needed.
    MethodNotAllowed,
    /// Something in the request is wrong.
    Invalid,
    /// The body has members that are not known.
    UnknownField,
    /// It was changed since it was read.
    Stale,
    /// `If-Match` is missing.
    PreconditionRequired,
    /// It is there already, or in use.
    Conflict,
    /// The idempotency key came with another request before.
    IdempotencyConflict,
    /// The realm would be left without an administrator.
    LastAdministrator,
    /// The body is too large.
    TooLarge,
    /// The same request may succeed in a moment.
    Unavailable,
    /// We failed.
    ServerError,
}

impl Word {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Unauthorized,
        Self::InsufficientScope,
        Self::InsufficientUserAuthentication,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Invalid,
        Self::UnknownField,
        Self::Stale,
        Self::PreconditionRequired,
        Self::Conflict,
        Self::IdempotencyConflict,
        Self::LastAdministrator,
        Self::TooLarge,
        Self::Unavailable,
        Self::ServerError,
    ];

    /// (last part of `type`, HTTP status, `title`).
    pub const fn row(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::Unauthorized => ("unauthorized", 401, "An access token is needed"),
            Self::InsufficientScope => ("insufficient_scope", 403, "The token may not do this"),
            Self::InsufficientUserAuthentication => ("insufficient_user_authentication", 401, "The user has to sign in again"),
            Self::NotFound => ("not_found", 404, "There is no such thing"),
            Self::MethodNotAllowed => ("method_not_allowed", 405, "Another HTTP method is needed"),
            Self::Invalid => ("invalid", 400, "Something in the request is wrong"),
            Self::UnknownField => ("unknown_field", 400, "The body has members that are not known"),
            Self::Stale => ("stale", 412, "It was changed since it was read"),
            Self::PreconditionRequired => ("precondition_required", 428, "If-Match is needed"),
            Self::Conflict => ("conflict", 409, "It is there already, or in use"),
            Self::IdempotencyConflict => ("idempotency_conflict", 422, "The idempotency key was used for another request"),
            Self::LastAdministrator => ("last_administrator", 409, "The realm would be left without an administrator"),
            Self::TooLarge => ("too_large", 413, "The body is too large"),
            Self::Unavailable => ("unavailable", 503, "Try again in a moment"),
            Self::ServerError => ("server_error", 500, "Something went wrong on our side"),
        }
    }
}

/// What is wrong with one place of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// JSON pointer (RFC 6901); empty: the whole body.
    pub pointer: String,
    /// What it should be.
    pub detail: String,
}

impl Wrong {
    /// About a member of the body: `member` is its name, unescaped.
    pub fn at(member: &str, detail: impl Into<String>) -> Self {
        Self { pointer: pointer(member), detail: detail.into() }
    }
}

/// The JSON pointer of a member of the body.
pub fn pointer(member: &str) -> String {
    format!("/{}", member.replace('~', "~0").replace('/', "~1"))
}

/// A problem. It never says a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind.
    pub word: Word,
    /// What is the matter this time.
    pub detail: String,
    /// The places of the body that are wrong, all of them.
    pub wrong: Vec<Wrong>,
}

impl Problem {
    /// One that is about no place of the body.
    pub fn new(word: Word, detail: impl Into<String>) -> Self {
        Self { word, detail: detail.into(), wrong: Vec::new() }
    }

    /// Everything that is wrong with a body.
    pub fn invalid(wrong: Vec<Wrong>) -> Self {
        Self { wrong, ..Self::new(Word::Invalid, "see errors") }
    }

    /// There is no such thing.
    pub fn not_found() -> Self {
        Self::new(Word::NotFound, "nothing here")
    }

    /// Somebody changed it since it was read.
    pub fn stale() -> Self {
        Self::new(Word::Stale, "read it again: it has another version now")
    }

    /// The body of the answer (RFC 9457 3).
    pub fn to_json(&self, request_id: &str) -> Value {
        let (word, status, title) = self.word.row();
        let mut body = json!({
            "type": format!("urn:latchkey:problem:{word}"),
            "title": title,
            "status": status,
            "detail": self.detail,
            "request_id": request_id,
        });
        if let (Some(members), false) = (body.as_object_mut(), self.wrong.is_empty()) {
            let errors = self.wrong.iter().map(|wrong| json!({ "pointer": wrong.pointer, "detail": wrong.detail }));
            members.insert("errors".to_owned(), errors.collect());
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_said_once() {
        let mut names: Vec<&str> = Word::ALL.iter().map(|word| word.row().0).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Word::ALL.len());
    }

    #[test]
    fn all_that_is_wrong_is_told_with_its_place() {
        let problem =
            Problem::invalid(vec![Wrong::at("a/b~c", "must not be"), Wrong { pointer: String::new(), detail: "x".into() }]);
        let body = problem.to_json("r");
        assert_eq!(body["type"], "urn:latchkey:problem:invalid");
        assert_eq!((&body["status"], &body["request_id"]), (&json!(400), &json!("r")));
        assert_eq!(body["errors"], json!([{ "pointer": "/a~1b~0c", "detail": "must not be" }, { "pointer": "", "detail": "x" }]));
        assert!(Problem::stale().to_json("r").get("errors").is_none());
    }
}
