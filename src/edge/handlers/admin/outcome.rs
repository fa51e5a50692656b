//! Why an operation was not done: the peer's problem, or a failure of the rest of the server.

use crate::edge::failure::{Failure, Fault};
use crate::protocol::admin::problem::{Problem, Word};
use crate::protocol::error::{Code, OAuthError};

/// What an operation, or a core function of one, comes to.
pub type Outcome<T> = Result<T, Refusal>;

/// Why it did not.
#[derive(Debug)]
pub enum Refusal {
    /// Theirs to put right, told in full.
    Problem(Problem),
    /// What other parts of the server say no with.
    Failure(Failure),
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Failure(fault.into())
    }
}

impl From<OAuthError> for Refusal {
    fn from(error: OAuthError) -> Self {
        Self::Failure(error.into())
    }
}

impl Refusal {
    /// The problem to answer and the detail to log.
    pub fn into_parts(self) -> (Problem, String) {
        let failure = match self {
            Self::Problem(problem) => {
                let detail = problem.detail.clone();
                return (problem, detail);
            }
            Self::Failure(failure) => failure,
        };
        let (error, detail) = failure.into_parts();
        let word = match error.code {
            Code::InvalidToken | Code::InvalidClient => Word::Unauthorized,
            Code::InsufficientScope => Word::InsufficientScope,
            Code::TooLarge => Word::TooLarge,
            Code::MethodNotAllowed => Word::MethodNotAllowed,
            Code::NotFound => Word::NotFound,
            Code::TemporarilyUnavailable | Code::TooManyRequests => Word::Unavailable,
            Code::ServerError => Word::ServerError,
            _ => Word::Invalid,
        };
        (Problem::new(word, error.told()), detail)
    }
}
