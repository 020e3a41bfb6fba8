//! A bundle as one file: the same files, read as strictly, and nothing that other archives can do.

use crate::evidence::{Bundle, bundle_of, check, fill, finding, key, request, store};
use countersign::evidence::bundle::{CHANGES, CHECKPOINT, ENTRIES, MANIFEST, MANIFEST_NOTE, WORKBOOK};
use countersign::evidence::export;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::Command;

/// The comment behind everything else: `sha256:` and 64 digits.
const COMMENT: usize = 71;

/// The same entries as in [`bundle_of`], in an archive.
async fn archive_of(range: Option<std::ops::Range<u64>>) -> Bundle {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path()).await;
    fill(&store).await;
    let path = directory.path().join("bundle.zip");
    export(&store, &request(&key(), range), &path).await.unwrap();
    Bundle { path, _directory: directory }
}

/// Tells the digest of changed bytes, as whoever changes them would.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - 64;
    let digest = hex::encode(Sha256::digest(&bytes[..bytes.len() - COMMENT]));
    bytes[end..].copy_from_slice(digest.as_bytes());
    bytes
}

/// Every place of a text in bytes.
fn places(bytes: &[u8], text: &str) -> Vec<usize> {
    (0..bytes.len()).filter(|at| bytes[*at..].starts_with(text.as_bytes())).collect()
}

fn put(bytes: &mut [u8], at: usize, text: &[u8]) {
    bytes[at..at + text.len()].copy_from_slice(text);
}

#[tokio::test]
async fn an_archive_verifies_as_the_directory_does_and_is_the_same_each_time() {
    let (archive, again, directory) =
        (archive_of(Some(1..6)).await, archive_of(Some(1..6)).await, bundle_of(Some(1..6)).await);
    assert_eq!(check(&archive.path).unwrap(), check(&directory.path).unwrap());
    assert_eq!(fs::read(&archive.path).unwrap(), fs::read(&again.path).unwrap());
    let beside: Vec<_> =
        fs::read_dir(archive.path.parent().unwrap()).unwrap().map(|item| item.unwrap().file_name()).collect();
    assert!(beside.iter().all(|name| !name.to_string_lossy().contains("countersign-export")), "{beside:?}");
}

#[tokio::test]
async fn another_program_unpacks_the_same_files() {
    let (archive, directory) = (archive_of(Some(1..6)).await, bundle_of(Some(1..6)).await);
    let out = archive.path.with_file_name("unpacked");
    let unpack =
        "import sys, zipfile\nz = zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\nz.extractall(sys.argv[2])";
    let said = Command::new("python3").args(["-c", unpack]).args([&archive.path, &out]).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    for name in directory.paths().iter().map(String::as_str).chain([MANIFEST, MANIFEST_NOTE]) {
        assert_eq!(fs::read(out.join(name)).unwrap(), fs::read(directory.file(name)).unwrap(), "{name}");
    }
    check(&out).unwrap();
}

#[tokio::test]
async fn every_changed_byte_of_an_archive_is_found_and_the_place_is_named() {
    let archive = archive_of(Some(3..5)).await;
    let good = fs::read(&archive.path).unwrap();
    let names = names_in(&archive.path);
    // The workbook is large and packed by itself: a byte here and there of it.
    let book = places(&good, WORKBOOK)[0]..places(&good, MANIFEST)[0] - 64;
    let mut file = fs::File::options().write(true).open(&archive.path).unwrap();
    let mut put = |at: usize, byte: u8| {
        file.seek(SeekFrom::Start(at as u64)).unwrap();
        file.write_all(&[byte]).unwrap();
    };
    for (at, byte) in good.iter().enumerate() {
        if book.contains(&at) && !at.is_multiple_of(61) {
            continue;
        }
        put(at, byte ^ (1 << (at % 8)));
        let (place, message) = finding(&archive.path);
        let named = place == "bundle.zip" || names.contains(&place);
        assert!(named, "byte {at}: {message}");
        put(at, *byte);
    }
    check(&archive.path).unwrap();
}

