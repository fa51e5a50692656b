//! Presets: what the tokens of well-known kinds of issuers are like, and what a rule for them must pin.
//!
//! The same issuer signs for everybody on its platform. A rule that does not say whose tokens it means, or says
//! it so that `acme-evil` is meant by `acme` too, is a door for anybody with an account there. So each preset
//! knows the claims by which an owner is told from others, and a rule must pin one of them to a text that the
//! platform gives to that owner alone.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::glob;
use super::rules::{Match, Rule, Whose};
use crate::protocol::jose::Alg;

/// A kind of issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// GitHub Actions: `https://token.actions.githubusercontent.com`, or a GitHub Enterprise server's.
    GithubActions,
    /// GitLab CI `id_tokens`: `https://gitlab.com`, or a server of one's own.
    GitlabCi,
    /// Projected service account tokens of a Kubernetes cluster.
    Kubernetes,
    /// Any OpenID provider.
    Oidc,
    /// Another Latchkey realm: its access tokens (RFC 9068).
    Latchkey,
}

/// A claim that tells owners apart, and from where to where in it the owner's part goes.
struct Pin {
    claim: &'static str,
    /// Before the owner's part.
    head: &'static str,
    /// After it; without one, the owner's part is the whole claim.
    end: Option<char>,
    /// Whether the claim may also end with the owner's part, though there is an `end`.
    may_end: bool,
}

impl Pin {
    /// The whole claim.
    const fn whole(claim: &'static str) -> Self {
        Self { claim, head: "", end: None, may_end: true }
    }

    /// What is before `end`, which must be there.
    const fn before(claim: &'static str, head: &'static str, end: char) -> Self {
        Self { claim, head, end: Some(end), may_end: false }
    }

    /// What is before `end`, or all.
    const fn up_to(claim: &'static str, head: &'static str, end: char) -> Self {
        Self { claim, head, end: Some(end), may_end: true }
    }

    /// Whether a text that claims are compared with fixes the owner's part. `is_whole`: the claim is just this
    /// text, and does not only begin with it.
    fn is_fixed_by(&self, text: &str, is_whole: bool) -> bool {
        let Some(rest) = text.strip_prefix(self.head) else {
            return false;
        };
        match self.end.and_then(|end| rest.find(end)) {
            Some(at) => at > 0,
            None => self.may_end && is_whole && !rest.is_empty(),
        }
    }
}

/// `sub` is `repo:OWNER/NAME:..` unless the owner chose other parts for it, which go by name: a token of
/// `repo:` or `repository_owner_id:` is the named one's, but one of `environment:` may be anybody's. Names can
/// be given up and taken by others, ids cannot.
const GITHUB: &[Pin] = &[
    Pin::whole("repository_owner_id"),
    Pin::whole("repository_id"),
    Pin::whole("repository_owner"),
    Pin::before("repository", "", '/'),
    Pin::before("sub", "repo:", '/'),
    Pin::before("sub", "repository:", '/'),
    Pin::up_to("sub", "repository_owner:", ':'),
    Pin::up_to("sub", "repository_owner_id:", ':'),
    Pin::up_to("sub", "repository_id:", ':'),
];

/// `sub` always begins with `project_path:GROUP/..`.
const GITLAB: &[Pin] = &[
    Pin::whole("project_id"),
    Pin::whole("namespace_id"),
    Pin::before("project_path", "", '/'),
    Pin::up_to("namespace_path", "", '/'),
    Pin::before("sub", "project_path:", '/'),
];

/// `sub` is `system:serviceaccount:NAMESPACE:NAME`. The name of an account alone is free in every namespace.
const KUBERNETES: &[Pin] = &[
    Pin::before("sub", "system:serviceaccount:", ':'),
    Pin::whole("/kubernetes.io/namespace"),
    Pin::whole("/kubernetes.io/serviceaccount/uid"),
];

