//! The population that an auditor samples from: what reached production, by whom, and what is missing.

use crate::cli::run;
use crate::scene::Scene;
use serde_json::json;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub type Table = Vec<HashMap<String, String>>;

pub fn table(bundle: &Path, name: &str) -> Table {
    let mut reader = csv::Reader::from_path(bundle.join(name)).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

pub fn column<'t>(table: &'t Table, name: &str) -> Vec<&'t str> {
    table.iter().map(|row| row[name].as_str()).collect()
}

/// Two changes by three people each, one release denied, and one that went out while the rule was off.
async fn a_year() -> Scene {
    let accounts = json!({"ann": "admin", "ben": "write", "cat": "maintain", "dee": "write"});
    let mut scene = Scene::set(json!({"accounts": accounts})).await;
    for step in [
        json!({"open": {"pr": 1, "by": "ann", "commits": [{"id": "a1", "by": "ann"}, {"id": "a2", "by": "ann"}]}}),
        json!({"review": {"pr": 1, "by": "ben", "state": "approved"}}),
        json!({"merge": {"pr": 1, "by": "cat", "method": "squash"}}),
        json!({"deploy": {"by": "ann"}}),
        json!({"expect": {"gate": {"is": "deny"}}}),
        json!({"deploy": {"by": "dee"}}),
        json!({"expect": {"gate": {"is": "allow"}}}),
        json!({"finish": {"state": "success"}}),
        json!({"open": {"pr": 2, "by": "ben", "commits": [{"id": "b1", "by": "ben"}]}}),
        json!({"merge": {"pr": 2, "by": "ann", "method": "merge", "bypass": true}}),
        json!({"protection": {"by": "ann", "environment_rule": "removed"}}),
        json!({"deploy": {"by": "ann"}}),
        json!({"finish": {"state": "success"}}),
        json!({"expect": {"alerts": ["gate-bypassed"]}}),
    ] {
        scene.play(step).await;
    }
    scene.rest().await;
    scene
}

