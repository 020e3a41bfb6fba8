//! The merge queue: groups are built one on another, checked, and landed in order by GitHub's bot.
//!
//! Invariant: a group lands only on the very commit it was built on. Next: `deploy.rs`.

use super::merge::Required;
use super::{Result, StepError, refused};
use crate::model::{
    AccountId, ActivityType, Event, MERGE_QUEUE, MergeGroup, MergeGroupAction, MergeMethod, Permission,
    PullRequestAction, ReviewState, Timeline, UPSTREAM, World,
};
use crate::story::Queue;

impl World {
    pub(super) fn queue(&mut self, it: &Queue) -> Result<()> {
        let by = self.allowed(&it.by, Permission::Write)?;
        let objector = it.objection_by.as_ref().map(|login| self.actor(login)).transpose()?;
        let pull = self.open_pull(it.pr)?;
        if !self.queue_is_on(&pull.base) {
            return Err(refused("the merge queue is not on"));
        }
        if pull.queued_by.is_some() {
            return Err(refused("it is in the queue already"));
        }
        if let Some(why) = self.not_mergeable(pull)? {
            return Err(refused(why));
        }
        self.enqueue(it.pr, by, it.id.as_deref(), objector)
    }

    pub(super) fn enqueue(
        &mut self,
        number: u64,
        by: AccountId,
        name: Option<&str>,
        objector: Option<AccountId>,
    ) -> Result<()> {
        self.pull_mut(number)?.queued_by = Some(by);
        self.happened(number, Some(by), Timeline::AddedToMergeQueue);
        self.pull_event(number, PullRequestAction::Enqueued, by);
        let group = self.build_group(number, by)?;
        if let (Some(name), Some(built)) = (name, self.merge_groups.last()) {
            self.names.insert(name.to_owned(), built.head_sha.clone());
        }
        if let Some(objector) = objector {
            let head = self.pull(number)?.head.sha.clone();
            self.submit_review(number, objector, ReviewState::ChangesRequested, head)?;
        }
        self.group_event(group, MergeGroupAction::ChecksRequested);
        Ok(())
    }

    fn group_event(&mut self, group: u64, action: MergeGroupAction) {
        self.emit(&Event::MergeGroup { group, action, sender: MERGE_QUEUE });
    }

    /// Builds the group of one pull request on what is queued before it.
    fn build_group(&mut self, number: u64, by: AccountId) -> Result<u64> {
        let pull = self.pull(number)?.clone();
        let ahead = self.merge_groups.iter().rev().find(|group| group.waiting);
        let onto = ahead.map(|group| group.head_sha.clone()).or_else(|| self.tip(&pull.base));
        let Some(onto) = onto else {
            return Err(StepError::Story(format!("there is no branch `{}`", pull.base)));
        };
        let head = self.merge_commits(&pull, by, MergeMethod::Merge, &onto)?;
        let branch = format!("gh-readonly-queue/{}/pr-{number}-{onto}", pull.base);
        self.move_branch(UPSTREAM, &branch, &head, MERGE_QUEUE, None)?;
        let id = self.next_id();
        self.merge_groups.push(MergeGroup {
            id,
            head_ref: format!("refs/heads/{branch}"),
            head_sha: head,
            base_ref: format!("refs/heads/{}", pull.base),
            base_sha: onto,
            pulls: vec![number],
            waiting: true,
        });
        Ok(id)
    }

    /// Lands groups whose checks succeeded and drops those whose checks failed, first built first.
    pub(super) fn settle_queue(&mut self) -> Result<()> {
        while let Some(group) = self.merge_groups.iter().find(|group| group.waiting).cloned() {
            let base = group.base_ref.trim_start_matches("refs/heads/").to_owned();
            let rules = self.rules_of(&base);
            let checks = rules.map_or(Required::Met, |rules| self.required_checks(rules, &group.head_sha));
            match checks {
                Required::Waiting => return Ok(()),
                Required::Met if self.tip(&base).as_ref() == Some(&group.base_sha) => self.land_group(&group, &base)?,
                Required::Met => self.rebuild(&group)?,
                Required::Failed => self.drop_group(&group)?,
            }
        }
        Ok(())
    }

    fn finish_group(&mut self, group: &MergeGroup, reason: &'static str) -> Result<()> {
        if let Some(known) = self.merge_groups.iter_mut().find(|known| known.id == group.id) {
            known.waiting = false;
        }
        self.group_event(group.id, MergeGroupAction::Destroyed(reason));
        let branch = group.head_ref.trim_start_matches("refs/heads/").to_owned();
        self.delete_branch(&branch, MERGE_QUEUE)
    }

    fn land_group(&mut self, group: &MergeGroup, base: &str) -> Result<()> {
        for number in &group.pulls {
            let removed = Timeline::RemovedFromMergeQueue { reason: "merged".to_owned() };
            self.happened(*number, Some(MERGE_QUEUE), removed);
            self.mark_merged(*number, &group.head_sha, MERGE_QUEUE);
        }
        let landing = Some(ActivityType::MergeQueueMerge);
        self.move_branch(UPSTREAM, base, &group.head_sha, MERGE_QUEUE, landing)?;
        for number in &group.pulls {
            self.pull_event(*number, PullRequestAction::Dequeued { reason: "MERGE" }, MERGE_QUEUE);
            self.pull_event(*number, PullRequestAction::Closed, MERGE_QUEUE);
        }
        self.finish_group(group, "merged")
    }

    fn drop_group(&mut self, group: &MergeGroup) -> Result<()> {
        for number in &group.pulls {
            self.pull_mut(*number)?.queued_by = None;
            let removed = Timeline::RemovedFromMergeQueue { reason: "failed_checks".to_owned() };
            self.happened(*number, Some(MERGE_QUEUE), removed);
            self.pull_event(*number, PullRequestAction::Dequeued { reason: "CI_FAILURE" }, MERGE_QUEUE);
        }
        self.finish_group(group, "dequeued")?;
        self.rebuild_after(group.id)
    }

    fn rebuild(&mut self, group: &MergeGroup) -> Result<()> {
        self.rebuild_after(group.id - 1)
    }

    /// Builds the groups behind a dropped one anew.
    fn rebuild_after(&mut self, id: u64) -> Result<()> {
        let behind = |group: &&MergeGroup| group.waiting && group.id > id;
        let groups: Vec<MergeGroup> = self.merge_groups.iter().filter(behind).cloned().collect();
        for group in &groups {
            self.finish_group(group, "invalidated")?;
        }
        for number in groups.iter().flat_map(|group| &group.pulls) {
            let Some(by) = self.pull(*number)?.queued_by else {
                continue;
            };
            let built = self.build_group(*number, by)?;
            self.group_event(built, MergeGroupAction::ChecksRequested);
        }
        Ok(())
    }
}
