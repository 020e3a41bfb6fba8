//! Entries in the database: appending to the ledger, reading it, and the proofs that others ask for.
//!
//! Invariant: what is appended is never changed or removed (the schema refuses it too), and appending costs the same
//! however much lies before. The functions work inside their caller's transaction. Tiles and proofs are in [`proofs`];
//! the tree itself is `countersign_core::ledger`.

mod proofs;

pub use proofs::{consistency_proof, inclusion_proof, node_hashes};

use countersign_core::domain::{Entry, RepositoryId};
use countersign_core::ledger::canonical;
use countersign_core::ledger::tile;
use countersign_core::ledger::tree::leaf_hash;
use countersign_core::ledger::{Checkpoint, Frontier, Hash, LedgerError};
use proofs::keep_tile;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};
use std::fmt::Write as _;
use std::ops::Range;

/// How many rows one statement inserts at most.
const ROWS: usize = 64;

/// What can go wrong with the entries. None of it is ever read as "nothing there".
#[derive(Debug, thiserror::Error)]
pub enum EntriesError {
    /// The database refused or is gone.
    #[error("the database did not answer: {0}")]
    Database(#[from] sqlx::Error),
    /// An entry has no canonical form, or there is no such proof.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Asked for something beyond what the ledger holds.
    #[error("the ledger has {size} entries, not {asked}")]
    Beyond {
        /// What was asked for.
        asked: u64,
        /// How many there are.
        size: u64,
    },
    /// What is stored cannot be what was stored.
    #[error("the ledger's tables are damaged: {0}")]
    Damaged(String),
}

/// An entry about to be appended: the very bytes that will be hashed, and what they are found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// Canonical JSON.
    pub body: Vec<u8>,
    /// `decision`, `deployment_finished`, …: as in the body.
    pub kind: String,
    /// What it is about: `repository:7/…`, or `service`.
    pub subject: String,
    /// When, as in the body.
    pub time: String,
}

impl NewEntry {
    /// Spells an entry canonically; an error where it holds what has no canonical form.
    pub fn of(entry: &Entry) -> Result<Self, EntriesError> {
        let (kind, subject) = (entry.body.kind().to_owned(), entry.body.subject());
        Ok(Self { body: canonical::to_bytes(entry)?, kind, subject, time: entry.time.clone() })
    }

    /// The same, as the entry of this number of its repository: whoever leaves one out leaves a number out.
    pub fn numbered(entry: &Entry, of_repository: u64) -> Result<Self, EntriesError> {
        let body = canonical::to_bytes(&Numbered { entry, of_repository })?;
        let (kind, subject) = (entry.body.kind().to_owned(), entry.body.subject());
        Ok(Self { body, kind, subject, time: entry.time.clone() })
    }
}

#[derive(Serialize)]
struct Numbered<'a> {
    #[serde(flatten)]
    entry: &'a Entry,
    of_repository: u64,
}

/// The number of the next entry of a repository, from 1. Taken back with the transaction.
pub async fn next_of(connection: &mut SqliteConnection, repository: RepositoryId) -> Result<u64, EntriesError> {
    let row = sqlx::query(
        "INSERT INTO numbered_entries (repository_id, entries) VALUES ($1, 1) \
         ON CONFLICT (repository_id) DO UPDATE SET entries = numbered_entries.entries + 1 RETURNING entries",
    )
    .bind(signed(repository.0)?)
    .fetch_one(connection)
    .await?;
    unsigned(row.try_get(0)?)
}

/// What an append made of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The position of the first entry appended.
    pub first_position: u64,
    /// How many entries the ledger has now.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// The ledger as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// How many entries it has.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// An entry as it stands in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its position, from 0.
    pub position: u64,
    /// Its hash as a leaf.
    pub leaf: Hash,
    /// What kind it is.
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// The bytes that were hashed.
    pub body: Vec<u8>,
}

