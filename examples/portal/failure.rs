//! What went wrong, in words for the person in front of the browser.

use axum::http::StatusCode;

use crate::provider::Refusal;

/// Shown on a page. Texts of others are in it as they came; the page escapes them.
#[derive(Debug)]
pub struct Failure {
    /// Of the answer
    pub status: StatusCode,
    /// A code of an RFC, or empty
    pub error: String,
    /// A sentence
    pub text: String,
    /// The person is no longer signed in here.
    pub is_end: bool,
}

impl Failure {
    /// The browser sent what it should not have.
    pub fn bad_request(text: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "", text)
    }

    /// The provider or the API cannot be reached, or answers what it should not.
    pub fn bad_gateway(text: &str) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "", text)
    }

    /// The sign-in is over, and the page says so to somebody who is not signed in: nothing failed.
    pub fn ended(error: &str, text: &str) -> Self {
        Self { is_end: true, ..Self::new(StatusCode::OK, error, text) }
    }

    /// With the peer's own code and text.
    pub fn new(status: StatusCode, error: &str, text: &str) -> Self {
        Self { status, error: error.to_owned(), text: text.to_owned(), is_end: false }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::bad_gateway(&format!("The provider's token was not taken: {refusal}."))
    }
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self::bad_gateway(&format!("The provider cannot be used: {reason}."))
    }
}
