//! The report: what a reader of SOC 2 reports knows, filled from the record, to be read on a screen and printed.
//!
//! Invariant: what it says follows from the bundle's entries, policies, settings and checkpoint; the same give the same
//! bytes. Its size is bounded: what is listed one by one ends after a few hundred, says how many there are, and names the
//! table that has them all. Nothing is claimed that the record cannot show. Order of reading: [`opening`], [`system`],
//! [`control`], [`figures`], [`matters`], [`closing`].

mod charts;
mod closing;
mod control;
mod figures;
mod matters;
mod opening;
mod system;

use super::EvidenceError;
use super::bundle::REPORT;
use super::catalogue::Catalogue;
use super::contents::Contents;
use super::population::{Cell, Period, Totals};
use super::progress::Watched;
use super::seen::Seen;
use charts::number;
use countersign_core::ledger::{Checkpoint, Note, VerifyingKey};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::path::Path;

/// How a report looks, and what is printed beside it.
pub(super) const STYLE: &str = include_str!("report.css");

/// What a report is made of.
pub(super) struct Told<'a> {
    pub(super) seen: &'a Seen,
    pub(super) totals: &'a Totals,
    pub(super) catalogue: &'a Catalogue,
    pub(super) period: Option<&'a Period>,
    /// The positions of the first entry and of the one after the last.
    pub(super) range: (u64, u64),
    /// How many of them appear as hashes only.
    pub(super) left_out: u64,
    /// The signed head of the ledger.
    pub(super) checkpoint: &'a str,
}

/// The head of the ledger, for people.
struct Head {
    checkpoint: Option<Checkpoint>,
    signers: Vec<String>,
}

/// The report of a bundle, as it is in there. Whether the bundle holds is for [`super::verify()`] to say.
pub fn report_of(bundle: &Path, keys: &[VerifyingKey]) -> Result<String, EvidenceError> {
    Contents::open(bundle, keys, Watched::default())?.text(REPORT)
}

/// The whole report.
pub(super) fn page(told: &Told<'_>) -> String {
    let note = Note::parse(told.checkpoint).ok();
    let head = Head {
        checkpoint: note.as_ref().and_then(|note| Checkpoint::parse(note.unproved_text()).ok()),
        signers: note.iter().flat_map(Note::unproved_signers).collect(),
    };
    let (from, to) = told.seen.span(told.period);
    let title = "Separation of duties in software delivery";
    let sections: [(&str, &str, Markup); 12] = [
        ("assertion", "Management’s assertion", opening::assertion(told)),
        ("verification", "How to check this report without trusting us", opening::verification(told, &head)),
        ("system", "The system", system::overview(told, &head)),
        ("scope", "Scope, and why", system::scope(told)),
        ("environment", "The control environment", system::environment(told)),
        ("criteria", "Criteria, controls, tests and results", control::criteria(told)),
        ("figures", "Results in figures", figures::figures(told)),
        ("deviations", "Deviations, one by one", matters::deviations(told)),
        ("exceptions", "Exceptions, one by one", matters::exceptions(told)),
        ("gaps", "Gaps and windows", matters::gaps(told)),
        ("complementary", "Complementary controls", closing::complementary()),
        ("limitations", "Limitations", closing::limitations(told)),
    ];
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (title) ", " (day(from)) " to " (day(to)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#in-short" { "To the content" }
                header.cover {
                    p.kind { "Evidence report" }
                    h1 { (title) }
                    p.lead { "Nothing reaches production unless three different people stood behind it: someone wrote it, someone else reviewed it, and someone else again deployed it." }
                    (opening::cover(told, &head))
                }
                main {
                    (opening::in_short(told))
                    nav.contents aria-labelledby="contents" {
                        h2 #contents { "Contents" }
                        ol { @for (id, title, _) in &sections { li { a href={ "#" (id) } { (title) } } } }
                    }
                    @for (place, (id, title, body)) in (1..).zip(&sections) {
                        section aria-labelledby=(id) {
                            h2 id=(id) { span.place { (place) } " " (title) }
                            (body)
                        }
                    }
                }
                footer { (closing::colophon(told)) }
            }
        }
    };
    page.into_string()
}

/// A table of a bundle that has all of something.
fn whole(file: &str) -> Markup {
    html! { code { (file) } }
}

/// The rest of a list that was cut.
fn rest(shown: usize, all: u64, file: &str) -> Markup {
    let more = all.saturating_sub(shown as u64);
    html! { @if more > 0 { p.more { (number(more)) " more are in " (whole(file)) ", which has all " (number(all)) "." } } }
}

fn cell(cell: &Cell) -> Markup {
    match cell {
        Cell::Link { text, url } if url.starts_with("https://") || url.starts_with("http://") => {
            html! { a href=(url) { (brief(text)) } }
        }
        Cell::Time(time) => moment(time),
        other => html! { (brief(&other.shown())) },
    }
}

/// A commit as people write it.
fn brief(text: &str) -> String {
    let commit = text.strip_prefix("git:").filter(|rest| rest.len() >= 12);
    commit.and_then(|commit| commit.get(..9)).map_or_else(|| text.to_owned(), str::to_owned)
}

fn moment(time: &str) -> Markup {
    html! { time datetime=(time) { (time.get(..16).unwrap_or(time).replace('T', " ")) } }
}

fn day(time: &str) -> &str {
    time.get(..10).unwrap_or(time)
}

/// Words in which code stands between backticks, as remedies are written.
pub fn words(text: &str) -> Markup {
    // Without its fellow a backtick is itself.
    let pairs = text.matches('`').count().is_multiple_of(2);
    html! { @if pairs {
        @for (place, part) in text.split('`').enumerate() { @if place % 2 == 1 { code { (part) } } @else { (part) } }
    } @else { (text) } }
}

/// A count with its noun.
fn some(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_backticks_is_code_and_stays_words() {
        assert_eq!(
            words("open one (`a <b>`), or `c`").into_string(),
            "open one (<code>a &lt;b&gt;</code>), or <code>c</code>"
        );
        assert_eq!(words("one ` alone").into_string(), "one ` alone");
        assert_eq!(words("none").into_string(), "none");
    }
}
