-- +goose Up
-- What a watch saw last: prices of others for what a listing offers.
CREATE INDEX observations_watch ON observations (watch_id, seen_at DESC) WHERE watch_id <> '';

-- +goose Down
DROP INDEX observations_watch;
