//! `countersign check`: one pull request, now, with a token and no service.
//!
//! Invariant: it reads and writes nothing. What only a running service observes (permissions when a review was given,
//! re-pointed reviews) is taken as GitHub shows it now, and the output says so.

use super::Exit;
use super::evidence::Format;
use crate::git::{Limits, Objects};
use crate::github::gather::{self, Look, pull_request};
use crate::github::{Client, pins};
use crate::store::Store;
use anyhow::{Context, bail};
use clap::Args;
use countersign_core::domain::facts::FACTS_VERSION;
use countersign_core::domain::{Facts, Outcome, PullRequestNumber, Repository, RepositoryId, Subject};
use countersign_core::policy::{self, Policies};
use serde::Deserialize;
use std::path::PathBuf;
use std::time::SystemTime;

#[derive(Debug, Args)]
pub(super) struct Check {
    /// The repository.
    #[arg(long, value_name = "OWNER/NAME")]
    repo: String,
    /// The pull request.
    #[arg(long, value_name = "NUMBER")]
    pr: u64,
    /// A token that may read the repository.
    #[arg(long, value_name = "TOKEN", env = "GITHUB_TOKEN", hide_env_values = true)]
    token: String,
    /// The settings; without it, defaults: the pack three-person, the default branch.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How to say what was found.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

#[derive(Deserialize)]
struct RepositoryPayload {
    id: u64,
    full_name: String,
    default_branch: String,
}

pub(super) fn check(check: &Check) -> anyhow::Result<Exit> {
    super::runtime()?.block_on(judge(check))
}

async fn judge(check: &Check) -> anyhow::Result<Exit> {
    let mut settings = super::settings(check.config.as_deref())?;
    if settings.scope_of(&check.repo).is_none() {
        if check.config.is_some() {
            bail!("`{}` is in no scope of the settings: nothing is promised about it", check.repo);
        }
        settings.scope.push(crate::settings::Scope::whole(&check.repo));
    }
    let scratch = Scratch::new()?;
    let store = Store::open(&scratch.url()).await?;
    let client = Client::with_token(&settings.github, check.token.clone())?;
    let found: RepositoryPayload =
        client.get(&format!("/repos/{}", check.repo)).await.context("the repository cannot be read")?;
    let repository = Repository { id: RepositoryId(found.id), full_name: found.full_name };
    let now = crate::github::client::millis(SystemTime::now());
    let objects = scratch.objects();
    let look = Look::new(&client, &store, &settings, &repository, &objects, now);
    let pins = pins::resolve(&client, &store, &settings).await?;
    let mut gathered = pull_request::gather(&look, &[PullRequestNumber(check.pr)]).await?;
    let mut terms = gather::terms(&look, &pins, &found.default_branch)?;
    let pull_request = gathered.pull_requests.pop().context("the pull request cannot be read")?;
    if pull_request.base_branch != terms.production_branch {
        bail!("#{} goes into `{}`, which is not the production branch", check.pr, pull_request.base_branch);
    }
    let (policies, rules) = Policies::with_own(&terms.packs, &gathered.own_rules)?;
    terms.repository_rules = rules;
    let subject = Subject::PullRequest(Box::new(pull_request));
    let facts = Facts { version: FACTS_VERSION, repository: repository.clone(), terms, subject };
    let verdict = policy::decide(&facts, &policies);
    match check.format {
        Format::Json => {
            say!("{}", serde_json::to_string(&serde_json::json!({"facts": facts, "verdict": verdict}))?);
        }
        Format::Human => say!("{}\n\n{}", policy::title(&verdict), policy::summary_markdown(&verdict, &facts, "")),
    }
    eprintln!("judged by what GitHub shows now; a running service also knows what was true when each review was given");
    Ok(match verdict.outcome {
        Outcome::Allow | Outcome::Exception => Exit::Done,
        Outcome::Deny => Exit::Deny,
        Outcome::Undetermined => Exit::Undetermined,
        Outcome::Pending => Exit::Pending,
    })
}

/// A database for the time of one look, gone afterwards.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> anyhow::Result<Self> {
        let name = format!("countersign-check-{}", hex::encode(rand::random::<[u8; 8]>()));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder)?;
        Ok(Self(folder))
    }

    pub(super) fn objects(&self) -> Objects {
        Objects::new(self.0.join("git"), Limits::default())
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(super) fn url(&self) -> String {
        format!("sqlite://{}/scratch.sqlite", self.0.display())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("`{}` is left behind: {error}", self.0.display());
        }
    }
}
