//! Exceptions: opened, used, reviewed, overdue; each step an entry first.
//!
//! Invariant: an exception is reviewed once and reported overdue once, and what it let through is known by the decisions
//! that name it. Its review ends it: from then on it covers nothing, and whoever reviewed it saw all that it let through.

use super::entries::StoredEntry;
use super::observations::signed;
use super::{Store, StoreError, record};
use countersign_core::domain::{
    CommitSha, DeploymentId, Entry, EntryBody, Exception, ExceptionOverdue, RepositoryId, RunAttempt, RunId,
};
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

/// The times of an exception, in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// When it was opened.
    pub opened_at: i64,
    /// When it covers nothing more.
    pub ends_at: i64,
    /// When its review is due.
    pub due_at: i64,
}

/// What became of an exception that somebody opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// It is on record.
    Opened,
    /// The account owes the reviews of as many here as it may.
    TooMany,
    /// This attempt of a run was given one before.
    GivenBefore,
}

/// What became of a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reviewing {
    /// It is on record.
    Recorded,
    /// The exception has one already.
    ReviewedBefore,
    /// The exception let something through that the reviewer was not held against.
    LetThroughMore,
}

/// An exception as it stands.
#[derive(Debug, Clone, Serialize)]
pub struct ExceptionRow {
    /// The exception.
    #[serde(flatten)]
    pub exception: Exception,
    /// `open`, `justified` or `unjustified`: what its review says.
    pub state: String,
    /// Whether it was reported that nobody reviewed it in time.
    pub overdue: bool,
    /// The decisions that it let through.
    pub let_through: Vec<String>,
    /// Where in the ledger it was opened, from 0.
    pub position: i64,
    /// When it was opened, in milliseconds since 1970.
    #[serde(skip)]
    pub opened_at: i64,
    /// When its review is due, in milliseconds since 1970.
    #[serde(skip)]
    pub due_at: i64,
}

const COLUMNS: &str = "SELECT body, state, overdue, id, opened_at, due_at, position FROM exceptions";

