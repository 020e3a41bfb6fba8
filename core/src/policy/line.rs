//! Where the target lies on the production branch, and whether the changes given cover all that lies between.
//!
//! Invariant: every commit between what runs now and the target belongs to exactly one change that is judged. A commit
//! that belongs to none makes the facts incomplete. Next: `release.rs`.

use crate::domain::{ChangeInRelease, CommitSha, Deployment, Landing, LandingKind, StartingPoint};
use std::collections::BTreeSet;

/// Where the target lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// At the end of a change on the first-parent line of the production branch.
    EndOfChange,
    /// On that line, inside a change.
    InsideChange,
    /// At or behind what runs now: a rollback or a repeat, which is compared with nothing.
    Behind,
    /// Behind what runs now, and inside a change that a merge put there.
    BehindInside,
    /// Not on that line.
    Off,
}

impl Place {
    /// At or behind what runs now.
    pub(crate) fn is_behind(self) -> bool {
        [Self::Behind, Self::BehindInside].contains(&self)
    }
}

/// What is known of the line between what runs now and the target.
#[derive(Debug)]
pub(crate) struct Position {
    /// Where the target lies.
    pub(crate) place: Place,
    /// What runs now is still on the line.
    pub(crate) start_on_line: bool,
    /// The target was allowed here before, or is the baseline.
    pub(crate) allowed_before: bool,
    /// What is not known, in words that follow "not known:".
    pub(crate) unknown: BTreeSet<String>,
    /// The changes given are all that lies between what runs now and the target, in their order.
    pub(crate) covered: bool,
}

impl Position {
    /// Reads the line. Where the history could not be read at all, nothing is held against the target: that it cannot
    /// be told is a reason of its own.
    pub(crate) fn of(deployment: &Deployment) -> Self {
        let line = &deployment.line;
        let readable = deployment.history_unavailable.is_none();
        let place = if readable { place(deployment) } else { Place::EndOfChange };
        let ahead = [Place::EndOfChange, Place::InsideChange].contains(&place);
        let comparable = readable && ahead && line.reaches_start;
        let start = deployment.start.as_ref().map(StartingPoint::commit).filter(|_| comparable);
        let left_out = start.and_then(|start| uncovered(deployment, start));
        Self {
            covered: start.is_some() && left_out.is_none(),
            place,
            start_on_line: !readable || line.reaches_start,
            allowed_before: is_allowed_before(deployment),
            // Of a target inside a change it is known that nobody may take it.
            unknown: left_out.into_iter().filter(|_| place == Place::EndOfChange).collect(),
        }
    }
}

fn place(deployment: &Deployment) -> Place {
    let (line, target) = (&deployment.line, &deployment.target);
    let start = deployment.start.as_ref().map(StartingPoint::commit);
    // Without a starting point the line may not have been read: that nothing is known denies by itself.
    let unread = start.is_none() && line.commits.is_empty();
    if start == Some(target) || line.behind.contains(target) {
        // What runs now, and what was allowed in spite of it, may be gone back to.
        let inside = !is_allowed_before(deployment) && is_inside_a_change(deployment);
        if inside && start != Some(target) { Place::BehindInside } else { Place::Behind }
    } else if unread {
        Place::EndOfChange
    } else if !line.commits.contains(target) {
        Place::Off
    } else if is_inside_a_change(deployment) {
        Place::InsideChange
    } else {
        Place::EndOfChange
    }
}

/// The movement of the branch that brought a change.
pub(crate) fn landing_of<'d>(deployment: &'d Deployment, change: &'d ChangeInRelease) -> Option<&'d Landing> {
    let of_line = || landing_at(&deployment.line.landings, change.commits.last()?);
    change.landing.as_ref().or_else(of_line)
}

/// The movement that put this commit at the end of the branch, from a list with the newest first. A merge goes before a
/// push: what was pushed away and back is still what that merge put there.
pub fn landing_at<'l>(landings: &'l [Landing], commit: &CommitSha) -> Option<&'l Landing> {
    let mut here = landings.iter().filter(|landing| landing.after == *commit);
    let merge = here.clone().find(|landing| landing.kind != LandingKind::Push);
    merge.or_else(|| here.next())
}

/// "Any person may do it, if that very commit was allowed in this environment before. The baseline counts as allowed."
fn is_allowed_before(deployment: &Deployment) -> bool {
    deployment.allowed_before.is_some()
        || matches!(&deployment.start, Some(StartingPoint::Baseline { commit }) if *commit == deployment.target)
}

/// Whether the target is a commit of a merge other than its last: nobody approved that state by itself.
fn is_inside_a_change(deployment: &Deployment) -> bool {
    let line: Vec<&CommitSha> = deployment.line.commits.iter().chain(&deployment.line.behind).collect();
    let of_changes = deployment.changes.iter().filter_map(|change| change.landing.as_ref());
    let by_merge = |landing: &&Landing| landing.kind != LandingKind::Push;
    let mut landings = deployment.line.landings.iter().chain(of_changes).filter(by_merge);
    landings.any(|landing| {
        line.iter()
            .skip_while(|commit| ***commit != landing.after)
            .take_while(|commit| ***commit != landing.before)
            .skip(1)
            .any(|commit| **commit == deployment.target)
    })
}

/// Says which commits the changes leave out, or hold twice or in another order.
fn uncovered(deployment: &Deployment, start: &CommitSha) -> Option<String> {
    let line = &deployment.line.commits;
    let between: Vec<&CommitSha> =
        line.iter().skip_while(|commit| **commit != deployment.target).take_while(|commit| *commit != start).collect();
    let judged: Vec<&CommitSha> = deployment.changes.iter().flat_map(|change| &change.commits).collect();
    if between.iter().rev().eq(judged.iter()) {
        return None;
    }
    let left_out = between.iter().rev().find(|commit| !judged.contains(commit));
    Some(left_out.map_or_else(
        || "which changes lie between what runs now and the target".to_owned(),
        |commit| format!("which change {} belongs to", commit.short()),
    ))
}
