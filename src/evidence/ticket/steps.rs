//! What happened to a change, in order.
//!
//! Invariant: nothing is ordered by a time. GitHub's timeline keeps its own order; what the service said is put where the
//! record has it: after all that the decision's facts already hold, and before what only later facts do. So every step is
//! on record by the decision that comes next; but that the branch moved stands with the merge that moved it, whenever it
//! became known, and says by which decision.

use super::{Attempt, Judged, Look, Places, Story, at, moment, said};
use countersign_core::domain::{
    CheckResult, Commit, CommitIdentity, Deployment, Exception, Landing, LandingKind, Outcome, PullRequest, Push,
    PushSource, Review, ReviewState, Subject, TimelineEvent,
};
use maud::{Markup, html};
use std::collections::HashSet;

/// One thing that happened.
pub(super) struct Step<'a> {
    /// How it is marked: `fact`, or the outcome of what was said.
    pub(super) kind: String,
    pub(super) what: Markup,
    pub(super) source: Markup,
    /// The decision by which it was on record: its position and time. None for what was said itself.
    pub(super) by: Option<(u64, &'a str)>,
}

/// Tells what each decision adds to those before.
struct Teller<'a> {
    places: Places<'a>,
    steps: Vec<Step<'a>>,
    opened: bool,
    landed: bool,
    /// Where the step stands that says who merged it.
    merged: Option<usize>,
    commits: HashSet<&'a str>,
    pushes: Vec<&'a Push>,
    events: Vec<&'a TimelineEvent>,
    checks: Vec<&'a CheckResult>,
}

/// The steps of a story.
pub(super) fn steps<'a>(story: &'a Story, places: Places<'a>) -> Vec<Step<'a>> {
    let mut teller = Teller {
        places,
        steps: Vec::new(),
        opened: false,
        landed: false,
        merged: None,
        commits: HashSet::new(),
        pushes: Vec::new(),
        events: Vec::new(),
        checks: Vec::new(),
    };
    let looks = story.looks.iter().map(|look| (look, None));
    let attempts = story.attempts.iter().map(|attempt| (&attempt.look, Some(attempt)));
    let mut all: Vec<(&Look, Option<&Attempt>)> = looks.chain(attempts).collect();
    all.sort_by_key(|(look, _)| look.position);
    for (look, attempt) in all {
        let Some(judged) = story.judged(look) else { continue };
        teller.look(&judged);
        match (attempt, &look.decision.facts.subject) {
            (Some(attempt), Subject::Deployment(deployment)) => teller.attempt(attempt, deployment),
            _ => teller.said(look, &judged),
        }
    }
    teller.steps
}

impl<'a> Teller<'a> {
    fn fact(&mut self, look: &'a Look, what: Markup, source: Markup) {
        self.steps.push(Step { kind: "fact".to_owned(), what, source, by: Some((look.position, &look.time)) });
    }

    /// What the facts of a decision add.
    fn look(&mut self, judged: &Judged<'a>) {
        let look = judged.look;
        if let Some(request) = judged.request {
            self.request(look, request);
        }
        for commit in judged.bare.into_iter().flat_map(|bare| &bare.bare_commits) {
            self.commit(look, commit);
        }
        if let Some(landing) = judged.landing.filter(|_| !self.landed) {
            self.landed = true;
            let what = self.landing(landing);
            self.fact(look, what, html! { "GitHub: the repository’s activity list" });
            if let (Some(merged), Some(step)) = (self.merged, self.steps.pop()) {
                self.steps.insert((merged + 1).min(self.steps.len()), step);
            }
        }
    }

    fn request(&mut self, look: &'a Look, request: &'a PullRequest) {
        let page = self.places.address(&format!("pull/{}", request.number));
        let timeline = || html! { "GitHub: " a href=(page) { "timeline of #" (request.number) } };
        if !self.opened {
            self.opened = true;
            let what = html! { (at(request.opener.as_ref())) " opened #" (request.number) " from " code { (request.head_branch) } " into " code { (request.base_branch) } };
            self.fact(look, what, timeline());
        }
        for commit in &request.commits {
            self.commit(look, commit);
        }
        for push in &request.pushes {
            // One push can be known in several ways.
            let known = |before: &&Push| before.after == push.after && before.by == push.by;
            if !self.pushes.iter().any(known) {
                self.pushes.push(push);
                let what = html! { (at(push.by.as_ref())) " pushed " (self.places.commit(&push.after)) };
                self.fact(look, what, html! { (known_by(push.source)) });
            }
        }
        let mut before = 0;
        for event in &request.timeline {
            if self.events.get(before).is_some_and(|known| same(known, event)) {
                before += 1;
                continue;
            }
            self.events.insert(before, event);
            before += 1;
            if let Some(what) = self.event(event) {
                let source = match event {
                    TimelineEvent::Reviewed(review) => {
                        html! { "GitHub: " a href={ (page) "#pullrequestreview-" (review.id) } { "review of #" (request.number) } }
                    }
                    _ => timeline(),
                };
                if matches!(event, TimelineEvent::Merged { .. }) {
                    self.merged = Some(self.steps.len());
                }
                self.fact(look, what, source);
            }
        }
        for check in request.checks.iter().flatten() {
            if !self.checks.contains(&check) {
                self.checks.push(check);
                let how = if check.succeeded { "succeeded" } else { "had not succeeded" };
                let what =
                    html! { "The check " code { (check.name) } " " (how) " on " (self.places.commit(&check.commit)) };
                let source = html! { "GitHub: " a href=(self.places.address(&format!("commit/{}/checks", check.commit))) { "checks of the commit" } };
                self.fact(look, what, source);
            }
        }
    }

