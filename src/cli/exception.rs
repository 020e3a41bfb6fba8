//! `countersign exception`: break the glass, review, list; through the service, as the account that the token names.

use super::Exit;
use crate::evaluation::exceptions::is_hidden;
use crate::github::web::{Web, is_safe};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub(super) enum ExceptionVerb {
    /// Open an exception: what is denied goes out all the same, on record, and somebody else must review it.
    #[command(
        after_help = "Example: countersign exception open --server https://countersign.example.com --repo acme/shop --environment production --reason 'checkout is down' --ticket INC-7 --minutes 60"
    )]
    Open {
        #[command(flatten)]
        service: Service,
        /// The repository, `owner/name`.
        #[arg(long = "repo", alias = "repository", value_name = "OWNER/NAME")]
        repository: String,
        /// The environment.
        #[arg(long)]
        environment: String,
        /// Only for this commit, by its full id.
        #[arg(long)]
        commit: Option<String>,
        /// Why.
        #[arg(long)]
        reason: String,
        /// The ticket of the emergency.
        #[arg(long)]
        ticket: String,
        /// For how long; at most, and by default, what the settings say.
        #[arg(long)]
        minutes: Option<u32>,
    },
    /// Say whether an exception was justified, as somebody who had no part in it.
    #[command(
        after_help = "Example: countersign exception review 3f2a… --server https://countersign.example.com --verdict justified"
    )]
    Review {
        /// The exception's id.
        id: String,
        #[command(flatten)]
        service: Service,
        /// What you say.
        #[arg(long, value_parser = ["justified", "unjustified"])]
        verdict: String,
    },
    /// Show the reviews that are owed, all of them, and the newest exceptions that were reviewed.
    #[command(after_help = "Example: countersign exception list --server https://countersign.example.com")]
    List {
        #[command(flatten)]
        service: Service,
    },
}

#[derive(Debug, Args)]
pub(super) struct Service {
    /// The address of the service.
    #[arg(long, env = "COUNTERSIGN_URL")]
    server: String,
    /// The token of the acting account, or a reader's for `list`.
    #[arg(long, env = "COUNTERSIGN_TOKEN", hide_env_values = true)]
    token: String,
    /// Print the service's answer as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(verb: ExceptionVerb) -> anyhow::Result<Exit> {
    super::runtime()?.block_on(async {
        match verb {
            ExceptionVerb::Open { service, repository, environment, commit, reason, ticket, minutes } => {
                let mut body = json!({
                    "repository": repository, "environment": environment, "reason": reason, "ticket": ticket,
                });
                if let Some(fields) = body.as_object_mut() {
                    fields.extend(commit.map(|commit| ("commit".to_owned(), json!(commit))));
                    fields.extend(minutes.map(|minutes| ("minutes".to_owned(), json!(minutes))));
                }
                let opened = service.ask("POST", "", Some(&body)).await?;
                service.say(&opened, || {
                    format!(
                        "opened {} until {}; its review is due {}",
                        text(&opened, "id"),
                        text(&opened, "ends"),
                        text(&opened, "due")
                    )
                });
            }
            ExceptionVerb::Review { id, service, verdict } => {
                if !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    bail!("`{id}` is no exception's id: see `countersign exception list`");
                }
                service.ask("POST", &format!("/{id}/review"), Some(&json!({"verdict": verdict}))).await?;
                service.say(&json!({"id": id, "verdict": verdict}), || format!("reviewed {id}: {verdict}"));
            }
            ExceptionVerb::List { service } => {
                let mut listed = service.owed().await?;
                let newest = service.ask("GET", "", None).await?;
                listed.extend(items(&newest).iter().filter(|item| text(item, "state") != "open").cloned());
                service.say(&json!({"items": listed}), || listed.iter().map(line).collect::<Vec<_>>().join("\n"));
            }
        }
        Ok(Exit::Done)
    })
}

impl Service {
    /// All that is owed, page by page, first due first.
    async fn owed(&self) -> anyhow::Result<Vec<Value>> {
        let mut owed = Vec::new();
        let mut path = "?state=open".to_owned();
        loop {
            let page = self.ask("GET", &path, None).await?;
            owed.extend(items(&page).iter().cloned());
            let Some(next) = page.get("next_before").and_then(Value::as_i64) else { break };
            path = format!("?state=open&before={next}");
        }
        owed.sort_by(|one, other| text(one, "due").cmp(text(other, "due")));
        Ok(owed)
    }

    async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        // The token goes along: whoever listens on the way could act in its account's name.
        if !is_safe(&self.server) {
            bail!("`{}` is no https address: whoever listens on the way could act with this token", self.server);
        }
        let address = format!("{}/api/v1/exceptions{path}", self.server.trim_end_matches('/'));
        let web = Web::new(Duration::from_secs(30))?;
        let (status, answer) = web.ask(method, &address, Some(&self.token), body).await?;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        match status {
            200..=299 => Ok(answer),
            401 => bail!("the service does not know this token"),
            403 => bail!("this token does not open exceptions"),
            404 => bail!("there is no such exception"),
            _ => {
                let detail = answer.get("detail").and_then(Value::as_str).filter(|detail| !detail.is_empty());
                Err(anyhow::anyhow!("the service refused ({status})"))
                    .context(detail.map_or("no reason given".to_owned(), clean))
            }
        }
    }

    fn say(&self, answer: &Value, words: impl FnOnce() -> String) {
        if self.json {
            say!("{}", escaped(&answer.to_string()));
        } else {
            say!("{}", words().lines().map(clean).collect::<Vec<_>>().join("\n"));
        }
    }
}

fn items(page: &Value) -> &[Value] {
    page.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn line(item: &Value) -> String {
    let overdue = if item.get("overdue").and_then(Value::as_bool) == Some(true) { ", OVERDUE" } else { "" };
    let repository = item.pointer("/repository/full_name").and_then(Value::as_str).unwrap_or_default();
    let opener = item.pointer("/opened_by/login").and_then(Value::as_str).unwrap_or_default();
    let used = item.get("let_through").and_then(Value::as_array).map_or(0, Vec::len);
    format!(
        "{} {repository} {}: {}{overdue}, opened by @{opener} for {} until {}, let through {used}, review due {}",
        text(item, "id"),
        text(item, "environment"),
        text(item, "state"),
        text(item, "ticket"),
        text(item, "ends"),
        text(item, "due"),
    )
}

/// Text of others, without what a terminal would act on.
fn clean(text: &str) -> String {
    text.chars().map(|letter| if is_hidden(letter) { '\u{fffd}' } else { letter }).collect()
}

/// JSON in which nothing but line breaks is left that a terminal would act on: the rest is spelled out.
fn escaped(json: &str) -> String {
    let spelled = |letter: char| match letter {
        letter if is_hidden(letter) => format!("\\u{:04x}", u32::from(letter)),
        letter => letter.to_string(),
    };
    json.chars().map(spelled).collect()
}

fn text<'v>(item: &'v Value, key: &str) -> &'v str {
    item.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{clean, escaped};

    #[test]
    fn what_a_terminal_would_act_on_is_not_printed() {
        assert_eq!(clean("INC-7\u{1b}[2J\u{9b}1m\u{202e}"), "INC-7\u{fffd}[2J\u{fffd}1m\u{fffd}");
        assert_eq!(escaped("{\"a\":\"\u{9b}1m\"}"), "{\"a\":\"\\u009b1m\"}");
    }
}
