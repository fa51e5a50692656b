//! JWTs: RFC 7515 and 7519 through `jwt-compact`, with the asymmetric step left to `WebCrypto`.
//!
//! `jwt-compact`'s `Algorithm` is synchronous and `WebCrypto` is not, so signing is two steps:
//! [`signing_input`] makes `header.claims`, the edge signs it, [`signed`] puts both together. And
//! verifying is two: the edge checks the signature over [`UntrustedJwt::message`] and makes a
//! [`SignatureWitness`], without which no claims come out.

use std::borrow::Cow;

use chrono::DateTime;

use jwt_compact::{Algorithm, AlgorithmExt as _, AlgorithmSignature, Claims, Header, UntrustedToken};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::json;
use super::secret::{base64url, from_base64url};
use super::time::Timestamp;

/// A signature algorithm (RFC 7518 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Alg {
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// Ed25519 (RFC 8037).
    EdDSA,
}

impl Alg {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::ES256, Self::RS256, Self::PS256, Self::EdDSA];

    /// Those of which a key is always published; OpenID Connect demands RS256. The others have one once a
    /// client wants it.
    pub const ALWAYS: [Self; 2] = [Self::ES256, Self::RS256];

    /// `alg`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ES256 => "ES256",
            Self::RS256 => "RS256",
            Self::PS256 => "PS256",
            Self::EdDSA => "EdDSA",
        }
    }

    /// Whether a signature may have this length, in bytes (RFC 7518 3.4, RFC 8037 3.1); an RSA one is as long
    /// as its key's modulus.
    pub const fn takes_signature_of(self, length: usize) -> bool {
        match self {
            Self::ES256 | Self::EdDSA => length == 64,
            Self::RS256 | Self::PS256 => length >= 256 && length <= 1024,
        }
    }

    /// The algorithm of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.name() == name)
    }
}

/// What a token is, by its `typ`. Every verifier asks for one of these, so that a token of one kind
/// signed by the same key never passes as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typ {
    /// Access token (RFC 9068 2.1).
    AccessToken,
    /// ID token.
    IdToken,
    /// Logout token (OpenID Connect Back-Channel Logout 2.4).
    LogoutToken,
    /// Signed userinfo answer (OpenID Connect Core 5.3.2).
    Userinfo,
    /// Signed introspection answer (RFC 9701 5).
    Introspection,
}

impl Typ {
    const fn name(self) -> &'static str {
        match self {
            Self::AccessToken => "at+jwt",
            Self::IdToken => "JWT",
            Self::LogoutToken => "logout+jwt",
            Self::Userinfo => "userinfo+jwt",
            Self::Introspection => "token-introspection+jwt",
        }
    }

    /// RFC 9068 4 and RFC 7515 4.1.9: case does not matter and `application/` may be left out.
    fn is(self, typ: Option<&str>) -> bool {
        let typ = typ.unwrap_or_default().to_ascii_lowercase();
        typ.strip_prefix("application/").unwrap_or(&typ) == self.name().to_ascii_lowercase()
    }
}

/// `header.claims` of a token, ready to be signed. `exp`: what only answers a question has no end of its own.
///
/// The claims come as JSON, so that this is compiled once and not for every kind of token.
pub fn signing_input(typ: Typ, alg: Alg, kid: &str, iat: Timestamp, exp: Option<Timestamp>, custom: Value) -> Option<String> {
    let header = Header::empty().with_token_type(typ.name()).with_key_id(kid);
    let mut claims = Claims::new(custom);
    claims.issued_at = DateTime::from_timestamp(iat.seconds(), 0);
    claims.expiration = exp.and_then(|exp| DateTime::from_timestamp(exp.seconds(), 0));
    let token = Elsewhere(alg).token(&header, &claims, &()).ok()?;
    // The signature is empty here: what stands before the last dot is what is signed.
    token.rsplit_once('.').map(|(input, _)| input.to_owned())
}

/// The finished token.
pub fn signed(signing_input: &str, signature: &[u8]) -> String {
    format!("{signing_input}.{}", base64url(signature))
}

/// A token whose signature nobody has checked: only its header can be seen.
#[derive(Debug)]
pub struct UntrustedJwt<'a> {
    text: &'a str,
    token: UntrustedToken<'a>,
    /// Its algorithm, one of ours.
    pub alg: Alg,
    /// The key that it names.
    pub kid: String,
}

impl<'a> UntrustedJwt<'a> {
    /// Parses the compact form of a token of this type, signed by one of our algorithms.
    pub fn parse(text: &'a str, typ: Typ) -> Option<Self> {
        let token = UntrustedToken::new(text).ok()?;
        if !typ.is(token.header().token_type.as_deref()) {
            return None;
        }
        let (alg, kid) = (Alg::parse(token.algorithm())?, token.header().key_id.clone()?);
        Some(Self { text, token, alg, kid })
    }

    /// What was signed.
    pub fn message(&self) -> &[u8] {
        self.text.rsplit_once('.').map(|(message, _)| message.as_bytes()).unwrap_or_default()
    }

    /// The signature.
    pub fn signature(&self) -> Vec<u8> {
        self.text.rsplit_once('.').and_then(|(_, signature)| from_base64url(signature)).unwrap_or_default()
    }

    /// Takes the outcome of the signature check. This is the only way to a witness.
    pub fn attest(&self, is_verified: bool) -> Option<SignatureWitness> {
        is_verified.then(|| SignatureWitness { message: self.message().to_vec() })
    }

    /// Its claims, for a token that is in time at `now`.
    pub fn claims<T: DeserializeOwned>(&self, witness: &SignatureWitness, now: Timestamp) -> Option<T> {
        let (claims, [_, expires_at]) = self.dated_claims(witness)?;
        (expires_at.seconds() > now.seconds()).then_some(claims)
    }

    /// Its claims, and when it was made and ends or ended.
    pub fn dated_claims<T: DeserializeOwned>(&self, witness: &SignatureWitness) -> Option<(T, [Timestamp; 2])> {
        let algorithm = Elsewhere(self.alg);
        let token = algorithm.validator::<Value>(witness).validate(&self.token).ok()?;
        let claims = token.claims();
        let dates = [claims.issued_at?, claims.expiration?].map(|date| Timestamp::from_millis(date.timestamp_millis()));
        Some((json::from_value(token.into_parts().1.custom).ok()?, dates))
    }
}

/// Proof that a signature over this very message was verified.
#[derive(Debug)]
pub struct SignatureWitness {
    message: Vec<u8>,
}

/// An algorithm whose signatures are made and checked elsewhere.
#[derive(Clone, Copy, Debug)]
struct Elsewhere(Alg);

/// The signature of a token that is not signed yet, or the bytes of one that was checked already.
struct Opaque(Vec<u8>);

impl AlgorithmSignature for Opaque {
    fn try_from_slice(slice: &[u8]) -> anyhow::Result<Self> {
        Ok(Self(slice.to_vec()))
    }

    fn as_bytes(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.0)
    }
}

impl Algorithm for Elsewhere {
    type SigningKey = ();
    type VerifyingKey = SignatureWitness;
    type Signature = Opaque;

    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(self.0.name())
    }

    fn sign(&self, (): &(), _message: &[u8]) -> Opaque {
        Opaque(Vec::new())
    }

    fn verify_signature(&self, _signature: &Opaque, witness: &SignatureWitness, message: &[u8]) -> bool {
        witness.message == message
    }
}
