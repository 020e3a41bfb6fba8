//! The criteria that rules answer to: which frameworks there are, and what each criterion asks for, in our own short words.
//!
//! Invariant: every control that a built-in rule names has its words here; a repository's own rule may name others, which
//! are shown as they stand. The texts of the frameworks themselves are their publishers'.

use super::catalogue::Control;

/// A framework: how annotations name it, and how people do.
pub(super) struct Framework {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// Its criteria, with what each asks for in short.
    criteria: &'static [(&'static str, &'static str)],
}

/// The frameworks, in the order in which a reader wants them.
pub(super) const FRAMEWORKS: &[Framework] = &[
    Framework {
        id: "SOC2",
        title: "SOC 2, Trust Services Criteria (AICPA TSP 100, 2017, points of focus 2022)",
        criteria: &[
            ("CC6.1", "Access to protected information assets is restricted by logical access controls"),
            ("CC6.2", "Users are registered and authorised before they are given access, and removed afterwards"),
            ("CC6.3", "Access is given by role, with least privilege and segregation of duties"),
            ("CC7.1", "Changes to configurations that bring in weaknesses are detected"),
            ("CC7.2", "Components are watched for anomalies, and these are analysed"),
            ("CC8.1", "Changes are authorised, documented, tested, approved and implemented"),
        ],
    },
    Framework {
        id: "PCI-DSS-4.0.1",
        title: "PCI DSS 4.0.1",
        criteria: &[
            ("6.2.3", "Bespoke code is reviewed before it is released"),
            ("6.2.3.1", "Manual reviews are by somebody other than the author, and approved before release"),
            ("6.5.1", "Changes to production follow procedures: documented, approved, tested, with a way back"),
            ("6.5.2", "After a significant change all requirements are in place again"),
            ("6.5.3", "Pre-production is separated from production"),
            ("6.5.4", "Roles are separated, so that only reviewed and approved changes are deployed"),
        ],
    },
    Framework {
        id: "ISO-27001-2022",
        title: "ISO/IEC 27001:2022, Annex A",
        criteria: &[
            ("A.5.3", "Conflicting duties and areas of responsibility are segregated"),
            ("A.8.29", "Security is tested in development and acceptance"),
            ("A.8.32", "Changes are subject to change management"),
        ],
    },
    Framework {
        id: "NIST-800-53r5",
        title: "NIST SP 800-53 Rev. 5",
        criteria: &[
            ("AC-5", "Duties of individuals are separated"),
            ("CM-3", "Changes are proposed, reviewed, approved, implemented, recorded and monitored"),
            ("CM-5", "Who may make changes is defined, approved and enforced"),
            ("SA-11", "Developers test and evaluate what they build"),
            ("SI-7", "Unauthorised changes to software are detected"),
        ],
    },
    Framework {
        id: "SOX",
        title: "SOX section 404, IT general controls",
        criteria: &[("program-change", "Program changes are authorised, tested, approved, and moved by somebody else")],
    },
    Framework {
        id: "DORA-RTS-2024/1774",
        title: "DORA, Delegated Regulation (EU) 2024/1774",
        criteria: &[
            ("Art.17(1)(b)", "Whoever approves a change is independent of whoever requests and implements it"),
            ("Art.17(1)(g)", "Emergency changes are documented, re-evaluated, assessed and approved afterwards"),
        ],
    },
];

/// Where a control stands among the frameworks; what nobody here knows comes last.
pub(super) fn rank(control: &Control) -> (usize, &str, &str) {
    let place = FRAMEWORKS.iter().position(|framework| framework.id == control.framework);
    (place.unwrap_or(FRAMEWORKS.len()), &control.framework, &control.id)
}

/// How people call a framework.
pub(super) fn title(framework: &str) -> &str {
    FRAMEWORKS.iter().find(|known| known.id == framework).map_or(framework, |known| known.title)
}

/// What a control asks for, in short.
pub(super) fn words(control: &Control) -> Option<&'static str> {
    let framework = FRAMEWORKS.iter().find(|framework| framework.id == control.framework)?;
    framework.criteria.iter().find(|(id, _)| *id == control.id).map(|(_, words)| *words)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::evidence::catalogue::controls;
    use countersign_core::policy::{PACKS, Policies, codes};

    #[test]
    fn every_control_that_a_rule_names_has_its_words() {
        let beside = ["tested", "ticketed"];
        for pack in PACKS.iter().filter(|pack| pack.is_base) {
            let packs: Vec<String> = [pack.name].into_iter().chain(beside).map(str::to_owned).collect();
            for code in codes(&Policies::builtin(&packs).unwrap()) {
                for control in controls(&code.controls) {
                    assert!(words(&control).is_some(), "{}: {control:?}", code.code);
                }
            }
        }
    }
}
