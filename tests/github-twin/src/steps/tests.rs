//! Stories played without a service: a stand-in gives the check before a merge and answers the rule as the story expects.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::StepError;
use crate::model::{DeliveryOutcome, RuleState, RunStatus, World};
use crate::story::{GateIs, Step, Story};
use crate::writes::CheckRunFields;
use std::path::Path;

pub(crate) fn play_all(text: &str) -> (World, Result<(), String>) {
    let story = Story::parse(text).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut world = World::build(&story.world, directory.path()).unwrap();
    "http://twin.test".clone_into(&mut world.url);
    let result = play_steps(&mut world, &story);
    world.owned = Some(directory);
    (world, result)
}

fn play(text: &str) -> World {
    let (world, result) = play_all(text);
    result.unwrap();
    world
}

fn play_steps(world: &mut World, story: &Story) -> Result<(), String> {
    for (number, step) in story.story.iter().enumerate() {
        match step {
            Step::Merge(it) if !it.bypass => check(world, it.pr, "success"),
            Step::Queue(it) => check(world, it.pr, "success"),
            Step::Finish(_) | Step::Rerun(_) | Step::ApproveEnvironment(_) => answer(world, RuleState::Approved),
            Step::Expect(it) => {
                if let Some(gate) = &it.gate {
                    match gate.is {
                        GateIs::Allow | GateIs::Exception => answer(world, RuleState::Approved),
                        GateIs::Deny => answer(world, RuleState::Rejected),
                        GateIs::Pending | GateIs::Undetermined => {}
                    }
                }
                if let Some(queued) = &it.queue_check {
                    let group = world.merge_groups.iter().rev().find(|group| group.pulls.contains(&queued.pr));
                    let sha = group.unwrap().head_sha.clone();
                    conclude(world, &sha, if queued.because.is_empty() { "success" } else { "failure" });
                }
            }
            _ => {}
        }
        if let Step::Gate(it) = step {
            world.asking_job(it, None).map_err(|error| format!("step {} (gate): {error}", number + 1))?;
        }
        let service_only = matches!(
            step,
            Step::Expect(_)
                | Step::Service(_)
                | Step::Sweep(_)
                | Step::Gate(_)
                | Step::Exception(_)
                | Step::ReviewException(_)
        );
        if service_only {
            continue;
        }
        match (world.play(step), step.refused()) {
            (Ok(()), false) | (Err(StepError::Refused(_)), true) => {}
            (Ok(()), true) => return Err(format!("step {}: not refused", number + 1)),
            (Err(error), _) => return Err(format!("step {} ({}): {error}", number + 1, step.word())),
        }
    }
    Ok(())
}

fn check(world: &mut World, pull: u64, conclusion: &str) {
    let sha = world.pulls[&pull].head.sha.clone();
    conclude(world, &sha, conclusion);
}

fn conclude(world: &mut World, sha: &str, conclusion: &str) {
    let fields = CheckRunFields {
        name: Some("Countersign".to_owned()),
        conclusion: Some(conclusion.to_owned()),
        ..CheckRunFields::default()
    };
    world.create_check_run(sha, fields).unwrap();
}

fn answer(world: &mut World, state: RuleState) {
    let open = world.rule_requests.iter().rev().find(|request| request.state.is_none());
    if let Some(request) = open {
        let (run, environment) = (request.run, request.environment.clone());
        world.answer_rule(run, &environment, Some(state), "as expected").unwrap();
    }
}

fn refusal(steps: &str) -> String {
    let (_, result) = play_all(&format!(
        "name: x\nworld: {{accounts: {{ann: write, ben: write, cat: admin, rae: read}}}}\nstory:\n{steps}"
    ));
    result.unwrap_err()
}

const OPENED: &str = "  - open: {pr: 1, by: ann, commits: [{id: a1, by: ann}]}\n";

