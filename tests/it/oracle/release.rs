//! The rules about a deployment: who deploys, what is released, and what is broken.

use super::change::{Codes, Eye, Judgement, Origin};
use github_twin::model::{AccountId, Deployment, MERGE_QUEUE, Run, RunStatus, Sha, Timeline};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

type Accounts = BTreeSet<AccountId>;

/// What ran, and what was let through, in the environment.
#[derive(Debug, Clone)]
pub struct Production {
    pub running: Sha,
    pub allowed: BTreeSet<Sha>,
    /// What was decided about each deployment, while nothing more can change it.
    pub decided: BTreeMap<u64, Value>,
    /// What was said of the newest deployment while it waits, and after how many approvals.
    waiting: Option<(u64, usize, Value)>,
    finished: BTreeSet<u64>,
    /// The glass is broken, for longer than the story lasts.
    pub broken_glass: bool,
}

/// What is released: the changes, oldest first, each with the commit that it ends with.
type Release = Vec<(Sha, Origin, Judgement)>;

impl Production {
    pub fn begin(eye: Eye<'_>) -> Self {
        let base = eye.tip("main");
        let finished = eye.world.deployments.keys().copied().collect();
        Self {
            allowed: BTreeSet::from([base.clone()]),
            running: base,
            decided: BTreeMap::new(),
            waiting: None,
            finished,
            broken_glass: false,
        }
    }

    /// Looks at deployments that have ended.
    pub fn note(&mut self, eye: Eye<'_>) {
        for deployment in eye.world.deployments.values() {
            let allowed =
                self.decided.get(&deployment.id).is_some_and(|gate| gate["is"] == "allow" || gate["is"] == "exception");
            let job = eye.world.runs[&deployment.run.unwrap()].attempts
                [usize::try_from(deployment.attempt).unwrap() - 1]
                .jobs
                .last();
            let succeeded = job.is_some_and(|job| job.conclusion.as_deref() == Some("success"));
            if allowed && succeeded && self.finished.insert(deployment.id) {
                self.running.clone_from(&deployment.sha);
            }
        }
    }

    /// What must be said of the newest deployment; nothing, where there is none of the story's own.
    pub fn newest(&mut self, eye: Eye<'_>) -> Option<Value> {
        let deployment = eye.world.deployments.values().next_back()?;
        if self.finished.contains(&deployment.id) && !self.decided.contains_key(&deployment.id) {
            return None;
        }
        // What ran since cannot be told.
        if self.decided.values().any(|gate| gate["is"] == "unsure") {
            return None;
        }
        if let Some(decided) = self.decided.get(&deployment.id) {
            return Some(decided.clone());
        }
        let approvals = eye.world.runs[&deployment.run.unwrap()].approvals.len();
        // It is looked at again when somebody approves: who could deploy is as it was when it was last looked at.
        if let Some((id, then, gate)) = &self.waiting
            && (*id, *then) == (deployment.id, approvals)
        {
            return Some(gate.clone());
        }
        let mut gate = self.judge(eye, deployment);
        let never = ["commit-mismatch", "event-untrusted"];
        let covered =
            !gate["because"].as_array().into_iter().flatten().any(|code| never.contains(&code.as_str().unwrap()));
        if self.broken_glass && gate["is"] == "deny" && covered {
            gate["is"] = json!("exception");
        }
        self.waiting = Some((deployment.id, approvals, gate.clone()));
        if gate["is"] == "allow" {
            self.allowed.insert(deployment.sha.clone());
        }
        if gate["is"] != "pending" {
            self.decided.insert(deployment.id, gate.clone());
        }
        Some(gate)
    }

    fn judge(&self, eye: Eye<'_>, deployment: &Deployment) -> Value {
        let run = &eye.world.runs[&deployment.run.unwrap()];
        let asked = &eye.world.environments["production"].reviewers;
        let approvals = run.approvals.iter().filter(|it| it.attempt == deployment.attempt && it.approved);
        let approvers: Accounts = approvals.map(|approval| approval.by).collect();
        let mut broken = Codes::new();
        if run.event == "pull_request_target" {
            broken.insert("event-untrusted");
        }
        if run.head_sha != deployment.sha {
            broken.insert("commit-mismatch");
        }
        let origins = eye.origins();
        let mut deployers = deployers(eye, run, deployment, asked.is_empty(), &approvers, &origins);
        let pack = eye.people.pack.as_str();
        if pack == "release-approver" {
            deployers.retain(|id| approvers.contains(id));
        }
        let by_push = run.event == "push" && run.reference == "refs/heads/main";
        let unattended = pack == "unattended" && by_push && deployment.attempt == 1 && asked.is_empty();
        if unattended {
            deployers.clear();
        }
        let to_come = !asked.is_empty() && approvers.is_empty();
        if deployers.is_empty() && !to_come && !unattended {
            broken.insert("deployer-unknown");
        }
        if !broken.is_empty() && broken.iter().any(|code| *code != "deployer-unknown") {
            return json!({"is": "deny", "because": broken});
        }
        let release = match self.release(eye, &deployment.sha, &origins) {
            Ok(release) => release,
            Err(code) => return json!({"is": "deny", "because": [code], "can_deploy": []}),
        };
        if release.iter().any(|(_, origin, change)| change.unsure && matches!(origin, Origin::Merge { .. })) {
            return json!({"is": "unsure"});
        }
        let persons = eye.people.persons(&deployers);
        for (_, _, change) in &release {
            broken.extend(&change.broken);
            broken.extend(unclean(eye, change, &persons));
        }
        let mut because: BTreeSet<&str> = broken.iter().copied().collect();
        for (_, _, change) in &release {
            because.extend(&change.of_reviews);
        }
        let is = match (broken.is_empty(), to_come) {
            (false, _) => "deny",
            (true, true) => "pending",
            (true, false) => "allow",
        };
        let mut gate = json!({"is": is, "because": because, "can_deploy": can_deploy(eye, &release)});
        let clean = |(_, _, change): &&(Sha, Origin, Judgement)| {
            change.broken.is_empty() && unclean(eye, change, &persons).is_empty()
        };
        let up_to = release.iter().take_while(clean).last();
        if let (Some((sha, ..)), true) = (up_to, !persons.is_empty() || unattended) {
            gate["up_to"] = json!(sha);
        }
        gate
    }

