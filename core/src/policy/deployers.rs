//! Who deploys: everyone who takes part in releasing, by how the run came about.
//!
//! Invariant: deployers only add up. Automation is never one, and somebody GitHub no longer shows leaves it unknown who
//! deploys. Next: `release.rs`.

use super::packs::Deploying;
use super::people::{People, PersonKey, Who};
use crate::domain::{
    Account, AccountId, ChangeInRelease, Deployer, Deployment, Facts, Landing, LandingKind, PullRequest, Run,
    TimelineEvent,
};
use std::collections::{BTreeMap, BTreeSet};

/// The persons who take part in a release.
#[derive(Debug, Default)]
pub(crate) struct Deployers {
    /// By account id, with how they take part.
    pub(crate) accounts: BTreeMap<AccountId, Deployer>,
    /// The persons.
    pub(crate) persons: BTreeMap<PersonKey, Account>,
    /// The environment asks for an approval, and none has been given.
    pub(crate) awaited: bool,
    /// A push to production deploys by itself, and the packs in force let it.
    pub(crate) unattended: bool,
    /// What is not known, in words that follow "not known:".
    pub(crate) unknown: BTreeSet<String>,
}

/// Finds who deploys.
pub(crate) fn of_deployment(people: &People<'_>, facts: &Facts, deployment: &Deployment) -> Deployers {
    let mut found = Gathering { people, so_far: Deployers::default() };
    let deploying = Deploying::under(&facts.terms.packs);
    match &deployment.run {
        _ if deploying == Deploying::ApproversAlone => {}
        None => {
            if let Some(record) = &deployment.record {
                found.add(record.creator.as_ref(), "creator");
            }
        }
        Some(run) => {
            let movements = that_put_it_there(run, &facts.terms.production_branch, deployment);
            let pushed = of_its_actor(run, &movements);
            let at_once = run.this.number == run.first.number && run.followed.is_none();
            found.so_far.unattended = deploying == Deploying::UnattendedPush
                && at_once
                && !pushed.is_empty()
                && deployment.approval.asked == Some(false);
            if !found.so_far.unattended {
                found.of_run(run, (&movements, &pushed), deployment);
            }
        }
    }
    found.approvers(deployment);
    for deployer in found.so_far.accounts.values_mut() {
        deployer.because.sort();
        deployer.because.dedup();
    }
    found.so_far
}

struct Gathering<'a> {
    people: &'a People<'a>,
    so_far: Deployers,
}

