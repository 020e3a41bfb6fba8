//! Verdicts before people: the title and summary of a check, and the comment of a deployment rule.
//!
//! Invariant: what is cut short says so, and text from outside is never markup here. Next: back to `mod.rs`.

use super::explain::{at, list, weight};
use crate::domain::{
    Account, ChangeName, ChangeVerdict, CommitSha, Contribution, Contributor, Deployer, Facts, Outcome, Reason,
    ReviewVerdict, Subject, Verdict,
};

/// The most characters GitHub takes as a check's title.
const TITLE: usize = 255;
/// The most GitHub takes as a check's summary.
const SUMMARY: usize = 65_535;
/// The most characters GitHub takes as a deployment rule's comment.
const COMMENT: usize = 1_024;
/// How many reasons a deployment rule's comment spells out.
const SAID: usize = 3;
/// The code of the reason that approvals which do not count explain.
const REVIEW_MISSING: &str = "review-missing";
/// What an exception leaves to do.
const OWED: &str = "Somebody who neither opened the exception, nor contributed, nor deployed must review it.";
/// What an undetermined reason's sentence starts with, which its title says in other words.
const NOT_KNOWN: &str = "Not known: ";

/// One sentence for a check's title, at most 255 characters; an undetermined one starts with "Cannot tell".
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

/// A deployment rule's comment, at most 1,024 characters: what decided, what to do, and who could deploy instead.
pub fn short_comment(verdict: &Verdict) -> String {
    let deciding_texts = deciding(verdict).map(|reason| said(verdict, reason));
    let mut parts: Vec<String> = deciding_texts.take(SAID).map(|text| sentence(&text)).collect();
    if let Some(first) = parts.first_mut() {
        first.insert_str(0, although(verdict));
    }
    if parts.is_empty() {
        parts.push(sentence(&title(verdict)));
    }
    let more = deciding(verdict).count().saturating_sub(SAID);
    if more > 0 {
        parts.push(format!("And {more} more."));
    }
    if verdict.outcome == Outcome::Exception {
        parts.push(OWED.to_owned());
        return shorten(&parts.join(" "), COMMENT);
    }
    if let Some(first) = deciding(verdict).next().filter(|reason| !reason.remedy.is_empty()) {
        parts.push(sentence(&first.remedy));
    }
    if verdict.outcome != Outcome::Allow {
        if !verdict.can_deploy.is_empty() {
            parts.push(format!("Could deploy it: {}.", names(&verdict.can_deploy, 10)));
        } else if matches!(verdict.outcome, Outcome::Deny) {
            parts.push("Nobody could deploy all of it as it stands.".to_owned());
        }
        if let Some(up_to) = &verdict.up_to {
            parts.push(format!("{} could deploy everything up to {}.", deployers(verdict), place(verdict, up_to)));
        }
    }
    shorten(&parts.join(" "), COMMENT)
}

