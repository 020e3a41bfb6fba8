//! The one writer: units of work queue up, and each commit carries all that waited.
//!
//! Invariant: nobody is answered before the transaction that holds their unit is on disk. A unit that fails is rolled
//! back to its own savepoint and takes nobody with it; a commit that fails fails everyone in it.

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
        self.queue.send(Waiting::Unit(unit)).await.map_err(|_| StoreError::Stopped)?;
        answered.await.map_err(|_| StoreError::Stopped)?
    }
}

async fn run(mut connection: SqliteConnection, mut waiting: mpsc::Receiver<Waiting>) {
    let mut gathered = Vec::with_capacity(GATHERED);
    while waiting.recv_many(&mut gathered, GATHERED).await > 0 {
        transact(&mut connection, &mut gathered).await;
    }
}

async fn transact(connection: &mut SqliteConnection, gathered: &mut Vec<Waiting>) {
    let mut answers: Vec<Answer> = Vec::with_capacity(gathered.len());
    let begun = sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await.map(drop);
    if let Err(error) = begun {
        tracing::error!(%error, "a transaction could not begin");
        // Dropping the senders tells everyone; the next round tries again.
        gathered.clear();
        return;
    }
    let mut deliveries = Vec::new();
    for unit in gathered.drain(..) {
        match unit {
            Waiting::Delivery(delivery, answer) => deliveries.push((delivery, answer)),
            Waiting::Unit(unit) => answers.push(apart(connection, unit).await),
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
    let committed = sqlx::query("COMMIT").execute(&mut *connection).await;
    if let Err(error) = &committed {
        tracing::error!(%error, "a transaction could not be committed");
        let _ = sqlx::query("ROLLBACK").execute(&mut *connection).await;
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
