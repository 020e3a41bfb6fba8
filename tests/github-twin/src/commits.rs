//! Who makes which commit: those a story names, and GitHub's own merges, squashes and rebases.
//!
//! Invariant: a commit id used again in a story is that same commit. What GitHub makes itself is committed by `web-flow`;
//! merges and squashes are signed by it, rebased commits are not. Next: `branches.rs`, which pushes them.

use crate::git::{Identity, NewCommit};
use crate::model::{AccountId, MergeMethod, PullRequest, Sha, WEB_FLOW, World};
use crate::steps::StepError;
use crate::story::CommitSpec;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A workflow file that needs nothing. What deploys also follows `ci`.
pub(crate) fn workflow(name: &str) -> String {
    let follows = if name == "deploy" { "  workflow_run:\n    workflows: [ci]\n    types: [completed]\n" } else { "" };
    format!("name: {name}\non:\n  workflow_dispatch:\n{follows}jobs: {{}}\n")
}

/// The files of commits that have no name begin so.
const SMALL: &str = "small-";

/// The file of a commit that changes nothing in particular. Where there may be thousands of them, each hundred has a folder:
/// git writes a whole folder anew for every change in it.
fn small_file(label: &str) -> String {
    let number: Option<u64> = label.strip_prefix(SMALL).and_then(|number| number.parse().ok());
    number.map_or_else(|| format!("{label}.txt"), |number| format!("small/{}/{label}.txt", number / 100))
}

/// A moment as a story writes it, in seconds since 1970: a whole one, or a day.
fn moment(text: &str) -> Option<i64> {
    let parse = |text: &str| time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339);
    let whole = text.trim().replacen(' ', "T", 1);
    let tries = [whole.clone(), format!("{whole}Z"), format!("{whole}T00:00:00Z")];
    tries.iter().find_map(|text| parse(text).ok()).map(time::OffsetDateTime::unix_timestamp)
}

impl World {
    /// The commit that a story means: a name, a branch, a tag or an id, with `~n` for first parents.
    pub fn resolve(&self, name: &str) -> Result<Sha, StepError> {
        let (start, steps) = match name.split_once('~') {
            None => (name, 0),
            Some((start, "")) => (start, 1),
            Some((start, count)) => (start, count.parse().unwrap_or(usize::MAX)),
        };
        let unknown = || StepError::Story(format!("no commit is called `{name}`"));
        let upstream = self.upstream();
        let sha = self
            .names
            .get(start)
            .or_else(|| upstream.and_then(|repository| repository.resolve(start)))
            .cloned()
            .or_else(|| self.git.has_commit(start).then(|| start.to_owned()))
            .ok_or_else(unknown)?;
        let line = self.git.first_parents(&sha, steps.saturating_add(1))?;
        line.into_iter().nth(steps).ok_or_else(unknown)
    }

    /// Whom commits of this account name.
    pub(crate) fn identity(&self, account: AccountId) -> Identity {
        let account = self.accounts.get(&account);
        Identity {
            name: match account {
                Some(account) if account.id == WEB_FLOW => "GitHub".to_owned(),
                Some(account) => account.rest_login(),
                None => "nobody".to_owned(),
            },
            email: account.map_or_else(|| "nobody@example.invalid".to_owned(), crate::model::Account::email),
            at: self.clock,
        }
    }

    /// Makes the commits that a story lists, on top of `tip`, and says which one is last.
    pub(crate) fn make_commits(&mut self, specs: &[CommitSpec], tip: &str) -> Result<Sha, StepError> {
        let mut tip = tip.to_owned();
        for spec in specs {
            for number in 0..spec.repeat.unwrap_or(1) {
                tip = self.make_commit(spec, spec.repeat.map(|_| number), &tip)?;
            }
        }
        Ok(tip)
    }

    fn make_commit(&mut self, spec: &CommitSpec, number: Option<u32>, tip: &str) -> Result<Sha, StepError> {
        if let Some(known) = spec.id.as_ref().and_then(|id| self.names.get(id)) {
            return Ok(known.clone());
        }
        let parents = match &spec.parents {
            None => vec![tip.to_owned()],
            Some(named) => named.iter().map(|name| self.resolve(name)).collect::<Result<_, _>>()?,
        };
        let label = match (&spec.id, number) {
            (Some(id), None) => id.clone(),
            (Some(id), Some(number)) => format!("{id}-{number}"),
            (None, _) => format!("{SMALL}{}", self.next_id()),
        };
        let tree = match &spec.tree {
            Some(name) => Some(self.git.info(&self.resolve(name)?)?.tree),
            None => self.tree_of_parents(&parents)?,
        };
        let files = match (&spec.files, &spec.tree) {
            (Some(files), _) => files.clone(),
            (None, Some(_)) => BTreeMap::new(),
            (None, None) => BTreeMap::from([(small_file(&label), format!("{label}\n"))]),
        };
        let (author, committer) = self.identities(spec)?;
        let commit = self.git.commit(&NewCommit {
            author,
            committer,
            message: self.message(spec, &label)?,
            tree: self.git.tree_with(tree.as_deref(), &files)?,
            parents,
        })?;
        if let (Some(id), None) = (&spec.id, number) {
            self.names.insert(id.clone(), commit.clone());
        }
        Ok(commit)
    }

