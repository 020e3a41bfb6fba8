//! The words of the trade as types: accounts and people, changes and releases, facts and verdicts.
//!
//! Invariant: nothing here reads a clock, a file or the network, and nothing here judges. A reader who wants to
//! know what a decision may see goes to [`facts`]; what it says, to [`verdict`].

pub mod account;
pub mod change;
pub mod continuity;
pub mod entry;
pub mod exception;
pub mod facts;
pub mod id;
pub mod observation;
pub mod release;
pub mod verdict;

pub use account::{Account, AccountKind, Automation, Person, same_login};
pub use change::{
    CheckResult, Commit, CommitIdentity, DrivingRun, Landing, LandingKind, MergeProof, PullRequest, PullRequestState,
    Push, PushSource, Review, ReviewState, TimelineEvent,
};
pub use continuity::{
    Away, DeliveriesMissed, DeliveriesSettled, DeploymentsListed, InstallationChange, InstallationChanged,
    ListedDeployment, Outage, OutageKind,
};
pub use entry::{Alert, Backfilled, Decision, DeploymentFinished, Entry, EntryBody, NameReassigned};
pub use exception::{Exception, ExceptionOverdue, ExceptionReview};
pub use facts::{Facts, MergeGroup, Repository, RepositoryRules, Subject, Terms};
pub use id::{AccountId, CommitSha, DeploymentId, PullRequestNumber, RepositoryId, ReviewId, RunAttempt, RunId};
pub use observation::Observation;
pub use release::{
    Attempt, ChangeInRelease, Deployment, DeploymentRecord, EnvironmentApproval, GateRequest, Line, Presented, Run,
    StartingPoint,
};
pub use verdict::{
    ChangeName, ChangeVerdict, Contribution, Contributor, Deployer, Outcome, Reason, ReviewVerdict, Verdict,
};
