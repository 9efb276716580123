-- Times are microseconds since 1970, ids UUIDv7 text, structured values JSON text.
CREATE TABLE installation (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    site_admin BOOLEAN NOT NULL,
    suspended_at BIGINT,
    time_zone TEXT,
    theme TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    elevated_until BIGINT,
    elevated_reason TEXT
);

CREATE TABLE passwords (
    user_id TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    hash TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);

CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    secret_hash TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    provider_sid TEXT,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    agent TEXT NOT NULL,
    address TEXT NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    secret_hash TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT
);
CREATE INDEX tokens_user ON tokens (user_id);

CREATE TABLE projects (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    visibility TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    archived_at BIGINT,
    deleting_at BIGINT,
    version BIGINT NOT NULL
);
CREATE INDEX projects_visibility ON projects (visibility, name, id);

CREATE TABLE members (
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (project_id, user_id)
);
CREATE INDEX members_user ON members (user_id);

CREATE TABLE queues (
    name TEXT PRIMARY KEY,
    description TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    number BIGINT NOT NULL UNIQUE,
    project_id TEXT NOT NULL REFERENCES projects (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    queue TEXT NOT NULL,
    cluster TEXT,
    priority BIGINT NOT NULL,
    spec TEXT NOT NULL,
    rules_version TEXT NOT NULL,
    phase TEXT NOT NULL,
    phase_since BIGINT NOT NULL,
    reason TEXT,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    ended_at BIGINT,
    attempts BIGINT NOT NULL,
    not_before BIGINT,
    cause TEXT,
    card TEXT,
    cancel_by TEXT,
    cancel_at BIGINT,
    code_copied BOOLEAN NOT NULL,
    last_event BIGINT NOT NULL
);
-- One index per filter of the list, each ending in the order of the list.
CREATE INDEX jobs_list ON jobs (project_id, number);
CREATE INDEX jobs_by_phase ON jobs (project_id, phase, number);
CREATE INDEX jobs_by_user ON jobs (project_id, user_id, number);
CREATE INDEX jobs_by_queue ON jobs (project_id, queue, number);
CREATE INDEX jobs_by_name ON jobs (project_id, name, number);
CREATE INDEX jobs_by_type ON jobs (project_id, type, number);
CREATE INDEX jobs_by_date ON jobs (project_id, created_at, number);
CREATE INDEX jobs_queued ON jobs (queue, priority DESC, number) WHERE phase = 'queued';
CREATE INDEX jobs_live ON jobs (number) WHERE phase IN ('queued', 'starting', 'running');

CREATE TABLE attempts (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    object TEXT NOT NULL UNIQUE,
    cluster TEXT NOT NULL,
    namespace TEXT NOT NULL,
    phase TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at BIGINT,
    started_at BIGINT,
    ended_at BIGINT,
    heard_at BIGINT,
    exit TEXT,
    cause TEXT,
    card TEXT,
    spark_app_id TEXT,
    cores BIGINT NOT NULL,
    memory BIGINT NOT NULL,
    object_deleted_at BIGINT,
    PRIMARY KEY (job_id, number)
);
CREATE INDEX attempts_live ON attempts (cluster, created_at) WHERE phase <> 'ended';
CREATE INDEX attempts_left ON attempts (ended_at) WHERE phase = 'ended' AND object_deleted_at IS NULL;

CREATE TABLE events (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    id BIGINT NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    actor TEXT,
    attempt BIGINT,
    PRIMARY KEY (job_id, id)
);

CREATE TABLE log_streams (
    job_id TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    stream TEXT NOT NULL,
    size BIGINT NOT NULL,
    kept_at BIGINT NOT NULL,
    followed_until BIGINT NOT NULL,
    complete BOOLEAN NOT NULL,
    sha256 TEXT,
    archive_key TEXT,
    index_key TEXT,
    parts_left BOOLEAN NOT NULL,
    PRIMARY KEY (job_id, attempt, stream),
    FOREIGN KEY (job_id, attempt) REFERENCES attempts (job_id, number) ON DELETE CASCADE
);
CREATE INDEX log_streams_open ON log_streams (job_id, attempt) WHERE archive_key IS NULL OR parts_left;

CREATE TABLE log_parts (
    job_id TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    stream TEXT NOT NULL,
    start BIGINT NOT NULL,
    length BIGINT NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (job_id, attempt, stream, start),
    FOREIGN KEY (job_id, attempt, stream) REFERENCES log_streams (job_id, attempt, stream) ON DELETE CASCADE
);

CREATE TABLE tasks (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    project_id TEXT,
    user_id TEXT NOT NULL,
    input TEXT NOT NULL,
    state TEXT NOT NULL,
    done BIGINT NOT NULL,
    total BIGINT,
    outcome TEXT,
    cancel_at BIGINT,
    created_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE INDEX tasks_user ON tasks (user_id, created_at);
CREATE INDEX tasks_live ON tasks (created_at) WHERE ended_at IS NULL;

CREATE TABLE idempotency (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    route TEXT NOT NULL,
    key TEXT NOT NULL,
    body_hash TEXT NOT NULL,
    resource TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, route, key)
);
CREATE INDEX idempotency_age ON idempotency (created_at);

CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    place TEXT NOT NULL,
    number BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE audit (
    id TEXT PRIMARY KEY,
    at BIGINT NOT NULL,
    user_id TEXT,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX audit_at ON audit (at);
