//! A verdict on a page: the summary of a check, in GitHub's Markdown.
//!
//! Invariant: text from outside is never markup here, and what GitHub has no room for is counted, kind by kind; what the
//! reader must do and who may deploy come first and are never what is left out. Next: back to `mod.rs`.

use super::explain::{at, list};
use super::summary::{OWED, REVIEW_MISSING, deployers, names, part, sentence};
use crate::domain::{
    ChangeName, ChangeVerdict, CommitSha, Contribution, Contributor, Deployer, Facts, Outcome, Reason, ReviewVerdict,
    Subject, Verdict,
};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The longest summary of a check, in bytes: longer ones are refused with "exceeds a maximum bytesize of 65535".
const SUMMARY: usize = 65_535;
/// The room that is kept for the sentence about what is left out.
const NOTICE: usize = 300;

/// The summary of a check: what is wrong and what to do; who may deploy; of each change, those that are not compliant
/// first, who contributed and which reviews count. It ends with `kept`, and both together are at most 65,535 bytes.
pub fn summary_markdown(verdict: &Verdict, facts: &Facts, kept: &str) -> String {
    let page = Page { facts };
    let room = SUMMARY.saturating_sub(kept.len() + NOTICE);
    let mut sheet = Sheet::default();
    if !verdict.reasons.is_empty() {
        // Half the room: who may deploy must be there however much there is to do.
        sheet.section(room / 2);
        let covered = verdict.outcome == Outcome::Exception;
        sheet.heading(if covered { "### What the exception lets through" } else { "### What there is to do" });
        for reason in &verdict.reasons {
            sheet.put(Kind::Reason, &Page::reason(reason, covered));
        }
        if covered {
            sheet.put(Kind::Words, "");
            sheet.put(Kind::Words, OWED);
        }
        sheet.section(room);
        sheet.put(Kind::Words, "");
    }
    sheet.section(room);
    page.deployers(verdict, &mut sheet);
    let ignored = &facts.terms.repository_rules.ignored;
    if !ignored.is_empty() {
        let ignored: Vec<String> = ignored.iter().map(|rule| plain(rule)).collect();
        sheet.put(Kind::Words, "");
        let ignored = list(&ignored, 10);
        let line = format!("Ignored, since a repository can only be stricter: the permit in {ignored}.");
        sheet.put(Kind::Words, &line);
    }
    let mut changes: Vec<&ChangeVerdict> = verdict.changes.iter().collect();
    changes.sort_by_key(|change| Reverse(change.outcome));
    for change in changes {
        page.change(change, &mut sheet);
    }
    sheet.finish() + kept
}

/// What a line of the page is about, for counting what is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Words,
    Reason,
    Change,
    Contributor,
    Review,
}

/// The page as it is written.
#[derive(Default)]
struct Sheet {
    text: String,
    limit: usize,
    full: bool,
    left_out: BTreeMap<Kind, usize>,
}

impl Sheet {
    /// What follows may fill the page up to here.
    fn section(&mut self, limit: usize) {
        self.limit = limit;
        self.full = false;
    }

    fn heading(&mut self, text: &str) {
        self.put(Kind::Words, text);
        self.put(Kind::Words, "");
    }

    fn heading_of_table(&mut self, columns: &str, rule: &str) {
        self.put(Kind::Words, columns);
        self.put(Kind::Words, rule);
    }

    /// Writes a line; where it does not fit, neither it nor what follows it in this section is written.
    fn put(&mut self, kind: Kind, line: &str) {
        self.full |= self.text.len() + line.len() + 1 > self.limit;
        if self.full {
            *self.left_out.entry(kind).or_default() += 1;
        } else {
            self.text.push_str(line);
            self.text.push('\n');
        }
    }

    fn finish(mut self) -> String {
        self.left_out.remove(&Kind::Words);
        let counted = self.left_out.iter().map(|(kind, count)| {
            let kind = match kind {
                Kind::Words => "line",
                Kind::Reason => "reason",
                Kind::Change => "change",
                Kind::Contributor => "contributor",
                Kind::Review => "review",
            };
            format!("{count} {kind}{}", if *count == 1 { "" } else { "s" })
        });
        let counted: Vec<String> = counted.collect();
        if counted.is_empty() {
            return self.text.trim_end().to_owned();
        }
        let left_out = list(&counted, counted.len());
        let text = self.text.trim_end();
        format!("{text}\n\nLeft out, since GitHub takes no more: {left_out}. The decision on record shows all of it.")
    }
}

struct Page<'a> {
    facts: &'a Facts,
}

