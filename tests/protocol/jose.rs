//! What the pure half of signing makes is what independent implementations take.

use jwt_compact::alg::Es256;
use jwt_compact::jwk::JsonWebKey;
use jwt_compact::{Algorithm, AlgorithmExt, AlgorithmSignature, UntrustedToken};
use latchkey::protocol::foreign_jwt::ForeignJwt;
use latchkey::protocol::jose::{Alg, Typ, UntrustedJwt, signed, signing_input};
use latchkey::protocol::keys::{public_members, thumbprint};
use latchkey::protocol::time::{Seconds, Timestamp};
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// RFC 7515 A.3: an ES256 key.
fn rfc_7515_a3() -> Value {
    json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    })
}

fn es256_token(typ: Typ, claims: Value) -> String {
    let jwk: JsonWebKey<'_> = serde_json::from_value(rfc_7515_a3()).unwrap();
    let key = <Es256 as Algorithm>::SigningKey::try_from(&jwk).unwrap();
    let input = signing_input(typ, Alg::ES256, &thumbprint(&rfc_7515_a3()), NOW, Some(NOW.plus(Seconds(60))), claims).unwrap();
    let signature = Es256.sign(&key, input.as_bytes());
    signed(&input, &signature.as_bytes())
}

#[test]
fn an_independent_verifier_takes_our_tokens() {
    let text = es256_token(Typ::AccessToken, json!({"sub": "u"}));
    let public: JsonWebKey<'_> = serde_json::from_value(public_members(&rfc_7515_a3())).unwrap();
    let key = <Es256 as Algorithm>::VerifyingKey::try_from(&public).unwrap();
    let token = UntrustedToken::new(&text).unwrap();
    assert_eq!(token.header().token_type.as_deref(), Some("at+jwt"));
    let token = Es256.validator::<Value>(&key).validate(&token).unwrap();
    assert_eq!(token.claims().custom["sub"], "u");
    assert_eq!(token.claims().issued_at.unwrap().timestamp(), NOW.seconds());
    assert_eq!(token.claims().expiration.unwrap().timestamp(), NOW.seconds() + 60);
}

#[test]
fn no_claims_without_a_witness_of_this_very_message() {
    let (text, other) = (es256_token(Typ::AccessToken, json!({"sub": "u"})), es256_token(Typ::AccessToken, json!({"sub": "v"})));
    let (jwt, other) =
        (UntrustedJwt::parse(&text, Typ::AccessToken).unwrap(), UntrustedJwt::parse(&other, Typ::AccessToken).unwrap());
    assert!(jwt.attest(false).is_none());
    let (witness, foreign) = (jwt.attest(true).unwrap(), other.attest(true).unwrap());
    assert_eq!(jwt.claims::<Value>(&witness, NOW).unwrap()["sub"], "u");
    assert!(jwt.claims::<Value>(&foreign, NOW).is_none());
    assert!(jwt.claims::<Value>(&witness, NOW.plus(Seconds(60))).is_none(), "expired");
}

#[test]
fn every_verifier_is_typed() {
    let (access, id) = (es256_token(Typ::AccessToken, json!({})), es256_token(Typ::IdToken, json!({})));
    assert!(UntrustedJwt::parse(&access, Typ::AccessToken).is_some());
    assert!(UntrustedJwt::parse(&id, Typ::AccessToken).is_none());
    assert!(UntrustedJwt::parse(&access, Typ::IdToken).is_none());
}

#[test]
fn foreign_algorithms_and_garbage_are_nothing() {
    let b64 = latchkey::protocol::secret::base64url;
    for header in [
        json!({"alg": "none", "typ": "at+jwt", "kid": "k"}),
        json!({"alg": "HS256", "typ": "at+jwt", "kid": "k"}),
        json!({"alg": "ES256", "typ": "at+jwt"}),
        json!({"alg": "ES256", "kid": "k"}),
    ] {
        let text = format!("{}.{}.{}", b64(header.to_string().as_bytes()), b64(b"{}"), b64(b"sig"));
        assert!(UntrustedJwt::parse(&text, Typ::AccessToken).is_none(), "{header}");
    }
    for text in ["", ".", "..", "a.b.c", "eyJhbGciOiJFUzI1NiJ9", "\u{e9}.\u{e9}.\u{e9}"] {
        assert!(UntrustedJwt::parse(text, Typ::AccessToken).is_none(), "{text}");
    }
}

#[test]
fn rfc_7515_a3_verifies() {
    // The independent verifier of ring 3 is itself held to an RFC vector.
    let text = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ\
                .DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let public: JsonWebKey<'_> = serde_json::from_value(public_members(&rfc_7515_a3())).unwrap();
    let key = <Es256 as Algorithm>::VerifyingKey::try_from(&public).unwrap();
    let token = UntrustedToken::new(text).unwrap();
    let token = Es256.validator::<Value>(&key).validate(&token).unwrap();
    assert_eq!(token.claims().custom["iss"], "joe");

    // The same token as a client's: its signature is the right one for what we say was signed.
    let jwt = ForeignJwt::parse(text, &[]).unwrap();
    assert_eq!((jwt.alg, jwt.kid.as_deref()), (Alg::ES256, None));
    let signature = AlgorithmSignature::try_from_slice(jwt.signature()).unwrap();
    assert!(Es256.verify_signature(&signature, &key, jwt.message()));
    let claims: Value = jwt.attest(true).unwrap().claims().unwrap();
    assert_eq!(claims, json!({"iss": "joe", "exp": 1_300_819_380, "http://example.com/is_root": true}));
}

#[test]
fn an_ended_token_of_ours_can_still_be_read_as_a_hint() {
    let text = es256_token(Typ::IdToken, json!({"sub": "u"}));
    let jwt = UntrustedJwt::parse(&text, Typ::IdToken).unwrap();
    let (claims, [_, ended]) = jwt.dated_claims::<Value>(&jwt.attest(true).unwrap()).unwrap();
    assert_eq!((claims["sub"].as_str(), ended), (Some("u"), NOW.plus(Seconds(60))));
    let other = es256_token(Typ::IdToken, json!({"sub": "v"}));
    let foreign = UntrustedJwt::parse(&other, Typ::IdToken).unwrap().attest(true).unwrap();
    assert!(jwt.dated_claims::<Value>(&foreign).is_none());
}
