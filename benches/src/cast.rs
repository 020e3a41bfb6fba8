//! Who plays in the synthetic year, and the facts of what they do.
//!
//! Invariant: the same numbers give the same facts.

use countersign_core::domain::facts::FACTS_VERSION;
use countersign_core::domain::{
    Account, AccountId, AccountKind, Alert, Attempt, Automation, ChangeInRelease, Commit, CommitIdentity, CommitSha,
    Deployment, DeploymentFinished, DeploymentId, DeploymentRecord, EnvironmentApproval, Facts, Landing, LandingKind,
    Line, PullRequest, PullRequestNumber, PullRequestState, Push, PushSource, Repository, RepositoryId,
    RepositoryRules, Review, ReviewId, ReviewState, Run, RunAttempt, RunId, StartingPoint, Subject, Terms,
    TimelineEvent,
};
use sha2::{Digest, Sha256};

/// How many people there are.
pub const PEOPLE: u64 = 60;
/// The dependency updater, which needs no sponsor.
const UPDATER: u64 = 1_000;

/// Numbers that look like chance and are none.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The dice of one repository.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03)
    }

    /// A number below a limit (splitmix64).
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (number ^ (number >> 31)) % limit.max(1)
    }

    /// Whether something that happens so often in a thousand times happens now.
    pub fn happens(&mut self, in_a_thousand: u64) -> bool {
        self.below(1_000) < in_a_thousand
    }
}

/// A person, from 1.
pub fn person(number: u64) -> Account {
    Account { id: AccountId(number), login: format!("person-{number}"), kind: AccountKind::User }
}

/// The dependency updater.
pub fn updater() -> Account {
    Account { id: AccountId(UPDATER), login: "renovate".to_owned(), kind: AccountKind::Bot }
}

/// A commit's id, from what names it.
pub fn sha(name: &str) -> CommitSha {
    CommitSha::new(hex::encode(Sha256::digest(name)).chars().take(40).collect::<String>())
}

/// A repository's number and name.
pub fn repository(number: u64) -> Repository {
    Repository { id: RepositoryId(100 + number), full_name: format!("acme/service-{number:03}") }
}

/// The facts of a subject in a repository.
pub fn facts(repository: &Repository, subject: Subject) -> Facts {
    Facts {
        version: FACTS_VERSION,
        repository: repository.clone(),
        terms: Terms {
            production_branch: "main".to_owned(),
            packs: vec!["three-person".to_owned()],
            checks: Vec::new(),
            repository_rules: RepositoryRules::default(),
            persons: Vec::new(),
            automation: Automation { trusted: vec![updater().id], ..Automation::default() },
            web_url: "https://github.example".to_owned(),
        },
        subject,
    }
}

/// A pull request with some commits by its author.
pub fn pull_request(
    repository: &Repository,
    number: u64,
    author: &Account,
    commits: u64,
    base: &CommitSha,
) -> PullRequest {
    let name = |commit: u64| format!("{}/{number}/{commit}", repository.id.0);
    let mut parent = base.clone();
    let commits: Vec<Commit> = (0..commits)
        .map(|at| {
            let commit = commit(&name(at), &parent, author);
            parent = commit.oid.clone();
            commit
        })
        .collect();
    let tree = commits.last().map_or_else(|| base.clone(), |last| last.tree.clone());
    PullRequest {
        number: PullRequestNumber(number),
        state: PullRequestState::Open,
        merged_at: None,
        opener: Some(author.clone()),
        base_branch: "main".to_owned(),
        head_branch: format!("topic/{number}"),
        head_repository: Some(repository.id),
        head: parent.clone(),
        head_tree: tree,
        merge_base: Some(base.clone()),
        commits,
        dropped_merges: Vec::new(),
        pushes: vec![Push {
            before: CommitSha::new("0".repeat(40)),
            after: parent,
            by: Some(author.clone()),
            source: PushSource::PushDelivery,
        }],
        on_base: vec![base.clone()],
        timeline: Vec::new(),
        checks: None,
        tickets: None,
        runs: Vec::new(),
        missing: Vec::new(),
    }
}

/// A commit on top of another.
pub fn commit(name: &str, parent: &CommitSha, by: &Account) -> Commit {
    let identity = CommitIdentity { account: Some(by.clone()), email: None };
    Commit {
        oid: sha(name),
        tree: sha(&format!("{name}/tree")),
        parents: vec![parent.clone()],
        author: identity.clone(),
        committer: identity,
        committed_by_github: false,
        coauthors: Vec::new(),
        merge: None,
    }
}

/// One more commit, pushed by its author.
pub fn push(pull: &mut PullRequest, repository: &Repository, by: &Account) {
    let name = format!("{}/{}/{}", repository.id.0, pull.number.0, pull.commits.len());
    let commit = commit(&name, &pull.head, by);
    let before = std::mem::replace(&mut pull.head, commit.oid.clone());
    pull.head_tree = commit.tree.clone();
    let after = commit.oid.clone();
    pull.pushes.push(Push { before, after, by: Some(by.clone()), source: PushSource::PushDelivery });
    pull.commits.push(commit);
}

