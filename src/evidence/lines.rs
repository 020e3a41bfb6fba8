//! Lines of entries, read one after the other, looked at side by side, and told in order again.
//!
//! Invariant: what is told is as if one line had been looked at after the other, and so is the first thing that is wrong.
//! Memory does not grow with the lines. Used by [`super::verify()`], which looks long at each.

use super::EvidenceError;
use super::bundle::ENTRIES;
use super::files::Again;
use std::io::{BufRead, BufReader, Read as _};
use std::ops::Range;
use std::thread;

/// The longest line of entries that is read.
const LONGEST_LINE: u64 = 64 << 20;
/// How much one thread looks at before the others are waited for.
const STRETCH_LINES: usize = 256;
const STRETCH_BYTES: usize = 1 << 20;
/// No more threads than this.
const MOST_THREADS: usize = 16;

struct Line {
    position: u64,
    bytes: Vec<u8>,
}

/// Hands each entry of a range to `look`, on as many threads as the machine has, and what it finds to `tell`, in order.
pub(super) fn in_order<T: Send>(
    entries: &Again<'_>,
    range: &Range<u64>,
    look: impl Fn(&[u8]) -> Result<T, String> + Sync,
    mut tell: impl FnMut(u64, T) -> Result<(), EvidenceError>,
) -> Result<(), EvidenceError> {
    let mut reader = BufReader::with_capacity(1 << 18, entries.read()?);
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let place = |position: u64| format!("{ENTRIES} line {} (entry {position})", position - range.start + 1);
    let mut at = range.clone();
    let mut ended = Ok(());
    while ended.is_ok() && !at.is_empty() {
        let mut stretches = Vec::with_capacity(threads);
        while stretches.len() < threads && ended.is_ok() && !at.is_empty() {
            let mut stretch = Vec::new();
            ended = read(&mut reader, entries, &mut at, &mut stretch, &place);
            stretches.push(stretch);
        }
        let looked: Vec<Vec<Result<T, String>>> = thread::scope(|scope| {
            let look = &look;
            let at_it: Vec<_> = stretches
                .iter()
                .map(|stretch| scope.spawn(move || stretch.iter().map(|line| look(&line.bytes)).collect()))
                .collect();
            // A thread that fell over has found something that no entry may do.
            at_it
                .into_iter()
                .map(|hand| hand.join().unwrap_or_else(|_| vec![Err("it cannot be read".to_owned())]))
                .collect()
        });
        for (line, found) in stretches.iter().flatten().zip(looked.into_iter().flatten()) {
            let found = found.map_err(|what| EvidenceError::wrong(place(line.position), what))?;
            tell(line.position, found)?;
        }
    }
    ended?;
    if reader.fill_buf().map_err(|error| entries.failed(error))?.is_empty() {
        Ok(())
    } else {
        let what = format!("it has more than the {} entries of frontiers.json", range.end - range.start);
        Err(EvidenceError::wrong(ENTRIES, what))
    }
}

/// Reads a stretch; where a line is wrong, those before it are there.
fn read(
    reader: &mut impl BufRead,
    entries: &Again<'_>,
    at: &mut Range<u64>,
    stretch: &mut Vec<Line>,
    place: &impl Fn(u64) -> String,
) -> Result<(), EvidenceError> {
    let mut bytes = 0;
    while stretch.len() < STRETCH_LINES && bytes < STRETCH_BYTES {
        let Some(position) = at.next() else { break };
        let mut line = Vec::new();
        let read = reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line);
        read.map_err(|error| entries.failed(error))?;
        if line.is_empty() {
            return Err(EvidenceError::wrong(place(position), "the file ends before it"));
        }
        if line.pop() != Some(b'\n') {
            return Err(EvidenceError::wrong(place(position), "it is cut short or too long"));
        }
        bytes += line.len();
        stretch.push(Line { position, bytes: line });
    }
    Ok(())
}
