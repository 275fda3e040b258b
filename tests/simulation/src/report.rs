//! Many seeds, over threads, and what they came to.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::driver::{self, Report};
use crate::ledger::Violation;
use crate::say;

/// Violations that are printed; the rest are counted.
const SHOWN: usize = 20;

/// What to run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seeds: Range<u64>,
    pub(crate) calls: u64,
    pub(crate) threads: usize,
    /// How many seeds are run twice.
    pub(crate) twice: u64,
    pub(crate) log: bool,
    /// Stop at the first violation.
    pub(crate) stop: bool,
}

/// What it came to.
#[derive(Debug, Default)]
pub(crate) struct All {
    pub(crate) seeds: u64,
    pub(crate) calls: u64,
    pub(crate) twice: u64,
    pub(crate) violations: Vec<Violation>,
    /// Seeds that could not be run.
    pub(crate) errors: Vec<String>,
    pub(crate) faults: BTreeMap<String, u64>,
    pub(crate) outcomes: BTreeMap<String, u64>,
    pub(crate) took: Duration,
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long the run takes on this machine is what is asked for"
)]
fn wall() -> Instant {
    Instant::now()
}

/// Runs the plan.
pub(crate) fn run(plan: &Plan) -> All {
    let begun = wall();
    let all = Mutex::new(All::default());
    let next = AtomicU64::new(plan.seeds.start);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..plan.threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !plan.seeds.contains(&seed) {
                        break;
                    }
                    let twice = seed - plan.seeds.start < plan.twice;
                    let found = one(seed, plan, twice);
                    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                    all.add(seed, found, twice);
                    if plan.stop && !all.clean() {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let mut all = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    all.took = begun.elapsed();
    all.violations
        .sort_by_key(|violation| (violation.seed, violation.at));
    all
}

fn one(seed: u64, plan: &Plan, twice: bool) -> Result<Report, String> {
    let mut report = driver::run(seed, plan.calls, plan.log)?;
    if twice && report.violations.is_empty() {
        let again = driver::run(seed, plan.calls, false)?;
        // Invariant 24: "Same seed ⇒ same log." The hash of every step's line, of two runs.
        if again.hash != report.hash {
            report.violations.push(Violation {
                invariant: 24,
                seed,
                call: None,
                at: 0,
                what: format!("two runs differ: {:016x} and {:016x}", report.hash, again.hash),
            });
        }
    }
    Ok(report)
}

impl All {
    fn add(&mut self, seed: u64, found: Result<Report, String>, twice: bool) {
        self.seeds += 1;
        self.twice += u64::from(twice);
        match found {
            Ok(report) => {
                self.calls += report.calls;
                self.violations.extend(report.violations);
                for (name, count) in report.faults {
                    *self.faults.entry(name).or_default() += count;
                }
                for (name, count) in report.outcomes {
                    *self.outcomes.entry(name).or_default() += count;
                }
            }
            Err(error) => self.errors.push(format!("seed {seed}: {error}")),
        }
    }

    /// Whether nothing was found.
    pub(crate) fn clean(&self) -> bool {
        self.violations.is_empty() && self.errors.is_empty()
    }

    /// Says it.
    pub(crate) fn print(&self, plan: &Plan) {
        table("how calls ended", &self.outcomes);
        table("what exchanges met", &self.faults);
        #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
        let rate = self.calls as f64 / self.took.as_secs_f64().max(1e-9);
        say(&format!(
            "{} seeds ({} of them twice), {} calls in {:.1} s: {rate:.0} calls/s; {} violations",
            self.seeds,
            self.twice,
            self.calls,
            self.took.as_secs_f64(),
            self.violations.len()
        ));
        for error in &self.errors {
            say(error);
        }
        if self.violations.is_empty() {
            return;
        }
        let commit = commit();
        for violation in self.violations.iter().take(SHOWN) {
            say(&format!(
                "invariant {} broken: seed {} commit {commit} call {:?} at {} ms: {}",
                violation.invariant, violation.seed, violation.call, violation.at, violation.what
            ));
        }
        if let Some(first) = self.violations.first() {
            say(&format!(
                "replay: make simulate SEED={} CALLS={}",
                first.seed, plan.calls
            ));
        }
    }
}

fn table(title: &str, counts: &BTreeMap<String, u64>) {
    say(title);
    for (name, count) in counts {
        say(&format!("  {count:>9}  {name}"));
    }
}

/// The commit that runs, as far as git tells.
fn commit() -> String {
    let said = std::process::Command::new("git")
        .args(["rev-parse", "--short=12", "HEAD"])
        .output();
    let said = said.ok().filter(|said| said.status.success());
    let text = said.and_then(|said| String::from_utf8(said.stdout).ok());
    text.map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}
