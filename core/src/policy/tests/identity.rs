//! Who contributed: pushes, e-mails, second accounts and accounts that are nobody.

use super::world::{Pull, account, bot, codes_in, commit, judge, logins, sha, unlinked, user, zeros};
use crate::domain::{
    Account, AccountKind, Commit, Contribution, Facts, MergeProof, Outcome, Person, Push, PushSource, RepositoryId,
    TimelineEvent, Verdict,
};
use crate::policy::push_gap;
use Outcome::{Allow, Pending, Undetermined};

fn open() -> Pull {
    Pull::opened(1, &user("ann"), "a1")
}

fn contributors(facts: &Facts) -> Vec<String> {
    let verdict = judge(facts);
    let accounts: Vec<Account> = verdict.changes[0].contributors.iter().map(|it| it.account.clone()).collect();
    logins(&accounts).into_iter().map(ToOwned::to_owned).collect()
}

fn push(before: &str, after: &str, by: &str) -> Push {
    Push { before: sha(before), after: sha(after), by: Some(user(by)), source: PushSource::ActivityList }
}

#[test]
fn a_force_push_that_drops_a_persons_commits_does_not_make_them_independent() {
    let pull = open().push(&user("ben"), "b1", &user("ben")).with(|pr| {
        pr.pushes.push(push("b1", "a2", "ann"));
        pr.commits = vec![commit("a2", &["base"], &user("ann"))];
        pr.head = sha("a2");
        pr.head_tree = sha("tree-a2");
    });
    assert_eq!(contributors(&pull.facts()), ["ann", "ben"]);
}

#[test]
fn who_pushed_what_a_reset_to_the_base_dropped_contributed_too() {
    let pull = open().push(&user("ben"), "b1", &user("ann")).event(TimelineEvent::ForcePushed {
        before: Some(sha("b1")),
        after: Some(sha("base")),
        by: Some(user("cat")),
    });
    let pull = pull.with(|pr| {
        pr.pushes.extend([push("b1", "base", "cat"), push("base", "a2", "ann")]);
        pr.commits = vec![commit("a2", &["base"], &user("ann"))];
        pr.head = sha("a2");
    });
    assert_eq!(contributors(&pull.facts()), ["ann", "ben", "cat"]);
}

#[test]
fn who_created_the_branch_at_a_commit_of_the_base_adds_nobody() {
    let pull = open().with(|pr| pr.pushes = vec![push(zeros().as_str(), "base", "mal"), push("base", "a1", "ann")]);
    assert_eq!(contributors(&pull.facts()), ["ann"]);
}

#[test]
fn who_pushed_a_commit_before_the_branch_was_deleted_and_restored_contributed() {
    let pull = open().with(|pr| {
        pr.pushes =
            vec![push("base", "a1", "mal"), push("a1", zeros().as_str(), "mal"), push(zeros().as_str(), "a1", "ann")];
    });
    assert_eq!(contributors(&pull.facts()), ["ann", "mal"]);
}

#[test]
fn a_link_that_is_missing_is_a_gap_and_says_where() {
    let pull = open().push(&user("ben"), "b1", &user("ben")).push(&user("ann"), "a2", &user("ann"));
    assert_eq!(push_gap(&pull.0), None);
    let gap = pull.clone().with(|pr| drop(pr.pushes.remove(1)));
    assert_eq!(push_gap(&gap.0), Some(sha("b1")));
    let none = pull.with(|pr| pr.pushes.clear());
    assert_eq!(push_gap(&none.0), Some(sha("a2")));
}

#[test]
fn pushes_that_go_in_a_circle_and_never_reach_the_base_are_a_gap() {
    let pull = open().with(|pr| pr.pushes = vec![push("a1", "a0", "ann"), push("a0", "a1", "ann")]);
    assert_eq!(push_gap(&pull.0), Some(sha("a1")));
}

