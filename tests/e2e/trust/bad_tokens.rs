//! Outside tokens that are no good. What can be seen without keys is refused without asking anybody for keys.

use jwt_compact::Algorithm as _;
use jwt_compact::AlgorithmSignature as _;
use jwt_compact::alg::{Hs256, Hs256Key};
use latchkey::protocol::secret::base64url;
use serde_json::{Value, json};

use super::{BOTH, Grant, Outside, fixture, judge, lines};
use crate::code::{assert_refused, now, other_p256, p256, public, rsa, signed};
use crate::judge::Reply;
use crate::support::{Answer, Api, Person};

/// Never asked for anything.
const UNASKED: Outside = Outside("unasked");
/// Asked for its keys.
const ASKED: Outside = Outside("asked");
/// In the database, and switched off or not in it at all.
const STRANGE: Outside = Outside("strange");

pub fn issuers() -> Vec<Value> {
    let rules = json!([
        { "id": "robot", "claims": { "sub": { "equals": "robot" }, "ref": { "glob": "main" } }, "yields": { "client": "deployer", "scope": "records:read" } },
        { "id": "once", "claims": { "sub": { "equals": "once" } }, "single_use": true, "yields": { "client": "deployer", "scope": "records:read" } },
        { "id": "soon", "claims": { "sub": { "equals": "soon" } }, "max_life": 60, "max_age": 30, "yields": { "client": "deployer", "scope": "records:read" } },
    ]);
    let strict = json!({ "algs": ["ES256", "RS256"], "max_age": 120, "max_life": 600, "rules": rules });
    vec![UNASKED.seed(&strict), ASKED.seed(&json!({ "algs": ["ES256", "RS256"] }))]
}

fn es256(more: Value) -> Value {
    let mut header = json!({ "alg": "ES256", "kid": "k" });
    let members = header.as_object_mut().unwrap();
    if let Value::Object(more) = more {
        members.extend(more);
    }
    members.retain(|_, value| !value.is_null());
    header
}

