//! `countersign.toml`: what the operator decides.
//!
//! Invariant: an unknown key, a wrong type or a contradiction is an error with a place and a way out; nothing is
//! guessed. Scalars can also come as `COUNTERSIGN_SECTION_KEY`, which wins over the file.

mod environment;
mod exceptions;
mod fault;
mod ledger;
mod reach;
mod scopes;

pub use exceptions::{Exceptions, TokenSettings};
pub use fault::{Fault, SettingsError};
pub use ledger::{Ledger, WitnessSettings};

use countersign_core::ledger::canonical;
use countersign_core::policy::Policies;
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// All settings.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The HTTP side.
    pub server: Server,
    /// The App and where GitHub is.
    pub github: GitHub,
    /// The database.
    pub storage: Storage,
    /// The ledger's key.
    pub ledger: Ledger,
    /// Whose tokens the gate believes.
    pub oidc: Oidc,
    /// Which repositories, branches and environments are under control.
    pub scope: Vec<Scope>,
    /// What ran in production when the control started.
    pub baseline: Vec<Baseline>,
    /// People with several accounts, or with e-mails of their own.
    pub person: Vec<PersonSettings>,
    /// What is automation.
    pub automation: AutomationSettings,
    /// Who may break the glass.
    pub exceptions: Exceptions,
    /// What programs show to act for an account.
    pub token: Vec<TokenSettings>,
}

/// `[server]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Address and port to listen on.
    pub listen: String,
    /// The address under which people reach the service, for links; empty: the one it listens on.
    pub public_url: String,
    /// The first delay before something that failed is tried again, in milliseconds; doubled each time.
    pub retry_base_ms: u64,
    /// How long a subject rests between two looks, in milliseconds.
    pub pace_ms: u64,
    /// How many subjects are looked at side by side.
    pub evaluations: usize,
    /// How often missed deliveries, open pull requests and waiting deployments are looked for, in minutes; 0: never.
    pub sweep_minutes: u64,
    /// How often the service marks that it is alive, in milliseconds.
    pub heartbeat_ms: u64,
    /// How long a caller may take to send a request, its head and its body each, in milliseconds.
    pub patience_ms: u64,
    /// How long requests that are open when the service is stopped may take to come to their end, in milliseconds.
    pub stop_ms: u64,
    /// Anyone who can reach the service may read decisions and the ledger. Meant for a demonstration on one machine.
    pub open_reading: bool,
    /// SHA-256 (hexadecimal) of tokens whose bearers may read decisions and the ledger.
    pub reader_tokens: Vec<String>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".into(),
            public_url: String::new(),
            retry_base_ms: 1_000,
            pace_ms: 250,
            evaluations: 8,
            sweep_minutes: 10,
            heartbeat_ms: 5_000,
            patience_ms: 30_000,
            stop_ms: 10_000,
            open_reading: false,
            reader_tokens: Vec::new(),
        }
    }
}

/// `[github]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GitHub {
    /// The REST API.
    pub api_url: String,
    /// The GraphQL API; on GitHub Enterprise Server it is not below the REST API.
    pub graphql_url: String,
    /// The web pages, for links.
    pub web_url: String,
    /// How long the list of who can write is used without asking GitHub whether it still holds, in milliseconds.
    pub writers_ms: u64,
    /// The App's id.
    pub app_id: u64,
    /// The App's private key, PEM.
    pub private_key_file: PathBuf,
    /// Secrets that a delivery may be signed with; several while one is being replaced.
    #[serde(skip_serializing)]
    pub webhook_secrets: Vec<String>,
    /// Files that hold one such secret each.
    pub webhook_secret_files: Vec<PathBuf>,
}

impl Default for GitHub {
    fn default() -> Self {
        Self {
            api_url: "https://api.github.com".into(),
            graphql_url: "https://api.github.com/graphql".into(),
            web_url: "https://github.com".into(),
            writers_ms: 30_000,
            app_id: 0,
            private_key_file: PathBuf::new(),
            webhook_secrets: Vec::new(),
            webhook_secret_files: Vec::new(),
        }
    }
}

/// `[storage]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Storage {
    /// `sqlite://path`.
    pub url: String,
}

impl Default for Storage {
    fn default() -> Self {
        Self { url: "sqlite://countersign.sqlite".into() }
    }
}

/// `[oidc]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Oidc {
    /// Who signs the tokens of runs; on GitHub Enterprise Server `https://HOST/_services/token`.
    pub issuers: Vec<String>,
    /// For whom tokens must be made; empty: the service's public address.
    pub audience: String,
}

