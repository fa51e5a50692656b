//! What makes the tokens of an answer.

use serde::Serialize;

use super::crypto::Signer;
use super::ctx::Ctx;
use super::failure::{Failure, Fault};
use super::jwe::Encrypter;
use crate::protocol::client::Client;
use crate::protocol::jose::{Alg, Typ};
use crate::protocol::jwe::Recipient;
use crate::protocol::time::Seconds;

/// Whatever signs and encrypts a token answer, loaded before anything is committed: where keys cannot be had we
/// refuse first, instead of spending a code or rotating a token that could then not be answered.
pub struct Signers {
    /// Signs access tokens.
    pub access: Signer,
    /// Signs ID tokens.
    pub id: Signer,
    /// Encrypts ID tokens, where the client wants it.
    pub encrypter: Option<Encrypter>,
}

impl Signers {
    /// Loads them.
    pub async fn ready(ctx: &Ctx, client: &Client) -> Result<Self, Failure> {
        let (access, id) = (Signer::of(ctx, Alg::ES256).await?, Signer::of(ctx, client.metadata.id_token_alg()).await?);
        let encrypter = match Recipient::of_id_tokens(client) {
            Some(recipient) => Some(Encrypter::ready(ctx, &recipient).await?),
            None => None,
        };
        Ok(Self { access, id, encrypter })
    }

    /// An ID token that lives from now for `lifetime`: signed, then encrypted (OpenID Connect Core 2, 16.14).
    pub async fn id_token<T: Serialize>(&self, ctx: &Ctx, lifetime: Seconds, claims: T) -> Result<String, Fault> {
        let signed = self.id.sign(ctx, Typ::IdToken, lifetime, claims).await?;
        match &self.encrypter {
            Some(encrypter) => encrypter.encrypt(&signed, None).await,
            None => Ok(signed),
        }
    }
}
