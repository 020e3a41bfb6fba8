//! Every code has its one place, its words, and cases on both sides.

use super::world::every_rule;
use super::{Case, approve, chains, deploy, merge, packs};
use crate::domain::Outcome;
use crate::policy::{Origin, PACKS, codes};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

pub(super) fn cases() -> impl Iterator<Item = &'static Case> {
    approve::CASES.iter().chain(merge::CASES).chain(deploy::CASES).chain(chains::CASES).chain(packs::CASES)
}

#[test]
fn codes_and_cases_match_one_to_one() {
    let known: BTreeSet<String> = codes(&every_rule()).into_iter().map(|code| code.code).collect();
    let of = |allowed: bool| -> BTreeSet<String> {
        cases().filter(|case| (case.is == Outcome::Allow) == allowed).map(|case| case.code.to_owned()).collect()
    };
    // No facts bring a policy error about under the built-in rules: `rules.rs` does it with rules that are wrong.
    let mut broken = of(false);
    let mut allowed = of(true);
    broken.insert("policy-error".to_owned());
    allowed.insert("policy-error".to_owned());
    assert_eq!(known, broken);
    assert_eq!(known, allowed);
}

#[test]
fn a_rule_stands_in_the_file_that_bears_its_code() {
    for code in codes(&every_rule()) {
        match code.origin {
            Origin::Rule(file) => assert!(file.ends_with(&format!("/{}.cedar", code.code)), "{file}"),
            Origin::Branch(place) => assert!(place.starts_with("policy::"), "{place}"),
        }
    }
}

#[test]
fn every_code_has_its_words_and_its_controls() {
    let frameworks = ["SOC2 ", "PCI-DSS-4.0.1 ", "ISO-27001-2022 ", "NIST-800-53r5 ", "SOX ", "DORA-RTS-2024/1774 "];
    for code in codes(&every_rule()) {
        assert!(!code.summary.is_empty() && !code.remedy.is_empty(), "{}", code.code);
        let controls: Vec<&str> = code.controls.split("; ").collect();
        assert!(controls.len() >= 3, "{}", code.code);
        for control in controls {
            assert!(frameworks.iter().any(|framework| control.starts_with(framework)), "{}: {control}", code.code);
        }
    }
}

/// What an auditor asks for, framework by framework.
const CONTROLS: &[(&str, &[&str])] = &[
    ("SOC2", &["CC6.1", "CC6.2", "CC6.3", "CC7.1", "CC7.2", "CC8.1"]),
    ("PCI-DSS-4.0.1", &["6.2.3", "6.2.3.1", "6.5.1", "6.5.2", "6.5.3", "6.5.4"]),
    ("ISO-27001-2022", &["A.5.3", "A.8.29", "A.8.32"]),
    ("NIST-800-53r5", &["AC-5", "CM-3", "CM-5", "SA-11", "SI-7"]),
    ("SOX", &["program-change"]),
    ("DORA-RTS-2024/1774", &["Art.17(1)(b)", "Art.17(1)(g)"]),
];

/// The codes whose rule serves a control.
fn serving(framework: &str, control: &str) -> Vec<String> {
    let serves = |controls: &str| {
        let of_framework = controls.split("; ").filter_map(|listed| listed.strip_prefix(framework)?.strip_prefix(' '));
        of_framework.flat_map(|listed| listed.split(", ")).any(|listed| listed == control)
    };
    codes(&every_rule()).into_iter().filter(|code| serves(&code.controls)).map(|code| code.code).collect()
}

#[test]
fn every_control_is_served_by_a_rule_and_every_rule_serves_controls_that_are_listed() {
    for (framework, controls) in CONTROLS {
        for control in *controls {
            assert!(!serving(framework, control).is_empty(), "no rule serves {framework} {control}");
        }
    }
    for code in codes(&every_rule()) {
        for listed in code.controls.split("; ") {
            let (framework, controls) = listed.split_once(' ').unwrap();
            let known = CONTROLS.iter().find(|(name, _)| *name == framework).map_or(&[][..], |(_, known)| known);
            assert!(controls.split(", ").all(|control| known.contains(&control)), "{}: {listed}", code.code);
        }
    }
}

/// A story's name, the codes that it expects, and whether it expects anything to be allowed.
struct Story {
    name: String,
    expects: BTreeSet<String>,
    allows: bool,
}

fn stories() -> Vec<Story> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/stories");
    let mut stories: Vec<Story> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| {
            let file = file.unwrap().path();
            let text = std::fs::read_to_string(&file).unwrap();
            let listed = text.split("because: [").skip(1).filter_map(|rest| rest.split_once(']'));
            let codes = listed.flat_map(|(codes, _)| codes.split(',').map(|code| code.trim().to_owned()));
            Story {
                name: file.file_stem().unwrap().to_string_lossy().into_owned(),
                expects: codes.collect(),
                allows: ["is: allow", "is: success", "is: compliant"].iter().any(|is| text.contains(is)),
            }
        })
        .collect();
    stories.sort_by(|a, b| (!a.allows, &a.name).cmp(&(!b.allows, &b.name)));
    stories
}

#[test]
fn every_code_is_played_both_ways() {
    let stories = stories();
    for code in codes(&every_rule()).into_iter().map(|code| code.code) {
        let both = stories.iter().any(|story| story.expects.contains(&code) && story.allows);
        assert!(both, "no story expects {code} and, in the same world, something that is allowed");
    }
}

