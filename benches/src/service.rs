//! The bars of the service: the real program beside the twin, on the same cores.
//!
//! Invariant: everything goes through the door, as signed deliveries and requests; what GitHub heard is read from the twin.

use crate::held::{flood, tell};
use crate::measure::{Table, memory, ms, percentile, process_of, rate};
use crate::record::{Setting, key_of, url, year_of};
use anyhow::{Context as _, ensure};
use countersign::store::{Delivery, Store};
use github_twin::delivery::sign;
use github_twin::model::Write;
use github_twin::runner::{AppKey, Stage};
use github_twin::story::WorldSpec;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A stage whose world has these people and whose service keeps the pace of its own. It does not sweep: looking at all that is
/// open once more, behind live work, is not what is measured.
pub async fn stage(program: &Path) -> anyhow::Result<Stage> {
    let spec: WorldSpec = serde_json::from_value(json!({
        "accounts": {"ann": "write", "ben": "write", "cat": "admin", "dee": "write"},
        "settings": {
            "server": {"pace_ms": 250, "retry_base_ms": 1_000, "sweep_minutes": 0},
            "github": {"writers_ms": 30_000},
        },
    }))?;
    Stage::set(&spec, program, &AppKey::generate()?).await
}

/// Plays one step of a story.
pub async fn play(stage: &mut Stage, step: Value) -> anyhow::Result<()> {
    stage.step(&serde_json::from_value(step)?).await.map_err(anyhow::Error::msg)
}

/// How many check runs GitHub was told of.
fn checks(stage: &Stage) -> usize {
    stage.world().lock().writes.iter().filter(|write| matches!(write, Write::CheckRun { .. })).count()
}

/// Waits until so many check runs were written.
async fn told(stage: &Stage, count: usize, patience: Duration) -> anyhow::Result<()> {
    let deadline = Instant::now() + patience;
    while checks(stage) < count {
        ensure!(Instant::now() < deadline, "{} of {count} checks were written", checks(stage));
        moment().await?;
    }
    Ok(())
}

/// A rest of a tenth of a millisecond; the runtime's own clock counts whole ones.
#[allow(clippy::disallowed_methods)] // It hopes for nothing: whoever calls it looks again, until a deadline.
pub async fn moment() -> anyhow::Result<()> {
    Ok(tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_micros(100))).await?)
}

async fn counted(stage: &Stage, name: &str) -> anyhow::Result<f64> {
    let text = stage.read("/metrics").await.map_err(anyhow::Error::msg)?;
    let of = |line: &str| {
        let (series, value) = line.rsplit_once(' ')?;
        (series.split('{').next() == Some(name)).then(|| value.parse::<f64>().ok()).flatten()
    };
    Ok(text.lines().filter_map(of).sum())
}

/// From the webhook to the check run, one pull request after the other.
pub async fn latency(table: &mut Table, setting: &Setting) -> anyhow::Result<()> {
    for (delay, count) in [(0_u64, 200_u64), (50, 60)] {
        let mut stage = stage(&setting.program).await?;
        for number in 1..=3 {
            open(&mut stage, number).await?;
            told(&stage, usize::try_from(number)?, Duration::from_secs(20)).await?;
        }
        // The last of them may still be noted.
        stage.rest().await.map_err(anyhow::Error::msg)?;
        if delay > 0 {
            play(&mut stage, json!({"fault": {"latency_ms": delay, "times": 1_000_000}})).await?;
        }
        let calls = stage.world().lock().calls.len();
        let looks = counted(&stage, "countersign_evaluations_total").await?;
        let mut times = Vec::new();
        for number in 10..10 + count {
            let before = checks(&stage);
            let commits = json!([{"id": format!("c{number}"), "by": "ann"}]);
            let step = json!({"open": {"pr": number, "by": "ann", "commits": commits}});
            let begun = tell(&mut stage, step, "pull_request").await?;
            told(&stage, before + 1, Duration::from_secs(20)).await?;
            times.push(begun.elapsed());
        }
        let calls = stage.world().lock().calls.len() - calls;
        let (half, most) = (percentile(&mut times, 50), percentile(&mut times, 99));
        if delay == 0 {
            let seen = format!("p50 {:.1} ms, p99 {:.1} ms", ms(half), ms(most));
            let met = half <= Duration::from_millis(5) && most <= Duration::from_millis(20);
            table.bar("webhook → check run, the twin answers at once", "p50 ≤ 5 ms, p99 ≤ 20 ms", seen, met);
            let looks = counted(&stage, "countersign_evaluations_total").await? - looks;
            let each = rate(calls as u64, Duration::from_secs_f64(looks));
            let of_pull = rate(calls as u64, Duration::from_secs(count));
            let seen = format!("{each:.2}, {of_pull:.2} for each pull request");
            table.bar("GitHub calls per warm evaluation", "≤ 2", seen, each <= 2.0);
        } else {
            let trips = |time: Duration| ms(time) / 50.0;
            let seen = format!("p50 {:.2}, p99 {:.2} round trips of 50 ms", trips(half), trips(most));
            let met = trips(half) <= 2.2 && trips(most) <= 2.6;
            table.bar("webhook → check run with 50 ms per call", "p50 ≤ 2.2, p99 ≤ 2.6 round trips", seen, met);
        }
    }
    Ok(())
}

