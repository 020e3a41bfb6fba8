//! One change: who contributed, which approvals count, and whether it is compliant.
//!
//! Invariant: where something is unknown the rules are asked twice, once as if it were harmless and once as if it were
//! not. What both answers forbid is broken; what only the second forbids, nobody can tell. Next: `release.rs`.

use super::approvals::{self, Reviews};
use super::contributors::{self, Contributors};
use super::entities::{Answer, Attributes, Judge, Resource};
use super::explain::{About, FACTS_INCOMPLETE, POLICY_ERROR, at, list, outcome, reason, wanted};
use super::people::PersonKey;
use super::timeline::is_merged;
use crate::domain::{
    Account, ChangeInRelease, ChangeName, ChangeVerdict, CommitSha, Landing, LandingKind, MergeProof, Outcome,
    PullRequest, PullRequestNumber, PullRequestState, Reason, ReviewId, Terms,
};
use std::collections::BTreeSet;

/// A change that has been judged, with what judging a deployment of it needs.
#[derive(Debug)]
pub(crate) struct Judged {
    /// What is said of it.
    pub(crate) verdict: ChangeVerdict,
    /// The persons who contributed.
    pub(crate) contributors: BTreeSet<PersonKey>,
    /// Everyone whose approval counts or may count.
    pub(crate) reviewers: BTreeSet<PersonKey>,
    /// The change as it is if what is unknown does no harm: one for each pull request that may have landed it.
    pub(crate) kind: Vec<Resource>,
    /// The change as it is if it does; none where nothing is unknown.
    pub(crate) harsh: Vec<Resource>,
}

impl Judged {
    /// It is compliant, for certain.
    pub(crate) fn is_compliant(&self) -> bool {
        self.verdict.outcome == Outcome::Allow
    }

    /// The change as it must be clean to be clean for certain; nothing where the rules could not be asked.
    pub(crate) fn strictest(&self) -> Vec<&Resource> {
        if self.harsh.is_empty() { self.kind.iter().collect() } else { self.harsh.iter().collect() }
    }

    /// The same change, where another pull request may have landed it instead: it is compliant where it is so either way.
    fn or(mut self, other: Self, unknown: Reason) -> Self {
        if !(self.harsh.is_empty() && other.harsh.is_empty()) {
            self.harsh = self.strictest().into_iter().chain(other.strictest()).cloned().collect();
        }
        self.kind.extend(other.kind);
        self.reviewers.extend(other.reviewers);
        self.contributors.extend(other.contributors);
        if self.verdict.outcome == Outcome::Allow && other.verdict.outcome == Outcome::Allow {
            return self;
        }
        // What is broken either way is broken.
        let broken: BTreeSet<&String> = other.verdict.reasons.iter().map(|reason| &reason.code).collect();
        self.verdict.reasons.retain(|reason| broken.contains(&reason.code));
        self.verdict.reasons.push(unknown);
        self.verdict.outcome = outcome(&self.verdict.reasons);
        let known: BTreeSet<_> = self.verdict.contributors.iter().map(|it| it.account.id).collect();
        let more = other.verdict.contributors.into_iter().filter(|it| !known.contains(&it.account.id));
        self.verdict.contributors.extend(more);
        self
    }
}

/// A change on its way to its verdict.
struct Case<'a> {
    name: ChangeName,
    commit: &'a CommitSha,
    pull_request: Option<&'a PullRequest>,
    contributors: Contributors,
    /// It is on the production branch.
    merged: bool,
    /// GitHub merged its pull request into the production branch.
    by_pull_request: bool,
    indirect: Indirect<'a>,
    /// Who pushed it onto the production branch, where a push put it there.
    pushed_by: Option<&'a Account>,
    /// The tickets that it names.
    tickets: &'a [String],
    /// What could not be read, in whole sentences' ends.
    missing: Vec<String>,
    /// It may have had a review that nobody could read.
    review_unread: bool,
}

/// Pull requests that GitHub shows as merged although a push put their commits there.
#[derive(Default)]
struct Indirect<'a> {
    shown_as_merged: &'a [PullRequestNumber],
    /// What was pushed is proved to be more than the merge of what was approved.
    content_diverged: bool,
}