/// A review of the head as it is.
pub fn review(pull: &mut PullRequest, by: &Account, state: ReviewState) {
    let review = Review {
        id: ReviewId(pull.number.0 * 100 + pull.timeline.len() as u64 + 1),
        by: Some(by.clone()),
        state,
        commit: Some(pull.head.clone()),
        tree: Some(pull.head_tree.clone()),
        merge_base: pull.merge_base.clone(),
        could_write: Some(true),
        write_given_by: Vec::new(),
    };
    pull.timeline.push(TimelineEvent::Reviewed(review));
}

/// The change that a merge put onto the production branch, on top of `tip`.
pub fn merged(mut pull: PullRequest, repository: &Repository, by: &Account, tip: &CommitSha) -> ChangeInRelease {
    let landed = sha(&format!("{}/{}/merge", repository.id.0, pull.number.0));
    pull.state = PullRequestState::Merged;
    pull.timeline.push(TimelineEvent::Merged { by: Some(by.clone()), commit: Some(landed.clone()) });
    landed_as(landed, tip, LandingKind::PullRequestMerge, by, Some(pull), Vec::new())
}

/// The change that somebody pushed onto the production branch.
pub fn pushed(name: &str, by: &Account, tip: &CommitSha) -> ChangeInRelease {
    let commit = commit(name, tip, by);
    landed_as(commit.oid.clone(), tip, LandingKind::Push, by, None, vec![commit])
}

fn landed_as(
    landed: CommitSha,
    tip: &CommitSha,
    kind: LandingKind,
    by: &Account,
    pull_request: Option<PullRequest>,
    bare_commits: Vec<Commit>,
) -> ChangeInRelease {
    let landing = Landing { before: tip.clone(), after: landed.clone(), kind, by: Some(by.clone()), at: None };
    ChangeInRelease {
        commits: vec![landed],
        landing: Some(landing),
        pull_request,
        asked_as: None,
        bare_commits,
        bare_pushes: Vec::new(),
        alternatives: Vec::new(),
        shown_as_merged: Vec::new(),
        tickets: None,
        missing: Vec::new(),
    }
}

/// A release of these changes, started by hand.
pub fn deployment(
    repository: &Repository,
    run: u64,
    start: StartingPoint,
    changes: Vec<ChangeInRelease>,
    by: &Account,
) -> Deployment {
    let from = start.commit().clone();
    let landings: Vec<Landing> = changes.iter().filter_map(|change| change.landing.clone()).collect();
    let mut commits: Vec<CommitSha> = landings.iter().rev().map(|landing| landing.after.clone()).collect();
    let target = commits.first().cloned().unwrap_or_else(|| from.clone());
    commits.push(from);
    let attempt = Attempt { number: RunAttempt(1), actor: Some(by.clone()), triggering_actor: Some(by.clone()) };
    Deployment {
        environment: "production".to_owned(),
        record: Some(DeploymentRecord { id: DeploymentId(run), commit: target.clone(), creator: Some(by.clone()) }),
        run: Some(Run {
            id: RunId(run),
            event: "workflow_dispatch".to_owned(),
            head_branch: Some("main".to_owned()),
            head_commit: target.clone(),
            head_repository: Some(repository.id),
            path: ".github/workflows/deploy.yml".to_owned(),
            first: attempt.clone(),
            this: attempt,
            followed: None,
        }),
        request: None,
        target,
        approval: EnvironmentApproval { asked: Some(false), given_by: Vec::new() },
        start: Some(start),
        line: Line { commits, reaches_start: true, behind: Vec::new(), landings },
        allowed_before: None,
        changes,
        exception: None,
        overdue: Vec::new(),
        writers: Some((1..=12).map(person).collect()),
        missing: Vec::new(),
        history_unavailable: None,
    }
}

/// How a run's deployment ended; `decision` is the one for it, where there was one.
pub fn ended(
    repository: &Repository,
    run: u64,
    conclusion: &str,
    commit: &CommitSha,
    decision: Option<String>,
) -> DeploymentFinished {
    DeploymentFinished {
        repository: repository.clone(),
        environment: "production".to_owned(),
        deployment: DeploymentId(run),
        run: RunId(run),
        attempt: RunAttempt(1),
        commit: commit.clone(),
        conclusion: conclusion.to_owned(),
        decision,
        ended_at: None,
        beside: Vec::new(),
    }
}

/// That a run deployed without an answer.
pub fn alert(repository: &Repository, run: u64, commit: &CommitSha, by: &Account) -> Alert {
    Alert {
        code: "gate-bypassed".to_owned(),
        text: "deployed without an answer".to_owned(),
        repository: repository.clone(),
        environment: "production".to_owned(),
        run: Some(RunId(run)),
        attempt: Some(RunAttempt(1)),
        deployment: DeploymentId(run),
        commit: commit.clone(),
        by: vec![by.clone()],
        commits: Vec::new(),
    }
}
