//! Record, then publish: a decision enters the ledger before GitHub hears of it, and its rows of the inbox are closed after.
//!
//! Invariant: entries come first; the tables beside them are derived from them and only help to find them.

use super::observations::signed;
use super::{Store, StoreError, deployments, entries, exceptions};
use countersign_core::domain::{
    ChangeName, CommitSha, Decision, Entry, EntryBody, Exception, Outcome, PullRequestNumber, PullRequestState,
    RepositoryId, Subject,
};
use sha2::{Digest, Sha256};
use sqlx::{QueryBuilder, Row, SqliteConnection};
use std::collections::BTreeSet;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

/// So many rows are written by one statement: SQLite takes 32,766 values in one.
pub(super) const TOGETHER: usize = 1_000;

/// A decision, ready to be put on record.
#[derive(Debug)]
pub struct Recording {
    /// What is recorded.
    pub entry: Entry,
    /// The policies by which it was decided: their digest, and their texts as one JSON document.
    pub policy: (String, String),
    /// The settings: their digest, and their text.
    pub settings: (String, String),
}

/// What became of it.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The decision's id: the new one, or the earlier one that says the same.
    pub decision: String,
    /// Whether it is new.
    pub fresh: bool,
    /// The ledger's size after it.
    pub size: u64,
    /// The ledger's root after it, hexadecimal.
    pub root: String,
}

/// What we wrote to GitHub: a check run on a commit, or an answer for an attempt.
#[derive(Debug, Clone)]
pub struct PublicationTarget {
    /// Where.
    pub repository: RepositoryId,
    /// What, for example `check:<commit>` or `rule:<run>/<attempt>/<environment>`.
    pub target: String,
}

impl Store {
    /// Puts a decision on record, unless the latest one on its subject says the very same.
    pub async fn record(&self, recording: Recording) -> Result<Recorded, StoreError> {
        self.writer.write(move |connection| Box::pin(async move { record(connection, recording).await })).await
    }

    /// Puts an entry on record that is no decision.
    pub async fn note(&self, entry: Entry) -> Result<(), StoreError> {
        self.note_under(entry, None).await
    }

