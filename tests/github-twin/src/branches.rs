//! How branches and tags move, and what GitHub does about it: pushes, activities, check suites, and pull requests that
//! follow their head or turn out to be merged.
//!
//! Invariant: every movement of a branch goes through [`World::move_branch`]. Next: `steps`.

use crate::model::{
    APP_COUNTERSIGN, AccountId, Activity, ActivityType, CheckSuite, Event, PullRequest, PullRequestAction, PullState,
    Push, Sha, Timeline, TimelineItem, UPSTREAM, World, ZERO,
};
use crate::steps::StepError;

impl World {
    /// Points a branch at a commit and does all that follows.
    pub(crate) fn move_branch(
        &mut self,
        repository: u64,
        branch: &str,
        after: &str,
        actor: AccountId,
        landing: Option<ActivityType>,
    ) -> Result<(), StepError> {
        let at = self.tick();
        let Some(place) = self.repositories.get_mut(&repository) else {
            return Err(StepError::Story(format!("no repository {repository}")));
        };
        let before = place.branches.insert(branch.to_owned(), after.to_owned());
        place.pushed_at = at;
        let forced = match &before {
            Some(before) if before == after => return Ok(()),
            Some(before) => !self.git.is_ancestor(before, after)?,
            None => false,
        };
        if repository == UPSTREAM {
            let kind = landing.unwrap_or(match (&before, forced) {
                (None, _) => ActivityType::BranchCreation,
                (Some(_), true) => ActivityType::ForcePush,
                (Some(_), false) => ActivityType::Push,
            });
            self.record_push(branch, before.as_deref(), after, actor, kind)?;
        }
        self.follow_heads(repository, branch, after, actor, forced)?;
        if repository == UPSTREAM {
            self.follow_base(branch, before.as_deref(), after, actor)?;
        }
        Ok(())
    }

    /// Removes a branch of the upstream repository.
    pub(crate) fn delete_branch(&mut self, branch: &str, actor: AccountId) -> Result<(), StepError> {
        let at = self.tick();
        let reference = format!("refs/heads/{branch}");
        let upstream = self.repositories.get_mut(&UPSTREAM);
        let Some(before) = upstream.and_then(|upstream| upstream.branches.remove(branch)) else {
            return Ok(());
        };
        self.git.delete_ref(&reference)?;
        let id = self.next_id();
        self.activity.push(Activity {
            id,
            before: before.clone(),
            after: ZERO.to_owned(),
            reference: reference.clone(),
            actor,
            kind: ActivityType::BranchDeletion,
            at,
        });
        self.emit(&Event::Delete { reference: reference.clone(), sender: actor });
        self.emit(&Event::Push { reference, before, after: ZERO.to_owned(), forced: false, sender: actor });
        Ok(())
    }

    /// Points a tag at a commit.
    pub(crate) fn move_tag(&mut self, tag: &str, after: &str, actor: AccountId) -> Result<(), StepError> {
        let at = self.tick();
        let reference = format!("refs/tags/{tag}");
        self.git.set_ref(&reference, after)?;
        let upstream = self.repositories.get_mut(&UPSTREAM);
        let before = upstream.and_then(|upstream| {
            upstream.pushed_at = at;
            upstream.tags.insert(tag.to_owned(), after.to_owned())
        });
        let id = self.next_id();
        let push = Push {
            id,
            repository: UPSTREAM,
            reference: reference.clone(),
            before: before.clone().unwrap_or_else(|| ZERO.to_owned()),
            after: after.to_owned(),
            pusher: actor,
            forced: before.is_some(),
        };
        if before.is_none() {
            self.emit(&Event::Create { reference, sender: actor });
        }
        self.emit_push(push);
        Ok(())
    }

    fn record_push(
        &mut self,
        branch: &str,
        before: Option<&str>,
        after: &str,
        actor: AccountId,
        kind: ActivityType,
    ) -> Result<(), StepError> {
        let reference = format!("refs/heads/{branch}");
        self.git.set_ref(&reference, after)?;
        let previous = before.unwrap_or(ZERO).to_owned();
        let (id, push_id, at) = (self.next_id(), self.next_id(), self.clock);
        self.activity.push(Activity {
            id,
            before: previous.clone(),
            after: after.to_owned(),
            reference: reference.clone(),
            actor,
            kind,
            at,
        });
        if before.is_none() {
            self.emit(&Event::Create { reference: reference.clone(), sender: actor });
        }
        self.emit_push(Push {
            id: push_id,
            repository: UPSTREAM,
            reference,
            before: previous,
            after: after.to_owned(),
            pusher: actor,
            forced: kind == ActivityType::ForcePush,
        });
        self.request_suite(after, Some(branch), Some(push_id), actor);
        Ok(())
    }

    fn emit_push(&mut self, push: Push) {
        let event = Event::Push {
            reference: push.reference.clone(),
            before: push.before.clone(),
            after: push.after.clone(),
            forced: push.forced,
            sender: push.pusher,
        };
        self.pushes.push(push);
        self.emit(&event);
    }

    /// Our App's check suite on a pushed head, once per commit.
    pub(crate) fn request_suite(&mut self, sha: &str, branch: Option<&str>, push: Option<u64>, sender: AccountId) {
        let ours = |suite: &CheckSuite| suite.app == APP_COUNTERSIGN && suite.head_sha == sha;
        if self.check_suites.iter().any(ours) {
            return;
        }
        let suite = self.new_suite(APP_COUNTERSIGN, sha, branch, push);
        self.emit(&Event::CheckSuiteRequested { suite, sender });
    }

