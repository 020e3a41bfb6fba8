//! The workflows of a repository: does every job that deploys to production ask, and is the asking wired right?
//!
//! Invariant: the files are read as they are on the production branch; one that cannot be read is unknown. Next:
//! `wiring.rs`, which reads a file.

use super::environment::Environment;
use super::wiring::{self, Gate, Job, Named, Workflow};
use super::{Findings, Place};
use crate::github::GitHubError;
use crate::settings::{Scope, same_environment};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::path::Path;

/// Which environments are deployed to by jobs, and whether each of these asks.
#[derive(Default)]
pub(super) struct Gates {
    /// The environment, where it is named plainly, and whether the job asks so that it blocks.
    jobs: Vec<(Option<String>, bool)>,
    /// Not all of it could be read.
    partly: bool,
}

impl Gates {
    /// Whether at least one job names the environment, and every one that does asks so that it blocks.
    pub(super) fn everywhere(&self, environment: &str) -> bool {
        let here = |name: &Option<String>| name.as_deref().is_none_or(|name| same_environment(name, environment));
        let mut here = self.jobs.iter().filter(|(name, _)| here(name)).peekable();
        !self.partly && here.peek().is_some() && here.all(|(_, asks)| *asks)
    }
}

#[derive(Deserialize)]
struct EntryPayload {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct FilePayload {
    content: Option<String>,
    encoding: Option<String>,
}

/// Events by which nothing is ever allowed to deploy.
const UNTRUSTED: [&str; 8] = [
    "pull_request_target",
    "pull_request",
    "issue_comment",
    "issues",
    "pull_request_review",
    "pull_request_review_comment",
    "discussion",
    "discussion_comment",
];

pub(super) async fn examine(
    place: &Place<'_>,
    scope: &Scope,
    environments: &[Environment],
    here: &mut Findings<'_>,
) -> Gates {
    let mut gates = Gates::default();
    let branch = place.branch.replace('%', "%25").replace('&', "%26").replace('#', "%23").replace('+', "%2B");
    let folder = place.path(&format!("/contents/.github/workflows?ref={branch}"));
    let listed = match place.client.get::<Vec<EntryPayload>>(&folder).await {
        Ok(listed) => listed,
        Err(GitHubError::NotFound(_)) => Vec::new(),
        Err(error) => {
            here.unread("the workflows", &error);
            gates.partly = true;
            return gates;
        }
    };
    let is_workflow = |path: &str| {
        Path::new(path)
            .extension()
            .is_some_and(|kind| ["yml", "yaml"].iter().any(|known| kind.eq_ignore_ascii_case(known)))
    };
    for entry in listed.iter().filter(|entry| entry.kind == "file" && is_workflow(&entry.path)) {
        match file(place, &entry.path, &branch).await.and_then(|text| wiring::read(&text)) {
            Ok(workflow) => of_workflow(&entry.path, &workflow, scope, environments, &mut gates, here),
            Err(why) => {
                gates.partly = true;
                here.unknown(
                    "workflow-unread",
                    format!("`{}` cannot be read: {why}", entry.path),
                    "Look at it yourself",
                );
            }
        }
    }
    gates
}

async fn file(place: &Place<'_>, path: &str, branch: &str) -> Result<String, String> {
    let escaped = path.replace('%', "%25").replace(' ', "%20").replace('#', "%23").replace('?', "%3F");
    let address = place.path(&format!("/contents/{escaped}?ref={branch}"));
    let file = place.client.get::<FilePayload>(&address).await.map_err(|error| error.to_string())?;
    match (file.content, file.encoding.as_deref()) {
        (Some(content), Some("base64")) => {
            let packed: String = content.split_whitespace().collect();
            let bytes = STANDARD.decode(packed).map_err(|error| error.to_string())?;
            String::from_utf8(bytes).map_err(|error| error.to_string())
        }
        _ => Err("GitHub does not show its content".to_owned()),
    }
}

fn of_workflow(
    path: &str,
    workflow: &Workflow,
    scope: &Scope,
    environments: &[Environment],
    gates: &mut Gates,
    here: &mut Findings<'_>,
) {
    let mut deploys = false;
    for job in &workflow.jobs {
        let at = format!("job `{}` of `{path}`", job.id);
        match (&job.environment, &job.gate) {
            (Named::Plainly(named), gate) if scope.covers(named) => {
                deploys = true;
                let rule = environments.iter().find(|one| same_environment(&one.name, named)).and_then(|one| one.rule);
                let asks = if let Some(gate) = gate {
                    of_gate(&at, job, gate, named, here)
                } else {
                    gate_missing(&at, named, rule, here);
                    false
                };
                gates.jobs.push((Some(named.clone()), asks));
            }
            (Named::ByExpression(named), Some(gate)) => {
                let asks = of_gate(&at, job, gate, named, here);
                gates.jobs.push((None, asks));
            }
            (Named::ByExpression(named), None) => {
                gates.partly = true;
                let what = format!("{at} names its environment by `{named}`: whether that is production is not known");
                here.unknown("environment-computed", what, "Name it plainly, or ask through the Action in that job");
            }
            (Named::None, Some(_)) => here.broken(
                "environment-not-named",
                format!("{at} asks, and names no environment: it is never allowed"),
                "Add `environment:` to the job: GitHub then signs it into the run's token",
            ),
            _ => {}
        }
        if let Some(elsewhere) = &job.calls_elsewhere {
            gates.partly = true;
            here.unknown(
                "workflow-elsewhere",
                format!("{at} calls `{elsewhere}`, which is not read here"),
                "See that a job of it which names a production environment asks through the Action",
            );
        }
    }
    let untrusted: Vec<&str> =
        workflow.events.iter().map(String::as_str).filter(|event| UNTRUSTED.contains(event)).collect();
    if deploys && !untrusted.is_empty() {
        let events = untrusted.join(", ");
        let what =
            format!("`{path}` deploys to production and runs by {events}: what it deploys then is always denied");
        let remedy = "Deploy by a push to the production branch, by hand, a release, a schedule or the deployments API";
        if untrusted.contains(&"pull_request_target") {
            here.broken("event-untrusted", what, remedy);
        } else {
            here.weak("event-untrusted", what, remedy);
        }
    }
}

fn gate_missing(at: &str, environment: &str, rule: Option<bool>, here: &mut Findings<'_>) {
    let remedy = "Put the Action right before the step that deploys (see examples/)";
    if rule == Some(true) {
        here.weak(
            "gate-missing",
            format!(
                "{at} deploys to `{environment}` by our rule alone: a re-run of failed jobs is not asked about again"
            ),
            remedy,
        );
    } else {
        here.broken("gate-missing", format!("{at} deploys to `{environment}` and does not ask"), remedy);
    }
}

/// Looks at a gate; says whether it blocks.
fn of_gate(at: &str, job: &Job, gate: &Gate, environment: &str, here: &mut Findings<'_>) -> bool {
    let mut faults: Vec<(&'static str, String, &str)> = Vec::new();
    if !gate.standalone && !job.may_prove_itself {
        faults.push((
            "id-token-missing",
            format!("{at} may not prove which run it is: it is always refused"),
            "Add `permissions: {id-token: write}` to the job",
        ));
    }
    if !gate.standalone && !gate.names_server {
        faults.push(("server-missing", format!("{at} names no server to ask"), "Set `server`, or `standalone: true`"));
    }
    if gate.reports_only {
        faults.push(("report-only", format!("{at} asks in report mode, which never blocks"), "Set `mode: enforce`"));
    }
    if gate.is_ignored {
        faults.push(("gate-ignored", format!("{at} goes on where the gate fails"), "Take `continue-on-error` away"));
    }
    if gate.is_conditional {
        faults.push(("gate-conditional", format!("{at} may skip the gate"), "Take the gate's `if` away"));
    }
    let plain = !environment.contains("${{");
    if let Some(asked) = gate.environment.as_deref().filter(|asked| plain && !same_environment(asked, environment)) {
        faults.push((
            "environment-differs",
            format!("{at} runs in `{environment}` and asks for `{asked}`"),
            "Ask for the environment that the job names",
        ));
    }
    if !gate.is_followed {
        faults.push((
            "gate-last",
            format!("{at} asks in its last step: what deploys has run before, or runs in another job"),
            "Put the Action right before the step that deploys, in the same job",
        ));
    }
    let blocks = faults.is_empty();
    for (code, what, remedy) in faults {
        here.broken(code, what, remedy);
    }
    let mut notes: Vec<(&'static str, String, &str)> = Vec::new();
    if !job.deploys_before.is_empty() {
        let steps = job.deploys_before.join("`, `");
        notes.push((
            "deploys-before-gate",
            format!("{at} seems to deploy before it asks: `{steps}`"),
            "Ask before anything is deployed",
        ));
    }
    if !job.prepares_after.is_empty() {
        let steps = job.prepares_after.join("`, `");
        notes.push((
            "gate-early",
            format!("{at} still prepares after it has asked: `{steps}`"),
            "Prepare first, then ask, then deploy at once",
        ));
    }
    if !job.runs_after_denial.is_empty() {
        let steps = job.runs_after_denial.join("`, `");
        notes.push((
            "runs-after-denial",
            format!("{at} runs these also after a denial: `{steps}`"),
            "See that they deploy nothing",
        ));
    }
    if let Some(at_ref) = &gate.unpinned {
        notes.push((
            "action-unpinned",
            format!("{at} takes the Action from `{at_ref}`, which can be moved"),
            "Pin it to a commit",
        ));
    }
    for (code, what, remedy) in notes {
        here.weak(code, what, remedy);
    }
    if blocks {
        here.holds("gate", format!("{at} asks before it deploys to `{environment}`"));
    }
    blocks
}
