//! What a delivery says to look at again, and what only it knows.
//!
//! Invariant: nothing is decided from a payload. A delivery we do not understand names no subject; what it would have
//! told us is found again when GitHub is read. Payloads are our own minimal shapes: only what is used is named.

mod installation;
mod reading;
mod subject;

pub use installation::read as read_installation;
pub use reading::Reading;
pub use subject::{Subject, What};

use countersign_core::domain::{
    Account, AccountId, AccountKind, CommitSha, DeploymentId, Observation, PullRequestNumber, Push, PushSource,
    Repository, RepositoryId, ReviewId, RunAttempt, RunId,
};
use serde::Deserialize;

/// The name under which the sweep puts a subject into the inbox; no event of GitHub's is called so.
pub const SWEEP: &str = crate::store::inbox::SWEPT;

#[derive(Deserialize)]
struct Payload {
    #[serde(default)]
    action: Option<String>,
    installation: Option<Id>,
    repository: Option<RepositoryPayload>,
    sender: Option<AccountPayload>,
    number: Option<u64>,
    pull_request: Option<PullRequestPayload>,
    review: Option<ReviewPayload>,
    #[serde(rename = "ref")]
    reference: Option<String>,
    before: Option<String>,
    after: Option<String>,
    workflow_run: Option<RunPayload>,
    workflow_job: Option<JobPayload>,
    deployment: Option<DeploymentPayload>,
    environment: Option<String>,
    deployment_callback_url: Option<String>,
    approver: Option<AccountPayload>,
    workflow_job_run: Option<EnvironmentPayload>,
    workflow_job_runs: Option<Vec<EnvironmentPayload>>,
    check_run: Option<CheckRunPayload>,
    member: Option<AccountPayload>,
    /// Of another shape for every event.
    changes: Option<serde_json::Value>,
    merge_group: Option<MergeGroupPayload>,
    commits: Option<Vec<ListedPayload>>,
}

#[derive(Deserialize)]
struct MergeGroupPayload {
    head_sha: String,
    base_ref: String,
}

#[derive(Deserialize)]
struct ListedPayload {
    id: String,
    /// Whether no earlier push brought it.
    #[serde(default = "unsaid")]
    distinct: bool,
}

/// A delivery that does not say whether a commit is new is taken for the one that brought it.
fn unsaid() -> bool {
    true
}

#[derive(Deserialize)]
struct Id {
    id: u64,
}

#[derive(Deserialize)]
struct RepositoryPayload {
    id: u64,
    full_name: String,
    #[serde(default)]
    default_branch: String,
}

/// An account as REST spells it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct AccountPayload {
    id: u64,
    login: String,
    #[serde(rename = "type", default)]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct PullRequestPayload {
    number: u64,
    head: HeadPayload,
}

#[derive(Deserialize)]
struct HeadPayload {
    sha: String,
    repo: Option<ForkPayload>,
}

#[derive(Deserialize)]
struct ForkPayload {
    id: u64,
}

#[derive(Deserialize)]
struct ReviewPayload {
    id: u64,
    user: Option<AccountPayload>,
    commit_id: Option<String>,
}

#[derive(Deserialize)]
struct RunPayload {
    id: u64,
    #[serde(default)]
    node_id: Option<String>,
    #[serde(default)]
    run_attempt: Option<u64>,
}

#[derive(Deserialize)]
struct JobPayload {
    run_id: u64,
}

#[derive(Deserialize)]
struct DeploymentPayload {
    id: u64,
    node_id: Option<String>,
    sha: Option<String>,
    environment: Option<String>,
}

#[derive(Deserialize)]
struct EnvironmentPayload {
    environment: Option<String>,
}

#[derive(Deserialize)]
struct CheckRunPayload {
    name: Option<String>,
    head_sha: Option<String>,
    #[serde(default)]
    pull_requests: Vec<NumberPayload>,
}

#[derive(Deserialize)]
struct NumberPayload {
    number: u64,
}

impl AccountPayload {
    pub(super) fn account(self) -> Account {
        let kind = match self.kind.as_deref() {
            Some("Bot") => AccountKind::Bot,
            Some("Mannequin") => AccountKind::Mannequin,
            Some("Organization") => AccountKind::Other,
            _ if self.login.ends_with("[bot]") => AccountKind::Bot,
            _ => AccountKind::User,
        };
        Account { id: AccountId(self.id), login: self.login, kind }
    }
}

