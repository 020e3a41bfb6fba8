//! A run at the gate of a production environment, as facts: who starts it, what it would put into production, and
//! everyone behind each change in it. Next: `release.rs`.

use super::gate::{self, Ahead, GateAnswer};
use super::{Look, chain, line, production_branch, release, run::GatheredRun};
use crate::github::client::GitHubError;
use crate::github::event::AccountPayload;
use crate::settings::same_environment;
use countersign_core::domain::{
    Account, AccountId, CommitSha, Deployment, DeploymentId, DeploymentRecord, EnvironmentApproval, GateRequest, Line,
    Observation, Run, RunId, StartingPoint,
};
use countersign_core::policy::OwnFile;
use serde::Deserialize;
use std::time::Duration;

/// How old a list of writers may be that is used while GitHub does not answer: it says who else could deploy, and lets nobody.
const WRITERS_STALE: Duration = Duration::from_mins(10);

/// What is asked at the gate.
pub struct Asked {
    /// The environment, as GitHub spells it.
    pub environment: String,
    /// The deployment that is asked about, where it is known.
    pub deployment: Option<DeploymentId>,
    /// The others of this attempt here: what goes for one goes for all.
    pub beside: Vec<DeploymentId>,
    /// What the run's own job asked for; `None` where GitHub's rule asks.
    pub request: Option<GateRequest>,
}

#[derive(Deserialize)]
struct DeploymentPayload {
    id: u64,
    sha: String,
    creator: Option<AccountPayload>,
}

/// An attempt to deploy, and what was read beside it.
pub struct Gathered {
    /// The attempt.
    pub deployment: Deployment,
    /// The repository's default branch.
    pub default_branch: String,
    /// The repository's own rules, of what runs now and of what would.
    pub own_rules: Vec<OwnFile>,
}

/// Reads everything a decision may see of one attempt to deploy.
pub async fn gather(
    look: &Look<'_>,
    gathered: &GatheredRun,
    asked: &Asked,
    observed: &[Observation],
    ahead: Option<Ahead>,
) -> Result<Gathered, GitHubError> {
    let mut missing = Vec::new();
    let run = chain::complete(look, gathered, observed, &mut missing).await?;
    let target = run.head_commit.clone();
    let start = starting_point(look, &asked.environment).await?;
    let node = asked.deployment.and_then(|id| Some((id, node_of(observed, id)?)));
    let question = gate::Asked {
        run: (run.id, &gathered.node),
        environment: &asked.environment,
        deployment: node,
        start: start.as_ref(),
        target: &target,
    };
    let (said, writers) = tokio::try_join!(gate::read(look, &question, ahead), writers(look))?;
    let approval = approval(&said, &run, asked, observed);
    let GateAnswer { default_branch, own_rules, tip, record: shown, missing: unshown, .. } = said;
    missing.extend(unshown);
    let record = match asked.deployment {
        Some(id) => Some(telling(look, (id, shown), &asked.beside, &target).await?),
        None => None,
    };
    // A job that asks itself names its environment in a token that GitHub signed; our rule must know what it lets go.
    if record.is_none() && asked.request.is_none() {
        missing.push("the deployment itself".to_owned());
    }
    // Whose push it was matters, where one started the run.
    let origin = run.origin();
    let pushed_by = origin.first.actor.clone().filter(|_| origin.event == "push");
    let mut deployment = Deployment {
        environment: asked.environment.clone(),
        record,
        run: Some(run),
        approval,
        line: Line::default(),
        allowed_before: allowed_before(look, &asked.environment, &target).await?,
        changes: Vec::new(),
        writers,
        missing,
        history_unavailable: None,
        start,
        request: asked.request.clone(),
        exception: None,
        overdue: Vec::new(),
        target,
    };
    let branch = production_branch(look, &default_branch);
    if let Some(start) = deployment.start.as_ref().map(|start| start.commit().clone()) {
        let pushed_by = pushed_by.as_ref();
        let wanted = line::Asked { branch: &branch, start: &start, target: &deployment.target, pushed_by };
        let line = match tip {
            Some(tip) => line::gather(look, &wanted, tip).await,
            None => Err(GitHubError::NotFound(format!("branch {branch}"))),
        };
        match line {
            Ok(line) => {
                (deployment.line, deployment.changes) =
                    release::changes(look, &branch, line, &deployment.target).await?;
                let behind = start == deployment.target || deployment.line.behind.contains(&deployment.target);
                let origin = deployment.run.as_ref().map(Run::origin);
                if behind
                    && origin.is_some_and(|run| run.event == "push" && run.head_branch.as_deref() == Some(&*branch))
                {
                    // A repeat is compared with nothing, but whoever landed what it ends with deploys it.
                    deployment.changes =
                        release::ending_at(look, &branch, &deployment.line, &deployment.target).await?;
                }
            }
            Err(GitHubError::NotFound(what)) => {
                deployment.history_unavailable = Some(format!("GitHub has no {what}"));
            }
            Err(error) => return Err(error),
        }
    } else if let Some(tip) = tip {
        deployment.line = alone(look, &branch, &deployment.target, tip).await?;
    }
    Ok(Gathered { deployment, default_branch, own_rules })
}

