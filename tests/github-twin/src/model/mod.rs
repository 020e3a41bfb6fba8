//! The typed state of one world: everything that this GitHub knows, and nothing of how it is served.
//!
//! Invariant: API answers and webhook payloads are derived from here, never written by hand; whatever changes the state
//! goes through `crate::steps` (what people do) or the few methods that the API calls (`crate::writes`), which also
//! emit the webhooks. Next: `event.rs` for what happens, `pull.rs` and `actions.rs` for the things themselves.

mod account;
mod actions;
mod app;
mod checks;
mod event;
mod pull;
mod repository;

pub use account::{
    Account, AccountId, AccountKind, DEPENDABOT, GHOST, GITHUB_ACTIONS, MERGE_QUEUE, ORGANIZATION, OWNER, Permission,
    RENOVATE, WEB_FLOW,
};
pub use actions::{
    Approval, Attempt, Deployment, DeploymentStatus, Environment, Job, Release, RuleRequest, RuleState, Run, RunStatus,
};
pub use app::{Call, Delivery, DeliveryOutcome, Installation, InstallationAction, PermissionLevel, Write};
pub use checks::{APP_CI, APP_COUNTERSIGN, APP_GITHUB_ACTIONS, CheckRun, CheckSuite, CommitStatus};
pub use event::{
    CheckRunAction, DeploymentReviewAction, Event, MergeGroupAction, PullRequestAction, ReviewAction, RulesetAction,
    WorkflowAction,
};
pub use pull::{
    AutoMerge, Comment, Head, MergeGroup, MergeMethod, PullRequest, PullState, Review, ReviewState, Timeline,
    TimelineItem,
};
pub use repository::{Activity, ActivityType, Push, Repository, Ruleset, UPSTREAM, ZERO};

use crate::delivery::WebhookPlan;
use crate::faults::Faults;
use crate::git::Git;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A commit, tree or blob id: forty lower-case hexadecimal digits.
pub type Sha = String;

/// Seconds since 1970. A world has a clock of its own that moves by one second per event; [`rfc3339`] writes it.
pub type Time = i64;

/// One world behind its lock. Handlers lock, read or change, and unlock: no await while locked.
#[derive(Debug, Clone)]
pub struct Shared(Arc<Mutex<World>>);

impl Shared {
    /// Puts a world behind a lock.
    pub fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    /// The world, for as long as the guard lives.
    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An issue.
#[derive(Debug, Clone)]
pub struct Issue {
    /// Its id; node id prefix `I`.
    pub id: u64,
    /// Its number.
    pub number: u64,
    /// The title.
    pub title: String,
    /// The body.
    pub body: Option<String>,
    /// Who opened it.
    pub by: AccountId,
    /// Whether it is open.
    pub open: bool,
    /// When it was opened.
    pub created_at: Time,
    /// When it was changed last.
    pub updated_at: Time,
}

/// A team.
#[derive(Debug, Clone)]
pub struct Team {
    /// Its id.
    pub id: u64,
    /// Its members.
    pub members: Vec<AccountId>,
}

/// Everything this GitHub knows.
#[derive(Debug)]
pub struct World {
    /// Real git objects and the upstream repository's refs.
    pub git: Git,
    /// The world's own clock.
    pub clock: Time,
    /// The last id given out; ids are unique over all kinds.
    pub last_id: u64,
    /// Where the API is reached, without a slash at the end (`http://127.0.0.1:18080`): REST is at `{url}`, GraphQL at
    /// `{url}/graphql`. Also used as the web address.
    pub url: String,
    /// Which of its keys the issuer of run tokens signs with, and shows.
    pub issuer_key: usize,
    /// Every account by id, the built-in ones included.
    pub accounts: BTreeMap<AccountId, Account>,
    /// Every repository by id: [`UPSTREAM`] is `acme/shop`; the others are forks of it.
    pub repositories: BTreeMap<u64, Repository>,
    /// Names that the story gives to commits.
    pub names: BTreeMap<String, Sha>,
    /// Commits that GitHub itself made and signed (`signature.wasSignedByGitHub`, REST `verification.verified`).
    pub signed_by_github: BTreeSet<Sha>,
    /// Commits that some push brought to a branch.
    pub pushed: BTreeSet<Sha>,
    /// Pull requests of the upstream repository by number.
    pub pulls: BTreeMap<u64, PullRequest>,
    /// Merge groups, oldest first.
    pub merge_groups: Vec<MergeGroup>,
    /// The repository's activity list (`GET /repos/{o}/{r}/activity`), oldest first.
    pub activity: Vec<Activity>,
    /// Which push brought a commit to a branch of the upstream repository first: `CheckSuite.push`, `Commit` pushes.
    pub pushes: Vec<Push>,
    /// Check suites, oldest first.
    pub check_suites: Vec<CheckSuite>,
    /// Check runs, oldest first; jobs have one each (same id).
    pub check_runs: Vec<CheckRun>,
    /// Commit statuses, oldest first.
    pub statuses: Vec<CommitStatus>,
    /// Rulesets of the upstream repository.
    pub rulesets: Vec<Ruleset>,
    /// Environments by name.
    pub environments: BTreeMap<String, Environment>,
    /// Workflow runs by id.
    pub runs: BTreeMap<u64, Run>,
    /// Issues of the upstream repository by number. They begin far from the pull requests, whose numbers stories choose.
    pub issues: BTreeMap<u64, Issue>,
    /// Teams of the organisation by slug.
    pub teams: BTreeMap<String, Team>,
    /// Runs of forks (`head_repository`): nothing but their tokens is seen of them.
    pub runs_of_forks: BTreeMap<u64, Run>,
    /// Deployments by id.
    pub deployments: BTreeMap<u64, Deployment>,
    /// Times that our deployment protection rule was asked, oldest first.
    pub rule_requests: Vec<RuleRequest>,
    /// Releases, oldest first.
    pub releases: Vec<Release>,
    /// Whether the merge queue is on for `main`.
    pub merge_queue: bool,
    /// Our App as installed.
    pub installation: Installation,
    /// Webhook deliveries, oldest first (`GET /app/hook/deliveries`).
    pub deliveries: Vec<Delivery>,
    /// Every API call so far, oldest first.
    pub calls: Vec<Call>,
    /// What the App wrote, oldest first.
    pub writes: Vec<Write>,
    /// What goes wrong on demand.
    pub faults: Faults,
    /// How many calls the headers say there are in an hour.
    pub hourly: u64,
    /// How far the clock of the API is ahead of the real one, in seconds (the header `date`).
    pub clock_ahead: i64,
    /// What a story does to deliveries.
    pub webhooks: WebhookPlan,
    /// Rings when there is something to deliver.
    pub wake: Arc<tokio::sync::Notify>,
    /// Where the world keeps its files.
    pub directory: PathBuf,
    /// That directory, where the world owns it: removed with it.
    pub owned: Option<tempfile::TempDir>,
}

impl World {
    /// The next unused id.
    pub fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Moves the clock by one second and says what it shows.
    pub fn tick(&mut self) -> Time {
        self.clock += 1;
        self.clock
    }

