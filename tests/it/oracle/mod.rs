//! An independent judge: random histories are played against the real service, and what it says is compared with what the
//! rules say of what happened. `ORACLE_STORIES=1000` makes it a long run, `ORACLE_SEED` begins elsewhere.
//!
//! It reads what the twin knows to have happened (never an API answer) and shares no code with the service. Left out, since
//! it does not judge them yet: chains of runs, the review of exceptions, accounts that go away.
//!
//! Where they differ, the story is made as short as it can be and printed as a file for `tests/stories`.

mod change;
mod history;
mod people;
mod release;
mod script;

use crate::scene::SERVICE;
use change::{Eye, Origin};
use github_twin::runner::{AppKey, Stage};
use github_twin::story::{Step, WorldSpec};
use history::History;
use people::People;
use release::Production;
use script::Script;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const STORIES: u64 = 40;
const STEPS: usize = 22;
/// How many are played at a time.
const PLAYERS: u64 = 4;

/// A world, what happened in it, and what is expected after each step.
#[derive(Debug, Clone)]
struct Tale {
    world: Value,
    steps: Vec<Value>,
}

/// Where the service and the rules differ.
#[derive(Debug, Clone)]
struct Difference {
    expected: Value,
    why: String,
    /// What it is about, so that another one is not taken for it while the story is made shorter.
    about: String,
}

/// A stage with somebody who watches it.
struct Watched {
    stage: Stage,
    people: People,
    history: History,
    production: Production,
    /// Steps that deliveries are still held, repeated or dropped for.
    window: u64,
    lost: bool,
    /// What was expected so far, in words: a judge who never sees a thing proves nothing about it.
    seen: BTreeSet<String>,
}

impl Watched {
    async fn begin(world: &Value) -> Self {
        static KEY: OnceLock<AppKey> = OnceLock::new();
        let key = KEY.get_or_init(|| AppKey::generate().unwrap());
        let spec: WorldSpec = serde_json::from_value(world.clone()).unwrap();
        let stage = Stage::set(&spec, Path::new(SERVICE), key).await.unwrap();
        let (people, history, production) = {
            let world_now = stage.world().lock();
            let people = People::of(&world["settings"], &world_now);
            let history = History::begin(&world_now);
            let eye = Eye { world: &world_now, people: &people, history: &history };
            let production = Production::begin(eye);
            (people, history, production)
        };
        Self { stage, people, history, production, window: 0, lost: false, seen: BTreeSet::new() }
    }

    /// Plays a step; `Ok(false)` where GitHub refuses it, or where it would make the story unclear.
    async fn play(&mut self, step: &Value) -> Result<bool, String> {
        let word = step.as_object().unwrap().keys().next().unwrap().clone();
        let calm = matches!(word.as_str(), "open" | "push" | "review" | "dismiss" | "comment" | "label" | "suggest");
        if self.window > 0 && !calm || self.lost && word != "sweep" && self.window == 0 {
            return Ok(false);
        }
        if self.lost && self.touches_fork(step) {
            return Ok(false);
        }
        if word == "webhooks" {
            let fields = &step["webhooks"];
            let of = |key: &str| fields[key].as_u64();
            self.window = of("hold").or(of("duplicate")).or(of("drop")).unwrap_or(0);
            self.lost = of("drop").is_some();
        }
        let main = self.stage.world().lock().resolve("main").ok();
        let parsed: Step = serde_json::from_value(step.clone()).map_err(|error| format!("{step}: {error}"))?;
        match self.stage.step(&parsed).await {
            Ok(()) => {}
            Err(why) if why.starts_with("refused") || why.starts_with("the story is wrong") => return Ok(false),
            // Somebody without write access wants to break the glass.
            Err(why) if word == "exception" && why.contains("seen 422") => return Ok(false),
            Err(why) => return Err(why),
        }
        if word == "exception" {
            self.production.broken_glass = true;
        }
        if word != "webhooks" && self.window > 0 {
            self.window -= 1;
        }
        self.lost &= word != "sweep";
        if self.window == 0 {
            // What a step sets off is seen before the next one: the rules speak of what was first observed.
            self.stage.rest().await?;
            if self.stage.world().lock().resolve("main").ok() != main {
                // What lies between it and an open pull request may have changed, and GitHub tells nobody.
                self.stage.step(&serde_json::from_value(json!({"sweep": {}})).unwrap()).await?;
                self.stage.rest().await?;
            }
        }
        let world = self.stage.world().lock();
        self.history.note(&world, step);
        let eye = Eye { world: &world, people: &self.people, history: &self.history };
        if self.window == 0 && !self.lost {
            self.production.newest(eye);
        }
        self.production.note(eye);
        Ok(true)
    }

