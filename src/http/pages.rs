//! Pages for people: what was allowed, what was blocked, and why.
//!
//! Invariant: rendered on the server, without a script, from the same record that programs read. Text from outside is
//! escaped by the template engine; nothing here is put together by hand.

use super::Doors;
use super::api::{Found, find};
use super::problem::Problem;
use crate::store::reading::{ChangeRow, DecisionRow};
use axum::extract::{Path, State};
use countersign_core::domain::{
    Account, ChangeName, ChangeVerdict, Contribution, Contributor, Reason, ReviewVerdict, Subject,
};
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("page.css");

fn page(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Countersign" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header { a.home href="/" { "Countersign" } span.motto { "an author, a reviewer, a deployer" } }
                main { (body) }
                footer {
                    "Every decision is an entry in an append-only ledger. "
                    a href="/api/v1/ledger/checkpoint" { "Signed checkpoint" } " · "
                    a href="/api/v1/ledger/key" { "Key" }
                }
            }
        }
    }
}

/// What an outcome is called where a change is meant.
fn word(outcome: &str, of_change: bool) -> &str {
    match (outcome, of_change) {
        ("allow", true) => "compliant",
        ("deny", true) => "violation",
        ("allow", false) => "allowed",
        ("deny", false) => "blocked",
        ("undetermined", _) => "cannot tell",
        ("pending", _) => "waiting",
        (other, _) => other,
    }
}

fn badge(outcome: &str, of_change: bool) -> Markup {
    html! { span class={ "badge " (outcome) } { (word(outcome, of_change)) } }
}

fn at(account: &Account) -> Markup {
    html! { span.account title={ "account " (account.id) } { "@" (account.login) } }
}

fn accounts(list: &[Account]) -> Markup {
    html! {
        @if list.is_empty() { span.none { "nobody" } }
        @for (place, account) in list.iter().enumerate() { @if place > 0 { ", " } (at(account)) }
    }
}

fn moment(time: &str) -> Markup {
    let short = time.get(..16).unwrap_or(time).replace('T', " ");
    html! { time datetime=(time) { (short) " UTC" } }
}

fn subject(row: &DecisionRow) -> Markup {
    html! {
        @match (row.kind.as_str(), row.number, row.run) {
            ("pull_request", Some(number), _) => { "pull request #" (number) }
            ("deployment", _, Some(run)) => {
                (row.environment.clone().unwrap_or_default()) " · run " (run) " attempt " (row.attempt.unwrap_or(1))
            }
            _ => { "commit " code { (row.commit.get(..7).unwrap_or_default()) } }
        }
    }
}

/// `GET /`: what was allowed, what was blocked, and why.
pub async fn overview(State(doors): State<Doors>) -> Result<Markup, Problem> {
    let deployments = doors.store.deployments(12).await?;
    let changes = doors.store.changes(20).await?;
    let head = doors.store.ledger_head().await?;
    let mut rows = Vec::with_capacity(deployments.len());
    for row in deployments {
        let why = find(&doors, &row.id).await?.map(|found| found.decision.verdict);
        rows.push((row, why));
    }
    let blocked = rows.iter().filter(|(row, _)| row.outcome == "deny").count();
    let allowed = rows.iter().filter(|(row, _)| row.outcome == "allow").count();
    let violations = changes.iter().filter(|change| change.verdict.outcome.to_string() == "deny").count();
    Ok(page(
        "Overview",
        &html! {
            h1 { "What reaches production" }
            ul.figures {
                li { b { (allowed) } " deployments allowed" }
                li { b { (blocked) } " blocked" }
                li { b { (violations) } " changes in violation" }
                li { b { (doors.store.decisions_count().await?) } " decisions on record" }
            }
            section {
                h2 { "Deployments" }
                @if rows.is_empty() { p.none { "Nothing has asked to be deployed yet." } }
                ol.cards {
                    @for (row, verdict) in &rows {
                        li class={ "card " (row.outcome) } {
                            div.top { (badge(&row.outcome, false)) " " a href={ "/decisions/" (row.id) } { (subject(row)) }
                                " " code { (row.commit.get(..7).unwrap_or_default()) } span.when { (moment(&row.decided_at)) } }
                            @if let Some(verdict) = verdict {
                                @if let Some(reason) = verdict.reasons.first() { p { (reason.text) } }
                                p.quiet {
                                    "Deploys: " @for d in &verdict.deployers { (at(&d.account)) " " }
                                    @if verdict.deployers.is_empty() { span.none { "nobody" } }
                                    @if row.outcome != "allow" { " · could instead: " (accounts(&verdict.can_deploy)) }
                                }
                            }
                        }
                    }
                }
            }
            section {
                h2 { "Changes" }
                @if changes.is_empty() { p.none { "No change has been looked at yet." } }
                @else { (change_table(&changes)) }
            }
            section {
                h2 { "Ledger" }
                p { b { (head.size) } " entries, root " code.wrap { (hex::encode(head.root)) } }
            }
        },
    ))
}

