//! `signing_keys`: public halves, instants, and private halves wrapped by the key ring.

use serde::Deserialize;

use super::{Db, Shards, Statement, from_json};
use crate::edge::ctx::Ctx;
use crate::edge::failure::Fault;
use crate::protocol::audit::Event;
use crate::protocol::jose::Alg;
use crate::protocol::keys::{KeyRecord, Schedule};
use crate::protocol::time::{Seconds, Timestamp};

/// A row: the record and the wrapped private half.
#[derive(Clone, Debug)]
pub struct StoredKey {
    /// What everybody may see.
    pub record: KeyRecord,
    /// The private JWK, sealed.
    pub wrapped: String,
}

#[derive(Deserialize)]
struct Row {
    alg: String,
    number: u32,
    kid: String,
    public_jwk: String,
    wrapped: String,
    publish: Timestamp,
    sign_from: Timestamp,
    sign_until: Timestamp,
    remove_at: Timestamp,
}

/// All keys that there are, those that left the JWKS within a year included.
pub async fn all(ctx: &Ctx) -> Result<Vec<StoredKey>, Fault> {
    let rows = Db::new(ctx, Shards::COMMON).run(select()).await?;
    parse(rows.all()?)
}

/// Writes keys, unless there are keys with these numbers already, and reads what is there after
/// that. Two Workers that do this at once end with one set.
pub async fn insert(ctx: &Ctx, keys: &[StoredKey]) -> Result<Vec<StoredKey>, Fault> {
    for key in keys {
        Db::new(ctx, Shards::COMMON).run(insert_statement(key)).await?;
    }
    all(ctx).await
}

/// Writes keys that take the place of one that is removed with them (empty: of none), and notes that. A key that signs
/// goes only if another may sign in its place: somebody else may have changed the keys meanwhile.
pub async fn replace(ctx: &Ctx, kid: &str, keys: &[StoredKey], event: &Event) -> Result<(), Fault> {
    let mut statements: Vec<Statement> = keys.iter().map(insert_statement).collect();
    if !kid.is_empty() {
        let sql = "DELETE FROM signing_keys WHERE kid = ?1 AND (sign_from > ?2 OR sign_until <= ?2 OR EXISTS \
                   (SELECT 1 FROM signing_keys o WHERE o.alg = signing_keys.alg AND o.kid <> ?1 AND o.sign_from <= ?2 AND o.sign_until > ?2))";
        statements.push(Statement::new(sql, [kid.into(), ctx.now.into()]));
    }
    Db::new(ctx, Shards::COMMON).record_all(statements, event).await.map(drop)
}

/// Moves the instants of a key that does not sign yet.
pub fn postpone(alg: Alg, number: u32, schedule: &Schedule) -> Statement {
    let sql = "UPDATE signing_keys SET sign_from = ?3, sign_until = ?4, remove_at = ?5 WHERE alg = ?1 AND number = ?2 AND sign_from < ?3";
    let parameters =
        [alg.name().into(), number.into(), schedule.sign_from.into(), schedule.sign_until.into(), schedule.remove_at.into()];
    Statement::new(sql, parameters)
}

/// Lets a key sign for longer.
pub fn extend(alg: Alg, number: u32, sign_until: Timestamp, remove_at: Timestamp) -> Statement {
    let sql = "UPDATE signing_keys SET sign_until = ?3, remove_at = ?4 WHERE alg = ?1 AND number = ?2 AND sign_until < ?3";
    Statement::new(sql, [alg.name().into(), number.into(), sign_until.into(), remove_at.into()])
}

/// Replaces a wrapping by one of the active key, if it is still the one that was opened.
pub fn rewrap(alg: Alg, number: u32, before: &str, after: &str) -> Statement {
    let sql = "UPDATE signing_keys SET wrapped = ?4 WHERE alg = ?1 AND number = ?2 AND wrapped = ?3";
    Statement::new(sql, [alg.name().into(), number.into(), before.into(), after.into()])
}

/// Runs one of the statements above.
pub async fn run(ctx: &Ctx, statement: Statement) -> Result<(), Fault> {
    Db::new(ctx, Shards::COMMON).run(statement).await.map(drop)
}

/// Deletes keys a year after they left the JWKS: until then their public halves can still check an
/// old ID token that comes back as a hint.
pub fn purge(now: Timestamp) -> Statement {
    Statement::new("DELETE FROM signing_keys WHERE remove_at < ?1", [now.minus(Seconds(365 * 86_400)).into()])
}

fn select() -> Statement {
    let sql = "SELECT alg, number, kid, public_jwk, wrapped, publish, sign_from, sign_until, remove_at FROM signing_keys ORDER BY alg, number";
    Statement::new(sql, [])
}

fn insert_statement(key: &StoredKey) -> Statement {
    let sql = "INSERT INTO signing_keys (alg, number, kid, public_jwk, wrapped, publish, sign_from, sign_until, remove_at) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING";
    let (record, schedule) = (&key.record, &key.record.schedule);
    let parameters = [
        record.alg.name().into(),
        record.number.into(),
        record.kid.as_str().into(),
        record.public_jwk.to_string().into(),
        key.wrapped.as_str().into(),
        schedule.publish.into(),
        schedule.sign_from.into(),
        schedule.sign_until.into(),
        schedule.remove_at.into(),
    ];
    Statement::new(sql, parameters)
}

fn parse(rows: Vec<Row>) -> Result<Vec<StoredKey>, Fault> {
    // An algorithm that this version does not know is a newer deployment's, which runs beside it.
    rows.into_iter()
        .filter_map(|row| Alg::parse(&row.alg).map(|alg| (alg, row)))
        .map(|(alg, row)| {
            let schedule =
                Schedule { publish: row.publish, sign_from: row.sign_from, sign_until: row.sign_until, remove_at: row.remove_at };
            let public_jwk = from_json("signing_keys.public_jwk", &row.public_jwk)?;
            let record = KeyRecord { alg, number: row.number, kid: row.kid, public_jwk, schedule };
            Ok(StoredKey { record, wrapped: row.wrapped })
        })
        .collect()
}
