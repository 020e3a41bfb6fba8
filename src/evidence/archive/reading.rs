//! Reading the archive of a bundle, member by member, without unpacking it anywhere.
//!
//! Invariant: what is read is exactly what [`super::writing`] makes of the members, byte by byte. A member gives no more
//! bytes than its header says, and at its end they have the CRC that it says.

use super::{COMMENT, COMMENT_LENGTH, LARGE_LENGTH, LAST_LENGTH, Member, ending, is_stored, is_wide};
use crate::evidence::EvidenceError;
use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek as _, SeekFrom, Take};
use std::path::{Path, PathBuf};

/// The longest directory that is read: far above any of ours.
const LONGEST: u64 = 64 << 20;

/// An archive, open.
pub(in crate::evidence) struct Archive {
    file: PathBuf,
    name: String,
    members: BTreeMap<String, Member>,
    /// All but the comment.
    length: u64,
    digest: String,
}

/// The bytes of one member.
pub(in crate::evidence) struct Unpacking {
    way: Way,
    crc: Crc,
    says: u32,
    left: u64,
}

enum Way {
    Deflated(Box<DeflateDecoder<BufReader<Take<File>>>>, u64),
    Stored(Take<File>),
}

/// What of the ending says where the directory is.
struct Ending {
    members: u64,
    begins: u64,
    length: u64,
}

impl Archive {
    /// Reads the directory, and holds every header against it.
    pub(in crate::evidence) fn open(place: &Path) -> Result<Self, EvidenceError> {
        let unreadable = || EvidenceError::unreadable(place);
        let name = place.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let wrong = |what: &str| EvidenceError::wrong(&*name, what);
        let mut file = File::open(place).map_err(unreadable())?;
        let whole = file.metadata().map_err(unreadable())?.len();
        let no_bundle = || wrong("it is no bundle: neither a directory nor an archive that an export made");
        let last = whole.checked_sub(LAST_LENGTH + COMMENT_LENGTH).ok_or_else(no_bundle)?;
        let found = read_at(&mut file, last, LAST_LENGTH + COMMENT_LENGTH).map_err(unreadable())?;
        let (record, comment) = found.split_at_checked(22).ok_or_else(no_bundle)?;
        let comment = std::str::from_utf8(comment).ok().and_then(|comment| comment.strip_prefix(COMMENT));
        let digest = comment.ok_or_else(no_bundle)?.to_owned();
        let large = last.checked_sub(LARGE_LENGTH).map(|at| read_at(&mut file, at, LARGE_LENGTH).map_err(unreadable()));
        let Ending { members: count, begins, length } = where_it_is(record, &large.transpose()?.unwrap_or_default());
        let tail = ending(count, begins, length);
        let behind =
            begins.checked_add(length).filter(|behind| behind.checked_add(tail.len() as u64) == Some(last + 22));
        let Some(behind) = behind.filter(|_| length <= LONGEST) else {
            return Err(wrong("its last record does not say where its directory is"));
        };
        if read_at(&mut file, behind, tail.len() as u64).map_err(unreadable())? != tail {
            return Err(wrong("its last record is not what an export writes"));
        }
        let directory = read_at(&mut file, begins, length).map_err(unreadable())?;
        let members = members_of(&directory, count, begins).map_err(|what| wrong(&what))?;
        for member in members.values() {
            let header = member.header();
            if read_at(&mut file, member.offset, header.len() as u64).map_err(unreadable())? != header {
                return Err(wrong(&format!("the header of `{}` is not as its directory lists it", member.path)));
            }
        }
        Ok(Self { file: place.to_owned(), name, members, length: last + LAST_LENGTH, digest })
    }

    /// The paths of its members.
    pub(in crate::evidence) fn paths(&self) -> impl Iterator<Item = &String> {
        self.members.keys()
    }

    /// How many bytes a member has.
    pub(in crate::evidence) fn size(&self, path: &str) -> Option<u64> {
        self.members.get(path).map(|member| member.size)
    }

    /// A member, to be read piece by piece.
    pub(in crate::evidence) fn read(&self, path: &str) -> Result<Unpacking, EvidenceError> {
        let member = self.members.get(path).ok_or_else(|| EvidenceError::wrong(path, "it is missing"))?;
        Unpacking::begin(&self.file, member)
    }

