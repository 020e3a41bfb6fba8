//! How a workflow deploys and asks: read from its file alone.
//!
//! Invariant: what a file does not say plainly (an expression, a workflow elsewhere) is unknown, not in order. Next:
//! `workflow.rs`, which reads the files and holds this against the environments.

use serde_json::{Map, Value};

/// A workflow file, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workflow {
    /// What starts it.
    pub events: Vec<String>,
    /// Its jobs.
    pub jobs: Vec<Job>,
}

/// What a job says of its environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// It names none.
    None,
    /// This one.
    Plainly(String),
    /// Something that is only known when it runs.
    ByExpression(String),
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its key.
    pub id: String,
    /// The environment it names.
    pub environment: Named,
    /// Whether it may ask for its identity: `id-token: write`.
    pub may_prove_itself: bool,
    /// The workflow that it calls, where it is of another repository.
    pub calls_elsewhere: Option<String>,
    /// Where it asks, for the last time.
    pub gate: Option<Gate>,
    /// Steps before the gate that look as if they deployed.
    pub deploys_before: Vec<String>,
    /// Steps between the gate and the end that only prepare.
    pub prepares_after: Vec<String>,
    /// Steps after the gate that run also when it has denied.
    pub runs_after_denial: Vec<String>,
}

/// A step that asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools)] // each is a way of its own to wire it wrongly
pub struct Gate {
    /// Judges by itself, with the job's token.
    pub standalone: bool,
    /// Only says, and never blocks.
    pub reports_only: bool,
    /// The job goes on where it fails.
    pub is_ignored: bool,
    /// It may be skipped.
    pub is_conditional: bool,
    /// It names a server.
    pub names_server: bool,
    /// The environment it asks for, where it says so plainly.
    pub environment: Option<String>,
    /// A branch or tag that it is taken from: it can be changed under us.
    pub unpinned: Option<String>,
    /// Something comes after it in the job.
    pub is_followed: bool,
}

/// Reads a workflow file.
pub fn read(text: &str) -> Result<Workflow, String> {
    let whole: Value = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    let whole = whole.as_object().ok_or("it is no mapping")?;
    let may_prove = permission(whole.get("permissions"));
    let jobs = whole.get("jobs").and_then(Value::as_object).ok_or("it has no jobs")?;
    let read = |(id, job): (&String, &Value)| read_job(id, job.as_object().unwrap_or(&Map::new()), may_prove);
    Ok(Workflow {
        events: events(whole.get("on").or_else(|| whole.get("true"))),
        jobs: jobs.iter().map(read).collect(),
    })
}

fn events(on: Option<&Value>) -> Vec<String> {
    match on {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::Object(all)) => all.keys().cloned().collect(),
        _ => Vec::new(),
    }
}

/// What `permissions` says of `id-token`; `None` where it says nothing at all.
fn permission(permissions: Option<&Value>) -> Option<bool> {
    match permissions? {
        Value::String(all) => Some(all == "write-all"),
        Value::Object(each) => Some(each.get("id-token").and_then(Value::as_str) == Some("write")),
        _ => Some(false),
    }
}

fn read_job(id: &str, job: &Map<String, Value>, of_workflow: Option<bool>) -> Job {
    let environment = match job.get("environment") {
        None | Some(Value::Null) => Named::None,
        Some(Value::Object(named)) => plainly(named.get("name")),
        named => plainly(named),
    };
    let calls = job.get("uses").and_then(Value::as_str);
    let steps: Vec<&Map<String, Value>> =
        job.get("steps").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object).collect();
    let place = steps.iter().rposition(|step| asks(step));
    let mut gate = place.and_then(|place| steps.get(place)).map(|step| read_gate(step));
    let (before, after) = match place {
        Some(place) => (steps.get(..place).unwrap_or_default(), steps.get(place + 1..).unwrap_or_default()),
        None => (&[][..], &[][..]),
    };
    if let Some(gate) = &mut gate {
        gate.is_followed = !after.is_empty();
        gate.is_ignored |= truthy(job.get("continue-on-error"));
    }
    let named = |which: fn(&Map<String, Value>) -> bool, steps: &[&Map<String, Value>]| -> Vec<String> {
        steps.iter().filter(|step| which(step)).map(|step| name(step)).collect()
    };
    Job {
        id: id.to_owned(),
        environment,
        may_prove_itself: permission(job.get("permissions")).or(of_workflow).unwrap_or(false),
        calls_elsewhere: calls.filter(|calls| !calls.starts_with("./")).map(str::to_owned),
        gate,
        deploys_before: named(looks_like_deploying, before),
        prepares_after: named(only_prepares, after),
        runs_after_denial: named(runs_always, after),
    }
}

