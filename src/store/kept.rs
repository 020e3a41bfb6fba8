//! What is settled at GitHub: merged pull requests, and the line of production branches.
//!
//! Invariant: an older look never takes the place of a newer one, and nothing here is the only copy of anything: what is
//! not found is read from GitHub. Whether it may be used is not decided here. Next: `github/gather/settled.rs`.

use super::observations::signed;
use super::{Store, StoreError};
use countersign_core::domain::{CommitSha, Landing, PullRequest, PullRequestNumber, RepositoryId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::{QueryBuilder, Row};
use std::collections::{BTreeMap, BTreeSet};

/// How many values one statement names.
const TOGETHER: usize = 200;

/// The longest line that is followed.
const LONGEST: i64 = 50_000;

/// Under what a pull request was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The shape of the facts.
    pub shape: String,
    /// What was asked for beside them.
    pub demands: String,
}

/// One commit of a production branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineCommit {
    /// The commit.
    pub commit: CommitSha,
    /// Its first parent; a root has none.
    pub parent: Option<CommitSha>,
    /// The pull request whose merge ended there, where that is settled.
    pub number: Option<PullRequestNumber>,
}

impl Store {
    /// Keeps what a look at some pull requests found: the facts of those that are settled, and of the others that they
    /// were not.
    pub async fn settle(
        &self,
        repository: RepositoryId,
        terms: Terms,
        found: Vec<(PullRequestNumber, Option<PullRequest>)>,
        read_at: i64,
    ) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(found.len());
        for (number, facts) in found {
            rows.push((number, facts.as_ref().map(text).transpose()?.unwrap_or_default()));
        }
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    for (number, body) in rows {
                        sqlx::query(
                            "INSERT INTO settled_pull_requests (repository_id, number, shape, demands, body, read_at) \
                             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (repository_id, number) DO UPDATE SET \
                             shape = $3, demands = $4, body = $5, read_at = $6 \
                             WHERE settled_pull_requests.read_at <= $6",
                        )
                        .bind(signed(repository.0))
                        .bind(signed(number.0))
                        .bind(&terms.shape)
                        .bind(&terms.demands)
                        .bind(body)
                        .bind(read_at)
                        .execute(&mut *connection)
                        .await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Those of some pull requests that were settled when they were last looked at, under these terms.
    pub async fn settled(
        &self,
        repository: RepositoryId,
        terms: &Terms,
        numbers: &[PullRequestNumber],
    ) -> Result<Vec<PullRequest>, StoreError> {
        let mut found = Vec::with_capacity(numbers.len());
        for some in numbers.chunks(TOGETHER) {
            let mut query = QueryBuilder::new("SELECT body FROM settled_pull_requests WHERE repository_id = ");
            query.push_bind(signed(repository.0));
            query.push(" AND shape = ").push_bind(&terms.shape).push(" AND demands = ").push_bind(&terms.demands);
            query.push(" AND body <> '' AND number IN (");
            let mut listed = query.separated(", ");
            for number in some {
                listed.push_bind(signed(number.0));
            }
            query.push(")");
            for row in query.build().fetch_all(&self.readers).await? {
                // One that cannot be read back is read from GitHub.
                found.extend(read::<PullRequest>(&row.try_get::<String, _>(0)?).ok());
            }
        }
        Ok(found)
    }

    /// Those of some pull requests about which something has come in that nobody has looked at yet.
    pub async fn unlooked(
        &self,
        repository: RepositoryId,
        numbers: &[PullRequestNumber],
    ) -> Result<BTreeSet<PullRequestNumber>, StoreError> {
        // What nobody has read may be about any of them.
        let unread = sqlx::query(
            "SELECT 1 FROM inbox WHERE state = 0 AND event IN ('pull_request', 'pull_request_review', 'check_run') LIMIT 1",
        );
        if unread.fetch_optional(&self.readers).await?.is_some() {
            return Ok(numbers.iter().copied().collect());
        }
        let rows = sqlx::query(
            "SELECT subject FROM inbox WHERE state = 1 AND subject IS NOT NULL \
             UNION SELECT subject FROM inbox WHERE state = 2 AND subject IS NOT NULL",
        );
        let rows = rows.fetch_all(&self.readers).await?;
        let waiting: Result<BTreeSet<String>, _> = rows.iter().map(|row| row.try_get(0)).collect();
        let waiting = waiting?;
        let subject = |number: &PullRequestNumber| format!("repository:{repository}/pull_request:{number}");
        Ok(numbers.iter().copied().filter(|number| waiting.contains(&subject(number))).collect())
    }

    /// The kept line from a commit down, until `end` or as far as it is kept; empty where that commit is not.
    pub async fn line(
        &self,
        repository: RepositoryId,
        from: &CommitSha,
        end: &CommitSha,
    ) -> Result<Vec<LineCommit>, StoreError> {
        let rows = sqlx::query(
            "WITH RECURSIVE line (commit_sha, parent_sha, number, depth) AS ( \
             SELECT commit_sha, parent_sha, number, 0 FROM line_commits WHERE repository_id = $1 AND commit_sha = $2 \
             UNION ALL SELECT older.commit_sha, older.parent_sha, older.number, line.depth + 1 \
             FROM line JOIN line_commits AS older ON older.repository_id = $1 AND older.commit_sha = line.parent_sha \
             WHERE line.commit_sha <> $3 AND line.depth < $4) \
             SELECT commit_sha, parent_sha, number FROM line ORDER BY depth",
        )
        .bind(signed(repository.0))
        .bind(from.as_str())
        .bind(end.as_str())
        .bind(LONGEST)
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(LineCommit {
                    commit: CommitSha::new(row.try_get::<String, _>(0)?),
                    parent: row.try_get::<Option<String>, _>(1)?.map(CommitSha::new),
                    number: row
                        .try_get::<Option<i64>, _>(2)?
                        .and_then(|n| u64::try_from(n).ok())
                        .map(PullRequestNumber),
                })
            })
            .collect()
    }

    /// Keeps commits of a line. What is known of one stays known.
    pub async fn keep_line(&self, repository: RepositoryId, commits: Vec<LineCommit>) -> Result<(), StoreError> {
        if commits.is_empty() {
            return Ok(());
        }
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    for some in commits.chunks(TOGETHER) {
                        let mut insert = QueryBuilder::new(
                            "INSERT INTO line_commits (repository_id, commit_sha, parent_sha, number) ",
                        );
                        insert.push_values(some, |mut row, one| {
                            row.push_bind(signed(repository.0)).push_bind(one.commit.as_str().to_owned());
                            row.push_bind(one.parent.as_ref().map(|parent| parent.as_str().to_owned()));
                            row.push_bind(one.number.map(|number| signed(number.0)));
                        });
                        insert.push(
                            " ON CONFLICT (repository_id, commit_sha) DO UPDATE \
                             SET number = excluded.number WHERE line_commits.number IS NULL",
                        );
                        insert.build().execute(&mut *connection).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// The kept merges that left a branch at one of some commits, by that commit; none where several did.
    pub async fn landings(
        &self,
        repository: RepositoryId,
        branch: &str,
        after: &[CommitSha],
    ) -> Result<BTreeMap<CommitSha, Landing>, StoreError> {
        let (mut found, mut several) = (BTreeMap::new(), BTreeSet::new());
        for some in after.chunks(TOGETHER) {
            let mut query = QueryBuilder::new("SELECT body FROM landings WHERE repository_id = ");
            query.push_bind(signed(repository.0)).push(" AND branch = ").push_bind(branch).push(" AND after_sha IN (");
            let mut listed = query.separated(", ");
            for commit in some {
                listed.push_bind(commit.as_str());
            }
            query.push(")");
            for row in query.build().fetch_all(&self.readers).await? {
                let landing: Landing = read(&row.try_get::<String, _>(0)?)?;
                if let Some(other) = found.insert(landing.after.clone(), landing) {
                    several.insert(other.after);
                }
            }
        }
        found.retain(|after, _| !several.contains(after));
        Ok(found)
    }

    /// Keeps merges of a branch.
    pub async fn keep_landings(
        &self,
        repository: RepositoryId,
        branch: &str,
        landings: &[Landing],
    ) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(landings.len());
        for landing in landings {
            rows.push((landing.after.to_string(), landing.before.to_string(), text(landing)?));
        }
        if rows.is_empty() {
            return Ok(());
        }
        let branch = branch.to_owned();
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    for some in rows.chunks(TOGETHER) {
                        let mut insert = QueryBuilder::new(
                            "INSERT INTO landings (repository_id, branch, after_sha, before_sha, body) ",
                        );
                        insert.push_values(some, |mut row, (after, before, body)| {
                            row.push_bind(signed(repository.0)).push_bind(branch.clone()).push_bind(after.clone());
                            row.push_bind(before.clone()).push_bind(body.clone());
                        });
                        insert.push(" ON CONFLICT DO NOTHING");
                        insert.build().execute(&mut *connection).await?;
                    }
                    Ok(())
                })
            })
            .await
    }
}

fn text(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Unreadable(error.to_string()))
}

fn read<T: DeserializeOwned>(body: &str) -> Result<T, StoreError> {
    serde_json::from_str(body).map_err(|error| StoreError::Unreadable(error.to_string()))
}
