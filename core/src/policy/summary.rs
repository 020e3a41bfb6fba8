//! Verdicts before people, in few words: the title of a check, and the comment of a deployment rule.
//!
//! Invariant: what is cut short says so. Lengths are counted in bytes: GitHub writes "characters" and counts bytes, of a
//! summary at least (github/docs#35252), and bytes are never fewer. Next: `page.rs`, which takes more room.

use super::explain::{at, list, weight};
use super::page::plain;
use crate::domain::{Account, ChangeName, ChangeVerdict, CommitSha, Deployer, Outcome, Reason, Verdict};

/// The longest title of a check.
const TITLE: usize = 255;
/// The longest comment of a deployment rule.
const COMMENT: usize = 1_024;
/// How many reasons a deployment rule's comment spells out.
const SAID: usize = 3;
/// The code of the reason that approvals which do not count explain.
pub(super) const REVIEW_MISSING: &str = "review-missing";
/// What an exception leaves to do.
pub(super) const OWED: &str = "Somebody who neither opened the exception, nor contributed, nor deployed must review it: \
                               `countersign exception review`.";
/// What an undetermined reason's sentence starts with, which its title says in other words.
const NOT_KNOWN: &str = "Not known: ";

/// One sentence for a check's title, at most 255 bytes; an undetermined one starts with "Cannot tell".
pub fn title(verdict: &Verdict) -> String {
    let deciding: Vec<&Reason> = deciding(verdict).collect();
    let Some(first) = deciding.first() else {
        return shorten(&allowed(verdict), TITLE);
    };
    let text = format!("{}{}", although(verdict), said(verdict, first));
    let more = deciding.len().saturating_sub(1);
    if more == 0 {
        return shorten(&text, TITLE);
    }
    let more = format!(" (and {more} more)");
    format!("{}{more}", shorten(&text, TITLE.saturating_sub(more.len())))
}

/// A deployment rule's comment: what decided, what to do, and who could deploy instead. It ends with `kept`, and both
/// together are at most 1,024 bytes.
pub fn short_comment(verdict: &Verdict, kept: &str) -> String {
    let room = COMMENT.saturating_sub(kept.len());
    let spelled_out = (1..=SAID).rev().map(|said| comment(verdict, said)).find(|text| text.len() <= room);
    spelled_out.unwrap_or_else(|| shorten(&comment(verdict, 1), room)) + kept
}

/// The comment with so many reasons spelled out.
fn comment(verdict: &Verdict, said_in_full: usize) -> String {
    let deciding_texts = deciding(verdict).map(|reason| plain(&said(verdict, reason)));
    let mut parts: Vec<String> = deciding_texts.take(said_in_full).map(|text| sentence(&text)).collect();
    if let Some(first) = parts.first_mut() {
        first.insert_str(0, although(verdict));
    }
    if parts.is_empty() {
        parts.push(plain(&sentence(&title(verdict))));
    }
    let more = deciding(verdict).count().saturating_sub(said_in_full);
    if more > 0 {
        parts.push(format!("And {more} more, which the decision lists."));
    }
    if verdict.outcome == Outcome::Exception {
        parts.push(OWED.to_owned());
        return parts.join(" ");
    }
    if let Some(first) = deciding(verdict).next().filter(|reason| !reason.remedy.is_empty()) {
        parts.push(plain(&sentence(&first.remedy)));
    }
    if verdict.outcome != Outcome::Allow {
        if !verdict.can_deploy.is_empty() {
            parts.push(format!("Could deploy it: {}.", plain(&names(&verdict.can_deploy, 10))));
        } else if matches!(verdict.outcome, Outcome::Deny) {
            parts.push("Nobody could deploy all of it as it stands.".to_owned());
        }
        if let Some(up_to) = &verdict.up_to {
            let (deployers, place) = (plain(&deployers(verdict)), plain(&place(verdict, up_to)));
            parts.push(format!("{deployers} could deploy everything up to {place}."));
        }
    }
    parts.join(" ")
}

