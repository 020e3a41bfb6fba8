//! Proofs of RFC 6962: that an entry is in a tree, and that one tree is the beginning of another.
//!
//! Invariant: a proof is made from the hashes of perfect subtrees alone ([`inclusion_nodes`], [`consistency_nodes`] say
//! which), and checking one follows RFC 9162 sections 2.1.3.2 and 2.1.4.2 word for word. Where the hashes are kept is
//! told by [`super::tile`]. Take sizes and roots to check against from a signed [`super::checkpoint`] only.

use super::tree::{MAX_SIZE, cover, empty_root, fold, node_hash};
use super::{Hash, LedgerError, Node};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// That a leaf is at a position of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InclusionProof {
    /// The position of the leaf, from 0.
    pub index: u64,
    /// How many leaves the tree has.
    pub size: u64,
    /// The siblings from the leaf up to the root.
    pub hashes: Vec<Hash>,
}

/// That a tree is the beginning of a larger one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyProof {
    /// How many leaves the older tree has.
    pub from: u64,
    /// How many leaves the newer tree has.
    pub to: u64,
    /// The hashes in the order of RFC 6962.
    pub hashes: Vec<Hash>,
}

/// The perfect subtrees whose hashes an inclusion proof is made of.
pub fn inclusion_nodes(index: u64, size: u64) -> Result<Vec<Node>, LedgerError> {
    Ok(inclusion_ranges(index, size)?.into_iter().flat_map(nodes_of).collect())
}

/// The perfect subtrees whose hashes a consistency proof is made of.
pub fn consistency_nodes(from: u64, to: u64) -> Result<Vec<Node>, LedgerError> {
    Ok(consistency_ranges(from, to)?.into_iter().flat_map(nodes_of).collect())
}

/// Makes the proof that leaf `index` is in the tree of `size` leaves.
pub fn prove_inclusion(
    index: u64,
    size: u64,
    hash: impl Fn(Node) -> Option<Hash>,
) -> Result<InclusionProof, LedgerError> {
    let hashes = hashes_of(inclusion_ranges(index, size)?, hash)?;
    Ok(InclusionProof { index, size, hashes })
}

/// Makes the proof that the tree of `from` leaves is the beginning of the tree of `to` leaves.
pub fn prove_consistency(
    from: u64,
    to: u64,
    hash: impl Fn(Node) -> Option<Hash>,
) -> Result<ConsistencyProof, LedgerError> {
    let hashes = hashes_of(consistency_ranges(from, to)?, hash)?;
    Ok(ConsistencyProof { from, to, hashes })
}

impl InclusionProof {
    /// Whether the proof leads from the leaf to the root.
    pub fn verify(&self, leaf: &Hash, root: &Hash) -> Result<(), LedgerError> {
        check_inclusion(self.index, self.size)?;
        let wrong = || {
            LedgerError::NotProved(format!(
                "entry {} is not proved to be in the tree of size {}",
                self.index, self.size
            ))
        };
        let (mut at, mut last, mut hash) = (self.index, self.size - 1, *leaf);
        for sibling in &self.hashes {
            if last == 0 {
                return Err(wrong());
            }
            if at & 1 == 1 || at == last {
                hash = node_hash(sibling, &hash);
                while at & 1 == 0 && at != 0 {
                    at >>= 1;
                    last >>= 1;
                }
            } else {
                hash = node_hash(&hash, sibling);
            }
            at >>= 1;
            last >>= 1;
        }
        if last == 0 && hash == *root { Ok(()) } else { Err(wrong()) }
    }
}

impl ConsistencyProof {
    /// Whether the proof leads from the older root to the newer one.
    pub fn verify(&self, older: &Hash, newer: &Hash) -> Result<(), LedgerError> {
        check_consistency(self.from, self.to)?;
        let holds = if self.from == 0 {
            // Every tree begins with the empty one, whose root is fixed.
            self.hashes.is_empty() && *older == empty_root()
        } else if self.from == self.to {
            self.hashes.is_empty() && older == newer
        } else {
            self.roots(older).is_some_and(|roots| roots == (*older, *newer))
        };
        if holds {
            Ok(())
        } else {
            Err(LedgerError::NotProved(format!(
                "the tree of size {} is not proved to be the beginning of the tree of size {}",
                self.from, self.to
            )))
        }
    }

