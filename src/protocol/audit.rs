//! The audit log: which events there are and what one says.

use serde::{Deserialize, Serialize};

use super::ids::{Entropy, random};
use super::secret::base64url;
use super::time::Timestamp;

/// What happened. Never a token refresh: rows are money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Somebody signed in at a browser.
    SignIn,
    /// Wrong passwords used up a budget.
    FailureBurst,
    /// A device was allowed.
    Approval,
    /// A device was refused.
    Denial,
    /// A grant, session or consent was ended.
    Revocation,
    /// A refresh token or code came a second time.
    ReplayDetected,
    /// An administrator changed something.
    AdminChange,
    /// A user changed their own credentials or claims.
    AccountChange,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::SignIn,
        Self::FailureBurst,
        Self::Approval,
        Self::Denial,
        Self::Revocation,
        Self::ReplayDetected,
        Self::AdminChange,
        Self::AccountChange,
    ];

    /// Its name in the log and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::FailureBurst => "failure_burst",
            Self::Approval => "approval",
            Self::Denial => "denial",
            Self::Revocation => "revocation",
            Self::ReplayDetected => "replay_detected",
            Self::AdminChange => "admin_change",
            Self::AccountChange => "account_change",
        }
    }
}

/// A security event: who did what to whom. It never holds a secret, a code or a grant id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Random; names it in its minute.
    pub id: String,
    /// What happened.
    pub kind: Kind,
    /// Who did it: a user id, a client id, or a word such as `bootstrap`.
    pub actor: String,
    /// The user that it is about; empty: nobody.
    pub subject: String,
    /// The client that it is about; empty: none.
    pub client: String,
    /// Where from, coarsely ("Bern, CH"); empty: not known.
    pub place: String,
    /// More about it: a JSON object as text; empty: nothing.
    pub detail: String,
}

impl Event {
    /// Of something that a user did to what is their own.
    pub fn new(kind: Kind, actor: &str, entropy: &mut dyn Entropy) -> Self {
        let id = base64url(&random::<12>(entropy));
        let nothing = String::new;
        Self { id, kind, actor: actor.to_owned(), subject: nothing(), client: nothing(), place: nothing(), detail: nothing() }
    }

    /// About this user.
    #[must_use]
    pub fn about(self, subject: &str) -> Self {
        Self { subject: subject.to_owned(), ..self }
    }

    /// About this client.
    #[must_use]
    pub fn of_client(self, client: &str) -> Self {
        Self { client: client.to_owned(), ..self }
    }

    /// From this coarse place.
    #[must_use]
    pub fn from_place(self, place: String) -> Self {
        Self { place, ..self }
    }

    /// With more about it.
    #[must_use]
    pub fn with(self, detail: &serde_json::Value) -> Self {
        Self { detail: detail.to_string(), ..self }
    }

    /// The minute of an instant: whole minutes since 1970.
    pub const fn minute(at: Timestamp) -> i64 {
        at.millis().div_euclid(60_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_on_the_wire_are_pinned() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}
