//! What a browser carries: cookies and form tokens, each sealed and bound.
//!
//! A sealed form says what was *asked*, never what was proved: `auth_time`, `acr` and `amr` come
//! from the session row alone.

use serde::{Deserialize, Serialize};

use super::config::Config;
use super::ids::{OwnedId, UserId};
use super::logout::LogoutAsked;
use super::scope::Scope;
use super::seal::{Sealer, sealed_json};
use super::secret::{base64url, sha256};
use super::steps::Asked;
use super::time::{Seconds, Timestamp};

/// `acr` of a sign-in with a password alone.
pub const ACR_PASSWORD: &str = "urn:latchkey:acr:pwd";

/// Hash of the browser-id cookie: what sealed values are bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BrowserHash(String);

impl BrowserHash {
    /// Of a cookie's value.
    pub fn of(browser_id: &str) -> Self {
        Self(base64url(sha256(browser_id.as_bytes()).first_chunk::<16>().unwrap_or(&[0; 16])))
    }
}

/// The whole key of a session's row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionKey {
    /// Whose.
    pub user: UserId,
    /// Which.
    pub session: OwnedId,
}

/// The session cookie: the session in use, and those of other accounts that are signed in beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionCookie {
    /// The session in use.
    #[serde(flatten)]
    pub current: SessionKey,
    /// Others, the last used first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<SessionKey>,
}
sealed_json!(SessionCookie, "session cookie");

impl SessionCookie {
    /// Accounts side by side at most.
    const MOST: usize = 5;

    /// All sessions, the one in use first.
    pub fn keys(&self) -> impl Iterator<Item = &SessionKey> {
        std::iter::once(&self.current).chain(&self.others)
    }

    /// The same with the session of this user in use, if there is one.
    pub fn switched_to(&self, user: &UserId) -> Option<Self> {
        let current = self.keys().find(|key| key.user == *user)?.clone();
        let others = self.keys().filter(|key| **key != current).cloned().collect();
        Some(Self { current, others })
    }

    /// After a sign-in: the cookie, and the sessions that end. The same user's earlier session always does;
    /// another's in use too, unless this sign-in was asked for beside it.
    pub fn after_sign_in(before: Option<&Self>, current: SessionKey, beside: bool) -> (Self, Vec<SessionKey>) {
        let (mut others, mut ended) = (Vec::new(), Vec::new());
        for (place, key) in before.into_iter().flat_map(Self::keys).enumerate() {
            let stays = key.user != current.user && (place > 0 || beside) && others.len() + 1 < Self::MOST;
            if stays { others.push(key.clone()) } else { ended.push(key.clone()) }
        }
        (Self { current, others }, ended)
    }
}

/// A session's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub user: UserId,
    /// Its id.
    pub id: OwnedId,
    /// What clients know it by. It stays when the user signs in again at the same browser; the id does not.
    pub sid: String,
    /// When the user proved who they are.
    pub auth_time: Timestamp,
    /// Last use that was written down.
    pub seen_at: Timestamp,
    /// How they proved it, as `acr`.
    pub acr: String,
    /// How they proved it, as `amr` (RFC 8176).
    pub amr: Vec<String>,
}

impl Session {
    /// Whether it is alive: neither idle nor too old, the user active, and begun after the user's
    /// `not_before`.
    pub fn is_alive(&self, user_enabled: bool, not_before: Timestamp, config: &Config, now: Timestamp) -> bool {
        user_enabled
            && self.auth_time > not_before
            && now < self.auth_time.plus(Seconds(config.settings.session_absolute))
            && now < self.seen_at.plus(Seconds(config.settings.session_idle))
    }
}

/// Accounts that signed in from this browser before. Each has a budget of wrong passwords of its
/// own, so that strangers' failures never keep a user out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownBrowser {
    /// Newest first, at most [`KnownBrowser::MOST`].
    pub accounts: Vec<KnownAccount>,
}
sealed_json!(KnownBrowser, "known browser");

/// One account of a [`KnownBrowser`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownAccount {
    /// Hash of the login name.
    pub login: String,
    /// Random: names this pair of browser and account.
    pub id: String,
    /// When it last signed in.
    pub signed_in_at: Timestamp,
}

impl KnownBrowser {
    /// Accounts that one cookie remembers.
    const MOST: usize = 5;

    /// The account with this login hash, if it signed in here recently enough.
    pub fn account(&self, login: &str, lifetime: Seconds, now: Timestamp) -> Option<&KnownAccount> {
        self.accounts.iter().find(|account| account.login == login && now < account.signed_in_at.plus(lifetime))
    }

