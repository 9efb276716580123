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
-- The provider's tokens of the session, sealed, and when the provider was asked last.
ALTER TABLE sessions ADD COLUMN provider_tokens TEXT;
ALTER TABLE sessions ADD COLUMN checked_at BIGINT;
CREATE INDEX sessions_checked ON sessions (checked_at) WHERE provider_tokens IS NOT NULL;
-- What a rule gave for what a provider says, a rule takes.
ALTER TABLE users ADD COLUMN admin_by_rule BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE members ADD COLUMN by_rule BOOLEAN NOT NULL DEFAULT FALSE;
-- Logout tokens that were used; each counts once.
CREATE TABLE logout_tokens (
    issuer TEXT NOT NULL,
    jti TEXT NOT NULL,
    until BIGINT NOT NULL,
    PRIMARY KEY (issuer, jti)
);