impl Default for Oidc {
    fn default() -> Self {
        Self { issuers: vec!["https://token.actions.githubusercontent.com".into()], audience: String::new() }
    }
}

/// `[[scope]]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// `owner/name`, or `owner/*`.
    pub repositories: Vec<String>,
    /// The production branch; default: the repository's default branch.
    #[serde(default)]
    pub production_branch: Option<String>,
    /// The production environments, compared case-folded and trimmed.
    #[serde(default = "production")]
    pub environments: Vec<String>,
    /// The packs of policies.
    #[serde(default = "three_person")]
    pub policies: Vec<String>,
    /// The checks that must have succeeded, for the pack `tested`.
    #[serde(default)]
    pub checks: Vec<String>,
    /// What a reference to a ticket looks like, a regular expression, for the pack `ticketed`.
    #[serde(default)]
    pub ticket: Option<String>,
}

fn production() -> Vec<String> {
    vec!["production".into()]
}

fn three_person() -> Vec<String> {
    vec!["three-person".into()]
}

/// `[[baseline]]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// `owner/name`.
    pub repository: String,
    /// The environment.
    pub environment: String,
    /// The full id of the commit.
    pub commit: String,
}

/// `[[person]]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonSettings {
    /// A name for people to read.
    pub name: String,
    /// Logins.
    #[serde(default)]
    pub accounts: Vec<String>,
    /// E-mail addresses of commits that belong to them.
    #[serde(default)]
    pub emails: Vec<String>,
}

/// `[automation]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AutomationSettings {
    /// Apps that need no sponsor.
    pub trusted: Vec<String>,
    /// Accounts of type User at which no person types.
    pub machine_users: Vec<String>,
    /// Who answers for an App of ours.
    pub sponsors: BTreeMap<String, Vec<String>>,
}

impl Default for AutomationSettings {
    fn default() -> Self {
        Self {
            trusted: vec!["dependabot[bot]".into(), "renovate[bot]".into()],
            machine_users: Vec::new(),
            sponsors: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// Reads the file (all defaults where `path` is `None`), lays the environment over it and checks the whole.
    pub fn load(
        path: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let (name, text) = match path {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|source| Fault::Unreadable { path: path.to_owned(), source })?;
                (path.display().to_string(), text)
            }
            None => ("defaults".to_owned(), String::new()),
        };
        let from_file: Self = toml::from_str(&text).map_err(|error| Fault::Invalid {
            message: error.message().to_owned(),
            help: "see countersign.example.toml for every key".to_owned(),
            span: error.span().map(Into::into),
            text: miette::NamedSource::new(name, text.clone()),
        })?;
        let mut settings = environment::overlay(from_file, &text, environment)?;
        for file in settings.github.webhook_secret_files.clone() {
            let secret =
                std::fs::read_to_string(&file).map_err(|source| Fault::Unreadable { path: file.clone(), source })?;
            settings.github.webhook_secrets.push(secret.trim().to_owned());
        }
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), SettingsError> {
        let contradiction = |message: String| Err(Fault::Contradiction(message).into());
        if let Some(why) = scopes::contradiction(&self.scope) {
            return contradiction(why);
        }
        for scope in &self.scope {
            for pattern in &scope.repositories {
                if !scopes::is_pattern(pattern) {
                    return contradiction(format!("`{pattern}` is no repository: write `owner/name` or `owner/*`"));
                }
            }
            if let Err(error) = Policies::builtin(&scope.policies) {
                return contradiction(format!("the policies of a scope cannot be used: {error}"));
            }
            let holds = |pack: &str| scope.policies.iter().any(|named| named == pack);
            if holds("tested") && (scope.checks.is_empty() || scope.checks.iter().any(String::is_empty)) {
                return contradiction("the pack `tested` needs `checks`: name those that must succeed".to_owned());
            }
            if holds("ticketed") {
                let pattern = scope.ticket.as_deref().unwrap_or_default();
                let matches_nothing = ticket_pattern(pattern).map(|pattern| pattern.is_match(""));
                match matches_nothing {
                    Ok(false) => {}
                    Ok(true) => {
                        return contradiction(format!(
                            "`{pattern}` matches nothing at all: `ticket` needs a pattern like `[A-Z]{{2,}}-[0-9]+`"
                        ));
                    }
                    Err(error) => return contradiction(format!("`{pattern}` is no pattern for tickets: {error}")),
                }
            }
        }
        for baseline in &self.baseline {
            let sha = &baseline.commit;
            if sha.len() < 40 || !sha.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return contradiction(format!("the baseline `{sha}` is no full commit id (40 hexadecimal digits)"));
            }
        }
        if let Some(wrong) = exceptions::wrong(&self.exceptions, &self.token) {
            return contradiction(wrong);
        }
        if let Some(wrong) = ledger::wrong(&self.ledger) {
            return contradiction(wrong);
        }
        if self.github.webhook_secrets.iter().any(String::is_empty) {
            return contradiction("an empty webhook secret would let anyone in: give it a value".to_owned());
        }
        Ok(())
    }

    /// The scopes a repository is in: of each environment the first that names it holds, of all else the first.
    pub fn scopes_of(&self, full_name: &str) -> impl Iterator<Item = &Scope> {
        self.scope.iter().filter(move |scope| scope.is_of(full_name))
    }

    /// What holds of a repository: the first scope it is in, with the environments of all of them.
    pub fn scope_of(&self, full_name: &str) -> Option<Scope> {
        let mut scopes = self.scopes_of(full_name);
        let mut first = scopes.next()?.clone();
        for named in scopes.flat_map(|scope| &scope.environments) {
            if !first.covers(named) {
                first.environments.push(named.clone());
            }
        }
        Some(first)
    }

    /// What holds of an environment of a repository.
    pub fn scope_for(&self, full_name: &str, environment: &str) -> Option<&Scope> {
        self.scopes_of(full_name).find(|scope| scope.covers(environment))
    }

    /// The baseline of an environment.
    pub fn baseline_of(&self, full_name: &str, environment: &str) -> Option<&Baseline> {
        self.baseline.iter().find(|baseline| {
            baseline.repository.eq_ignore_ascii_case(full_name) && same_environment(&baseline.environment, environment)
        })
    }

    /// SHA-256 over the settings that judgement depends on, hexadecimal, and the text it is over. Secrets are not in it.
    pub fn digest(&self) -> (String, String) {
        let judged = serde_json::json!({
            "scope": self.scope, "baseline": self.baseline, "person": self.person, "automation": self.automation,
            "exceptions": self.exceptions,
        });
        // Canonical, so that the digest does not depend on how the JSON library was built.
        let text = canonical::to_bytes(&judged).map_or_else(|_| judged.to_string(), |bytes| lossy(&bytes));
        (hex::encode(Sha256::digest(text.as_bytes())), text)
    }
}

