//! Rules: which claims a token must have, and what it is worth.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Settings, glob, is_claim_name};
use crate::protocol::claims::is_role;
use crate::protocol::client::Client;
use crate::protocol::config::STANDARD_SCOPES;
use crate::protocol::scope::Scope;
use crate::protocol::time::Seconds;
use crate::protocol::uri;

/// Longest text that a claim is compared with, in bytes.
const LONGEST_TEXT: usize = 512;

/// One way in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name among the rules of the issuer.
    pub id: String,
    /// What claims must be: all of it. A name that starts with a slash is a JSON pointer (RFC 6901) into the
    /// claims, any other that of a claim.
    #[serde(default)]
    pub claims: BTreeMap<String, Match>,
    /// One of the issuer's audiences that has to be in `aud`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// A smaller `max_age` than the issuer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Seconds>,
    /// A smaller `max_life` than the issuer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_life: Option<Seconds>,
    /// Whether a token is taken once only, where the issuer's are not anyway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub single_use: Option<bool>,
    /// What a token that matches is worth.
    pub yields: Yields,
}

/// What a claim must be. Of an array it is enough when one element is so. Texts are compared byte by byte.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Match {
    /// Just this text, number or truth value.
    Equals(Value),
    /// One of these.
    OneOf(Vec<Value>),
    /// A text that begins with this.
    Prefix(String),
    /// A text of this form ([`glob`]).
    Glob(String),
    /// There, and not null.
    Present(bool),
}

/// Which roles of the token are which of ours. A token none of whose roles is here does not match.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roles {
    /// The claim with the token's roles: a text or an array of texts.
    pub claim: String,
    /// Role there: role here.
    pub map: BTreeMap<String, String>,
}

/// What a token is worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Form", into = "Form")]
pub struct Yields {
    /// Who its holder is here.
    pub whose: Whose,
    /// Most scope.
    pub scope: Scope,
    /// Roles here.
    pub roles: Option<Roles>,
    /// Longest life of an access token, in seconds; absent: the client's.
    pub lifetime: Option<Seconds>,
}

/// Who the holder of a token is here.
#[derive(Clone, Debug, PartialEq)]
pub enum Whose {
    /// A service account: a client of ours, for which the outside token is as good as its own credentials.
    ServiceAccount {
        /// Its `client_id`.
        client: String,
        /// Resources that tokens may be for; empty: the client's.
        resources: Vec<String>,
    },
    /// The outside subject itself, brought by a client of ours that authenticates.
    OutsideSubject {
        /// `client_id`s of those who may bring it.
        clients: Vec<String>,
    },
}

/// [`Yields`] as it is written: `client` makes it a service account, `clients` an outside subject.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    resources: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    clients: Vec<String>,
    scope: Scope,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    roles: Option<Roles>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lifetime: Option<Seconds>,
}

impl TryFrom<Form> for Yields {
    type Error = &'static str;

    fn try_from(form: Form) -> Result<Self, Self::Error> {
        let whose = match (form.client, form.clients.is_empty()) {
            (Some(client), true) => Whose::ServiceAccount { client, resources: form.resources },
            (None, false) if form.resources.is_empty() => Whose::OutsideSubject { clients: form.clients },
            (None, false) => {
                return Err("yields: resources are of a service account; those of an outside subject are its client's");
            }
            _ => return Err("yields: either client, for a service account, or clients, for an outside subject"),
        };
        Ok(Self { whose, scope: form.scope, roles: form.roles, lifetime: form.lifetime })
    }
}

impl From<Yields> for Form {
    fn from(yields: Yields) -> Self {
        let (client, resources, clients) = match yields.whose {
            Whose::ServiceAccount { client, resources } => (Some(client), resources, Vec::new()),
            Whose::OutsideSubject { clients } => (None, Vec::new(), clients),
        };
        Self { client, resources, clients, scope: yields.scope, roles: yields.roles, lifetime: yields.lifetime }
    }
}

impl Match {
    /// Whether a claim is so; what is not there is not.
    pub fn matches(&self, claim: Option<&Value>) -> bool {
        match claim {
            None => false,
            Some(Value::Array(values)) => values.iter().any(|value| self.matches_one(value)),
            Some(value) => self.matches_one(value),
        }
    }

    fn matches_one(&self, value: &Value) -> bool {
        match self {
            Self::Equals(wanted) => value == wanted,
            Self::OneOf(wanted) => wanted.contains(value),
            Self::Prefix(prefix) => value.as_str().is_some_and(|text| text.starts_with(prefix)),
            Self::Glob(pattern) => value.as_str().is_some_and(|text| glob::matches(pattern, text)),
            Self::Present(wanted) => *wanted && !value.is_null(),
        }
    }

