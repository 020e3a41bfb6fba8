-- Names of the settings that came to belong to another account, each such account once. Derived from the entries.
CREATE TABLE reassigned_names (
    name       TEXT   NOT NULL,
    account_id BIGINT NOT NULL,
    position   BIGINT NOT NULL,
    PRIMARY KEY (name, account_id)
);
