//! KV: the JWKS at the edge. Public and stale by nature: no request is decided by it. Only the cron looks
//! at what readers see, to postpone a key that they cannot see yet. And one mark beside it, of the bootstrap.

use super::ctx::Ctx;
use super::failure::Fault;
use super::log::Meter;

/// The one key.
const JWKS: &str = "jwks";

/// Says that the first administrator was made: in KV, which a restored backup of D1 does not undo.
const BOOTSTRAPPED: &str = "bootstrap";

/// Whether the first administrator was ever made.
pub async fn is_bootstrapped(ctx: &Ctx) -> Result<bool, Fault> {
    Meter::add(&ctx.meter.kv, 1);
    let kv = ctx.env.kv("PUBLISHED").map_err(|error| Fault::unavailable("KV", error))?;
    let mark = kv.get(BOOTSTRAPPED).text().await.map_err(|error| Fault::unavailable("KV", error))?;
    Ok(mark.is_some())
}

/// Marks that the first administrator was made.
pub async fn put_bootstrapped(ctx: &Ctx) -> Result<(), Fault> {
    Meter::add(&ctx.meter.kv, 1);
    let kv = ctx.env.kv("PUBLISHED").map_err(|error| Fault::unavailable("KV", error))?;
    let put = kv.put(BOOTSTRAPPED, "1").map_err(|error| Fault::unavailable("KV", error))?;
    put.execute().await.map_err(|error| Fault::unavailable("KV", error))
}

/// The JWKS as readers near this place see it.
pub async fn jwks(ctx: &Ctx) -> Result<Option<String>, Fault> {
    Meter::add(&ctx.meter.kv, 1);
    let kv = ctx.env.kv("PUBLISHED").map_err(|error| Fault::unavailable("KV", error))?;
    kv.get(JWKS).text().await.map_err(|error| Fault::unavailable("KV", error))
}

/// Publishes the JWKS, whole.
pub async fn put_jwks(ctx: &Ctx, jwks: &str) -> Result<(), Fault> {
    Meter::add(&ctx.meter.kv, 1);
    let kv = ctx.env.kv("PUBLISHED").map_err(|error| Fault::unavailable("KV", error))?;
    let put = kv.put(JWKS, jwks).map_err(|error| Fault::unavailable("KV", error))?;
    put.execute().await.map_err(|error| Fault::unavailable("KV", error))
}
