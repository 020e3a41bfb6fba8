//! Pull requests: opened, pushed to, updated, retargeted, closed; and pushes without one.
//!
//! Next: `reviews.rs`.

use super::{Result, StepError, refused};
use crate::model::{
    AccountId, Event, GITHUB_ACTIONS, Head, Permission, PullRequest, PullRequestAction, PullState, Repository,
    Timeline, UPSTREAM, World,
};
use crate::story::{Assign, Branch, CommitSpec, DirectPush, Open, PullAct, Push, Retarget, Suggest, Tag, UpdateBranch};
use std::collections::BTreeMap;

impl World {
    pub(super) fn open(&mut self, it: &Open) -> Result<()> {
        if self.pulls.contains_key(&it.pr) {
            return Err(StepError::Story(format!("pull request {} exists already", it.pr)));
        }
        let base = it.base.clone().unwrap_or_else(|| "main".to_owned());
        let Some(base_sha) = self.tip(&base) else {
            return Err(StepError::Story(format!("there is no branch `{base}`")));
        };
        let by = if it.fork { self.actor(&it.by)? } else { self.allowed(&it.by, Permission::Write)? };
        let assignees = it.assignees.iter().map(|login| self.actor(login)).collect::<Result<Vec<_>>>()?;
        let repository = if it.fork { self.fork_of(by)? } else { UPSTREAM };
        let branch = it.head.clone().unwrap_or_else(|| format!("{}-{}", it.by, it.pr));
        let run = match &it.via_run {
            Some(_) if by != GITHUB_ACTIONS => {
                return Err(StepError::Story("only `github-actions` opens in a run".to_owned()));
            }
            Some(login) => {
                Some(self.begin_plain_run("codegen", "workflow_dispatch", self.allowed(login, Permission::Write)?)?)
            }
            None => None,
        };
        let existing = self.repositories.get(&repository).and_then(|place| place.branches.get(&branch)).cloned();
        let head = match (&existing, it.commits.is_empty()) {
            (None, true) => {
                return Err(StepError::Story(format!("there is no branch `{branch}`, and no commits")));
            }
            (Some(head), true) => head.clone(),
            (start, false) => {
                let start = start.as_ref().unwrap_or(&base_sha);
                self.make_commits(&it.commits, &start.clone())?
            }
        };
        self.may_be_opened(repository, &branch, &base, &base_sha, &head)?;
        if existing.as_ref() != Some(&head) {
            self.move_branch(repository, &branch, &head, by, None)?;
        }
        self.insert_pull(it, by, base, base_sha, Head { repository, branch, sha: head })?;
        for who in assignees {
            self.set_assigned(it.pr, who, by, true)?;
        }
        if let Some(run) = run {
            self.end_job(run, "success");
        }
        Ok(())
    }

    fn may_be_opened(&self, repository: u64, branch: &str, base: &str, base_sha: &str, head: &str) -> Result<()> {
        if self.git.is_ancestor(head, base_sha)? {
            return Err(refused(format!("No commits between {base} and {branch}")));
        }
        let twin = |pull: &&PullRequest| {
            pull.is_open() && pull.base == base && pull.head.repository == repository && pull.head.branch == branch
        };
        match self.pulls.values().find(twin) {
            Some(pull) => Err(refused(format!("#{} is open for `{branch}` already", pull.number))),
            None => Ok(()),
        }
    }

    fn insert_pull(&mut self, it: &Open, by: AccountId, base: String, base_sha: String, head: Head) -> Result<()> {
        let (id, at) = (self.next_id(), self.tick());
        let (number, fork, sha) = (it.pr, head.repository != UPSTREAM, head.sha.clone());
        let pull = PullRequest {
            id,
            number,
            opener: by,
            state: PullState::Open,
            draft: it.draft,
            title: format!("Change {number}"),
            body: it.body.clone(),
            base,
            base_sha,
            head,
            assignees: Vec::new(),
            labels: Vec::new(),
            reviews: Vec::new(),
            comments: Vec::new(),
            timeline: Vec::new(),
            auto_merge: None,
            queued_by: None,
            merged_at: None,
            merged_by: None,
            merge_commit: None,
            commits: Vec::new(),
            head_lost: false,
            created_at: at,
            updated_at: at,
            closed_at: None,
        };
        self.pulls.insert(number, pull);
        self.list_commits(number)?;
        for sha in self.pull(number)?.commits.clone() {
            self.happened(number, None, Timeline::Commit(sha));
        }
        if fork {
            self.request_suite(&sha, None, None, by);
        }
        self.pull_event(number, PullRequestAction::Opened, by);
        Ok(())
    }

