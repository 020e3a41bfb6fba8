//! The ledger's key and its checkpoints.
//!
//! Invariant: a checkpoint is signed only for a head that the database holds, and kept, so that a later one can be proved
//! to extend it.

use super::{Store, StoreError, entries};
use crate::settings::Ledger;
use countersign_core::domain::{Entry, EntryBody};
use countersign_core::ledger::checkpoint::Checkpoint;
use countersign_core::ledger::note::SigningKey;
use std::io::Write as _;
use std::path::Path;

/// Signs checkpoints in the ledger's name.
pub struct Signer {
    key: SigningKey,
    /// The key before it, while the settings name one.
    previous: Option<SigningKey>,
}

impl Signer {
    /// Reads the key; for whoever signs in the ledger's name beside the service, and never makes one. It must be the key on
    /// record: what another one signs is no evidence of this ledger.
    pub async fn on_record(settings: &Ledger, store: &Store) -> anyhow::Result<Self> {
        let signer = Self::with(settings, read(&settings.key_file)?)?;
        let on_record = store.ledger_key().await?;
        if let Some(on_record) = on_record.filter(|key| *key != signer.verifying_key()) {
            anyhow::bail!(
                "the ledger's heads are signed by `{on_record}`, and `{}` holds another key: name the file of that one in \
                 `[ledger] key_file`, or start the service with this one first, so that both sign that it follows",
                settings.key_file.display()
            );
        }
        Ok(signer)
    }

    /// Reads the key, or makes one for a ledger that has none yet: readable by its owner alone. Only the service does. Where
    /// a key is on record and its file is gone, another one would be taken for a forger's.
    pub async fn open(settings: &Ledger, store: &Store) -> anyhow::Result<Self> {
        let path = &settings.key_file;
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if let Some(on_record) = store.ledger_key().await? {
                    anyhow::bail!(
                        "the ledger's heads are signed by `{on_record}`, and its file `{}` is not there: put it back",
                        path.display()
                    );
                }
                let key = SigningKey::from_seed(&settings.origin, rand::random())?;
                let text = key.to_secret_text() + "\n";
                create(path, &text)?;
                tracing::info!(path = %path.display(), key = %key.verifying_key(), "a signing key was made");
                text
            }
            Err(error) => anyhow::bail!("the ledger's key `{}` cannot be read: {error}", path.display()),
        };
        Self::with(settings, SigningKey::parse(text.trim())?)
    }

    fn with(settings: &Ledger, key: SigningKey) -> anyhow::Result<Self> {
        let previous = settings.previous_key_file.as_deref().map(read).transpose()?;
        Ok(Self { key, previous })
    }

    /// Sees to it that the key on record is this one: where it is the previous one, both sign that this one follows. Answers
    /// whether they did. `entry` makes an entry of what it records.
    pub async fn take_over(
        &self,
        store: &Store,
        entry: impl FnOnce(EntryBody) -> Entry + Send + 'static,
    ) -> anyhow::Result<bool> {
        let Some(on_record) = store.ledger_key().await?.filter(|key| *key != self.verifying_key()) else {
            return Ok(false);
        };
        let previous = self.previous.clone().filter(|key| key.verifying_key().to_string() == on_record);
        let Some(previous) = previous else {
            anyhow::bail!(
                "the ledger's heads are signed by `{on_record}`, and `key_file` holds another key: name the file of the key \
                 before it in `[ledger] previous_key_file`, so that both sign that this one follows"
            );
        };
        store.rotate(previous, self.key.clone(), entry).await?;
        tracing::info!(from = on_record, to = self.verifying_key(), "the ledger's key was rotated");
        Ok(true)
    }

    /// What auditors check signatures with.
    pub fn verifying_key(&self) -> String {
        self.key.verifying_key().to_string()
    }

    /// The key itself, for signing a bundle's manifest.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }
}

fn read(path: &Path) -> anyhow::Result<SigningKey> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| anyhow::anyhow!("the ledger's key `{}` cannot be read: {error}", path.display()))?;
    Ok(SigningKey::parse(text.trim())?)
}

fn create(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options
        .open(path)
        .map_err(|error| anyhow::anyhow!("the ledger's key `{}` cannot be made: {error}", path.display()))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(())
}

impl Store {
    /// The ledger's present head.
    pub async fn ledger_head(&self) -> Result<entries::Head, StoreError> {
        let mut connection = self.readers.acquire().await?;
        Ok(entries::head(&mut connection).await?)
    }

    /// A signed checkpoint of the present head; signed anew only when the ledger has grown.
    pub async fn checkpoint(&self, signer: std::sync::Arc<Signer>) -> Result<String, StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let frontier = entries::frontier(connection).await?;
                    let checkpoint = Checkpoint::of(signer.key.name(), &frontier);
                    if let Some(latest) = entries::latest_checkpoint(connection).await?
                        && Checkpoint::verified(&latest, &[signer.key.verifying_key()])
                            .is_ok_and(|kept| kept == checkpoint)
                    {
                        return Ok(latest);
                    }
                    let note =
                        checkpoint.sign(&signer.key).map_err(|error| StoreError::Unreadable(error.to_string()))?;
                    entries::put_checkpoint(connection, &checkpoint, &note).await?;
                    Ok(note)
                })
            })
            .await
    }
}
