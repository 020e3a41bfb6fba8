//! Who deploys what, and how far.

use super::world::{Landed, Pull, Release, bot, codes_in, good_pull, judge, logins, sha, user};
use super::{Case, allowed, carries, check};
use crate::domain::{
    GateRequest, Landing, LandingKind, Outcome, Presented, RepositoryId, RunAttempt, StartingPoint, TimelineEvent,
    Verdict,
};
use Outcome::{Allow, Deny, Pending, Undetermined};

/// Two changes, ann's and then ben's, each reviewed by the other.
pub(super) fn two() -> Release {
    let second = Pull::opened(2, &user("ben"), "b1").approved(&user("ann")).merged(&user("cat"));
    Release::of(&[Landed::Merge("m1", good_pull(1, "a1")), Landed::Merge("m2", second)])
}

/// `m2` runs now, and the target is `m1`.
pub(super) fn back_to_m1() -> Release {
    two().target("m1").with(|deployment| {
        deployment.start = Some(StartingPoint::Deployed { commit: sha("m2"), decision: "d2".to_owned() });
        deployment.line.commits = vec![sha("m2")];
        deployment.line.behind = vec![sha("m2"), sha("m1")];
        deployment.changes.clear();
    })
}

/// A good release whose own job asks, with something about the request changed.
pub fn asking(change: impl Fn(&mut GateRequest)) -> Release {
    Release::good().with(|deployment| {
        let event = deployment.run.as_ref().unwrap().event.clone();
        let mut request =
            GateRequest { commits: vec![deployment.target.clone()], event, digest: None, presented: None };
        change(&mut request);
        deployment.request = Some(request);
    })
}

