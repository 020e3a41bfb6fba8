//! One deployment of the past, judged: gathered as far as it can be seen now, then decided by the same rules.
//!
//! Invariant: what GitHub has no more makes it impossible to tell; what GitHub does not answer now stops everything.

use super::{Found, RetrospectiveError};
use crate::github::GitHubError;
use crate::github::gather::{Look, own_rules, retrospect};
use countersign_core::domain::facts::FACTS_VERSION;
use countersign_core::domain::{
    Account, CommitSha, Deployment, DeploymentId, DeploymentRecord, EnvironmentApproval, Facts, Line, Outcome, Run,
    StartingPoint, Subject, Terms, Verdict,
};
use countersign_core::policy::{self, Policies};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// What is known of the time before a deployment.
pub(super) struct Before {
    pub(super) start: Option<StartingPoint>,
    pub(super) allowed: Option<String>,
    pub(super) asks: Option<bool>,
}

/// What would have been said of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// The deployment.
    pub deployment: DeploymentId,
    /// The environment, as it is spelt there.
    pub environment: String,
    /// Who created the deployment.
    pub creator: Option<Account>,
    /// The run, with the attempt that deployed; `None` where GitHub ties none to it.
    pub run: Option<Run>,
    /// How its job ended; `None` where that is not known.
    pub conclusion: Option<String>,
    /// When its job ended, or when it was created where no end is known.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The commit that went out.
    pub commit: CommitSha,
    /// What ran before.
    pub start: Option<StartingPoint>,
    /// What would have been said.
    pub verdict: Verdict,
}

impl Judged {
    /// Whether it would have been let through.
    pub fn is_allowed(&self) -> bool {
        self.verdict.outcome == Outcome::Allow
    }
}

/// A judgement with all it is based on.
pub struct Judgement {
    /// What is kept of it.
    pub judged: Judged,
    /// All that it saw.
    pub facts: Facts,
    /// The rules in force.
    pub policies: Policies,
}

pub(super) async fn judge(
    look: &Look<'_>,
    terms: &Terms,
    found: &Found,
    before: Before,
    line: Option<&Line>,
) -> Result<Judgement, RetrospectiveError> {
    let start = before.start.clone();
    let at = retrospect::Before { start: before.start, allowed: before.allowed, line, asks: before.asks };
    let deployed = found.deployed.as_ref();
    let gathered = retrospect::gather(look, &terms.production_branch, &found.listed, deployed, at).await;
    let gathered = match gathered {
        Err(GitHubError::NotFound(what)) => gone(found, start.clone(), format!("GitHub has no {what}")),
        Err(GitHubError::Unreadable(what)) => gone(found, start.clone(), what),
        other => other?,
    };
    let now = start.as_ref().map_or(&gathered.target, StartingPoint::commit);
    let own = own_rules::gather(look, [now.as_str(), gathered.target.as_str()]).await?;
    let wrong = |error: policy::PolicyError| RetrospectiveError::Policy(error.to_string());
    let (policies, rules) = Policies::with_own(&terms.packs, &own).map_err(wrong)?;
    let terms = Terms { repository_rules: rules, ..terms.clone() };
    let commit = gathered.target.clone();
    let subject = Subject::Deployment(Box::new(gathered));
    let facts = Facts { version: FACTS_VERSION, repository: look.repository.clone(), terms, subject };
    let verdict = policy::decide(&facts, &policies);
    let judged = Judged {
        deployment: found.listed.id,
        environment: found.listed.environment.clone(),
        creator: found.listed.creator.clone(),
        run: deployed.map(|deployed| deployed.run.clone()),
        conclusion: deployed.and_then(|deployed| deployed.conclusion.clone()),
        at: found.moment(),
        commit,
        start,
        verdict,
    };
    Ok(Judgement { judged, facts, policies })
}

/// What is known of a deployment of which GitHub has forgotten too much: enough to say that nobody can tell.
fn gone(found: &Found, start: Option<StartingPoint>, why: String) -> Deployment {
    Deployment {
        environment: found.listed.environment.clone(),
        record: Some(DeploymentRecord {
            id: found.listed.id,
            commit: found.listed.commit.clone(),
            creator: found.listed.creator.clone(),
        }),
        run: found.deployed.as_ref().map(|deployed| deployed.run.clone()),
        request: None,
        target: found.commit().clone(),
        approval: EnvironmentApproval { asked: None, given_by: Vec::new() },
        start,
        line: Line::default(),
        allowed_before: None,
        changes: Vec::new(),
        exception: None,
        overdue: Vec::new(),
        writers: None,
        missing: vec!["what it put into production".to_owned()],
        history_unavailable: Some(why),
    }
}
