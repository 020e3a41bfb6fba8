//! What was allowed, what went out, and so where the next release starts.
//!
//! Invariant: only a deployment that was allowed here *and* whose own job succeeded becomes the new starting point. What ended
//! last runs, whatever was heard of last.

use super::observations::signed;
use super::{Store, StoreError};
use crate::settings::same_environment;
use countersign_core::domain::{CommitSha, DeploymentFinished, RepositoryId, RunAttempt, RunId};
use sqlx::{Row, SqliteConnection};

/// A decision about one attempt to deploy.
#[derive(Debug, Clone)]
pub struct AttemptDecision {
    /// The decision's id.
    pub id: String,
    /// Its outcome, as it is written in the record.
    pub outcome: String,
}

/// An attempt that was let through and whose end is not on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenEnd {
    /// The run.
    pub run: RunId,
    /// The attempt.
    pub attempt: RunAttempt,
    /// The environment, as it was asked for.
    pub environment: String,
    /// The decision that let it through.
    pub decision: String,
}

/// So many of a repository's newest decisions are looked at for ends that nobody heard of.
const NEWEST: i64 = 200;

impl Store {
    /// The newest attempts in an environment that were let through and whose end is not on record.
    pub async fn open_ends(
        &self,
        repository: RepositoryId,
        environment: &str,
        limit: usize,
    ) -> Result<Vec<OpenEnd>, StoreError> {
        let rows = sqlx::query(
            "SELECT run, attempt, environment, id FROM (SELECT * FROM decisions WHERE repository_id = $1 \
             AND kind = 'deployment' ORDER BY position DESC LIMIT $2) AS newest \
             WHERE outcome IN ('allow', 'exception') AND run IS NOT NULL AND attempt IS NOT NULL AND NOT EXISTS \
             (SELECT 1 FROM finished_deployments AS ended WHERE ended.repository_id = $1 AND ended.run = newest.run \
             AND ended.attempt = newest.attempt AND ended.environment = newest.environment) ORDER BY position DESC",
        )
        .bind(signed(repository.0))
        .bind(NEWEST)
        .fetch_all(&self.readers)
        .await?;
        let mut found: Vec<OpenEnd> = Vec::new();
        for row in rows {
            let number = |at: usize| Ok::<u64, StoreError>(u64::try_from(row.try_get::<i64, _>(at)?).unwrap_or(0));
            let (run, attempt) = (RunId(number(0)?), RunAttempt(number(1)?));
            let named: String = row.try_get(2)?;
            let known = found.iter().any(|open| (open.run, open.attempt) == (run, attempt));
            if found.len() < limit && !known && same_environment(&named, environment) {
                found.push(OpenEnd { run, attempt, environment: named, decision: row.try_get(3)? });
            }
        }
        Ok(found)
    }

    /// What runs in an environment now: the commit and the decision that allowed it.
    pub async fn in_production(
        &self,
        repository: RepositoryId,
        environment: &str,
    ) -> Result<Option<(CommitSha, String)>, StoreError> {
        let rows = sqlx::query(
            "SELECT environment, commit_sha, decision FROM running WHERE repository_id = $1 \
             ORDER BY ended_at DESC, position DESC",
        )
        .bind(signed(repository.0))
        .fetch_all(&self.readers)
        .await?;
        for row in rows {
            let named: String = row.try_get(0)?;
            if same_environment(&named, environment) {
                return Ok(Some((CommitSha::new(row.try_get::<String, _>(1)?), row.try_get(2)?)));
            }
        }
        Ok(None)
    }

    /// The decision that allowed this very commit in this environment, if any did.
    pub async fn allowed_before(
        &self,
        repository: RepositoryId,
        environment: &str,
        commit: &CommitSha,
    ) -> Result<Option<String>, StoreError> {
        let rows = sqlx::query(
            "SELECT environment, id FROM decisions WHERE repository_id = $1 AND commit_sha = $2 \
             AND kind = 'deployment' AND (outcome = 'allow' OR outcome = 'exception' AND EXISTS \
             (SELECT 1 FROM exception_uses JOIN exceptions ON exceptions.id = exception_uses.exception \
             WHERE exception_uses.decision = decisions.id AND exceptions.state = 'justified')) ORDER BY position",
        )
        .bind(signed(repository.0))
        .bind(commit.as_str())
        .fetch_all(&self.readers)
        .await?;
        for row in rows {
            let named: String = row.try_get(0)?;
            if same_environment(&named, environment) {
                return Ok(Some(row.try_get(1)?));
            }
        }
        Ok(None)
    }