pub(super) const CASES: &[Case] = &[
    carries("deployer-is-author", Deny, "the author cannot deploy", || Release::good().by(&user("ann")).facts()),
    carries("deployer-is-author", Deny, "where a merge deploys at once, the author who merges deploys", || {
        let own = Pull::opened(1, &user("ann"), "a1").approved(&user("ben")).merged(&user("ann"));
        Release::of(&[Landed::Merge("m1", own)]).by_push().facts()
    }),
    carries("deployer-is-author", Deny, "a push to another branch is deployed by who pushed it", || {
        let release = Release::good().by_push().by(&user("ann"));
        release.with_run(|run| run.head_branch = Some("go".to_owned())).facts()
    }),
    carries("deployer-is-author", Deny, "a tag named like the branch is deployed by who pushed it", || {
        Release::good().by_push().by(&user("ann")).facts()
    }),
    carries(
        "deployer-is-author",
        Deny,
        "a clean starter does not help when the author approves the environment",
        || Release::good().approvals(&[&user("ann")]).facts(),
    ),
    carries(
        "deployer-is-author",
        Deny,
        "one of two deployers who breaks a rule is enough, whatever is to come",
        || Release::good().by(&user("ann")).approvals(&[]).facts(),
    ),
    allowed("deployer-is-author", "a third person deploys", || Release::good().facts()),
    carries("deployer-is-reviewer", Deny, "the only reviewer cannot deploy", || {
        Release::good().by(&user("ben")).facts()
    }),
    carries("deployer-is-reviewer", Deny, "two reviewers who both deploy leave no reviewer", || {
        let pull = Pull::opened(1, &user("ann"), "a1").approved(&user("ben")).approved(&user("cat"));
        let release = Release::of(&[Landed::Merge("m1", pull.merged(&user("ann")))]);
        release.by(&user("ben")).approvals(&[&user("cat")]).facts()
    }),
    allowed("deployer-is-reviewer", "a reviewer may deploy when another review remains", || {
        let pull = Pull::opened(1, &user("ann"), "a1").approved(&user("ben")).approved(&user("cat"));
        Release::of(&[Landed::Merge("m1", pull.merged(&user("ann")))]).by(&user("cat")).facts()
    }),
    carries("deployer-unknown", Deny, "a clock is not a person", || {
        Release::good().with_run(|run| run.event = "schedule".to_owned()).facts()
    }),
    carries("deployer-unknown", Deny, "automation does not deploy", || Release::good().by(&bot("codegen")).facts()),
    carries("deployer-unknown", Deny, "neither a run nor a deployment names anybody", || {
        Release::good()
            .with(|deployment| {
                deployment.run = None;
                deployment.record = None;
            })
            .facts()
    }),
    carries("deployer-unknown", Pending, "the environment's approval is still to come", || {
        Release::good().by_push().approvals(&[]).facts()
    }),
    allowed("deployer-unknown", "a schedule that a person approves is deployed by that person", || {
        let release = Release::good().approvals(&[&user("dee")]);
        release.with_run(|run| run.event = "schedule".to_owned()).facts()
    }),
    carries("commit-off-branch", Deny, "a commit that is not on the branch", || Release::good().target("a1").facts()),
    carries("commit-off-branch", Deny, "the inside of a rebased pull request is no place to deploy from", || {
        inside_a_rebase().target("r1").facts()
    }),
    allowed("commit-off-branch", "the end of a rebased pull request is", || inside_a_rebase().facts()),
    carries("commit-mismatch", Deny, "the deployment names another commit than the run", || {
        let release = Release::good();
        release.with(|deployment| deployment.record.as_mut().unwrap().commit = sha("base")).facts()
    }),
    carries("commit-mismatch", Deny, "the run is for another commit than the request", || {
        Release::good().with_run(|run| run.head_commit = sha("base")).facts()
    }),
    carries("commit-mismatch", Deny, "the job that asks names another commit beside the run's", || {
        asking(|request| request.commits.push(sha("base"))).facts()
    }),
    carries("commit-mismatch", Deny, "the job that asks names no commit", || {
        asking(|request| request.commits.clear()).facts()
    }),
    allowed("commit-mismatch", "all name one commit", || Release::good().facts()),
    carries("decision-spent", Deny, "the decision presented does not hold for this request", || {
        asking(|request| request.presented = Some(Presented { decision: "d1".to_owned(), holds: false })).facts()
    }),
    allowed("decision-spent", "the decision presented was made for this very request", || {
        asking(|request| request.presented = Some(Presented { decision: "d1".to_owned(), holds: true })).facts()
    }),
    carries("history-rewritten", Deny, "what runs now is no longer on the branch", || {
        Release::good().with(|deployment| deployment.line.reaches_start = false).facts()
    }),
    allowed("history-rewritten", "what runs now is on it", || two().facts()),
    carries("baseline-missing", Deny, "without a starting point nothing is known", || {
        Release::good().with(|deployment| deployment.start = None).facts()
    }),
    allowed("baseline-missing", "a baseline is a starting point", || Release::good().facts()),
    carries("exception-overdue", Deny, "an exception that nobody reviewed in time holds back all else", || {
        Release::good().with(|deployment| deployment.overdue = vec!["e1".to_owned()]).facts()
    }),
    allowed("exception-overdue", "nothing is owed", || Release::good().facts()),
    carries("rollback-unknown", Deny, "a commit behind that was never allowed here", || back_to_m1().facts()),
    allowed("rollback-unknown", "anybody may go back to what was allowed here, its author included", || {
        let release = back_to_m1().by(&user("ann"));
        release.with(|deployment| deployment.allowed_before = Some("d1".to_owned())).facts()
    }),
    allowed("rollback-unknown", "the baseline counts as allowed", || Release::good().target("base").facts()),
    carries("event-untrusted", Deny, "pull_request_target proves nothing", || {
        Release::good().with_run(|run| run.event = "pull_request_target".to_owned()).facts()
    }),
    carries("event-untrusted", Deny, "a commit of another repository is not ours", || {
        Release::good().with_run(|run| run.head_repository = Some(RepositoryId(8))).facts()
    }),
    carries("event-untrusted", Deny, "the token names another event than the run", || {
        asking(|request| request.event = "push".to_owned()).facts()
    }),
    allowed("event-untrusted", "a run started by hand is fine", || Release::good().facts()),
    carries("facts-incomplete", Undetermined, "a change that the line holds and nobody listed", || {
        two().with(|deployment| drop(deployment.changes.remove(0))).facts()
    }),
    carries("facts-incomplete", Undetermined, "a deployer whom GitHub no longer shows", || {
        Release::good().with_run(|run| run.this.actor = None).facts()
    }),
    allowed("facts-incomplete", "everybody and everything is known", || two().by(&user("dee")).facts()),
    carries("history-unavailable", Undetermined, "a history that could not be read compares with nothing", || {
        let release = Release::good();
        release.with(|deployment| deployment.history_unavailable = Some("502".to_owned())).facts()
    }),
    allowed("history-unavailable", "a history that was read does", || Release::good().facts()),
];

