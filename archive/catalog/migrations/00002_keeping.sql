-- +goose Up
-- What became of a capture: '' it is kept, 'expired', 'erased'.
ALTER TABLE capture ADD COLUMN state TEXT NOT NULL DEFAULT '';
CREATE INDEX capture_expiry ON capture (state, retain_until, id);

-- Objects that several captures share are found by their key.
CREATE INDEX artifact_object ON artifact (object_key);

-- Where the payload of a response is kept: in a record of its capture's WARC,
-- or, once that WARC is gone, in an object of its own (member_length 0).
CREATE TABLE payload (
    original      TEXT NOT NULL, -- the capture whose response it was
    sha256        TEXT NOT NULL,
    site          TEXT NOT NULL,
    record        TEXT NOT NULL, -- WARC-Record-ID of that response
    target        TEXT NOT NULL, -- its WARC-Target-URI
    date          BIGINT NOT NULL, -- its WARC-Date, unix nanoseconds
    object_key    TEXT NOT NULL,
    version       TEXT NOT NULL,
    member_offset BIGINT NOT NULL,
    member_length BIGINT NOT NULL,
    bytes         BIGINT NOT NULL,
    PRIMARY KEY (original, sha256)
);
CREATE INDEX payload_site ON payload (site, sha256, date DESC);
CREATE INDEX payload_record ON payload (record);
CREATE INDEX payload_object ON payload (object_key);

-- Which captures refer to a payload of another one.
CREATE TABLE payload_use (
    capture  TEXT NOT NULL,
    sha256   TEXT NOT NULL,
    original TEXT NOT NULL,
    PRIMARY KEY (capture, sha256)
);
CREATE INDEX payload_use_original ON payload_use (original, sha256);

-- What must be erased as soon as its lock ends.
CREATE TABLE erasure_order (
    capture    TEXT PRIMARY KEY,
    ordered    BIGINT NOT NULL,
    ordered_by TEXT NOT NULL,
    reason     TEXT NOT NULL
);

-- +goose Down
DROP TABLE erasure_order;
DROP TABLE payload_use;
DROP TABLE payload;
DROP INDEX artifact_object;
DROP INDEX capture_expiry;
ALTER TABLE capture DROP COLUMN state;