fn change_table(changes: &[ChangeRow]) -> Markup {
    html! {
        div.scroll { table {
            thead { tr { th { "Change" } th { "" } th { "Contributors" } th { "Reviewers" } th { "Why" } } }
            tbody { @for change in changes {
                tr {
                    td { a href=(change_address(change)) { (change.repository) " " (change.verdict.change) } }
                    td { (badge(&change.verdict.outcome.to_string(), true)) }
                    td { @for one in &change.verdict.contributors { (at(&one.account)) " " } }
                    td { (accounts(&change.verdict.reviewers)) }
                    td { @if let Some(reason) = change.verdict.reasons.first() { (reason.text) } }
                }
            } }
        } }
    }
}

fn change_address(change: &ChangeRow) -> String {
    match &change.verdict.change {
        ChangeName::PullRequest(number) => format!("/changes/{}/{number}", change.repository),
        ChangeName::Commit(sha) => format!("/changes/{}/{sha}", change.repository),
    }
}

/// `GET /changes/{owner}/{name}/{change}`: the latest verdict on one change.
pub async fn change(
    State(doors): State<Doors>,
    Path((owner, name, change)): Path<(String, String, String)>,
) -> Result<Markup, Problem> {
    let found = doors.store.change(&format!("{owner}/{name}"), &change).await?.ok_or_else(Problem::not_found)?;
    let title = format!("{} {}", found.repository, found.verdict.change);
    Ok(page(
        &title,
        &html! {
            h1 { (title) }
            (change_card(&found.verdict))
            p.quiet { "Judged in " a href={ "/decisions/" (found.decision) } { "decision " code { (found.decision) } } ", "
                (moment(&found.decided_at)) }
        },
    ))
}

/// `GET /decisions/{id}`: one decision, whole.
pub async fn decision(State(doors): State<Doors>, Path(id): Path<String>) -> Result<Markup, Problem> {
    let found = find(&doors, &id).await?.ok_or_else(Problem::not_found)?;
    Ok(decision_page(&found))
}