/// A pattern for references to tickets, limited in what it may cost.
pub fn ticket_pattern(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).size_limit(1 << 20).build()
}

/// Environments are compared case-folded and trimmed: `Production ` is `production`.
pub fn same_environment(a: &str, b: &str) -> bool {
    a.trim().to_lowercase() == b.trim().to_lowercase()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn an_unknown_key_is_an_error_with_a_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("countersign.toml");
        std::fs::write(&path, "[server]\nlisten = \"127.0.0.1:1\"\nlissten = 3\n").unwrap();
        let error = Settings::load(Some(&path), std::iter::empty()).unwrap_err();
        let Fault::Invalid { message, span, .. } = *error.0 else { panic!("not about a key") };
        assert!(message.contains("lissten") && message.contains("listen"), "{message}");
        assert!(span.is_some());
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let pairs = [("COUNTERSIGN_SERVER_LISTEN".to_owned(), "127.0.0.1:9".to_owned())];
        let settings = Settings::load(None, pairs.into_iter()).unwrap();
        assert_eq!(settings.server.listen, "127.0.0.1:9");
    }

    #[test]
    fn an_empty_webhook_secret_is_refused() {
        let pairs = [("COUNTERSIGN_GITHUB_WEBHOOK_SECRETS".to_owned(), String::new())];
        assert!(Settings::load(None, pairs.into_iter()).is_err());
    }

    #[test]
    fn a_look_alike_environment_is_the_environment() {
        assert!(same_environment(" Production", "production "));
        assert!(!same_environment("production-eu", "production"));
    }

    #[test]
    fn the_example_is_valid_and_names_every_key() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("countersign.example.toml");
        let settings = Settings::load(Some(&path), std::iter::empty()).unwrap();
        assert_eq!(settings.scope_of("acme/shop").unwrap().policies, ["three-person"]);
        let text = std::fs::read_to_string(&path).unwrap();
        let named: toml::Table = text.parse().unwrap();
        let all = toml::Table::try_from(Settings::default()).unwrap();
        for section in ["server", "github", "storage", "ledger", "oidc", "automation", "exceptions"] {
            for key in all[section].as_table().unwrap().keys() {
                let shown = text.contains(&format!("# [[{section}.{key}]]"));
                assert!(shown || named[section].get(key).is_some(), "[{section}] {key}");
            }
        }
    }
}
