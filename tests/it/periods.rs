//! A bundle of a period, or of chosen repositories: nothing that belongs to it can be cut off, hidden or left unsaid.

use crate::cli::run;
use crate::evidence::{Bundle, check, finding, key, request, sign_again, store};
use crate::population::{Table, column, export, table};
use crate::scene::Scene;
use countersign::evidence::bundle::{ENTRIES, MANIFEST, MANIFEST_NOTE, Manifest, manifest_text};
use countersign::evidence::population::Period;
use countersign::evidence::{EvidenceError, Request, Wanted, export as write};
use countersign_core::domain::entry::ENTRY_VERSION;
use countersign_core::domain::{
    Account, AccountId, AccountKind, Away, CommitSha, DeliveriesMissed, DeploymentFinished, DeploymentId, Entry,
    EntryBody, Repository, RepositoryId, RunAttempt, RunId,
};
use countersign_core::ledger::canonical;
use countersign_core::ledger::tree::leaf_hash;
use serde_json::{Value, json};
use sqlx::Connection as _;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::Path;

fn at(time: &str, body: EntryBody) -> Entry {
    Entry { version: ENTRY_VERSION, time: format!("2026-01-{time}.000Z"), tool: "countersign 0.1.0".to_owned(), body }
}

/// That a job of this run ended in a repository.
fn ended(repository: u64, run: u64) -> EntryBody {
    EntryBody::DeploymentFinished(DeploymentFinished {
        repository: Repository { id: RepositoryId(repository), full_name: format!("acme/shop-{repository}") },
        environment: "production".to_owned(),
        deployment: DeploymentId(repository),
        run: RunId(run),
        attempt: RunAttempt(1),
        commit: CommitSha::new("ab".repeat(20)),
        conclusion: "failure".to_owned(),
        decision: None,
        ended_at: None,
        beside: Vec::new(),
    })
}

#[tokio::test]
async fn an_end_that_two_looks_come_to_know_of_is_on_record_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path()).await;
    for time in ["05T00:00:00", "05T00:00:01"] {
        store.note(at(time, ended(7, 1))).await.unwrap();
    }
    assert_eq!(store.ledger_head().await.unwrap().size, 1);
}

/// A job that ended each day at noon, from the first to the eighth, in repositories 7 and 8 by turns.
async fn eight_days(directory: &Path) -> countersign::store::Store {
    let store = store(directory).await;
    for day in 1..=8 {
        store.note(at(&format!("{day:02}T12:00:00"), ended(7 + day % 2, day))).await.unwrap();
    }
    store
}

fn period(from: &str, to: &str) -> Period {
    Period { from: format!("2026-01-{from}T00:00:00.000Z"), to: format!("2026-01-{to}T00:00:00.000Z") }
}

/// A bundle of this range of them that says it is of this period.
async fn said_to_be(range: Range<u64>, period: Period) -> Bundle {
    let directory = tempfile::tempdir().unwrap();
    let store = eight_days(directory.path()).await;
    let path = directory.path().join("bundle");
    let key = key();
    write(&store, &Request { period: Some(period), ..request(&key, Some(range)) }, &path).await.unwrap();
    Bundle { path, _directory: directory }
}

