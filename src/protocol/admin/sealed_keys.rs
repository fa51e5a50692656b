//! Signing keys and salts as they leave the realm, and the seal of a passphrase over them: argon2id, then
//! XChaCha20-Poly1305.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::protocol::ids::{Entropy, random};
use crate::protocol::password::passphrase_key;
use crate::protocol::secret::Secret;

/// What the seal is for.
const PURPOSE: &[u8] = b"latchkey realm keys 1";

/// All of them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// Signing keys.
    pub signing_keys: Vec<SigningKey>,
    /// Salts by name, base64url.
    pub salts: Vec<(String, String)>,
}

/// A signing key.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningKey {
    /// JWS algorithm.
    pub alg: String,
    /// Its number among those of its algorithm.
    pub number: u32,
    /// The private JWK.
    pub jwk: Value,
    /// When it is published, signs, stops and goes, in milliseconds since 1970.
    pub schedule: [i64; 4],
}

/// The keys, for whoever has the passphrase.
pub fn seal(keys: &Keys, passphrase: &Secret, entropy: &mut dyn Entropy) -> Option<Value> {
    let (salt, nonce) = (random::<16>(entropy), random::<24>(entropy));
    let plaintext = serde_json::to_vec(keys).ok()?;
    let cipher = XChaCha20Poly1305::new(&passphrase_key(passphrase, &salt)?.into());
    let sealed = cipher.encrypt(&XNonce::from(nonce), Payload { msg: &plaintext, aad: PURPOSE }).ok()?;
    let [salt, nonce, sealed] = [&salt[..], &nonce[..], &sealed].map(|bytes| STANDARD.encode(bytes));
    Some(json!({ "kdf": "argon2id", "salt": salt, "nonce": nonce, "sealed": sealed }))
}

/// The keys again; nothing when the passphrase is another, or anything was changed.
pub fn open(sealed: &Value, passphrase: &Secret) -> Option<Keys> {
    let bytes = |name: &str| STANDARD.decode(sealed.get(name)?.as_str()?).ok();
    let (salt, nonce, sealed) = (bytes("salt")?, bytes("nonce")?, bytes("sealed")?);
    let nonce: [u8; 24] = nonce.try_into().ok()?;
    let cipher = XChaCha20Poly1305::new(&passphrase_key(passphrase, &salt)?.into());
    let plaintext = cipher.decrypt(&XNonce::from(nonce), Payload { msg: &sealed, aad: PURPOSE }).ok()?;
    crate::protocol::json::read(&plaintext).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ids::tests::Counted;

    #[test]
    fn keys_open_with_their_passphrase_alone() {
        let passphrase = Secret::new("correct horse battery".to_owned());
        let keys = Keys { signing_keys: Vec::new(), salts: vec![("a".to_owned(), "b".to_owned())] };
        let mut sealed = seal(&keys, &passphrase, &mut Counted(0)).unwrap();
        assert_eq!(open(&sealed, &passphrase).unwrap().salts, keys.salts);
        assert!(open(&sealed, &Secret::new("correct horse batterz".to_owned())).is_none());
        assert!(open(&json!({}), &passphrase).is_none());
        sealed["sealed"] = json!(format!("A{}", &sealed["sealed"].as_str().unwrap()[1..]));
        assert!(open(&sealed, &passphrase).is_none());
    }
}
