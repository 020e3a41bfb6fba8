-- What ended last runs, whatever was heard of last. By GitHub's clock; of entries that do not tell it, when they were written.
ALTER TABLE finished_deployments ADD COLUMN ended_at TEXT NOT NULL DEFAULT '';
UPDATE finished_deployments SET ended_at = COALESCE(
    (SELECT COALESCE(json_extract(CAST(body AS TEXT), '$.ended_at'), time) FROM entries
     WHERE entries.position = finished_deployments.position), '');
CREATE INDEX finished_deployments_ended ON finished_deployments (repository_id, ended_at, position);

-- The newest deployments of a repository, to look for ends that nobody heard of.
CREATE INDEX decisions_deployments ON decisions (repository_id, kind, position);
