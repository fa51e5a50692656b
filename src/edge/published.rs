//! KV: the JWKS at the edge, the head of the audit log, and the mark of the bootstrap. Stale by nature: no request is
//! decided by it but that one, which D1 decides too. Only the cron looks at what readers see of the JWKS, to postpone a key
//! that they cannot see yet.

use super::ctx::Ctx;
use super::failure::Fault;
use super::log::Meter;

/// The public keys.
const JWKS: &str = "jwks";

/// The newest seal of the audit log: kept beside the database, so that a cut there shows.
const AUDIT_HEAD: &str = "audit head";

/// Says that the first administrator was made: in KV, which a restored backup of D1 does not undo.
const BOOTSTRAPPED: &str = "bootstrap";

/// The JWKS as readers near this place see it.
pub async fn jwks(ctx: &Ctx) -> Result<Option<String>, Fault> {
    get(ctx, JWKS).await
}

/// The newest seal of the audit log, a minute or so behind: its minute and MAC.
pub async fn audit_head(ctx: &Ctx) -> Result<Option<String>, Fault> {
    get(ctx, AUDIT_HEAD).await
}

/// Whether the first administrator was ever made.
pub async fn is_bootstrapped(ctx: &Ctx) -> Result<bool, Fault> {
    Ok(get(ctx, BOOTSTRAPPED).await?.is_some())
}

async fn get(ctx: &Ctx, key: &str) -> Result<Option<String>, Fault> {
    Meter::add(&ctx.meter.kv, 1);
    let kv = ctx.env.kv("PUBLISHED").map_err(|error| Fault::unavailable("KV", error))?;
    kv.get(key).text().await.map_err(|error| Fault::unavailable("KV", error))
}

/// Publishes the JWKS, whole.
pub async fn put_jwks(ctx: &Ctx, jwks: &str) -> Result<(), Fault> {
    put(ctx, JWKS, jwks).await
}

/// Keeps the newest seal of the audit log.
pub async fn put_audit_head(ctx: &Ctx, head: &str) -> Result<(), Fault> {
    put(ctx, AUDIT_HEAD, head).await
}

/// Marks that the first administrator was made.
pub async fn put_bootstrapped(ctx: &Ctx) -> Result<(), Fault> {
    put(ctx, BOOTSTRAPPED, "1").await
}

async fn put(ctx: &Ctx, key: &str, value: &str) -> Result<(), Fault> {
    Meter::add(&ctx.meter.kv, 1);
    let kv = ctx.env.kv("PUBLISHED").map_err(|error| Fault::unavailable("KV", error))?;
    let put = kv.put(key, value).map_err(|error| Fault::unavailable("KV", error))?;
    put.execute().await.map_err(|error| Fault::unavailable("KV", error))
}