/// Judges a pull request by itself: may it merge, or, if it is merged, was it compliant then?
pub(crate) fn of_pull_request(judge: &Judge<'_>, terms: &Terms, pr: &PullRequest) -> Judged {
    Case {
        name: ChangeName::PullRequest(pr.number),
        commit: &pr.head,
        pull_request: Some(pr),
        contributors: contributors::of_pull_request(judge.people, pr),
        merged: is_merged(pr),
        by_pull_request: true,
        indirect: Indirect::default(),
        pushed_by: None,
        tickets: pr.tickets.as_deref().unwrap_or_default(),
        missing: pr.missing.clone(),
        review_unread: false,
    }
    .judge(judge, terms)
}

/// Judges what is on the production branch. `landing` is the movement of the branch that brought it, where known.
pub(crate) fn of_landed(
    judge: &Judge<'_>,
    terms: &Terms,
    change: &ChangeInRelease,
    landing: Option<&Landing>,
) -> Judged {
    let judged = landed_by(judge, terms, change, (change.pull_request.as_ref(), landing));
    let Some(last) = change.commits.last().filter(|_| !change.alternatives.is_empty()) else { return judged };
    let detail = format!("which pull request landed {}", last.short());
    let about = || About::change(&judged.verdict.change).put("detail", &detail);
    let unknown = reason(judge.policies, FACTS_INCOMPLETE, about());
    let others = change.alternatives.iter().map(|other| landed_by(judge, terms, change, (Some(other), landing)));
    others.fold(judged, |one, other| one.or(other, unknown.clone()))
}

fn landed_by(
    judge: &Judge<'_>,
    terms: &Terms,
    change: &ChangeInRelease,
    (pull_request, landing): (Option<&PullRequest>, Option<&Landing>),
) -> Judged {
    let nothing = CommitSha::new("");
    let last = change.commits.last().unwrap_or(&nothing);
    let pushed = landing.is_some_and(|landing| landing.kind == LandingKind::Push);
    let pushed_by = landing.filter(|_| pushed).and_then(|landing| landing.by.as_ref());
    let mut missing = change.missing.clone();
    if change.commits.is_empty() {
        missing.push("the commits of a change".to_owned());
    }
    let Some(pr) = pull_request else {
        // Where nothing tells how it came there, it may have been merged: the activity list lags behind.
        let perhaps_merged = !pushed;
        if perhaps_merged {
            missing.push(match landing {
                Some(_) => format!("the pull request that GitHub merged as {}", last.short()),
                None => format!("how {} came onto {}", last.short(), terms.production_branch),
            });
        }
        if change.bare_commits.is_empty() {
            missing.push(format!("who wrote {}", last.short()));
        }
        return Case {
            name: ChangeName::Commit(last.clone()),
            commit: last,
            pull_request: None,
            contributors: contributors::of_bare_commits(judge.people, change, landing),
            merged: true,
            by_pull_request: perhaps_merged,
            indirect: if perhaps_merged {
                Indirect::default()
            } else {
                indirect(change, &change.shown_as_merged, &mut missing)
            },
            pushed_by,
            tickets: change.tickets.as_deref().unwrap_or_default(),
            missing,
            review_unread: perhaps_merged,
        }
        .judge(judge, terms);
    };
    missing.extend(pr.missing.iter().cloned());
    if pr.state != PullRequestState::Merged {
        missing.push(format!("that #{} is merged", pr.number));
    }
    if landing.is_none() {
        missing.push(format!("how #{} came onto {}", pr.number, terms.production_branch));
    }
    let shown = [pr.number];
    Case {
        name: ChangeName::PullRequest(change.asked_as.unwrap_or(pr.number)),
        commit: last,
        pull_request: Some(pr),
        contributors: contributors::of_pull_request(judge.people, pr),
        merged: true,
        by_pull_request: !pushed && pr.base_branch == terms.production_branch,
        indirect: indirect(change, if pushed { &shown } else { &change.shown_as_merged }, &mut missing),
        pushed_by,
        tickets: pr.tickets.as_deref().unwrap_or_default(),
        missing,
        review_unread: false,
    }
    .judge(judge, terms)
}