/// Appends entries, in order. The caller commits: nothing stands until then.
pub async fn append(connection: &mut SqliteConnection, entries: &[NewEntry]) -> Result<Appended, EntriesError> {
    // An update, so that on a database with several writers the second one waits here.
    let row = sqlx::query("UPDATE ledger_head SET size = size WHERE id = 1 RETURNING size, peaks")
        .fetch_one(&mut *connection)
        .await?;
    let mut head = frontier_of(&row)?;
    let first_position = head.size();
    for chunk in entries.chunks(ROWS) {
        insert(connection, &mut head, chunk).await?;
    }
    for tile in tile::completed(first_position, head.size()) {
        keep_tile(connection, tile).await?;
    }
    let peaks: Vec<u8> = head.peaks().iter().flat_map(|hash| *hash.as_bytes()).collect();
    sqlx::query("UPDATE ledger_head SET size = $1, peaks = $2 WHERE id = 1")
        .bind(signed(head.size())?)
        .bind(peaks)
        .execute(&mut *connection)
        .await?;
    Ok(Appended { first_position, size: head.size(), root: head.root() })
}

/// How many entries the ledger has, and the root over them.
pub async fn head(connection: &mut SqliteConnection) -> Result<Head, EntriesError> {
    let frontier = frontier(connection).await?;
    Ok(Head { size: frontier.size(), root: frontier.root() })
}

/// The right edge of the ledger as it stands, from which its root follows.
pub async fn frontier(connection: &mut SqliteConnection) -> Result<Frontier, EntriesError> {
    let row = sqlx::query("SELECT size, peaks FROM ledger_head WHERE id = 1").fetch_one(connection).await?;
    frontier_of(&row)
}

/// Up to `limit` entries from a position on, in order.
pub async fn read_range(
    connection: &mut SqliteConnection,
    from: u64,
    limit: u32,
) -> Result<Vec<StoredEntry>, EntriesError> {
    // No entry can be as far as that: there is nothing, which is no fault of the ledger.
    let Ok(from) = i64::try_from(from) else { return Ok(Vec::new()) };
    let rows = sqlx::query(
        "SELECT position, leaf, kind, subject, body FROM entries WHERE position >= $1 ORDER BY position LIMIT $2",
    )
    .bind(from)
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(StoredEntry {
                position: unsigned(row.try_get(0)?)?,
                leaf: hash_of(row.try_get(1)?)?,
                kind: row.try_get(2)?,
                subject: row.try_get(3)?,
                body: row.try_get(4)?,
            })
        })
        .collect()
}

/// How many entries from a position on (at least one, where there is one) have bodies of `bytes` together, of `limit`.
pub async fn count_within(
    connection: &mut SqliteConnection,
    from: u64,
    limit: u32,
    bytes: u64,
) -> Result<u32, EntriesError> {
    let rows = sqlx::query("SELECT length(body) FROM entries WHERE position >= $1 ORDER BY position LIMIT $2")
        .bind(signed(from)?)
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await?;
    let (mut count, mut total) = (0, 0_u64);
    for row in rows {
        total = total.saturating_add(unsigned(row.try_get(0)?)?);
        if count > 0 && total > bytes {
            break;
        }
        count += 1;
    }
    Ok(count)
}

