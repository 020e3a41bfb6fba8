//! What people say of a pull request: reviews, dismissals, comments, labels; and what another App says of its head.
//!
//! Next: `merge.rs`.

use super::{Result, StepError, refused};
use crate::model::{
    APP_CI, Account, AccountId, AccountKind, Comment, Event, Permission, PullRequestAction, Review, ReviewAction,
    ReviewState, Timeline, World,
};
use crate::story;
use crate::writes::CheckRunFields;

impl World {
    pub(super) fn review_step(&mut self, it: &story::Review) -> Result<()> {
        let by = self.actor(&it.by)?;
        let pull = self.pull(it.pr)?;
        let head = pull.head.sha.clone();
        if pull.opener == by && it.state != ReviewState::Commented {
            return Err(refused("nobody reviews their own pull request"));
        }
        if it.state == ReviewState::Dismissed {
            return Err(StepError::Story("a review is not submitted as dismissed".to_owned()));
        }
        let commit = match &it.at {
            Some(name) => self.resolve(name)?,
            None => head,
        };
        self.submit_review(it.pr, by, it.state, commit)
    }

    pub(super) fn submit_review(
        &mut self,
        number: u64,
        by: AccountId,
        state: ReviewState,
        commit: String,
    ) -> Result<()> {
        let (id, at) = (self.next_id(), self.tick());
        self.pull_mut(number)?.reviews.push(Review {
            id,
            by,
            state,
            submitted_state: state,
            commit,
            body: match state {
                ReviewState::Approved => String::new(),
                _ => "See above.".to_owned(),
            },
            submitted_at: at,
        });
        self.happened(number, Some(by), Timeline::Review(id));
        self.emit(&Event::Review { number, review: id, action: ReviewAction::Submitted, sender: by });
        Ok(())
    }

    pub(super) fn dismiss(&mut self, it: &story::Dismiss) -> Result<()> {
        let by = self.allowed(&it.by, Permission::Write)?;
        // An account that is gone leaves its reviews behind.
        let gone = |account: &&Account| account.deleted && account.login.eq_ignore_ascii_case(&it.of);
        let gone = self.accounts.values().find(gone).map(|account| account.id);
        let of = self.actor(&it.of).or_else(|unlisted| gone.ok_or(unlisted))?;
        let opinion = |review: &&mut Review| review.by == of && review.submitted_state != ReviewState::Commented;
        let latest = self.pull_mut(it.pr)?.reviews.iter_mut().rev().find(opinion);
        let Some(review) = latest.filter(|review| review.state != ReviewState::Dismissed) else {
            return Err(refused(format!("`{}` holds no opinion that could be dismissed", it.of)));
        };
        let was = std::mem::replace(&mut review.state, ReviewState::Dismissed);
        let review = review.id;
        self.happened(it.pr, Some(by), Timeline::ReviewDismissed { review, was });
        self.emit(&Event::Review { number: it.pr, review, action: ReviewAction::Dismissed { was }, sender: by });
        Ok(())
    }

    pub(super) fn comment(&mut self, it: &story::Comment) -> Result<()> {
        let by = self.actor(&it.by)?;
        self.add_comment(it.pr, by, it.text.clone())
    }

    fn add_comment(&mut self, number: u64, by: AccountId, body: String) -> Result<()> {
        let (id, at) = (self.next_id(), self.tick());
        self.pull_mut(number)?.comments.push(Comment { id, by, body, at });
        self.happened(number, Some(by), Timeline::Comment(id));
        self.emit(&Event::IssueComment { number, comment: id, sender: by });
        Ok(())
    }

    pub(super) fn label(&mut self, it: &story::Comment) -> Result<()> {
        let by = self.allowed(&it.by, Permission::Triage)?;
        let pull = self.pull_mut(it.pr)?;
        if !pull.labels.contains(&it.text) {
            pull.labels.push(it.text.clone());
        }
        self.happened(it.pr, Some(by), Timeline::Labeled(it.text.clone()));
        self.pull_event(it.pr, PullRequestAction::Labeled(it.text.clone()), by);
        Ok(())
    }

    pub(super) fn noise(&mut self, it: &story::Noise) -> Result<()> {
        let crowd = self.crowd();
        let head = self.pull(it.pr)?.head.sha.clone();
        for _ in 0..it.reviews {
            self.submit_review(it.pr, crowd, ReviewState::Commented, head.clone())?;
        }
        for number in 0..it.comments {
            self.add_comment(it.pr, crowd, format!("Comment {number}"))?;
        }
        Ok(())
    }

    /// The account that makes noise: it comes along where the story lists none.
    fn crowd(&mut self) -> AccountId {
        if let Ok(listed) = self.actor("crowd") {
            return listed;
        }
        let id = self.next_id();
        let (login, kind, permission) = ("crowd".to_owned(), AccountKind::User, Permission::Read);
        self.accounts.insert(id, Account { id, login, kind, permission, deleted: false, built_in: false });
        id
    }

    pub(super) fn ci(&mut self, it: &story::Ci) -> Result<()> {
        let head = self.pull(it.pr)?.head.sha.clone();
        let fields = CheckRunFields {
            name: Some(it.name.clone()),
            conclusion: Some(it.state.name().to_owned()),
            ..CheckRunFields::default()
        };
        self.create_check_run_of(APP_CI, crate::model::OWNER, &head, fields)?;
        Ok(())
    }
}