/// How somebody takes part in releasing, in words that follow the name.
pub fn part(deployer: &Deployer) -> String {
    let has = |role: &str| deployer.because.iter().any(|because| because == role);
    let started = has("actor") && has("triggering_actor");
    let mut parts = Vec::new();
    for because in &deployer.because {
        parts.push(match because.as_str() {
            "actor" => "started the run".to_owned(),
            "triggering_actor" if started => continue,
            "triggering_actor" => "ran it again".to_owned(),
            "environment_approver" => "approved the environment".to_owned(),
            "merged" => "merged the change".to_owned(),
            "queued" => "queued the change".to_owned(),
            "auto_merge" => "enabled auto-merge".to_owned(),
            "pushed" => "pushed the commit".to_owned(),
            "creator" => "created the deployment".to_owned(),
            other => other.replace('_', " "),
        });
    }
    list(&parts, parts.len())
}

/// The reasons that make the outcome what it is.
fn deciding(verdict: &Verdict) -> impl Iterator<Item = &Reason> {
    let decides = |outcome: Outcome| match verdict.outcome {
        Outcome::Exception => matches!(outcome, Outcome::Deny | Outcome::Undetermined),
        other => outcome == other,
    };
    verdict.reasons.iter().filter(move |reason| decides(weight(reason)))
}

/// What comes before a broken rule that an exception covers.
fn although(verdict: &Verdict) -> &'static str {
    if verdict.outcome == Outcome::Exception { "Let through by an exception, although: " } else { "" }
}

/// What a reason says in a sentence of its own: where a review is missing although somebody approved, also why that
/// approval does not count.
fn said(verdict: &Verdict, reason: &Reason) -> String {
    if verdict.outcome == Outcome::Undetermined {
        return cannot_tell(&reason.text);
    }
    let change = verdict.changes.iter().find(|change| reason.change.as_ref() == Some(&change.change));
    let reviews = change.filter(|_| reason.code == REVIEW_MISSING).map_or(&[][..], |change| &change.reviews);
    let uncounted = reviews.iter().rev().find(|review| review.approves && !review.counts && !review.retrospective);
    match uncounted.and_then(|review| review.reasons.first()) {
        Some(why) => format!("{}: {}", reason.text, why.text),
        None => reason.text.clone(),
    }
}

fn cannot_tell(text: &str) -> String {
    let Some(detail) = text.strip_prefix(NOT_KNOWN) else {
        return format!("Cannot tell: {text}");
    };
    let asks = ["who", "whose", "what", "which", "whether", "how", "that"];
    if detail.split(' ').next().is_some_and(|first| asks.contains(&first)) {
        format!("Cannot tell {detail}")
    } else {
        format!("Cannot tell: {detail}")
    }
}

fn allowed(verdict: &Verdict) -> String {
    let deployers = deployers(verdict);
    match (verdict.changes.as_slice(), verdict.deployers.is_empty()) {
        ([], _) => format!("Deployed by {deployers}: what was allowed here before"),
        ([change], true) => format!("Written by {}, reviewed by {}", authors(change), names(&change.reviewers, 3)),
        ([change], false) => format!(
            "Written by {}, reviewed by {}, deployed by {deployers}",
            authors(change),
            names(&change.reviewers, 3)
        ),
        (changes, true) => format!("{} changes, each written and reviewed by different people", changes.len()),
        (changes, false) => {
            format!("{} changes, each written and reviewed by different people, deployed by {deployers}", changes.len())
        }
    }
}

pub(super) fn deployers(verdict: &Verdict) -> String {
    list(&verdict.deployers.iter().map(|deployer| at(&deployer.account)).collect::<Vec<_>>(), 3)
}

/// A commit with the change that it ends: `#10 (2fdbfcd)`.
fn place(verdict: &Verdict, commit: &CommitSha) -> String {
    match verdict.changes.iter().find(|change| change.commit == *commit).map(|change| &change.change) {
        Some(name @ ChangeName::PullRequest(_)) => format!("{name} ({})", commit.short()),
        _ => commit.short().to_owned(),
    }
}

fn authors(change: &ChangeVerdict) -> String {
    let accounts: Vec<String> = change.contributors.iter().map(|it| at(&it.account)).collect();
    list(&accounts, 3)
}

pub(super) fn names(accounts: &[Account], most: usize) -> String {
    list(&accounts.iter().map(at).collect::<Vec<_>>(), most)
}

pub(super) fn sentence(text: &str) -> String {
    if text.ends_with(['.', '…']) { text.to_owned() } else { format!("{text}.") }
}

fn shorten(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(most.saturating_sub('…'.len_utf8()));
    format!("{}…", text.get(..end).unwrap_or_default())
}
