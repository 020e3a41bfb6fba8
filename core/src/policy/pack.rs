//! The rules in force: built-in packs or texts from elsewhere, their digest, and their sources for replay.
//!
//! Invariant: the digest covers every byte that is judged by. Whoever parses the same sources gets the same digest and
//! the same verdicts. Next: `decide.rs`.

use super::entities::Names;
use super::explain::BRANCHES;
use super::rulebook::Rulebook;
use super::validate::{Problem, SCHEMA_FILE, Words, validate};
use cedar_policy::{EntityUid, Policy, Schema};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashSet};

const SCHEMA: &str = include_str!("../../../policies/schema.cedarschema");

macro_rules! pack {
    ($pack:literal: $($rule:literal)*) => {
        &[$((
            concat!($pack, "/", $rule, ".cedar"),
            include_str!(concat!("../../../policies/", $pack, "/", $rule, ".cedar")),
        )),*]
    };
}

/// A pack: its name and its files.
type Pack = (&'static str, &'static [(&'static str, &'static str)]);

/// Every pack that this build carries.
const PACKS: &[Pack] = &[(
    "three-person",
    pack!("three-person":
        "may-approve" "may-merge" "may-deploy"
        "approver-is-author" "approver-is-automation" "approver-lacks-write" "approval-stale" "approval-withdrawn"
        "approval-elsewhere" "approval-late"
        "review-missing" "changes-requested" "author-unattributed" "sponsor-unknown" "pull-request-missing"
        "landed-outside-process" "content-diverged"
        "deployer-is-author" "deployer-is-reviewer" "deployer-unknown" "commit-off-branch" "commit-mismatch" "decision-spent"
        "history-rewritten" "baseline-missing" "rollback-unknown" "event-untrusted"
    ),
)];

/// What can be wrong with rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// No pack was named: an empty policy must not mean success.
    #[error("no policy pack is named: name one of {known}")]
    NoPack {
        /// Those there are.
        known: String,
    },
    /// A pack of that name does not exist.
    #[error("there is no policy pack `{name}`: name one of {known}")]
    UnknownPack {
        /// The name.
        name: String,
        /// Those there are.
        known: String,
    },
    /// The rules themselves are wrong.
    #[error("the policy is not valid: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<Problem>),
}

/// The texts that rules were read from, as they are exported and read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// The Cedar schema.
    pub schema: String,
    /// The rules, one per file, by name.
    pub files: BTreeMap<String, String>,
}

/// The rules in force.
#[derive(Debug)]
pub struct Policies {
    sources: Sources,
    digest: String,
    schema: Schema,
    rules: Rulebook,
    words: BTreeMap<String, Words>,
    names: Names,
    spoken_of: HashSet<EntityUid>,
}

impl Policies {
    /// The rules of these built-in packs together.
    pub fn builtin(packs: &[String]) -> Result<Self, PolicyError> {
        let known = || PACKS.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        if packs.is_empty() {
            return Err(PolicyError::NoPack { known: known() });
        }
        let mut files = BTreeMap::new();
        for name in packs {
            let Some((_, rules)) = PACKS.iter().find(|(pack, _)| pack == name) else {
                return Err(PolicyError::UnknownPack { name: name.clone(), known: known() });
            };
            files.extend(rules.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())));
        }
        Self::parse(SCHEMA, &files)
    }

    /// Rules from their texts: a schema, and files that each hold one rule.
    pub fn parse(schema: &str, files: &BTreeMap<String, String>) -> Result<Self, PolicyError> {
        let reserved: Vec<&str> = BRANCHES.iter().map(|branch| branch.code).collect();
        let valid = validate(schema, files, &reserved).map_err(PolicyError::Invalid)?;
        let names = Names::new().map_err(|error| {
            PolicyError::Invalid(vec![Problem {
                file: SCHEMA_FILE.to_owned(),
                line: 1,
                span: (0, 0),
                message: error,
                help: None,
            }])
        })?;
        let rules = Rulebook::new(&valid.schema, valid.rules);
        let spoken_of = rules.all().flat_map(Policy::entity_literals).collect();
        Ok(Self {
            digest: digest(schema, files),
            sources: Sources { schema: schema.to_owned(), files: files.clone() },
            schema: valid.schema,
            rules,
            words: valid.words,
            names,
            spoken_of,
        })
    }

    /// Hexadecimal SHA-256 over the listing of all sources: what `sha256sum` prints of them, sorted by name.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The texts these rules were read from.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The words of every rule, by its id.
    pub fn words(&self) -> &BTreeMap<String, Words> {
        &self.words
    }

    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }

    pub(crate) fn rules(&self) -> &Rulebook {
        &self.rules
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// Whether a rule speaks of this very person, so that nobody else may stand in for them.
    pub(crate) fn speaks_of(&self, entity: &EntityUid) -> bool {
        self.spoken_of.contains(entity)
    }
}

fn digest(schema: &str, files: &BTreeMap<String, String>) -> String {
    let mut listing: BTreeMap<&str, &str> = files.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
    listing.insert(SCHEMA_FILE, schema);
    let mut whole = Sha256::new();
    for (file, text) in listing {
        let line = format!("{}  {file}\n", hex::encode(Sha256::digest(text.as_bytes())));
        whole.update(line.as_bytes());
    }
    hex::encode(whole.finalize())
}
