//! `countersign evidence reconcile`: the count of a bundle's population, repeated on a clone.
//!
//! Invariant: 0 where all agree, 2 where something differs, 4 where the clone cannot tell and nothing differs.

use super::Exit;
use super::evidence::Format;
use crate::evidence::reconcile::{Asked, Difference, ReconcileError};
use crate::evidence::{Reconciled, reconcile};
use anyhow::Context;
use clap::Args;
use countersign_core::ledger::note::VerifyingKey;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

/// How many differences of one kind are shown to a person.
const SHOWN: usize = 20;

#[derive(Debug, Args)]
pub(super) struct Reconcile {
    /// The bundle, a directory or an archive; that its entries are those that were signed is checked first.
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// A clone of the repository, as fetched from GitHub; bare or not.
    #[arg(long, value_name = "DIR")]
    git: PathBuf,
    /// The production branch; default: the one that the decisions name.
    #[arg(long)]
    branch: Option<String>,
    /// The repository, `owner/name` or id, where the bundle tells of several.
    #[arg(long = "repo", alias = "repository", value_name = "OWNER/NAME")]
    repository: Option<String>,
    /// GitHub's own list: `gh api --paginate repos/OWNER/NAME/deployments > FILE`.
    #[arg(long, value_name = "FILE")]
    deployments: Option<PathBuf>,
    /// The ledger's key. May be given several times.
    #[arg(long, value_name = "VKEY")]
    key: Vec<String>,
    /// How to say what was found.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

pub(super) fn run(verb: &Reconcile) -> anyhow::Result<Exit> {
    let keys = verb.key.iter().map(|key| VerifyingKey::parse(key.trim())).collect::<Result<Vec<_>, _>>()?;
    let asked = Asked {
        bundle: &verb.bundle,
        keys: &keys,
        clone: &verb.git,
        branch: verb.branch.as_deref(),
        repository: verb.repository.as_deref(),
        deployments: verb.deployments.as_deref(),
    };
    let reconciled = match reconcile(&asked) {
        Ok(reconciled) => reconciled,
        Err(ReconcileError::Evidence(error)) if error.is_finding() => {
            match verb.format {
                Format::Json => say!("{}", serde_json::json!({"agrees": false, "wrong": error.to_string()})),
                Format::Human => say!("does not hold: {error}"),
            }
            return Ok(Exit::Deny);
        }
        Err(error) => return Err(error).context("nothing could be compared"),
    };
    match verb.format {
        Format::Json => {
            let mut said = serde_json::to_value(&reconciled)?;
            if let Some(said) = said.as_object_mut() {
                said.insert("agrees".to_owned(), reconciled.agrees().into());
            }
            say!("{said}");
        }
        Format::Human => crate::cli::put(&words(&reconciled, verb.key.is_empty())),
    }
    Ok(match (reconciled.agrees(), reconciled.unknown.is_empty()) {
        (true, true) => Exit::Done,
        (true, false) => Exit::Undetermined,
        (false, _) => Exit::Deny,
    })
}

fn words(reconciled: &Reconciled, unproved: bool) -> String {
    let Reconciled { repository, branch, tip, line, listed, gaps, unknown, .. } = reconciled;
    let mut text = format!("{repository}: {line} commits on the line of {branch}, from {tip} down\n");
    for (environment, compared) in &reconciled.environments {
        let _ = writeln!(
            text,
            "{environment}: {} deployments by a decision, {} changes, {} commits",
            compared.deployments, compared.changes, compared.commits
        );
    }
    match listed {
        Some(listed) => {
            let _ = writeln!(text, "GitHub's list: {listed} deployments");
        }
        None => text += "GitHub's list was not given: deployments are those on record\n",
    }
    let mut kinds: BTreeMap<&str, Vec<&Difference>> = BTreeMap::new();
    for one in gaps.iter().chain(unknown) {
        kinds.entry(one.kind).or_default().push(one);
    }
    for (kind, found) in kinds {
        let _ = writeln!(text, "\n{kind}: {}", found.len());
        for one in found.iter().take(SHOWN) {
            let deployment = one.deployment.map(|id| format!("deployment {id}: ")).unwrap_or_default();
            let entry = one.entry.map(|entry| format!(" (entry {entry})")).unwrap_or_default();
            let _ = writeln!(text, "  {} {deployment}{}{entry}", one.environment, one.what);
        }
        if let Some(more @ 1..) = found.len().checked_sub(SHOWN) {
            let _ = writeln!(text, "  and {more} more: --format json shows all");
        }
    }
    text += match (gaps.is_empty(), unknown.is_empty()) {
        (true, true) => "\nall agree\n",
        (true, false) => "\nnothing differs as far as this clone can tell\n",
        (false, _) => "\nnot all agree\n",
    };
    if unproved {
        text += "UNPROVED: no key was given, so anybody may have made this bundle\n";
    }
    text
}
