-- +goose Up
-- The lanes that have work for a pool: a dispatcher looks for what there is room
-- for, and past what is not ready yet.
CREATE INDEX jobs_pool ON jobs (pool, lane, ready_at) WHERE state = 'planned';

-- +goose Down
DROP INDEX jobs_pool;