    /// The decisions that let a commit through, in whatever environment.
    pub async fn let_through(&self, repository: RepositoryId, commit: &CommitSha) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(
            "SELECT id FROM decisions WHERE repository_id = $1 AND commit_sha = $2 AND kind = 'deployment' \
             AND outcome IN ('allow', 'exception') ORDER BY position",
        )
        .bind(signed(repository.0))
        .bind(commit.as_str())
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// The latest decision about one attempt in one environment.
    pub async fn decision_for(
        &self,
        repository: RepositoryId,
        run: RunId,
        attempt: RunAttempt,
        environment: &str,
    ) -> Result<Option<AttemptDecision>, StoreError> {
        let row = sqlx::query(
            "SELECT id, outcome FROM decisions WHERE repository_id = $1 AND run = $2 AND attempt = $3 \
             AND environment = $4 AND kind = 'deployment' ORDER BY position DESC LIMIT 1",
        )
        .bind(signed(repository.0))
        .bind(signed(run.0))
        .bind(signed(attempt.0))
        .bind(environment)
        .fetch_optional(&self.readers)
        .await?;
        row.map(|row| Ok(AttemptDecision { id: row.try_get(0)?, outcome: row.try_get(1)? })).transpose()
    }

    /// Whether one attempt was allowed, or excepted, in an environment.
    pub async fn was_let_through(
        &self,
        repository: RepositoryId,
        run: RunId,
        attempt: RunAttempt,
        environment: &str,
    ) -> Result<bool, StoreError> {
        let rows = sqlx::query(
            "SELECT environment FROM decisions WHERE repository_id = $1 AND run = $2 AND attempt = $3 \
             AND kind = 'deployment' AND outcome IN ('allow', 'exception')",
        )
        .bind(signed(repository.0))
        .bind(signed(run.0))
        .bind(signed(attempt.0))
        .fetch_all(&self.readers)
        .await?;
        for row in rows {
            if same_environment(&row.try_get::<String, _>(0)?, environment) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the end of a deployment is on record.
    pub async fn is_finished(
        &self,
        repository: RepositoryId,
        run: RunId,
        attempt: RunAttempt,
        environment: &str,
    ) -> Result<bool, StoreError> {
        let mut connection = self.readers.acquire().await?;
        is_finished(&mut connection, repository, run, attempt, environment).await
    }
}

/// The same within a larger unit: two evaluations may come to know of an end side by side.
pub(super) async fn is_finished(
    connection: &mut SqliteConnection,
    repository: RepositoryId,
    run: RunId,
    attempt: RunAttempt,
    environment: &str,
) -> Result<bool, StoreError> {
    let row = sqlx::query(
        "SELECT 1 FROM finished_deployments WHERE repository_id = $1 AND run = $2 AND attempt = $3 AND environment = $4",
    )
    .bind(signed(repository.0))
    .bind(signed(run.0))
    .bind(signed(attempt.0))
    .bind(environment)
    .fetch_optional(connection)
    .await?;
    Ok(row.is_some())
}

/// Takes note that a deployment ended, and of what runs by it.
pub(super) async fn finish(
    connection: &mut SqliteConnection,
    finished: &DeploymentFinished,
    position: i64,
    noted_at: &str,
) -> Result<(), StoreError> {
    let outcome: Option<String> = match &finished.decision {
        Some(id) => sqlx::query("SELECT outcome FROM decisions WHERE id = $1")
            .bind(id)
            .fetch_optional(&mut *connection)
            .await?
            .map(|row| row.try_get(0))
            .transpose()?,
        None => None,
    };
    let ended_at = finished.ended_at.as_deref().unwrap_or(noted_at);
    let let_through = outcome.as_deref().is_some_and(|outcome| ["allow", "exception"].contains(&outcome));
    let added = sqlx::query(
        "INSERT INTO finished_deployments (repository_id, environment, run, attempt, deployment, commit_sha, conclusion, \
         decision, outcome, position, ended_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
         ON CONFLICT DO NOTHING",
    )
    .bind(signed(finished.repository.id.0))
    .bind(&finished.environment)
    .bind(signed(finished.run.0))
    .bind(signed(finished.attempt.0))
    .bind(signed(finished.deployment.0))
    .bind(finished.commit.as_str())
    .bind(&finished.conclusion)
    .bind(&finished.decision)
    .bind(outcome)
    .bind(position)
    .bind(ended_at)
    .execute(&mut *connection)
    .await?
    .rows_affected();
    let Some(decision) = finished.decision.as_ref().filter(|_| let_through && added > 0) else { return Ok(()) };
    if finished.conclusion != "success" {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO running (repository_id, environment, commit_sha, decision, ended_at, position) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (repository_id, environment) DO UPDATE SET \
         commit_sha = excluded.commit_sha, decision = excluded.decision, ended_at = excluded.ended_at, \
         position = excluded.position \
         WHERE (excluded.ended_at, excluded.position) > (running.ended_at, running.position)",
    )
    .bind(signed(finished.repository.id.0))
    .bind(&finished.environment)
    .bind(finished.commit.as_str())
    .bind(decision)
    .bind(ended_at)
    .bind(position)
    .execute(&mut *connection)
    .await?;
    Ok(())
}
