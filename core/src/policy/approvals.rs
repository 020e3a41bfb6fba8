//! Which approvals count: each is put before the rules, once as if what is unknown were harmless and, where anything is
//! unknown, once as if it were not.
//!
//! Invariant: an approval counts only when both answers are clean. Where the first alone is clean it may count, and
//! nobody can tell. Next: `change.rs`.

use super::contributors::{Contributors, contributed};
use super::entities::{Answer, Attributes, Judge, Resource};
use super::explain::{About, FACTS_INCOMPLETE, POLICY_ERROR, at, reason};
use super::merges::CleanMerges;
use super::opinions::{Objects, Opinion, Opinions, Says, Standing};
use super::people::{PersonKey, Who};
use crate::domain::{Account, ChangeName, PullRequest, ReviewVerdict};
use std::collections::{BTreeMap, BTreeSet};

/// What the reviews of a change amount to.
#[derive(Debug, Default)]
pub(crate) struct Reviews {
    /// Every approval and objection, in GitHub's order.
    pub(crate) list: Vec<ReviewVerdict>,
    /// The accounts whose approvals count.
    pub(crate) reviewers: BTreeMap<crate::domain::AccountId, Account>,
    /// The persons whose approvals count for certain.
    pub(crate) certain: BTreeSet<PersonKey>,
    /// The same with those whose approvals may count.
    pub(crate) possible: BTreeSet<PersonKey>,
    /// Whose objections stand for certain.
    pub(crate) objectors: BTreeMap<PersonKey, Option<Account>>,
    /// The same with those whose objections may stand.
    pub(crate) possible_objectors: BTreeSet<PersonKey>,
    /// What is not known of the reviews; it matters only where an answer hangs on it.
    pub(crate) unknown: BTreeSet<String>,
    /// What went wrong in asking.
    pub(crate) faults: BTreeSet<String>,
}

/// Judges every review of a pull request.
pub(crate) fn of_pull_request(
    judge: &Judge<'_>,
    pr: &PullRequest,
    name: &ChangeName,
    contributors: &Contributors,
    resource: &Resource,
    merged: bool,
) -> Reviews {
    let opinions = Opinions::new(judge.people, pr, merged);
    let clean = CleanMerges::of(pr);
    let bench = Bench { judge, pr, name, contributors, resource, clean: &clean, opinions: &opinions };
    let mut reviews = Reviews::default();
    for opinion in &opinions.all {
        let objects = opinions.objects(judge.people, contributors, opinion);
        bench.hear_objection(opinion, objects, &mut reviews);
        bench.hear(opinion, objects, &mut reviews);
    }
    for review in &opinions.dismissed_unread {
        reviews.possible_objectors.insert(PersonKey::Unseen(*review));
        reviews.unknown.insert(format!("what a dismissed review of {name} had said"));
    }
    reviews
}

struct Bench<'a> {
    judge: &'a Judge<'a>,
    pr: &'a PullRequest,
    name: &'a ChangeName,
    contributors: &'a Contributors,
    resource: &'a Resource,
    clean: &'a CleanMerges<'a>,
    opinions: &'a Opinions<'a>,
}

