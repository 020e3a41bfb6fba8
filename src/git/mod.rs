//! Real objects of repositories, and the proof that a merge is mechanical: git itself merges its parents again.
//!
//! Invariant: nothing of a repository is checked out or run, and what it may cost is limited. Where anything goes wrong,
//! nothing is proved, and why is said. Next: `command.rs`.
//!
//! A partial bare clone (no blobs but those a merge needs) is kept for each repository, beside the database. Git reads no
//! settings but ours, and attributes in a repository without a work tree name no driver or filter that is configured.

mod command;
pub mod history;

use command::{Command, Failure};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore};

/// How many repositories are worked on at once.
const AT_ONCE: usize = 2;

/// What one proof may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Each command ends within this.
    pub time: Duration,
    /// A clone that is larger is deleted, and nothing is proved in it.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_mins(1), bytes: 2 << 30 }
    }
}

/// Where the objects of one repository come from.
pub struct Remote {
    /// Its numeric id: the clone survives a renaming.
    pub id: u64,
    /// Its address for git over HTTP.
    pub url: String,
    /// A token that may read its contents.
    pub token: String,
}

/// What became of a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// The merge's tree is what a mechanical merge of its parents gives.
    Mechanical,
    /// It is not: somebody changed something in it, or resolved a conflict.
    Differs,
    /// Nothing could be proved, and why.
    Unproved(String),
}

/// The clones.
pub struct Objects {
    folder: PathBuf,
    limits: Limits,
    room: Semaphore,
    busy: Mutex<HashMap<u64, Arc<Mutex<()>>>>,
}

impl Objects {
    /// Clones are kept in `folder`, which is made when it is first needed.
    pub fn new(folder: PathBuf, limits: Limits) -> Self {
        Self { folder, limits, room: Semaphore::new(AT_ONCE), busy: Mutex::default() }
    }

    /// Merges the parents of `merge` again and compares.
    pub async fn prove(&self, remote: &Remote, merge: &str, parents: [&str; 2]) -> Proof {
        let [first, second] = parents;
        if ![merge, first, second].into_iter().all(is_object_id) {
            return Proof::Unproved("its ids are no object ids".to_owned());
        }
        let own = self.busy.lock().await.entry(remote.id).or_default().clone();
        let _alone = own.lock().await;
        let Ok(_room) = self.room.acquire().await else {
            return Proof::Unproved("the service is stopping".to_owned());
        };
        match self.recompute(remote, merge, first, second).await {
            Ok(true) => Proof::Mechanical,
            Ok(false) => Proof::Differs,
            Err(Failure::TooLarge) => {
                let place = self.folder.join(format!("{}.git", remote.id));
                let gone = std::fs::remove_dir_all(place);
                let gone = gone.map_or_else(|error| format!(", and is left behind: {error}"), |()| String::new());
                Proof::Unproved(format!("the repository is larger than {} MB{gone}", self.limits.bytes >> 20))
            }
            Err(Failure::TooSlow) => {
                Proof::Unproved(format!("git took longer than {} seconds", self.limits.time.as_secs()))
            }
            Err(Failure::Failed(what)) => Proof::Unproved(what),
        }
    }

    async fn recompute(&self, remote: &Remote, merge: &str, first: &str, second: &str) -> Result<bool, Failure> {
        let failed = |what: &'static str| move || Failure::Failed(what.to_owned());
        let git = Command::new(self.folder.join(format!("{}.git", remote.id)), remote, self.limits);
        git.prepare().await?;
        // The name keeps what was fetched, so that the next fetch brings only what is new.
        let wanted = format!("+{merge}:refs/kept/latest");
        let fetch = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--filter=blob:none", "origin", &wanted];
        git.run(&fetch).await?.success().ok_or_else(failed("its objects could not be fetched"))?;
        let parents = git.run(&["rev-list", "--parents", "--max-count=1", merge]).await?;
        if parents.success().as_deref() != Some(&format!("{merge} {first} {second}")) {
            return Err(Failure::Failed("its parents are not those that GitHub shows".to_owned()));
        }
        let tree = git.run(&["rev-parse", "--verify", "--quiet", &format!("{merge}^{{tree}}")]).await?;
        let tree = tree.success().ok_or_else(failed("its tree cannot be read"))?;
        let merged = git.run(&["merge-tree", "--write-tree", "--no-messages", first, second]).await?;
        match (merged.code, merged.success()) {
            (Some(0), Some(again)) => Ok(again == tree),
            // A conflict: whatever the tree holds, a person chose it.
            (Some(1), _) => Ok(false),
            _ => Err(Failure::Failed("its parents could not be merged again".to_owned())),
        }
    }
}

fn is_object_id(text: &str) -> bool {
    [40, 64].contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
