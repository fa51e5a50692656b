//! Clients by their id, for the pages: registered ones, and those that a metadata document describes.

use crate::edge::ctx::Ctx;
use crate::edge::failure::Failure;
use crate::edge::handlers::api::ClientRequest;
use crate::edge::handlers::client_document;
use crate::edge::store::clients as store;
use crate::protocol::client::{Client, Origin};
use crate::protocol::error::{Code, OAuthError};

/// A copy from memory, if there is a young one. It may say yes, never no.
pub fn remembered(ctx: &Ctx, id: &str) -> Option<Client> {
    if Client::is_document_id(id) { client_document::remembered(ctx, id) } else { store::remembered(ctx, id) }
}

/// The client as it is now; as its document says, where that is its id.
pub async fn fresh(ctx: &Ctx, id: &str) -> Result<Option<Client>, Failure> {
    if ctx.config.client_id_documents && Client::is_document_id(id) {
        return Ok(Some(client_document::client(ctx, id).await?));
    }
    Ok(store::fresh(ctx, id).await?)
}

/// The client of a user's yes, as the token endpoint will know it: what a document says is written down now.
pub async fn settle(ctx: &Ctx, client: Client) -> Result<Client, Failure> {
    if client.origin != Origin::Document {
        return Ok(client);
    }
    let client = client_document::remember(ctx, &client).await?;
    if client.enabled {
        Ok(client)
    } else {
        Err(OAuthError::new(Code::InvalidRequest, "client_id is not known any more").because("disabled client").into())
    }
}

/// The client behind a pushed request. One of a document may push its first request before any user said
/// yes, so it is known by the document alone.
pub async fn pushing(ctx: &Ctx, request: &ClientRequest) -> Result<Client, Failure> {
    let id = &request.credentials.client_id;
    if !ctx.config.client_id_documents || !Client::is_document_id(id) {
        return request.authenticated(ctx).await;
    }
    let client = client_document::client(ctx, id).await?;
    request.prove(ctx, &client).await?;
    Ok(client)
}
