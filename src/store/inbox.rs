//! The durable inbox: a delivery's row is the work it asks for.
//!
//! Invariant: accepted means kept. A row leaves the inbox only once what it led to is recorded; where its leaving is lost
//! with the machine, it is worked on again, which changes nothing. Rows of one subject are claimed together and answered by
//! one evaluation.

use super::{Store, StoreError, installations, watched};
use crate::store::observations::{self, Seen};
use countersign_core::domain::{Entry, PullRequestNumber};
use sqlx::{QueryBuilder, Row, SqliteConnection};

/// The event of rows that no delivery brought.
pub const SWEPT: &str = "sweep";

/// The event by which a deployment protection rule asks.
pub const RULE_ASKS: &str = "deployment_protection_rule";

/// One webhook as GitHub sent it.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// GitHub's GUID; the same when it is delivered again.
    pub id: String,
    /// The event's name.
    pub event: String,
    /// The body, byte for byte.
    pub body: Vec<u8>,
    /// When it came, in milliseconds since 1970.
    pub received_at: i64,
}

/// That a delivery came.
#[derive(Debug, Clone)]
pub struct Came {
    /// GitHub's GUID.
    pub delivery: String,
    /// When it came, in milliseconds since 1970.
    pub at: i64,
}

/// A delivery that nobody has read yet.
#[derive(Debug)]
pub struct UnreadDelivery {
    /// The row.
    pub row: i64,
    /// GitHub's GUID.
    pub id: String,
    /// The event's name.
    pub event: String,
    /// The body.
    pub body: Vec<u8>,
}

/// Makes a pull request of the delivery's repository into a subject.
pub type OfPullRequest = Box<dyn Fn(PullRequestNumber) -> Option<SubjectRow> + Send + Sync>;

/// What a delivery was read to say: what to look at again, and what only it knows.
#[derive(Default)]
pub struct Read {
    /// What to look at: the subject's key, its class (lower goes first) and what the worker needs to look at it.
    pub subject: Option<SubjectRow>,
    /// What to keep.
    pub seen: Vec<Seen>,
    /// How pull requests are looked at again that hang on what is kept; `None` where none does.
    pub of_pull_request: Option<OfPullRequest>,
    /// What became of an installation, for the record.
    pub changed: Option<Entry>,
}

/// A subject as the inbox keeps it.
#[derive(Debug, Clone)]
pub struct SubjectRow {
    /// Rows with the same key are one piece of work.
    pub key: String,
    /// Runs 0, pull requests and merge groups 1, all else and what the sweep asks for 2.
    pub class: u8,
    /// What the worker needs to look at it, as JSON.
    pub detail: String,
    /// Not to be looked at before, in milliseconds since 1970.
    pub due_at: i64,
}

/// All waiting rows of one subject, claimed.
#[derive(Debug)]
pub struct ClaimedWork {
    /// The subject's key.
    pub subject: String,
    /// What to look at, as JSON; of the newest row.
    pub detail: String,
    /// The rows it answers.
    pub rows: Vec<i64>,
    /// How often it was tried before.
    pub attempts: u32,
    /// GUIDs of its deliveries, for the log.
    pub deliveries: Vec<String>,
}

impl Store {
    /// Keeps a delivery. Once this returns, it survives a crash. A duplicate of an unfinished row wakes that row, of a
    /// finished one changes nothing.
    pub async fn accept(&self, delivery: Delivery) -> Result<(), StoreError> {
        self.writer.accept(delivery).await?;
        self.wake.notify_one();
        Ok(())
    }

    /// Those of some deliveries that never came: GUIDs that no row of the inbox bears.
    pub async fn never_came(&self, ids: &[String]) -> Result<Vec<String>, StoreError> {
        let mut missing = Vec::new();
        for id in ids {
            let known = sqlx::query("SELECT 1 FROM inbox WHERE delivery = $1").bind(id).fetch_optional(&self.readers);
            if known.await?.is_none() {
                missing.push(id.clone());
            }
        }
        Ok(missing)
    }

    /// The delivery of a row, and when it came.
    pub async fn came(&self, row: u64) -> Result<Option<Came>, StoreError> {
        let found = sqlx::query("SELECT delivery, received_at FROM inbox WHERE id = $1")
            .bind(observations::signed(row))
            .fetch_optional(&self.readers)
            .await?;
        found.map(|row| Ok(Came { delivery: row.try_get(0)?, at: row.try_get(1)? })).transpose()
    }

