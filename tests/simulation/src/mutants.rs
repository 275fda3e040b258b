//! Shows that the simulation sees: the core is broken on purpose in one place at a time, and each break must be noticed
//! by the invariant it breaks.

use std::ops::Range;
use std::process::ExitCode;

use hotspare::mutant::{Mutant, set};

use crate::report::{Plan, run};
use crate::say;

/// Breaks the core in the place of that name; false, and the list, when there is none.
pub(crate) fn choose(name: &str) -> bool {
    let found = Mutant::ALL.iter().find(|(_, known, _)| *known == name);
    match found {
        Some((mutant, ..)) => set(Some(*mutant)),
        None => {
            let names: Vec<&str> = Mutant::ALL.iter().map(|(_, name, _)| *name).collect();
            say(&format!("no mutant is named {name}: {}", names.join(", ")));
        }
    }
    found.is_some()
}

/// Breaks the core in each place, and runs the seeds until the invariant notices.
pub(crate) fn hunt(seeds: &Range<u64>, calls: u64, threads: usize) -> ExitCode {
    let mut missed = 0;
    say("invariant  mutant                noticed  seen first by  after calls");
    for (mutant, name, invariant) in Mutant::ALL {
        set(Some(mutant));
        let mut tried = 0;
        let mut first = None;
        let mut noticed = false;
        for seed in seeds.clone().step_by(threads.max(1)) {
            let all = run(&Plan {
                seeds: seed..(seed + threads as u64).min(seeds.end),
                calls,
                threads,
                // A log that differs from run to run is one of the mutants.
                twice: if invariant == 24 { u64::MAX } else { 0 },
                log: false,
                stop: false,
            });
            tried += all.calls;
            // Seeds that could not be run would look like seeds in which nothing was noticed.
            for error in &all.errors {
                say(error);
            }
            first = first.or(all.violations.first().map(|violation| violation.invariant));
            noticed = all
                .violations
                .iter()
                .any(|violation| violation.invariant == invariant);
            if noticed {
                break;
            }
        }
        missed += usize::from(!noticed);
        let first = first.map_or_else(|| "nothing".to_owned(), |first| first.to_string());
        let noticed = if noticed { "yes" } else { "NO" };
        say(&format!(
            "{invariant:>9}  {name:<20}  {noticed:<7}  {first:>13}  {tried:>11}"
        ));
    }
    set(None);
    say(&format!("{} mutants, {missed} not noticed", Mutant::ALL.len()));
    if missed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
