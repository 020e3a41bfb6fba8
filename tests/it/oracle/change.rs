//! The rules about a change: who contributed, which approvals count, what is broken.
//!
//! Written from the rules' text alone, over what the twin knows to have happened; it shares nothing with the service.

use super::history::History;
use super::people::People;
use github_twin::model::{
    AccountId, Activity, ActivityType, GITHUB_ACTIONS, PullRequest, Review, ReviewState, RunStatus, Sha, Timeline,
    UPSTREAM, World,
};
use std::collections::{BTreeMap, BTreeSet};

pub type Codes = BTreeSet<&'static str>;
type Accounts = BTreeSet<AccountId>;

/// All that a judgement sees.
#[derive(Clone, Copy)]
pub struct Eye<'a> {
    pub world: &'a World,
    pub people: &'a People,
    pub history: &'a History,
}

/// What holds of a change.
#[derive(Debug, Clone, Default)]
pub struct Judgement {
    pub contributors: Accounts,
    /// Accounts whose approvals count.
    pub reviewers: Accounts,
    /// Codes on the change that deny.
    pub broken: Codes,
    /// No approval counts, on a pull request that is open.
    pub awaits_review: bool,
    /// Codes on approvals that do not count.
    pub of_reviews: Codes,
    /// The rules do not say exactly who contributed.
    pub unsure: bool,
}

/// What put commits on the production branch.
#[derive(Debug, Clone)]
pub enum Origin {
    /// The merge of this pull request, onto this commit.
    Merge { number: u64, before: Sha, last: Sha },
    /// A push by this account.
    Push { by: AccountId, commit: Sha },
}

