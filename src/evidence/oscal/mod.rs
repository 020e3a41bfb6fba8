//! The population as OSCAL assessment results, for programs that keep track of controls.
//!
//! Invariant: memory does not grow with the rows: what is found is spooled to temporary files as it goes by, and put
//! together at the end. Ids follow from the ledger's root and what they name (UUID version 5), so that the same bundle
//! gives the same bytes; every id that is referred to is defined. A rule is satisfied where nothing that broke it reached
//! production without an exception.

mod controls;
mod model;
mod spool;

use super::EvidenceError;
use super::catalogue::Catalogue;
use super::directory::Growing;
use super::population::incidents::{ExceptionRow, GapRow};
use super::population::rows::{ChangeRow, Row};
use super::population::{Cell, Period};
use super::seen::Seen;
use controls::{reviewed, token};
use model::{
    Actor, BackMatter, Component, Document, Evidence, Finding, ImportAp, LocalDefinitions, Metadata, Observation,
    OfObservation, OfRisk, Origin, Property, Resource, ResultHead, Risk, RiskEntry, RiskLog, Rlink, State,
    SubjectReference, Target,
};
use serde::Serialize;
use spool::{Spool, spelled};
use std::collections::BTreeSet;
use uuid::Uuid;

const VERSION: &str = "1.1.3";
/// Whose the names of our properties are.
const OURS: &str = "https://github.com/countersign/countersign";
/// A time for what happened at none: a bundle without entries.
const NEVER: &str = "1970-01-01T00:00:00Z";

/// The results while rows go by.
pub(super) struct Results {
    ids: Uuid,
    observations: Spool,
    risks: Spool,
    findings: Spool,
    /// Repositories and environments that something was observed of.
    places: BTreeSet<(String, String)>,
}

/// What the results are about.
pub(super) struct About<'a> {
    pub(super) period: Option<&'a Period>,
    pub(super) seen: &'a Seen,
    pub(super) catalogue: &'a Catalogue,
}

/// One matter: something observed, the finding that follows, and what is at risk.
struct Matter<'a> {
    /// What tells it from every other.
    name: String,
    title: String,
    description: String,
    /// Where.
    place: Option<(&'a str, &'a str)>,
    /// When it was seen.
    time: &'a str,
    entry: u64,
    /// The objective that it speaks of, and whether it is met all the same.
    objective: String,
    satisfied: bool,
    risk: Option<AtRisk<'a>>,
}

struct AtRisk<'a> {
    statement: &'static str,
    deadline: Option<&'a str>,
    /// When, and how, it was closed.
    closed: Option<(&'a str, String)>,
}

impl Results {
    /// Begins; the root of the ledger gives the ids their space.
    pub(super) fn begin(root: &str) -> Result<Self, EvidenceError> {
        Ok(Self {
            ids: Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{OURS}#{root}").as_bytes()),
            observations: Spool::begin()?,
            risks: Spool::begin()?,
            findings: Spool::begin()?,
            places: BTreeSet::new(),
        })
    }

    /// Takes a row: deviations, exceptions and gaps are told of one by one.
    pub(super) fn row(&mut self, row: &Row) -> Result<(), EvidenceError> {
        match row {
            Row::Change(row) if !row.holds() => self.deviation(row),
            Row::Exception(row) => self.exception(row),
            Row::Gap(row) => self.gap(row),
            Row::Deployment(row) => {
                self.places.insert((row.repository.clone(), row.environment.clone()));
                Ok(())
            }
            Row::Change(_) | Row::Commit(_) => Ok(()),
        }
    }

    fn deviation(&mut self, row: &ChangeRow) -> Result<(), EvidenceError> {
        let change = row.change.shown();
        let reasons = if row.reasons.is_empty() { "none" } else { &row.reasons };
        let first = row.reasons.split("; ").next().filter(|code| !code.is_empty());
        self.matter(Matter {
            name: format!("change:{}:{}", row.place.position, change),
            title: format!("{} {change} to {}: {}", row.repository, row.environment, row.outcome),
            description: format!(
                "It reached production; its deployment was decided as {}. Rules broken: {reasons}. Somebody else reviewed it: {}; \
                 no contributor deployed it: {}; somebody reviewed it who did not deploy: {}.",
                row.outcome,
                Cell::Holds(row.author_is_not_reviewer).plain(),
                Cell::Holds(row.author_is_not_deployer).plain(),
                Cell::Holds(row.reviewer_is_not_deployer).plain(),
            ),
            place: Some((&row.repository, &row.environment)),
            time: &row.deployed_at,
            entry: row.place.position,
            objective: first.unwrap_or("three-different-people").to_owned(),
            satisfied: false,
            risk: Some(AtRisk {
                statement: "A change is in production without three different people behind it",
                deadline: None,
                closed: None,
            }),
        })
    }

