//! Tiles of hashes in the database, and the proofs made from them.
//!
//! Invariant: a tile is written once, when it is full; until then its hashes are read from the rows it is made of. Which
//! tiles a proof needs is decided by `countersign_core::ledger::tile`.

use super::{EntriesError, frontier, hash_of, hashes_in, signed};
use countersign_core::ledger::proof::{consistency_nodes, inclusion_nodes, prove_consistency, prove_inclusion};
use countersign_core::ledger::tile::{self, TileId, Tiles};
use countersign_core::ledger::tree::root_of;
use countersign_core::ledger::{ConsistencyProof, Hash, InclusionProof, Node};
use sqlx::{Row, SqliteConnection};

/// The proof that the entry at a position is in the ledger of `size` entries.
pub async fn inclusion_proof(
    connection: &mut SqliteConnection,
    position: u64,
    size: u64,
) -> Result<InclusionProof, EntriesError> {
    let nodes = inclusion_nodes(position, size)?;
    let tiles = read_tiles(connection, size, &nodes).await?;
    Ok(prove_inclusion(position, size, |node| tiles.hash(node))?)
}

/// The proof that the ledger of `from` entries is the beginning of the ledger of `to` entries.
pub async fn consistency_proof(
    connection: &mut SqliteConnection,
    from: u64,
    to: u64,
) -> Result<ConsistencyProof, EntriesError> {
    let nodes = consistency_nodes(from, to)?;
    let tiles = read_tiles(connection, to, &nodes).await?;
    Ok(prove_consistency(from, to, |node| tiles.hash(node))?)
}

/// The hashes of some perfect subtrees of the ledger of `size` entries, in the order asked.
pub async fn node_hashes(
    connection: &mut SqliteConnection,
    nodes: &[Node],
    size: u64,
) -> Result<Vec<Hash>, EntriesError> {
    let tiles = read_tiles(connection, size, nodes).await?;
    let find = |node: &Node| {
        let missing = || EntriesError::Damaged(format!("no hash for node {} at level {}", node.index, node.level));
        tiles.hash(*node).ok_or_else(missing)
    };
    nodes.iter().map(find).collect()
}

/// Keeps a tile that has become full.
pub(super) async fn keep_tile(connection: &mut SqliteConnection, tile: TileId) -> Result<(), EntriesError> {
    let hashes = hashes_below(connection, tile).await?;
    if hashes.len() as u64 != tile::WIDTH {
        return Err(EntriesError::Damaged(format!("{tile:?} should be full and is not")));
    }
    let bytes: Vec<u8> = hashes.iter().flat_map(|hash| *hash.as_bytes()).collect();
    sqlx::query("INSERT INTO tiles (level, tile_index, root, hashes) VALUES ($1, $2, $3, $4)")
        .bind(i64::from(tile.level))
        .bind(signed(tile.index)?)
        .bind(root_of(&hashes).as_bytes().to_vec())
        .bind(bytes)
        .execute(connection)
        .await?;
    Ok(())
}

/// The hashes of a tile as far as it goes, from the rows that it is made of.
async fn hashes_below(connection: &mut SqliteConnection, tile: TileId) -> Result<Vec<Hash>, EntriesError> {
    let (first, end) = (signed(tile.first())?, signed(tile.first() + tile::WIDTH)?);
    let query = if let Some(below) = tile.level.checked_sub(1) {
        sqlx::query(
            "SELECT root FROM tiles WHERE tile_index >= $1 AND tile_index < $2 AND level = $3 ORDER BY tile_index",
        )
        .bind(first)
        .bind(end)
        .bind(i64::from(below))
    } else {
        sqlx::query("SELECT leaf FROM entries WHERE position >= $1 AND position < $2 ORDER BY position")
            .bind(first)
            .bind(end)
    };
    let rows = query.fetch_all(connection).await?;
    rows.iter().map(|row| hash_of(row.try_get(0)?)).collect()
}

async fn read_tiles(connection: &mut SqliteConnection, size: u64, nodes: &[Node]) -> Result<Tiles, EntriesError> {
    let head = frontier(connection).await?;
    if size > head.size() {
        return Err(EntriesError::Beyond { asked: size, size: head.size() });
    }
    let mut tiles = Tiles::from_frontier(&head);
    for tile in tiles.missing(nodes) {
        let full = sqlx::query("SELECT hashes FROM tiles WHERE level = $1 AND tile_index = $2")
            .bind(i64::from(tile.level))
            .bind(signed(tile.index)?)
            .fetch_optional(&mut *connection)
            .await?;
        let hashes = match full {
            Some(row) => hashes_in(row.try_get(0)?)?,
            None => hashes_below(connection, tile).await?,
        };
        tiles.insert(tile, hashes);
    }
    Ok(tiles)
}