#[test]
fn no_sentence_leaves_a_place_empty() {
    for case in cases() {
        let verdict = super::world::judge(&(case.facts)());
        let of_reviews = verdict.changes.iter().flat_map(|change| &change.reviews).flat_map(|review| &review.reasons);
        for reason in verdict.reasons.iter().chain(of_reviews) {
            assert!(!reason.text.contains(['{', '}']) && !reason.remedy.contains(['{', '}']), "{reason:?}");
        }
    }
}

#[test]
fn every_file_of_a_pack_is_in_the_build() {
    let policies = concat!(env!("CARGO_MANIFEST_DIR"), "/../policies");
    let mut on_disk = BTreeSet::new();
    for pack in PACKS {
        for file in std::fs::read_dir(format!("{policies}/{}", pack.name)).unwrap() {
            let name = file.unwrap().file_name().to_string_lossy().into_owned();
            let is_rule = Path::new(&name).extension().is_some_and(|kind| kind == "cedar");
            on_disk.extend(is_rule.then(|| format!("{}/{name}", pack.name)));
        }
    }
    let built: BTreeSet<String> = PACKS.iter().flat_map(|pack| pack.files().into_keys()).collect();
    assert_eq!(on_disk, built);
}

/// The cases of one code as data, for `countersign policy test`.
fn as_data(code: &str) -> String {
    let of_code = cases().filter(|case| case.code == code);
    let data: Vec<serde_json::Value> = of_code
        .map(|case| {
            let facts = serde_json::to_value((case.facts)()).unwrap();
            serde_json::json!({"case": case.shows, "code": code, "outcome": case.is, "facts": facts})
        })
        .collect();
    serde_json::to_string_pretty(&data).unwrap() + "\n"
}

#[test]
fn the_cases_stand_in_files_that_anybody_can_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/tests");
    let codes: BTreeSet<&str> = cases().map(|case| case.code).collect();
    for code in &codes {
        let (file, data) = (folder.join(format!("{code}.json")), as_data(code));
        if std::env::var_os("UPDATE_CATALOGUE").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&file, &data).unwrap();
        }
        let written = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(written == data, "{} is out of date: run with UPDATE_CATALOGUE=1", file.display());
    }
    let files = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(files, codes.len(), "a file in {} is of no code", folder.display());
}

const CATALOGUE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../policies/README.md");

/// The control catalogue, from the rules' annotations and the cases that prove them.
fn catalogue() -> String {
    let mut page = String::from(
        "# Rules and controls\n\n\
         Every reason code, where it comes from, which controls it serves, and the cases that prove that it works.\n\
         Generated from the rules' annotations and the tests: `UPDATE_CATALOGUE=1 cargo test -p countersign-core \
         catalogue`\nwrites it again, and a test fails while it is out of date.\n",
    );
    page.push_str("\n| Pack | Demands |\n|---|---|\n");
    for pack in PACKS {
        writeln!(page, "| [`{0}`]({0}) | {1} |", pack.name, pack.summary).unwrap();
    }
    page.push_str("\n| Control | Rules |\n|---|---|\n");
    for (framework, controls) in CONTROLS {
        for control in *controls {
            let rules: Vec<String> =
                serving(framework, control).iter().map(|code| format!("[{code}](#{code})")).collect();
            writeln!(page, "| {framework} {control} | {} |", rules.join(", ")).unwrap();
        }
    }
    let stories = stories();
    for code in codes(&every_rule()) {
        let origin = match &code.origin {
            Origin::Rule(file) => format!("rule [`{file}`]({file})"),
            Origin::Branch(place) => format!("branch in `{place}`"),
        };
        write!(page, "\n## `{}`\n\n{}. From {origin}.\n\n", code.code, code.summary).unwrap();
        for control in code.controls.split("; ") {
            writeln!(page, "- {control}").unwrap();
        }
        page.push_str("\nProved by:\n\n");
        let mut proved = 0;
        for case in cases().filter(|case| case.code == code.code) {
            writeln!(page, "- {}: {}", case.is, case.shows).unwrap();
            proved += 1;
        }
        let played: Vec<&Story> = stories.iter().filter(|story| story.expects.contains(&code.code)).collect();
        let link = |story: &&Story| format!("[{0}](../tests/stories/{0}.yaml)", story.name);
        let named: Vec<String> = played.iter().take(2).map(link).collect();
        if proved == 0 {
            page.push_str("- undetermined: a rule that fails when it is asked, and an empty policy\n");
        }
        let file = format!("tests/{}.json", code.code);
        let data = if proved == 0 { String::new() } else { format!(" As data: [{file}]({file}).") };
        writeln!(page, "\nPlayed by {}, among others.{data}", named.join(", ")).unwrap();
    }
    page
}

#[test]
fn the_control_catalogue_is_up_to_date() {
    let page = catalogue();
    if std::env::var_os("UPDATE_CATALOGUE").is_some() {
        std::fs::write(CATALOGUE, &page).unwrap();
    }
    let written = std::fs::read_to_string(CATALOGUE).unwrap_or_default();
    assert!(written == page, "policies/README.md is out of date: run with UPDATE_CATALOGUE=1");
}
