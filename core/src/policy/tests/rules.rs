//! Rules that are wrong, rules that are missing, and rules of one's own.

use super::world::{Pull, Release, judge, three_person, user};
use crate::domain::{Facts, Outcome};
use crate::policy::{Policies, PolicyError, Problem, decide};
use std::collections::BTreeMap;

fn with(files: &[(&str, &str)]) -> Result<Policies, PolicyError> {
    let sources = three_person().sources().clone();
    let mut all = sources.files;
    all.extend(files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())));
    Policies::parse(&sources.schema, &all)
}

fn problems(files: &[(&str, &str)]) -> Vec<Problem> {
    match with(files) {
        Err(PolicyError::Invalid(problems)) => problems,
        other => panic!("these rules are wrong: {other:?}"),
    }
}

fn good() -> Facts {
    Pull::opened(1, &user("ann"), "a1").approved(&user("ben")).facts()
}

const ANNOTATED: &str = "@id(\"own\")\n@summary(\"s\")\n@remedy(\"r\")\n@controls(\"c\")\n";

#[test]
fn the_sources_read_again_are_the_same_rules() {
    let policies = three_person();
    let again = Policies::parse(&policies.sources().schema, &policies.sources().files).unwrap();
    assert_eq!(policies.digest(), again.digest());
    assert_eq!(policies.digest().len(), 64);
    assert_eq!(decide(&good(), &policies), decide(&good(), &again));
}

#[test]
fn any_changed_byte_changes_the_digest() {
    let policies = three_person();
    let mut files = policies.sources().files.clone();
    files.get_mut("three-person/review-missing.cedar").unwrap().push('\n');
    let changed = Policies::parse(&policies.sources().schema, &files).unwrap();
    assert_ne!(policies.digest(), changed.digest());
}

#[test]
fn no_pack_and_an_unknown_pack_are_errors() {
    assert!(matches!(Policies::builtin(&[]), Err(PolicyError::NoPack { .. })));
    let error = Policies::builtin(&["five-person".to_owned()]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no policy pack `five-person`: name one of `three-person`, \
         `two-person`, `release-approver`, `unattended`, `tested`, `ticketed`"
    );
    let error = Policies::builtin(&["tree-person".to_owned()]).unwrap_err();
    assert!(error.to_string().contains("`tree-person` (did you mean `three-person`?)"), "{error}");
}

#[test]
fn an_empty_policy_never_means_success() {
    let sources = three_person().sources().clone();
    let empty = Policies::parse(&sources.schema, &BTreeMap::new()).unwrap();
    for facts in [good(), Release::good().facts()] {
        let verdict = decide(&facts, &empty);
        assert_eq!(verdict.outcome, Outcome::Undetermined);
        assert!(verdict.reasons.iter().all(|reason| reason.code == "policy-error"), "{:?}", verdict.reasons);
    }
}

#[test]
fn a_rule_that_fails_when_asked_makes_it_undetermined() {
    let rule = format!(
        "{ANNOTATED}forbid (principal, action == Action::\"merge\", resource is Change)\n\
         when {{ 9223372036854775807 + 1 > 0 && resource.merged }};"
    );
    let policies = with(&[("own/own.cedar", &rule)]).unwrap();
    let verdict = decide(&good(), &policies);
    assert_eq!(verdict.outcome, Outcome::Undetermined);
    assert_eq!(verdict.reasons[0].code, "policy-error");
}

#[test]
fn a_rule_of_ones_own_denies_under_its_own_code() {
    let rule = format!(
        "{ANNOTATED}forbid (principal == Person::\"account/4\", action == Action::\"deploy\", resource is Change);"
    );
    let policies = with(&[("own/own.cedar", &rule)]).unwrap();
    let verdict = decide(&Release::good().facts(), &policies);
    assert_eq!(verdict.outcome, Outcome::Deny);
    assert_eq!((verdict.reasons[0].code.as_str(), verdict.reasons[0].text.as_str()), ("own", "s"));
    assert_eq!(verdict.can_deploy, [user("cat")]);
    assert_eq!(judge(&Release::good().facts()).can_deploy, [user("cat"), user("dee")]);
}

#[test]
fn what_does_not_parse_is_shown_with_its_place() {
    let found = problems(&[("own/own.cedar", "@id(\"own\")\nforbid (principal, action, resource) when { 1 + };")]);
    assert_eq!((found[0].file.as_str(), found[0].line), ("own/own.cedar", 2));
    assert!(found[0].span.0 > 0, "{found:?}");
}

#[test]
fn what_does_not_fit_the_schema_is_shown_with_its_place() {
    let rule = format!(
        "{ANNOTATED}forbid (principal, action == Action::\"merge\", resource is Change)\n\
         when {{ resource.contributers.isEmpty() }};"
    );
    let found = problems(&[("own/own.cedar", &rule)]);
    assert_eq!((found[0].file.as_str(), found[0].line), ("own/own.cedar", 6));
    assert!(found[0].message.contains("contributers"), "{found:?}");
}

#[test]
fn rules_without_their_words_or_with_a_taken_code_are_refused() {
    let body = "forbid (principal, action == Action::\"merge\", resource is Change);";
    let messages = |text: &str| problems(&[("own/own.cedar", text)]).remove(0).message;
    assert!(messages(body).contains("no `@id`"));
    assert!(messages(&format!("@id(\"own\") {body}")).contains("needs `@summary`"));
    let taken = ANNOTATED.replace("own", "review-missing");
    assert!(messages(&format!("{taken}{body}")).contains("already"));
    let reserved = ANNOTATED.replace("own", "facts-incomplete");
    assert!(messages(&format!("{reserved}{body}")).contains("of the program itself"));
    let odd = ANNOTATED.replace("own", "Own Rule");
    assert!(messages(&format!("{odd}{body}")).contains("no reason code"));
}

#[test]
fn a_rule_that_can_never_apply_is_refused() {
    let rule =
        format!("{ANNOTATED}forbid (principal, action == Action::\"merge\", resource is Change) when {{ false }};");
    assert!(!problems(&[("own/own.cedar", &rule)]).is_empty());
}

#[test]
fn facts_of_another_version_cannot_be_told() {
    let mut facts = good();
    facts.version += 1;
    assert_eq!(judge(&facts).outcome, Outcome::Undetermined);
}

#[test]
fn rules_of_an_older_schema_still_say_what_they_said() {
    let now = three_person();
    let sources = now.sources();
    let added = ["exception_overdue:", "content_diverged:", "tests_missing:", "tickets:", "unattended:"];
    let older = |line: &&str| !added.iter().any(|attribute| line.trim_start().starts_with(attribute));
    let schema: String = sources.schema.lines().filter(older).map(|line| line.to_owned() + "\n").collect();
    assert_eq!(schema.lines().count() + added.len(), sources.schema.lines().count());
    let mut files = sources.files.clone();
    files.remove("three-person/content-diverged.cedar");
    files.remove("three-person/exception-overdue.cedar");
    let then = Policies::parse(&schema, &files).unwrap();
    for facts in [Release::good().facts(), Release::good().by(&user("ann")).facts()] {
        assert_eq!(decide(&facts, &then), decide(&facts, &now));
    }
}