    fn commit(&mut self, look: &'a Look, commit: &'a Commit) {
        if !self.commits.insert(commit.oid.as_str()) {
            return;
        }
        let committer = (commit.committer != commit.author && !commit.committed_by_github).then_some(&commit.committer);
        let what = html! {
            (identity(&commit.author)) " wrote commit " (self.places.commit(&commit.oid))
            @if let Some(committer) = committer { ", committed by " (identity(committer)) }
            @if commit.committed_by_github { ", committed by GitHub" }
            @for other in &commit.coauthors { ", with " (identity(other)) }
            @if commit.parents.len() > 1 { ", a merge" }
        };
        let source =
            html! { "GitHub: " a href=(self.places.address(&format!("commit/{}", commit.oid))) { "the commit" } };
        self.fact(look, what, source);
    }

    fn landing(&self, landing: &Landing) -> Markup {
        let how = match landing.kind {
            LandingKind::PullRequestMerge => "by GitHub’s own merge",
            LandingKind::MergeQueueMerge => "through the merge queue",
            LandingKind::Push => "by a push",
        };
        html! { (at(landing.by.as_ref())) " moved the production branch from " (self.places.commit(&landing.before)) " to " (self.places.commit(&landing.after)) " " (how) }
    }

    fn event(&self, event: &TimelineEvent) -> Option<Markup> {
        let commit = |commit: Option<&countersign_core::domain::CommitSha>| {
            html! { @match commit { Some(commit) => (self.places.commit(commit)), None => "an unknown commit" } }
        };
        Some(match event {
            TimelineEvent::Reviewed(Review { by, state, commit: on, could_write, .. }) => {
                let says = match state {
                    ReviewState::Approved => "approved",
                    ReviewState::ChangesRequested => "requested changes at",
                    ReviewState::Dismissed => "gave an opinion, dismissed since, on",
                    ReviewState::Commented | ReviewState::Pending => return None,
                };
                html! { (at(by.as_ref())) " " (says) " " (commit(on.as_ref())) @if *could_write == Some(false) { ", without write access" } }
            }
            TimelineEvent::Dismissed { by, was, .. } => {
                let was = match was {
                    ReviewState::Approved => "an approval",
                    ReviewState::ChangesRequested => "an objection",
                    _ => "a review",
                };
                html! { (at(by.as_ref())) " dismissed " (was) }
            }
            TimelineEvent::Retargeted { from, to, by, automatic } => {
                html! { @if *automatic { "GitHub" } @else { (at(by.as_ref())) } " moved it from " code { (from) } " to " code { (to) } }
            }
            TimelineEvent::ForcePushed { by, before, after } => {
                html! { (at(by.as_ref())) " force-pushed the branch from " (commit(before.as_ref())) " to " (commit(after.as_ref())) }
            }
            TimelineEvent::Merged { by, commit: at_commit } => {
                html! { (at(by.as_ref())) " merged it as " (commit(at_commit.as_ref())) }
            }
            TimelineEvent::Closed { by } => html! { (at(by.as_ref())) " closed it" },
            TimelineEvent::Reopened { by } => html! { (at(by.as_ref())) " opened it again" },
            TimelineEvent::AutoMergeEnabled { by } => html! { (at(by.as_ref())) " enabled auto-merge" },
            TimelineEvent::AutoMergeDisabled => html! { "Auto-merge was disabled" },
            TimelineEvent::Queued { by } => html! { (at(by.as_ref())) " put it into the merge queue" },
            TimelineEvent::Dequeued => html! { "It left the merge queue" },
            TimelineEvent::Assigned { who, by } => html! { (at(by.as_ref())) " assigned " (at(who.as_ref())) },
        })
    }

    /// What was said of the change itself.
    fn said(&mut self, look: &'a Look, judged: &Judged<'a>) {
        let outcome = judged.verdict.outcome;
        let codes: Vec<&str> = judged.verdict.reasons.iter().map(|reason| reason.code.as_str()).collect();
        let what = html! { "Countersign said of it: " b { (said(outcome)) } (because(&codes)) };
        self.decided(look, outcome, what);
    }

