//! What a witness says of a checkpoint (C2SP tlog-cosignature, Ed25519): that it saw the ledger with this root, consistent
//! with all that it had seen before, and when.
//!
//! Invariant: a cosignature is believed only by the key that the reader holds of the witness, over exactly the checkpoint's
//! text and the time that stands with it. How witnesses are asked is not told here.

use super::LedgerError;
use super::note::{Note, key_id, parse_key, spell_key};
use ed25519_dalek::{Signature, VerifyingKey};
use std::fmt;

/// The byte by which a key says that it makes such signatures.
const COSIGNATURE: u8 = 4;

/// The key of a witness.
#[derive(Clone, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    key: VerifyingKey,
}

impl WitnessKey {
    /// Reads `name+hash+base64(0x04 ‖ public key)`.
    pub fn parse(text: &str) -> Result<Self, LedgerError> {
        let malformed = |why: &str| LedgerError::malformed("witness key", why);
        let (name, id, bytes) = parse_key("witness key", text, COSIGNATURE)?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| malformed("it is no point of the curve"))?;
        if key_id(&name, COSIGNATURE, key.as_bytes()) == id {
            Ok(Self { name, key })
        } else {
            Err(malformed("its hash is not that of its name and key"))
        }
    }

    /// The witness's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When the witness cosigned this checkpoint, in seconds since 1970: the latest time, where it did so often.
    pub fn cosigned(&self, checkpoint: &Note) -> Result<u64, LedgerError> {
        let id = key_id(&self.name, COSIGNATURE, self.key.as_bytes());
        let mut latest = None;
        for bytes in checkpoint.signatures_by(&self.name, id) {
            let bad = || LedgerError::BadSignature(self.name.clone());
            let (time, signature) = bytes.split_first_chunk::<8>().ok_or_else(bad)?;
            let time = u64::from_be_bytes(*time);
            let signature = Signature::from_slice(signature).map_err(|_| bad())?;
            let signed = format!("cosignature/v1\ntime {time}\n{}", checkpoint.unproved_text());
            if i64::try_from(time).is_err() || self.key.verify_strict(signed.as_bytes(), &signature).is_err() {
                return Err(bad());
            }
            latest = latest.max(Some(time));
        }
        latest.ok_or_else(|| LedgerError::NotSigned(format!("the witness `{}`", self.name)))
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = key_id(&self.name, COSIGNATURE, self.key.as_bytes());
        f.write_str(&spell_key(&self.name, COSIGNATURE, id, self.key.as_bytes()))
    }
}

impl fmt::Debug for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use ed25519_dalek::{Signer as _, SigningKey};

    const TEXT: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    fn witness() -> (SigningKey, WitnessKey) {
        let key = SigningKey::from_bytes(&[5; 32]);
        (key.clone(), WitnessKey { name: "witness.example/w1".to_owned(), key: key.verifying_key() })
    }

    /// A checkpoint that the witness says it saw at this time, signed over another where `over` says so.
    fn cosigned(time: u64, over: u64) -> Note {
        let (key, witness) = witness();
        let signature = key.sign(format!("cosignature/v1\ntime {over}\n{TEXT}").as_bytes());
        let mut bytes = key_id(witness.name(), COSIGNATURE, witness.key.as_bytes()).to_vec();
        bytes.extend(time.to_be_bytes());
        bytes.extend(signature.to_bytes());
        Note::parse(&format!("{TEXT}\n— {} {}\n", witness.name(), STANDARD.encode(bytes))).unwrap()
    }

    #[test]
    fn a_cosignature_says_when_and_is_bound_to_it() {
        let (_, witness) = witness();
        assert_eq!(witness.cosigned(&cosigned(1_679_315_147, 1_679_315_147)).unwrap(), 1_679_315_147);
        assert!(witness.cosigned(&cosigned(1_679_315_148, 1_679_315_147)).is_err());
        assert!(witness.cosigned(&cosigned(1 << 63, 1 << 63)).is_err());
        let others = Note::parse(&format!("{TEXT}\n— somebody.example AAAAAAAA\n")).unwrap();
        assert_eq!(
            witness.cosigned(&others).unwrap_err().to_string(),
            "not signed by the witness `witness.example/w1`"
        );
    }

    #[test]
    fn a_witness_key_is_no_ledger_key_and_has_one_spelling() {
        let (_, witness) = witness();
        assert_eq!(WitnessKey::parse(&witness.to_string()).unwrap(), witness);
        assert!(crate::ledger::VerifyingKey::parse(&witness.to_string()).is_err());
        assert!(WitnessKey::parse(&witness.to_string().replacen("w1", "w2", 1)).is_err());
    }
}