impl Gathering<'_> {
    fn add(&mut self, account: Option<&Account>, how: &str) {
        match (account, self.people.who(account)) {
            (Some(account), Who::Person(person)) => {
                self.so_far.persons.entry(person).or_insert_with(|| account.clone());
                let deployer = self
                    .so_far
                    .accounts
                    .entry(account.id)
                    .or_insert_with(|| Deployer { account: account.clone(), because: Vec::new() });
                deployer.because.push(how.to_owned());
            }
            (_, Who::Automation(_)) => {}
            _ => {
                let what = match how {
                    "actor" | "triggering_actor" => "who started the run",
                    "environment_approver" => "who approved the environment",
                    "creator" => "who created the deployment",
                    "queued" => "who queued the change that ends at the target",
                    "auto_merge" => "who enabled auto-merge of the change that ends at the target",
                    "pushed" => "who pushed the target",
                    _ => "who merged the change that ends at the target",
                };
                self.so_far.unknown.insert(what.to_owned());
            }
        }
    }

    /// A run that followed another came about as that one did. Of the movements that put the commit there, those `pushed` by
    /// its actor started it. Where there is none, either may be: whoever moved it deploys, and so does the actor.
    fn of_run(
        &mut self,
        run: &Run,
        (movements, pushed): (&BTreeSet<&Landing>, &BTreeSet<&Landing>),
        deployment: &Deployment,
    ) {
        let origin = run.origin();
        if origin.event == "schedule" {
            // A clock is not a person, and the actor shown is whoever last touched the schedule.
        } else {
            let landings = if pushed.is_empty() { movements } else { pushed };
            for landing in landings.iter().filter(|_| deployment.approval.asked != Some(true)) {
                self.landed_by(landing, deployment);
            }
            for attempt in [&origin.first, &origin.this].into_iter().filter(|_| pushed.is_empty()) {
                self.add(attempt.actor.as_ref(), "actor");
                self.add(attempt.triggering_actor.as_ref(), "triggering_actor");
            }
        }
        for again in run.chain().filter(|run| run.this.number != run.first.number) {
            self.add(again.this.triggering_actor.as_ref(), "triggering_actor");
        }
    }

    /// Where a push to production deploys at once: whoever put the change there that ends at the target.
    fn landed_by(&mut self, landing: &Landing, deployment: &Deployment) {
        let (pushed, queued) = (landing.kind == LandingKind::Push, landing.kind == LandingKind::MergeQueueMerge);
        // A merge group may hold several pull requests: everyone who queued in it deploys.
        let brought = |change: &&ChangeInRelease| {
            change.commits.last() == Some(&landing.after) || change.landing.as_ref() == Some(landing)
        };
        let pulls: Vec<&PullRequest> = deployment
            .changes
            .iter()
            .filter(brought)
            .flat_map(|it| it.pull_request.iter().chain(&it.alternatives))
            .collect();
        if pushed || pulls.is_empty() {
            self.add(landing.by.as_ref(), if pushed { "pushed" } else { "merged" });
            return;
        }
        for pr in pulls {
            self.merged_by(pr, queued);
        }
    }

    fn merged_by(&mut self, pr: &PullRequest, through_queue: bool) {
        let (mut merged, mut in_queue, mut auto_merge) = (None, None, None);
        for event in &pr.timeline {
            match event {
                TimelineEvent::AutoMergeEnabled { by } => auto_merge = Some(by),
                TimelineEvent::AutoMergeDisabled => auto_merge = None,
                TimelineEvent::Queued { by } => in_queue = Some(by),
                // GitHub also takes out of the queue what it merges.
                TimelineEvent::Dequeued if !through_queue => in_queue = None,
                TimelineEvent::Merged { by, .. } => {
                    merged = Some(by);
                    break;
                }
                _ => {}
            }
        }
        self.add(merged.and_then(Option::as_ref), "merged");
        for (by, how) in [(in_queue, "queued"), (auto_merge, "auto_merge")] {
            if let Some(by) = by {
                self.add(by.as_ref(), how);
            }
        }
    }

    fn approvers(&mut self, deployment: &Deployment) {
        let approval = &deployment.approval;
        for approver in &approval.given_by {
            self.add(approver.as_ref(), "environment_approver");
        }
        // Only runs are approved: where approvals are shown and no run is, whoever started it is hidden.
        if deployment.run.is_none() && !approval.given_by.is_empty() {
            self.so_far.unknown.insert("which run the environment was approved for".to_owned());
        }
        let none_given = approval.asked == Some(true) && approval.given_by.is_empty();
        // GitHub asks for no approval again where only failed jobs are run again, and a job that asks by itself runs: none
        // will come any more.
        let again = deployment.run.as_ref().is_some_and(|run| run.this.number != run.first.number);
        self.so_far.awaited = none_given && !(again && deployment.request.is_some());
        if approval.asked.is_none() {
            let what = "whether the environment asks for an approval";
            self.so_far.unknown.insert(what.to_owned());
        }
    }
}

/// The movements that put the commit of a push to the production branch there; none where another push started the run.
fn that_put_it_there<'d>(run: &Run, production_branch: &str, deployment: &'d Deployment) -> BTreeSet<&'d Landing> {
    let run = run.origin();
    let of_target = run.event == "push" && run.head_commit == deployment.target;
    if !of_target || run.head_branch.as_deref() != Some(production_branch) {
        return BTreeSet::new();
    }
    let of_changes = deployment.changes.iter().filter_map(|change| change.landing.as_ref());
    let landings = deployment.line.landings.iter().chain(of_changes);
    landings.filter(|landing| landing.after == run.head_commit).collect()
}

/// Those of them that started the run: a run shows a tag as it shows a branch, and a branch may be pushed away and back, so
/// only the run's actor tells whose push it follows.
fn of_its_actor<'d>(run: &Run, movements: &BTreeSet<&'d Landing>) -> BTreeSet<&'d Landing> {
    let Some(actor) = &run.origin().first.actor else { return BTreeSet::new() };
    // What the queue lands is pushed by its own bot, for which nobody else can act.
    let queue = actor.is_merge_queue();
    movements
        .iter()
        .copied()
        .filter(|landing| {
            let by_actor = landing.by.as_ref().is_some_and(|by| by.id == actor.id);
            by_actor || (queue && landing.kind == LandingKind::MergeQueueMerge)
        })
        .collect()
}