#[test]
fn a_forks_branch_is_known_from_its_opening_on_and_no_further() {
    let fork = open().with(|pr| {
        pr.head_repository = Some(RepositoryId(8));
        pr.pushes[0].source = PushSource::OpenedFromFork;
        pr.pushes[0].before = sha("unseen");
    });
    assert_eq!(push_gap(&fork.0), None);
    let gap = fork.push(&user("ann"), "a2", &user("ann")).with(|pr| drop(pr.pushes.pop()));
    assert_eq!(push_gap(&gap.0), Some(sha("a2")));
}

#[test]
fn a_force_push_that_no_push_accounts_for_is_a_gap_and_its_author_a_contributor() {
    let pull = open().event(TimelineEvent::ForcePushed {
        before: Some(sha("x1")),
        after: Some(sha("a1")),
        by: Some(user("ben")),
    });
    assert_eq!(push_gap(&pull.0), Some(sha("a1")));
    assert_eq!(contributors(&pull.facts()), ["ann", "ben"]);
}

/// ann force-pushed what ben had pushed, and the timeline shows so as it likes to.
fn force_pushed(before: Option<&str>, after: Option<&str>, source: PushSource) -> Pull {
    let pull = open().push(&user("ben"), "b1", &user("ben")).with(|pr| {
        pr.pushes.push(push("b1", "a2", "ann"));
        pr.commits = vec![commit("a2", &["base"], &user("ann"))];
        pr.head = sha("a2");
        pr.head_tree = sha("tree-a2");
    });
    let seen = Push { source, ..push("x1", "y1", "ann") };
    pull.with(|pr| pr.pushes.push(seen)).event(TimelineEvent::ForcePushed {
        before: before.map(sha),
        after: after.map(sha),
        by: Some(user("ann")),
    })
}

#[test]
fn whoever_pressed_update_before_a_force_push_brought_nothing_where_that_is_proved() {
    let dropped = |proof: MergeProof, parents: &[&str]| {
        let merge = Commit { merge: Some(proof), ..commit("b1", parents, &user("ben")) };
        let pull = force_pushed(Some("b1"), Some("a2"), PushSource::ActivityList);
        contributors(&pull.with(|pr| pr.dropped_merges.push(merge)).facts())
    };
    assert_eq!(dropped(MergeProof::Mechanical, &["a1", "m1"]), ["ann"]);
    assert_eq!(dropped(MergeProof::Differs, &["a1", "m1"]), ["ann", "ben"]);
    assert_eq!(dropped(MergeProof::Mechanical, &["x1", "m1"]), ["ann", "ben"], "the push brought more than the merge");
}

#[test]
fn a_force_push_is_accounted_for_by_a_push_with_both_its_ends_and_by_nothing_less() {
    let gap = |before, after, source| push_gap(&force_pushed(before, after, source).0);
    let list = PushSource::ActivityList;
    // As far as the timeline shows the ends, a push must have them.
    assert_eq!(gap(Some("b1"), Some("a2"), list), None);
    assert_eq!(gap(Some("b1"), None, list), None);
    assert_eq!(gap(None, Some("a2"), list), None);
    assert_eq!(gap(None, Some("a3"), list), Some(sha("a3")));
    assert_eq!(gap(Some("b1"), Some("a3"), list), Some(sha("a3")));
    assert_eq!(gap(Some("b0"), Some("a2"), list), Some(sha("a2")));
    // One that shows neither may have been any push.
    assert_eq!(gap(None, None, list), Some(sha("a2")));
    // A delivery that lists a commit, of whatever branch, accounts for nothing.
    assert_eq!(gap(Some("x1"), Some("y1"), list), Some(sha("x1")));
    assert!(gap(None, Some("y1"), PushSource::CommitListed).is_some());
}

#[test]
fn a_push_by_nobody_cannot_be_told() {
    let pull = open().approved(&user("ben")).with(|pr| pr.pushes[0].by = None);
    assert_eq!(judge(&pull.facts()).outcome, Undetermined);
}