/// The names in an archive, as another program lists them.
fn names_in(archive: &Path) -> Vec<String> {
    let list = "import sys, zipfile\nprint('\\n'.join(zipfile.ZipFile(sys.argv[1]).namelist()))";
    let said = Command::new("python3").args(["-c", list]).arg(archive).output().unwrap();
    String::from_utf8(said.stdout).unwrap().lines().map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn what_other_archives_can_do_is_refused() {
    let archive = archive_of(Some(1..4)).await;
    let good = fs::read(&archive.path).unwrap();
    let renamed = |from: &str, to: &str| {
        let mut bytes = good.clone();
        for at in places(&good, from) {
            put(&mut bytes, at, to.as_bytes());
        }
        sealed(bytes)
    };
    let mut appended = good.clone();
    appended.extend(b"more");
    let mut prepended = b"more".to_vec();
    prepended.extend(&good);
    // A member that says it unpacks to more: in its header, and in the directory's line.
    let mut swollen = good.clone();
    for at in places(&good, CHANGES) {
        let size = if good[..at].ends_with(&[0, 0]) && at >= 30 && good[at - 30..].starts_with(b"PK\x03\x04") {
            at - 8
        } else {
            at - 22
        };
        put(&mut swollen, size, &0x7FFF_FFFF_u32.to_le_bytes());
    }
    // Bytes between two members, with every later place told anew by the last record alone.
    let mut hidden = good.clone();
    let second = places(&good, "PK\x03\x04")[1];
    hidden.splice(second..second, *b"hidden");
    let cut = good[..good.len() - 10].to_vec();
    for (what, bytes, said) in [
        ("a name that leads out", renamed("gaps.csv", "../s.csv"), "line 1"),
        ("a name twice", renamed("commits.csv", CHANGES), "twice"),
        ("appended", appended, "no bundle"),
        ("prepended", sealed(prepended), "last record"),
        ("swollen", sealed(swollen), "directory"),
        ("hidden", sealed(hidden), "last record"),
        ("cut short", cut, "no bundle"),
        ("nothing", Vec::new(), "no bundle"),
    ] {
        fs::write(&archive.path, bytes).unwrap();
        let (place, message) = finding(&archive.path);
        let expected = what == "a name that leads out" || message.contains(said);
        assert!(place == "bundle.zip" && expected, "{what}: {message}");
    }
    fs::write(&archive.path, &good).unwrap();
    check(&archive.path).unwrap();
    let packed = "import sys, zipfile\nfrom pathlib import Path\nsource, out = Path(sys.argv[1]), zipfile.ZipFile(sys.argv[2], 'w')\n\
        [out.write(file, file.relative_to(source)) for file in sorted(source.rglob('*')) if file.is_file()]\nout.close()";
    let directory = bundle_of(Some(1..4)).await;
    let said = Command::new("python3").args(["-c", packed]).args([&directory.path, &archive.path]).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    assert!(finding(&archive.path).1.contains("no bundle"), "packed anew by another program");
}

#[tokio::test]
async fn a_file_of_an_archive_that_was_replaced_is_named() {
    let archive = archive_of(Some(1..4)).await;
    let good = fs::read(&archive.path).unwrap();
    // In the middle of what `entries.jsonl` and `checkpoint.txt` are packed to.
    for name in [ENTRIES, CHECKPOINT] {
        let mut bytes = good.clone();
        let middle = places(&good, name)[0] + name.len() + 40;
        bytes[middle] ^= 0x10;
        fs::write(&archive.path, sealed(bytes)).unwrap();
        assert_eq!(finding(&archive.path).0, name);
    }
    fs::write(&archive.path, good).unwrap();
    check(&archive.path).unwrap();
}

#[tokio::test]
async fn an_archive_overwrites_nothing() {
    let archive = archive_of(None).await;
    let good = fs::read(&archive.path).unwrap();
    let store = store(archive.path.parent().unwrap()).await;
    assert!(export(&store, &request(&key(), None), &archive.path).await.is_err());
    assert_eq!(fs::read(&archive.path).unwrap(), good);
}