async fn open(stage: &mut Stage, number: u64) -> anyhow::Result<()> {
    let commits = json!([{"id": format!("c{number}"), "by": "ann"}]);
    play(stage, json!({"open": {"pr": number, "by": "ann", "commits": commits}})).await
}

/// Many different pull requests at once.
pub async fn burst(table: &mut Table, setting: &Setting, count: u64) -> anyhow::Result<()> {
    let mut stage = stage(&setting.program).await?;
    let process = process_of(stage.directory()).context("the service's process")?;
    let idle = memory(process, "VmRSS");
    play(&mut stage, json!({"webhooks": {"hold": count}})).await?;
    for number in 1..=count {
        open(&mut stage, number).await?;
    }
    let before = checks(&stage);
    let begun = Instant::now();
    let refused = flood(&stage).await?;
    told(&stage, before + usize::try_from(count)?, Duration::from_mins(10)).await?;
    let took = begun.elapsed();
    let decided: Value =
        serde_json::from_str(&stage.read("/api/v1/decisions?limit=1").await.map_err(anyhow::Error::msg)?)?;
    let decided = decided.get("total").and_then(Value::as_u64).unwrap_or(0);
    let seen = format!("{refused} refused, {decided} decided, all told in {:.1} s", took.as_secs_f64());
    table.bar(
        &format!("burst of {count} different pull requests"),
        "none refused, all decided",
        seen,
        refused == 0 && decided >= count,
    );
    let peak = memory(process, "VmHWM");
    let seen = format!("{idle:.0} / {peak:.0} MiB");
    table.bar("resident memory idle / under that burst", "≤ 30 / ≤ 96 MiB", seen, idle <= 30.0 && peak <= 96.0);
    Ok(())
}

/// A thousand deliveries about ten pull requests.
pub async fn coalescing(table: &mut Table, setting: &Setting) -> anyhow::Result<()> {
    let mut stage = stage(&setting.program).await?;
    for number in 1..=10 {
        open(&mut stage, number).await?;
    }
    stage.rest().await.map_err(anyhow::Error::msg)?;
    play(&mut stage, json!({"fault": {"latency_ms": 50, "times": 1_000_000}})).await?;
    let before = counted(&stage, "countersign_evaluations_total").await?;
    play(&mut stage, json!({"webhooks": {"hold": 1_000}})).await?;
    for round in 0..100 {
        for number in 1..=10 {
            let commits = json!([{"id": format!("p{number}-{round}"), "by": "ann"}]);
            play(&mut stage, json!({"push": {"pr": number, "by": "ann", "commits": commits}})).await?;
        }
    }
    flood(&stage).await?;
    stage.rest().await.map_err(anyhow::Error::msg)?;
    let evaluations = counted(&stage, "countersign_evaluations_total").await? - before;
    let seen = format!("{evaluations:.0} evaluations");
    table.bar("1,000 pushes to 10 pull requests, 50 ms per call", "≤ 50 evaluations", seen, evaluations <= 50.0);
    Ok(())
}

