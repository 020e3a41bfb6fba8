//! What the service told a job, once it is sure that it was told to this job, and now.
//!
//! Invariant: an outcome is believed only from an answer that names this repository, environment, commit, run and attempt,
//! the artifact, and the number this request made up, has not ended and, where a key is pinned, is signed by it. An
//! outcome of another name is an error.

use crate::http::gate::ANSWER;
use crate::settings::same_environment;
use anyhow::{Context, bail, ensure};
use countersign_core::domain::{Outcome, Verdict};
use countersign_core::ledger::note::{Note, VerifyingKey};
use countersign_core::policy::title;
use serde::Deserialize;
use serde_json::Value;

/// What an answer must name.
#[derive(Debug)]
pub struct Expected<'a> {
    /// The repository's id.
    pub repository: &'a str,
    /// The run's.
    pub run: &'a str,
    /// The attempt.
    pub attempt: &'a str,
    /// The environment.
    pub environment: &'a str,
    /// The commit.
    pub commit: &'a str,
    /// The artifact.
    pub digest: Option<&'a str>,
    /// What this request made up.
    pub nonce: &'a str,
    /// In seconds since 1970.
    pub now: i64,
}

/// One reason, in words.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Because {
    /// The code.
    pub code: String,
    /// One sentence.
    pub text: String,
    /// What to do.
    pub remedy: String,
}

/// What was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The outcome.
    pub outcome: Outcome,
    /// The decision's id; empty where nothing keeps it.
    pub decision: String,
    /// Where people read it.
    pub page: String,
    /// In one sentence.
    pub title: String,
    /// Why.
    pub reasons: Vec<Because>,
    /// Who deploys.
    pub deployers: Vec<String>,
    /// Who could.
    pub can_deploy: Vec<String>,
    /// The signed answer, or the folder of the evidence.
    pub evidence: String,
    /// The attestation of an allowed deployment, for others to check.
    pub attestation: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    outcome: Outcome,
    decision: String,
    page: String,
    repository_id: String,
    environment: String,
    commit: String,
    run: String,
    attempt: String,
    digest: Option<String>,
    nonce: Option<String>,
    ends: i64,
    title: String,
    reasons: Vec<Because>,
    deployers: Vec<String>,
    can_deploy: Vec<String>,
}

