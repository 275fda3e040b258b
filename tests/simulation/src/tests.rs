use std::collections::BTreeSet;

use crate::faults::Fault;
use crate::render::{TOKEN, read_token, token};
use crate::report::{Plan, run};

#[test]
fn tokens_tell_whose_they_are() {
    let text = token(12, 345, 1, 7);
    assert_eq!(text.len(), TOKEN);
    assert_eq!(read_token(&text), Some((12, 345, 1, 7)));
    assert_eq!(read_token("tk-12.x.1.7 "), None);
}

#[test]
fn every_fault_is_listed_once() {
    let all: BTreeSet<Fault> = Fault::ALL.into_iter().collect();
    assert_eq!(all.len(), Fault::ALL.len());
}

/// A small run of what `make simulate` does at length, each seed twice.
#[test]
fn a_few_seeds_keep_every_invariant() {
    let plan = Plan {
        seeds: 1_000..1_012,
        calls: 300,
        threads: 2,
        twice: 12,
        log: false,
        stop: false,
    };
    let all = run(&plan);
    assert!(all.clean(), "{:?} {:?}", all.errors, all.violations.first());
    assert!(all.calls >= 12 * 300);
    assert!(all.outcomes.contains_key("answered"));
}
