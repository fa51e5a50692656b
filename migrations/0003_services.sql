-- Services and token exchange. Only new tables and columns, so that the version before runs on beside this one.

-- What a user is here: names of roles as a JSON array, read at every redemption and refresh.
ALTER TABLE users ADD COLUMN roles TEXT NOT NULL DEFAULT '[]';

-- The grant of the same user whose token was exchanged for this one's (RFC 8693): it ends when that ends.
ALTER TABLE grants ADD COLUMN parent TEXT NOT NULL DEFAULT '';

-- Outside issuers whose tokens are accepted: keys, audiences and rules as JSON.
CREATE TABLE trusted_issuers (
    issuer     TEXT    NOT NULL PRIMARY KEY,
    settings   TEXT    NOT NULL,
    enabled    INTEGER NOT NULL DEFAULT 1,
    version    INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
