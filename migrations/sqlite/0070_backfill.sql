-- Deployments from before anybody watched that were judged afterwards, so that each is put on record once. No table by which
-- anything is allowed holds them.
CREATE TABLE backfilled (
    repository_id BIGINT NOT NULL,
    deployment    BIGINT NOT NULL,
    position      BIGINT NOT NULL,
    ended_at      TEXT   NOT NULL,
    PRIMARY KEY (repository_id, deployment)
);
CREATE INDEX backfilled_ended ON backfilled (ended_at, position);
