-- +goose Up
CREATE TABLE capture (
    id               TEXT PRIMARY KEY,
    started          BIGINT NOT NULL, -- unix microseconds, UTC
    finished         BIGINT NOT NULL,
    url              TEXT NOT NULL,
    final_url        TEXT NOT NULL,
    site             TEXT NOT NULL,
    page_kind        TEXT NOT NULL,
    item_id          TEXT NOT NULL,
    canonical        TEXT NOT NULL,
    watch            TEXT NOT NULL,
    job              TEXT NOT NULL,
    requested_by     TEXT NOT NULL,
    outcome          TEXT NOT NULL,
    title            TEXT NOT NULL,
    price            TEXT NOT NULL,
    currency         TEXT NOT NULL,
    seller           TEXT NOT NULL,
    manifest_sha256  TEXT NOT NULL,
    manifest_key     TEXT NOT NULL,
    manifest_version TEXT NOT NULL,
    event            TEXT NOT NULL, -- custody event that recorded the capture
    bytes            BIGINT NOT NULL,
    retain_until     BIGINT NOT NULL,
    held             BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX capture_started ON capture (started DESC, id DESC);
CREATE INDEX capture_item ON capture (site, item_id, started DESC);
CREATE INDEX capture_watch ON capture (watch, started DESC, id DESC);
CREATE INDEX capture_outcome ON capture (outcome, started DESC, id DESC);

CREATE TABLE artifact (
    capture      TEXT NOT NULL REFERENCES capture (id),
    role         TEXT NOT NULL,
    tile         INTEGER NOT NULL,
    media_type   TEXT NOT NULL,
    object_key   TEXT NOT NULL,
    version      TEXT NOT NULL,
    bytes        BIGINT NOT NULL,
    sha256       TEXT NOT NULL,
    sha512       TEXT NOT NULL,
    retain_until BIGINT NOT NULL,
    width        INTEGER NOT NULL,
    height       INTEGER NOT NULL,
    PRIMARY KEY (capture, role, tile)
);

-- The words of a capture's title, seller, URL and ids: search that is the same
-- SQL on both databases. A word is looked up by prefix as a range of keys.
CREATE TABLE word (
    word    BYTEA NOT NULL, -- bytes: compared alike by both databases, whatever the locale
    started BIGINT NOT NULL,
    capture TEXT NOT NULL REFERENCES capture (id),
    PRIMARY KEY (word, started, capture)
);

CREATE TABLE evidence_case (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    note       TEXT NOT NULL,
    created    BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    closed     BIGINT NOT NULL DEFAULT 0
);
CREATE TABLE case_capture (
    case_id  TEXT NOT NULL REFERENCES evidence_case (id),
    capture  TEXT NOT NULL REFERENCES capture (id),
    added    BIGINT NOT NULL,
    added_by TEXT NOT NULL,
    PRIMARY KEY (case_id, capture)
);
CREATE INDEX case_capture_capture ON case_capture (capture);

-- Counts are kept, not computed: a group by over a million rows takes seconds.
CREATE TABLE capture_count (
    outcome TEXT NOT NULL,
    site    TEXT NOT NULL,
    n       BIGINT NOT NULL,
    bytes   BIGINT NOT NULL,
    PRIMARY KEY (outcome, site)
);

-- +goose Down
DROP TABLE capture_count;
DROP TABLE case_capture;
DROP TABLE evidence_case;
DROP TABLE word;
DROP TABLE artifact;
DROP TABLE capture;
