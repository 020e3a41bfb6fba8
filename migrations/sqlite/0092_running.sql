-- What runs in each environment: of what ended well there, that which ended last. Derived from the entries.
CREATE TABLE running (
    repository_id BIGINT NOT NULL,
    environment   TEXT   NOT NULL,
    commit_sha    TEXT   NOT NULL,
    decision      TEXT   NOT NULL,
    ended_at      TEXT   NOT NULL,
    position      BIGINT NOT NULL,
    PRIMARY KEY (repository_id, environment)
);
CREATE INDEX running_newest ON running (ended_at);
INSERT INTO running (repository_id, environment, commit_sha, decision, ended_at, position)
SELECT repository_id, environment, commit_sha, decision, ended_at, position FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY repository_id, environment ORDER BY ended_at DESC, position DESC) AS place
    FROM finished_deployments
    WHERE conclusion = 'success' AND outcome IN ('allow', 'exception') AND decision IS NOT NULL
) AS ended WHERE place = 1;

-- Lists of changes, in the very order that pages ask for: else all of them are sorted for each page.
DROP INDEX changes_decided;
DROP INDEX changes_outcome;
CREATE INDEX changes_newest ON changes (decided_at DESC, repository_id DESC, change DESC);
CREATE INDEX changes_newest_of_outcome ON changes (outcome, decided_at DESC, change);
