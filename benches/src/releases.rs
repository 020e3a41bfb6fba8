//! What a release costs: calls to GitHub, the way from the gate to the answer, and memory.
//!
//! Invariant: what is counted are the calls that the twin heard from the look that answered, the answer included.

use crate::held::tell;
use crate::measure::{Table, memory, ms, percentile};
use crate::service::{moment, play, stage};
use anyhow::{Context as _, ensure};
use countersign_bench::steps::{merged, method};
use github_twin::model::{Call, RuleState, Write};
use github_twin::runner::Stage;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// The rule's answers so far.
fn answers(stage: &Stage) -> usize {
    stage.world().lock().writes.iter().filter(|write| matches!(write, Write::Rule { state: Some(_), .. })).count()
}

/// A deployment by dee, let through: the calls of the look that answered, and how long the answer took.
async fn let_through(stage: &mut Stage) -> anyhow::Result<(Vec<Call>, Duration)> {
    stage.rest().await.map_err(anyhow::Error::msg)?;
    let before = stage.world().lock().calls.len();
    let answered = answers(stage);
    let begun = tell(stage, json!({"deploy": {"by": "dee"}}), "deployment_protection_rule").await?;
    let is_answer = |call: &Call| call.path.ends_with("/deployment_protection_rule");
    // The twin notes what it was asked once it has answered.
    let heard =
        |stage: &Stage| stage.world().lock().calls.get(before..).is_some_and(|calls| calls.iter().any(is_answer));
    while answers(stage) == answered || !heard(stage) {
        ensure!(begun.elapsed() < Duration::from_mins(10), "no answer came");
        moment().await?;
    }
    let took = begun.elapsed();
    let (state, calls) = {
        let world = stage.world().lock();
        let state = world.rule_requests.last().and_then(|asked| asked.state);
        (state, world.calls.get(before..).unwrap_or_default().to_vec())
    };
    ensure!(state == Some(RuleState::Approved), "the release was not let through: {state:?}");
    // What was let through and runs yet would be asked after; the next release is the same one again.
    play(stage, json!({"finish": {"state": "failure"}})).await?;
    let end = calls.iter().position(is_answer).context("an answer")?;
    // A look before it, when GitHub told that the deployment was created, asks only whether it went past the gate.
    let is_run =
        |call: &Call| call.method == "GET" && call.path.contains("/actions/runs/") && !call.path.contains("/jobs");
    let start = calls.iter().take(end).rposition(is_run).context("a look at the run")?;
    Ok((calls.iter().take(end + 1).skip(start).cloned().collect(), took))
}

/// Plays steps of which the service is never told.
async fn unseen(stage: &mut Stage, steps: impl Iterator<Item = Value>) -> anyhow::Result<()> {
    play(stage, json!({"service": "stop"})).await?;
    {
        let mut world = stage.world().lock();
        for step in steps {
            world.plan_webhooks(&serde_json::from_value(json!({"drop": 2}))?);
            world.begin_webhook_plan();
            world.play(&serde_json::from_value(step)?)?;
        }
        world.plan_webhooks(&serde_json::from_value(json!({"drop": 0}))?);
    }
    play(stage, json!({"service": "start"})).await
}

/// A gate asked about twenty changes that were seen as they landed.
pub async fn gate(table: &mut Table, program: &Path) -> anyhow::Result<()> {
    let mut stage = stage(program).await?;
    for number in 1..=20 {
        for step in merged(number, 2, method(number)) {
            play(&mut stage, step).await?;
        }
    }
    let_through(&mut stage).await?;
    play(&mut stage, json!({"fault": {"latency_ms": 50, "times": 1_000_000}})).await?;
    let (mut most, mut times) = (0, Vec::new());
    for _ in 0..20 {
        let (calls, took) = let_through(&mut stage).await?;
        most = most.max(calls.len());
        times.push(took);
    }
    let trips = |time: Duration| ms(time) / 50.0;
    let (half, worst) = (percentile(&mut times, 50), percentile(&mut times, 99));
    let seen = format!("{most} calls, p50 {:.2}, p99 {:.2} round trips", trips(half), trips(worst));
    let met = most <= 3 && trips(half) <= 3.2;
    table.bar("gate, warm release of 20 changes, 50 ms per call", "≤ 3 calls, p50 ≤ 3.2 round trips", seen, met);
    Ok(())
}

/// Large releases that the service was never told of.
pub async fn large(table: &mut Table, program: &Path) -> anyhow::Result<()> {
    let mut many = stage(program).await?;
    unseen(&mut many, (1..=400).flat_map(|number| merged(number, 2 + number % 2, method(number)))).await?;
    let (cold, first) = let_through(&mut many).await?;
    let (warm, second) = let_through(&mut many).await?;
    let seen =
        format!("{} in {:.1} s / {} in {:.2} s", cold.len(), first.as_secs_f64(), warm.len(), second.as_secs_f64());
    let met = cold.len() <= 32 && warm.len() <= 5;
    table.bar("release of 1,000 commits in 400 pull requests, cold / warm", "≤ 32 / ≤ 5 calls", seen, met);
    drop(many);
    let mut long = stage(program).await?;
    unseen(&mut long, (1..=100).flat_map(|number| merged(number, 99, "merge"))).await?;
    let process = long.service_process().context("the service's process")?;
    let (calls, took) = let_through(&mut long).await?;
    let most = memory(process, "VmHWM");
    let seen = format!("{most:.0} MiB, {} calls in {:.1} s", calls.len(), took.as_secs_f64());
    table.bar("release of 10,000 commits", "≤ 256 MB", seen, most <= 244.0);
    Ok(())
}