impl Store {
    /// Puts an exception on record, where its opener owes the reviews of fewer than `most` in this repository. `job` is the
    /// attempt of a run that asked for it by itself: each is given one, once.
    pub async fn open_exception(
        &self,
        entry: Entry,
        times: Times,
        job: Option<(RunId, RunAttempt)>,
        most: u32,
    ) -> Result<Opening, StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let EntryBody::ExceptionOpened(exception) = &entry.body else {
                        return Err(StoreError::Unreadable("no exception".to_owned()));
                    };
                    if let Some(job) = job
                        && !give_to_job(connection, exception, job).await?
                    {
                        return Ok(Opening::GivenBefore);
                    }
                    if owed_by_opener(connection, exception).await? >= i64::from(most) {
                        take_from_job(connection, &exception.id).await?;
                        return Ok(Opening::TooMany);
                    }
                    let body = serde_json::to_string(exception).map_err(|e| StoreError::Unreadable(e.to_string()))?;
                    let position = record::append(connection, &entry).await?.0;
                    sqlx::query(
                        "INSERT INTO exceptions (id, repository_id, environment, commit_sha, body, opened_at, ends_at, \
                         due_at, position, opened_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                    )
                    .bind(&exception.id)
                    .bind(signed(exception.repository.id.0))
                    .bind(exception.environment.trim().to_lowercase())
                    .bind(exception.commit.as_ref().map(CommitSha::as_str))
                    .bind(body)
                    .bind(times.opened_at)
                    .bind(times.ends_at)
                    .bind(times.due_at)
                    .bind(position)
                    .bind(signed(exception.opened_by.id.0))
                    .execute(&mut *connection)
                    .await?;
                    Ok(Opening::Opened)
                })
            })
            .await
    }

    /// The exception that covers what was asked for at a moment, if one does: the one opened last. A review of whatever
    /// kind ends it, so that nobody answers in advance for what it still lets through.
    pub async fn covering(
        &self,
        repository: RepositoryId,
        environment: &str,
        commit: &CommitSha,
        asked_at: i64,
    ) -> Result<Option<Exception>, StoreError> {
        let row = sqlx::query(
            "SELECT body FROM exceptions WHERE repository_id = $1 AND environment = $2 \
             AND (commit_sha IS NULL OR commit_sha = $3) AND opened_at <= $4 AND ends_at > $4 \
             AND state = 'open' ORDER BY position DESC LIMIT 1",
        )
        .bind(signed(repository.0))
        .bind(environment.trim().to_lowercase())
        .bind(commit.as_str())
        .bind(asked_at)
        .fetch_optional(&self.readers)
        .await?;
        row.map(|row| read(&row.try_get::<String, _>(0)?)).transpose()
    }

    /// When our rule was asked about an environment of a run, in milliseconds; `None` where that was never seen.
    pub async fn asked_at(
        &self,
        repository: RepositoryId,
        run: RunId,
        environment: &str,
        deployment: Option<DeploymentId>,
    ) -> Result<Option<i64>, StoreError> {
        let deployment = deployment.map_or_else(|| "unknown".to_owned(), |id| id.to_string());
        let row = sqlx::query(
            "SELECT MIN(first_seen) FROM observations WHERE repository_id = $1 AND topic = $2 AND key = $3",
        )
        .bind(signed(repository.0))
        .bind(format!("run:{run}"))
        .bind(format!("asked:{environment}:{deployment}"))
        .fetch_one(&self.readers)
        .await?;
        Ok(row.try_get(0)?)
    }

    /// Puts a review on record, where the exception let through just what the reviewer was held against, and has none yet.
    pub async fn review_exception(&self, entry: Entry, seen: Vec<String>) -> Result<Reviewing, StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let EntryBody::ExceptionReviewed(review) = &entry.body else {
                        return Err(StoreError::Unreadable("no review".to_owned()));
                    };
                    let id = &review.exception;
                    if !is_open(connection, id).await? {
                        return Ok(Reviewing::ReviewedBefore);
                    }
                    let uses = sqlx::query("SELECT decision FROM exception_uses WHERE exception = $1")
                        .bind(id)
                        .fetch_all(&mut *connection)
                        .await?;
                    let uses: Result<Vec<String>, sqlx::Error> = uses.iter().map(|used| used.try_get(0)).collect();
                    if uses?.iter().any(|used| !seen.contains(used)) {
                        return Ok(Reviewing::LetThroughMore);
                    }
                    let position = record::append(connection, &entry).await?.0;
                    sqlx::query("UPDATE exceptions SET state = $1, reviewed = $2 WHERE id = $3")
                        .bind(if review.justified { "justified" } else { "unjustified" })
                        .bind(position)
                        .bind(id)
                        .execute(&mut *connection)
                        .await?;
                    Ok(Reviewing::Recorded)
                })
            })
            .await
    }

    /// The entry of an exception's review, where it has one.
    pub async fn exception_review(
        &self,
        repository: RepositoryId,
        exception: &str,
    ) -> Result<Option<StoredEntry>, StoreError> {
        let row = sqlx::query(
            "SELECT position FROM entries WHERE subject = $1 AND kind = 'exception_reviewed' ORDER BY position LIMIT 1",
        )
        .bind(format!("repository:{repository}/exception:{exception}"))
        .fetch_optional(&self.readers)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let position = u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0);
        Ok(self.ledger_entries(position, 1).await?.into_iter().next())
    }

    /// Exceptions whose review is overdue and was not reported yet.
    pub async fn owed(&self, now: i64) -> Result<Vec<Exception>, StoreError> {
        let rows = sqlx::query(
            "SELECT body FROM exceptions WHERE state = 'open' AND due_at <= $1 AND overdue = 0 ORDER BY position",
        )
        .bind(now)
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(|row| read(&row.try_get::<String, _>(0)?)).collect()
    }

    /// The ids of exceptions in a repository and environment whose review is overdue now.
    pub async fn overdue(
        &self,
        repository: RepositoryId,
        environment: &str,
        now: i64,
    ) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(
            "SELECT id FROM exceptions WHERE repository_id = $1 AND environment = $2 AND state = 'open' \
             AND due_at <= $3 ORDER BY position",
        )
        .bind(signed(repository.0))
        .bind(environment.trim().to_lowercase())
        .bind(now)
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Reports that a review is overdue, once; `false` where it was reported or reviewed meanwhile.
    pub async fn report_overdue(&self, entry: Entry) -> Result<bool, StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let EntryBody::ExceptionOverdue(ExceptionOverdue { exception, .. }) = &entry.body else {
                        return Err(StoreError::Unreadable("no overdue exception".to_owned()));
                    };
                    let updated = sqlx::query(
                        "UPDATE exceptions SET overdue = 1 WHERE id = $1 AND state = 'open' AND overdue = 0",
                    )
                    .bind(exception)
                    .execute(&mut *connection)
                    .await?;
                    if updated.rows_affected() == 0 {
                        return Ok(false);
                    }
                    record::append(connection, &entry).await?;
                    Ok(true)
                })
            })
            .await
    }

    /// An exception as it stands, by its id.
    pub async fn exception(&self, id: &str) -> Result<Option<ExceptionRow>, StoreError> {
        let sql = format!("{COLUMNS} WHERE id = $1");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).fetch_optional(&self.readers).await?;
        match row {
            Some(row) => Ok(Some(self.with_uses(&row).await?)),
            None => Ok(None),
        }
    }

    /// The newest exceptions before a place in the ledger (`None`: from the newest), newest first; with `owed` only those
    /// whose review is owed.
    pub async fn exceptions(
        &self,
        before: Option<i64>,
        limit: u32,
        owed: bool,
    ) -> Result<Vec<ExceptionRow>, StoreError> {
        let owed = if owed { "AND state = 'open'" } else { "" };
        let sql = format!("{COLUMNS} WHERE position < $1 {owed} ORDER BY position DESC LIMIT $2");
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(before.unwrap_or(i64::MAX)).bind(i64::from(limit));
        self.all_with_uses(query.fetch_all(&self.readers).await?).await
    }

    /// The exceptions whose review is owed, first due first: these do not grow old and vanish behind newer ones.
    pub async fn debts(&self, limit: u32) -> Result<Vec<ExceptionRow>, StoreError> {
        let sql = format!("{COLUMNS} WHERE state = 'open' ORDER BY due_at, position LIMIT $1");
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(i64::from(limit));
        self.all_with_uses(query.fetch_all(&self.readers).await?).await
    }

    /// How many reviews are owed.
    pub async fn debts_count(&self) -> Result<i64, StoreError> {
        let sql = "SELECT COUNT(*) FROM exceptions WHERE state = 'open'";
        Ok(sqlx::query(sql).fetch_one(&self.readers).await?.try_get(0)?)
    }

    /// The ids of all exceptions whose review is owed, first due first, and of the last ones that were reviewed.
    pub async fn to_show(&self, reviewed: u32) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT id FROM (SELECT id FROM exceptions WHERE state = 'open' ORDER BY due_at, position) UNION ALL \
                   SELECT id FROM (SELECT id FROM exceptions WHERE state <> 'open' \
                   ORDER BY COALESCE(reviewed, position) DESC LIMIT $1)";
        let rows = sqlx::query(sql).bind(i64::from(reviewed)).fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    async fn all_with_uses(&self, rows: Vec<SqliteRow>) -> Result<Vec<ExceptionRow>, StoreError> {
        let mut exceptions = Vec::with_capacity(rows.len());
        for row in rows {
            exceptions.push(self.with_uses(&row).await?);
        }
        Ok(exceptions)
    }

    async fn with_uses(&self, row: &SqliteRow) -> Result<ExceptionRow, StoreError> {
        let uses = sqlx::query("SELECT decision FROM exception_uses WHERE exception = $1 ORDER BY decision")
            .bind(row.try_get::<String, _>(3)?)
            .fetch_all(&self.readers)
            .await?;
        let let_through: Result<Vec<String>, sqlx::Error> = uses.iter().map(|used| used.try_get(0)).collect();
        Ok(ExceptionRow {
            exception: read(&row.try_get::<String, _>(0)?)?,
            state: row.try_get(1)?,
            overdue: row.try_get::<i64, _>(2)? != 0,
            let_through: let_through?,
            opened_at: row.try_get(4)?,
            due_at: row.try_get(5)?,
            position: row.try_get(6)?,
        })
    }
}

