//! Criteria, the controls that answer to them, how they were tested, and with which result.
//!
//! Invariant: a rule counts as upheld only where nothing that broke it reached production without an exception; the words
//! of rules come from the policies in the bundle, those of criteria are ours in short.

use super::charts::number;
use super::{Told, some, whole};
use crate::evidence::criteria;
use crate::evidence::seen::Upheld;
use maud::{Markup, html};

pub(super) fn criteria(told: &Told<'_>) -> Markup {
    let by_control = told.catalogue.by_control();
    let of = |code: &str| told.seen.rules.get(code).copied().unwrap_or_default();
    let mut framework = "";
    html! {
        h3 { "How the controls were tested" }
        p { "Each rule was applied to every attempt to deploy and every change that landed, not to a sample: " (some(told.seen.decisions, "decision is", "decisions are")) " in this record, of which "
            (some(told.seen.decisions - told.seen.on_changes, "is", "are")) " about deployments. Three tests then hold each change that reached production against the record: "
            "somebody reviewed it who had not contributed; nobody deployed it who had contributed; somebody reviewed it who did not deploy it. "
            code { "countersign evidence verify" } " makes every decision and every test again. What a rule must say of given facts is shown by cases in the sources (" code { "policies/tests" } "), which " code { "countersign policy test" } " runs." }
        (three_tests(told))
        h3 { "Criteria and the rules that serve them" }
        @if by_control.is_empty() { p.none { "No policies are in this bundle: nothing was decided in this range." } } @else {
            table.criteria {
                thead { tr { th scope="col" { "Criterion" } th scope="col" { "Asks, in short" } th scope="col" { "Rules" } th scope="col" { "Result" } } }
                tbody { @for (control, codes) in &by_control {
                    @if control.framework != framework {
                        ({ framework = control.framework.as_str(); html! { tr.group { th colspan="4" scope="colgroup" { (criteria::title(framework)) } } } })
                    }
                    @let broken: Vec<&str> = codes.iter().copied().filter(|code| of(code).reached > 0).collect();
                    @let excepted: Vec<&str> = codes.iter().copied().filter(|code| of(code).excepted > 0).collect();
                    tr {
                        th scope="row" { (control.id) }
                        td { (criteria::words(control).unwrap_or("named by a rule of a repository’s own")) }
                        td.codes { @if codes.len() == told.catalogue.rules.len() { "all rules below" } @else { @for (place, code) in codes.iter().enumerate() { @if place > 0 { ", " } a href={ "#rule-" (code) } { (code) } } } }
                        td {
                            @if broken.is_empty() { span.good { "no deviation" } } @else { span.bad { "deviations: " (broken.join(", ")) } }
                            @if !excepted.is_empty() { div.quiet { "by exception: " (excepted.join(", ")) } }
                        }
                    }
                } }
            }
        }
        h3 { "Rules and what became of them" }
        @if !told.catalogue.rules.is_empty() {
            table.rules {
                thead { tr { th scope="col" { "Rule" } th scope="col" { "Says" } th.number scope="col" { "Stopped" } th.number scope="col" { "Excepted" } th.number scope="col" { "Got through" } } }
                tbody { @for (code, rule) in &told.catalogue.rules {
                    @let upheld: Upheld = of(code);
                    tr id={ "rule-" (code) } {
                        th scope="row" { (code) }
                        td { (super::words(&readable(&rule.summary))) div.origin { (rule.origin) } }
                        td.number { (number(upheld.stopped)) } td.number { (number(upheld.excepted)) }
                        td class={ "number" @if upheld.reached > 0 { " bad" } } { (number(upheld.reached)) }
                    }
                } }
            }
            p.quiet { "Counted are attempts to deploy by their last decision. Stopped: held back, in part or alone, by this rule. Excepted: broken, and let through by an exception (section 9). "
                "Got through: broken, and in production all the same, without an exception (section 8). One attempt can break several rules." }
        }
    }
}

fn three_tests(told: &Told<'_>) -> Markup {
    let totals = told.totals;
    let [review, deployer, other] = totals.tests_failed;
    let row = |test: &str, column: &str, failed: u64| {
        html! { tr {
            td { (test) } td { (whole(column)) } td.number { (number(totals.changes)) }
            td class={ "number" @if failed > 0 { " bad" } } { (number(failed)) }
        } }
    };
    html! {
        table.narrow {
            thead { tr { th scope="col" { "Test" } th scope="col" { "Column of changes.csv" } th.number scope="col" { "Changes" } th.number scope="col" { "Does not hold" } } }
            tbody {
                (row("Somebody reviewed it who had not contributed", "author_is_not_reviewer", review))
                (row("Nobody deployed it who had contributed", "author_is_not_deployer", deployer))
                (row("Somebody reviewed it who did not deploy it", "reviewer_is_not_deployer", other))
            }
        }
        p.quiet { "Under a policy that asks for less than three people a test may fail without a rule being broken; section 8 lists such changes too." }
    }
}

/// A rule's sentence without its braces.
fn readable(summary: &str) -> String {
    summary.replace('{', "‹").replace('}', "›")
}
