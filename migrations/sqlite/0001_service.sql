-- What the service needs to do its work. The record itself (entries, tiles, checkpoints) is in 0002.

-- Deliveries as GitHub sent them. The row is the work: accepted means kept.
-- state: 0 unread, 1 waiting, 2 claimed, 3 finished. Times are milliseconds since 1970, for pacing only.
CREATE TABLE inbox (
    id          INTEGER PRIMARY KEY,
    delivery    TEXT    NOT NULL UNIQUE,
    event       TEXT    NOT NULL,
    body        BLOB    NOT NULL,
    received_at BIGINT  NOT NULL,
    state       INTEGER NOT NULL DEFAULT 0,
    subject     TEXT,
    detail      TEXT,
    class       INTEGER NOT NULL DEFAULT 9,
    attempts    INTEGER NOT NULL DEFAULT 0,
    due_at      BIGINT  NOT NULL DEFAULT 0
);
CREATE INDEX inbox_unfinished ON inbox (state, class, id) WHERE state < 3;
CREATE INDEX inbox_subject ON inbox (subject, state) WHERE state < 3;

-- What only a delivery, or the first look, knows. Never overwritten: the first one under a key wins.
CREATE TABLE observations (
    repository_id BIGINT NOT NULL,
    topic         TEXT   NOT NULL,
    key           TEXT   NOT NULL,
    body          TEXT   NOT NULL,
    first_seen    BIGINT NOT NULL,
    PRIMARY KEY (repository_id, topic, key)
);

-- Where to find a decision. Derived from the entries.
CREATE TABLE decisions (
    id            TEXT    PRIMARY KEY,
    position      BIGINT  NOT NULL,
    subject       TEXT    NOT NULL,
    repository_id BIGINT  NOT NULL,
    kind          TEXT    NOT NULL,
    number        BIGINT,
    run           BIGINT,
    attempt       BIGINT,
    environment   TEXT,
    commit_sha    TEXT    NOT NULL,
    open          INTEGER NOT NULL DEFAULT 0,
    digest        TEXT    NOT NULL,
    outcome       TEXT    NOT NULL,
    decided_at    TEXT    NOT NULL
);
CREATE INDEX decisions_subject ON decisions (subject, position);
CREATE INDEX decisions_commit ON decisions (repository_id, commit_sha, kind);
CREATE INDEX decisions_run ON decisions (repository_id, run, position);
CREATE INDEX decisions_environment ON decisions (repository_id, environment, commit_sha, outcome);
CREATE INDEX decisions_position ON decisions (position);
CREATE INDEX decisions_kind ON decisions (kind, position);

-- The latest verdict on each change. Derived from the entries.
CREATE TABLE changes (
    repository_id BIGINT NOT NULL,
    full_name     TEXT   NOT NULL,
    change        TEXT   NOT NULL,
    commit_sha    TEXT   NOT NULL,
    outcome       TEXT   NOT NULL,
    decision      TEXT   NOT NULL,
    verdict       TEXT   NOT NULL,
    decided_at    TEXT   NOT NULL,
    PRIMARY KEY (repository_id, change)
);
CREATE INDEX changes_commit ON changes (repository_id, commit_sha);
CREATE INDEX changes_outcome ON changes (outcome, decided_at);
CREATE INDEX changes_decided ON changes (decided_at);

-- Deployments whose own job ended. Derived from the entries.
CREATE TABLE finished_deployments (
    repository_id BIGINT NOT NULL,
    environment   TEXT   NOT NULL,
    run           BIGINT NOT NULL,
    attempt       BIGINT NOT NULL,
    deployment    BIGINT NOT NULL,
    commit_sha    TEXT   NOT NULL,
    conclusion    TEXT   NOT NULL,
    decision      TEXT,
    outcome       TEXT,
    position      BIGINT NOT NULL,
    PRIMARY KEY (repository_id, environment, run, attempt)
);
CREATE INDEX finished_deployments_order ON finished_deployments (repository_id, environment, position);

-- What GitHub was told last, so that nothing is written twice.
CREATE TABLE publications (
    repository_id BIGINT NOT NULL,
    target        TEXT   NOT NULL,
    reference     TEXT   NOT NULL,
    digest        TEXT   NOT NULL,
    PRIMARY KEY (repository_id, target)
);

-- Names in the settings, pinned to the account that bore them when they were first looked up.
CREATE TABLE pins (
    name    TEXT PRIMARY KEY,
    account TEXT NOT NULL
);

-- Answers of GitHub that may be used again, with the tag to ask whether they still hold.
CREATE TABLE answers (
    key        TEXT   PRIMARY KEY,
    etag       TEXT   NOT NULL,
    body       TEXT   NOT NULL,
    fetched_at BIGINT NOT NULL
);