#[test]
fn the_whole_corpus_can_be_played() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../stories");
    let mut refused = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let (_, result) = play_all(&std::fs::read_to_string(&path).unwrap());
        refused.extend(result.err().map(|why| format!("{}: {why}", path.display())));
    }
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn github_refuses_what_it_refuses() {
    let cases = [
        ("  - review: {pr: 1, by: ann, state: approved}\n", "own pull request"),
        ("  - dismiss: {pr: 1, of: ben, by: cat}\n", "no opinion"),
        ("  - merge: {pr: 1, by: ben}\n", "0"),
        ("  - merge: {pr: 1, by: rae, bypass: true}\n", "lacks write"),
        ("  - merge: {pr: 1, by: ben, bypass: true}\n", "lacks admin"),
        ("  - queue: {pr: 1, by: ben}\n", "queue is not on"),
        ("  - update_branch: {pr: 1, by: ben}\n", "no new commits"),
        ("  - rerun: {by: ben, jobs: failed}\n", "no failed jobs"),
        ("  - deploy: {by: ben}\n  - rerun: {by: ben}\n", "not completed"),
        ("  - approve_environment: {by: ben}\n", "waits"),
        ("  - push: {pr: 1, by: rae, commits: [{id: r1, by: rae}]}\n", "lacks write"),
        ("  - direct_push: {by: ben, commits: [{id: b1, by: ben}]}\n", "lacks admin"),
        ("  - deploy: {by: rae}\n", "lacks write"),
        (
            "  - close: {pr: 1, by: ann}\n  - push: {pr: 1, by: ann, force: true, commits: [{id: a2, by: ann}]}\n  \
             - reopen: {pr: 1, by: ann}\n",
            "force-pushed",
        ),
        (
            "  - review: {pr: 1, by: ben, state: approved}\n  - dismiss: {pr: 1, of: ben, by: cat}\n  \
             - dismiss: {pr: 1, of: ben, by: cat}\n",
            "no opinion",
        ),
    ];
    for (steps, why) in cases {
        let seen = refusal(&format!("{OPENED}{steps}"));
        assert!(seen.contains(why), "{steps}: {seen}");
    }
}

#[test]
fn a_push_to_a_pull_request_is_seen_everywhere() {
    let world = play(&format!(
        "name: x\nworld: {{accounts: {{ann: write, ben: write}}}}\nstory:\n{OPENED}  - push: {{pr: 1, by: ben, commits: [{{id: b1, by: ann}}]}}\n"
    ));
    let pull = &world.pulls[&1];
    assert_eq!(pull.head.sha, world.names["b1"]);
    assert_eq!(pull.commits, [world.names["a1"].clone(), world.names["b1"].clone()]);
    let ben = world.account_by_login("ben").unwrap().id;
    let push = world.pushes.last().unwrap();
    assert_eq!((push.pusher, &push.after), (ben, &world.names["b1"]));
    assert_eq!(world.activity.last().unwrap().actor, ben);
    assert_eq!(world.check_suites.last().unwrap().push, Some(push.id));
    let author = world.git.info(&world.names["b1"]).unwrap().author.email;
    assert_eq!(world.account_by_email(&author).unwrap().login, "ann");
}

#[test]
fn a_carried_pull_request_shows_as_merged_by_what_carried_it() {
    let world = play(
        "name: x\nworld: {accounts: {ann: write, ben: write, cat: maintain}}\nstory:\n  \
         - open: {pr: 1, by: ann, commits: [{id: a1, by: ann}]}\n  \
         - open: {pr: 2, by: ann, commits: [{id: a1, by: ann}, {id: a2, by: ann}]}\n  \
         - review: {pr: 2, by: ben, state: approved}\n  - merge: {pr: 2, by: cat, id: m2}\n",
    );
    assert_eq!(world.pulls[&1].merge_commit.as_ref(), Some(&world.names["m2"]));
    assert_eq!(world.pulls[&1].merged_by, world.pulls[&2].merged_by);
    assert_eq!(world.resolve("m2~1").unwrap(), world.names["base"]);
}

