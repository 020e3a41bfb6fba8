//! What open pull requests hang on beside themselves: the commits they hold, the accounts that judged them.
//!
//! Invariant: a look notes what it is about to ask before it asks. So what a delivery tells is either seen by that look, or
//! comes after the note and has the pull request looked at again.

use super::observations::signed;
use super::{Store, StoreError};
use countersign_core::domain::{PullRequestNumber, RepositoryId};
use sqlx::{Row, SqliteConnection};
use std::collections::BTreeSet;

impl Store {
    /// Notes the topics on which a pull request hangs from now on, instead of those noted before.
    pub async fn watch(
        &self,
        repository: RepositoryId,
        number: PullRequestNumber,
        topics: Vec<String>,
    ) -> Result<(), StoreError> {
        let (repository, number) = (signed(repository.0), signed(number.0));
        let known = sqlx::query("SELECT topic FROM watched WHERE repository_id = $1 AND number = $2")
            .bind(repository)
            .bind(number)
            .fetch_all(&self.readers)
            .await?;
        let known = known.into_iter().map(|row| row.try_get(0)).collect::<Result<BTreeSet<String>, _>>()?;
        let wanted: BTreeSet<String> = topics.into_iter().collect();
        if known == wanted {
            return Ok(());
        }
        self.writer
            .write_soon(move |connection| {
                Box::pin(async move {
                    for topic in known.difference(&wanted) {
                        sqlx::query("DELETE FROM watched WHERE repository_id = $1 AND topic = $2 AND number = $3")
                            .bind(repository)
                            .bind(topic)
                            .bind(number)
                            .execute(&mut *connection)
                            .await?;
                    }
                    for topic in wanted.difference(&known) {
                        sqlx::query(
                            "INSERT INTO watched (repository_id, topic, number) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                        )
                        .bind(repository)
                        .bind(topic)
                        .bind(number)
                        .execute(&mut *connection)
                        .await?;
                    }
                    Ok(())
                })
            })
            .await
    }
}

/// The pull requests that hang on a topic.
pub(super) async fn watchers(
    connection: &mut SqliteConnection,
    repository: RepositoryId,
    topic: &str,
) -> Result<Vec<PullRequestNumber>, StoreError> {
    let rows = sqlx::query("SELECT number FROM watched WHERE repository_id = $1 AND topic = $2")
        .bind(signed(repository.0))
        .bind(topic)
        .fetch_all(connection)
        .await?;
    let number = |row: sqlx::sqlite::SqliteRow| Ok(PullRequestNumber(row.try_get::<i64, _>(0)?.unsigned_abs()));
    rows.into_iter().map(number).collect()
}