    fn attempt(&mut self, attempt: &'a Attempt, deployment: &'a Deployment) {
        let look = &attempt.look;
        if let Some(exception) = &deployment.exception {
            let ticket = if exception.ticket.is_empty() { "no ticket" } else { &exception.ticket };
            let what = html! { (at(Some(&exception.opened_by))) " had opened an exception (" (ticket) "): “" (exception.reason) "”" };
            self.fact(look, what, html! { "Ledger: exception " (exception.id) });
        }
        if let Some(run) = &deployment.run {
            let page = self.places.address(&format!("actions/runs/{}/attempts/{}", run.id, run.this.number));
            let by = run.this.triggering_actor.as_ref().or(run.this.actor.as_ref());
            let what = html! { (at(by)) " started run " (run.id) @if run.this.number.0 > 1 { ", attempt " (run.this.number) "," } " by " code { (run.event) } " to deploy " (self.places.commit(&deployment.target)) " to " (deployment.environment) };
            self.fact(look, what, html! { "GitHub: " a href=(page) { "the run’s attempt" } });
        }
        for by in &deployment.approval.given_by {
            let what = html! { (at(by.as_ref())) " approved the environment " (deployment.environment) };
            self.fact(look, what, html! { "GitHub: approvals of the run" });
        }
        let verdict = &look.decision.verdict;
        let codes: Vec<&str> = verdict.reasons.iter().map(|reason| reason.code.as_str()).collect();
        let brings = deployment.changes.len();
        let what = html! {
            @if look.afterwards { "Judged afterwards, since nobody watched then; it would have been: " } @else { "Countersign decided: " }
            b { (said(verdict.outcome)) } (because(&codes))
            @if brings > 1 { ", of a release of " (brings) " changes" }
        };
        self.decided(look, verdict.outcome, what);
        if let Some(ended) = &attempt.ended {
            let what = html! { "The deploying job ended: " b { (ended.conclusion) } };
            let kind = if ended.reached_production() { "end reached" } else { "end" };
            let source = html! { "GitHub: the attempt’s jobs. Ledger: " (self.places.entry(ended.position)) ", " (moment(&ended.time)) };
            self.steps.push(Step { kind: kind.to_owned(), what, source, by: None });
        }
        if let Some(exception) = deployment.exception.as_ref().filter(|_| verdict.outcome == Outcome::Exception) {
            self.closure(attempt, exception);
        }
    }

    /// How the exception was closed that let it through.
    fn closure(&mut self, attempt: &'a Attempt, exception: &Exception) {
        let (kind, what, source) = match &attempt.closure {
            Some(review) => {
                let word = if review.justified { "justified" } else { "unjustified" };
                let what = html! { span.account title={ "account " (review.account) } { "@" (review.login) } " reviewed the exception: " b { (word) } };
                let source = html! { "Ledger: " (self.places.entry(review.position)) ", " (moment(&review.time)) };
                (if review.justified { "fact" } else { "said deny" }, what, source)
            }
            None => (
                "said undetermined",
                html! { "Nobody has reviewed the exception; that was due by " (moment(&exception.due)) },
                html! { "Ledger: no review is on record" },
            ),
        };
        self.steps.push(Step { kind: kind.to_owned(), what, source, by: None });
    }

    fn decided(&mut self, look: &'a Look, outcome: Outcome, what: Markup) {
        let id = &look.decision.id;
        let source = html! {
            "Ledger: " (self.places.entry(look.position)) ", " (moment(&look.time))
            @if self.places.service { ", " a href={ "/decisions/" (id) } { "the decision" } }
        };
        self.steps.push(Step { kind: format!("said {outcome}"), what, source, by: None });
    }
}

fn because(codes: &[&str]) -> Markup {
    let codes: std::collections::BTreeSet<&str> = codes.iter().copied().collect();
    html! { @if !codes.is_empty() { ", because of " (codes.into_iter().collect::<Vec<_>>().join(", ")) } }
}

/// Whether two readings of the timeline show the same event; a review's state may have changed since.
fn same(one: &TimelineEvent, other: &TimelineEvent) -> bool {
    match (one, other) {
        (TimelineEvent::Reviewed(one), TimelineEvent::Reviewed(other)) => one.id == other.id,
        _ => one == other,
    }
}

fn identity(of: &CommitIdentity) -> Markup {
    match (&of.account, &of.email) {
        (Some(account), _) => at(Some(account)),
        (None, Some(_)) => html! { span.none { "somebody without an account" } },
        (None, None) => at(None),
    }
}

/// How a push is known, in words.
fn known_by(source: PushSource) -> &'static str {
    match source {
        PushSource::PushDelivery | PushSource::CommitListed => "GitHub: push delivery",
        PushSource::SynchronizeDelivery => "GitHub: delivery of a changed pull request",
        PushSource::CheckSuite => "GitHub: check suite",
        PushSource::ActivityList => "GitHub: the repository’s activity list",
        PushSource::OpenedFromFork => "GitHub: delivery of a pull request opened from a fork",
    }
}
