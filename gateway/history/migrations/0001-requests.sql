-- One row per request, in the order in which they ended.
CREATE TABLE requests (
  seq               INTEGER PRIMARY KEY,
  id                TEXT    NOT NULL UNIQUE,
  received_at_ms    INTEGER NOT NULL,
  duration_ms       REAL    NOT NULL,
  endpoint          TEXT    NOT NULL,
  protocol          TEXT    NOT NULL,
  is_stream         INTEGER NOT NULL,
  client            TEXT    NOT NULL,
  requested_model   TEXT,
  rule              TEXT,
  provider          TEXT,
  model             TEXT,
  result            TEXT    NOT NULL,
  status            INTEGER NOT NULL,
  error_code        TEXT,
  error_message     TEXT,
  decision_ms       REAL    NOT NULL,
  queued_ms         REAL    NOT NULL,
  first_content_ms  REAL,
  prompt_tokens     INTEGER,
  completion_tokens INTEGER,
  cached_tokens     INTEGER,
  is_estimated      INTEGER NOT NULL,
  bytes_in          INTEGER NOT NULL,
  bytes_out         INTEGER NOT NULL,
  is_opened_early   INTEGER NOT NULL,
  warnings          TEXT    NOT NULL,
  -- The block of `decisions` that holds this request's decision, and its line there; 0 and -1: none was made.
  decision_block    INTEGER NOT NULL,
  decision_line     INTEGER NOT NULL
);

CREATE INDEX requests_by_time ON requests (received_at_ms);
CREATE INDEX requests_by_provider ON requests (provider) WHERE provider IS NOT NULL;
-- Nearly all requests are complete: an index that names them would be as long as the table and of no use.
CREATE INDEX requests_not_complete ON requests (result) WHERE result <> 'complete';

CREATE TABLE attempts (
  request          INTEGER NOT NULL REFERENCES requests (seq) ON DELETE CASCADE,
  position         INTEGER NOT NULL,
  provider         TEXT    NOT NULL,
  model            TEXT    NOT NULL,
  started_at_ms    INTEGER NOT NULL,
  status           INTEGER,
  headers_after_ms REAL,
  content_after_ms REAL,
  ended_after_ms   REAL    NOT NULL,
  is_cold          INTEGER NOT NULL,
  changes          TEXT    NOT NULL,
  failure_kind     TEXT,
  failure_message  TEXT,
  failure_status   INTEGER,
  retry_after_ms   INTEGER,
  PRIMARY KEY (request, position)
) WITHOUT ROWID;

-- The decisions of one batch: gzip of one JSON text per line. Alike as they are, compressed together
-- they take a tenth of the time and a tenth of the room they would take one by one.
CREATE TABLE decisions (
  block INTEGER PRIMARY KEY,
  lines BLOB NOT NULL
);

CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;
