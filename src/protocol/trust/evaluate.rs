//! What a token of a trusted issuer is worth. The same conditions are asked twice: of the claims of a token
//! that nobody has verified, so that no issuer is asked for keys in vain, and of those that were signed.

use serde_json::{Map, Value, json};

use super::rules::{Match, Roles, Rule, Whose, Yields, lookup};
use super::{Settings, TrustedIssuer};
use crate::protocol::claims::{Actor, Party};
use crate::protocol::foreign_jwt::{NumericDate, check_dates};
use crate::protocol::jose::Alg;
use crate::protocol::json;
use crate::protocol::time::{Seconds, Timestamp};

/// Longest `sub`, in bytes.
const LONGEST_SUB: usize = 1024;
/// Longest `jti`, in bytes.
const LONGEST_JTI: usize = 256;
/// Longest chain of actors (RFC 8693 4.1).
const MOST_ACTORS: usize = 5;

/// Why a rule does not match although the token is what it wants.
pub const OTHER_CLIENT: &str = "it is for other clients";

/// A token's header and claims, and when it is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    /// `typ`, in lower case and without `application/`.
    pub typ: Option<&'a str>,
    /// Its algorithm.
    pub alg: Alg,
    /// Its claims.
    pub claims: &'a Map<String, Value>,
    /// Now.
    pub now: Timestamp,
}

/// Who asks what the token is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking<'a> {
    /// Somebody who says nothing about himself.
    Nobody,
    /// Somebody who names this client and has not proved to be it.
    Named(&'a str),
    /// This client, whose credentials are right, as far as its method has any.
    Authenticated(&'a str),
}

/// What a token is worth.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// Its issuer.
    pub issuer: String,
    /// Its subject there.
    pub sub: String,
    /// The rule that matched.
    pub rule: String,
    /// What the rule yields.
    pub yields: Yields,
    /// The subject's roles here; empty where the rule maps none.
    pub roles: Vec<String>,
    /// When the token ends: nothing that it yields should outlive it.
    pub expires_at: Timestamp,
    /// Who may act for the subject (RFC 8693 4.4), always with the issuer that it is of.
    pub may_act: Option<Party>,
    /// Who acts for the subject already (RFC 8693 4.1), always with the issuers that they are of.
    pub act: Option<Actor>,
    /// Its `jti`, where it is for single use.
    pub single_use: Option<String>,
}

/// Why something does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// What it is about: a claim, or a part of the header.
    pub about: String,
    /// In words.
    pub reason: &'static str,
}

/// Why a token is worth nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is no token of the issuer for us that is good now.
    Token(Why),
    /// No rule matches: each with its first condition that does not hold.
    Rules(Vec<(String, Why)>),
}

impl Refused {
    /// In words, for a log: nothing of the token is in it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Token(why) => why.reason,
            Self::Rules(rules) if rules.iter().any(|(_, why)| why.reason == OTHER_CLIENT) => {
                "the rules of the issuer that match the token are for other clients"
            }
            Self::Rules(_) => "no rule of the issuer matches the token",
        }
    }
}

