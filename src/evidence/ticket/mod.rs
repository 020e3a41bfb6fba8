//! The change ticket: all that is on record of one change on one page, each fact with its source.
//!
//! Invariant: nothing is said that is not in the entries that the page names, and text from outside is never markup. The
//! page of the service and the file of a sample are the same text: one renderer. Next: `steps.rs`, what happened in order.

mod drawn;
mod steps;

pub use drawn::Drawn;

use super::population::survey::{Ended, Reviewed};
use countersign_core::domain::{
    Account, ChangeInRelease, ChangeName, ChangeVerdict, CommitSha, Contribution, Decision, Landing, Outcome,
    PullRequest, Reason, Subject,
};
use countersign_core::ledger::Hash;
use countersign_core::policy;
use drawn::origin;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use steps::steps;

/// What the page of a ticket needs beside what every page has.
pub const STYLE: &str = include_str!("ticket.css");

/// A decision on record.
#[derive(Debug, Clone)]
pub struct Look {
    /// Its position in the ledger.
    pub position: u64,
    /// When, RFC 3339.
    pub time: String,
    /// The hash of the entry as a leaf.
    pub leaf: Hash,
    /// What was decided, of what.
    pub decision: Decision,
    /// It was judged afterwards, of a time when nobody watched: nothing was allowed or held back by it.
    pub afterwards: bool,
}

/// An attempt to deploy a change, with how it ended.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The decision.
    pub look: Look,
    /// Its end, where that is on record.
    pub ended: Option<Ended>,
    /// The review of the exception that let it through, where one did and that is on record.
    pub closure: Option<Reviewed>,
}

/// The story of one change.
#[derive(Debug, Clone)]
pub struct Story {
    /// Which.
    pub change: ChangeName,
    /// Decisions on the change itself, in order.
    pub looks: Vec<Look>,
    /// Attempts to deploy it, in order.
    pub attempts: Vec<Attempt>,
    /// The position of the decision that the page tells of; otherwise the last attempt, or the last look.
    pub about: Option<u64>,
    /// Looks and attempts that were left out, for there are too many.
    pub left_out: u64,
}

/// Where links lead.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// The web address of GitHub.
    pub web: &'a str,
    /// `owner/name`.
    pub repository: &'a str,
    /// Whether the service's own pages are at hand.
    pub service: bool,
}

/// What is judged of a change in one decision.
struct Judged<'a> {
    look: &'a Look,
    verdict: &'a ChangeVerdict,
    request: Option<&'a PullRequest>,
    bare: Option<&'a ChangeInRelease>,
    landing: Option<&'a Landing>,
}

impl Story {
    /// The decision that the page tells of, and what it says of the change.
    fn told(&self) -> Option<(Judged<'_>, Option<&Attempt>)> {
        let attempts = || self.attempts.iter().rev();
        let chosen = attempts().find(|attempt| Some(attempt.look.position) == self.about);
        let reached = || attempts().find(|one| one.ended.as_ref().is_some_and(Ended::reached_production));
        let attempt = chosen.or_else(reached).or_else(|| attempts().next());
        if let Some(attempt) = attempt
            && let Some(judged) = self.judged(&attempt.look)
        {
            return Some((judged, Some(attempt)));
        }
        let look = self.looks.iter().rev().find_map(|look| self.judged(look))?;
        Some((look, None))
    }

    /// What a decision says of this change, where it speaks of it.
    fn judged<'a>(&self, look: &'a Look) -> Option<Judged<'a>> {
        let verdicts = &look.decision.verdict.changes;
        let judged = |verdict, request, bare, landing| Some(Judged { look, verdict, request, bare, landing });
        match &look.decision.facts.subject {
            Subject::PullRequest(request) => judged(verdicts.first()?, Some(request.as_ref()), None, None),
            Subject::Landed(change) => judged(verdicts.first()?, None, Some(change.as_ref()), change.landing.as_ref()),
            Subject::MergeGroup(_) => None,
            Subject::Deployment(deployment) => {
                let (verdict, change) =
                    verdicts.iter().zip(&deployment.changes).find(|(verdict, _)| verdict.change == self.change)?;
                let bare = change.pull_request.is_none().then_some(change);
                judged(verdict, change.pull_request.as_ref(), bare, change.landing.as_ref())
            }
        }
    }
}

