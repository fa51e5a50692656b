//! JWE: RFC 7516, with the key agreement of RFC 7518 4.6 (ECDH-ES) and 4.3 (RSA-OAEP-256).
//!
//! Here is what needs no secret of the platform: headers, key derivation and the compact form. The rest is done
//! by `WebCrypto` in the edge.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::client::Client;
use super::secret::{Secret, base64url};

/// How the content encryption key gets to the recipient (RFC 7518 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyAlg {
    /// Agreed on with a key on P-256 and used directly.
    #[serde(rename = "ECDH-ES")]
    EcdhEs,
    /// Random, encrypted to an RSA key.
    #[serde(rename = "RSA-OAEP-256")]
    RsaOaep256,
}

impl KeyAlg {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::EcdhEs, Self::RsaOaep256];

    /// `alg`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EcdhEs => "ECDH-ES",
            Self::RsaOaep256 => "RSA-OAEP-256",
        }
    }
}

/// How the content is encrypted (RFC 7518 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContentEnc {
    /// AES-GCM with a key of 256 bits.
    A256GCM,
}

impl ContentEnc {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::A256GCM];

    /// `enc`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::A256GCM => "A256GCM",
        }
    }
}

/// Bytes of a content encryption key.
pub const KEY: usize = 32;
/// Bytes of an initialization vector (RFC 7518 5.3).
pub const IV: usize = 12;
/// Bytes of an authentication tag (RFC 7518 5.3).
pub const TAG: usize = 16;

/// Whom something is encrypted to and how: plain data, so that it can be kept until it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// `client_id`.
    pub client: String,
    /// How the key gets to it.
    pub alg: KeyAlg,
    /// How the content is encrypted.
    pub enc: ContentEnc,
    /// Where its keys are.
    pub keys: KeySource,
}

/// Where the keys of a client are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeySource {
    /// In its metadata: a JWK Set.
    #[serde(rename = "jwks")]
    Inline(Value),
    /// At this URL.
    #[serde(rename = "jwks_uri")]
    Fetched(String),
}

impl Recipient {
    /// A client as the recipient of its ID tokens and logout tokens; nothing when they are signed only.
    pub fn of_id_tokens(client: &Client) -> Option<Self> {
        let metadata = &client.metadata;
        Some(Self::new(client, metadata.id_token_encrypted_response_alg?, metadata.id_token_encrypted_response_enc))
    }

    /// A client as the recipient of its introspection answers; nothing when they are signed only.
    pub fn of_introspection(client: &Client) -> Option<Self> {
        let metadata = &client.metadata;
        Some(Self::new(client, metadata.introspection_encrypted_response_alg?, metadata.introspection_encrypted_response_enc))
    }

    fn new(client: &Client, alg: KeyAlg, enc: Option<ContentEnc>) -> Self {
        let metadata = &client.metadata;
        let keys = match &metadata.jwks_uri {
            Some(uri) => KeySource::Fetched(uri.clone()),
            None => KeySource::Inline(metadata.jwks.clone().unwrap_or_default()),
        };
        // `Metadata::check` lets no client in without `enc`; nothing goes out plain for the lack of it.
        Self { client: client.id.clone(), alg, enc: enc.unwrap_or(ContentEnc::A256GCM), keys }
    }
}

/// The protected header (RFC 7516 4.1) of a nested JWT (RFC 7519 5.2).
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// How the key gets to the recipient.
    pub alg: KeyAlg,
    /// How the content is encrypted.
    pub enc: ContentEnc,
    /// The recipient's key, where it has a name.
    pub kid: Option<&'a str>,
    /// Our ephemeral public key (RFC 7518 4.6.1.1), for ECDH-ES.
    pub epk: Option<&'a Value>,
    /// The issuer of the JWT inside, where it is told outside too (RFC 7519 5.3).
    pub iss: Option<&'a str>,
}

