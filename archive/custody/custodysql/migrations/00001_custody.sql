-- +goose Up
CREATE TABLE custody_head (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    version BIGINT NOT NULL,
    head    TEXT NOT NULL -- the signed checkpoint
);

CREATE TABLE custody_event (
    id         TEXT PRIMARY KEY,
    idx        BIGINT NOT NULL, -- in the log; -1 until it is there
    type       TEXT NOT NULL,
    commitment TEXT NOT NULL,
    capture    TEXT NOT NULL, -- '' when not about one
    case_id    TEXT NOT NULL,
    log        TEXT NOT NULL,
    happened   BIGINT NOT NULL, -- unix microseconds, UTC
    added      BIGINT NOT NULL
);
CREATE UNIQUE INDEX custody_event_idx ON custody_event (idx) WHERE idx >= 0;
CREATE INDEX custody_event_pending ON custody_event (added, id) WHERE idx < 0;
CREATE INDEX custody_event_capture ON custody_event (capture, happened, id) WHERE capture <> '';
CREATE INDEX custody_event_case ON custody_event (case_id, happened, id) WHERE case_id <> '';
CREATE INDEX custody_event_log ON custody_event (log, happened, id) WHERE log <> '';

CREATE TABLE custody_lock (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    holder TEXT NOT NULL,
    until  BIGINT NOT NULL
);

-- +goose Down
DROP TABLE custody_lock;
DROP TABLE custody_event;
DROP TABLE custody_head;
