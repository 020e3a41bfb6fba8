//! Real git objects in one bare repository per world: commits, trees, merges as GitHub makes them, and what is reachable.
//!
//! Invariant: nothing here knows of accounts or pull requests; a commit is what git says it is. Ids are hexadecimal.
//! Forks share the objects, but only the upstream repository's refs are refs here. Next: `commits.rs`, who makes them.

use crate::model::{Sha, Time};
use git2::{Index, MergeOptions, Oid, Repository, Signature, Sort, Tree};
use std::collections::BTreeMap;
use std::path::Path;

/// What git refuses: an id that is no object, or a broken repository.
#[derive(Debug, thiserror::Error)]
#[error("git: {0}")]
pub struct GitError(#[from] git2::Error);

type Result<T> = std::result::Result<T, GitError>;

/// The objects and refs of one world.
pub struct Git {
    repository: Repository,
}

impl std::fmt::Debug for Git {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Git").field(&self.repository.path()).finish()
    }
}

/// Whom a commit names, and when it says that it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name.
    pub name: String,
    /// The e-mail.
    pub email: String,
    /// Seconds since 1970, in UTC.
    pub at: Time,
}

/// A commit to make.
#[derive(Debug, Clone)]
pub struct NewCommit {
    /// Who wrote it.
    pub author: Identity,
    /// Who committed it.
    pub committer: Identity,
    /// The message, trailers included.
    pub message: String,
    /// The tree.
    pub tree: Sha,
    /// The parents, first parent first.
    pub parents: Vec<Sha>,
}

/// A commit as git holds it.
#[derive(Debug, Clone)]
pub struct CommitInfo {
    /// Its id.
    pub sha: Sha,
    /// Its tree.
    pub tree: Sha,
    /// All parents, first parent first.
    pub parents: Vec<Sha>,
    /// Whom it names as author.
    pub author: Identity,
    /// Whom it names as committer.
    pub committer: Identity,
    /// The whole message.
    pub message: String,
}

impl CommitInfo {
    /// The e-mails (and names) of its `Co-authored-by` trailers.
    pub fn coauthors(&self) -> Vec<(String, String)> {
        self.message
            .lines()
            .filter_map(|line| {
                let (key, value) = line.split_once(": ")?;
                if !key.eq_ignore_ascii_case("co-authored-by") {
                    return None;
                }
                let (name, rest) = value.split_once('<')?;
                Some((name.trim().to_owned(), rest.trim_end().trim_end_matches('>').to_owned()))
            })
            .collect()
    }
}

/// How one file differs between two commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// The path afterwards (before, where it was removed).
    pub path: String,
    /// `added`, `modified`, `removed`, `renamed`.
    pub status: &'static str,
    /// The blob afterwards (before, where it was removed).
    pub blob: Sha,
    /// Lines added.
    pub additions: usize,
    /// Lines removed.
    pub deletions: usize,
}

impl Git {
    /// Makes a bare repository that serves any object and filtered clones.
    pub fn init(path: &Path) -> Result<Self> {
        // The objects are ours and new: to hash each again on every read would double the time of a large story.
        git2::opts::strict_hash_verification(false);
        let repository = Repository::init_bare(path)?;
        let mut config = repository.config()?;
        config.set_bool("uploadpack.allowFilter", true)?;
        config.set_bool("uploadpack.allowAnySHA1InWant", true)?;
        repository.set_head("refs/heads/main")?;
        Ok(Self { repository })
    }

    /// Where the repository lies.
    pub fn path(&self) -> &Path {
        self.repository.path()
    }

    /// Makes a commit. The same content gives the same id.
    pub fn commit(&self, new: &NewCommit) -> Result<Sha> {
        let tree = self.repository.find_tree(Oid::from_str(&new.tree)?)?;
        let parents = new
            .parents
            .iter()
            .map(|parent| Ok(self.repository.find_commit(Oid::from_str(parent)?)?))
            .collect::<Result<Vec<_>>>()?;
        let parents: Vec<_> = parents.iter().collect();
        let oid = self.repository.commit(
            None,
            &signature(&new.author)?,
            &signature(&new.committer)?,
            &new.message,
            &tree,
            &parents,
        )?;
        Ok(oid.to_string())
    }

