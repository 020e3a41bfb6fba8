//! What GitHub is told: the check run on a pull request's head, the answer of the deployment protection rule.
//!
//! Invariant: publishing is idempotent. What was told is noted, and nothing is told twice: where a crash may have come in
//! between, the check run that names the decision is looked for first.

use super::client::{Client, GitHubError};
use crate::store::{PublicationTarget, Recorded, Store};
use countersign_core::domain::{CommitSha, Decision, DeploymentId, Outcome, Repository, RunAttempt, RunId};
use countersign_core::policy;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The name of the required check.
pub const CHECK: &str = "Countersign";

/// A rule may send ten notes; some are kept for the end.
const NOTES: u32 = 8;

/// What stands for a rule that was approved or rejected, where notes are counted before.
const ANSWERED: &str = "answered";

/// The decision that a check or an answer shows.
pub struct Shown<'a> {
    /// The decision.
    pub decision: &'a Decision,
    /// Where it is on record.
    pub recorded: &'a Recorded,
    /// The address of its page.
    pub page: String,
}

/// Shows a decision as the check run "Countersign" on a commit.
pub async fn check(
    client: &Client,
    store: &Store,
    repository: &Repository,
    commit: &CommitSha,
    shown: &Shown<'_>,
) -> Result<(), GitHubError> {
    let verdict = &shown.decision.verdict;
    let title = policy::title(verdict);
    let conclusion = match verdict.outcome {
        Outcome::Allow | Outcome::Exception => Some("success"),
        Outcome::Deny | Outcome::Undetermined => Some("failure"),
        Outcome::Pending => None,
    };
    let target = PublicationTarget { repository: repository.id, target: format!("check:{commit}") };
    let digest = digest(&[&shown.decision.id, conclusion.unwrap_or("in_progress"), &title]);
    let earlier = store.published(&target).await?;
    if earlier.as_ref().is_some_and(|(_, told)| *told == digest) {
        return Ok(());
    }
    let body = json!({
        "name": CHECK,
        "head_sha": commit,
        "details_url": shown.page,
        "external_id": shown.decision.id,
        "status": if conclusion.is_some() { "completed" } else { "in_progress" },
        "conclusion": conclusion,
        "output": {"title": title, "summary": summary(shown)},
        "actions": [{"label": "Look again", "description": "Read GitHub again and decide", "identifier": "look_again"}],
    });
    let body = without_null(body);
    let path = format!("/repos/{}/check-runs", repository.full_name);
    // A check that was completed is not opened again but followed by a new one: the newest of a name is the one that counts.
    let reuse = match told_before(client, &format!("/repos/{}", repository.full_name), commit, shown).await? {
        Some(id) => Some(id),
        None => earlier.filter(|_| conclusion.is_some()).map(|(id, _)| id),
    };
    let answer = match reuse {
        Some(id) => client.write("PATCH", &format!("{path}/{id}"), &body).await?,
        None => client.write("POST", &path, &body).await?,
    };
    let id = answer.get("id").and_then(Value::as_u64).map(|id| id.to_string());
    let id = id.ok_or_else(|| GitHubError::Unreadable("a check run without an id".to_owned()))?;
    store.note_published(target, id, digest).await?;
    Ok(())
}

#[derive(Deserialize)]
struct CheckRuns {
    check_runs: Vec<CheckRun>,
}

#[derive(Deserialize)]
struct CheckRun {
    id: u64,
    external_id: Option<String>,
}

/// The check run that was told of this decision already, where nobody lived to note it. A decision that is new cannot have
/// been told, so this costs a call only after a crash, a lost answer, or a change of what else shares the commit.
async fn told_before(
    client: &Client,
    repository: &str,
    commit: &CommitSha,
    shown: &Shown<'_>,
) -> Result<Option<String>, GitHubError> {
    if shown.recorded.fresh && shown.recorded.decision == shown.decision.id {
        return Ok(None);
    }
    let app = client.app_id();
    let path = format!("{repository}/commits/{commit}/check-runs?check_name={CHECK}&app_id={app}&per_page=100");
    let latest: CheckRuns = client.get(&path).await?;
    let told = latest.check_runs.into_iter().find(|run| run.external_id.as_ref() == Some(&shown.decision.id));
    Ok(told.map(|run| run.id.to_string()))
}

