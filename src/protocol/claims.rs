//! What tokens and userinfo say: RFC 9068, OpenID Connect Core 2 and 5.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use sha2::{Digest as _, Sha512};

use super::ids::{OwnedId, UserId};
use super::jose::Alg;
use super::scope::Scope;
use super::seal::Sealable;
use super::secret::{base64url, sha256};

/// `aud`: a string when there is one, else an array (RFC 7519 4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Audience {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        match self {
            Self::One(only) => std::slice::from_ref(only),
            Self::Many(all) => all.as_slice(),
        }
        .iter()
        .map(String::as_str)
    }
}

impl From<Vec<String>> for Audience {
    fn from(mut audience: Vec<String>) -> Self {
        match (audience.pop(), audience.is_empty()) {
            (Some(only), true) => Self::One(only),
            (Some(last), false) => {
                audience.push(last);
                Self::Many(audience)
            }
            (None, _) => Self::Many(audience),
        }
    }
}

/// Claims of an access token beside `iat` and `exp` (RFC 9068 2.2). One that a client got for itself has no
/// `auth_time`, `acr`, `amr` and `sid`: nobody signed in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Issuer.
    pub iss: String,
    /// Subject: a user, the client itself, or somebody of a trusted issuer.
    pub sub: String,
    /// Audience.
    pub aud: Audience,
    /// Client.
    pub client_id: String,
    /// Granted scope.
    pub scope: Scope,
    /// Unique id; sealed inside a user's is the grant, which only we can read.
    pub jti: String,
    /// When the user signed in, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// Authentication context class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// Authentication methods (RFC 8176).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// Session that the token belongs to: a device's own, never the approver's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// What the subject is here (RFC 9068 2.2.3.1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Who acts for the subject (RFC 8693 4.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Actor>,
    /// Who may act for the subject (RFC 8693 4.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_act: Option<Party>,
    /// Claims that the operator gave the client.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// Names that no other claim of an access token may have.
pub const RESERVED: [&str; 24] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "client_id",
    "scope",
    "auth_time",
    "acr",
    "amr",
    "sid",
    "roles",
    "act",
    "may_act",
    "cnf",
    "active",
    "token_type",
    "username",
    "azp",
    "nonce",
    "events",
    "token_introspection",
];

/// A party to a token exchange: its subject at its issuer, which is the token's own where it is not named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// Its issuer, if that is another than the token's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// Its subject there.
    pub sub: String,
}

/// Who acts for the subject, and for whom they do (RFC 8693 4.1): the outermost is the one who acts now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Who.
    #[serde(flatten)]
    pub party: Party,
    /// Who acted before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Box<Actor>>,
}

impl Actor {
    /// Whoever acts now, then whoever acted before.
    pub fn chain(&self) -> impl Iterator<Item = &Party> {
        std::iter::successors(Some(self), |actor| actor.act.as_deref()).map(|actor| &actor.party)
    }
}

/// Claims of an ID token beside `iat` and `exp` (OpenID Connect Core 2). No profile claims but those that the
/// `claims` parameter asked for here.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IdClaims {
    /// Issuer.
    pub iss: String,
    /// Subject.
    pub sub: String,
    /// The client.
    pub aud: String,
    /// `nonce` of the authorization request, if it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// When the user signed in, seconds.
    pub auth_time: i64,
    /// Authentication context class.
    pub acr: String,
    /// Authentication methods.
    pub amr: Vec<String>,
    /// Session.
    pub sid: String,
    /// Left half of the access token's hash, where one was issued beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_hash: Option<String>,
    /// Who acts for the subject (RFC 8693 4.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Actor>,
    /// Claims about the user that were asked for one by one.
    #[serde(flatten)]
    pub requested: Map<String, Value>,
}

/// `at_hash` of an access token for an ID token signed by this algorithm (Core 3.1.3.6): the left half of
/// its hash. Ed25519 hashes with SHA-512.
pub fn at_hash(access_token: &str, alg: Alg) -> String {
    let token = access_token.as_bytes();
    match alg {
        Alg::EdDSA => base64url(Sha512::digest(token).first_chunk::<32>().unwrap_or(&[0; 32])),
        Alg::ES256 | Alg::RS256 | Alg::PS256 => base64url(sha256(token).first_chunk::<16>().unwrap_or(&[0; 16])),
    }
}

/// Which row an access token comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A grant: what has refresh tokens, and a device's.
    Grant,
    /// The redemption of an authorization code without a refresh token.
    Redemption,
}

/// What is sealed in a `jti`: the row that the token comes from. The random nonce of the seal
/// makes every `jti` unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenId {
    /// Its owner.
    pub user: UserId,
    /// Its id.
    pub grant: OwnedId,
    /// Its table.
    pub origin: Origin,
}

impl Sealable for TokenId {
    const PURPOSE: &'static str = "token id";

    fn to_bytes(&self) -> Vec<u8> {
        let origin: &[u8] = match self.origin {
            Origin::Grant => &[],
            Origin::Redemption => &[1],
        };
        [self.user.bytes().as_slice(), self.grant.bytes(), origin].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (user, rest) = bytes.split_first_chunk::<16>()?;
        let (grant, origin) = rest.split_first_chunk::<19>()?;
        let origin = match origin {
            [] => Origin::Grant,
            [1] => Origin::Redemption,
            _ => return None,
        };
        Some(Self { user: UserId::from_bytes(*user), grant: OwnedId::from_bytes(*grant)?, origin })
    }
}

