//! Logout tokens on their way to clients (OpenID Connect Back-Channel Logout 1.0), messages to webhooks and mails to users:
//! which are sent now, when one that failed is sent again, and when it is given up.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::config::Settings;
use super::ids::UserId;
use super::jose::Alg;
use super::jwe::Recipient;
use super::letter::{GIVE_UP, Letter};
use super::secret::{base64url, sha256};
use super::time::{Seconds, Timestamp};
use super::webhook::Message;

/// The event of a logout token (Back-Channel Logout 2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Life of a logout token: two minutes at most are recommended (Back-Channel Logout 2.4). Each attempt has a
/// new one.
pub const TOKEN_LIFETIME: Seconds = Seconds(120);

/// Longest wait between two attempts.
const LONGEST_WAIT: Seconds = Seconds(3600);

/// What a client has to be told. It carries all that the telling needs, for the client may be changed or
/// gone by then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Names it: the same sign-out told to the same client is the same delivery.
    pub id: String,
    /// `backchannel_logout_uri`.
    pub url: String,
    /// Audience of the logout token.
    pub client_id: String,
    /// Subject, as the client knows it.
    pub sub: String,
    /// The session that ended.
    pub sid: String,
    /// The algorithm that the client expects.
    pub alg: Alg,
    /// Whom the logout token is encrypted to, where ID tokens are (Back-Channel Logout 2.6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<Recipient>,
    /// When the session ended.
    pub made_at: Timestamp,
}

impl Delivery {
    /// Of the end of a session at an instant.
    pub fn new(url: &str, client_id: &str, sub: &str, sid: &str, alg: Alg, made_at: Timestamp) -> Self {
        let named = serde_json::json!([client_id, sub, sid, made_at]).to_string();
        let id = base64url(sha256(named.as_bytes()).first_chunk::<16>().unwrap_or(&[0; 16]));
        let [url, client_id, sub, sid] = [url, client_id, sub, sid].map(str::to_owned);
        Self { id, url, client_id, sub, sid, alg, recipient: None, made_at }
    }

    /// The same, encrypted to this recipient, if there is one.
    #[must_use]
    pub fn encrypted_to(self, recipient: Option<Recipient>) -> Self {
        Self { recipient, ..self }
    }
}

/// Claims of a logout token beside `iat` and `exp` (Back-Channel Logout 2.4). Never a `nonce`.
#[derive(Clone, Debug, Serialize)]
pub struct LogoutClaims<'a> {
    iss: &'a str,
    aud: &'a str,
    jti: &'a str,
    sub: &'a str,
    sid: &'a str,
    events: serde_json::Value,
}

impl<'a> LogoutClaims<'a> {
    /// Of a delivery; `jti` is new for each attempt.
    pub fn new(issuer: &'a str, delivery: &'a Delivery, jti: &'a str) -> Self {
        let events = serde_json::json!({ EVENT: {} });
        Self { iss: issuer, aud: &delivery.client_id, jti, sub: &delivery.sub, sid: &delivery.sid, events }
    }
}

/// What is delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Parcel {
    /// A sign-out, to a client.
    Logout(Delivery),
    /// An event, to a webhook.
    Webhook(Message),
    /// A mail, to a user.
    Letter(Letter),
}

impl Parcel {
    /// Names it: handed over twice it is one parcel.
    fn id(&self) -> String {
        match self {
            Self::Logout(delivery) => delivery.id.clone(),
            Self::Webhook(message) => format!("{} {}", message.webhook, message.id),
            Self::Letter(letter) => letter.letter.clone(),
        }
    }

    /// Whose it is. What one recipient has coming never waits for what another has.
    pub fn recipient(&self) -> &str {
        match self {
            Self::Logout(delivery) => &delivery.client_id,
            Self::Webhook(message) => &message.webhook,
            Self::Letter(letter) => letter.user.as_ref().map_or(&letter.letter, UserId::as_str),
        }
    }

    /// To whom, for a log.
    pub fn to(&self) -> String {
        let who = match self {
            Self::Logout(_) => "client",
            Self::Webhook(_) => "webhook",
            Self::Letter(_) => "user",
        };
        format!("{who} {}", self.recipient())
    }

    /// What it is, for a log.
    pub const fn what(&self) -> &'static str {
        match self {
            Self::Logout(_) => "back-channel logout",
            Self::Webhook(_) => "webhook",
            Self::Letter(_) => "mail",
        }
    }

    /// For how long it is tried.
    const fn give_up(&self, settings: &Settings) -> Seconds {
        match self {
            Self::Letter(_) => GIVE_UP,
            Self::Logout(_) | Self::Webhook(_) => Seconds(settings.logout_give_up),
        }
    }

    /// When it happened.
    const fn made_at(&self) -> Timestamp {
        match self {
            Self::Logout(delivery) => delivery.made_at,
            Self::Webhook(message) => message.made_at,
            Self::Letter(letter) => letter.made_at,
        }
    }
}

