//! What a person reads.

use super::world::{Landed, Pull, Release, bot, facts, good_pull, judge, user};
use crate::domain::{Facts, Person, Subject};
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
    b0 reached main without a pull request into it (and 1 more)
    a1 is not the last commit of a change on main
    "#);
}

#[test]
fn the_summary_of_a_pull_request_shows_who_contributed_and_which_reviews_count() {
    let mut facts = open()
        .approved(&user("ben"))
        .approved(&user("cat"))
        .push(&user("ann"), "a2", &user("ann"))
        .approved(&bot("codegen"))
        .objected(&user("dee"))
        .facts();
    facts.terms.persons.push(Person {
        name: "Ann | Example".to_owned(),
        accounts: vec![user("ann").id],
        emails: Vec::new(),
    });
    assert_snapshot!(summary_markdown(&judge(&facts), &facts), @r#"
    ### What there is to do

    - **changes-requested** @dee requests changes on #1. Settle it with @dee, who can approve or dismiss the request; so can somebody with write access who has not contributed.
    - **review-missing** Waiting for a review by someone other than @ann (Ann \| Example) and @ben. Ask somebody with write access who has not contributed to it to approve a2.

    ### [#1](https://github.com/acme/shop/pull/1) at [a2](https://github.com/acme/shop/commit/a2): violation

    | Contributor | Why |
    |---|---|
    | @ann (Ann \| Example) | opened it; author and committer of [a1](https://github.com/acme/shop/commit/a1), [a2](https://github.com/acme/shop/commit/a2) and [b1](https://github.com/acme/shop/commit/b1); pushed [a1](https://github.com/acme/shop/commit/a1) and [a2](https://github.com/acme/shop/commit/a2) |
    | @ben | pushed [b1](https://github.com/acme/shop/commit/b1) |

    | Review | On | Counts | Why |
    |---|---|---|---|
    | approval by @ben | [b1](https://github.com/acme/shop/commit/b1) | no | @ben approved b1, and the head of #1 is now a2. @ben contributed to #1 and so cannot approve it. |
    | approval by @cat | [b1](https://github.com/acme/shop/commit/b1) | no | @cat approved b1, and the head of #1 is now a2. |
    | approval by @codegen | [a2](https://github.com/acme/shop/commit/a2) | no | @codegen is automation, and automation does not review. |
    | objection by @dee | [a2](https://github.com/acme/shop/commit/a2) | stands |  |

    ### Who may deploy

    Anybody who contributed nothing to it and is not its only reviewer.
    "#);
}

#[test]
fn the_summary_of_a_deployment_says_who_could_deploy_and_how_far() {
    let unreviewed = Pull::opened(2, &user("ann"), "a2").merged(&user("cat"));
    let landed = [Landed::Merge("m1", good_pull(1, "a1")), Landed::Merge("m2", unreviewed)];
    let facts = Release::of(&landed).facts();
    assert_snapshot!(summary_markdown(&judge(&facts), &facts), @r#"
    ### What there is to do

    - **review-missing** #2 landed without an approval that counts. A merged change can no longer gain a reviewer: open an exception.

    ### [#1](https://github.com/acme/shop/pull/1) at m1: compliant

    | Contributor | Why |
    |---|---|
    | @ann | opened it; author and committer of [a1](https://github.com/acme/shop/commit/a1); pushed [a1](https://github.com/acme/shop/commit/a1) |

    | Review | On | Counts | Why |
    |---|---|---|---|
    | approval by @ben | [a1](https://github.com/acme/shop/commit/a1) | yes |  |

    ### [#2](https://github.com/acme/shop/pull/2) at m2: violation

    | Contributor | Why |
    |---|---|
    | @ann | opened it; author and committer of [a2](https://github.com/acme/shop/commit/a2); pushed [a2](https://github.com/acme/shop/commit/a2) |

    No review.

    ### Who may deploy

    @dee started the run.

    Nobody could deploy all of it as it stands.

    @dee could take it as far as m1.
    "#);
    assert_snapshot!(short_comment(&judge(&facts)), @"#2 landed without an approval that counts. A merged change can no longer gain a reviewer: open an exception. Nobody could deploy all of it as it stands. @dee could deploy everything up to #1 (m1).");
    assert_snapshot!(short_comment(&judge(&Release::good().by(&user("ann")).facts())), @"@ann contributed to #1 and so cannot deploy it. Let somebody deploy who contributed to nothing in this release. Could deploy it: @cat and @dee.");
    assert_snapshot!(short_comment(&judge(&Release::good().facts())), @"Written by @ann, reviewed by @ben, deployed by @dee.");
}

#[test]
fn what_is_too_long_is_cut_short_and_says_so() {
    let pulls: Vec<Landed> = (1..=400)
        .map(|number| {
            let id: &'static str = Box::leak(format!("d{number}").into_boxed_str());
            Landed::Merge(id, good_pull(number, &format!("a{number}")))
        })
        .collect();
    let facts = Release::of(&pulls).by(&user("ann")).facts();
    let verdict = judge(&facts);
    let summary = summary_markdown(&verdict, &facts);
    assert!(summary.len() <= 65_535 && summary.len() > 60_000, "{}", summary.len());
    assert!(summary.ends_with("more lines did not fit; the record holds them all."));
    assert!(title(&verdict).ends_with(" (and 399 more)"));
    assert!(title(&verdict).chars().count() <= 255 && short_comment(&verdict).chars().count() <= 1_024);
}

#[test]
fn words_from_outside_are_never_markup() {
    let long = "<img src=x>|`*_".repeat(100);
    let pull = open().with(|pr| pr.missing.push(long.clone()));
    let facts = facts(Subject::PullRequest(Box::new(pull.0)));
    let verdict = judge(&facts);
    let summary = summary_markdown(&verdict, &facts);
    assert!(!summary.contains("<img") && summary.contains("&lt;img"));
    assert!(title(&verdict).chars().count() <= 255 && title(&verdict).contains('…'));
    assert!(short_comment(&verdict).chars().count() <= 1_024);
}
