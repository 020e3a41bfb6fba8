-- An alert is about one deployment, with a run or without. Derived from the entries.
CREATE TABLE alerts_of_deployments (
    code          TEXT   NOT NULL,
    repository_id BIGINT NOT NULL,
    deployment    BIGINT NOT NULL,
    position      BIGINT NOT NULL,
    PRIMARY KEY (code, repository_id, deployment)
);
INSERT INTO alerts_of_deployments (code, repository_id, deployment, position)
SELECT alerts.code, alerts.repository_id, json_extract(CAST(entries.body AS TEXT), '$.deployment'), alerts.position
FROM alerts JOIN entries ON entries.position = alerts.position WHERE true ON CONFLICT DO NOTHING;
DROP TABLE alerts;
ALTER TABLE alerts_of_deployments RENAME TO alerts;
CREATE INDEX alerts_order ON alerts (position);

-- When the service was last known to be alive, as entries spell times. One row.
CREATE TABLE alive (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    at      TEXT    NOT NULL,
    stopped INTEGER NOT NULL DEFAULT 0
);

-- What is known of the App's installations. Derived from the entries. state: present, suspended, gone.
CREATE TABLE installations (
    installation BIGINT PRIMARY KEY,
    owner        TEXT   NOT NULL,
    state        TEXT   NOT NULL
);

-- Deliveries that did not arrive and are asked for again, by the look that found them.
CREATE TABLE missed_deliveries (
    delivery TEXT   PRIMARY KEY,
    look     TEXT   NOT NULL,
    found_at BIGINT NOT NULL,
    settled  INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX missed_deliveries_open ON missed_deliveries (settled, look);

-- Deployments to production environments that GitHub's list showed, and how far that list was read: since the first look,
-- up to the newest, and up to the newest that an entry tells of.
CREATE TABLE listed_deployments (
    repository_id BIGINT  NOT NULL,
    deployment    BIGINT  NOT NULL,
    settled       INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (repository_id, deployment)
);
CREATE TABLE deployment_lists (
    repository_id BIGINT PRIMARY KEY,
    since         BIGINT NOT NULL,
    upto          BIGINT NOT NULL,
    told          BIGINT
);

-- The run of a deployment is found by the deployment's own id.
CREATE INDEX observations_deployment ON observations (repository_id, key) WHERE key LIKE 'deployment:%';
CREATE INDEX finished_deployments_deployment ON finished_deployments (repository_id, deployment);
CREATE INDEX listed_deployments_open ON listed_deployments (repository_id, deployment) WHERE settled = 0;
