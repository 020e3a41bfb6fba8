//! `make demo`: the twin and the service on SQLite, a dozen situations slow enough to watch, and pages to open.
//!
//! Invariant: nothing to configure. `DEMO_PACE_MS` says how long a step stays on the screen; with `DEMO_ONCE=1` it ends
//! once all is played, with success only where every expectation held. Next: `demo.yaml`, what is played.

use anyhow::{Context, ensure};
use github_twin::model::{APP_COUNTERSIGN, RuleState};
use github_twin::runner::{AppKey, Stage};
use github_twin::story::{Episode, Episodes, Expect, ServiceAct, Step};
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

const PLAY: &str = include_str!("demo.yaml");
/// Where the pages are, if nobody else listens there.
const LISTEN: &str = "127.0.0.1:8080";
/// How long a step stays on the screen, in milliseconds.
const PACE: u64 = 700;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let mut play = Episodes::parse(PLAY)?;
    let server = json!({"listen": free_address()?, "public_url": "", "open_reading": true});
    play.world.settings.insert("server".to_owned(), server);
    let screen = Screen::new();
    Screen::line("Countersign: nothing reaches production unless three different people stood behind it.");
    screen
        .quiet("A GitHub of its own (acme/shop) and the service on SQLite, both on this machine and gone afterwards.");
    let mut stage = Stage::set(&play.world, &service()?, &AppKey::generate()?).await?;
    let overview = stage.service_url().unwrap_or_default().to_owned();
    screen.quiet(&format!("Watch it happen: {overview}/"));

    let played = tokio::select! {
        played = play_all(&mut stage, &play.episodes, &screen) => Some(played?),
        ended = asked_to_end() => { ended?; None }
    };
    let mut held = true;
    if let Some(played) = played {
        let places = places(&overview, &played);
        for (what, address) in &places {
            let path = address.strip_prefix(&overview).unwrap_or_default();
            stage.read(path).await.map_err(anyhow::Error::msg).context(*what)?;
        }
        screen.ending(&places, &played);
        held = played.broken == 0;
        if std::env::var_os("DEMO_ONCE").is_none_or(|once| once != "1") {
            Screen::line("It keeps running until you press Ctrl-C.");
            asked_to_end().await?;
        }
    }
    stage.step(&Step::Service(ServiceAct::Stop)).await.map_err(anyhow::Error::msg)?;
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Ctrl-C, or whoever started it wants it to end: either way the service must not stay behind.
async fn asked_to_end() -> std::io::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminated.recv() => Ok(()),
    }
}

/// The service is built beside the examples' directory.
fn service() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let directory = own.parent().and_then(|examples| examples.parent()).context("the demo lies nowhere")?;
    let service = directory.join(format!("countersign{}", std::env::consts::EXE_SUFFIX));
    ensure!(service.exists(), "`{}` is not built: use `make demo`", service.display());
    Ok(service)
}

/// The usual address, or any free one.
fn free_address() -> anyhow::Result<String> {
    let listener = TcpListener::bind(LISTEN).or_else(|_| TcpListener::bind("127.0.0.1:0"))?;
    Ok(listener.local_addr()?.to_string())
}

/// What was played, and what is worth opening afterwards.
#[derive(Debug, Default)]
struct Played {
    episodes: usize,
    held: usize,
    broken: usize,
    blocked: Option<String>,
    allowed: Option<String>,
    pull_request: Option<String>,
}

/// What is worth opening.
fn places(overview: &str, played: &Played) -> Vec<(&'static str, String)> {
    let some = [
        ("everything", Some(format!("{overview}/"))),
        ("a blocked deployment", played.blocked.clone()),
        ("an allowed one", played.allowed.clone()),
        ("a check that waits", played.pull_request.clone()),
        ("a change in violation", Some(format!("{overview}/changes/acme/shop/11"))),
    ];
    some.into_iter().filter_map(|(what, address)| Some((what, address?))).collect()
}

async fn play_all(stage: &mut Stage, episodes: &[Episode], screen: &Screen) -> anyhow::Result<Played> {
    let mut played = Played::default();
    for (number, episode) in episodes.iter().enumerate() {
        screen.title(number + 1, &episode.name);
        if let Some(environment) = &episode.environment {
            stage.world().lock().require_reviewers(&environment.reviewers)?;
        }
        for told in &episode.story {
            if let Some(words) = &told.say {
                Screen::step(words);
            }
            let outcome = stage.step(&told.step).await;
            if let Step::Expect(expected) = &told.step {
                for answer in answers(stage, expected, &mut played).await? {
                    screen.answer(&answer);
                }
                match &outcome {
                    Ok(()) => played.held += 1,
                    Err(why) => screen.broken(why),
                }
                played.broken += usize::from(outcome.is_err());
            } else {
                // After a step that could not be played the rest would show something else.
                outcome
                    .map_err(anyhow::Error::msg)
                    .with_context(|| format!("{}: {}", episode.name, told.step.word()))?;
            }
            if told.say.is_some() || matches!(told.step, Step::Expect(_)) {
                screen.pause().await;
            }
        }
        played.episodes += 1;
    }
    Ok(played)
}

/// What Countersign says to GitHub's people just now.
struct Answer {
    mark: Mark,
    about: String,
    says: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Allowed,
    Blocked,
    Waiting,
}