    pub(crate) fn pull_event(&mut self, number: u64, action: PullRequestAction, sender: AccountId) {
        self.emit(&Event::PullRequest { number, action, sender });
    }

    /// The fork that belongs to this account; made where there is none yet.
    pub(super) fn fork_of(&mut self, owner: AccountId) -> Result<u64> {
        if let Some(fork) = self.repositories.values().find(|place| place.owner_id == owner) {
            return Ok(fork.id);
        }
        let Some(login) = self.accounts.get(&owner).map(|account| account.login.clone()) else {
            return Err(StepError::Story(format!("no account {owner}")));
        };
        let branches = self.upstream().map(|upstream| upstream.branches.clone()).unwrap_or_default();
        let (id, at) = (self.next_id(), self.tick());
        let fork = Repository {
            id,
            owner: login,
            owner_id: owner,
            name: "shop".to_owned(),
            default_branch: "main".to_owned(),
            fork_of: Some(UPSTREAM),
            branches,
            tags: BTreeMap::new(),
            created_at: at,
            pushed_at: at,
        };
        self.repositories.insert(id, fork);
        Ok(id)
    }

    /// Who may push to the head branch of a pull request: writers, and the owner of its fork.
    fn may_push_to(&self, number: u64, login: &str) -> Result<AccountId> {
        let by = self.actor(login)?;
        let head = &self.pull(number)?.head;
        let owner = self.repositories.get(&head.repository).map(|place| place.owner_id);
        if owner == Some(by) {
            return Ok(by);
        }
        self.allowed(login, Permission::Write)
    }

    pub(super) fn push(&mut self, it: &Push) -> Result<()> {
        let by = self.may_push_to(it.pr, &it.by)?;
        let pull = self.pull(it.pr)?;
        let (repository, branch) = (pull.head.repository, pull.head.branch.clone());
        let base = pull.base.clone();
        let tip = self.repositories.get(&repository).and_then(|place| place.branches.get(&branch)).cloned();
        let Some(tip) = tip else {
            return Err(StepError::Story(format!("there is no branch `{branch}`")));
        };
        let start = match (&it.onto, it.force) {
            (Some(onto), _) => self.resolve(onto)?,
            (None, true) => self.tip(&base).unwrap_or_else(|| tip.clone()),
            (None, false) => tip.clone(),
        };
        self.push_commits(repository, &branch, &it.commits, &start, it.force, by)
    }

    fn push_commits(
        &mut self,
        repository: u64,
        branch: &str,
        commits: &[CommitSpec],
        start: &str,
        force: bool,
        by: AccountId,
    ) -> Result<()> {
        let tip = self.repositories.get(&repository).and_then(|place| place.branches.get(branch)).cloned();
        let head = self.make_commits(commits, start)?;
        match tip {
            Some(tip) if tip == head => return Err(refused("Everything up-to-date")),
            Some(tip) if !force && !self.git.is_ancestor(&tip, &head)? => {
                return Err(refused(format!("the push to `{branch}` is no fast-forward")));
            }
            _ => {}
        }
        self.move_branch(repository, branch, &head, by, None)
    }

