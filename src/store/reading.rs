//! What people and programs read: decisions, changes, deployments.
//!
//! Invariant: reading changes nothing and waits for no writer.

use super::observations::signed;
use super::{Store, StoreError, entries};
use countersign_core::domain::{ChangeVerdict, Decision, Entry, EntryBody, Outcome, RepositoryId, RunId, Subject};
use serde::Serialize;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A line in a list of decisions.
#[derive(Debug, Clone, Serialize)]
pub struct DecisionRow {
    /// The decision's id.
    pub id: String,
    /// Its place in the ledger, from 0.
    pub position: i64,
    /// What was asked.
    pub subject: String,
    /// `pull_request`, `landed` or `deployment`.
    pub kind: String,
    /// The pull request, of a pull request.
    pub number: Option<i64>,
    /// The run, of a deployment.
    pub run: Option<i64>,
    /// The attempt, of a deployment.
    pub attempt: Option<i64>,
    /// The environment, of a deployment.
    pub environment: Option<String>,
    /// The head or target commit.
    pub commit: String,
    /// The outcome.
    pub outcome: String,
    /// When, RFC 3339.
    pub decided_at: String,
}

/// The latest verdict on a change.
#[derive(Debug, Clone, Serialize)]
pub struct ChangeRow {
    /// `owner/name` when it was judged.
    pub repository: String,
    /// The decision it is part of.
    pub decision: String,
    /// When, RFC 3339.
    pub decided_at: String,
    /// The verdict itself.
    #[serde(flatten)]
    pub verdict: ChangeVerdict,
}

/// Where a change stands in the list of those judged last; spelled `time/repository/change`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangePlace {
    decided_at: String,
    repository: i64,
    change: String,
}

impl fmt::Display for ChangePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.decided_at, self.repository, self.change)
    }
}

impl FromStr for ChangePlace {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(3, '/');
        let (Some(decided_at), Some(repository), Some(change)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(());
        };
        let repository = repository.parse().map_err(|_| ())?;
        Ok(Self { decided_at: decided_at.to_owned(), repository, change: change.to_owned() })
    }
}

const COLUMNS: &str = "SELECT id, position, subject, kind, number, run, attempt, environment, commit_sha, outcome, decided_at FROM decisions";

