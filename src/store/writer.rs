//! The one writer: units of work queue up, and each commit carries all that waited.
//!
//! Invariant: nobody is answered before the transaction that holds their unit is on disk, but for work that is done again
//! where it is lost ([`Writer::write_soon`]): that survives a crash of the program at once, and one of the machine with the
//! next commit. A unit that fails is rolled back to its own savepoint and takes nobody with it; a commit that fails fails
//! everyone in it.

use super::StoreError;
use super::inbox::{self, Delivery};
use sqlx::SqliteConnection;
use std::future::Future;
use std::pin::Pin;
use tokio::sync::{mpsc, oneshot};

const GATHERED: usize = 64;

type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
type UnitFuture<'c, T> = Pin<Box<dyn Future<Output = T> + Send + 'c>>;
type Unit = Box<dyn for<'c> FnOnce(&'c mut SqliteConnection) -> UnitFuture<'c, (bool, Answer)> + Send>;

enum Waiting {
    Delivery(Delivery, oneshot::Sender<Result<(), StoreError>>),
    Unit(Unit),
    /// One that is done again where it is lost.
    Soon(Unit),
}

/// What a commit waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// The disk.
    OnDisk,
    /// The operating system.
    Handed,
}

/// A handle on the writer; cheap to clone.
#[derive(Clone)]
pub(super) struct Writer {
    queue: mpsc::Sender<Waiting>,
}

impl Writer {
    pub(super) fn start(connection: SqliteConnection) -> Self {
        let (queue, waiting) = mpsc::channel(4096);
        tokio::spawn(run(connection, waiting));
        Self { queue }
    }

    /// Keeps a delivery. Deliveries that wait together become one statement.
    pub(super) async fn accept(&self, delivery: Delivery) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        self.queue.send(Waiting::Delivery(delivery, answer)).await.map_err(|_| StoreError::Stopped)?;
        answered.await.map_err(|_| StoreError::Stopped)?
    }

    /// Runs one unit of work and answers once it is on disk.
    pub(super) async fn write<T, F>(&self, unit: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> UnitFuture<'c, Result<T, StoreError>> + Send + 'static,
    {
        self.queued(unit, Waiting::Unit).await
    }

    /// Runs one unit of work that is done again where it is lost, and answers before it is on disk. Whatever is written after
    /// it is never on disk without it.
    pub(super) async fn write_soon<T, F>(&self, unit: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> UnitFuture<'c, Result<T, StoreError>> + Send + 'static,
    {
        self.queued(unit, Waiting::Soon).await
    }

    async fn queued<T, F>(&self, unit: F, waiting: fn(Unit) -> Waiting) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> UnitFuture<'c, Result<T, StoreError>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let unit: Unit = Box::new(move |connection| {
            Box::pin(async move {
                let result = unit(connection).await;
                let keep = result.is_ok();
                let answer: Answer = Box::new(move |committed| {
                    // Nobody may be waiting any more; the work stands all the same.
                    let _ = answer.send(committed.and(result));
                });
                (keep, answer)
            })
        });
        self.queue.send(waiting(unit)).await.map_err(|_| StoreError::Stopped)?;
        answered.await.map_err(|_| StoreError::Stopped)?
    }
}

async fn run(mut connection: SqliteConnection, mut waiting: mpsc::Receiver<Waiting>) {
    let mut gathered = Vec::with_capacity(GATHERED);
    // As the connection was opened; unknown after something failed.
    let mut waits = Some(Until::OnDisk);
    while waiting.recv_many(&mut gathered, GATHERED).await > 0 {
        let soon = gathered.iter().all(|unit| matches!(unit, Waiting::Soon(_)));
        let wanted = if soon { Until::Handed } else { Until::OnDisk };
        match begin(&mut connection, (waits != Some(wanted)).then_some(wanted)).await {
            Ok(()) => {
                waits = Some(wanted);
                transact(&mut connection, &mut gathered).await;
            }
            Err(error) => {
                tracing::error!(%error, "a transaction could not begin");
                waits = None;
                // Dropping the senders tells everyone; the next round tries again.
                gathered.clear();
            }
        }
    }
}

/// Begins a transaction; where something else is to be waited for than before, that is said first. Nobody may be answered
/// early: as long as the database cannot be told to wait, nothing is written.
async fn begin(connection: &mut SqliteConnection, until: Option<Until>) -> Result<(), sqlx::Error> {
    let text = match until {
        Some(Until::OnDisk) => "PRAGMA synchronous = FULL; BEGIN IMMEDIATE",
        Some(Until::Handed) => "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE",
        None => "BEGIN IMMEDIATE",
    };
    sqlx::raw_sql(text).execute(connection).await.map(drop)
}

async fn transact(connection: &mut SqliteConnection, gathered: &mut Vec<Waiting>) {
    let alone = gathered.len() == 1;
    let mut answers: Vec<Answer> = Vec::with_capacity(gathered.len());
    let mut keep = true;
    let mut deliveries = Vec::new();
    for unit in gathered.drain(..) {
        match unit {
            Waiting::Delivery(delivery, answer) => deliveries.push((delivery, answer)),
            Waiting::Unit(unit) | Waiting::Soon(unit) if alone => {
                let answer;
                (keep, answer) = unit(connection).await;
                answers.push(answer);
            }
            Waiting::Unit(unit) | Waiting::Soon(unit) => answers.push(apart(connection, unit).await),
        }
    }
    if !deliveries.is_empty() {
        let (rows, senders): (Vec<_>, Vec<_>) = deliveries.into_iter().unzip();
        let kept = inbox::insert(connection, rows).await;
        for sender in senders {
            let kept = kept.as_ref().copied().map_err(|error| StoreError::Refused(error.to_string()));
            answers.push(Box::new(move |committed| {
                let _ = sender.send(committed.and(kept));
            }));
        }
    }
    let ended = if keep { "COMMIT" } else { "ROLLBACK" };
    let committed = sqlx::raw_sql(ended).execute(&mut *connection).await;
    if let Err(error) = &committed {
        tracing::error!(%error, ended, "a transaction could not be ended");
        let _ = sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await;
    }
    for answer in answers {
        answer(match &committed {
            Ok(_) => Ok(()),
            Err(error) => Err(StoreError::Refused(error.to_string())),
        });
    }
}

async fn apart(connection: &mut SqliteConnection, unit: Unit) -> Answer {
    if let Err(error) = sqlx::query("SAVEPOINT unit").execute(&mut *connection).await {
        return Box::new(move |_| tracing::error!(%error, "a savepoint could not be set"));
    }
    let (keep, answer) = unit(connection).await;
    if !keep && let Err(error) = sqlx::query("ROLLBACK TO unit").execute(&mut *connection).await {
        return Box::new(move |_| answer(Err(StoreError::Database(error))));
    }
    match sqlx::query("RELEASE unit").execute(&mut *connection).await {
        Ok(_) => answer,
        Err(error) => Box::new(move |_| answer(Err(StoreError::Database(error)))),
    }
}
