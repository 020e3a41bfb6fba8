//! DSSE: any payload in a signed envelope, as admission controllers read it
//! (<https://github.com/secure-systems-lab/dsse/blob/master/protocol.md>).
//!
//! Invariant: what is signed names the payload's type and length, so that a signature serves nothing else that the key
//! signs: a note begins with another text.

use super::note::{SigningKey, VerifyingKey};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

/// The media type of an in-toto statement.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// A payload and its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The payload, in base64.
    pub payload: String,
    /// Its media type.
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    /// One signature.
    pub signatures: Vec<EnvelopeSignature>,
}

/// Whose signature it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvelopeSignature {
    /// The key as notes name it: `name+hash`.
    pub keyid: String,
    /// Ed25519, in base64.
    pub sig: String,
}

impl Envelope {
    /// Signs a payload.
    pub fn seal(key: &SigningKey, payload_type: &str, payload: &[u8]) -> Self {
        let signed = encoded(payload_type, payload);
        Self {
            payload: BASE64_STANDARD.encode(payload),
            payload_type: payload_type.to_owned(),
            signatures: vec![EnvelopeSignature {
                keyid: key.verifying_key().keyid(),
                sig: BASE64_STANDARD.encode(key.sign_bytes(&signed)),
            }],
        }
    }

    /// The payload, whoever wrote it.
    pub fn unproved_payload(&self) -> Option<Vec<u8>> {
        BASE64_STANDARD.decode(&self.payload).ok()
    }

    /// Whether one of the keys signed it, and every signature that names one of them is that key's.
    pub fn is_signed_by(&self, keys: &[VerifyingKey]) -> bool {
        let Some(payload) = self.unproved_payload() else { return false };
        let signed = encoded(&self.payload_type, &payload);
        let mut found = false;
        for signature in &self.signatures {
            for key in keys.iter().filter(|key| key.keyid() == signature.keyid) {
                if !BASE64_STANDARD.decode(&signature.sig).is_ok_and(|bytes| key.verifies(&signed, &bytes)) {
                    return false;
                }
                found = true;
            }
        }
        found
    }
}

/// What is signed: DSSE's pre-authentication encoding.
fn encoded(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut signed = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    signed.extend(payload);
    signed
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn what_is_signed_is_type_length_and_payload() {
        let key = SigningKey::from_seed("countersign.test/ledger", [7; 32]).unwrap();
        let envelope = Envelope::seal(&key, IN_TOTO, b"{}");
        let signed = b"DSSEv1 28 application/vnd.in-toto+json 2 {}";
        assert_eq!(envelope.signatures[0].sig, BASE64_STANDARD.encode(key.sign_bytes(signed)));
        assert!(key.verifying_key().to_string().starts_with(&envelope.signatures[0].keyid));
    }

    #[test]
    fn an_envelope_holds_under_its_key_alone_and_as_it_was_sealed() {
        let key = SigningKey::from_seed("countersign.test/ledger", [7; 32]).unwrap();
        let namesake = SigningKey::from_seed("countersign.test/ledger", [8; 32]).unwrap().verifying_key();
        let good = Envelope::seal(&key, IN_TOTO, b"{}");
        assert_eq!(good.unproved_payload().unwrap(), b"{}");
        assert!(good.is_signed_by(&[namesake.clone(), key.verifying_key()]));
        assert!(!good.is_signed_by(&[namesake]) && !good.is_signed_by(&[]));
        for bad in [
            Envelope { payload: BASE64_STANDARD.encode(b"{ }"), ..good.clone() },
            Envelope { payload: "?".to_owned(), ..good.clone() },
            Envelope { payload_type: "text/plain".to_owned(), ..good.clone() },
            Envelope { signatures: Vec::new(), ..good.clone() },
        ] {
            assert!(!bad.is_signed_by(&[key.verifying_key()]), "{bad:?}");
        }
    }
}
