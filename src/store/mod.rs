//! The store: everything that must survive a crash, in one database.
//!
//! Invariant: its methods are whole units of work; no pool, transaction, row or SQL leaves this room. One writer
//! gathers what waits (up to 64 units) into one transaction, so that durability costs one `fsync` for all of them.
//!
//! The way a delivery takes: [`inbox`] keeps it, [`observations`] keeps what only it knows, [`record`] puts the
//! decision into the ledger ([`entries`]), and [`inbox`] closes the rows it answers.

pub mod alerts;
pub mod alive;
pub mod backfill;
pub mod deployments;
pub mod entries;
pub mod exceptions;
pub mod extract;
pub mod grants;
pub mod inbox;
pub mod installations;
pub mod kept;
pub mod keys;
pub mod ledger;
pub mod listed;
pub mod missed;
pub mod observations;
pub mod pins;
pub mod reading;
pub mod record;
pub mod signing;
mod watched;
mod writer;

pub use inbox::{ClaimedWork, Delivery, UnreadDelivery};
pub use record::{PublicationTarget, Recorded, Recording};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, SqliteConnection, SqlitePool};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use writer::Writer;

/// What can go wrong in the store. None of it is ever read as "nothing there".
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused or is gone.
    #[error("the database did not answer: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("the database could not be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A transaction was refused, and with it all that waited in it.
    #[error("the database refused the transaction: {0}")]
    Refused(String),
    /// The writer has stopped; the service is going down.
    #[error("the writer has stopped")]
    Stopped,
    /// The ledger refused.
    #[error(transparent)]
    Ledger(#[from] entries::EntriesError),
    /// The exception that a decision rests on was reviewed before the decision was on record: it is to be made again.
    #[error("the exception was reviewed meanwhile")]
    ReviewedMeanwhile,
    /// Something on record cannot be read back.
    #[error("a record cannot be read back: {0}")]
    Unreadable(String),
}

/// What a trial is ended with.
const TAKEN_BACK: &str = "taken back";

/// Tells workers that there may be work.
pub type Wake = Arc<Notify>;

/// The database, open.
#[derive(Clone)]
pub struct Store {
    writer: Writer,
    readers: SqlitePool,
    wake: Wake,
}

impl Store {
    /// Opens (and creates, and brings up to date) the database at `url` (`sqlite://path`), for the service that owns it.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let options = options(url)?.create_if_missing(true);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        sqlx::migrate!("migrations/sqlite").run(&mut connection).await?;
        // One process owns the database: what it had claimed when it died is waiting again.
        sqlx::query("UPDATE inbox SET state = 1 WHERE state = 2").execute(&mut connection).await?;
        Self::with(connection, options).await
    }

    /// Joins a database that a service may be working with, to read it.
    pub async fn attach(url: &str) -> Result<Self, StoreError> {
        let options = options(url)?;
        let connection = SqliteConnection::connect_with(&options).await?;
        Self::with(connection, options).await
    }

    async fn with(connection: SqliteConnection, options: SqliteConnectOptions) -> Result<Self, StoreError> {
        // A file does not hang up: asking first whether it is still there takes as long as most questions do.
        let readers = SqlitePoolOptions::new().max_connections(4).test_before_acquire(false);
        let readers = readers.connect_with(options).await?;
        Ok(Self { writer: Writer::start(connection), readers, wake: Arc::new(Notify::new()) })
    }

    /// What workers wait on.
    pub fn wake(&self) -> Wake {
        self.wake.clone()
    }

    /// Writes, and takes it back: whether the database can be written at all.
    pub async fn try_writing(&self) -> Result<(), StoreError> {
        let tried: Result<(), StoreError> = self
            .writer
            .write(|connection| {
                Box::pin(async move {
                    sqlx::query("CREATE TABLE tried (id INTEGER)").execute(&mut *connection).await?;
                    // An error takes back what this unit did.
                    Err(StoreError::Unreadable(TAKEN_BACK.to_owned()))
                })
            })
            .await;
        match tried {
            Err(StoreError::Unreadable(what)) if what == TAKEN_BACK => Ok(()),
            other => other,
        }
    }

    /// Whether the database can be written, for readiness.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.writer
            .write(|connection| {
                Box::pin(async move {
                    sqlx::query("SELECT 1").execute(connection).await?;
                    Ok(())
                })
            })
            .await
    }
}

fn options(url: &str) -> Result<SqliteConnectOptions, StoreError> {
    Ok(SqliteConnectOptions::from_str(url)?
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5))
        .foreign_keys(true))
}
