//! The program. Everything it does is in the library; here it only starts.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match countersign::cli::Arguments::try_parse() {
        Ok(arguments) => countersign::cli::run(arguments),
        Err(error) => {
            let _ = error.print();
            // The parser's own code for a misspelt call is 2, which here says that somebody was denied.
            if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
    }
}
