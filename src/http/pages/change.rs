//! One change: its ticket, and the same evidence in short where a decision shows it.
//!
//! Invariant: a role that nobody fills, or the wrong person, is shown as such. What the ticket says is in
//! `evidence/ticket`: the page and the file of a sample are one text.

use super::{Links, Of, accounts, at, badge, change_address, page_with, reasons};
use crate::evidence::population::survey::{Ended, Reviewed};
use crate::evidence::ticket::{self, Attempt, Look, Places, Story};
use crate::http::Doors;
use crate::http::problem::Problem;
use crate::store::StoreError;
use axum::extract::{Path, State};
use countersign_core::domain::{
    ChangeName, ChangeVerdict, CommitSha, Contribution, Contributor, Entry, EntryBody, Outcome, PullRequestState,
    Reason, RepositoryId, ReviewVerdict, Subject, Verdict,
};
use maud::{Markup, html};

/// How many decisions on the change itself, and on deployments after it landed, are read.
const LOOKS: u32 = 100;
const ATTEMPTS: u32 = 20;

/// `GET /changes/{owner}/{name}/{change}`: all that is on record of one change.
pub async fn change(
    State(doors): State<Doors>,
    Path((owner, name, change)): Path<(String, String, String)>,
) -> Result<Markup, Problem> {
    let found = doors.store.change(&format!("{owner}/{name}"), &change).await?.ok_or_else(Problem::not_found)?;
    let (_, entry) = doors.store.decision(&found.decision).await?.ok_or_else(Problem::not_found)?;
    let EntryBody::Decision(latest) = entry.body else { return Err(Problem::not_found()) };
    let story = story(&doors, latest.facts.repository.id, &found.verdict.change).await?;
    let web = doors.settings.github.web_url.trim_end_matches('/');
    let places = Places { web, repository: &found.repository, service: true };
    let title = match &found.verdict.change {
        ChangeName::PullRequest(number) => format!("#{number} of {}", found.repository),
        ChangeName::Commit(commit) => format!("{} of {}", commit.short(), found.repository),
    };
    Ok(page_with(&title, ticket::STYLE, &ticket::body(&story, places)))
}

/// Every decision on a change, and the attempts to deploy it.
async fn story(doors: &Doors, of: RepositoryId, change: &ChangeName) -> Result<Story, Problem> {
    let subject = match change {
        ChangeName::PullRequest(number) => format!("repository:{of}/pull_request:{number}"),
        ChangeName::Commit(commit) => format!("repository:{of}/commit:{commit}"),
    };
    let mut looks = Vec::new();
    for position in doors.store.positions_of(&subject, LOOKS).await? {
        looks.extend(look(doors, position).await?);
    }
    // No release can hold it before it had landed.
    let landed = looks.iter().find(|look| match &look.decision.facts.subject {
        Subject::PullRequest(request) => request.state == PullRequestState::Merged,
        _ => true,
    });
    let from = landed.or(looks.last()).map_or(0, |look| look.position);
    let mut attempts = Vec::new();
    for position in doors.store.deployments_from(of, from, ATTEMPTS).await? {
        let Some(look) = look(doors, position).await? else { continue };
        if look.decision.verdict.changes.iter().any(|one| one.change == *change) {
            let ended = ended(doors, &look).await?;
            let closure = closure(doors, &look).await?;
            attempts.push(Attempt { look, ended, closure });
        }
    }
    Ok(Story { change: change.clone(), looks, attempts, about: None, left_out: 0 })
}

/// The decision at a place in the ledger.
async fn look(doors: &Doors, position: u64) -> Result<Option<Look>, Problem> {
    let Some(stored) = doors.store.ledger_entries(position, 1).await?.into_iter().next() else { return Ok(None) };
    let entry: Entry = read(&stored.body)?;
    Ok(match entry.body {
        EntryBody::Decision(decision) => {
            Some(Look { position, time: entry.time, leaf: stored.leaf, decision: *decision, afterwards: false })
        }
        _ => None,
    })
}