    /// Deliveries nobody has read yet, oldest first.
    pub async fn unread(&self, limit: u32) -> Result<Vec<UnreadDelivery>, StoreError> {
        let rows = sqlx::query("SELECT id, delivery, event, body FROM inbox WHERE state = 0 ORDER BY id LIMIT $1")
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?;
        rows.into_iter()
            .map(|row| {
                Ok(UnreadDelivery {
                    row: row.try_get(0)?,
                    id: row.try_get(1)?,
                    event: row.try_get(2)?,
                    body: row.try_get(3)?,
                })
            })
            .collect()
    }

    /// Notes what deliveries were read to say (those that name no subject are finished), then claims every waiting row of the
    /// first subjects that are due and not being looked at already: at most so many subjects.
    pub async fn sort_and_claim(
        &self,
        read: Vec<(i64, Read)>,
        most: usize,
        now: i64,
    ) -> Result<Vec<ClaimedWork>, StoreError> {
        if read.is_empty() && most == 0 {
            return Ok(Vec::new());
        }
        // What is lost of it is read again from the deliveries, but for what goes on record: nobody may see that too early.
        let goes_on_record = read.iter().any(|(_, read)| read.changed.is_some());
        if goes_on_record {
            self.writer.write(move |connection| Box::pin(sort_and_claim(connection, read, most, now))).await
        } else {
            self.writer.write_soon(move |connection| Box::pin(sort_and_claim(connection, read, most, now))).await
        }
    }

    /// When the next waiting row that is not due yet becomes due; `None` if there is none.
    pub async fn next_due(&self, now: i64) -> Result<Option<i64>, StoreError> {
        let row = sqlx::query("SELECT MIN(due_at) FROM inbox WHERE state = 1 AND due_at > $1")
            .bind(now)
            .fetch_one(&self.readers)
            .await?;
        Ok(row.try_get(0)?)
    }

    /// Closes rows that need nothing more.
    pub async fn finish(&self, rows: Vec<i64>) -> Result<(), StoreError> {
        self.writer.write_soon(move |connection| Box::pin(async move { finish(connection, &rows).await })).await
    }

