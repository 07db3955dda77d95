-- A signature may be stored more than once at a location: a spoilt copy gives way to a good one of the same identity.
-- Those without a slot are no longer served; `superseded_by` says what took the place of one.
CREATE TABLE signatures_2 (
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
  superseded_by          INTEGER REFERENCES signatures,
  blob                   BLOB NOT NULL
) STRICT;
INSERT INTO signatures_2 SELECT id, place, location, identity, sha256, format, docker_reference, unverified_key_id,
  unverified_fingerprint, unverified_created, unverified_expires, NULL, blob FROM signatures;
DROP TABLE signatures;
ALTER TABLE signatures_2 RENAME TO signatures;
CREATE INDEX signatures_by_location ON signatures (location, identity);
-- What is signed anew each night leaves many behind; listings do not come across them.
CREATE INDEX signatures_by_place ON signatures (place, id) WHERE superseded_by IS NULL;
CREATE INDEX signatures_by_key ON signatures (unverified_key_id, id) WHERE superseded_by IS NULL;
CREATE INDEX signatures_by_sha256 ON signatures (sha256);

-- Keys and subkeys that some keyring of this server had once. `timeline` is what becomes of the key in time, as JSON:
-- [[seconds or null for ever since, state], …]; it is NULL for a key that is in none now. Every signature up to the one
-- of number `tried` that names the key was tried with it.
-- Key 0 is nobody: it stands for the keys of signatures that were tried with no key at all.
CREATE TABLE keys (
  id                  INTEGER PRIMARY KEY,
  fingerprint         TEXT NOT NULL UNIQUE,
  key_id              TEXT NOT NULL,
  primary_fingerprint TEXT NOT NULL,
  user_id             TEXT,
  timeline            TEXT,
  tried               INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO keys VALUES (0, '', '', '', NULL, NULL, 0);

-- What came of trying a key on a signature. It does not depend on the state of the key, which is joined when a verdict
-- is asked for. `standing` is that of src/openpgp/verdict.ts at the present time: at `turns`, in Unix seconds, it is
-- another one. One row a signature and key; a signature that no key was tried on has one row of key 0, `unknown`.
CREATE TABLE checks (
  key       INTEGER NOT NULL REFERENCES keys,
  standing  TEXT NOT NULL CHECK (standing IN ('unknown', 'bad', 'unsupported', 'weak', 'early', 'good', 'over')),
  signature INTEGER NOT NULL REFERENCES signatures,
  turns     INTEGER,
  PRIMARY KEY (key, standing, signature)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX checks_by_signature ON checks (signature, key);
CREATE INDEX checks_by_turn ON checks (turns) WHERE turns IS NOT NULL;
INSERT INTO checks SELECT 0, 'unknown', id, NULL FROM signatures;
-- Also for a program of the schema before, which may still run.
CREATE TRIGGER signatures_are_nobodys AFTER INSERT ON signatures
  BEGIN INSERT INTO checks VALUES (0, 'unknown', new.id, NULL); END;
