//! Client ID metadata documents (draft-ietf-oauth-client-id-metadata-document): a client whose id is the URL
//! of what it says about itself.
//!
//! Anybody can name such a client, so naming one writes nothing: what the document says is kept in the
//! isolate's memory, and a row is made only once a user said yes.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::edge::ctx::Ctx;
use crate::edge::failure::{Failure, Fault};
use crate::edge::handlers::api;
use crate::edge::handlers::register::check_sector;
use crate::edge::outbound;
use crate::edge::store::{clients, registrations};
use crate::protocol::client::{Client, Metadata, Origin};
use crate::protocol::error::{Code, OAuthError};
use crate::protocol::register::{Description, is_json, keep_for};
use crate::protocol::time::{Seconds, Timestamp};

/// Most bytes of a document that are read.
const MOST: usize = 16 * 1024;
/// Documents, and failures, that an isolate remembers at most.
const MOST_KEPT: usize = 64;
/// So long a URL that failed is not asked again, so that we cannot be used to flood its server.
const PAUSE: Seconds = Seconds(5);

thread_local! {
    static GOOD: RefCell<HashMap<String, (Timestamp, Client)>> = RefCell::default();
    static BAD: RefCell<HashMap<String, (Timestamp, OAuthError)>> = RefCell::default();
}

/// What an isolate remembers of a document, if it is young.
pub fn remembered(ctx: &Ctx, id: &str) -> Option<Client> {
    if ctx.config.client_id_documents { young(&GOOD, id, ctx.now) } else { None }
}

/// The client that a document describes, or the operator's own of this id. It may be disabled; at the latest
/// [`remember`] says what the database has.
///
/// 1. The realm must take documents, and the id be the URL of one.
/// 2. From memory, if it is young.
/// 3. A row that the operator made or disabled is the last word: nothing is fetched.
/// 4. Fetch, not too often for one address; check (draft 4.1).
/// 5. Keep it as long as its `Cache-Control` and the realm allow (draft 4.4).
pub async fn client(ctx: &Ctx, id: &str) -> Result<Client, Failure> {
    // 1
    if !ctx.config.client_id_documents || !Client::is_document_id(id) {
        return Err(OAuthError::invalid_client("unknown client").into());
    }
    // 2
    if let Some(client) = remembered(ctx, id) {
        return Ok(client);
    }
    if let Some(error) = young(&BAD, id, ctx.now) {
        return Err(error.into());
    }
    // 3
    let row = clients::fresh(ctx, id).await?;
    let (enabled, version) = row.as_ref().map_or((true, 0), |row| (row.enabled, row.version));
    if let Some(row) = row.filter(|row| row.origin != Origin::Document || !enabled) {
        return Ok(row);
    }
    // 4
    api::limit(ctx, "LIMIT_REGISTER", format!("document {}", ctx.network)).await?;
    match fetched(ctx, id).await {
        // 5
        Ok((metadata, keep)) => {
            let client = Client { id: id.to_owned(), metadata, secrets: Vec::new(), enabled, version, origin: Origin::Document };
            keep_until(&GOOD, id, ctx.now.plus(keep), client.clone());
            Ok(client)
        }
        Err(error) => {
            keep_until(&BAD, id, ctx.now.plus(PAUSE), error.clone());
            Err(error.into())
        }
    }
}

/// Writes down a client that a user said yes to, so that the token endpoint knows it; the row as it is now,
/// which may be disabled. To be called before a code is issued; it writes only when the document changed.
pub async fn remember(ctx: &Ctx, client: &Client) -> Result<Client, Fault> {
    let row = registrations::keep_document(ctx, client).await?;
    let row = row.ok_or_else(|| Fault::Unavailable("client document: the row is gone again".to_owned()))?;
    clients::remember(row.clone(), ctx.now);
    Ok(row)
}

/// What a document says, and for how long that may be kept.
async fn fetched(ctx: &Ctx, id: &str) -> Result<(Metadata, Seconds), OAuthError> {
    let document = outbound::document(ctx, id, "application/json", MOST).await.map_err(|refused| no_good(refused.word()))?;
    if !is_json(&document.content_type) {
        return Err(no_good("not JSON by its Content-Type"));
    }
    let described = Description::parse(&document.body).and_then(|description| description.document(id, &ctx.config));
    let metadata = described.map_err(|error| no_good(error.detail))?;
    check_sector(ctx, &metadata).await.map_err(|error| no_good(error.detail))?;
    Ok((metadata, keep_for(&document.cache_control, Seconds(ctx.config.settings.document_cache))))
}

const fn no_good(detail: &'static str) -> OAuthError {
    OAuthError::new(Code::InvalidClient, "the metadata document of the client is no good").because(detail)
}

type Kept<T> = std::thread::LocalKey<RefCell<HashMap<String, (Timestamp, T)>>>;

fn young<T: Clone>(kept: &'static Kept<T>, id: &str, now: Timestamp) -> Option<T> {
    kept.with_borrow(|kept| kept.get(id).filter(|(until, _)| now < *until).map(|(_, value)| value.clone()))
}

fn keep_until<T>(kept: &'static Kept<T>, id: &str, until: Timestamp, value: T) {
    kept.with_borrow_mut(|kept| {
        if kept.len() >= MOST_KEPT && !kept.contains_key(id) {
            // Rare, and any choice is good: start over.
            kept.clear();
        }
        kept.insert(id.to_owned(), (until, value));
    });
}
