//! A million calls in virtual time. The core is the real one, over vendors that fail far more often than real ones and
//! keep books of their own; after every step all that is known is held against the 28 invariants.
//!
//! ```text
//! hotspare-simulation --seeds 0..200 --calls 5000     prints what happened; 1 on any violation
//! hotspare-simulation --seed 17 --calls 5000 --log    one seed, with its event log
//! hotspare-simulation --mutants --seeds 0..40         breaks the core on purpose, place by place (feature `mutants`)
//! ```
#![allow(
    clippy::indexing_slicing,
    reason = "this is a test: an index out of bounds is a bug of it, and has to stop it"
)]

mod driver;
mod events;
mod faults;
mod invariants;
mod ledger;
#[cfg(feature = "mutants")]
mod mutants;
mod render;
mod report;
mod servers;
#[cfg(test)]
mod tests;
mod watch;
mod world;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;

/// Runs hotspare against fake vendors in virtual time and checks every invariant after every step.
#[derive(Debug, Parser)]
struct Arguments {
    /// The seeds, as FIRST..END.
    #[arg(long, default_value = "0..200", value_parser = span)]
    seeds: std::ops::Range<u64>,
    /// One seed.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Calls of a seed.
    #[arg(long, default_value_t = 5_000)]
    calls: u64,
    /// Threads; each runs whole seeds.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// How many of the seeds are run twice, and their event logs compared.
    #[arg(long, default_value_t = 20)]
    twice: u64,
    /// Prints the event log as it is written.
    #[arg(long, requires = "seed")]
    log: bool,
    /// Breaks the core in this one place.
    #[cfg(feature = "mutants")]
    #[arg(long)]
    mutant: Option<String>,
    /// Breaks the core in each place in turn, and fails unless each is noticed.
    #[cfg(feature = "mutants")]
    #[arg(long)]
    mutants: bool,
}

fn span(text: &str) -> Result<std::ops::Range<u64>, String> {
    let wrong = || format!("expected FIRST..END, found {text:?}");
    let (first, end) = text.split_once("..").ok_or_else(wrong)?;
    Ok(first.parse().map_err(|_| wrong())?..end.parse().map_err(|_| wrong())?)
}

/// Prints a line.
fn say(line: &str) {
    // Whoever closed our output does not want to know more.
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seeds = arguments.seed.map_or(arguments.seeds, |seed| seed..seed + 1);
    #[cfg(feature = "mutants")]
    {
        if arguments.mutants {
            return mutants::hunt(&seeds, arguments.calls, arguments.threads);
        }
        if let Some(name) = &arguments.mutant
            && !mutants::choose(name)
        {
            return ExitCode::from(2);
        }
    }
    let plan = report::Plan {
        seeds,
        calls: arguments.calls,
        threads: arguments.threads.max(1),
        twice: arguments.twice,
        log: arguments.log,
        stop: false,
    };
    let all = report::run(&plan);
    all.print(&plan);
    if all.clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
