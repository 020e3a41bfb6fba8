//! Tiles: which hashes are kept, so that any proof needs a handful of reads (the layout of C2SP tlog-tiles).
//!
//! Invariant: only hashes at tree levels 0, 8, 16, … are kept, 256 to a tile; every other node is computed from one
//! tile. A full tile never changes. Which nodes a proof needs is told by [`super::proof`].

use super::tree::root_of;
use super::{Frontier, Hash, Node};
use std::collections::{BTreeMap, BTreeSet};

/// How many hashes a full tile holds.
pub const WIDTH: u64 = 256;

const HEIGHT: u8 = 8;

/// A tile by its place: it holds the hashes of the nodes `index * 256 …` at tree level `level * 8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// 0 for the tile of leaves, 1 for that of their tiles' roots, and so on.
    pub level: u8,
    /// Position among the tiles of that level.
    pub index: u64,
}

impl TileId {
    /// The tile from which a node's hash is computed.
    pub fn of(node: Node) -> Self {
        Self { level: node.level / HEIGHT, index: (node.index << (node.level % HEIGHT)) / WIDTH }
    }

    /// Position of its first hash among the nodes of its level.
    pub fn first(self) -> u64 {
        self.index * WIDTH
    }
}

/// The tiles that become full when a tree grows from one size to another, those of leaves first.
pub fn completed(before: u64, after: u64) -> Vec<TileId> {
    let mut tiles = Vec::new();
    let (mut before, mut after) = (before / WIDTH, after / WIDTH);
    for level in 0_u8.. {
        if before >= after {
            break;
        }
        tiles.extend((before..after).map(|index| TileId { level, index }));
        (before, after) = (before / WIDTH, after / WIDTH);
    }
    tiles
}

/// Tiles (full, or as far as they go) and single nodes that have been read: the source of a proof's hashes.
#[derive(Debug, Clone, Default)]
pub struct Tiles {
    tiles: BTreeMap<TileId, Vec<Hash>>,
    nodes: BTreeMap<Node, Hash>,
}

impl Tiles {
    /// What the right edge of a tree tells by itself.
    pub fn from_frontier(frontier: &Frontier) -> Self {
        Self { tiles: BTreeMap::new(), nodes: frontier.nodes().collect() }
    }

    /// Adds the hashes of a tile, from its first on.
    pub fn insert(&mut self, tile: TileId, hashes: Vec<Hash>) {
        self.tiles.insert(tile, hashes);
    }

    /// The tiles still to be read before all these nodes are known.
    pub fn missing(&self, nodes: &[Node]) -> BTreeSet<TileId> {
        nodes
            .iter()
            .filter(|node| !self.nodes.contains_key(node))
            .map(|node| TileId::of(*node))
            .filter(|tile| !self.tiles.contains_key(tile))
            .collect()
    }

    /// The hash of a node; `None` where what was read does not reach it.
    pub fn hash(&self, node: Node) -> Option<Hash> {
        if let Some(hash) = self.nodes.get(&node) {
            return Some(*hash);
        }
        let width = 1_usize << (node.level % HEIGHT);
        let first = (node.index << (node.level % HEIGHT)) % WIDTH;
        let first = usize::try_from(first).ok()?;
        let hashes = self.tiles.get(&TileId::of(node))?.get(first..first + width)?;
        Some(root_of(hashes))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::super::proof::{consistency_nodes, inclusion_nodes, prove_consistency, prove_inclusion};
    use super::super::tree::leaf_hash;
    use super::*;

    /// A tree of many leaves as tiles, with the frontier at each size asked for.
    struct Kept {
        leaves: Vec<Hash>,
        tiles: BTreeMap<TileId, Vec<Hash>>,
    }

    fn kept(size: u64) -> Kept {
        let leaves: Vec<Hash> = (0..size).map(|index| leaf_hash(&index.to_be_bytes())).collect();
        let mut tiles = BTreeMap::new();
        let mut level = leaves.clone();
        for tile_level in 0.. {
            for (index, hashes) in level.chunks(256).enumerate() {
                let tile = TileId { level: tile_level, index: index as u64 };
                tiles.insert(tile, hashes.to_vec());
            }
            level = level.chunks_exact(256).map(root_of).collect();
            if level.is_empty() {
                break;
            }
        }
        Kept { leaves, tiles }
    }

    fn frontier(leaves: &[Hash]) -> Frontier {
        let mut frontier = Frontier::default();
        for leaf in leaves {
            frontier.push(*leaf).unwrap();
        }
        frontier
    }

    fn read(kept: &Kept, mut tiles: Tiles, nodes: &[Node]) -> Tiles {
        let missing = tiles.missing(nodes);
        assert!(missing.len() <= 6, "{missing:?}");
        for tile in missing {
            tiles.insert(tile, kept.tiles[&tile].clone());
        }
        assert!(tiles.missing(nodes).is_empty());
        tiles
    }

    #[test]
    fn proofs_made_from_tiles_verify_in_trees_of_three_levels() {
        let kept = kept(66_000);
        let sizes: [usize; 8] = [1, 255, 256, 257, 4_099, 65_535, 65_537, 66_000];
        for size in sizes {
            let edge = frontier(&kept.leaves[..size]);
            for index in [0, 1, 255, 256, 300, 4_000, 65_535, 65_536, 65_999] {
                if index >= size {
                    continue;
                }
                let nodes = inclusion_nodes(index as u64, size as u64).unwrap();
                for tiles in [Tiles::default(), Tiles::from_frontier(&edge)] {
                    let tiles = read(&kept, tiles, &nodes);
                    let proof = prove_inclusion(index as u64, size as u64, |node| tiles.hash(node)).unwrap();
                    proof.verify(&kept.leaves[index], &edge.root()).unwrap();
                }
            }
            for from in sizes.into_iter().filter(|from| *from <= size) {
                let nodes = consistency_nodes(from as u64, size as u64).unwrap();
                let tiles = read(&kept, Tiles::from_frontier(&edge), &nodes);
                let proof = prove_consistency(from as u64, size as u64, |node| tiles.hash(node)).unwrap();
                proof.verify(&frontier(&kept.leaves[..from]).root(), &edge.root()).unwrap();
            }
        }
    }

    #[test]
    fn tiles_are_completed_once_each() {
        let mut seen = Vec::new();
        for (before, after) in [(0, 0), (0, 255), (255, 256), (256, 300), (300, 65_536), (65_536, 65_800)] {
            seen.extend(completed(before, after));
        }
        let expected: Vec<TileId> = (0..256)
            .map(|index| TileId { level: 0, index })
            .chain([TileId { level: 1, index: 0 }, TileId { level: 0, index: 256 }])
            .collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn what_was_not_read_is_not_made_up() {
        let mut tiles = Tiles::default();
        tiles.insert(TileId { level: 0, index: 0 }, vec![leaf_hash(b"a"); 3]);
        assert!(tiles.hash(Node { level: 1, index: 0 }).is_some());
        assert!(tiles.hash(Node { level: 1, index: 1 }).is_none());
        assert!(tiles.hash(Node { level: 8, index: 0 }).is_none());
    }
}
