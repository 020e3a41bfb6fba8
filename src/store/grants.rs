//! What is good once: tokens of runs, and decisions that were given out to them.
//!
//! Invariant: using up is one statement that says whether it was the first. Nothing here allows anything.

use super::observations::signed;
use super::{Store, StoreError};
use countersign_core::domain::{CommitSha, RepositoryId, RunAttempt, RunId};

/// What a decision was given out for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Where.
    pub repository: RepositoryId,
    /// The run.
    pub run: RunId,
    /// The attempt.
    pub attempt: RunAttempt,
    /// The environment, case-folded and trimmed.
    pub environment: String,
    /// The commit.
    pub commit: CommitSha,
    /// The digest of the artifact; empty where none was named.
    pub digest: String,
}

impl Store {
    /// Uses up a token, in seconds since 1970; `false` where it was used before.
    pub async fn use_token(&self, issuer: String, token: String, ends: i64, now: i64) -> Result<bool, StoreError> {
        // Kept a little beyond its end, since clocks differ.
        const KEPT: i64 = 3_600;
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    sqlx::query("DELETE FROM used_tokens WHERE ends < $1")
                        .bind(now - KEPT)
                        .execute(&mut *connection)
                        .await?;
                    let used = sqlx::query(
                        "INSERT INTO used_tokens (issuer, token, ends) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                    )
                    .bind(issuer)
                    .bind(token)
                    .bind(ends)
                    .execute(&mut *connection)
                    .await?;
                    Ok(used.rows_affected() == 1)
                })
            })
            .await
    }

    /// Notes that a decision was given out until `ends`, to be presented once.
    pub async fn give_out(&self, decision: String, grant: Grant, ends: i64) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    sqlx::query(
                        "INSERT INTO grants (decision, repository_id, run, attempt, environment, commit_sha, digest, ends) \
                         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
                         ON CONFLICT (decision) DO UPDATE SET digest = $7, ends = $8, spent = 0",
                    )
                    .bind(decision)
                    .bind(signed(grant.repository.0))
                    .bind(signed(grant.run.0))
                    .bind(signed(grant.attempt.0))
                    .bind(grant.environment)
                    .bind(grant.commit.as_str())
                    .bind(grant.digest)
                    .bind(ends)
                    .execute(&mut *connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    /// Uses up a decision for exactly what it was given out for; `false` where it is another's, was used, or has ended.
    pub async fn present(&self, decision: String, grant: Grant, now: i64) -> Result<bool, StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let used = sqlx::query(
                        "UPDATE grants SET spent = 1 WHERE decision = $1 AND repository_id = $2 AND run = $3 \
                         AND attempt = $4 AND environment = $5 AND commit_sha = $6 AND digest = $7 AND ends > $8 \
                         AND spent = 0",
                    )
                    .bind(decision)
                    .bind(signed(grant.repository.0))
                    .bind(signed(grant.run.0))
                    .bind(signed(grant.attempt.0))
                    .bind(grant.environment)
                    .bind(grant.commit.as_str())
                    .bind(grant.digest)
                    .bind(now)
                    .execute(&mut *connection)
                    .await?;
                    Ok(used.rows_affected() == 1)
                })
            })
            .await
    }
}
