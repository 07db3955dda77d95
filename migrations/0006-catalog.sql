-- People look at a repository from what changed last.
CREATE INDEX locations_by_place ON locations (place, version);