/// A rebase that put `r1` and `r2` on main.
pub(super) fn inside_a_rebase() -> Release {
    Release::good()
        .with(|deployment| {
            let landing = Landing {
                before: sha("base"),
                after: sha("r2"),
                kind: LandingKind::PullRequestMerge,
                by: Some(user("cat")),
                at: None,
            };
            deployment.line.commits = vec![sha("r2"), sha("r1"), sha("base")];
            deployment.line.landings = vec![landing.clone()];
            deployment.changes[0].landing = Some(landing);
            deployment.changes[0].commits = vec![sha("r1"), sha("r2")];
        })
        .target("r2")
}

#[test]
fn releases_go_by_the_rules() {
    check(CASES);
}

fn able(verdict: &Verdict) -> Vec<&str> {
    logins(&verdict.can_deploy)
}

fn deployers(verdict: &Verdict) -> Vec<&str> {
    verdict.deployers.iter().map(|deployer| deployer.account.login.as_str()).collect()
}

#[test]
fn a_blocked_deployment_says_who_can_deploy_instead() {
    assert_eq!(able(&judge(&Release::good().by(&user("ann")).facts())), ["cat", "dee"]);
    assert_eq!(able(&judge(&Release::good().by(&user("ben")).facts())), ["cat", "dee"]);
    assert_eq!(able(&judge(&two().facts())), ["cat", "dee"]);
}

#[test]
fn a_run_that_proves_nothing_says_nothing_of_another_persons_run() {
    let verdict = judge(&Release::good().with_run(|run| run.event = "pull_request_target".to_owned()).facts());
    assert_eq!(able(&verdict), ["cat", "dee"]);
}

#[test]
fn nobody_could_deploy_what_breaks_a_rule_or_cannot_be_told() {
    let bare = Release::of(&[Landed::Push("b0", user("ann"))]);
    assert!(judge(&bare.facts()).can_deploy.is_empty());
    let releases = [
        Release::good().target("a1"),
        Release::good().with(|deployment| deployment.start = None),
        Release::good().with(|deployment| deployment.line.reaches_start = false),
        Release::good().with(|deployment| deployment.missing.push("the landings".to_owned())),
        Release::good().with_run(|run| run.head_commit = sha("base")),
        back_to_m1(),
    ];
    for release in releases {
        let verdict = judge(&release.facts());
        assert!(verdict.can_deploy.is_empty() && verdict.up_to.is_none(), "{:?}", verdict.reasons);
    }
}

#[test]
fn every_writer_could_take_an_allowed_commit_back() {
    let release = back_to_m1().with(|deployment| deployment.allowed_before = Some("d1".to_owned()));
    let verdict = judge(&release.facts());
    assert_eq!(able(&verdict), ["ann", "ben", "cat", "dee"]);
    assert_eq!((verdict.up_to, verdict.changes.len()), (Some(sha("m1")), 0));
}

