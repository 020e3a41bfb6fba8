//! What everybody who is blocked reads: for every code, and every outcome it leads to, the title, the rule's comment and
//! the summary, as they stand on GitHub. Read a changed snapshot as that person: what happened, who can do what now?

use super::catalogue::cases;
use super::exceptions::covered;
use super::world::{Landed, Pull, Release, every_rule, good_pull, judge, user};
use crate::domain::{Facts, Outcome, Person, Subject, Verdict};
use crate::policy::{codes, short_comment, summary_markdown, title};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// What is told of one decision. A pull request has no rule that could take a comment.
fn told(shows: &str, facts: &Facts) -> String {
    let verdict = judge(facts);
    let mut told = format!("# {}: {shows}\n\nTITLE    {}\n", verdict.outcome, title(&verdict));
    if matches!(facts.subject, Subject::Deployment(_)) {
        writeln!(told, "COMMENT  {}", short_comment(&verdict, "")).unwrap();
    }
    writeln!(told, "\n{}\n", summary_markdown(&verdict, facts, "")).unwrap();
    told
}

/// Keeps one page of words under a name.
fn keep(name: &str, page: &str) {
    insta::with_settings!({omit_expression => true, prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!(name, page);
    });
}

#[test]
fn every_code_is_told_in_words_to_act_on() {
    for code in codes(&every_rule()).iter().map(|code| code.code.as_str()).filter(|code| *code != "policy-error") {
        let mut seen = BTreeSet::new();
        let mut page = String::new();
        for case in cases().filter(|case| case.code == code && case.is != Outcome::Allow) {
            let facts = (case.facts)();
            if seen.insert((case.is, matches!(facts.subject, Subject::Deployment(_)))) {
                page += &told(case.shows, &facts);
            }
        }
        keep(code, &page);
    }
    let mut faulty = Release::good().facts();
    faulty.terms.repository_rules.faults.push("frozen.cedar:3: unexpected token `}`".to_owned());
    keep("policy-error", &told("a rule of the repository's own that does not parse", &faulty));
}

#[test]
fn every_outcome_is_told_in_words_to_act_on() {
    let second = || Pull::opened(2, &user("ben"), "b2").approved(&user("ann")).merged(&user("cat"));
    let two = [Landed::Merge("m1", good_pull(1, "a1")), Landed::Merge("m2", second())];
    let mut with_permit = Release::good().facts();
    with_permit.terms.repository_rules.ignored.push("loose.cedar".to_owned());
    keep(
        "outcome-allow",
        &[
            told("a pull request", &Pull::opened(1, &user("ann"), "a1").approved(&user("ben")).facts()),
            told("a deployment of two changes", &Release::of(&two).facts()),
            told("what was allowed before", &Release::good().target("base").facts()),
            told("a permit of the repository's own is ignored", &with_permit),
        ]
        .concat(),
    );
    keep("outcome-exception", &told("an exception", &Release::good().by(&user("ann")).with(covered).facts()));
    let asked = Release::good().by_push().approvals(&[]).facts();
    keep("outcome-pending", &told("nothing but the environment's approval is to come", &asked));
    let unseen = Release::good().with_run(|run| run.this.actor = None).facts();
    keep("outcome-undetermined", &told("somebody GitHub no longer shows", &unseen));
    let after_merge = [
        ("an objection", good_pull(1, "a1").with(|pr| drop(pr.timeline.pop())).objected(&user("dee"))),
        ("automation", Pull::opened(1, &super::world::bot("codegen"), "c1").approved(&user("ben"))),
    ];
    let merged = after_merge.map(|(shows, pull)| told(&format!("{shows}, merged"), &pull.merged(&user("cat")).facts()));
    keep("outcome-deny-merged", &merged.concat());
}

#[test]
fn a_page_shows_who_contributed_which_reviews_count_and_how_far_one_may_go() {
    let pull = Pull::opened(1, &user("ann"), "a1").push(&user("ben"), "b1", &user("ann"));
    let pull = pull.approved(&user("ben")).approved(&user("cat")).push(&user("ann"), "a2", &user("ann"));
    let mut facts = pull.approved(&super::world::bot("codegen")).objected(&user("dee")).facts();
    let accounts = vec![user("ann").id];
    facts.terms.persons.push(Person { name: "Ann | Example".to_owned(), accounts, emails: Vec::new() });
    let unreviewed = Pull::opened(2, &user("ann"), "a2").merged(&user("cat"));
    let landed = [Landed::Merge("m1", good_pull(1, "a1")), Landed::Merge("m2", unreviewed)];
    let pages = [told("a pull request", &facts), told("a deployment", &Release::of(&landed).facts())];
    keep("pages", &pages.concat());
}

