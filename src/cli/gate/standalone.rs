//! The gate without a service: judged here, with the job's own token.
//!
//! Invariant: nothing is kept but the evidence files, which hold all that the verdict was based on. What only a running
//! service observes is taken as GitHub shows it now. The starting point is the settings' baseline.

use super::runner::Context;
use super::told::Told;
use crate::cli::check::Scratch;
use crate::github::client::millis;
use crate::github::gather::{self, Look, deployment, run};
use crate::github::{Client, pins};
use crate::settings::Scope;
use crate::store::Store;
use anyhow::{Context as _, bail, ensure};
use countersign_core::domain::facts::FACTS_VERSION;
use countersign_core::domain::{CommitSha, Facts, GateRequest, Repository, RepositoryId, RunId, Subject};
use countersign_core::policy::{self, Policies};
use serde::Deserialize;
use std::path::Path;
use std::time::SystemTime;

#[derive(Deserialize)]
struct RepositoryPayload {
    id: u64,
    full_name: String,
    default_branch: String,
}

pub(super) async fn judge(
    context: &Context,
    environment: &str,
    config: Option<&Path>,
    evidence: &Path,
) -> anyhow::Result<Told> {
    let token = std::env::var("GITHUB_TOKEN").context("`GITHUB_TOKEN` is not set")?;
    let mut settings = crate::cli::settings(config)?;
    if let Ok(address) = std::env::var("GITHUB_API_URL") {
        settings.github.api_url = address;
    }
    if let Ok(address) = std::env::var("GITHUB_GRAPHQL_URL") {
        settings.github.graphql_url = address;
    }
    if config.is_none() {
        let whole = Scope { environments: vec![environment.to_owned()], ..Scope::whole(&context.repository) };
        settings.scope.push(whole);
    }
    if settings.scope_for(&context.repository, environment).is_none() {
        bail!(
            "`{environment}` of `{}` is in no scope of the settings: nothing is promised about it",
            context.repository
        );
    }
    let scratch = Scratch::new()?;
    let store = Store::open(&scratch.url()).await?;
    let client = Client::with_token(&settings.github, token)?;
    let path = format!("/repos/{}", context.repository);
    let found: RepositoryPayload = client.get(&path).await.context("the repository cannot be read")?;
    ensure!(found.id.to_string() == context.repository_id, "the repository is not the one this job runs in");
    let repository = Repository { id: RepositoryId(found.id), full_name: found.full_name };
    let now = millis(SystemTime::now());
    let objects = scratch.objects();
    let look = Look::new(&client, &store, &settings, &repository, &objects, now).at(environment);
    let pins = pins::resolve(&client, &store, &settings).await?;
    let mut terms = gather::terms(&look, &pins, &found.default_branch)?;
    let id = context.run.parse().map(RunId).context("the run's id is no number")?;
    let gathered = run::gather(&look, id).await.context("the run cannot be read")?;
    ensure!(gathered.run.this.number.to_string() == context.attempt, "the run has gone on to another attempt");
    let commits = vec![CommitSha::new(context.run_commit.clone()), CommitSha::new(context.commit.clone())];
    let asked = deployment::Asked {
        environment: environment.to_owned(),
        deployment: None,
        beside: Vec::new(),
        request: Some(GateRequest { commits, event: context.event.clone(), digest: None, presented: None }),
    };
    let gathered = deployment::gather(&look, &gathered, &asked, &[], None).await?;
    let (policies, rules) = Policies::with_own(&terms.packs, &gathered.own_rules)?;
    terms.repository_rules = rules;
    let subject = Subject::Deployment(Box::new(gathered.deployment));
    let facts = Facts { version: FACTS_VERSION, repository: repository.clone(), terms, subject };
    let verdict = policy::decide(&facts, &policies);
    std::fs::create_dir_all(evidence).with_context(|| format!("`{}` cannot be made", evidence.display()))?;
    let sources = policies.sources();
    for (name, value) in [
        ("facts.json", serde_json::to_vec_pretty(&facts)?),
        ("verdict.json", serde_json::to_vec_pretty(&verdict)?),
        (
            "policies.json",
            serde_json::to_vec_pretty(&serde_json::json!({
                "digest": policies.digest(), "schema": sources.schema, "files": sources.files,
            }))?,
        ),
    ] {
        std::fs::write(evidence.join(name), value).with_context(|| format!("`{name}` cannot be written"))?;
    }
    Ok(Told::of(&verdict, evidence.display().to_string()))
}
