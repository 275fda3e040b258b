//! The `hotspare` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(hotspare_cli::main_with_args(std::env::args_os()))
}