/// With this header and text as claims, signed by nobody.
fn unsigned(header: &str, claims: &str) -> String {
    format!("{}.{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()), base64url(&[0; 64]))
}

/// Asserts that by each grant it is the grant's error (RFC 8693 2.2.2, RFC 7523 3.1), that nothing was written and
/// nobody asked.
async fn assert_cheap(tokens: &[(String, String)]) {
    let fixture = fixture();
    let mut answers: Vec<(String, Answer)> = Vec::new();
    for (what, token) in tokens {
        for grant in BOTH {
            let answer = grant.anonymous(&fixture.a, token, &[]).await;
            assert_eq!(answer.error(), grant.error(), "{what}: {}", answer.body);
            assert_refused(&answer, grant.error());
            assert!(!answer.body.contains(token.as_str()), "{what}");
            answers.push((what.clone(), answer));
        }
    }
    let lines = lines(fixture, &answers.iter().map(|(_, answer)| answer).collect::<Vec<_>>()).await;
    for ((what, answer), line) in answers.iter().zip(lines) {
        for cost in ["outbound", "rows", "objects"] {
            assert_eq!(line["cost"][cost], 0, "{what}: {line}");
        }
        assert!(!line["detail"].as_str().unwrap().is_empty(), "{what}: the operator is told why: {line} {}", answer.body);
    }
}

#[tokio::test]
async fn claims_that_are_no_good_cost_the_issuer_nothing() {
    let fixture = fixture();
    UNASKED.publish(&[p256("k")]);
    let good = |changes: &Value| {
        let mut claims = json!({ "ref": "main" });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        UNASKED.claims(fixture, &claims)
    };
    let deep = (0..6).fold(json!({ "sub": "x" }), |act, _| json!({ "sub": "x", "act": act }));
    let bad = [
        ("exp is there", json!({ "exp": null })),
        ("exp is to come", json!({ "exp": now() - 1 })),
        ("exp is a number", json!({ "exp": (now() + 60).to_string() })),
        ("exp is no more than max_life ahead", json!({ "exp": now() + 700 })),
        ("exp is a date", json!({ "exp": 1e300 })),
        ("nbf has come", json!({ "nbf": now() + 120 })),
        ("iat has been", json!({ "iat": now() + 120 })),
        ("iat is no longer ago than max_age", json!({ "iat": now() - 130 })),
        ("iat is there where there is a max_age", json!({ "iat": null })),
        ("iat is a date", json!({ "iat": "today" })),
        ("aud is there", json!({ "aud": null })),
        ("aud is ours", json!({ "aud": "https://other.example" })),
        ("aud is ours, exactly", json!({ "aud": format!("{}/", fixture.a) })),
        ("aud is the issuer and no endpoint", json!({ "aud": format!("{}/token", fixture.a) })),
        ("aud is a text", json!({ "aud": { fixture.a.as_str(): 1 } })),
        ("aud is in the array", json!({ "aud": ["https://other.example", [fixture.a]] })),
        ("aud is not the other Worker", json!({ "aud": fixture.b })),
        ("sub is there", json!({ "sub": null })),
        ("sub is a text", json!({ "sub": ["robot"] })),
        ("sub is short", json!({ "sub": "x".repeat(1025) })),
        ("a rule matches the sub", json!({ "sub": "robot2" })),
        ("a rule matches the sub in its case", json!({ "sub": "Robot" })),
        ("a rule matches all claims", json!({ "ref": "main2" })),
        ("a rule matches all claims that are there", json!({ "ref": null })),
        ("a pattern matches the whole claim", json!({ "ref": "x:main" })),
        ("jti is there for single use", json!({ "sub": "once", "jti": null })),
        ("jti is a text", json!({ "sub": "once", "jti": 7 })),
        ("jti is not empty", json!({ "sub": "once", "jti": "" })),
        ("the rule's max_life", json!({ "sub": "soon", "exp": now() + 80 })),
        ("the rule's max_age", json!({ "sub": "soon", "exp": now() + 50, "iat": now() - 40 })),
        ("act is a party", json!({ "act": "x" })),
        ("act is not deep", json!({ "act": deep })),
        ("may_act is a party", json!({ "may_act": ["x"] })),
    ];
    let tokens: Vec<_> =
        bad.iter().map(|(rule, changes)| ((*rule).to_owned(), signed(&p256("k"), &es256(json!({})), &good(changes)))).collect();
    assert_cheap(&tokens).await;
    assert_eq!(UNASKED.asked(), [0, 0]);
}

/// RFC 8725 2.1, 2.8 and 3.11; RFC 7515 4.1.11 and 5.2.
#[tokio::test]
async fn headers_and_forms_that_are_no_good_cost_the_issuer_nothing() {
    let fixture = fixture();
    UNASKED.publish(&[p256("k")]);
    let claims = UNASKED.claims(fixture, &json!({ "ref": "main" }));
    let by = |header: Value| signed(&p256("k"), &header, &claims);
    let good = by(es256(json!({})));
    let [head, body, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let text = claims.to_string();
    let mut bad = vec![
        ("two parts".to_owned(), format!("{head}.{body}")),
        ("four parts".to_owned(), format!("{good}.{signature}")),
        ("an empty part".to_owned(), format!(".{body}.{signature}")),
        ("padding".to_owned(), format!("{head}.{body}=.{signature}")),
        ("a space".to_owned(), format!("{head}. {body}.{signature}")),
        ("not base64url".to_owned(), format!("{head}.{body}+/.{signature}")),
        ("claims that are no object".to_owned(), signed(&p256("k"), &es256(json!({})), &json!([claims]))),
        ("claims that are no JSON".to_owned(), unsigned(&es256(json!({})).to_string(), &format!("{text} x"))),
        ("no header".to_owned(), unsigned("", &text)),
        ("a header that is no object".to_owned(), unsigned("[]", &text)),
        ("two algorithms".to_owned(), unsigned(r#"{"alg":"none","alg":"ES256","kid":"k"}"#, &text)),
        ("a JWE".to_owned(), format!("{head}.{body}.{signature}.{signature}.{signature}")),
        ("no JWT".to_owned(), "not-a-token".to_owned()),
        ("nothing but dots".to_owned(), "..".to_owned()),
    ];
    for alg in ["none", "None", "NONE", "", "HS256", "HS384", "HS512", "ES384", "RS512", "PS256", "EdDSA", "es256", "A256GCM"] {
        let key = if alg == "PS256" { rsa("k") } else { p256("k") };
        bad.push((format!("alg {alg}"), signed(&key, &json!({ "alg": alg, "kid": "k" }), &claims)));
    }
    bad.push(("no alg".to_owned(), unsigned(r#"{"kid":"k"}"#, &text)));
    bad.push(("alg none without signature".to_owned(), format!("{}.{body}.", base64url(br#"{"alg":"none"}"#))));
    for typ in [
        "at+jwt",
        "logout+jwt",
        "application/at+jwt",
        "secevent+jwt",
        "oauth-authz-req+jwt",
        "client-authentication+jwt",
        "x",
        "",
    ] {
        bad.push((format!("typ {typ}"), by(es256(json!({ "typ": typ })))));
    }
    for more in [
        json!({ "crit": ["exp"] }),
        json!({ "crit": [] }),
        json!({ "crit": ["b64"], "b64": false }),
        json!({ "b64": true }),
        json!({ "kid": 7 }),
        json!({ "typ": 7 }),
    ] {
        bad.push((more.to_string(), by(es256(more))));
    }
    assert_cheap(&bad).await;
    assert_eq!(UNASKED.asked(), [0, 0]);
}

/// RFC 7523 3 (1): who is not trusted is nobody, whatever they serve, and is never asked.
#[tokio::test]
async fn an_issuer_that_is_not_trusted_is_not_asked() {
    let fixture = fixture();
    STRANGE.publish(&[p256("k")]);
    judge().answer("/asked/", Reply::json(&json!({ "issuer": judge().at("/asked/"), "jwks_uri": judge().at(&STRANGE.keys()) })));
    let of = |issuer: Value| STRANGE.token(fixture, &json!({ "iss": issuer }));
    let mut bad: Vec<_> = [
        json!(STRANGE.issuer()),
        json!(null),
        json!(7),
        json!([ASKED.issuer()]),
        json!(""),
        json!(format!("{}/", ASKED.issuer())),
        json!(format!("{}?", ASKED.issuer())),
        json!(format!("{}#x", ASKED.issuer())),
        json!(ASKED.issuer().replace("http:", "HTTP:")),
        json!(ASKED.issuer().replace("127.0.0.1", "127.1")),
        json!(format!("{}/x", ASKED.issuer())),
        json!("%"),
        json!("x".repeat(4000)),
    ]
    .into_iter()
    .map(|issuer| (format!("iss {issuer}"), of(issuer)))
    .collect();
    // Ours: RFC 8693 knows it as a token of this realm, which it is not; as an assertion nothing of ours counts.
    let own = Api::demo_secret(&fixture.a).signed_in(&Person::ada(&fixture.a).await).await;
    for token in [own.member("access_token"), own.member("id_token")] {
        let answer = Grant::Bearer.anonymous(&fixture.a, &token, &[]).await;
        assert_refused(&answer, "invalid_grant");
    }
    let forged = of(json!(fixture.a));
    assert_refused(&Grant::Bearer.anonymous(&fixture.a, &forged, &[]).await, "invalid_grant");
    let answer = Grant::Exchange.by(&super::client(&fixture.a, "broker"), &forged, &[]).await;
    assert_refused(&answer, "invalid_request");
    bad.truncate(13);
    assert_eq!(STRANGE.asked(), [0, 0]);
    let (without, named): (Vec<_>, Vec<_>) =
        bad.into_iter().partition(|(what, _)| ["iss null", "iss 7"].contains(&what.as_str()) || what.starts_with("iss ["));
    assert_cheap(&named).await;
    // Without an issuer it may be a token of ours, so a client is wanted.
    for (what, token) in without {
        assert_refused(&Grant::Bearer.anonymous(&fixture.a, &token, &[]).await, "invalid_grant");
        let answer = Grant::Exchange.by(&super::client(&fixture.a, "deployer"), &token, &[]).await;
        assert_eq!(answer.error(), "invalid_request", "{what}: {}", answer.body);
    }
    assert_eq!(STRANGE.asked(), [0, 0]);
}

/// RFC 7515 4.1, RFC 8725 3.1 to 3.5 and 3.10: only the issuer's keys count, each by its own algorithm; a key that
/// the token brings is nobody's, and where it says that there are keys nobody looks.
#[tokio::test]
async fn only_the_issuers_keys_count() {
    let fixture = fixture();
    ASKED.publish(&[p256("k"), rsa("r")]);
    let stranger = public(&other_p256("k"));
    judge().answer("/jku", Reply::json(&json!({ "keys": [stranger] })));
    let claims = || ASKED.claims(fixture, &json!({}));
    let by = |key: &Value, header: Value| signed(key, &header, &claims());
    let hs256 = |secret: &[u8]| {
        let input = format!("{}.{}", base64url(br#"{"alg":"HS256","kid":"k"}"#), base64url(claims().to_string().as_bytes()));
        format!("{input}.{}", base64url(&Hs256.sign(&Hs256Key::new(secret), input.as_bytes()).as_bytes()))
    };
    let good = by(&p256("k"), es256(json!({})));
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (head, _) = message.split_once('.').unwrap();
    let changed = base64url(ASKED.claims(fixture, &json!({ "jti": "changed" })).to_string().as_bytes());
    let raw = latchkey::protocol::secret::from_base64url(signature).unwrap();
    let bad = [
        ("somebody's key under its name", by(&other_p256("k"), es256(json!({})))),
        ("somebody's key without a name", by(&other_p256("k"), es256(json!({ "kid": null })))),
        ("a key in the header", by(&other_p256("k"), es256(json!({ "jwk": stranger })))),
        ("a key in the header alone", by(&other_p256("k"), es256(json!({ "jwk": stranger, "kid": null })))),
        ("a certificate in the header", by(&other_p256("k"), es256(json!({ "x5c": ["MIIB"], "kid": null })))),
        ("a place of keys in the header", by(&other_p256("k"), es256(json!({ "jku": judge().at("/jku") })))),
        ("a place of certificates", by(&other_p256("k"), es256(json!({ "x5u": judge().at("/jku"), "kid": null })))),
        ("a kid that is a path", by(&other_p256("k"), es256(json!({ "kid": "../../jku" })))),
        ("a kid that is a URL", by(&other_p256("k"), es256(json!({ "kid": judge().at("/jku") })))),
        ("a kid of another kind of key", by(&p256("k"), es256(json!({ "kid": "r" })))),
        ("the kid of another kind of key, and its algorithm", by(&rsa("r"), json!({ "alg": "RS256", "kid": "k" }))),
        (
            "the header of another key, and its length",
            format!(
                "{}.{}.{}",
                base64url(br#"{"alg":"RS256","kid":"r"}"#),
                base64url(claims().to_string().as_bytes()),
                base64url(&[1; 256])
            ),
        ),
        ("the public key as a secret", hs256(public(&p256("k")).to_string().as_bytes())),
        ("the modulus as a secret", hs256(rsa("r")["n"].as_str().unwrap().as_bytes())),
        ("other claims", format!("{head}.{changed}.{signature}")),
        ("no signature", format!("{message}.")),
        ("a short signature", format!("{message}.{}", base64url(&raw[..63]))),
        ("a long signature", format!("{message}.{}", base64url(&[raw.clone(), vec![0]].concat()))),
        ("zeros", format!("{message}.{}", base64url(&[0; 64]))),
        ("the halves exchanged", format!("{message}.{}", base64url(&[&raw[32..], &raw[..32]].concat()))),
    ];
    for (what, token) in &bad {
        for grant in BOTH {
            let answer = grant.anonymous(&fixture.a, token, &[]).await;
            assert_eq!(answer.error(), grant.error(), "{what}: {}", answer.body);
            assert_refused(&answer, grant.error());
        }
    }
    assert!(judge().heard("/jku").is_empty());
    // By each of its keys; and what the header says besides is as if it were not there.
    for good in [
        good.clone(),
        by(&rsa("r"), json!({ "alg": "RS256", "kid": "r" })),
        by(&p256("k"), es256(json!({ "kid": null }))),
        by(&p256("k"), es256(json!({ "jwk": stranger, "jku": judge().at("/jku"), "x5c": 7, "typ": "JWT" }))),
    ] {
        let answer = Grant::Bearer.anonymous(&fixture.a, &good, &[]).await;
        assert!(answer.is_granted(), "{}", answer.body);
    }
    assert!(judge().heard("/jku").is_empty());
}
