//! What open pull requests hang on beside themselves: the commits they hold, the accounts that judged them.
//!
//! Invariant: a look notes what it is about to ask before it asks. So what a delivery tells is either seen by that look, or
//! comes after the note and has the pull request looked at again.

use super::observations::signed;
use super::record::TOGETHER;
use super::{Store, StoreError};
use countersign_core::domain::{PullRequestNumber, RepositoryId};
use sqlx::{QueryBuilder, Row, SqliteConnection};
use std::collections::BTreeSet;

impl Store {
    /// Notes topics on which an open pull request hangs from now on. What was noted before stays: another look may have noted
    /// it that read a newer head, and to be looked at once too often harms nobody.
    pub async fn watch(
        &self,
        repository: RepositoryId,
        number: PullRequestNumber,
        topics: &[String],
    ) -> Result<(), StoreError> {
        let (repository, number) = (signed(repository.0), signed(number.0));
        let known = self.watched(repository, number).await?;
        let new: Vec<String> = topics.iter().filter(|topic| !known.contains(*topic)).cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        self.writer
            .write_soon(move |connection| {
                Box::pin(async move {
                    for some in new.chunks(TOGETHER) {
                        let mut insert = QueryBuilder::new("INSERT INTO watched (repository_id, topic, number) ");
                        insert.push_values(some, |mut row, topic| {
                            row.push_bind(repository).push_bind(topic).push_bind(number);
                        });
                        insert.push(" ON CONFLICT DO NOTHING");
                        insert.build().execute(&mut *connection).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Notes that a pull request hangs on nothing: it is not open any more.
    pub async fn unwatch(&self, repository: RepositoryId, number: PullRequestNumber) -> Result<(), StoreError> {
        let (repository, number) = (signed(repository.0), signed(number.0));
        if self.watched(repository, number).await?.is_empty() {
            return Ok(());
        }
        self.writer
            .write_soon(move |connection| {
                Box::pin(async move {
                    let gone = sqlx::query("DELETE FROM watched WHERE repository_id = $1 AND number = $2");
                    gone.bind(repository).bind(number).execute(connection).await?;
                    Ok(())
                })
            })
            .await
    }

    async fn watched(&self, repository: i64, number: i64) -> Result<BTreeSet<String>, StoreError> {
        let rows = sqlx::query("SELECT topic FROM watched WHERE repository_id = $1 AND number = $2")
            .bind(repository)
            .bind(number)
            .fetch_all(&self.readers)
            .await?;
        rows.into_iter().map(|row| Ok(row.try_get(0)?)).collect()
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