/// Changes a column beside the entries, as whoever has the database can.
async fn tamper(database: &Path, sql: &'static str) {
    let url = format!("sqlite://{}", database.display());
    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::query("DROP TRIGGER entries_keep_update").execute(&mut connection).await.unwrap();
    assert!(sqlx::query(sql).execute(&mut connection).await.unwrap().rows_affected() > 0);
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_bundle_that_cuts_off_what_belongs_to_its_period_does_not_hold_whoever_signs() {
    // Days 3 to 5 at noon are the entries 2 to 4; one more stands on each side.
    let whole = said_to_be(1..6, period("03", "06")).await;
    let verified = check(&whole.path).unwrap();
    assert_eq!(verified.period, Some(period("03", "06")));
    assert_eq!(verified.first.as_deref(), Some("2026-01-02T12:00:00.000Z"));
    assert_eq!(verified.last.as_deref(), Some("2026-01-06T12:00:00.000Z"));
    assert_eq!(table(&whole.path, "deployments.csv").len(), 3);
    assert_eq!(table(&whole.path, "gaps.csv").len(), 3, "each is a deployment without a decision, and nothing else");
    for (range, says) in [
        (2..6, "the first entry is of 2026-01-03T12:00:00.000Z and the period begins at 2026-01-03T00:00:00.000Z"),
        (1..5, "the last entry is of 2026-01-05T12:00:00.000Z and the period ends at 2026-01-06T00:00:00.000Z"),
        (3..3, "the first entry is of no time"),
    ] {
        let (place, message) = finding(&said_to_be(range.clone(), period("03", "06")).await.path);
        assert!(place == ENTRIES && message.contains(says), "{range:?}: {message}");
    }
    // Where the ledger begins or ends, nothing can be cut off.
    check(&said_to_be(0..8, period("01", "31")).await.path).unwrap();
    let (_, message) = finding(&said_to_be(1..6, period("06", "03")).await.path);
    assert!(message.starts_with("manifest.json: from `2026-01-06") && message.ends_with("is no period"), "{message}");
}

#[tokio::test]
async fn a_period_is_read_from_the_entries_themselves_whatever_the_columns_beside_them_say() {
    let directory = tempfile::tempdir().unwrap();
    let store = eight_days(directory.path()).await;
    let wanted = Wanted { period: Some(period("03", "06")), repositories: Vec::new() };
    assert_eq!(wanted.find(&store, None).await.unwrap().range, Some(1..6));
    let database = directory.path().join("store.db");
    tamper(&database, "UPDATE entries SET time = '2027-01-01T00:00:00.000Z' WHERE position >= 4").await;
    assert_eq!(wanted.find(&store, None).await.unwrap().range, Some(1..6), "late entries are found all the same");
    let path = directory.path().join("bundle");
    let found = wanted.find(&store, None).await.unwrap();
    let key = key();
    write(&store, &Request { period: found.period, size: Some(found.size), ..request(&key, found.range) }, &path)
        .await
        .unwrap();
    check(&path).unwrap();
    assert_eq!(table(&path, "deployments.csv").len(), 3);
    // Without the entries to go by, the head of the time is no way out either.
    assert_eq!(wanted.find(&store, Some(5)).await.unwrap().range, Some(1..5), "as far as the ledger went then");
}

#[tokio::test]
async fn what_is_left_out_is_chosen_by_the_entries_bytes_and_only_where_repositories_were_chosen() {
    let directory = tempfile::tempdir().unwrap();
    let store = eight_days(directory.path()).await;
    tamper(&directory.path().join("store.db"), "UPDATE entries SET subject = 'repository:9/x' WHERE position = 3")
        .await;
    let path = directory.path().join("bundle");
    let key = key();
    let chosen = Some(BTreeSet::from([RepositoryId(7)]));
    let of_seven = Request { repositories: chosen.clone(), ..request(&key, None) };
    assert_eq!(write(&store, &of_seven, &path).await.unwrap().left_out, 4, "four of eight are of 8");
    let verified = check(&path).unwrap();
    assert_eq!((verified.left_out, verified.repositories), (4, chosen));
    assert_eq!(column(&table(&path, "deployments.csv"), "repository"), ["acme/shop-7"; 4]);

    // One of theirs more, left out in the same way: its number is missed, whoever signs.
    let bundle = Bundle { path: directory.path().join("fewer"), _directory: tempfile::tempdir().unwrap() };
    write(&store, &of_seven, &bundle.path).await.unwrap();
    let mut lines = bundle.lines();
    lines[3] = format!("{{\"left_out\":\"{}\"}}", leaf_hash(lines[3].as_bytes()));
    bundle.write_lines(&lines);
    bundle.sign_again();
    let (_, message) = finding(&bundle.path);
    assert!(message.ends_with("it is entry 3 of repository 7, and entry 2 is not before it"), "{message}");

    // A period of chosen repositories reaches to entries of theirs, or to the ledger's ends.
    let wanted = Wanted { period: Some(period("04", "05")), repositories: vec!["7".to_owned()] };
    assert_eq!(wanted.find(&store, None).await.unwrap().range, Some(1..6));

    // The same lines in a bundle that says it has all repositories.
    let manifest: Manifest = serde_json::from_slice(&fs::read(path.join(MANIFEST)).unwrap()).unwrap();
    let bytes = canonical::to_bytes(&Manifest { repositories: None, ..manifest }).unwrap();
    fs::write(path.join(MANIFEST_NOTE), manifest_text(key.name(), &bytes).sign(&key).unwrap()).unwrap();
    fs::write(path.join(MANIFEST), bytes).unwrap();
    sign_again(&path, &key);
    let (_, message) = finding(&path);
    assert!(
        message.contains("it is left out, and the manifest says of no repositories that they were chosen"),
        "{message}"
    );
}

#[tokio::test]
async fn the_time_that_the_record_does_not_reach_over_is_a_window_and_so_is_a_clock_that_went_back() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path()).await;
    let stopped = || EntryBody::ServiceStopped {};
    for (time, run) in [("05T00:00:00", 1), ("05T01:00:00", 2), ("05T00:59:30", 3), ("04T00:00:00", 4)] {
        store.note(at(time, ended(7, run))).await.unwrap();
    }
    let gaps = async |name: &str, period: Option<Period>| -> Table {
        let path = directory.path().join(name);
        let key = key();
        write(&store, &Request { period, ..request(&key, None) }, &path).await.unwrap();
        check(&path).unwrap();
        let rows = table(&path, "gaps.csv");
        rows.into_iter().filter(|row| row["kind"] != "decision-missing").collect()
    };
    let beyond = gaps("beyond", Some(period("01", "31"))).await;
    assert_eq!(column(&beyond, "kind"), ["before-record", "clock-set-back", "after-record"]);
    assert_eq!(
        column(&beyond, "from"),
        ["2026-01-01T00:00:00.000Z", "2026-01-04T00:00:00.000Z", "2026-01-05T01:00:00.000Z"]
    );
    assert_eq!(
        column(&beyond, "to"),
        ["2026-01-05T00:00:00.000Z", "2026-01-05T00:59:30.000Z", "2026-01-31T00:00:00.000Z"]
    );
    assert!(beyond[2]["what"].ends_with("the ledger's head, whose last entry is of 2026-01-05T01:00:00.000Z"));
    assert_eq!(column(&gaps("none", None).await, "kind"), ["clock-set-back"]);

    // A service that was stopped in order was not there either, until it starts again.
    store.note(at("06T00:00:00", stopped())).await.unwrap();
    let after = gaps("stopped", Some(period("05", "31"))).await;
    assert_eq!(column(&after, "kind"), ["clock-set-back", "service-down"]);
    assert_eq!((after[1]["from"].as_str(), after[1]["to"].as_str()), ("2026-01-06T00:00:00.000Z", ""));
    assert_eq!(after[1]["what"], "the service was stopped in order, and nothing on record ends it");
    assert_eq!(column(&gaps("whole", None).await, "kind"), ["clock-set-back"], "the time told of ends with the stop");

    // The next start lies beyond the period, and comes along to tell how long that was.
    let away = Some(Away { since: "2026-01-06T00:00:00.000Z".to_owned(), clean: true });
    let start = EntryBody::ServiceStarted { settings_digest: "none".to_owned(), ledger_key: None, away };
    store.note(at("20T00:00:00", start)).await.unwrap();
    // Deliveries that were missed before a period are told in the one in which they were found to be missing.
    let missed = DeliveriesMissed {
        look: "l1".to_owned(),
        first: "2026-01-20T01:00:00.000Z".to_owned(),
        last: "2026-01-20T02:00:00.000Z".to_owned(),
        count: 1,
        events: BTreeMap::from([("push".to_owned(), 1)]),
    };
    store.note(at("22T00:00:00", EntryBody::DeliveriesMissed(missed))).await.unwrap();
    let of = async |from: &str, to: &str| -> Vec<(String, String)> {
        let wanted = Wanted { period: Some(period(from, to)), repositories: Vec::new() };
        let found = wanted.find(&store, None).await.unwrap();
        let path = directory.path().join(format!("{from}-{to}"));
        let key = key();
        write(&store, &Request { period: found.period, ..request(&key, found.range) }, &path).await.unwrap();
        check(&path).unwrap();
        table(&path, "gaps.csv").iter().map(|row| (row["kind"].clone(), row["to"].clone())).collect()
    };
    let down = ("service-down".to_owned(), "2026-01-20T00:00:00.000Z".to_owned());
    assert_eq!(of("06", "10").await, [down]);
    let missed = ("deliveries-missed".to_owned(), "2026-01-20T02:00:00.000Z".to_owned());
    let after = ("after-record".to_owned(), "2026-01-30T00:00:00.000Z".to_owned());
    assert_eq!(of("21", "30").await, [missed, after]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_period_is_asked_for_in_days_goes_forward_and_ends_now_at_the_latest() {
    let mut scene = Scene::set(json!({"accounts": {"ann": "write", "ben": "write"}})).await;
    scene.play(json!({"open": {"pr": 1, "by": "ann", "commits": [{"id": "a1", "by": "ann"}]}})).await;
    scene.rest().await;
    let config = scene.stage.directory().join("countersign.toml");
    let out = scene.stage.directory().join("bundle");
    let ask = async |from: &str, to: &str| {
        let fixed = ["evidence", "export", "--config", config.to_str().unwrap(), "--out", out.to_str().unwrap()];
        run(&[&fixed[..], &["--from", from, "--to", to]].concat(), &[]).await
    };
    let said = ask("2026-02-01", "2026-01-01").await;
    assert!(said.code == 1 && said.err.contains("`from` comes before `to`"), "{}", said.err);
    let said = ask("9998-01-01", "9999-01-01").await;
    assert!(said.code == 1 && said.err.contains("no entry between"), "{}", said.err);
    assert!(ask("monday", "9999-01-01").await.err.contains("or 2026-01-31"));
    let said = ask("2020-01-01", "9999-01-01").await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.err.contains("9999-01-01T00:00:00.000Z lies ahead: the bundle tells of the time until 2"),
        "{}",
        said.err
    );
    let gaps = table(&out, "gaps.csv");
    assert_eq!(column(&gaps, "kind"), ["service-started", "before-record", "after-record"]);
    let key = scene.text("/api/v1/ledger/key").await;
    // The head of the checkpoint is taken as it is spelled there, too.
    let checkpoint = fs::read_to_string(out.join("checkpoint.txt")).unwrap();
    let seen = checkpoint.lines().skip(1).take(2).collect::<Vec<_>>().join(":");
    let said = run(&["evidence", "verify", out.to_str().unwrap(), "--key", key.trim(), "--seen", &seen], &[]).await;
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(said.out.contains("tells of the time from 2020-01-01T00:00:00.000Z until before 2"), "{}", said.out);
    assert!(
        said.out.contains("its first entry is of 2") && said.out.contains("by the service's clock"),
        "{}",
        said.out
    );
    let some = scene.stage.directory().join("some");
    let fixed = ["evidence", "export", "--config", config.to_str().unwrap(), "--out", some.to_str().unwrap()];
    assert_eq!(run(&[&fixed[..], &["--repo", "acme/shop"]].concat(), &[]).await.code, 0);
    let said = run(&["evidence", "verify", some.to_str().unwrap(), "--key", key.trim()], &[]).await;
    assert!(said.out.contains("belong to others is the operator's word"), "{}", said.out);
}