    /// What is wrong with it.
    fn fault(&self) -> Option<&'static str> {
        let is_plain = |value: &Value| match value {
            Value::String(text) => text.len() <= LONGEST_TEXT,
            Value::Number(number) => number.is_i64() || number.is_u64(),
            Value::Bool(_) => true,
            _ => false,
        };
        let (is_good, fault) = match self {
            Self::Equals(value) => (is_plain(value), "equals: a text of at most 512 bytes, a whole number, true or false"),
            Self::OneOf(values) => (
                (1..=100).contains(&values.len()) && values.iter().all(is_plain),
                "one_of: 1 to 100 texts, whole numbers or truth values",
            ),
            Self::Prefix(prefix) => ((1..=LONGEST_TEXT).contains(&prefix.len()), "prefix: 1 to 512 bytes"),
            Self::Glob(pattern) => (glob::is_pattern(pattern), "glob: 1 to 512 bytes, at most 127 characters between two colons"),
            // A rule that holds for what a token lacks could be met by leaving things out.
            Self::Present(wanted) => (*wanted, "present: must be true"),
        };
        (!is_good).then_some(fault)
    }
}

impl Roles {
    /// The token's roles as ours, each once.
    pub fn mapped(&self, claims: &Map<String, Value>) -> Vec<String> {
        let theirs: Vec<&str> = match lookup(claims, &self.claim) {
            Some(Value::String(role)) => vec![role],
            Some(Value::Array(roles)) => roles.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let mut ours: Vec<String> = Vec::new();
        for role in theirs.into_iter().filter_map(|role| self.map.get(role)) {
            if !ours.contains(role) {
                ours.push(role.clone());
            }
        }
        ours
    }

    fn is_good(&self) -> bool {
        is_claim_name(&self.claim)
            && (1..=100).contains(&self.map.len())
            && self.map.iter().all(|(theirs, ours)| (1..=LONGEST_TEXT).contains(&theirs.len()) && is_role(ours))
    }
}

impl Rule {
    /// Everything that is wrong with a rule of an issuer.
    pub(super) fn faults(&self, issuer: &Settings) -> Vec<String> {
        let mut faults = Vec::new();
        let mut that = |good: bool, fault: &str| {
            if !good {
                faults.push(fault.to_owned());
            }
        };
        let is_id =
            (1..=64).contains(&self.id.len()) && self.id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        that(is_id, "id: 1 to 64 letters, digits or -._");
        that(self.claims.len() <= 20, "claims: at most 20");
        for (name, wanted) in &self.claims {
            that(is_claim_name(name), &format!("claims: {name:?} is no name of a claim and no JSON pointer"));
            if let Some(fault) = wanted.fault() {
                that(false, &format!("claims: {name}: {fault}"));
            }
        }
        // What a rule says must not look as if it could loosen what the issuer's settings say.
        let is_of_issuer = |audience: &String| issuer.audiences.as_ref().is_some_and(|audiences| audiences.contains(audience));
        that(self.audience.as_ref().is_none_or(is_of_issuer), "audience: must be one of the issuer's audiences");
        let is_less = |span: Option<Seconds>, most: Option<Seconds>| {
            span.is_none_or(|span| span.0 > 0 && most.is_none_or(|most| span <= most))
        };
        that(
            is_less(self.max_age, issuer.max_age.or(Some(Seconds(super::MOST_SECONDS)))),
            "max_age: at least 1 second, at most the issuer's",
        );
        that(is_less(self.max_life, Some(issuer.max_life())), "max_life: at least 1 second, at most the issuer's");
        that(
            !(issuer.single_use() && self.single_use == Some(false)),
            "single_use: the issuer's tokens are for single use; a rule cannot take that back",
        );
        for fault in self.yields.faults() {
            that(false, fault);
        }
        if let Some(fault) = issuer.preset.pin_fault(self) {
            that(false, &fault);
        }
        faults
    }
}

impl Yields {
    fn faults(&self) -> Vec<&'static str> {
        let mut faults = Vec::new();
        let mut that = |good: bool, fault| {
            if !good {
                faults.push(fault);
            }
        };
        match &self.whose {
            Whose::ServiceAccount { client, resources } => {
                that(Client::is_id(client), "yields: client: must be a client_id");
                that(
                    resources.len() <= 20 && resources.iter().all(|resource| uri::is_resource(resource)),
                    "yields: resources: at most 20 absolute URIs without fragment",
                );
            }
            Whose::OutsideSubject { clients } => {
                that(
                    clients.len() <= 100 && clients.iter().all(|client| Client::is_id(client)),
                    "yields: clients: must be client_ids",
                );
            }
        }
        that((1..=100).contains(&self.scope.iter().count()), "yields: scope: 1 to 100");
        // They are about a user of ours who signed in here.
        that(
            !self.scope.iter().any(|scope| STANDARD_SCOPES.contains(&scope)),
            "yields: scope: none of the scopes of OpenID Connect",
        );
        that(
            self.roles.as_ref().is_none_or(Roles::is_good),
            "yields: roles: a claim, and 1 to 100 roles; ours of 1 to 64 printable characters",
        );
        that(self.lifetime.is_none_or(|life| (5..=3600).contains(&life.0)), "yields: lifetime: 5 to 3600 seconds");
        faults
    }
}

/// The claim of a name, or what a JSON pointer leads to.
pub(super) fn lookup<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let Some(path) = name.strip_prefix('/') else {
        return claims.get(name);
    };
    // As `Value::pointer` does (RFC 6901 4), which needs the whole as a value.
    let unescaped = |token: &str| token.replace("~1", "/").replace("~0", "~");
    let (first, rest) = path.find('/').map_or((path, ""), |at| path.split_at(at));
    claims.get(&unescaped(first))?.pointer(rest)
}