impl Store {
    /// The entry of a decision, with its place in the ledger.
    pub async fn decision(&self, id: &str) -> Result<Option<(u64, Entry)>, StoreError> {
        let Some(row) =
            sqlx::query("SELECT position FROM decisions WHERE id = $1").bind(id).fetch_optional(&self.readers).await?
        else {
            return Ok(None);
        };
        let position = u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0);
        let mut connection = self.readers.acquire().await?;
        let entries = entries::read_range(&mut connection, position, 1).await?;
        let Some(entry) = entries.into_iter().next() else { return Ok(None) };
        let entry = serde_json::from_slice(&entry.body).map_err(|error| StoreError::Unreadable(error.to_string()))?;
        Ok(Some((position, entry)))
    }

    /// The latest decisions on a subject, newest first.
    pub async fn decided_on(&self, subject: &str, limit: u32) -> Result<Vec<EntryBody>, StoreError> {
        let rows = sqlx::query("SELECT position FROM decisions WHERE subject = $1 ORDER BY position DESC LIMIT $2")
            .bind(subject)
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?;
        self.bodies(rows).await
    }

    /// The latest decisions about deployments of a run, newest first.
    pub async fn deployments_of(
        &self,
        repository: RepositoryId,
        run: RunId,
        limit: u32,
    ) -> Result<Vec<EntryBody>, StoreError> {
        let rows = sqlx::query(
            "SELECT position FROM decisions WHERE repository_id = $1 AND run = $2 AND kind = 'deployment' \
             ORDER BY position DESC LIMIT $3",
        )
        .bind(signed(repository.0))
        .bind(signed(run.0))
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        self.bodies(rows).await
    }

    async fn bodies(&self, rows: Vec<SqliteRow>) -> Result<Vec<EntryBody>, StoreError> {
        let mut connection = self.readers.acquire().await?;
        let mut bodies = Vec::with_capacity(rows.len());
        for row in rows {
            let position = u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0);
            for stored in entries::read_range(&mut connection, position, 1).await? {
                let entry: Entry =
                    serde_json::from_slice(&stored.body).map_err(|error| StoreError::Unreadable(error.to_string()))?;
                bodies.push(entry.body);
            }
        }
        Ok(bodies)
    }

    /// The newest decisions before a place in the ledger (`None`: from the newest), newest first.
    pub async fn decisions(&self, before: Option<i64>, limit: u32) -> Result<Vec<DecisionRow>, StoreError> {
        let sql = format!("{COLUMNS} WHERE position < $1 ORDER BY position DESC LIMIT $2");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(before.unwrap_or(i64::MAX))
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(decision_row).collect()
    }

    /// How many decisions are on record.
    pub async fn decisions_count(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query("SELECT COUNT(*) FROM decisions").fetch_one(&self.readers).await?.try_get(0)?)
    }

    /// The decisions about one run, newest first.
    pub async fn decisions_of_run(&self, run: RunId) -> Result<Vec<DecisionRow>, StoreError> {
        let sql = format!("{COLUMNS} WHERE run = $1 ORDER BY position DESC");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(signed(run.0)).fetch_all(&self.readers).await?;
        rows.iter().map(decision_row).collect()
    }

    /// The newest decisions about deployments before a place in the ledger (`None`: from the newest), newest first.
    pub async fn deployments(&self, before: Option<i64>, limit: u32) -> Result<Vec<DecisionRow>, StoreError> {
        let sql = format!("{COLUMNS} WHERE kind = 'deployment' AND position < $1 ORDER BY position DESC LIMIT $2");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(before.unwrap_or(i64::MAX))
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(decision_row).collect()
    }

    /// What was said last of each attempt to deploy, newest first.
    pub async fn attempts(&self, limit: u32) -> Result<Vec<DecisionRow>, StoreError> {
        let sql = format!(
            "{COLUMNS} AS this WHERE kind = 'deployment' AND NOT EXISTS (SELECT 1 FROM decisions AS later \
             WHERE later.subject = this.subject AND later.position > this.position) ORDER BY position DESC LIMIT $1"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(i64::from(limit)).fetch_all(&self.readers).await?;
        rows.iter().map(decision_row).collect()
    }

    /// Per repository and environment the decision that allowed what runs there now; those that changed last come first.
    pub async fn running(&self, limit: u32) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query("SELECT decision FROM running ORDER BY ended_at DESC, position DESC LIMIT $1")
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// The positions of the newest decisions on a subject, oldest first.
    pub async fn positions_of(&self, subject: &str, limit: u32) -> Result<Vec<u64>, StoreError> {
        let sql = "SELECT position FROM (SELECT position FROM decisions WHERE subject = $1 ORDER BY position DESC LIMIT $2) \
                   ORDER BY position";
        let rows = sqlx::query(sql).bind(subject).bind(i64::from(limit)).fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok(u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0))).collect()
    }

    /// The positions of the first decisions on deployments of a repository from a place in the ledger on.
    pub async fn deployments_from(&self, of: RepositoryId, from: u64, limit: u32) -> Result<Vec<u64>, StoreError> {
        let sql = "SELECT position FROM decisions WHERE repository_id = $1 AND kind = 'deployment' AND position >= $2 \
                   ORDER BY position LIMIT $3";
        let rows = sqlx::query(sql).bind(signed(of.0)).bind(signed(from)).bind(i64::from(limit));
        let rows = rows.fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok(u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0))).collect()
    }

    /// The position of the entry by which the deployment ended that this decision was made for.
    pub async fn end_of(&self, decision: &Decision) -> Result<Option<u64>, StoreError> {
        let Subject::Deployment(deployment) = &decision.facts.subject else { return Ok(None) };
        let Some(run) = &deployment.run else { return Ok(None) };
        let row = sqlx::query(
            "SELECT position FROM finished_deployments WHERE repository_id = $1 AND environment = $2 AND run = $3 \
             AND attempt = $4 AND decision = $5 ORDER BY position DESC LIMIT 1",
        )
        .bind(signed(decision.facts.repository.id.0))
        .bind(&deployment.environment)
        .bind(signed(run.id.0))
        .bind(signed(run.this.number.0))
        .bind(&decision.id)
        .fetch_optional(&self.readers)
        .await?;
        row.map(|row| Ok(u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0))).transpose()
    }

    /// The latest verdict on a change, by pull request number or by commit.
    pub async fn change(&self, full_name: &str, change: &str) -> Result<Option<ChangeRow>, StoreError> {
        let row = sqlx::query(
            // Two searches: SQLite uses no index for one with OR.
            "SELECT full_name, decision, decided_at, verdict FROM ( \
             SELECT * FROM changes WHERE LOWER(full_name) = LOWER($1) AND change = $2 UNION ALL \
             SELECT * FROM changes WHERE LOWER(full_name) = LOWER($1) AND commit_sha = $2) \
             ORDER BY decided_at DESC LIMIT 1",
        )
        .bind(full_name)
        .bind(change)
        .fetch_optional(&self.readers)
        .await?;
        row.as_ref().map(change_row).transpose()
    }

    /// The changes judged last before a place in this list (`None`: from the newest), newest first, each with its place.
    pub async fn changes(
        &self,
        before: Option<ChangePlace>,
        limit: u32,
    ) -> Result<Vec<(ChangePlace, ChangeRow)>, StoreError> {
        let (bound, place) = match before {
            Some(place) => ("WHERE (decided_at, repository_id, change) < ($2, $3, $4)", place),
            None => ("", ChangePlace::default()),
        };
        let sql = format!(
            "SELECT full_name, decision, decided_at, verdict, repository_id, change FROM changes {bound} \
             ORDER BY decided_at DESC, repository_id DESC, change DESC LIMIT $1"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(i64::from(limit))
            .bind(place.decided_at)
            .bind(place.repository)
            .bind(place.change)
            .fetch_all(&self.readers)
            .await?;
        let place = |row: &SqliteRow| -> Result<ChangePlace, StoreError> {
            Ok(ChangePlace { decided_at: row.try_get(2)?, repository: row.try_get(4)?, change: row.try_get(5)? })
        };
        rows.iter().map(|row| Ok((place(row)?, change_row(row)?))).collect()
    }

    /// The changes of one outcome that were judged last, newest first.
    pub async fn changes_of(&self, outcome: Outcome, limit: u32) -> Result<Vec<ChangeRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT full_name, decision, decided_at, verdict FROM changes WHERE outcome = $1 \
             ORDER BY decided_at DESC, change LIMIT $2",
        )
        .bind(outcome.to_string())
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(change_row).collect()
    }

    /// The repositories that bore this name when a change of theirs was judged.
    pub async fn repositories_named(&self, full_name: &str) -> Result<Vec<RepositoryId>, StoreError> {
        let rows = sqlx::query("SELECT DISTINCT repository_id FROM changes WHERE LOWER(full_name) = LOWER($1)")
            .bind(full_name.to_owned())
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(|row| Ok(RepositoryId(u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0)))).collect()
    }

    /// How many changes there are of each outcome.
    pub async fn change_counts(&self) -> Result<BTreeMap<String, i64>, StoreError> {
        let rows =
            sqlx::query("SELECT outcome, COUNT(*) FROM changes GROUP BY outcome").fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }
}

fn decision_row(row: &SqliteRow) -> Result<DecisionRow, StoreError> {
    Ok(DecisionRow {
        id: row.try_get(0)?,
        position: row.try_get(1)?,
        subject: row.try_get(2)?,
        kind: row.try_get(3)?,
        number: row.try_get(4)?,
        run: row.try_get(5)?,
        attempt: row.try_get(6)?,
        environment: row.try_get(7)?,
        commit: row.try_get(8)?,
        outcome: row.try_get(9)?,
        decided_at: row.try_get(10)?,
    })
}

fn change_row(row: &SqliteRow) -> Result<ChangeRow, StoreError> {
    let verdict: String = row.try_get(3)?;
    Ok(ChangeRow {
        repository: row.try_get(0)?,
        decision: row.try_get(1)?,
        decided_at: row.try_get(2)?,
        verdict: serde_json::from_str(&verdict).map_err(|error| StoreError::Unreadable(error.to_string()))?,
    })
}