/// What identifies an account. `client_id` and `azp` do not: everybody who signs in at that client gets tokens
/// with them.
const ACCOUNT: &[Pin] = &[Pin::whole("sub")];

impl Preset {
    /// Algorithms of its tokens.
    pub(super) const fn algs(self) -> &'static [Alg] {
        match self {
            Self::GithubActions | Self::GitlabCi => &[Alg::RS256],
            Self::Kubernetes => &[Alg::RS256, Alg::ES256],
            Self::Oidc | Self::Latchkey => &Alg::ALL,
        }
    }

    /// `typ` that its tokens must have; none: none or `JWT`.
    pub(super) const fn typ(self) -> Option<&'static str> {
        match self {
            // Its ID and logout tokens are signed by the same keys.
            Self::Latchkey => Some("at+jwt"),
            _ => None,
        }
    }

    /// Whether its tokens are for single use. A job asks GitHub for as many as it needs; GitLab and Kubernetes
    /// give one that is used again and again, and so is an access token.
    pub(super) const fn single_use(self) -> bool {
        matches!(self, Self::GithubActions)
    }

    /// What is wrong if a rule does not pin whose tokens it means. All rules for platforms must; of others,
    /// those that make somebody a service account, for an outside subject stays who it is.
    pub(super) fn pin_fault(self, rule: &Rule) -> Option<String> {
        let pins = match (self, &rule.yields.whose) {
            (Self::GithubActions, _) => GITHUB,
            (Self::GitlabCi, _) => GITLAB,
            (Self::Kubernetes, _) => KUBERNETES,
            (Self::Oidc | Self::Latchkey, Whose::ServiceAccount { .. }) => ACCOUNT,
            (Self::Oidc | Self::Latchkey, Whose::OutsideSubject { .. }) => return None,
        };
        let is_pinned = rule.claims.iter().any(|(claim, wanted)| {
            let texts = texts(wanted);
            !texts.is_empty()
                && texts.iter().all(|(text, is_whole)| {
                    pins.iter().filter(|pin| pin.claim == claim).any(|pin| pin.is_fixed_by(text, *is_whole))
                        || (self == Self::Oidc && claim == "sub" && ends_a_part(text))
                })
        });
        let forms: Vec<String> = pins.iter().map(told).collect();
        (!is_pinned).then(|| format!("claims: whose tokens it means must be pinned by one of {}", forms.join(", ")))
    }
}

/// How a pin is told to the operator.
fn told(pin: &Pin) -> String {
    match (pin.end, pin.head) {
        (None, _) => format!("{} (whole)", pin.claim),
        (Some(end), head) => format!("{} ({head}..{end})", pin.claim),
    }
}

/// Subjects of other CI platforms are paths too. Which part is the owner's is not known here, but a text that
/// ends in the middle of a name is the beginning of others' names as well; and the first part is a label, such as
/// `repo:`, that all have.
fn ends_a_part(text: &str) -> bool {
    const ENDS: [char; 3] = [':', '/', '|'];
    text.ends_with(ENDS) && text.split(ENDS).filter(|part| !part.is_empty()).count() >= 2
}

/// The texts that a claim is, or begins with, where it matches; none where nothing is fixed. And whether it is
/// the whole text.
fn texts(wanted: &Match) -> Vec<(Cow<'_, str>, bool)> {
    let whole = |value: &Value| match value {
        Value::String(text) => (Cow::Owned(text.clone()), true),
        other => (Cow::Owned(other.to_string()), true),
    };
    match wanted {
        Match::Equals(value) => vec![whole(value)],
        Match::OneOf(values) => values.iter().map(whole).collect(),
        Match::Prefix(prefix) => vec![(Cow::Borrowed(prefix.as_str()), false)],
        Match::Glob(pattern) => {
            let head = glob::literal_head(pattern);
            vec![(Cow::Borrowed(head), head.len() == pattern.len())]
        }
        Match::Present(_) => Vec::new(),
    }
}