/// How the deployment ended that a decision was made for.
async fn ended(doors: &Doors, look: &Look) -> Result<Option<Ended>, Problem> {
    let Some(position) = doors.store.end_of(&look.decision).await? else { return Ok(None) };
    let Some(stored) = doors.store.ledger_entries(position, 1).await?.into_iter().next() else { return Ok(None) };
    let entry: Entry = read(&stored.body)?;
    Ok(match entry.body {
        EntryBody::DeploymentFinished(finished) => Some(Ended {
            time: entry.time,
            position,
            deployment: finished.deployment.0,
            conclusion: finished.conclusion,
            ended_at: finished.ended_at,
        }),
        _ => None,
    })
}

/// The review of the exception that let through what was decided, where one did.
async fn closure(doors: &Doors, look: &Look) -> Result<Option<Reviewed>, Problem> {
    let decision = &look.decision;
    let Subject::Deployment(deployment) = &decision.facts.subject else { return Ok(None) };
    let excepted = decision.verdict.outcome == Outcome::Exception;
    let Some(exception) = deployment.exception.as_ref().filter(|_| excepted) else { return Ok(None) };
    let Some(stored) = doors.store.exception_review(exception.repository.id, &exception.id).await? else {
        return Ok(None);
    };
    let entry: Entry = read(&stored.body)?;
    Ok(match entry.body {
        EntryBody::ExceptionReviewed(review) => Some(Reviewed {
            login: review.by.login,
            account: review.by.id,
            time: entry.time,
            justified: review.justified,
            position: stored.position,
        }),
        _ => None,
    })
}

fn read(body: &[u8]) -> Result<Entry, StoreError> {
    serde_json::from_slice(body).map_err(|error| StoreError::Unreadable(error.to_string()))
}

/// What surrounds a change on a page.
pub(super) struct Shown<'a> {
    pub(super) links: &'a Links<'a>,
    /// The deployment that would bring it.
    pub(super) deployment: Option<&'a Verdict>,
    /// Whether its reasons are told beside it too: among others nobody could tell whose they are.
    pub(super) with_reasons: bool,
}

/// A change with its people and evidence.
pub(super) fn article(change: &ChangeVerdict, shown: &Shown<'_>) -> Markup {
    let links = shown.links;
    html! {
        article class={ "change " (change.outcome) } {
            @if shown.deployment.is_some() {
                h3 {
                    (badge(&change.outcome.to_string(), Of::Change)) " "
                    @match &change.change {
                        ChangeName::PullRequest(_) => {
                            a href=(change_address(links.repository, &change.change)) { (change.change) } " at " (links.commit(&change.commit))
                        }
                        ChangeName::Commit(sha) => {
                            a href=(change_address(links.repository, &change.change)) { (sha.short()) } " without a pull request"
                        }
                    }
                }
            }
            @if shown.with_reasons { @for reason in &change.reasons { p { (reason.text) "." } } }
            (roles(change, shown.deployment))
            details open[change.outcome != Outcome::Allow] {
                summary { "The evidence" }
                (evidence(change, links))
            }
        }
    }
}

/// Why somebody's approval does not count, where one that counts is missing.
pub(super) fn uncounted(change: &ChangeVerdict) -> Markup {
    let missing = change.reviewers.is_empty();
    let approvals = change.reviews.iter().filter(|review| missing && review.approves && !review.counts);
    let why: Vec<Reason> = approvals.flat_map(|review| review.reasons.iter().cloned()).collect();
    html! { @if !why.is_empty() { div.uncounted { p { "Approvals that do not count:" } (reasons(&why)) } } }
}