    fn exception(&mut self, row: &ExceptionRow) -> Result<(), EvidenceError> {
        let reviewed = match &row.reviewed_at {
            Cell::Time(time) if row.review == "justified" => {
                Some((time.as_str(), format!("{} calls it justified", row.reviewed_by)))
            }
            _ => None,
        };
        self.matter(Matter {
            name: format!("exception:{}", row.id),
            title: format!("Exception for {} to {}: {}", row.repository, row.environment, row.review),
            description: format!(
                "{} opened it for the ticket {}: {}. It let {} decisions through. Review: {}.",
                row.opened_by,
                if row.ticket.is_empty() { "(none)" } else { &row.ticket },
                row.reason,
                row.let_through,
                row.review,
            ),
            place: Some((&row.repository, &row.environment)),
            time: &row.opened_at,
            entry: row.position,
            objective: "exception-reviewed".to_owned(),
            satisfied: row.review == "justified" && row.in_time == Some(true) && row.reviewer_had_no_part == Some(true),
            risk: Some(AtRisk {
                statement: "Rules were broken on purpose in an emergency",
                deadline: Some(&row.due),
                closed: reviewed,
            }),
        })
    }

    fn gap(&mut self, row: &GapRow) -> Result<(), EvidenceError> {
        let known = [&row.from, &row.to].into_iter().find_map(|cell| match cell {
            Cell::Time(time) => Some(time.as_str()),
            _ => None,
        });
        let number = self.observations.items;
        let place = (!row.repository.is_empty()).then_some((row.repository.as_str(), row.environment.as_str()));
        self.matter(Matter {
            name: format!("gap:{}:{number}", row.kind),
            title: format!("Gap: {}", row.kind),
            description: format!("{}.", row.what),
            place,
            time: known.unwrap_or(NEVER),
            entry: row.position,
            objective: "population-complete".to_owned(),
            satisfied: false,
            risk: Some(AtRisk {
                statement: "Something may have reached production outside the control or the record",
                deadline: None,
                closed: None,
            }),
        })
    }

    fn matter(&mut self, matter: Matter<'_>) -> Result<(), EvidenceError> {
        let place = matter.place.map(|(repository, environment)| (repository.to_owned(), environment.to_owned()));
        let subjects =
            place.iter().map(|place| SubjectReference { subject_uuid: self.place_id(place), kind: "component" });
        let observation = self.id("observation", &matter.name);
        self.observations.add(&Observation {
            uuid: observation,
            title: line(&matter.title),
            description: matter.description.clone(),
            props: vec![Property { name: "entry", ns: OURS, value: matter.entry.to_string() }],
            methods: ["TEST"],
            types: ["finding"],
            origins: [self.origin()],
            subjects: subjects.collect(),
            relevant_evidence: [Evidence {
                href: "entries.jsonl",
                description: format!("The entry at position {} of the ledger", matter.entry),
            }],
            collected: matter.time,
        })?;
        self.places.extend(place);
        let mut related_risks = Vec::new();
        if let Some(risk) = matter.risk {
            let uuid = self.id("risk", &matter.name);
            related_risks.push(OfRisk { risk_uuid: uuid });
            let log = risk.closed.as_ref().map(|(time, how)| RiskLog {
                entries: [RiskEntry {
                    uuid: self.id("closure", &matter.name),
                    title: line(how),
                    start: time,
                    status_change: "closed",
                }],
            });
            self.risks.add(&Risk {
                uuid,
                title: line(&matter.title),
                description: matter.description.clone(),
                statement: risk.statement,
                status: if log.is_some() { "closed" } else { "open" },
                deadline: risk.deadline,
                log,
                related_observations: [OfObservation { observation_uuid: observation }],
            })?;
        }
        let finding = Finding {
            uuid: self.id("finding", &matter.name),
            title: line(&matter.title),
            description: matter.description,
            props: Vec::new(),
            target: target(matter.objective, matter.satisfied),
            related_observations: [OfObservation { observation_uuid: observation }],
            related_risks,
        };
        self.findings.add(&finding)
    }

    /// One observation and one finding for each rule, from what became of it.
    fn rules(&mut self, about: &About<'_>, time: &str) -> Result<(), EvidenceError> {
        let decisions = about.seen.decisions;
        for (code, rule) in &about.catalogue.rules {
            let upheld = about.seen.rules.get(code).copied().unwrap_or_default();
            let observation = self.id("observation", &format!("rule:{code}"));
            let description = format!(
                "{}. Attempts to deploy: {} stopped, {} let through by an exception, {} in production without one. All {decisions} \
                 decisions of the record can be made again from their facts.",
                rule.summary, upheld.stopped, upheld.excepted, upheld.reached
            );
            self.observations.add(&Observation {
                uuid: observation,
                title: format!("Rule {code}"),
                description: description.clone(),
                props: [
                    ("stopped", upheld.stopped),
                    ("excepted", upheld.excepted),
                    ("reached-production", upheld.reached),
                ]
                .map(|(name, count)| Property { name, ns: OURS, value: count.to_string() })
                .into(),
                methods: ["TEST"],
                types: ["control-objective"],
                origins: [self.origin()],
                subjects: Vec::new(),
                relevant_evidence: [Evidence {
                    href: "deployments.csv",
                    description: "Every attempt to deploy, with the rules that it broke".to_owned(),
                }],
                collected: time,
            })?;
            let props =
                rule.controls.iter().map(|control| Property { name: "control", ns: OURS, value: token(control) });
            let finding = Finding {
                uuid: self.id("finding", &format!("rule:{code}")),
                title: format!("Rule {code}"),
                description,
                props: props.collect(),
                target: target(code.clone(), upheld.reached == 0),
                related_observations: [OfObservation { observation_uuid: observation }],
                related_risks: Vec::new(),
            };
            self.findings.add(&finding)?;
        }
        Ok(())
    }