impl Header<'_> {
    /// As it stands in the compact form. These bytes are also the additional authenticated data (RFC 7516 5.1).
    pub fn encoded(&self) -> String {
        let text = |text: &str| Some(Value::from(text));
        let members = [
            ("alg", text(self.alg.name())),
            ("enc", text(self.enc.name())),
            ("cty", text("JWT")),
            ("kid", self.kid.and_then(text)),
            ("epk", self.epk.cloned()),
            ("iss", self.iss.and_then(text)),
        ];
        let members: Map<String, Value> =
            members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        base64url(Value::from(members).to_string().as_bytes())
    }
}

/// The compact form (RFC 7516 7.1). `encrypted_key` is empty where the key was agreed on.
pub fn compact(header: &str, encrypted_key: &[u8], iv: &[u8], ciphertext: &[u8], tag: &[u8]) -> String {
    let [encrypted_key, iv, ciphertext, tag] = [encrypted_key, iv, ciphertext, tag].map(base64url);
    format!("{header}.{encrypted_key}.{iv}.{ciphertext}.{tag}")
}

/// The key of `bits` bits that both sides derive from a shared secret `z` (RFC 7518 4.6.2): Concat KDF with
/// SHA-256. `algorithm` is what the key is for: with ECDH-ES the `enc`. `apu` and `apv` are about the two parties,
/// decoded.
pub fn concat_kdf(z: &Secret<Vec<u8>>, algorithm: &str, apu: &[u8], apv: &[u8], bits: usize) -> Secret<Vec<u8>> {
    let bytes = bits.div_ceil(8);
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
    let mut key = Vec::with_capacity(bytes.next_multiple_of(32));
    let mut round = 1_u32;
    while key.len() < bytes {
        let mut hash = Sha256::new();
        hash.update(round.to_be_bytes());
        hash.update(z.expose());
        for part in [algorithm.as_bytes(), apu, apv] {
            hash.update(number(part.len()));
            hash.update(part);
        }
        hash.update(number(bits));
        key.extend_from_slice(&hash.finalize());
        round += 1;
    }
    key.truncate(bytes);
    Secret::new(key)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::client::tests::{DEVICE, client};
    use super::super::secret::from_base64url;
    use super::*;

    /// RFC 7518 Appendix C.
    #[test]
    fn the_key_of_alice_and_bob() {
        let z = [
            158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156, 251, 49, 110, 163, 218, 128, 106, 72, 246,
            218, 167, 121, 140, 254, 144, 196,
        ];
        let z = Secret::new(z.to_vec());
        let derived = |algorithm, apu: &[u8], apv: &[u8], bits| base64url(concat_kdf(&z, algorithm, apu, apv, bits).expose());
        assert_eq!(derived("A128GCM", b"Alice", b"Bob", 128), "VqqN6vgjbSBcIijNcacQGg");
        let others = [
            derived("A256GCM", b"Alice", b"Bob", 128),
            derived("A128GCM", b"", b"Bob", 128),
            derived("A128GCM", b"Alice", b"", 128),
            derived("A128GCM", b"AliceB", b"ob", 128),
        ];
        for other in others {
            assert_ne!(other, "VqqN6vgjbSBcIijNcacQGg");
        }
        let lengths = [8, 128, 256, 257, 512, 520].map(|bits| concat_kdf(&z, "A256GCM", b"", b"", bits).expose().len());
        assert_eq!(lengths, [1, 16, 32, 33, 64, 65]);
        // Each block has a number of its own.
        let long = concat_kdf(&z, "A256GCM", b"", b"", 512);
        assert_ne!(long.expose().get(..32), long.expose().get(32..));
    }

    /// RFC 7516 A.1.7, from the pieces of A.1.1 to A.1.6.
    #[test]
    fn the_compact_form() {
        let header = "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ";
        let iv = [227, 197, 117, 252, 2, 219, 233, 68, 180, 225, 77, 219];
        let ciphertext = [
            229, 236, 166, 241, 53, 191, 115, 196, 174, 43, 73, 109, 39, 122, 233, 96, 140, 206, 120, 52, 51, 237, 48, 11, 190,
            219, 186, 80, 111, 104, 50, 142, 47, 167, 59, 61, 181, 127, 196, 21, 40, 82, 242, 32, 123, 143, 168, 226, 73, 216,
            176, 144, 138, 247, 106, 60, 16, 205, 160, 109, 64, 63, 192,
        ];
        let tag = [92, 80, 104, 49, 133, 25, 161, 215, 173, 101, 219, 211, 136, 91, 210, 145];
        let whole = compact(header, b"key", &iv, &ciphertext, &tag);
        let parts: Vec<&str> = whole.split('.').collect();
        let expected = [
            header,
            "a2V5",
            "48V1_ALb6US04U3b",
            "5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6jiSdiwkIr3ajwQzaBtQD_A",
            "XFBoMYUZodetZdvTiFvSkQ",
        ];
        assert_eq!(parts, expected);
        assert_eq!((iv.len(), tag.len()), (IV, TAG));
        assert!(compact(header, b"", &iv, &ciphertext, &tag).starts_with(&format!("{header}..48V1")));
    }

    #[test]
    fn headers_say_what_is_there() {
        let read = |header: Header<'_>| serde_json::from_slice::<Value>(&from_base64url(&header.encoded()).unwrap()).unwrap();
        let least = Header { alg: KeyAlg::RsaOaep256, enc: ContentEnc::A256GCM, kid: None, epk: None, iss: None };
        assert_eq!(read(least), json!({ "alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "JWT" }));
        let epk = json!({ "kty": "EC", "crv": "P-256", "x": "x", "y": "y" });
        let most =
            Header { alg: KeyAlg::EcdhEs, kid: Some("a \"name\""), epk: Some(&epk), iss: Some("https://id.example"), ..least };
        assert_eq!(
            read(most),
            json!({ "alg": "ECDH-ES", "enc": "A256GCM", "cty": "JWT", "kid": "a \"name\"", "epk": epk, "iss": "https://id.example" })
        );
        // The names are those of the metadata.
        for alg in KeyAlg::ALL {
            assert_eq!(json!(alg), alg.name());
        }
        for enc in ContentEnc::ALL {
            assert_eq!(json!(enc), enc.name());
        }
    }

    #[test]
    fn whom_it_is_for() {
        let mut client = client(DEVICE);
        assert_eq!((Recipient::of_id_tokens(&client), Recipient::of_introspection(&client)), (None, None));
        client.metadata.id_token_encrypted_response_alg = Some(KeyAlg::EcdhEs);
        client.metadata.jwks = Some(json!({ "keys": [] }));
        let recipient = Recipient::of_id_tokens(&client).unwrap();
        assert_eq!(
            (recipient.client.as_str(), recipient.alg, recipient.enc),
            (client.id.as_str(), KeyAlg::EcdhEs, ContentEnc::A256GCM)
        );
        assert_eq!(recipient.keys, KeySource::Inline(json!({ "keys": [] })));
        assert_eq!(Recipient::of_introspection(&client), None);
        client.metadata.introspection_encrypted_response_alg = Some(KeyAlg::RsaOaep256);
        (client.metadata.jwks, client.metadata.jwks_uri) = (None, Some("https://a.example/jwks".to_owned()));
        let recipient = Recipient::of_introspection(&client).unwrap();
        assert_eq!(
            (recipient.alg, &recipient.keys),
            (KeyAlg::RsaOaep256, &KeySource::Fetched("https://a.example/jwks".to_owned()))
        );
        // It is kept as text until it is used.
        let kept = serde_json::to_string(&recipient).unwrap();
        assert_eq!(serde_json::from_str::<Recipient>(&kept).unwrap(), recipient);
    }
}
