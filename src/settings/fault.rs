//! What can be wrong with the settings, with the place and a way out.

use std::path::PathBuf;

/// What can be wrong with the settings.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error(transparent)]
#[diagnostic(transparent)]
pub struct SettingsError(#[from] pub(super) Box<Fault>);

impl From<Fault> for SettingsError {
    fn from(fault: Fault) -> Self {
        Self(Box::new(fault))
    }
}

/// The kinds of it.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Fault {
    /// The file cannot be read.
    #[error("`{path}` cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("{message}")]
    #[diagnostic(code(settings::invalid), help("{help}"))]
    Invalid {
        /// What is wrong.
        message: String,
        /// What to do.
        help: String,
        /// The file's text.
        #[source_code]
        text: miette::NamedSource<String>,
        /// Where.
        #[label("here")]
        span: Option<miette::SourceSpan>,
    },
    /// A value from the environment is not what it should be.
    #[error("`{variable}`: {message}")]
    Environment {
        /// The variable.
        variable: String,
        /// What is wrong.
        message: String,
    },
    /// The values contradict each other or name something that does not exist.
    #[error("{0}")]
    Contradiction(String),
}
