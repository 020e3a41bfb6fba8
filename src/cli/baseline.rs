//! `countersign baseline`: proposes what the settings should say ran in production when the control started.
//!
//! Invariant: only a deployment whose own job succeeded is proposed, with the evidence for it; the operator decides.

use super::Exit;
use super::afar::{Afar, As, Asked, walk};
use super::evidence::Format;
use crate::github::gather::line;
use crate::retrospective::{Found, Inquiry, Journal, Retrospective};
use anyhow::Context as _;
use clap::Args;
use countersign_core::domain::CommitSha;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How long GitHub's rate limit is waited for.
const PATIENCE: Duration = Duration::from_mins(65);

#[derive(Debug, Args)]
pub(super) struct Baseline {
    /// The repository.
    #[arg(long, value_name = "OWNER/NAME")]
    repo: String,
    /// The environment.
    #[arg(long, value_name = "NAME", default_value = "production")]
    environment: String,
    /// A token that may read the repository: actions, checks, contents, deployments.
    #[arg(long, value_name = "TOKEN", env = "GITHUB_TOKEN", hide_env_values = true)]
    token: String,
    /// The settings; without it, defaults: the repository's default branch.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How to say it; human is TOML, to be pasted.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

/// What is proposed, with the evidence for it.
#[derive(Serialize)]
struct Proposal {
    repository: String,
    environment: String,
    commit: CommitSha,
    deployment: u64,
    run: u64,
    attempt: u64,
    event: String,
    workflow: String,
    started_by: Vec<String>,
    ended_at: String,
    evidence: String,
    production_branch: String,
    /// Whether it is on the first-parent line of the production branch, where releases can begin.
    on_production_line: bool,
}

pub(super) fn baseline(baseline: &Baseline) -> anyhow::Result<Exit> {
    super::runtime()?.block_on(propose(baseline))
}

async fn propose(baseline: &Baseline) -> anyhow::Result<Exit> {
    let asked = Asked {
        repository: &baseline.repo,
        environment: &baseline.environment,
        as_whom: As::Token(&baseline.token),
        config: baseline.config.as_deref(),
    };
    let afar = Afar::open(asked).await?;
    let look = afar.look();
    let terms = afar.terms(&look)?;
    let branch = terms.production_branch.clone();
    let now = OffsetDateTime::now_utc();
    let inquiry = Inquiry {
        repository: afar.repository.full_name.clone(),
        environment: baseline.environment.clone(),
        since: now,
        until: now,
    };
    let journal = Journal::open(&afar.scratch_file("baseline.jsonl"), "baseline")?;
    let mut work = Retrospective::begin(&look, terms, &inquiry, journal).await?;
    if walk(&mut work, &afar.client, PATIENCE, async |_| Ok(())).await?.is_some() {
        anyhow::bail!("GitHub allows no more calls for longer than an hour");
    }
    let Some(found) = work.ran_first() else {
        eprintln!(
            "no deployment of `{}` to `{}` whose job succeeded was found: name the commit that runs there yourself",
            inquiry.repository, inquiry.environment
        );
        return Ok(Exit::Undetermined);
    };
    let mut proposal = proposal(&inquiry, found, &branch, &afar.settings.github.web_url)?;
    let line = line::of_branch(&look, &branch, &proposal.commit, &proposal.commit).await?;
    proposal.on_production_line = line.reaches_start;
    match baseline.format {
        Format::Json => say!("{}", serde_json::to_string(&proposal)?),
        Format::Human => crate::cli::put(&spelt(&proposal)),
    }
    Ok(Exit::Done)
}

fn proposal(inquiry: &Inquiry, found: &Found, branch: &str, web_url: &str) -> anyhow::Result<Proposal> {
    let deployed = found.deployed.as_ref().context("a deployment without a job")?;
    let (run, attempt) = (&deployed.run, deployed.run.this.number);
    let mut started_by: Vec<String> = Vec::new();
    for account in [&run.this.triggering_actor, &run.this.actor].into_iter().flatten() {
        if !started_by.contains(&account.login) {
            started_by.push(account.login.clone());
        }
    }
    Ok(Proposal {
        repository: inquiry.repository.clone(),
        environment: found.listed.environment.clone(),
        commit: run.head_commit.clone(),
        deployment: found.listed.id.0,
        run: run.id.0,
        attempt: attempt.0,
        event: run.event.clone(),
        workflow: run.path.clone(),
        started_by,
        ended_at: deployed.ended_at.map(|at| at.format(&Rfc3339)).transpose()?.unwrap_or_default(),
        evidence: format!("{web_url}/{}/actions/runs/{}/attempts/{attempt}", inquiry.repository, run.id),
        production_branch: branch.to_owned(),
        on_production_line: false,
    })
}

/// TOML to paste. Names come from GitHub: they are spelt by the library that spells settings.
fn spelt(proposal: &Proposal) -> String {
    let started: Vec<String> = proposal.started_by.iter().map(|login| format!("@{login}")).collect();
    let of = |text: &str| text.replace(['\n', '\r'], " ");
    let mut text = format!(
        "# The last deployment whose own job succeeded: deployment {}, run {} attempt {} by {} ({}, {}),\n\
         # ended {}. {}\n",
        proposal.deployment,
        proposal.run,
        proposal.attempt,
        of(&started.join(" and ")),
        of(&proposal.event),
        of(&proposal.workflow),
        proposal.ended_at,
        of(&proposal.evidence)
    );
    if !proposal.on_production_line {
        let _ = writeln!(
            text,
            "# CAREFUL: this commit is not on the first-parent line of `{}`; every release would be `history-rewritten`.\n\
             # Name the commit of that line which is nearest to it.",
            of(&proposal.production_branch)
        );
    }
    text.push_str("[[baseline]]\n");
    let keys = [
        ("repository", &proposal.repository),
        ("environment", &proposal.environment),
        ("commit", &proposal.commit.to_string()),
    ];
    for (key, value) in keys {
        let _ = writeln!(text, "{key} = {}", toml::Value::from(value.as_str()));
    }
    text
}
