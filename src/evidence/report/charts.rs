//! Charts as inline SVG: figures that a person would rather look at.
//!
//! Invariant: whole numbers only, so that the same figures give the same bytes; every chart says in words what it shows,
//! and the same figures stand in a table beside it.

use crate::evidence::seen::Day;
use maud::{Markup, html};
use std::collections::BTreeMap;
use time::{Date, Duration, Month};

/// The size of a chart's picture.
const WIDTH: u64 = 720;
const HEIGHT: u64 = 190;
/// The room left for the scale, and for what stands below the columns.
const LEFT: u64 = 46;
const BELOW: u64 = 24;
const ABOVE: u64 = 8;
/// Half of the width of the longest word below a column.
const HALF_A_LABEL: u64 = 20;
/// How many columns there are at most.
const COLUMNS: usize = 120;

/// What one column stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Day,
    Week,
    Month,
}

impl Step {
    /// Such that the columns of a span can be told apart.
    fn of(days: i64) -> Self {
        match days {
            ..=62 => Self::Day,
            63..=400 => Self::Week,
            _ => Self::Month,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week, from Monday",
            Self::Month => "month",
        }
    }

    fn first(self, date: Date) -> Date {
        match self {
            Self::Day => date,
            Self::Week => {
                let since = i64::from(date.weekday().number_days_from_monday());
                date.checked_sub(Duration::days(since)).unwrap_or(date)
            }
            Self::Month => date.replace_day(1).unwrap_or(date),
        }
    }

    fn next(self, date: Date) -> Option<Date> {
        match self {
            Self::Day => date.next_day(),
            Self::Week => date.checked_add(Duration::days(7)),
            Self::Month if date.month() == Month::December => {
                Date::from_calendar_date(date.year() + 1, Month::January, 1).ok()
            }
            Self::Month => Date::from_calendar_date(date.year(), date.month().next(), 1).ok(),
        }
    }
}

/// Columns of days taken together.
pub(super) struct Columns {
    pub(super) step: Step,
    pub(super) shown: Vec<(Date, Day)>,
    /// Columns before the first that is shown.
    pub(super) cut: usize,
}

/// Takes days together into as many columns as can be told apart. Days without anything are there too.
pub(super) fn columns(days: &BTreeMap<String, Day>) -> Option<Columns> {
    let dated: BTreeMap<Date, Day> = days.iter().filter_map(|(day, of)| Some((date(day)?, *of))).collect();
    let (first, last) = (*dated.first_key_value()?.0, *dated.last_key_value()?.0);
    let step = Step::of((last - first).whole_days());
    let mut columns: Vec<(Date, Day)> = Vec::new();
    let mut at = Some(step.first(first));
    let mut left = dated.into_iter().peekable();
    while let Some(start) = at.filter(|start| *start <= last) {
        let end = step.next(start);
        let mut sum = Day::default();
        while let Some((_, day)) = left.next_if(|(date, _)| end.is_none_or(|end| *date < end)) {
            sum.allowed += day.allowed;
            sum.excepted += day.excepted;
            sum.denied += day.denied;
            sum.other += day.other;
        }
        columns.push((start, sum));
        at = end;
    }
    let cut = columns.len().saturating_sub(COLUMNS);
    columns.drain(..cut);
    Some(Columns { step, shown: columns, cut })
}

fn date(text: &str) -> Option<Date> {
    let mut parts = text.splitn(3, '-');
    let year = parts.next()?.parse().ok()?;
    let month: u8 = parts.next()?.parse().ok()?;
    let day = parts.next()?.parse().ok()?;
    Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()
}

/// The parts of a column, from the bottom up: class and height in attempts.
fn parts(day: Day) -> [(&'static str, u64); 4] {
    [("allow", day.allowed), ("exception", day.excepted), ("undetermined", day.other), ("deny", day.denied)]
}

/// Attempts to deploy over time, by what was decided.
pub(super) fn over_time(columns: &Columns) -> Markup {
    let total = |day: &Day| parts(*day).iter().map(|(_, number)| number).sum::<u64>();
    let top = scale(columns.shown.iter().map(|(_, day)| total(day)).max().unwrap_or(0));
    let count = columns.shown.len().max(1) as u64;
    let slot = (WIDTH - LEFT) * 100 / count;
    let wide = (slot * 7 / 10).clamp(100, 4_000);
    let height = |number: u64| number * (HEIGHT - BELOW - ABOVE) * 100 / top;
    let every = count.div_ceil(12);
    html! {
        svg class="chart" viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-labelledby="over-time-title" {
            title #over-time-title {
                "Attempts to deploy by " (columns.step.word()) ", stacked by what was decided; the figures are in the table below"
            }
            (grid(top))
            @for (at, (start, day)) in (0_u64..).zip(&columns.shown) {
                @let left = LEFT * 100 + at * slot + (slot - wide.min(slot)) / 2;
                g {
                    @for (below, (class, number)) in stacked(*day) {
                        @if number > 0 {
                            rect class=(class) x=(hundredths(left)) width=(hundredths(wide.min(slot)))
                                y=(hundredths((HEIGHT - BELOW) * 100 - height(below + number))) height=(hundredths(height(number).max(60))) {}
                        }
                    }
                    @if at % every == 0 {
                        // A label below the last columns would be cut off at the edge.
                        @let middle = LEFT * 100 + at * slot + slot / 2;
                        @let (x, anchor) = if middle > (WIDTH - HALF_A_LABEL) * 100 { (WIDTH * 100, "end") } else { (middle, "middle") };
                        text.axis x=(hundredths(x)) y=(HEIGHT - 8) text-anchor=(anchor) { (label(columns.step, *start)) }
                    }
                }
            }
        }
    }
}

