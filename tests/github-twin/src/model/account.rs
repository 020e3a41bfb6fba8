//! Accounts: people, bots and mannequins, and what they may do in `acme/shop`.

/// The numeric id of an account (REST `id`, GraphQL `databaseId`).
pub type AccountId = u64;

/// GitHub's own committer of what is done in the browser.
pub const WEB_FLOW: AccountId = 19_864_447;
/// The App that Actions jobs act as: `github-actions[bot]`.
pub const GITHUB_ACTIONS: AccountId = 41_898_282;
/// The App that pushes what the merge queue built: `github-merge-queue[bot]`.
pub const MERGE_QUEUE: AccountId = 118_344_674;
/// Shown in REST in place of deleted accounts.
pub const GHOST: AccountId = 10_137;
/// `dependabot[bot]`.
pub const DEPENDABOT: AccountId = 49_699_333;
/// `renovate[bot]`.
pub const RENOVATE: AccountId = 29_139_614;
/// The organisation `acme` itself.
pub const ORGANIZATION: AccountId = 1_000;
/// An owner of the organisation, who acts where a story names nobody. Not a collaborator: never listed.
pub const OWNER: AccountId = 1_001;

/// What an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum AccountKind {
    /// `type: User`.
    User,
    /// `type: Bot`.
    Bot,
    /// `type: Mannequin`.
    Mannequin,
    /// `type: Organization`.
    Organization,
}

impl AccountKind {
    /// As REST `type` and GraphQL `__typename` name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Bot => "Bot",
            Self::Mannequin => "Mannequin",
            Self::Organization => "Organization",
        }
    }
}

/// What an account may do in `acme/shop` (REST `role_name`), least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// Not a collaborator. The repository is public, so reading works nevertheless.
    #[default]
    None,
    /// Read.
    Read,
    /// Triage.
    Triage,
    /// Write.
    Write,
    /// Maintain.
    Maintain,
    /// Admin.
    Admin,
}

impl Permission {
    /// As REST `role_name` writes it.
    pub fn role_name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Triage => "triage",
            Self::Write => "write",
            Self::Maintain => "maintain",
            Self::Admin => "admin",
        }
    }

    /// As REST `permission` of `collaborators/{login}/permission` writes it: `maintain` shows as `write`, `triage` as `read`.
    pub fn legacy(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read | Self::Triage => "read",
            Self::Write | Self::Maintain => "write",
            Self::Admin => "admin",
        }
    }
}

/// One account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The numeric id.
    pub id: AccountId,
    /// The login without `[bot]`, as GraphQL spells it; [`Account::rest_login`] for REST.
    pub login: String,
    /// What it is.
    pub kind: AccountKind,
    /// What it may do in `acme/shop`.
    pub permission: Permission,
    /// Whether it is gone: REST then shows `ghost`, GraphQL null.
    pub deleted: bool,
    /// Part of GitHub itself (web-flow, github-actions, ghost, the owner …): never listed as a collaborator, unless
    /// the story lists it with a permission of its own.
    pub built_in: bool,
}

impl Account {
    /// The login as REST and webhooks spell it: bots end in `[bot]`.
    pub fn rest_login(&self) -> String {
        match self.kind {
            AccountKind::Bot => format!("{}[bot]", self.login),
            _ => self.login.clone(),
        }
    }

    /// The e-mail that its commits carry: `<id>+<login>@users.noreply.github.com`.
    pub fn email(&self) -> String {
        if self.id == WEB_FLOW {
            return "noreply@github.com".to_owned();
        }
        format!("{}+{}@users.noreply.github.com", self.id, self.rest_login())
    }

    /// Whether it may push to `acme/shop`.
    pub fn can_write(&self) -> bool {
        !self.deleted && self.permission >= Permission::Write
    }
}
