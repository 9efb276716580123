-- By what an identity provider knows a user. `subject` is what tells people apart there, `sub` what its tokens call them.
CREATE TABLE identities (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    provider TEXT NOT NULL,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    sub TEXT NOT NULL,
    mail TEXT,
    claims TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_login_at BIGINT NOT NULL,
    UNIQUE (issuer, subject)
);
CREATE INDEX identities_user ON identities (user_id);
-- By which identity a session was begun; none for a password.
ALTER TABLE sessions ADD COLUMN identity_id TEXT;
CREATE INDEX sessions_identity ON sessions (identity_id) WHERE identity_id IS NOT NULL;
