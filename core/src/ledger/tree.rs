//! The Merkle tree of RFC 6962: leaves, nodes, and the root of any size from a handful of hashes.
//!
//! Invariant: a [`Frontier`] of size n holds exactly the roots of the perfect subtrees that n leaves fall into, largest
//! first; adding a leaf to it costs O(log n) whatever lies before. Proofs over such a tree are in [`super::proof`].

use super::LedgerError;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest, Sha256};
use std::fmt;

/// The largest tree that is spoken of: what a database's signed integer holds.
pub const MAX_SIZE: u64 = i64::MAX as u64;

/// A SHA-256 hash of a leaf, a node or a root; hexadecimal in JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The hash with these bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 32 bytes; `None` where there are fewer or more.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Reads 64 lower-case hexadecimal digits; `None` for anything else.
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        hex::decode(text).ok().and_then(|bytes| Self::from_slice(&bytes))
    }

    /// Reads 32 bytes in base64, as checkpoints spell a root; `None` for anything else.
    pub fn from_base64(text: &str) -> Option<Self> {
        STANDARD.decode(text).ok().and_then(|bytes| Self::from_slice(&bytes))
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_hex(&text).ok_or_else(|| D::Error::custom("not a hash of 64 lower-case hexadecimal digits"))
    }
}

/// The hash of an entry's bytes as a leaf: SHA-256(0x00 ‖ bytes).
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Hash(Sha256::new().chain_update([0]).chain_update(entry).finalize().into())
}

/// The hash of a node over two others: SHA-256(0x01 ‖ left ‖ right).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Hash(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
}

/// The root of a tree without leaves: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    Hash(Sha256::digest([]).into())
}

/// The root over perfect subtrees of falling size, as they stand side by side.
pub(super) fn fold(peaks: &[Hash]) -> Hash {
    peaks.iter().rev().copied().reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(empty_root)
}

/// The root of a perfect or lopsided tree over all these leaves (or nodes of one height).
pub fn root_of(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::default();
    for leaf in leaves {
        frontier.add(0, *leaf);
    }
    frontier.root()
}

/// A perfect subtree by its place: it spans the leaves `index << level` up to `(index + 1) << level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// Height above the leaves.
    pub level: u8,
    /// Position among the nodes of that height.
    pub index: u64,
}

/// The fewest perfect subtrees that together span the leaves `from..to`, from left to right.
///
/// `cover(0, n)` names the peaks of a frontier of size n.
pub fn cover(from: u64, to: u64) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut at = from;
    while at < to {
        let level = (to - at).ilog2().min(at.trailing_zeros());
        nodes.push(Node {
            // A shift of a u64 is below 64, so it fits.
            level: u8::try_from(level).unwrap_or(u8::MAX),
            index: at >> level,
        });
        at += 1 << level;
    }
    nodes
}