    pub(super) fn direct_push(&mut self, it: &DirectPush) -> Result<()> {
        let branch = it.branch.clone().unwrap_or_else(|| "main".to_owned());
        let ruled = branch == "main" && self.rulesets.iter().any(|ruleset| ruleset.active);
        let least = if ruled { Permission::Admin } else { Permission::Write };
        let by = self.allowed(&it.by, least)?;
        if let Some(number) = it.pr_head {
            let head = self.pull(number)?.head.sha.clone();
            let tip = self.tip(&branch);
            if let Some(tip) = tip.filter(|_| !it.force)
                && !self.git.is_ancestor(&tip, &head)?
            {
                return Err(refused(format!("the push to `{branch}` is no fast-forward")));
            }
            return self.move_branch(UPSTREAM, &branch, &head, by, None);
        }
        let start = match (self.tip(&branch), it.force) {
            (Some(tip), false) => tip,
            _ => self.resolve(if branch == "main" { "base" } else { "main" })?,
        };
        self.push_commits(UPSTREAM, &branch, &it.commits, &start, it.force, by)
    }

    pub(super) fn branch(&mut self, it: &Branch) -> Result<()> {
        let by = self.allowed(&it.by, Permission::Write)?;
        if self.tip(&it.name).is_some() {
            return Err(refused(format!("branch `{}` exists already", it.name)));
        }
        let from = self.resolve(&it.from)?;
        self.move_branch(UPSTREAM, &it.name, &from, by, None)
    }

    pub(super) fn tag(&mut self, it: &Tag) -> Result<()> {
        let by = self.allowed(&it.by, Permission::Write)?;
        let exists = self.upstream().is_some_and(|upstream| upstream.tags.contains_key(&it.name));
        if exists && !it.force {
            return Err(refused(format!("tag `{}` exists already", it.name)));
        }
        let at = self.resolve(&it.at)?;
        self.move_tag(&it.name, &at, by)
    }

    pub(super) fn assign(&mut self, it: &Assign, assigned: bool) -> Result<()> {
        let by = self.allowed(&it.by, Permission::Triage)?;
        let who = self.actor(&it.who)?;
        self.set_assigned(it.pr, who, by, assigned)
    }

    fn set_assigned(&mut self, number: u64, who: AccountId, by: AccountId, assigned: bool) -> Result<()> {
        self.tick();
        let pull = self.pull_mut(number)?;
        if pull.assignees.contains(&who) == assigned {
            // GitHub answers with success, and nothing has happened.
            return Ok(());
        }
        if assigned {
            pull.assignees.push(who);
            self.happened(number, Some(by), Timeline::Assigned(who));
            self.pull_event(number, PullRequestAction::Assigned(who), by);
        } else {
            pull.assignees.retain(|known| *known != who);
            self.happened(number, Some(by), Timeline::Unassigned(who));
            self.pull_event(number, PullRequestAction::Unassigned(who), by);
        }
        Ok(())
    }

    pub(super) fn update_branch(&mut self, it: &UpdateBranch) -> Result<()> {
        let by = self.may_push_to(it.pr, &it.by)?;
        let pull = self.open_pull(it.pr)?;
        let (head, base) = (pull.head.clone(), pull.base.clone());
        let Some(tip) = self.tip(&base) else {
            return Err(StepError::Story(format!("there is no branch `{base}`")));
        };
        if self.git.is_ancestor(&tip, &head.sha)? {
            return Err(refused("there are no new commits on the base branch"));
        }
        let merged = self.git.merge_tree(&head.sha, &tip)?;
        let tree = match (merged, it.edited) {
            (Some(tree), false) => tree,
            (None, false) => return Err(refused("merge conflict between base and head")),
            (merged, true) => {
                let start = match merged {
                    Some(tree) => tree,
                    None => self.git.info(&head.sha)?.tree,
                };
                // A change of its own each time: the same once more would be no edit.
                let text = format!("resolved by {} on {}\n", it.by, head.sha);
                let files = BTreeMap::from([(format!("resolved-{}.txt", it.pr), text)]);
                self.git.tree_with(Some(&start), &files)?
            }
        };
        let message = format!("Merge branch '{base}' into {}\n", head.branch);
        let commit = self.commit_by_github(by, message, tree, vec![head.sha, tip])?;
        self.move_branch(head.repository, &head.branch, &commit, by, None)
    }

