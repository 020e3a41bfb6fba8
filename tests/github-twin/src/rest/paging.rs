//! Pages of a list, as GitHub serves them: `per_page`, `page`, and a `Link` header that leads to the rest.
//!
//! Invariant: a page never holds more than 100 items, and a list that has more always says so in `Link`.

use std::collections::BTreeMap;

/// Query parameters as they came.
pub type Query = BTreeMap<String, String>;

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// From 1.
    pub number: usize,
    /// 1 to 100; 30 where nothing is asked.
    pub size: usize,
}

impl Page {
    /// What the query asks for; nonsense counts as nothing asked, as on GitHub.
    pub fn asked(query: &Query) -> Self {
        Self { number: number(query, "page").unwrap_or(1).max(1), size: page_size(query) }
    }

    /// The items of this page.
    pub fn of<T>(self, items: Vec<T>) -> Vec<T> {
        let skipped = (self.number - 1).saturating_mul(self.size);
        items.into_iter().skip(skipped).take(self.size).collect()
    }

    /// The `Link` header for a list of `total`; `None` where one page holds all of it.
    pub fn link(self, base: &str, query: &Query, total: usize) -> Option<String> {
        let last = total.div_ceil(self.size).max(1);
        if last == 1 && self.number == 1 {
            return None;
        }
        let mut links = Vec::new();
        let mut add = |page: usize, rel: &str| {
            let mut query = query.clone();
            query.insert("page".to_owned(), page.to_string());
            links.push(format!("<{base}?{}>; rel=\"{rel}\"", encoded(&query)));
        };
        if self.number > 1 {
            add(self.number - 1, "prev");
        }
        if self.number < last {
            add(self.number + 1, "next");
            add(last, "last");
        }
        if self.number > 1 {
            add(1, "first");
        }
        Some(links.join(", "))
    }
}

/// A list that is paged by cursors: `after` and `before` name the last item of the page before, `Link` leads on.
pub fn by_cursor<T>(
    items: Vec<T>,
    key: impl Fn(&T) -> String,
    base: &str,
    query: &Query,
    names: (&str, Option<&str>),
) -> (Vec<T>, Option<String>) {
    let (after_name, before_name) = names;
    let size = page_size(query);
    let place = |name: &str| query.get(name).and_then(|cursor| items.iter().position(|item| key(item) == *cursor));
    let before = before_name.and_then(place);
    let start = match (place(after_name), before) {
        (Some(found), _) => found + 1,
        (None, Some(found)) => found.saturating_sub(size),
        (None, None) if query.contains_key(after_name) => items.len(),
        (None, None) => 0,
    };
    let total = items.len();
    let page: Vec<T> = match before {
        Some(end) => items.into_iter().take(end).skip(start).collect(),
        None => items.into_iter().skip(start).take(size).collect(),
    };
    let mut links = Vec::new();
    let mut add = |name: &str, cursor: String, rel: &str| {
        let mut query = query.clone();
        query.remove(after_name);
        before_name.map(|before| query.remove(before));
        query.insert(name.to_owned(), cursor);
        links.push(format!("<{base}?{}>; rel=\"{rel}\"", encoded(&query)));
    };
    if let (Some(before_name), Some(first), true) = (before_name, page.first(), start > 0) {
        add(before_name, key(first), "prev");
    }
    if let (Some(last), true) = (page.last(), start + page.len() < total) {
        add(after_name, key(last), "next");
    }
    let link = (!links.is_empty()).then(|| links.join(", "));
    (page, link)
}

fn page_size(query: &Query) -> usize {
    number(query, "per_page").unwrap_or(30).clamp(1, 100)
}

fn number(query: &Query, name: &str) -> Option<usize> {
    query.get(name)?.parse().ok()
}

fn encoded(query: &Query) -> String {
    let pair = |(name, value): (&String, &String)| format!("{}={}", escaped(name), escaped(value));
    query.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// Percent-encodes what may not stand in a query or a path segment.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&hex::encode_upper([byte]));
        }
    }
    out
}

/// The text that percent-encoding stands for; `+` is a blank where `plus_is_blank` (queries).
pub fn unescaped(text: &str, plus_is_blank: bool) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let decoded = match (byte, after) {
            (b'%', [high, low, ..]) => {
                std::str::from_utf8(&[*high, *low]).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok())
            }
            _ => None,
        };
        match (decoded, byte) {
            (Some(decoded), _) => {
                out.push(decoded);
                rest = after.get(2..).unwrap_or_default();
            }
            (None, b'+') if plus_is_blank => out.push(b' '),
            (None, other) => out.push(*other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