    /// The same, with the settings that it names by digest.
    pub async fn note_under(&self, entry: Entry, settings: Option<(String, String)>) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    if let Some((digest, text)) = settings {
                        entries::keep_settings(connection, &digest, &text).await?;
                    }
                    if let EntryBody::DeploymentFinished(end) = &entry.body {
                        let (run, attempt, environment) = (end.run, end.attempt, &end.environment);
                        if deployments::is_finished(connection, end.repository.id, run, attempt, environment).await? {
                            return Ok(());
                        }
                    }
                    let position = append(connection, &entry).await?.0;
                    if let EntryBody::DeploymentFinished(finished) = &entry.body {
                        deployments::finish(connection, finished, position, &entry.time).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// What GitHub was told last: its reference (a check run's id) and the digest of what was said.
    pub async fn published(&self, target: &PublicationTarget) -> Result<Option<(String, String)>, StoreError> {
        let row = sqlx::query("SELECT reference, digest FROM publications WHERE repository_id = $1 AND target = $2")
            .bind(signed(target.repository.0))
            .bind(&target.target)
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
    }

    /// Notes what GitHub was told.
    pub async fn note_published(
        &self,
        target: PublicationTarget,
        reference: String,
        digest: String,
    ) -> Result<(), StoreError> {
        self.writer
            .write_soon(move |connection| {
                Box::pin(async move {
                    sqlx::query(
                        "INSERT INTO publications (repository_id, target, reference, digest) VALUES ($1, $2, $3, $4) \
                         ON CONFLICT (repository_id, target) DO UPDATE SET reference = $3, digest = $4",
                    )
                    .bind(signed(target.repository.0))
                    .bind(target.target)
                    .bind(reference)
                    .bind(digest)
                    .execute(&mut *connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    /// Takes a pull request out of those that share a check; says which heads it had shared one on. The next decision on
    /// it is recorded whatever it says.
    pub async fn leave(&self, subject: &str) -> Result<Vec<CommitSha>, StoreError> {
        let subject = subject.to_owned();
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "UPDATE decisions SET open = 0, digest = '' WHERE subject = $1 AND open = 1 RETURNING commit_sha",
                    )
                    .bind(subject)
                    .fetch_all(&mut *connection)
                    .await?;
                    let heads: Result<BTreeSet<String>, _> = rows.iter().map(|row| row.try_get(0)).collect();
                    Ok(heads?.into_iter().map(CommitSha::new).collect())
                })
            })
            .await
    }

    /// The head that a pull request had when it was judged the time before last, where that was another one.
    pub async fn head_before(&self, subject: &str, head: &CommitSha) -> Result<Option<CommitSha>, StoreError> {
        let row =
            sqlx::query("SELECT commit_sha FROM decisions WHERE subject = $1 ORDER BY position DESC LIMIT 1 OFFSET 1")
                .bind(subject)
                .fetch_optional(&self.readers)
                .await?;
        let before = row.map(|row| row.try_get::<String, _>(0).map(CommitSha::new)).transpose()?;
        Ok(before.filter(|before| before != head))
    }

    /// The heads of merge groups that were judged and that are not known to be gone.
    pub async fn merge_groups(&self, repository: RepositoryId) -> Result<Vec<CommitSha>, StoreError> {
        let rows = sqlx::query(
            "SELECT DISTINCT commit_sha FROM decisions WHERE repository_id = $1 AND kind = 'merge_group' AND open = 1",
        )
        .bind(signed(repository.0))
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(|row| Ok(CommitSha::new(row.try_get::<String, _>(0)?))).collect()
    }

    /// The open pull requests whose latest decision was at this head.
    pub async fn open_at(
        &self,
        repository: RepositoryId,
        head: &CommitSha,
    ) -> Result<Vec<PullRequestNumber>, StoreError> {
        let rows = sqlx::query(
            "SELECT d.number FROM decisions AS d WHERE d.repository_id = $1 AND d.commit_sha = $2 AND d.kind = 'pull_request' \
             AND d.open = 1 AND d.position = (SELECT MAX(later.position) FROM decisions AS later \
             WHERE later.subject = d.subject) ORDER BY d.number",
        )
        .bind(signed(repository.0))
        .bind(head.as_str())
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(|row| Ok(PullRequestNumber(u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0)))).collect()
    }

    /// The latest decisions on open pull requests and merge groups whose head is this commit: each one's id and outcome.
    pub async fn open_on(
        &self,
        repository: RepositoryId,
        commit: &CommitSha,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let rows = sqlx::query(
            "SELECT d.id, d.outcome FROM decisions AS d WHERE d.repository_id = $1 AND d.commit_sha = $2 \
             AND d.kind IN ('pull_request', 'merge_group') AND d.open = 1 AND d.position = \
             (SELECT MAX(later.position) FROM decisions AS later WHERE later.subject = d.subject) ORDER BY d.number",
        )
        .bind(signed(repository.0))
        .bind(commit.as_str())
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }
}

const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// A moment as entries spell it: RFC 3339 in UTC, always with milliseconds, so that the order of times is that of bytes.
pub fn spelled(moment: OffsetDateTime) -> String {
    moment.to_offset(UtcOffset::UTC).format(TIME).unwrap_or_default()
}

/// A moment as GitHub spells it, spelled as entries do; `None` where it is none.
pub fn respelled(moment: &str) -> Option<String> {
    OffsetDateTime::parse(moment, &Rfc3339).ok().map(spelled)
}

pub(super) async fn append(connection: &mut SqliteConnection, entry: &Entry) -> Result<(i64, u64, String), StoreError> {
    let new = match entry.body.repository() {
        Some(of) => entries::NewEntry::numbered(entry, entries::next_of(connection, of).await?)?,
        None => entries::NewEntry::of(entry)?,
    };
    let appended = entries::append(connection, &[new]).await?;
    let position = i64::try_from(appended.first_position).unwrap_or(i64::MAX);
    Ok((position, appended.size, hex::encode(appended.root)))
}

/// Where a decision is found again.
struct Place {
    kind: &'static str,
    number: Option<u64>,
    run: Option<u64>,
    attempt: Option<u64>,
    environment: Option<String>,
    commit: CommitSha,
    open: bool,
}

fn place(decision: &Decision) -> Place {
    let mut place = Place {
        kind: "landed",
        number: None,
        run: None,
        attempt: None,
        environment: None,
        commit: CommitSha::new(String::new()),
        open: false,
    };
    match &decision.facts.subject {
        Subject::PullRequest(pull_request) => {
            place.kind = "pull_request";
            place.number = Some(pull_request.number.0);
            place.commit = pull_request.head.clone();
            place.open = pull_request.state == PullRequestState::Open;
        }
        Subject::MergeGroup(group) => {
            place.kind = "merge_group";
            place.commit = group.head.clone();
            place.open = true;
        }
        Subject::Landed(change) => {
            if let Some(last) = change.commits.last() {
                place.commit = last.clone();
            }
        }
        Subject::Deployment(deployment) => {
            place.kind = "deployment";
            place.commit = deployment.target.clone();
            place.environment = Some(deployment.environment.clone());
            // A run that GitHub does not show is named by the subject alone.
            let named = |part: &str| {
                let mut parts = decision.subject.split('/');
                parts.find_map(|one| one.strip_prefix(part)?.strip_prefix(':')?.parse().ok())
            };
            place.run = deployment.run.as_ref().map(|run| run.id.0).or_else(|| named("run"));
            place.attempt = deployment.run.as_ref().map(|run| run.this.number.0).or_else(|| named("attempt"));
        }
    }
    place
}

async fn record(connection: &mut SqliteConnection, recording: Recording) -> Result<Recorded, StoreError> {
    let EntryBody::Decision(decision) = &recording.entry.body else {
        return Err(StoreError::Unreadable("no decision".to_owned()));
    };
    let place = place(decision);
    let digest = digest(decision, &place)?;
    let earlier = sqlx::query("SELECT id, digest FROM decisions WHERE subject = $1 ORDER BY position DESC LIMIT 1")
        .bind(&decision.subject)
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(row) = earlier
        && row.try_get::<String, _>(1)? == digest
    {
        let head = entries::head(connection).await?;
        return Ok(Recorded { decision: row.try_get(0)?, fresh: false, size: head.size, root: hex::encode(head.root) });
    }
    let covered = covering(decision);
    if let Some(exception) = covered
        && !exceptions::is_open(connection, &exception.id).await?
    {
        // Whoever reviewed it was not held against this.
        return Err(StoreError::ReviewedMeanwhile);
    }
    entries::keep_policy(connection, &recording.policy.0, &recording.policy.1).await?;
    entries::keep_settings(connection, &recording.settings.0, &recording.settings.1).await?;
    let (position, size, root) = append(connection, &recording.entry).await?;
    let time = &recording.entry.time;
    sqlx::query(
        "INSERT INTO decisions (id, position, subject, repository_id, kind, number, run, attempt, environment, \
         commit_sha, open, digest, outcome, decided_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(&decision.id)
    .bind(position)
    .bind(&decision.subject)
    .bind(signed(decision.facts.repository.id.0))
    .bind(place.kind)
    .bind(place.number.map(signed))
    .bind(place.run.map(signed))
    .bind(place.attempt.map(signed))
    .bind(&place.environment)
    .bind(place.commit.as_str())
    .bind(i64::from(place.open))
    .bind(digest)
    .bind(decision.verdict.outcome.to_string())
    .bind(time)
    .execute(&mut *connection)
    .await?;
    if let Some(exception) = covered {
        sqlx::query("INSERT INTO exception_uses (exception, decision) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(&exception.id)
            .bind(&decision.id)
            .execute(&mut *connection)
            .await?;
    }
    keep_changes(connection, decision, time).await?;
    Ok(Recorded { decision: decision.id.clone(), fresh: true, size, root })
}

/// The exception that a decision rests on.
fn covering(decision: &Decision) -> Option<&Exception> {
    match (decision.verdict.outcome, &decision.facts.subject) {
        (Outcome::Exception, Subject::Deployment(deployment)) => deployment.exception.as_ref(),
        _ => None,
    }
}

/// What makes two decisions on one subject the same: the verdict, where, for which artifact and by which exception it holds, and
/// by which rules.
fn digest(decision: &Decision, place: &Place) -> Result<String, StoreError> {
    let said =
        (&decision.verdict, place.commit.as_str(), place.open, &decision.policy_digest, &decision.settings_digest);
    let mut said = serde_json::to_vec(&said).map_err(|error| StoreError::Unreadable(error.to_string()))?;
    if let Subject::Deployment(deployment) = &decision.facts.subject
        && let Some(artifact) = deployment.request.as_ref().and_then(|request| request.digest.as_ref())
    {
        said.extend(artifact.bytes());
    }
    if let Some(exception) = covering(decision) {
        said.extend(exception.id.bytes());
    }
    Ok(hex::encode(Sha256::digest(&said)))
}

/// The latest verdict on each change.
async fn keep_changes(connection: &mut SqliteConnection, decision: &Decision, time: &str) -> Result<(), StoreError> {
    let repository = &decision.facts.repository;
    for some in decision.verdict.changes.chunks(TOGETHER) {
        let texts: Result<Vec<String>, _> = some.iter().map(serde_json::to_string).collect();
        let texts = texts.map_err(|error| StoreError::Unreadable(error.to_string()))?;
        let mut insert = QueryBuilder::new(
            "INSERT INTO changes (repository_id, full_name, change, commit_sha, outcome, decision, verdict, decided_at) ",
        );
        insert.push_values(some.iter().zip(texts), |mut row, (change, verdict)| {
            row.push_bind(signed(repository.id.0))
                .push_bind(&repository.full_name)
                .push_bind(change_key(&change.change));
            row.push_bind(change.commit.as_str()).push_bind(change.outcome.to_string());
            row.push_bind(&decision.id).push_bind(verdict).push_bind(time);
        });
        insert.push(
            " ON CONFLICT (repository_id, change) DO UPDATE SET full_name = excluded.full_name, \
             commit_sha = excluded.commit_sha, outcome = excluded.outcome, decision = excluded.decision, \
             verdict = excluded.verdict, decided_at = excluded.decided_at",
        );
        insert.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// A change's key: the pull request's number, or the commit's id.
pub(super) fn change_key(change: &ChangeName) -> String {
    match change {
        ChangeName::PullRequest(number) => number.to_string(),
        ChangeName::Commit(sha) => sha.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn the_order_of_times_is_that_of_their_bytes() {
        let moments = [
            datetime!(2026-01-02 03:04:05 UTC),
            datetime!(2026-01-02 03:04:05.68 UTC),
            datetime!(2026-01-02 03:04:05.681 UTC),
            datetime!(2026-01-02 05:04:06 +2),
        ];
        let texts = moments.map(spelled);
        assert!(texts.is_sorted(), "{texts:?}");
        assert_eq!(texts[3], "2026-01-02T03:04:06.000Z");
    }
}
