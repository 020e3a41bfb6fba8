//! Deployments as GitHub lists them, and for each the run, the attempt and the job that made it, found afterwards.
//!
//! Invariant: only GitHub's own tie between a job's check run and a deployment says that they belong together, and only
//! that job's conclusion says how it went. A deployment status proves nothing (anyone with write access can post one) and
//! GitHub forgets it after 90 days (<https://docs.github.com/en/rest/deployments/statuses>); it is asked for a hint only
//! where the deployment names another commit than its run.

use super::Look;
use super::outcome;
use super::pushes::escaped;
use super::run::{self, GatheredRun};
use crate::github::client::GitHubError;
use crate::github::event::AccountPayload;
use crate::github::query;
use crate::settings::same_environment;
use countersign_core::domain::{Account, CommitSha, DeploymentId, Run, RunAttempt, RunId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use time::OffsetDateTime;

/// How far back the list is read beyond what is asked for, in deployments, to find what ran before.
const BEFORE: usize = 100;

/// A deployment as GitHub lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its id.
    pub id: DeploymentId,
    /// The commit it names.
    pub commit: CommitSha,
    /// The environment, as it is spelt there.
    pub environment: String,
    /// Who created it; `None` where GitHub shows nobody.
    pub creator: Option<Account>,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When anything about it changed last.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

#[derive(Deserialize)]
struct DeploymentPayload {
    id: u64,
    sha: String,
    environment: String,
    creator: Option<AccountPayload>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

#[derive(Deserialize)]
struct EnvironmentsPayload {
    environments: Vec<NamedPayload>,
}

#[derive(Deserialize)]
struct NamedPayload {
    name: String,
    #[serde(default)]
    protection_rules: Vec<RulePayload>,
}

#[derive(Deserialize)]
struct RulePayload {
    #[serde(rename = "type")]
    kind: String,
}

/// An environment as it is today.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spelling {
    /// How it is spelt.
    pub name: String,
    /// Whether it asks for an approval; `None` where it is not there any more.
    pub asks: Option<bool>,
}

/// Every spelling of an environment: GitHub takes `Production` and `production` for the same, lists do not.
pub async fn spellings(look: &Look<'_>, environment: &str) -> Result<Vec<Spelling>, GitHubError> {
    let mut found: Vec<Spelling> = Vec::new();
    look.client
        .get_pages::<EnvironmentsPayload>(&look.path("/environments?per_page=100"), |page| {
            for named in page.environments {
                if same_environment(&named.name, environment) {
                    let asks = named.protection_rules.iter().any(|rule| rule.kind == "required_reviewers");
                    found.push(Spelling { name: named.name, asks: Some(asks) });
                }
            }
            true
        })
        .await?;
    if !found.iter().any(|spelling| spelling.name == environment) {
        found.push(Spelling { name: environment.to_owned(), asks: None });
    }
    Ok(found)
}

/// The deployments created at `since` or later, and some more before them, newest first.
pub async fn list(look: &Look<'_>, spellings: &[Spelling], since: OffsetDateTime) -> Result<Vec<Listed>, GitHubError> {
    let mut listed = HashMap::new();
    for spelling in spellings {
        let name = escaped(&spelling.name).replace('/', "%2F");
        let path = look.path(&format!("/deployments?environment={name}&per_page=100"));
        let mut before = 0;
        look.client
            .get_pages::<Vec<DeploymentPayload>>(&path, |page| {
                for one in page {
                    before += usize::from(one.created_at < since);
                    // A list that moves while it is read may show one on two pages.
                    listed.insert(one.id, Listed::from(one));
                }
                before < BEFORE
            })
            .await?;
    }
    let mut listed: Vec<Listed> = listed.into_values().collect();
    listed.sort_by_key(|one| std::cmp::Reverse((one.created_at, one.id)));
    Ok(listed)
}

impl From<DeploymentPayload> for Listed {
    fn from(payload: DeploymentPayload) -> Self {
        Self {
            id: DeploymentId(payload.id),
            commit: CommitSha::new(payload.sha),
            environment: payload.environment,
            creator: payload.creator.map(AccountPayload::account),
            created_at: payload.created_at,
            updated_at: payload.updated_at,
        }
    }
}

/// The run, attempt and job of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployed {
    /// The run, with the attempt that deployed as `this`.
    pub run: Run,
    /// When the run was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// How the job ended, as GitHub names it; `None` while it has not.
    pub conclusion: Option<String>,
    /// When it ended.
    #[serde(with = "time::serde::rfc3339::option")]
    pub ended_at: Option<OffsetDateTime>,
}

#[derive(Deserialize)]
struct JobsPayload {
    jobs: Vec<JobPayload>,
}

#[derive(Clone, Deserialize)]
struct JobPayload {
    id: u64,
    run_attempt: Option<u64>,
    status: String,
    conclusion: Option<String>,
    #[serde(default, with = "time::serde::rfc3339::option")]
    completed_at: Option<OffsetDateTime>,
}

#[derive(Deserialize)]
struct StatusPayload {
    #[serde(default)]
    log_url: Option<String>,
}

/// Which job deployed: its run, its check suite's node, and its id.
#[derive(Clone)]
struct Tie {
    run: RunId,
    job: u64,
}

/// Finds runs and jobs, and asks for nothing twice.
#[derive(Default)]
pub struct Finder {
    /// The deployments of a commit's jobs.
    ties: HashMap<CommitSha, HashMap<u64, Tie>>,
    runs: HashMap<RunId, Option<GatheredRun>>,
    jobs: HashMap<RunId, HashMap<u64, JobPayload>>,
}

