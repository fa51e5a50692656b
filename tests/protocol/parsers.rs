//! Every parser takes anything and answers with a value or an error, never a panic.

use latchkey::protocol::client_auth::ClientCredentials;
use latchkey::protocol::cookie::Cookie;
use latchkey::protocol::device::{DeviceCode, Message};
use latchkey::protocol::form::{Form, decode, encode};
use latchkey::protocol::ids::{OwnedId, UserId};
use latchkey::protocol::jose::{Typ, UntrustedJwt};
use latchkey::protocol::keyring::KeyRing;
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
            prop_assert!(sealer.open::<DeviceCode>(text).is_err());
            prop_assert!(sealer.open::<RefreshToken>(text).is_err());
            let form = Form::parse(text.as_bytes()).unwrap_or_default();
            let _ = (TokenRequest::parse(&form), ClientCredentials::parse(Some(text), &form), ClientCredentials::parse(None, &form));
        }
        let _ = (Form::parse(&bytes), decode(&bytes));
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