    /// After a sign-in: the account is first.
    #[must_use]
    pub fn with(mut self, account: KnownAccount) -> Self {
        self.accounts.retain(|other| other.login != account.login);
        self.accounts.insert(0, account);
        self.accounts.truncate(Self::MOST);
        self
    }
}

/// A login name as it is looked up: without surrounding space, in lower case, at most 254
/// characters; or nothing.
pub fn login_name(typed: &str) -> Option<String> {
    let name = typed.trim().to_lowercase();
    ((1..=254).contains(&name.len()) && !name.chars().any(char::is_control)).then_some(name)
}

/// Keyed hash of a login name, for budgets and the known-browser cookie.
pub fn login_hash(sealer: &Sealer<'_>, number: u16, login: &str) -> String {
    let mac = sealer.mac(number, "login name", &[login.as_bytes()]);
    base64url(mac.first_chunk::<16>().unwrap_or(&[0; 16]))
}

/// Where a sign-in leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "next")]
pub enum Next {
    /// The start page.
    Home,
    /// The account page.
    Account,
    /// The console.
    Console {
        /// It wants a sign-in after this instant.
        after: Option<Timestamp>,
    },
    /// The device page.
    Device {
        /// A code on its way there.
        user_code: Option<String>,
        /// The client wants a sign-in after this instant.
        after: Option<Timestamp>,
    },
    /// Back to an authorization.
    Authorize {
        /// What was asked.
        asked: Box<Asked>,
        /// Whether the account comes beside those that are signed in.
        beside: bool,
    },
}

/// A step that leads to the login page, in its query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginStep {
    /// Whose browser.
    pub browser: BrowserHash,
    /// Where it leads.
    pub next: Next,
    /// When it was made.
    pub made_at: Timestamp,
}
sealed_json!(LoginStep, "login step");

/// The login form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginForm {
    /// Whose browser.
    pub browser: BrowserHash,
    /// Where it leads.
    pub next: Next,
    /// When it was made.
    pub made_at: Timestamp,
}
sealed_json!(LoginForm, "login form");

/// The form that asks for a link to a new password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResetForm {
    /// Whose browser.
    pub browser: BrowserHash,
    /// When it was made.
    pub made_at: Timestamp,
}
sealed_json!(ResetForm, "password reset form");

/// A user code from a link, in a cookie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefilledCode {
    /// Whose browser.
    pub browser: BrowserHash,
    /// The code as shown.
    pub user_code: String,
    /// When it was made.
    pub made_at: Timestamp,
}
sealed_json!(PrefilledCode, "prefilled user code");

/// Who a form was made for, once somebody is signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Whose browser.
    pub browser: BrowserHash,
    /// Session, which must be alive when the form comes back.
    pub session: OwnedId,
    /// Subject.
    pub user: UserId,
    /// When it was made.
    pub made_at: Timestamp,
}

/// The form that asks for a user code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeForm {
    /// Made for.
    pub holder: Holder,
    /// The code that was filled in for them, if one was.
    pub prefilled: Option<String>,
}
sealed_json!(CodeForm, "code form");

/// The form that asks for a yes or no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalForm {
    /// Made for.
    pub holder: Holder,
    /// Name of the flow.
    pub flow: String,
    /// Its instance.
    pub instance: String,
    /// The user code, to show it again.
    pub user_code: String,
    /// The client that asks.
    pub client: String,
    /// What it asks for.
    pub scope: Scope,
    /// Coarse place of the device's request.
    pub place: String,
    /// When it asked.
    pub requested_at: Timestamp,
}
sealed_json!(ApprovalForm, "approval form");

/// The form that takes a yes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoForm {
    /// Made for.
    pub holder: Holder,
    /// Name of the flow.
    pub flow: String,
    /// Its instance.
    pub instance: String,
    /// The client, for the tombstone.
    pub client: String,
    /// The grant that the yes would make.
    pub grant: OwnedId,
}
sealed_json!(UndoForm, "undo form");

/// The form that signs one device out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndForm {
    /// Made for.
    pub holder: Holder,
    /// The device's grant.
    pub grant: OwnedId,
}
sealed_json!(EndForm, "end device form");

/// The form that signs out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogoutForm {
    /// Made for.
    pub holder: Holder,
    /// What a client asked for, if it was a client.
    #[serde(default, skip_serializing_if = "LogoutAsked::is_nothing")]
    pub asked: LogoutAsked,
}
sealed_json!(LogoutForm, "logout form");

