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
