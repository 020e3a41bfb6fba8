//! Asking witnesses to cosign the ledger's head (C2SP tlog-witness, `add-checkpoint`).
//!
//! Invariant: what a witness answers is kept only where its key signed the very head that it was asked about. A witness that
//! does not answer holds nothing up; one that saw another ledger under our name is told of loudly, since then either it or
//! this database is wrong. What is kept: `store/keys.rs`; how it is checked: `core/src/ledger/cosignature.rs`.

use crate::github::GitHubError;
use crate::github::web::Web;
use crate::settings::Ledger;
use crate::store::signing::Signer;
use crate::store::{Store, StoreError};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use countersign_core::ledger::{Checkpoint, LedgerError, Note, WitnessKey};
use std::sync::Arc;
use std::time::Duration;

/// How long a witness may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the head is shown to witnesses, where it has moved.
const PACE: Duration = Duration::from_mins(1);

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Our own checkpoint or the settings cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A witness cannot be asked.
    #[error(transparent)]
    Unreachable(#[from] GitHubError),
    /// It does not cosign this head.
    #[error("it answers with status {0}")]
    Refused(u16),
    /// It cosigned something, but not this head with its key.
    #[error("its answer is no cosignature of this head by its key")]
    NotCosigned,
    /// What it saw before is not what this ledger begins with.
    #[error("it saw another ledger under this name: the head of {size} entries does not continue what it cosigned")]
    AnotherLedger {
        /// How many entries ours has.
        size: u64,
    },
}

/// The witnesses of the settings.
pub struct Witnesses {
    web: Web,
    known: Vec<Known>,
}

struct Known {
    address: String,
    key: WitnessKey,
}

/// What came of asking them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The size of the head that they were asked about.
    pub size: u64,
    /// Those that did not cosign it, and why.
    pub without: Vec<String>,
}

impl Witnesses {
    /// Nobody is asked yet.
    pub fn new(settings: &Ledger) -> Result<Self, WitnessError> {
        let known = settings.witness.iter().map(|witness| {
            let address = format!("{}/add-checkpoint", witness.url.trim_end_matches('/'));
            Ok(Known { address, key: WitnessKey::parse(&witness.key)? })
        });
        Ok(Self { web: Web::new(PATIENCE)?, known: known.collect::<Result<_, LedgerError>>()? })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Has every witness cosign the present head.
    pub async fn ask(&self, store: &Store, signer: &Arc<Signer>) -> Result<Asked, WitnessError> {
        let note = store.checkpoint(signer.clone()).await?;
        let head = Checkpoint::parse(Note::parse(&note)?.unproved_text())?;
        let mut without = Vec::new();
        for witness in &self.known {
            if let Err(error) = self.cosign(witness, store, &note, head.size).await {
                let name = witness.key.name();
                if let WitnessError::AnotherLedger { .. } = error {
                    tracing::error!(witness = name, size = head.size, %error, "a witness contradicts this ledger");
                } else {
                    tracing::warn!(witness = name, size = head.size, %error, "a witness did not cosign");
                }
                without.push(format!("{name}: {error}"));
            }
        }
        Ok(Asked { size: head.size, without })
    }

    async fn cosign(&self, witness: &Known, store: &Store, note: &str, size: u64) -> Result<(), WitnessError> {
        let name = witness.key.name();
        let mut old = store.cosigned(name).await?;
        if old == size && size > 0 {
            return Ok(());
        }
        // Where it knows another size than we think, it says which; it is asked once more from there.
        for again in [true, false] {
            let (status, answer) = self.web.send_text(&witness.address, request(store, old, size, note).await?).await?;
            let answer = String::from_utf8_lossy(&answer);
            match status {
                200 => {
                    let line = cosignature(&witness.key, note, &answer).ok_or(WitnessError::NotCosigned)?;
                    return Ok(store.keep_cosignature(size, name.to_owned(), line).await?);
                }
                409 => match answer.trim().parse() {
                    Ok(knows) if again && knows != old && knows <= size => old = knows,
                    _ => return Err(WitnessError::AnotherLedger { size }),
                },
                422 => return Err(WitnessError::AnotherLedger { size }),
                other => return Err(WitnessError::Refused(other)),
            }
        }
        Err(WitnessError::AnotherLedger { size })
    }

    /// Shows the head to witnesses whenever it has moved; ends with the service.
    pub async fn now_and_then(self: Arc<Self>, store: Store, signer: Arc<Signer>) {
        let mut shown = None;
        loop {
            match store.ledger_head().await {
                Ok(head) if shown == Some(head.size) => {}
                Ok(_) => match self.ask(&store, &signer).await {
                    Ok(asked) if asked.without.is_empty() => shown = Some(asked.size),
                    Ok(_) => {}
                    Err(error) => tracing::warn!(%error, "no witness could be asked"),
                },
                Err(error) => tracing::warn!(%error, "no witness could be asked"),
            }
            tokio::time::sleep(PACE).await;
        }
    }
}

/// The body of a request: from which size on, the proof that nothing before it has changed, and the head.
async fn request(store: &Store, old: u64, size: u64, note: &str) -> Result<String, WitnessError> {
    let proof = if old == 0 || old == size { Vec::new() } else { store.consistency(old, size).await?.hashes };
    let lines: String = proof.iter().map(|hash| BASE64_STANDARD.encode(hash) + "\n").collect();
    Ok(format!("old {old}\n{lines}\n{note}"))
}

/// The line among an answer's that is this witness's cosignature of the head.
fn cosignature(witness: &WitnessKey, note: &str, answer: &str) -> Option<String> {
    let lines = answer.lines().map(|line| format!("{line}\n"));
    let mut lines = lines;
    lines.find(|line| Note::parse(&format!("{note}{line}")).is_ok_and(|note| witness.cosigned(&note).is_ok()))
}
