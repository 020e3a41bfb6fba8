//! The issue that asks for the review of an exception, in the repository that something was let through in.
//!
//! Invariant: the record comes first and waits for nobody: an exception holds, is reviewed and is overdue whether or not GitHub
//! shows it. Showing is idempotent: one issue for each exception, written as a whole, looked for before one is opened.

use super::{EvaluationError, Evaluator, RepositoryPayload};
use crate::github::{Client, GitHubError};
use crate::store::PublicationTarget;
use crate::store::exceptions::ExceptionRow;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;
use time::format_description::well_known::Rfc3339;

/// How many exceptions that were reviewed, last reviewed first, a sweep holds against what GitHub shows of them. Those that
/// owe a review are held against it all.
const REVIEWED: u32 = 200;
/// How long whoever opens or reviews one waits for its issue.
const PATIENCE: Duration = Duration::from_secs(5);

/// An issue, or a pull request: GitHub lists both
/// (<https://docs.github.com/en/rest/issues/issues#list-repository-issues>).
#[derive(Deserialize)]
struct Issue {
    number: u64,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    pull_request: Option<Value>,
}

impl Evaluator {
    /// Shows an exception that was just opened or reviewed. What fails is left to the next sweep.
    pub(super) async fn show_debt_of(&self, exception: &str) {
        if !self.settings.exceptions.issues {
            return;
        }
        let shown = async {
            match self.store.exception(exception).await? {
                Some(row) => self.show_debt(&row).await,
                None => Ok(()),
            }
        };
        match tokio::time::timeout(PATIENCE, shown).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(exception, %error, "its issue does not say how it stands"),
            Err(_) => tracing::warn!(exception, "its issue does not say how it stands: github is slow"),
        }
    }

    /// Shows every exception as it stands, where GitHub does not show it so yet.
    pub async fn show_debts(&self) -> Result<(), EvaluationError> {
        if self.settings.exceptions.issues {
            for id in self.store.to_show(REVIEWED).await? {
                self.show_debt_of(&id).await;
            }
        }
        Ok(())
    }

    async fn show_debt(&self, row: &ExceptionRow) -> Result<(), EvaluationError> {
        let repository = &row.exception.repository;
        let place = format!("exception:{}", row.exception.id);
        let target = || PublicationTarget { repository: repository.id, target: place.clone() };
        let words = self.words(row);
        let digest = hex::encode(Sha256::digest(words.to_string().as_bytes()));
        let _turn = self.turns.at(format!("{}/{place}", repository.id)).await;
        let earlier = self.store.published(&target()).await?;
        if earlier.as_ref().is_some_and(|(_, told)| *told == digest) {
            return Ok(());
        }
        let client = self.client.for_installation(self.installation_of(&repository.full_name).await?);
        let payload: RepositoryPayload = client.get(&format!("/repos/{}", repository.full_name)).await?;
        if payload.id != repository.id.0 {
            let what = format!("repository {} under this name", repository.id);
            return Err(GitHubError::NotFound(what).into());
        }
        let path = format!("/repos/{}/issues", repository.full_name);
        let known = match earlier {
            Some((number, _)) => Some(number).filter(|number| !number.is_empty()),
            None => opened_before(&client, &path, row).await?,
        };
        let number = if let Some(number) = known {
            client.write("PATCH", &format!("{path}/{number}"), &words).await?;
            number
        } else if row.state != "open" {
            // Reviewed before issues were asked for: nothing is owed.
            String::new()
        } else {
            let (title, body) = (words.get("title"), words.get("body"));
            let issue = client.write("POST", &path, &json!({"title": title, "body": body})).await?;
            let number = issue.get("number").and_then(Value::as_u64);
            number.ok_or_else(|| GitHubError::Unreadable("an issue without a number".to_owned()))?.to_string()
        };
        self.store.note_published(target(), number, digest).await?;
        Ok(())
    }

    /// The issue as a whole. What others wrote stands in blocks of code, where it mentions and renders nothing.
    fn words(&self, row: &ExceptionRow) -> Value {
        let exception = &row.exception;
        let (opener, url) = (&exception.opened_by.login, &self.public_url);
        let environment = line(&exception.environment);
        let (title, ask, state) = match (row.state.as_str(), row.overdue) {
            ("open", overdue) => (
                format!(
                    "{}: @{opener} broke the glass for {environment}",
                    if overdue { "Review overdue" } else { "Review needed" }
                ),
                format!(
                    "**Somebody else must say by {} whether this was justified**: a person who neither \
                     opened it, nor contributed to, nor deployed what it let through.\n\n    countersign exception review \
                     {} --server {url} --verdict justified\n\nor `unjustified`. Closing this issue is no review.",
                    exception.due, exception.id
                ),
                json!({"state": "open"}),
            ),
            (verdict, _) => (
                format!("Reviewed as {verdict}: @{opener} broke the glass for {environment}"),
                format!("It was reviewed as **{verdict}**; the ledger says by whom."),
                json!({"state": "closed", "state_reason": "completed"}),
            ),
        };
        let commit = exception.commit.as_ref().map_or("any", |commit| commit.as_str());
        let pages = row.let_through.iter().map(|decision| format!("\n- {url}/decisions/{decision}"));
        let pages: String = pages.collect();
        let let_through = if pages.is_empty() { " nothing yet." } else { pages.as_str() };
        let body = format!(
            "@{opener} opened an exception: until {}, this is let through although a rule is broken or something cannot be \
             told.\n\n    environment  {environment}\n    commit       {commit}\n    reason       {}\n    ticket       \
             {}\n\nLet through:{let_through}\n\n{ask}\n\n{}\n",
            exception.ends,
            line(&exception.reason),
            line(&exception.ticket),
            mark(row),
        );
        let mut words = json!({"title": title, "body": body});
        if let (Some(words), Value::Object(state)) = (words.as_object_mut(), state) {
            words.extend(state);
        }
        words
    }
}

/// The issue of this exception that was opened already, where nobody lived to note it. Only issues since it was opened can be.
async fn opened_before(client: &Client, path: &str, row: &ExceptionRow) -> Result<Option<String>, GitHubError> {
    let listed: Vec<Issue> = client.get_all(&format!("{path}?state=all&since={}&per_page=100", since(row))).await?;
    let mark = mark(row);
    let of_it = |issue: &Issue| issue.pull_request.is_none() && issue.body.as_ref().is_some_and(|b| b.contains(&mark));
    // The oldest: whoever copies the mark does so later.
    Ok(listed.iter().filter(|issue| of_it(issue)).map(|issue| issue.number).min().map(|number| number.to_string()))
}

/// A day before it was opened: clocks differ.
fn since(row: &ExceptionRow) -> String {
    let at = time::OffsetDateTime::from_unix_timestamp(row.opened_at / 1_000 - 86_400);
    at.ok().and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}

/// By this an issue is known again.
fn mark(row: &ExceptionRow) -> String {
    format!("<!-- countersign exception {} -->", row.exception.id)
}

/// Text of others on one line.
fn line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