/// The right edge of a tree: all that is needed to add leaves to it and to know its root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The frontier of a tree of this size with these peaks, largest first; an error where their number cannot be right.
    pub fn from_peaks(size: u64, peaks: Vec<Hash>) -> Result<Self, LedgerError> {
        if size > MAX_SIZE {
            return Err(LedgerError::OutOfRange(format!("no tree has {size} leaves")));
        }
        let expected = size.count_ones() as usize;
        if peaks.len() != expected {
            return Err(LedgerError::OutOfRange(format!(
                "a tree of {size} leaves has {expected} peaks, not {}",
                peaks.len()
            )));
        }
        Ok(Self { size, peaks })
    }

    /// How many leaves it has seen.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of its perfect subtrees, largest first.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Its peaks with their places, largest first.
    pub fn nodes(&self) -> impl Iterator<Item = (Node, Hash)> {
        cover(0, self.size).into_iter().zip(self.peaks.iter().copied())
    }

    /// Adds one leaf.
    pub fn push(&mut self, leaf: Hash) -> Result<(), LedgerError> {
        self.push_node(0, leaf)
    }

    /// Adds a perfect subtree of `1 << level` leaves; an error where none of that height can begin here.
    pub fn push_node(&mut self, level: u8, hash: Hash) -> Result<(), LedgerError> {
        let fits = level < 63 && self.size.trailing_zeros().min(63) >= u32::from(level);
        if !fits || MAX_SIZE - self.size < 1 << level {
            return Err(LedgerError::OutOfRange(format!("no node of level {level} begins at leaf {}", self.size)));
        }
        self.add(level, hash);
        Ok(())
    }

    /// The root of the tree as it stands.
    pub fn root(&self) -> Hash {
        fold(&self.peaks)
    }

    fn add(&mut self, level: u8, hash: Hash) {
        let mut hash = hash;
        let mut taller = self.size >> level;
        while taller & 1 == 1 {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
            }
            taller >>= 1;
        }
        self.peaks.push(hash);
        self.size += 1 << level;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    /// MTH(D[n]) as RFC 6962 section 2.1 defines it.
    fn defined(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node_hash(&defined(left), &defined(right))
            }
        }
    }

    fn leaves(count: u8) -> Vec<Hash> {
        (0..count).map(|byte| leaf_hash(&[byte])).collect()
    }

    #[test]
    fn roots_are_those_of_the_certificate_transparency_test_vectors() {
        let entries =
            ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut frontier = Frontier::default();
        assert_eq!(frontier.root().to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        for (entry, root) in entries.iter().zip(roots) {
            frontier.push(leaf_hash(&hex::decode(entry).unwrap())).unwrap();
            assert_eq!(frontier.root().to_string(), root, "at size {}", frontier.size());
        }
    }

    #[test]
    fn a_frontier_has_the_root_of_the_definition_at_every_size() {
        let leaves = leaves(130);
        let mut frontier = Frontier::default();
        for size in 0..leaves.len() {
            assert_eq!(frontier.root(), defined(&leaves[..size]), "at size {size}");
            assert_eq!(root_of(&leaves[..size]), defined(&leaves[..size]));
            let again = Frontier::from_peaks(frontier.size(), frontier.peaks().to_vec()).unwrap();
            assert_eq!(again, frontier);
            let places = frontier.nodes().map(|(node, hash)| (node.level, node.index, hash));
            let spans = places.map(|(level, index, hash)| {
                let first = usize::try_from(index << level).unwrap();
                (first + (1 << level), hash == defined(&leaves[first..first + (1 << level)]))
            });
            let spans: Vec<(usize, bool)> = spans.collect();
            assert!(spans.iter().all(|(_, its_own)| *its_own), "at size {size}");
            assert_eq!(spans.last().map_or(0, |(end, _)| *end), size, "the peaks cover all of it");
            frontier.push(leaves[size]).unwrap();
        }
    }

    #[test]
    fn any_range_with_the_hashes_left_and_right_of_it_gives_the_root() {
        let leaves = leaves(37);
        let hash = |node: &Node| {
            let width = 1_usize << node.level;
            let first = usize::try_from(node.index).unwrap() * width;
            defined(&leaves[first..first + width])
        };
        for size in 0..=leaves.len() {
            for from in 0..=size {
                for to in from..=size {
                    let left: Vec<Hash> = cover(0, from as u64).iter().map(hash).collect();
                    let mut frontier = Frontier::from_peaks(from as u64, left).unwrap();
                    for leaf in &leaves[from..to] {
                        frontier.push(*leaf).unwrap();
                    }
                    for node in cover(to as u64, size as u64) {
                        frontier.push_node(node.level, hash(&node)).unwrap();
                    }
                    assert_eq!(frontier.size(), size as u64);
                    assert_eq!(frontier.root(), defined(&leaves[..size]), "{from}..{to} of {size}");
                }
            }
        }
    }

    #[test]
    fn what_cannot_stand_in_a_tree_is_refused() {
        let leaf = leaf_hash(b"x");
        assert!(Frontier::from_peaks(3, vec![leaf]).is_err());
        assert!(Frontier::from_peaks(u64::MAX, vec![leaf; 64]).is_err());
        let mut full = Frontier::from_peaks(MAX_SIZE, vec![leaf; 63]).unwrap();
        assert!(full.push(leaf).is_err());
        let mut odd = Frontier::from_peaks(1, vec![leaf]).unwrap();
        assert!(odd.push_node(1, leaf).is_err());
        assert!(Frontier::default().push_node(63, leaf).is_err());
        assert!(Frontier::default().push_node(255, leaf).is_err());
        assert!(Hash::from_hex(&leaf.to_string().to_uppercase()).is_none());
    }
}