#[test]
fn placeholders_and_deleted_accounts_are_nobody_in_particular() {
    let nobodies = [
        account(900, "imported", AccountKind::Mannequin),
        account(10137, "ghost", AccountKind::User),
        account(901, "acme", AccountKind::Other),
    ];
    for nobody in nobodies {
        let opened = open().approved(&user("ben")).with(|pr| pr.opener = Some(nobody.clone()));
        assert_eq!(judge(&opened.facts()).outcome, Undetermined, "{}", nobody.login);
        let author = Pull::opened(1, &user("ann"), "a1").push(&user("ann"), "a2", &nobody);
        assert_eq!(judge(&author.approved(&user("ben")).facts()).outcome, Undetermined);
        let approver = open().approved(&nobody);
        assert_eq!(judge(&approver.facts()).outcome, Undetermined);
    }
}

#[test]
fn an_email_that_the_settings_give_to_a_person_is_that_person() {
    let mut unknown = commit("x1", &["a1"], &user("ann"));
    unknown.author = unlinked("Ben@Example.com");
    unknown.committer = unlinked("ben@example.com");
    let mut facts = open().push_commit(&user("ann"), unknown).approved(&user("ben")).facts();
    facts.terms.persons.push(Person {
        name: "Ben Example".to_owned(),
        accounts: vec![user("ben").id],
        emails: vec!["ben@example.com".to_owned()],
    });
    let verdict = judge(&facts);
    assert_eq!(
        (verdict.outcome, codes_in(&verdict)),
        (Pending, vec!["approver-is-author".to_owned(), "review-missing".to_owned()])
    );
    assert_eq!(contributors(&facts), ["ann", "Ben Example"]);
    // Once GitHub shows the account itself, it goes by its login.
    if let crate::domain::Subject::PullRequest(pr) = &mut facts.subject {
        pr.pushes[1].by = Some(user("ben"));
    }
    assert_eq!(contributors(&facts), ["ann", "ben"]);
}

#[test]
fn an_account_that_is_automation_anywhere_is_automation() {
    // GraphQL shows some bots as users.
    let as_user = account(bot("codegen").id.0, "codegen", AccountKind::User);
    for (opener, author) in [(bot("codegen"), as_user.clone()), (as_user, bot("codegen"))] {
        let pull = Pull::opened(1, &opener, "c1").push(&user("ann"), "c2", &author);
        let verdict = judge(&pull.facts());
        let codegen = verdict.changes[0].contributors.iter().find(|it| it.account.id == bot("codegen").id);
        assert!(codegen.unwrap().automation, "{verdict:?}");
    }
}

#[test]
fn a_forks_opening_shows_who_opened_and_not_who_pushed() {
    let fork = open().with(|pr| {
        pr.pushes[0].source = PushSource::OpenedFromFork;
        pr.pushes[0].by = Some(user("mal"));
    });
    assert_eq!(contributors(&fork.facts()), ["ann"]);
}

#[test]
fn a_sponsor_from_the_settings_goes_by_the_login_that_the_pull_request_shows() {
    let ann = || Some(user("ann"));
    let review =
        Pull::opened(1, &bot("codegen"), "c1").review_of_head(ann().as_ref(), crate::domain::ReviewState::Commented);
    let shown = [
        TimelineEvent::Reviewed(review),
        TimelineEvent::Assigned { who: ann(), by: Some(bot("codegen")) },
        TimelineEvent::Assigned { who: Some(bot("codegen")), by: ann() },
        TimelineEvent::Dismissed {
            review: None,
            was: crate::domain::ReviewState::Approved,
            by: ann(),
            write_given_by: Vec::new(),
        },
        TimelineEvent::Retargeted { from: "a".to_owned(), to: "main".to_owned(), by: ann(), automatic: false },
        TimelineEvent::ForcePushed { before: None, after: Some(sha("c1")), by: ann() },
        TimelineEvent::Merged { by: ann(), commit: None },
        TimelineEvent::Closed { by: ann() },
        TimelineEvent::Reopened { by: ann() },
        TimelineEvent::AutoMergeEnabled { by: ann() },
        TimelineEvent::Queued { by: ann() },
    ];
    let sponsored = |event: Option<TimelineEvent>| {
        let pull = Pull::opened(1, &bot("codegen"), "c1").with(|pr| pr.timeline.extend(event));
        let mut facts = pull.facts();
        facts.terms.automation.sponsors.insert(bot("codegen").id, vec![user("ann").id]);
        contributors(&facts)[0].clone()
    };
    for event in shown {
        assert_eq!(sponsored(Some(event.clone())), "ann", "{event:?}");
    }
    assert_eq!(sponsored(None), "account 1");
    assert_eq!(sponsored(Some(TimelineEvent::Dequeued)), "account 1");
}

