-- Exceptions: derived from the entries, to find what covers a deployment and what is still owed.
-- state: open, justified, unjustified. Times are milliseconds since 1970, of this service's clock.
CREATE TABLE exceptions (
    id            TEXT    PRIMARY KEY,
    repository_id BIGINT  NOT NULL,
    environment   TEXT    NOT NULL,
    commit_sha    TEXT,
    body          TEXT    NOT NULL,
    opened_at     BIGINT  NOT NULL,
    ends_at       BIGINT  NOT NULL,
    due_at        BIGINT  NOT NULL,
    state         TEXT    NOT NULL DEFAULT 'open',
    overdue       INTEGER NOT NULL DEFAULT 0,
    position      BIGINT  NOT NULL
);
CREATE INDEX exceptions_place ON exceptions (repository_id, ends_at);
CREATE INDEX exceptions_owed ON exceptions (state, due_at);

-- What an exception let through.
CREATE TABLE exception_uses (
    exception TEXT NOT NULL,
    decision  TEXT NOT NULL,
    PRIMARY KEY (exception, decision)
);
CREATE INDEX exception_uses_decision ON exception_uses (decision);
