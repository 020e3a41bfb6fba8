//! What the policy says of the facts.
//!
//! Shape: everything is ordered and free of clocks, so that the same facts give the same bytes.

use super::{Account, AccountId, CommitSha, PullRequestNumber, ReviewId, RunId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The outcome of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every rule holds.
    Allow,
    /// A rule is broken, and an exception lets it through all the same.
    Exception,
    /// Nothing is wrong, something is still to come.
    Pending,
    /// The facts are incomplete, or the policy could not be evaluated.
    Undetermined,
    /// A rule is broken.
    Deny,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Exception => "exception",
            Self::Pending => "pending",
            Self::Undetermined => "undetermined",
            Self::Deny => "deny",
        })
    }
}

/// Which change a sentence is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeName {
    /// A pull request.
    PullRequest(PullRequestNumber),
    /// A commit on the production branch that came without one.
    Commit(CommitSha),
}

impl fmt::Display for ChangeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PullRequest(number) => write!(f, "#{number}"),
            Self::Commit(sha) => write!(f, "{}", sha.short()),
        }
    }
}

/// Why, with a stable code and the words a person can act on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reason {
    /// The stable code, for example `review-missing`.
    pub code: String,
    /// One sentence naming the person and the commit.
    pub text: String,
    /// What to do about it.
    pub remedy: String,
    /// Still to come rather than broken.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub to_come: bool,
    /// The change it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<ChangeName>,
    /// The account it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
}

/// How an account's work came to be in a change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Contribution {
    /// Opened the pull request.
    Opened,
    /// Is the author of a commit.
    Authored {
        /// The commit.
        commit: CommitSha,
    },
    /// Is the committer of a commit that GitHub did not commit itself.
    Committed {
        /// The commit.
        commit: CommitSha,
    },
    /// Is named as co-author.
    CoAuthored {
        /// The commit.
        commit: CommitSha,
    },
    /// Pushed to the branch.
    Pushed {
        /// What the branch pointed at after the push.
        commit: CommitSha,
    },
    /// Answers for automation that opened the pull request or pushed to it.
    Sponsors {
        /// The automation.
        automation: AccountId,
        /// The run that it acted in, where that is why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<RunId>,
    },
}

/// An account whose work is in the change, with the evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contributor {
    /// The account.
    pub account: Account,
    /// The name of the person, where the settings link the account to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// Automation, that is, nobody types at it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub automation: bool,
    /// How; at least one.
    pub because: Vec<Contribution>,
}

/// One approval or objection, and whether it counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewVerdict {
    /// The review.
    pub review: ReviewId,
    /// Who gave it.
    pub by: Option<Account>,
    /// The commit it was given on.
    pub commit: Option<CommitSha>,
    /// Whether it is (or was, before it was dismissed) an approval; else an objection.
    pub approves: bool,
    /// An approval that counts; for an objection: whether it stands.
    pub counts: bool,
    /// Every code that disqualifies an approval.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// Given after the merge: on record, never a cure.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retrospective: bool,
}

/// What the policy says of one change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeVerdict {
    /// Which.
    pub change: ChangeName,
    /// The last of its commits on the production branch, or the head of an open pull request.
    pub commit: CommitSha,
    /// `allow` reads "compliant" here, and `deny` "violation".
    pub outcome: Outcome,
    /// Why not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// Everyone whose work is in it, by account id.
    pub contributors: Vec<Contributor>,
    /// Every approval and objection, in GitHub's order.
    pub reviews: Vec<ReviewVerdict>,
    /// The accounts whose approvals count, by account id.
    pub reviewers: Vec<Account>,
    /// Under an allowed deployment: three different people, one in each role. The author may be trusted automation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub three: Option<Three>,
}

/// Three different people who stood behind a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Three {
    /// Wrote it.
    pub author: Account,
    /// Reviewed it.
    pub reviewer: Account,
    /// Deploys it.
    pub deployer: Account,
}

/// A person who takes part in releasing, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployer {
    /// The account.
    pub account: Account,
    /// How they take part: `actor`, `triggering_actor`, `environment_approver`, `merged`, `queued`, `auto_merge`,
    /// `pushed`, `creator`.
    pub because: Vec<String>,
}

/// What the policy says of the facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The outcome of the whole.
    pub outcome: Outcome,
    /// Every broken or open rule of the whole: those of the changes first, then those of the release and its deployers.
    pub reasons: Vec<Reason>,
    /// What is said of each change, oldest first; exactly one for a pull request.
    pub changes: Vec<ChangeVerdict>,
    /// Who deploys; empty for a pull request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deployers: Vec<Deployer>,
    /// Accounts with write access that could deploy all of it as it stands, by account id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub can_deploy: Vec<Account>,
    /// The newest commit that the deployers known so far could take to production.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to: Option<CommitSha>,
}