    /// A check suite of an App.
    pub(crate) fn new_suite(&mut self, app: u64, sha: &str, branch: Option<&str>, push: Option<u64>) -> u64 {
        let id = self.next_id();
        let before = push.and_then(|push| self.pushes.iter().find(|known| known.id == push));
        let before = before.map(|push| push.before.clone());
        self.check_suites.push(CheckSuite {
            id,
            app,
            head_sha: sha.to_owned(),
            head_branch: branch.map(str::to_owned),
            before,
            push,
            created_at: self.clock,
        });
        id
    }

    /// Pull requests that come from the branch follow it while they are open.
    fn follow_heads(
        &mut self,
        repository: u64,
        branch: &str,
        after: &str,
        actor: AccountId,
        forced: bool,
    ) -> Result<(), StepError> {
        let from_here =
            |pull: &&PullRequest| pull.head.repository == repository && pull.head.branch == branch && !pull.is_merged();
        let numbers: Vec<u64> = self.pulls.values().filter(from_here).map(|pull| pull.number).collect();
        for number in numbers {
            let Some(pull) = self.pulls.get_mut(&number) else {
                continue;
            };
            if pull.state == PullState::Closed {
                pull.head_lost |= forced;
                continue;
            }
            let before = std::mem::replace(&mut pull.head.sha, after.to_owned());
            let known = pull.commits.clone();
            if before == after {
                continue;
            }
            self.list_commits(number)?;
            if forced {
                let moved = Timeline::HeadRefForcePushed { before: before.clone(), after: after.to_owned() };
                self.happened(number, Some(actor), moved);
            }
            let now = self.pulls.get(&number).map(|pull| pull.commits.clone()).unwrap_or_default();
            for sha in now.into_iter().filter(|sha| !known.contains(sha)) {
                self.happened(number, None, Timeline::Commit(sha));
            }
            if repository != UPSTREAM {
                self.request_suite(after, None, None, actor);
            }
            let action = PullRequestAction::Synchronize { before, after: after.to_owned() };
            self.emit(&Event::PullRequest { number, action, sender: actor });
        }
        Ok(())
    }

    /// Open pull requests into the branch see its new tip; those whose head it now contains show as merged.
    fn follow_base(
        &mut self,
        branch: &str,
        before: Option<&str>,
        after: &str,
        actor: AccountId,
    ) -> Result<(), StepError> {
        let into_here = |pull: &&PullRequest| pull.base == branch && pull.is_open();
        let numbers: Vec<u64> = self.pulls.values().filter(into_here).map(|pull| pull.number).collect();
        for number in numbers {
            let Some(head) = self.pulls.get(&number).map(|pull| pull.head.sha.clone()) else {
                continue;
            };
            if self.git.is_ancestor(&head, after)? {
                let commit = self.carrier(&head, before, after)?;
                self.show_as_merged(number, &commit, actor);
            } else {
                if let Some(pull) = self.pulls.get_mut(&number) {
                    after.clone_into(&mut pull.base_sha);
                }
                self.list_commits(number)?;
            }
        }
        Ok(())
    }

    /// The first commit on the branch's own line that contains the head.
    fn carrier(&self, head: &str, before: Option<&str>, after: &str) -> Result<Sha, StepError> {
        let mut carrier = after.to_owned();
        for sha in self.git.first_parents(after, 10_000)? {
            if Some(sha.as_str()) == before || !self.git.is_ancestor(head, &sha)? {
                break;
            }
            carrier = sha;
        }
        Ok(carrier)
    }

    /// Marks a pull request as merged by this commit.
    pub(crate) fn show_as_merged(&mut self, number: u64, commit: &str, by: AccountId) {
        self.mark_merged(number, commit, by);
        self.emit(&Event::PullRequest { number, action: PullRequestAction::Closed, sender: by });
    }

    /// As [`World::show_as_merged`], without the webhook.
    pub(crate) fn mark_merged(&mut self, number: u64, commit: &str, by: AccountId) {
        let at = self.tick();
        if let Some(pull) = self.pulls.get_mut(&number) {
            pull.state = PullState::Closed;
            pull.merged_at = Some(at);
            pull.closed_at = Some(at);
            pull.merged_by = Some(by);
            pull.merge_commit = Some(commit.to_owned());
            pull.queued_by = None;
        }
        let merged = Timeline::Merged { commit: commit.to_owned() };
        self.happened(number, Some(by), merged);
        self.happened(number, Some(by), Timeline::Closed);
    }

    /// Lists the commits of an open pull request anew, and points `refs/pull/{n}/head` at its head.
    pub(crate) fn list_commits(&mut self, number: u64) -> Result<(), StepError> {
        let Some(pull) = self.pulls.get(&number) else {
            return Ok(());
        };
        let tip = self.upstream().and_then(|upstream| upstream.branches.get(&pull.base));
        let hidden: Vec<&str> = tip.map(String::as_str).into_iter().collect();
        let commits = self.git.reachable(&pull.head.sha, &hidden)?;
        self.git.set_ref(&format!("refs/pull/{number}/head"), &pull.head.sha)?;
        if let Some(pull) = self.pulls.get_mut(&number) {
            pull.commits = commits;
        }
        Ok(())
    }

    /// Adds an item to a pull request's timeline.
    pub(crate) fn happened(&mut self, number: u64, actor: Option<AccountId>, what: Timeline) {
        let (id, at) = (self.next_id(), self.clock);
        if let Some(pull) = self.pulls.get_mut(&number) {
            pull.updated_at = at;
            pull.timeline.push(TimelineItem { id, at, actor, what });
        }
    }
}
