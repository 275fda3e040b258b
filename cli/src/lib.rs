//! The `hotspare` command, as a library, so that the Python package can carry it without a second binary.

mod chat;
mod check;

use std::ffi::OsString;
use std::io::{self, Write};

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "hotspare",
    version,
    about = "Keeps LLM calls answered when a provider is not"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Ask once and print the answer
    Chat(chat::Chat),
    /// Say whether a config is right, which keys are there, and whether its providers answer
    Check(check::Check),
}

/// Runs the command with these arguments, the program's name first, and gives its exit code: 0 when all went well, 1
/// when it did not, 2 when the arguments are wrong.
pub fn main_with_args<T: Into<OsString> + Clone>(args: impl IntoIterator<Item = T>) -> u8 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Nobody reads what cannot be printed.
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(2);
        }
    };
    let done = runtime().and_then(|runtime| match cli.command {
        Command::Chat(chat) => runtime.block_on(chat.run()),
        Command::Check(check) => runtime.block_on(check.run()),
    });
    match done {
        Ok(true) => 0,
        Ok(false) => 1,
        // The reader of our output went away, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => 1,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            1
        }
    }
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
