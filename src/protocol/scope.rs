//! Scopes: RFC 6749 3.3.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A set of scope tokens in the order they were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope(Vec<String>);

impl Scope {
    /// Parses `scope-token *( SP scope-token )`; a token named twice counts once.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > 1000 {
            return None;
        }
        let mut scope = Self::default();
        for token in text.split(' ') {
            if token.is_empty() || !token.bytes().all(is_scope_character) {
                return None;
            }
            if !scope.contains(token) {
                scope.0.push(token.to_owned());
            }
        }
        Some(scope)
    }

    /// Whether the token is in the set.
    pub fn contains(&self, token: &str) -> bool {
        self.0.iter().any(|t| t == token)
    }

    /// Whether every token is also in `other`.
    pub fn is_subset_of(&self, other: &Self) -> bool {
        self.0.iter().all(|token| other.contains(token))
    }

    /// The tokens that are in both, in this set's order.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        self.filter(|token| other.contains(token))
    }

    /// The tokens that are in either, this set's first.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self(self.0.iter().chain(other.0.iter().filter(|token| !self.contains(token))).cloned().collect())
    }

    /// The tokens for which `keep` says yes.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|token| keep(token)).cloned().collect())
    }

    /// Whether there is no token in it.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tokens, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}

impl TryFrom<String> for Scope {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        Self::parse(&text).ok_or("not a scope (RFC 6749 3.3)")
    }
}

/// What is granted now: what the user approved, as far as it is allowed at this moment.
///
/// The two are kept apart. An approval stays as the user gave it; `allowed_now` (what the client may
/// ask for and, later, what the user is permitted) is joined at every redemption and refresh, so a
/// permission that was taken away and given back needs no new approval.
#[must_use]
pub fn granted(approved: &Scope, allowed_now: &Scope) -> Scope {
    approved.and(allowed_now)
}

/// `%x21 / %x23-5B / %x5D-7E`
const fn is_scope_character(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grammar() {
        for bad in ["", " ", "a  b", " a", "a ", "a\"b", "a\\b", "a\tb", "\u{e9}"] {
            assert_eq!(Scope::parse(bad), None, "{bad:?}");
        }
        assert_eq!(Scope::parse("b a b").unwrap().to_string(), "b a");
    }

    #[test]
    fn granted_never_exceeds_either_side() {
        let approved = Scope::parse("openid a b").unwrap();
        let allowed = Scope::parse("b openid c").unwrap();
        let granted = granted(&approved, &allowed);
        assert_eq!(granted.to_string(), "openid b");
        assert!(granted.is_subset_of(&approved) && granted.is_subset_of(&allowed));
    }
}
