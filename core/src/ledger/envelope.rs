//! DSSE: any payload in a signed envelope, as admission controllers read it
//! (<https://github.com/secure-systems-lab/dsse/blob/master/protocol.md>).
//!
//! Invariant: what is signed names the payload's type and length, so that a signature serves nothing else that the key
//! signs: a note begins with another text.

use super::note::SigningKey;
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
        let mut signed = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
        signed.extend(payload);
        Self {
            payload: BASE64_STANDARD.encode(payload),
            payload_type: payload_type.to_owned(),
            signatures: vec![EnvelopeSignature {
                keyid: key.verifying_key().keyid(),
                sig: BASE64_STANDARD.encode(key.sign_bytes(&signed)),
            }],
        }
    }
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
}
