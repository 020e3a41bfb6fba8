//! Results that a person would rather look at: attempts over time, reasons, lead times, who reviews whom.
//!
//! Invariant: beside each picture stand its figures as a table, so that nothing is only a picture.

use super::charts::{columns, counts, number, over_time};
use super::{Told, some};
use crate::evidence::seen::{Day, LEADS};
use maud::{Markup, html};
use std::collections::{BTreeMap, BTreeSet};

/// How many reasons, and how many people on a side, are shown.
const REASONS: usize = 12;
const PEOPLE: usize = 10;

pub(super) fn figures(told: &Told<'_>) -> Markup {
    html! {
        h3 { "Attempts to deploy over time" }
        (attempts(told))
        h3 { "Why attempts were not allowed" }
        (reasons(told))
        h3 { "From landing to production" }
        (leads(told))
        h3 { "Who reviews whom" }
        (reviewers(told))
    }
}

fn attempts(told: &Told<'_>) -> Markup {
    let Some(columns) = columns(&told.seen.days) else {
        return html! { p.none { "No attempt to deploy is on record." } };
    };
    let mut months: BTreeMap<&str, Day> = BTreeMap::new();
    for (day, of) in &told.seen.days {
        let sum = months.entry(day.get(..7).unwrap_or(day)).or_default();
        sum.allowed += of.allowed;
        sum.excepted += of.excepted;
        sum.denied += of.denied;
        sum.other += of.other;
    }
    let cut = months.len().saturating_sub(36);
    html! {
        figure {
            figcaption { "One column for each " (columns.step.word()) ", by the last decision on each attempt."
                @if columns.cut > 0 { " The first " (number(columns.cut as u64)) " columns are left out." } }
            (over_time(&columns))
            ul.legend {
                li { span.swatch.allow {} "allowed" } li { span.swatch.exception {} "let through by an exception" }
                li { span.swatch.undetermined {} "could not be told, waiting, judged afterwards, or nobody asked" } li { span.swatch.deny {} "denied" }
            }
        }
        table.narrow {
            thead { tr { th scope="col" { "Month" } th.number scope="col" { "Allowed" } th.number scope="col" { "Exception" } th.number scope="col" { "Other" } th.number scope="col" { "Denied" } } }
            tbody { @for (month, day) in months.iter().skip(cut) { tr {
                th scope="row" { (month) } td.number { (number(day.allowed)) } td.number { (number(day.excepted)) } td.number { (number(day.other)) } td.number { (number(day.denied)) }
            } } }
        }
        @if cut > 0 { p.more { (number(cut as u64)) " months before are left out." } }
    }
}

fn reasons(told: &Told<'_>) -> Markup {
    let mut listed: Vec<(&str, u64)> =
        told.totals.reasons.iter().map(|(code, count)| (code.as_str(), *count)).collect();
    listed.sort_by_key(|(code, count)| (std::cmp::Reverse(*count), *code));
    let most = listed.first().map_or(1, |(_, count)| *count).max(1);
    let more = listed.len().saturating_sub(REASONS);
    html! {
        @if listed.is_empty() { p.none { "Nothing was wrong with any attempt." } } @else {
            table.bars {
                thead { tr { th scope="col" { "Rule" } th.number scope="col" { "Attempts" } th.bar scope="col" { span.hidden { "As a bar" } } } }
                tbody { @for (code, count) in listed.iter().take(REASONS) { tr {
                    th scope="row" { a href={ "#rule-" (code) } { (code) } }
                    td.number { (number(*count)) }
                    td.bar { svg viewBox="0 0 400 16" preserveAspectRatio="none" aria-hidden="true" { rect.deny x="0" y="1" height="14" width=((count * 400 / most).max(2)) {} } }
                } } }
            }
            @if more > 0 { p.more { (number(more as u64)) " more rules are in section 6." } }
        }
    }
}

/// How long changes took from landing to production.
fn leads(told: &Told<'_>) -> Markup {
    let bars: Vec<(&str, u64)> = LEADS.iter().zip(told.seen.leads).map(|((_, words), count)| (*words, count)).collect();
    let unknown = told.seen.leads.last().copied().unwrap_or(0);
    html! {
        @if told.totals.changes == 0 { p.none { "No change reached production." } }
        @else if bars.iter().all(|(_, count)| *count == 0) {
            p.none { "It is known of none of the " (some(unknown, "change", "changes")) " when it landed and when the job that deployed it ended." }
        } @else {
            figure {
                figcaption { "Changes by the time from their landing on the production branch to the end of the deploying job, both by GitHub’s clock." }
                (counts("leads-title", "Changes by the time from landing to production; the figures are in the table below", &bars))
                table.narrow {
                    thead { tr { @for (words, _) in &bars { th.number scope="col" { (words) } } th.number scope="col" { "not known" } } }
                    tbody { tr { @for (_, count) in &bars { td.number { (number(*count)) } } td.number { (number(unknown)) } } }
                }
            }
        }
    }
}

/// How many changes each of the busiest reviewed of each of the busiest.
fn reviewers(told: &Told<'_>) -> Markup {
    let pairs = &told.seen.pairs;
    if pairs.is_empty() {
        return html! { p.none { "No change with a review that counts reached production." } };
    }
    let busiest = |side: fn(&(String, String)) -> &str| {
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        for (pair, count) in pairs {
            *sums.entry(side(pair)).or_default() += count;
        }
        let mut sums: Vec<(&str, u64)> = sums.into_iter().collect();
        sums.sort_by_key(|(person, count)| (std::cmp::Reverse(*count), *person));
        sums.truncate(PEOPLE);
        sums.into_iter().map(|(person, _)| person).collect::<Vec<_>>()
    };
    let (authors, by) = (busiest(|pair| &pair.0), busiest(|pair| &pair.1));
    let count =
        |author: &str, reviewer: &str| pairs.get(&(author.to_owned(), reviewer.to_owned())).copied().unwrap_or(0);
    let most = pairs.values().max().copied().unwrap_or(1).max(1);
    let shade = |count: u64| if count == 0 { 0 } else { 1 + count * 4 / most };
    let everybody: BTreeSet<&str> = pairs.keys().map(|(_, reviewer)| reviewer.as_str()).collect();
    let top = told.totals.reviewers.iter().max_by_key(|(person, count)| (**count, std::cmp::Reverse(person.as_str())));
    html! {
        @if let Some((person, count)) = top {
            p { "@" (person) " gave an approval that counts to " (number(*count)) " of " (number(told.totals.changes)) " changes"
                @if told.totals.changes > 0 { " (" (count * 100 / told.totals.changes) " %)" } ". " (number(everybody.len() as u64)) " people reviewed." }
        }
        div.wide tabindex="0" role="region" aria-label="Who reviews whom" { table.matrix {
            caption { "Changes in production, by who contributed (rows) and who reviewed (columns); the darker, the more." }
            thead { tr { td {} @for reviewer in &by { th scope="col" { "@" (reviewer) } } } }
            tbody { @for author in &authors { tr {
                th scope="row" { "@" (author) }
                @for reviewer in &by { @let found = count(author, reviewer); td class={ "number shade-" (shade(found)) } { @if found > 0 { (number(found)) } @else if author == reviewer { "·" } } }
            } } }
        } }
        @if told.seen.more_pairs > 0 { p.more { (number(told.seen.more_pairs)) " reviews between people beyond the first 50,000 pairs are not told apart." } }
        p.quiet { "A pair who only ever review each other is worth a look: the control needs three people, and cannot see whether two of them agree beforehand." }
    }
}
