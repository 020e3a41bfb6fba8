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

#[test]
fn many_names_are_counted_and_a_name_that_is_no_login_stands_by_itself() {
    let mut pull = open();
    for login in ["cat", "dee", "eve"] {
        pull = pull.push(&user(login), login, &user(login));
    }
    assert_eq!(title_of(&pull.facts()), "Waiting for a review by someone other than @ann, @ben, @cat and 2 more");
    let odd = [("", ""), ("Ben Example", "Ben Example"), ("ann_b-c", "@ann_b-c"), ("a\u{7}b", "ab")];
    for (login, said) in odd {
        let account = crate::domain::Account { login: login.to_owned(), ..user("ann") };
        let title = title_of(&Pull::opened(1, &account, "a1").facts());
        assert_eq!(title, format!("Waiting for a review by someone other than {said}"));
    }
}

#[test]
fn whoever_deploys_by_another_account_is_named_with_the_person() {
    let mut facts = Release::good().by(&user("ann-work")).facts();
    let accounts = vec![user("ann").id, user("ann-work").id];
    facts.terms.persons.push(crate::domain::Person { name: "Ann Example".to_owned(), accounts, emails: Vec::new() });
    assert_eq!(title_of(&facts), "@ann-work (Ann Example) contributed to #1 and so cannot deploy it");
}

#[test]
fn a_part_is_told_once_and_in_words() {
    let told = |because: &[&str]| {
        let because = because.iter().map(|how| (*how).to_owned()).collect();
        crate::policy::part(&crate::domain::Deployer { account: user("ann"), because })
    };
    assert_eq!(told(&["actor", "triggering_actor"]), "started the run");
    assert_eq!(told(&["actor"]), "started the run");
    assert_eq!(told(&["triggering_actor"]), "ran it again");
    let all = ["environment_approver", "merged", "queued", "auto_merge", "pushed", "creator"];
    assert_eq!(
        told(&all),
        "approved the environment, merged the change, queued the change, enabled auto-merge, pushed the commit and \
         created the deployment"
    );
    assert_eq!(told(&["environment_approver", "triggering_actor"]), "approved the environment and ran it again");
    assert_eq!(told(&["came_along"]), "came along");
}

#[test]
fn a_missing_review_is_explained_by_the_latest_that_could_have_counted() {
    let late = open().approved(&user("ben")).merged(&user("cat")).approved(&user("dee"));
    assert_eq!(
        title_of(&late.facts()),
        "#1 landed without an approval that counts: @ben contributed to #1 and so cannot approve it"
    );
    let objected =
        open().approved(&bot("codegen")).objected(&user("rae")).with_review(|it| it.could_write = Some(false));
    assert_eq!(
        title_of(&objected.facts()),
        "Waiting for a review by someone other than @ann and @ben: @codegen is automation, and automation does not review"
    );
}

#[test]
fn each_letter_that_could_be_markup_is_made_harmless() {
    let pull = open().with(|pr| pr.missing.push("a<b>c&d\\e`f*g_h[i]j|k~l!m\u{7}n".to_owned()));
    let facts = facts(Subject::PullRequest(Box::new(pull.0)));
    let summary = summary_markdown(&judge(&facts), &facts, "");
    assert!(summary.contains("a&lt;b&gt;c&amp;d\\\\e\\`f\\*g\\_h\\[i\\]j\\|k\\~l\\!m n"), "{summary}");
}