    /// Holds all of it against the digest in the comment: a byte may differ and still unpack alike.
    pub(in crate::evidence) fn check_digest(&self) -> Result<(), EvidenceError> {
        let file = File::open(&self.file).map_err(EvidenceError::unreadable(&self.file))?;
        let mut hash = Sha256::new();
        std::io::copy(&mut file.take(self.length), &mut hash).map_err(EvidenceError::unreadable(&self.file))?;
        if hex::encode(hash.finalize()) == self.digest {
            Ok(())
        } else {
            let what = "its bytes are not those that its comment tells the SHA-256 of";
            Err(EvidenceError::wrong(&*self.name, what))
        }
    }
}

impl Unpacking {
    /// The bytes of a member of the archive in this file.
    pub(in crate::evidence) fn begin(archive: &Path, member: &Member) -> Result<Self, EvidenceError> {
        let unreadable = || EvidenceError::unreadable(archive);
        let mut file = File::open(archive).map_err(unreadable())?;
        file.seek(SeekFrom::Start(member.data())).map_err(unreadable())?;
        let packed = file.take(member.packed);
        let way = if is_stored(&member.path) {
            Way::Stored(packed)
        } else {
            let reader = BufReader::with_capacity(1 << 16, packed);
            Way::Deflated(Box::new(DeflateDecoder::new(reader)), member.packed)
        };
        Ok(Self { way, crc: Crc::new(), says: member.crc, left: member.size })
    }
}

impl Read for Unpacking {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = match &mut self.way {
            Way::Deflated(decoder, _) => decoder.read(buffer)?,
            Way::Stored(file) => file.read(buffer)?,
        };
        let bad = |what| Err(std::io::Error::new(ErrorKind::InvalidData, what));
        self.left = match self.left.checked_sub(read as u64) {
            Some(left) => left,
            None => return bad("it unpacks to more bytes than its header says"),
        };
        self.crc.update(buffer.get(..read).unwrap_or_default());
        if read > 0 {
            return Ok(read);
        }
        let whole = match &self.way {
            Way::Deflated(decoder, packed) => decoder.total_in() == *packed,
            Way::Stored(_) => true,
        };
        if self.left > 0 || !whole {
            bad("it unpacks to fewer bytes than its header says")
        } else if self.crc.sum() == self.says {
            Ok(0)
        } else {
            bad("its CRC is not the one in its header")
        }
    }
}

/// Where the last records say that the directory is; any numbers, which are then held against all the bytes.
fn where_it_is(record: &[u8], large: &[u8]) -> Ending {
    let (members, length, begins) = (number(record, 10, 2), number(record, 12, 4), number(record, 16, 4));
    if is_wide(members, begins, length) {
        Ending { members: number(large, 32, 8), length: number(large, 40, 8), begins: number(large, 48, 8) }
    } else {
        Ending { members, begins, length }
    }
}

/// The members that a directory lists, one behind the other from the first byte to the directory itself.
fn members_of(directory: &[u8], count: u64, begins: u64) -> Result<BTreeMap<String, Member>, String> {
    let mut members = BTreeMap::new();
    let (mut rest, mut offset) = (directory, 0);
    for at in 1..=count {
        let member =
            listed(rest, offset).ok_or_else(|| format!("line {at} of its directory is not what an export writes"))?;
        let listing = member.listing();
        rest = match rest.strip_prefix(listing.as_slice()) {
            Some(behind) if member.is_possible() => behind,
            _ => return Err(format!("line {at} of its directory is not what an export writes")),
        };
        offset = member.end();
        if let Some(member) = members.insert(member.path.clone(), member) {
            return Err(format!("it holds `{}` twice", member.path));
        }
    }
    if rest.is_empty() && offset == begins {
        Ok(members)
    } else {
        Err("there is more in it than its directory lists".to_owned())
    }
}

/// The member that the next line of a directory is about, if it is one.
fn listed(line: &[u8], offset: u64) -> Option<Member> {
    let crc = u32::try_from(number(line, 16, 4)).ok()?;
    let (mut packed, mut size) = (number(line, 20, 4), number(line, 24, 4));
    let path = usize::try_from(number(line, 28, 2)).ok().and_then(|length| line.get(46..46 + length))?;
    if packed == super::ELSEWHERE_32 && size == super::ELSEWHERE_32 {
        (size, packed) = (number(line, 50 + path.len(), 8), number(line, 58 + path.len(), 8));
    }
    let path = std::str::from_utf8(path).ok()?.to_owned();
    Some(Member { path, crc, packed, size, offset })
}

fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    let bytes = bytes.get(at..at + length).unwrap_or_default();
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn read_at(file: &mut File, at: u64, length: u64) -> std::io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}
