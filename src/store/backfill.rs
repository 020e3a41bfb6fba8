//! Deployments from before the service was there, put on record afterwards.
//!
//! Invariant: they are entries and nothing else. No table that says what was allowed, what runs, or what was decided of a
//! change ever holds one, so none can become a starting point, let anything through, or answer for an attempt.

use super::observations::signed;
use super::record::{Recording, append};
use super::{Store, StoreError, entries};
use countersign_core::domain::EntryBody;
use sqlx::Row as _;
use std::ops::Range;

impl Store {
    /// Puts a deployment of the past on record; answers whether it was not there yet.
    pub async fn backfill(&self, recording: Recording) -> Result<bool, StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let EntryBody::Backfilled(backfilled) = &recording.entry.body else {
                        return Err(StoreError::Unreadable("no deployment of the past".to_owned()));
                    };
                    let (repository, deployment) = (backfilled.decision.facts.repository.id.0, backfilled.deployment.0);
                    let known =
                        sqlx::query("SELECT 1 FROM backfilled WHERE repository_id = $1 AND deployment = $2")
                            .bind(signed(repository))
                            .bind(signed(deployment))
                            .fetch_optional(&mut *connection)
                            .await?;
                    if known.is_some() {
                        return Ok(false);
                    }
                    entries::keep_policy(connection, &recording.policy.0, &recording.policy.1).await?;
                    entries::keep_settings(connection, &recording.settings.0, &recording.settings.1).await?;
                    let position = append(connection, &recording.entry).await?.0;
                    sqlx::query(
                        "INSERT INTO backfilled (repository_id, deployment, position, ended_at) VALUES ($1, $2, $3, $4)",
                    )
                    .bind(signed(repository))
                    .bind(signed(deployment))
                    .bind(position)
                    .bind(&backfilled.ended_at)
                    .execute(&mut *connection)
                    .await?;
                    Ok(true)
                })
            })
            .await
    }

    /// When the service started for the first time, as its entry spells it.
    pub async fn first_started(&self) -> Result<Option<String>, StoreError> {
        let row = sqlx::query("SELECT time FROM entries WHERE kind = 'service_started' ORDER BY position LIMIT 1")
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| Ok(row.try_get(0)?)).transpose()
    }

    /// A range widened so that it holds the deployments of the past that ended with `from <= ended < to`.
    pub async fn with_backfilled(
        &self,
        range: Option<Range<u64>>,
        from: &str,
        to: &str,
    ) -> Result<Option<Range<u64>>, StoreError> {
        let row =
            sqlx::query("SELECT MIN(position), MAX(position) FROM backfilled WHERE ended_at >= $1 AND ended_at < $2")
                .bind(from)
                .bind(to)
                .fetch_one(&self.readers)
                .await?;
        let place = |index: usize| -> Result<Option<u64>, StoreError> {
            let position: Option<i64> = row.try_get(index)?;
            Ok(position.and_then(|position| u64::try_from(position).ok()))
        };
        let (Some(first), Some(last)) = (place(0)?, place(1)?) else { return Ok(range) };
        let range = range.unwrap_or(first..last + 1);
        Ok(Some(range.start.min(first)..range.end.max(last + 1)))
    }
}