impl Case<'_> {
    fn judge(self, judge: &Judge<'_>, terms: &Terms) -> Judged {
        let mut reviews = self.reviews(judge, terms);
        if self.review_unread {
            reviews.possible.insert(PersonKey::Unseen(ReviewId(0)));
        }
        let certain_objectors: BTreeSet<PersonKey> = reviews.objectors.keys().copied().collect();
        let kind = self.resource(judge, terms, &certain_objectors, Some(&reviews.possible));
        let clear = reviews.certain == reviews.possible && certain_objectors == reviews.possible_objectors;
        let harsh = (!clear).then(|| self.resource(judge, terms, &reviews.possible_objectors, Some(&reviews.certain)));
        let kind_answer = ask(judge, &kind);
        let harsh_answer = harsh.as_ref().map(|harsh| ask(judge, harsh));
        let reasons = self.reasons(judge, terms, &reviews, &kind_answer, harsh_answer.as_ref());
        Judged {
            verdict: ChangeVerdict {
                outcome: outcome(&reasons),
                change: self.name,
                commit: self.commit.clone(),
                reasons,
                contributors: self.contributors.list(),
                reviews: reviews.list,
                reviewers: reviews.reviewers.into_values().collect(),
                three: None,
            },
            contributors: self.contributors.persons,
            reviewers: reviews.possible,
            kind: kind.into_iter().collect(),
            harsh: harsh.and_then(Result::ok).into_iter().collect(),
        }
    }

    fn reviews(&self, judge: &Judge<'_>, terms: &Terms) -> Reviews {
        let Some(pr) = self.pull_request else {
            return Reviews::default();
        };
        match self.resource(judge, terms, &BTreeSet::new(), None) {
            Ok(resource) => {
                approvals::of_pull_request(judge, pr, &self.name, &self.contributors, &resource, self.merged)
            }
            // The same fault comes up where the change itself is asked about.
            Err(_) => Reviews::default(),
        }
    }

    /// The checks asked for that did not succeed: neither on the head nor, of what the queue merged, on its group.
    fn tests_missing(&self, terms: &Terms) -> Vec<String> {
        let results = self.pull_request.and_then(|pr| pr.checks.as_deref()).unwrap_or_default();
        let commits: BTreeSet<&CommitSha> = results.iter().map(|result| &result.commit).collect();
        let succeeded = |name: &str| {
            commits.iter().any(|commit| {
                let mut here = results.iter().filter(|it| it.commit == **commit && it.name == name).peekable();
                here.peek().is_some() && here.all(|result| result.succeeded)
            })
        };
        terms.checks.iter().filter(|name| !succeeded(name)).cloned().collect()
    }

    fn resource(
        &self,
        judge: &Judge<'_>,
        terms: &Terms,
        objectors: &BTreeSet<PersonKey>,
        reviewers: Option<&BTreeSet<PersonKey>>,
    ) -> Result<Resource, String> {
        let mut attributes = Attributes::default();
        attributes.persons("contributors", judge, &self.contributors.persons);
        attributes.claim("merged", self.merged);
        attributes.claim("by_pull_request", self.by_pull_request);
        attributes.texts("shown_as_merged", self.indirect.shown_as_merged.iter().map(ToString::to_string));
        attributes.texts("tests_missing", self.tests_missing(terms));
        attributes.texts("tickets", self.tickets.iter().cloned());
        attributes.claim("content_diverged", self.indirect.content_diverged);
        attributes.text("head", self.pull_request.map_or(self.commit, |pr| &pr.head).as_str());
        attributes.commit("head_tree", self.pull_request.map(|pr| &pr.head_tree));
        attributes.commit("merge_base", self.pull_request.and_then(|pr| pr.merge_base.as_ref()));
        attributes.texts("unattributed", self.contributors.unattributed.iter().map(ToString::to_string));
        let unsponsored = self.contributors.unsponsored.iter().map(|account| account.id);
        attributes.automation("unsponsored", judge, unsponsored);
        attributes.persons("objectors", judge, objectors);
        if let Some(reviewers) = reviewers {
            attributes.persons("reviewers", judge, reviewers);
        }
        judge.change(&self.name.to_string(), attributes)
    }

    fn reasons(
        &self,
        judge: &Judge<'_>,
        terms: &Terms,
        reviews: &Reviews,
        kind: &Answer,
        harsh: Option<&Answer>,
    ) -> Vec<Reason> {
        let policies = judge.policies;
        let about = || About::change(&self.name);
        let mut reasons: Vec<Reason> = Vec::new();
        for code in &kind.codes {
            reasons.extend(self.broken(terms, reviews, code).into_iter().map(|about| reason(policies, code, about)));
        }
        let mut unknown: BTreeSet<String> = self.contributors.unknown.clone();
        unknown.extend(self.missing.iter().cloned());
        if harsh.is_some_and(|harsh| harsh.codes != kind.codes) {
            unknown.extend(reviews.unknown.iter().cloned());
            if reviews.unknown.is_empty() {
                unknown.insert(format!("which reviews of {} count", self.name));
            }
        }
        let incomplete = unknown.into_iter().map(|detail| about().put("detail", detail));
        reasons.extend(incomplete.map(|about| reason(policies, FACTS_INCOMPLETE, about)));
        let mut faults = reviews.faults.clone();
        faults.extend(kind.fault.iter().chain(harsh.and_then(|harsh| harsh.fault.as_ref())).cloned());
        let failed = faults.into_iter().map(|detail| about().put("detail", detail));
        reasons.extend(failed.map(|about| reason(policies, POLICY_ERROR, about)));
        reasons
    }

    fn pusher(&self) -> String {
        self.pushed_by.map_or_else(|| "somebody GitHub does not show".to_owned(), at)
    }

    /// What there is to say of a broken rule: once for each account it is about.
    fn broken(&self, terms: &Terms, reviews: &Reviews, code: &str) -> Vec<About> {
        let about = || {
            About::change(&self.name)
                .put("branch", &terms.production_branch)
                .put("head", self.pull_request.map_or(self.commit, |pr| &pr.head).short())
                .merged(self.merged)
        };
        match code {
            "review-missing" => vec![about().put("wanted", wanted(&self.contributors.list())).awaited(!self.merged)],
            "tests-missing" => {
                let checks: Vec<String> = self.tests_missing(terms).iter().map(|name| format!("`{name}`")).collect();
                vec![about().put("checks", list(&checks, 5)).awaited(!self.merged)]
            }
            "ticket-missing" => vec![about().awaited(!self.merged)],
            "changes-requested" => {
                let objectors = reviews.objectors.values();
                objectors.map(|account| about().account(account.as_ref())).collect()
            }
            "sponsor-unknown" => {
                let unsponsored = self.contributors.unsponsored.iter();
                unsponsored.map(|account| about().account(Some(account))).collect()
            }
            "author-unattributed" => {
                let commits = self.contributors.unattributed.iter();
                let short: Vec<String> = commits.map(|commit| commit.short().to_owned()).collect();
                vec![about().put("commits", list(&short, 5))]
            }
            "landed-outside-process" => {
                let shown = self.indirect.shown_as_merged.iter().map(|number| format!("#{number}"));
                let pulls = match (&self.name, self.pull_request) {
                    (_, Some(_)) => "it".to_owned(),
                    _ => list(&shown.collect::<Vec<_>>(), 5),
                };
                vec![about().put("pulls", pulls).put("by", self.pusher())]
            }
            "pull-request-missing" => {
                let elsewhere = self.pull_request.filter(|pr| pr.base_branch != terms.production_branch);
                let how = elsewhere.map_or_else(
                    || format!("{} pushed it", self.pusher()),
                    |pr| format!("its pull request is into {}", pr.base_branch),
                );
                vec![about().put("how", how)]
            }
            _ => vec![about()],
        }
    }
}

/// Whether a pushed merge, by which GitHub shows pull requests as merged, is more than they are; names what nobody can tell.
fn indirect<'a>(
    change: &ChangeInRelease,
    shown_as_merged: &'a [PullRequestNumber],
    missing: &mut Vec<String>,
) -> Indirect<'a> {
    let pushed = change.bare_commits.last().filter(|_| !shown_as_merged.is_empty());
    if let Some(commit) = pushed
        && let Some(MergeProof::Unproved { why }) = &commit.merge
    {
        missing.push(format!("whether {} is no more than what was approved: {why}", commit.oid.short()));
    }
    let content_diverged = pushed.is_some_and(|commit| commit.merge == Some(MergeProof::Differs));
    Indirect { shown_as_merged, content_diverged }
}

fn ask(judge: &Judge<'_>, resource: &Result<Resource, String>) -> Answer {
    let names = judge.policies.names();
    match resource {
        Ok(resource) => judge.ask(&names.anyone, &names.merge, resource, Attributes::default()),
        Err(fault) => Answer::faulty(fault),
    }
}
