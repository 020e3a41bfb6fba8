//! The steps that no story of the small corpus plays, and what they leave behind.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use crate::model::{
    AccountKind, ActivityType, GITHUB_ACTIONS, Permission, RunStatus, Timeline, UPSTREAM, WEB_FLOW, World,
};
use crate::story::{Step, Story};

const WORLD: &str = "{accounts: {ann: write, ben: write, cat: admin, rae: read, crowd: read, \
                     github-actions: {bot: true, permission: write}, man: {type: Mannequin}}}";

fn play(steps: &str) -> World {
    let story = Story::parse(&format!("name: x\nworld: {WORLD}\nstory:\n{steps}")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut world = World::build(&story.world, directory.path()).unwrap();
    for (number, step) in story.story.iter().enumerate() {
        world.play(step).map_err(|error| format!("step {} ({}): {error}", number + 1, step.word())).unwrap();
    }
    world.owned = Some(directory);
    world
}

fn id(world: &World, login: &str) -> u64 {
    world.account_by_login(login).unwrap().id
}

const OPENED: &str = "  - open: {pr: 1, by: ann, commits: [{id: a1, by: ann}]}\n";

#[test]
fn a_fork_is_pushed_to_out_of_sight() {
    let world = play(
        "  - open: {pr: 1, by: rae, fork: true, commits: [{id: r1, by: rae}]}\n  - push: {pr: 1, by: rae, commits: [{id: r2, by: rae}]}\n",
    );
    let pull = &world.pulls[&1];
    assert_ne!(pull.head.repository, UPSTREAM);
    assert_eq!(pull.commits.len(), 2);
    assert!(world.pushes.is_empty());
    assert!(world.check_suites.iter().filter(|suite| suite.app == 4242).all(|suite| suite.head_branch.is_none()));
    assert_eq!(world.repositories[&pull.head.repository].full_name(), "rae/shop");
}

#[test]
fn a_run_that_opens_a_pull_request_names_who_dispatched_it() {
    let world = play("  - open: {pr: 1, by: github-actions, via_run: ann, commits: [{id: g1, by: github-actions}]}\n");
    let run = world.runs.values().next_back().unwrap();
    let (attempt, pull) = (run.latest().unwrap(), &world.pulls[&1]);
    assert_eq!((attempt.actor, attempt.status), (id(&world, "ann"), RunStatus::Completed));
    assert_eq!(pull.opener, GITHUB_ACTIONS);
    assert!(run.created_at < pull.created_at && pull.created_at < attempt.updated_at);
}

#[test]
fn a_suggestion_is_authored_by_who_suggested_and_pushed_by_who_applied() {
    let world = play(&format!("{OPENED}  - suggest: {{pr: 1, by: ben, applied_by: ann}}\n"));
    let info = world.git.info(&world.pulls[&1].head.sha).unwrap();
    assert_eq!(world.account_by_email(&info.author.email).unwrap().login, "ben");
    assert_eq!(world.account_by_email(&info.committer.email).unwrap().id, WEB_FLOW);
    assert!(info.coauthors()[0].1.contains("+ann@"));
    assert_eq!(world.pushes.last().unwrap().pusher, id(&world, "ann"));
    assert!(world.signed_by_github.contains(&info.sha));
}

#[test]
fn what_commits_may_say() {
    let world = play(
        "  - open: {pr: 1, by: ann, commits: [{id: a1, author: ben, committer: web-flow, coauthors: [rae, x@example.org], date: \"2020-01-01T00:00:00Z\"}, \
         {id: a2, email: nobody@example.org, files: {src/x.txt: hello}}, {id: a3, by: ann, tree: a1}, {id: a4, by: man, parents: [\"a3~1\"]}]}\n",
    );
    let info = |name: &str| world.git.info(&world.names[name]).unwrap();
    assert_eq!((info("a1").author.at, info("a1").coauthors().len()), (1_577_836_800, 2));
    assert!(!world.signed_by_github.contains(&world.names["a1"]));
    assert!(world.account_by_email(&info("a2").author.email).is_none());
    assert_eq!(world.git.file(&world.names["a2"], "src/x.txt").unwrap().1, b"hello");
    assert_eq!(info("a3").tree, info("a1").tree);
    assert_eq!(info("a4").parents, [world.names["a2"].clone()]);
    assert_eq!(world.account_by_email(&info("a4").author.email).unwrap().kind, AccountKind::Mannequin);
}

#[test]
fn accounts_are_renamed_deleted_and_given_access() {
    let world = play(&format!(
        "{OPENED}  - rename: {{account: ann, to: anna, taken_by: {{id: 9001}}}}\n  \
         - set_permission: {{account: rae, to: write}}\n  - set_permission: {{account: ben, to: none, by: cat}}\n  \
         - delete_account: {{account: cat}}\n"
    ));
    let opener = world.pulls[&1].opener;
    assert_eq!((id(&world, "anna"), id(&world, "ann")), (opener, 9001));
    let author = world.git.info(&world.names["a1"]).unwrap().author.email;
    assert_eq!(world.account_by_email(&author).unwrap().id, opener);
    assert_eq!(world.account_by_login("rae").unwrap().permission, Permission::Write);
    assert!(world.account_by_login("cat").is_none());
}

#[test]
fn a_closed_pull_request_that_was_pushed_to_opens_with_the_new_head() {
    let world = play(&format!(
        "{OPENED}  - close: {{pr: 1, by: ben}}\n  - push: {{pr: 1, by: ben, commits: [{{id: b1, by: ann}}]}}\n  - reopen: {{pr: 1, by: ann}}\n"
    ));
    let pull = &world.pulls[&1];
    assert_eq!(pull.head.sha, world.names["b1"]);
    assert_eq!(pull.timeline.last().unwrap().what, Timeline::Reopened);
    assert_eq!(world.activity.last().unwrap().actor, id(&world, "ben"));
}

#[test]
fn every_way_to_start_a_deployment_names_its_event_and_actor() {
    for (step, event, branch, actor) in [
        ("{by: ann}", "workflow_dispatch", "main", "ann"),
        ("{by: ann, via: release}", "release", "v1", "ann"),
        ("{by: ann, via: api}", "deployment", "main", "ann"),
        ("{by: rae, via: schedule}", "schedule", "main", "rae"),
        ("{by: rae, via: pull_request_target}", "pull_request_target", "main", "rae"),
        ("{by: rae, via: run, chain: {by: ben, via: dispatch}}", "workflow_run", "main", "rae"),
        ("{by: ann, ref: \"a1~1\"}", "workflow_dispatch", "deploy-a1-1", "ann"),
        ("{via: push, ref: t1}", "push", "t1", "ben"),
        ("{via: push}", "push", "main", "cat"),
        ("{by: ann, environment: \" Production\"}", "workflow_dispatch", "main", "ann"),
    ] {
        let world = play(&format!(
            "{OPENED}  - direct_push: {{by: cat, commits: [{{id: c1, by: cat}}]}}\n  - tag: {{name: t1, at: c1, by: ben}}\n  - deploy: {step}\n"
        ));
        let run = world.runs.values().next_back().unwrap();
        assert_eq!((run.event.as_str(), run.head_branch.as_deref()), (event, Some(branch)), "{step}");
        assert_eq!(run.latest().unwrap().actor, id(&world, actor), "{step}");
        let deployment = world.deployments.values().next_back().unwrap();
        assert_eq!((deployment.run, &deployment.sha), (Some(run.id), &run.head_sha), "{step}");
        assert_eq!(world.rule_requests.last().unwrap().run, run.id, "{step}");
    }
}

#[test]
fn the_first_run_of_a_chain_ended_before_on_the_same_commit() {
    let world = play("  - deploy: {by: rae, via: run, chain: {by: ben, via: pull_request_target}}\n");
    let runs: Vec<_> = world.runs.values().rev().take(2).collect();
    assert_eq!((runs[1].event.as_str(), runs[1].path.as_str()), ("pull_request_target", ".github/workflows/ci.yml"));
    assert_eq!(runs[1].latest().unwrap().actor, id(&world, "ben"));
    assert_eq!((runs[1].latest().unwrap().status, &runs[1].head_sha), (RunStatus::Completed, &runs[0].head_sha));
}

#[test]
fn protection_comes_and_goes() {
    let world = play(&format!(
        "{OPENED}  - protection: {{by: cat, change: weakened}}\n  - merge: {{pr: 1, by: ann, method: rebase, id: m1}}\n  \
         - protection: {{by: cat, change: restored, environment_rule: removed}}\n  - deploy: {{by: ann}}\n  - finish: {{state: success}}\n  \
         - status: {{by: ben, state: failure}}\n  - protection: {{by: cat, change: removed}}\n  \
         - direct_push: {{by: ben, commits: [{{id: b1, by: ben}}]}}\n"
    ));
    assert!(world.rulesets.is_empty() && world.rule_requests.is_empty());
    let deployment = world.deployments.values().next_back().unwrap();
    let states: Vec<&str> = deployment.statuses.iter().map(|status| status.state.as_str()).collect();
    assert_eq!(states, ["in_progress", "success", "failure"]);
    assert_eq!(world.activity.iter().filter(|it| it.kind == ActivityType::PrMerge).count(), 1);
    assert_eq!(world.git.info(&world.names["m1"]).unwrap().parents, [world.names["base"].clone()]);
}

#[test]
fn small_talk_is_kept_in_order() {
    let world = play(&format!(
        "{OPENED}  - noise: {{pr: 1, reviews: 3, comments: 2}}\n  - label: {{pr: 1, by: ben, text: urgent}}\n  \
         - comment: {{pr: 1, by: rae, text: well}}\n  - assign: {{pr: 1, who: ben, by: ann}}\n  \
         - unassign: {{pr: 1, who: ben, by: cat}}\n  - ci: {{pr: 1, name: ci/test, state: failure}}\n  \
         - branch: {{name: next, from: main, by: ann}}\n  - retarget: {{pr: 1, by: ann, base: next}}\n"
    ));
    let pull = &world.pulls[&1];
    assert_eq!((pull.reviews.len(), pull.comments.len(), pull.base.as_str()), (3, 3, "next"));
    assert_eq!(pull.timeline.len(), 1 + 3 + 2 + 1 + 1 + 2 + 1);
    assert!(pull.timeline.is_sorted_by_key(|item| item.id));
    assert!(world.play_again().is_err());
}

impl World {
    /// A step that cannot be played here says so by name.
    fn play_again(mut self) -> Result<(), String> {
        let gate: Step =
            serde_json::from_str(r#"{"gate": {"by": "ann", "token": {"aud": "x"}, "reuse": true}}"#).unwrap();
        self.play(&gate).map_err(|error| error.to_string())
    }
}
