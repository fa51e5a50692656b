//! What the endpoints for clients share.

use crate::edge::ctx::Ctx;
use crate::edge::failure::Failure;
use crate::edge::http::WireRequest;
use crate::edge::log::{self, Line};
use crate::edge::store::clients;
use crate::protocol::client::Client;
use crate::protocol::client_auth::ClientCredentials;
use crate::protocol::error::{Code, OAuthError};
use crate::protocol::form::Form;

/// A client's request: its parameters and the authenticated client.
pub struct ClientRequest {
    /// Parameters.
    pub form: Form,
    /// Who it is.
    pub credentials: ClientCredentials,
}

impl ClientRequest {
    /// Reads body and credentials; the client is named in the log from here on.
    pub async fn read(request: &mut WireRequest, line: &mut Line) -> Result<Self, Failure> {
        let form = request.form().await?;
        let credentials = ClientCredentials::parse(request.header("authorization").as_deref(), &form)?;
        // What is no client id is not a name for a log either.
        line.client = Client::is_id(&credentials.client_id).then(|| credentials.client_id.clone());
        Ok(Self { form, credentials })
    }

    /// The authenticated client and what is decided on it. A refusal by a copy from memory is decided
    /// again on a fresh one before it is told.
    pub async fn decided<T>(&self, ctx: &Ctx, decide: impl Fn(&Client) -> Result<T, OAuthError>) -> Result<(Client, T), Failure> {
        let client = self.authenticated(ctx).await?;
        if let Ok(decision) = decide(&client) {
            return Ok((client, decision));
        }
        let client = clients::authenticated_afresh(ctx, &self.credentials).await?;
        let decision = decide(&client)?;
        Ok((client, decision))
    }

    /// The client as it is in the database now, if it proves itself.
    pub async fn authenticated_afresh(&self, ctx: &Ctx) -> Result<Client, Failure> {
        clients::authenticated_afresh(ctx, &self.credentials).await
    }

    /// Whether this client, read a moment ago, is who sends the request.
    #[expect(clippy::unused_async, reason = "shim until keys is merged")]
    pub async fn prove(&self, ctx: &Ctx, client: &Client) -> Result<(), Failure> {
        Ok(self.credentials.authenticate(Some(client), ctx.now)?)
    }

    /// The client, if it proves itself.
    pub async fn authenticated(&self, ctx: &Ctx) -> Result<Client, Failure> {
        clients::authenticated(ctx, &self.credentials).await
    }
}

/// Asks a rate-limit binding: a cheap first filter, by location and approximate.
pub async fn limit(ctx: &Ctx, binding: &str, key: String) -> Result<(), Failure> {
    let too_many = OAuthError::new(Code::TooManyRequests, "too many requests").retry_after(60);
    let outcome = match ctx.env.rate_limiter(binding) {
        Ok(limiter) => limiter.limit(key).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(outcome) if !outcome.success => Err(too_many.into()),
        Ok(_) => Ok(()),
        // Exact budgets stand behind it: a filter that is out of order must not stop the realm, but
        // somebody should know.
        Err(error) => {
            log::event("error", "rate limit", &format!("{binding}: {error}"), &ctx.meter);
            Ok(())
        }
    }
}
