-- +goose Up
-- Instants are BIGINT unix microseconds, UTC.
CREATE TABLE console_sessions (
    token_sha256 TEXT PRIMARY KEY, -- hex
    person       TEXT NOT NULL,
    role         TEXT NOT NULL,
    account      TEXT NOT NULL, -- what the account was when it began: another one ends the session
    local        BOOLEAN NOT NULL,
    began        BIGINT NOT NULL,
    used         BIGINT NOT NULL
);
CREATE INDEX console_sessions_person ON console_sessions (person, used DESC);
CREATE INDEX console_sessions_used ON console_sessions (used);

-- +goose Down
DROP TABLE console_sessions;