/// The claims that each scope yields (Core 5.4).
const SCOPE_CLAIMS: [(&str, &[&str]); 4] = [
    (
        "profile",
        &[
            "name",
            "family_name",
            "given_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "updated_at",
        ],
    ),
    ("email", &["email", "email_verified"]),
    ("address", &["address"]),
    ("phone", &["phone_number", "phone_number_verified"]),
];

/// Every claim that userinfo may hold, `sub` first: for `claims_supported`.
pub fn user_claims() -> impl Iterator<Item = &'static str> {
    std::iter::once("sub").chain(SCOPE_CLAIMS.iter().flat_map(|(_, claims)| claims.iter().copied()))
}

/// The scope that yields a claim.
pub fn scope_of_claim(name: &str) -> Option<&'static str> {
    SCOPE_CLAIMS.iter().find(|(_, names)| names.contains(&name)).map(|(scope, _)| *scope)
}

/// Userinfo: `sub`, all claims of each granted scope and those asked for one by one, that the user has, and no
/// others.
pub fn userinfo(sub: &str, claims: &Map<String, Value>, scope: &Scope, requested: &[String]) -> Map<String, Value> {
    let mut info = Map::new();
    info.insert("sub".to_owned(), Value::from(sub));
    for (token, names) in SCOPE_CLAIMS {
        for name in names {
            let is_asked = scope.contains(token) || requested.iter().any(|asked| asked == name);
            if let Some(value) = claims.get(*name).filter(|value| is_asked && !value.is_null()) {
                info.insert((*name).to_owned(), value.clone());
            }
        }
    }
    info
}

/// Whether this can be the name of a role: 1 to 64 printable ASCII characters.
pub fn is_role(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Everything that is wrong with a user's claims: unknown names and wrong types (Core 5.1).
pub fn claim_faults(claims: &Map<String, Value>) -> Vec<String> {
    let is_right = |name: &str, value: &Value| match name {
        "email_verified" | "phone_number_verified" => value.is_boolean(),
        "updated_at" => value.is_i64(),
        "address" => value.is_object(),
        _ => value.is_string(),
    };
    let known: Vec<&str> = user_claims().skip(1).collect();
    let mut faults = Vec::new();
    for (name, value) in claims {
        if !known.contains(&name.as_str()) {
            faults.push(format!("claims: {name} is not a claim of OpenID Connect Core 5.1"));
        } else if !is_right(name, value) {
            faults.push(format!("claims: {name} has the wrong type"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::ids::tests::Counted;
    use super::*;

    #[test]
    fn userinfo_holds_the_granted_scopes_claims_and_no_others() {
        let claims = json!({"name": "Ada", "email": "ada@example.org", "email_verified": true, "secret": 1, "sub": "evil"});
        let with = |scope: &str, requested: &[String]| {
            Value::from(userinfo("u", claims.as_object().unwrap(), &Scope::parse(scope).unwrap(), requested))
        };
        let of = |scope: &str| with(scope, &[]);
        assert_eq!(of("openid"), json!({"sub": "u"}));
        assert_eq!(of("openid email"), json!({"sub": "u", "email": "ada@example.org", "email_verified": true}));
        assert_eq!(of("profile"), json!({"sub": "u", "name": "Ada"}));
        assert_eq!(with("openid", &["name".into(), "secret".into()]), json!({"sub": "u", "name": "Ada"}));
    }

    #[test]
    fn claims_are_checked() {
        let claims = json!({"name": 1, "email": "a", "updated_at": "x", "roles": []});
        assert_eq!(claim_faults(claims.as_object().unwrap()).len(), 3);
    }

    #[test]
    fn at_hash_is_the_left_half_of_sha256() {
        // FIPS 180-2 B.1: SHA-256("abc") begins with ba7816bf 8f01cfea 414140de 5dae2223.
        assert_eq!(at_hash("abc", Alg::RS256), "ungWv48Bz-pBQUDeXa4iIw");
        // FIPS 180-2 C.1: SHA-512("abc") begins with ddaf35a1 93617aba cc417349 ae204131.
        assert!(at_hash("abc", Alg::EdDSA).starts_with("3a81oZNherrMQXNJriBBMQ".get(..20).unwrap()));
    }

    #[test]
    fn token_ids_round_trip() {
        let user = UserId::generate(&mut Counted(0));
        for origin in [Origin::Grant, Origin::Redemption] {
            let id = TokenId { grant: OwnedId::generate(&user, &mut Counted(9)), user: user.clone(), origin };
            assert_eq!(TokenId::from_bytes(&id.to_bytes()), Some(id.clone()));
            assert_eq!(TokenId::from_bytes(&id.to_bytes()[1..]), None);
        }
    }

    #[test]
    fn one_audience_is_a_string() {
        assert_eq!(json!(Audience::from(vec!["a".to_owned()])), json!("a"));
        assert_eq!(json!(Audience::from(vec!["a".to_owned(), "b".to_owned()])), json!(["a", "b"]));
    }
}