    /// Puts rows back, to be looked at again no earlier than `due_at`.
    pub async fn postpone(&self, rows: Vec<i64>, due_at: i64) -> Result<(), StoreError> {
        self.writer
            .write_soon(move |connection| {
                Box::pin(async move {
                    for row in rows {
                        sqlx::query(
                            "UPDATE inbox SET state = 1, attempts = attempts + 1, due_at = $1 WHERE id = $2 AND state = 2",
                        )
                        .bind(due_at)
                        .bind(row)
                        .execute(&mut *connection)
                        .await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Lets a subject rest: its waiting rows are not looked at before `due_at`, but for a rule that asks.
    pub async fn pace(&self, subject: String, due_at: i64) -> Result<(), StoreError> {
        self.writer
            .write_soon(move |connection| {
                Box::pin(async move {
                    let rest =
                        "UPDATE inbox SET due_at = $1 WHERE subject = $2 AND state = 1 AND due_at < $1 AND event <> $3";
                    sqlx::query(rest).bind(due_at).bind(subject).bind(RULE_ASKS).execute(&mut *connection).await?;
                    Ok(())
                })
            })
            .await
    }

    /// How many deliveries are not finished.
    pub async fn unfinished(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query("SELECT COUNT(*) FROM inbox WHERE state < 3").fetch_one(&self.readers).await?.try_get(0)?)
    }
}

async fn sort(connection: &mut SqliteConnection, read: Vec<(i64, Read)>, now: i64) -> Result<(), StoreError> {
    for (row, read) in read {
        for Seen { repository, observation } in observations::keep(connection, &read.seen, now).await? {
            let Some(of_pull_request) = &read.of_pull_request else { continue };
            let topic = observation.topic();
            for number in watched::watchers(connection, *repository, &topic).await? {
                let Some(subject) = of_pull_request(number) else { continue };
                let once = format!("{topic}/{}/{}", observation.key(), subject.key);
                look_again(connection, once, subject, now).await?;
            }
        }
        if let Some(changed) = &read.changed {
            installations::note(connection, changed).await?;
        }
        match read.subject {
            Some(subject) => {
                sqlx::query(
                    "UPDATE inbox SET state = 1, subject = $1, class = $2, detail = $3, due_at = $4 \
                     WHERE id = $5 AND state = 0",
                )
                .bind(subject.key)
                .bind(i64::from(subject.class))
                .bind(subject.detail)
                .bind(subject.due_at)
                .bind(row)
                .execute(&mut *connection)
                .await?;
            }
            None => finish(connection, &[row]).await?,
        }
    }
    Ok(())
}

async fn sort_and_claim(
    connection: &mut SqliteConnection,
    read: Vec<(i64, Read)>,
    most: usize,
    now: i64,
) -> Result<Vec<ClaimedWork>, StoreError> {
    sort(connection, read, now).await?;
    let mut claimed = Vec::new();
    while claimed.len() < most
        && let Some(work) = claim(connection, now).await?
    {
        claimed.push(work);
    }
    Ok(claimed)
}

async fn claim(connection: &mut SqliteConnection, now: i64) -> Result<Option<ClaimedWork>, StoreError> {
    let Some(first) = sqlx::query(
        // `+ 0`: in the order of the work, up to the first that is due, not all that is due sorted anew.
        "SELECT subject FROM inbox AS waiting WHERE state = 1 AND due_at + 0 <= $1 AND NOT EXISTS \
         (SELECT 1 FROM inbox AS claimed WHERE claimed.subject = waiting.subject AND claimed.state = 2) \
         ORDER BY class, id LIMIT 1",
    )
    .bind(now)
    .fetch_optional(&mut *connection)
    .await?
    else {
        return Ok(None);
    };
    let subject: String = first.try_get(0)?;
    let rows = sqlx::query(
        "UPDATE inbox SET state = 2 WHERE subject = $1 AND state = 1 \
         RETURNING id, detail, attempts, delivery",
    )
    .bind(&subject)
    .fetch_all(&mut *connection)
    .await?;
    let mut work = ClaimedWork {
        subject,
        detail: String::new(),
        rows: Vec::with_capacity(rows.len()),
        attempts: 0,
        deliveries: Vec::with_capacity(rows.len()),
    };
    let mut newest = i64::MIN;
    for row in rows {
        let id: i64 = row.try_get(0)?;
        if id > newest {
            newest = id;
            work.detail = row.try_get(1)?;
        }
        work.attempts = work.attempts.max(u32::try_from(row.try_get::<i64, _>(2)?).unwrap_or(u32::MAX));
        work.rows.push(id);
        work.deliveries.push(row.try_get(3)?);
    }
    Ok(Some(work))
}

/// Puts a subject into the inbox that no delivery names. `once` tells it from every other time.
async fn look_again(
    connection: &mut SqliteConnection,
    once: String,
    subject: SubjectRow,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO inbox (delivery, event, body, received_at, state, subject, class, detail, due_at) \
         VALUES ($1, $2, x'', $3, 1, $4, $5, $6, $7) ON CONFLICT (delivery) DO NOTHING",
    )
    .bind(once)
    .bind(SWEPT)
    .bind(now)
    .bind(subject.key)
    .bind(i64::from(subject.class))
    .bind(subject.detail)
    .bind(subject.due_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Closes rows within a larger unit. The body goes, the delivery's id stays: a duplicate must still be known. What the
/// sweep put there goes whole: it is put there again under the same id.
pub(super) async fn finish(connection: &mut SqliteConnection, rows: &[i64]) -> Result<(), StoreError> {
    for row in rows {
        let swept = sqlx::query("DELETE FROM inbox WHERE id = $1 AND event = $2")
            .bind(row)
            .bind(SWEPT)
            .execute(&mut *connection)
            .await?;
        if swept.rows_affected() > 0 {
            continue;
        }
        sqlx::query("UPDATE inbox SET state = 3, body = x'', detail = NULL WHERE id = $1")
            .bind(row)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Inserts many as one statement.
pub(super) async fn insert(connection: &mut SqliteConnection, mut rows: Vec<Delivery>) -> Result<(), StoreError> {
    let mut seen = std::collections::BTreeSet::new();
    rows.retain(|row| seen.insert(row.id.clone()));
    let mut insert = QueryBuilder::new("INSERT INTO inbox (delivery, event, body, received_at) ");
    insert.push_values(rows, |mut row, delivery| {
        row.push_bind(delivery.id).push_bind(delivery.event).push_bind(delivery.body).push_bind(delivery.received_at);
    });
    insert.push(" ON CONFLICT (delivery) DO UPDATE SET due_at = 0 WHERE inbox.state < 3");
    insert.build().execute(&mut *connection).await?;
    Ok(())
}
