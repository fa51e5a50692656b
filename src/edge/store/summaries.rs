//! `summaries`: what happened in an hour, counted once by the cron, so that nobody who looks at charts makes the database
//! scan anything. What follows from events lies beside them; what follows from grants lies with those.

use serde::{Deserialize, Serialize};

use super::{Db, Parameter, Shards, Statement, audit};
use crate::edge::ctx::Ctx;
use crate::edge::failure::Fault;
use crate::protocol::time::Timestamp;

/// Keys of a kind at most: sites and clients with the most devices.
const MOST_KEYS: u32 = 200;
/// Users whose devices one look at a site goes through at most.
const MOST_USERS: u32 = 5_000;
/// Rows of one answer at most.
const MOST_ROWS: u32 = 20_000;

/// A count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Whole hours since 1970; 0: as it is now.
    pub hour: i64,
    /// What is counted.
    pub kind: String,
    /// Which of them; empty: there is one.
    pub key: String,
    /// How many.
    pub count: i64,
}

/// The last hour whose events were counted.
pub async fn last_hour(ctx: &Ctx) -> Result<Option<i64>, Fault> {
    let sql = "SELECT hour, kind, key, count FROM summaries WHERE kind = 'counted' ORDER BY hour DESC LIMIT 1";
    Ok(audit::database(ctx).run(Statement::new(sql, [])).await?.first::<Summary>()?.map(|row| row.hour))
}

/// Counts the events of an hour, and says that they are counted. Counted again they give the same.
pub async fn count_events(ctx: &Ctx, hour: i64) -> Result<(), Fault> {
    let counted = "INSERT INTO summaries (hour, kind, key, count) \
        SELECT ?1, CASE kind WHEN 'failure_burst' THEN 'failure' WHEN 'replay_detected' THEN 'failure' \
            WHEN 'approval' THEN 'device_flow' WHEN 'denial' THEN 'device_flow' ELSE kind END AS what, \
        CASE kind WHEN 'failure_burst' THEN COALESCE(NULLIF(detail, '') ->> 'of', '') WHEN 'replay_detected' THEN 'replay' \
            WHEN 'approval' THEN 'approved' WHEN 'denial' THEN 'denied' ELSE '' END AS which, COUNT(*) \
        FROM audit_events WHERE minute >= ?1 * 60 AND minute < (?1 + 1) * 60 GROUP BY what, which \
        ON CONFLICT (hour, kind, key) DO UPDATE SET count = excluded.count WHERE count <> excluded.count";
    let said = "INSERT INTO summaries (hour, kind, key, count) VALUES (?1, 'counted', '', 1) ON CONFLICT DO NOTHING";
    audit::database(ctx).batch([Statement::new(counted, [hour.into()]), Statement::new(said, [hour.into()])]).await.map(drop)
}

/// Counts the devices that were collected in an hour.
pub async fn count_collected(ctx: &Ctx, hour: i64) -> Result<(), Fault> {
    let sql = "INSERT INTO summaries (hour, kind, key, count) SELECT ?1, 'device_flow', 'collected', n FROM \
        (SELECT COUNT(*) AS n FROM grants WHERE grant_type = 'urn:ietf:params:oauth:grant-type:device_code' AND revoked_why IS NOT 'undone' \
         AND created_at >= ?1 * 3600000 AND created_at < (?1 + 1) * 3600000) WHERE n > 0 \
        ON CONFLICT (hour, kind, key) DO UPDATE SET count = excluded.count WHERE count <> excluded.count";
    Db::new(ctx, Shards::COMMON).run(Statement::new(sql, [hour.into()])).await.map(drop)
}

/// The devices that are signed in at an instant, as grants `g` of users `u`.
macro_rules! devices {
    ($now:literal) => {
        concat!(
            "FROM grants g JOIN users u ON u.id = g.user_id WHERE g.grant_type = 'urn:ietf:params:oauth:grant-type:device_code' \
             AND g.revoked_at IS NULL AND g.expires_at > ",
            $now,
            " AND g.approved_at > u.not_before"
        )
    };
}

