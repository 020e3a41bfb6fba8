//! Plays stories against the real service: each in a world of its own, several at a time.
//!
//! Invariant: what cannot be played or compared fails its story by name; nothing is skipped. Next: `stage.rs` (world,
//! service and webhooks together), `expect.rs` (what is compared), `service.rs` (the child process).

mod exception;
mod expect;
mod gate;
mod service;
mod settings;
mod stage;

pub use gate::LastGate;
pub use service::AppKey;
pub use stage::Stage;

use crate::story::Story;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// What to play, and against what.
#[derive(Debug, Clone)]
pub struct Options {
    /// Every `*.yaml` below it is a story.
    pub directory: PathBuf,
    /// The service's binary.
    pub service: PathBuf,
    /// How many stories at a time.
    pub jobs: usize,
    /// Only stories whose file name contains this.
    pub only: Option<String>,
    /// Show the end of the service's log where a story fails, and keep its directory.
    pub verbose: bool,
}

/// How it went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Stories that passed.
    pub passed: usize,
    /// Stories that failed, unparsable ones included.
    pub failed: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// Plays all stories below a directory and hands every line to `say` as soon as it is known.
pub async fn play(options: &Options, say: impl Fn(&str)) -> anyhow::Result<Tally> {
    let mut files = Vec::new();
    find(&options.directory, &mut files)?;
    files.sort();
    if let Some(only) = &options.only {
        files.retain(|file| stem(file).contains(only.as_str()));
    }
    let key = Arc::new(AppKey::generate()?);
    let places = Arc::new(Semaphore::new(options.jobs.max(1)));
    let mut playing = JoinSet::new();
    for file in files {
        let (key, places, options) = (key.clone(), places.clone(), options.clone());
        playing.spawn(async move {
            let _place = places.acquire().await;
            let outcome = play_file(&file, &options, &key).await;
            (stem(&file), outcome)
        });
    }
    let mut tally = Tally::default();
    while let Some(ended) = playing.join_next().await {
        let (name, outcome) = ended?;
        match outcome {
            Ok(()) => {
                tally.passed += 1;
                say(&format!("ok   {name}"));
            }
            Err(why) => {
                tally.failed += 1;
                say(&format!("FAIL {name}: {why}"));
            }
        }
    }
    say(&tally.to_string());
    Ok(tally)
}

async fn play_file(file: &Path, options: &Options, key: &AppKey) -> Result<(), String> {
    let story = Story::read(file).map_err(|error| error.to_string())?;
    let mut stage = Stage::set(&story.world, &options.service, key)
        .await
        .map_err(|error| format!("the stage cannot be set: {error:#}"))?;
    for (number, step) in story.story.iter().enumerate() {
        if let Err(why) = stage.step(step).await {
            let mut message = format!("step {} ({}): {why}", number + 1, step.word());
            if options.verbose {
                message.push_str(&stage.keep_for_reading());
            }
            return Err(message);
        }
    }
    Ok(())
}

fn find(directory: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    Ok(())
}

fn stem(file: &Path) -> String {
    file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}
