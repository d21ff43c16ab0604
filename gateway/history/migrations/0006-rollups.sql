-- Sums over periods. `grain`: 0 a minute, 1 an hour, 2 a day; `at_ms` is the beginning of the period, in UTC.
-- Sketches (`sketch.ts`) are null where there was nothing to measure.

CREATE TABLE request_rollups (
  grain               INTEGER NOT NULL,
  provider            TEXT    NOT NULL,
  model               TEXT    NOT NULL,
  at_ms               INTEGER NOT NULL,
  complete            INTEGER NOT NULL,
  failed              INTEGER NOT NULL,
  broken              INTEGER NOT NULL,
  cancelled           INTEGER NOT NULL,
  rejected            INTEGER NOT NULL,
  attempts            INTEGER NOT NULL,
  failed_attempts     INTEGER NOT NULL,
  moved               INTEGER NOT NULL,
  prompt_tokens       INTEGER NOT NULL,
  completion_tokens   INTEGER NOT NULL,
  cached_tokens       INTEGER NOT NULL,
  queued              INTEGER NOT NULL,
  queued_ms           REAL    NOT NULL,
  duration            BLOB,
  first_content_warm  BLOB,
  first_content_cold  BLOB,
  tokens_per_second   BLOB,
  PRIMARY KEY (grain, provider, model, at_ms)
) WITHOUT ROWID;

CREATE TABLE client_rollups (
  grain             INTEGER NOT NULL,
  at_ms             INTEGER NOT NULL,
  client            TEXT    NOT NULL,
  requests          INTEGER NOT NULL,
  complete          INTEGER NOT NULL,
  prompt_tokens     INTEGER NOT NULL,
  completion_tokens INTEGER NOT NULL,
  cached_tokens     INTEGER NOT NULL,
  PRIMARY KEY (grain, at_ms, client)
) WITHOUT ROWID;

CREATE TABLE health_rollups (
  grain          INTEGER NOT NULL,
  provider       INTEGER NOT NULL,
  at_ms          INTEGER NOT NULL,
  beats          INTEGER NOT NULL,
  failed_beats   INTEGER NOT NULL,
  -- Those that have a latency.
  timed_beats    INTEGER NOT NULL,
  latency_sum_us INTEGER NOT NULL,
  latency_min_us INTEGER,
  latency_max_us INTEGER,
  latency        BLOB,
  ready_ms       INTEGER NOT NULL,
  warming_ms     INTEGER NOT NULL,
  degraded_ms    INTEGER NOT NULL,
  down_ms        INTEGER NOT NULL,
  auth_ms        INTEGER NOT NULL,
  pending_ms     INTEGER NOT NULL,
  paused_ms      INTEGER NOT NULL,
  off_ms         INTEGER NOT NULL,
  PRIMARY KEY (grain, provider, at_ms)
) WITHOUT ROWID;

-- Each filter of the list of requests, newest first.
DROP INDEX requests_by_provider;
DROP INDEX requests_not_complete;
DROP INDEX requests_by_variant;
CREATE INDEX requests_by_provider ON requests (provider, received_at_ms) WHERE provider IS NOT NULL;
CREATE INDEX requests_by_model ON requests (ifnull(model, requested_model), received_at_ms);
CREATE INDEX requests_by_client ON requests (client, received_at_ms);
-- Nearly all requests are complete: an index that names them would be as long as the table and of no use.
CREATE INDEX requests_not_complete ON requests (result, received_at_ms) WHERE result <> 'complete';
CREATE INDEX requests_by_variant ON requests (variant, received_at_ms) WHERE variant IS NOT NULL;
