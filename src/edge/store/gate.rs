//! The gate as SQL.

/// For a grant with `approved_at` and `auth_time`, of a user and a client at this very version: the same as
/// [`Gate`](crate::protocol::refresh::Gate), asked inside the statement that writes.
macro_rules! gate {
    ($approved_at:literal, $auth_time:literal, $user:literal, $client:literal, $version:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM clients c WHERE c.id = ",
            $client,
            " AND c.enabled = 1 AND c.version = ",
            $version,
            ") AND EXISTS (SELECT 1 FROM users u WHERE u.id = ",
            $user,
            " AND u.enabled = 1 AND u.not_before < ",
            $approved_at,
            " AND u.not_before < ",
            $auth_time,
            ") AND NOT EXISTS (SELECT 1 FROM consents x WHERE x.user_id = ",
            $user,
            " AND x.client_id = ",
            $client,
            " AND x.withdrawn_at >= ",
            $approved_at,
            ")"
        )
    };
}
pub(super) use gate;

/// For a grant that may have been exchanged from another one of the same user: whether that one is alive at `now`.
/// It is as [`Family`](crate::protocol::refresh::Family) and policy have it: neither revoked nor unused for too long,
/// and its client enabled.
macro_rules! parent_alive {
    ($grant:literal, $now:literal) => {
        concat!(
            "(",
            $grant,
            ".parent = '' OR EXISTS (SELECT 1 FROM grants p JOIN clients pc ON pc.id = p.client_id WHERE p.user_id = ",
            $grant,
            ".user_id AND p.id = ",
            $grant,
            ".parent AND p.revoked_at IS NULL AND p.expires_at > ",
            $now,
            " AND pc.enabled = 1 AND p.rotated_at + 1000 * json_extract(pc.metadata, '$.refresh_idle_lifetime') > ",
            $now,
            "))"
        )
    };
}
pub(super) use parent_alive;