fn plainly(named: Option<&Value>) -> Named {
    match named {
        Some(Value::String(name)) if name.contains("${{") => Named::ByExpression(name.clone()),
        Some(Value::String(name)) => Named::Plainly(name.clone()),
        Some(other) => Named::ByExpression(other.to_string()),
        None => Named::None,
    }
}

fn text<'s>(step: &'s Map<String, Value>, key: &str) -> &'s str {
    step.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Whether a step is the gate: our Action (not the one that checks pull requests), or our program.
fn asks(step: &Map<String, Value>) -> bool {
    let uses = text(step, "uses");
    let path = uses.split('@').next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').collect();
    let ours = matches!(parts.as_slice(), [_, "countersign"]) && !path.starts_with('.');
    ours || path == "./" || runs_gate(text(step, "run"))
}

fn runs_gate(run: &str) -> bool {
    run.lines().any(|line| !line.trim_start().starts_with('#') && line.contains("countersign gate"))
}

fn read_gate(step: &Map<String, Value>) -> Gate {
    let empty = Map::new();
    let with = step.get("with").and_then(Value::as_object).unwrap_or(&empty);
    let env = step.get("env").and_then(Value::as_object).unwrap_or(&empty);
    let run = text(step, "run");
    let input = |name: &str, variable: &str| {
        let given = with.get(name).or_else(|| env.get(variable));
        given.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).unwrap_or_default()
    };
    let uses = text(step, "uses");
    let pinned = |at: &str| at.len() == 40 && at.bytes().all(|byte| byte.is_ascii_hexdigit());
    let unpinned = uses.split_once('@').map(|(_, at)| at.to_owned()).filter(|at| !pinned(at));
    let condition = match step.get("if") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.replace("${{", "").replace("}}", "").trim().to_owned(),
        Some(other) => other.to_string(),
    };
    let environment = input("environment", "GATE_ENVIRONMENT");
    Gate {
        standalone: input("standalone", "GATE_STANDALONE") == "true" || run.contains("--standalone"),
        reports_only: input("mode", "GATE_MODE") == "report"
            || run.contains("--mode report")
            || run.contains("--mode=report"),
        is_ignored: truthy(step.get("continue-on-error")) || (runs_gate(run) && run.contains("|| true")),
        is_conditional: !["", "success()", "always()", "!cancelled()", "true"].contains(&condition.as_str()),
        names_server: !input("server", "GATE_SERVER").is_empty() || run.contains("--server"),
        environment: Some(environment).filter(|named| !named.is_empty() && !named.contains("${{")),
        unpinned,
        is_followed: false,
    }
}

fn truthy(value: Option<&Value>) -> bool {
    // An expression may be true.
    !matches!(value, None | Some(Value::Null | Value::Bool(false)))
}

/// Runs whatever became of the steps before it.
fn runs_always(step: &Map<String, Value>) -> bool {
    let condition = text(step, "if");
    ["always()", "failure()", "cancelled()"].iter().any(|word| condition.contains(word))
}

/// Takes time and changes what will be deployed: it belongs before the question.
fn only_prepares(step: &Map<String, Value>) -> bool {
    let uses = text(step, "uses");
    let action = uses.split('@').next().unwrap_or_default();
    let known = ["actions/checkout", "actions/cache", "actions/download-artifact", "docker/build-push-action"];
    known.contains(&action) || action.starts_with("actions/setup-")
}

fn looks_like_deploying(step: &Map<String, Value>) -> bool {
    const WORDS: [&str; 8] = [
        "kubectl apply",
        "kubectl set image",
        "kubectl rollout",
        "helm upgrade",
        "helm install",
        "terraform apply",
        "gcloud run deploy",
        "cdk deploy",
    ];
    let run = text(step, "run");
    let named = step.get("name").and_then(Value::as_str).unwrap_or_default().to_lowercase();
    WORDS.iter().any(|word| run.contains(word)) || named.starts_with("deploy")
}

