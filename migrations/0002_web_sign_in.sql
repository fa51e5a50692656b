-- Web and mobile sign-in. Only new tables and columns, so that the version before runs on beside this one.

-- `sid` names the browser session to clients. It stays when the same user signs in again at the same
-- browser, while the row's id changes.
ALTER TABLE sessions ADD COLUMN sid TEXT NOT NULL DEFAULT '';

-- How a grant came to be; `sid` of the browser session that it was made in (none: a device's own);
-- `requested_claims`: the `claims` parameter as JSON; `attempt`: the request that inserted the row.
ALTER TABLE grants ADD COLUMN grant_type TEXT NOT NULL DEFAULT 'urn:ietf:params:oauth:grant-type:device_code';
ALTER TABLE grants ADD COLUMN sid TEXT;
ALTER TABLE grants ADD COLUMN requested_claims TEXT NOT NULL DEFAULT '';
ALTER TABLE grants ADD COLUMN attempt TEXT NOT NULL DEFAULT '';

-- An authorization code that was redeemed without a refresh token: it ends with its browser session.
-- `expires_at` is when the purge may count it as ended: after its access token, or, where the client
-- wants to hear of sign-outs, after the session.
CREATE TABLE redemptions (
    user_id          TEXT    NOT NULL,
    id               TEXT    NOT NULL,
    client_id        TEXT    NOT NULL,
    approved_scope   TEXT    NOT NULL,
    requested_claims TEXT    NOT NULL,        -- JSON, or empty
    approved_at      INTEGER NOT NULL,
    auth_time        INTEGER NOT NULL,
    acr              TEXT    NOT NULL,
    amr              TEXT    NOT NULL,        -- JSON array
    sid              TEXT    NOT NULL,
    attempt          TEXT    NOT NULL,
    created_at       INTEGER NOT NULL,
    expires_at       INTEGER NOT NULL,
    revoked_at       INTEGER,
    revoked_why      TEXT,
    PRIMARY KEY (user_id, id)
) STRICT, WITHOUT ROWID;

-- What a user said yes and no to, as JSON, so as not to be asked again; and when.
ALTER TABLE consents ADD COLUMN choice TEXT NOT NULL DEFAULT '';
ALTER TABLE consents ADD COLUMN given_at INTEGER NOT NULL DEFAULT 0;

-- `origin`: 'operator', 'registration' (RFC 7591) or 'document' (a client ID metadata document).
-- `registration_token`: SHA-256 of the registration access token (RFC 7592).
ALTER TABLE clients ADD COLUMN origin TEXT NOT NULL DEFAULT 'operator';
ALTER TABLE clients ADD COLUMN registration_token TEXT;

-- Initial access tokens (RFC 7591 3): SHA-256 each.
CREATE TABLE initial_access_tokens (
    sha256     TEXT    NOT NULL PRIMARY KEY,
    uses       INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Pushed authorization requests (RFC 9126), until their flow completes.
CREATE TABLE pushed_requests (
    client_id  TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    request    TEXT    NOT NULL,              -- JSON
    created_at INTEGER NOT NULL,
    PRIMARY KEY (client_id, id)
) STRICT, WITHOUT ROWID;

-- Random values that must outlive the key ring, wrapped by it.
CREATE TABLE secrets (
    name    TEXT NOT NULL PRIMARY KEY,
    wrapped TEXT NOT NULL
) STRICT, WITHOUT ROWID;
