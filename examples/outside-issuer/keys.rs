//! A signing key of this run alone.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::ValueEnum;
use jwt_compact::alg::{Es256, ModulusBits, Rsa, RsaPrivateKey, StrongKey};
use jwt_compact::jwk::JsonWebKey;
use jwt_compact::{Algorithm, AlgorithmSignature};
use rand_core::{OsRng, RngCore};
use serde_json::{Map, Value, json};

type EcKey = <Es256 as Algorithm>::SigningKey;

/// A signature algorithm (RFC 7518 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Alg {
    /// RSASSA-PKCS1-v1_5, as GitHub
    #[value(name = "RS256")]
    RS256,
    /// ECDSA on P-256
    #[value(name = "ES256")]
    ES256,
}

enum Secret {
    Rsa(Box<StrongKey<RsaPrivateKey>>),
    Ec(EcKey),
}

/// The one key.
pub struct Key {
    kid: String,
    secret: Secret,
}

impl Key {
    /// A new one.
    pub fn generate(alg: Alg) -> Result<Self, String> {
        let secret = match alg {
            Alg::RS256 => {
                let pair = Rsa::generate(&mut OsRng, ModulusBits::TwoKibibytes);
                Secret::Rsa(Box::new(pair.map_err(|error| error.to_string())?.0))
            }
            Alg::ES256 => Secret::Ec(EcKey::random(&mut OsRng)),
        };
        Ok(Self { kid: random_id(), secret })
    }

    /// The name of its algorithm.
    pub const fn alg(&self) -> &'static str {
        match self.secret {
            Secret::Rsa(_) => "RS256",
            Secret::Ec(_) => "ES256",
        }
    }

    /// Its public half, as a JWK (RFC 7517).
    pub fn public(&self) -> Result<Value, String> {
        let jwk = match &self.secret {
            Secret::Rsa(key) => serde_json::to_value(JsonWebKey::from(&StrongKey::to_public_key(key).into_inner())),
            Secret::Ec(key) => serde_json::to_value(JsonWebKey::from(key.verifying_key())),
        };
        let mut jwk = jwk.map_err(|error| error.to_string())?;
        if let Some(members) = jwk.as_object_mut() {
            let more = [("kid", self.kid.as_str()), ("alg", self.alg()), ("use", "sig")];
            members.extend(more.map(|(name, value)| (name.to_owned(), value.into())));
        }
        Ok(jwk)
    }

    /// A JWT (RFC 7519) in compact form.
    pub fn signed(&self, claims: &Map<String, Value>) -> String {
        let header = json!({"alg": self.alg(), "kid": self.kid, "typ": "JWT"});
        let part = |text: String| URL_SAFE_NO_PAD.encode(text);
        let input = format!("{}.{}", part(header.to_string()), part(Value::from(claims.clone()).to_string()));
        let signature = match &self.secret {
            Secret::Rsa(key) => Rsa::rs256().sign((**key).as_ref(), input.as_bytes()).as_bytes().into_owned(),
            Secret::Ec(key) => AlgorithmSignature::as_bytes(&Es256.sign(key, input.as_bytes())).into_owned(),
        };
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// 128 bits that nobody guesses.
pub fn random_id() -> String {
    let mut bytes = [0; 16];
    OsRng.fill_bytes(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}
