//! Opaque access tokens: what a JWT would say, sealed. Nobody but us can read them and nothing is stored;
//! a resource server swaps them for a JWT by introspection ("phantom tokens").

use serde::{Deserialize, Serialize};

use super::claims::AccessClaims;
use super::seal::sealed_json;
use super::time::Timestamp;

/// An access token that was read, whatever it looks like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccessToken {
    /// What it says.
    pub claims: AccessClaims,
    /// When it was issued.
    pub iat: Timestamp,
    /// When it ends.
    pub exp: Timestamp,
}
sealed_json!(AccessToken, "opaque access token");

impl AccessToken {
    /// Whether it is in time. As in a JWT, only whole seconds count.
    pub const fn is_in_time(&self, now: Timestamp) -> bool {
        now.seconds() < self.exp.seconds()
    }

    /// Whether a user signed in for it, so that a grant stands behind it.
    pub const fn is_of_user(&self) -> bool {
        self.claims.sid.is_some()
    }
}