    /// Both roots as the proof makes them, for `0 < from < to`.
    fn roots(&self, older: &Hash) -> Option<(Hash, Hash)> {
        let mut hashes = self.hashes.iter();
        let first = if self.from.is_power_of_two() { older } else { hashes.next()? };
        let (mut at, mut last) = (self.from - 1, self.to - 1);
        while at & 1 == 1 {
            at >>= 1;
            last >>= 1;
        }
        let (mut old, mut new) = (*first, *first);
        for hash in hashes {
            if last == 0 {
                return None;
            }
            if at & 1 == 1 || at == last {
                old = node_hash(hash, &old);
                new = node_hash(hash, &new);
                while at & 1 == 0 && at != 0 {
                    at >>= 1;
                    last >>= 1;
                }
            } else {
                new = node_hash(&new, hash);
            }
            at >>= 1;
            last >>= 1;
        }
        (last == 0).then_some((old, new))
    }
}

fn check_inclusion(index: u64, size: u64) -> Result<(), LedgerError> {
    if index < size && size <= MAX_SIZE {
        Ok(())
    } else {
        Err(LedgerError::OutOfRange(format!("no entry {index} in a tree of size {size}")))
    }
}

fn check_consistency(from: u64, to: u64) -> Result<(), LedgerError> {
    if from <= to && to <= MAX_SIZE {
        Ok(())
    } else {
        Err(LedgerError::OutOfRange(format!("a tree of size {from} is not the beginning of one of size {to}")))
    }
}

/// PATH(index, D[size]) as ranges of leaves, from the leaf up.
fn inclusion_ranges(index: u64, size: u64) -> Result<Vec<Range<u64>>, LedgerError> {
    check_inclusion(index, size)?;
    let mut ranges = Vec::new();
    let (mut first, mut end) = (0, size);
    while end - first > 1 {
        let middle = first + split(end - first);
        if index < middle {
            ranges.push(middle..end);
            end = middle;
        } else {
            ranges.push(first..middle);
            first = middle;
        }
    }
    ranges.reverse();
    Ok(ranges)
}

/// PROOF(from, D[to]) as ranges of leaves, in the order of RFC 6962.
fn consistency_ranges(from: u64, to: u64) -> Result<Vec<Range<u64>>, LedgerError> {
    check_consistency(from, to)?;
    let mut ranges = Vec::new();
    if from == 0 {
        return Ok(ranges);
    }
    let (mut first, mut end) = (0, to);
    while from != end {
        let middle = first + split(end - first);
        if from <= middle {
            ranges.push(middle..end);
            end = middle;
        } else {
            ranges.push(first..middle);
            first = middle;
        }
    }
    if first != 0 {
        ranges.push(first..end);
    }
    ranges.reverse();
    Ok(ranges)
}

/// The largest power of two below n, for n > 1.
fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

fn nodes_of(range: Range<u64>) -> Vec<Node> {
    cover(range.start, range.end)
}

