//! A retrospective for people: first what it comes to, then every deployment on a line, then why not, then who and whom.
//!
//! Invariant: whoever reads the first lines knows what would have been blocked; nothing is only told by colour.

use crate::retrospective::{Inquiry, Judged, Tally};
use countersign_core::domain::Outcome;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use time::OffsetDateTime;
use time::macros::format_description;

/// How many lines a list of people has at most.
const PEOPLE: usize = 10;

pub(super) fn told(inquiry: &Inquiry, packs: &[String], judged: &[Judged], tally: &Tally) -> String {
    let mut text = String::new();
    head(&mut text, inquiry, packs, judged, tally);
    if judged.is_empty() {
        return text;
    }
    lines(&mut text, judged);
    why(&mut text, "Would have been blocked", judged, Outcome::Deny);
    why(&mut text, "Cannot tell from here", judged, Outcome::Undetermined);
    counts(&mut text, "Reasons, by deployments", &tally.reasons, usize::MAX);
    counts(&mut text, "Deployed their own work, by changes", &tally.deployed_own, PEOPLE);
    counts(&mut text, "Who reviewed whom, by changes", &tally.reviewed, PEOPLE);
    text.push_str(
        "\nWrite access, people and settings are as GitHub shows them today; nobody watched what was approved when.\n\
         All of it, one line per change: --format csv. Everything that was seen: --format json.\n",
    );
    text
}

fn head(text: &mut String, inquiry: &Inquiry, packs: &[String], judged: &[Judged], tally: &Tally) {
    let Inquiry { repository, environment, since, until } = inquiry;
    let _ = writeln!(
        text,
        "{repository} to {environment}, {} to {}, judged by {}\n",
        moment(*since),
        moment(*until),
        packs.join(", ")
    );
    let changes: usize = tally.changes.values().sum();
    let _ = writeln!(text, "{} put {} into production.", some(judged.len(), "deployment"), some(changes, "change"));
    let said = |outcome: &str| tally.deployments.get(outcome).copied().unwrap_or(0);
    let of_changes = |outcome: &str| some(tally.changes.get(outcome).copied().unwrap_or(0), "change");
    for (outcome, words) in [
        ("deny", "would have been blocked"),
        ("undetermined", "cannot be told from here"),
        ("pending", "would have waited"),
        ("allow", "would have gone out"),
    ] {
        if said(outcome) > 0 || ["deny", "allow"].contains(&outcome) {
            let _ = writeln!(text, "{:>6}  {words}, with {}", said(outcome), of_changes(outcome));
        }
    }
    if tally.not_succeeded > 0 {
        let _ = writeln!(text, "{:>6}  did not succeed, and put nothing on record: not judged", tally.not_succeeded);
    }
}

fn lines(text: &mut String, judged: &[Judged]) {
    let rows = judged.iter().map(|one| {
        let codes: BTreeSet<&str> = one.verdict.reasons.iter().map(|reason| reason.code.as_str()).collect();
        [
            moment(one.at),
            one.commit.short().to_owned(),
            deployers(one),
            one.verdict.changes.len().to_string(),
            one.verdict.outcome.to_string(),
            codes.into_iter().collect::<Vec<_>>().join(", "),
        ]
    });
    let head = ["went out (UTC)", "commit", "deployed by", "changes", "outcome", "reasons"].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(rows).collect();
    let mut widths = [0; 6];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    text.push('\n');
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line: Vec<String> = cells.collect();
        let _ = writeln!(text, "{}", line.join("  ").trim_end());
    }
}

fn why(text: &mut String, title: &str, judged: &[Judged], outcome: Outcome) {
    let concerned: Vec<&Judged> = judged.iter().filter(|one| one.verdict.outcome == outcome).collect();
    if concerned.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{title}");
    for one in concerned {
        let run = one.run.as_ref().map_or_else(
            || "no run known".to_owned(),
            |run| format!("{} run {} attempt {}", run.path, run.id, run.this.number),
        );
        let _ = writeln!(text, "  {} {} by {}, {run}", moment(one.at), one.commit.short(), deployers(one));
        let mut said: Vec<&str> = Vec::new();
        for reason in &one.verdict.reasons {
            if said.contains(&reason.text.as_str()) {
                continue;
            }
            said.push(&reason.text);
            let _ = writeln!(text, "    {}: {}", reason.code, reason.text);
        }
    }
}

fn counts(text: &mut String, title: &str, counts: &BTreeMap<String, usize>, most: usize) {
    if counts.is_empty() {
        return;
    }
    let mut counts: Vec<(&String, &usize)> = counts.iter().collect();
    counts.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
    let _ = writeln!(text, "\n{title}");
    for (name, count) in counts.iter().take(most) {
        let _ = writeln!(text, "{count:>6}  {name}");
    }
    if counts.len() > most {
        let _ = writeln!(text, "        and {} more", counts.len() - most);
    }
}

fn deployers(one: &Judged) -> String {
    let names: Vec<String> =
        one.verdict.deployers.iter().map(|deployer| format!("@{}", deployer.account.login)).collect();
    if names.is_empty() { "nobody known".to_owned() } else { names.join(", ") }
}

fn some(count: usize, what: &str) -> String {
    if count == 1 { format!("{count} {what}") } else { format!("{count} {what}s") }
}

fn moment(at: OffsetDateTime) -> String {
    at.format(format_description!("[year]-[month]-[day] [hour]:[minute]")).unwrap_or_default()
}