    /// Reads a commit.
    pub fn info(&self, sha: &str) -> Result<CommitInfo> {
        let commit = self.repository.find_commit(Oid::from_str(sha)?)?;
        Ok(CommitInfo {
            sha: commit.id().to_string(),
            tree: commit.tree_id().to_string(),
            parents: commit.parent_ids().map(|parent| parent.to_string()).collect(),
            author: identity(&commit.author()),
            committer: identity(&commit.committer()),
            message: String::from_utf8_lossy(commit.message_bytes()).into_owned(),
        })
    }

    /// Whether this names a commit that exists.
    pub fn has_commit(&self, sha: &str) -> bool {
        sha.len() == 40 && Oid::from_str(sha).is_ok_and(|oid| self.repository.find_commit(oid).is_ok())
    }

    /// Points a ref (`refs/heads/main`) at a commit.
    pub fn set_ref(&self, reference: &str, sha: &str) -> Result<()> {
        self.repository.reference(reference, Oid::from_str(sha)?, true, "twin")?;
        Ok(())
    }

    /// Removes a ref where it exists.
    pub fn delete_ref(&self, reference: &str) -> Result<()> {
        match self.repository.find_reference(reference) {
            Ok(mut found) => Ok(found.delete()?),
            Err(_) => Ok(()),
        }
    }

    /// Whether the first commit is the second, or reached from it through any parents.
    pub fn is_ancestor(&self, ancestor: &str, descendant: &str) -> Result<bool> {
        if ancestor == descendant {
            return Ok(true);
        }
        Ok(self.repository.graph_descendant_of(Oid::from_str(descendant)?, Oid::from_str(ancestor)?)?)
    }

    /// Commits reachable from `head` and from none of `not`, parents before children.
    pub fn reachable(&self, head: &str, not: &[&str]) -> Result<Vec<Sha>> {
        let mut walk = self.repository.revwalk()?;
        walk.set_sorting(Sort::TOPOLOGICAL | Sort::REVERSE)?;
        walk.push(Oid::from_str(head)?)?;
        for hidden in not {
            walk.hide(Oid::from_str(hidden)?)?;
        }
        walk.map(|oid| Ok(oid?.to_string())).collect()
    }

    /// Commits from the tip back through all parents, newest first (`GET /commits`), at most `limit`.
    pub fn history(&self, tip: &str, limit: usize) -> Result<Vec<Sha>> {
        let mut walk = self.repository.revwalk()?;
        walk.set_sorting(Sort::TOPOLOGICAL)?;
        walk.push(Oid::from_str(tip)?)?;
        walk.take(limit).map(|oid| Ok(oid?.to_string())).collect()
    }

    /// The tip and its first parents, newest first, at most `limit`.
    pub fn first_parents(&self, tip: &str, limit: usize) -> Result<Vec<Sha>> {
        let mut line = Vec::new();
        let mut next = Some(self.repository.find_commit(Oid::from_str(tip)?)?);
        while let Some(commit) = next {
            if line.len() == limit {
                break;
            }
            line.push(commit.id().to_string());
            next = commit.parent(0).ok();
        }
        Ok(line)
    }

