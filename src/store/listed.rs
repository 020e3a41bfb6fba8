//! Deployments as GitHub lists them: how far its list was read, and which of them something is on record of.
//!
//! Invariant: a deployment is told once as listed; it is settled when its end or an alert about it is on record.

use super::observations::signed;
use super::{Store, StoreError, record};
use countersign_core::domain::{DeploymentId, Entry, Observation, RepositoryId, RunAttempt, RunId};
use sqlx::Row;

/// How many unsettled deployments of a repository are looked at again at once.
const UNSETTLED: i64 = 50;

/// How far GitHub's list was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListRead {
    /// The newest deployment at the first look.
    pub since: DeploymentId,
    /// The newest deployment that was seen.
    pub upto: DeploymentId,
    /// The newest that an entry tells of; `None` where none does.
    pub told: Option<DeploymentId>,
}

impl Store {
    /// How far the list of a repository was read; `None` where it never was.
    pub async fn list_read(&self, repository: RepositoryId) -> Result<Option<ListRead>, StoreError> {
        let row = sqlx::query("SELECT upto, told, since FROM deployment_lists WHERE repository_id = $1")
            .bind(signed(repository.0))
            .fetch_optional(&self.readers)
            .await?;
        let id = |number: i64| DeploymentId(number.unsigned_abs());
        row.map(|row| {
            let (upto, since) = (id(row.try_get(0)?), id(row.try_get(2)?));
            Ok(ListRead { since, upto, told: row.try_get::<Option<i64>, _>(1)?.map(id) })
        })
        .transpose()
    }

    /// Those of some deployments that were not told as listed before, in the order given.
    pub async fn not_listed(
        &self,
        repository: RepositoryId,
        deployments: &[DeploymentId],
    ) -> Result<Vec<DeploymentId>, StoreError> {
        let mut new = Vec::new();
        for deployment in deployments {
            let known = sqlx::query("SELECT 1 FROM listed_deployments WHERE repository_id = $1 AND deployment = $2")
                .bind(signed(repository.0))
                .bind(signed(deployment.0))
                .fetch_optional(&self.readers);
            if known.await?.is_none() {
                new.push(*deployment);
            }
        }
        Ok(new)
    }

    /// Notes how far the list was read, and puts on record what it showed, where it showed anything new.
    pub async fn listed(
        &self,
        repository: RepositoryId,
        upto: DeploymentId,
        told: Option<(Entry, Vec<DeploymentId>)>,
    ) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let tells = told.is_some();
                    if let Some((entry, deployments)) = told {
                        record::append(connection, &entry).await?;
                        for deployment in deployments {
                            sqlx::query(
                                "INSERT INTO listed_deployments (repository_id, deployment) VALUES ($1, $2) \
                                 ON CONFLICT DO NOTHING",
                            )
                            .bind(signed(repository.0))
                            .bind(signed(deployment.0))
                            .execute(&mut *connection)
                            .await?;
                        }
                    }
                    sqlx::query(
                        "INSERT INTO deployment_lists (repository_id, since, upto, told) VALUES ($1, $2, $2, $3) \
                         ON CONFLICT (repository_id) DO UPDATE SET upto = $2, told = COALESCE($3, deployment_lists.told)",
                    )
                    .bind(signed(repository.0))
                    .bind(signed(upto.0))
                    .bind(tells.then(|| signed(upto.0)))
                    .execute(&mut *connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    /// Deployments that were listed and of which neither the end nor an alert is on record, newest first; each with its
    /// run, where that is known.
    pub async fn unsettled(&self, repository: RepositoryId) -> Result<Vec<(DeploymentId, Option<RunId>)>, StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    sqlx::query(
                        "UPDATE listed_deployments SET settled = 1 WHERE settled = 0 AND repository_id = $1 AND \
                         (EXISTS (SELECT 1 FROM finished_deployments AS ended WHERE ended.repository_id = $1 \
                         AND ended.deployment = listed_deployments.deployment) OR EXISTS (SELECT 1 FROM alerts \
                         WHERE alerts.repository_id = $1 AND alerts.deployment = listed_deployments.deployment))",
                    )
                    .bind(signed(repository.0))
                    .execute(&mut *connection)
                    .await?;
                    Ok(())
                })
            })
            .await?;
        let rows = sqlx::query(
            "SELECT deployment FROM listed_deployments WHERE repository_id = $1 AND settled = 0 \
             ORDER BY deployment DESC LIMIT $2",
        )
        .bind(signed(repository.0))
        .bind(UNSETTLED)
        .fetch_all(&self.readers)
        .await?;
        let mut unsettled = Vec::with_capacity(rows.len());
        for row in rows {
            let deployment = DeploymentId(row.try_get::<i64, _>(0)?.unsigned_abs());
            let made = self.made_by(repository, deployment).await?;
            if let Some((run, attempt, environment)) = &made
                && self.is_finished(repository, *run, *attempt, environment).await?
            {
                // It ended with another deployment of its attempt.
                continue;
            }
            unsettled.push((deployment, made.map(|(run, ..)| run)));
        }
        Ok(unsettled)
    }

    /// The run, its attempt and the environment that a delivery, or a look, tied to a deployment.
    pub async fn made_by(
        &self,
        repository: RepositoryId,
        deployment: DeploymentId,
    ) -> Result<Option<(RunId, RunAttempt, String)>, StoreError> {
        let row = sqlx::query(
            "SELECT body FROM observations WHERE repository_id = $1 AND key = $2 AND key LIKE 'deployment:%'",
        )
        .bind(signed(repository.0))
        .bind(format!("deployment:{deployment}"))
        .fetch_optional(&self.readers)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let body: String = row.try_get(0)?;
        match serde_json::from_str(&body).map_err(|error| StoreError::Unreadable(error.to_string()))? {
            Observation::DeploymentCreated { run, attempt, environment, .. } => Ok(Some((run, attempt, environment))),
            _ => Ok(None),
        }
    }
}
