//! Webhooks: security events told to others' servers, signed as Standard Webhooks 1.0 want it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::audit::Kind;
use super::audit_seal::Stored;
use super::ids::{Entropy, random};
use super::seal::sealed_json;
use super::secret::hmac_sha256_of;
use super::time::{Seconds, Timestamp};

/// A message on its way: it holds no address and no secret, so that a change of these counts at the next attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The webhook's id.
    pub webhook: String,
    /// `webhook-id`: the event's id, the same at every attempt.
    pub id: String,
    /// The body.
    pub body: String,
    /// When the event happened.
    pub made_at: Timestamp,
}

impl Message {
    /// Of an event to a webhook. `timestamp`: when it happened, in the form of RFC 3339.
    pub fn of(webhook: &str, event: &Stored, timestamp: &str) -> Self {
        // What an event says more is an object of ours; the log keeps its text.
        let detail: Value = super::json::parse(event.detail.as_bytes()).unwrap_or(Value::Null);
        let body = json!({ "type": event.kind, "timestamp": timestamp, "data": {
            "id": event.id, "at": event.at, "actor": event.actor, "subject": event.subject, "client_id": event.client_id,
            "place": event.place, "request_id": event.request_id, "detail": detail,
        } });
        Self { webhook: webhook.to_owned(), id: event.id.clone(), body: body.to_string(), made_at: event.at }
    }

    /// Of nothing that happened: for whoever wants to see one arrive.
    pub fn test(webhook: &str, timestamp: &str, now: Timestamp, entropy: &mut dyn Entropy) -> Self {
        let id = super::secret::base64url(&random::<12>(entropy));
        let body = json!({ "type": "test", "timestamp": timestamp, "data": { "id": id, "at": now } });
        Self { webhook: webhook.to_owned(), id, body: body.to_string(), made_at: now }
    }
}

/// Whether a webhook that wants these kinds, all of them if it names none, wants this one.
pub fn wants(kinds: &[String], kind: &str) -> bool {
    kinds.is_empty() || kinds.iter().any(|wanted| wanted == kind)
}

/// Whether there is such a kind of event.
pub fn is_kind(name: &str) -> bool {
    Kind::ALL.iter().any(|kind| kind.name() == name)
}

/// What signs the messages to a webhook. Stored sealed.
#[derive(Serialize, Deserialize)]
pub struct WebhookSecret {
    /// 256 random bits, base64.
    current: String,
    /// The one before, while it signs too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<Previous>,
}
sealed_json!(WebhookSecret, "webhook secret");

#[derive(Serialize, Deserialize)]
struct Previous {
    secret: String,
    until: Timestamp,
}

impl WebhookSecret {
    /// A new one.
    pub fn generate(entropy: &mut dyn Entropy) -> Self {
        Self { current: STANDARD.encode(random::<32>(entropy)), previous: None }
    }

    /// Another one, beside which this one signs for `overlap` more.
    #[must_use]
    pub fn rotated(self, overlap: Seconds, now: Timestamp, entropy: &mut dyn Entropy) -> Self {
        let previous = (overlap.0 > 0).then(|| Previous { secret: self.current, until: now.plus(overlap) });
        Self { previous, ..Self::generate(entropy) }
    }

    /// As the receiver gets it: `whsec_` and base64.
    pub fn told(&self) -> String {
        format!("whsec_{}", self.current)
    }

    /// `webhook-signature` of a message sent at an instant: one signature by each secret that signs then.
    pub fn signature(&self, message: &Message, now: Timestamp) -> String {
        let signed = format!("{}.{}.{}", message.id, now.seconds(), message.body);
        let previous = self.previous.iter().filter(|previous| previous.until > now).map(|previous| &previous.secret);
        let signatures = std::iter::once(&self.current).chain(previous).map(|secret| {
            let key = STANDARD.decode(secret).unwrap_or_default();
            format!("v1,{}", STANDARD.encode(hmac_sha256_of(&key, signed.as_bytes())))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::super::ids::tests::Counted;
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_614_265_330_000);

    /// The example of the Standard Webhooks specification.
    #[test]
    fn the_example_of_the_specification() {
        let secret = WebhookSecret { current: "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned(), previous: None };
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned(), r#"{"test": 2432232314}"#.to_owned());
        let message = Message { webhook: String::new(), id, body, made_at: NOW };
        assert_eq!(secret.signature(&message, NOW), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(secret.told(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    }

    #[test]
    fn the_old_secret_signs_for_the_overlap() {
        let message = Message { webhook: String::new(), id: "i".to_owned(), body: "b".to_owned(), made_at: NOW };
        let old = WebhookSecret::generate(&mut Counted(0));
        let by_old = old.signature(&message, NOW);
        let new = old.rotated(Seconds(60), NOW, &mut Counted(99));
        assert_ne!(format!("whsec_{}", new.previous.as_ref().unwrap().secret), new.told());
        assert_eq!(new.signature(&message, NOW).split(' ').nth(1), Some(by_old.as_str()));
        assert_eq!(new.signature(&message, NOW.plus(Seconds(60))).split(' ').count(), 1);
        assert!(new.rotated(Seconds(0), NOW, &mut Counted(0)).previous.is_none(), "it may be no secret any more");
    }

    #[test]
    fn kinds() {
        let some = ["sign_in".to_owned()];
        assert!(wants(&[], "denial") && wants(&some, "sign_in") && !wants(&some, "denial"));
        assert!(is_kind("replay_detected") && !is_kind("refresh"));
    }
}
