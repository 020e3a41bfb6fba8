//! Makes a world from what a story says of it.
//!
//! Invariant: the same description gives the same world, ids and commits included, the clock aside. Nothing is delivered
//! of what was there before the story began. Next: `steps`.

use crate::commits::workflow;
use crate::git::{Git, Identity, NewCommit};
use crate::model::{
    APP_COUNTERSIGN, Account, AccountKind, Activity, ActivityType, DEPENDABOT, Environment, GHOST, GITHUB_ACTIONS,
    Installation, MERGE_QUEUE, ORGANIZATION, OWNER, Permission, PermissionLevel, RENOVATE, Repository, Ruleset, Team,
    Time, UPSTREAM, WEB_FLOW, World, ZERO,
};
use crate::steps::StepError;
use crate::story::{AccountSpec, LongAccount, WorldSpec};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// The account that our App's writes show as: `countersign[bot]`.
const COUNTERSIGN_BOT: u64 = 1_002;

/// The ids of accounts that a story names without an id start here.
const FIRST_ACCOUNT: u64 = 2_001;

/// The events that our App is subscribed to.
const EVENTS: [&str; 19] = [
    "check_run",
    "check_suite",
    "create",
    "delete",
    "deployment",
    "deployment_protection_rule",
    "deployment_review",
    "deployment_status",
    "issue_comment",
    "member",
    "merge_group",
    "pull_request",
    "pull_request_review",
    "push",
    "release",
    "repository_ruleset",
    "status",
    "workflow_job",
    "workflow_run",
];

/// What our App may do.
const PERMISSIONS: [(&str, PermissionLevel); 12] = [
    ("actions", PermissionLevel::Read),
    ("administration", PermissionLevel::Read),
    ("checks", PermissionLevel::Write),
    ("contents", PermissionLevel::Read),
    ("deployments", PermissionLevel::Write),
    ("environments", PermissionLevel::Read),
    ("issues", PermissionLevel::Read),
    ("members", PermissionLevel::Read),
    ("merge_queues", PermissionLevel::Read),
    ("metadata", PermissionLevel::Read),
    ("pull_requests", PermissionLevel::Read),
    ("statuses", PermissionLevel::Write),
];

impl World {
    /// Builds the world that a story starts in; its files lie under `directory`.
    pub fn build(spec: &WorldSpec, directory: &Path) -> Result<Self, StepError> {
        let clock = time::OffsetDateTime::now_utc().unix_timestamp() - 3_600;
        let mut world = Self {
            git: Git::init(&directory.join("shop.git"))?,
            clock,
            last_id: 100_000,
            url: String::new(),
            issuer_key: 0,
            accounts: accounts(spec)?,
            repositories: BTreeMap::from([(UPSTREAM, upstream(clock))]),
            names: BTreeMap::new(),
            signed_by_github: BTreeSet::new(),
            pushed: BTreeSet::new(),
            pulls: BTreeMap::new(),
            merge_groups: Vec::new(),
            activity: Vec::new(),
            pushes: Vec::new(),
            check_suites: Vec::new(),
            check_runs: Vec::new(),
            statuses: Vec::new(),
            rulesets: vec![ruleset(spec.queue, clock)],
            environments: BTreeMap::new(),
            runs: BTreeMap::new(),
            runs_of_forks: BTreeMap::new(),
            issues: BTreeMap::new(),
            teams: BTreeMap::new(),
            deployments: BTreeMap::new(),
            rule_requests: Vec::new(),
            releases: Vec::new(),
            merge_queue: spec.queue,
            installation: installation(),
            deliveries: Vec::new(),
            calls: Vec::new(),
            writes: Vec::new(),
            faults: crate::faults::Faults::default(),
            hourly: 5_000,
            clock_ahead: 0,
            webhooks: crate::delivery::WebhookPlan::default(),
            wake: Arc::new(tokio::sync::Notify::new()),
            directory: directory.to_owned(),
            owned: None,
        };
        let asks_for_reviews = spec.settings.get("exceptions").and_then(|exceptions| exceptions.get("issues"));
        if asks_for_reviews == Some(&serde_json::Value::Bool(true)) {
            world.installation.permissions.insert("issues".to_owned(), PermissionLevel::Write);
        }
        world.environments(spec)?;
        world.teams(spec)?;
        world.first_commit(spec)?;
        world.first_deployment();
        Ok(world)
    }

    fn teams(&mut self, spec: &WorldSpec) -> Result<(), StepError> {
        for (slug, logins) in &spec.teams {
            let members = logins.iter().map(|login| self.actor(login)).collect::<Result<Vec<_>, _>>()?;
            let id = self.next_id();
            self.teams.insert(slug.clone(), Team { id, members });
        }
        Ok(())
    }

    fn environments(&mut self, spec: &WorldSpec) -> Result<(), StepError> {
        let mut names = vec!["production".to_owned()];
        let scopes = spec.settings.get("scope").and_then(|scopes| scopes.as_array());
        for scope in scopes.into_iter().flatten() {
            let more = scope.get("environments").and_then(|names| names.as_array());
            names.extend(more.into_iter().flatten().filter_map(|name| Some(name.as_str()?.to_owned())));
        }
        for name in names {
            self.environment(&name).rule_enabled = true;
        }
        self.require_reviewers(&spec.environment.reviewers)
    }

    /// From now on the environment `production` asks these for approval; nobody: it asks no approval.
    pub fn require_reviewers(&mut self, logins: &[String]) -> Result<(), StepError> {
        let reviewers = logins.iter().map(|login| self.actor(login)).collect::<Result<Vec<_>, _>>()?;
        self.environment("production").reviewers = reviewers;
        Ok(())
    }