    /// What a commit with these parents starts from: their mechanical merge, or the first one's tree where they conflict.
    fn tree_of_parents(&self, parents: &[Sha]) -> Result<Option<Sha>, StepError> {
        let Some(first) = parents.first() else { return Ok(None) };
        let merged = match parents.get(1) {
            Some(second) => self.git.merge_tree(first, second)?,
            None => None,
        };
        match merged {
            Some(tree) => Ok(Some(tree)),
            None => Ok(Some(self.git.info(first)?.tree)),
        }
    }

    fn identities(&self, spec: &CommitSpec) -> Result<(Identity, Identity), StepError> {
        let at = match &spec.date {
            None => self.clock,
            Some(date) => moment(date).ok_or_else(|| StepError::Story(format!("`{date}` is no date")))?,
        };
        let login = spec.author.as_ref().or(spec.by.as_ref());
        let mut author = match (login, &spec.email) {
            (Some(login), _) => self.identity(self.known(login)?),
            (None, Some(email)) => {
                Identity { name: email.split('@').next().unwrap_or_default().to_owned(), email: email.clone(), at }
            }
            (None, None) => return Err(StepError::Story("a commit needs `by`, `author` or `email`".to_owned())),
        };
        if let Some(email) = &spec.email {
            author.email.clone_from(email);
        }
        author.at = at;
        let mut committer = match &spec.committer {
            Some(login) => self.identity(self.known(login)?),
            None => author.clone(),
        };
        committer.at = at;
        Ok((author, committer))
    }

    fn message(&self, spec: &CommitSpec, label: &str) -> Result<String, StepError> {
        let mut message = spec.message.clone().unwrap_or_else(|| format!("Add {label}\n"));
        if !message.ends_with('\n') {
            message.push('\n');
        }
        if !spec.coauthors.is_empty() {
            message.push('\n');
        }
        for coauthor in &spec.coauthors {
            if coauthor.contains('@') {
                let name = coauthor.split('@').next().unwrap_or_default();
                let _ = writeln!(message, "Co-authored-by: {name} <{coauthor}>");
            } else {
                let who = self.identity(self.known(coauthor)?);
                let _ = writeln!(message, "Co-authored-by: {} <{}>", who.name, who.email);
            }
        }
        Ok(message)
    }

    /// A commit that GitHub makes and signs itself, in the name of `author`.
    pub(crate) fn commit_by_github(
        &mut self,
        author: AccountId,
        message: String,
        tree: Sha,
        parents: Vec<Sha>,
    ) -> Result<Sha, StepError> {
        let commit = self.git.commit(&NewCommit {
            author: self.identity(author),
            committer: self.identity(WEB_FLOW),
            message,
            tree,
            parents,
        })?;
        self.signed_by_github.insert(commit.clone());
        Ok(commit)
    }

    /// What lands when GitHub merges a pull request onto `onto`: the last commit of it.
    pub(crate) fn merge_commits(
        &mut self,
        pull: &PullRequest,
        by: AccountId,
        method: MergeMethod,
        onto: &str,
    ) -> Result<Sha, StepError> {
        let conflict = || StepError::Refused(format!("#{} conflicts with its base", pull.number));
        let head = pull.head.sha.clone();
        match method {
            MergeMethod::Merge => {
                let tree = self.git.merge_tree(onto, &head)?.ok_or_else(conflict)?;
                let message =
                    format!("Merge pull request #{} from acme/{}\n\n{}\n", pull.number, pull.head.branch, pull.title);
                self.commit_by_github(by, message, tree, vec![onto.to_owned(), head])
            }
            MergeMethod::Squash => {
                let tree = self.git.merge_tree(onto, &head)?.ok_or_else(conflict)?;
                let message = self.squash_message(pull)?;
                self.commit_by_github(pull.opener, message, tree, vec![onto.to_owned()])
            }
            MergeMethod::Rebase => {
                let mut tip = onto.to_owned();
                for sha in &pull.commits {
                    let original = self.git.info(sha)?;
                    if original.parents.len() > 1 {
                        continue;
                    }
                    let tree = self.git.pick_tree(sha, &tip)?.ok_or_else(conflict)?;
                    tip = self.git.commit(&NewCommit {
                        author: original.author,
                        committer: self.identity(WEB_FLOW),
                        message: original.message,
                        tree,
                        parents: vec![tip],
                    })?;
                }
                Ok(tip)
            }
        }
    }

    fn squash_message(&self, pull: &PullRequest) -> Result<String, StepError> {
        let mut message = format!("{} (#{})\n", pull.title, pull.number);
        let opener = self.identity(pull.opener);
        let mut named = vec![opener.email];
        let mut trailers = String::new();
        for sha in &pull.commits {
            let author = self.git.info(sha)?.author;
            if !named.contains(&author.email) {
                let _ = writeln!(trailers, "Co-authored-by: {} <{}>", author.name, author.email);
                named.push(author.email);
            }
        }
        if !trailers.is_empty() {
            message = format!("{message}\n{trailers}");
        }
        Ok(message)
    }
}
