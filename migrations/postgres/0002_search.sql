CREATE SEQUENCE job_numbers;
-- Text search of three characters or more. Both extensions are trusted: the database's owner may make them.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS btree_gin;
ALTER TABLE jobs ADD COLUMN search TEXT NOT NULL DEFAULT '';
CREATE INDEX jobs_by_text ON jobs USING gin (project_id, search gin_trgm_ops);
