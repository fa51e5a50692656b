//! What the forms of the account page and of the console do. The form says it, sealed, and nothing else in a request does.

use serde::{Deserialize, Serialize};

use super::admin::scopes::{CLIENTS, GRANTS, KEYS, USERS};
use super::ids::OwnedId;
use super::seal::sealed_json;
use super::session::Holder;

/// A form of the account page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountForm {
    /// Made for.
    pub holder: Holder,
    /// What it does.
    pub act: Act,
}
sealed_json!(AccountForm, "account form");

/// What a form of the account page does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Ends this session.
    EndBrowser(OwnedId),
    /// Ends all sessions but the one that it was made for.
    EndOtherBrowsers,
    /// Gives this device another name.
    Rename(OwnedId),
    /// Ends a device.
    EndDevice {
        /// Its grant.
        grant: OwnedId,
        /// Its client.
        client: String,
    },
    /// Ends all devices.
    EndDevices,
    /// Disconnects this app.
    EndApp(String),
    /// Changes the password.
    Password,
    /// Sends a link that confirms the address.
    Verify,
}

/// A form of the console.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleForm {
    /// Made for.
    pub holder: Holder,
    /// What it does.
    pub act: ConsoleAct,
}
sealed_json!(ConsoleForm, "console form");

/// What a form of the console does. Versions are of what was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "ids of what it is done to, by their names in the admin API")]
pub enum ConsoleAct {
    /// Changes a user.
    User { id: String, version: i64 },
    /// Sets a user's password.
    Password { id: String },
    /// Sends a user a link: to a new password, or to confirm the address.
    Mail { id: String, reset: bool },
    /// Signs a user out everywhere.
    SignOut { id: String },
    /// Ends a device or app.
    EndGrant { user: String, handle: String },
    /// Ends a session.
    EndSession { user: String, handle: String },
    /// Changes a client.
    Client { id: String, version: i64 },
    /// Makes a client.
    NewClient,
    /// Gives a client a new secret.
    NewSecret { id: String },
    /// Makes successors of the signing keys.
    RotateKeys,
}

impl ConsoleAct {
    /// The role that it needs, if it is not `latchkey:admin`.
    pub const fn scope(&self) -> &'static str {
        match self {
            Self::User { .. } | Self::Password { .. } | Self::Mail { .. } | Self::SignOut { .. } => USERS,
            Self::EndGrant { .. } | Self::EndSession { .. } => GRANTS,
            Self::Client { .. } | Self::NewClient | Self::NewSecret { .. } => CLIENTS,
            Self::RotateKeys => KEYS,
        }
    }
}
