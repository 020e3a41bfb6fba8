//! What a person reads.

use super::world::{Landed, Pull, Release, bot, facts, good_pull, judge, user};
use crate::domain::{Facts, Subject};
use crate::policy::{short_comment, summary_markdown, title};
use insta::assert_snapshot;

fn open() -> Pull {
    Pull::opened(1, &user("ann"), "a1").push(&user("ben"), "b1", &user("ann"))
}

fn title_of(facts: &Facts) -> String {
    title(&judge(facts))
}

#[test]
fn a_title_is_one_sentence_that_a_person_can_act_on() {
    let titles = [
        open().facts(),
        open().approved(&user("ben")).facts(),
        open().approved(&user("cat")).push(&user("ann"), "a2", &user("ann")).facts(),
        open().approved(&user("cat")).facts(),
        open().merged(&user("cat")).facts(),
        open().approved(&user("cat")).objected(&user("dee")).facts(),
        open().approved(&user("cat")).with(|pr| drop(pr.pushes.remove(1))).facts(),
        open().approved(&user("cat")).with(|pr| pr.missing.push("reviews after the hundredth".to_owned())).facts(),
        open().approved(&user("cat")).with_review(|review| review.could_write = None).facts(),
        Pull::opened(1, &bot("codegen"), "c1").facts(),
        Pull::opened(1, &bot("dependabot"), "c1").facts(),
    ];
    assert_snapshot!(titles.iter().map(title_of).collect::<Vec<_>>().join("\n"), @r#"
    Waiting for a review by someone other than @ann and @ben
    Waiting for a review by someone other than @ann and @ben: @ben contributed to #1 and so cannot approve it
    Waiting for a review by someone other than @ann and @ben: @cat approved b1, and the head of #1 is now a2
    Written by @ann and @ben, reviewed by @cat
    #1 landed without an approval that counts
    @dee requests changes on #1
    Cannot tell who pushed b1 to the branch of #1
    Cannot tell: reviews after the hundredth
    Cannot tell whether @cat had write access when approving #1
    @codegen brought #1, and no person answers for it
    Waiting for a review by a person
    "#);
}

#[test]
fn the_title_of_a_deployment_says_who_did_what() {
    let second = Pull::opened(2, &user("ben"), "b2").approved(&user("ann")).merged(&user("cat"));
    let titles = [
        Release::good().facts(),
        Release::of(&[Landed::Merge("m1", good_pull(1, "a1")), Landed::Merge("m2", second)]).facts(),
        Release::good().target("base").facts(),
        Release::good().by(&user("ann")).facts(),
        Release::good().by(&user("ben")).facts(),
        Release::good().by_push().approvals(&[]).facts(),
        Release::good().with_run(|run| run.event = "pull_request_target".to_owned()).facts(),
        Release::good()
            .with(|deployment| deployment.history_unavailable = Some("GitHub answers 502".to_owned()))
            .facts(),
        Release::good().with_run(|run| run.this.actor = None).facts(),
        Release::of(&[Landed::Push("b0", user("ann"))]).facts(),
        Release::good().target("a1").facts(),
    ];
    assert_snapshot!(titles.iter().map(title_of).collect::<Vec<_>>().join("\n"), @r#"
    Written by @ann, reviewed by @ben, deployed by @dee
    2 changes, each written and reviewed by different people, deployed by @dee
    Deployed by @dee: what was allowed here before
    @ann contributed to #1 and so cannot deploy it
    @ben deploys #1, and nobody else reviewed it
    Waiting for the environment's approval
    This run came about in a way that proves nothing: `pull_request_target`
    Cannot tell: The history of main could not be read: GitHub answers 502
    Cannot tell who started the run
    b0 reached main without a pull request into it: @ann pushed it (and 1 more)
    a1 is not the last commit of a change on main
    "#);
}

#[test]
fn words_from_outside_are_never_markup() {
    let long = "<img src=x>|`*_".repeat(100);
    let pull = open().with(|pr| pr.missing.push(long.clone()));
    let facts = facts(Subject::PullRequest(Box::new(pull.0)));
    let verdict = judge(&facts);
    let summary = summary_markdown(&verdict, &facts, "");
    assert!(!summary.contains("<img") && summary.contains("&lt;img"));
    assert!(title(&verdict).len() <= 255 && title(&verdict).contains('…'));
    assert!(short_comment(&verdict, "").len() <= 1_024);
}