/// A parcel that has not arrived yet, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The parcel.
    pub delivery: Parcel,
    /// How often it was put off.
    pub failures: u32,
    /// When it is tried next.
    pub due: Timestamp,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The client's server answered with this status.
    Status(u16),
    /// Nobody answered, or nobody was asked; why.
    Silence(&'static str),
    /// It was taken where nobody answers with a status.
    Taken,
    /// Nobody wants it any more.
    Unwanted,
}

impl Answer {
    /// Whether it is over: the recipient has heard (Back-Channel Logout 2.8), or wants nothing.
    pub const fn is_heard(self) -> bool {
        matches!(self, Self::Status(200..=299) | Self::Taken | Self::Unwanted)
    }
}

impl Pending {
    /// A delivery to be tried at once.
    pub const fn new(delivery: Parcel) -> Self {
        let due = delivery.made_at();
        Self { delivery, failures: 0, due }
    }

    /// The key that it is stored under: keys sort by when they are due.
    pub fn key(&self) -> String {
        format!("{} {}", sortable(self.due), self.delivery.id())
    }

    /// The first key that is not due yet.
    pub fn first_key_after(now: Timestamp) -> String {
        sortable(Timestamp::from_millis(now.millis().saturating_add(1)))
    }

    /// When the delivery under this key is due.
    pub fn due_at(key: &str) -> Option<Timestamp> {
        key.split(' ').next()?.parse().ok().map(Timestamp::from_millis)
    }

    /// After a failed attempt: when it is tried again, or nothing when it has been tried for long enough.
    ///
    /// Waits double, from `LOGOUT_RETRY` to an hour; `jitter` adds up to a quarter, so that what failed
    /// together does not come back together. The last attempt is at the very end.
    #[must_use]
    pub fn put_off(&self, settings: &Settings, jitter: u8, now: Timestamp) -> Option<Self> {
        let end = self.delivery.made_at().plus(self.delivery.give_up(settings));
        if now >= end {
            return None;
        }
        let doubled = Seconds(settings.logout_retry).millis().saturating_mul(1 << self.failures.min(20));
        let wait = doubled.min(LONGEST_WAIT.millis());
        let due = now.millis().saturating_add(wait + wait * i64::from(jitter) / 1024);
        Some(Self { failures: self.failures.saturating_add(1), due: Timestamp::from_millis(due).min(end), ..self.clone() })
    }
}

