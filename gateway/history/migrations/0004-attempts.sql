-- Why each attempt was made, which variant of a model it tried, and what part the cache had.
ALTER TABLE attempts ADD COLUMN via TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN because TEXT;
ALTER TABLE attempts ADD COLUMN variant TEXT;
ALTER TABLE requests ADD COLUMN variant TEXT;
ALTER TABLE requests ADD COLUMN cache TEXT;
CREATE INDEX requests_by_variant ON requests (variant) WHERE variant IS NOT NULL;