pub async fn export(scene: &Scene, name: &str, more: &[&str]) -> PathBuf {
    let config = scene.stage.directory().join("countersign.toml");
    let bundle = scene.stage.directory().join(name);
    let fixed = ["evidence", "export", "--config", config.to_str().unwrap(), "--out", bundle.to_str().unwrap()];
    let said = run(&[&fixed, more].concat(), &[]).await;
    assert_eq!(said.code, 0, "{}", said.err);
    bundle
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_that_reached_production_is_there_with_those_who_stood_behind_it() {
    let scene = a_year().await;
    let bundle = export(&scene, "bundle", &[]).await;

    let changes = table(&bundle, "changes.csv");
    assert_eq!(column(&changes, "change"), ["#1"]);
    let change = &changes[0];
    assert!(change["change_ticket"].ends_with("/changes/acme/shop/1"), "{}", change["change_ticket"]);
    assert_eq!((change["contributors"].as_str(), change["merged_by"].as_str()), ("ann", "cat"));
    assert!(change["reviewers"].starts_with("ben at git:"), "{}", change["reviewers"]);
    assert!(change["deployers"].starts_with("dee ("), "{}", change["deployers"]);
    for test in ["author_is_not_reviewer", "author_is_not_deployer", "reviewer_is_not_deployer"] {
        assert_eq!(change[test], "yes", "{test}");
    }
    assert_eq!((change["outcome"].as_str(), change["reasons"].as_str()), ("allow", ""));
    // Everybody is there by an id as well, which a new name does not change; and the lead time follows from two columns.
    for ids in ["contributor_ids", "reviewer_ids", "deployer_ids"] {
        assert!(change[ids].parse::<u64>().is_ok(), "{ids}: {}", change[ids]);
    }
    let moment = |column: &str| OffsetDateTime::parse(&change[column], &Rfc3339).unwrap();
    let lead = (moment("job_ended_at") - moment("merged_at")).whole_minutes();
    assert_eq!(change["lead_minutes"], lead.to_string());

    let commits = table(&bundle, "commits.csv");
    assert_eq!(column(&commits, "on_production_line"), ["no", "no", "yes"]);
    assert!(commits[2]["commit"] == change["commit"] && change["commit"].starts_with("git:"));

    let deployments = table(&bundle, "deployments.csv");
    assert_eq!(column(&deployments, "outcome"), ["deny", "allow", "none"]);
    assert_eq!(column(&deployments, "conclusion"), ["failure", "success", "success"]);
    assert_eq!(deployments[0]["reasons"], "deployer-is-author");

    let gaps = table(&bundle, "gaps.csv");
    let mut kinds = column(&gaps, "kind");
    kinds.sort_unstable();
    assert_eq!(kinds, ["decision-missing", "gate-bypassed", "service-started"]);

    let key = scene.text("/api/v1/ledger/key").await;
    let said = run(&["evidence", "verify", bundle.to_str().unwrap(), "--key", key.trim()], &[]).await;
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_period_tells_of_what_ended_in_it_and_reaches_back_to_its_decisions() {
    let scene = a_year().await;
    let ended = table(&export(&scene, "all", &[]).await, "changes.csv")[0]["deployed_at"].clone();
    let whole = ["--from", "2020-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z"];
    assert_eq!(table(&export(&scene, "whole", &whole).await, "changes.csv").len(), 1);
    // From the very moment of its end on: the decision before it comes along, the denied attempt is out of the period.
    let from = ["--from", ended.as_str(), "--to", "2100-01-01T00:00:00Z"];
    let bundle = export(&scene, "from", &from).await;
    assert_eq!(column(&table(&bundle, "changes.csv"), "change"), ["#1"]);
    assert_eq!(column(&table(&bundle, "deployments.csv"), "outcome"), ["allow", "none"]);
    let until = ["--from", "2020-01-01T00:00:00Z", "--to", ended.as_str()];
    let bundle = export(&scene, "until", &until).await;
    assert_eq!(table(&bundle, "changes.csv").len(), 0);
    assert_eq!(column(&table(&bundle, "deployments.csv"), "outcome"), ["deny", "allow"]);
}

/// Runs a script of `tests/evidence` with what `.ci/install` installed for it.
pub fn python(script: &str, arguments: &[&Path]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let said = Command::new("python3")
        .arg(root.join("tests/evidence").join(script))
        .args(arguments)
        .env("PYTHONPATH", root.join(if script == "oscal.py" { "tests/evidence/tools" } else { "tests/action/tools" }))
        .output()
        .unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_workbook_says_what_the_tables_say_to_programs_that_know_nothing_of_us() {
    let scene = a_year().await;
    let bundle = export(&scene, "bundle", &[]).await;
    assert!(python("workbook.py", &[&bundle]).contains(" rows hold"));
    // LibreOffice calculates every formula anew.
    let anew = scene.stage.directory().join("anew");
    let home = format!("-env:UserInstallation=file://{}", scene.stage.directory().join("office").display());
    let calculated = Command::new("soffice")
        .args([&home, "--headless", "--convert-to", "xlsx:Calc MS Excel 2007 XML", "--outdir"])
        .arg(&anew)
        .arg(bundle.join("workbook.xlsx"))
        .output()
        .unwrap();
    assert!(calculated.status.success(), "{}", String::from_utf8_lossy(&calculated.stderr));
    let said = python("workbook.py", &[&bundle, &anew.join("workbook.xlsx")]);
    assert!(said.contains("formulas calculated anew"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_is_drawn_alike_by_everybody_and_comes_with_its_tickets() {
    let scene = a_year().await;
    let bundle = export(&scene, "bundle", &[]).await;
    let key = scene.text("/api/v1/ledger/key").await;
    let draw = async |out: &str, seed: &str| {
        let out = scene.stage.directory().join(out);
        let fixed = ["evidence", "sample", bundle.to_str().unwrap(), "--key", key.trim(), "--seed", seed];
        let said =
            run(&[&fixed[..], &["--size", "3", "--stratify", "--out", out.to_str().unwrap()]].concat(), &[]).await;
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        let read: serde_json::Value =
            serde_json::from_str(&python("report.py", &[&out.join("ticket-001.html")])).unwrap();
        (said.out, read["text"].as_str().unwrap().to_owned())
    };
    let (one, ticket) = draw("one", "2026").await;
    let list = scene.stage.directory().join("one");
    let drawn = &table(&list, "sample.csv")[0];
    assert_eq!([&drawn["ticket"], &drawn["change"], &drawn["seed"]], ["ticket-001.html", "#1", "2026"]);
    let head = std::fs::read_to_string(bundle.join("checkpoint.txt")).unwrap();
    let ledger = head.lines().next().unwrap();
    for words in ["1 of 1, drawn from a population of 1", "Seed2026", &format!("{ledger}, of ")] {
        assert!(ticket.contains(words), "{words}: {ticket}");
    }
    assert_eq!(one, draw("other", "2026").await.0);
    assert_eq!(one, "seed 2026: 1 of 1 changes\nticket-001.html acme/shop #1 to production: allow\n");
    let order = [
        "@ann opened #1",
        "@ann wrote commit",
        "@ben approved",
        "@cat merged it",
        "@cat moved the production branch",
        "@ann started run",
        "Countersign decided: denied, because of deployer-is-author",
        "@dee started run",
        "Countersign decided: allowed",
        "The deploying job ended: success",
    ];
    let mut from = 0;
    for step in order {
        from += ticket[from..].find(step).unwrap_or_else(|| panic!("{step} is not after {}", &ticket[..from]));
    }
    let merged = ticket.find("@cat merged it").unwrap();
    let moved = ticket.find("@cat moved the production branch").unwrap();
    assert!(!ticket[merged..moved].contains("Countersign"), "the branch moves with the merge");
    assert!(ticket.contains("Three different people: @ann wrote, @ben reviewed, @dee deployed."));

    let said =
        run(&["evidence", "sample", bundle.to_str().unwrap(), "--seed", "1", "--size", "0", "--out", "x"], &[]).await;
    assert!(said.code != 0 && said.err.contains("--size"), "{}", said.err);

    // Nothing is drawn from what does not verify.
    std::fs::write(bundle.join("changes.csv"), "nothing").unwrap();
    let out = scene.stage.directory().join("none");
    let fixed = ["evidence", "sample", bundle.to_str().unwrap(), "--seed", "1", "--out", out.to_str().unwrap()];
    let said = run(&fixed, &[]).await;
    assert_eq!(said.code, 2, "{}{}", said.out, said.err);
    assert!(said.out.starts_with("does not hold: changes.csv"), "{}", said.out);
    assert!(!out.exists());
}
