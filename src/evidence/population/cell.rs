//! One cell of a table, whatever file the table goes to.
//!
//! Invariant: no text that came from outside begins a formula in a spreadsheet, and no id is taken for a number there.

use countersign_core::domain::CommitSha;

/// What stands in a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Nothing is known, or nothing applies.
    Empty,
    /// Words, ids.
    Text(String),
    /// A count or a position.
    Number(u64),
    /// A moment, RFC 3339 in UTC.
    Time(String),
    /// A test of the control: did it hold?
    Holds(bool),
    /// Words that lead somewhere.
    Link {
        /// The words.
        text: String,
        /// The address.
        url: String,
    },
}

impl Cell {
    /// A commit: spreadsheets would make a number of some.
    pub fn commit(sha: &CommitSha) -> Self {
        Self::Text(format!("git:{sha}"))
    }

    /// Words, or nothing where there are none.
    pub fn text(words: impl Into<String>) -> Self {
        let words = words.into();
        if words.is_empty() { Self::Empty } else { Self::Text(words) }
    }

    /// The words as they came, where that is another text than the plain one.
    pub fn shown(&self) -> String {
        match self {
            Self::Text(text) | Self::Link { text, .. } => text.clone(),
            _ => self.plain(),
        }
    }

    /// What a file of plain text shows.
    pub fn plain(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) | Self::Link { text, .. } => neutral(text),
            Self::Number(number) => number.to_string(),
            Self::Time(time) => time.clone(),
            Self::Holds(holds) => if *holds { "yes" } else { "no" }.to_owned(),
        }
    }
}

/// Text that no spreadsheet takes for a formula: an apostrophe goes before what begins one.
pub fn neutral(text: &str) -> String {
    let begins_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\0']);
    if begins_formula { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_a_formula_is_words() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\0=1"] {
            assert_eq!(Cell::text(text).plain(), format!("'{text}"));
        }
        assert_eq!(Cell::text("#12 = ok").plain(), "#12 = ok");
        assert_eq!(Cell::commit(&CommitSha::new("1e5")).plain(), "git:1e5");
    }
}