/// Asks at the gate of a run that is itself still being read, where deliveries told enough of it.
pub async fn ahead(look: &Look<'_>, run: RunId, asked: &Asked, observed: &[Observation]) -> Option<Ahead> {
    let id = asked.deployment?;
    let (node, target) = observed.iter().find_map(|seen| match seen {
        Observation::DeploymentCreated { deployment, run_node, commit, .. } if *deployment == id => {
            run_node.as_deref().zip(commit.as_ref())
        }
        _ => None,
    })?;
    let start = starting_point(look, &asked.environment).await.ok()?;
    let question = gate::Asked {
        run: (run, node),
        environment: &asked.environment,
        deployment: Some((id, node_of(observed, id)?)),
        start: start.as_ref(),
        target,
    };
    Some(gate::read_ahead(look, &question).await)
}

/// The line where nothing is known to run: it tells whether the target is on it, and is compared with nothing.
async fn alone(look: &Look<'_>, branch: &str, target: &CommitSha, tip: line::Tip) -> Result<Line, GitHubError> {
    let end = tip.commit.clone();
    match line::gather(look, &line::Asked { branch, start: target, target, pushed_by: None }, tip).await {
        Ok(found) => Ok(Line { reaches_start: false, ..found.line }),
        // Nothing that the branch has in common with it, or no such commit at all.
        Err(GitHubError::NotFound(_)) => Ok(Line { commits: vec![end], ..Line::default() }),
        Err(error) => Err(error),
    }
}

/// The GraphQL id of a deployment, where a delivery named it.
fn node_of(observed: &[Observation], id: DeploymentId) -> Option<&str> {
    observed.iter().find_map(|seen| match seen {
        Observation::DeploymentCreated { deployment, node, .. } if *deployment == id => node.as_deref(),
        Observation::GateAsked { deployment, node, .. } if *deployment == Some(id) => node.as_deref(),
        _ => None,
    })
}

/// What is known of an attempt to deploy that GitHub will not show: enough to say that nobody can tell.
pub async fn unread(
    look: &Look<'_>,
    gathered: &GatheredRun,
    asked: &Asked,
    error: &GitHubError,
) -> Result<Deployment, GitHubError> {
    let run = &gathered.run;
    // Which commit it names is not made up for by any exception.
    let record = match asked.deployment {
        Some(id) => record(look, id).await.ok(),
        None => None,
    };
    Ok(Deployment { run: Some(run.clone()), record, ..nothing_but(look, asked, run.head_commit.clone(), error).await? })
}

/// The same, where GitHub does not even show the run.
pub async fn without_run(look: &Look<'_>, asked: &Asked, error: &GitHubError) -> Result<Deployment, GitHubError> {
    // Whoever created it deploys where there was no run. There was one, and nobody can tell whose: this denies nobody.
    let record = match asked.deployment {
        Some(id) => record(look, id).await.ok().map(|record| DeploymentRecord { creator: None, ..record }),
        None => None,
    };
    let target = record.as_ref().map_or_else(|| CommitSha::new("0".repeat(40)), |record| record.commit.clone());
    let mut known = Deployment { record, ..nothing_but(look, asked, target, error).await? };
    known.missing.push("who started the run".to_owned());
    Ok(known)
}

async fn nothing_but(
    look: &Look<'_>,
    asked: &Asked,
    target: CommitSha,
    error: &GitHubError,
) -> Result<Deployment, GitHubError> {
    Ok(Deployment {
        environment: asked.environment.clone(),
        record: None,
        run: None,
        request: asked.request.clone(),
        exception: None,
        overdue: Vec::new(),
        target,
        approval: EnvironmentApproval { asked: None, given_by: Vec::new() },
        start: starting_point(look, &asked.environment).await?,
        line: Line::default(),
        allowed_before: None,
        changes: Vec::new(),
        writers: None,
        missing: vec!["what it would put into production".to_owned()],
        history_unavailable: Some(error.to_string()),
    })
}

