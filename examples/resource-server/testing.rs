//! What the tests of both examples need: a provider that can be told what to answer, and tokens.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_compact::alg::{Es256, Rsa, RsaPrivateKey};
use jwt_compact::jwk::JsonWebKey;
use jwt_compact::{Algorithm, AlgorithmSignature};
use serde_json::{Value, json};

/// RFC 7515 A.3: an ES256 key.
pub fn p256_key(kid: &str) -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "kid": kid, "alg": "ES256", "use": "sig",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    })
}

/// RFC 7515 A.2: an RS256 key.
pub fn rsa_key(kid: &str) -> Value {
    json!({
        "kty": "RSA", "kid": kid, "use": "sig",
        "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZ\
              S-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2\
              R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcD\
              TW9gb54h4FRWyuXpoQ",
        "e": "AQAB",
        "d": "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_G\
              O-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQl\
              BjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0\
              QU91p1DhOVRuOopznQ",
        "p": "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2\
              KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc",
        "q": "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_\
              HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc",
    })
}

/// The public members alone.
fn public(key: &Value) -> Value {
    let mut key = key.clone();
    for member in ["d", "p", "q"] {
        key.as_object_mut().unwrap().remove(member);
    }
    key
}

/// A JWS with this header, signed with a key of the RFC if `alg` names a signature of one; else unsigned.
pub fn signed(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let input = format!("{}.{}", part(header), part(claims));
    let rsa = |alg: Rsa| {
        let (jwk, key) = (rsa_key(""), RsaPrivateKey::try_from);
        let jwk: JsonWebKey<'_> = serde_json::from_value(jwk).unwrap();
        alg.sign(&key(&jwk).unwrap(), input.as_bytes()).as_bytes().into_owned()
    };
    let signature = match header["alg"].as_str().unwrap() {
        "ES256" => {
            let jwk: JsonWebKey<'_> = serde_json::from_value(p256_key("")).unwrap();
            let key = <Es256 as Algorithm>::SigningKey::try_from(&jwk).unwrap();
            AlgorithmSignature::as_bytes(&Es256.sign(&key, input.as_bytes())).into_owned()
        }
        "RS256" => rsa(Rsa::rs256()),
        "PS256" => rsa(Rsa::ps256()),
        _ => Vec::new(),
    };
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A provider on this machine, for as long as its test runs.
pub struct FakeProvider {
    pub issuer: String,
    /// What the JWKS holds; without it the answer is 503.
    pub jwks: Arc<Mutex<Option<Value>>>,
    /// How often the JWKS was asked for.
    pub fetches: Arc<AtomicUsize>,
}

impl FakeProvider {
    /// Serves metadata with these members too, keys, and `more`.
    pub async fn start(more_metadata: Value, more: Router) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let mut metadata = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/keys")});
        for (name, path) in more_metadata.as_object().unwrap() {
            let value = path.as_str().map_or_else(|| path.clone(), |path| json!(format!("{issuer}{path}")));
            metadata[name] = value;
        }
        let fake = Self { issuer, jwks: Arc::default(), fetches: Arc::default() };
        fake.publish(&[p256_key("k1"), rsa_key("r1")]);
        let (jwks, fetches) = (Arc::clone(&fake.jwks), Arc::clone(&fake.fetches));
        let keys = async move || {
            fetches.fetch_add(1, Ordering::SeqCst);
            let keys = jwks.lock().unwrap().clone();
            keys.map(Json).ok_or(StatusCode::SERVICE_UNAVAILABLE)
        };
        let discovery = async || Json(metadata);
        let app = more.route("/keys", get(keys)).route("/.well-known/openid-configuration", get(discovery));
        tokio::spawn(async { axum::serve(listener, app).await });
        fake
    }

    /// What the JWKS holds from now on.
    pub fn publish(&self, keys: &[Value]) {
        let keys: Vec<_> = keys.iter().map(public).collect();
        *self.jwks.lock().unwrap() = Some(json!({"keys": keys}));
    }
}
