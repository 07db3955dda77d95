-- Signatures go away: by withdrawal, for good, or because the last place that contributed them has them no more.

-- A slot whose signature has moved to a lower one, or is served twice for another reason, is there until `leaves`, in
-- Unix seconds, for readers who walk up the slots; NULL: it is live.
ALTER TABLE slots ADD COLUMN leaves INTEGER;
CREATE INDEX slots_by_leaving ON slots (leaves) WHERE leaves IS NOT NULL;

-- `version` grows with each change to what a location serves, over all locations: the tree, caches and copies follow it.
-- `changed`: when it last changed, in Unix seconds. `vacated`: the latest `modified` of a slot that is there no more;
-- whatever takes such a slot is later.
ALTER TABLE locations ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE locations ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE locations ADD COLUMN vacated INTEGER NOT NULL DEFAULT 0;
UPDATE locations SET version = id, changed = coalesce((SELECT max(modified) FROM slots WHERE location = locations.id), 0);
CREATE INDEX locations_by_version ON locations (version);
ALTER TABLE places ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;
UPDATE places SET changed = coalesce((SELECT max(changed) FROM locations WHERE place = places.id), 0);
DELETE FROM meta WHERE key = 'generation';

-- What may not come back to a repository, in whatever form, unless it is reinstated.
CREATE TABLE withdrawals (
  place    INTEGER NOT NULL REFERENCES places,
  identity BLOB NOT NULL,
  change   INTEGER NOT NULL REFERENCES changes,
  PRIMARY KEY (place, identity)
) STRICT, WITHOUT ROWID;

-- Keys of which no signature is taken any more, by fingerprint, upper-case hex.
CREATE TABLE banned_keys (
  fingerprint TEXT PRIMARY KEY,
  time        INTEGER NOT NULL,
  actor       TEXT NOT NULL,
  reason      TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Where signatures come from, other than uploads: a mirror, a bundle. `state` is its own, JSON: how far it has read;
-- `status` is what it tells of itself, JSON.
CREATE TABLE sources (
  id     INTEGER PRIMARY KEY,
  name   TEXT NOT NULL UNIQUE,
  state  TEXT,
  status TEXT
) STRICT;

-- Which sources have a signature now. One that was uploaded here (`local`) is nobody's to take away.
CREATE TABLE contributions (
  source    INTEGER NOT NULL REFERENCES sources,
  signature INTEGER NOT NULL REFERENCES signatures,
  round     INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (source, signature)
) STRICT, WITHOUT ROWID;
CREATE INDEX contributions_by_signature ON contributions (signature);
ALTER TABLE signatures ADD COLUMN local INTEGER NOT NULL DEFAULT 1;

-- Pages of a static source as they were last seen, JSON: what has not changed there is not read again.
CREATE TABLE source_pages (
  source INTEGER NOT NULL REFERENCES sources,
  path   TEXT NOT NULL,
  seen   TEXT NOT NULL,
  PRIMARY KEY (source, path)
) STRICT, WITHOUT ROWID;

-- 1: withdrawn or removed. Listings do not come across them, as they do not across those that were superseded; who takes
-- back whatever a key has signed does.
ALTER TABLE signatures ADD COLUMN gone INTEGER NOT NULL DEFAULT 0;
DROP INDEX signatures_by_place;
DROP INDEX signatures_by_key;
CREATE INDEX signatures_by_place ON signatures (place, id) WHERE superseded_by IS NULL AND gone = 0;
CREATE INDEX signatures_by_key ON signatures (unverified_key_id, id) WHERE superseded_by IS NULL AND gone = 0;
CREATE INDEX unserved_by_key ON signatures (unverified_key_id, id) WHERE superseded_by IS NOT NULL OR gone = 1;

-- Signatures that are served again after they were superseded: no key has been tried on them since.
CREATE TABLE revived (
  signature INTEGER PRIMARY KEY REFERENCES signatures
) STRICT;