#[test]
fn two_entries_that_share_an_account_are_one_person() {
    let mut facts = open().approved(&user("eve")).facts();
    for (name, accounts) in [("A", ["ann", "ann-work"]), ("B", ["eve", "ann-work"])] {
        facts.terms.persons.push(Person {
            name: name.to_owned(),
            accounts: accounts.map(|login| user(login).id).to_vec(),
            emails: Vec::new(),
        });
    }
    assert_eq!(codes_in(&judge(&facts)), ["approver-is-author", "review-missing"]);
    // A third entry that shares nothing is somebody else.
    facts.terms.persons.push(Person { name: "C".to_owned(), accounts: vec![user("ben").id], emails: Vec::new() });
    let mut by_ben = open().approved(&user("ben")).facts();
    by_ben.terms = facts.terms.clone();
    assert_eq!(judge(&by_ben).outcome, Allow);
    facts.terms.persons.rotate_right(1);
    assert_eq!(codes_in(&judge(&facts)), ["approver-is-author", "review-missing"]);
}

#[test]
fn an_email_that_belongs_to_a_machine_user_is_automations() {
    let mut written = commit("x1", &["a1"], &user("ann"));
    written.author = unlinked("release@example.com");
    let mut facts = open().push_commit(&user("ann"), written).facts();
    facts.terms.persons.push(Person {
        name: "Release train".to_owned(),
        accounts: vec![user("rae").id],
        emails: vec!["release@example.com".to_owned()],
    });
    let automation = |facts: &Facts| {
        let verdict = judge(facts);
        verdict.changes[0].contributors.iter().find(|it| it.account.id == user("rae").id).unwrap().automation
    };
    assert!(!automation(&facts));
    facts.terms.automation.machine_users.push(user("rae").id);
    assert!(automation(&facts));
}

#[test]
fn every_contributor_carries_the_evidence() {
    let pull = open().push(&user("ben"), "b1", &user("ann"));
    let verdict = judge(&pull.facts());
    let because = |index: usize| verdict.changes[0].contributors[index].because.clone();
    assert_eq!(because(0)[0], Contribution::Opened);
    assert!(because(0).contains(&Contribution::Authored { commit: sha("b1") }));
    assert_eq!(because(1), [Contribution::Pushed { commit: sha("b1") }]);
}

#[test]
fn the_settings_may_name_who_answers_for_an_app() {
    let mut facts = Pull::opened(1, &bot("codegen"), "c1").approved(&user("ben")).facts();
    facts.terms.automation.sponsors.insert(bot("codegen").id, vec![user("ann").id]);
    let verdict = judge(&facts);
    assert_eq!(verdict.outcome, Allow);
    assert!(verdict.changes[0].contributors.iter().any(|it| it.account.id == user("ann").id));
    facts.terms.automation.sponsors.insert(bot("codegen").id, vec![user("ben").id]);
    assert_eq!(judge(&facts).outcome, Pending);
}

