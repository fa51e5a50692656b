//! The two kinds of failure, never mixed: the peer's (`OAuthError`) and ours (`Fault`).

use crate::protocol::error::{Code, OAuthError};

/// Why a request is not answered as asked.
#[derive(Debug)]
pub enum Failure {
    /// The peer's fault: told in full.
    Peer(OAuthError),
    /// Ours: the log gets the detail, the peer a request id.
    Fault(Fault),
}

/// What went wrong on our side.
#[derive(Debug)]
pub enum Fault {
    /// Storage or a neighbour did not answer, or a key is newer than our ring: the same request may
    /// succeed in a moment (503, `Retry-After`).
    Unavailable(String),
    /// Something is broken (500).
    Broken(String),
}

impl From<OAuthError> for Failure {
    fn from(error: OAuthError) -> Self {
        Self::Peer(error)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Failure {
    /// The error to answer and the detail to log.
    pub fn into_parts(self) -> (OAuthError, String) {
        match self {
            Self::Peer(error) => {
                let detail = error.detail.to_owned();
                (error, detail)
            }
            Self::Fault(Fault::Unavailable(detail)) => {
                (OAuthError::new(Code::TemporarilyUnavailable, "try again in a moment").retry_after(2), detail)
            }
            Self::Fault(Fault::Broken(detail)) => {
                (OAuthError::new(Code::ServerError, "something went wrong on our side"), detail)
            }
        }
    }
}

impl Fault {
    /// A fault of the platform: nobody knows whether it happened.
    pub fn unavailable(what: &str, error: impl std::fmt::Display) -> Self {
        Self::Unavailable(format!("{what}: {error}"))
    }

    /// What the log says of it.
    pub fn detail(&self) -> &str {
        match self {
            Self::Unavailable(detail) | Self::Broken(detail) => detail,
        }
    }

    /// Something that must not be.
    pub fn broken(what: &str, error: impl std::fmt::Display) -> Self {
        Self::Broken(format!("{what}: {error}"))
    }
}
