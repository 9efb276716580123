-- The object that an attempt was placed with, in full, so that what is created and what is shown stay the same.
ALTER TABLE attempts ADD COLUMN manifest TEXT;
-- Which copy of the code the job's attempts run; absent where it was made before copies had numbers.
ALTER TABLE jobs ADD COLUMN code_copy BIGINT;
-- The job is being deleted, and is shown to nobody.
ALTER TABLE jobs ADD COLUMN deleting_at BIGINT;
-- What somebody's jobs came to, the newest first.
CREATE INDEX jobs_ended_of ON jobs (user_id, number) WHERE phase IN ('succeeded', 'failed', 'cancelled');
