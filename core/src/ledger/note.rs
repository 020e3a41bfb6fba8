//! Signed notes (C2SP signed-note): a text with Ed25519 signatures that ordinary tools can check.
//!
//! Invariant: a note is believed only where a key that the reader already holds signed exactly its text; signatures by
//! others are passed over, a wrong signature in a known name is an error. Keys are spelled as Go's `sumdb/note` spells
//! them. The text is usually a [`super::checkpoint`].

use super::LedgerError;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer as _};
use sha2::{Digest, Sha256};
use std::fmt;

pub(super) const ED25519: u8 = 1;
const SECRET_PREFIX: &str = "PRIVATE+KEY+";
const MOST_SIGNATURES: usize = 100;

/// The public half of a key: whose signature a reader believes.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    name: String,
    key: ed25519_dalek::VerifyingKey,
}

/// The secret half of a key. Its seed shows in [`SigningKey::to_secret_text`] alone.
#[derive(Clone)]
pub struct SigningKey {
    name: String,
    key: ed25519_dalek::SigningKey,
}

impl VerifyingKey {
    /// Reads `name+hash+base64(0x01 ‖ public key)`.
    pub fn parse(text: &str) -> Result<Self, LedgerError> {
        let (name, id, bytes) = parse_key("verifier key", text, ED25519)?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes)
            .map_err(|_| LedgerError::malformed("verifier key", "it is no point of the curve"))?;
        let key = Self { name, key };
        if key.id() == id {
            Ok(key)
        } else {
            Err(LedgerError::malformed("verifier key", "its hash is not that of its name and key"))
        }
    }

    /// The name it signs under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes of SHA-256(name ‖ newline ‖ 0x01 ‖ public key).
    fn id(&self) -> [u8; 4] {
        key_id(&self.name, ED25519, self.key.as_bytes())
    }
}

impl VerifyingKey {
    /// The key by name and hash, without the key itself: `name+hash`.
    pub fn keyid(&self) -> String {
        format!("{}+{}", self.name, hex::encode(self.id()))
    }

    /// Whether this is the key's Ed25519 signature over these very bytes.
    pub fn verifies(&self, bytes: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|signature| self.key.verify_strict(bytes, &signature).is_ok())
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&spell_key(&self.name, ED25519, self.id(), self.key.as_bytes()))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl SigningKey {
    /// The key that grows from these 32 random bytes, to sign under this name.
    pub fn from_seed(name: &str, seed: [u8; 32]) -> Result<Self, LedgerError> {
        check_name("signing key", name)?;
        Ok(Self { name: name.to_owned(), key: ed25519_dalek::SigningKey::from_bytes(&seed) })
    }

    /// Reads `PRIVATE+KEY+name+hash+base64(0x01 ‖ seed)`.
    pub fn parse(text: &str) -> Result<Self, LedgerError> {
        let rest = text
            .strip_prefix(SECRET_PREFIX)
            .ok_or_else(|| LedgerError::malformed("signing key", "it must begin with PRIVATE+KEY+"))?;
        let (name, id, seed) = parse_key("signing key", rest, ED25519)?;
        let key = Self::from_seed(&name, seed)?;
        if key.verifying_key().id() == id {
            Ok(key)
        } else {
            Err(LedgerError::malformed("signing key", "its hash is not that of its name and key"))
        }
    }

    /// The key with its seed, as a file keeps it.
    pub fn to_secret_text(&self) -> String {
        let key = spell_key(&self.name, ED25519, self.verifying_key().id(), self.key.as_bytes());
        format!("{SECRET_PREFIX}{key}")
    }

    /// The name it signs under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey { name: self.name.clone(), key: self.key.verifying_key() }
    }

    /// The Ed25519 signature over these very bytes. Whoever signs makes sure that they can be taken for nothing else.
    pub fn sign_bytes(&self, bytes: &[u8]) -> [u8; 64] {
        self.key.sign(bytes).to_bytes()
    }

    /// The text as a note with one signature; an error where the text cannot be one.
    pub fn sign(&self, text: &str) -> Result<String, LedgerError> {
        check_text(text)?;
        Ok(format!("{text}\n{}", self.signature_line(text)))
    }

    /// The line that this key adds to a note of this text.
    pub(super) fn signature_line(&self, text: &str) -> String {
        let mut signature = self.verifying_key().id().to_vec();
        signature.extend(self.key.sign(text.as_bytes()).to_bytes());
        format!("— {} {}\n", self.name, STANDARD.encode(signature))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.name)
    }
}

/// A note that has been read. Its text is worth nothing until [`Note::verify`] says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct NoteSignature {
    name: String,
    key_id: [u8; 4],
    bytes: Vec<u8>,
}

