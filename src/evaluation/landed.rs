//! How a merged pull request came onto the production branch, for its own ticket.
//!
//! Invariant: it landed by its own merge, as a part of another one's merge, or by a push. Where nothing shows which, it was
//! not merged as far as anybody can tell.

use super::{Evaluation, EvaluationError};
use crate::github::gather::{line, pull_request, release};
use countersign_core::domain::{
    ChangeInRelease, CommitSha, Landing, LandingKind, PullRequest, PullRequestNumber, PullRequestState, Subject,
    TimelineEvent,
};

impl Evaluation<'_> {
    /// What is judged of a pull request: that it may merge or, where it is merged otherwise than by itself, how it landed.
    /// `second_parent` is that of the commit which GitHub shows as its merge.
    pub(super) async fn as_it_landed(
        &self,
        pull_request: PullRequest,
        second_parent: Option<CommitSha>,
        branch: &str,
    ) -> Result<Subject, EvaluationError> {
        let commit = pull_request.timeline.iter().find_map(|event| match event {
            TimelineEvent::Merged { commit, .. } => commit.clone(),
            _ => None,
        });
        let Some(commit) = commit.filter(|_| pull_request.state == PullRequestState::Merged) else {
            return Ok(Subject::PullRequest(Box::new(pull_request)));
        };
        let landing = line::landing_of(&self.look, branch, &commit, pull_request.merged_at.as_deref()).await?;
        let by_merge = landing.as_ref().is_some_and(|landing| landing.kind != LandingKind::Push);
        let of_another = second_parent.is_some_and(|second| second != pull_request.head);
        if by_merge && of_another {
            return self.as_part_of_another(pull_request, &commit, landing, branch).await;
        }
        if by_merge {
            return Ok(Subject::PullRequest(Box::new(pull_request)));
        }
        Ok(landed(pull_request, commit, landing, None, Vec::new()))
    }

    /// Another one's merge contained it: it is part of that one, and judged as that one was.
    async fn as_part_of_another(
        &self,
        part: PullRequest,
        commit: &CommitSha,
        landing: Option<Landing>,
        branch: &str,
    ) -> Result<Subject, EvaluationError> {
        let whole = match release::landed_by(&self.look, branch, commit).await? {
            Some(number) => pull_request::gather(&self.look, &[number]).await?.pull_requests.pop(),
            None => None,
        };
        Ok(if let Some(whole) = whole {
            landed(whole, commit.clone(), landing, Some(part.number), Vec::new())
        } else {
            let missing = vec![format!("which pull request landed {}", commit.short())];
            landed(part, commit.clone(), landing, None, missing)
        })
    }
}

fn landed(
    pull_request: PullRequest,
    commit: CommitSha,
    landing: Option<Landing>,
    asked_as: Option<PullRequestNumber>,
    missing: Vec<String>,
) -> Subject {
    Subject::Landed(Box::new(ChangeInRelease {
        commits: vec![commit],
        landing,
        tickets: pull_request.tickets.clone(),
        pull_request: Some(pull_request),
        asked_as,
        bare_commits: Vec::new(),
        bare_pushes: Vec::new(),
        alternatives: Vec::new(),
        shown_as_merged: Vec::new(),
        missing,
    }))
}
