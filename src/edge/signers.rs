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
    access: Vec<Signer>,
    /// Signs and encrypts ID tokens.
    pub id: IdSigner,
}

impl Signers {
    /// Loads them.
    pub async fn ready(ctx: &Ctx, client: &Client) -> Result<Self, Failure> {
        let mut access = Vec::new();
        for alg in ctx.config.resources.algs(client, &ctx.config) {
            access.push(Signer::of(ctx, alg).await?);
        }
        Ok(Self { access, id: IdSigner::ready(ctx, client).await? })
    }

    /// What signs access tokens by this algorithm, of those that the client's resources want.
    pub fn access(&self, alg: Alg) -> Result<&Signer, Fault> {
        let signer = self.access.iter().find(|signer| signer.alg() == alg);
        signer.ok_or_else(|| Fault::Unavailable("the client's resources changed meanwhile".to_owned()))
    }
}

/// What signs ID tokens, and encrypts them where the client wants it: there is no way to get one of its ID tokens
/// that is only signed.
pub struct IdSigner {
    signer: Signer,
    encrypter: Option<Encrypter>,
}

impl IdSigner {
    /// Loads it.
    pub async fn ready(ctx: &Ctx, client: &Client) -> Result<Self, Failure> {
        let encrypter = Encrypter::wanted(ctx, Recipient::of_id_tokens(client).as_ref()).await?;
        Ok(Self { signer: Signer::of(ctx, client.metadata.id_token_alg()).await?, encrypter })
    }

    /// The algorithm of the signature.
    pub const fn alg(&self) -> Alg {
        self.signer.alg()
    }

    /// An ID token that lives from now for `lifetime`: signed, then encrypted (OpenID Connect Core 2, 16.14).
    pub async fn sign<T: Serialize>(&self, ctx: &Ctx, lifetime: Seconds, claims: T) -> Result<String, Fault> {
        let signed = self.signer.sign(ctx, Typ::IdToken, lifetime, claims).await?;
        match &self.encrypter {
            Some(encrypter) => encrypter.encrypt(&signed, None).await,
            None => Ok(signed),
        }
    }
}