/// As long as what is put below every summary and comment: the link to the decision, the ledger's size and root.
const KEPT: &str =
    "\n\n[Decision](https://countersign.example.com/decisions/0123456789abcdef) · ledger 1000000 `0123456789abcdef`";

/// 300 changes, some of them with 60 contributors and 200 reviews, and whatever the settings call ann.
fn long_world(name: &str, reviewed: bool) -> Facts {
    let people =
        (0..60).map(|id| super::world::account(1000 + id, &format!("someone-{id}"), crate::domain::AccountKind::User));
    let people: Vec<_> = people.collect();
    let pulls: Vec<Landed> = (1..=300)
        .map(|number| {
            let id = |what: &str, at: usize| format!("{what}{number:04}{at:035}");
            let mut pull = Pull::opened(number, &user("ann"), &id("a", 0));
            let crowd = if number % 100 == 0 { &people[..] } else { &people[..1] };
            for (at, person) in crowd.iter().enumerate() {
                pull = pull.push(person, &id("b", at), person);
            }
            for _ in 0..if number % 100 == 0 { 200 } else { 2 } {
                pull = pull.approved(&people[0]);
            }
            let pull = if reviewed { pull.approved(&user("ben")) } else { pull };
            let landed: &'static str = Box::leak(id("c", 0).into_boxed_str());
            Landed::Merge(landed, pull.merged(&user("cat")))
        })
        .collect();
    let mut facts = Release::of(&pulls).by(&user("ann")).facts();
    facts.terms.persons.push(Person { name: name.to_owned(), accounts: vec![user("ann").id], emails: Vec::new() });
    facts
}

fn fits(verdict: &Verdict, facts: &Facts) -> String {
    let (summary, comment) = (summary_markdown(verdict, facts, KEPT), short_comment(verdict, KEPT));
    assert!(title(verdict).len() <= 255, "{}", title(verdict));
    assert!(comment.len() <= 1_024 && comment.ends_with(KEPT), "{comment}");
    assert!(summary.len() <= 65_535 && summary.ends_with(KEPT), "{}", summary.len());
    summary
}

#[test]
fn what_github_has_no_room_for_is_counted_and_the_decision_has_it() {
    // As many bytes as a letter can take: GitHub counts those.
    for name in ["Ann", &"👩‍💻".repeat(40)] {
        let facts = long_world(name, true);
        let verdict = judge(&facts);
        let summary = fits(&verdict, &facts);
        assert!(summary.len() > 50_000, "{}", summary.len());
        let notice = summary.strip_suffix(KEPT).unwrap().lines().last().unwrap();
        assert!(
            notice.starts_with("Left out, since GitHub takes no more: ") && notice.contains(" changes, "),
            "{notice}"
        );
        assert!(notice.ends_with(" reviews. The decision on record shows all of it."), "{notice}");
        assert!(summary.contains("### Who may deploy"));
        assert!(title(&verdict).ends_with(" (and 299 more)"));
        assert!(short_comment(&verdict, "").contains("And 297 more, which the decision lists.") || name != "Ann");
    }
    let facts = long_world("Ann", false);
    let verdict = judge(&facts);
    assert_eq!(verdict.outcome, Outcome::Deny);
    fits(&verdict, &facts);
}

#[test]
fn of_many_changes_those_that_hold_it_up_come_first() {
    let unreviewed = Pull::opened(2, &user("ben"), "b2").merged(&user("cat"));
    let landed = [Landed::Merge("m1", good_pull(1, "a1")), Landed::Merge("m2", unreviewed)];
    let facts = Release::of(&landed).facts();
    let summary = summary_markdown(&judge(&facts), &facts, "");
    let place = |what: &str| summary.find(what).unwrap();
    assert!(place("m2: violation") < place("m1: compliant"));
    assert!(place("What there is to do") < place("Who may deploy") && place("Who may deploy") < place("m2: violation"));
}

#[test]
fn words_from_outside_are_never_markup_in_a_comment_either() {
    let hostile = "[click](https://evil.example) <img src=x>";
    let facts = Release::good().with(|deployment| deployment.missing.push(hostile.to_owned())).facts();
    let comment = short_comment(&judge(&facts), "");
    assert!(comment.contains("\\[click\\]") && !comment.contains("<img"), "{comment}");
}