/// Something that has to hold.
pub(super) enum Condition<'a> {
    Enabled(bool),
    Typ(Option<&'a str>),
    Alg(&'a [Alg]),
    Iss(&'a str),
    Audience(Vec<&'a str>),
    Sub,
    Dates(Seconds),
    MaxAge(Seconds),
    MaxLife(Seconds),
    Jti,
    Actors,
    Claim(&'a str, &'a Match),
    Roles(&'a Roles),
    Client(&'a Whose, Asking<'a>),
}

impl Condition<'_> {
    /// What it is about.
    pub(super) fn about(&self) -> &str {
        match self {
            Self::Enabled(_) => "issuer",
            Self::Typ(_) => "typ",
            Self::Alg(_) => "alg",
            Self::Iss(_) => "iss",
            Self::Audience(_) => "aud",
            Self::Sub => "sub",
            Self::Dates(_) => "dates",
            Self::MaxAge(_) => "iat",
            Self::MaxLife(_) => "exp",
            Self::Jti => "jti",
            Self::Actors => "act",
            Self::Claim(name, _) => name,
            Self::Roles(roles) => &roles.claim,
            Self::Client(..) => "client",
        }
    }

    /// What should be, for the operator.
    pub(super) fn expected(&self) -> Option<Value> {
        match self {
            Self::Enabled(_) | Self::Sub | Self::Jti | Self::Actors => None,
            Self::Typ(typ) => Some(typ.map_or(json!([null, "jwt"]), Value::from)),
            Self::Alg(algs) => Some(json!(algs)),
            Self::Iss(issuer) => Some(json!(issuer)),
            Self::Audience(audiences) => Some(json!({ "one_of": audiences })),
            Self::Dates(life) | Self::MaxLife(life) => Some(json!({ "max_life": life })),
            Self::MaxAge(age) => Some(json!({ "max_age": age })),
            Self::Claim(_, wanted) => Some(json!(wanted)),
            Self::Roles(roles) => Some(json!({ "one_of": roles.map.keys().collect::<Vec<_>>() })),
            Self::Client(Whose::ServiceAccount { client, .. }, _) => Some(json!(client)),
            Self::Client(Whose::OutsideSubject { clients }, _) => Some(json!({ "one_of": clients })),
        }
    }

    /// What is, for the operator.
    pub(super) fn found(&self, token: &Token<'_>) -> Option<Value> {
        let claims = token.claims;
        match self {
            Self::Enabled(_) | Self::Client(_, Asking::Nobody) => None,
            Self::Typ(_) => Some(json!(token.typ)),
            Self::Alg(_) => Some(json!(token.alg)),
            Self::Dates(_) => {
                let dates: Map<String, Value> = ["exp", "nbf", "iat"]
                    .into_iter()
                    .filter_map(|name| claims.get(name).map(|date| (name.to_owned(), date.clone())))
                    .chain([("now".to_owned(), json!(token.now.seconds()))])
                    .collect();
                Some(dates.into())
            }
            Self::Client(_, Asking::Named(client) | Asking::Authenticated(client)) => Some(json!(client)),
            _ => lookup(claims, self.about()).cloned(),
        }
    }

    /// Whether it holds; the error says why not.
    pub(super) fn met(&self, token: &Token<'_>) -> Result<(), &'static str> {
        let claims = token.claims;
        let that = |good: bool, why| if good { Ok(()) } else { Err(why) };
        match self {
            Self::Enabled(enabled) => that(*enabled, "the issuer is not trusted at present"),
            Self::Typ(Some(typ)) => that(token.typ == Some(*typ), "its typ is another"),
            Self::Typ(None) => that(token.typ.is_none_or(|typ| typ == "jwt"), "its typ is another"),
            Self::Alg(algs) => that(algs.contains(&token.alg), "its algorithm is another"),
            Self::Iss(issuer) => that(claims.get("iss").is_some_and(|iss| iss == issuer), "its issuer is another"),
            Self::Audience(wanted) => {
                let is_one = |audience: &Value| wanted.iter().any(|wanted| audience == wanted);
                let is_ours = match claims.get("aud") {
                    Some(Value::Array(audiences)) => audiences.iter().any(is_one),
                    Some(audience) => is_one(audience),
                    None => false,
                };
                that(is_ours, "its audience is another")
            }
            Self::Sub => that(is_text(claims, "sub", LONGEST_SUB), "it has no sub, or one that is too long"),
            Self::Dates(longest) => {
                let exp = date(claims, "exp")?.ok_or("it has no exp")?;
                check_dates(Some(exp), date(claims, "nbf")?, date(claims, "iat")?, *longest, token.now)
            }
            Self::MaxAge(age) => {
                let NumericDate(iat) = date(claims, "iat")?.ok_or("it has no iat")?;
                that(token.now.since(iat) <= age.millis(), "it is too old")
            }
            Self::MaxLife(longest) => check_dates(date(claims, "exp")?, None, None, *longest, token.now),
            Self::Jti => that(is_text(claims, "jti", LONGEST_JTI), "it has no jti, or one that is too long"),
            Self::Actors => party(claims, "").map(|_| ()).and(actor(claims, "").map(|_| ())),
            Self::Claim(name, wanted) => that(wanted.matches(lookup(claims, name)), "the claim is missing or another"),
            Self::Roles(roles) => that(!roles.mapped(claims).is_empty(), "none of its roles is one of the rule's"),
            Self::Client(Whose::ServiceAccount { client, .. }, asking) => match asking {
                Asking::Nobody => Ok(()),
                Asking::Named(asking) | Asking::Authenticated(asking) => that(asking == client, OTHER_CLIENT),
            },
            Self::Client(Whose::OutsideSubject { clients }, asking) => match asking {
                Asking::Authenticated(asking) => that(clients.iter().any(|client| client == asking), OTHER_CLIENT),
                Asking::Nobody | Asking::Named(_) => Err(OTHER_CLIENT),
            },
        }
    }
}

impl TrustedIssuer {
    /// What all of its tokens must be like; `own` is the audience where the operator named none.
    pub(super) fn conditions<'a>(&'a self, own: &'a str) -> Vec<Condition<'a>> {
        let settings = &self.settings;
        let audiences =
            settings.audiences.as_ref().map_or_else(|| vec![own], |audiences| audiences.iter().map(String::as_str).collect());
        let mut conditions = vec![
            Condition::Enabled(self.enabled),
            Condition::Typ(settings.typ()),
            Condition::Alg(settings.algs()),
            Condition::Iss(&self.issuer),
            Condition::Audience(audiences),
            Condition::Dates(settings.max_life()),
            Condition::Sub,
            Condition::Actors,
        ];
        conditions.extend(settings.max_age.map(Condition::MaxAge));
        conditions
    }

    /// What a token is worth to who asks, by the first rule that matches; `own` is our issuer.
    pub fn evaluate(&self, token: &Token<'_>, own: &str, asking: Asking<'_>) -> Result<Accepted, Refused> {
        if let Some(why) = first_unmet(self.conditions(own), token) {
            return Err(Refused::Token(why));
        }
        let mut refused = Vec::new();
        for rule in &self.settings.rules {
            match first_unmet(rule.conditions(&self.settings, Some(asking)), token) {
                Some(why) => refused.push((rule.id.clone(), why)),
                None => return self.accepted(rule, token).ok_or(Refused::Rules(refused)),
            }
        }
        Err(Refused::Rules(refused))
    }

    /// What a token is worth that meets all conditions.
    fn accepted(&self, rule: &Rule, token: &Token<'_>) -> Option<Accepted> {
        let claims = token.claims;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        let jti = if rule.is_single_use(&self.settings) { Some(text("jti")?) } else { None };
        Some(Accepted {
            issuer: self.issuer.clone(),
            sub: text("sub")?,
            rule: rule.id.clone(),
            yields: rule.yields.clone(),
            roles: rule.yields.roles.as_ref().map(|roles| roles.mapped(claims)).unwrap_or_default(),
            expires_at: date(claims, "exp").ok()??.0,
            may_act: party(claims, &self.issuer).ok()?,
            act: actor(claims, &self.issuer).ok()?,
            single_use: jti,
        })
    }
}

impl Rule {
    /// Whether a token that it matches is for single use.
    pub(super) fn is_single_use(&self, issuer: &Settings) -> bool {
        issuer.single_use() || self.single_use == Some(true)
    }

    /// What a token must be like beside what the issuer's all must; `asking`: nobody asks when it is only
    /// explained.
    pub(super) fn conditions<'a>(&'a self, issuer: &Settings, asking: Option<Asking<'a>>) -> Vec<Condition<'a>> {
        let mut conditions: Vec<Condition<'a>> =
            self.claims.iter().map(|(name, wanted)| Condition::Claim(name, wanted)).collect();
        conditions.extend(self.audience.iter().map(|audience| Condition::Audience(vec![audience])));
        conditions.extend(self.max_age.map(Condition::MaxAge));
        conditions.extend(self.max_life.map(Condition::MaxLife));
        conditions.extend(self.is_single_use(issuer).then_some(Condition::Jti));
        conditions.extend(self.yields.roles.as_ref().map(Condition::Roles));
        conditions.extend(asking.map(|asking| Condition::Client(&self.yields.whose, asking)));
        conditions
    }
}

fn first_unmet(conditions: Vec<Condition<'_>>, token: &Token<'_>) -> Option<Why> {
    conditions
        .into_iter()
        .find_map(|condition| condition.met(token).err().map(|reason| Why { about: condition.about().to_owned(), reason }))
}

fn is_text(claims: &Map<String, Value>, name: &str, longest: usize) -> bool {
    claims.get(name).and_then(Value::as_str).is_some_and(|text| (1..=longest).contains(&text.len()))
}

fn date(claims: &Map<String, Value>, name: &str) -> Result<Option<NumericDate>, &'static str> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    json::from_value(value.clone()).map(Some).map_err(|_| "its exp, nbf or iat is not a date")
}

/// `may_act`, of this issuer where it says nothing else.
fn party(claims: &Map<String, Value>, issuer: &str) -> Result<Option<Party>, &'static str> {
    let Some(value) = claims.get("may_act") else {
        return Ok(None);
    };
    let mut party: Party = json::from_value(value.clone()).map_err(|_| "its may_act is malformed")?;
    party.iss.get_or_insert_with(|| issuer.to_owned());
    Ok(Some(party))
}

/// `act`, likewise, all of the chain.
fn actor(claims: &Map<String, Value>, issuer: &str) -> Result<Option<Actor>, &'static str> {
    let Some(value) = claims.get("act") else {
        return Ok(None);
    };
    let chain = std::iter::successors(Some(value), |value| value.get("act"));
    if chain.take(MOST_ACTORS + 1).count() > MOST_ACTORS {
        return Err("its act is nested too deep");
    }
    let mut actor: Actor = json::from_value(value.clone()).map_err(|_| "its act is malformed")?;
    let mut next = Some(&mut actor);
    while let Some(one) = next {
        one.party.iss.get_or_insert_with(|| issuer.to_owned());
        next = one.act.as_deref_mut();
    }
    Ok(Some(actor))
}
