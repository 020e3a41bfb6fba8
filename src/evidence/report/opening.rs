//! How the report begins: what it is about, the result at a glance, what management asserts, and how anybody checks it.
//!
//! Invariant: the assertion is management's to make: figures are filled in, and nothing is signed for anybody.

use super::charts::number;
use super::{Head, Told, day, moment, some};
use maud::{Markup, html};
use std::collections::BTreeSet;

/// What the report is about, on one plate.
pub(super) fn cover(told: &Told<'_>, head: &Head) -> Markup {
    let (from, to) = told.seen.span(told.period);
    let owners: BTreeSet<&str> =
        told.seen.places.keys().filter_map(|(repository, _)| repository.split('/').next()).collect();
    let owners: Vec<&str> = owners.into_iter().collect();
    html! {
        dl.plate {
            dt { "Organisation" }
            dd { @if owners.is_empty() { "none on record" } @else { (owners.join(", ")) } " on GitHub" }
            dt { "Period" }
            dd {
                (moment(from)) " to " (moment(to)) ", UTC"
                @if told.period.is_none() { " (from the first entry to the last)" }
            }
            dt { "Record" }
            dd { "entries " (number(told.range.0)) " to " (number(told.range.1.saturating_sub(1))) " of the ledger "
                @if let Some(checkpoint) = &head.checkpoint { b { (checkpoint.origin) } ", which had " (number(checkpoint.size)) " entries" }
                @else { "(its checkpoint cannot be read)" }
            }
            @if let Some(checkpoint) = &head.checkpoint { dt { "Root" } dd { code.wrap { (checkpoint.root) } } }
        }
    }
}

/// The result at a glance.
pub(super) fn in_short(told: &Told<'_>) -> Markup {
    let totals = told.totals;
    let held = totals.changes.saturating_sub(totals.deviations_count);
    let deviations = totals.all_deviations();
    let undecided = totals.reached_by_outcome.get("none").copied().unwrap_or(0);
    let afterwards: u64 = totals
        .changes_by_outcome
        .iter()
        .filter(|(outcome, _)| outcome.starts_with("would-"))
        .map(|(_, count)| count)
        .sum();
    let (open, unjustified) = (totals.exceptions_that_are("open"), totals.exceptions_that_are("unjustified"));
    let exceptions: u64 = totals.exceptions.values().sum();
    let gaps: u64 = totals.gaps.values().sum();
    let figure = |class: &str, count: u64, one: &str, many: &str| {
        html! { li class=(class) { b { (number(count)) } " " (if count == 1 { one } else { many }) } }
    };
    let bad = |count: u64| if count > 0 { "deny" } else { "allow" };
    html! {
        section.in-short aria-labelledby="in-short" {
            h2 #in-short { "In short" }
            p.lead {
                @if totals.changes == 0 { "No change reached production by a deployment that was decided on in this period." }
                @else if totals.deviations_count == 0 {
                    "All " (some(totals.changes, "change", "changes")) " that reached production were allowed, and author, reviewer and deployer of each were different people."
                }
                @else {
                    (number(held)) " of " (some(totals.changes, "change", "changes")) " that reached production were allowed, with different people as author, reviewer and deployer. "
                    (some(totals.deviations_count, "was", "were")) " not: " a href="#deviations" { "section 8" } " lists them one by one."
                }
                @if totals.alone_count > 0 {
                    " " b { (some(totals.alone_count, "deployment", "deployments")) " reached production by an exception and brought no change" } ": " a href="#deviations" { "section 8" } " lists " (if totals.alone_count == 1 { "it" } else { "them" }) " too."
                }
                @if undecided > 0 {
                    " " b { (some(undecided, "deployment", "deployments")) " went out without a decision on record; what " (if undecided == 1 { "it" } else { "they" }) " brought is not among these changes." }
                }
            }
            ul.figures {
                (figure("", totals.changes, "change reached production", "changes reached production"))
                (figure("allow", held, "with three different people, allowed", "with three different people, allowed"))
                (figure(bad(deviations), deviations, "deviation", "deviations"))
                (figure("", told.seen.held, "attempt held back", "attempts held back"))
                (figure(bad(open + unjustified), exceptions, "exception", "exceptions"))
                (figure(bad(undecided), undecided, "deployment undecided", "deployments undecided"))
                (figure("", gaps, "gap or window", "gaps and windows"))
            }
            @if afterwards > 0 {
                p.caution { (some(afterwards, "change was", "changes were")) " judged afterwards, of a time when the service did not watch: what would have been said of them is told, and nothing was allowed or held back by it." }
            }
            @if unjustified > 0 { p.bad { (some(unjustified, "exception was", "exceptions were")) " reviewed and called unjustified." } }
            @if totals.own_reviews > 0 { p.bad { (some(totals.own_reviews, "exception was", "exceptions were")) " reviewed by somebody who had a part in what was let through." } }
            @if open > 0 { p { (some(open, "exception has", "exceptions have")) " not been reviewed." } }
            @if told.left_out > 0 {
                p.caution { "This bundle is of chosen repositories: " (some(told.left_out, "entry of others is", "entries of others are"))
                    " in it as hashes only, and counts say nothing of them. That they belong to others is the operator’s word: a hash names no repository. "
                    "Entries of a repository are numbered, and none is missing between two that are here; that none of the chosen repositories comes before the first or after the last, only the whole ledger shows." }
            }
        }
    }
}

