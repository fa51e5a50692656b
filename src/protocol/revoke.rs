//! `POST /revoke`: RFC 7009.

use super::error::OAuthError;
use super::form::Form;
use super::secret::Secret;

/// A revocation request. `token_type_hint` is only a hint (RFC 7009 2.1) and our tokens tell what
/// they are, so it is not looked at.
#[derive(Debug)]
pub struct RevocationRequest {
    /// The token: a refresh token or an access token of ours, or anything.
    pub token: Secret,
}

impl RevocationRequest {
    /// Parses the parameters beside the client's credentials.
    pub fn parse(form: &Form) -> Result<Self, OAuthError> {
        form.require("token").map(|token| Self { token: Secret::new(token.to_owned()) })
    }
}
