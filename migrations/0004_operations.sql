-- Operating a realm. Only new tables and columns, so that the version before runs on beside this one.

-- Rises with every change by an administrator or the user: what was read is changed only if it is still so.
ALTER TABLE users ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
-- The name that the user signs in with, as in `logins`: so that it is known without a look through them.
ALTER TABLE users ADD COLUMN login TEXT NOT NULL DEFAULT '';
UPDATE users SET login = l.login FROM logins l WHERE l.user_id = users.id;
-- The last changes of credentials as a JSON array, newest first, for their owner to see.
ALTER TABLE users ADD COLUMN security_events TEXT NOT NULL DEFAULT '[]';

-- Where from, coarsely, and what the device's site is counted as.
ALTER TABLE sessions ADD COLUMN place TEXT NOT NULL DEFAULT '';
ALTER TABLE grants ADD COLUMN place TEXT NOT NULL DEFAULT '';

-- What roles there are, for people to choose from. What a user has is in `users.roles`.
CREATE TABLE roles (
    name        TEXT    NOT NULL PRIMARY KEY,
    description TEXT    NOT NULL,
    version     INTEGER NOT NULL DEFAULT 1,
    created_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- At most one row, for ever: the first administrator was made. `attempt`: the request that did it.
CREATE TABLE bootstrap (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    attempt TEXT    NOT NULL,
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Answers to creates that named an idempotency key, sealed, for a day. `key`: a keyed hash of caller and key;
-- `request`: a hash of what was asked.
CREATE TABLE idempotency (
    key        TEXT    NOT NULL PRIMARY KEY,
    request    TEXT    NOT NULL,
    answer     TEXT    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Security events, never changed. `minute`: whole minutes since 1970, so that a minute's events lie together.
CREATE TABLE audit_events (
    minute     INTEGER NOT NULL,
    id         TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    actor      TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    client_id  TEXT    NOT NULL,
    place      TEXT    NOT NULL,
    request_id TEXT    NOT NULL,
    detail     TEXT    NOT NULL,              -- JSON object, or empty
    PRIMARY KEY (minute, id)
) STRICT, WITHOUT ROWID;

-- A finished minute that had events: Merkle root of them, chained to the seal before and MACed.
CREATE TABLE audit_seals (
    minute   INTEGER NOT NULL PRIMARY KEY,
    events   INTEGER NOT NULL,
    root     TEXT    NOT NULL,
    previous TEXT    NOT NULL,
    key      INTEGER NOT NULL,                -- number of the root secret
    mac      TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- What happened in an hour, counted by the cron. `hour`: whole hours since 1970.
CREATE TABLE summaries (
    hour  INTEGER NOT NULL,
    kind  TEXT    NOT NULL,
    key   TEXT    NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (hour, kind, key)
) STRICT, WITHOUT ROWID;

-- Who wants to hear of events. `secret`: the signing secret, wrapped; `kinds`: JSON array, empty for all.
CREATE TABLE webhooks (
    id         TEXT    NOT NULL PRIMARY KEY,
    url        TEXT    NOT NULL,
    kinds      TEXT    NOT NULL,
    secret     TEXT    NOT NULL,
    enabled    INTEGER NOT NULL DEFAULT 1,
    version    INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Mails of a realm on a loopback issuer with `DEV_OUTBOX`, which sends none.
CREATE TABLE dev_outbox (
    at      INTEGER NOT NULL,
    id      TEXT    NOT NULL,
    to_address TEXT NOT NULL,
    subject TEXT    NOT NULL,
    body    TEXT    NOT NULL,
    PRIMARY KEY (at, id)
) STRICT, WITHOUT ROWID;
