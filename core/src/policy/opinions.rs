//! What each reviewer said, what was dismissed, and whose objection stands.
//!
//! Invariant: the latest opinion is a person's, over all their accounts; what was dismissed revives nothing; an
//! opinion that nobody can attribute may be anybody's. Next: `approvals.rs`.

use super::contributors::{Contributors, contributed};
use super::people::{People, PersonKey, Who};
use super::timeline::until_merge;
use crate::domain::{Account, PullRequest, Review, ReviewId, ReviewState, TimelineEvent};

/// What a review said when it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    /// Yes.
    Yes,
    /// No.
    No,
    /// It was dismissed, and nothing tells what it had been.
    Unknown,
}

/// Whether a review was dismissed (before the merge).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing<'a> {
    /// It was not.
    Stands,
    /// By this account (`None` is one GitHub shows as null), with those who gave it write access since the opening.
    DismissedBy(Option<&'a Account>, &'a [Account]),
    /// GitHub shows it as dismissed, and nothing tells when and by whom.
    DismissedUnseen,
}

/// One approval or objection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opinion<'a> {
    pub(crate) review: &'a Review,
    /// Its place in the timeline.
    pub(crate) at: usize,
    pub(crate) who: Who,
    pub(crate) says: Says,
    pub(crate) standing: Standing<'a>,
    /// It came after the merge.
    pub(crate) late: bool,
}

/// Whether an objection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Objects {
    /// For certain.
    Yes,
    /// As far as is known it may.
    Perhaps,
    /// It does not.
    No,
}

/// All opinions of a pull request, in GitHub's order.
#[derive(Debug)]
pub(crate) struct Opinions<'a> {
    pub(crate) all: Vec<Opinion<'a>>,
    /// Dismissals of reviews that are not among them and that may have been objections.
    pub(crate) dismissed_unread: Vec<ReviewId>,
    /// The pull request is judged as merged.
    pub(crate) merged: bool,
    /// It is merged and nothing tells when.
    pub(crate) merge_unseen: bool,
    retargeted_at: Vec<usize>,
}

impl<'a> Opinions<'a> {
    /// Reads the timeline.
    pub(crate) fn new(people: &People<'_>, pr: &'a PullRequest, merged: bool) -> Self {
        let timeline = until_merge(pr, merged);
        let cut = timeline.events.len();
        let mut found = Self {
            all: Vec::new(),
            dismissed_unread: Vec::new(),
            merged,
            merge_unseen: timeline.merge_unseen,
            retargeted_at: Vec::new(),
        };
        for (at, event) in pr.timeline.iter().enumerate() {
            match event {
                TimelineEvent::Reviewed(review) => {
                    let dismissal = pr.timeline.iter().enumerate().find_map(|(at, event)| match event {
                        TimelineEvent::Dismissed { review: Some(id), was, by, write_given_by } if *id == review.id => {
                            Some((at < cut, *was, (by.as_ref(), write_given_by.as_slice())))
                        }
                        _ => None,
                    });
                    if let Some((says, standing)) = read(review, dismissal) {
                        found.all.push(Opinion {
                            review,
                            at,
                            who: people.who(review.by.as_ref()),
                            says,
                            standing,
                            late: at >= cut,
                        });
                    }
                }
                TimelineEvent::Dismissed { review, was, .. } if at < cut && *was != ReviewState::Approved => {
                    let read = pr
                        .timeline
                        .iter()
                        .any(|event| matches!(event, TimelineEvent::Reviewed(known) if Some(known.id) == *review));
                    if !read {
                        found.dismissed_unread.push(review.unwrap_or(ReviewId(0)));
                    }
                }
                TimelineEvent::Retargeted { .. } if at < cut => found.retargeted_at.push(at),
                _ => {}
            }
        }
        found
    }