/// Reads a delivery. Never fails: what cannot be read says nothing.
pub fn read(event: &str, body: &[u8]) -> Reading {
    if event == SWEEP {
        let subject: Option<Subject> = serde_json::from_slice(body).ok();
        let repository = subject.as_ref().map(|subject| subject.repository.clone());
        return Reading { repository, subject, ..Reading::default() };
    }
    let payload: Payload = match serde_json::from_slice(body) {
        Ok(payload) => payload,
        Err(error) => {
            tracing::debug!(event, %error, "a delivery of a shape we do not know says nothing");
            return Reading::default();
        }
    };
    let Some(repository) = &payload.repository else { return Reading::default() };
    let repository = Repository { id: RepositoryId(repository.id), full_name: repository.full_name.clone() };
    let (what, observations) = payload.say(event);
    let default_branch = payload.repository.as_ref().map(|r| r.default_branch.clone()).unwrap_or_default();
    let installation = payload.installation.as_ref().map(|installation| (installation.id, default_branch));
    let subject = what.zip(installation.clone()).map(|(what, (installation, default_branch))| Subject {
        repository: repository.clone(),
        installation,
        default_branch,
        what,
    });
    let check = payload.check_run.filter(|_| payload.action.as_deref() == Some("completed"));
    let check = check.map(|check| check.name.unwrap_or_default());
    Reading { repository: Some(repository), subject, check, observations, installation }
}

impl Payload {
    fn say(&self, event: &str) -> (Option<What>, Vec<Observation>) {
        match event {
            "pull_request" => (self.pull_request_number(), self.pull_request_moved()),
            "pull_request_review" => (self.pull_request_number(), self.reviewed().into_iter().collect()),
            "check_run" if matches!(self.action.as_deref(), Some("rerequested" | "requested_action" | "completed")) => {
                // Of a fork's head GitHub does not say which pull requests it belongs to, and one head may be that of several.
                let what = self.check_run.as_ref().and_then(|check| match check.pull_requests.as_slice() {
                    [one] => Some(What::PullRequest(PullRequestNumber(one.number))),
                    _ => Some(What::Head(CommitSha::new(check.head_sha.clone()?))),
                });
                (what, Vec::new())
            }
            "merge_group" if self.action.as_deref() == Some("checks_requested") => (self.merge_group(), Vec::new()),
            "push" => self.pushed(),
            "member" => (None, self.write_given().into_iter().collect()),
            "deployment_protection_rule" => self.asked(),
            // A status tells of its deployment as well, where the delivery about that one never came.
            "deployment" | "deployment_status" => {
                (self.run().or_else(|| self.deployment_alone()), self.deployed().into_iter().collect())
            }
            "deployment_review" => (self.run(), self.approved()),
            "workflow_run" => (self.run(), Vec::new()),
            "workflow_job" if self.action.as_deref() == Some("completed") => {
                (self.workflow_job.as_ref().map(|job| What::Run(RunId(job.run_id))), Vec::new())
            }
            _ => (None, Vec::new()),
        }
    }

    fn number(&self) -> Option<PullRequestNumber> {
        self.pull_request.as_ref().map(|pr| pr.number).or(self.number).map(PullRequestNumber)
    }

    fn pull_request_number(&self) -> Option<What> {
        self.number().map(What::PullRequest)
    }

    fn by(&self) -> Option<Account> {
        self.sender.clone().map(AccountPayload::account)
    }

    fn pull_request_moved(&self) -> Vec<Observation> {
        let (Some(number), Some(action)) = (self.number(), self.action.as_deref()) else { return Vec::new() };
        let moved = match action {
            "opened" => self.opened(number),
            "synchronize" => self.synchronized(number),
            _ => None,
        };
        moved.into_iter().chain(self.pushed_to_fork().filter(|_| action == "synchronize")).collect()
    }

    fn opened(&self, number: PullRequestNumber) -> Option<Observation> {
        let head = CommitSha::new(self.pull_request.as_ref()?.head.sha.clone());
        Some(Observation::Opened { number, head, by: self.by()?, arrival: None })
    }

    fn synchronized(&self, number: PullRequestNumber) -> Option<Observation> {
        let push = Push {
            before: CommitSha::new(self.before.clone()?),
            after: CommitSha::new(self.after.clone()?),
            by: self.by(),
            source: PushSource::SynchronizeDelivery,
        };
        Some(Observation::Synchronized { number, push })
    }