fn summary(shown: &Shown<'_>) -> String {
    let recorded = shown.recorded;
    let kept = format!(
        "\n\n---\nDecision [`{}`]({}). Ledger at this moment: {} entries, root `{}`.\n",
        shown.decision.id, shown.page, recorded.size, recorded.root
    );
    policy::summary_markdown(&shown.decision.verdict, &shown.decision.facts, &kept)
}

/// A gate that waits for an answer.
pub struct Gate<'a> {
    /// The run.
    pub run: RunId,
    /// The attempt.
    pub attempt: RunAttempt,
    /// The environment, as GitHub spells it.
    pub environment: &'a str,
    /// The deployment that waits; a later job of the attempt waits with another one.
    pub deployment: Option<DeploymentId>,
    /// Whether a verdict that is still open must be answered with a rejection: nothing more is going to come.
    pub last_try: bool,
}

/// Answers a deployment protection rule, or leaves a note there while something is still to come.
pub async fn answer(
    client: &Client,
    store: &Store,
    repository: &Repository,
    gate: &Gate<'_>,
    shown: &Shown<'_>,
) -> Result<(), GitHubError> {
    let verdict = &shown.decision.verdict;
    let state = match verdict.outcome {
        Outcome::Allow | Outcome::Exception => Some("approved"),
        Outcome::Deny => Some("rejected"),
        Outcome::Undetermined if gate.last_try => Some("rejected"),
        Outcome::Pending | Outcome::Undetermined => None,
    };
    let target = rule(repository, gate);
    let digest = digest(&[&shown.decision.id, state.unwrap_or("note")]);
    let earlier = store.published(&target).await?;
    if earlier.as_ref().is_some_and(|(said, told)| *told == digest || said == ANSWERED) {
        return Ok(());
    }
    let notes: u32 = earlier.and_then(|(count, _)| count.parse().ok()).unwrap_or(0);
    if state.is_some() || notes < NOTES {
        let body = json!({"environment_name": gate.environment, "state": state, "comment": comment(shown)});
        let body = without_null(body);
        let path = format!("/repos/{}/actions/runs/{}/deployment_protection_rule", repository.full_name, gate.run);
        match client.write("POST", &path, &body).await {
            Ok(_) => {}
            // The run does not wait any more: cancelled, or somebody passed the gate by. A missing
            // permission is another matter: it may be given while the run waits.
            Err(GitHubError::Refused { status, message, .. }) if status != 403 => {
                tracing::warn!(run = %gate.run, status, message, "the answer of the rule was not wanted any more");
            }
            Err(error) => return Err(error),
        }
    }
    let said = if state.is_some() { ANSWERED.to_owned() } else { (notes + 1).to_string() };
    store.note_published(target, said, digest).await?;
    Ok(())
}

/// Whether the rule was answered for good: what is decided later cannot reach that gate any more.
pub async fn is_answered(store: &Store, repository: &Repository, gate: &Gate<'_>) -> Result<bool, GitHubError> {
    let told = store.published(&rule(repository, gate)).await?;
    Ok(told.is_some_and(|(said, _)| said == ANSWERED))
}

fn rule(repository: &Repository, gate: &Gate<'_>) -> PublicationTarget {
    let Gate { run, attempt, environment, .. } = gate;
    let deployment = gate.deployment.map(|deployment| format!("/{deployment}")).unwrap_or_default();
    PublicationTarget { repository: repository.id, target: format!("rule:{run}/{attempt}/{environment}{deployment}") }
}

fn comment(shown: &Shown<'_>) -> String {
    let recorded = shown.recorded;
    let root: String = recorded.root.chars().take(16).collect();
    let kept = format!("\n\n[Decision]({}) · ledger {} `{root}`", shown.page, recorded.size);
    policy::short_comment(&shown.decision.verdict, &kept)
}

/// GitHub takes a field that is null for a field of the wrong kind.
fn without_null(mut body: Value) -> Value {
    if let Some(fields) = body.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    body
}

fn digest(parts: &[&str]) -> String {
    hex::encode(Sha256::digest(parts.join("\n").as_bytes()))
}
