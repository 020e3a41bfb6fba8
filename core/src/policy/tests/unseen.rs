//! Where somebody who takes part in a release is not shown, the verdict says which part it is that nobody can name.

use super::deploy::asking;
use super::world::{Landed, Pull, Release, account, bot, good_pull, judge, sha, under, user};
use crate::domain::{AccountKind, LandingKind, Outcome, RepositoryId, RunAttempt, TimelineEvent};
use crate::policy::{OwnFile, Policies, decide};

/// What is not known of a release, in alphabetical order.
fn unknown(release: Release) -> Vec<String> {
    let verdict = judge(&release.facts());
    assert_eq!(verdict.outcome, Outcome::Undetermined, "{:?}", verdict.reasons);
    let details = verdict.reasons.iter().filter_map(|reason| reason.text.strip_prefix("Not known: "));
    details.map(ToOwned::to_owned).collect()
}

/// Merged, with this in the timeline before, and deployed at once by the push.
fn by_push(event: TimelineEvent, kind: LandingKind) -> Release {
    let pull = Pull::opened(1, &user("ann"), "a1").approved(&user("ben")).event(event).merged(&user("cat"));
    Release::of(&[Landed::Merge("m1", pull)]).by_push().with(|deployment| {
        for landing in deployment.changes[0].landing.iter_mut().chain(&mut deployment.line.landings) {
            landing.kind = kind;
        }
    })
}

#[test]
fn whoever_takes_part_and_is_not_shown_is_missed_by_name_of_their_part() {
    let merge = LandingKind::PullRequestMerge;
    let ghost = account(10137, "ghost", AccountKind::User);
    let started = Release::good().with_run(|run| run.this.actor = None);
    assert_eq!(unknown(started), ["who started the run"]);
    let triggered = Release::good().with_run(|run| run.first.triggering_actor = None);
    assert_eq!(unknown(triggered), ["who started the run"]);
    let approved = Release::good().approvals(&[]).with(|deployment| deployment.approval.given_by = vec![None]);
    assert_eq!(unknown(approved), ["who approved the environment"]);
    let created = Release::good().with(|deployment| {
        deployment.run = None;
        deployment.record.as_mut().unwrap().creator = None;
    });
    assert_eq!(unknown(created), ["who created the deployment"]);
    let queued = by_push(TimelineEvent::Queued { by: None }, LandingKind::MergeQueueMerge);
    let queued = queued.by(&bot("github-merge-queue"));
    assert_eq!(unknown(queued), ["who queued the change that ends at the target"]);
    let enabled = by_push(TimelineEvent::AutoMergeEnabled { by: None }, merge);
    assert_eq!(unknown(enabled), ["who enabled auto-merge of the change that ends at the target"]);
    let merged = Release::good().by_push().with(|deployment| {
        for event in &mut deployment.changes[0].pull_request.as_mut().unwrap().timeline {
            if let TimelineEvent::Merged { by, .. } = event {
                *by = None;
            }
        }
    });
    assert_eq!(unknown(merged), ["who merged the change that ends at the target"]);
    let pushed = Release::of(&[Landed::Merge("m1", good_pull(1, "a1")), Landed::Push("b0", ghost)]).by_push();
    let verdict = judge(&pushed.facts());
    assert!(verdict.reasons.iter().any(|reason| reason.text == "Not known: who pushed the target"), "{verdict:?}");
    let runless = Release::good().approvals(&[&user("dee")]).with(|deployment| deployment.run = None);
    assert_eq!(unknown(runless), ["which run the environment was approved for"]);
    let asked = Release::good().with(|deployment| deployment.approval.asked = None);
    assert_eq!(unknown(asked), ["whether the environment asks for an approval"]);
}

#[test]
fn who_took_a_change_out_of_the_queue_or_off_auto_merge_leaves_it_to_who_merged() {
    let deployers = |release: Release| {
        let verdict = judge(&release.facts());
        verdict.deployers.iter().map(|deployer| deployer.account.login.clone()).collect::<Vec<_>>()
    };
    let merge = LandingKind::PullRequestMerge;
    let both = |first: TimelineEvent, second: TimelineEvent| {
        let pull = Pull::opened(1, &user("ann"), "a1").approved(&user("ben")).event(first).event(second);
        Release::of(&[Landed::Merge("m1", pull.merged(&user("cat")))]).by_push()
    };
    let queued = || TimelineEvent::Queued { by: Some(user("dee")) };
    let enabled = || TimelineEvent::AutoMergeEnabled { by: Some(user("dee")) };
    assert_eq!(deployers(by_push(queued(), merge)), ["cat", "dee"]);
    assert_eq!(deployers(by_push(enabled(), merge)), ["cat", "dee"]);
    assert_eq!(deployers(both(queued(), TimelineEvent::Dequeued)), ["cat"]);
    assert_eq!(deployers(both(enabled(), TimelineEvent::AutoMergeDisabled)), ["cat"]);
    // What comes after the merge says nothing of who merged.
    let after = by_push(enabled(), merge).with(|deployment| {
        let timeline = &mut deployment.changes[0].pull_request.as_mut().unwrap().timeline;
        timeline.push(TimelineEvent::Queued { by: Some(user("eve")) });
        timeline.push(TimelineEvent::AutoMergeDisabled);
    });
    assert_eq!(deployers(after), ["cat", "dee"]);
}

