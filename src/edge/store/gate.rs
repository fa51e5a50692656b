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

/// Whether the grant that another was exchanged from (RFC 8693) is alive, where there is one: it is neither
/// revoked nor over nor unused for too long, its client is enabled and the user's consent to that was not withdrawn. What is the
/// user's own is asked of the grant itself. A parent has no parent: `exchanges` sees to that.
macro_rules! parent_alive {
    ($user:literal, $parent:literal, $now:literal) => {
        concat!(
            "(",
            $parent,
            " = '' OR EXISTS (SELECT 1 FROM grants p JOIN clients pc ON pc.id = p.client_id WHERE p.user_id = ",
            $user,
            " AND p.id = ",
            $parent,
            " AND p.revoked_at IS NULL AND p.expires_at > ",
            $now,
            " AND pc.enabled = 1 AND p.rotated_at + 1000 * json_extract(pc.metadata, '$.refresh_idle_lifetime') > ",
            $now,
            " AND NOT EXISTS (SELECT 1 FROM consents px WHERE px.user_id = p.user_id \
             AND px.client_id = p.client_id AND px.withdrawn_at >= p.approved_at)))"
        )
    };
}
pub(super) use parent_alive;