    /// Of a push to a fork no other delivery tells: its commit may go into another pull request yet.
    fn pushed_to_fork(&self) -> Option<Observation> {
        let here = self.repository.as_ref().map(|repository| repository.id);
        let from = self.pull_request.as_ref()?.head.repo.as_ref().map(|repository| repository.id);
        let commit = CommitSha::new(self.after.clone()?);
        (from != here).then(|| Observation::CommitListed { commit, by: self.by(), onto: None, branch: None })
    }

    fn reviewed(&self) -> Option<Observation> {
        if self.action.as_deref() != Some("submitted") {
            return None;
        }
        let review = self.review.as_ref()?;
        Some(Observation::Reviewed {
            number: self.number()?,
            review: ReviewId(review.id),
            commit: CommitSha::new(review.commit_id.clone()?),
            by: review.user.clone()?.account(),
        })
    }

    fn pushed(&self) -> (Option<What>, Vec<Observation>) {
        let (Some(branch), Some(before), Some(after)) =
            (self.reference.as_deref().and_then(|name| name.strip_prefix("refs/heads/")), &self.before, &self.after)
        else {
            return (None, Vec::new());
        };
        let (before, after) = (CommitSha::new(before.clone()), CommitSha::new(after.clone()));
        let what = (!after.is_zero()).then(|| What::Branch { name: branch.to_owned(), after: after.clone() });
        let push = Push { before, after: after.clone(), by: self.by(), source: PushSource::PushDelivery };
        let mut seen = vec![Observation::Pushed { branch: branch.to_owned(), push }];
        // Who merges a colleague's branch, or the base, into their own pushes that work again; another push brought it.
        let new = self.commits.iter().flatten().filter(|commit| commit.distinct);
        let listed = new.map(|commit| CommitSha::new(commit.id.clone()));
        let (onto, branch) = (Some(after), Some(branch.to_owned()));
        seen.extend(listed.map(|commit| Observation::CommitListed {
            commit,
            by: self.by(),
            onto: onto.clone(),
            branch: branch.clone(),
        }));
        (what, seen)
    }

    /// Write access given to somebody who had none. What the delivery leaves out is taken for the worse.
    fn write_given(&self) -> Option<Observation> {
        if !matches!(self.action.as_deref(), Some("added" | "edited")) {
            return None;
        }
        let permission = |end: &str| self.changes.as_ref()?.pointer(&format!("/permission/{end}"))?.as_str();
        let writes = |name: Option<&str>| name.map(|name| ["write", "push", "maintain", "admin"].contains(&name));
        let had = writes(permission("from")).unwrap_or(false);
        // A role of the organisation's own goes by its own name, which says nothing of what it may do.
        let reads = |name: &str| ["none", "read", "pull", "triage"].contains(&name);
        let has = !permission("to").is_some_and(reads);
        let to = AccountId(self.member.as_ref()?.id);
        (has && !had).then_some(Observation::WriteGiven { to, by: self.by()?, arrival: None })
    }

    fn merge_group(&self) -> Option<What> {
        let group = self.merge_group.as_ref()?;
        let base = group.base_ref.strip_prefix("refs/heads/").unwrap_or(&group.base_ref).to_owned();
        Some(What::MergeGroup { base, head: CommitSha::new(group.head_sha.clone()) })
    }

    fn run(&self) -> Option<What> {
        self.workflow_run.as_ref().map(|run| What::Run(RunId(run.id)))
    }

    /// A deployment that names no run.
    fn deployment_alone(&self) -> Option<What> {
        self.deployment.as_ref().map(|deployment| What::Deployment(DeploymentId(deployment.id)))
    }

    fn asked(&self) -> (Option<What>, Vec<Observation>) {
        let run = self.deployment_callback_url.as_deref().and_then(run_of_callback);
        let (Some(run), Some(environment)) = (run, self.environment.clone()) else { return (None, Vec::new()) };
        let node = self.deployment.as_ref().and_then(|deployment| deployment.node_id.clone());
        let deployment = self.deployment.as_ref().map(|deployment| DeploymentId(deployment.id));
        (Some(What::Run(run)), vec![Observation::GateAsked { run, environment, deployment, node }])
    }

