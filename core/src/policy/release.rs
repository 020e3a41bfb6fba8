//! A release: every change in it, everyone who deploys it, and whether it may go.
//!
//! Invariant: a release is allowed only when every change is compliant, every deployer is clean for each of them, and
//! everything needed to say so is known. Next: `candidates.rs`, which says who could deploy instead.

use super::candidates::{can_deploy, three};
use super::change::{Judged, of_landed};
use super::decide::verdict_of;
use super::deployers::{self, Deployers};
use super::entities::{Answer, Attributes, Judge, Resource};
use super::explain::{About, FACTS_INCOMPLETE, HISTORY_UNAVAILABLE, POLICY_ERROR, at, list, reason};
use super::line::{Place, Position, landing_of};
use super::packs::Deploying;
use super::people::PersonKey;
use crate::domain::{
    Attempt, ChangeVerdict, CommitSha, Deployment, Facts, Outcome, Reason, RepositoryId, ReviewId, Run, StartingPoint,
    Verdict,
};
use std::collections::BTreeSet;

/// Judges one attempt to deploy.
pub(crate) fn of_deployment(judge: &Judge<'_>, facts: &Facts, deployment: &Deployment) -> Verdict {
    let release = Release {
        judge,
        facts,
        deployment,
        position: Position::of(deployment),
        deployers: deployers::of_deployment(judge.people, facts, deployment),
    };
    // A repeat or a rollback is compared with nothing, and without history there is nothing to compare.
    let compared = !release.position.place.is_behind() && deployment.history_unavailable.is_none();
    let changes: Vec<Judged> = deployment
        .changes
        .iter()
        .filter(|_| compared)
        .map(|change| of_landed(judge, &facts.terms, change, landing_of(deployment, change)))
        .collect();
    let hearing = release.hear(&changes);
    let mut reasons: Vec<Reason> = changes.iter().flat_map(|change| change.verdict.reasons.clone()).collect();
    reasons.extend(hearing.reasons);
    let mut verdict = verdict_of(reasons);
    let tellable = hearing.tellable && changes.iter().all(Judged::is_compliant);
    if tellable {
        verdict.can_deploy = can_deploy(&release, &changes);
    }
    verdict.up_to = match verdict.outcome {
        Outcome::Allow => Some(deployment.target.clone()),
        _ => hearing.up_to,
    };
    let allowed = verdict.outcome == Outcome::Allow;
    verdict.changes = changes
        .into_iter()
        .map(|change| ChangeVerdict {
            three: allowed.then(|| three(judge.people, &change, &release.deployers)).flatten(),
            ..change.verdict
        })
        .collect();
    verdict.deployers = release.deployers.accounts.into_values().collect();
    verdict
}

/// One attempt to deploy, on its way to its verdict.
pub(crate) struct Release<'a> {
    pub(crate) judge: &'a Judge<'a>,
    pub(crate) facts: &'a Facts,
    pub(crate) deployment: &'a Deployment,
    pub(crate) position: Position,
    pub(crate) deployers: Deployers,
}

/// What was found beyond the changes themselves.
struct Hearing {
    reasons: Vec<Reason>,
    /// It is known what this release is.
    tellable: bool,
    /// How far the deployers known so far could go.
    up_to: Option<CommitSha>,
}

