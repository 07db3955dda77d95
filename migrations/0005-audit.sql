-- Who did or tried what, from where: beside the log, not in its chain, and not for ever. Rows are written once and trimmed
-- from the oldest on. `share` is which part of the room a row takes (src/storage/sqlite/audit.ts), `number` counts in it.
-- A row of a change has the number of that change. `count` above 1: so many equal events between `since` and `time`.
CREATE TABLE audit (
  id         INTEGER PRIMARY KEY,
  share      INTEGER NOT NULL,
  number     INTEGER NOT NULL,
  time       INTEGER NOT NULL,
  since      INTEGER,
  event      TEXT NOT NULL,
  count      INTEGER NOT NULL,
  door       TEXT,
  address    TEXT,
  request    TEXT,
  actor      TEXT,
  repository TEXT,
  digest     TEXT,
  identity   BLOB,
  sha256     BLOB,
  code       TEXT,
  detail     TEXT,
  signature  INTEGER,
  change     INTEGER,
  reason     TEXT
) STRICT;
CREATE UNIQUE INDEX audit_by_share ON audit (share, number);
-- Uploads are most of all rows, and pay for each index.
CREATE INDEX audit_by_event ON audit (event) WHERE event <> 'uploaded';
CREATE INDEX audit_by_address ON audit (address) WHERE address IS NOT NULL;
CREATE INDEX audit_by_code ON audit (code) WHERE code IS NOT NULL;
CREATE INDEX audit_by_repository ON audit (repository) WHERE repository IS NOT NULL;
-- The first word of an actor is who it is (`token:<id> <name>`); the beginning of a digest is as good as all of it.
CREATE INDEX audit_by_actor ON audit (substr(actor, 1, instr(actor || ' ', ' ') - 1)) WHERE actor IS NOT NULL;
CREATE INDEX audit_by_digest ON audit (substr(digest, 1, 20)) WHERE digest IS NOT NULL;
CREATE TRIGGER audit_is_final BEFORE UPDATE ON audit BEGIN SELECT raise(ABORT, 'the trail is append-only'); END;
