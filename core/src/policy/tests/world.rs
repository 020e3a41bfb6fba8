//! A small world in facts: accounts by name, pull requests step by step, releases from what was merged.

use crate::domain::facts::FACTS_VERSION;
use crate::domain::{
    Account, AccountId, AccountKind, Attempt, Automation, ChangeInRelease, Commit, CommitIdentity, CommitSha,
    Deployment, DeploymentId, DeploymentRecord, EnvironmentApproval, Facts, Landing, LandingKind, Line, PullRequest,
    PullRequestNumber, PullRequestState, Push, PushSource, Repository, RepositoryId, RepositoryRules, Review, ReviewId,
    ReviewState, Run, RunAttempt, RunId, StartingPoint, Subject, Terms, TimelineEvent, Verdict,
};
use crate::policy::{Policies, decide};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

/// A person's account. Names in use: ann, ben, cat, dee, eve, and ann-work.
pub fn user(login: &str) -> Account {
    let known = ["ann", "ben", "cat", "dee", "eve", "ann-work", "rae", "mal"];
    let id = known.iter().position(|known| *known == login).expect("a known name") as u64 + 1;
    account(id, login, AccountKind::User)
}

pub fn bot(login: &str) -> Account {
    let known = ["dependabot", "codegen", "github-actions", "github-merge-queue"];
    let id = known.iter().position(|known| *known == login).expect("a known bot") as u64 + 101;
    account(id, login, AccountKind::Bot)
}

pub fn account(id: u64, login: &str, kind: AccountKind) -> Account {
    Account { id: AccountId(id), login: login.to_owned(), kind }
}

pub fn sha(id: &str) -> CommitSha {
    CommitSha::new(id)
}

pub fn zeros() -> CommitSha {
    sha(&"0".repeat(40))
}

pub fn linked(account: &Account) -> CommitIdentity {
    CommitIdentity { account: Some(account.clone()), email: None }
}

pub fn unlinked(email: &str) -> CommitIdentity {
    CommitIdentity { account: None, email: Some(email.to_owned()) }
}

pub fn commit(id: &str, parents: &[&str], by: &Account) -> Commit {
    Commit {
        oid: sha(id),
        tree: sha(&format!("tree-{id}")),
        parents: parents.iter().map(|parent| sha(parent)).collect(),
        author: linked(by),
        committer: linked(by),
        committed_by_github: false,
        coauthors: Vec::new(),
        merge: None,
    }
}

/// A pull request, built step by step; `base` is where its branch leaves main.
#[derive(Debug, Clone)]
pub struct Pull(pub PullRequest);

impl Pull {
    /// Opened by this account with one commit of theirs, pushed by them.
    pub fn opened(number: u64, by: &Account, id: &str) -> Self {
        Self(PullRequest {
            number: PullRequestNumber(number),
            state: PullRequestState::Open,
            merged_at: None,
            opener: Some(by.clone()),
            base_branch: "main".to_owned(),
            head_branch: format!("branch-{number}"),
            head_repository: Some(RepositoryId(7)),
            head: sha("base"),
            head_tree: sha("tree-base"),
            merge_base: Some(sha("base")),
            commits: Vec::new(),
            dropped_merges: Vec::new(),
            pushes: Vec::new(),
            on_base: vec![sha("base")],
            timeline: Vec::new(),
            checks: None,
            tickets: None,
            runs: Vec::new(),
            missing: Vec::new(),
        })
        .push(by, id, by)
    }

    /// One more commit on top, pushed by one account and naming another.
    pub fn push(self, by: &Account, id: &str, author: &Account) -> Self {
        let parent = self.0.head.as_str().to_owned();
        self.push_commit(by, commit(id, &[&parent], author))
    }

    pub fn push_commit(mut self, by: &Account, commit: Commit) -> Self {
        let created = self.0.commits.is_empty();
        self.0.pushes.push(Push {
            before: if created { zeros() } else { self.0.head.clone() },
            after: commit.oid.clone(),
            by: Some(by.clone()),
            source: PushSource::PushDelivery,
        });
        self.0.head = commit.oid.clone();
        self.0.head_tree = commit.tree.clone();
        self.0.commits.push(commit);
        self
    }

    pub fn event(mut self, event: TimelineEvent) -> Self {
        self.0.timeline.push(event);
        self
    }

    /// A review of the head as it is now. Reviews count from 1.
    pub fn review(self, by: &Account, state: ReviewState) -> Self {
        let review = self.review_of_head(Some(by), state);
        self.event(TimelineEvent::Reviewed(review))
    }

    pub fn approved(self, by: &Account) -> Self {
        self.review(by, ReviewState::Approved)
    }

    pub fn objected(self, by: &Account) -> Self {
        self.review(by, ReviewState::ChangesRequested)
    }

