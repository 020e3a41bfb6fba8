-- Where to find an alert, and that it was raised. Derived from the entries.
CREATE TABLE alerts (
    code          TEXT   NOT NULL,
    repository_id BIGINT NOT NULL,
    run           BIGINT NOT NULL,
    attempt       BIGINT NOT NULL,
    environment   TEXT   NOT NULL,
    position      BIGINT NOT NULL,
    PRIMARY KEY (code, repository_id, run, attempt, environment)
);
CREATE INDEX alerts_order ON alerts (position);
