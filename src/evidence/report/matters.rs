//! What did not go the usual way, one by one: deviations, exceptions with their closure, gaps and windows.
//!
//! Invariant: everything is counted; what is not listed is in the table that is named.

use super::charts::number;
use super::{Told, cell, moment, rest, some};
use crate::evidence::population::incidents::{ExceptionRow, GapRow};
use crate::evidence::population::rows::ChangeRow;
use crate::evidence::population::{DeploymentRow, GAP_KINDS};
use crate::evidence::seen::LISTED;
use maud::{Markup, html};

/// Changes in production for which not everything holds.
pub(super) fn deviations(told: &Told<'_>) -> Markup {
    let totals = told.totals;
    let undecided = totals.reached_by_outcome.get("none").copied().unwrap_or(0);
    html! {
        p { "A change is listed where its deployment was not allowed, or where one of the three tests does not hold for it. What was judged afterwards (“would-…”), of a time when nobody watched, is listed too: nothing had held it back." }
        @if totals.all_deviations() == 0 { p.none { "None." } }
        @if !totals.deviations.is_empty() {
            ol.matters { @for row in totals.deviations.iter().take(LISTED) { (deviation(row)) } }
            (rest(totals.deviations.len().min(LISTED), totals.deviations_count, "changes.csv"))
        }
        @if !totals.alone.is_empty() {
            p { "These deployments reached production by an exception, and brought no change that could be listed here: they put a commit there once more, or one that ran there before." }
            ol.matters { @for row in totals.alone.iter().take(LISTED) { (alone(row)) } }
            (rest(totals.alone.len().min(LISTED), totals.alone_count, "deployments.csv"))
        }
        @if undecided > 0 {
            p.caution { (some(undecided, "deployment", "deployments")) " reached production without a decision. They are in section 10 as " code { "decision-missing" } " and in "
                (super::whole("deployments.csv")) "; the record does not tell their changes apart." }
        }
    }
}

fn alone(row: &DeploymentRow) -> Markup {
    html! { li {
        div.what { b { (row.repository) } " to " (row.environment) ", " (cell(&row.ended_at)) " UTC: " span.outcome.exception { (row.outcome) } ", " (closed(row.exception_review)) }
        @if !row.reasons.is_empty() { div { "Rules: " (row.reasons) "." } }
        div.quiet { "Deployed: " (if row.deployers.is_empty() { "nobody known" } else { &row.deployers }) ". Commit " (cell(&row.commit)) ", run " (cell(&row.run)) ", exception " (row.exception) ", entry " (number(row.place.position)) "." }
    } }
}

/// What the review of an exception says, in its colour.
fn closed(review: &str) -> Markup {
    match review {
        "open" => html! { span.bad { "not reviewed" } },
        "justified" => html! { span.good { "justified" } },
        other => html! { span.bad { (other) } },
    }
}

fn deviation(row: &ChangeRow) -> Markup {
    let fails = [
        (row.author_is_not_reviewer, "nobody but contributors reviewed it"),
        (row.author_is_not_deployer, "a contributor deployed it, or nobody is known to have"),
        (row.reviewer_is_not_deployer, "nobody but deployers reviewed it"),
    ];
    let fails: Vec<&str> = fails.into_iter().filter(|(holds, _)| !holds).map(|(_, words)| words).collect();
    let none = |words: &str| if words.is_empty() { "nobody".to_owned() } else { words.to_owned() };
    html! { li {
        div.what { b { (row.repository) " " (cell(&row.change)) } " to " (row.environment) ", " (moment(&row.deployed_at)) " UTC: " span class={ "outcome " (row.outcome) } { (row.outcome) } @if !row.exception_review.is_empty() { ", " (closed(row.exception_review)) } }
        @if !fails.is_empty() { div { (capital(&fails.join("; "))) "." } }
        @if !row.reasons.is_empty() { div { "Rules: " (row.reasons) "." } }
        div.quiet { "Contributed: " (none(&row.contributors)) ". Reviewed: " (none(&reviewed(&row.reviewers))) ". Deployed: " (none(&row.deployers)) ". Commit " (cell(&row.commit)) ", run " (cell(&row.run)) ", entry " (number(row.place.position)) "." }
    } }
}

