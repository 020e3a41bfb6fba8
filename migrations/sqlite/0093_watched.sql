-- What the last look at an open pull request asked about things that other deliveries tell of, too.
CREATE TABLE watched (
    repository_id BIGINT NOT NULL,
    topic         TEXT   NOT NULL,
    number        BIGINT NOT NULL,
    PRIMARY KEY (repository_id, topic, number)
);
CREATE INDEX watched_number ON watched (repository_id, number);
