//! The change ticket: all that is on record of one change, in the order it happened, each fact with its source.
//!
//! Invariant: nothing is said that is not in the entry, times are those of the record, and text from outside is never
//! markup.

use super::population::survey::Ended;
use countersign_core::domain::{
    Account, Commit, Contribution, Decision, Deployment, PullRequest, PushSource, Review, ReviewState, Subject,
    TimelineEvent,
};
use countersign_core::ledger::Hash;
use maud::{DOCTYPE, Markup, html};

/// One thing that happened.
struct Step {
    what: String,
    source: String,
}

/// The page of one change of a deployment, as HTML that prints well.
pub fn ticket(
    time: &str,
    decision: &Decision,
    (change, outcome): (&str, &str),
    end: Option<&Ended>,
    position: u64,
    leaf: &Hash,
) -> String {
    let Subject::Deployment(deployment) = &decision.facts.subject else { return String::new() };
    let told = decision.verdict.changes.iter().zip(&deployment.changes);
    let found = told.into_iter().find(|(verdict, _)| {
        let name = verdict.change.to_string();
        name == change || change.strip_prefix("git:").is_some_and(|commit| commit == verdict.commit.as_str())
    });
    let Some((verdict, of)) = found else { return String::new() };
    let mut steps = Vec::new();
    match &of.pull_request {
        Some(request) => of_request(request, &mut steps),
        None => of.bare_commits.iter().for_each(|commit| steps.push(of_commit(commit))),
    }
    if let Some(landing) = &of.landing {
        let by = name(landing.by.as_ref());
        let what =
            format!("{by} moved the production branch from {} to {}", landing.before.short(), landing.after.short());
        steps.push(Step { what, source: "the repository's activity list".to_owned() });
    }
    of_deployment(deployment, &mut steps);
    let said = match outcome.strip_prefix("would-") {
        Some(would) => format!("Judged afterwards, since nobody watched then; it would have been: {would}"),
        None => format!("Countersign decided: {outcome}"),
    };
    steps.push(Step { what: said, source: format!("entry {position}, {time}") });
    if let Some(end) = end {
        steps.push(Step {
            what: format!("The deploying job ended: {}", end.conclusion),
            source: format!("entry {}, {}", end.position, end.time),
        });
    }
    let facts = &decision.facts;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { "Change " (change) } style { (STYLE) } }
            body {
                h1 { (facts.repository.full_name) " " (change) " to " (deployment.environment) ": " (outcome) }
                p { "Commit " code { (verdict.commit) } ", decision " code { (decision.id) } ", policies " code { (decision.policy_digest) } }
                (people("Contributors", verdict.contributors.iter().map(|contributor| {
                    (contributor.account.login.clone(), contributor.because.iter().map(how).collect::<Vec<_>>().join(", "))
                })))
                (people("Reviews", verdict.reviews.iter().map(|review| {
                    let says = if review.approves { "approves" } else { "objects" };
                    let why: Vec<&str> = review.reasons.iter().map(|reason| reason.text.as_str()).collect();
                    let counts = if review.counts { "counts".to_owned() } else { format!("does not count: {}", why.join("; ")) };
                    (name(review.by.as_ref()), format!("{says}, {counts}"))
                })))
                (people("Deployers", decision.verdict.deployers.iter().map(|deployer| {
                    (deployer.account.login.clone(), deployer.because.join(", "))
                })))
                @if let Some(three) = &verdict.three {
                    p { "Three different people: " (three.author.login) " wrote, " (three.reviewer.login) " reviewed, " (three.deployer.login) " deployed." }
                }
                @if !verdict.reasons.is_empty() || !decision.verdict.reasons.is_empty() {
                    h2 { "What is wrong" }
                    ul { @for reason in &decision.verdict.reasons { li { b { (reason.code) } " " (reason.text) } } }
                }
                h2 { "What happened, in order" }
                table {
                    tr { th { "#" } th { "What" } th { "Source" } }
                    @for (number, step) in (1..).zip(&steps) {
                        tr { td { (number) } td { (step.what) } td { (step.source) } }
                    }
                }
                p { "Hash of the entry as a leaf of the ledger: " code { (leaf) } }
                p class="tick" { "Tested by: ______________________  Date: ______________  Result: ______________" }
            }
        }
    };
    page.into_string()
}