/// Looks at all grants once: how many devices there are, where and of which client, and how often tokens were refreshed since
/// the last look, which is how much the generations have grown.
pub async fn look_at_grants(ctx: &Ctx, hour: i64) -> Result<(), Fault> {
    const ALIVE: &str = concat!(
        "INSERT INTO summaries (hour, kind, key, count) SELECT ?1, 'devices', '', COUNT(*) ",
        devices!("?2"),
        " ON CONFLICT DO NOTHING"
    );
    const REFRESHES: &str = "INSERT INTO summaries (hour, kind, key, count) SELECT ?1, 'refresh', '', MAX(0, t.grown - t.before + t.gone) FROM \
        (SELECT COALESCE((SELECT SUM(generation) FROM grants), 0) AS grown, \
         COALESCE((SELECT count FROM summaries WHERE kind = 'generations' ORDER BY hour DESC LIMIT 1), (SELECT SUM(generation) FROM grants), 0) AS before, \
         COALESCE((SELECT SUM(count) FROM summaries WHERE kind = 'purged'), 0) AS gone) t WHERE true ON CONFLICT DO NOTHING";
    const GENERATIONS: &str = "INSERT INTO summaries (hour, kind, key, count) \
        SELECT ?1, 'generations', '', COALESCE((SELECT SUM(generation) FROM grants), 0) WHERE true ON CONFLICT DO NOTHING";
    const OF_SITES: &str = concat!(
        "INSERT INTO summaries (hour, kind, key, count) SELECT 0, 'devices_by_site', g.place, COUNT(*) AS n ",
        devices!("?1"),
        " GROUP BY g.place ORDER BY n DESC, g.place LIMIT ?2 \
        ON CONFLICT (hour, kind, key) DO UPDATE SET count = excluded.count WHERE count <> excluded.count"
    );
    const OF_CLIENTS: &str = concat!(
        "INSERT INTO summaries (hour, kind, key, count) SELECT 0, 'devices_by_client', g.client_id, COUNT(*) AS n ",
        devices!("?1"),
        " GROUP BY g.client_id ORDER BY n DESC, g.client_id LIMIT ?2 \
        ON CONFLICT (hour, kind, key) DO UPDATE SET count = excluded.count WHERE count <> excluded.count"
    );
    // Where there is no device any more, or others have more.
    const NO_SITE: &str = concat!(
        "DELETE FROM summaries WHERE hour = 0 AND kind = 'devices_by_site' AND key NOT IN \
        (SELECT g.place ",
        devices!("?1"),
        " GROUP BY g.place ORDER BY COUNT(*) DESC, g.place LIMIT ?2)"
    );
    const NO_CLIENT: &str = concat!(
        "DELETE FROM summaries WHERE hour = 0 AND kind = 'devices_by_client' AND key NOT IN \
        (SELECT g.client_id ",
        devices!("?1"),
        " GROUP BY g.client_id ORDER BY COUNT(*) DESC, g.client_id \
        LIMIT ?2)"
    );
    let batch = [
        Statement::new(ALIVE, [hour.into(), ctx.now.into()]),
        Statement::new(REFRESHES, [hour.into()]),
        // What was purged counts for this look alone; the next one starts from here.
        Statement::new("DELETE FROM summaries WHERE kind = 'purged' OR (kind = 'generations' AND hour < ?1)", [hour.into()]),
        Statement::new(GENERATIONS, [hour.into()]),
        Statement::new(OF_SITES, [ctx.now.into(), MOST_KEYS.into()]),
        Statement::new(NO_SITE, [ctx.now.into(), MOST_KEYS.into()]),
        Statement::new(OF_CLIENTS, [ctx.now.into(), MOST_KEYS.into()]),
        Statement::new(NO_CLIENT, [ctx.now.into(), MOST_KEYS.into()]),
    ];
    Db::new(ctx, Shards::COMMON).batch(batch).await.map(drop)
}

/// Notes the generations of grants that the same purge, right after this statement, deletes: they were refreshes all the same.
pub fn note_purged(ctx: &Ctx, ended_before: Timestamp, limit: u32) -> Statement {
    let sql = "INSERT INTO summaries (hour, kind, key, count) SELECT ?3, 'purged', '', n FROM (SELECT COALESCE(SUM(generation), 0) AS n FROM grants \
        WHERE (user_id, id) IN (SELECT user_id, id FROM grants WHERE expires_at < ?1 OR revoked_at < ?1 LIMIT ?2)) WHERE n > 0 \
        ON CONFLICT (hour, kind, key) DO UPDATE SET count = count + excluded.count";
    Statement::new(sql, [ended_before.into(), limit.into(), ctx.now.millis().div_euclid(3_600_000).into()])
}