#[test]
fn an_unreviewed_change_between_two_good_ones_says_how_far_one_may_go() {
    let unreviewed = Pull::opened(2, &user("ann"), "a2").merged(&user("cat"));
    let third = Pull::opened(3, &user("ben"), "b3").approved(&user("ann")).merged(&user("cat"));
    let landed = [Landed::Merge("m1", good_pull(1, "a1")), Landed::Merge("m2", unreviewed), Landed::Merge("m3", third)];
    let verdict = judge(&Release::of(&landed).facts());
    assert_eq!((verdict.outcome, verdict.up_to), (Deny, Some(sha("m1"))));
    assert_eq!(verdict.changes[1].outcome, Deny);
    let by_ben = judge(&Release::of(&landed).by(&user("ben")).facts());
    assert_eq!(by_ben.up_to, None);
    let by_ann_of_the_last = judge(&two().by(&user("ben")).facts());
    assert_eq!(by_ann_of_the_last.up_to, None);
}

#[test]
fn an_allowed_release_names_three_people_for_each_change() {
    let verdict = judge(&two().facts());
    assert_eq!((verdict.outcome, verdict.up_to.clone()), (Allow, Some(sha("m2"))));
    let three: Vec<_> = verdict.changes.iter().map(|change| change.three.clone().unwrap()).collect();
    let named: Vec<_> =
        three.iter().map(|three| [&three.author.login, &three.reviewer.login, &three.deployer.login]).collect();
    assert_eq!(named, [["ann", "ben", "dee"], ["ben", "ann", "dee"]]);
    assert!(judge(&two().by(&user("ann")).facts()).changes.iter().all(|change| change.three.is_none()));
}

#[test]
fn who_reruns_deploys_as_well_as_who_started() {
    let release = Release::good().with_run(|run| {
        run.this.number = RunAttempt(2);
        run.this.triggering_actor = Some(user("cat"));
    });
    assert_eq!(deployers(&judge(&release.clone().facts())), ["cat", "dee"]);
    let by_author = release.with_run(|run| run.this.triggering_actor = Some(user("ann")));
    assert_eq!(judge(&by_author.facts()).outcome, Deny);
}

#[test]
fn a_rerun_of_a_push_adds_who_reran_it() {
    let release = Release::good().by_push();
    assert_eq!(deployers(&judge(&release.clone().facts())), ["cat"]);
    let again = release.with_run(|run| {
        run.this.number = RunAttempt(2);
        run.this.triggering_actor = Some(user("ann"));
    });
    assert_eq!(judge(&again.facts()).outcome, Deny);
}

#[test]
fn a_push_deploys_by_whoever_queued_or_enabled_auto_merge() {
    let queued = Pull::opened(1, &user("ann"), "a1")
        .approved(&user("ben"))
        .event(TimelineEvent::Queued { by: Some(user("cat")) })
        .event(TimelineEvent::Dequeued)
        .merged(&bot("github-merge-queue"));
    let release = Release::of(&[Landed::Merge("m1", queued)]).by_push().with(|deployment| {
        for landing in deployment.changes[0].landing.iter_mut().chain(&mut deployment.line.landings) {
            landing.kind = LandingKind::MergeQueueMerge;
        }
    });
    let verdict = judge(&release.by(&bot("github-merge-queue")).facts());
    assert_eq!((verdict.outcome, deployers(&verdict)), (Allow, vec!["cat"]));

    let automatic = Pull::opened(1, &user("ann"), "a1")
        .event(TimelineEvent::AutoMergeEnabled { by: Some(user("ann")) })
        .approved(&user("ben"))
        .merged(&user("cat"));
    let verdict = judge(&Release::of(&[Landed::Merge("m1", automatic)]).by_push().facts());
    assert_eq!(codes_in(&verdict), ["deployer-is-author"]);
}

