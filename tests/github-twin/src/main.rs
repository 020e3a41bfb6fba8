//! `github-twin serve`: a GitHub of one's own; `github-twin play`: stories against the real service.

use anyhow::Context;
use clap::{Parser, Subcommand};
use github_twin::model::{Shared, World};
use github_twin::runner::{Options, play};
use github_twin::server::Serving;
use github_twin::story::{Step, Story, WorldSpec};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// A stateful stand-in for GitHub.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serves one world until it is interrupted: REST, GraphQL, OIDC, git, webhooks and the control API below `/_twin`.
    Serve {
        /// Address and port.
        #[arg(long, default_value = "127.0.0.1:18080")]
        listen: String,
        /// Where webhooks go; without it none are sent.
        #[arg(long)]
        webhook_url: Option<String>,
        /// The webhook secret.
        #[arg(long, default_value = "")]
        webhook_secret: String,
        /// The App's public key (PEM), with which its JWTs are checked; without it none is accepted.
        #[arg(long)]
        app_public_key: Option<PathBuf>,
        /// A story: its world, and its steps up to the first that needs the service.
        #[arg(long)]
        story: Option<PathBuf>,
    },
    /// Plays every story (`*.yaml`) below a directory; ends with `N passed, N failed`.
    Play {
        /// The directory.
        #[arg(long)]
        dir: PathBuf,
        /// The service's binary.
        #[arg(long)]
        service: PathBuf,
        /// How many at a time.
        #[arg(long, default_value_t = 4)]
        jobs: usize,
        /// Only those whose file name contains this.
        #[arg(long)]
        only: Option<String>,
        /// Shows the end of the service's log where a story fails, and keeps its directory.
        #[arg(long)]
        verbose: bool,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().verb {
        Verb::Play { dir, service, jobs, only, verbose } => {
            let options = Options { directory: dir, service, jobs, only, verbose };
            let tally = play(&options, say).await?;
            Ok(if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Verb::Serve { listen, webhook_url, webhook_secret, app_public_key, story } => {
            let story = story.map(|file| Story::read(&file).with_context(|| file.display().to_string())).transpose()?;
            let directory = tempfile::Builder::new().prefix("github-twin-").tempdir()?;
            let spec = story.as_ref().map_or_else(WorldSpec::default, |story| story.world.clone());
            let mut world = World::build(&spec, directory.path())?;
            world.installation.webhook_url = webhook_url;
            world.installation.webhook_secret = webhook_secret;
            world.installation.public_key = app_public_key.map(std::fs::read_to_string).transpose()?;
            let serving = Serving::start(Shared::new(world), &listen).await?;
            for step in story.iter().flat_map(|story| &story.story).take_while(|step| !needs_service(step)) {
                serving.world.lock().play(step).with_context(|| step.word())?;
            }
            say(&format!("listening on http://{}", serving.address));
            tokio::signal::ctrl_c().await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn needs_service(step: &Step) -> bool {
    matches!(step, Step::Expect(_) | Step::Service(_) | Step::Sweep(_) | Step::Gate(_))
}

/// Whoever reads may have gone away: that is no error.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