    pub fn review_of_head(&self, by: Option<&Account>, state: ReviewState) -> Review {
        let given = self.0.timeline.iter().filter(|event| matches!(event, TimelineEvent::Reviewed(_)));
        Review {
            id: ReviewId(self.0.number.0 * 100 + given.count() as u64 + 1),
            by: by.cloned(),
            state,
            commit: Some(self.0.head.clone()),
            tree: Some(self.0.head_tree.clone()),
            merge_base: self.0.merge_base.clone(),
            could_write: Some(true),
            write_given_by: Vec::new(),
        }
    }

    /// Dismisses the latest review of this account.
    pub fn dismissed(mut self, of: &Account, by: Option<&Account>) -> Self {
        let mut reviews = self.0.timeline.iter_mut().rev().filter_map(|event| match event {
            TimelineEvent::Reviewed(review) => Some(review),
            _ => None,
        });
        let review = reviews.find(|review| review.by.as_ref() == Some(of)).expect("a review of theirs");
        let (id, was) = (review.id, review.state);
        review.state = ReviewState::Dismissed;
        self.event(TimelineEvent::Dismissed { review: Some(id), was, by: by.cloned(), write_given_by: Vec::new() })
    }

    pub fn retargeted(self, by: &Account) -> Self {
        self.event(TimelineEvent::Retargeted {
            from: "sandbox".to_owned(),
            to: "main".to_owned(),
            by: Some(by.clone()),
            automatic: false,
        })
    }

    pub fn assigned(self, who: &Account, by: &Account) -> Self {
        self.event(TimelineEvent::Assigned { who: Some(who.clone()), by: Some(by.clone()) })
    }

    pub fn merged(mut self, by: &Account) -> Self {
        self.0.state = PullRequestState::Merged;
        self.event(TimelineEvent::Merged { by: Some(by.clone()), commit: None })
    }

    pub fn with(mut self, change: impl FnOnce(&mut PullRequest)) -> Self {
        change(&mut self.0);
        self
    }

    pub fn with_review(mut self, change: impl FnOnce(&mut Review)) -> Self {
        let mut reviews = self.0.timeline.iter_mut().rev().filter_map(|event| match event {
            TimelineEvent::Reviewed(review) => Some(review),
            _ => None,
        });
        change(reviews.next().expect("a review"));
        self
    }

    pub fn facts(self) -> Facts {
        facts(Subject::PullRequest(Box::new(self.0)))
    }
}

pub fn facts(subject: Subject) -> Facts {
    Facts {
        version: FACTS_VERSION,
        repository: Repository { id: RepositoryId(7), full_name: "acme/shop".to_owned() },
        terms: Terms {
            production_branch: "main".to_owned(),
            packs: vec!["three-person".to_owned()],
            checks: Vec::new(),
            repository_rules: RepositoryRules::default(),
            persons: Vec::new(),
            automation: Automation {
                trusted: vec![bot("dependabot").id, bot("github-actions").id],
                ..Automation::default()
            },
            web_url: "https://github.com".to_owned(),
        },
        subject,
    }
}

