//! The rules in force: built-in packs or texts from elsewhere, their digest, and their sources for replay.
//!
//! Invariant: the digest covers every byte that is judged by. Whoever parses the same sources gets the same digest and
//! the same verdicts. Next: `decide.rs`.

use super::entities::Names;
use super::explain::BRANCHES;
use super::packs::{PACKS, Pack};
use super::rulebook::Rulebook;
use super::validate::{Problem, SCHEMA_FILE, Words, validate};
use cedar_policy::{EntityUid, Policy, Schema, SchemaFragment};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};

const SCHEMA: &str = include_str!("../../../policies/schema.cedarschema");

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
    #[error("there is no policy pack `{name}`{meant}: name one of {known}")]
    UnknownPack {
        /// The name.
        name: String,
        /// What was probably meant, in brackets, where a name is near.
        meant: String,
        /// Those there are.
        known: String,
    },
    /// None, or more than one, of the packs that say how many people it takes.
    #[error("name exactly one of {known}: {named}")]
    NotOneBase {
        /// Those there are.
        known: String,
        /// What was named.
        named: String,
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
    declared: HashMap<String, HashSet<String>>,
}

impl Policies {
    /// The rules of these built-in packs together.
    pub fn builtin(packs: &[String]) -> Result<Self, PolicyError> {
        let quoted = |packs: &mut dyn Iterator<Item = &str>| {
            packs.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        };
        let known = || quoted(&mut PACKS.iter().map(|pack| pack.name));
        if packs.is_empty() {
            return Err(PolicyError::NoPack { known: known() });
        }
        let mut named = Vec::new();
        for name in packs {
            let pack = PACKS.iter().find(|pack| pack.name == name);
            let unknown = || PolicyError::UnknownPack { name: name.clone(), meant: meant(name), known: known() };
            named.push(pack.ok_or_else(unknown)?);
        }
        let bases: Vec<&str> = named.iter().filter(|pack| pack.is_base).map(|pack| pack.name).collect();
        if bases.len() != 1 {
            return Err(PolicyError::NotOneBase {
                known: quoted(&mut PACKS.iter().filter(|pack| pack.is_base).map(|pack| pack.name)),
                named: if bases.is_empty() {
                    "none is named".to_owned()
                } else {
                    format!("{} are named", quoted(&mut bases.iter().copied()))
                },
            });
        }
        let files = named.into_iter().flat_map(Pack::files).collect();
        Self::parse(SCHEMA, &files)
    }

    /// The same against the schema of this build.
    pub fn parse_built_in_schema(files: &BTreeMap<String, String>) -> Result<Self, PolicyError> {
        Self::parse(SCHEMA, files)
    }

    /// Rules from their texts: a schema, and files that each hold one rule.
    pub fn parse(schema: &str, files: &BTreeMap<String, String>) -> Result<Self, PolicyError> {
        let reserved: Vec<&str> = BRANCHES.iter().map(|branch| branch.code).collect();
        let valid = validate(schema, files, &reserved).map_err(PolicyError::Invalid)?;
        let names = Names::new().map_err(|error| PolicyError::Invalid(vec![Problem::whole(SCHEMA_FILE, error)]))?;
        let rules = Rulebook::new(&valid.schema, valid.rules);
        let spoken_of = rules.all().flat_map(Policy::entity_literals).collect();
        Ok(Self {
            digest: digest(schema, files),
            sources: Sources { schema: schema.to_owned(), files: files.clone() },
            schema: valid.schema,
            rules,
            declared: declared(schema),
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

    /// Whether the schema knows this attribute. Rules that were recorded under an older schema cannot speak of what came
    /// since, and are asked without it: that is how an old decision is made again.
    pub(crate) fn declares(&self, of: &str, attribute: &str) -> bool {
        self.declared.get(of).is_some_and(|known| known.contains(attribute))
    }

    /// Whether a rule speaks of this very person, so that nobody else may stand in for them.
    pub(crate) fn speaks_of(&self, entity: &EntityUid) -> bool {
        self.spoken_of.contains(entity)
    }
}

/// The pack whose name is nearest, where one is near.
fn meant(name: &str) -> String {
    let near = PACKS.iter().map(|pack| pack.name).min_by_key(|pack| strsim::damerau_levenshtein(pack, name));
    let near = near.filter(|pack| strsim::damerau_levenshtein(pack, name) <= 3);
    near.map_or_else(String::new, |pack| format!(" (did you mean `{pack}`?)"))
}

/// The attributes that a schema declares of each type of entity.
fn declared(schema: &str) -> HashMap<String, HashSet<String>> {
    let Ok((fragment, _)) = SchemaFragment::from_cedarschema_str(schema) else { return HashMap::new() };
    let json = fragment.to_json_value().unwrap_or_default();
    let types = json.pointer("//entityTypes").and_then(Value::as_object).into_iter().flatten();
    let attributes = |of: &Value| {
        let attributes = of.pointer("/shape/attributes").and_then(Value::as_object);
        attributes.map(|attributes| attributes.keys().cloned().collect()).unwrap_or_default()
    };
    types.map(|(name, of)| (name.clone(), attributes(of))).collect()
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
