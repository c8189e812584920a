-- +goose Up
-- How much later than its schedule says a watch may fire: '5m', '10%', '0s'.
-- Watches that are there go on firing to the second, as they were asked to.
ALTER TABLE watches ADD COLUMN jitter TEXT NOT NULL DEFAULT '0s';
-- What the schedule says of next_fire and fire_at, which are when it happens;
-- 0: the same, or on demand.
ALTER TABLE watches ADD COLUMN next_scheduled BIGINT NOT NULL DEFAULT 0;
ALTER TABLE fires ADD COLUMN scheduled_at BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE fires DROP COLUMN scheduled_at;
ALTER TABLE watches DROP COLUMN next_scheduled;
ALTER TABLE watches DROP COLUMN jitter;
