//! What is ours: scopes, database, the ledger's key, webhook secrets.
//!
//! Invariant: the database is written to in a transaction that is taken back, and no key is made.

use super::Findings;
use crate::settings::Settings;
use crate::store::Store;
use std::path::Path;

pub(super) async fn examine(settings: &Settings, here: &mut Findings<'_>) {
    if settings.scope.is_empty() {
        here.broken(
            "scope-missing",
            "no repository is in a scope: nothing is promised about any",
            "Name repositories under [[scope]]",
        );
    }
    for scope in settings.scope.iter().filter(|scope| scope.environments.is_empty()) {
        here.broken(
            "scope-empty",
            format!("the scope of {} names no environment", scope.repositories.join(", ")),
            "Name the production environments",
        );
    }
    database(settings, here).await;
    let key = &settings.ledger.key_file;
    match std::fs::metadata(key) {
        Ok(_) => here.holds("ledger-key", format!("the ledger's key is at `{}`", key.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => here.unknown(
            "ledger-key",
            format!("there is no ledger key at `{}` yet", key.display()),
            "The first start makes it: keep a copy of it somewhere safe",
        ),
        Err(error) => here.broken(
            "ledger-key",
            format!("the ledger's key `{}` cannot be read: {error}", key.display()),
            "Let the service read it",
        ),
    }
    if settings.github.webhook_secrets.is_empty() {
        here.broken(
            "webhook-secret-missing",
            "no webhook secret is configured: every delivery is turned away",
            "Set webhook_secrets under [github]",
        );
    }
}

async fn database(settings: &Settings, here: &mut Findings<'_>) {
    let url = &settings.storage.url;
    let file = url.strip_prefix("sqlite://").map(|file| file.split('?').next().unwrap_or(file));
    if let Some(file) = file.filter(|file| !Path::new(file).exists()) {
        let folder = Path::new(file).parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match tempfile::tempfile_in(folder) {
            Ok(_) => here.unknown(
                "database",
                format!("there is no database at `{file}` yet"),
                "The first start makes it; look again then",
            ),
            Err(error) => here.broken(
                "database",
                format!("no database can be made in `{}`: {error}", folder.display()),
                "Let the service write there",
            ),
        }
        return;
    }
    let written = match Store::attach(url).await {
        Ok(store) => store.try_writing().await,
        Err(error) => Err(error),
    };
    match written {
        Ok(()) => here.holds("database", "the database can be written"),
        Err(error) => here.broken("database", error.to_string(), "Let the service write to its database"),
    }
}
