//! Encrypting to clients through `WebCrypto` (RFC 7516), for what is signed already: nested JWTs (RFC 7519 5.2).

use js_sys::{Object, Promise, Reflect, Uint8Array};
use serde_json::Value;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::CryptoKey;

use super::client_keys;
use super::crypto::{bytes, fault, subtle};
use super::ctx::{Ctx, Platform};
use super::failure::{Failure, Fault};
use super::js;
use crate::protocol::error::{Code, OAuthError};
use crate::protocol::ids::random;
use crate::protocol::json;
use crate::protocol::jwe::{ContentEnc, Header, IV, KEY, KeyAlg, Recipient, TAG, compact, concat_kdf};
use crate::protocol::keys::public_members;
use crate::protocol::secret::Secret;

/// A key of a client, ready to encrypt to. Like what signs it is made ready before anything is committed.
pub struct Encrypter {
    alg: KeyAlg,
    enc: ContentEnc,
    kid: Option<String>,
    key: CryptoKey,
}

impl Encrypter {
    /// With the first key of the recipient that fits and can be imported. Keys that cannot be had now mean "try
    /// again"; that there is none is the client's fault.
    async fn ready(ctx: &Ctx, recipient: &Recipient) -> Result<Self, Failure> {
        let Recipient { alg, enc, .. } = *recipient;
        for key in client_keys::encryption_keys(ctx, recipient).await? {
            // One that cannot be imported, such as a point beside the curve, is no key.
            if let Ok(imported) = import(&key.jwk, alg).await {
                return Ok(Self { alg, enc, kid: key.kid, key: imported });
            }
        }
        Err(OAuthError::new(Code::InvalidRequest, "the client has no key to encrypt to").because("none of its keys fits").into())
    }

    /// The same for what may have no recipient, because it is signed only.
    pub async fn wanted(ctx: &Ctx, recipient: Option<&Recipient>) -> Result<Option<Self>, Failure> {
        match recipient {
            Some(recipient) => Self::ready(ctx, recipient).await.map(Some),
            None => Ok(None),
        }
    }

    /// Encrypts a JWT. `iss` is its issuer, where that is told outside too (RFC 7519 5.3).
    pub async fn encrypt(&self, jwt: &str, iss: Option<&str>) -> Result<String, Fault> {
        let (key, encrypted_key, epk) = match self.alg {
            KeyAlg::EcdhEs => {
                let (z, epk) = self.agreed().await?;
                (concat_kdf(&z, self.enc.name(), &[], &[], KEY * 8), Vec::new(), Some(epk))
            }
            KeyAlg::RsaOaep256 => {
                let key = Secret::new(random::<KEY>(&mut Platform).to_vec());
                let encrypted_key = encrypted(&parameters(self.alg), &self.key, key.expose()).await?;
                (key, encrypted_key, None)
            }
        };
        let header = Header { alg: self.alg, enc: self.enc, kid: self.kid.as_deref(), epk: epk.as_ref(), iss }.encoded();
        let iv = random::<IV>(&mut Platform);
        let sealed = match self.enc {
            ContentEnc::A256GCM => aes_gcm(&key, &iv, header.as_bytes(), jwt.as_bytes()).await?,
        };
        // The tag stands behind the ciphertext.
        let (ciphertext, tag) = sealed.split_last_chunk::<TAG>().ok_or_else(|| Fault::Broken("no tag".to_owned()))?;
        Ok(compact(&header, &encrypted_key, &iv, ciphertext, tag))
    }

    /// A secret shared with the recipient and the public key that leads it there, new for each message (RFC 7518
    /// 4.6).
    async fn agreed(&self) -> Result<(Secret<Vec<u8>>, Value), Fault> {
        let (subtle, usages) = (subtle()?, js::strings(&["deriveBits"]));
        let pair = settled(subtle.generate_key_with_object(&parameters(KeyAlg::EcdhEs), false, &usages)).await?;
        let half = |name: &str| Reflect::get(&pair, &name.into()).map_err(|error| fault(&error));
        let (public, private) = (half("publicKey")?, half("privateKey")?);
        let exported = settled(subtle.export_key("jwk", public.unchecked_ref())).await?;
        let text = js_sys::JSON::stringify(&exported).map_err(|error| fault(&error))?;
        let jwk: Value = json::parse(String::from(text).as_bytes()).map_err(|error| Fault::broken("ephemeral key", error))?;
        let algorithm = js::object(&[("name", "ECDH".into()), ("public", self.key.clone().into())]);
        let z = settled(subtle.derive_bits_with_object(&algorithm, private.unchecked_ref(), 256)).await?;
        Ok((Secret::new(bytes(&z)), public_members(&jwk)))
    }
}

/// Ciphertext and tag of AES-GCM (RFC 7518 5.3).
async fn aes_gcm(key: &Secret<Vec<u8>>, iv: &[u8], aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Fault> {
    let algorithm = js::object(&[
        ("name", "AES-GCM".into()),
        ("iv", Uint8Array::from(iv).into()),
        ("additionalData", Uint8Array::from(aad).into()),
    ]);
    let raw = Uint8Array::from(key.expose().as_slice());
    let key = settled(subtle()?.import_key_with_object("raw", &raw, &algorithm, false, &js::strings(&["encrypt"]))).await?;
    encrypted(&algorithm, key.unchecked_ref(), plaintext).await
}

async fn encrypted(algorithm: &Object, key: &CryptoKey, plaintext: &[u8]) -> Result<Vec<u8>, Fault> {
    Ok(bytes(&settled(subtle()?.encrypt_with_object_and_u8_array(algorithm, key, plaintext)).await?))
}

/// Imports a public key of a client: its members alone, without what restricts their use.
async fn import(jwk: &Value, alg: KeyAlg) -> Result<CryptoKey, Fault> {
    let jwk = js_sys::JSON::parse(&jwk.to_string()).map_err(|error| fault(&error))?;
    // The public half of an agreement does nothing itself.
    let usages = match alg {
        KeyAlg::EcdhEs => js::strings(&[]),
        KeyAlg::RsaOaep256 => js::strings(&["encrypt"]),
    };
    let promise = subtle()?.import_key_with_object("jwk", jwk.unchecked_ref(), &parameters(alg), false, &usages);
    Ok(settled(promise).await?.unchecked_into())
}

/// Parameters that fit generating, importing and encrypting alike.
fn parameters(alg: KeyAlg) -> Object {
    match alg {
        KeyAlg::EcdhEs => js::object(&[("name", "ECDH".into()), ("namedCurve", "P-256".into())]),
        KeyAlg::RsaOaep256 => js::object(&[("name", "RSA-OAEP".into()), ("hash", "SHA-256".into())]),
    }
}

async fn settled(promise: Result<Promise, JsValue>) -> Result<JsValue, Fault> {
    JsFuture::from(promise.map_err(|error| fault(&error))?).await.map_err(|error| fault(&error))
}
