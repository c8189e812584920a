-- +goose Up
-- What a watch follows (JSON object: hosts, include, exclude), and what a fire
-- did not follow (JSON object: reason -> how many links).
ALTER TABLE watches ADD COLUMN rules TEXT NOT NULL DEFAULT '{}';
ALTER TABLE fires ADD COLUMN refused TEXT NOT NULL DEFAULT '{}';

-- +goose Down
ALTER TABLE fires DROP COLUMN refused;
ALTER TABLE watches DROP COLUMN rules;