/// The summary of a check, in GitHub's Markdown: what is wrong and what to do; of each change who contributed, and which
/// reviews count; who may deploy. At most 65,535 bytes; what is left out is counted.
pub fn summary_markdown(verdict: &Verdict, facts: &Facts) -> String {
    let page = Page { facts };
    let mut lines: Vec<String> = Vec::new();
    if !verdict.reasons.is_empty() {
        lines.push("### What there is to do".to_owned());
        lines.push(String::new());
        lines.extend(verdict.reasons.iter().map(Page::reason));
        lines.push(String::new());
    }
    for change in &verdict.changes {
        page.change(change, &mut lines);
    }
    page.deployers(verdict, &mut lines);
    let ignored = &facts.terms.repository_rules.ignored;
    if !ignored.is_empty() {
        let ignored: Vec<String> = ignored.iter().map(|rule| plain(rule)).collect();
        lines.push(String::new());
        lines.push(format!("Ignored, since a repository can only be stricter: the permit in {}.", list(&ignored, 10)));
    }
    whole_lines(&lines)
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

fn deployers(verdict: &Verdict) -> String {
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

fn names(accounts: &[Account], most: usize) -> String {
    list(&accounts.iter().map(at).collect::<Vec<_>>(), most)
}

struct Page<'a> {
    facts: &'a Facts,
}

impl Page<'_> {
    fn reason(reason: &Reason) -> String {
        let remedy =
            if reason.remedy.is_empty() { String::new() } else { format!(" {}", plain(&sentence(&reason.remedy))) };
        format!("- **{}** {}{remedy}", plain(&reason.code), plain(&sentence(&reason.text)))
    }

    fn change(&self, change: &ChangeVerdict, lines: &mut Vec<String>) {
        let standing = match change.outcome {
            Outcome::Allow => "compliant",
            Outcome::Exception => "let through by an exception",
            Outcome::Pending => "waiting",
            Outcome::Undetermined => "cannot tell",
            Outcome::Deny => "violation",
        };
        let name = match &change.change {
            ChangeName::PullRequest(number) => self.link(&format!("#{number}"), &format!("pull/{number}")),
            ChangeName::Commit(commit) => self.commit(commit),
        };
        lines.push(format!("### {name} at {}: {standing}", self.commit(&change.commit)));
        lines.push(String::new());
        lines.push("| Contributor | Why |".to_owned());
        lines.push("|---|---|".to_owned());
        lines.extend(change.contributors.iter().map(|contributor| self.contributor(contributor)));
        lines.push(String::new());
        if change.reviews.is_empty() {
            let yet = if change.outcome == Outcome::Pending { " yet" } else { "" };
            lines.push(format!("No review{yet}."));
        } else {
            lines.push("| Review | On | Counts | Why |".to_owned());
            lines.push("|---|---|---|---|".to_owned());
            lines.extend(change.reviews.iter().map(|review| self.review(review)));
        }
        lines.push(String::new());
    }

    fn contributor(&self, contributor: &Contributor) -> String {
        let person = contributor.person.as_ref().map_or_else(String::new, |name| format!(" ({})", plain(name)));
        let automation = if contributor.automation { " (automation)" } else { "" };
        let because = self.evidence(&contributor.because);
        format!("| {}{person}{automation} | {because} |", plain(&at(&contributor.account)))
    }

    /// The evidence, by kind; of each the first three commits.
    fn evidence(&self, because: &[Contribution]) -> String {
        let mut kinds: Vec<(&str, Vec<String>)> = Vec::new();
        for how in because {
            let (kind, what) = match how {
                Contribution::Opened => ("opened it", None),
                Contribution::Authored { commit } => ("author of", Some(self.commit(commit))),
                Contribution::Committed { commit } => ("committer of", Some(self.commit(commit))),
                Contribution::CoAuthored { commit } => ("co-author of", Some(self.commit(commit))),
                Contribution::Pushed { commit } => ("pushed", Some(self.commit(commit))),
                Contribution::Sponsors { run: Some(run), .. } => (
                    "answers for automation in",
                    Some(self.link(&format!("run {run}"), &format!("actions/runs/{run}"))),
                ),
                Contribution::Sponsors { automation, run: None } => {
                    ("answers for automation", Some(format!("account {automation}")))
                }
            };
            match kinds.last_mut() {
                Some((last, all)) if *last == kind => all.extend(what),
                _ => kinds.push((kind, what.into_iter().collect())),
            }
        }
        let wrote = kinds.iter().position(|(kind, _)| *kind == "author of");
        let committed = kinds.iter().position(|(kind, _)| *kind == "committer of");
        if let (Some(wrote), Some(committed)) = (wrote, committed)
            && kinds.get(wrote).map(|(_, what)| what) == kinds.get(committed).map(|(_, what)| what)
        {
            kinds.remove(committed);
            if let Some((kind, _)) = kinds.get_mut(wrote) {
                *kind = "author and committer of";
            }
        }
        let said = kinds.iter().map(|(kind, what)| match what.as_slice() {
            [] => (*kind).to_owned(),
            what => format!("{kind} {}", list(what, 3)),
        });
        said.collect::<Vec<_>>().join("; ")
    }

    fn review(&self, review: &ReviewVerdict) -> String {
        let by = review.by.as_ref().map_or_else(|| "somebody GitHub no longer shows".to_owned(), at);
        let on = review.commit.as_ref().map_or_else(|| "unknown".to_owned(), |commit| self.commit(commit));
        let said = if review.approves { "approval" } else { "objection" };
        let counts = match (review.counts, review.approves) {
            (true, true) => "yes",
            (true, false) => "stands",
            (false, _) => "no",
        };
        let why: Vec<String> = review.reasons.iter().map(|reason| plain(&sentence(&reason.text))).collect();
        format!("| {said} by {} | {on} | {counts} | {} |", plain(&by), why.join(" "))
    }

    fn deployers(&self, verdict: &Verdict, lines: &mut Vec<String>) {
        lines.push("### Who may deploy".to_owned());
        lines.push(String::new());
        if !matches!(self.facts.subject, Subject::Deployment(_)) {
            lines.push("Anybody who contributed nothing to it and is not its only reviewer.".to_owned());
            return;
        }
        if !verdict.deployers.is_empty() {
            let part = |deployer: &Deployer| format!("{} {}", plain(&at(&deployer.account)), part(deployer));
            let deployers: Vec<String> = verdict.deployers.iter().map(part).collect();
            lines.push(format!("{}.", list(&deployers, 20)));
            lines.push(String::new());
        }
        lines.push(if verdict.can_deploy.is_empty() {
            "Nobody could deploy all of it as it stands.".to_owned()
        } else {
            format!("Could deploy all of it: {}.", plain(&names(&verdict.can_deploy, 50)))
        });
        if let Some(up_to) = &verdict.up_to {
            lines.push(String::new());
            lines.push(format!("{} could take it as far as {}.", plain(&deployers(verdict)), self.commit(up_to)));
        }
    }

    fn commit(&self, commit: &CommitSha) -> String {
        if commit.as_str().bytes().all(|byte| byte.is_ascii_hexdigit()) {
            self.link(commit.short(), &format!("commit/{commit}"))
        } else {
            plain(commit.short())
        }
    }

    fn link(&self, label: &str, path: &str) -> String {
        let (web, repository) = (&self.facts.terms.web_url, &self.facts.repository.full_name);
        format!("[{}]({}/{repository}/{path})", plain(label), web.trim_end_matches('/'))
    }
}

/// Text from outside with everything that Markdown or HTML could take for markup made harmless.
fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '!' => safe.extend(['\\', letter]),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            _ if letter.is_control() => safe.push(' '),
            _ => safe.push(letter),
        }
    }
    safe
}

fn sentence(text: &str) -> String {
    if text.ends_with(['.', '…']) { text.to_owned() } else { format!("{text}.") }
}

fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// As many whole lines as GitHub takes; the rest is counted.
fn whole_lines(lines: &[String]) -> String {
    let total: usize = lines.iter().map(|line| line.len() + 1).sum();
    if total <= SUMMARY {
        return lines.join("\n");
    }
    let notice = |left_out: usize| format!("\n{left_out} more lines did not fit; the record holds them all.");
    let room = SUMMARY.saturating_sub(notice(usize::MAX).len());
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        if text.len() + line.len() + 1 > room {
            text.push_str(&notice(lines.len() - index));
            break;
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}