/// The ticket as a file of its own.
pub fn file(story: &Story, drawn: Drawn<'_>) -> String {
    let Some((told, _)) = story.told() else { return String::new() };
    let facts = &told.look.decision.facts;
    let places = Places { web: &facts.terms.web_url, repository: &facts.repository.full_name, service: false };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { "Change " (story.change) " of " (places.repository) }
                style { (PreEscaped(super::report::STYLE)) (PreEscaped(STYLE)) }
            }
            body { main { (body(story, places)) (origin(drawn)) } }
        }
    };
    page.into_string()
}

/// The ticket, without the page around it.
pub fn body(story: &Story, places: Places<'_>) -> Markup {
    let Some((told, attempt)) = story.told() else {
        return html! { p.none { "Nothing is on record of this change." } };
    };
    let verdict = told.verdict;
    let decision = &told.look.decision;
    let of_this = |reason: &&Reason| reason.change.as_ref().is_none_or(|change| *change == story.change);
    let mut wrong: Vec<&Reason> = verdict.reasons.iter().collect();
    wrong.extend(decision.verdict.reasons.iter().filter(of_this).filter(|reason| !verdict.reasons.contains(reason)));
    html! {
        article.ticket {
            p.quiet { (places.repository) " · change ticket" }
            h1 { (places.change(&story.change)) }
            p.lead { (outcome(verdict, attempt)) }
            (three(verdict, attempt))
            @if !wrong.is_empty() {
                section aria-labelledby="wrong" {
                    h2 #wrong { "What is wrong" }
                    ul.reasons { @for reason in wrong { li class=[reason.to_come.then_some("to-come")] {
                        p { (super::report::words(&reason.text)) ". " code.code { (reason.code) } }
                        @if !reason.remedy.is_empty() { p.quiet { (super::report::words(&reason.remedy)) "." } }
                    } } }
                }
            }
            section aria-labelledby="story" {
                h2 #story { "What happened, in order" }
                @if story.left_out > 0 { p.quiet { (story.left_out) " decisions before are left out." } }
                ol.steps { @for step in steps(story, places) {
                    li class=(step.kind) {
                        div.what { (step.what) }
                        div.source { (step.source) @if let Some((position, time)) = step.by { ". On record by " (moment(time)) ", " (places.entry(position)) } "." }
                    }
                } }
            }
            section aria-labelledby="people" {
                h2 #people { "Who, and how that is known" }
                (people(verdict, attempt, places))
            }
            (record(&told, attempt, places))
            p.tick { "Tested by: ________________________  Date: ______________  Result: ________________________" }
        }
    }
}

/// What was decided, in a sentence.
fn outcome(verdict: &ChangeVerdict, attempt: Option<&Attempt>) -> Markup {
    let Some(attempt) = attempt else {
        let word = match verdict.outcome {
            Outcome::Allow => "Compliant: written and reviewed by different people.",
            Outcome::Pending => "Something is still to come.",
            Outcome::Undetermined => "It cannot be told.",
            Outcome::Deny => "A rule is broken.",
            Outcome::Exception => "A rule is broken, and an exception covers it.",
        };
        return html! { span class={ "badge " (verdict.outcome) } { (said(verdict.outcome)) } " " (word) " No attempt to deploy it is on record." };
    };
    let decided = attempt.look.decision.verdict.outcome;
    let place = match &attempt.look.decision.facts.subject {
        Subject::Deployment(deployment) => deployment.environment.as_str(),
        _ => "production",
    };
    html! {
        @if attempt.look.afterwards { span.badge { "judged afterwards" } " It would have been " (said(decided)) ". " } @else { span class={ "badge " (decided) } { (said(decided)) } " " }
        @match &attempt.ended {
            Some(ended) if ended.reached_production() => { "It reached " (place) ": the deploying job had succeeded by " (moment(&ended.time)) "." }
            Some(ended) => { "It did not reach " (place) ": the deploying job ended with " (ended.conclusion) "." }
            None => { "To " (place) ". How that ended is not on record." }
        }
    }
}

/// An outcome in a word.
fn said(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allow => "allowed",
        Outcome::Exception => "by exception",
        Outcome::Pending => "waiting",
        Outcome::Undetermined => "cannot tell",
        Outcome::Deny => "denied",
    }
}