fn hashes_of(ranges: Vec<Range<u64>>, hash: impl Fn(Node) -> Option<Hash>) -> Result<Vec<Hash>, LedgerError> {
    let find = |node: Node| hash(node).ok_or(LedgerError::HashMissing { level: node.level, index: node.index });
    ranges
        .into_iter()
        .map(|range| {
            let peaks: Vec<Hash> = nodes_of(range).into_iter().map(find).collect::<Result<_, _>>()?;
            Ok(fold(&peaks))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::super::tree::{leaf_hash, root_of};
    use super::*;
    use proptest::prelude::*;

    const SIZES: u64 = 131;

    fn leaves() -> Vec<Hash> {
        (0..SIZES).map(|index| leaf_hash(&index.to_be_bytes())).collect()
    }

    fn place(index: u64) -> usize {
        usize::try_from(index).unwrap()
    }

    /// Every perfect subtree over these leaves, by level.
    fn source(leaves: &[Hash]) -> impl Fn(Node) -> Option<Hash> {
        let mut levels = vec![leaves.to_vec()];
        while let Some(pairs) = levels.last().filter(|level| level.len() > 1) {
            let above = pairs.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
            levels.push(above);
        }
        move |node| levels.get(usize::from(node.level))?.get(place(node.index)).copied()
    }

    fn roots(leaves: &[Hash]) -> Vec<Hash> {
        (0..=leaves.len()).map(|size| root_of(&leaves[..size])).collect()
    }

    fn flipped(hash: &Hash, at: usize) -> Hash {
        let mut bytes = *hash.as_bytes();
        bytes[at % 32] ^= 1 << (at % 8);
        Hash::new(bytes)
    }

    #[test]
    fn every_leaf_of_every_size_is_proved_and_nothing_else_is() {
        let leaves = leaves();
        let (source, roots) = (source(&leaves), roots(&leaves));
        for size in 1..SIZES {
            let root = roots[place(size)];
            for index in 0..size {
                let proof = prove_inclusion(index, size, &source).unwrap();
                let leaf = &leaves[place(index)];
                proof.verify(leaf, &root).unwrap();
                let other = InclusionProof { index: (index + 1) % size, ..proof.clone() };
                assert!(size == 1 || other.verify(leaf, &root).is_err(), "{index} of {size}");
                assert!(proof.verify(&flipped(leaf, place(index)), &root).is_err());
                assert!(proof.verify(leaf, &flipped(&root, place(index))).is_err());
                let mut longer = proof.clone();
                longer.hashes.push(root);
                assert!(longer.verify(leaf, &root).is_err());
                let mut shorter = proof;
                assert!(shorter.hashes.pop().is_none() || shorter.verify(leaf, &root).is_err());
            }
        }
    }

    #[test]
    fn every_size_is_proved_to_begin_every_larger_one() {
        let leaves = leaves();
        let (source, roots) = (source(&leaves), roots(&leaves));
        for to in 0..SIZES {
            let newer = roots[place(to)];
            for from in 0..=to {
                let older = roots[place(from)];
                let proof = prove_consistency(from, to, &source).unwrap();
                proof.verify(&older, &newer).unwrap();
                assert!(proof.verify(&flipped(&older, place(from)), &newer).is_err());
                if from > 0 {
                    assert!(proof.verify(&older, &flipped(&newer, place(to))).is_err());
                }
                let mut longer = proof.clone();
                longer.hashes.push(newer);
                assert!(longer.verify(&older, &newer).is_err());
                let mut shorter = proof;
                assert!(shorter.hashes.pop().is_none() || shorter.verify(&older, &newer).is_err());
            }
        }
    }

    proptest! {
        #[test]
        fn a_flipped_bit_of_a_proof_is_found(size in 2..SIZES, pick: u64, at: usize, which: usize) {
            let leaves = leaves();
            let index = pick % size;
            let root = root_of(&leaves[..place(size)]);
            let mut proof = prove_inclusion(index, size, source(&leaves)).unwrap();
            let which_hash = which % proof.hashes.len();
            proof.hashes[which_hash] = flipped(&proof.hashes[which_hash], at);
            prop_assert!(proof.verify(&leaves[place(index)], &root).is_err());

            let from = index.max(1);
            let older = root_of(&leaves[..place(from)]);
            let mut proof = prove_consistency(from, size, source(&leaves)).unwrap();
            let which_hash = which % proof.hashes.len();
            proof.hashes[which_hash] = flipped(&proof.hashes[which_hash], at);
            prop_assert!(proof.verify(&older, &root).is_err());
        }

        #[test]
        fn no_input_makes_a_check_fall_over(index: u64, size: u64, count in 0_usize..70) {
            let hash = leaf_hash(b"x");
            let hashes = vec![hash; count];
            let _ = InclusionProof { index, size, hashes: hashes.clone() }.verify(&hash, &hash);
            let _ = ConsistencyProof { from: index, to: size, hashes }.verify(&hash, &hash);
            let _ = inclusion_nodes(index, size);
            let _ = consistency_nodes(index, size);
        }
    }

    #[test]
    fn proofs_are_those_of_the_certificate_transparency_test_vectors() {
        let entries =
            ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
        let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(&hex::decode(entry).unwrap())).collect();
        let texts = |hashes: Vec<Hash>| hashes.iter().map(Hash::to_string).collect::<Vec<_>>();
        assert_eq!(
            texts(prove_inclusion(5, 8, source(&leaves)).unwrap().hashes),
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ]
        );
        assert_eq!(
            texts(prove_consistency(6, 8, source(&leaves)).unwrap().hashes),
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ]
        );
    }
}
