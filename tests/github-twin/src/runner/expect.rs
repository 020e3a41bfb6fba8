//! What is expected, compared with what the service wrote back to the twin and with its evidence API.
//!
//! Invariant: a thing that is not there never equals what was expected of it. Accounts are compared by id.

use super::service::config;
use super::stage::Stage;
use crate::model::{APP_COUNTERSIGN, CheckRun, RuleState, World};
use crate::story::{ChangeIs, CheckIs, Expect, ExpectChange, ExpectCheck, ExpectGate, GateIs};
use serde_json::Value;
use std::collections::BTreeSet;
use tokio::process::Command;

type Result<T> = std::result::Result<T, String>;

/// The name of our check.
const CHECK: &str = "Countersign";

pub(super) async fn compare(stage: &mut Stage, expected: &Expect) -> Result<()> {
    if let Some(check) = &expected.check {
        let head = stage.world.lock().pulls.get(&check.pr).map(|pull| pull.head.sha.clone());
        let head = head.ok_or_else(|| format!("there is no pull request {}", check.pr))?;
        compare_check(stage, check, &head).await?;
    }
    if let Some(check) = &expected.queue_check {
        let head = {
            let world = stage.world.lock();
            let group = world.merge_groups.iter().rev().find(|group| group.pulls.contains(&check.pr));
            group.map(|group| group.head_sha.clone())
        };
        let head = head.ok_or_else(|| format!("expected a merge group with #{}, seen none", check.pr))?;
        compare_check(stage, check, &head).await?;
    }
    if let Some(gate) = &expected.gate {
        compare_gate(stage, gate).await?;
    }
    if let Some(change) = &expected.change {
        compare_change(stage, change).await?;
    }
    if let Some(count) = expected.decisions {
        let seen = get(stage, "/api/v1/decisions").await?;
        same("decisions", &Value::from(count), seen.get("total").unwrap_or(&Value::Null))?;
    }
    if expected.ledger.is_some() {
        ledger_is_valid(stage).await?;
    }
    if let Some(alerts) = &expected.alerts {
        let seen = items(&get(stage, "/api/v1/alerts").await?).iter().filter_map(code).collect::<BTreeSet<_>>();
        let all = alerts.iter().all(|alert| seen.contains(alert));
        // An empty list says that there are none.
        if !all || (alerts.is_empty() && !seen.is_empty()) {
            return Err(format!("expected alerts {alerts:?}, seen {seen:?}"));
        }
    }
    if let Some(status) = expected.http {
        let seen = stage.gate.as_ref().map(|gate| gate.status);
        same("the gate's status", &Value::from(status), &Value::from(seen))?;
    }
    Ok(())
}

async fn compare_check(stage: &Stage, expected: &ExpectCheck, head: &str) -> Result<()> {
    let ours = |run: &&CheckRun| run.app == APP_COUNTERSIGN && run.name == CHECK && run.head_sha == head;
    let run = stage.world.lock().check_runs.iter().rev().find(ours).cloned();
    let Some(run) = run else {
        return Err(format!("expected a check on #{}, seen none", expected.pr));
    };
    let is = match (run.status.as_str(), run.conclusion.as_deref()) {
        ("completed", Some("success")) => Some(CheckIs::Success),
        ("completed", Some("failure")) => Some(CheckIs::Failure),
        ("in_progress", None) => Some(CheckIs::Pending),
        _ => None,
    };
    let decision = match &run.external_id {
        Some(id) => get(stage, &format!("/api/v1/decisions/{id}")).await?,
        None => Value::Null,
    };
    let reported = Reported::of(&decision);
    if is != Some(expected.is) {
        let title = run.title.unwrap_or_default();
        return Err(format!(
            "expected {:?}, seen {} {} `{title}` ({reported})",
            expected.is,
            run.status,
            run.conclusion.unwrap_or_default()
        ));
    }
    if let Some(text) = &expected.titled {
        let title = run.title.unwrap_or_default();
        if !title.contains(text) {
            return Err(format!("expected a title with `{text}`, seen `{title}`"));
        }
    }
    if decision.is_null() {
        return Err("expected the check to name its decision, seen no external_id".to_owned());
    }
    reported.compare(&expected.because, expected.is == CheckIs::Success)
}