/// The three roles, side by side.
fn three(verdict: &ChangeVerdict, attempt: Option<&Attempt>) -> Markup {
    let broken = |codes: &[&str]| {
        let release = attempt.into_iter().flat_map(|attempt| &attempt.look.decision.verdict.reasons);
        let of_this = |reason: &&Reason| reason.change.as_ref().is_none_or(|change| *change == verdict.change);
        verdict.reasons.iter().chain(release.filter(of_this)).any(|reason| codes.contains(&reason.code.as_str()))
    };
    let role = |title: &str, accounts: Vec<&Account>, wrong: bool| {
        html! { div class=(if wrong || accounts.is_empty() { "role wrong" } else { "role" }) {
            dt { (title) } dd { @if accounts.is_empty() { span.none { "nobody" } } @for (place, account) in accounts.iter().enumerate() { @if place > 0 { ", " } (at(Some(account))) } }
        } }
    };
    let reached = attempt.and_then(|one| one.ended.as_ref()).is_some_and(Ended::reached_production);
    let wrote = verdict.contributors.iter().map(|contributor| &contributor.account).collect();
    html! {
        dl.roles {
            (role("wrote it", wrote, broken(&["author-unattributed", "sponsor-unknown"])))
            (role("reviewed it", verdict.reviewers.iter().collect(), broken(&["deployer-is-reviewer"])))
            @if let Some(attempt) = attempt {
                (role(if reached { "deployed it" } else { "would deploy it" }, attempt.look.decision.verdict.deployers.iter().map(|deployer| &deployer.account).collect(),
                    broken(&["deployer-is-author", "deployer-is-reviewer"])))
            }
        }
        @if let Some(three) = &verdict.three {
            p { "Three different people: " (at(Some(&three.author))) " wrote, " (at(Some(&three.reviewer))) " reviewed, " (at(Some(&three.deployer))) " deployed." }
        }
    }
}

/// Everybody with a part in it, and why each counts or does not.
fn people(verdict: &ChangeVerdict, attempt: Option<&Attempt>, places: Places<'_>) -> Markup {
    html! {
        table {
            thead { tr { th scope="col" { "Account" } th scope="col" { "Part" } th scope="col" { "How that is known" } } }
            tbody {
                @for contributor in &verdict.contributors { tr {
                    td { (at(Some(&contributor.account))) @if let Some(person) = &contributor.person { " (" (person) ")" } @if contributor.automation { " (automation)" } }
                    td { "contributed" } td { (how(&contributor.because, places)) }
                } }
                @for review in &verdict.reviews { tr {
                    td { (at(review.by.as_ref())) }
                    td { @if review.approves { "approved" } @else { "objected" } }
                    td {
                        @match &review.commit { Some(commit) => { "at " (places.commit(commit)) }, None => "at an unknown commit" } ": "
                        @match (review.approves, review.counts) { (true, true) => "counts", (true, false) => "does not count", (false, true) => "stands", (false, false) => "no longer stands" }
                        @for reason in &review.reasons { ". " (reason.text) " " code.code { (reason.code) } } "."
                        @if review.retrospective { " Given after the merge." }
                    }
                } }
                @for deployer in attempt.into_iter().flat_map(|attempt| &attempt.look.decision.verdict.deployers) { tr {
                    td { (at(Some(&deployer.account))) } td { "deployed" } td { (policy::part(deployer)) "." }
                } }
            }
        }
    }
}

/// How an account's work came to be in it.
fn how(because: &[Contribution], places: Places<'_>) -> Markup {
    /// Commits spelled out for one reason; the table of commits has all.
    const MOST: usize = 12;
    type Pick = fn(&Contribution) -> Option<&CommitSha>;
    let lists: [(&str, Pick); 4] = [
        ("wrote", |how| if let Contribution::Authored { commit } = how { Some(commit) } else { None }),
        ("committed", |how| if let Contribution::Committed { commit } = how { Some(commit) } else { None }),
        ("co-wrote", |how| if let Contribution::CoAuthored { commit } = how { Some(commit) } else { None }),
        ("pushed", |how| if let Contribution::Pushed { commit } = how { Some(commit) } else { None }),
    ];
    let mut said: Vec<Markup> = Vec::new();
    if because.iter().any(|how| matches!(how, Contribution::Opened)) {
        said.push(html! { "opened it" });
    }
    for (what, pick) in lists {
        let commits: Vec<&CommitSha> = because.iter().filter_map(pick).collect();
        if !commits.is_empty() {
            said.push(html! {
                (what) " " @for (place, commit) in commits.iter().take(MOST).enumerate() { @if place > 0 { ", " } (places.commit(commit)) }
                @if commits.len() > MOST { " and " (commits.len() - MOST) " more" }
            });
        }
    }
    for how in because {
        if let Contribution::Sponsors { automation, run } = how {
            said.push(
                html! { "answers for automation, account " (automation) @if let Some(run) = run { ", in run " (run) } },
            );
        }
    }
    html! { @for (place, what) in said.iter().enumerate() { @if place > 0 { "; " } (what) } "." }
}

