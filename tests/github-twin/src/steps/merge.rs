//! Merging: GitHub's own rules, the button, and auto-merge.
//!
//! Invariant: past the rules go only administrators who say so. Next: `queue.rs`.

use super::{Result, StepError, refused};
use crate::model::{
    APP_COUNTERSIGN, AccountId, ActivityType, AutoMerge, CheckRun, MergeMethod, Permission, PullRequest,
    PullRequestAction, ReviewState, Ruleset, Timeline, UPSTREAM, World,
};
use crate::story::Merge;
use std::collections::BTreeMap;

/// What the latest check run of a required context says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Required {
    /// One failed.
    Failed,
    /// One is missing or still runs.
    Waiting,
    /// All succeeded.
    Met,
}

impl World {
    pub(super) fn merge(&mut self, it: &Merge) -> Result<()> {
        let by = self.allowed(&it.by, Permission::Write)?;
        let pull = self.open_pull(it.pr)?;
        let missing = self.not_mergeable(pull)?;
        if it.auto {
            return self.enable_auto_merge(it, by);
        }
        match missing {
            None => {}
            Some(why) if it.bypass => self.may_bypass(&it.by, pull, &why)?,
            Some(why) => return Err(refused(why)),
        }
        if self.queue_is_on(&self.open_pull(it.pr)?.base) && !it.bypass {
            return Err(refused("the branch is merged into through its merge queue"));
        }
        self.land(it.pr, by, it.method, it.id.as_deref())
    }

    fn may_bypass(&self, login: &str, pull: &PullRequest, why: &str) -> Result<()> {
        self.allowed(login, Permission::Admin)?;
        if pull.draft {
            return Err(refused(why));
        }
        match self.rules_of(&pull.base) {
            Some(ruleset) if !ruleset.admins_bypass => Err(refused(why)),
            _ => Ok(()),
        }
    }

    fn enable_auto_merge(&mut self, it: &Merge, by: AccountId) -> Result<()> {
        self.pull_mut(it.pr)?.auto_merge = Some(AutoMerge { enabled_by: by, method: it.method, name: it.id.clone() });
        self.happened(it.pr, Some(by), Timeline::AutoMergeEnabled);
        self.pull_event(it.pr, PullRequestAction::AutoMergeEnabled, by);
        Ok(())
    }

    /// Merges it now, whatever the rules say.
    pub(super) fn land(&mut self, number: u64, by: AccountId, method: MergeMethod, name: Option<&str>) -> Result<()> {
        let pull = self.open_pull(number)?.clone();
        let Some(tip) = self.tip(&pull.base) else {
            return Err(StepError::Story(format!("there is no branch `{}`", pull.base)));
        };
        let landed = self.merge_commits(&pull, by, method, &tip)?;
        if let Some(name) = name {
            self.names.insert(name.to_owned(), landed.clone());
        }
        self.mark_merged(number, &landed, by);
        self.move_branch(UPSTREAM, &pull.base, &landed, by, Some(ActivityType::PrMerge))?;
        self.pull_event(number, PullRequestAction::Closed, by);
        Ok(())
    }

    /// The active ruleset that holds for a branch.
    pub(super) fn rules_of(&self, branch: &str) -> Option<&Ruleset> {
        let default = self.upstream().map(|upstream| upstream.default_branch.as_str());
        self.rulesets.iter().find(|ruleset| ruleset.active && default == Some(branch))
    }

    /// Whether a branch is merged into through the queue.
    pub(super) fn queue_is_on(&self, branch: &str) -> bool {
        self.merge_queue && self.rules_of(branch).is_some_and(|ruleset| ruleset.merge_queue)
    }

    /// Why GitHub would not merge it now.
    pub(super) fn not_mergeable(&self, pull: &PullRequest) -> Result<Option<String>> {
        if pull.draft {
            return Ok(Some(format!("#{} is a draft", pull.number)));
        }
        if let Some(tip) = self.tip(&pull.base)
            && self.git.merge_tree(&tip, &pull.head.sha)?.is_none()
        {
            return Err(refused(format!("#{} conflicts with its base", pull.number)));
        }
        let Some(ruleset) = self.rules_of(&pull.base) else {
            return Ok(None);
        };
        if let Some(required) = ruleset.required_approvals {
            let opinions = self.opinions(pull);
            if opinions.values().any(|state| *state == ReviewState::ChangesRequested) {
                return Ok(Some("changes are requested".to_owned()));
            }
            let approvals = opinions.values().filter(|state| **state == ReviewState::Approved).count();
            if approvals < required as usize {
                return Ok(Some(format!("{required} approving review is required, there are {approvals}")));
            }
        }
        Ok(match self.required_checks(ruleset, &pull.head.sha) {
            Required::Met => None,
            Required::Waiting => Some(format!("a required check is expected{}", self.says(&pull.head.sha))),
            Required::Failed => Some(format!("a required check failed{}", self.says(&pull.head.sha))),
        })
    }

    /// What our own check says of a commit, for whoever wonders why a merge is refused.
    fn says(&self, sha: &str) -> String {
        let ours = |run: &&CheckRun| run.app == APP_COUNTERSIGN && run.head_sha == sha;
        let title = self.check_runs.iter().rev().find(ours).map(|run| run.title.clone().unwrap_or_default());
        title.map(|title| format!(" (Countersign: {title})")).unwrap_or_default()
    }

    /// The latest opinion of every account that can write now.
    fn opinions(&self, pull: &PullRequest) -> BTreeMap<AccountId, ReviewState> {
        let mut opinions = BTreeMap::new();
        for review in &pull.reviews {
            let writer = self.accounts.get(&review.by).is_some_and(crate::model::Account::can_write);
            if writer && review.state != ReviewState::Commented {
                opinions.insert(review.by, review.state);
            }
        }
        opinions
    }

    /// What the required checks say of a commit.
    pub(super) fn required_checks(&self, ruleset: &Ruleset, sha: &str) -> Required {
        let required = ruleset.required_checks.iter().map(|(context, app)| {
            let matches =
                |run: &&CheckRun| run.head_sha == sha && run.name == *context && app.is_none_or(|app| app == run.app);
            match self.check_runs.iter().rev().find(matches) {
                Some(run) if run.status != "completed" => Required::Waiting,
                Some(run) => match run.conclusion.as_deref() {
                    Some("success" | "neutral" | "skipped") => Required::Met,
                    _ => Required::Failed,
                },
                None => Required::Waiting,
            }
        });
        required.min().unwrap_or(Required::Met)
    }

    /// Does what GitHub does by itself once the rules are met: auto-merges, and the merge queue.
    pub(crate) fn settle(&mut self) -> Result<()> {
        let waiting: Vec<u64> = self
            .pulls
            .values()
            .filter(|pull| pull.is_open() && pull.auto_merge.is_some())
            .map(|pull| pull.number)
            .collect();
        for number in waiting {
            let pull = self.pull(number)?;
            let Some(auto) = pull.auto_merge.clone() else { continue };
            if matches!(self.not_mergeable(pull), Ok(None)) {
                if self.queue_is_on(&pull.base) {
                    self.pull_mut(number)?.auto_merge = None;
                    self.enqueue(number, auto.enabled_by, auto.name.as_deref(), None)?;
                } else {
                    self.land(number, auto.enabled_by, auto.method, auto.name.as_deref())?;
                }
            }
        }
        self.settle_queue()
    }
}
