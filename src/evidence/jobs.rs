//! Exports that somebody asked the service for: made one at a time, in the background, and taken away once.
//!
//! Invariant: at most [`MOST`] stand about, whatever is asked. An export is whole or it is not there; what a restart found
//! half done has failed and says so; what was taken, or lay for a day, is gone from the disk. Next: [`super::export()`].

use super::progress::{Progress, Told, Watched};
use super::{EvidenceError, Request, Wanted, export};
use crate::store::Store;
use countersign_core::ledger::SigningKey;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;

/// How many may wait, be made or lie ready at a time.
pub const MOST: usize = 4;
/// How long one may lie about, in seconds.
const KEPT: i64 = 24 * 3600;

/// How far an export is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Others are made first, or it is being made.
    Running,
    /// It can be taken away.
    Ready {
        /// Its size in bytes.
        bytes: u64,
    },
    /// It could not be made.
    Failed {
        /// Why, as far as whoever asked may know.
        why: String,
    },
    /// It was taken away.
    Taken,
}

/// An export as it is told of.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    /// Its id.
    pub id: String,
    /// What was wanted.
    #[serde(flatten)]
    pub wanted: Wanted,
    /// How far it is.
    #[serde(flatten)]
    pub state: State,
    /// How far its making has come.
    pub progress: Told,
}

/// Why one cannot be asked for or taken.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// As many stand about as may.
    #[error("{MOST} exports are being made or lie ready: take one away first")]
    TooMany,
    /// There is none of this id.
    #[error("no such export")]
    Unknown,
    /// It is not ready yet, or failed.
    #[error("the export is not ready")]
    NotReady,
    /// Somebody took it away.
    #[error("the export was taken away")]
    Taken,
    /// It cannot be found or made.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
}

/// All of them.
pub struct Jobs {
    directory: PathBuf,
    all: Mutex<BTreeMap<String, Job>>,
    /// One at a time: each keeps a core busy.
    turn: Semaphore,
}

struct Job {
    kept: Kept,
    progress: Arc<Progress>,
}

/// What of a job outlives the process.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    wanted: Wanted,
    /// When it was asked for, in seconds since 1970.
    since: i64,
    #[serde(flatten)]
    state: State,
}

/// What an export is made under.
struct Head {
    key: SigningKey,
    size: Option<u64>,
    pages: Option<String>,
}