impl Bench<'_> {
    fn hear_objection(&self, opinion: &Opinion<'_>, objects: Objects, reviews: &mut Reviews) {
        let person = match opinion.who {
            Who::Person(person) => person,
            _ => PersonKey::Unseen(opinion.review.id),
        };
        match objects {
            Objects::Yes => {
                reviews.objectors.insert(person, opinion.review.by.clone());
                reviews.possible_objectors.insert(person);
            }
            Objects::Perhaps => {
                reviews.possible_objectors.insert(person);
                let who = who(opinion);
                reviews.unknown.insert(format!("whether an objection of {who} to {} stands", self.name));
            }
            Objects::No => {}
        }
    }

    fn hear(&self, opinion: &Opinion<'_>, objects: Objects, reviews: &mut Reviews) {
        let review = opinion.review;
        let mut verdict = ReviewVerdict {
            review: review.id,
            by: review.by.clone(),
            commit: review.commit.clone(),
            approves: opinion.says == Says::Yes,
            counts: objects == Objects::Yes,
            reasons: Vec::new(),
            retrospective: opinion.late,
        };
        // What cannot have been an approval is not put before the rules of approvals.
        let merged_unknown = opinion.says == Says::Unknown && self.opinions.merged;
        if opinion.says == Says::Yes || merged_unknown {
            let doubts = self.doubts(opinion);
            let kind = self.ask(opinion, false);
            let harsh = if doubts.is_empty() { kind.clone() } else { self.ask(opinion, true) };
            reviews.faults.extend(kind.fault.iter().chain(&harsh.fault).cloned());
            let sure = harsh.is_clean() && !merged_unknown && matches!(opinion.who, Who::Person(_));
            verdict.counts = sure;
            if let (true, Who::Person(person), Some(account)) = (sure, opinion.who, &review.by) {
                reviews.certain.insert(person);
                reviews.possible.insert(person);
                reviews.reviewers.insert(account.id, account.clone());
            } else if kind.is_clean() {
                reviews.possible.insert(match opinion.who {
                    Who::Person(person) => person,
                    _ => PersonKey::Unseen(review.id),
                });
                reviews.unknown.extend(doubts.iter().cloned());
            }
            let about = || {
                let short = |commit: Option<&crate::domain::CommitSha>| {
                    commit.map_or_else(|| "an unknown commit".to_owned(), |commit| commit.short().to_owned())
                };
                About::change(self.name)
                    .account(review.by.as_ref())
                    .belongs_to(review.by.as_ref().and_then(|by| self.judge.people.owner(by.id)))
                    .put("commit", short(review.commit.as_ref()))
                    .put("head", self.head())
            };
            let policies = self.judge.policies;
            verdict.reasons.extend(kind.codes.iter().map(|code| reason(policies, code, about())));
            if kind.is_clean() && !sure {
                let unknown = doubts.iter().map(|doubt| about().put("detail", doubt.clone()));
                verdict.reasons.extend(unknown.map(|about| reason(policies, FACTS_INCOMPLETE, about)));
            }
            if let Some(fault) = kind.fault.or(harsh.fault) {
                verdict.reasons.push(reason(policies, POLICY_ERROR, about().put("detail", fault)));
            }
        }
        reviews.list.push(verdict);
    }

    /// The head in words, with why it may be no more than a merge of the base.
    fn head(&self) -> String {
        let head = self.pr.head.short();
        let unproved = |why| format!("{head} (a merge of the base that could not be proved clean: {why})");
        self.clean.unproved().map_or_else(|| head.to_owned(), unproved)
    }

    /// What is not known of an approval, in words that follow "not known:".
    fn doubts(&self, opinion: &Opinion<'_>) -> BTreeSet<String> {
        let mut doubts = BTreeSet::new();
        let (name, who) = (self.name, who(opinion));
        if opinion.who == Who::Nobody {
            doubts.insert(format!("who gave review {} of {name}", opinion.review.id));
        }
        if opinion.says == Says::Unknown {
            doubts.insert(format!("what a dismissed review of {name} by {who} had said"));
        }
        if self.could_write(opinion).is_none() {
            doubts.insert(format!("whether {who} had write access when approving {name}"));
        }
        if self.perhaps_fresh(opinion) {
            doubts.insert(format!("whether {who} approved what is now the head of {name}"));
        }
        if self.opinions.merge_unseen {
            doubts.insert(format!("whether {who} approved {name} before it was merged"));
        }
        let unseen = |opinion: &Opinion<'_>| opinion.standing == Standing::DismissedUnseen;
        if self.opinions.merged && (unseen(opinion) || unseen(&self.opinions.latest(opinion))) {
            doubts.insert(format!("whether a review of {name} by {who} was dismissed before the merge"));
        }
        doubts
    }

    /// It is not stale for certain, and not fresh for certain either.
    fn perhaps_fresh(&self, opinion: &Opinion<'_>) -> bool {
        let (review, pr) = (opinion.review, self.pr);
        let commit_unknown = review.commit.is_none();
        if self.is_fresh(opinion) {
            return false;
        }
        match &review.tree {
            None => commit_unknown,
            Some(tree) if *tree != pr.head_tree => false,
            Some(_) => match (&review.merge_base, &pr.merge_base) {
                (Some(then), Some(now)) => then != now && commit_unknown,
                _ => true,
            },
        }
    }

    /// It was given on the head, or on what became the head by nothing but clean merges of the base.
    fn is_fresh(&self, opinion: &Opinion<'_>) -> bool {
        opinion.review.commit.as_ref().is_some_and(|commit| self.clean.leave_fresh(commit))
    }

    /// Whether the account had write access that counts: what a contributor gave it for the occasion does not.
    fn could_write(&self, opinion: &Opinion<'_>) -> Option<bool> {
        let given =
            opinion.review.write_given_by.iter().any(|by| contributed(self.judge.people, self.contributors, by));
        if given { Some(false) } else { opinion.review.could_write }
    }

    fn ask(&self, opinion: &Opinion<'_>, harsh: bool) -> Answer {
        let review = opinion.review;
        let names = self.judge.policies.names();
        let principal = match opinion.who {
            Who::Person(person) => self.judge.person(person),
            Who::Automation(id) => self.judge.automation(id),
            Who::Nobody => self.judge.person(PersonKey::Unseen(review.id)),
        };
        let mut context = Attributes::default();
        let taken_as_fresh = !harsh && self.perhaps_fresh(opinion);
        let taken_as_fresh = taken_as_fresh || self.is_fresh(opinion);
        let commit = if taken_as_fresh { Some(&self.pr.head) } else { review.commit.as_ref() };
        context.commit("commit", commit);
        context.commit("tree", review.tree.as_ref());
        context.commit("merge_base", review.merge_base.as_ref());
        context.claim("could_write", self.could_write(opinion).unwrap_or(!harsh));
        context.text("latest_opinion", self.latest_opinion(opinion, harsh));
        context.claim("retargeted_since", self.opinions.retargeted_since(opinion));
        context.claim("after_merge", opinion.late || (harsh && self.opinions.merge_unseen));
        self.judge.ask(&principal, &names.approve, self.resource, context)
    }

    /// The latest opinion of that person; of a review that was dismissed, that: nothing said later revives it.
    fn latest_opinion(&self, opinion: &Opinion<'_>, harsh: bool) -> &'static str {
        let own = self.standing(opinion, harsh);
        if own == "dismissed" { own } else { self.standing(&self.opinions.latest(opinion), harsh) }
    }

    fn standing(&self, opinion: &Opinion<'_>, harsh: bool) -> &'static str {
        match (opinion.standing, opinion.says) {
            // Nothing tells whether that was before the merge.
            (Standing::DismissedUnseen, Says::Yes | Says::Unknown) if self.opinions.merged && !harsh => "approved",
            (Standing::Stands, Says::Yes) => "approved",
            (Standing::Stands, _) => "changes_requested",
            (Standing::DismissedBy(..) | Standing::DismissedUnseen, _) => "dismissed",
        }
    }
}

fn who(opinion: &Opinion<'_>) -> String {
    opinion.review.by.as_ref().map_or_else(|| "somebody GitHub no longer shows".to_owned(), at)
}
