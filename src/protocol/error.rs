//! The peer's errors. Ours (`Fault`) live in the edge and never mix with these.

/// An error code with its RFC. [`Code::row`] is the one table of codes, statuses and sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// A parameter is missing, repeated, malformed or too long.
    InvalidRequest,
    /// Client authentication failed.
    InvalidClient,
    /// The code or token is bogus, spent, revoked, expired or another client's.
    InvalidGrant,
    /// The client may not use this grant type.
    UnauthorizedClient,
    /// No such grant type here.
    UnsupportedGrantType,
    /// A scope is unknown, malformed or more than was granted.
    InvalidScope,
    /// A resource is unknown, malformed or not for this client.
    InvalidTarget,
    /// A token of a kind that cannot be revoked.
    UnsupportedTokenType,
    /// The user said no.
    AccessDenied,
    /// The user has not answered yet.
    AuthorizationPending,
    /// Not answered yet, and this poll came too early.
    SlowDown,
    /// The device code's time is over.
    ExpiredToken,
    /// The response type is not supported here.
    UnsupportedResponseType,
    /// The user must sign in, and `prompt=none` forbids to ask.
    LoginRequired,
    /// The user must consent, and `prompt=none` forbids to ask.
    ConsentRequired,
    /// An essential `acr` cannot be met.
    UnmetAuthenticationRequirements,
    /// The request object is bogus or not signed as it must be.
    InvalidRequestObject,
    /// The `request_uri` is bogus, or what it holds cannot be had.
    InvalidRequestUri,
    /// The `registration` parameter is not supported.
    RegistrationNotSupported,
    /// A redirect URI cannot be registered.
    InvalidRedirectUri,
    /// Client metadata that cannot be registered.
    InvalidClientMetadata,
    /// A software statement that is not accepted.
    UnapprovedSoftwareStatement,
    /// The access token at a protected resource is bogus, expired or revoked.
    InvalidToken,
    /// The access token lacks a scope.
    InsufficientScope,
    /// A body that is too large.
    TooLarge,
    /// Another HTTP method is needed.
    MethodNotAllowed,
    /// Nothing here.
    NotFound,
    /// Too many requests; try later.
    TooManyRequests,
    /// We cannot answer now; the same request may succeed later.
    TemporarilyUnavailable,
    /// We failed.
    ServerError,
}

impl Code {
    /// (`error` on the wire, HTTP status, where it is defined).
    pub const fn row(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::InvalidRequest => ("invalid_request", 400, "RFC 6749 5.2"),
            Self::InvalidClient => ("invalid_client", 400, "RFC 6749 5.2 (401 when an Authorization header was sent)"),
            Self::InvalidGrant => ("invalid_grant", 400, "RFC 6749 5.2"),
            Self::UnauthorizedClient => ("unauthorized_client", 400, "RFC 6749 5.2"),
            Self::UnsupportedGrantType => ("unsupported_grant_type", 400, "RFC 6749 5.2"),
            Self::InvalidScope => ("invalid_scope", 400, "RFC 6749 5.2"),
            Self::InvalidTarget => ("invalid_target", 400, "RFC 8707 2"),
            Self::UnsupportedTokenType => ("unsupported_token_type", 400, "RFC 7009 2.2.1"),
            Self::AccessDenied => ("access_denied", 400, "RFC 8628 3.5"),
            Self::AuthorizationPending => ("authorization_pending", 400, "RFC 8628 3.5"),
            Self::SlowDown => ("slow_down", 400, "RFC 8628 3.5"),
            Self::ExpiredToken => ("expired_token", 400, "RFC 8628 3.5"),
            Self::UnsupportedResponseType => ("unsupported_response_type", 400, "RFC 6749 4.1.2.1"),
            Self::LoginRequired => ("login_required", 400, "OpenID Connect Core 3.1.2.6"),
            Self::ConsentRequired => ("consent_required", 400, "OpenID Connect Core 3.1.2.6"),
            Self::UnmetAuthenticationRequirements => {
                ("unmet_authentication_requirements", 400, "OpenID Connect Core Error Code unmet_authentication_requirements")
            }
            Self::InvalidRequestObject => ("invalid_request_object", 400, "OpenID Connect Core 3.1.2.6, RFC 9101 7"),
            Self::InvalidRequestUri => ("invalid_request_uri", 400, "OpenID Connect Core 3.1.2.6, RFC 9101 7"),
            Self::RegistrationNotSupported => ("registration_not_supported", 400, "OpenID Connect Core 3.1.2.6"),
            Self::InvalidRedirectUri => ("invalid_redirect_uri", 400, "RFC 7591 3.2.2"),
            Self::InvalidClientMetadata => ("invalid_client_metadata", 400, "RFC 7591 3.2.2"),
            Self::UnapprovedSoftwareStatement => ("unapproved_software_statement", 400, "RFC 7591 3.2.2"),
            Self::InvalidToken => ("invalid_token", 401, "RFC 6750 3.1"),
            Self::InsufficientScope => ("insufficient_scope", 403, "RFC 6750 3.1"),
            Self::TooLarge => ("invalid_request", 413, "RFC 9110 15.5.14"),
            Self::MethodNotAllowed => ("invalid_request", 405, "RFC 9110 15.5.6"),
            Self::NotFound => ("invalid_request", 404, "RFC 9110 15.5.5"),
            Self::TooManyRequests => ("temporarily_unavailable", 429, "RFC 6585 4"),
            Self::TemporarilyUnavailable => ("temporarily_unavailable", 503, "RFC 9110 15.6.4"),
            Self::ServerError => ("server_error", 500, "RFC 9110 15.6.1"),
        }
    }
}