/// Who wrote, who reviewed, who deploys; one who may not is marked.
fn roles(change: &ChangeVerdict, deployment: Option<&Verdict>) -> Markup {
    let broken = |codes: &[&str]| {
        let reasons = change.reasons.iter().chain(deployment.into_iter().flat_map(|verdict| &verdict.reasons));
        let of_this = reasons.filter(|reason| reason.change.as_ref() == Some(&change.change));
        of_this.into_iter().any(|reason| codes.contains(&reason.code.as_str()))
    };
    let author = broken(&["author-unattributed", "sponsor-unknown"]);
    let deployer = broken(&["deployer-is-author", "deployer-is-reviewer"]);
    let role = |wrong: bool| if wrong { "role wrong" } else { "role" };
    html! {
        dl.roles {
            div class=(role(author)) {
                dt { "wrote it" } dd { (accounts(change.contributors.iter().map(|contributor| &contributor.account))) }
            }
            div class=(role(change.reviewers.is_empty())) { dt { "reviewed it" } dd { (accounts(&change.reviewers)) } }
            @if let Some(verdict) = deployment {
                div class=(role(deployer || verdict.deployers.is_empty())) {
                    dt { "deploys it" } dd { (accounts(verdict.deployers.iter().map(|deployer| &deployer.account))) }
                }
            }
        }
    }
}

fn evidence(change: &ChangeVerdict, links: &Links<'_>) -> Markup {
    html! {
        ul.plain { @for one in &change.contributors { (contributor(one, links)) } }
        @if change.reviews.is_empty() { p.none { "No review." } }
        ul.plain { @for one in &change.reviews { (review(one, links)) } }
    }
}

fn contributor(one: &Contributor, links: &Links<'_>) -> Markup {
    let commits = |pick: &dyn Fn(&Contribution) -> Option<CommitSha>| -> Vec<CommitSha> {
        one.because.iter().filter_map(pick).collect()
    };
    let wrote = commits(&|how| match how {
        Contribution::Authored { commit } => Some(commit.clone()),
        _ => None,
    });
    let committed = commits(&|how| match how {
        Contribution::Committed { commit } => Some(commit.clone()),
        _ => None,
    });
    let wrote_with = commits(&|how| match how {
        Contribution::CoAuthored { commit } => Some(commit.clone()),
        _ => None,
    });
    let pushed = commits(&|how| match how {
        Contribution::Pushed { commit } => Some(commit.clone()),
        _ => None,
    });
    let lists = if wrote == committed {
        vec![("wrote and committed", wrote)]
    } else {
        vec![("wrote", wrote), ("committed", committed)]
    };
    let lists = lists.into_iter().chain([("co-wrote", wrote_with), ("pushed", pushed)]);
    let opened = one.because.iter().any(|how| matches!(how, Contribution::Opened));
    let mut said: Vec<Markup> = Vec::new();
    if opened {
        said.push(html! { "opened it" });
    }
    for (what, commits) in lists.filter(|(_, commits)| !commits.is_empty()) {
        said.push(html! { (what) " " (list(&commits, links)) });
    }
    for how in &one.because {
        if let Contribution::Sponsors { automation, run } = how {
            said.push(
                html! { "answers for automation, account " (automation) @if let Some(run) = run { ", in run " (run) } },
            );
        }
    }
    html! {
        li {
            (at(&one.account))
            @if let Some(person) = &one.person { " (" (person) ")" }
            @if one.automation { " (automation)" }
            " " @for (place, what) in said.iter().enumerate() { @if place > 0 { "; " } (what) } "."
        }
    }
}

fn list(commits: &[CommitSha], links: &Links<'_>) -> Markup {
    const MOST: usize = 12;
    html! {
        @for (place, commit) in commits.iter().take(MOST).enumerate() { @if place > 0 { ", " } (links.commit(commit)) }
        @if let more @ 1.. = commits.len().saturating_sub(MOST) { " and " (more) " more" }
    }
}

fn review(one: &ReviewVerdict, links: &Links<'_>) -> Markup {
    html! {
        li {
            @match &one.by { Some(by) => (at(by)), None => span.none { "Somebody GitHub no longer shows" } }
            @if one.approves { " approved " } @else { " requested changes on " }
            @match &one.commit { Some(commit) => (links.commit(commit)), None => "an unknown commit" }
            @match (one.approves, one.counts) {
                (true, true) => ": counts.",
                (true, false) => ": does not count.",
                (false, true) => ": stands.",
                (false, false) => ": no longer stands.",
            }
            @for reason in &one.reasons { " " (reason.text) ". " code.code { (reason.code) } }
        }
    }
}
