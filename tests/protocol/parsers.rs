//! Every parser takes anything and answers with a value or an error, never a panic.

use latchkey::protocol::client_auth::ClientCredentials;
use latchkey::protocol::client_keys::usable;
use latchkey::protocol::cookie::Cookie;
use latchkey::protocol::device::{DeviceCode, Message};
use latchkey::protocol::foreign_jwt::{ForeignJwt, unverified_subject};
use latchkey::protocol::form::{Form, decode, encode};
use latchkey::protocol::ids::{OwnedId, UserId};
use latchkey::protocol::jose::{Typ, UntrustedJwt};
use latchkey::protocol::keyring::KeyRing;
use latchkey::protocol::outbound;
use latchkey::protocol::password::PasswordHash;
use latchkey::protocol::refresh::RefreshToken;
use latchkey::protocol::scope::Scope;
use latchkey::protocol::seal::Sealer;
use latchkey::protocol::secret::base64url;
use latchkey::protocol::session::login_name;
use latchkey::protocol::token::TokenRequest;
use latchkey::protocol::uri;
use latchkey::protocol::user_code::UserCode;
use proptest::prelude::*;
use serde_json::{Value, json};

fn ring() -> KeyRing {
    KeyRing::parse("1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "1").unwrap()
}

proptest! {
    #[test]
    fn anything(text in "\\PC{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let ring = ring();
        let sealer = Sealer { ring: &ring, issuer: "https://id.example", epoch: 1 };
        for text in [text.as_str(), &base64url(&bytes), &String::from_utf8_lossy(&bytes)] {
            let _ = (UserId::parse(text), OwnedId::parse(text), UserCode::parse(text), Scope::parse(text), login_name(text));
            let _ = (PasswordHash::parse(text), KeyRing::parse(text, text), Cookie::Session.read(text, true), Cookie::Browser.read(text, false));
            let _ = (uri::is_issuer(text), uri::is_https(text), uri::is_resource(text), uri::origin(text));
            let _ = (UntrustedJwt::parse(text, Typ::AccessToken), serde_json::from_str::<Message>(text));
            let _ = (ForeignJwt::parse(text, &[]), unverified_subject(text), outbound::check(text, "https://id.example", &[]));
            let _ = serde_json::from_str::<Value>(text).map(|set| usable(&set));
            prop_assert!(sealer.open::<DeviceCode>(text).is_err());
            prop_assert!(sealer.open::<RefreshToken>(text).is_err());
            let form = Form::parse(text.as_bytes()).unwrap_or_default();
            let _ = (TokenRequest::parse(&form), ClientCredentials::parse(Some(text), &form), ClientCredentials::parse(None, &form));
        }
        let _ = (Form::parse(&bytes), decode(&bytes));
    }

    #[test]
    fn any_header_and_any_payload(header in "\\PC{0,100}", payload in "\\PC{0,100}", name in "[a-z]{2,10}", value in "\\PC{0,50}") {
        let b64 = |text: &str| base64url(text.as_bytes());
        for header in [header, r#"{"alg":"ES256"}"#.to_owned(), json!({"alg": "ES256", name: value}).to_string()] {
            for (payload, claims) in [(payload.clone(), payload.parse().ok()), (json!(payload).to_string(), Some(json!(payload)))] {
                let text = format!("{}.{}.AA", b64(&header), b64(&payload));
                let _ = unverified_subject(&text);
                if let Some(jwt) = ForeignJwt::parse(&text, &[]) {
                    prop_assert_eq!(jwt.attest(true).unwrap().claims::<Value>(), claims);
                }
            }
        }
    }

    #[test]
    fn no_url_of_an_address_is_public(address in any::<u32>(), style in 0..6, port in prop::option::of(any::<u16>())) {
        let [a, b, c, d] = address.to_be_bytes();
        let host = match style {
            0 => format!("{a}.{b}.{c}.{d}"),
            1 => address.to_string(),
            2 => format!("{address:#x}"),
            3 => format!("0{a:o}.{b}.0x{c:x}.{d}"),
            4 => format!("{a}.{}", address & 0xff_ffff),
            _ => format!("[::ffff:{a}.{b}.{c}.{d}]"),
        };
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let url = format!("https://{host}{port}/");
        prop_assert!(outbound::check(&url, "https://id.example", &[]).is_err());
    }

    #[test]
    fn form_values_round_trip(value in "\\PC{1,100}") {
        let form = Form::parse(format!("a={}", encode(&value)).as_bytes()).unwrap();
        prop_assert_eq!(form.get("a"), Some(value.as_str()));
    }

    #[test]
    fn user_codes_survive_any_spelling(code in "[BCDFGHJKLMNPQRSTVWXZ]{8}", lower in any::<bool>(), separator in "[- ._\\t]{0,3}") {
        let letters: Vec<String> = code.chars().map(|c| if lower { c.to_ascii_lowercase() } else { c }.to_string()).collect();
        let typed = letters.join(&separator);
        prop_assert_eq!(UserCode::parse(&typed).unwrap().display().replace('-', ""), code);
    }

    #[test]
    fn a_sealed_token_that_was_cut_or_mixed_does_not_open(cut in 0..120usize, grant in any::<[u8; 16]>()) {
        let ring = ring();
        let sealer = Sealer { ring: &ring, issuer: "https://id.example", epoch: 1 };
        let user = UserId::from_bytes(grant);
        let mut bytes = [1u8; 19];
        bytes[3..].copy_from_slice(&grant);
        let token = RefreshToken { user, grant: OwnedId::from_bytes(bytes).unwrap(), generation: 7 };
        let sealed = sealer.seal_deterministic(&token);
        prop_assert_eq!(sealer.open::<RefreshToken>(&sealed), Ok(token));
        let cut = cut.min(sealed.len() - 1);
        prop_assert!(sealer.open::<RefreshToken>(&sealed[..cut]).is_err());
        let mixed = [&sealed[cut..], &sealed[..cut]].concat();
        prop_assert!(cut == 0 || sealer.open::<RefreshToken>(&mixed).is_err());
    }
}