/// Reviewers with short commits.
fn reviewed(list: &str) -> String {
    let short = |item: &str| match item.split_once(" at git:") {
        Some((by, commit)) => format!("{by} at {}", commit.get(..9).unwrap_or(commit)),
        None => item.to_owned(),
    };
    list.split("; ").filter(|item| !item.is_empty()).map(short).collect::<Vec<_>>().join("; ")
}

/// Exceptions, and how each was closed.
pub(super) fn exceptions(told: &Told<'_>) -> Markup {
    let all: u64 = told.totals.exceptions.values().sum();
    html! {
        p { "An exception lets through what is denied or cannot be told. It keeps every broken rule on record, ends by itself, and must be reviewed by somebody who neither opened it, nor contributed to, nor deployed what it let through." }
        @if told.seen.exceptions.is_empty() { p.none { "None was opened, used, due or reviewed in this period." } } @else {
            ol.matters { @for row in &told.seen.exceptions { (exception(row)) } }
            (rest(told.seen.exceptions.len(), all, "exceptions.csv"))
        }
    }
}

fn exception(row: &ExceptionRow) -> Markup {
    let closure = match row.review {
        "open" => html! { span.bad { "not reviewed" } ", due " (moment(&row.due)) },
        review => html! {
            span class=(if review == "justified" { "good" } else { "bad" }) { (review) } ", says " (row.reviewed_by) ", " (cell(&row.reviewed_at))
        },
    };
    html! { li {
        div.what { b { (row.repository) } " to " (row.environment) ", opened " (moment(&row.opened_at)) " UTC by " (row.opened_by) ": " (closure) }
        div { "“" (row.reason) "” Ticket: " @if row.ticket.is_empty() { "none" } @else { (row.ticket) } ". Let " (some(row.let_through, "decision", "decisions")) " through until " (moment(&row.ends)) "." }
        @if row.overdue { div.bad { "Its review was reported overdue." } }
        @else if row.in_time == Some(false) { div.bad { "It was not reviewed by the time that was due." } }
        @if row.reviewer_had_no_part == Some(false) { div.bad { "Whoever reviewed it had opened it, or had a part in what it let through." } }
        div.quiet { "Exception " (row.id) ", entry " (number(row.position)) "." }
    } }
}

/// What is missing, or happened outside the control.
pub(super) fn gaps(told: &Told<'_>) -> Markup {
    let all: u64 = told.totals.gaps.values().sum();
    html! {
        @if all == 0 { p.none { "None." } } @else {
            table.narrow {
                thead { tr { th scope="col" { "Kind" } th.number scope="col" { "How many" } th scope="col" { "Means" } } }
                tbody { @for (kind, count) in &told.totals.gaps { tr { th scope="row" { (kind) } td.number { (number(*count)) } td { (meaning(kind)) } } } }
            }
            ol.matters { @for row in &told.seen.gaps { (gap(row)) } }
            (rest(told.seen.gaps.len(), all, "gaps.csv"))
        }
    }
}

fn gap(row: &GapRow) -> Markup {
    html! { li {
        div.what { b { (row.kind) } @if !row.repository.is_empty() { " " (row.repository) } @if !row.environment.is_empty() { " to " (row.environment) }
            ", " (cell(&row.from)) @if row.to != crate::evidence::population::Cell::Empty { " to " (cell(&row.to)) } " UTC" }
        div { (capital(&row.what)) "." }
        div.quiet { "Entry " (number(row.position)) "." }
    } }
}

/// What a kind of gap means, in a sentence.
fn meaning(code: &str) -> &'static str {
    GAP_KINDS.iter().find(|kind| kind.code == code).map_or("See the sentence of each.", |kind| kind.means)
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
