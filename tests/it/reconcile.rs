//! The count of a population repeated on a clone: what was planted is found, and nothing else.

mod history;

use crate::cli::{Said, run};
use history::{History, Ledger};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// How many commits the generated history has.
fn commits() -> usize {
    std::env::var("HISTORY_COMMITS").ok().and_then(|count| count.parse().ok()).unwrap_or(2_000)
}

async fn reconcile(bundle: &Path, clone: &Path, more: &[&str]) -> Said {
    let path = std::env::var("PATH").unwrap();
    let fixed = ["evidence", "reconcile", bundle.to_str().unwrap(), "--git", clone.to_str().unwrap()];
    run(&[&fixed, more].concat(), &[("PATH", path.as_str())]).await
}

/// Kind and deployment of everything that was found.
fn found(said: &Said, list: &str) -> Vec<(String, u64)> {
    let said: Value = serde_json::from_str(&said.out).unwrap();
    let mut found: Vec<(String, u64)> = said[list]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["kind"].as_str().unwrap().to_owned(), one["deployment"].as_u64().unwrap()))
        .collect();
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_without_a_gap_agrees_with_its_clone_and_with_githubs_list() {
    let directory = tempfile::tempdir().unwrap();
    let history = History::generate(directory.path(), commits());
    let ledger = Ledger::of(&history);
    let bundle = ledger.write(directory.path()).await;
    let list = ledger.list(directory.path(), |_| true, |one| one);
    let key = Ledger::key();
    let more = ["--deployments", list.to_str().unwrap(), "--key", key.as_str()];
    let said = reconcile(&bundle, &history.clone, &more).await;
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(said.out.ends_with("\nall agree\n"), "{}", said.out);
    let line = format!("acme/shop: {} commits on the line of main", history.line.len());
    assert!(said.out.starts_with(&line), "{}", said.out);

    // Whoever holds another history holds another count.
    let json = reconcile(&bundle, &history.clone, &["--branch", "elsewhere", "--format", "json"]).await;
    assert_eq!(json.code, 2, "{}", json.out);
    let none = reconcile(&bundle, &history.clone, &["--branch", "nowhere"]).await;
    assert_eq!(none.code, 1);
    assert!(none.err.contains("the clone has no branch `nowhere`"), "{}", none.err);
    let no_clone = reconcile(&bundle, directory.path(), &[]).await;
    assert!(no_clone.code == 1 && no_clone.err.contains("is no git repository"), "{}", no_clone.err);
    std::fs::write(bundle.join("gaps.csv"), "nothing\n").unwrap();
    let altered = reconcile(&bundle, &history.clone, &[]).await;
    assert!(altered.code == 2 && altered.out.starts_with("does not hold: gaps.csv"), "{}", altered.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn gaps_of_every_kind_that_were_planted_are_found_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let history = History::generate(directory.path(), commits());
    let mut ledger = Ledger::of(&history);
    let mut planted = ledger.plant(&history);
    let bundle = ledger.write(directory.path()).await;
    let (gone, other, extra) = (ledger.release(60).deployment, ledger.release(62).deployment, 9_000_001);
    let list = ledger.list(
        directory.path(),
        |id| id != gone,
        |mut one| {
            if one["id"] == other {
                one["sha"] = json!(history.rogue[0]);
            }
            one
        },
    );
    history::append(&list, &json!({"id": extra, "sha": history.line[3], "environment": "Production"}));
    history::append(&list, &json!({"id": extra + 1, "sha": history.line[3], "environment": "preview"}));
    planted.extend([
        ("deployment-unlisted".to_owned(), gone),
        ("commit-differs".to_owned(), other),
        ("deployment-undecided".to_owned(), extra),
    ]);
    planted.sort();

    let started = std::time::Instant::now();
    let more = ["--format", "json", "--deployments", list.to_str().unwrap()];
    let said = reconcile(&bundle, &history.clone, &more).await;
    let took = started.elapsed();
    assert_eq!(said.code, 2, "{}{}", said.out, said.err);
    assert_eq!(found(&said, "gaps"), planted, "{}", said.out);
    assert_eq!(found(&said, "unknown"), []);
    let kinds: BTreeMap<&str, u64> = planted.iter().map(|(kind, _)| (kind.as_str(), 1)).collect();
    let all: Vec<&str> = countersign::evidence::reconcile::KINDS.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds.len(), all.len(), "one of every kind: {kinds:?}");
    let size = std::fs::metadata(bundle.join("entries.jsonl")).unwrap().len();
    let peak = history::peak(&bundle, &history.clone);
    println!(
        "{} commits, {} MB of entries: reconciled in {} ms, {peak} kB resident",
        history.line.len(),
        size >> 20,
        took.as_millis()
    );
    // Linear in the line alone: what the entries hold is read as a stream.
    let bound = 64 * 1_024 + history.line.len() as u64 / 2;
    assert!(peak < bound, "{peak} kB of {bound}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_that_lacks_a_deployed_commit_cannot_tell() {
    let directory = tempfile::tempdir().unwrap();
    let history = History::generate(directory.path(), 200);
    let mut ledger = Ledger::of(&history);
    ledger.last().target = "f".repeat(40);
    ledger.last().changes.clear();
    let deployment = ledger.last().deployment;
    let bundle = ledger.write(directory.path()).await;
    let said = reconcile(&bundle, &history.clone, &["--format", "json"]).await;
    assert_eq!(said.code, 4, "{}{}", said.out, said.err);
    assert_eq!(found(&said, "unknown"), [("commit-absent".to_owned(), deployment)]);
    assert_eq!(found(&said, "gaps"), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_lies_in_a_clone_is_run_and_nothing_in_it_makes_another_history() {
    let directory = tempfile::tempdir().unwrap();
    let history = History::generate(directory.path(), 200);
    let mut ledger = Ledger::of(&history);
    ledger.release(2).changes.remove(3);
    let deployment = ledger.release(2).deployment;
    let bundle = ledger.write(directory.path()).await;
    let mark = directory.path().join("it-ran");
    history.lay_traps(&mark);
    let said = reconcile(&bundle, &history.clone, &["--format", "json"]).await;
    assert_eq!(found(&said, "gaps"), [("commits-uncovered".to_owned(), deployment)], "{}", said.out);
    assert!(!mark.exists(), "something of the clone was run");
}