#[test]
fn commits_that_name_automation_and_were_pushed_by_a_person_need_nobody_else() {
    let pull = open().push(&user("ann"), "c1", &bot("codegen")).approved(&user("ben"));
    assert_eq!(judge(&pull.facts()).outcome, Allow);
}

#[test]
fn a_commit_that_was_left_out_is_missed() {
    let pull = open().push(&user("ben"), "b1", &user("ben")).push(&user("ann"), "a2", &user("ann"));
    let pull = pull.approved(&user("cat"));
    assert_eq!(judge(&pull.clone().facts()).outcome, Allow);
    for left_out in 0..3 {
        let less = pull.clone().with(|pr| drop(pr.commits.remove(left_out)));
        assert_eq!(judge(&less.facts()).outcome, Undetermined, "{left_out}");
    }
}

#[test]
fn a_commit_that_the_merge_put_on_the_base_is_still_one_of_the_pull_request() {
    let pull = open().push(&user("ben"), "b1", &user("ann")).merged(&user("cat"));
    let pull = pull.with(|pr| pr.on_base.extend([sha("a1"), sha("b1")]));
    assert_eq!(contributors(&pull.facts()), ["ann", "ben"]);
}

#[test]
fn only_githubs_own_bots_are_taken_for_them() {
    let user_named = |login: &str| account(900, login, AccountKind::User);
    assert!(bot("github-actions").is_actions() && !bot("codegen").is_actions());
    assert!(bot("github-merge-queue").is_merge_queue() && !bot("codegen").is_merge_queue());
    assert!(!user_named("github-merge-queue").is_merge_queue());
    assert!(!user_named("ann").is_actions() && !user_named("ann").is_merge_queue());
}

#[test]
fn an_address_of_githubs_own_that_is_linked_to_no_account_says_that_one_is_gone() {
    let named = |email: &str, coauthor: bool| {
        let mut written = commit("a2", &["a1"], &user("ann"));
        if coauthor {
            written.coauthors.push(unlinked(email));
        } else {
            written.author = unlinked(email);
        }
        let pull = Pull::opened(1, &user("ann"), "a1").push_commit(&user("ann"), written).approved(&user("ben"));
        codes_in(&judge(&pull.facts()))
    };
    assert_eq!(named("7+eve@users.noreply.github.com", false), ["author-unattributed", "facts-incomplete"]);
    assert_eq!(named("eve@example.com", false), ["author-unattributed"]);
    assert_eq!(named("7+eve@users.noreply.github.com", true), Vec::<String>::new());
}

#[test]
fn automation_answers_for_nothing_that_a_person_took_from_another_branch() {
    let pushed = |source: PushSource| {
        let by_bot = Push { before: sha("a1"), after: sha("a1"), by: Some(bot("codegen")), source };
        let mut pull = Pull::opened(1, &user("ann"), "a1").with(|pr| pr.pushes.push(by_bot));
        pull = pull.assigned(&user("ben"), &user("ben"));
        judge(&pull.clone().facts())
    };
    let taken = pushed(PushSource::CommitListed);
    assert!(!codes_in(&taken).contains(&"sponsor-unknown".to_owned()));
    let named = |verdict: &Verdict| {
        let accounts = verdict.changes[0].contributors.iter().map(|it| it.account.login.clone());
        accounts.collect::<Vec<_>>()
    };
    assert_eq!(named(&taken), ["ann", "codegen"], "whoever is assigned answers for nobody here");
    let mut other =
        Push { before: zeros(), after: sha("a1"), by: Some(bot("codegen")), source: PushSource::PushDelivery };
    let brought =
        |push: &Push| judge(&Pull::opened(1, &user("ann"), "a1").with(|pr| pr.pushes.push(push.clone())).facts());
    assert!(codes_in(&brought(&other)).contains(&"sponsor-unknown".to_owned()));
    other.source = PushSource::CommitListed;
    assert!(!codes_in(&brought(&other)).contains(&"sponsor-unknown".to_owned()));
}
