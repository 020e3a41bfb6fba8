//! Tables over `decide`: for every code a case that carries it and one that is allowed, then the laws that hold of all.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

mod alternatives;
mod approve;
mod blocked;
mod catalogue;
mod chains;
mod deploy;
mod exceptions;
mod hidden;
mod histories;
mod identity;
mod laws;
mod line;
mod merge;
mod own;
mod packs;
mod rules;
mod settled;
mod three;
mod unseen;
mod words;
mod world;

use crate::domain::{Facts, Outcome};
use world::{codes_in, judge};

/// What a case is about.
struct Case {
    code: &'static str,
    /// What it shows, as a sentence.
    shows: &'static str,
    facts: fn() -> Facts,
    is: Outcome,
}

/// A case that carries its code.
const fn carries(code: &'static str, is: Outcome, shows: &'static str, facts: fn() -> Facts) -> Case {
    Case { code, shows, facts, is }
}

/// The nearest case that is allowed and does not.
const fn allowed(code: &'static str, shows: &'static str, facts: fn() -> Facts) -> Case {
    Case { code, shows, facts, is: Outcome::Allow }
}

/// Runs a table and lists all that fail, by their sentence.
fn check(cases: &[Case]) {
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let verdict = judge(&(case.facts)());
            let codes = codes_in(&verdict);
            let carried = codes.iter().any(|code| code == case.code);
            let right = verdict.outcome == case.is && carried == (case.is != Outcome::Allow);
            (!right).then(|| format!("{}: {} ({}, {codes:?})", case.code, case.shows, verdict.outcome))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
