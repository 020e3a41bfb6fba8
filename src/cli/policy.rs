//! `countersign policy`: what the rules demand, in words, and whether a repository's own rules can be used, and
//! what they say of given facts.
//!
//! Invariant: each says what the service would do; none asks anybody anything.

mod validate;

use super::Exit;
use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use countersign_core::domain::{Facts, Outcome, RepositoryRules};
use countersign_core::policy::{self, Origin, OwnFile, PACKS, Policies, decide};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What to do with policies.
#[derive(Debug, Subcommand)]
pub enum Policy {
    /// Say in words what a set of packs demands.
    #[command(after_help = "Example: countersign policy explain --pack three-person --pack tested")]
    Explain(Explain),
    /// Check a repository's own rules as the service would: forbids hold, permits are ignored, the rest is a fault.
    #[command(
        after_help = "Example: countersign policy validate .github/countersign\n\nEach fault is shown with its place. Ends with 3 where there is one."
    )]
    Validate(validate::Validate),
    /// Run cases: facts, and what the rules must say of them.
    #[command(
        after_help = "Example: countersign policy test policies/tests\n\nA file is a list of {\"case\", \"code\", \"outcome\", \"facts\"}. A case holds where the outcome is that one, and the\ncode is among the reasons just where the outcome is not `allow`. The facts of any decision on record will do:\nGET /api/v1/decisions/{id}."
    )]
    Test(Test),
}

/// `policy test`
#[derive(Debug, Args)]
pub struct Test {
    /// JSON files of cases, or folders of them.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Judge by these packs instead of those that the facts name; may be given several times.
    #[arg(long = "pack", value_name = "PACK")]
    packs: Vec<String>,
    /// A repository's own rules to lay beside the packs: Cedar files, or folders of them.
    #[arg(long = "rules", value_name = "PATH")]
    rules: Vec<PathBuf>,
}

/// One case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(rename = "case")]
    shows: String,
    code: String,
    outcome: Outcome,
    facts: Facts,
}

/// `policy explain`
#[derive(Debug, Args)]
pub struct Explain {
    #[command(flatten)]
    packs: Packs,
    /// How to say it.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Debug, Args)]
struct Packs {
    /// A pack in force; may be given several times.
    #[arg(long = "pack", value_name = "PACK", default_values_t = ["three-person".to_owned()])]
    packs: Vec<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Human,
    Json,
}

pub(super) fn run(verb: &Policy) -> anyhow::Result<Exit> {
    match verb {
        Policy::Explain(explain) => Ok(explained(explain)),
        Policy::Validate(validate) => validate::validated(validate),
        Policy::Test(test) => tested(test),
    }
}

fn explained(explain: &Explain) -> Exit {
    let packs = &explain.packs.packs;
    let policies = match Policies::builtin(packs) {
        Ok(policies) => policies,
        Err(error) => return invalid(&error.to_string()),
    };
    let codes = policy::codes(&policies);
    if let Format::Json = explain.format {
        let rules: Vec<_> = codes
            .iter()
            .map(|code| {
                let origin = match &code.origin {
                    Origin::Rule(file) => file,
                    Origin::Branch(place) => place,
                };
                serde_json::json!({
                    "code": code.code, "denies": code.summary, "remedy": code.remedy, "controls": code.controls,
                    "origin": origin,
                })
            })
            .collect();
        say!("{}", serde_json::json!({"packs": packs, "digest": policies.digest(), "rules": rules}));
        return Exit::Done;
    }
    for pack in PACKS.iter().filter(|pack| packs.iter().any(|named| named == pack.name)) {
        say!("{}: {}.", pack.name, pack.summary);
    }
    say!("\nA change or a deployment is turned away where one of these is so:\n");
    for code in &codes {
        say!("  {}\n    {}.\n    What to do: {}.", code.code, code.summary, code.remedy);
    }
    say!("\ndigest {}", policies.digest());
    Exit::Done
}

fn tested(test: &Test) -> anyhow::Result<Exit> {
    let mut own = Vec::new();
    for path in &test.rules {
        read(path, &mut own)?;
    }
    let (mut passed, mut failed) = (0_u32, 0_u32);
    let mut known: BTreeMap<Vec<String>, (Policies, RepositoryRules)> = BTreeMap::new();
    for file in files_of(&test.paths, "json")? {
        let place = file.display();
        let text = std::fs::read_to_string(&file).with_context(|| format!("`{place}` cannot be read"))?;
        let cases: Vec<Case> = match serde_json::from_str(&text) {
            Ok(cases) => cases,
            Err(error) => return Ok(invalid(&format!("`{place}` is no list of cases: {error}"))),
        };
        for mut case in cases {
            let packs = if test.packs.is_empty() { &case.facts.terms.packs } else { &test.packs };
            if !known.contains_key(packs) {
                match Policies::with_own(packs, &own) {
                    Ok(policies) => known.insert(packs.clone(), policies),
                    Err(error) => return Ok(invalid(&error.to_string())),
                };
            }
            let Some((policies, rules)) = known.get(packs) else { continue };
            if !own.is_empty() {
                case.facts.terms.repository_rules = rules.clone();
            }
            let verdict = decide(&case.facts, policies);
            let reviews = verdict.changes.iter().flat_map(|change| &change.reviews).flat_map(|review| &review.reasons);
            let codes: BTreeSet<&str> =
                verdict.reasons.iter().chain(reviews).map(|reason| reason.code.as_str()).collect();
            let carried = codes.contains(case.code.as_str());
            if verdict.outcome == case.outcome && carried == (case.outcome != Outcome::Allow) {
                passed += 1;
            } else {
                failed += 1;
                let (is, wanted, codes) = (verdict.outcome, case.outcome, Vec::from_iter(codes).join(", "));
                say!("FAIL {place}: {}: expected {wanted} by {}, seen {is} ({codes})", case.shows, case.code);
            }
        }
    }
    say!("{passed} passed, {failed} failed");
    Ok(if failed == 0 && passed > 0 { Exit::Done } else { Exit::Invalid })
}

/// The files of one kind among some paths and right below them, in order.
fn files_of(paths: &[PathBuf], kind: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let unreadable = || format!("`{}` cannot be read", path.display());
            let inside: std::io::Result<Vec<PathBuf>> =
                std::fs::read_dir(path).with_context(unreadable)?.map(|entry| Ok(entry?.path())).collect();
            let mut inside = inside.with_context(unreadable)?;
            inside.retain(|file| file.extension().is_some_and(|named| named.eq_ignore_ascii_case(kind)));
            inside.sort();
            files.extend(inside);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn read(path: &Path, files: &mut Vec<OwnFile>) -> anyhow::Result<()> {
    let unreadable = || format!("`{}` cannot be read", path.display());
    if path.is_dir() {
        return files_of(&[path.to_owned()], "cedar")?.iter().try_for_each(|file| read(file, files));
    }
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    files.push(OwnFile { name, text: std::fs::read_to_string(path).with_context(unreadable)? });
    Ok(())
}

fn invalid(why: &str) -> Exit {
    eprintln!("countersign: {why}");
    Exit::Invalid
}
