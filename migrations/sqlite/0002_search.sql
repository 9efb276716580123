-- Text search of three characters or more; the row id is the job's number.
CREATE VIRTUAL TABLE jobs_search USING fts5 (project, text, tokenize = 'trigram', detail = 'full');
