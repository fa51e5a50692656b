//! Mails to users: where they go, what each is about, and the links in them.
//!
//! A link is a seal over the user's version: whatever changes the user, its own act included, voids it. So each acts
//! once, and nothing has to be written down when one is made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ids::{Entropy, UserId, random};
use super::seal::sealed_json;
use super::secret::base64url;
use super::time::{Seconds, Timestamp};
use super::uri;

/// Life of a link to a new password.
pub const RESET_LIFETIME: Seconds = Seconds(1_800);
/// Life of a link that confirms an address.
pub const VERIFY_LIFETIME: Seconds = Seconds(86_400);
/// A mail that could not be sent for so long is of no use any more.
pub const GIVE_UP: Seconds = Seconds(1_800);

/// Where mails go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mail {
    /// Nowhere: the realm sends none.
    #[default]
    Off,
    /// To people, by the binding `EMAIL`, from this address.
    From(String),
    /// To the page `/dev/outbox`, on a developer's machine.
    DevOutbox,
}

impl Mail {
    /// Of the settings `MAIL_FROM` and `DEV_OUTBOX`. What the outbox shows would let anybody in, so it is only taken where
    /// nobody but this machine can look.
    pub fn parse(vars: &BTreeMap<String, String>, faults: &mut Vec<String>) -> Self {
        let text = |name: &str| vars.get(name).map(String::as_str).filter(|text| !text.is_empty());
        let from = text("MAIL_FROM");
        if from.is_some_and(|from| !is_address(from)) {
            faults.push("MAIL_FROM: must be an e-mail address".to_owned());
        }
        match (text("DEV_OUTBOX").unwrap_or("off"), from) {
            ("on", None) => {
                if !vars.get("ISSUER").is_some_and(|issuer| issuer.starts_with("http://") && uri::is_issuer(issuer)) {
                    faults.push("DEV_OUTBOX: only where ISSUER is http on a loopback host".to_owned());
                }
                Self::DevOutbox
            }
            ("off", None) => Self::Off,
            ("off", Some(from)) => Self::From(from.to_owned()),
            ("on", Some(_)) => {
                faults.push("DEV_OUTBOX: not together with MAIL_FROM".to_owned());
                Self::Off
            }
            _ => {
                faults.push("DEV_OUTBOX: must be off or on".to_owned());
                Self::Off
            }
        }
    }

    /// Whether there are any.
    pub fn is_on(&self) -> bool {
        *self != Self::Off
    }
}

/// Whether a text can be the address of a mail: one `@`, nothing that ends a header or lists several.
pub fn is_address(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_graphic() && !"()<>,;:\\\"[]".contains(c) || !c.is_ascii() && !c.is_control();
    let Some((local, domain)) = text.split_once('@') else { return false };
    text.len() <= 254
        && !local.is_empty()
        && domain.contains('.')
        && !domain.contains('@')
        && !domain.starts_with('.')
        && !domain.ends_with('.')
        && text.chars().all(|c| is_plain(c) && !c.is_whitespace())
}

/// What a mail is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// A link to a new password was asked for.
    Reset,
    /// The address is to be confirmed.
    Verify,
    /// Somebody signed in at a browser that never did before.
    NewBrowser {
        /// Where from, coarsely; empty: not known.
        place: String,
    },
    /// A device was connected.
    NewDevice {
        /// The client's name.
        client: String,
        /// Where the device is, coarsely; empty: not known.
        place: String,
    },
}

/// A mail on its way. It holds neither address nor link: both are of the user as they are when it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Names it.
    pub letter: String,
    /// To whom. Nobody: a name that nobody has is answered with the same work.
    pub user: Option<UserId>,
    /// What it says.
    pub about: About,
    /// In which language.
    pub lang: String,
    /// When what it tells of happened.
    pub made_at: Timestamp,
}

impl Letter {
    /// A new one.
    pub fn new(user: Option<UserId>, about: About, lang: &str, now: Timestamp, entropy: &mut dyn Entropy) -> Self {
        Self { letter: base64url(&random::<12>(entropy)), user, about, lang: lang.to_owned(), made_at: now }
    }
}

/// The link to a new password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResetLink {
    /// Whose.
    pub user: UserId,
    /// The user's version that it was made for.
    pub version: i64,
    /// Until when it is good.
    pub expires_at: Timestamp,
}
sealed_json!(ResetLink, "password reset link");

impl ResetLink {
    /// Whether it is still good for the user as they are.
    pub fn is_for(&self, version: i64, now: Timestamp) -> bool {
        self.version == version && now < self.expires_at
    }
}

/// The link that confirms an address: the one that the user has in this version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyLink {
    /// Whose.
    pub user: UserId,
    /// The user's version that it was made for.
    pub version: i64,
    /// Until when it is good.
    pub expires_at: Timestamp,
}
sealed_json!(VerifyLink, "address verification link");

impl VerifyLink {
    /// Whether it is still good for the user as they are.
    pub fn is_for(&self, version: i64, now: Timestamp) -> bool {
        self.version == version && now < self.expires_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(vars: &[(&str, &str)]) -> Result<Mail, Vec<String>> {
        let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut faults = Vec::new();
        let mail = Mail::parse(&vars, &mut faults);
        if faults.is_empty() { Ok(mail) } else { Err(faults) }
    }

    #[test]
    fn the_outbox_is_never_open_to_others() {
        let local = ("ISSUER", "http://localhost:8787");
        assert_eq!(parsed(&[local]), Ok(Mail::Off));
        assert_eq!(parsed(&[local, ("DEV_OUTBOX", "on")]), Ok(Mail::DevOutbox));
        assert_eq!(
            parsed(&[("ISSUER", "https://id.example"), ("MAIL_FROM", "id@id.example")]),
            Ok(Mail::From("id@id.example".to_owned()))
        );
        for bad in [
            &[("ISSUER", "https://id.example"), ("DEV_OUTBOX", "on")][..],
            &[("ISSUER", "https://localhost:8787"), ("DEV_OUTBOX", "on")],
            &[("ISSUER", "http://id.example"), ("DEV_OUTBOX", "on")],
            &[("DEV_OUTBOX", "on")],
            &[local, ("DEV_OUTBOX", "on"), ("MAIL_FROM", "id@id.example")],
            &[local, ("DEV_OUTBOX", "yes")],
            &[local, ("MAIL_FROM", "nobody")],
        ] {
            assert_eq!(parsed(bad).unwrap_err().len(), 1, "{bad:?}");
        }
    }

    #[test]
    fn a_link_ends_with_its_time_and_with_every_change() {
        use super::super::ids::tests::Counted;
        let (user, at) = (UserId::generate(&mut Counted(0)), Timestamp::from_millis(1_000));
        let reset = ResetLink { user: user.clone(), version: 3, expires_at: at };
        let verify = VerifyLink { user, version: 3, expires_at: at };
        for (version, now, good) in [(3, 999, true), (3, 1_000, false), (4, 999, false), (2, 999, false)] {
            let now = Timestamp::from_millis(now);
            assert_eq!((reset.is_for(version, now), verify.is_for(version, now)), (good, good), "{version} {now:?}");
        }
    }

    #[test]
    fn addresses() {
        for good in ["a@b.example", "ada.lovelace+x@mail.ada.example", "j\u{fc}rg@b\u{fc}cher.example"] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "a@",
            "@b.example",
            "a@b",
            "a@@b.example",
            "a@b.example, c@d.example",
            "a@b.example\r\nBcc: c@d.example",
            "<a@b.example>",
            "A <a@b.example>",
            "a b@c.example",
            "a@.example",
            "a@b.",
        ] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