impl Note {
    /// Takes a note apart; an error where it has not the form of one.
    pub fn parse(note: &str) -> Result<Self, LedgerError> {
        let malformed = |why: &str| LedgerError::malformed("note", why);
        let (text, signatures) =
            note.rsplit_once("\n\n").ok_or_else(|| malformed("no empty line stands between text and signatures"))?;
        let text = format!("{text}\n");
        check_text(&text)?;
        let signatures = signatures.strip_suffix('\n').ok_or_else(|| malformed("it must end with a newline"))?;
        let signatures: Vec<NoteSignature> = signatures.split('\n').map(parse_signature).collect::<Result<_, _>>()?;
        if signatures.len() > MOST_SIGNATURES {
            return Err(malformed("it has more than 100 signatures"));
        }
        Ok(Self { text, signatures })
    }

    /// The text, where one of the keys signed it and no signature by any of them is wrong.
    pub fn verify(&self, keys: &[VerifyingKey]) -> Result<&str, LedgerError> {
        if !self.signers(keys)?.is_empty() {
            return Ok(&self.text);
        }
        let names: Vec<String> = keys.iter().map(|key| format!("`{}`", key.name)).collect();
        let by = if names.is_empty() { "a known key".to_owned() } else { names.join(" or ") };
        Err(LedgerError::NotSigned(by))
    }

    /// Which of the keys signed it; an error where a signature by any of them is wrong.
    pub fn signers<'k>(&self, keys: &'k [VerifyingKey]) -> Result<Vec<&'k VerifyingKey>, LedgerError> {
        let mut signers = Vec::new();
        for key in keys {
            for bytes in self.signatures_by(&key.name, key.id()) {
                let bad = || LedgerError::BadSignature(key.name.clone());
                let bytes = Signature::from_slice(bytes).map_err(|_| bad())?;
                key.key.verify_strict(self.text.as_bytes(), &bytes).map_err(|_| bad())?;
                signers.push(key);
            }
        }
        Ok(signers)
    }

    /// The bytes of signatures in this name by the key with this id, right or wrong.
    pub(super) fn signatures_by(&self, name: &str, id: [u8; 4]) -> impl Iterator<Item = &[u8]> {
        let by = move |signature: &&NoteSignature| signature.name == name && signature.key_id == id;
        self.signatures.iter().filter(by).map(|signature| signature.bytes.as_slice())
    }

    /// Whether somebody signed, rightly or not, as the key with this `name+hash`.
    pub fn names(&self, keyid: &str) -> bool {
        self.signatures.iter().any(|signature| format!("{}+{}", signature.name, hex::encode(signature.key_id)) == keyid)
    }

    /// Who is said to have signed it, as `name+hash`.
    pub fn unproved_signers(&self) -> impl Iterator<Item = String> {
        self.signatures.iter().map(|signature| format!("{}+{}", signature.name, hex::encode(signature.key_id)))
    }

    /// The text, whoever wrote it.
    pub fn unproved_text(&self) -> &str {
        &self.text
    }
}

fn parse_signature(line: &str) -> Result<NoteSignature, LedgerError> {
    let malformed = |why: &str| LedgerError::malformed("note", why);
    let (name, encoded) = line
        .strip_prefix("— ")
        .and_then(|rest| rest.split_once(' '))
        .ok_or_else(|| malformed("a signature line must read `— name base64`"))?;
    check_name("note", name)?;
    let decoded = STANDARD.decode(encoded).map_err(|_| malformed("a signature is not base64"))?;
    let Some((key_id, bytes)) = decoded.split_first_chunk::<4>() else {
        return Err(malformed("a signature is too short"));
    };
    if bytes.is_empty() {
        return Err(malformed("a signature is too short"));
    }
    Ok(NoteSignature { name: name.to_owned(), key_id: *key_id, bytes: bytes.to_vec() })
}

/// The first four bytes of SHA-256(name ‖ newline ‖ algorithm ‖ public key).
pub(super) fn key_id(name: &str, algorithm: u8, key: &[u8; 32]) -> [u8; 4] {
    let digest = Sha256::new().chain_update(name).chain_update([b'\n', algorithm]).chain_update(key).finalize();
    let mut id = [0; 4];
    id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    id
}

/// Name, hash and bytes of a key of this algorithm.
pub(super) fn parse_key(
    what: &'static str,
    text: &str,
    algorithm: u8,
) -> Result<(String, [u8; 4], [u8; 32]), LedgerError> {
    let malformed = |why: &str| LedgerError::malformed(what, why);
    // The name holds no `+`; the base64 may.
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(malformed("it must read `name+hash+base64`"));
    };
    check_name(what, name)?;
    let id = hex::decode(id).ok().and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
    let id = id.ok_or_else(|| malformed("its hash is not 8 hexadecimal digits"))?;
    let decoded = STANDARD.decode(encoded).map_err(|_| malformed("the key is not base64"))?;
    match decoded.split_first() {
        Some((of, key)) if *of == algorithm => {
            let key = <[u8; 32]>::try_from(key).map_err(|_| malformed("the key is not 32 bytes"))?;
            Ok((name.to_owned(), id, key))
        }
        _ => Err(malformed("it is of another algorithm")),
    }
}