/// Parts what is due, oldest first, into those that are tried at once, `most` at most, and the others. All
/// recipients have their turn: no second one of a client is taken before the first of another.
pub fn next_turn(due: Vec<Pending>, most: usize) -> (Vec<Pending>, Vec<Pending>) {
    let mut of_recipient: HashMap<String, usize> = HashMap::new();
    let mut ranked: Vec<(usize, Pending)> = due
        .into_iter()
        .map(|pending| {
            let rank = of_recipient.entry(pending.delivery.recipient().to_owned()).or_default();
            *rank += 1;
            (*rank, pending)
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    let mut turn: Vec<Pending> = ranked.into_iter().map(|(_, pending)| pending).collect();
    let others = turn.split_off(turn.len().min(most));
    (turn, others)
}

/// An instant as text that sorts like it.
fn sortable(instant: Timestamp) -> String {
    format!("{:015}", instant.millis().max(0))
}

#[cfg(test)]
mod tests {
    use super::super::config::tests::with;
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn delivery(client: &str, made_at: Timestamp) -> Delivery {
        Delivery::new("https://a.example/logout", client, "sub", "sid", Alg::RS256, made_at)
    }

    fn logout(client: &str) -> Pending {
        Pending::new(Parcel::Logout(delivery(client, START)))
    }

    fn settings() -> Settings {
        with(&[]).unwrap().settings
    }

    #[test]
    fn the_same_sign_out_is_the_same_delivery() {
        assert_eq!(delivery("a", START), delivery("a", START));
        let others = [
            delivery("b", START),
            delivery("a", START.plus(Seconds(1))),
            Delivery { id: String::new(), ..Delivery::new("https://a.example/logout", "a", "other", "sid", Alg::RS256, START) },
            Delivery { id: String::new(), ..Delivery::new("https://a.example/logout", "a", "sub", "other", Alg::RS256, START) },
        ];
        for other in others {
            assert_ne!(delivery("a", START).id, other.id);
        }
        // What would run together if it were only strung together.
        assert_ne!(
            Delivery::new("u", "a", "b c", "d", Alg::RS256, START).id,
            Delivery::new("u", "a b", "c", "d", Alg::RS256, START).id
        );
    }

    #[test]
    fn a_logout_token_says_what_it_must_and_no_more() {
        let delivery = delivery("client", START);
        let claims = serde_json::to_value(LogoutClaims::new("https://id.example", &delivery, "j")).unwrap();
        assert_eq!(
            claims,
            serde_json::json!({
                "iss": "https://id.example",
                "aud": "client",
                "jti": "j",
                "sub": "sub",
                "sid": "sid",
                "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
            })
        );
    }

    #[test]
    fn what_waits_can_be_read_again() {
        let plain = logout("a");
        let text = serde_json::to_string(&plain).unwrap();
        assert!(!text.contains("recipient"), "as it was before there was encryption: {text}");
        assert_eq!(serde_json::from_str::<Pending>(&text).unwrap(), plain);
        let recipient = r#"{"client":"a","alg":"ECDH-ES","enc":"A256GCM","keys":{"jwks_uri":"https://a.example/jwks"}}"#;
        let recipient: Recipient = serde_json::from_str(recipient).unwrap();
        let encrypted = Pending::new(Parcel::Logout(delivery("a", START).encrypted_to(Some(recipient))));
        assert_eq!(encrypted.delivery.id(), plain.delivery.id(), "told once, whatever the client registers meanwhile");
        let text = serde_json::to_string(&encrypted).unwrap();
        assert_eq!(serde_json::from_str::<Pending>(&text).unwrap(), encrypted);
    }

    #[test]
    fn a_message_is_told_from_a_logout_token() {
        let message = Message { webhook: "w".to_owned(), id: "e".to_owned(), body: "{}".to_owned(), made_at: START };
        let stored = Pending::new(Parcel::Webhook(message));
        let text = serde_json::to_string(&stored).unwrap();
        assert_eq!(serde_json::from_str::<Pending>(&text).unwrap(), stored);
        assert_eq!((stored.delivery.recipient(), stored.delivery.what()), ("w", "webhook"));
        assert!(stored.key().ends_with(" w e"), "one event goes to several webhooks: {}", stored.key());
    }

    #[test]
    fn a_letter_is_soon_given_up() {
        use super::super::ids::tests::Counted;
        use super::super::letter::About;
        let user = UserId::generate(&mut Counted(0));
        for user in [Some(user), None] {
            let letter = Letter::new(user, About::Reset, "en", START, &mut Counted(9));
            let stored = Pending::new(Parcel::Letter(letter));
            let text = serde_json::to_string(&stored).unwrap();
            assert_eq!(serde_json::from_str::<Pending>(&text).unwrap(), stored, "{text}");
            assert_eq!(stored.put_off(&settings(), 0, START).unwrap().due, START.plus(Seconds(10)));
            assert_eq!(stored.put_off(&settings(), 0, START.plus(GIVE_UP)), None, "the link would be of no use");
        }
    }

    #[test]
    fn keys_sort_by_when_they_are_due() {
        let pending = logout("a");
        let later = Pending { due: START.plus(Seconds(1)), ..pending.clone() };
        assert!(pending.key() < later.key());
        assert!(pending.key() < Pending::first_key_after(START) && later.key() > Pending::first_key_after(START));
        assert_eq!(Pending::due_at(&later.key()), Some(later.due));
        assert_eq!(Pending::due_at("x"), None);
        assert_eq!(logout("a").key(), pending.key(), "told twice, it is stored once");
    }

    #[test]
    fn waits_double_up_to_an_hour_until_it_is_given_up() {
        let settings = settings();
        let mut pending = logout("a");
        let mut now = START;
        let mut waits = Vec::new();
        while let Some(next) = pending.put_off(&settings, 0, now) {
            waits.push(next.due.since(now) / 1000);
            (now, pending) = (next.due, next);
        }
        assert_eq!(waits.get(..10).unwrap(), [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600]);
        assert!(waits.iter().skip(9).all(|wait| *wait <= 3600));
        assert_eq!(now.since(START) / 1000, 86_400, "the last attempt is at the very end");
        assert_eq!(pending.failures as usize, waits.len());
        assert_eq!(pending.put_off(&settings, 0, now.plus(Seconds(1))), None);
    }

    #[test]
    fn jitter_adds_a_quarter_at_most() {
        let pending = logout("a");
        let wait = |jitter| pending.put_off(&settings(), jitter, START).unwrap().due.since(START);
        assert_eq!(wait(0), 10_000);
        assert!((12_000..12_500).contains(&wait(255)), "{}", wait(255));
        let often = Pending { failures: u32::MAX, ..pending.clone() };
        assert_eq!(often.put_off(&settings(), 0, START).unwrap().due.since(START), 3_600_000);
    }

    #[test]
    fn a_client_with_many_does_not_keep_others_waiting() {
        let pending = |client: &str, seconds| Pending::new(Parcel::Logout(delivery(client, START.plus(Seconds(seconds)))));
        let due: Vec<Pending> = (0..50).map(|n| pending("slow", n)).chain([pending("a", 60), pending("b", 61)]).collect();
        let (turn, others) = next_turn(due, 4);
        let clients: Vec<&str> = turn.iter().map(|pending| pending.delivery.recipient()).collect();
        assert_eq!(clients, ["slow", "a", "b", "slow"]);
        assert_eq!(turn.first().unwrap().due, START, "the oldest first");
        assert_eq!(others.len(), 48);
        assert_eq!(next_turn(Vec::new(), 4), (Vec::new(), Vec::new()));
    }

    #[test]
    fn heard_is_any_2xx() {
        for status in [200, 202, 204] {
            assert!(Answer::Status(status).is_heard());
        }
        assert!(Answer::Unwanted.is_heard());
        for answer in [Answer::Status(199), Answer::Status(300), Answer::Status(400), Answer::Status(500), Answer::Silence("x")] {
            assert!(!answer.is_heard());
        }
    }
}