/// The smallest range of positions that holds every entry with `from <= time < to`; `None` where there is none.
///
/// Times are for people: between its ends the range may hold entries of other times, where a clock was set back.
pub async fn positions_between(
    connection: &mut SqliteConnection,
    from: &str,
    to: &str,
) -> Result<Option<Range<u64>>, EntriesError> {
    let row = sqlx::query("SELECT MIN(position), MAX(position) FROM entries WHERE time >= $1 AND time < $2")
        .bind(from.to_owned())
        .bind(to.to_owned())
        .fetch_one(connection)
        .await?;
    let ends: (Option<i64>, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
    match ends {
        (Some(first), Some(last)) => Ok(Some(unsigned(first)?..unsigned(last)? + 1)),
        _ => Ok(None),
    }
}

/// Keeps a signed checkpoint; the first one kept for a size stays.
pub async fn put_checkpoint(
    connection: &mut SqliteConnection,
    checkpoint: &Checkpoint,
    note: &str,
) -> Result<(), EntriesError> {
    sqlx::query("INSERT INTO checkpoints (size, note) VALUES ($1, $2) ON CONFLICT (size) DO NOTHING")
        .bind(signed(checkpoint.size)?)
        .bind(note.to_owned())
        .execute(connection)
        .await?;
    Ok(())
}

/// The signed checkpoint of the largest size, as it was published.
pub async fn latest_checkpoint(connection: &mut SqliteConnection) -> Result<Option<String>, EntriesError> {
    let row = sqlx::query("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1").fetch_optional(connection).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Keeps the policies that decisions name by this digest.
pub async fn keep_policy(connection: &mut SqliteConnection, digest: &str, body: &str) -> Result<(), EntriesError> {
    sqlx::query("INSERT INTO policy_texts (digest, body) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING")
        .bind(digest.to_owned())
        .bind(body.to_owned())
        .execute(connection)
        .await?;
    Ok(())
}

/// The policies kept under a digest.
pub async fn policy_text(connection: &mut SqliteConnection, digest: &str) -> Result<Option<String>, EntriesError> {
    let row = sqlx::query("SELECT body FROM policy_texts WHERE digest = $1")
        .bind(digest.to_owned())
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Keeps the settings that entries name by this digest.
pub async fn keep_settings(connection: &mut SqliteConnection, digest: &str, body: &str) -> Result<(), EntriesError> {
    sqlx::query("INSERT INTO settings_texts (digest, body) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING")
        .bind(digest.to_owned())
        .bind(body.to_owned())
        .execute(connection)
        .await?;
    Ok(())
}

/// The settings kept under a digest.
pub async fn settings_text(connection: &mut SqliteConnection, digest: &str) -> Result<Option<String>, EntriesError> {
    let row = sqlx::query("SELECT body FROM settings_texts WHERE digest = $1")
        .bind(digest.to_owned())
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

async fn insert(
    connection: &mut SqliteConnection,
    head: &mut Frontier,
    entries: &[NewEntry],
) -> Result<(), EntriesError> {
    let mut sql = String::from("INSERT INTO entries (position, leaf, kind, subject, time, body) VALUES ");
    for row in 0..entries.len() {
        let comma = if row == 0 { "" } else { ", " };
        let columns = [1, 2, 3, 4, 5, 6].map(|column| format!("${}", row * 6 + column));
        // Writing into a string cannot fail.
        let _ = write!(sql, "{comma}({})", columns.join(", "));
    }
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for entry in entries {
        let leaf = leaf_hash(&entry.body);
        query = query
            .bind(signed(head.size())?)
            .bind(leaf.as_bytes().to_vec())
            .bind(entry.kind.clone())
            .bind(entry.subject.clone())
            .bind(entry.time.clone())
            .bind(entry.body.clone());
        head.push(leaf)?;
    }
    query.execute(connection).await?;
    Ok(())
}

fn frontier_of(row: &SqliteRow) -> Result<Frontier, EntriesError> {
    let size = unsigned(row.try_get(0)?)?;
    let peaks = hashes_in(row.try_get(1)?)?;
    Frontier::from_peaks(size, peaks).map_err(|error| EntriesError::Damaged(error.to_string()))
}

fn hashes_in(bytes: &[u8]) -> Result<Vec<Hash>, EntriesError> {
    bytes.chunks(32).map(hash_of).collect()
}

fn hash_of(bytes: &[u8]) -> Result<Hash, EntriesError> {
    Hash::from_slice(bytes).ok_or_else(|| EntriesError::Damaged(format!("a hash of {} bytes", bytes.len())))
}

fn signed(number: u64) -> Result<i64, EntriesError> {
    i64::try_from(number).map_err(|_| LedgerError::OutOfRange(format!("{number} is no position")).into())
}

fn unsigned(number: i64) -> Result<u64, EntriesError> {
    u64::try_from(number).map_err(|_| EntriesError::Damaged(format!("{number} is no position")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use countersign_core::ledger::SigningKey;
    use sqlx::Connection;

    async fn open() -> SqliteConnection {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::migrate!("migrations/sqlite").run(&mut connection).await.unwrap();
        connection
    }

    fn entry(number: u64) -> NewEntry {
        NewEntry {
            body: format!("{{\"number\":{number}}}").into_bytes(),
            kind: "test".to_owned(),
            subject: format!("repository:{}", number % 3),
            time: format!("2026-01-01T00:00:{:02}.000Z", number % 60),
        }
    }

    fn entries(range: Range<u64>) -> Vec<NewEntry> {
        range.map(entry).collect()
    }

    async fn begin(connection: &mut SqliteConnection) {
        sqlx::query("BEGIN").execute(connection).await.unwrap();
    }

    async fn commit(connection: &mut SqliteConnection) {
        sqlx::query("COMMIT").execute(connection).await.unwrap();
    }

    #[tokio::test]
    async fn entries_are_appended_in_order_and_their_root_is_that_of_the_tree() {
        let mut connection = open().await;
        assert_eq!(head(&mut connection).await.unwrap().size, 0);
        let mut frontier = Frontier::default();
        let mut at = 0;
        for count in [0, 1, 2, 64, 65, 130, 1] {
            let appended = append(&mut connection, &entries(at..at + count)).await.unwrap();
            assert_eq!(appended.first_position, at);
            for number in at..at + count {
                frontier.push(leaf_hash(&entry(number).body)).unwrap();
            }
            at += count;
            assert_eq!((appended.size, appended.root), (at, frontier.root()));
            let head = head(&mut connection).await.unwrap();
            assert_eq!((head.size, head.root), (at, frontier.root()));
        }
        let read = read_range(&mut connection, 60, 10).await.unwrap();
        assert_eq!(read.len(), 10);
        for (stored, number) in read.iter().zip(60..) {
            assert_eq!((stored.position, &stored.body), (number, &entry(number).body));
            assert_eq!(stored.leaf, leaf_hash(&stored.body));
        }
        assert!(read_range(&mut connection, 1000, 10).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn proofs_from_the_database_lead_to_the_roots_of_every_time() {
        let mut connection = open().await;
        let sizes = [1_u64, 3, 255, 256, 257, 511, 600, 65_536, 65_800];
        let mut roots = Vec::new();
        let mut at = 0;
        begin(&mut connection).await;
        for size in sizes {
            roots.push(append(&mut connection, &entries(at..size)).await.unwrap().root);
            at = size;
        }
        commit(&mut connection).await;
        for (size, root) in sizes.iter().zip(&roots) {
            for position in [0, 2, 255, 256, 300, 511, 599, 65_535, 65_536, 65_799] {
                if position < *size {
                    let proof = inclusion_proof(&mut connection, position, *size).await.unwrap();
                    proof.verify(&leaf_hash(&entry(position).body), root).unwrap();
                }
            }
            for (from, older) in sizes.iter().zip(&roots).filter(|(from, _)| *from <= size) {
                let proof = consistency_proof(&mut connection, *from, *size).await.unwrap();
                proof.verify(older, root).unwrap();
            }
        }
        assert!(matches!(
            inclusion_proof(&mut connection, 0, 65_801).await,
            Err(EntriesError::Beyond { asked: 65_801, size: 65_800 })
        ));
        assert!(inclusion_proof(&mut connection, 5, 5).await.is_err());
        assert!(consistency_proof(&mut connection, 6, 5).await.is_err());
    }

    #[tokio::test]
    async fn the_database_refuses_to_change_or_remove_what_is_on_record() {
        let mut connection = open().await;
        begin(&mut connection).await;
        append(&mut connection, &entries(0..300)).await.unwrap();
        commit(&mut connection).await;
        keep_policy(&mut connection, "d", "p").await.unwrap();
        keep_settings(&mut connection, "d", "s").await.unwrap();
        let key = SigningKey::from_seed("example.com/log", [1; 32]).unwrap();
        let checkpoint = Checkpoint::of(key.name(), &frontier(&mut connection).await.unwrap());
        put_checkpoint(&mut connection, &checkpoint, &checkpoint.sign(&key).unwrap()).await.unwrap();
        for sql in [
            "UPDATE entries SET body = x'00' WHERE position = 7",
            "UPDATE entries SET position = 7000 WHERE position = 7",
            "DELETE FROM entries WHERE position = 299",
            "INSERT OR REPLACE INTO entries (position, leaf, kind, subject, time, body) \
             VALUES (7, x'00', 'k', 's', 't', x'00')",
            "UPDATE tiles SET root = x'00'",
            "DELETE FROM tiles",
            "INSERT OR REPLACE INTO tiles (level, tile_index, root, hashes) VALUES (0, 0, x'00', x'00')",
            "UPDATE ledger_head SET size = 3",
            "DELETE FROM ledger_head",
            "INSERT OR REPLACE INTO ledger_head (id, size, peaks) VALUES (1, 0, x'')",
            "UPDATE checkpoints SET note = ''",
            "DELETE FROM checkpoints",
            "UPDATE policy_texts SET body = ''",
            "DELETE FROM policy_texts",
            "UPDATE settings_texts SET body = ''",
            "DELETE FROM settings_texts",
        ] {
            assert!(sqlx::query(sql).execute(&mut connection).await.is_err(), "{sql}");
        }
        for sql in [
            "INSERT OR REPLACE INTO checkpoints (size, note) VALUES (300, 'forged')",
            "INSERT OR REPLACE INTO policy_texts (digest, body) VALUES ('d', 'forged')",
            "INSERT OR REPLACE INTO settings_texts (digest, body) VALUES ('d', 'forged')",
        ] {
            sqlx::query(sql).execute(&mut connection).await.unwrap();
        }
        let note = latest_checkpoint(&mut connection).await.unwrap().unwrap();
        assert_eq!(Checkpoint::verified(&note, &[key.verifying_key()]).unwrap(), checkpoint);
        assert_eq!(policy_text(&mut connection, "d").await.unwrap().unwrap(), "p");
        assert_eq!(settings_text(&mut connection, "d").await.unwrap().unwrap(), "s");
        assert_eq!(settings_text(&mut connection, "other").await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_is_rolled_back_leaves_no_trace() {
        let mut connection = open().await;
        let before = append(&mut connection, &entries(0..250)).await.unwrap();
        begin(&mut connection).await;
        append(&mut connection, &entries(900..1000)).await.unwrap();
        sqlx::query("ROLLBACK").execute(&mut connection).await.unwrap();
        assert_eq!(head(&mut connection).await.unwrap().root, before.root);
        let after = append(&mut connection, &entries(250..300)).await.unwrap();
        let mut frontier = Frontier::default();
        (0..300).for_each(|number| frontier.push(leaf_hash(&entry(number).body)).unwrap());
        assert_eq!(after.root, frontier.root());
    }

    #[tokio::test]
    async fn ranges_are_found_by_time_and_by_weight() {
        let mut connection = open().await;
        append(&mut connection, &entries(0..50)).await.unwrap();
        let found = positions_between(&mut connection, "2026-01-01T00:00:10", "2026-01-01T00:00:20").await.unwrap();
        assert_eq!(found, Some(10..20));
        assert_eq!(positions_between(&mut connection, "2027", "2028").await.unwrap(), None);
        assert_eq!(count_within(&mut connection, 0, 10, 1_000_000).await.unwrap(), 10);
        assert_eq!(count_within(&mut connection, 0, 10, 25).await.unwrap(), 2);
        assert_eq!(count_within(&mut connection, 0, 10, 1).await.unwrap(), 1);
        assert_eq!(count_within(&mut connection, 50, 10, 1).await.unwrap(), 0);
    }
}