    fn touches_fork(&self, step: &Value) -> bool {
        let world = self.stage.world().lock();
        let fields = step.as_object().and_then(|step| step.values().next()).unwrap_or(&Value::Null);
        let of_fork = fields["pr"].as_u64().and_then(|pr| world.pulls.get(&pr)).is_some_and(script::is_fork);
        of_fork || fields["fork"].as_bool() == Some(true)
    }

    /// What the rules expect now.
    fn expected(&mut self) -> Vec<Value> {
        let world = self.stage.world().lock();
        let eye = Eye { world: &world, people: &self.people, history: &self.history };
        let mut all = Vec::new();
        for pull in world.pulls.values().filter(|pull| pull.is_open() && pull.base == "main") {
            let judged = eye.pull_request(pull.number, None);
            if judged.unsure {
                continue;
            }
            let is = match (judged.broken.is_empty(), judged.awaits_review) {
                (false, _) => "failure",
                (true, true) => "pending",
                (true, false) => "success",
            };
            let mut because: BTreeSet<&str> = judged.broken.union(&judged.of_reviews).copied().collect();
            if judged.awaits_review {
                because.insert("review-missing");
            }
            all.push(json!({"check": {"pr": pull.number, "is": is, "because": because}}));
        }
        let landed: BTreeSet<_> = eye.origins().into_values().filter_map(merge).collect();
        for (number, before) in landed {
            let judged = eye.pull_request(number, Some(&before));
            if judged.unsure {
                continue;
            }
            let is = if judged.broken.is_empty() { "compliant" } else { "violation" };
            let because: BTreeSet<&str> =
                judged.broken.union(&judged.of_reviews).copied().filter(|code| *code != "approval-late").collect();
            let (contributors, reviewers) =
                (release::logins(eye, &judged.contributors), release::logins(eye, &judged.reviewers));
            let change = json!({"pr": number, "is": is, "because": because, "contributors": contributors, "reviewers": reviewers});
            all.push(json!({"change": change}));
        }
        if let Some(mut gate) = self.production.newest(eye) {
            // A commit is named as the story names it: ids differ from one playing to the next.
            if let Some(sha) = gate["up_to"].as_str() {
                let name = world.names.iter().find(|(_, known)| *known == sha).map(|(name, _)| name.clone());
                gate.as_object_mut().unwrap().remove("up_to");
                if let Some(name) = name {
                    gate["up_to"] = json!(name);
                }
            }
            if let Some(ids) = gate["can_deploy"].as_array() {
                gate["can_deploy"] = json!(release::logins(eye, &ids.iter().filter_map(Value::as_u64).collect()));
            }
            if gate["is"] != "unsure" {
                all.push(json!({"gate": gate}));
            }
        }
        all
    }

    /// Compares all that the rules expect now with what the service says.
    async fn compare(&mut self) -> Result<(), Difference> {
        if self.window > 0 || self.lost {
            return Ok(());
        }
        for expected in self.expected() {
            self.seen.extend(words(&expected));
            let step: Step = serde_json::from_value(json!({"expect": expected})).unwrap();
            if let Err(why) = self.stage.step(&step).await {
                let (about, fields) = expected.as_object().and_then(|it| it.iter().next()).unwrap();
                let words: Vec<&str> = why.split([' ', ',']).take(6).collect();
                let about = format!("{about} {} {}", fields["is"], words.join(" "));
                return Err(Difference { expected: json!({"expect": expected}), why, about });
            }
        }
        Ok(())
    }
}

fn merge(origin: Origin) -> Option<(u64, String)> {
    match origin {
        Origin::Merge { number, before, .. } => Some((number, before)),
        Origin::Push { .. } => None,
    }
}

