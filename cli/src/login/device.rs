//! By a browser anywhere: as a device (RFC 8628), where the operator allows that.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::failure::{Failure, Outcome};
use crate::http::{Realm, clean, refused, text};

/// Seconds between polls where the realm does not say, and what `slow_down` adds (RFC 8628 3.2, 3.5).
const INTERVAL: u64 = 5;
/// Longest between polls after requests without an answer.
const MOST_INTERVAL: u64 = 60;
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// What to do after a poll.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Poll again after so many seconds.
    Wait(u64),
    /// It is over, for this reason.
    Over(String),
}

/// Signs in; what the token endpoint answered.
pub fn sign_in(realm: &Realm, client_id: &str, scope: &str) -> Outcome<Value> {
    let form = [("client_id", client_id), ("scope", scope)];
    let (status, started) = realm.post("device_authorization_endpoint", &form)?;
    if !status.is_success() {
        return Err(Failure::Failed(explained(&refused(status, &started), client_id, scope)));
    }
    let (code, device_code) = (text(&started, "user_code")?, text(&started, "device_code")?);
    eprintln!(
        "Open this page in any browser:\n\n  {}\n\nand enter this code:\n\n  {}\n",
        clean(&text(&started, "verification_uri")?),
        clean(&code)
    );
    let seconds = |name| started.get(name).and_then(Value::as_u64);
    let mut interval = seconds("interval").unwrap_or(INTERVAL);
    let until = Instant::now() + Duration::from_secs(seconds("expires_in").unwrap_or(600));
    while Instant::now() < until {
        sleep(Duration::from_secs(interval));
        let form = [("grant_type", DEVICE_CODE), ("device_code", device_code.as_str()), ("client_id", client_id)];
        match realm.post("token_endpoint", &form) {
            Ok((status, body)) if status.is_success() => return Ok(body),
            Ok((status, body)) => match next(body.get("error").and_then(Value::as_str), interval) {
                Next::Wait(seconds) => interval = seconds,
                Next::Over(why) if why.is_empty() => return Err(Failure::Failed(refused(status, &body))),
                Next::Over(why) => return Err(Failure::Failed(why)),
            },
            // RFC 8628 3.5: twice as long after a timeout.
            Err(_) => interval = interval.saturating_mul(2).clamp(1, MOST_INTERVAL),
        }
    }
    Err(Failure::failed("nobody entered the code in time\nrun `latchkey login --device` again"))
}

/// What an error of the token endpoint means for who polls; no reason: as the realm says it.
fn next(error: Option<&str>, interval: u64) -> Next {
    match error {
        Some("authorization_pending") => Next::Wait(interval),
        Some("slow_down") => Next::Wait(interval + INTERVAL),
        Some("temporarily_unavailable") | None => Next::Wait(interval.saturating_mul(2).clamp(1, MOST_INTERVAL)),
        Some("access_denied") => Next::Over("refused in the browser (access_denied)".to_owned()),
        Some("expired_token") => Next::Over("nobody entered the code in time\nrun `latchkey login --device` again".to_owned()),
        Some(_) => Next::Over(String::new()),
    }
}

/// Why a realm lets nobody administer it from a device, until its operator does.
fn explained(why: &str, client_id: &str, scope: &str) -> String {
    let scopes: Vec<&str> = scope.split_whitespace().filter(|scope| scope.starts_with("latchkey:")).collect();
    format!(
        "{why}\nthis realm does not let {client_id} administer it from a device, which is what a phisher would ask for. \
         `latchkey login` works in a browser on this machine.\nthe operator allows it by both: the grant type {DEVICE_CODE} for \
         {client_id}, and {} in the setting SCOPES with that grant type",
        scopes.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_keep_the_pace_that_the_realm_wants() {
        assert_eq!(next(Some("authorization_pending"), 5), Next::Wait(5));
        assert_eq!(next(Some("slow_down"), 5), Next::Wait(10));
        assert_eq!(next(Some("temporarily_unavailable"), 5), Next::Wait(10));
        assert_eq!(next(None, 50), Next::Wait(60));
        for over in ["access_denied", "expired_token", "invalid_grant"] {
            assert!(matches!(next(Some(over), 5), Next::Over(_)), "{over}");
        }
    }
}
