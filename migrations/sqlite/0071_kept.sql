-- What is settled at GitHub and need not be asked again. All of it may be thrown away: it is then read again.

-- Merged pull requests as facts: of which shape, read under which demands, and when (milliseconds since 1970). An empty body
-- says that at that moment it was not settled.
CREATE TABLE settled_pull_requests (
    repository_id BIGINT NOT NULL,
    number        BIGINT NOT NULL,
    shape         TEXT   NOT NULL,
    demands       TEXT   NOT NULL,
    body          TEXT   NOT NULL,
    read_at       BIGINT NOT NULL,
    PRIMARY KEY (repository_id, number)
);

-- Commits of production branches with their first parents (a root has none), and the pull request that ended there.
CREATE TABLE line_commits (
    repository_id BIGINT NOT NULL,
    commit_sha    TEXT   NOT NULL,
    parent_sha    TEXT,
    number        BIGINT,
    PRIMARY KEY (repository_id, commit_sha)
);

-- Merges by GitHub among the movements of production branches.
CREATE TABLE landings (
    repository_id BIGINT NOT NULL,
    branch        TEXT   NOT NULL,
    after_sha     TEXT   NOT NULL,
    before_sha    TEXT   NOT NULL,
    body          TEXT   NOT NULL,
    PRIMARY KEY (repository_id, branch, after_sha, before_sha)
);