/// The answers that an expectation is about.
async fn answers(stage: &Stage, expected: &Expect, played: &mut Played) -> anyhow::Result<Vec<Answer>> {
    let mut answers = Vec::new();
    if let Some(check) = &expected.check {
        answers.extend(check_on(stage, check.pr, played));
    }
    if expected.gate.is_some() {
        answers.extend(gate(stage, played).await?);
    }
    if let Some(change) = &expected.change {
        let name = match (change.pr, &change.commit) {
            (Some(number), _) => number.to_string(),
            (None, Some(commit)) => stage.world().lock().resolve(commit)?,
            (None, None) => String::new(),
        };
        answers.push(change_ticket(stage, &name).await?);
    }
    if expected.ledger.is_some() {
        let says = "exported, and verified with its public key alone".to_owned();
        answers.push(Answer { mark: Mark::Allowed, about: "the ledger".to_owned(), says });
    }
    Ok(answers)
}

fn check_on(stage: &Stage, number: u64, played: &mut Played) -> Option<Answer> {
    let world = stage.world().lock();
    let head = &world.pulls.get(&number)?.head.sha;
    let run = world.check_runs.iter().rev().find(|run| run.app == APP_COUNTERSIGN && run.head_sha == *head)?;
    let mark = match run.conclusion.as_deref() {
        Some("success") => Mark::Allowed,
        Some(_) => Mark::Blocked,
        None => Mark::Waiting,
    };
    if mark == Mark::Waiting {
        played.pull_request.clone_from(&run.details_url);
    }
    Some(Answer { mark, about: format!("check on #{number}"), says: run.title.clone().unwrap_or_default() })
}

async fn gate(stage: &Stage, played: &mut Played) -> anyhow::Result<Option<Answer>> {
    let asked = stage.world().lock().rule_requests.last().cloned();
    let Some(asked) = asked else { return Ok(None) };
    let comment = asked.notes.last().cloned().unwrap_or_default();
    // The last paragraph is a link to the decision.
    let says = comment.split("\n\n").next().unwrap_or_default().to_owned();
    let listed = read(stage, &format!("/api/v1/deployments?run={}", asked.run)).await?;
    let id = listed.pointer("/items/0/decision_id").and_then(Value::as_str);
    let page = id.map(|id| format!("{}/decisions/{id}", stage.service_url().unwrap_or_default()));
    let mark = match asked.state {
        Some(RuleState::Approved) => Mark::Allowed,
        Some(RuleState::Rejected) => Mark::Blocked,
        None => Mark::Waiting,
    };
    match mark {
        Mark::Allowed => played.allowed = page,
        Mark::Blocked => played.blocked = page,
        Mark::Waiting => {}
    }
    Ok(Some(Answer { mark, about: "deployment".to_owned(), says }))
}

async fn change_ticket(stage: &Stage, name: &str) -> anyhow::Result<Answer> {
    let ticket = read(stage, &format!("/api/v1/changes/acme/shop/{name}")).await?;
    let mark = if ticket.get("outcome") == Some(&json!("allow")) { Mark::Allowed } else { Mark::Blocked };
    let logins = |list: &str, login: &str| {
        let all = ticket.get(list).and_then(Value::as_array).into_iter().flatten();
        let names = all.filter_map(|one| Some(format!("@{}", one.pointer(login)?.as_str()?)));
        names.collect::<Vec<_>>().join(", ")
    };
    let says = if let Some(why) = ticket.pointer("/reasons/0/text").and_then(Value::as_str) {
        why.to_owned()
    } else {
        let (wrote, reviewed) = (logins("contributors", "/account/login"), logins("reviewers", "/login"));
        format!("written by {wrote}, reviewed by {reviewed}")
    };
    let short = if name.len() > 7 { name.get(..7).unwrap_or(name).to_owned() } else { format!("#{name}") };
    Ok(Answer { mark, about: format!("record of {short}"), says })
}

async fn read(stage: &Stage, path: &str) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(&stage.read(path).await.map_err(anyhow::Error::msg)?)?)
}

/// What a person sees in the terminal.
struct Screen {
    colours: bool,
    pace: Duration,
}

impl Screen {
    fn new() -> Self {
        let pace = std::env::var("DEMO_PACE_MS").ok().and_then(|text| text.parse().ok()).unwrap_or(PACE);
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colours: std::io::stdout().is_terminal() && !plain, pace: Duration::from_millis(pace) }
    }

    async fn pause(&self) {
        tokio::time::sleep(self.pace).await;
    }

    /// Whoever reads may have gone away: that is no error.
    fn line(text: &str) {
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    fn styled(&self, style: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn quiet(&self, text: &str) {
        Self::line(&self.styled("2", text));
    }

    fn title(&self, number: usize, name: &str) {
        Self::line(&format!("\n{}", self.styled("1", &format!("{number:>2}. {name}"))));
    }

    fn step(words: &str) {
        Self::line(&format!("    {words}"));
    }

    fn answer(&self, answer: &Answer) {
        let (style, word) = match answer.mark {
            Mark::Allowed => ("32", "allowed"),
            Mark::Blocked => ("31", "blocked"),
            Mark::Waiting => ("33", "waiting"),
        };
        let word = self.styled(style, &format!("{word:>11}"));
        Self::line(&format!("{word}  {}: {}", self.styled("2", &answer.about), answer.says));
    }

    fn broken(&self, why: &str) {
        Self::line(&format!("  {} {why}", self.styled("31", "UNEXPECTED")));
    }

    fn ending(&self, places: &[(&str, String)], played: &Played) {
        Self::line("\nWhere to look:");
        for (what, address) in places {
            Self::line(&format!("  {what:<24}{}", self.styled("36", address)));
        }
        let tally = format!("{} episodes: {} answers as expected, {} not", played.episodes, played.held, played.broken);
        Self::line(&format!("\n{tally}"));
    }
}
