-- +goose Up
-- Searches by site alone, and for what is held, in the order of their results.
CREATE INDEX capture_site ON capture (site, started DESC, id DESC);
CREATE INDEX capture_held ON capture (started DESC, id DESC) WHERE held;

-- +goose Down
DROP INDEX capture_held;
DROP INDEX capture_site;
