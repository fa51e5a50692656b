//! The `claims` parameter: OpenID Connect Core 5.5.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::claims::user_claims;
use super::error::{Code, OAuthError};
use super::json;

/// Claims that a request names one by one. Of each only that it is wanted is kept: "essential" has no
/// consequence for a claim that the user does not have (5.5.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedClaims {
    /// In the userinfo answer.
    #[serde(default, rename = "u", skip_serializing_if = "Vec::is_empty")]
    pub userinfo: Vec<String>,
    /// In the ID token.
    #[serde(default, rename = "i", skip_serializing_if = "Vec::is_empty")]
    pub id_token: Vec<String>,
    /// The subject that it must be about (5.5.1, `sub` with a value).
    #[serde(default, rename = "s", skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// Authentication context classes of which one is essential (5.5.1.1).
    #[serde(default, rename = "a", skip_serializing_if = "Option::is_none")]
    pub essential_acrs: Option<Vec<String>>,
}

impl RequestedClaims {
    /// Parses the parameter. Unknown claims and members are not looked at.
    pub fn parse(text: &str) -> Result<Self, OAuthError> {
        let malformed = OAuthError::new(Code::InvalidRequest, "claims is malformed");
        let Ok(Value::Object(parameter)) = json::parse(text.as_bytes()) else {
            return Err(malformed);
        };
        let mut requested = Self::default();
        let mut read = |member: &str| -> Result<Vec<String>, OAuthError> {
            match parameter.get(member) {
                None | Some(Value::Null) => Ok(Vec::new()),
                Some(Value::Object(claims)) => {
                    requested.read_special(claims, &malformed)?;
                    Ok(user_claims().skip(1).filter(|name| claims.contains_key(*name)).map(str::to_owned).collect())
                }
                Some(_) => Err(malformed.clone()),
            }
        };
        let (userinfo, id_token) = (read("userinfo")?, read("id_token")?);
        Ok(Self { userinfo, id_token, ..requested })
    }

    /// `sub` and `acr`, which are not about the user's profile but about this sign-in.
    fn read_special(&mut self, claims: &Map<String, Value>, malformed: &OAuthError) -> Result<(), OAuthError> {
        // A request is null or an object (5.5.1).
        if claims.values().any(|request| !request.is_null() && !request.is_object()) {
            return Err(malformed.clone());
        }
        if let Some(sub) = claims.get("sub").and_then(|request| request.get("value")) {
            self.sub = Some(sub.as_str().ok_or(malformed.clone())?.to_owned());
        }
        if let Some(acr) = claims.get("acr").filter(|acr| acr.get("essential") == Some(&Value::Bool(true))) {
            let one = acr.get("value").and_then(Value::as_str);
            let many = acr.get("values").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            let acrs: Vec<String> = one.into_iter().chain(many).map(str::to_owned).collect();
            if !acrs.is_empty() {
                self.essential_acrs = Some(acrs);
            }
        }
        Ok(())
    }

    /// Every profile claim that it names, once.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for name in self.userinfo.iter().chain(&self.id_token) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }

    /// The same with only those profile claims that `keep` says yes to.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(&str) -> bool) -> Self {
        let kept = |names: &[String]| names.iter().filter(|name| keep(name)).cloned().collect();
        Self { userinfo: kept(&self.userinfo), id_token: kept(&self.id_token), ..self.clone() }
    }

    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// As it is stored: JSON, or nothing.
    pub fn to_text(&self) -> String {
        if self.is_empty() { String::new() } else { serde_json::to_string(self).unwrap_or_default() }
    }

    /// From what was stored.
    pub fn from_text(text: &str) -> Option<Self> {
        if text.is_empty() { Some(Self::default()) } else { json::read(text.as_bytes()).ok() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_5_5_example() {
        let requested = RequestedClaims::parse(
            r#"{"userinfo":{"given_name":{"essential":true},"nickname":null,"email":{"essential":true},"email_verified":{"essential":true},
                "picture":null,"http://example.info/claims/groups":null},
                "id_token":{"auth_time":{"essential":true},"acr":{"values":["urn:mace:incommon:iap:silver"]}}}"#,
        )
        .unwrap();
        assert_eq!(requested.userinfo, ["given_name", "nickname", "picture", "email", "email_verified"]);
        assert_eq!(requested.id_token, [""; 0]);
        assert_eq!(requested.essential_acrs, None, "voluntary");
        assert_eq!(RequestedClaims::from_text(&requested.to_text()), Some(requested));
    }

    #[test]
    fn subject_and_essential_acr() {
        let requested = RequestedClaims::parse(
            r#"{"id_token":{"sub":{"value":"248289761001"},"acr":{"essential":true,"values":["a","b"]},"email":null}}"#,
        )
        .unwrap();
        assert_eq!(requested.sub.as_deref(), Some("248289761001"));
        assert_eq!(requested.essential_acrs, Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(requested.names(), ["email"]);
        assert!(requested.filter(|_| false).names().is_empty());
    }

    #[test]
    fn malformed() {
        for bad in ["", "[]", "1", "{\"userinfo\":[]}", "{\"id_token\":{\"email\":1}}", "{\"id_token\":{\"sub\":{\"value\":1}}}"]
        {
            assert!(RequestedClaims::parse(bad).is_err(), "{bad}");
        }
        assert!(RequestedClaims::parse("{}").unwrap().is_empty());
    }
}