    /// Puts everything together.
    pub(super) fn finish(mut self, about: &About<'_>, mut file: Growing) -> Result<Growing, EvidenceError> {
        let last = about.seen.last.clone().unwrap_or_else(|| NEVER.to_owned());
        self.rules(about, &last)?;
        let first = about.seen.first.as_deref().unwrap_or(NEVER);
        let (start, end) = about.period.map_or((first, last.as_str()), |period| (&period.from, &period.to));
        let plan = self.id("resource", "plan");
        let document = Document {
            uuid: self.id("document", &format!("{start} {end} {}", about.seen.entries)),
            metadata: Metadata {
                title: "Separation of duties in software delivery: assessment results",
                last_modified: &last,
                version: format!("{} entries", about.seen.entries),
                oscal_version: VERSION,
            },
            import_ap: ImportAp {
                href: format!("#{plan}"),
                remarks: "There is no plan apart from the policies: every decision is assessed, not a sample.",
            },
        };
        let head = ResultHead {
            uuid: self.id("result", &format!("{start} {end}")),
            title: "Author, reviewer and deployer are different people",
            description: format!(
                "{} entries of an append-only ledger, with {} decisions, each made again from its facts by `countersign evidence verify`.",
                about.seen.entries, about.seen.decisions
            ),
            start,
            end,
            local_definitions: LocalDefinitions { components: self.components() },
            reviewed_controls: reviewed(about.catalogue),
        };
        let back = BackMatter { resources: vec![Self::plan(plan)] };
        file.bytes(b"{\"assessment-results\":")?;
        open(&document, &mut file)?;
        file.bytes(b",\"results\":[")?;
        open(&head, &mut file)?;
        for (name, spool) in [("observations", self.observations), ("risks", self.risks), ("findings", self.findings)] {
            if spool.items > 0 {
                file.bytes(format!(",\"{name}\":[").as_bytes())?;
                spool.pour(&mut file)?;
                file.bytes(b"]")?;
            }
        }
        file.bytes(b"}],\"back-matter\":")?;
        file.bytes(&spelled(&back)?)?;
        file.bytes(b"}}\n")?;
        Ok(file)
    }

    fn components(&self) -> Vec<Component> {
        let status = || State { state: "operational", reason: None };
        let own = Component {
            uuid: self.tool(),
            kind: "software",
            title: "Countersign".to_owned(),
            description: "The service that decides at the door of production, and keeps the ledger",
            status: status(),
        };
        let places = self.places.iter().map(|place| Component {
            uuid: self.place_id(place),
            kind: "service",
            title: line(&format!("{} {}", place.0, place.1)),
            description: "A repository, and an environment that its commits are deployed to",
            status: status(),
        });
        [own].into_iter().chain(places).collect()
    }

    fn plan(uuid: Uuid) -> Resource {
        Resource {
            uuid,
            title: "Assessment plan: the policies in force",
            description: "The Cedar rules that every decision was made by, with the controls that they serve, and the settings that say what is in scope.",
            rlinks: vec![Rlink { href: "manifest.json" }, Rlink { href: "report.html" }],
        }
    }

    fn id(&self, kind: &str, name: &str) -> Uuid {
        Uuid::new_v5(&self.ids, format!("{kind}\n{name}").as_bytes())
    }

    fn place_id(&self, (repository, environment): &(String, String)) -> Uuid {
        self.id("component", &format!("{repository}\n{environment}"))
    }

    fn tool(&self) -> Uuid {
        self.id("component", "countersign")
    }

    fn origin(&self) -> Origin {
        Origin { actors: [Actor { kind: "tool", actor_uuid: self.tool() }] }
    }
}

fn target(objective: String, satisfied: bool) -> Target {
    let (state, reason) = if satisfied { ("satisfied", "pass") } else { ("not-satisfied", "fail") };
    Target { kind: "objective-id", objective, status: State { state, reason: Some(reason) } }
}

/// Words in one line.
fn line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() { "untitled".to_owned() } else { line }
}

/// An object without its closing brace, so that more members can follow.
fn open<T: Serialize>(value: &T, file: &mut Growing) -> Result<(), EvidenceError> {
    let bytes = spelled(value)?;
    file.bytes(bytes.strip_suffix(b"}").unwrap_or(&bytes))
}
