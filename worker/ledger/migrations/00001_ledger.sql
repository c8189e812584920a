-- +goose Up
-- Instants are BIGINT unix microseconds, UTC; 0 is "never". No id is ''.
-- Nothing is NULL. JSON is TEXT: no query looks inside.

CREATE TABLE watches (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    brand        TEXT NOT NULL,
    sites        TEXT NOT NULL, -- JSON array of strings, as are terms and seeds
    terms        TEXT NOT NULL,
    seeds        TEXT NOT NULL,
    cron         TEXT NOT NULL, -- '' fires only when asked
    time_zone    TEXT NOT NULL,
    missed       TEXT NOT NULL,
    max_pages    BIGINT NOT NULL,
    max_listings BIGINT NOT NULL,
    depth        BIGINT NOT NULL,
    priority     BIGINT NOT NULL,
    created_by   TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    paused       BOOLEAN NOT NULL,
    removed      BOOLEAN NOT NULL,
    next_fire    BIGINT NOT NULL,
    last_fire    BIGINT NOT NULL
);
CREATE UNIQUE INDEX watches_name ON watches (name) WHERE NOT removed;
CREATE INDEX watches_due ON watches (next_fire) WHERE next_fire > 0;

-- One row per time a watch fired: what makes two dispatchers plan once, and
-- the budget that its jobs share.
CREATE TABLE fires (
    watch_id     TEXT NOT NULL REFERENCES watches (id),
    fire_at      BIGINT NOT NULL,
    planned_at   BIGINT NOT NULL,
    finished_at  BIGINT NOT NULL, -- when the last job ended
    skipped      BOOLEAN NOT NULL,
    max_pages    BIGINT NOT NULL,
    max_listings BIGINT NOT NULL,
    depth        BIGINT NOT NULL,
    jobs         BIGINT NOT NULL, -- planned so far
    open         BIGINT NOT NULL, -- of them not ended
    pages        BIGINT NOT NULL,
    listings     BIGINT NOT NULL,
    dropped      BIGINT NOT NULL, -- links not followed: over a limit
    PRIMARY KEY (watch_id, fire_at)
);

CREATE TABLE jobs (
    id            TEXT PRIMARY KEY,
    kind          TEXT NOT NULL,
    watch_id      TEXT NOT NULL,
    fire_at       BIGINT NOT NULL,
    parent_id     TEXT NOT NULL,
    asked_by      TEXT NOT NULL,
    site          TEXT NOT NULL,
    url           TEXT NOT NULL,
    canonical     TEXT NOT NULL,
    page_kind     TEXT NOT NULL,
    item_id       TEXT NOT NULL,
    depth         BIGINT NOT NULL,
    listing_id    TEXT NOT NULL,
    subject_id    TEXT NOT NULL,
    spec          TEXT NOT NULL,
    dedupe        TEXT NOT NULL UNIQUE, -- SHA-256, hex
    pool          TEXT NOT NULL,
    lane          TEXT NOT NULL,
    priority      BIGINT NOT NULL,
    state         TEXT NOT NULL,
    epoch         BIGINT NOT NULL,
    ready_at      BIGINT NOT NULL,
    dispatched_at BIGINT NOT NULL,
    started_at    BIGINT NOT NULL,
    lease_until   BIGINT NOT NULL, -- 0 unless dispatched or running
    worker        TEXT NOT NULL,
    attempts      TEXT NOT NULL, -- JSON object: failure class -> count
    outcome       TEXT NOT NULL,
    capture_id    TEXT NOT NULL,
    manifest      TEXT NOT NULL, -- SHA-256, hex
    error         TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    finished_at   BIGINT NOT NULL
);
CREATE INDEX jobs_ready ON jobs (lane, priority DESC, ready_at, id) WHERE state = 'planned';
CREATE INDEX jobs_leases ON jobs (lease_until) WHERE lease_until > 0;
CREATE INDEX jobs_state ON jobs (state, id);
CREATE INDEX jobs_watch ON jobs (watch_id, fire_at, id);
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at > 0;

-- How each attempt ended, success or not.
CREATE TABLE attempts (
    job_id     TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    epoch      BIGINT NOT NULL,
    worker     TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL,
    ended      TEXT NOT NULL, -- done, released, cancelled, or a failure class
    outcome    TEXT NOT NULL,
    capture_id TEXT NOT NULL,
    manifest   TEXT NOT NULL,
    error      TEXT NOT NULL,
    PRIMARY KEY (job_id, epoch)
);