/// The counts of some hours, both included, and of this kind, or all if it is empty. Those of hour 0 are as it is now.
pub async fn list(ctx: &Ctx, from: i64, to: i64, kind: &str) -> Result<Vec<Summary>, Fault> {
    let select = || {
        let sql = "SELECT hour, kind, key, count FROM summaries WHERE hour BETWEEN ?1 AND ?2 AND (?3 = '' OR kind = ?3) \
                   AND kind NOT IN ('counted', 'generations', 'purged') ORDER BY hour, kind, key LIMIT ?4";
        Statement::new(sql, [from.into(), to.into(), kind.into(), MOST_ROWS.into()])
    };
    let mut all: Vec<Summary> = audit::database(ctx).run(select()).await?.all()?;
    if Shards::of_audit(ctx).is_some() {
        all.extend(Db::new(ctx, Shards::COMMON).run(select()).await?.all::<Summary>()?);
        all.sort_by(|a, b| (a.hour, &a.kind, &a.key).cmp(&(b.hour, &b.kind, &b.key)));
    }
    Ok(all)
}

/// A user with devices at a site.
#[derive(Clone, Debug, Deserialize)]
pub struct AtSite {
    /// Their id.
    pub user: String,
    /// How they sign in.
    pub login: String,
    /// How many devices of theirs are there.
    pub devices: i64,
    /// When one of them was used last.
    pub used_at: Timestamp,
}

/// Who has devices at a site right now, in the order of their ids, after one; and the id after which there may be more.
/// No index leads from a site to its devices, as it would cost every sign-in a row. So one call looks at so many users.
pub async fn at_site(ctx: &Ctx, place: &str, after: &str, limit: u32) -> Result<(Vec<AtSite>, Option<String>), Fault> {
    #[derive(Deserialize)]
    struct Looked {
        last: Option<String>,
        users: u32,
    }
    let found = "WITH looked AS (SELECT id, login, not_before FROM users WHERE id > ?1 ORDER BY id LIMIT ?2) \
        SELECT u.id AS user, u.login AS login, COUNT(*) AS devices, MAX(g.rotated_at) AS used_at FROM looked u CROSS JOIN grants g ON g.user_id = u.id \
        WHERE g.place = ?3 AND g.grant_type = 'urn:ietf:params:oauth:grant-type:device_code' AND g.revoked_at IS NULL AND g.expires_at > ?4 \
        AND g.approved_at > u.not_before GROUP BY u.id ORDER BY u.id LIMIT ?5";
    let looked = "SELECT MAX(id) AS last, COUNT(*) AS users FROM (SELECT id FROM users WHERE id > ?1 ORDER BY id LIMIT ?2)";
    let parameters: [Parameter; 5] =
        [after.into(), MOST_USERS.into(), place.into(), ctx.now.into(), limit.saturating_add(1).into()];
    let statements = [Statement::new(found, parameters), Statement::new(looked, [after.into(), MOST_USERS.into()])];
    let [found, looked] = Db::new(ctx, Shards::COMMON).batch(statements).await?;
    let (mut users, looked) = (found.all::<AtSite>()?, looked.first::<Looked>()?);
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    if users.len() > most {
        users.truncate(most);
        let last = users.last().map(|user| user.user.clone());
        return Ok((users, last));
    }
    Ok((users, looked.filter(|looked| looked.users == MOST_USERS).and_then(|looked| looked.last)))
}

/// Deletes the counts of hours before one.
pub async fn purge(ctx: &Ctx, before: i64) -> Result<(), Fault> {
    let sql = "DELETE FROM summaries WHERE hour > 0 AND hour < ?1";
    audit::database(ctx).run(Statement::new(sql, [before.into()])).await?;
    if Shards::of_audit(ctx).is_some() {
        Db::new(ctx, Shards::COMMON).run(Statement::new(sql, [before.into()])).await?;
    }
    Ok(())
}
