-- How many entries of each repository bear a number of their own, so that the next one can. Derived from the entries.
CREATE TABLE numbered_entries (
    repository_id BIGINT PRIMARY KEY,
    entries       BIGINT NOT NULL
);
