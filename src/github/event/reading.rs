//! What was read of one delivery.

use super::{Subject, What};
use countersign_core::domain::{Observation, PullRequestNumber, Repository};

/// What a delivery was read to say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Where; `None` where the delivery names no repository of ours.
    pub repository: Option<Repository>,
    /// What to look at again.
    pub subject: Option<Subject>,
    /// The check whose end it tells: that concerns only who asks for a check of this name.
    pub check: Option<String>,
    /// What only it knows.
    pub observations: Vec<Observation>,
    /// The installation that it was sent to, and the repository's default branch.
    pub installation: Option<(u64, String)>,
}

impl Reading {
    /// A pull request of its repository, to be looked at.
    pub fn of_pull_request(&self) -> Option<impl Fn(PullRequestNumber) -> Subject + use<>> {
        let (repository, (installation, default_branch)) = self.repository.clone().zip(self.installation.clone())?;
        Some(move |number| Subject {
            repository: repository.clone(),
            installation,
            default_branch: default_branch.clone(),
            what: What::PullRequest(number),
        })
    }
}