fn decision_page(found: &Found) -> Markup {
    let decision = &found.decision;
    let verdict = &decision.verdict;
    let about = match &decision.facts.subject {
        Subject::PullRequest(pr) => html! { "Pull request #" (pr.number) " into " code { (pr.base_branch) } },
        Subject::Landed(_) => html! { "A commit that came without a pull request" },
        Subject::Deployment(d) => html! { "Deployment of " code { (d.target.short()) } " to " b { (d.environment) } },
    };
    page(
        "Decision",
        &html! {
            p.quiet { (decision.facts.repository.full_name) }
            h1 { (badge(&verdict.outcome.to_string(), false)) " " (about) }
            p.lead { (countersign_core::policy::title(verdict)) }
            (reasons(&verdict.reasons))
            @if let Subject::Deployment(_) = &decision.facts.subject {
                section {
                    h2 { "Who deploys" }
                    @if verdict.deployers.is_empty() { p.none { "Nobody." } }
                    ul { @for deployer in &verdict.deployers {
                        li { (at(&deployer.account)) " " span.quiet { (deployer.because.join(", ").replace('_', " ")) } }
                    } }
                    p { "Could deploy all of it: " (accounts(&verdict.can_deploy)) }
                    @if let Some(up_to) = &verdict.up_to {
                        p { "The deployers could go as far as " code { (up_to.short()) } "." }
                    }
                }
            }
            section {
                h2 { @if verdict.changes.len() == 1 { "The change" } @else { (verdict.changes.len()) " changes" } }
                @for change in &verdict.changes { (change_card(change)) }
            }
            section {
                h2 { "On record" }
                dl {
                    dt { "Decision" } dd { code.wrap { (decision.id) } }
                    dt { "When" } dd { (moment(&found.time)) }
                    dt { "Entry" } dd { (found.position) " (" a href={ "/api/v1/ledger/entries?from=" (found.position) "&limit=1" } { "bytes" }
                        ", " a href={ "/api/v1/ledger/proof/inclusion?index=" (found.position) } { "proof of inclusion" } ")" }
                    dt { "Policies" } dd { (decision.facts.terms.packs.join(", ")) " " code.wrap { (decision.policy_digest) } }
                    dt { "Settings" } dd { code.wrap { (decision.settings_digest) } }
                    dt { "All of it" } dd { a href={ "/api/v1/decisions/" (decision.id) } { "facts and verdict as JSON" } }
                }
            }
        },
    )
}

fn reasons(list: &[Reason]) -> Markup {
    html! {
        @if !list.is_empty() {
            ul.reasons { @for reason in list {
                li class=[reason.to_come.then_some("to-come")] {
                    p { (reason.text) " " code.code { (reason.code) } }
                    @if !reason.remedy.is_empty() { p.quiet { (reason.remedy) } }
                }
            } }
        }
    }
}

fn change_card(change: &ChangeVerdict) -> Markup {
    html! {
        article.change {
            h3 { (change.change) " " (badge(&change.outcome.to_string(), true)) " " code { (change.commit.short()) } }
            (reasons(&change.reasons))
            div.scroll { table {
                thead { tr { th { "Contributor" } th { "Because they" } } }
                tbody { @for one in &change.contributors { (contributor(one)) } }
            } }
            @if !change.reviews.is_empty() {
                div.scroll { table {
                    thead { tr { th { "Review by" } th { "On" } th { "Says" } th { "Counts" } } }
                    tbody { @for one in &change.reviews { (review(one)) } }
                } }
            }
            @if let Some(three) = &change.three {
                p.three { "Three people: " (at(&three.author)) " wrote, " (at(&three.reviewer)) " reviewed, " (at(&three.deployer)) " deploys." }
            }
        }
    }
}

fn contributor(one: &Contributor) -> Markup {
    html! {
        tr {
            td { (at(&one.account)) @if let Some(person) = &one.person { " " span.quiet { (person) } }
                @if one.automation { " " span.quiet { "automation" } } }
            td { @for (place, how) in one.because.iter().enumerate() {
                @if place > 0 { ", " }
                @match how {
                    Contribution::Opened => { "opened it" }
                    Contribution::Authored { commit } => { "wrote " code { (commit.short()) } }
                    Contribution::Committed { commit } => { "committed " code { (commit.short()) } }
                    Contribution::CoAuthored { commit } => { "co-wrote " code { (commit.short()) } }
                    Contribution::Pushed { commit } => { "pushed " code { (commit.short()) } }
                    Contribution::Sponsors { automation } => { "answer for automation " (automation) }
                }
            } }
        }
    }
}

fn review(one: &ReviewVerdict) -> Markup {
    html! {
        tr {
            td { @match &one.by { Some(by) => (at(by)), None => span.none { "nobody known" } } }
            td { @if let Some(commit) = &one.commit { code { (commit.short()) } } }
            td { @if one.approves { "approves" } @else { "objects" } }
            td {
                @if one.counts { "yes" } @else if one.reasons.is_empty() { "no" }
                @for reason in &one.reasons { div { (reason.text) " " code.code { (reason.code) } } }
            }
        }
    }
}
