//! The `hotspare` command.

mod chat;
mod check;
mod explain;
mod models;
mod open;
mod reach;
mod simulate;
mod status;
mod table;

use std::ffi::OsString;
use std::io::{self, Write as _};

use clap::{Parser, Subcommand};

/// Keeps an app's LLM calls answered when a provider fails.
#[derive(Debug, Parser)]
#[command(name = "hotspare", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Chat(chat::Args),
    Check(check::Args),
    Explain(explain::Args),
    Models(models::Args),
    Simulate(simulate::Args),
    Status(status::Args),
}

/// Runs the command line, program name first, and gives the exit code: 0 when all went well, 1 when it did not, 2
/// when the arguments are wrong.
pub fn main_with_args(args: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(problem) => {
            // Where there is no output left to write to, the exit code still says it.
            let _ = problem.print();
            return u8::try_from(problem.exit_code()).unwrap_or(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(problem) => return fail(&problem),
    };
    let code = runtime.block_on(async {
        match cli.command {
            Command::Chat(args) => told(chat::run(args).await),
            Command::Check(args) => told(check::run(args).await),
            Command::Explain(args) => told(explain::run(args).await),
            Command::Models(args) => told(models::run(args)),
            Command::Status(args) => told(status::run(args).await),
            Command::Simulate(args) => simulate::run(args)
                .await
                .map_or_else(|problem| fail(&problem), |()| 0),
        }
    });
    // A read of standard input cannot be called off, and must not keep the process.
    runtime.shutdown_background();
    code
}

/// The exit code of a command that has said itself what went wrong: its error is that saying it failed.
fn told(done: io::Result<bool>) -> u8 {
    match done {
        Ok(true) => 0,
        Ok(false) => 1,
        // The reader of our output went away, as `head` does.
        Err(problem) if problem.kind() == io::ErrorKind::BrokenPipe => 1,
        Err(problem) => fail(&problem),
    }
}

fn fail(problem: &dyn std::fmt::Display) -> u8 {
    let _ = writeln!(io::stderr().lock(), "hotspare: {problem}");
    1
}
