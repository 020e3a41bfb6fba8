//! The first page: what runs, what was allowed, what was blocked and why, and what waits.
//!
//! Invariant: every figure says what it counts. Next: `decision.rs`.

use super::{Links, Of, accounts, at, badge, change_address, is_stopped, moment, page, way_out};
use crate::github::client::millis;
use crate::http::Doors;
use crate::http::api::{Found, find};
use crate::http::problem::Problem;
use crate::store::alerts::{Raised, RaisedAlert};
use crate::store::exceptions::ExceptionRow;
use crate::store::reading::{ChangeRow, DecisionRow};
use axum::extract::State;
use countersign_core::domain::{Account, Alert, ChangeName, ChangeVerdict, Outcome, Subject};
use countersign_core::policy;
use maud::{Markup, html};
use std::time::SystemTime;

/// How many attempts to deploy are shown.
const ATTEMPTS: u32 = 20;
/// How many changes of each outcome are shown.
const CHANGES: u32 = 20;
/// How many environments are shown with what runs there.
const ENVIRONMENTS: u32 = 6;
/// How many alerts are shown.
const ALERTS: u32 = 20;
/// How many reviews that are owed are shown, first due first; how many more there are is said.
const DEBTS: u32 = 200;
/// How many reasons are spelled out.
const REASONS: usize = 3;

struct Attempt {
    row: DecisionRow,
    found: Found,
}

/// `GET /`: what was allowed, what was blocked, and why.
pub async fn overview(State(doors): State<Doors>) -> Result<Markup, Problem> {
    let mut running = Vec::new();
    for id in doors.store.running(ENVIRONMENTS).await? {
        running.extend(find(&doors, &id).await?);
    }
    let mut attempts = Vec::new();
    for row in doors.store.attempts(ATTEMPTS).await? {
        if let Some(found) = find(&doors, &row.id).await? {
            attempts.push(Attempt { row, found });
        }
    }
    let mut open = Vec::new();
    for outcome in [Outcome::Deny, Outcome::Undetermined, Outcome::Pending] {
        open.extend(doors.store.changes_of(outcome, CHANGES).await?);
    }
    let compliant = doors.store.changes_of(Outcome::Allow, CHANGES).await?;
    let counts = doors.store.change_counts().await?;
    let count = |outcome: Outcome| counts.get(&outcome.to_string()).copied().unwrap_or(0);
    let alerts = doors.store.alerts(None, ALERTS).await?;
    let debts = doors.store.debts(DEBTS).await?;
    let owed = doors.store.debts_count().await?;
    let unjustified = unjustified(&doors, &running).await?;
    let now = millis(SystemTime::now());
    let head = doors.store.ledger_head().await?;
    Ok(page(
        "Overview",
        &html! {
            h1 { "What reaches production" }
            @for found in &running { (runs(found, &unjustified)) }
            ul.figures {
                (figure("deny", count(Outcome::Deny), "in violation"))
                (figure("undetermined", count(Outcome::Undetermined), "cannot be told"))
                (figure("pending", count(Outcome::Pending), "waiting"))
                (figure("allow", count(Outcome::Allow), "compliant"))
            }
            @if !alerts.is_empty() {
                section aria-labelledby="alerts" {
                    h2 #alerts { "Alerts" }
                    ol.cards { @for raised in &alerts { (alert_card(&doors, raised)) } }
                }
            }
            @if !debts.is_empty() {
                section aria-labelledby="debts" {
                    h2 #debts { "Exceptions that somebody else must review" }
                    ol.cards { @for row in &debts { (debt_card(row, now)) } }
                    @if let more @ 1.. = owed - i64::from(DEBTS) {
                        p.quiet { "And " (more) " more: " code.wrap { "countersign exception list" } " shows all." }
                    }
                }
            }
            section aria-labelledby="deployments" {
                h2 #deployments { "Deployments" }
                (tally(&attempts))
                ol.cards { @for attempt in &attempts { (attempt_card(attempt)) } }
            }
            section aria-labelledby="open" {
                h2 #open { "Changes that wait or break a rule" }
                @if open.is_empty() { p.none { "None." } }
                ol.cards { @for change in &open { (change_card(change)) } }
            }
            section aria-labelledby="compliant" {
                h2 #compliant { "Compliant changes" }
                @if compliant.is_empty() { p.none { "None yet." } }
                ul.lines { @for change in &compliant { (compliant_line(change)) } }
            }
            section aria-labelledby="ledger" {
                h2 #ledger { "Ledger" }
                p { b { (head.size) } " entries, root " code.wrap { (hex::encode(head.root)) } }
            }
        },
    ))
}

