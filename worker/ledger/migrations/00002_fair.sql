-- +goose Up
-- The best job of each watch on a lane, one step of the index per watch:
-- watches share a lane by turns.
CREATE INDEX jobs_fair ON jobs (lane, watch_id, priority DESC, ready_at, id) WHERE state = 'planned';

-- +goose Down
DROP INDEX jobs_fair;
