-- +goose Up
-- Which captures are redactions, and of which.
CREATE TABLE redaction (
    capture  TEXT PRIMARY KEY,
    original TEXT NOT NULL
);
CREATE INDEX redaction_original ON redaction (original, capture);

-- +goose Down
DROP TABLE redaction;
