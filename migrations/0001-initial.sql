-- The database is the truth; the tree on disk and every cache are pictures of it, replayed from `changes`.
-- Times are Unix milliseconds, but for `slots.modified`: HTTP dates have whole seconds.

-- Single facts. 'epoch': random, made with the database; another epoch tells a follower that the log is another one.
-- 'views': the digest views that `slots` were laid out for, as JSON. 'generation': counts what no change row tells of,
-- such as a new layout of digest views; a process that sees another number forgets all it remembered.
CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A repository, or the base of a digest view.
CREATE TABLE places (
  id   INTEGER PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('repository', 'view')),
  name TEXT NOT NULL,
  UNIQUE (name, kind)
) STRICT;

-- What a reader asks for: a place and a digest.
CREATE TABLE locations (
  id     INTEGER PRIMARY KEY,
  place  INTEGER NOT NULL REFERENCES places,
  digest TEXT NOT NULL,
  UNIQUE (place, digest)
) STRICT;
CREATE INDEX locations_by_digest ON locations (digest);

-- One row a signature and repository. `id` is the number of the change that added it.
-- What is called unverified was read from the signature, and nobody has vouched for it.
CREATE TABLE signatures (
  id                     INTEGER PRIMARY KEY,
  place                  INTEGER NOT NULL REFERENCES places,
  location               INTEGER NOT NULL REFERENCES locations,
  identity               BLOB NOT NULL,
  sha256                 BLOB NOT NULL,
  format                 TEXT NOT NULL CHECK (format IN ('simple-signing', 'sigstore-json')),
  docker_reference       TEXT NOT NULL,
  unverified_key_id      TEXT,
  unverified_fingerprint TEXT,
  unverified_created     INTEGER,
  unverified_expires     INTEGER,
  blob                   BLOB NOT NULL,
  UNIQUE (location, identity)
) STRICT;
CREATE INDEX signatures_by_place ON signatures (place, id);
CREATE INDEX signatures_by_key ON signatures (unverified_key_id, id);
CREATE INDEX signatures_by_sha256 ON signatures (sha256);

-- What a reader is served. Contiguous from 1 at each location.
CREATE TABLE slots (
  location  INTEGER NOT NULL REFERENCES locations,
  slot      INTEGER NOT NULL CHECK (slot BETWEEN 1 AND 127),
  signature INTEGER NOT NULL REFERENCES signatures,
  modified  INTEGER NOT NULL,
  PRIMARY KEY (location, slot)
) STRICT, WITHOUT ROWID;
CREATE INDEX slots_by_signature ON slots (signature);

-- The log. Never updated, never deleted from; numbered without gaps from 1.
-- hash = SHA-256 over the hash of the row before (32 zero bytes before the first) and the row itself, in the form that
-- src/storage/chain.ts writes: whoever keeps one hash can tell later that nothing before it was altered.
CREATE TABLE changes (
  seq       INTEGER PRIMARY KEY,
  time      INTEGER NOT NULL,
  kind      TEXT NOT NULL CHECK (kind IN ('added', 'withdrawn', 'superseded', 'removed', 'reinstated')),
  signature INTEGER NOT NULL REFERENCES signatures,
  actor     TEXT NOT NULL,
  reason    TEXT,
  hash      BLOB NOT NULL
) STRICT;
CREATE INDEX changes_by_signature ON changes (signature);
CREATE TRIGGER changes_are_final BEFORE UPDATE ON changes BEGIN SELECT raise(ABORT, 'the log is append-only'); END;
CREATE TRIGGER changes_are_kept BEFORE DELETE ON changes BEGIN SELECT raise(ABORT, 'the log is append-only'); END;

-- Registry hosts that claims have named, to warn where a second one shares the space of the first.
CREATE TABLE hosts (
  host TEXT PRIMARY KEY,
  seen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Directories of the tree to be written again, besides what the log asks for. `error` says why the last try failed.
CREATE TABLE tree_backlog (
  location INTEGER PRIMARY KEY REFERENCES locations,
  error    TEXT,
  since    INTEGER NOT NULL
) STRICT;

-- Only a hash of the secret is kept. `scopes` is a JSON array of strings such as 'push:team/**'.
CREATE TABLE tokens (
  id      TEXT PRIMARY KEY,
  name    TEXT NOT NULL,
  hash    BLOB NOT NULL,
  scopes  TEXT NOT NULL,
  created INTEGER NOT NULL,
  expires INTEGER,
  revoked INTEGER
) STRICT, WITHOUT ROWID;
