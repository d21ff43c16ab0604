-- Every change of what is known of a provider's health, with its cause.
CREATE TABLE transitions (
  seq           INTEGER PRIMARY KEY,
  at_ms         INTEGER NOT NULL,
  provider      TEXT    NOT NULL,
  state_before  TEXT    NOT NULL,
  state_after   TEXT    NOT NULL,
  cause_class   TEXT,
  cause_message TEXT
);

CREATE INDEX transitions_by_provider ON transitions (provider, at_ms);
CREATE INDEX transitions_by_time ON transitions (at_ms);
