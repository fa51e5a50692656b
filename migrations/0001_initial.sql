-- Times are milliseconds since the Unix epoch. Ids are base64url. No secondary index on anything
-- that is written often: each would cost a row per insert.

-- `enabled` is the administrator's switch. Approvals and sign-ins at or before `not_before` are void
-- ("sign out everywhere", a changed password).
CREATE TABLE users (
    id         TEXT    NOT NULL PRIMARY KEY,
    password   TEXT    NOT NULL,              -- PHC string
    claims     TEXT    NOT NULL DEFAULT '{}', -- JSON, OpenID Connect Core 5.1 without sub
    enabled    INTEGER NOT NULL DEFAULT 1,
    not_before INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Login name (folded) to user: a table of its own, so that users can move to shards by id.
CREATE TABLE logins (
    login   TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- `version` rises with every change: what was decided on a cached copy is committed only if the
-- copy is still right.
CREATE TABLE clients (
    id         TEXT    NOT NULL PRIMARY KEY,
    metadata   TEXT    NOT NULL,              -- JSON, RFC 7591
    secrets    TEXT    NOT NULL DEFAULT '[]', -- JSON, SHA-256 each
    enabled    INTEGER NOT NULL DEFAULT 1,
    version    INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    user_id   TEXT    NOT NULL,
    id        TEXT    NOT NULL,
    auth_time INTEGER NOT NULL,
    seen_at   INTEGER NOT NULL,
    acr       TEXT    NOT NULL,
    amr       TEXT    NOT NULL,               -- JSON array
    PRIMARY KEY (user_id, id)
) STRICT, WITHOUT ROWID;

-- One per device: the refresh family. `approved_scope` is what the user said yes to, once;
-- `granted_scope` what the last token could have.
CREATE TABLE grants (
    user_id        TEXT    NOT NULL,
    id             TEXT    NOT NULL,
    client_id      TEXT    NOT NULL,
    name           TEXT    NOT NULL,          -- what the owner sees it as
    approved_scope TEXT    NOT NULL,
    granted_scope  TEXT    NOT NULL,
    resources      TEXT    NOT NULL,          -- JSON array
    approved_at    INTEGER NOT NULL,
    auth_time      INTEGER NOT NULL,
    acr            TEXT    NOT NULL,
    amr            TEXT    NOT NULL,          -- JSON array
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,          -- the purge may take it a day later
    generation     INTEGER NOT NULL DEFAULT 0,
    rotated_at     INTEGER NOT NULL,
    basis          TEXT    NOT NULL,          -- what the last answer was decided on: client version, scopes
    revoked_at     INTEGER,
    revoked_why    TEXT,
    PRIMARY KEY (user_id, id)
) STRICT, WITHOUT ROWID;

-- A user's standing decision about a client. Only its withdrawal matters to the gate.
CREATE TABLE consents (
    user_id      TEXT    NOT NULL,
    client_id    TEXT    NOT NULL,
    withdrawn_at INTEGER,
    PRIMARY KEY (user_id, client_id)
) STRICT, WITHOUT ROWID;

-- Keys of one algorithm succeed each other by number, so two Workers that make the same successor
-- make one.
CREATE TABLE signing_keys (
    alg        TEXT    NOT NULL,
    number     INTEGER NOT NULL,
    kid        TEXT    NOT NULL,
    public_jwk TEXT    NOT NULL,              -- JSON
    wrapped    TEXT    NOT NULL,              -- private JWK, sealed by the key ring
    publish    INTEGER NOT NULL,
    sign_from  INTEGER NOT NULL,
    sign_until INTEGER NOT NULL,
    remove_at  INTEGER NOT NULL,
    PRIMARY KEY (alg, number)
) STRICT, WITHOUT ROWID;
