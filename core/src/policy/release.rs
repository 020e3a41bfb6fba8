//! One attempt to deploy.

use super::decide::verdict_of;
use super::entities::Judge;
use super::explain::{About, FACTS_INCOMPLETE, reason};
use crate::domain::{Deployment, Facts, Verdict};

pub(crate) fn of_deployment(judge: &Judge<'_>, _facts: &Facts, _deployment: &Deployment) -> Verdict {
    verdict_of(vec![reason(
        judge.policies,
        FACTS_INCOMPLETE,
        About::default().put("detail", "how to judge a deployment"),
    )])
}
