//! Why a token is worth what it is, for the operator who writes rules: every condition, and not only the first
//! that does not hold. Claims are in it, the token is not, and it is told to the operator alone.

use serde::Serialize;
use serde_json::Value;

use super::evaluate::Condition;
use super::{Asking, Rule, Token, TrustedIssuer, Yields};

/// What became of every condition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Account {
    /// What all tokens of the issuer must be like.
    pub checks: Vec<Check>,
    /// The rules, in order.
    pub rules: Vec<RuleAccount>,
    /// The rule that counts; none when the token is worth nothing.
    pub rule: Option<String>,
}

/// What became of one condition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// What it is about: a claim, or a part of the header.
    pub about: String,
    /// Whether it holds.
    pub ok: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<&'static str>,
    /// What should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<Value>,
    /// What is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<Value>,
}

/// What became of one rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleAccount {
    /// Its name.
    pub rule: String,
    /// Whether it matches.
    pub ok: bool,
    /// Its conditions.
    pub checks: Vec<Check>,
    /// What it would yield.
    pub yields: Yields,
    /// The subject's roles here.
    pub roles: Vec<String>,
    /// Whether the token is for single use by it. Whether it was used is not asked.
    pub single_use: bool,
}

impl Check {
    /// A condition that the rules do not know of.
    pub fn of(about: &str, outcome: Result<(), &'static str>) -> Self {
        Self { about: about.to_owned(), ok: outcome.is_ok(), why: outcome.err(), expected: None, found: None }
    }

    fn made(condition: &Condition<'_>, token: &Token<'_>) -> Self {
        let (expected, found) = (condition.expected(), condition.found(token));
        Self { expected, found, ..Self::of(condition.about(), condition.met(token)) }
    }
}

impl TrustedIssuer {
    /// Every condition of the issuer and of each rule; `own` is our issuer. Without `asking` it does not matter
    /// who asks.
    pub fn explain(&self, token: &Token<'_>, own: &str, asking: Option<Asking<'_>>) -> Account {
        let checks: Vec<Check> = self.conditions(own).iter().map(|condition| Check::made(condition, token)).collect();
        let rules: Vec<RuleAccount> = self.settings.rules.iter().map(|rule| self.explain_rule(rule, token, asking)).collect();
        let is_good = checks.iter().all(|check| check.ok);
        let first = rules.iter().find(|rule| rule.ok && is_good).map(|rule| rule.rule.clone());
        Account { checks, rules, rule: first }
    }

    fn explain_rule(&self, rule: &Rule, token: &Token<'_>, asking: Option<Asking<'_>>) -> RuleAccount {
        let conditions = rule.conditions(&self.settings, asking);
        let checks: Vec<Check> = conditions.iter().map(|condition| Check::made(condition, token)).collect();
        RuleAccount {
            rule: rule.id.clone(),
            ok: checks.iter().all(|check| check.ok),
            checks,
            yields: rule.yields.clone(),
            roles: rule.yields.roles.as_ref().map(|roles| roles.mapped(token.claims)).unwrap_or_default(),
            single_use: rule.is_single_use(&self.settings),
        }
    }
}