/// Each part of a column with what lies below it.
fn stacked(day: Day) -> impl Iterator<Item = (u64, (&'static str, u64))> {
    parts(day).into_iter().scan(0, |below, part| {
        let at = *below;
        *below += part.1;
        Some((at, part))
    })
}

/// Columns of plain counts, with a word below each.
pub(super) fn counts(id: &str, says: &str, bars: &[(&str, u64)]) -> Markup {
    let top = scale(bars.iter().map(|(_, number)| *number).max().unwrap_or(0));
    let slot = (WIDTH - LEFT) * 100 / (bars.len().max(1) as u64);
    let height = |number: u64| number * (HEIGHT - BELOW - ABOVE) * 100 / top;
    html! {
        svg class="chart" viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-labelledby=(id) {
            title id=(id) { (says) }
            (grid(top))
            @for (at, (word, number)) in (0_u64..).zip(bars) {
                @let left = LEFT * 100 + at * slot;
                rect.plain x=(hundredths(left + slot / 8)) width=(hundredths(slot * 3 / 4))
                    y=(hundredths((HEIGHT - BELOW) * 100 - height(*number))) height=(hundredths(height(*number))) {}
                text.axis x=(hundredths(left + slot / 2)) y=(HEIGHT - 8) text-anchor="middle" { (word) }
            }
        }
    }
}

fn grid(top: u64) -> Markup {
    let room = HEIGHT - BELOW - ABOVE;
    html! {
        @for line in 0..=2_u64 {
            @let y = HEIGHT - BELOW - room * line / 2;
            line.grid x1=(LEFT) x2=(WIDTH) y1=(y) y2=(y) {}
            @if top.is_multiple_of(2) || line != 1 {
                text.axis x=(LEFT - 6) y=(y + 4) text-anchor="end" { (number(top * line / 2)) }
            }
        }
    }
}

fn label(step: Step, start: Date) -> String {
    let month = start.month().to_string();
    let month = month.get(..3).unwrap_or(&month);
    match step {
        Step::Month => format!("{month} {:02}", start.year() % 100),
        Step::Day | Step::Week => format!("{} {month}", start.day()),
    }
}

/// A round number at or above the highest.
fn scale(highest: u64) -> u64 {
    let mut step = 1_u64;
    loop {
        for times in [1, 2, 4, 5, 6, 8] {
            if step.saturating_mul(times) >= highest {
                return step.saturating_mul(times);
            }
        }
        step = step.saturating_mul(10);
    }
}

fn hundredths(value: u64) -> String {
    match value % 100 {
        0 => (value / 100).to_string(),
        rest => format!("{}.{rest:02}", value / 100),
    }
}

/// A number as people read it: `1,204`.
pub(super) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut spelled = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            spelled.push(',');
        }
        spelled.push(digit);
    }
    spelled
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn days(list: &[&str]) -> BTreeMap<String, Day> {
        list.iter().map(|day| ((*day).to_owned(), Day { allowed: 1, ..Day::default() })).collect()
    }

    #[test]
    fn days_are_taken_together_so_that_columns_can_be_told_apart() {
        for (list, step, count) in [
            (&["2026-01-30", "2026-02-02"][..], Step::Day, 4),
            (&["2026-01-01", "2026-12-31"], Step::Week, 53),
            (&["2024-11-05", "2026-02-01"], Step::Month, 16),
            (&["2026-01-30", "unknown"], Step::Day, 1),
        ] {
            let found = columns(&days(list)).unwrap();
            assert_eq!((found.step, found.shown.len(), found.cut), (step, count, 0), "{list:?}");
            let sum: u64 = found.shown.iter().map(|(_, day)| day.allowed).sum();
            assert_eq!(sum, list.iter().filter(|day| **day != "unknown").count() as u64);
        }
        let long = columns(&days(&["1990-01-01", "2026-01-01"])).unwrap();
        assert_eq!((long.shown.len(), long.cut), (COLUMNS, 313));
        assert!(columns(&BTreeMap::new()).is_none());
    }

    #[test]
    fn numbers_are_spelled_for_people_and_scales_are_round() {
        assert_eq!(
            ["0", "999", "1,000", "1,234,567"],
            [0, 999, 1_000, 1_234_567].map(number).each_ref().map(String::as_str)
        );
        assert_eq!([1, 1, 4, 8, 10, 40, 1_000], [0, 1, 3, 7, 9, 33, 999].map(scale));
        assert_eq!((hundredths(1_234), hundredths(500)), ("12.34".to_owned(), "5".to_owned()));
    }
}