#[test]
fn of_a_push_only_what_it_put_there_says_who_deploys() {
    let deployers = |release: Release| {
        let verdict = judge(&release.facts());
        verdict.deployers.iter().map(|it| (it.account.login.clone(), it.because.clone())).collect::<Vec<_>>()
    };
    let how = |login: &str, how: &str| vec![(login.to_owned(), vec![how.to_owned()])];
    // The change before was merged by somebody else, who deploys nothing now.
    let first = Pull::opened(1, &user("ann"), "a1").approved(&user("ben")).merged(&user("dee"));
    let second = Pull::opened(2, &user("ann"), "a2").approved(&user("ben")).merged(&user("cat"));
    let two = Release::of(&[Landed::Merge("m1", first), Landed::Merge("m2", second)]).by_push();
    assert_eq!(deployers(two), how("cat", "merged"));
    // Whoever pushed it deploys it, whatever pull request it shows as merged, and whoever GitHub says merged that.
    let pushed = Release::good().with(|deployment| {
        for landing in deployment.changes[0].landing.iter_mut().chain(&mut deployment.line.landings) {
            landing.kind = LandingKind::Push;
            landing.by = Some(user("eve"));
        }
    });
    assert_eq!(deployers(pushed.by_push()), how("eve", "pushed"));
    // A merge whose pull request nobody could read was still somebody's.
    let unread = Release::good().by_push().with(|deployment| deployment.changes[0].pull_request = None);
    assert_eq!(deployers(unread), how("cat", "merged"));
}

#[test]
fn where_nobody_deploys_it_says_what_started_it_instead() {
    let text = |facts: &crate::domain::Facts| {
        let verdict = judge(facts);
        let reason = verdict.reasons.iter().find(|reason| reason.code == "deployer-unknown");
        reason.expect("nobody deploys").text.clone()
    };
    assert_eq!(text(&Release::good().by(&bot("codegen")).facts()), "No person deploys m1: @codegen started the run");
    let scheduled = Release::good().by(&user("dee")).with_run(|run| "schedule".clone_into(&mut run.event));
    assert_eq!(text(&scheduled.facts()), "No person deploys m1: a schedule started the run");
    let neither = Release::good().with(|deployment| (deployment.run, deployment.record) = (None, None));
    assert_eq!(text(&neither.facts()), "No person deploys m1: neither a run nor a deployment names anybody");
    let alone = under(&["release-approver"], Release::good().facts());
    assert_eq!(text(&alone), "No person deploys m1: only who approves production does, and nobody has");
}

#[test]
fn where_commits_differ_it_says_who_names_which() {
    let text = |release: Release| {
        let verdict = judge(&release.facts());
        let reason = verdict.reasons.iter().find(|reason| reason.code == "commit-mismatch");
        reason.expect("a mismatch").text.clone()
    };
    let named = |what: &str| format!("Deployment, run and request must name one commit: {what}");
    assert_eq!(
        text(asking(|request| request.commits.clear())),
        named("the deployment names m1, the run is for m1 and the job that asks names none")
    );
    let other = asking(|request| request.commits.push(sha("base"))).with(|deployment| deployment.record = None);
    assert_eq!(text(other), named("the run is for m1 and the job that asks names m1 and base"));
}

#[test]
fn a_run_that_proves_nothing_is_told_by_what_it_came_from() {
    let text = |release: Release| {
        let verdict = judge(&release.facts());
        let reason = verdict.reasons.iter().find(|reason| reason.code == "event-untrusted");
        reason.expect("an untrusted event").text.clone()
    };
    let told = |what: &str| format!("This run came about in a way that proves nothing: {what}");
    let target = |run: &mut crate::domain::Run| "pull_request_target".clone_into(&mut run.event);
    assert_eq!(text(Release::good().with_run(target)), told("`pull_request_target`"));
    let elsewhere = Release::good().with_run(|run| run.head_repository = Some(RepositoryId(8)));
    assert_eq!(text(elsewhere), told("its commit comes from another repository"));
    let followed = Release::good().with_run(|run| {
        let mut first = run.clone();
        target(&mut first);
        "workflow_run".clone_into(&mut run.event);
        run.followed = Some(Box::new(first));
    });
    assert_eq!(text(followed), told("`workflow_run` after `pull_request_target`"));
}

