//! Merge groups: what the queue would land together is judged by every pull request in it.
//!
//! Invariant: a group's check never succeeds while any pull request between the production branch and its head would not.

use super::{Evaluation, EvaluationError, Next};
use crate::github::gather::merge_group;
use countersign_core::domain::{
    CommitSha, MergeGroup, Outcome, PullRequest, PullRequestNumber, Subject, TimelineEvent,
};
use countersign_core::policy::OwnFile;

/// Whether it ever was in the queue: only then may a group hold it.
pub(super) fn was_queued(pull_request: &PullRequest) -> bool {
    pull_request.timeline.iter().any(|event| matches!(event, TimelineEvent::Queued { .. }))
}

impl Evaluation<'_> {
    pub(super) async fn merge_group(&self, base: &str, head: &CommitSha) -> Result<Next, EvaluationError> {
        let terms = self.terms().await?;
        if base != terms.production_branch {
            return Ok(Next::Done);
        }
        let queue = merge_group::queue(&self.look, base).await?;
        if !queue.holds(head) {
            // Gone already, or GitHub does not show yet what it asks about.
            self.forget_group(head).await?;
            return Ok(Next::LookAgain);
        }
        let (group, own) = merge_group::gather(&self.look, &queue, head).await?;
        self.judge_group(group, &own).await
    }

    /// Judges the groups again that hold a pull request of which something is new.
    pub(super) async fn merge_groups_of(&self, number: PullRequestNumber, base: &str) -> Result<Next, EvaluationError> {
        let mut next = Next::Done;
        let heads = self.evaluator.store.merge_groups(self.look.repository.id).await?;
        if heads.is_empty() {
            return Ok(next);
        }
        let queue = merge_group::queue(&self.look, base).await?;
        for head in heads {
            if !queue.holds(&head) {
                self.forget_group(&head).await?;
            } else if queue.behind(&head).contains(&number) {
                let (group, own) = merge_group::gather(&self.look, &queue, &head).await?;
                if self.judge_group(group, &own).await? == Next::LookAgain {
                    next = Next::LookAgain;
                }
            }
        }
        Ok(next)
    }

    async fn judge_group(&self, group: MergeGroup, own: &[OwnFile]) -> Result<Next, EvaluationError> {
        let terms = self.terms().await?;
        let head = group.head.clone();
        let (decision, recorded) =
            self.decide(self.group(&head), terms, own, Subject::MergeGroup(Box::new(group))).await?;
        self.show_on(&head, Some((&decision, &recorded))).await?;
        let undetermined = decision.verdict.outcome == Outcome::Undetermined;
        Ok(if undetermined { Next::LookAgain } else { Next::Done })
    }

    async fn forget_group(&self, head: &CommitSha) -> Result<(), EvaluationError> {
        self.evaluator.store.leave(&self.group(head)).await?;
        Ok(())
    }

    fn group(&self, head: &CommitSha) -> String {
        format!("repository:{}/merge_group:{head}", self.look.repository.id)
    }
}