    /// The latest opinion of the person who gave this one, up to the merge.
    pub(crate) fn latest(&self, opinion: &Opinion<'a>) -> Opinion<'a> {
        if opinion.late {
            return *opinion;
        }
        let same = |other: &&Opinion<'a>| !other.late && other.who == opinion.who && other.who != Who::Nobody;
        self.all.iter().filter(same).max_by_key(|other| other.at).copied().unwrap_or(*opinion)
    }

    /// Whether the pull request was given another base after this opinion.
    pub(crate) fn retargeted_since(&self, opinion: &Opinion<'_>) -> bool {
        self.retargeted_at.iter().any(|at| *at > opinion.at)
    }

    /// Whether the person who gave this opinion had write access then, by whichever of their accounts.
    fn could_write(&self, opinion: &Opinion<'_>) -> Option<bool> {
        let same = |other: &&Opinion<'_>| other.who == opinion.who && other.who != Who::Nobody;
        let theirs = self.all.iter().filter(same).map(|other| other.review.could_write);
        if theirs.clone().any(|could| could == Some(true)) { Some(true) } else { opinion.review.could_write }
    }

    /// Whether this opinion is an objection that stands.
    pub(crate) fn objects(&self, people: &People<'_>, contributors: &Contributors, opinion: &Opinion<'_>) -> Objects {
        let could_write = self.could_write(opinion);
        if opinion.late || opinion.says == Says::Yes || could_write == Some(false) {
            return Objects::No;
        }
        let objector = match opinion.who {
            Who::Automation(_) => return Objects::No,
            Who::Person(person) => Some(person),
            Who::Nobody => None,
        };
        let later = |says: Says| {
            let same = |other: &&Opinion<'_>| other.who == opinion.who && !other.late && other.at > opinion.at;
            objector.is_some() && self.all.iter().filter(same).any(|other| other.says == says)
        };
        if later(Says::Yes) {
            return Objects::No;
        }
        let sure = objector.is_some() && opinion.says == Says::No && could_write == Some(true) && !later(Says::Unknown);
        match dismissal(people, contributors, objector, opinion.standing) {
            Objects::Yes if sure => Objects::Yes,
            Objects::Yes | Objects::Perhaps => Objects::Perhaps,
            Objects::No => Objects::No,
        }
    }
}

/// What is left of an objection after its dismissal: contributors and automation cannot clear the way for themselves.
fn dismissal(
    people: &People<'_>,
    contributors: &Contributors,
    objector: Option<PersonKey>,
    standing: Standing<'_>,
) -> Objects {
    match standing {
        Standing::Stands => Objects::Yes,
        Standing::DismissedUnseen => Objects::Perhaps,
        Standing::DismissedBy(by, write_given_by) => match people.who(by) {
            Who::Person(person) if objector == Some(person) => Objects::No,
            // Whoever was lent the access to dismiss it did so for the one who lent it.
            Who::Person(_) if write_given_by.iter().any(|giver| contributed(people, contributors, giver)) => {
                Objects::Yes
            }
            Who::Person(person) if !contributors.persons.contains(&person) => Objects::No,
            Who::Person(_) | Who::Automation(_) => Objects::Yes,
            Who::Nobody => Objects::Perhaps,
        },
    }
}

/// A dismissal: whether it came before the merge, what the review had said, and by whom with the givers of their access.
type Dismissal<'a> = (bool, ReviewState, (Option<&'a Account>, &'a [Account]));

/// What a review said and whether that stands; `None` for one that was never an opinion.
fn read<'a>(review: &Review, dismissal: Option<Dismissal<'a>>) -> Option<(Says, Standing<'a>)> {
    let dismissed = match dismissal {
        Some((true, _, (by, write_given_by))) => Standing::DismissedBy(by, write_given_by),
        Some((false, ..)) => Standing::Stands,
        None => Standing::DismissedUnseen,
    };
    Some(match review.state {
        ReviewState::Approved if dismissal.is_some() => (Says::Yes, dismissed),
        ReviewState::Approved => (Says::Yes, Standing::Stands),
        ReviewState::ChangesRequested => (Says::No, Standing::Stands),
        ReviewState::Dismissed => match dismissal.map(|(_, was, _)| was) {
            Some(ReviewState::Approved) => (Says::Yes, dismissed),
            Some(ReviewState::ChangesRequested) => (Says::No, dismissed),
            _ => (Says::Unknown, dismissed),
        },
        ReviewState::Commented | ReviewState::Pending => return None,
    })
}
