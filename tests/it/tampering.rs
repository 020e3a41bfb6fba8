//! What somebody might do to a bundle who understands it: each is found, and the message says what and where.

use crate::evidence::{Bundle, bundle_of, check, finding, key};
use crate::rewriting::approved;
use countersign::evidence::bundle::{CHECKPOINT, ENTRIES, FRONTIERS, Frontiers, MANIFEST_NOTE};
use countersign::evidence::{EvidenceError, Trust, verify};
use countersign_core::ledger::tree::{cover, leaf_hash};
use countersign_core::ledger::{Checkpoint, Frontier, Hash, SigningKey, canonical};
use std::fs;

/// The root that lines of entries give, with what stands left and right of them.
fn root_over(bundle: &Bundle, lines: &[String]) -> Hash {
    let frontiers = frontiers(bundle);
    let mut tree = Frontier::from_peaks(frontiers.from, frontiers.left).unwrap();
    for line in lines {
        tree.push(leaf_hash(line.as_bytes())).unwrap();
    }
    for (node, hash) in cover(frontiers.to, frontiers.size).into_iter().zip(frontiers.right) {
        tree.push_node(node.level, hash).unwrap();
    }
    tree.root()
}

fn frontiers(bundle: &Bundle) -> Frontiers {
    serde_json::from_slice(&fs::read(bundle.file(FRONTIERS)).unwrap()).unwrap()
}

fn head(bundle: &Bundle) -> Checkpoint {
    let note = fs::read_to_string(bundle.file(CHECKPOINT)).unwrap();
    Checkpoint::verified(&note, &[key().verifying_key()]).unwrap()
}

#[tokio::test]
async fn each_entry_removed_doubled_swapped_or_moved_is_found_whoever_signs_the_manifest() {
    let bundle = bundle_of(None).await;
    let good = bundle.lines();
    let count = good.len();
    let mut tried = 0;
    for at in 0..count {
        let mut removed = good.clone();
        removed.remove(at);
        let mut doubled = good.clone();
        doubled.insert(at, good[at].clone());
        let mut altered = vec![removed, doubled];
        for other in 0..count {
            if other == at {
                continue;
            }
            let mut swapped = good.clone();
            swapped.swap(at, other);
            let mut moved = good.clone();
            let line = moved.remove(at);
            moved.insert(other, line);
            let mut replaced = good.clone();
            replaced[at] = good[other].clone();
            altered.extend([swapped, moved, replaced]);
        }
        for lines in altered {
            bundle.write_lines(&lines);
            bundle.sign_again();
            let (place, message) = finding(&bundle.path);
            assert!(place.starts_with(ENTRIES), "entry {at}: {message}");
            tried += 1;
        }
    }
    assert_eq!(tried, count * (2 + 3 * (count - 1)));
    bundle.write_lines(&good);
    bundle.sign_again();
    check(&bundle.path).unwrap();
}

#[tokio::test]
async fn a_verdict_changed_with_its_facts_is_found_by_the_root_and_by_the_key() {
    let bundle = bundle_of(None).await;
    let mut lines = bundle.lines();
    let at = lines.iter().position(|line| line.contains("\"outcome\":\"pending\"")).unwrap();
    // Facts and verdict agree, the spelling is canonical, and replay says the same.
    lines[at] = String::from_utf8(approved(lines[at].as_bytes())).unwrap();
    bundle.write_lines(&lines);
    assert_eq!(finding(&bundle.path).0, ENTRIES);
    bundle.sign_again();
    let message = finding(&bundle.path).1;
    assert!(message.starts_with("entries.jsonl: with frontiers.json it leads to the root"), "{message}");

    // The head told anew over it, by another key of the same name.
    let forger = SigningKey::from_seed(key().name(), [66; 32]).unwrap();
    let forged = Checkpoint { root: root_over(&bundle, &lines), ..head(&bundle) };
    fs::write(bundle.file(CHECKPOINT), forged.sign(&forger).unwrap()).unwrap();
    bundle.sign_again();
    assert_eq!(finding(&bundle.path).1, "checkpoint.txt: not signed by `example.com/ledger`");
    bundle.sign_again_with(&forger);
    let message = finding(&bundle.path).1;
    assert_eq!(message, format!("{MANIFEST_NOTE}: not signed by `example.com/ledger`"));
    // Without any key the derived files still tell: they were not made again. Whoever makes those again too is only unproved,
    // as `rewriting.rs` shows.
    let message = verify(&bundle.path, &Trust::default()).unwrap_err().to_string();
    assert!(message.contains("is not what the entries give"), "{message}");
}

#[tokio::test]
async fn a_truncated_ledger_is_found_by_its_head() {
    let bundle = bundle_of(None).await;
    let kept = fs::read_to_string(bundle.file(CHECKPOINT)).unwrap();
    let good = bundle.lines();
    let lines = &good[..good.len() - 2];
    bundle.write_lines(lines);
    bundle.sign_again();
    assert!(finding(&bundle.path).1.ends_with("the file ends before it"));
    // The frontiers told anew: now the head speaks of more.
    let size = lines.len() as u64;
    let shorter = Frontiers { to: size, size, right: Vec::new(), ..frontiers(&bundle) };
    fs::write(bundle.file(FRONTIERS), canonical::to_bytes(&shorter).unwrap()).unwrap();
    bundle.sign_again();
    let message = finding(&bundle.path).1;
    assert_eq!(message, "frontiers.json: it is for a ledger of 6 entries, and checkpoint.txt for 8");
    // And a head told anew, by whoever has the key: a checkpoint that somebody kept speaks of more.
    let forged = Checkpoint { size, root: root_over(&bundle, lines), ..head(&bundle) };
    fs::write(bundle.file(CHECKPOINT), forged.sign(&key()).unwrap()).unwrap();
    bundle.sign_again();
    let keys = [key().verifying_key()];
    let error = verify(&bundle.path, &Trust { keys: &keys, older: Some(&kept), ..Trust::default() }).unwrap_err();
    assert!(matches!(error, EvidenceError::Wrong { .. }));
    assert_eq!(error.to_string(), "checkpoint.txt: it has 6 entries, and the older checkpoint has 8");
}