/// Deliveries of 10 KB through 64 connections, and what the store alone does with them.
pub async fn acceptance(table: &mut Table, setting: &Setting) -> anyhow::Result<()> {
    const COUNT: u64 = 20_000;
    const HANDS: u64 = 64;
    let stage = stage(&setting.program).await?;
    let address = format!("{}/webhooks/github", stage.service_url().context("the service")?);
    let secret = stage.world().lock().installation.webhook_secret.clone();
    // Of a repository outside every scope: kept like any other, and nothing to judge.
    let body = json!({"repository": {"id": 1, "full_name": "other/place"}, "padding": "x".repeat(10_000)}).to_string();
    let signature = sign(&secret, body.as_bytes());
    let client = reqwest::Client::builder().no_proxy().build()?;
    let next = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let mut hands = tokio::task::JoinSet::new();
    for _ in 0..HANDS {
        let (client, address, body, signature, next) =
            (client.clone(), address.clone(), body.clone(), signature.clone(), next.clone());
        hands.spawn(async move {
            let mut times = Vec::new();
            while next.fetch_add(1, Ordering::Relaxed) < COUNT {
                let guid = format!("bench-{}-{}", times.len(), tokio::task::id());
                let begun = Instant::now();
                let request = client.post(&address).header("x-github-event", "issues");
                let request = request.header("x-github-delivery", guid).header("x-hub-signature-256", &signature);
                let answer = request.header("content-type", "application/json").body(body.clone()).send().await?;
                ensure!(answer.status() == 202, "{}", answer.status());
                times.push(begun.elapsed());
            }
            Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(hand) = hands.join_next().await {
        times.extend(hand??);
    }
    let through = rate(COUNT, begun.elapsed());
    let most = percentile(&mut times, 99);

    let store = Store::open(&url(&setting.directory.join("inbox.sqlite"))).await?;
    let begun = Instant::now();
    let mut hands = tokio::task::JoinSet::new();
    for hand in 0..HANDS {
        let (store, body) = (store.clone(), body.clone());
        hands.spawn(async move {
            for number in 0..COUNT / HANDS {
                let (id, event, body) = (format!("{hand}-{number}"), "issues".to_owned(), body.clone().into_bytes());
                store.accept(Delivery { id, event, body, received_at: 0 }).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(hand) = hands.join_next().await {
        hand??;
    }
    let alone = rate(COUNT, begun.elapsed());
    let seen =
        format!("{through:.0}/s, p99 {:.0} ms; {:.2} of the store alone ({alone:.0}/s)", ms(most), through / alone);
    let met = through >= 3_000.0 && most <= Duration::from_millis(50);
    table.bar("durable acceptance of 10 KB, 64 connections", "≥ 3,000/s, p99 ≤ 50 ms", seen, met);
    Ok(())
}

/// The service on the database of the year: how soon it is ready, and how quick its pages are.
pub async fn large(table: &mut Table, setting: &Setting) -> anyhow::Result<()> {
    let stage = stage(&setting.program).await?;
    let text = std::fs::read_to_string(stage.directory().join("countersign.toml"))?;
    let own = format!("sqlite://{}", stage.directory().join("countersign.sqlite").display());
    let config = stage.directory().join("large.toml");
    let own_key = stage.directory().join("ledger.key").display().to_string();
    let text = text.replace(&own, &url(&year_of(setting))).replace(&own_key, &key_of(setting).display().to_string());
    std::fs::write(&config, text)?;
    let mut times = Vec::new();
    let mut service = None;
    for _ in 0..5 {
        drop(service.take());
        let begun = Instant::now();
        let started = Started::begin(&setting.program, &config)?;
        let client = reqwest::Client::builder().no_proxy().build()?;
        while client.get(format!("{}/readyz", started.address)).send().await.is_ok_and(|answer| answer.status() != 200)
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        times.push(begun.elapsed());
        service = Some(started);
    }
    let half = percentile(&mut times, 50);
    table.bar(
        "start to ready on a database of the year's entries",
        "≤ 150 ms",
        format!(
            "{:.0} ms (of 5: best {:.0}, worst {:.0})",
            ms(half),
            ms(percentile(&mut times, 0)),
            ms(percentile(&mut times, 100))
        ),
        half <= Duration::from_millis(150),
    );
    let service = service.context("a service")?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let listed: Value =
        client.get(format!("{}/api/v1/decisions?limit=1", service.address)).send().await?.json().await?;
    let decision = listed.pointer("/items/0/id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let pages = [
        "/".to_owned(),
        "/changes/acme/service-001/7".to_owned(),
        format!("/decisions/{decision}"),
        "/api/v1/changes".to_owned(),
        "/api/v1/decisions".to_owned(),
        "/api/v1/deployments".to_owned(),
    ];
    let mut worst = (String::new(), Duration::ZERO);
    let mut told = Vec::new();
    for page in pages {
        let mut times = Vec::new();
        for _ in 0..40 {
            let begun = Instant::now();
            let answer = client.get(format!("{}{page}", service.address)).send().await?;
            ensure!(answer.status() == 200, "{page}: {}", answer.status());
            answer.bytes().await?;
            times.push(begun.elapsed());
        }
        let most = percentile(&mut times, 95);
        let name = page.split('/').take(4).collect::<Vec<_>>().join("/");
        told.push(format!("{name} {:.0}", ms(most)));
        if most > worst.1 {
            worst = (page, most);
        }
    }
    let bar = format!("pages over {} changes", setting.plan.changes);
    table.bar(&bar, "p95 ≤ 50 ms", format!("p95 in ms: {}", told.join(", ")), worst.1 <= Duration::from_millis(50));
    Ok(())
}

/// A service of our own, ended when it is let go.
struct Started {
    child: Child,
    address: String,
}

impl Started {
    fn begin(program: &Path, config: &Path) -> anyhow::Result<Self> {
        use std::io::BufRead as _;
        let mut command = Command::new(program);
        command.arg("serve").arg("--config").arg(config).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().context("its output")?).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on ").map(ToOwned::to_owned);
        if let Some(address) = address {
            return Ok(Self { child, address });
        }
        child.kill()?;
        anyhow::bail!("the service does not start")
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It keeps nothing that a kill could harm.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