    /// The best common ancestor, where there is one.
    pub fn merge_base(&self, one: &str, other: &str) -> Result<Option<Sha>> {
        match self.repository.merge_base(Oid::from_str(one)?, Oid::from_str(other)?) {
            Ok(base) => Ok(Some(base.to_string())),
            Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// How many commits the second has that the first has not, and the other way round (`ahead_by`, `behind_by`).
    pub fn ahead_behind(&self, base: &str, head: &str) -> Result<(usize, usize)> {
        Ok(self.repository.graph_ahead_behind(Oid::from_str(head)?, Oid::from_str(base)?)?)
    }

    /// The tree of a mechanical merge of two commits; `None` where they conflict.
    pub fn merge_tree(&self, ours: &str, theirs: &str) -> Result<Option<Sha>> {
        let ours = self.repository.find_commit(Oid::from_str(ours)?)?;
        let theirs = self.repository.find_commit(Oid::from_str(theirs)?)?;
        let index = self.repository.merge_commits(&ours, &theirs, Some(&MergeOptions::new()))?;
        self.clean_tree(index)
    }

    /// The tree of a commit's own change on top of another commit; `None` where they conflict.
    pub fn pick_tree(&self, commit: &str, onto: &str) -> Result<Option<Sha>> {
        let commit = self.repository.find_commit(Oid::from_str(commit)?)?;
        let onto = self.repository.find_commit(Oid::from_str(onto)?)?;
        let mainline = u32::from(commit.parent_count() > 1);
        let index = self.repository.cherrypick_commit(&commit, &onto, mainline, Some(&MergeOptions::new()))?;
        self.clean_tree(index)
    }

    /// The tree with these files written into it; an empty one to start from where `tree` is `None`.
    pub fn tree_with(&self, tree: Option<&str>, files: &BTreeMap<String, String>) -> Result<Sha> {
        let start = match tree {
            Some(tree) => Oid::from_str(tree)?,
            None => self.repository.treebuilder(None)?.write()?,
        };
        let start = self.repository.find_tree(start)?;
        let mut update = git2::build::TreeUpdateBuilder::new();
        for (path, text) in files {
            let blob = self.repository.blob(text.as_bytes())?;
            update.upsert(path, blob, git2::FileMode::Blob);
        }
        Ok(update.create_updated(&self.repository, &start)?.to_string())
    }

    /// A file's bytes and blob id at a commit.
    pub fn file(&self, sha: &str, path: &str) -> Option<(Sha, Vec<u8>)> {
        let tree = self.tree_of(sha).ok()?;
        let entry = tree.get_path(Path::new(path)).ok()?;
        let blob = self.repository.find_blob(entry.id()).ok()?;
        Some((entry.id().to_string(), blob.content().to_vec()))
    }

    /// The names in a directory at a commit, with `true` for directories.
    pub fn list(&self, sha: &str, path: &str) -> Option<Vec<(String, Sha, bool)>> {
        let mut tree = self.tree_of(sha).ok()?;
        if !path.is_empty() {
            let entry = tree.get_path(Path::new(path)).ok()?;
            tree = self.repository.find_tree(entry.id()).ok()?;
        }
        let entry = |entry: git2::TreeEntry<'_>| {
            let directory = entry.kind() == Some(git2::ObjectType::Tree);
            Some((entry.name().ok()?.to_owned(), entry.id().to_string(), directory))
        };
        Some(tree.iter().filter_map(entry).collect())
    }

    /// How the files of two commits differ, lines counted; against nothing where `from` is `None`.
    pub fn changes(&self, from: Option<&str>, to: &str) -> Result<Vec<FileChange>> {
        let diff = self.diff(from, to)?;
        let mut changes: Vec<FileChange> = diff.deltas().map(|delta| file_change(&delta)).collect();
        for (number, change) in changes.iter_mut().enumerate() {
            if let Some(patch) = git2::Patch::from_diff(&diff, number)? {
                (_, change.additions, change.deletions) = patch.line_stats()?;
            }
        }
        Ok(changes)
    }

    /// As [`Git::changes`] with no line counted, which is much quicker.
    pub fn changed_files(&self, from: Option<&str>, to: &str) -> Result<Vec<FileChange>> {
        Ok(self.diff(from, to)?.deltas().map(|delta| file_change(&delta)).collect())
    }

    fn diff(&self, from: Option<&str>, to: &str) -> Result<git2::Diff<'_>> {
        let old = from.map(|sha| self.tree_of(sha)).transpose()?;
        let new = self.tree_of(to)?;
        Ok(self.repository.diff_tree_to_tree(old.as_ref(), Some(&new), None)?)
    }