/// Whether something made at `made_at` is still to be taken: not older than `lifetime`, and not
/// from more than a minute ahead (another isolate's clock).
pub fn is_fresh(made_at: Timestamp, lifetime: Seconds, now: Timestamp) -> bool {
    (-60_000..lifetime.millis()).contains(&now.since(made_at))
}

#[cfg(test)]
mod tests {
    use super::super::config::tests::with;
    use super::super::ids::tests::Counted;
    use super::*;

    #[test]
    fn login_names_are_folded() {
        assert_eq!(login_name("  Ada@Example.ORG "), Some("ada@example.org".into()));
        assert_eq!(login_name(" \t"), None);
        assert_eq!(login_name("a\u{0}b"), None);
        assert_eq!(login_name(&"x".repeat(255)), None);
    }

    #[test]
    fn sessions_end() {
        let config = with(&[]).unwrap();
        let user = UserId::generate(&mut Counted(0));
        let session = Session {
            id: OwnedId::generate(&user, &mut Counted(0)),
            user,
            sid: "sid".into(),
            auth_time: Timestamp::from_millis(1_000_000),
            seen_at: Timestamp::from_millis(2_000_000),
            acr: ACR_PASSWORD.into(),
            amr: vec!["pwd".into()],
        };
        let alive = |enabled, not_before, now| {
            session.is_alive(enabled, Timestamp::from_millis(not_before), &config, Timestamp::from_millis(now))
        };
        assert!(alive(true, 0, 2_000_001));
        assert!(!alive(false, 0, 2_000_001));
        assert!(!alive(true, 1_000_000, 2_000_001), "signed out everywhere at the same instant");
        assert!(!alive(true, 0, 2_000_000 + 28_800_000));
        assert!(!alive(true, 0, 1_000_000 + 604_800_000));
    }

    #[test]
    fn accounts_side_by_side() {
        let key = |seed| {
            let user = UserId::generate(&mut Counted(seed));
            SessionKey { session: OwnedId::generate(&user, &mut Counted(seed)), user }
        };
        let (ada, bob) = (key(0), key(100));
        let (cookie, ended) = SessionCookie::after_sign_in(None, ada.clone(), false);
        assert_eq!((cookie.keys().count(), ended.len()), (1, 0));
        // The cookie of one account is what earlier versions wrote.
        let text = serde_json::to_string(&cookie).unwrap();
        assert_eq!(text, format!("{{\"user\":\"{}\",\"session\":\"{}\"}}", ada.user.as_str(), ada.session));
        assert_eq!(serde_json::from_str::<SessionCookie>(&text).unwrap(), cookie);
        let (both, ended) = SessionCookie::after_sign_in(Some(&cookie), bob.clone(), true);
        assert_eq!((both.keys().count(), ended.len()), (2, 0));
        let (_, ended) = SessionCookie::after_sign_in(Some(&cookie), bob.clone(), false);
        assert_eq!(ended, std::slice::from_ref(&ada), "not asked for beside");
        assert_eq!(both.switched_to(&ada.user).unwrap().current, ada);
        assert_eq!(both.switched_to(&key(50).user), None);
        let again = SessionKey { user: ada.user.clone(), session: key(7).session };
        let (after, ended) = SessionCookie::after_sign_in(Some(&both.switched_to(&ada.user).unwrap()), again, false);
        assert_eq!((after.keys().count(), ended), (2, vec![ada]), "the same user's earlier session ends, others stay");
    }

    #[test]
    fn known_accounts_are_few_and_expire() {
        let account =
            |login: &str, at| KnownAccount { login: login.into(), id: login.into(), signed_in_at: Timestamp::from_millis(at) };
        let mut known = KnownBrowser::default();
        for login in ["a", "b", "c", "d", "e", "f", "b"] {
            known = known.with(account(login, 0));
        }
        let logins: Vec<_> = known.accounts.iter().map(|a| a.login.as_str()).collect();
        assert_eq!(logins, ["b", "f", "e", "d", "c"]);
        assert!(known.account("b", Seconds(1), Timestamp::from_millis(999)).is_some());
        assert!(known.account("b", Seconds(1), Timestamp::from_millis(1000)).is_none());
        assert!(known.account("z", Seconds(1), Timestamp::from_millis(0)).is_none());
    }

    #[test]
    fn freshness() {
        let at = Timestamp::from_millis;
        assert!(is_fresh(at(0), Seconds(10), at(9_999)));
        assert!(!is_fresh(at(0), Seconds(10), at(10_000)));
        assert!(is_fresh(at(60_000), Seconds(10), at(0)));
        assert!(!is_fresh(at(60_001), Seconds(10), at(0)));
    }
}
