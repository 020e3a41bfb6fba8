//! Accounts and protection: who may do what, who is called what, and which rules hold.

use super::{Result, StepError, refused};
use crate::build::ruleset;
use crate::model::{Account, AccountKind, Event, InstallationAction, OWNER, Permission, RulesetAction, World};
use crate::story::{
    DeleteAccount, Installation, InstallationStep, Protection, ProtectionChange, Rename, RuleChange, SetPermission,
};

impl World {
    pub(super) fn set_permission(&mut self, it: &SetPermission) -> Result<()> {
        let member = self.actor(&it.account)?;
        let by = match &it.by {
            Some(login) => self.allowed(login, Permission::Admin)?,
            None => OWNER,
        };
        let Some(account) = self.accounts.get_mut(&member) else {
            return Ok(());
        };
        let before = std::mem::replace(&mut account.permission, it.to);
        if before == it.to {
            // GitHub answers with success, and sends nothing.
            return Ok(());
        }
        let action = match (before, it.to) {
            (Permission::None, _) => "added",
            (_, Permission::None) => "removed",
            _ => "edited",
        };
        let from = (before != Permission::None).then(|| before.role_name());
        self.emit(&Event::Member { member, action, from, sender: by });
        Ok(())
    }

    pub(super) fn rename(&mut self, it: &Rename) -> Result<()> {
        let id = self.actor(&it.account)?;
        if self.account_by_login(&it.to).is_some() {
            return Err(refused(format!("the login `{}` is taken", it.to)));
        }
        let old = match self.accounts.get_mut(&id) {
            Some(account) => std::mem::replace(&mut account.login, it.to.clone()),
            None => return Ok(()),
        };
        for fork in self.repositories.values_mut().filter(|place| place.owner_id == id) {
            fork.owner.clone_from(&it.to);
        }
        if let Some(taker) = &it.taken_by {
            let account = Account {
                id: taker.id,
                login: old,
                kind: AccountKind::User,
                permission: Permission::None,
                deleted: false,
                built_in: false,
            };
            if self.accounts.contains_key(&taker.id) {
                return Err(StepError::Story(format!("id {} is taken", taker.id)));
            }
            self.accounts.insert(taker.id, account);
        }
        Ok(())
    }

    pub(super) fn delete_account(&mut self, it: &DeleteAccount) -> Result<()> {
        let id = self.actor(&it.account)?;
        if let Some(account) = self.accounts.get_mut(&id) {
            account.deleted = true;
            account.permission = Permission::None;
        }
        for environment in self.environments.values_mut() {
            environment.reviewers.retain(|reviewer| *reviewer != id);
        }
        Ok(())
    }

    pub(super) fn protection(&mut self, it: &Protection) -> Result<()> {
        let by = self.allowed(&it.by, Permission::Admin)?;
        if let Some(change) = it.change {
            self.change_ruleset(change, by)?;
        }
        if let Some(change) = it.environment_rule {
            self.environment("production").rule_enabled = change == RuleChange::Restored;
        }
        Ok(())
    }

    pub(super) fn installation_step(&mut self, it: &Installation) -> Result<()> {
        let by = self.allowed(&it.by, Permission::Admin)?;
        let at = self.clock;
        let ours = &mut self.installation;
        let (action, changes) = match it.change {
            InstallationStep::Suspended => {
                let new = ours.suspended.is_none();
                ours.suspended = ours.suspended.or(Some((at, by)));
                (InstallationAction::Suspend, new)
            }
            InstallationStep::Unsuspended => (InstallationAction::Unsuspend, ours.suspended.take().is_some()),
            InstallationStep::Deleted => {
                ours.suspended = None;
                (InstallationAction::Deleted, std::mem::replace(&mut ours.installed, false))
            }
            InstallationStep::Created => (InstallationAction::Created, !std::mem::replace(&mut ours.installed, true)),
            InstallationStep::Removed => (InstallationAction::Removed, std::mem::replace(&mut ours.reaches, false)),
            InstallationStep::Added => (InstallationAction::Added, !std::mem::replace(&mut ours.reaches, true)),
        };
        if !changes {
            return Err(refused("that changes nothing"));
        }
        self.emit(&Event::Installation { action, sender: by });
        Ok(())
    }

    fn change_ruleset(&mut self, change: ProtectionChange, by: u64) -> Result<()> {
        let at = self.clock;
        let before = self.rulesets.first().cloned();
        let (action, ruleset) = match (change, before.clone()) {
            (ProtectionChange::Removed, Some(ruleset)) => {
                self.rulesets.clear();
                (RulesetAction::Deleted, ruleset)
            }
            (ProtectionChange::Weakened, Some(mut ruleset)) => {
                ruleset.required_approvals = Some(0);
                ruleset.required_checks.clear();
                ruleset.no_force_push = false;
                (RulesetAction::Edited, ruleset)
            }
            (ProtectionChange::Restored, before) => {
                let restored = ruleset(self.merge_queue, at);
                let action = match before {
                    Some(_) => RulesetAction::Edited,
                    None => RulesetAction::Created,
                };
                (action, restored)
            }
            (ProtectionChange::Removed | ProtectionChange::Weakened, None) => {
                return Err(refused("there is no ruleset"));
            }
        };
        let ruleset = crate::model::Ruleset { updated_at: at, ..ruleset };
        if action != RulesetAction::Deleted {
            self.rulesets = vec![ruleset.clone()];
        }
        self.emit(&Event::Ruleset {
            ruleset: Box::new(ruleset),
            before: before.filter(|_| action == RulesetAction::Edited).map(Box::new),
            action,
            sender: by,
        });
        Ok(())
    }
}