    fn tree_of(&self, sha: &str) -> Result<Tree<'_>> {
        Ok(self.repository.find_commit(Oid::from_str(sha)?)?.tree()?)
    }

    fn clean_tree(&self, mut index: Index) -> Result<Option<Sha>> {
        if index.has_conflicts() {
            return Ok(None);
        }
        Ok(Some(index.write_tree_to(&self.repository)?.to_string()))
    }
}

fn file_change(delta: &git2::DiffDelta<'_>) -> FileChange {
    let (status, file) = match delta.status() {
        git2::Delta::Added => ("added", delta.new_file()),
        git2::Delta::Deleted => ("removed", delta.old_file()),
        _ => ("modified", delta.new_file()),
    };
    FileChange {
        path: file.path().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default(),
        status,
        blob: file.id().to_string(),
        additions: 0,
        deletions: 0,
    }
}

fn signature(identity: &Identity) -> Result<Signature<'static>> {
    Ok(Signature::new(&identity.name, &identity.email, &git2::Time::new(identity.at, 0))?)
}

fn identity(signature: &Signature<'_>) -> Identity {
    Identity {
        name: String::from_utf8_lossy(signature.name_bytes()).into_owned(),
        email: String::from_utf8_lossy(signature.email_bytes()).into_owned(),
        at: signature.when().seconds(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn make(git: &Git, file: &str, parents: &[&str]) -> Sha {
        let tree = parents.first().map(|parent| git.info(parent).unwrap().tree);
        let files = BTreeMap::from([(file.to_owned(), format!("{file}\n"))]);
        let who = Identity { name: "ann".to_owned(), email: "ann@example.com".to_owned(), at: 1_700_000_000 };
        git.commit(&NewCommit {
            author: who.clone(),
            committer: who,
            message: format!("{file}\n\nCo-authored-by: Ben <ben@example.com>\n"),
            tree: git.tree_with(tree.as_deref(), &files).unwrap(),
            parents: parents.iter().map(|parent| (*parent).to_owned()).collect(),
        })
        .unwrap()
    }

    #[test]
    fn a_small_history_is_walked_and_merged() {
        let directory = tempfile::tempdir().unwrap();
        let git = Git::init(directory.path()).unwrap();
        let base = make(&git, "base", &[]);
        let one = make(&git, "one", &[&base]);
        let other = make(&git, "other", &[&base]);
        assert_eq!(git.merge_base(&one, &other).unwrap(), Some(base.clone()));
        assert_eq!(git.reachable(&one, &[&other]).unwrap(), vec![one.clone()]);
        assert!(git.is_ancestor(&base, &one).unwrap() && !git.is_ancestor(&one, &other).unwrap());
        let tree = git.merge_tree(&one, &other).unwrap().unwrap();
        let names: Vec<_> = git.changes(Some(&base), &one).unwrap();
        assert_eq!(names.first().unwrap().path, "one");
        assert_eq!(git.pick_tree(&other, &one).unwrap(), Some(tree));
        let coauthors = git.info(&one).unwrap().coauthors();
        assert_eq!(coauthors, vec![("Ben".to_owned(), "ben@example.com".to_owned())]);
    }

    #[test]
    fn two_hundred_and_sixty_commits_are_quick() {
        let directory = tempfile::tempdir().unwrap();
        let git = Git::init(directory.path()).unwrap();
        let started = std::time::Instant::now();
        let mut tip = make(&git, "base", &[]);
        for number in 0..260 {
            tip = make(&git, &format!("n{number}"), &[&tip]);
        }
        assert_eq!(git.first_parents(&tip, 1_000).unwrap().len(), 261);
        // A fifth of a second on an idle machine; the bound leaves room for a busy one.
        assert!(started.elapsed().as_secs() < 5, "took {:?}", started.elapsed());
    }
}