impl Eye<'_> {
    fn is_ancestor(&self, ancestor: &str, descendant: &str) -> bool {
        self.world.git.is_ancestor(ancestor, descendant).unwrap()
    }

    pub fn tip(&self, branch: &str) -> Sha {
        self.world.upstream().unwrap().branches[branch].clone()
    }

    /// What put each commit of the production branch there, by commit.
    pub fn origins(&self) -> BTreeMap<Sha, Origin> {
        let mut origins = BTreeMap::new();
        for activity in self.world.activity.iter().filter(|activity| activity.reference == "refs/heads/main") {
            for sha in self.world.git.first_parents(&activity.after, 10_000).unwrap() {
                if sha == activity.before {
                    break;
                }
                let origin = self.origin(activity, &sha);
                origins.entry(sha).or_insert(origin);
            }
        }
        origins
    }

    fn origin(&self, activity: &Activity, sha: &Sha) -> Origin {
        let pull = self.world.pulls.values().find(|pull| self.was_merged_by(pull, activity));
        match (activity.kind, pull) {
            (ActivityType::PrMerge | ActivityType::MergeQueueMerge, Some(pull)) => {
                Origin::Merge { number: pull.number, before: activity.before.clone(), last: activity.after.clone() }
            }
            _ => Origin::Push { by: activity.actor, commit: sha.clone() },
        }
    }

    /// Whether this movement of the branch is the pull request's own merge, rather than one that carried it along.
    fn was_merged_by(&self, pull: &PullRequest, activity: &Activity) -> bool {
        let info = self.world.git.info(&activity.after).unwrap();
        let own = info.parents.get(1).is_none_or(|second| *second == pull.head.sha);
        pull.base == "main" && pull.merge_commit.as_ref() == Some(&activity.after) && own
    }

    /// When a pull request was merged, in the order of events; the end of time, while it is not.
    fn end(pull: &PullRequest) -> u64 {
        let merged = pull.timeline.iter().find(|item| matches!(item.what, Timeline::Merged { .. }));
        merged.map_or(u64::MAX, |item| item.id)
    }

    /// An open pull request as it stands, or a merged one as it stood.
    pub fn pull_request(&self, number: u64, before: Option<&Sha>) -> Judgement {
        let pull = &self.world.pulls[&number];
        let end = Self::end(pull);
        let base = before.cloned().unwrap_or_else(|| self.tip(&pull.base));
        let mut it = Judgement::default();
        self.contribute(pull, &base, end, &mut it);
        self.review(pull, &base, end, &mut it);
        it
    }

    /// Commits that came to the production branch by a push.
    pub fn pushed(&self, by: AccountId, commit: &Sha) -> Judgement {
        let mut it = Judgement::default();
        let info = self.world.git.info(commit).unwrap();
        let parents: Vec<&str> = info.parents.first().map(String::as_str).into_iter().collect();
        for sha in self.world.git.reachable(commit, &parents).unwrap() {
            self.name(&sha, &mut it);
        }
        it.contributors.insert(by);
        it.broken.insert("pull-request-missing");
        if self.world.pulls.values().any(|pull| pull.merge_commit.as_ref() == Some(commit)) {
            it.broken.insert("landed-outside-process");
        }
        // What is said of the pull request that shows as merged, and of whom else pushed, depends on how it is read.
        it.unsure = self.world.pulls.values().any(|pull| pull.commits.contains(commit));
        it
    }

    /// Adds those whom a commit names.
    fn name(&self, sha: &Sha, it: &mut Judgement) {
        let info = self.world.git.info(sha).unwrap();
        let by_github = self.world.signed_by_github.contains(sha);
        let account = |email: &str| self.world.account_by_email(email).map(|account| account.id);
        let mut named = vec![info.author.email.clone()];
        if !by_github {
            named.push(info.committer.email.clone());
        }
        for email in named {
            match account(&email) {
                Some(id) => drop(it.contributors.insert(id)),
                None => drop(it.broken.insert("author-unattributed")),
            }
        }
        it.contributors.extend(info.coauthors().iter().filter_map(|(_, email)| account(email)));
    }

    fn is_clean_merge(&self, sha: &Sha, base: &str) -> bool {
        let info = self.world.git.info(sha).unwrap();
        let [ours, theirs] = info.parents.as_slice() else { return false };
        self.world.signed_by_github.contains(sha)
            && self.is_ancestor(theirs, base)
            && self.world.git.merge_tree(ours, theirs).unwrap().as_ref() == Some(&info.tree)
    }

    fn contribute(&self, pull: &PullRequest, base: &Sha, end: u64, it: &mut Judgement) {
        let commits = self.world.git.reachable(&pull.head.sha, &[base]).unwrap();
        it.contributors.insert(pull.opener);
        for sha in commits.iter().filter(|sha| !self.is_clean_merge(sha, base)) {
            self.name(sha, it);
        }
        let mut pushers = Accounts::new();
        if pull.head.repository == UPSTREAM {
            let reference = format!("refs/heads/{}", pull.head.branch);
            let moved = self.world.activity.iter().filter(|it| it.reference == reference && it.id < end);
            // Who made the branch at a commit that the base holds has pushed nothing.
            let pushed = moved.filter(|it| !self.is_ancestor(&it.after, base) || it.kind == ActivityType::ForcePush);
            let own = pushed.filter(|it| !(self.is_clean_merge(&it.after, base) && self.follows(it)));
            pushers.extend(own.map(|activity| activity.actor));
            let elsewhere = self.first_pushers(&commits, end);
            // Whether automation brought what a person carried here from another branch is read in two ways.
            let bot = |id: &AccountId| self.people.is_automation(self.world, *id) && !self.people.is_trusted(*id);
            it.unsure |= elsewhere.difference(&pushers).any(bot);
            it.contributors.extend(elsewhere);
        } else {
            let here = |push: &&super::history::ForkPush| {
                push.repository == pull.head.repository && push.branch == pull.head.branch && push.at < end
            };
            let pushes = self.history.fork_pushes.iter().filter(here);
            pushers.extend(pushes.filter(|push| !self.is_clean_merge(&push.after, base)).map(|push| push.by));
        }
        it.contributors.extend(&pushers);
        pushers.insert(pull.opener);
        self.answer(pull, &pushers, end, it);
    }

    /// Whether a movement of a branch added exactly one commit on its own line.
    fn follows(&self, activity: &Activity) -> bool {
        self.world.git.info(&activity.after).unwrap().parents.first() == Some(&activity.before)
    }

    /// Who brought any of these commits to the repository.
    fn first_pushers(&self, commits: &[Sha], end: u64) -> Accounts {
        let mut seen: BTreeSet<Sha> = BTreeSet::new();
        let mut pushers = Accounts::new();
        for activity in self.world.activity.iter().filter(|activity| activity.id < end) {
            let known: Vec<&str> =
                Some(activity.before.as_str()).filter(|sha| self.world.git.has_commit(sha)).into_iter().collect();
            if !self.world.git.has_commit(&activity.after) {
                continue;
            }
            for sha in self.world.git.reachable(&activity.after, &known).unwrap() {
                let tip = sha == activity.after;
                let fresh = seen.insert(sha.clone());
                if fresh && commits.contains(&sha) && !(tip && self.is_clean_merge(&sha, &self.tip("main"))) {
                    pushers.insert(activity.actor);
                }
            }
        }
        pushers
    }

    /// Adds those who answer for automation.
    fn answer(&self, pull: &PullRequest, pushers: &Accounts, end: u64, it: &mut Judgement) {
        for bot in
            pushers.iter().filter(|id| self.people.is_automation(self.world, **id) && !self.people.is_trusted(**id))
        {
            let mut sponsors = self.people.sponsors(*bot);
            if *bot == GITHUB_ACTIONS {
                sponsors.extend(self.acts(pull, end).into_iter().flat_map(|at| self.in_progress(at)));
            }
            for item in pull.timeline.iter().filter(|item| item.id < end) {
                if let Timeline::Assigned(who) = item.what {
                    sponsors.insert(who);
                    sponsors.extend(item.actor);
                }
            }
            sponsors.retain(|id| !self.people.is_automation(self.world, *id));
            if sponsors.is_empty() {
                it.broken.insert("sponsor-unknown");
            }
            it.contributors.extend(sponsors);
        }
    }

    /// When `github-actions` opened a pull request or pushed to its branch.
    fn acts(&self, pull: &PullRequest, end: u64) -> Vec<i64> {
        let reference = format!("refs/heads/{}", pull.head.branch);
        let here = |it: &&Activity| it.reference == reference && it.id < end && it.actor == GITHUB_ACTIONS;
        let pushed = self.world.activity.iter().filter(here).map(|activity| activity.at);
        let opened = Some(pull.created_at).filter(|_| pull.opener == GITHUB_ACTIONS);
        pushed.chain(opened).collect()
    }

    /// Who stood behind the runs in progress at a moment.
    fn in_progress(&self, at: i64) -> Accounts {
        let attempts = self.world.runs.values().flat_map(|run| &run.attempts);
        let going =
            attempts.filter(|it| it.started_at <= at && (it.status != RunStatus::Completed || it.updated_at >= at));
        going.flat_map(|attempt| [attempt.actor, attempt.triggering_actor]).collect()
    }

    fn review(&self, pull: &PullRequest, base: &Sha, end: u64, it: &mut Judgement) {
        let authors = self.people.persons(&it.contributors);
        let mut counting = Accounts::new();
        for review in pull.reviews.iter().filter(|review| review.submitted_state == ReviewState::Approved) {
            let codes = self.disqualified(pull, review, base, end, &authors);
            if codes.is_empty() {
                counting.insert(review.by);
            }
            it.of_reviews.extend(codes);
        }
        it.reviewers = counting;
        if self.objected(pull, end, &authors) {
            it.broken.insert("changes-requested");
        }
        if it.reviewers.is_empty() && end == u64::MAX {
            it.awaits_review = true;
        } else if it.reviewers.is_empty() {
            it.broken.insert("review-missing");
        }
    }

    fn disqualified(&self, pull: &PullRequest, review: &Review, base: &Sha, end: u64, authors: &Accounts) -> Codes {
        let mut codes = Codes::new();
        if review.id > end {
            codes.insert("approval-late");
            return codes;
        }
        let person = self.people.person(review.by);
        if self.people.is_automation(self.world, review.by) {
            codes.insert("approver-is-automation");
        } else if authors.contains(&person) {
            codes.insert("approver-is-author");
        }
        let given = self.history.grants.iter().rev().find(|grant| grant.account == review.by && grant.at < review.id);
        let by_author = given.is_some_and(|grant| {
            grant.at > pull.id && grant.by.is_some_and(|by| authors.contains(&self.people.person(by)))
        });
        if !self.history.could_write[&review.id] || by_author {
            codes.insert("approver-lacks-write");
        }
        if !self.is_fresh(&review.commit, &pull.head.sha, base) {
            codes.insert("approval-stale");
        }
        let mut opinions = pull.reviews.iter().filter(|it| it.id < end && it.submitted_state != ReviewState::Commented);
        let latest = opinions.rfind(|it| self.people.person(it.by) == person);
        let holds = |it: &Review| it.submitted_state == ReviewState::Approved && dismissed(pull, it.id, end).is_none();
        if !latest.is_some_and(holds) || !holds(review) {
            codes.insert("approval-withdrawn");
        }
        let moved =
            |what: &Timeline| matches!(what, Timeline::BaseRefChanged { .. } | Timeline::AutomaticBaseChange { .. });
        if pull.timeline.iter().any(|item| item.id > review.id && item.id < end && moved(&item.what)) {
            codes.insert("approval-elsewhere");
        }
        codes
    }

    fn is_fresh(&self, approved: &Sha, head: &Sha, base: &Sha) -> bool {
        let git = &self.world.git;
        let mut at = head.clone();
        loop {
            if at == *approved {
                return true;
            }
            if !self.is_clean_merge(&at, base) {
                break;
            }
            at.clone_from(&git.info(&at).unwrap().parents[0]);
        }
        let same_base = git.merge_base(approved, base).unwrap() == git.merge_base(head, base).unwrap();
        git.info(approved).unwrap().tree == git.info(head).unwrap().tree && same_base
    }

    /// Whether a person with write access objects, and nothing has settled it.
    fn objected(&self, pull: &PullRequest, end: u64, authors: &Accounts) -> bool {
        pull.reviews.iter().any(|review| {
            let person = self.people.person(review.by);
            let of_person = |account: AccountId| self.people.person(account) == person;
            let approved_later = pull.reviews.iter().any(|later| {
                later.id > review.id
                    && later.id < end
                    && of_person(later.by)
                    && later.submitted_state == ReviewState::Approved
            });
            let settled = dismissed(pull, review.id, end).is_some_and(|by| {
                let stranger = !authors.contains(&self.people.person(by)) && !self.people.is_automation(self.world, by);
                of_person(by) || stranger
            });
            review.submitted_state == ReviewState::ChangesRequested
                && review.id < end
                && self.history.could_write[&review.id]
                && !self.people.is_automation(self.world, review.by)
                && !approved_later
                && !settled
        })
    }
}

/// Who dismissed a review before the pull request was merged.
fn dismissed(pull: &PullRequest, id: u64, end: u64) -> Option<AccountId> {
    let of = |what: &Timeline| matches!(what, Timeline::ReviewDismissed { review, .. } if *review == id);
    pull.timeline.iter().find(|item| item.id < end && of(&item.what)).and_then(|item| item.actor)
}