async fn compare_gate(stage: &Stage, expected: &ExpectGate) -> Result<()> {
    let newest = {
        let world = stage.world.lock();
        world.deployments.values().next_back().map(|deployment| {
            let asked = world.rule_requests.iter().rev().find(|request| request.deployment == deployment.id);
            let answer = asked.map(|request| (request.state, request.notes.last().cloned().unwrap_or_default()));
            (deployment.run, deployment.attempt, answer)
        })
    };
    let Some((Some(run), attempt, answer)) = newest else {
        return Err("expected a deployment, seen none".to_owned());
    };
    let listed = items(&get(stage, &format!("/api/v1/deployments?run={run}")).await?);
    let of_attempt = |item: &&Value| item.get("attempt").and_then(Value::as_u64) == Some(attempt);
    let id = listed.iter().find(of_attempt).and_then(|item| item.get("decision_id")?.as_str().map(str::to_owned));
    let Some(id) = id else {
        let said = answer.map(|(state, note)| format!(": the rule was answered {state:?} `{note}`"));
        return Err(format!(
            "expected a decision about run {run}, attempt {attempt}, seen none{}",
            said.unwrap_or_default()
        ));
    };
    let decision = get(stage, &format!("/api/v1/decisions/{id}")).await?;
    let reported = Reported::of(&decision);
    let outcome = decision.get("outcome").and_then(Value::as_str).unwrap_or_default();
    if outcome != gate_word(expected.is) {
        let why = texts(&decision);
        return Err(format!("expected {}, seen {outcome} ({reported}): {why}", gate_word(expected.is)));
    }
    if let Some((state, _)) = answer {
        let agrees = match expected.is {
            GateIs::Allow | GateIs::Exception => state == Some(RuleState::Approved),
            GateIs::Deny => state == Some(RuleState::Rejected),
            GateIs::Pending => state.is_none(),
            GateIs::Undetermined => state != Some(RuleState::Approved),
        };
        if !agrees {
            return Err(format!("the decision says {outcome}, but the rule was answered {state:?}"));
        }
    }
    reported.compare(&expected.because, expected.is == GateIs::Allow)?;
    if let Some(logins) = &expected.can_deploy {
        same_accounts(&stage.world.lock(), "can_deploy", logins, &accounts(&decision, "can_deploy"))?;
    }
    if let Some(name) = &expected.up_to {
        let wanted = stage.world.lock().resolve(name).map_err(|error| error.to_string())?;
        same("up_to", &Value::from(wanted), decision.get("up_to").unwrap_or(&Value::Null))?;
    }
    Ok(())
}

async fn compare_change(stage: &Stage, expected: &ExpectChange) -> Result<()> {
    let name = match (expected.pr, &expected.commit) {
        (Some(number), None) => number.to_string(),
        (None, Some(name)) => stage.world.lock().resolve(name).map_err(|error| error.to_string())?,
        _ => return Err("a change is named by `pr` or by `commit`".to_owned()),
    };
    let change = get(stage, &format!("/api/v1/changes/acme/shop/{name}")).await?;
    let reported = Reported::of_change(&change);
    let outcome = change.get("outcome").and_then(Value::as_str).unwrap_or_default();
    let wanted = match expected.is {
        ChangeIs::Compliant => "allow",
        ChangeIs::Violation => "deny",
        ChangeIs::Undetermined => "undetermined",
    };
    if outcome != wanted {
        return Err(format!("expected the change to be {wanted}, seen {outcome} ({reported})"));
    }
    reported.compare(&expected.because, expected.is == ChangeIs::Compliant)?;
    let world = stage.world.lock();
    if let Some(logins) = &expected.contributors {
        same_accounts(&world, "contributors", logins, &accounts(&change, "contributors"))?;
    }
    if let Some(logins) = &expected.reviewers {
        same_accounts(&world, "reviewers", logins, &accounts(&change, "reviewers"))?;
    }
    Ok(())
}

/// What an auditor would do: export, then verify with the ledger's public key alone.
async fn ledger_is_valid(stage: &mut Stage) -> Result<()> {
    let key = stage.read("/api/v1/ledger/key").await?;
    stage.exports += 1;
    let bundle = stage.directory().join(format!("bundle-{}", stage.exports));
    let mut export = Command::new(&stage.binary);
    export.args(["evidence", "export", "--config"]).arg(config(stage.directory())).arg("--out").arg(&bundle);
    succeed("evidence export", export).await?;
    let mut verify = Command::new(&stage.binary);
    verify.args(["evidence", "verify"]).arg(&bundle).args(["--key", key.trim()]);
    succeed("evidence verify", verify).await
}