fn figure(outcome: &str, count: i64, what: &str) -> Markup {
    html! { @if count > 0 || outcome == "allow" {
        li class=(outcome) { b { (count) } " " @if count == 1 { "change " } @else { "changes " } (what) }
    } }
}

/// The ids of the decisions among these that an exception let through which its reviewer found unjustified.
async fn unjustified(doors: &Doors, running: &[Found]) -> Result<Vec<String>, Problem> {
    let mut ids = Vec::new();
    for found in running {
        let Subject::Deployment(deployment) = &found.decision.facts.subject else { continue };
        let excepted = found.decision.verdict.outcome == Outcome::Exception;
        let Some(exception) = deployment.exception.as_ref().filter(|_| excepted) else { continue };
        let row = doors.store.exception(&exception.id).await?;
        if row.is_some_and(|row| row.state == "unjustified") {
            ids.push(found.decision.id.clone());
        }
    }
    Ok(ids)
}

fn runs(found: &Found, unjustified: &[String]) -> Markup {
    let decision = &found.decision;
    let why = match decision.verdict.outcome {
        Outcome::Exception if unjustified.contains(&decision.id) => "what was let through, and found unjustified",
        Outcome::Exception => "what was let through by an exception",
        _ => "why that was allowed",
    };
    html! { @if let Subject::Deployment(deployment) = &decision.facts.subject {
        p.lead {
            b { (decision.facts.repository.full_name) } " runs " code { (deployment.target.short()) } " in "
            b { (deployment.environment) } ", deployed by "
            (accounts(decision.verdict.deployers.iter().map(|deployer| &deployer.account))) ": "
            a href={ "/decisions/" (decision.id) } { (why) }
        }
    } }
}

fn tally(attempts: &[Attempt]) -> Markup {
    let of = |outcome: &str| attempts.iter().filter(|attempt| attempt.row.outcome == outcome).count();
    let (allowed, excepted, blocked) = (of("allow"), of("exception"), of("deny"));
    let others = attempts.len().saturating_sub(allowed + excepted + blocked);
    html! {
        @if attempts.is_empty() { p.none { "Nothing has asked to be deployed yet." } }
        @else { p.quiet {
            @if attempts.len() == 1 { "The last attempt: " } @else { "Of the last " (attempts.len()) " attempts: " }
            (allowed) " allowed, " (blocked) " blocked"
            @if excepted > 0 { ", " (excepted) " let through by an exception" }
            @if others > 0 { ", " (others) " still open" } "."
        } }
    }
}

fn attempt_card(attempt: &Attempt) -> Markup {
    let (row, decision) = (&attempt.row, &attempt.found.decision);
    let (verdict, repository) = (&decision.verdict, &decision.facts.repository.full_name);
    html! {
        li class={ "card " (row.outcome) } {
            div.top {
                (badge(&row.outcome, Of::Attempt))
                a.subject href={ "/decisions/" (row.id) } {
                    (repository) " " code { (row.commit.get(..7).unwrap_or_default()) } " to "
                    (row.environment.as_deref().unwrap_or_default())
                }
                span.when { (moment(&row.decided_at)) }
            }
            @if verdict.reasons.is_empty() { p { (policy::title(verdict)) "." } }
            @for reason in verdict.reasons.iter().take(REASONS) { p { (reason.text) "." } }
            @if let more @ 1.. = verdict.reasons.len().saturating_sub(REASONS) { p { "And " (more) " more." } }
            @if is_stopped(verdict.outcome) { p { (way_out(verdict)) } }
            p.quiet {
                @for (place, deployer) in verdict.deployers.iter().enumerate() {
                    @if place > 0 { "; " } (at(&deployer.account)) " " (policy::part(deployer))
                }
                @if verdict.deployers.is_empty() { "No person deploys yet" }
                @if let Some(again @ 2..) = row.attempt { " (attempt " (again) ")" }
                @if !verdict.changes.is_empty() { ". Brings " (names(repository, &verdict.changes)) }
                "."
            }
        }
    }
}