    /// The changes between what runs and the target.
    fn release(&self, eye: Eye<'_>, target: &Sha, origins: &BTreeMap<Sha, Origin>) -> Result<Release, &'static str> {
        let mut line = eye.world.git.first_parents(&eye.tip("main"), 10_000).unwrap();
        line.reverse();
        let at = |sha: &Sha| line.iter().position(|it| it == sha);
        let target = at(target).ok_or("commit-off-branch")?;
        let ends = |index: usize| match origins.get(&line[index]) {
            Some(Origin::Merge { last, .. }) => *last == line[index],
            _ => true,
        };
        if !ends(target) {
            return Err("commit-off-branch");
        }
        let running = at(&self.running).ok_or("history-rewritten")?;
        if target <= running {
            return if self.allowed.contains(&line[target]) { Ok(Vec::new()) } else { Err("rollback-unknown") };
        }
        let mut release = Release::new();
        for index in running + 1..=target {
            let origin = origins[&line[index]].clone();
            let judged = match &origin {
                Origin::Merge { number, before, .. } if ends(index) => eye.pull_request(*number, Some(before)),
                Origin::Merge { .. } => continue,
                Origin::Push { by, commit } => eye.pushed(*by, commit),
            };
            release.push((line[index].clone(), origin, judged));
        }
        Ok(release)
    }
}

/// Who deploys.
fn deployers(
    eye: Eye<'_>,
    run: &Run,
    deployment: &Deployment,
    nobody_asked: bool,
    approvers: &Accounts,
    origins: &BTreeMap<Sha, Origin>,
) -> Accounts {
    let first = &run.attempts[0];
    let this = &run.attempts[usize::try_from(deployment.attempt).unwrap() - 1];
    let mut deployers = approvers.clone();
    let to_production = run.event == "push" && run.reference == "refs/heads/main";
    if to_production && nobody_asked {
        match origins.get(&run.head_sha) {
            Some(Origin::Merge { number, .. }) => {
                let pull = &eye.world.pulls[number];
                deployers.extend(pull.merged_by);
                let queued = |item: &&github_twin::model::TimelineItem| item.what == Timeline::AddedToMergeQueue;
                if pull.merged_by == Some(MERGE_QUEUE) {
                    deployers.extend(pull.timeline.iter().rfind(queued).and_then(|item| item.actor));
                }
                let mut enabled = pull.timeline.iter().filter(|item| item.what == Timeline::AutoMergeEnabled);
                // Who enables it anew takes it over.
                deployers.extend(enabled.next_back().and_then(|item| item.actor));
            }
            Some(Origin::Push { by, .. }) => drop(deployers.insert(*by)),
            None => {}
        }
    } else if !to_production && run.event != "schedule" {
        deployers.extend([first.actor, first.triggering_actor]);
    }
    if deployment.attempt > 1 {
        deployers.insert(this.triggering_actor);
    }
    deployers.retain(|id| !eye.people.is_automation(eye.world, *id));
    deployers
}

/// What these deployers break about a change.
fn unclean(eye: Eye<'_>, change: &Judgement, deployers: &Accounts) -> Codes {
    let mut codes = Codes::new();
    if !eye.people.persons(&change.contributors).is_disjoint(deployers) {
        codes.insert("deployer-is-author");
    }
    let reviewers = eye.people.persons(&change.reviewers);
    if eye.people.pack != "two-person" && !reviewers.is_empty() && reviewers.is_subset(deployers) {
        codes.insert("deployer-is-reviewer");
    }
    codes
}

fn can_deploy(eye: Eye<'_>, release: &Release) -> Accounts {
    if release.iter().any(|(_, _, change)| !change.broken.is_empty()) {
        return Accounts::new();
    }
    let clean = |id: &AccountId| {
        let person = Accounts::from([eye.people.person(*id)]);
        release.iter().all(|(_, _, change)| unclean(eye, change, &person).is_empty())
    };
    eye.people.writers(eye.world).into_iter().filter(clean).collect()
}

/// Whether the job of a deployment may still be told something.
pub fn waits(run: &Run) -> bool {
    run.latest().is_some_and(|attempt| attempt.status == RunStatus::Waiting)
}

pub fn logins(eye: Eye<'_>, accounts: &Accounts) -> Vec<String> {
    accounts.iter().filter_map(|id| eye.world.accounts.get(id)).map(|account| account.login.clone()).collect()
}
