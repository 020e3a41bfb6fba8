//! A branch is deleted, and what becomes of the pull requests that came from it or went into it.
//!
//! Source: <https://docs.github.com/en/pull-requests/collaborating-with-pull-requests/proposing-changes-to-your-work-with-pull-requests/about-branches>

use super::{Result, StepError, refused};
use crate::model::{AccountId, Permission, PullRequestAction, PullState, Timeline, UPSTREAM, World};
use crate::story::DeleteBranch;

impl World {
    pub(super) fn delete_branch_step(&mut self, it: &DeleteBranch) -> Result<()> {
        let by = self.allowed(&it.by, Permission::Write)?;
        if self.tip(&it.name).is_none() {
            return Err(StepError::Story(format!("there is no branch `{}`", it.name)));
        }
        if self.upstream().is_some_and(|upstream| upstream.default_branch == it.name) {
            return Err(refused("the default branch cannot be deleted"));
        }
        // Where its own pull request was merged, those into it go where that one went.
        let from_it =
            self.pulls.values().filter(|pull| pull.head.repository == UPSTREAM && pull.head.branch == it.name);
        let merged = from_it.filter(|pull| pull.is_merged()).max_by_key(|pull| pull.number);
        let next = merged.map(|pull| pull.base.clone()).filter(|base| self.tip(base).is_some());
        let open: Vec<(u64, bool)> = self
            .pulls
            .values()
            .filter(|pull| pull.is_open())
            .filter_map(|pull| {
                let comes_from_it = pull.head.repository == UPSTREAM && pull.head.branch == it.name;
                (comes_from_it || pull.base == it.name).then_some((pull.number, comes_from_it))
            })
            .collect();
        self.delete_branch(&it.name, by)?;
        for (number, comes_from_it) in open {
            match &next {
                Some(next) if !comes_from_it => self.moves_on(number, next, by)?,
                _ => self.is_closed(number, by)?,
            }
        }
        Ok(())
    }

    fn moves_on(&mut self, number: u64, to: &str, by: AccountId) -> Result<()> {
        let tip = self.tip(to).unwrap_or_default();
        let pull = self.pull_mut(number)?;
        let (from, from_sha) = (pull.base.clone(), std::mem::replace(&mut pull.base_sha, tip));
        to.clone_into(&mut pull.base);
        self.list_commits(number)?;
        self.happened(number, Some(by), Timeline::AutomaticBaseChange { from: from.clone(), to: to.to_owned() });
        self.pull_event(number, PullRequestAction::BaseChanged { from, from_sha }, by);
        Ok(())
    }

    fn is_closed(&mut self, number: u64, by: AccountId) -> Result<()> {
        let at = self.clock;
        let pull = self.pull_mut(number)?;
        pull.state = PullState::Closed;
        pull.closed_at = Some(at);
        pull.auto_merge = None;
        pull.head_lost = true;
        self.happened(number, Some(by), Timeline::Closed);
        self.pull_event(number, PullRequestAction::Closed, by);
        Ok(())
    }
}