#[test]
fn a_queued_pull_request_lands_when_its_groups_check_succeeds() {
    let mut world = play(
        "name: x\nworld: {accounts: {ann: write, ben: write, cat: maintain}, queue: true}\nstory:\n  \
         - open: {pr: 1, by: ann, commits: [{id: a1, by: ann}]}\n  - open: {pr: 2, by: ann, commits: [{id: a2, by: ann}]}\n  \
         - review: {pr: 1, by: ben, state: approved}\n  - review: {pr: 2, by: ben, state: approved}\n  \
         - queue: {pr: 1, by: cat, id: q1}\n  - queue: {pr: 2, by: cat, id: q2}\n",
    );
    let (first, second) = (world.names["q1"].clone(), world.names["q2"].clone());
    conclude(&mut world, &second, "success");
    assert!(world.pulls[&1].is_open());
    conclude(&mut world, &first, "success");
    assert!(world.pulls[&1].is_merged() && world.pulls[&2].is_merged());
    assert_eq!(world.tip("main"), Some(second));
    assert_eq!(world.activity.iter().filter(|it| it.kind.name() == "merge_queue_merge").count(), 2);
}

#[test]
fn auto_merge_happens_when_the_rules_are_met() {
    let mut world = play(&format!(
        "name: x\nworld: {{accounts: {{ann: write, ben: write}}}}\nstory:\n{OPENED}  \
         - merge: {{pr: 1, by: ann, auto: true, method: squash, id: m1}}\n  - review: {{pr: 1, by: ben, state: approved}}\n"
    ));
    // The stand-in gave its check before `merge`; the review completed the rules.
    assert!(world.pulls[&1].is_merged());
    let ann = world.account_by_login("ann").unwrap().id;
    assert_eq!(world.pulls[&1].merged_by, Some(ann));
    assert_eq!(world.tip("main"), Some(world.names["m1"].clone()));
    assert!(world.play(&Step::Sweep(serde_json::from_str("{}").unwrap())).is_err());
}

#[test]
fn a_deployment_waits_for_the_rule_and_for_the_reviewers() {
    let mut world = play(
        "name: x\nworld: {accounts: {ann: write, dee: read}, environment: {reviewers: [dee]}}\nstory:\n  - deploy: {by: ann}\n",
    );
    let run = *world.runs.keys().next_back().unwrap();
    let status = |world: &World| world.runs[&run].latest().unwrap().status;
    assert_eq!(status(&world), RunStatus::Waiting);
    answer(&mut world, RuleState::Approved);
    assert_eq!(status(&world), RunStatus::Waiting);
    let approve = serde_json::from_str(r#"{"approve_environment": {"by": "dee"}}"#).unwrap();
    world.play(&approve).unwrap();
    assert_eq!(status(&world), RunStatus::InProgress);
    world.play(&serde_json::from_str(r#"{"finish": {"state": "failure"}}"#).unwrap()).unwrap();
    world.play(&serde_json::from_str(r#"{"rerun": {"by": "ann", "jobs": "failed"}}"#).unwrap()).unwrap();
    assert_eq!(status(&world), RunStatus::InProgress);
    assert_eq!(world.rule_requests.len(), 1);
    assert_eq!(world.deployments.len(), 3);
}

#[test]
fn deliveries_are_dropped_held_and_doubled_as_planned() {
    let mut world = play("name: x\nworld: {accounts: {ann: write}}\nstory: []\n");
    world.installation.events.push("ping".to_owned());
    let emit = |world: &mut World| {
        world.emit(&crate::model::Event::Create {
            reference: "refs/heads/main".to_owned(),
            sender: crate::model::OWNER,
        });
    };
    let plan = serde_json::from_str(r#"{"hold": 1, "duplicate": 1, "release": "shuffled"}"#).unwrap();
    world.plan_webhooks(&plan);
    world.begin_webhook_plan();
    emit(&mut world);
    assert!(world.deliveries.iter().all(|delivery| delivery.outcome == DeliveryOutcome::Held));
    assert_eq!(world.deliveries.len(), 2);
    assert_eq!(world.deliveries[0].guid, world.deliveries[1].guid);
    world.end_webhook_plan();
    assert!(!world.all_delivered());
    world.begin_webhook_plan();
    emit(&mut world);
    assert_eq!(world.deliveries.len(), 3);
}