async fn succeed(what: &str, mut command: Command) -> Result<()> {
    let output = command.output().await.map_err(|error| format!("{what}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = said.trim().lines().rev().take(3).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    Err(format!("{what}: expected success, seen {}: {}", output.status, last.join(" / ")))
}

/// The codes that a verdict reports.
#[derive(Debug, Default)]
struct Reported {
    /// On changes and the release.
    reasons: BTreeSet<String>,
    /// On approvals that do not count.
    of_reviews: BTreeSet<String>,
}

impl Reported {
    fn of(decision: &Value) -> Self {
        let mut reported = Self::default();
        for change in list(decision, "changes") {
            let of_change = Self::of_change(change);
            reported.reasons.extend(of_change.reasons);
            reported.of_reviews.extend(of_change.of_reviews);
        }
        reported.reasons.extend(list(decision, "reasons").iter().filter_map(code));
        reported
    }

    fn of_change(change: &Value) -> Self {
        let reviews = list(change, "reviews").iter().flat_map(|review| list(review, "reasons"));
        Self {
            reasons: list(change, "reasons").iter().filter_map(code).collect(),
            of_reviews: reviews.filter_map(code).collect(),
        }
    }

    fn compare(&self, expected: &[String], nothing: bool) -> Result<()> {
        let missing = expected.iter().find(|code| !self.reasons.contains(*code) && !self.of_reviews.contains(*code));
        match missing {
            Some(code) => Err(format!("expected {code}, seen {self}")),
            None if nothing && !self.reasons.is_empty() => Err(format!("expected no reason, seen {self}")),
            None => Ok(()),
        }
    }
}

impl std::fmt::Display for Reported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let join = |codes: &BTreeSet<String>| codes.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        match (self.reasons.is_empty(), self.of_reviews.is_empty()) {
            (true, true) => f.write_str("no reason"),
            (_, true) => write!(f, "{}", join(&self.reasons)),
            (_, false) => write!(f, "{}; of reviews: {}", join(&self.reasons), join(&self.of_reviews)),
        }
    }
}

/// What the reasons say, for whoever reads why a story failed.
fn texts(decision: &Value) -> String {
    let text = |reason: &Value| reason.get("text").and_then(Value::as_str).map(str::to_owned);
    list(decision, "reasons").iter().filter_map(text).take(3).collect::<Vec<_>>().join("; ")
}

fn gate_word(is: GateIs) -> &'static str {
    match is {
        GateIs::Allow => "allow",
        GateIs::Deny => "deny",
        GateIs::Pending => "pending",
        GateIs::Undetermined => "undetermined",
        GateIs::Exception => "exception",
    }
}

/// The ids of listed accounts, given plainly or as `{account: …}`.
fn accounts(of: &Value, key: &str) -> BTreeSet<u64> {
    let id = |item: &Value| item.get("account").unwrap_or(item).get("id")?.as_u64();
    list(of, key).iter().filter_map(id).collect()
}

fn same_accounts(world: &World, what: &str, logins: &[String], seen: &BTreeSet<u64>) -> Result<()> {
    let id = |login: &String| {
        let known = world.account_by_login(login).map(|account| account.id);
        // A deleted account keeps its place in what was recorded.
        let gone = || world.accounts.values().find(|account| account.login == *login).map(|account| account.id);
        known.or_else(gone).ok_or_else(|| format!("account `{login}` is not listed"))
    };
    let wanted = logins.iter().map(id).collect::<Result<BTreeSet<u64>>>()?;
    if wanted == *seen {
        return Ok(());
    }
    let names = |ids: &BTreeSet<u64>| {
        let name = |id: &u64| world.account(*id).map_or_else(|| id.to_string(), |account| account.login.clone());
        ids.iter().map(name).collect::<Vec<_>>().join(", ")
    };
    Err(format!("expected {what} [{}], seen [{}]", names(&wanted), names(seen)))
}

fn same(what: &str, expected: &Value, seen: &Value) -> Result<()> {
    if expected == seen {
        return Ok(());
    }
    Err(format!("expected {what} {expected}, seen {seen}"))
}

fn list<'a>(of: &'a Value, key: &str) -> &'a [Value] {
    of.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn items(answer: &Value) -> Vec<Value> {
    list(answer, "items").to_vec()
}

fn code(reason: &Value) -> Option<String> {
    Some(reason.get("code")?.as_str()?.to_owned())
}

async fn get(stage: &Stage, path: &str) -> Result<Value> {
    let text = stage.read(path).await?;
    serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))
}