impl Release<'_> {
    fn hear(&self, changes: &[Judged]) -> Hearing {
        let policies = self.judge.policies;
        let (names, deployment) = (policies.names(), self.deployment);
        let mut reasons = Vec::new();
        let somebody = !self.deployers.persons.is_empty() || self.deployers.unattended;
        let mut clean: Vec<bool> = changes.iter().map(|change| somebody && change.is_compliant()).collect();
        match self.judge.deployers(self.deployers.persons.keys()) {
            Err(fault) => reasons.push(self.fault(fault)),
            Ok(context) => {
                for (person, account) in &self.deployers.persons {
                    let principal = self.judge.person(*person);
                    for (change, clean) in changes.iter().zip(&mut clean) {
                        let ask = |resource: &Resource| {
                            self.judge.ask_in(&principal, &names.deploy, resource, context.clone())
                        };
                        let kind: Vec<Answer> = change.kind.iter().map(ask).collect();
                        let harsh: Vec<Answer> = change.harsh.iter().map(ask).collect();
                        let about = || {
                            let person = self.judge.people.owner(account.id);
                            About::change(&change.verdict.change).account(Some(account)).belongs_to(person)
                        };
                        let codes = kind.first().map(|answer| answer.codes.clone()).unwrap_or_default();
                        let certain = codes.iter().filter(|code| kind.iter().all(|it| it.codes.contains(*code)));
                        reasons.extend(certain.map(|code| reason(policies, code, about())));
                        let mut answers = kind.iter().chain(&harsh);
                        if answers.any(|answer| answer.codes != codes) {
                            let detail = match change.kind.as_slice() {
                                [_, _, ..] => format!("which pull request landed {}", change.verdict.commit.short()),
                                _ => format!("which reviews of {} count", change.verdict.change),
                            };
                            let about = About::change(&change.verdict.change).put("detail", detail);
                            reasons.push(reason(policies, FACTS_INCOMPLETE, about));
                        }
                        *clean &= kind.iter().chain(&harsh).all(Answer::is_clean);
                        let fault = kind.into_iter().chain(harsh).find_map(|answer| answer.fault);
                        reasons.extend(fault.map(|it| self.fault(it)));
                    }
                }
            }
        }
        let of_whole = self.ask_of_the_whole();
        reasons.extend(of_whole.codes.iter().map(|code| {
            let awaited = code == "deployer-unknown" && self.deployers.awaited;
            reason(policies, code, self.about().awaited(awaited))
        }));
        reasons.extend(of_whole.fault.map(|fault| self.fault(fault)));
        reasons.extend(
            deployment
                .history_unavailable
                .iter()
                .map(|detail| reason(policies, HISTORY_UNAVAILABLE, self.about().put("detail", detail))),
        );
        let unknown: BTreeSet<&String> = self.position.unknown.iter().chain(&deployment.missing).collect();
        let tellable = unknown.is_empty() && deployment.history_unavailable.is_none() && self.is_clean_for(None);
        let incomplete = unknown.into_iter().cloned().chain(self.unknown_of_run());
        reasons.extend(incomplete.map(|detail| reason(policies, FACTS_INCOMPLETE, self.about().put("detail", detail))));
        let mut seen = BTreeSet::new();
        reasons.retain(|reason| seen.insert(reason.clone()));
        let up_to = self.up_to(tellable, changes.iter().zip(clean));
        Hearing { reasons, tellable, up_to }
    }

    /// The end of the last change that can be reached through clean ones alone. A target inside a change is a wrong place
    /// to stop at; the ends of those before it are not.
    fn up_to<'c>(&self, tellable: bool, changes: impl Iterator<Item = (&'c Judged, bool)>) -> Option<CommitSha> {
        let inside = self.position.place == Place::InsideChange;
        let before_it = || {
            self.position.covered && self.deployment.missing.is_empty() && self.is_clean_at(None, Place::EndOfChange)
        };
        if !(tellable || inside && before_it()) {
            return None;
        }
        let ends = changes.take_while(|(_, clean)| *clean).map(|(change, _)| &change.verdict.commit);
        ends.filter(|end| !inside || **end != self.deployment.target).last().cloned()
    }

    fn unknown_of_run(&self) -> impl Iterator<Item = String> {
        let run = self.deployment.run.as_ref();
        let elsewhere = run.is_some_and(|run| run.chain().any(|run| run.head_repository.is_none()));
        let elsewhere = elsewhere.then(|| "which repository the run's commit comes from".to_owned());
        self.deployers.unknown.iter().cloned().chain(elsewhere)
    }

    /// Asks the rules about the release as a whole: as anyone, and as each who deploys.
    fn ask_of_the_whole(&self) -> Answer {
        let mut persons: BTreeSet<PersonKey> = self.deployers.persons.keys().copied().collect();
        if persons.is_empty() && !self.deployers.unknown.is_empty() {
            // Somebody deploys, and nobody can tell who: that is not the same as nobody.
            persons.insert(PersonKey::Unseen(ReviewId(0)));
        }
        let resource = self.resource(&persons, true, self.position.place);
        self.ask_about(&resource, &persons)
    }

    /// Whether nothing about the release as a whole speaks against this person as its only deployer, in a run of their
    /// own; `None` is any person at all.
    pub(crate) fn is_clean_for(&self, person: Option<PersonKey>) -> bool {
        self.is_clean_at(person, self.position.place)
    }

    /// The same, if the target lay there.
    fn is_clean_at(&self, person: Option<PersonKey>, place: Place) -> bool {
        let persons = BTreeSet::from([person.unwrap_or(PersonKey::WithoutRole)]);
        let resource = self.resource(&persons, false, place);
        self.ask_about(&resource, &persons).is_clean()
    }

    fn ask_about(&self, resource: &Result<Resource, String>, persons: &BTreeSet<PersonKey>) -> Answer {
        let deploy = &self.judge.policies.names().deploy;
        let (resource, context) = match (resource, self.judge.deployers(persons)) {
            (Ok(resource), Ok(context)) => (resource, context),
            (Err(fault), _) => return Answer::faulty(fault),
            (_, Err(fault)) => return Answer::faulty(&fault),
        };
        let anyone = self.judge.policies.names().anyone.clone();
        let principals = persons.iter().map(|person| self.judge.person(*person));
        let mut whole = Answer::default();
        for principal in [anyone].into_iter().chain(principals) {
            let answer = self.judge.ask_in(&principal, deploy, resource, context.clone());
            whole.codes.extend(answer.codes);
            whole.fault = whole.fault.or(answer.fault);
        }
        whole
    }

    /// `as_run` includes how this very run came about, which says nothing of another person's run.
    fn resource(&self, deployers: &BTreeSet<PersonKey>, as_run: bool, place: Place) -> Result<Resource, String> {
        let (deployment, position) = (self.deployment, &self.position);
        let run = deployment.run.as_ref();
        let start = deployment.start.as_ref().map(StartingPoint::commit);
        let mut attributes = Attributes::default();
        attributes.text("repository", &self.facts.repository.id.to_string());
        attributes.text("target", deployment.target.as_str());
        attributes.commit("run_commit", run.map(|run| &run.head_commit));
        attributes.commit("deployment_commit", deployment.record.as_ref().map(|record| &record.commit));
        if let (Some(run), true) = (run, as_run) {
            attributes.text("event", &run.event);
            if let Some(repository) = run.head_repository {
                attributes.text("head_repository", &repository.to_string());
            }
            if run.followed.is_some() {
                attributes.text("first_event", &run.origin().event);
                // Of any run on the way: each of them could have handed something on.
                let elsewhere = run.chain().skip(1).find_map(|run| self.elsewhere(run));
                if let Some(repository) = elsewhere.or(run.origin().head_repository) {
                    attributes.text("first_head_repository", &repository.to_string());
                }
            }
        }
        if let (Some(request), true) = (&deployment.request, as_run) {
            attributes.texts("request_commits", request.commits.iter().map(ToString::to_string));
            attributes.text("request_event", &request.event);
            if let Some(presented) = &request.presented {
                attributes.claim("presented_holds", presented.holds);
            }
        }
        attributes.persons("deployers", self.judge, deployers);
        attributes.claim("approval_awaited", as_run && self.deployers.awaited);
        attributes.claim("unattended", as_run && self.deployers.unattended);
        attributes.commit("start", start);
        attributes.claim("start_on_line", position.start_on_line);
        attributes.claim("target_on_line", place != Place::Off);
        attributes.claim("target_ends_change", [Place::EndOfChange, Place::Behind].contains(&place));
        attributes.claim("target_behind", place.is_behind());
        attributes.claim("allowed_before", position.allowed_before);
        attributes.claim("exception_overdue", !deployment.overdue.is_empty());
        self.judge.release(&deployment.environment, attributes)
    }

    /// The repository that a run's commit comes from, where that is another one.
    fn elsewhere(&self, run: &Run) -> Option<RepositoryId> {
        run.head_repository.filter(|repository| *repository != self.facts.repository.id)
    }

    fn about(&self) -> About {
        let run = self.deployment.run.as_ref();
        let elsewhere = run.is_some_and(|run| run.chain().any(|run| self.elsewhere(run).is_some()));
        let event = match run {
            _ if elsewhere => "its commit comes from another repository".to_owned(),
            Some(run) if run.followed.is_some() => format!("`{}` after `{}`", run.event, run.origin().event),
            Some(run) => format!("`{}`", run.event),
            None => "no run".to_owned(),
        };
        let start = self.deployment.start.as_ref().map(|start| start.commit().short());
        About::default()
            .put("branch", &self.facts.terms.production_branch)
            .put("target", self.deployment.target.short())
            .put("start", start.unwrap_or("what runs now"))
            .put("event", event)
            .put("environment", &self.deployment.environment)
            .put("exceptions", list(&self.deployment.overdue, 5))
            .put("named", self.named())
            .put("nobody", self.nobody())
    }

    /// Which commit each of those names that should name the same one.
    fn named(&self) -> String {
        let deployment = self.deployment;
        let record = deployment.record.as_ref().map(|record| format!("the deployment names {}", record.commit.short()));
        let run = deployment.run.as_ref().map(|run| format!("the run is for {}", run.head_commit.short()));
        let asked = deployment.request.as_ref().map(|request| {
            let commits: Vec<String> = request.commits.iter().map(|commit| commit.short().to_owned()).collect();
            format!(
                "the job that asks names {}",
                if commits.is_empty() { "none".to_owned() } else { list(&commits, 3) }
            )
        });
        list(&record.into_iter().chain(run).chain(asked).collect::<Vec<_>>(), 3)
    }

    /// Why nobody deploys, where nobody does.
    fn nobody(&self) -> String {
        let alone = Deploying::under(&self.facts.terms.packs) == Deploying::ApproversAlone;
        match &self.deployment.run {
            _ if alone => format!("only who approves {} does, and nobody has", self.deployment.environment),
            Some(run) if run.event == "schedule" => "a schedule started the run".to_owned(),
            Some(Run { this: Attempt { actor: Some(actor), .. }, .. }) => format!("{} started the run", at(actor)),
            _ => "neither a run nor a deployment names anybody".to_owned(),
        }
    }

    fn fault(&self, detail: String) -> Reason {
        reason(self.judge.policies, POLICY_ERROR, self.about().put("detail", detail))
    }
}
