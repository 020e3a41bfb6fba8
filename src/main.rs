//! The program. Everything it does is in the library; here it only starts.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    countersign::cli::run(countersign::cli::Arguments::parse())
}
