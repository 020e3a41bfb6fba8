//! What only a delivery, or the first look, knows.
//!
//! Invariant: first seen wins; nothing is ever overwritten.

use super::{Store, StoreError};
use countersign_core::domain::{Observation, RepositoryId};
use sqlx::{QueryBuilder, Row, SqliteConnection};

/// How many topics one query asks about.
const TOPICS: usize = 200;

/// An observation and the repository it was made in.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Where.
    pub repository: RepositoryId,
    /// What.
    pub observation: Observation,
}

impl Store {
    /// Keeps observations made while looking.
    pub async fn observe(&self, seen: Vec<Seen>, now: i64) -> Result<(), StoreError> {
        if seen.is_empty() {
            return Ok(());
        }
        self.writer.write(move |connection| Box::pin(async move { keep(connection, &seen, now).await.map(drop) })).await
    }

    /// All that is known about some topics of one repository; of each, in the order it was first seen.
    pub async fn observed(&self, repository: RepositoryId, topics: &[String]) -> Result<Vec<Observation>, StoreError> {
        let mut found = Vec::new();
        for some in topics.chunks(TOPICS) {
            let mut query = QueryBuilder::new("SELECT body FROM observations WHERE repository_id = ");
            query.push_bind(signed(repository.0)).push(" AND topic IN (");
            let mut listed = query.separated(", ");
            for topic in some {
                listed.push_bind(topic);
            }
            query.push(") ORDER BY topic, first_seen, key");
            for row in query.build().fetch_all(&self.readers).await? {
                let body: String = row.try_get(0)?;
                found.push(serde_json::from_str(&body).map_err(|error| StoreError::Unreadable(error.to_string()))?);
            }
        }
        Ok(found)
    }
}

/// Keeps observations; answers which of them are new.
pub(super) async fn keep<'s>(
    connection: &mut SqliteConnection,
    seen: &'s [Seen],
    now: i64,
) -> Result<Vec<&'s Seen>, StoreError> {
    let mut new = Vec::new();
    for one in seen {
        let Seen { repository, observation } = one;
        let body = serde_json::to_string(observation).map_err(|error| StoreError::Unreadable(error.to_string()))?;
        let kept = sqlx::query(
            "INSERT INTO observations (repository_id, topic, key, body, first_seen) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (repository_id, topic, key) DO NOTHING",
        )
        .bind(signed(repository.0))
        .bind(observation.topic())
        .bind(observation.key())
        .bind(body)
        .bind(now)
        .execute(&mut *connection)
        .await?;
        if kept.rows_affected() > 0 {
            new.push(one);
        }
    }
    Ok(new)
}

/// GitHub's ids fit 63 bits; a database knows no unsigned numbers.
pub(super) fn signed(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}