impl Told {
    /// Reads the service's answer.
    pub fn read(answer: &Value, key: Option<&str>, expected: &Expected<'_>) -> anyhow::Result<Self> {
        let note = answer.get("note").and_then(Value::as_str).context("the service's answer holds no decision")?;
        let signed = Note::parse(note).context("the service's answer cannot be read")?;
        let text = match key {
            Some(key) => {
                let key = VerifyingKey::parse(key).context("`server-key` is no key")?;
                signed.verify(std::slice::from_ref(&key)).context("the answer is not signed by `server-key`")?
            }
            None => signed.unproved_text(),
        };
        let told = text.strip_prefix(ANSWER).and_then(|rest| rest.strip_prefix('\n'));
        let told: Answer = serde_json::from_str(told.context("the service's answer is no answer of a gate")?)
            .context("the service's answer cannot be read")?;
        let same = |what: &str, told: &str, expected: &str| {
            ensure!(told == expected, "the answer is for {what} `{told}`, and this is `{expected}`");
            Ok(())
        };
        same("repository", &told.repository_id, expected.repository)?;
        same("run", &told.run, expected.run)?;
        same("attempt", &told.attempt, expected.attempt)?;
        same("commit", &told.commit, &expected.commit.to_ascii_lowercase())?;
        if !same_environment(&told.environment, expected.environment) {
            same("environment", &told.environment, expected.environment)?;
        }
        let digest = expected.digest.map(str::to_ascii_lowercase).unwrap_or_default();
        same("artifact", told.digest.as_deref().unwrap_or_default(), &digest)?;
        if told.nonce.as_deref() != Some(expected.nonce) {
            bail!("the answer was given to another request");
        }
        if told.decision.is_empty() || !told.decision.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            bail!("the answer names no decision");
        }
        if told.ends <= expected.now {
            bail!("the answer has ended already: compare the clocks");
        }
        Ok(Self {
            outcome: told.outcome,
            decision: told.decision,
            page: told.page,
            title: told.title,
            reasons: told.reasons,
            deployers: told.deployers,
            can_deploy: told.can_deploy,
            evidence: note.to_owned(),
            attestation: answer.get("attestation").filter(|envelope| envelope.is_object()).map(Value::to_string),
        })
    }

    /// What was judged here, without a service.
    pub fn of(verdict: &Verdict, evidence: String) -> Self {
        let because = |reason: &countersign_core::domain::Reason| Because {
            code: reason.code.clone(),
            text: reason.text.clone(),
            remedy: reason.remedy.clone(),
        };
        Self {
            outcome: verdict.outcome,
            decision: String::new(),
            page: String::new(),
            title: title(verdict),
            reasons: verdict.reasons.iter().map(because).collect(),
            deployers: verdict.deployers.iter().map(|deployer| deployer.account.login.clone()).collect(),
            can_deploy: verdict.can_deploy.iter().map(|account| account.login.clone()).collect(),
            evidence,
            attestation: None,
        }
    }

    /// Whether waiting can change it.
    pub fn may_change(&self) -> bool {
        match self.outcome {
            Outcome::Pending | Outcome::Undetermined => true,
            Outcome::Allow | Outcome::Exception | Outcome::Deny => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use countersign_core::ledger::note::SigningKey;
    use serde_json::json;

    fn key() -> SigningKey {
        SigningKey::from_seed("countersign.test/ledger", [7; 32]).unwrap()
    }

    fn told() -> Value {
        json!({
            "outcome": "allow", "decision": "d1", "page": "", "repository_id": "7", "environment": "production",
            "commit": "ab", "run": "9", "attempt": "1", "digest": null, "nonce": "n", "ends": 100, "title": "",
            "reasons": [], "deployers": [], "can_deploy": [],
        })
    }

    fn answer(told: &Value, key: &SigningKey) -> Value {
        json!({"outcome": "allow", "note": key.sign(&format!("{ANSWER}\n{told}\n")).unwrap()})
    }

    fn expected() -> Expected<'static> {
        let (run, attempt, environment, commit) = ("9", "1", "Production", "AB");
        Expected { repository: "7", run, attempt, environment, commit, digest: None, nonce: "n", now: 99 }
    }

    #[test]
    fn an_answer_to_this_job_is_read() {
        let pinned = key().verifying_key().to_string();
        for key_given in [None, Some(pinned.as_str())] {
            let read = Told::read(&answer(&told(), &key()), key_given, &expected()).unwrap();
            assert_eq!((read.outcome, read.decision.as_str()), (Outcome::Allow, "d1"));
        }
    }

    #[test]
    fn an_answer_that_names_anything_else_is_an_error() {
        for (field, other) in [
            ("repository_id", json!("8")),
            ("environment", json!("staging")),
            ("commit", json!("cd")),
            ("run", json!("10")),
            ("attempt", json!("2")),
            ("digest", json!("sha256:00")),
            ("nonce", json!("m")),
            ("nonce", Value::Null),
            ("ends", json!(99)),
            ("outcome", json!("allowed")),
            ("outcome", Value::Null),
        ] {
            let mut told = told();
            told[field] = other;
            assert!(Told::read(&answer(&told, &key()), None, &expected()).is_err(), "{field}");
        }
    }

    #[test]
    fn an_answer_that_another_key_signed_is_an_error() {
        let other = SigningKey::from_seed("countersign.test/ledger", [8; 32]).unwrap();
        let pinned = key().verifying_key().to_string();
        assert!(Told::read(&answer(&told(), &other), Some(&pinned), &expected()).is_err());
        assert!(Told::read(&answer(&told(), &key()), Some("no key"), &expected()).is_err());
        assert!(Told::read(&json!({"outcome": "allow"}), None, &expected()).is_err());
        assert!(Told::read(&json!({"note": "allow"}), None, &expected()).is_err());
    }

    #[test]
    fn what_the_key_signs_elsewhere_is_no_answer() {
        let note = key().sign(&format!("countersign.test/ledger\n{}\n", told())).unwrap();
        assert!(Told::read(&json!({"note": note}), None, &expected()).is_err());
    }
}
