//! Lines of entries, read one after the other, looked at side by side, and told in order again.
//!
//! Invariant: what is told is as if one line had been looked at after the other, and so is the first thing that is wrong.
//! Memory does not grow with the lines: whoever reads waits for whoever tells.

use super::EvidenceError;
use super::bundle::ENTRIES;
use super::files::{Again, Pieces};
use std::io::{BufRead, BufReader, Read as _};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// The longest line of entries that is read.
const LONGEST_LINE: u64 = 64 << 20;
/// How much one thread looks at before it is given more.
const STRETCH_LINES: usize = 64;
const STRETCH_BYTES: usize = 256 << 10;
/// No more threads than this.
const MOST_THREADS: usize = 16;

struct Line {
    position: u64,
    bytes: Vec<u8>,
}

/// Why there are no more lines.
enum End {
    /// All were read.
    Whole,
    /// There are more than there should be.
    TooMany,
    /// This one is wrong.
    Wrong(u64, &'static str),
    Unreadable(std::io::Error),
}

/// What was found in a stretch, line by line.
type Found<T> = Vec<(u64, Result<T, String>)>;
/// A stretch to look at, and where to put what is found.
type Job<T> = (Vec<Line>, SyncSender<Found<T>>);

/// Hands each entry of a range to `look`, on as many threads as the machine has, and what it finds to `tell`, in order and
/// on this thread. It is told of one stretch while the next are looked at.
pub(super) fn in_order<T: Send>(
    entries: &Again<'_>,
    range: &Range<u64>,
    look: impl Fn(&[u8]) -> Result<T, String> + Sync,
    mut tell: impl FnMut(u64, T) -> Result<(), EvidenceError>,
) -> Result<(), EvidenceError> {
    let reader = BufReader::with_capacity(1 << 18, entries.read()?);
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let wrong = |position: u64, what: &str| {
        let line = position - range.start + 1;
        EvidenceError::wrong(format!("{ENTRIES} line {line} (entry {position})"), what)
    };
    thread::scope(|scope| {
        let (work, jobs) = sync_channel::<Job<T>>(threads);
        let (turns, in_turn) = sync_channel::<Result<Receiver<Found<T>>, End>>(threads);
        // Both ends go with it: nobody waits for more than it read.
        scope.spawn(move || read_on(reader, range.clone(), &work, &turns));
        let jobs = std::sync::Arc::new(Mutex::new(jobs));
        for _ in 0..threads {
            let (jobs, look) = (jobs.clone(), &look);
            scope.spawn(move || look_on(&jobs, look));
        }
        // Where this thread leaves early, nobody takes what the others have, and they end.
        for turn in in_turn {
            let found = match turn {
                // Lines that nobody looked at are not passed over.
                Ok(found) => found.recv().map_err(|_| EvidenceError::wrong(ENTRIES, "it cannot be read"))?,
                Err(End::Whole) => return Ok(()),
                Err(End::TooMany) => {
                    let what = format!("it has more than the {} entries of frontiers.json", range.end - range.start);
                    return Err(EvidenceError::wrong(ENTRIES, what));
                }
                Err(End::Wrong(position, what)) => return Err(wrong(position, what)),
                Err(End::Unreadable(error)) => return Err(entries.failed(error)),
            };
            for (position, found) in found {
                tell(position, found.map_err(|what| wrong(position, &what))?)?;
            }
        }
        Err(EvidenceError::wrong(ENTRIES, "it cannot be read to its end"))
    })
}

/// Reads stretch after stretch, as long as somebody wants them.
fn read_on<T>(
    mut reader: BufReader<Pieces>,
    mut at: Range<u64>,
    work: &SyncSender<Job<T>>,
    turns: &SyncSender<Result<Receiver<Found<T>>, End>>,
) {
    loop {
        let mut stretch = Vec::new();
        let end = read(&mut reader, &mut at, &mut stretch).err();
        let (found, to_be_found) = sync_channel(1);
        // The turn comes first: a stretch that was looked at always has one.
        if turns.send(Ok(to_be_found)).is_err() || work.send((stretch, found)).is_err() {
            return;
        }
        if let Some(end) = end {
            // Nobody may be there any more to be told.
            let _ = turns.send(Err(end));
            return;
        }
    }
}

fn look_on<T>(jobs: &Mutex<Receiver<Job<T>>>, look: &(impl Fn(&[u8]) -> Result<T, String> + Sync)) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((stretch, found)) = job else { return };
        let seen = stretch.iter().map(|line| {
            // A look that falls over has found something that no entry may do.
            let seen = catch_unwind(AssertUnwindSafe(|| look(&line.bytes)));
            (line.position, seen.unwrap_or_else(|_| Err("it cannot be read".to_owned())))
        });
        // Whoever tells may have left.
        let _ = found.send(seen.collect());
    }
}

/// Reads a stretch; where a line is wrong, those before it are there.
fn read(reader: &mut impl BufRead, at: &mut Range<u64>, stretch: &mut Vec<Line>) -> Result<(), End> {
    let mut bytes = 0;
    while stretch.len() < STRETCH_LINES && bytes < STRETCH_BYTES {
        let Some(position) = at.next() else {
            let nothing_more = reader.fill_buf().map_err(End::Unreadable)?.is_empty();
            return Err(if nothing_more { End::Whole } else { End::TooMany });
        };
        let mut line = Vec::new();
        reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line).map_err(End::Unreadable)?;
        if line.is_empty() {
            return Err(End::Wrong(position, "the file ends before it"));
        }
        if line.pop() != Some(b'\n') {
            return Err(End::Wrong(position, "it is cut short or too long"));
        }
        bytes += line.len();
        stretch.push(Line { position, bytes: line });
    }
    Ok(())
}
