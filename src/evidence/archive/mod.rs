//! A bundle as one file: a zip that can be written in one way only.
//!
//! Invariant: the bytes follow from the files alone: members stand one behind the other with fixed times and rights, the
//! directory repeats their headers, and the comment is the SHA-256 of all that stands before the last record. [`reading`]
//! takes no other shape, so no name can lead out of the bundle or stand twice, no member can lie inside another, nothing
//! can hide between them, and none unpacks to more than it says. (`.ZIP File Format Specification`, PKWARE APPNOTE
//! 6.3.10; the `zip` crate reads what this refuses, which is why it is not used here.) Written by [`writing`].

pub(super) mod reading;
pub(super) mod writing;

use super::bundle::is_plain;

/// What stands in 16 or 32 bits where the number stands elsewhere, in 64.
const ELSEWHERE_16: u64 = 0xFFFF;
const ELSEWHERE_32: u64 = 0xFFFF_FFFF;
/// How the comment begins; 64 hexadecimal digits follow.
const COMMENT: &str = "sha256:";
const COMMENT_LENGTH: u64 = 71;
/// Made on a system with Unix rights, by version 4.5 of the format, which knows 64 bits.
const MADE_BY: u64 = 0x032D;
/// The last record, without its comment.
const LAST_LENGTH: u64 = 22;
/// The two records before it where numbers need 64 bits.
const LARGE_LENGTH: u64 = 56 + 20;
/// Deflate makes no more than this of one byte, give or take a few at the end.
const MOST_PER_BYTE: u64 = 1_032;

/// One file in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) path: String,
    /// Of the bytes of the file.
    pub(super) crc: u32,
    /// How many bytes it takes in the archive.
    pub(super) packed: u64,
    /// How many bytes it has.
    pub(super) size: u64,
    /// Where its header begins.
    pub(super) offset: u64,
}

/// Whether a file is kept as it is: what is packed already becomes no smaller.
fn is_stored(path: &str) -> bool {
    let kind = path.rsplit_once('.').map(|(_, kind)| kind);
    matches!(kind, Some("xlsx" | "pdf"))
}

impl Member {
    fn is_large(&self) -> bool {
        self.packed >= ELSEWHERE_32 || self.size >= ELSEWHERE_32
    }

    fn is_far(&self) -> bool {
        self.offset >= ELSEWHERE_32
    }

    /// Whether one can be: a plain name, and no more bytes than can come of those in the archive.
    fn is_possible(&self) -> bool {
        let most = self.packed.saturating_mul(MOST_PER_BYTE).saturating_add(MOST_PER_BYTE);
        let fits = if is_stored(&self.path) { self.size == self.packed } else { self.size <= most };
        fits && is_plain(&self.path) && self.path.len() < usize::from(u16::MAX)
    }

    /// Where the next member begins.
    fn end(&self) -> u64 {
        self.data().saturating_add(self.packed)
    }

    /// Where its bytes begin.
    fn data(&self) -> u64 {
        self.offset.saturating_add(self.header().len() as u64)
    }

    /// The header before its bytes.
    fn header(&self) -> Vec<u8> {
        let mut record = Record::new(0x0403_4B50);
        self.describe(&mut record);
        let extra = if self.is_large() { large(&[self.size, self.packed]) } else { Vec::new() };
        record.u16(extra.len() as u64);
        record.0.extend(self.path.as_bytes());
        record.0.extend(extra);
        record.0
    }

    /// Its line in the directory.
    fn listing(&self) -> Vec<u8> {
        let mut record = Record::new(0x0201_4B50);
        record.u16(MADE_BY);
        self.describe(&mut record);
        let mut numbers = Vec::new();
        if self.is_large() {
            numbers.extend([self.size, self.packed]);
        }
        if self.is_far() {
            numbers.push(self.offset);
        }
        let extra = if numbers.is_empty() { Vec::new() } else { large(&numbers) };
        record.u16(extra.len() as u64);
        // No comment, first disk, no internal attributes; a plain file that all may read.
        record.u16(0).u16(0).u16(0).u32(0o100_644 << 16).u32(self.offset);
        record.0.extend(self.path.as_bytes());
        record.0.extend(extra);
        record.0
    }

    /// What both say.
    fn describe(&self, record: &mut Record) {
        let version = if self.is_large() || self.is_far() { 45 } else { 20 };
        let method = if is_stored(&self.path) { 0 } else { 8 };
        // No flags; the first moment that a zip can name: 1980-01-01 00:00.
        record.u16(version).u16(0).u16(method).u16(0).u16(0x21).u32(u64::from(self.crc));
        if self.is_large() {
            record.u32(ELSEWHERE_32).u32(ELSEWHERE_32);
        } else {
            record.u32(self.packed).u32(self.size);
        }
        record.u16(self.path.len() as u64);
    }
}

/// The records behind the directory, without the comment's digits.
fn ending(members: u64, begins: u64, length: u64) -> Vec<u8> {
    let mut records = Vec::new();
    if is_wide(members, begins, length) {
        let mut record = Record::new(0x0606_4B50);
        record.u64(44).u16(MADE_BY).u16(45).u32(0).u32(0).u64(members).u64(members).u64(length).u64(begins);
        records.extend(record.0);
        let mut record = Record::new(0x0706_4B50);
        record.u32(0).u64(begins.saturating_add(length)).u32(1);
        records.extend(record.0);
    }
    let mut record = Record::new(0x0605_4B50);
    record.u16(0).u16(0).u16(members).u16(members).u32(length).u32(begins).u16(COMMENT_LENGTH);
    records.extend(record.0);
    records
}

/// Whether the place or length of the directory needs 64 bits.
fn is_wide(members: u64, begins: u64, length: u64) -> bool {
    members >= ELSEWHERE_16 || begins >= ELSEWHERE_32 || length >= ELSEWHERE_32
}

/// The extra field with numbers of 64 bits.
fn large(numbers: &[u64]) -> Vec<u8> {
    let mut record = Record(Vec::new());
    record.u16(1).u16(numbers.len() as u64 * 8);
    for number in numbers {
        record.u64(*number);
    }
    record.0
}

/// A record as it grows; a number that does not fit stands as the sign that it stands elsewhere.
struct Record(Vec<u8>);

impl Record {
    fn new(signature: u32) -> Self {
        Self(signature.to_le_bytes().to_vec())
    }

    fn u16(&mut self, number: u64) -> &mut Self {
        self.0.extend(u16::try_from(number).unwrap_or(u16::MAX).to_le_bytes());
        self
    }

    fn u32(&mut self, number: u64) -> &mut Self {
        self.0.extend(u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
        self
    }

    fn u64(&mut self, number: u64) -> &mut Self {
        self.0.extend(number.to_le_bytes());
        self
    }
}