/// Excepted work: an exception that let a change out, then a commit put there again, both deployed; reviewed later.
async fn excepted() -> Scene {
    let accounts = json!({"ann": "admin", "ben": "write", "cat": "maintain", "dee": "write"});
    let mut scene = Scene::set(json!({"accounts": accounts})).await;
    for step in [
        json!({"open": {"pr": 1, "by": "ann", "commits": [{"id": "a1", "by": "ann"}]}}),
        json!({"review": {"pr": 1, "by": "ben", "state": "approved"}}),
        json!({"merge": {"pr": 1, "by": "cat", "method": "squash", "id": "m1"}}),
        json!({"exception": {"by": "ann", "reason": "checkout is down", "ticket": "INC-7", "minutes": 60}}),
        json!({"deploy": {"by": "ann"}}),
        json!({"expect": {"gate": {"is": "exception"}}}),
        json!({"finish": {"state": "success"}}),
        json!({"open": {"pr": 2, "by": "ann", "commits": [{"id": "a2", "by": "ann"}]}}),
        json!({"review": {"pr": 2, "by": "ben", "state": "approved"}}),
        json!({"merge": {"pr": 2, "by": "cat", "method": "squash", "id": "m2"}}),
        json!({"deploy": {"by": "dee"}}),
        json!({"expect": {"gate": {"is": "allow"}}}),
        json!({"finish": {"state": "success"}}),
        json!({"deploy": {"by": "ben", "ref": "m1"}}),
        json!({"expect": {"gate": {"is": "exception", "because": ["rollback-unknown"]}}}),
        json!({"finish": {"state": "success"}}),
    ] {
        scene.play(step).await;
    }
    scene.rest().await;
    scene
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exception_is_told_in_the_period_of_its_use_and_in_that_of_its_review() {
    let mut scene = excepted().await;
    scene.play(json!({"review_exception": {"by": "dee", "verdict": "unjustified"}})).await;
    scene.rest().await;
    let whole = export(&scene, "whole", &[]).await;
    let all = table(&whole, "exceptions.csv");
    let reviewed = all[0]["reviewed_at"].clone();
    assert_eq!((all[0]["review"].as_str(), all[0]["in_time"].as_str()), ("unjustified", "yes"));
    // She deployed the release after it, which it did not let through.
    assert_eq!(all[0]["reviewer_had_no_part"], "yes");
    assert!(all[0]["opened_by_id"].parse::<u64>().is_ok() && all[0]["reviewed_by_id"].parse::<u64>().is_ok());

    let before = export(&scene, "before", &["--from", "2020-01-01", "--to", &reviewed]).await;
    let told = table(&before, "exceptions.csv");
    assert_eq!((told[0]["review"].as_str(), told[0]["in_time"].as_str()), ("open", ""), "as of the period's end");
    assert_eq!(column(&table(&before, "changes.csv"), "exception_review"), ["open", ""]);

    let after = export(&scene, "after", &["--from", &reviewed, "--to", "9999-01-01"]).await;
    let told = table(&after, "exceptions.csv");
    assert_eq!(told.len(), 1, "its opening came along");
    assert_eq!((told[0]["review"].as_str(), told[0]["let_through"].as_str()), ("unjustified", "2"));
    assert_eq!((table(&after, "changes.csv").len(), table(&after, "deployments.csv").len()), (0, 0));
    let key = scene.text("/api/v1/ledger/key").await;
    for bundle in [&whole, &before, &after] {
        let said = run(&["evidence", "verify", bundle.to_str().unwrap(), "--key", key.trim()], &[]).await;
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    }

    // The ticket says how it was closed: the page, and the one that is drawn.
    let page = scene.text("/changes/acme/shop/1").await;
    let out = scene.stage.directory().join("sample");
    let fixed = ["evidence", "sample", whole.to_str().unwrap(), "--key", key.trim(), "--out", out.to_str().unwrap()];
    let said = run(&[&fixed[..], &["--seed", "s"]].concat(), &[]).await;
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let tickets = ["ticket-001.html", "ticket-002.html"].map(|name| fs::read_to_string(out.join(name)).unwrap());
    for text in [page, tickets.concat()] {
        assert!(text.contains("reviewed the exception: <b>unjustified</b>"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_by_exception_deviates_also_where_it_brings_no_change() {
    let scene = excepted().await;
    let bundle = export(&scene, "bundle", &[]).await;
    let deployments = table(&bundle, "deployments.csv");
    assert_eq!(column(&deployments, "exception_review"), ["open", "", "open"]);
    assert_eq!(column(&deployments, "changes"), ["1", "1", "0"]);
    let exceptions = table(&bundle, "exceptions.csv");
    assert_eq!(deployments[2]["exception"], exceptions[0]["exception"]);
    assert_eq!((exceptions[0]["in_time"].as_str(), exceptions[0]["reviewer_had_no_part"].as_str()), ("", ""));
    let report: Value =
        serde_json::from_str(&crate::population::python("report.py", &[&bundle.join("report.html")])).unwrap();
    let text = report["text"].as_str().unwrap();
    for words in
        ["2 deviations", "1 deployment reached production by an exception and brought no change", "not reviewed"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[tokio::test]
async fn a_reviewer_who_had_a_part_is_told_although_the_service_lets_none() {
    let ann = Account { id: AccountId(1), login: "ann".to_owned(), kind: AccountKind::User };
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path()).await;
    let repository = || Repository { id: RepositoryId(7), full_name: "acme/shop".to_owned() };
    let opened = countersign_core::domain::Exception {
        id: "e1".to_owned(),
        repository: repository(),
        environment: "production".to_owned(),
        commit: None,
        reason: "down\n;=1".to_owned(),
        ticket: "INC-1".to_owned(),
        opened_by: ann.clone(),
        ends: "2026-01-01T01:00:00.000Z".to_owned(),
        due: "2026-01-03T00:00:00.000Z".to_owned(),
    };
    let review = countersign_core::domain::ExceptionReview {
        exception: "e1".to_owned(),
        repository: repository(),
        environment: "production".to_owned(),
        by: ann,
        justified: true,
    };
    store.note(at("01T00:00:00", EntryBody::ExceptionOpened(opened))).await.unwrap();
    store.note(at("04T00:00:00", EntryBody::ExceptionReviewed(review))).await.unwrap();
    let key = key();
    let path = directory.path().join("bundle");
    write(&store, &request(&key, None), &path).await.unwrap();
    check(&path).unwrap();
    let row = &table(&path, "exceptions.csv")[0];
    assert_eq!((row["reviewer_had_no_part"].as_str(), row["in_time"].as_str()), ("no", "no"));
    assert_eq!(row["reason"], "down ;'=1", "no spreadsheet makes a formula of it, wherever it ends a cell");
    // As of a day before it was due nothing is late.
    let early = directory.path().join("early");
    write(&store, &Request { period: Some(period("01", "02")), ..request(&key, None) }, &early).await.unwrap();
    let row = &table(&early, "exceptions.csv")[0];
    assert_eq!((row["review"].as_str(), row["in_time"].as_str()), ("open", ""));
    let late = directory.path().join("late");
    let due = Period { from: "2026-01-02T00:00:00.000Z".to_owned(), to: "2026-01-03T12:00:00.000Z".to_owned() };
    write(&store, &Request { period: Some(due), ..request(&key, None) }, &late).await.unwrap();
    let row = &table(&late, "exceptions.csv")[0];
    assert_eq!((row["review"].as_str(), row["in_time"].as_str()), ("open", "no"), "told where it was due");
}

#[tokio::test]
async fn a_name_and_a_time_that_are_not_on_record_are_said() {
    let directory = tempfile::tempdir().unwrap();
    let store = eight_days(directory.path()).await;
    let wanted = Wanted { period: Some(period("20", "21")), repositories: Vec::new() };
    assert!(matches!(wanted.find(&store, None).await, Err(EvidenceError::NothingBetween { .. })));
}
