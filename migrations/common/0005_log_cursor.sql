-- What the cluster said of the place up to which a log was kept, where an offset alone does not find it again.
ALTER TABLE log_streams ADD COLUMN cursor TEXT;