/// Whether an exception waits for its review still, asked where it is written.
pub(super) async fn is_open(connection: &mut SqliteConnection, id: &str) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM exceptions WHERE id = $1 AND state = 'open'").bind(id);
    Ok(row.fetch_optional(connection).await?.is_some())
}

/// Notes that a job asked for this one; `false` where it was given one before.
async fn give_to_job(
    connection: &mut SqliteConnection,
    exception: &Exception,
    (run, attempt): (RunId, RunAttempt),
) -> Result<bool, StoreError> {
    let given = sqlx::query(
        "INSERT INTO exceptions_of_jobs (repository_id, run, attempt, environment, commit_sha, exception) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
    )
    .bind(signed(exception.repository.id.0))
    .bind(signed(run.0))
    .bind(signed(attempt.0))
    .bind(exception.environment.trim().to_lowercase())
    .bind(exception.commit.as_ref().map_or("", CommitSha::as_str))
    .bind(&exception.id)
    .execute(connection)
    .await?;
    Ok(given.rows_affected() == 1)
}

async fn take_from_job(connection: &mut SqliteConnection, exception: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM exceptions_of_jobs WHERE exception = $1").bind(exception).execute(connection).await?;
    Ok(())
}

/// How many reviews the opener of an exception owes in its repository.
async fn owed_by_opener(connection: &mut SqliteConnection, exception: &Exception) -> Result<i64, StoreError> {
    let sql = "SELECT COUNT(*) FROM exceptions WHERE repository_id = $1 AND opened_by = $2 AND state = 'open'";
    let owed = sqlx::query(sql).bind(signed(exception.repository.id.0)).bind(signed(exception.opened_by.id.0));
    Ok(owed.fetch_one(connection).await?.try_get(0)?)
}

fn read(body: &str) -> Result<Exception, StoreError> {
    serde_json::from_str(body).map_err(|error| StoreError::Unreadable(error.to_string()))
}
