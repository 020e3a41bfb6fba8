//! Which gates of a run we were asked about, and by which attempt.
//!
//! Invariant: only what was observed; a gate that nobody asked about is none of ours to answer.

use crate::github::gather::deployment;
use crate::settings::{Settings, same_environment};
use countersign_core::domain::{DeploymentId, Observation, RunAttempt};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// The production environments of a run whose rule we were asked about, each with its newest deployment.
pub(super) fn gates(observed: &[Observation], settings: &Settings, full_name: &str) -> Vec<deployment::Asked> {
    let Some(scope) = settings.scope_of(full_name) else { return Vec::new() };
    let mut gates: Vec<deployment::Asked> = Vec::new();
    for seen in observed {
        let Observation::GateAsked { environment, deployment, .. } = seen else { continue };
        if !scope.covers(environment) {
            continue;
        }
        match gates.iter_mut().find(|gate| same_environment(&gate.environment, environment)) {
            Some(gate) if gate.deployment < *deployment => {
                gate.deployment = *deployment;
                gate.environment.clone_from(environment);
            }
            Some(_) => {}
            None => gates.push(deployment::Asked {
                environment: environment.clone(),
                deployment: *deployment,
                beside: Vec::new(),
                request: None,
            }),
        }
    }
    gates
}

pub(super) fn attempt_of(observed: &[Observation], deployment: Option<DeploymentId>) -> Option<RunAttempt> {
    observed.iter().find_map(|seen| match seen {
        Observation::DeploymentCreated { deployment: id, attempt, .. } if Some(*id) == deployment => Some(*attempt),
        _ => None,
    })
}

/// The deployments of an attempt in an environment whose deliveries came, newest first.
fn deployments_of(observed: &[Observation], attempt: RunAttempt, environment: &str) -> BTreeSet<Reverse<DeploymentId>> {
    let created = observed.iter().filter_map(|seen| match seen {
        Observation::DeploymentCreated { deployment, attempt: of, environment: named, .. }
            if *of == attempt && same_environment(named, environment) =>
        {
            Some(Reverse(*deployment))
        }
        _ => None,
    });
    created.collect()
}

/// What is asked about an attempt, with every deployment of it here. Where the rule asks, its deployment stays the one that
/// is answered for.
pub(super) fn with_others(
    mut asked: deployment::Asked,
    observed: &[Observation],
    attempt: RunAttempt,
) -> deployment::Asked {
    let known = deployments_of(observed, attempt, &asked.environment);
    asked.deployment = asked.deployment.or(known.first().map(|Reverse(newest)| *newest));
    let others = known.into_iter().map(|Reverse(deployment)| deployment);
    asked.beside = others.filter(|other| Some(*other) != asked.deployment).collect();
    asked
}
