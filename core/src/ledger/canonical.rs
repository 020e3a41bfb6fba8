//! Canonical JSON (RFC 8785): the one spelling of a value that everybody hashes alike.
//!
//! Invariant: what is returned reads back as the same value everywhere; what JSON readers disagree about (integers
//! beyond 2^53, fractions) is refused instead of rounded. Used to produce bytes, never to check them: a check hashes
//! the bytes that are stored. The bytes become a leaf of the [`super::tree`].

use super::LedgerError;
use serde::Serialize;
use serde_json::Value;

/// The largest integer that every JSON reader keeps exactly (RFC 7493).
const LARGEST: u64 = (1 << 53) - 1;

/// The canonical bytes of a value; an error where it holds a fraction or an integer beyond 2^53.
pub fn to_bytes<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, LedgerError> {
    let refuse = |what: String| LedgerError::NotCanonical { path: String::new(), what };
    let value = serde_json::to_value(value).map_err(|error| refuse(error.to_string()))?;
    check(&value, &mut String::new())?;
    serde_json_canonicalizer::to_vec(&value).map_err(|error| refuse(error.to_string()))
}

fn check(value: &Value, path: &mut String) -> Result<(), LedgerError> {
    match value {
        Value::Number(number) => {
            let magnitude = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
            let what = match magnitude {
                Some(magnitude) if magnitude <= LARGEST => return Ok(()),
                Some(_) => format!("the integer {number} is beyond 2^53"),
                None => format!("the number {number} is no integer"),
            };
            Err(LedgerError::NotCanonical { path: path.clone(), what })
        }
        Value::Array(items) => {
            items.iter().enumerate().try_for_each(|(index, item)| check_under(item, path, &index.to_string()))
        }
        Value::Object(members) => members.iter().try_for_each(|(name, member)| check_under(member, path, name)),
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}

fn check_under(value: &Value, path: &mut String, name: &str) -> Result<(), LedgerError> {
    let length = path.len();
    path.push('/');
    path.push_str(name);
    check(value, path)?;
    path.truncate(length);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn members_are_ordered_by_utf16_and_text_is_escaped_once() {
        // The example of RFC 8785, section 3.2.3.
        let value = json!({
            "\u{20ac}": "Euro Sign", "\r": "Carriage Return", "\u{fb33}": "Hebrew Letter Dalet With Dagesh",
            "1": "One", "\u{1f600}": "Emoji: Grinning Face", "\u{80}": "Control", "\u{f6}": "Latin Small Letter O"
        });
        let expected = "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\
            \"\u{f6}\":\"Latin Small Letter O\",\"\u{20ac}\":\"Euro Sign\",\"\u{1f600}\":\"Emoji: Grinning Face\",\
            \"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}";
        assert_eq!(String::from_utf8(to_bytes(&value).unwrap()).unwrap(), expected);
    }

    #[test]
    fn integers_up_to_2_to_the_53_keep_every_digit() {
        let value = json!([LARGEST, -9_007_199_254_740_991_i64, 0]);
        assert_eq!(to_bytes(&value).unwrap(), b"[9007199254740991,-9007199254740991,0]");
    }

    #[test]
    fn larger_integers_and_fractions_are_refused_with_their_place() {
        let refused = |value: Value| to_bytes(&value).unwrap_err().to_string();
        assert_eq!(
            refused(json!({"a": [1, {"b": LARGEST + 1}]})),
            "not canonical at `/a/1/b`: the integer 9007199254740992 is beyond 2^53; carry it as text"
        );
        assert_eq!(refused(json!({"a": 0.5})), "not canonical at `/a`: the number 0.5 is no integer; carry it as text");
        assert!(to_bytes(&json!(i64::MIN)).is_err());
    }
}