/// What one merge or push put on main.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant)]
pub enum Landed {
    /// A pull request that GitHub merged, as one commit of this id.
    Merge(&'static str, Pull),
    /// A commit that somebody pushed.
    Push(&'static str, Account),
}

/// A release of these changes on top of the baseline `base`, which dee starts by hand.
#[derive(Debug, Clone)]
pub struct Release(pub Deployment);

impl Release {
    pub fn of(landed: &[Landed]) -> Self {
        let mut tip = sha("base");
        let mut line = vec![tip.clone()];
        let (mut changes, mut landings) = (Vec::new(), Vec::new());
        for change in landed {
            let (id, kind, by, pull_request, bare_commits) = match change {
                Landed::Merge(id, pull) => {
                    let merger = pull.0.timeline.iter().find_map(|event| match event {
                        TimelineEvent::Merged { by, .. } => Some(by.clone()),
                        _ => None,
                    });
                    let merger = merger.expect("a merged pull request");
                    (id, LandingKind::PullRequestMerge, merger, Some(pull.0.clone()), Vec::new())
                }
                Landed::Push(id, by) => {
                    (id, LandingKind::Push, Some(by.clone()), None, vec![commit(id, &[tip.as_str()], by)])
                }
            };
            let landing = Landing { before: tip.clone(), after: sha(id), kind, by, at: None };
            tip = sha(id);
            line.insert(0, tip.clone());
            landings.push(landing.clone());
            changes.push(ChangeInRelease {
                commits: vec![tip.clone()],
                landing: Some(landing),
                pull_request,
                asked_as: None,
                bare_commits,
                bare_pushes: Vec::new(),
                alternatives: Vec::new(),
                shown_as_merged: Vec::new(),
                tickets: None,
                missing: Vec::new(),
            });
        }
        Self(Deployment {
            environment: "production".to_owned(),
            record: Some(DeploymentRecord {
                id: DeploymentId(1),
                commit: tip.clone(),
                creator: Some(bot("github-actions")),
            }),
            run: Some(run(&tip, "workflow_dispatch", "main", &user("dee"))),
            request: None,
            exception: None,
            overdue: Vec::new(),
            target: tip,
            approval: EnvironmentApproval { asked: Some(false), given_by: Vec::new() },
            start: Some(StartingPoint::Baseline { commit: sha("base") }),
            line: Line { commits: line, reaches_start: true, behind: Vec::new(), landings },
            allowed_before: None,
            changes,
            writers: Some(["ann", "ben", "cat", "dee"].map(user).to_vec()),
            missing: Vec::new(),
            history_unavailable: None,
        })
    }

    /// One reviewed pull request: ann wrote it, ben reviewed it, cat merged it as `m1`.
    pub fn good() -> Self {
        Self::of(&[Landed::Merge("m1", good_pull(1, "a1"))])
    }

    pub fn with(mut self, change: impl FnOnce(&mut Deployment)) -> Self {
        change(&mut self.0);
        self
    }

    pub fn by(self, account: &Account) -> Self {
        let account = Some(account.clone());
        self.with_run(|run| {
            for attempt in [&mut run.first, &mut run.this] {
                attempt.actor.clone_from(&account);
                attempt.triggering_actor.clone_from(&account);
            }
        })
    }

    pub fn with_run(self, change: impl FnOnce(&mut Run)) -> Self {
        self.with(|deployment| change(deployment.run.as_mut().expect("a run")))
    }

    /// Started by the push that put the target on main.
    pub fn by_push(self) -> Self {
        let landing = self.0.line.landings.last().cloned();
        let by = landing.and_then(|landing| landing.by).expect("who put the target there");
        self.by(&by).with_run(|run| run.event = "push".to_owned())
    }

    pub fn approvals(self, given_by: &[&Account]) -> Self {
        self.with(|deployment| {
            deployment.approval.asked = Some(true);
            deployment.approval.given_by = given_by.iter().map(|account| Some((*account).clone())).collect();
        })
    }

    /// Deploys this commit instead.
    pub fn target(self, id: &str) -> Self {
        self.with(|deployment| {
            deployment.target = sha(id);
            if let Some(run) = &mut deployment.run {
                run.head_commit = sha(id);
            }
            if let Some(record) = &mut deployment.record {
                record.commit = sha(id);
            }
        })
    }

    pub fn facts(self) -> Facts {
        facts(Subject::Deployment(Box::new(self.0)))
    }
}

/// A pull request by ann, approved by ben, merged by cat.
pub fn good_pull(number: u64, id: &str) -> Pull {
    Pull::opened(number, &user("ann"), id).approved(&user("ben")).merged(&user("cat"))
}

pub fn run(commit: &CommitSha, event: &str, branch: &str, by: &Account) -> Run {
    let attempt = Attempt { number: RunAttempt(1), actor: Some(by.clone()), triggering_actor: Some(by.clone()) };
    Run {
        id: RunId(1),
        event: event.to_owned(),
        head_branch: Some(branch.to_owned()),
        head_commit: commit.clone(),
        head_repository: Some(RepositoryId(7)),
        path: ".github/workflows/deploy.yml".to_owned(),
        first: attempt.clone(),
        this: attempt,
        followed: None,
    }
}

pub fn three_person() -> Policies {
    Policies::builtin(&["three-person".to_owned()]).expect("the built-in pack")
}

/// Every rule of every pack that can be in force together with `three-person`.
pub fn every_rule() -> Policies {
    Policies::builtin(&["three-person", "tested", "ticketed"].map(str::to_owned)).expect("built-in packs")
}

/// Judges facts under the packs that they name.
pub fn judge(facts: &Facts) -> Verdict {
    static POLICIES: LazyLock<Mutex<HashMap<Vec<String>, Arc<Policies>>>> = LazyLock::new(Mutex::default);
    let packs = facts.terms.packs.clone();
    let mut known = POLICIES.lock().expect("no test panics in here");
    let policies =
        known.entry(packs).or_insert_with_key(|packs| Arc::new(Policies::builtin(packs).expect("built-in packs")));
    let policies = policies.clone();
    drop(known);
    decide(facts, &policies)
}

/// The same facts under other packs.
pub fn under(packs: &[&str], mut facts: Facts) -> Facts {
    facts.terms.packs = packs.iter().map(|pack| (*pack).to_owned()).collect();
    facts
}

/// Every code the verdict carries, on changes, on reviews or on the whole.
pub fn codes_in(verdict: &Verdict) -> Vec<String> {
    let of_reviews = verdict.changes.iter().flat_map(|change| &change.reviews).flat_map(|review| &review.reasons);
    let mut codes: Vec<String> = verdict.reasons.iter().chain(of_reviews).map(|reason| reason.code.clone()).collect();
    codes.sort();
    codes.dedup();
    codes
}

pub fn logins(accounts: &[Account]) -> Vec<&str> {
    accounts.iter().map(|account| account.login.as_str()).collect()
}