CREATE TABLE listings (
    id            TEXT PRIMARY KEY,
    site          TEXT NOT NULL,
    item_key      TEXT NOT NULL, -- the item id, or a digest of the canonical URL
    item_id       TEXT NOT NULL,
    canonical     TEXT NOT NULL,
    url           TEXT NOT NULL,
    title         TEXT NOT NULL,
    amount        TEXT NOT NULL, -- plain decimal
    currency      TEXT NOT NULL,
    seller        TEXT NOT NULL,
    seller_id     TEXT NOT NULL,
    state         TEXT NOT NULL,
    state_since   BIGINT NOT NULL,
    first_seen    BIGINT NOT NULL,
    last_seen     BIGINT NOT NULL, -- when it was last there
    last_looked   BIGINT NOT NULL,
    looks         BIGINT NOT NULL,
    capture_id    TEXT NOT NULL, -- the newest capture that shows the page
    manifest      TEXT NOT NULL,
    captured_at   BIGINT NOT NULL,
    etag          TEXT NOT NULL,
    last_modified TEXT NOT NULL,
    fingerprint   TEXT NOT NULL
);
CREATE UNIQUE INDEX listings_item ON listings (site, item_key);
CREATE INDEX listings_seller ON listings (site, seller_id, id);

CREATE TABLE observations (
    listing_id    TEXT NOT NULL REFERENCES listings (id),
    capture_id    TEXT NOT NULL,
    seen_at       BIGINT NOT NULL,
    watch_id      TEXT NOT NULL,
    job_id        TEXT NOT NULL,
    outcome       TEXT NOT NULL,
    manifest      TEXT NOT NULL,
    title         TEXT NOT NULL,
    amount        TEXT NOT NULL,
    currency      TEXT NOT NULL,
    seller        TEXT NOT NULL,
    seller_id     TEXT NOT NULL,
    etag          TEXT NOT NULL,
    last_modified TEXT NOT NULL,
    fingerprint   TEXT NOT NULL,
    signals       TEXT NOT NULL,
    data          TEXT NOT NULL,
    PRIMARY KEY (listing_id, capture_id)
);
CREATE INDEX observations_time ON observations (listing_id, seen_at DESC, capture_id DESC);

CREATE TABLE findings (
    id         TEXT PRIMARY KEY,
    listing_id TEXT NOT NULL REFERENCES listings (id),
    watch_id   TEXT NOT NULL,
    site       TEXT NOT NULL,
    capture_id TEXT NOT NULL,
    manifest   TEXT NOT NULL,
    score      BIGINT NOT NULL, -- millionths
    reasons    TEXT NOT NULL,
    scorer     TEXT NOT NULL,
    state      TEXT NOT NULL,
    label      TEXT NOT NULL,
    note       TEXT NOT NULL,
    decided_by TEXT NOT NULL,
    decided_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    scored_at  BIGINT NOT NULL,
    version    BIGINT NOT NULL
);
CREATE UNIQUE INDEX findings_listing ON findings (listing_id, watch_id);
CREATE INDEX findings_score ON findings (score DESC, id DESC);
CREATE INDEX findings_queue ON findings (state, score DESC, id DESC);
CREATE INDEX findings_watch ON findings (watch_id, state, score DESC, id DESC);
CREATE INDEX findings_site ON findings (site, state, score DESC, id DESC);
CREATE INDEX findings_newest ON findings (state, id DESC);

-- All that was ever decided about a finding; rows are only added.
CREATE TABLE decisions (
    finding_id TEXT NOT NULL REFERENCES findings (id),
    version    BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    who        TEXT NOT NULL,
    from_state TEXT NOT NULL,
    to_state   TEXT NOT NULL,
    label      TEXT NOT NULL,
    note       TEXT NOT NULL,
    score      BIGINT NOT NULL,
    capture_id TEXT NOT NULL,
    PRIMARY KEY (finding_id, version)
);

CREATE TABLE lanes (
    name         TEXT PRIMARY KEY,
    closed_until BIGINT NOT NULL,
    reason       TEXT NOT NULL,
    paused       BOOLEAN NOT NULL,
    paused_by    TEXT NOT NULL,
    updated_at   BIGINT NOT NULL
);

-- Counts that are kept rather than counted: what, of whom, by name.
CREATE TABLE tallies (
    what  TEXT NOT NULL,
    owner TEXT NOT NULL,
    name  TEXT NOT NULL,
    n     BIGINT NOT NULL,
    PRIMARY KEY (what, owner, name)
);

-- +goose Down
DROP TABLE tallies;
DROP TABLE lanes;
DROP TABLE decisions;
DROP TABLE findings;
DROP TABLE observations;
DROP TABLE listings;
DROP TABLE attempts;
DROP TABLE jobs;
DROP TABLE fires;
DROP TABLE watches;
