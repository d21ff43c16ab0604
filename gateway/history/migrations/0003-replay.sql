-- What it takes to decide a request again: its facts, the snapshot it was decided on, and the rules of its time.
-- All of it goes after 48 hours, or with the requests. AUTOINCREMENT: what has gone is never taken for something newer.

-- The models of one provider, stored once however often they are part of a snapshot: gzip of V8's serialization.
CREATE TABLE model_lists (
  list   INTEGER PRIMARY KEY AUTOINCREMENT,
  digest BLOB    NOT NULL UNIQUE,
  body   BLOB    NOT NULL
);

-- One row per change: the providers without their models, which are in `lists` in the same order.
CREATE TABLE snapshots (
  snapshot   INTEGER PRIMARY KEY AUTOINCREMENT,
  at_ms      INTEGER NOT NULL,
  version    INTEGER NOT NULL,
  used_at_ms INTEGER NOT NULL,
  lists      TEXT    NOT NULL,
  body       BLOB    NOT NULL
);

CREATE INDEX snapshots_by_use ON snapshots (used_at_ms);

-- The settings that rules are made of, without keys.
CREATE TABLE rule_sets (
  rule_set   INTEGER PRIMARY KEY AUTOINCREMENT,
  digest     BLOB    NOT NULL UNIQUE,
  used_at_ms INTEGER NOT NULL,
  body       BLOB    NOT NULL
);

-- The facts of one batch: gzip of one JSON text per line.
CREATE TABLE facts (
  block         INTEGER PRIMARY KEY,
  written_at_ms INTEGER NOT NULL,
  first_request INTEGER NOT NULL,
  last_request  INTEGER NOT NULL,
  lines         BLOB    NOT NULL
);

CREATE INDEX facts_by_time ON facts (written_at_ms);

-- 0: not kept. They may name what has gone since.
ALTER TABLE requests ADD COLUMN snapshot INTEGER NOT NULL DEFAULT 0;
ALTER TABLE requests ADD COLUMN rule_set INTEGER NOT NULL DEFAULT 0;
ALTER TABLE requests ADD COLUMN facts_block INTEGER NOT NULL DEFAULT 0;
ALTER TABLE requests ADD COLUMN facts_line INTEGER NOT NULL DEFAULT 0;