/// Where it is on record, and how to check that.
fn record(told: &Judged<'_>, attempt: Option<&Attempt>, places: Places<'_>) -> Markup {
    let Judged { look, verdict, request, bare, .. } = told;
    let tickets =
        request.map_or_else(|| bare.and_then(|bare| bare.tickets.as_ref()), |request| request.tickets.as_ref());
    html! {
        section.record aria-labelledby="record" {
            h2 #record { "On record" }
            dl.facts {
                dt { "Commit" } dd { code.wrap { (verdict.commit) } }
                @if let Some(tickets) = tickets { dt { "Tickets" } dd { @if tickets.is_empty() { "none named" } @else { (tickets.join(", ")) } } }
                dt { "Decision" } dd { @if places.service { a href={ "/decisions/" (look.decision.id) } { code.wrap { (look.decision.id) } } } @else { code.wrap { (look.decision.id) } } ", " (moment(&look.time)) }
                dt { "Entry" } dd { (look.position) ", whose hash as a leaf of the ledger is " code.wrap { (look.leaf) } }
                @if let Some(ended) = attempt.and_then(|attempt| attempt.ended.as_ref()) { dt { "End" } dd { "entry " (ended.position) ", GitHub’s deployment " (ended.deployment) } }
                dt { "Policies" } dd { (look.decision.facts.terms.packs.join(", ")) " " code.wrap { (look.decision.policy_digest) } }
                dt { "Settings" } dd { code.wrap { (look.decision.settings_digest) } }
            }
            @if places.service {
                p.quiet { a href={ "/api/v1/ledger/entries?from=" (look.position) "&limit=1" } { "The entry’s bytes" } ", "
                    a href={ "/api/v1/ledger/proof/inclusion?index=" (look.position) } { "the proof that it is in the ledger" } ". Judged last in "
                    a href={ "/decisions/" (look.decision.id) } { "this decision" } "." }
            } @else { p.quiet { "Everything here is in the bundle’s entries, which " code { "countersign evidence verify" } " checks." } }
        }
    }
}

impl Places<'_> {
    fn address(&self, place: &str) -> String {
        format!("{}/{}/{place}", self.web.trim_end_matches('/'), self.repository)
    }

    fn commit(&self, commit: &CommitSha) -> Markup {
        let is_id = commit.as_str().bytes().all(|byte| byte.is_ascii_hexdigit());
        html! { @if is_id { a.commit href=(self.address(&format!("commit/{commit}"))) { code { (commit.short()) } } } @else { code { (commit.short()) } } }
    }

    fn change(&self, change: &ChangeName) -> Markup {
        match change {
            ChangeName::PullRequest(number) => {
                html! { a href=(self.address(&format!("pull/{number}"))) { "Pull request #" (number) } }
            }
            ChangeName::Commit(commit) => html! { (self.commit(commit)) ", which came without a pull request" },
        }
    }

    fn entry(&self, position: u64) -> Markup {
        html! { @if self.service { a href={ "/api/v1/ledger/entries?from=" (position) "&limit=1" } { "entry " (position) } } @else { "entry " (position) } }
    }
}

/// An account as people write it.
fn at(account: Option<&Account>) -> Markup {
    html! {
        @match account {
            Some(account) => span.account title={ "account " (account.id) } { "@" (account.login) },
            None => span.none { "somebody GitHub no longer shows" },
        }
    }
}

fn moment(time: &str) -> Markup {
    html! { time datetime=(time) { (time.get(..19).unwrap_or(time).replace('T', " ")) " UTC" } }
}