impl Jobs {
    /// Those that an earlier process left in this directory.
    pub fn open(directory: &Path) -> Result<Self, EvidenceError> {
        fs::create_dir_all(directory).map_err(EvidenceError::unwritable(directory))?;
        let unreadable = || EvidenceError::unreadable(directory);
        let mut jobs = BTreeMap::new();
        let mut rest = Vec::new();
        for item in fs::read_dir(directory).map_err(unreadable())? {
            let path = item.map_err(unreadable())?.path();
            let id = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let kind = path.extension().map(|kind| kind.to_string_lossy().into_owned());
            let kept: Option<Kept> = match kind.as_deref() {
                Some("json") => fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok()),
                _ => None,
            };
            match kept {
                Some(kept) => drop(jobs.insert(id, Job { kept, progress: Arc::default() })),
                None => rest.push(path),
            }
        }
        for path in rest {
            let id = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let ready = jobs.get(&id).is_some_and(|job| matches!(job.kept.state, State::Ready { .. }));
            if !ready || path.extension().is_none_or(|kind| kind != "zip") {
                remove(&path);
            }
        }
        let opened = Self { directory: directory.to_owned(), all: Mutex::new(jobs), turn: Semaphore::new(1) };
        let running: Vec<String> = {
            let jobs = opened.locked();
            let left = jobs.iter().filter(|(_, job)| job.kept.state == State::Running);
            left.map(|(id, _)| id.clone()).collect()
        };
        for id in running {
            opened.becomes(&id, State::Failed { why: "the service was started anew meanwhile: ask again".to_owned() });
        }
        Ok(opened)
    }

    /// Takes note of a wish, at this time, under an id that nobody can guess. [`make`](Self::make) fulfils it.
    pub fn ask(&self, id: &str, wanted: Wanted, now: i64) -> Result<Shown, JobError> {
        self.forget(now);
        let mut jobs = self.locked();
        let standing = jobs.values().filter(|job| matches!(job.kept.state, State::Running | State::Ready { .. }));
        if standing.count() >= MOST {
            return Err(JobError::TooMany);
        }
        let kept = Kept { wanted, since: now, state: State::Running };
        self.write(id, &kept);
        let shown = show(id, jobs.entry(id.to_owned()).or_insert(Job { kept, progress: Arc::default() }));
        Ok(shown)
    }

    /// Makes an export that was asked for, when it is its turn.
    pub async fn make(&self, id: &str, store: &Store, key: &SigningKey, size: Option<u64>, pages: Option<String>) {
        let Ok(_turn) = self.turn.acquire().await else { return };
        let wish = self.locked().get(id).map(|job| (job.kept.wanted.clone(), job.progress.clone()));
        let Some((wanted, progress)) = wish else { return };
        let state = match self.write_bundle(id, store, Head { key: key.clone(), size, pages }, wanted, progress).await {
            Ok(bytes) => State::Ready { bytes },
            Err(error) => {
                tracing::error!(export = id, %error, "an export could not be made");
                let why = match error {
                    EvidenceError::NothingBetween { .. }
                    | EvidenceError::NoPeriod { .. }
                    | EvidenceError::NoRepository(_) => error.to_string(),
                    _ => "it could not be made: the service's log says why".to_owned(),
                };
                State::Failed { why }
            }
        };
        self.becomes(id, state);
    }

    async fn write_bundle(
        &self,
        id: &str,
        store: &Store,
        head: Head,
        wanted: Wanted,
        progress: Arc<Progress>,
    ) -> Result<u64, EvidenceError> {
        let found = wanted.find(store, head.size).await?;
        let (store, out) = (store.clone(), self.archive(id));
        // It reads the database and works on files in turns: not on a thread that answers requests.
        let handle = tokio::runtime::Handle::current();
        let written = tokio::task::spawn_blocking(move || {
            let request = Request {
                range: found.range,
                period: found.period,
                repositories: found.repositories,
                older: None,
                size: Some(found.size),
                pages: head.pages,
                key: &head.key,
                progress: Watched(Some(&progress)),
            };
            handle.block_on(export(&store, &request, &out))?;
            Ok(fs::metadata(&out).map_err(EvidenceError::unreadable(&out))?.len())
        });
        written.await.unwrap_or_else(|error| {
            let source = std::io::Error::other(error);
            Err(EvidenceError::Unwritable { path: self.archive(id), source })
        })
    }

    /// How far an export is.
    pub fn show(&self, id: &str, now: i64) -> Option<Shown> {
        self.forget(now);
        self.locked().get(id).map(|job| show(id, job))
    }

    /// Takes an export away: from then on nobody else can, and it is gone from the disk when the file is closed.
    pub fn take(&self, id: &str, now: i64) -> Result<(File, u64), JobError> {
        self.forget(now);
        let place = self.archive(id);
        let mut jobs = self.locked();
        let job = jobs.get_mut(id).ok_or(JobError::Unknown)?;
        let bytes = match job.kept.state {
            State::Ready { bytes } => bytes,
            State::Taken => return Err(JobError::Taken),
            State::Running | State::Failed { .. } => return Err(JobError::NotReady),
        };
        let file = File::open(&place).map_err(EvidenceError::unreadable(&place))?;
        job.kept.state = State::Taken;
        self.write(id, &job.kept);
        remove(&place);
        Ok((file, bytes))
    }

    /// Lets go of what has lain for a day.
    fn forget(&self, now: i64) {
        let old = |job: &Job| now - job.kept.since > KEPT && job.kept.state != State::Running;
        let mut jobs = self.locked();
        let gone: Vec<String> = jobs.iter().filter(|(_, job)| old(job)).map(|(id, _)| id.clone()).collect();
        for id in gone {
            jobs.remove(&id);
            remove(&self.archive(&id));
            remove(&self.note(&id));
        }
    }

    fn becomes(&self, id: &str, state: State) {
        if let Some(job) = self.locked().get_mut(id) {
            job.kept.state = state;
            self.write(id, &job.kept);
        }
    }

    /// Keeps what is told of a job. Where that fails it is lost with the process, and with it the archive.
    fn write(&self, id: &str, kept: &Kept) {
        let place = self.note(id);
        let written = serde_json::to_vec(kept).map_err(std::io::Error::other).and_then(|text| fs::write(&place, text));
        if let Err(error) = written {
            tracing::warn!(path = %place.display(), %error, "the state of an export cannot be kept");
        }
    }

    fn archive(&self, id: &str) -> PathBuf {
        self.directory.join(format!("{id}.zip"))
    }

    fn note(&self, id: &str) -> PathBuf {
        self.directory.join(format!("{id}.json"))
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, Job>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn show(id: &str, job: &Job) -> Shown {
    let Kept { wanted, state, .. } = job.kept.clone();
    Shown { id: id.to_owned(), wanted, state, progress: job.progress.told() }
}

fn remove(path: &Path) {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    if let Err(error) = removed
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "what is left of an export cannot be removed");
    }
}