#[test]
fn that_one_run_needs_no_deployer_says_nothing_of_another_persons_run() {
    let rule = r#"@id("attended") forbid (principal, action == Action::"deploy", resource is Release) when { resource.unattended };"#;
    let own = OwnFile { name: "attended.cedar".to_owned(), text: rule.to_owned() };
    let facts = under(&["unattended"], Release::good().by_push().facts());
    let (policies, _) = Policies::with_own(&facts.terms.packs, &[own]).unwrap();
    let verdict = decide(&facts, &policies);
    assert_eq!(verdict.reasons.iter().map(|reason| reason.code.as_str()).collect::<Vec<_>>(), ["attended"]);
    assert_eq!(verdict.can_deploy, [user("cat"), user("dee")]);
}

#[test]
fn only_the_push_that_put_the_target_there_spares_whoever_started_the_run() {
    let deployers = |release: Release| {
        let verdict = judge(&release.facts());
        (verdict.outcome, verdict.deployers.iter().map(|it| it.account.login.clone()).collect::<Vec<_>>())
    };
    let named = |logins: &[&str]| logins.iter().map(|login| (*login).to_owned()).collect::<Vec<_>>();
    // cat merged it, and starts it by hand: an approval does not take that away.
    let by_hand = Release::good().by(&user("cat")).approvals(&[&user("dee")]);
    assert_eq!(deployers(by_hand), (Outcome::Allow, named(&["cat", "dee"])));
    // By the push itself nobody but the approver deploys.
    let by_push = Release::good().by_push().approvals(&[&user("dee")]);
    assert_eq!(deployers(by_push), (Outcome::Allow, named(&["dee"])));
    // What the queue put there was pushed by the queue. Whoever pushes a tag of that name deploys as well.
    let tag = by_push_of_queue().by(&user("ann"));
    assert_eq!(deployers(tag), (Outcome::Deny, named(&["ann", "cat", "dee"])));
    let tag_of_approved = by_push_of_queue().by(&user("eve")).approvals(&[&user("ben")]);
    assert_eq!(
        deployers(tag_of_approved).1,
        named(&["ben", "eve"]),
        "whoever queued deploys where no approval is asked"
    );
    assert_eq!(deployers(by_push_of_queue().by(&bot("github-merge-queue"))).1, named(&["cat", "dee"]));
    // What somebody merged is theirs to answer for, whoever the run shows.
    let merged = Release::good().by_push().by(&bot("github-merge-queue"));
    assert_eq!(deployers(merged), (Outcome::Allow, named(&["cat"])));
}

fn by_push_of_queue() -> Release {
    by_push(TimelineEvent::Queued { by: Some(user("dee")) }, LandingKind::MergeQueueMerge)
}

#[test]
fn whoever_a_rule_asks_a_part_of_is_the_only_one_who_could_deploy() {
    let rule = r#"@id("own") forbid (principal is Person, action == Action::"deploy", resource is Change)
        unless { resource has reviewers && resource.reviewers.contains(principal) };"#;
    let pull = Pull::opened(1, &user("ann"), "a1").approved(&user("ben")).approved(&user("cat"));
    let facts = Release::of(&[Landed::Merge("m1", pull.merged(&user("ann")))]).facts();
    let own = OwnFile { name: "own.cedar".to_owned(), text: rule.to_owned() };
    let (policies, _) = Policies::with_own(&facts.terms.packs, &[own]).unwrap();
    assert_eq!(decide(&facts, &policies).can_deploy, [user("ben"), user("cat")]);
}

#[test]
fn what_came_without_a_pull_request_is_told_by_how_it_came() {
    let text = |release: Release| {
        let verdict = judge(&release.facts());
        let reason = verdict.reasons.iter().find(|reason| reason.code == "pull-request-missing");
        reason.expect("no pull request").text.clone()
    };
    let elsewhere = good_pull(1, "a1").with(|pr| "develop".clone_into(&mut pr.base_branch));
    assert_eq!(
        text(Release::of(&[Landed::Merge("m1", elsewhere)])),
        "#1 reached main without a pull request into it: its pull request is into develop"
    );
    let pushed = Release::good().with(|deployment| {
        for landing in deployment.changes[0].landing.iter_mut().chain(&mut deployment.line.landings) {
            landing.kind = LandingKind::Push;
        }
    });
    assert_eq!(text(pushed), "#1 reached main without a pull request into it: @cat pushed it");
}

#[test]
fn an_approval_is_waited_for_where_one_will_come() {
    let outcome = |asks: bool, attempt: u64| {
        let release = if asks { asking(|_| {}) } else { Release::good() };
        let release = release.approvals(&[]).with_run(|run| run.this.number = RunAttempt(attempt));
        judge(&release.facts()).outcome
    };
    assert_eq!(outcome(false, 1), Outcome::Pending);
    assert_eq!(outcome(false, 2), Outcome::Pending, "the rule is asked before the environment is approved");
    assert_eq!(outcome(true, 1), Outcome::Pending, "somebody approved, and GitHub does not list it yet");
    assert_eq!(outcome(true, 2), Outcome::Allow, "failed jobs run again, and nobody is asked");
}