/// `gate allow`, `change violation`, and every code.
fn words(expected: &Value) -> Vec<String> {
    let (about, fields) = expected.as_object().and_then(|it| it.iter().next()).expect("one key");
    let codes = fields["because"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let is = format!("{about} {}", fields["is"].as_str().unwrap_or_default());
    codes.map(str::to_owned).chain([is]).collect()
}

/// Plays a tale as far as the first difference.
async fn replay(tale: &Tale) -> (Vec<Value>, Option<Difference>) {
    let mut watched = Watched::begin(&tale.world).await;
    let mut played = Vec::new();
    for step in &tale.steps {
        match watched.play(step).await {
            Ok(true) => played.push(step.clone()),
            Ok(false) => continue,
            Err(why) => {
                played.push(step.clone());
                return (played, Some(harm(why)));
            }
        }
        if let Err(difference) = watched.compare().await {
            return (played, Some(difference));
        }
    }
    (played, None)
}

fn harm(why: String) -> Difference {
    Difference { expected: Value::Null, about: why.split(':').next().unwrap_or_default().to_owned(), why }
}

/// Makes a tale up, step by step, and plays it.
async fn invent(seed: u64, seen: &mut BTreeMap<String, u64>) -> Option<(Tale, Difference)> {
    let mut script = Script::new(seed);
    let world = script.world();
    let mut watched = Watched::begin(&world).await;
    let mut steps = Vec::new();
    let mut tries = 0;
    while steps.len() < STEPS && tries < STEPS * 6 {
        tries += 1;
        let step = match (watched.lost, watched.window) {
            (true, 0) => json!({"sweep": {}}),
            _ => script.step(&watched.stage.world().lock()),
        };
        match watched.play(&step).await {
            Ok(false) => continue,
            Ok(true) => steps.push(step),
            Err(why) => {
                steps.push(step);
                return Some((Tale { world, steps }, harm(why)));
            }
        }
        if let Err(difference) = watched.compare().await {
            return Some((Tale { world, steps }, difference));
        }
    }
    for word in watched.seen {
        *seen.entry(word).or_default() += 1;
    }
    None
}

/// Drops steps while the same difference remains.
async fn shorten(mut tale: Tale, mut found: Difference) -> (Tale, Difference) {
    let deadline = Instant::now() + Duration::from_mins(1);
    let mut index = tale.steps.len();
    while index > 0 && Instant::now() < deadline {
        index -= 1;
        let mut shorter = tale.clone();
        shorter.steps.remove(index);
        if let (played, Some(difference)) = replay(&shorter).await
            && difference.about == found.about
        {
            shorter.steps = played;
            index = index.min(shorter.steps.len());
            (tale, found) = (shorter, difference);
        }
    }
    (tale, found)
}

/// A story as a file of `tests/stories` has it: JSON is YAML.
fn print(seed: u64, tale: &Tale, difference: &Difference) -> String {
    let mut text = format!("# seed {seed}: {}\nname: seed {seed}\nworld: {}\nstory:\n", difference.why, tale.world);
    for step in tale.steps.iter().chain([&difference.expected]) {
        let _ = writeln!(text, "  - {step}");
    }
    text
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_histories_are_judged_as_the_rules_say() {
    let (first, count) = (number("ORACLE_SEED", 1), number("ORACLE_STORIES", STORIES));
    let mut players = tokio::task::JoinSet::new();
    for player in 0..PLAYERS {
        players.spawn(async move {
            let (mut differences, mut seen) = (Vec::new(), BTreeMap::new());
            for seed in (first + player..first + count).step_by(usize::try_from(PLAYERS).unwrap()) {
                if let Some((tale, difference)) = invent(seed, &mut seen).await {
                    let (tale, difference) = shorten(tale, difference).await;
                    let text = print(seed, &tale, &difference);
                    eprintln!("{text}");
                    differences.push(text);
                }
            }
            (differences, seen)
        });
    }
    let (mut differences, mut seen) = (Vec::new(), BTreeMap::<String, u64>::new());
    while let Some(ended) = players.join_next().await {
        let (more, words) = ended.unwrap();
        differences.extend(more);
        for (word, count) in words {
            *seen.entry(word).or_default() += count;
        }
    }
    eprintln!("histories in which it was expected: {seen:?}");
    assert!(
        differences.is_empty(),
        "{} of {count} histories are judged otherwise:\n{}",
        differences.len(),
        differences.join("\n")
    );
}