/// What the peer did wrong. `description` is for the client's developer (printable ASCII without
/// quotes and backslashes, RFC 6749 5.2); `detail` is for the log alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthError {
    /// The code.
    pub code: Code,
    /// What `error_description` says.
    pub description: &'static str,
    /// The member of a JSON body that it is about; empty: none.
    pub member: &'static str,
    /// A word for the log about why; it never holds a secret.
    pub detail: &'static str,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u32>,
}

impl OAuthError {
    /// An error whose description tells the log enough.
    pub const fn new(code: Code, description: &'static str) -> Self {
        Self { code, description, member: "", detail: "", retry_after: None }
    }

    /// The same with a word for the log.
    #[must_use]
    pub const fn because(self, detail: &'static str) -> Self {
        Self { detail, ..self }
    }

    /// The same with `Retry-After`, in seconds.
    #[must_use]
    pub const fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// The same about one member of a JSON body, which the description and the log then name.
    #[must_use]
    pub const fn about(self, member: &'static str) -> Self {
        Self { member, detail: if self.detail.is_empty() { member } else { self.detail }, ..self }
    }

    /// `error_description`.
    pub fn told(&self) -> String {
        if self.member.is_empty() { self.description.to_owned() } else { format!("{}: {}", self.member, self.description) }
    }

    /// A required parameter is not there.
    pub const fn missing(name: &'static str) -> Self {
        Self::new(Code::InvalidRequest, "a required parameter is missing").because(name)
    }

    /// The one answer for every code or token that is no good: which reason it was stays in the log.
    pub const fn invalid_grant(detail: &'static str) -> Self {
        Self::new(Code::InvalidGrant, "the code or token is not valid for this client").because(detail)
    }

    /// The one answer for an unknown client, a wrong secret and a wrong method of authentication.
    pub const fn invalid_client(detail: &'static str) -> Self {
        Self::new(Code::InvalidClient, "client authentication failed").because(detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_what_the_rfcs_say() {
        // RFC 8628 3.5 and RFC 6749 5.2: token errors are 400 unless Basic was tried.
        for code in [
            Code::InvalidRequest,
            Code::InvalidGrant,
            Code::AuthorizationPending,
            Code::SlowDown,
            Code::AccessDenied,
            Code::ExpiredToken,
            Code::InvalidScope,
            Code::UnsupportedGrantType,
            Code::UnauthorizedClient,
        ] {
            assert_eq!(code.row().1, 400, "{code:?}");
        }
        assert_eq!(Code::SlowDown.row().0, "slow_down");
        assert_eq!(Code::InvalidToken.row().1, 401);
        assert_eq!(Code::InsufficientScope.row().1, 403);
    }
}