    pub(super) fn suggest(&mut self, it: &Suggest) -> Result<()> {
        let suggested_by = self.actor(&it.by)?;
        let applied_by = self.may_push_to(it.pr, &it.applied_by)?;
        let head = self.open_pull(it.pr)?.head.clone();
        let path = format!("suggested-{}.txt", self.next_id());
        let files = BTreeMap::from([(path, format!("suggested by {}\n", it.by))]);
        let tree = self.git.tree_with(Some(&self.git.info(&head.sha)?.tree), &files)?;
        let applier = self.identity(applied_by);
        let message = format!("Apply suggestion\n\nCo-authored-by: {} <{}>\n", applier.name, applier.email);
        let commit = self.commit_by_github(suggested_by, message, tree, vec![head.sha])?;
        self.move_branch(head.repository, &head.branch, &commit, applied_by, None)
    }

    pub(super) fn retarget(&mut self, it: &Retarget) -> Result<()> {
        let by = self.may_edit(it.pr, &it.by)?;
        let pull = self.open_pull(it.pr)?;
        let (from, from_sha, head) = (pull.base.clone(), pull.base_sha.clone(), pull.head.clone());
        if from == it.base {
            return Err(refused("that is its base already"));
        }
        let Some(tip) = self.tip(&it.base) else {
            return Err(refused(format!("there is no branch `{}`", it.base)));
        };
        self.may_be_opened(head.repository, &head.branch, &it.base, &tip, &head.sha)?;
        let pull = self.pull_mut(it.pr)?;
        pull.base.clone_from(&it.base);
        pull.base_sha = tip;
        self.list_commits(it.pr)?;
        let changed = Timeline::BaseRefChanged { from: from.clone(), to: it.base.clone() };
        self.happened(it.pr, Some(by), changed);
        self.pull_event(it.pr, PullRequestAction::BaseChanged { from, from_sha }, by);
        Ok(())
    }

    pub(super) fn close(&mut self, it: &PullAct) -> Result<()> {
        let by = self.may_edit(it.pr, &it.by)?;
        self.open_pull(it.pr)?;
        let at = self.clock;
        let pull = self.pull_mut(it.pr)?;
        pull.state = PullState::Closed;
        pull.closed_at = Some(at);
        pull.auto_merge = None;
        self.happened(it.pr, Some(by), Timeline::Closed);
        self.pull_event(it.pr, PullRequestAction::Closed, by);
        Ok(())
    }

    pub(super) fn reopen(&mut self, it: &PullAct) -> Result<()> {
        let by = self.may_edit(it.pr, &it.by)?;
        let pull = self.pull(it.pr)?;
        if pull.is_open() || pull.is_merged() {
            return Err(refused("it is not closed"));
        }
        let place = self.repositories.get(&pull.head.repository);
        let tip = place.and_then(|place| place.branches.get(&pull.head.branch)).cloned();
        let (Some(tip), false) = (tip, pull.head_lost) else {
            return Err(refused("the head branch was force-pushed or deleted"));
        };
        let Some(base_sha) = self.tip(&pull.base) else {
            return Err(refused("the base branch is gone"));
        };
        let known = pull.commits.clone();
        let pull = self.pull_mut(it.pr)?;
        pull.state = PullState::Open;
        pull.closed_at = None;
        pull.head.sha = tip;
        pull.base_sha = base_sha;
        self.list_commits(it.pr)?;
        for sha in self.pull(it.pr)?.commits.clone() {
            if !known.contains(&sha) {
                self.happened(it.pr, None, Timeline::Commit(sha));
            }
        }
        self.happened(it.pr, Some(by), Timeline::Reopened);
        self.pull_event(it.pr, PullRequestAction::Reopened, by);
        Ok(())
    }

    /// Who may edit, close and reopen: the author, and from triage upwards.
    fn may_edit(&self, number: u64, login: &str) -> Result<AccountId> {
        let by = self.actor(login)?;
        if self.pull(number)?.opener == by {
            return Ok(by);
        }
        self.allowed(login, Permission::Triage)
    }

    /// A pull request that is open.
    pub(super) fn open_pull(&self, number: u64) -> Result<&PullRequest> {
        let pull = self.pull(number)?;
        if pull.is_open() { Ok(pull) } else { Err(refused(format!("#{number} is not open"))) }
    }
}