impl Page<'_> {
    /// A reason with its way out, which nobody needs to take where an exception covers it.
    fn reason(reason: &Reason, covered: bool) -> String {
        let remedy = if covered || reason.remedy.is_empty() {
            String::new()
        } else {
            format!(" {}", plain(&sentence(&reason.remedy)))
        };
        format!("- **{}** {}{remedy}", plain(&reason.code), plain(&sentence(&reason.text)))
    }

    fn change(&self, change: &ChangeVerdict, sheet: &mut Sheet) {
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
        sheet.put(Kind::Words, "");
        sheet.put(Kind::Change, &format!("### {name} at {}: {standing}", self.commit(&change.commit)));
        sheet.put(Kind::Words, "");
        sheet.heading_of_table("| Contributor | Why |", "|---|---|");
        for contributor in &change.contributors {
            sheet.put(Kind::Contributor, &self.contributor(contributor));
        }
        sheet.put(Kind::Words, "");
        if change.reviews.is_empty() {
            let yet = if change.outcome == Outcome::Pending { " yet" } else { "" };
            sheet.put(Kind::Words, &format!("No review{yet}."));
        } else {
            sheet.heading_of_table("| Review | On | Counts | Why |", "|---|---|---|---|");
            // While a review is awaited, each that does not count says how it could.
            let awaited = change.reasons.iter().any(|reason| reason.code == REVIEW_MISSING && reason.to_come);
            for review in &change.reviews {
                sheet.put(Kind::Review, &self.review(review, awaited));
            }
        }
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

    fn review(&self, review: &ReviewVerdict, awaited: bool) -> String {
        let by = review.by.as_ref().map_or_else(|| "somebody GitHub no longer shows".to_owned(), at);
        let on = review.commit.as_ref().map_or_else(|| "unknown".to_owned(), |commit| self.commit(commit));
        let said = if review.approves { "approval" } else { "objection" };
        let counts = match (review.counts, review.approves) {
            (true, true) => "yes",
            (true, false) => "stands",
            (false, _) => "no",
        };
        // Who can never approve comes last, and what to do about that goes for all of it.
        let remedy = review.reasons.last().map(|reason| &reason.remedy).filter(|it| awaited && !it.is_empty());
        let words = review.reasons.iter().map(|reason| &reason.text).chain(remedy);
        let why: Vec<String> = words.map(|text| plain(&sentence(text))).collect();
        format!("| {said} by {} | {on} | {counts} | {} |", plain(&by), why.join(" "))
    }

    fn deployers(&self, verdict: &Verdict, sheet: &mut Sheet) {
        sheet.heading("### Who may deploy");
        if !matches!(self.facts.subject, Subject::Deployment(_)) {
            sheet.put(Kind::Words, "Anybody who contributed nothing to it and is not its only reviewer.");
            return;
        }
        if !verdict.deployers.is_empty() {
            let part = |deployer: &Deployer| format!("{} {}", plain(&at(&deployer.account)), part(deployer));
            let deployers: Vec<String> = verdict.deployers.iter().map(part).collect();
            sheet.put(Kind::Words, &format!("{}.", list(&deployers, 20)));
            sheet.put(Kind::Words, "");
        }
        let could = if verdict.can_deploy.is_empty() {
            "Nobody could deploy all of it as it stands.".to_owned()
        } else {
            format!("Could deploy all of it: {}.", plain(&names(&verdict.can_deploy, 50)))
        };
        sheet.put(Kind::Words, &could);
        if let Some(up_to) = verdict.up_to.as_ref().filter(|_| verdict.outcome != Outcome::Allow) {
            let deployers = plain(&deployers(verdict));
            sheet.put(Kind::Words, "");
            sheet.put(Kind::Words, &format!("{deployers} could take it as far as {}.", self.commit(up_to)));
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
pub(super) fn plain(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_with_its_end_or_is_left_out_and_counted() {
        let page = |line: &str| {
            let mut sheet = Sheet::default();
            sheet.section(10);
            sheet.put(Kind::Words, "123");
            sheet.put(Kind::Reason, line);
            sheet.put(Kind::Reason, "");
            (sheet.text.clone(), sheet.finish())
        };
        assert_eq!(page("12345").0, "123\n12345\n", "ten bytes, and then there is no room for an empty line");
        for too_long in ["123456", "1234567"] {
            let (text, told) = page(too_long);
            assert_eq!(text, "123\n");
            assert!(told.contains("Left out, since GitHub takes no more: 2 reasons."), "{told}");
        }
        assert!(page("12345").1.contains(": 1 reason."));
    }
}
