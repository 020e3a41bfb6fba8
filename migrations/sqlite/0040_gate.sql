-- Tokens of runs that were used, until they end by themselves. Times are seconds since 1970.
CREATE TABLE used_tokens (
    issuer TEXT   NOT NULL,
    token  TEXT   NOT NULL,
    ends   BIGINT NOT NULL,
    PRIMARY KEY (issuer, token)
);
CREATE INDEX used_tokens_ends ON used_tokens (ends);

-- Decisions that were given out to a run: for what, until when, and whether they were presented since.
CREATE TABLE grants (
    decision      TEXT    PRIMARY KEY,
    repository_id BIGINT  NOT NULL,
    run           BIGINT  NOT NULL,
    attempt       BIGINT  NOT NULL,
    environment   TEXT    NOT NULL,
    commit_sha    TEXT    NOT NULL,
    digest        TEXT    NOT NULL,
    ends          BIGINT  NOT NULL,
    spent         INTEGER NOT NULL DEFAULT 0
);