impl Finder {
    /// The job that made a deployment; `None` where GitHub ties none to it (any more).
    pub async fn find(&mut self, look: &Look<'_>, listed: &Listed) -> Result<Option<Deployed>, GitHubError> {
        let Some(tie) = self.tie(look, listed).await? else { return Ok(None) };
        let Some(gathered) = self.run(look, tie.run).await? else { return Ok(None) };
        let (mut run, created_at) = (gathered.run.clone(), gathered.created_at);
        let Some(job) = self.jobs(look, tie.run).await?.get(&tie.job).cloned() else { return Ok(None) };
        let Some(number) = job.run_attempt.map(RunAttempt) else { return Ok(None) };
        if let Some(gathered) = self.run(look, tie.run).await? {
            run.this = run::attempt(look, gathered, number).await?;
        }
        let ended = job.status == "completed";
        Ok(Some(Deployed {
            run,
            created_at,
            conclusion: job.conclusion.filter(|_| ended),
            ended_at: job.completed_at.filter(|_| ended),
        }))
    }

    async fn tie(&mut self, look: &Look<'_>, listed: &Listed) -> Result<Option<Tie>, GitHubError> {
        if !self.ties.contains_key(&listed.commit) {
            let ties = ties_of_commit(look, &listed.commit).await?;
            self.ties.insert(listed.commit.clone(), ties);
        }
        let of_commit = self.ties.get(&listed.commit).and_then(|ties| ties.get(&listed.id.0));
        if let Some(tie) = of_commit {
            return Ok(Some(tie.clone()));
        }
        // The deployment may name another commit than its run: a status of it may say which run.
        let path = look.path(&format!("/deployments/{}/statuses?per_page=100", listed.id));
        let mut hints: Vec<RunId> = Vec::new();
        for status in look.client.get_all::<StatusPayload>(&path).await? {
            let run = status.log_url.as_deref().and_then(run_in);
            hints.extend(run.filter(|run| !hints.contains(run)));
        }
        for run in hints {
            let Some(gathered) = self.run(look, run).await? else { continue };
            let Some(suite) = gathered.check_suite.clone() else { continue };
            let tied = outcome::tied(look, &suite, |found| found.contains_key(&listed.id)).await?;
            if let Some(job) = tied.get(&listed.id) {
                return Ok(Some(Tie { run, job: *job }));
            }
        }
        Ok(None)
    }

    async fn run(&mut self, look: &Look<'_>, id: RunId) -> Result<Option<&GatheredRun>, GitHubError> {
        let found = match self.runs.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => match run::gather(look, id).await {
                Ok(found) => unknown.insert(Some(found)),
                Err(GitHubError::NotFound(_)) => unknown.insert(None),
                Err(error) => return Err(error),
            },
        };
        Ok(found.as_ref())
    }

    async fn jobs(&mut self, look: &Look<'_>, id: RunId) -> Result<&HashMap<u64, JobPayload>, GitHubError> {
        match self.jobs.entry(id) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => {
                let mut jobs = HashMap::new();
                let path = look.path(&format!("/actions/runs/{id}/jobs?filter=all&per_page=100"));
                look.client
                    .get_pages::<JobsPayload>(&path, |page| {
                        jobs.extend(page.jobs.into_iter().map(|job| (job.id, job)));
                        true
                    })
                    .await?;
                Ok(unknown.insert(jobs))
            }
        }
    }
}

/// Every deployment that GitHub ties to a job of a run at this commit.
async fn ties_of_commit(look: &Look<'_>, commit: &CommitSha) -> Result<HashMap<u64, Tie>, GitHubError> {
    let mut ties = HashMap::new();
    let mut after = Value::Null;
    loop {
        let variables = look.variables([("oid", json!(commit.as_str())), ("after", after.clone())]);
        let data = look.client.graphql(query::DEPLOYING_RUNS, variables).await?;
        let Some(suites) = data.pointer("/repository/object/checkSuites") else { return Ok(ties) };
        for suite in suites.pointer("/nodes").and_then(Value::as_array).into_iter().flatten() {
            let run = suite.pointer("/workflowRun/databaseId").and_then(Value::as_u64).map(RunId);
            let (Some(run), Some(node)) = (run, suite.pointer("/id").and_then(Value::as_str)) else { continue };
            if suite.pointer("/checkRuns/pageInfo/hasNextPage").and_then(Value::as_bool) != Some(false) {
                let all = outcome::tied(look, node, |_| false).await?;
                ties.extend(all.into_iter().map(|(deployment, job)| (deployment.0, Tie { run, job })));
                continue;
            }
            for job in suite.pointer("/checkRuns/nodes").and_then(Value::as_array).into_iter().flatten() {
                let deployment = job.pointer("/deployment/databaseId").and_then(Value::as_u64);
                if let (Some(deployment), Some(job)) = (deployment, job.get("databaseId").and_then(Value::as_u64)) {
                    ties.insert(deployment, Tie { run, job });
                }
            }
        }
        let more = suites.pointer("/pageInfo/hasNextPage").and_then(Value::as_bool) == Some(true);
        match suites.pointer("/pageInfo/endCursor").filter(|cursor| cursor.is_string()) {
            Some(cursor) if more && *cursor != after => after = cursor.clone(),
            _ => return Ok(ties),
        }
    }
}

/// The run in an address like `https://github.com/o/r/actions/runs/7/job/9`.
fn run_in(address: &str) -> Option<RunId> {
    let (_, rest) = address.split_once("/actions/runs/")?;
    rest.split('/').next()?.parse().ok().map(RunId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_found_in_the_address_of_its_log() {
        assert_eq!(run_in("https://github.com/acme/shop/actions/runs/7/job/9"), Some(RunId(7)));
        assert_eq!(run_in("https://github.com/acme/shop/actions/runs/7"), Some(RunId(7)));
        assert_eq!(run_in("https://ci.example.com/runs/7"), None);
    }
}