    /// The environment with this name, whatever its case; made where there is none yet.
    pub(crate) fn environment(&mut self, name: &str) -> &mut Environment {
        let (id, rule_id, created_at) = (self.next_id(), self.next_id(), self.clock);
        let name = name.trim();
        self.environments.entry(name.to_lowercase()).or_insert_with(|| Environment {
            id,
            name: name.to_owned(),
            reviewers: Vec::new(),
            rule_enabled: false,
            rule_id,
            admins_bypass: true,
            named_branches_only: false,
            created_at,
        })
    }

    fn first_commit(&mut self, spec: &WorldSpec) -> Result<(), StepError> {
        let mut files = BTreeMap::from([
            ("README.md".to_owned(), "# shop\n".to_owned()),
            (".github/workflows/deploy.yml".to_owned(), workflow("deploy")),
            (".github/workflows/ci.yml".to_owned(), workflow("ci")),
        ]);
        files.extend(spec.files.clone());
        for (name, text) in &spec.policies {
            files.insert(format!(".github/countersign/{name}"), text.clone());
        }
        let who = Identity {
            name: "acme-owner".to_owned(),
            email: format!("{OWNER}+acme-owner@users.noreply.github.com"),
            at: self.clock,
        };
        let base = self.git.commit(&NewCommit {
            author: who.clone(),
            committer: who,
            message: "Start\n".to_owned(),
            tree: self.git.tree_with(None, &files)?,
            parents: Vec::new(),
        })?;
        self.git.set_ref("refs/heads/main", &base)?;
        self.names.insert("base".to_owned(), base.clone());
        let (id, at) = (self.next_id(), self.tick());
        self.activity.push(Activity {
            id,
            before: ZERO.to_owned(),
            after: base.clone(),
            reference: "refs/heads/main".to_owned(),
            actor: OWNER,
            kind: ActivityType::BranchCreation,
            at,
        });
        if let Some(upstream) = self.repositories.get_mut(&UPSTREAM) {
            upstream.branches.insert("main".to_owned(), base);
        }
        Ok(())
    }
}

fn accounts(spec: &WorldSpec) -> Result<BTreeMap<u64, Account>, StepError> {
    let built_in = [
        (WEB_FLOW, "web-flow", AccountKind::User),
        (GITHUB_ACTIONS, "github-actions", AccountKind::Bot),
        (MERGE_QUEUE, "github-merge-queue", AccountKind::Bot),
        (GHOST, "ghost", AccountKind::User),
        (ORGANIZATION, "acme", AccountKind::Organization),
        (OWNER, "acme-owner", AccountKind::User),
        (COUNTERSIGN_BOT, "countersign", AccountKind::Bot),
        (DEPENDABOT, "dependabot", AccountKind::Bot),
        (RENOVATE, "renovate", AccountKind::Bot),
    ];
    let account = |(id, login, kind): (u64, &str, AccountKind)| Account {
        id,
        login: login.to_owned(),
        kind,
        permission: Permission::None,
        deleted: false,
        built_in: true,
    };
    let mut accounts: BTreeMap<u64, Account> = built_in.map(|known| (known.0, account(known))).into();
    for (number, (login, spec)) in (FIRST_ACCOUNT..).zip(&spec.accounts) {
        let long = match spec {
            AccountSpec::Permission(permission) => LongAccount { permission: *permission, ..LongAccount::default() },
            AccountSpec::Long(long) => long.clone(),
        };
        let plain = login.strip_suffix("[bot]").unwrap_or(login);
        let bot = long.bot || plain != login;
        let known = match plain {
            "github-actions" => Some(GITHUB_ACTIONS),
            "github-merge-queue" => Some(MERGE_QUEUE),
            "web-flow" => Some(WEB_FLOW),
            "ghost" => Some(GHOST),
            "dependabot" if bot => Some(DEPENDABOT),
            "renovate" if bot => Some(RENOVATE),
            _ => None,
        };
        let id = long.id.or(known).unwrap_or(number);
        let kind = long.kind.unwrap_or(if bot { AccountKind::Bot } else { AccountKind::User });
        let listed =
            Account { id, login: plain.to_owned(), kind, permission: long.permission, deleted: false, built_in: false };
        if accounts.insert(id, listed).is_some_and(|before| !before.built_in) {
            return Err(StepError::Story(format!("account `{login}` has the id of another one")));
        }
    }
    Ok(accounts)
}

fn upstream(at: Time) -> Repository {
    Repository {
        id: UPSTREAM,
        owner: "acme".to_owned(),
        owner_id: ORGANIZATION,
        name: "shop".to_owned(),
        default_branch: "main".to_owned(),
        fork_of: None,
        branches: BTreeMap::new(),
        tags: BTreeMap::new(),
        created_at: at,
        pushed_at: at,
    }
}

pub(crate) fn ruleset(merge_queue: bool, at: Time) -> Ruleset {
    Ruleset {
        id: 8_001,
        name: "main".to_owned(),
        active: true,
        required_approvals: Some(1),
        required_checks: vec![("Countersign".to_owned(), Some(APP_COUNTERSIGN))],
        no_force_push: true,
        merge_queue,
        admins_bypass: true,
        created_at: at,
        updated_at: at,
    }
}

fn installation() -> Installation {
    Installation {
        app_id: APP_COUNTERSIGN,
        slug: "countersign".to_owned(),
        bot: COUNTERSIGN_BOT,
        id: 77_001,
        hook_id: 66_001,
        public_key: None,
        webhook_url: None,
        webhook_secret: String::new(),
        permissions: PERMISSIONS.map(|(name, level)| (name.to_owned(), level)).into(),
        events: EVENTS.map(str::to_owned).to_vec(),
        suspended: None,
        installed: true,
        reaches: true,
    }
}