    fn deployed(&self) -> Option<Observation> {
        let deployment = self.deployment.as_ref()?;
        let run = self.workflow_run.as_ref()?;
        Some(Observation::DeploymentCreated {
            deployment: DeploymentId(deployment.id),
            run: RunId(run.id),
            attempt: RunAttempt(run.run_attempt?),
            environment: deployment.environment.clone()?,
            node: deployment.node_id.clone(),
            run_node: run.node_id.clone(),
            commit: deployment.sha.clone().map(CommitSha::new),
        })
    }

    fn approved(&self) -> Vec<Observation> {
        let (Some("approved"), Some(run), Some(by)) =
            (self.action.as_deref(), &self.workflow_run, self.approver.clone())
        else {
            return Vec::new();
        };
        let Some(attempt) = run.run_attempt else { return Vec::new() };
        let by = by.account();
        let environments = self.workflow_job_runs.iter().flatten().chain(&self.workflow_job_run);
        environments
            .filter_map(|job| job.environment.clone())
            .map(|environment| Observation::EnvironmentApproved {
                run: RunId(run.id),
                attempt: RunAttempt(attempt),
                environment,
                by: by.clone(),
            })
            .collect()
    }
}

/// The run a rule's answer goes to: the only place where GitHub names it.
fn run_of_callback(address: &str) -> Option<RunId> {
    let rest = address.split("/actions/runs/").nth(1)?;
    rest.split('/').next()?.parse().ok().map(RunId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callback_address_names_the_run() {
        let address = "https://api.github.com/repos/acme/shop/actions/runs/42/deployment_protection_rule";
        assert_eq!(run_of_callback(address), Some(RunId(42)));
        assert_eq!(run_of_callback("https://api.github.com/repos/acme/shop/actions/runs/x/y"), None);
    }

    #[test]
    fn a_delivery_of_an_unknown_shape_says_nothing() {
        assert_eq!(read("pull_request", br#"{"action": 7}"#), Reading::default());
        assert_eq!(read("star", b"[]"), Reading::default());
    }

    #[test]
    fn only_write_access_that_was_not_there_before_was_given() {
        let given = |action: &str, changes: &str| {
            let body = format!(
                r#"{{"action":"{action}","member":{{"id":9,"login":"eve","type":"User"}},"changes":{changes},
                "repository":{{"id":1,"full_name":"a/b"}},"sender":{{"id":7,"login":"ann","type":"User"}}}}"#
            );
            read("member", body.as_bytes()).observations.len() == 1
        };
        assert!(given("added", r#"{"permission":{"to":"write"}}"#));
        assert!(given("edited", r#"{"permission":{"from":"read","to":"admin"}}"#));
        assert!(given("added", "null"), "what is left out is taken for the worse");
        assert!(given("added", r#"{"permission":{"to":"a-role-of-our-own"}}"#));
        assert!(!given("edited", r#"{"permission":{"from":"write","to":"maintain"}}"#));
        assert!(!given("added", r#"{"permission":{"to":"triage"}}"#));
        assert!(!given("removed", "null"));
    }

    #[test]
    fn a_push_lists_its_commits_and_where_it_left_the_branch() {
        let listed = |branch: &str| {
            let body = format!(
                r#"{{"ref":"refs/heads/{branch}","before":"00","after":"bb","commits":[{{"id":"aa"}},{{"id":"bb"}}],
                "repository":{{"id":1,"full_name":"a/b","default_branch":"main"}},"sender":{{"id":7,"login":"ann"}}}}"#
            );
            let listed = read("push", body.as_bytes()).observations.into_iter().filter_map(|seen| match seen {
                Observation::CommitListed { onto, .. } => Some(onto),
                _ => None,
            });
            listed.collect::<Vec<_>>()
        };
        assert_eq!(listed("feature"), [Some("bb".into()), Some("bb".into())]);
        assert_eq!(listed("main"), listed("feature"));
    }

    #[test]
    fn a_push_to_a_branch_is_kept_and_a_tag_is_not() {
        let body = br#"{"ref":"refs/heads/main","before":"00","after":"aa","repository":{"id":1,"full_name":"a/b"},
            "sender":{"id":7,"login":"ann","type":"User"},"installation":{"id":3}}"#;
        let reading = read("push", body);
        assert!(matches!(reading.observations.as_slice(), [Observation::Pushed { branch, .. }] if branch == "main"));
        let tag = br#"{"ref":"refs/tags/v1","before":"00","after":"aa","repository":{"id":1,"full_name":"a/b"}}"#;
        assert!(read("push", tag).observations.is_empty());
    }
}