pub(super) fn spell_key(name: &str, algorithm: u8, id: [u8; 4], bytes: &[u8; 32]) -> String {
    let mut typed = vec![algorithm];
    typed.extend(bytes);
    format!("{name}+{}+{}", hex::encode(id), STANDARD.encode(typed))
}

fn check_name(what: &'static str, name: &str) -> Result<(), LedgerError> {
    if name.is_empty() || name.contains('+') || name.contains(char::is_whitespace) {
        Err(LedgerError::malformed(what, "a name is not empty and has no space and no `+`"))
    } else {
        Ok(())
    }
}

fn check_text(text: &str) -> Result<(), LedgerError> {
    let malformed = |why: &str| LedgerError::malformed("note", why);
    if !text.ends_with('\n') || text == "\n" {
        return Err(malformed("the text must be lines that end with a newline"));
    }
    if text.chars().any(|character| character < ' ' && character != '\n') {
        return Err(malformed("the text holds a control character"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    // The example of Go's golang.org/x/mod/sumdb/note.
    const SECRET: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const PUBLIC: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n";
    const SIGNATURE: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdng\
        otpRZb6KE6RyyBwJnAM=\n";

    fn other() -> SigningKey {
        SigningKey::from_seed("EnochRoot", [7; 32]).unwrap()
    }

    #[test]
    fn keys_and_signatures_are_those_of_the_go_note_package() {
        let key = SigningKey::parse(SECRET).unwrap();
        assert_eq!(key.to_secret_text(), SECRET);
        assert_eq!(key.verifying_key().to_string(), PUBLIC);
        assert_eq!(VerifyingKey::parse(PUBLIC).unwrap(), key.verifying_key());
        assert_eq!(key.sign(TEXT).unwrap(), format!("{TEXT}\n{SIGNATURE}"));
        assert_eq!(format!("{key:?}"), "SigningKey(PeterNeumann)");
    }

    #[test]
    fn one_known_key_among_several_is_enough_and_others_are_passed_over() {
        let peter = VerifyingKey::parse(PUBLIC).unwrap();
        let signed = other().sign(TEXT).unwrap() + SIGNATURE;
        let note = Note::parse(&signed).unwrap();
        assert_eq!(note.verify(std::slice::from_ref(&peter)).unwrap(), TEXT);
        let signers =
            ["EnochRoot+".to_owned() + &hex::encode(other().verifying_key().id()), "PeterNeumann+c74f20a3".into()];
        assert_eq!(note.unproved_signers().collect::<Vec<_>>(), signers);
        assert!(signers.iter().all(|signer| note.names(signer)) && !note.names("PeterNeumann+c74f20a4"));
        assert_eq!(note.verify(&[other().verifying_key(), peter.clone()]).unwrap(), TEXT);
        let unsigned = Note::parse(&other().sign(TEXT).unwrap()).unwrap();
        assert_eq!(unsigned.verify(&[peter]).unwrap_err().to_string(), "not signed by `PeterNeumann`");
        assert_eq!(unsigned.verify(&[]).unwrap_err().to_string(), "not signed by a known key");
    }

    #[test]
    fn a_key_of_the_same_name_is_another_key() {
        let namesake = SigningKey::from_seed("PeterNeumann", [9; 32]).unwrap();
        let note = Note::parse(&namesake.sign(TEXT).unwrap()).unwrap();
        assert!(matches!(note.verify(&[VerifyingKey::parse(PUBLIC).unwrap()]), Err(LedgerError::NotSigned(_))));
    }

    #[test]
    fn every_changed_byte_of_a_note_is_found() {
        let key = VerifyingKey::parse(PUBLIC).unwrap();
        let good = format!("{TEXT}\n{SIGNATURE}").into_bytes();
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                let Ok(bad) = String::from_utf8(bad) else { continue };
                let verified = Note::parse(&bad).and_then(|note| note.verify(std::slice::from_ref(&key)).map(drop));
                assert!(verified.is_err(), "byte {at} bit {bit}: {bad}");
            }
        }
    }

    #[test]
    fn what_is_no_note_or_key_is_refused() {
        for text in ["", "\n", "no newline", "tab\there\n"] {
            assert!(other().sign(text).is_err(), "{text:?}");
        }
        for note in ["", "\n\n", "text\n", "text\n\n", "text\n\n— a\n", "text\n\n— a b\n", "text\n\n— a AAAAAA==\n"]
        {
            assert!(Note::parse(note).is_err(), "{note:?}");
        }
        for name in ["", "a b", "a+b", "a\u{a0}b"] {
            assert!(SigningKey::from_seed(name, [0; 32]).is_err(), "{name:?}");
        }
        for key in ["", "a+b", "a+00000000+AAAA", &PUBLIC.replace("c74f", "c74e"), &PUBLIC.replace("Peter", "Pieter")] {
            assert!(VerifyingKey::parse(key).is_err(), "{key:?}");
        }
        assert!(SigningKey::parse(PUBLIC).is_err());
        assert!(SigningKey::parse(&SECRET.replace("c74f", "c74e")).is_err());
    }
}