fn name(step: &Map<String, Value>) -> String {
    let first = |text: &str| text.lines().next().unwrap_or_default().trim().to_owned();
    ["name", "id", "uses", "run"]
        .into_iter()
        .map(|key| first(text(step, key)))
        .find(|name| !name.is_empty())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    const RIGHT: &str = "
on: {push: {branches: [main]}}
jobs:
  deploy:
    permissions: {id-token: write, contents: read}
    environment: {name: production, url: https://shop.example.com}
    steps:
      - uses: actions/checkout@v4
      - uses: acme/countersign@0123456789012345678901234567890123456789
        with: {server: https://countersign.example.com, environment: production}
      - run: kubectl apply -f shop.yaml
";

    fn only(text: &str) -> Job {
        read(text).unwrap().jobs.remove(0)
    }

    #[test]
    fn a_job_that_asks_right_before_it_deploys_is_read_as_such() {
        assert_eq!(read(RIGHT).unwrap().events, ["push"]);
        let job = only(RIGHT);
        assert_eq!(job.environment, Named::Plainly("production".to_owned()));
        assert!(job.may_prove_itself && job.deploys_before.is_empty() && job.prepares_after.is_empty());
        let gate = job.gate.unwrap();
        let right = Gate {
            names_server: true,
            environment: Some("production".to_owned()),
            is_followed: true,
            ..Gate::default()
        };
        assert_eq!(gate, right);
    }

    #[test]
    fn each_way_to_wire_it_wrongly_is_seen() {
        let changed = |from: &str, to: &str| {
            assert!(RIGHT.contains(from));
            only(&RIGHT.replace(from, to))
        };
        assert!(!changed("id-token: write, ", "").may_prove_itself);
        assert!(!changed("    permissions: {id-token: write, contents: read}\n", "").may_prove_itself);
        let gate = |to: &str| changed("environment: production}\n", to).gate.unwrap();
        assert!(gate("environment: production, mode: report}\n").reports_only);
        assert!(gate("environment: production}\n        continue-on-error: true\n").is_ignored);
        assert!(gate("environment: production}\n        if: github.actor != 'ann'\n").is_conditional);
        assert!(!gate("environment: production}\n        if: ${{ success() }}\n").is_conditional);
        assert_eq!(gate("environment: staging}\n").environment.as_deref(), Some("staging"));
        assert!(gate("environment: production, standalone: true}\n").standalone);
        assert!(!changed("server: https://countersign.example.com, ", "").gate.unwrap().names_server);
        assert_eq!(
            changed("0123456789012345678901234567890123456789", "v1").gate.unwrap().unpinned.as_deref(),
            Some("v1")
        );
        let moved = changed("      - run: kubectl apply -f shop.yaml\n", "");
        assert!(!moved.gate.unwrap().is_followed);
        let early = changed("      - run: kubectl", "      - uses: actions/setup-node@v4\n      - run: kubectl");
        assert_eq!(early.prepares_after, ["actions/setup-node@v4"]);
        let late = changed("      - uses: actions/checkout@v4", "      - run: helm upgrade shop");
        assert_eq!(late.deploys_before, ["helm upgrade shop"]);
        let always = changed("- run: kubectl apply -f shop.yaml", "- run: kubectl apply\n        if: always()");
        assert_eq!(always.runs_after_denial, ["kubectl apply"]);
        assert!(changed("acme/countersign@", "acme/countersign/check@").gate.is_none());
        let computed = changed("{name: production, url: https://shop.example.com}", "${{ inputs.where }}");
        assert_eq!(computed.environment, Named::ByExpression("${{ inputs.where }}".to_owned()));
    }

    #[test]
    fn the_program_itself_asks_too() {
        let job = only("jobs: {go: {steps: [{run: 'countersign gate --server x --standalone'}, {run: go}]}}");
        let gate = job.gate.unwrap();
        assert!(gate.standalone && gate.names_server && gate.is_followed);
        assert_eq!(job.environment, Named::None);
        assert!(only("jobs: {go: {steps: [{run: '# countersign gate'}]}}").gate.is_none());
    }

    #[test]
    fn a_workflow_of_another_repository_is_out_of_sight() {
        let elsewhere = only("jobs: {go: {uses: acme/pipelines/.github/workflows/deploy.yml@main}}");
        assert_eq!(elsewhere.calls_elsewhere.as_deref(), Some("acme/pipelines/.github/workflows/deploy.yml@main"));
        assert_eq!(only("jobs: {go: {uses: ./.github/workflows/deploy.yml}}").calls_elsewhere, None);
        assert!(read("- a list").is_err() && read("jobs: [").is_err());
    }
}