/// What management signs.
pub(super) fn assertion(told: &Told<'_>) -> Markup {
    let (from, to) = told.seen.span(told.period);
    let blank = |what: &str| html! { div.blank { span {} (what) } };
    html! {
        p.quiet { "For management to read, correct and sign. The program fills in figures; it asserts nothing for anybody. Strike out what is not true." }
        div.assertion {
            p { "We are responsible for the controls over changes to production of the repositories and environments in section 3, and for this description of them. "
                "We assert, to the best of our knowledge and belief, that from " (day(from)) " to " (day(to)) ":" }
            ol {
                li { "section 3 describes the system, and sections 4 and 5 the scope and the control environment, as they were in operation;" }
                li { "the controls in section 6 were suitably designed and operated throughout the period, but for the "
                    (some(told.totals.all_deviations(), "deviation", "deviations")) " in section 8, the "
                    (some(told.totals.exceptions.values().sum(), "exception", "exceptions")) " in section 9 and the "
                    (some(told.totals.gaps.values().sum(), "gap or window", "gaps and windows")) " in section 10;" }
                li { "the population is complete: no change reached these environments in the period but by the deployments in " (super::whole("deployments.csv")) ", except as section 10 says;" }
                li { "the complementary controls that section 11 asks of us were in place and operated;" }
                li { "whatever we know of changes that this record cannot see (section 12) we have told the auditor:" }
            }
            div.lines { span {} span {} span {} }
            div.signing {
                (blank("Name")) (blank("Title")) (blank("Organisation")) (blank("Date")) (blank("Signature")) (blank("Signature"))
            }
        }
    }
}

/// How anybody checks all of it.
pub(super) fn verification(told: &Told<'_>, head: &Head) -> Markup {
    let ledger = head.checkpoint.as_ref().map_or("LEDGER", |checkpoint| checkpoint.origin.as_str());
    let key = head.signers.iter().find(|signer| signer.starts_with(ledger)).map_or("NAME+HASH", String::as_str);
    let pipe = "$KEY";
    let verify = format!("countersign evidence verify BUNDLE --key \"{pipe}\"");
    let against = format!("countersign evidence verify BUNDLE --key \"{pipe}\" --against older.txt");
    let sample = format!(
        "countersign evidence sample BUNDLE --key \"{pipe}\" --seed YOUR-SEED --size 25 --stratify --out sample"
    );
    let reconcile =
        format!("countersign evidence reconcile BUNDLE --git CLONE --deployments deployments.json --key \"{pipe}\"");
    let python = format!("python3 ledger.py bundle BUNDLE \"{pipe}\"");
    let entries = told.range.1.saturating_sub(told.range.0);
    html! {
        p { "This report is one file of a bundle. Everything in it follows from the bundle’s entries, and the entries from a signed head of the ledger. "
            "The check needs neither network nor database, and neither our word nor the operator’s:" }
        ol.steps {
            li {
                p { b { "Get the key " } "from the operator by another way than this bundle came by: the service shows it at " code { "/api/v1/ledger/key" }
                    ", and it should be published where it cannot be replaced unseen. A key that came with the bundle would prove nothing. Its text begins with" }
                pre { (key) "+" }
            }
            li {
                p { b { "Verify." } " The manifest against its signature, every file against the manifest, the entries against the root, the root against the signature, "
                    "every decision by deciding it again from its facts and policies, and every table, this report included, by making it again:" }
                pre { (verify) }
                p { "It must say that " (some(entries, "entry holds", "entries hold")) " and that " (some(told.seen.decisions, "decision was", "decisions were")) " made again with the same verdict." }
            }
            li {
                p { b { "Compare with what was published." } " Every check run and every answer that the service gave on GitHub carries the size and root of the ledger at that moment. "
                    "Keep such checkpoints, or ask a witness for one; a ledger that was rewritten does not continue them:" }
                pre { (against) }
            }
            li {
                p { b { "Draw your own sample." } " The same seed draws the same changes for everybody, and writes one ticket for each, with every step and its source:" }
                pre { (sample) }
            }
            li {
                p { b { "Repeat the count." } " On a clone of a repository, without GitHub and without us: every commit on the production branch’s line between what was deployed belongs to exactly one change of a decision:" }
                pre { (reconcile) }
            }
            li {
                p { b { "Use other programs if you like." } " The tree is RFC 6962’s, the head a C2SP checkpoint, entries are canonical JSON (RFC 8785), attestations DSSE. "
                    "200 lines of Python in the sources, " code { "tests/evidence/ledger.py" } ", check the bundle by these texts alone:" }
                pre { (python) }
            }
        }
        p { "The head that everything here leads to:" }
        pre.wrap { (told.checkpoint) }
    }
}
