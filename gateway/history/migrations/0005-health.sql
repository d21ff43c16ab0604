-- When the gateway ran. A start that has no end was killed, or the power went: it ends when it was last heard of.
CREATE TABLE sessions (
  session       TEXT    PRIMARY KEY,
  started_at_ms INTEGER NOT NULL,
  alive_at_ms   INTEGER NOT NULL,
  ended_at_ms   INTEGER,
  -- The last batch of that start that was written: one that is sent again is known by it.
  last_batch    INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX sessions_by_life ON sessions (alive_at_ms, started_at_ms);

-- When the machine slept, or this process stood still.
CREATE TABLE sleeps (
  to_ms   INTEGER NOT NULL,
  from_ms INTEGER NOT NULL,
  PRIMARY KEY (to_ms, from_ms)
) WITHOUT ROWID;

-- Names of providers as small numbers: there are millions of beats.
CREATE TABLE provider_names (
  provider INTEGER PRIMARY KEY,
  name     TEXT NOT NULL UNIQUE
);

-- One row per probe. `state` and `cause` are places in the lists of `beat-codes.ts`.
CREATE TABLE beats (
  provider   INTEGER NOT NULL,
  at_ms      INTEGER NOT NULL,
  is_ok      INTEGER NOT NULL,
  latency_us INTEGER,
  state      INTEGER NOT NULL,
  cause      INTEGER,
  PRIMARY KEY (provider, at_ms)
) WITHOUT ROWID;

-- What the gateway did or met besides: models loaded on purpose, cooldowns, breakers.
CREATE TABLE events (
  seq      INTEGER PRIMARY KEY,
  at_ms    INTEGER NOT NULL,
  provider TEXT,
  model    TEXT,
  kind     TEXT    NOT NULL,
  message  TEXT    NOT NULL
);

CREATE INDEX events_by_time ON events (at_ms);

-- One JSON text per sample of the machine.
CREATE TABLE hardware (
  at_ms  INTEGER PRIMARY KEY,
  sample TEXT NOT NULL
);

-- An attempt that failed is a part of an incident.
CREATE INDEX attempts_failed ON attempts (provider, started_at_ms) WHERE failure_kind IS NOT NULL;
