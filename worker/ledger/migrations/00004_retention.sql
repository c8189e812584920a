-- +goose Up
-- How long a watch's captures are locked, in seconds; 0: as the configuration says.
ALTER TABLE watches ADD COLUMN keep_untriaged BIGINT NOT NULL DEFAULT 0;
ALTER TABLE watches ADD COLUMN keep_finding BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE watches DROP COLUMN keep_finding;
ALTER TABLE watches DROP COLUMN keep_untriaged;
