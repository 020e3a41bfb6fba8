//! Keeps what was said and heard, one JSON line each, for `make contract` to hold against GitHub's published schemas.
//!
//! Invariant: off unless `TWIN_RECORD` names a directory; each process writes a file of its own there, whole lines only.

use super::Call;
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

fn file() -> Option<&'static Mutex<File>> {
    static FILE: OnceLock<Option<Mutex<File>>> = OnceLock::new();
    FILE.get_or_init(|| {
        let directory = std::env::var_os("TWIN_RECORD")?;
        std::fs::create_dir_all(&directory).ok()?;
        let name = format!("{}-{:016x}.jsonl", std::process::id(), rand::random::<u64>());
        let path = Path::new(&directory).join(name);
        OpenOptions::new().create(true).append(true).open(path).ok().map(Mutex::new)
    })
    .as_ref()
}

fn append(line: &Value) {
    if let Some(file) = file() {
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = file.write_all(format!("{line}\n").as_bytes());
    }
}

/// One call of the API and its answer. Calls that no route knows are left out: nothing describes them.
pub(super) fn call(
    method: &str,
    template: Option<&'static str>,
    call: &Call,
    operation: Option<&str>,
    request: &Value,
    status: u16,
    response: Option<&Value>,
) {
    let Some(template) = template.filter(|path| file().is_some() && !path.starts_with("/_")) else {
        return;
    };
    if template == "/graphql" {
        append(&json!({
            "kind": "graphql", "operation": operation, "request": request, "status": status, "response": response
        }));
    } else if !template.contains("/.well-known/") {
        append(&json!({
            "kind": "rest", "method": method, "operation": template, "params": call.params, "query": call.query,
            "request": request, "status": status, "response": response
        }));
    }
}

/// One webhook.
pub(crate) fn webhook(event: &str, action: Option<&str>, payload: &Value) {
    if file().is_some() {
        append(&json!({"kind": "webhook", "event": event, "action": action, "payload": payload}));
    }
}
