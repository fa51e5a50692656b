//! What a browser carries from one page of an authorization to the next: sealed, never stored.

use serde::{Deserialize, Serialize};

use super::authorize::AuthorizationRequest;
use super::ids::UserId;
use super::seal::sealed_json;
use super::session::{BrowserHash, Holder};
use super::time::Timestamp;

/// An authorization request on its way through the pages: itself, or where it was pushed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The request, unless it was pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<AuthorizationRequest>,
    /// Client and id of a pushed one, whose row is there until the flow completes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed: Option<PushedId>,
    /// When the flow began.
    pub made_at: Timestamp,
    /// The account that was chosen on the way, by signing in or in the chooser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<UserId>,
}

impl Asked {
    /// The same, asked now: what happened on the way does not count, and a sign-in from before now is too old
    /// where a new one is wanted (`prompt=login`, `max_age`).
    #[must_use]
    pub fn anew(self, now: Timestamp) -> Self {
        Self { chosen: None, made_at: now, ..self }
    }
}

/// The key of a pushed request's row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushedId {
    /// Client.
    pub client: String,
    /// Random.
    pub id: String,
}

/// A step of it, in the query of `/authorize`, `/consent` and `/accounts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizeStep {
    /// Whose browser. Nobody's for a request that another site posted, for then our cookies are not sent:
    /// it is taken like a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub browser: Option<BrowserHash>,
    /// What was asked.
    pub asked: Asked,
    /// When the step was made.
    pub made_at: Timestamp,
}
sealed_json!(AuthorizeStep, "authorize step");

/// The consent form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentForm {
    /// Made for.
    pub holder: Holder,
    /// What was asked.
    pub asked: Asked,
}
sealed_json!(ConsentForm, "consent form");

/// The account chooser's form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountsForm {
    /// Whose browser.
    pub browser: BrowserHash,
    /// What was asked.
    pub asked: Asked,
    /// When it was made.
    pub made_at: Timestamp,
}
sealed_json!(AccountsForm, "accounts form");

/// The form that disconnects an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndAppForm {
    /// Made for.
    pub holder: Holder,
    /// The client.
    pub client: String,
}
sealed_json!(EndAppForm, "end app form");
