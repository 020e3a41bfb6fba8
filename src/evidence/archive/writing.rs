//! Writing the archive of a bundle, member by member.
//!
//! Invariant: it has its name only once it is whole; memory does not grow with it. A member is packed into a file beside
//! the archive while it grows, since several grow at once, and moved into it when it ends.

use super::{COMMENT, Member, ending, is_stored};
use crate::evidence::EvidenceError;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufWriter, Read, Seek as _, Write};
use std::path::{Path, PathBuf};
use tempfile::{NamedTempFile, TempDir};

/// Quick rather than small: entries repeat themselves so much that more effort gains little.
const EFFORT: u32 = 2;

/// An archive as it grows.
pub(in crate::evidence) struct Packing {
    out: PathBuf,
    file: BufWriter<NamedTempFile>,
    /// Where members grow, and where files lie that another hand writes.
    aside: TempDir,
    members: Vec<Member>,
    written: u64,
    hash: Sha256,
}

/// The bytes of one member as they grow.
pub(in crate::evidence) struct Packed {
    way: Way,
    crc: Crc,
    place: PathBuf,
}

enum Way {
    Deflated(Box<DeflateEncoder<BufWriter<File>>>),
    Stored(BufWriter<File>),
}

impl Packing {
    /// An archive that does not exist yet.
    pub(in crate::evidence) fn create(out: &Path) -> Result<Self, EvidenceError> {
        if out.symlink_metadata().is_ok() {
            return Err(EvidenceError::NotEmpty(out.to_owned()));
        }
        let beside = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(beside).map_err(EvidenceError::unwritable(beside))?;
        let unwritable = || EvidenceError::unwritable(beside);
        let mut named = tempfile::Builder::new();
        named.prefix(".countersign-export-");
        let aside = named.tempdir_in(beside).map_err(unwritable())?;
        let file = named.tempfile_in(beside).map_err(unwritable())?;
        Ok(Self {
            out: out.to_owned(),
            file: BufWriter::with_capacity(1 << 16, file),
            aside,
            members: Vec::new(),
            written: 0,
            hash: Sha256::new(),
        })
    }

    /// Where a member grows, or another hand writes one.
    pub(in crate::evidence) fn place(&self, path: &str) -> PathBuf {
        self.aside.path().join(path.replace('/', "+"))
    }

    /// Begins a member; [`keep`](Self::keep) ends it.
    pub(in crate::evidence) fn begin(&self, path: &str) -> Result<Packed, EvidenceError> {
        let place = self.place(path);
        let file = File::options().read(true).write(true).create_new(true).open(&place);
        let file = BufWriter::with_capacity(1 << 16, file.map_err(EvidenceError::unwritable(&place))?);
        let way = if is_stored(path) {
            Way::Stored(file)
        } else {
            Way::Deflated(Box::new(DeflateEncoder::new(file, Compression::new(EFFORT))))
        };
        Ok(Packed { way, crc: Crc::new(), place })
    }

    /// Ends a member of `size` bytes.
    pub(in crate::evidence) fn keep(&mut self, path: &str, size: u64, grown: Packed) -> Result<(), EvidenceError> {
        let (crc, place) = (grown.crc.sum(), grown.place.clone());
        let mut file = grown.finish()?;
        let packed = file.stream_position().map_err(EvidenceError::unwritable(&place))?;
        file.rewind().map_err(EvidenceError::unwritable(&place))?;
        let member = Member { path: path.to_owned(), crc, packed, size, offset: self.written };
        self.append(member, &mut file)?;
        self.file.flush().map_err(EvidenceError::unwritable(&self.out))?;
        std::fs::remove_file(&place).map_err(EvidenceError::unwritable(&place))
    }

    /// A member that has ended, with the file that it can be read from as long as this lives.
    pub(in crate::evidence) fn ended(&self, path: &str) -> Option<(PathBuf, Member)> {
        let member = self.members.iter().find(|member| member.path == path)?;
        Some((self.file.get_ref().path().to_owned(), member.clone()))
    }

    fn append(&mut self, member: Member, from: &mut dyn Read) -> Result<(), EvidenceError> {
        self.bytes(&member.header())?;
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = from.read(&mut buffer).map_err(EvidenceError::unwritable(&self.out))?;
            let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
            self.bytes(bytes)?;
        }
        if self.written != member.end() {
            let source = std::io::Error::other("a member changed its size");
            return Err(EvidenceError::Unwritable { path: self.out.clone(), source });
        }
        self.members.push(member);
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), EvidenceError> {
        self.file.write_all(bytes).map_err(EvidenceError::unwritable(&self.out))?;
        self.hash.update(bytes);
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Writes the directory, and gives the archive its name.
    pub(in crate::evidence) fn finish(mut self) -> Result<(), EvidenceError> {
        let begins = self.written;
        let members = std::mem::take(&mut self.members);
        for member in &members {
            self.bytes(&member.listing())?;
        }
        let length = self.written - begins;
        self.bytes(&ending(members.len() as u64, begins, length))?;
        let comment = format!("{COMMENT}{}", hex::encode(self.hash.finalize_reset()));
        self.bytes(comment.as_bytes())?;
        let unwritable = || EvidenceError::unwritable(&self.out);
        let file = self.file.into_inner().map_err(|error| unwritable()(error.into_error()))?;
        file.as_file().sync_all().map_err(unwritable())?;
        readable_by_all(file.as_file()).map_err(unwritable())?;
        file.persist_noclobber(&self.out).map_err(|error| unwritable()(error.error))?;
        Ok(())
    }
}

/// A temporary file is its owner's alone; what was exported is a file like any other.
fn readable_by_all(file: &File) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    #[cfg(not(unix))]
    let _ = file;
    Ok(())
}

impl Packed {
    fn finish(self) -> Result<File, EvidenceError> {
        let unwritable = || EvidenceError::unwritable(&self.place);
        let file = match self.way {
            Way::Deflated(encoder) => encoder.finish().map_err(unwritable())?,
            Way::Stored(file) => file,
        };
        file.into_inner().map_err(|error| unwritable()(error.into_error()))
    }
}

impl Write for Packed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = match &mut self.way {
            Way::Deflated(encoder) => encoder.write(bytes)?,
            Way::Stored(file) => file.write(bytes)?,
        };
        self.crc.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match &mut self.way {
            // A flush in the middle would change the bytes.
            Way::Deflated(_) => Ok(()),
            Way::Stored(file) => file.flush(),
        }
    }
}
