//! One decision, whole: what was asked, the answer and why, who could do it instead, and where it is on record.
//!
//! Invariant: everything said here is in the entry that the page names. Next: `change.rs`.

use super::change::{Shown, article, uncounted};
use super::{Links, Of, at, badge, is_stopped, moment, page, reasons, way_out};
use crate::http::Doors;
use crate::http::api::{Found, find};
use crate::http::problem::Problem;
use axum::extract::{Path, State};
use countersign_core::domain::{Deployment, StartingPoint, Subject, Verdict};
use countersign_core::policy;
use maud::{Markup, html};

/// `GET /decisions/{id}`: one decision, whole.
pub async fn decision(State(doors): State<Doors>, Path(id): Path<String>) -> Result<Markup, Problem> {
    let found = find(&doors, &id).await?.ok_or_else(Problem::not_found)?;
    let links = Links::new(&doors, &found.decision.facts.repository.full_name);
    Ok(decision_page(&found, &links))
}

fn decision_page(found: &Found, links: &Links<'_>) -> Markup {
    let decision = &found.decision;
    let verdict = &decision.verdict;
    let (title, about) = match &decision.facts.subject {
        Subject::PullRequest(pr) => {
            let place = links.address(&format!("pull/{}", pr.number));
            (
                format!("Pull request #{}", pr.number),
                html! { a href=(place) { "Pull request #" (pr.number) } " into " code { (pr.base_branch) } },
            )
        }
        Subject::MergeGroup(group) => (
            format!("Merge group {}", group.head.short()),
            html! { "Merge group " (links.commit(&group.head)) " of " (group.pull_requests.len()) " pull requests" },
        ),
        Subject::Landed(_) => ("A commit".to_owned(), html! { "A commit that came without a pull request" }),
        Subject::Deployment(d) => (
            format!("Deployment of {}", d.target.short()),
            html! { "Deployment of " (links.commit(&d.target)) " to " (d.environment) },
        ),
    };
    let deployment = match &decision.facts.subject {
        Subject::Deployment(deployment) => Some(deployment),
        _ => None,
    };
    let shown = Shown { links, deployment: deployment.map(|_| verdict), with_reasons: verdict.changes.len() > 1 };
    page(
        &title,
        &html! {
            p.quiet { (decision.facts.repository.full_name) " · " (moment(&found.time)) }
            h1 { (badge(&verdict.outcome.to_string(), Of::Attempt)) " " (about) }
            @if verdict.reasons.is_empty() { p.lead { (policy::title(verdict)) "." } }
            (reasons(&verdict.reasons))
            @if let [change] = verdict.changes.as_slice() { (uncounted(change)) }
            @if let Some(deployment) = deployment { (deploying(deployment, verdict, links)) }
            section aria-labelledby="changes" {
                h2 #changes {
                    @match verdict.changes.len() {
                        0 => "Nothing new",
                        1 => "The change",
                        more => { (more) " changes" }
                    }
                }
                @if verdict.changes.is_empty() { p { "It brings no change that production does not have or had." } }
                @for change in &verdict.changes { (article(change, &shown)) }
            }
            (record(found))
        },
    )
}

fn deploying(deployment: &Deployment, verdict: &Verdict, links: &Links<'_>) -> Markup {
    html! {
        section aria-labelledby="deploying" {
            h2 #deploying { "Who deploys" }
            @if verdict.deployers.is_empty() { p.none { "Nobody yet." } }
            ul.plain { @for deployer in &verdict.deployers { li { (at(&deployer.account)) " " (policy::part(deployer)) "." } } }
            @if is_stopped(verdict.outcome) { p.way { (way_out(verdict)) } }
            p.quiet {
                @match &deployment.start {
                    Some(StartingPoint::Deployed { commit, decision }) => {
                        "Production ran " (links.commit(commit)) " then, allowed in "
                        a href={ "/decisions/" (decision) } { "an earlier decision" } "."
                    }
                    Some(StartingPoint::Baseline { commit }) => {
                        "Control begins at " (links.commit(commit)) ", the baseline in the settings."
                    }
                    None => "Nothing was deployed under control before.",
                }
                @if let Some(run) = &deployment.run {
                    " " a href=(links.address(&format!("actions/runs/{}/attempts/{}", run.id, run.this.number))) {
                        "Run " (run.id) ", attempt " (run.this.number)
                    }
                    ", started by " code { (run.event) } "."
                }
            }
        }
    }
}

fn record(found: &Found) -> Markup {
    let decision = &found.decision;
    html! {
        section aria-labelledby="record" {
            h2 #record { "On record" }
            dl {
                dt { "Decision" } dd { code.wrap { (decision.id) } }
                dt { "When" } dd { (moment(&found.time)) }
                dt { "Ledger" } dd {
                    "entry " (found.position) ": "
                    a href={ "/api/v1/ledger/entries?from=" (found.position) "&limit=1" } { "its bytes" } ", "
                    a href={ "/api/v1/ledger/proof/inclusion?index=" (found.position) } { "proof of inclusion" }
                }
                dt { "Policies" } dd { (decision.facts.terms.packs.join(", ")) " " code.wrap.quiet { (decision.policy_digest) } }
                dt { "Settings" } dd { code.wrap.quiet { (decision.settings_digest) } }
                dt { "All of it" } dd { a href={ "/api/v1/decisions/" (decision.id) } { "facts and verdict as JSON" } }
            }
        }
    }
}
