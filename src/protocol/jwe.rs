//! JWE: RFC 7516, with the key agreement of RFC 7518 4.6 (ECDH-ES) and 4.3 (RSA-OAEP-256).

use serde::{Deserialize, Serialize};

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

/// How the content is encrypted (RFC 7518 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContentEnc {
    /// AES-GCM with a key of 256 bits.
    A256GCM,
}
