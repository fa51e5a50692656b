//! What is stored or travels between two versions of the Worker keeps its form: each literal here was
//! written by a version that is out there, and must open and be written again just so.

use latchkey::protocol::claims::TokenId;
use latchkey::protocol::device::{Answer, DeviceCode, Message};
use latchkey::protocol::keys::WrappedKey;
use latchkey::protocol::logout::LogoutStep;
use latchkey::protocol::outbox::{Delivery, Pending};
use latchkey::protocol::refresh::RefreshToken;
use latchkey::protocol::replay;
use latchkey::protocol::salt::Salt;
use latchkey::protocol::seal::Sealable;
use latchkey::protocol::session::{
    ApprovalForm, CodeForm, EndForm, KnownBrowser, LoginForm, LoginStep, LogoutForm, PrefilledCode, SessionCookie, UndoForm,
};
use latchkey::protocol::throttle::{Claim, Usage};
use serde::Serialize;
use serde::de::DeserializeOwned;

const USER: &str = "AQIDBAUGBwgJCgsMDQ4PEA";
const ID: &str = "AZxsAQIDBAUGBwgJCgsMDQ4PEA";
const HASH: &str = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0";
const HOLDER: &str = r#"{"browser":"b","session":"ID","user":"USER","made_at":1}"#;

fn filled(literal: &str) -> String {
    literal.replace("HOLDER", HOLDER).replace("ID", ID).replace("USER", USER).replace("HASH", HASH)
}

/// A sealed kind: its purpose and its plaintext.
#[track_caller]
fn sealed<T: Sealable>(purpose: &str, plaintext: &str) {
    let plaintext = filled(plaintext);
    assert_eq!(T::PURPOSE, purpose);
    let Some(value) = T::from_bytes(plaintext.as_bytes()) else { panic!("{purpose}: {plaintext} does not open") };
    assert_eq!(String::from_utf8(value.to_bytes()).unwrap(), plaintext);
}

/// Something that an object stores, or that is said between Worker and object.
#[track_caller]
fn said<T: Serialize + DeserializeOwned>(literal: &str) {
    let literal = filled(literal);
    let value: T = serde_json::from_str(&literal).unwrap();
    assert_eq!(serde_json::to_string(&value).unwrap(), literal);
}

#[test]
fn sealed_kinds() {
    sealed::<DeviceCode>("device code", r#"{"flow":"f","secret":"s","expires_at":1}"#);
    sealed::<SessionCookie>("session cookie", r#"{"user":"USER","session":"ID"}"#);
    sealed::<KnownBrowser>("known browser", r#"{"accounts":[{"login":"l","id":"i","signed_in_at":1}]}"#);
    sealed::<PrefilledCode>("prefilled user code", r#"{"browser":"b","user_code":"BCDF-GHJK","made_at":1}"#);
    sealed::<LoginStep>("login step", r#"{"browser":"b","next":{"next":"home"},"made_at":1}"#);
    sealed::<LoginStep>(
        "login step",
        r#"{"browser":"b","next":{"next":"device","user_code":"BCDF-GHJK","after":1},"made_at":1}"#,
    );
    sealed::<LoginForm>("login form", r#"{"browser":"b","next":{"next":"device","user_code":null,"after":null},"made_at":1}"#);
    sealed::<CodeForm>("code form", r#"{"holder":HOLDER,"prefilled":"BCDF-GHJK"}"#);
    sealed::<ApprovalForm>(
        "approval form",
        r#"{"holder":HOLDER,"flow":"f","instance":"i","user_code":"BCDF-GHJK","client":"c","scope":"a b","place":"p","requested_at":1}"#,
    );
    sealed::<UndoForm>("undo form", r#"{"holder":HOLDER,"flow":"f","instance":"i","client":"c","grant":"ID"}"#);
    sealed::<EndForm>("end device form", r#"{"holder":HOLDER,"grant":"ID"}"#);
    sealed::<LogoutForm>("logout form", r#"{"holder":HOLDER}"#);
    sealed::<LogoutForm>("logout form", r#"{"holder":HOLDER,"asked":{"client":"c","target":"https://a.example/?state=s"}}"#);
    sealed::<LogoutStep>(
        "logout step",
        r#"{"asked":{"client":"c","target":"https://a.example/","sid":"s","sub":"u","ui_locales":"de"},"made_at":1}"#,
    );
    sealed::<WrappedKey>("signing key", r#"{"jwk":{"d":"x","kty":"EC"}}"#);
}

#[test]
fn sealed_kinds_in_binary() {
    let bytes: Vec<u8> = (1..=16).chain([1, 0x9c, 0x6c]).chain(1..=16).collect();
    assert_eq!(TokenId::PURPOSE, "token id");
    assert_eq!(TokenId::from_bytes(&bytes).unwrap().to_bytes(), bytes);
    let token = [&bytes[..], &[0, 0, 1, 2]].concat();
    assert_eq!(RefreshToken::PURPOSE, "refresh token");
    assert_eq!(RefreshToken::from_bytes(&token).unwrap().generation, 258);
    assert_eq!(RefreshToken::from_bytes(&token).unwrap().to_bytes(), token);
    let salt: Vec<u8> = (1..=32).collect();
    assert_eq!(Salt::PURPOSE, "salt");
    assert_eq!(Salt::from_bytes(&salt).unwrap().to_bytes(), salt);
}

#[test]
fn what_worker_and_objects_say() {
    let flow = r#"{"instance":"i","client":"c","secret":"HASH","scope":"a","resources":["x:1"],"place":"p","created_at":1,"expires_at":2,"approval_margin":30,"repeat":120,"state":{"state":"pending","interval":5}}"#;
    let approval =
        r#"{"user":"USER","grant":"ID","scope":"a","approved_at":3,"auth_time":4,"acr":"pwd","amr":["pwd"],"interval":5}"#;
    said::<Message>(&format!(r#"{{"message":"start","flow":{flow},"lifetime":600}}"#));
    said::<Message>(&format!(r#"{{"message":"approve","instance":"i","approval":{approval}}}"#));
    said::<Message>(r#"{"message":"deny","instance":"i","user":"USER"}"#);
    said::<Message>(r#"{"message":"poll","client":"c","secret":"HASH","attempt":"a"}"#);
    said::<Answer>(&format!(r#"{{"answer":"open","flow":{flow},"age":1}}"#));
    said::<Answer>(r#"{"answer":"settled","grant":"ID"}"#);
    said::<Answer>(&format!(r#"{{"answer":"granted","approval":{approval},"resources":["x:1"],"place":"p","late":false}}"#));
    for word in ["started", "taken", "unknown", "pending", "denied", "expired"] {
        said::<Answer>(&format!(r#"{{"answer":"{word}"}}"#));
    }
    said::<Claim>(r#"{"key":"k","budget":{"limit":5,"window":600},"kept":"exactly"}"#);
    said::<Usage>("1");
    said::<replay::Claim>(r#"{"key":"k","expires_at":1,"attempt":"a"}"#);
    said::<replay::Mark>(r#"{"attempt":"a","expires_at":1}"#);
    let delivery = r#"{"id":"i","url":"https://a.example/","client_id":"c","sub":"u","sid":"s","alg":"RS256","made_at":1}"#;
    said::<Delivery>(delivery);
    said::<Pending>(&format!(r#"{{"delivery":{delivery},"failures":2,"due":3}}"#));
}