const STYLE: &str = "body{font:14px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
    table{border-collapse:collapse;width:100%}td,th{border:1px solid #999;padding:.3rem;text-align:left;vertical-align:top}\
    code{word-break:break-all}.tick{margin-top:3rem}@media print{body{margin:0}}";

fn people(title: &str, rows: impl Iterator<Item = (String, String)>) -> Markup {
    let rows: Vec<(String, String)> = rows.collect();
    html! {
        h2 { (title) }
        @if rows.is_empty() { p { "Nobody." } } @else {
            table { @for (who, how) in rows { tr { td { (who) } td { (how) } } } }
        }
    }
}

fn of_request(request: &PullRequest, steps: &mut Vec<Step>) {
    let opened = format!("{} opened #{} into {}", name(request.opener.as_ref()), request.number, request.base_branch);
    steps.push(Step { what: opened, source: "GitHub's pull request".to_owned() });
    steps.extend(request.commits.iter().map(of_commit));
    for push in &request.pushes {
        let what = format!("{} pushed {}", name(push.by.as_ref()), push.after.short());
        steps.push(Step { what, source: known_by(push.source).to_owned() });
    }
    for event in &request.timeline {
        if let Some(what) = of_event(event) {
            steps.push(Step { what, source: "GitHub's timeline".to_owned() });
        }
    }
    for check in request.checks.iter().flatten() {
        let how = if check.succeeded { "succeeded" } else { "did not succeed" };
        let what = format!("Check {} {how} on {}", check.name, check.commit.short());
        steps.push(Step { what, source: "GitHub's checks".to_owned() });
    }
}

/// How a push is known, in words.
fn known_by(source: PushSource) -> &'static str {
    match source {
        PushSource::PushDelivery | PushSource::CommitListed => "GitHub's push delivery",
        PushSource::SynchronizeDelivery => "GitHub's delivery of a changed pull request",
        PushSource::CheckSuite => "GitHub's check suite",
        PushSource::ActivityList => "the repository's activity list",
        PushSource::OpenedFromFork => "GitHub's delivery of a pull request opened from a fork",
    }
}

fn of_commit(commit: &Commit) -> Step {
    let author = commit.author.account.as_ref();
    Step { what: format!("{} wrote commit {}", name(author), commit.oid.short()), source: "GitHub's commit".to_owned() }
}

fn of_event(event: &TimelineEvent) -> Option<String> {
    Some(match event {
        TimelineEvent::Reviewed(Review { by, state, commit, .. }) => {
            let says = match state {
                ReviewState::Approved => "approved",
                ReviewState::ChangesRequested => "requested changes at",
                ReviewState::Dismissed => "gave an opinion, dismissed since, on",
                ReviewState::Commented | ReviewState::Pending => return None,
            };
            let at = commit.as_ref().map_or("an unknown commit", |commit| commit.short());
            format!("{} {says} {at}", name(by.as_ref()))
        }
        TimelineEvent::Dismissed { by, .. } => format!("{} dismissed a review", name(by.as_ref())),
        TimelineEvent::Retargeted { from, to, by, .. } => format!("{} moved it from {from} to {to}", name(by.as_ref())),
        TimelineEvent::ForcePushed { by, .. } => format!("{} force-pushed the branch", name(by.as_ref())),
        TimelineEvent::Merged { by, commit } => {
            let at = commit.as_ref().map_or("an unknown commit", |commit| commit.short());
            format!("{} merged it as {at}", name(by.as_ref()))
        }
        TimelineEvent::Closed { by } => format!("{} closed it", name(by.as_ref())),
        TimelineEvent::Reopened { by } => format!("{} opened it again", name(by.as_ref())),
        TimelineEvent::AutoMergeEnabled { by } => format!("{} enabled auto-merge", name(by.as_ref())),
        TimelineEvent::AutoMergeDisabled => "Auto-merge was disabled".to_owned(),
        TimelineEvent::Queued { by } => format!("{} queued it", name(by.as_ref())),
        TimelineEvent::Dequeued => "It left the queue".to_owned(),
        TimelineEvent::Assigned { who, by } => format!("{} assigned {}", name(by.as_ref()), name(who.as_ref())),
    })
}

fn of_deployment(deployment: &Deployment, steps: &mut Vec<Step>) {
    if let Some(run) = &deployment.run {
        let by = name(run.this.triggering_actor.as_ref());
        let what = format!("{by} started run {} attempt {} by {}", run.id, run.this.number, run.event);
        steps.push(Step { what, source: "GitHub's run attempt".to_owned() });
    }
    for by in &deployment.approval.given_by {
        let what = format!("{} approved the environment", name(by.as_ref()));
        steps.push(Step { what, source: "GitHub's approvals of the run".to_owned() });
    }
    if let Some(exception) = &deployment.exception {
        let (by, ticket) = (&exception.opened_by.login, &exception.ticket);
        let what = format!("{by} had opened an exception for {ticket}: {}", exception.reason);
        steps.push(Step { what, source: format!("exception {}", exception.id) });
    }
}

fn how(contribution: &Contribution) -> String {
    match contribution {
        Contribution::Opened => "opened it".to_owned(),
        Contribution::Authored { commit } => format!("wrote {}", commit.short()),
        Contribution::Committed { commit } => format!("committed {}", commit.short()),
        Contribution::CoAuthored { commit } => format!("co-author of {}", commit.short()),
        Contribution::Pushed { commit } => format!("pushed {}", commit.short()),
        Contribution::Sponsors { .. } => "answers for automation".to_owned(),
    }
}

fn name(account: Option<&Account>) -> String {
    account.map_or_else(|| "somebody unknown".to_owned(), |account| account.login.clone())
}