#[test]
fn a_group_of_the_queue_is_deployed_by_everyone_who_queued_in_it() {
    let queued = |number, id, author: &str, reviewer: &str, by: &str| {
        Pull::opened(number, &user(author), id)
            .approved(&user(reviewer))
            .event(TimelineEvent::Queued { by: Some(user(by)) })
            .merged(&bot("github-merge-queue"))
    };
    let release = Release::of(&[
        Landed::Merge("m1", queued(1, "a1", "ann", "ben", "dee")),
        Landed::Merge("m2", queued(2, "a2", "ann", "ben", "cat")),
    ]);
    let group = Landing {
        before: sha("base"),
        after: sha("m2"),
        kind: LandingKind::MergeQueueMerge,
        by: Some(bot("github-merge-queue")),
        at: None,
    };
    let release = release.by_push().with(|deployment| {
        deployment.line.landings = vec![group.clone()];
        for change in &mut deployment.changes {
            change.landing = Some(group.clone());
        }
    });
    assert_eq!(deployers(&judge(&release.facts())), ["cat", "dee"]);
}

#[test]
fn an_environment_whose_approvals_are_unknown_cannot_be_told() {
    let release = Release::good().with(|deployment| deployment.approval.asked = None);
    assert_eq!(judge(&release.clone().facts()).outcome, Undetermined);
    assert_eq!(judge(&release.by(&user("ann")).facts()).outcome, Deny);
    let unseen = Release::good().with(|deployment| {
        deployment.approval.asked = Some(true);
        deployment.approval.given_by = vec![None];
    });
    assert_eq!(judge(&unseen.facts()).outcome, Undetermined);
}

#[test]
fn a_repository_that_github_does_not_show_cannot_be_told() {
    let release = Release::good().with_run(|run| run.head_repository = None);
    assert_eq!(judge(&release.facts()).outcome, Undetermined);
}

#[test]
fn without_a_run_whoever_created_the_deployment_deploys() {
    let release = Release::good().with(|deployment| {
        deployment.run = None;
        deployment.record.as_mut().unwrap().creator = Some(user("cat"));
    });
    let verdict = judge(&release.facts());
    assert_eq!((verdict.outcome, deployers(&verdict)), (Allow, vec!["cat"]));
}

#[test]
fn an_approver_with_a_second_account_is_still_one_person() {
    let mut facts = Release::good().by(&user("ann-work")).facts();
    facts.terms.persons.push(crate::domain::Person {
        name: "Ann".to_owned(),
        accounts: vec![user("ann").id, user("ann-work").id],
        emails: Vec::new(),
    });
    assert_eq!(codes_in(&judge(&facts)), ["deployer-is-author"]);
}

#[test]
fn a_review_that_may_count_does_not_free_the_deployer_who_is_the_only_sure_one() {
    let pull = Pull::opened(1, &user("ann"), "a1").approved(&user("ben")).approved(&user("rae"));
    let pull = pull.with_review(|review| review.could_write = None).merged(&user("cat"));
    let release = Release::of(&[Landed::Merge("m1", pull)]);
    assert_eq!(judge(&release.clone().facts()).outcome, Allow);
    assert_eq!(judge(&release.by(&user("ben")).facts()).outcome, Undetermined);
}

#[test]
fn a_pending_approval_says_who_could_deploy() {
    let verdict = judge(&Release::good().approvals(&[]).facts());
    assert_eq!((verdict.outcome, able(&verdict)), (Pending, vec!["cat", "dee"]));
}

#[test]
fn whoever_deploys_on_nothing_but_their_own_doubtful_approval_is_denied_either_way() {
    let pull = Pull::opened(1, &user("ann"), "a1").approved(&user("ben"));
    let pull = pull.with_review(|review| review.could_write = None).merged(&user("cat"));
    let release = Release::of(&[Landed::Merge("m1", pull)]);
    assert_eq!(judge(&release.clone().facts()).outcome, Undetermined);
    let by_ben = judge(&release.by(&user("ben")).facts());
    assert_eq!(by_ben.outcome, Deny);
    assert!(codes_in(&by_ben).contains(&"deployer-is-reviewer".to_owned()));
}
