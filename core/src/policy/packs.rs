//! The packs that this build carries: which rules each one holds, and how it reads who deploys.
//!
//! Invariant: exactly one of the packs that say how many people it takes is in force; the others only add to it. What a
//! pack takes from `three-person` is the very file, never a copy. Next: `pack.rs`.

use std::collections::BTreeMap;

macro_rules! rules {
    ($pack:literal: $($rule:literal)*) => {
        &[$((
            $rule,
            concat!($pack, "/", $rule, ".cedar"),
            include_str!(concat!("../../../policies/", $pack, "/", $rule, ".cedar")),
        )),*]
    };
}

/// A rule: its code, its file and its text.
type Rule = (&'static str, &'static str, &'static str);

const THREE_PERSON: &[Rule] = rules!("three-person":
    "may-approve" "may-merge" "may-deploy"
    "approver-is-author" "approver-is-automation" "approver-lacks-write" "approval-stale" "approval-withdrawn"
    "approval-elsewhere" "approval-late"
    "review-missing" "changes-requested" "author-unattributed" "sponsor-unknown" "pull-request-missing"
    "landed-outside-process" "content-diverged"
    "deployer-is-author" "deployer-is-reviewer" "deployer-unknown" "commit-off-branch" "commit-mismatch" "decision-spent"
    "history-rewritten" "baseline-missing" "rollback-unknown" "event-untrusted" "exception-overdue"
);

/// A pack.
#[derive(Debug, Clone, Copy)]
pub struct Pack {
    /// Its name, and that of its folder.
    pub name: &'static str,
    /// What it demands, in a sentence.
    pub summary: &'static str,
    /// It says how many people it takes: exactly one such pack is in force. The others are laid beside it.
    pub is_base: bool,
    without: &'static [&'static str],
    own: &'static [Rule],
}

/// Every pack that this build carries.
pub const PACKS: &[Pack] = &[
    Pack {
        name: "three-person",
        summary: "An author, a reviewer and a deployer, all different people, behind every change",
        is_base: true,
        without: &[],
        own: &[],
    },
    Pack {
        name: "two-person",
        summary: "As `three-person`, but the only reviewer of a change may deploy it",
        is_base: true,
        without: &["deployer-is-reviewer"],
        own: &[],
    },
    Pack {
        name: "release-approver",
        summary: "As `three-person`, but the deployers are those who approved the environment, and nobody else",
        is_base: true,
        without: &[],
        own: &[],
    },
    Pack {
        name: "unattended",
        summary: "As `three-person`, but what a push to the production branch starts needs no deployer, where the \
                  environment asks for no approval",
        is_base: true,
        without: &["deployer-unknown"],
        own: rules!("unattended": "deployer-unknown"),
    },
    Pack {
        name: "tested",
        summary: "The checks that the settings name succeeded on what was merged",
        is_base: false,
        without: &[],
        own: rules!("tested": "tests-missing"),
    },
    Pack {
        name: "ticketed",
        summary: "Every change names a ticket",
        is_base: false,
        without: &[],
        own: rules!("ticketed": "ticket-missing"),
    },
];

impl Pack {
    /// Its rules by file, as they are judged by.
    pub(crate) fn files(&self) -> BTreeMap<String, String> {
        let base = if self.is_base { THREE_PERSON } else { &[] };
        let taken = base.iter().filter(|(code, ..)| !self.without.contains(code));
        taken.chain(self.own).map(|(_, file, text)| ((*file).to_owned(), (*text).to_owned())).collect()
    }
}

/// How the packs in force read who deploys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deploying {
    /// As the run came about, and who approved the environment.
    Attended,
    /// Who approved the environment, and nobody else.
    ApproversAlone,
    /// As `Attended`, but the first attempt of what a push to production starts deploys itself.
    UnattendedPush,
}

impl Deploying {
    pub(crate) fn under(packs: &[String]) -> Self {
        let named = |name: &str| packs.iter().any(|pack| pack == name);
        match (named("release-approver"), named("unattended")) {
            (true, false) => Self::ApproversAlone,
            (false, true) => Self::UnattendedPush,
            _ => Self::Attended,
        }
    }
}