    /// The upstream repository, `acme/shop`.
    pub fn upstream(&self) -> Option<&Repository> {
        self.repositories.get(&UPSTREAM)
    }

    /// A repository by `owner/name`, case-insensitively.
    pub fn repository(&self, owner: &str, name: &str) -> Option<&Repository> {
        self.repositories.values().find(|repository| {
            repository.owner.eq_ignore_ascii_case(owner) && repository.name.eq_ignore_ascii_case(name)
        })
    }

    /// An account by id. Deleted ones are found too: look at [`Account::deleted`] (REST shows [`GHOST`], GraphQL null).
    pub fn account(&self, id: AccountId) -> Option<&Account> {
        self.accounts.get(&id)
    }

    /// A living account by login, with or without `[bot]`, case-insensitively.
    pub fn account_by_login(&self, login: &str) -> Option<&Account> {
        let plain = login.strip_suffix("[bot]").unwrap_or(login);
        self.accounts.values().find(|account| !account.deleted && account.login.eq_ignore_ascii_case(plain))
    }

    /// The living account that GitHub links to a commit's e-mail: by the id in a `noreply` address, so that a renamed
    /// account keeps its commits; `web-flow` for GitHub's own address; nobody otherwise.
    pub fn account_by_email(&self, email: &str) -> Option<&Account> {
        if email == "noreply@github.com" {
            return self.accounts.get(&WEB_FLOW);
        }
        let local = email.strip_suffix("@users.noreply.github.com")?;
        let (id, _) = local.split_once('+')?;
        self.accounts.get(&id.parse().ok()?).filter(|account| !account.deleted)
    }

    /// A review by id, with the number of its pull request.
    pub fn review(&self, id: u64) -> Option<(&PullRequest, &Review)> {
        self.pulls.values().find_map(|pull| Some((pull, pull.reviews.iter().find(|review| review.id == id)?)))
    }
}

/// A GraphQL node id (REST `node_id`) for a thing: `PR_kwDO…`. `kind` is the prefix, for example `PR`, `PRR`, `U`, `R`.
pub fn node_id(kind: &str, id: u64) -> String {
    format!("{kind}_kwDO{id:010x}")
}

/// A time as REST and GraphQL write it: `2026-01-31T12:00:00Z`.
pub fn rfc3339(time: Time) -> String {
    time::OffsetDateTime::from_unix_timestamp(time)
        .ok()
        .and_then(|moment| moment.format(&time::format_description::well_known::Rfc3339).ok())
        .unwrap_or_default()
}
