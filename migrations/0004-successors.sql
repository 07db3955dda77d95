-- What took the place of a signature is asked for whenever that goes, and by every insertion (the foreign key).
CREATE INDEX signatures_by_successor ON signatures (superseded_by) WHERE superseded_by IS NOT NULL;

-- Rounds count up: what was not confirmed in the last one is asked for when it ends.
CREATE INDEX contributions_by_round ON contributions (source, round);
-- The first hosts that were seen are told of, whenever there is another one.
CREATE INDEX hosts_by_sight ON hosts (seen);