fn alert_card(doors: &Doors, raised: &RaisedAlert) -> Markup {
    match &raised.alert {
        Raised::Deployment(alert) => bypass_card(doors, raised, alert),
        Raised::Name(found) => html! {
            li.card.undetermined {
                div.top {
                    span.badge.undetermined { "name reassigned" }
                    span.subject { code { (found.name) } }
                    span.when { (moment(&raised.time)) }
                }
                p { (found.text) "." }
                p.quiet { "Entry " (raised.position) " of the ledger. " code.code { (found.code) } }
            }
        },
    }
}

fn bypass_card(doors: &Doors, raised: &RaisedAlert, alert: &Alert) -> Markup {
    let links = Links::new(doors, &alert.repository.full_name);
    let run = match (alert.run, alert.attempt) {
        (Some(run), Some(attempt)) => format!("actions/runs/{run}/attempts/{attempt}"),
        _ => format!("deployments/{}", alert.environment),
    };
    html! {
        li.card.deny {
            div.top {
                span.badge.deny { "gate bypassed" }
                a.subject href=(links.address(&run)) {
                    (alert.repository.full_name) " " code { (alert.commit.short()) } " to " (alert.environment)
                }
                span.when { (moment(&raised.time)) }
            }
            p { (alert.text) "." }
            p.quiet { "No later release starts from it. Entry " (raised.position) " of the ledger. " code.code { (alert.code) } }
        }
    }
}

fn debt_card(row: &ExceptionRow, now: i64) -> Markup {
    let exception = &row.exception;
    let (class, owes) = if row.due_at <= now { ("deny", "review overdue") } else { ("pending", "review owed") };
    html! {
        li class={ "card " (class) } {
            div.top {
                span class={ "badge " (class) } { (owes) }
                span.subject { (exception.repository.full_name) " to " (exception.environment) }
                span.when { "due " (moment(&exception.due)) }
            }
            p { (at(&exception.opened_by)) " broke the glass for " (exception.ticket) ": " (exception.reason) }
            p.quiet {
                @if row.let_through.is_empty() { "It let nothing through yet." }
                @else {
                    "It let through "
                    @for (place, decision) in row.let_through.iter().enumerate() {
                        @if place > 0 { ", " }
                        a href={ "/decisions/" (decision) } { code { (decision.get(..8).unwrap_or_default()) } }
                    }
                    "."
                }
                " Review it: " code.wrap { "countersign exception review " (exception.id) " --verdict justified" }
            }
        }
    }
}

fn names(repository: &str, changes: &[ChangeVerdict]) -> Markup {
    const MOST: usize = 8;
    html! {
        @for (place, change) in changes.iter().take(MOST).enumerate() {
            @if place > 0 { ", " }
            a href=(change_address(repository, &change.change)) { (change.change) }
        }
        @if let more @ 1.. = changes.len().saturating_sub(MOST) { " and " (more) " more" }
    }
}

fn wrote(change: &ChangeVerdict) -> impl Iterator<Item = &Account> {
    change.contributors.iter().map(|contributor| &contributor.account)
}

fn link(change: &ChangeRow) -> Markup {
    html! {
        a.subject href=(change_address(&change.repository, &change.verdict.change)) {
            (change.repository) " "
            @match &change.verdict.change {
                ChangeName::PullRequest(number) => { "#" (number) }
                ChangeName::Commit(sha) => { code { (sha.short()) } ", without a pull request" }
            }
        }
    }
}

fn change_card(change: &ChangeRow) -> Markup {
    let verdict = &change.verdict;
    let outcome = verdict.outcome.to_string();
    let uncounted = verdict.reviews.iter().filter(|review| review.approves && !review.counts);
    html! {
        li class={ "card " (outcome) } {
            div.top { (badge(&outcome, Of::Change)) (link(change)) span.when { (moment(&change.decided_at)) } }
            @for reason in verdict.reasons.iter().take(REASONS) { p { (reason.text) "." } }
            @for why in uncounted.flat_map(|review| &review.reasons).take(REASONS) { p { (why.text) "." } }
            p.quiet { "Written by " (accounts(wrote(verdict))) ", reviewed by " (accounts(&verdict.reviewers)) "." }
        }
    }
}

fn compliant_line(change: &ChangeRow) -> Markup {
    html! {
        li { (link(change)) ": written by " (accounts(wrote(&change.verdict))) ", reviewed by "
            (accounts(&change.verdict.reviewers)) }
    }
}
