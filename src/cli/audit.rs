//! `countersign audit`: every change deployed in a period, and what would have been said of it.
//!
//! Invariant: it only reads, with a token that may only read. What was done is kept until all is done, so an interruption
//! costs no call twice; and no call is made that GitHub's limits forbid.

mod human;
mod table;

use super::Exit;
use super::afar::{Afar, As, Asked, walk};
use crate::retrospective::{Inquiry, Journal, Judged, Plan, Retrospective, Tally};
use anyhow::{Context as _, ensure};
use clap::{Args, ValueEnum};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::time::Duration;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

#[derive(Debug, Args)]
pub(super) struct Audit {
    /// The repository.
    #[arg(long, value_name = "OWNER/NAME")]
    repo: String,
    /// The environment.
    #[arg(long, value_name = "NAME", default_value = "production")]
    environment: String,
    /// From when on: a day (its beginning, UTC) or a moment, RFC 3339.
    #[arg(long, value_name = "DATE")]
    since: String,
    /// Before when; without it, until now.
    #[arg(long, value_name = "DATE")]
    until: Option<String>,
    /// A token that may read the repository: actions, checks, contents, deployments, pull requests.
    #[arg(long, value_name = "TOKEN", env = "GITHUB_TOKEN", hide_env_values = true)]
    token: String,
    /// The settings; without it, defaults: the pack three-person, the default branch.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only say which calls it will take.
    #[arg(long)]
    plan: bool,
    /// Where what was done is kept until all is done.
    #[arg(long, value_name = "DIR", default_value = ".countersign")]
    state: PathBuf,
    /// How long to wait for GitHub's rate limit; beyond that, stop and say when to go on.
    #[arg(long, value_name = "MINUTES", default_value_t = 65)]
    max_wait: u64,
    /// How to say what was found.
    #[arg(long, value_enum, default_value = "human")]
    format: Told,
}

/// How a retrospective is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Told {
    Human,
    Json,
    Csv,
}

/// All of it, for programs.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    inquiry: &'a Inquiry,
    /// The packs that judged.
    policies: &'a [String],
    /// In the order in which they went out.
    deployments: &'a [Judged],
    summary: &'a Tally,
}

pub(super) fn audit(audit: &Audit) -> anyhow::Result<Exit> {
    super::runtime()?.block_on(look_back(audit))
}

async fn look_back(audit: &Audit) -> anyhow::Result<Exit> {
    let since = moment(&audit.since)?;
    let until = audit.until.as_deref().map(moment).transpose()?;
    let now = OffsetDateTime::now_utc().replace_nanosecond(0)?;
    ensure!(since < until.unwrap_or(now), "the period ends before it begins");
    let asked = Asked {
        repository: &audit.repo,
        environment: &audit.environment,
        as_whom: As::Token(&audit.token),
        config: audit.config.as_deref(),
    };
    let afar = Afar::open(asked).await?;
    let look = afar.look();
    let terms = afar.terms(&look)?;
    let packs = terms.packs.clone();
    let inquiry = Inquiry {
        repository: afar.repository.full_name.clone(),
        environment: audit.environment.clone(),
        since,
        until: until.unwrap_or(now),
    };
    let of = question(&inquiry, until, &afar.settings.digest().0);
    let journal = Journal::open(&file(&audit.state, &of), &of)?;
    let went_on = journal.plan().is_some();
    let mut work = Retrospective::begin(&look, terms, &inquiry, journal).await?;
    eprintln!("{}", planned(work.plan(), went_on.then(|| work.done())));
    if audit.plan {
        return Ok(Exit::Done);
    }
    let kept = work.journal().path().display().to_string();
    match walk(&mut work, &afar.client, Duration::from_mins(audit.max_wait), async |_| Ok(())).await {
        Ok(None) => {}
        Ok(Some(until)) => {
            eprintln!("GitHub allows no more calls before {until}.");
            eprintln!("What was done is kept in `{kept}`: run the same again then.");
            return Ok(Exit::Pending);
        }
        Err(error) => {
            eprintln!("What was done is kept in `{kept}`: run the same again.");
            return Err(error);
        }
    }
    let inquiry = work.plan().inquiry.clone();
    let (judged, tally) = work.finish()?;
    match audit.format {
        Told::Human => crate::cli::put(&human::told(&inquiry, &packs, &judged, &tally)),
        Told::Json => {
            let whole = Whole { inquiry: &inquiry, policies: &packs, deployments: &judged, summary: &tally };
            say!("{}", serde_json::to_string(&whole)?);
        }
        Told::Csv => table::write(&inquiry, &judged, std::io::stdout().lock())?,
    }
    Ok(worst(&tally))
}

/// What a program may act on: the worst that would have been said.
fn worst(tally: &Tally) -> Exit {
    let any = |outcome: &str| tally.deployments.get(outcome).is_some_and(|count| *count > 0);
    if any("deny") {
        Exit::Deny
    } else if any("undetermined") || any("pending") {
        Exit::Undetermined
    } else {
        Exit::Done
    }
}

pub(super) fn planned(plan: &Plan, done: Option<(usize, usize)>) -> String {
    let (deployments, calls) = (plan.of_period(), plan.calls());
    let spellings: Vec<&str> = plan.spellings.iter().map(|spelling| spelling.name.as_str()).collect();
    let went_on = done.map_or_else(String::new, |(found, judged)| {
        format!("; going on where it stopped: {found} found, {judged} judged already")
    });
    format!(
        "{deployments} deployments to look at in {}: about {calls} calls (each: check suites of its commit, its run, the run's jobs \
         and approvals, its commits and pull requests, the repository's own rules){went_on}",
        spellings.join(", ")
    )
}

/// A day or a moment.
pub(super) fn moment(text: &str) -> anyhow::Result<OffsetDateTime> {
    let day = Date::parse(text, format_description!("[year]-[month]-[day]"));
    if let Ok(day) = day {
        return Ok(day.midnight().assume_utc());
    }
    OffsetDateTime::parse(text, &Rfc3339).with_context(|| format!("`{text}` is no date: write 2026-01-31"))
}

/// The question that a journal belongs to. A period without an end is one question, whenever it is asked.
fn question(inquiry: &Inquiry, until: Option<OffsetDateTime>, settings: &str) -> String {
    let until = until.map_or_else(|| "now".to_owned(), |until| until.unix_timestamp().to_string());
    let (repository, environment) = (inquiry.repository.to_lowercase(), &inquiry.environment);
    let since = inquiry.since.unix_timestamp();
    let text = [crate::TOOL, &repository, environment, &since.to_string(), &until, settings].join("\n");
    hex::encode(Sha256::digest(text.as_bytes()))
}

fn file(folder: &Path, of: &str) -> PathBuf {
    folder.join(format!("audit-{}.jsonl", of.get(..16).unwrap_or(of)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_day_is_its_beginning() {
        assert_eq!(moment("2026-01-31").unwrap(), moment("2026-01-31T00:00:00Z").unwrap());
        assert!(moment("last week").is_err());
    }
}
