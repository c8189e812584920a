-- +goose Up
-- Searches by site alone, and for what is held, in the order of their results.
CREATE INDEX capture_site ON capture (site, started DESC, id DESC);
-- In full order too, or SQLite takes the index above for an item and walks its site.
DROP INDEX capture_item;
CREATE INDEX capture_item ON capture (site, item_id, started DESC, id DESC);
CREATE INDEX capture_held ON capture (started DESC, id DESC) WHERE held;

-- +goose Down
DROP INDEX capture_held;
DROP INDEX capture_item;
CREATE INDEX capture_item ON capture (site, item_id, started DESC);
DROP INDEX capture_site;
