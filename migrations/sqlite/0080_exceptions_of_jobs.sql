-- Who opened an exception, to count what one account owes, and where in the ledger its review stands.
ALTER TABLE exceptions ADD COLUMN opened_by BIGINT NOT NULL DEFAULT 0;
ALTER TABLE exceptions ADD COLUMN reviewed BIGINT;
UPDATE exceptions SET opened_by = COALESCE(json_extract(body, '$.opened_by.id'), 0);
CREATE INDEX exceptions_opener ON exceptions (repository_id, opened_by, state);
CREATE INDEX exceptions_position ON exceptions (position);

-- The exception that a job asked for by itself: one for each attempt, environment and commit.
CREATE TABLE exceptions_of_jobs (
    repository_id BIGINT NOT NULL,
    run           BIGINT NOT NULL,
    attempt       BIGINT NOT NULL,
    environment   TEXT   NOT NULL,
    commit_sha    TEXT   NOT NULL,
    exception     TEXT   NOT NULL,
    PRIMARY KEY (repository_id, run, attempt, environment, commit_sha)
);
