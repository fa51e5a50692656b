//! Proof Key for Code Exchange: RFC 7636, S256 only.

use serde::{Deserialize, Serialize};

use super::error::{Code, OAuthError};
use super::form::Form;
use super::secret::{base64url, constant_time_eq, from_base64url, sha256};

/// A `code_challenge` of the method S256: the SHA-256 of a verifier in base64url.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Challenge(String);

impl Challenge {
    /// The challenge of an authorization request, if it has one (RFC 7636 4.3). `plain`, which is also
    /// what a missing method means, is refused (RFC 9700 2.1.1).
    pub fn parse(form: &Form) -> Result<Option<Self>, OAuthError> {
        let refuse = |description| Err(OAuthError::new(Code::InvalidRequest, description));
        match (form.get("code_challenge"), form.get("code_challenge_method")) {
            (None, None) => Ok(None),
            (None, Some(_)) => refuse("code_challenge is missing"),
            (Some(_), method) if method != Some("S256") => refuse("code_challenge_method must be S256"),
            (Some(text), _) if from_base64url(text).is_some_and(|bytes| bytes.len() == 32) => Ok(Some(Self(text.to_owned()))),
            (Some(_), _) => refuse("code_challenge must be a SHA-256 in base64url"),
        }
    }

    /// Whether a `code_verifier` is the one that it was made of (RFC 7636 4.6).
    pub fn is_met_by(&self, verifier: &str) -> bool {
        let is_well_formed = (43..=128).contains(&verifier.len())
            && verifier.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
        is_well_formed && constant_time_eq(base64url(&sha256(verifier.as_bytes())).as_bytes(), self.0.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<Option<Challenge>, OAuthError> {
        Challenge::parse(&Form::parse(query.as_bytes()).unwrap())
    }

    #[test]
    fn rfc_7636_appendix_b() {
        let challenge =
            parse("code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256").unwrap().unwrap();
        assert!(challenge.is_met_by("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert!(!challenge.is_met_by("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl"));
        assert!(!challenge.is_met_by(""));
        assert!(!challenge.is_met_by("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"), "the challenge itself is no verifier");
    }

    #[test]
    fn no_downgrade() {
        assert_eq!(parse("").unwrap(), None);
        for bad in [
            "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=plain",
            "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=s256",
            "code_challenge=short&code_challenge_method=S256",
            "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM%3D&code_challenge_method=S256",
            "code_challenge_method=S256",
        ] {
            assert_eq!(parse(bad).unwrap_err().code, Code::InvalidRequest, "{bad}");
        }
    }
}
