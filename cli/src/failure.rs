//! Why a command did not do what it was to do, and its exit code.

use std::fmt::Display;

/// Done.
pub const DONE: u8 = 0;
/// `plan` found a difference.
pub const DRIFT: u8 = 4;

/// Why not.
#[derive(Debug)]
pub enum Failure {
    /// Refused, or it went wrong: exit code 1.
    Failed(String),
    /// The command makes no sense: exit code 2.
    Usage(String),
    /// Somebody has to sign in: exit code 3.
    SignIn(String),
    /// Nobody reads on, as in `latchkey .. | head`: no failure.
    Gone,
}

/// What a command comes to.
pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// Something went wrong.
    pub fn failed(why: impl Into<String>) -> Self {
        Self::Failed(why.into())
    }

    /// About a file.
    pub fn file(path: impl Display, error: impl Display) -> Self {
        Self::Failed(format!("{path}: {error}"))
    }

    /// Its exit code and its words.
    pub fn parts(&self) -> (u8, &str) {
        match self {
            Self::Failed(why) => (1, why),
            Self::Usage(why) => (2, why),
            Self::SignIn(why) => (3, why),
            Self::Gone => (DONE, ""),
        }
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        use std::error::Error as _;
        // Without the URL, which may hold what nobody else should see.
        let error = error.without_url();
        let mut why = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            why = format!("{why}: {cause}");
            source = cause.source();
        }
        Self::Failed(format!("the realm does not answer: {why}\ncheck --issuer and the network, then try again"))
    }
}
