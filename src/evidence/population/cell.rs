//! One cell of a table, whatever file the table goes to.
//!
//! Invariant: no text that came from outside begins a formula in a spreadsheet, whichever sign that takes for the end of a
//! cell; every cell is one line; and no id is taken for a number there.

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

/// Text in one line that no spreadsheet takes for a formula: an apostrophe goes before what begins one.
///
/// Some spreadsheets end a cell at a semicolon, not at a comma, so what comes after one begins a cell too; blanks and
/// quotation marks before it are no help.
pub fn neutral(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 1);
    let mut begins = true;
    for letter in text.chars() {
        let breaks = letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}');
        let letter = if breaks { ' ' } else { letter };
        if begins && matches!(letter, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠') {
            safe.push('\'');
        }
        begins = breaks || letter == ';' || (begins && (letter.is_whitespace() || matches!(letter, '"' | '\u{feff}')));
        safe.push(letter);
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_a_formula_is_words() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "＝1"] {
            assert_eq!(Cell::text(text).plain(), format!("'{text}"));
        }
        for (text, plain) in [
            ("\t=1", " '=1"),
            ("\r=1", " '=1"),
            ("\n=1", " '=1"),
            ("\0=1", " '=1"),
            (" =1", " '=1"),
            ("down;=1", "down;'=1"),
            ("down; \"=1\"", "down; \"'=1\""),
            ("down\n-1;+2\u{2028}@3", "down '-1;'+2 '@3"),
            ("a\tb\u{7}c", "a b c"),
        ] {
            assert_eq!(Cell::text(text).plain(), plain);
            assert_eq!(neutral(plain), plain, "once is enough");
        }
        assert_eq!(Cell::text("a-b; c=d, e+f").plain(), "a-b; c=d, e+f");
        assert_eq!(Cell::text("#12 = ok").plain(), "#12 = ok");
        assert_eq!(Cell::commit(&CommitSha::new("1e5")).plain(), "git:1e5");
    }
}