/// The deployment that says most: one that names another commit than the run, else the one asked about.
async fn telling(
    look: &Look<'_>,
    (asked, shown): (DeploymentId, Option<DeploymentRecord>),
    beside: &[DeploymentId],
    run_commit: &CommitSha,
) -> Result<DeploymentRecord, GitHubError> {
    let asked = match shown {
        Some(shown) => shown,
        None => record(look, asked).await?,
    };
    for other in beside {
        if asked.commit != *run_commit {
            break;
        }
        let other = record(look, *other).await?;
        if other.commit != *run_commit {
            return Ok(other);
        }
    }
    Ok(asked)
}

async fn record(look: &Look<'_>, id: DeploymentId) -> Result<DeploymentRecord, GitHubError> {
    let payload: DeploymentPayload = look.client.get(&look.path(&format!("/deployments/{id}"))).await?;
    Ok(DeploymentRecord {
        id: DeploymentId(payload.id),
        commit: CommitSha::new(payload.sha),
        creator: payload.creator.map(AccountPayload::account),
    })
}

fn approval(said: &GateAnswer, run: &Run, asked: &Asked, observed: &[Observation]) -> EnvironmentApproval {
    let environment = &asked.environment;
    let mut given_by = match &asked.request {
        _ if run.this.number == run.first.number => said.approved_by.clone(),
        Some(_) => untold(said, environment, observed),
        None => Vec::new(),
    };
    // GitHub's list does not say which attempt an approval was given for; the deliveries tell.
    for seen in observed {
        if let Observation::EnvironmentApproved { attempt, environment: named, by, .. } = seen
            && *attempt == run.this.number
            && same_environment(named, environment)
            && !given_by.iter().flatten().any(|known| known.id == by.id)
        {
            given_by.push(Some(by.clone()));
        }
    }
    // What was approved had asked for it, though the environment asks no more: its reviewers may be gone.
    EnvironmentApproval { asked: Some(said.approval_asked || !given_by.is_empty()), given_by }
}

/// Approvals that GitHub lists and no delivery told of. Of a run that was run again they may be for any attempt: one whose job
/// runs has passed all that was asked, so whoever may have let it pass deploys.
fn untold(said: &GateAnswer, environment: &str, observed: &[Observation]) -> Vec<Option<Account>> {
    let here = |seen: &Observation| match seen {
        Observation::EnvironmentApproved { environment: named, by, .. } => {
            same_environment(named, environment).then_some(by.id)
        }
        _ => None,
    };
    let mut told: Vec<AccountId> = observed.iter().filter_map(here).collect();
    let mut is_untold = |by: &&Option<Account>| {
        let place = by.as_ref().and_then(|by| told.iter().position(|known| *known == by.id));
        place.map(|place| told.swap_remove(place)).is_none()
    };
    said.approved_by.iter().filter(|by| is_untold(by)).cloned().collect()
}

/// What allowed this very commit here before: a decision, or the settings, since the baseline counts as allowed.
async fn allowed_before(look: &Look<'_>, environment: &str, target: &CommitSha) -> Result<Option<String>, GitHubError> {
    let decision = look.store.allowed_before(look.repository.id, environment, target).await?;
    let baseline = look.settings.baseline_of(&look.repository.full_name, environment);
    let is_baseline = baseline.is_some_and(|baseline| CommitSha::new(baseline.commit.clone()) == *target);
    Ok(decision.or_else(|| is_baseline.then(|| "baseline".to_owned())))
}

/// What runs in an environment now.
pub async fn starting_point(look: &Look<'_>, environment: &str) -> Result<Option<StartingPoint>, GitHubError> {
    if let Some((commit, decision)) = look.store.in_production(look.repository.id, environment).await? {
        return Ok(Some(StartingPoint::Deployed { commit, decision }));
    }
    let baseline = look.settings.baseline_of(&look.repository.full_name, environment);
    Ok(baseline.map(|baseline| StartingPoint::Baseline { commit: CommitSha::new(baseline.commit.clone()) }))
}

/// Accounts that can push to the repository; `None` where the list cannot be read.
pub async fn writers(look: &Look<'_>) -> Result<Option<Vec<Account>>, GitHubError> {
    let path = look.path("/collaborators?permission=push&per_page=100");
    let fresh = Duration::from_millis(look.settings.github.writers_ms);
    let mut list = look.client.get_kept::<AccountPayload>(look.store, &path, fresh).await;
    if list.as_ref().is_err_and(GitHubError::passes) {
        list = look.client.get_kept(look.store, &path, WRITERS_STALE).await;
    }
    match list {
        Ok(list) => {
            let mut writers: Vec<Account> = list.into_iter().map(AccountPayload::account).collect();
            writers.sort_by_key(|account| account.id);
            Ok(Some(writers))
        }
        Err(error) if error.passes() => Err(error),
        Err(error) => {
            // Who else could deploy is a courtesy: the decision does not need it.
            tracing::warn!(%error, "the list of writers cannot be read");
            Ok(None)
        }
    }
}
