use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::{Backoff, Timeouts};
use crate::limits::{Gates, KeyId, TargetId};
use crate::types::{Failure, FailureClass as C, Moment, Next, Phase};

fn at(millis: u64) -> Moment {
    Moment::new(Duration::from_millis(millis))
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn key(provider: usize, key: usize) -> KeyId {
    KeyId { provider, key }
}

/// `keys[i]` keys at the i-th target, each target at a provider of its own.
fn plan(keys: &[usize]) -> Vec<PlannedTarget> {
    keys.iter()
        .enumerate()
        .map(|(provider, count)| PlannedTarget {
            target: TargetId(provider as u64),
            keys: (0..*count).map(|index| key(provider, index)).collect(),
            window: None,
        })
        .collect()
}

fn rules() -> Rules {
    Rules {
        max_attempts: 4,
        rate_limit_wait: secs(10),
        failover_on: Vec::new(),
        backoff: Backoff::default(),
        timeouts: Timeouts {
            total: secs(60),
            ..Timeouts::default()
        },
        stream: false,
    }
}

fn failure(class: C) -> Failure {
    let phase = match class {
        C::Unsupported => Phase::Encode,
        C::Connect => Phase::Connect,
        _ => Phase::Head,
    };
    Failure::new(class, phase, "made up")
}

/// Runs a machine against failures given per target in turn; the trace is `target.key` of each attempt, with `+ms` for waits.
struct Bench {
    machine: Machine,
    gates: Gates,
    now: Moment,
    trace: Vec<String>,
}

impl Bench {
    fn new(plan: Vec<PlannedTarget>, rules: Rules) -> Self {
        Self {
            machine: Machine::new(plan, rules, at(0), 1),
            gates: Gates::default(),
            now: at(0),
            trace: Vec::new(),
        }
    }

    fn run(&mut self, fail: impl Fn(&Start) -> Option<Failure>) -> Option<Ending> {
        for _ in 0..64 {
            match self.machine.next(self.now, &self.gates) {
                Step::Start(start) => {
                    self.trace.push(format!("{}.{}", start.index, start.key.key));
                    let failure = fail(&start)?;
                    self.gates.note(start.target, start.key, &failure, self.now);
                    self.machine
                        .failed(self.now, &start, &failure, false, false, &self.gates);
                }
                Step::Refuse { index, refusal, .. } => {
                    self.trace.push(format!("{index}!"));
                    self.machine.refused(self.now, index, &refusal);
                }
                Step::Wait(until) => {
                    self.trace.push("wait".to_owned());
                    self.now = until;
                }
                Step::Finish(ending) => return Some(ending),
            }
        }
        panic!("the machine never ends: {:?}", self.trace);
    }
}

#[test]
fn each_class_goes_where_the_table_says() {
    use Ending::{AllTargetsFailed as All, Failed};
    // Two targets with two keys each; the first always fails so, the second answers (None) or all fail.
    let cases: [(C, &str, &str, Ending); 14] = [
        (C::Connect, "0.0 0.0 1.0", "0.0 0.0 1.0 1.0", All),
        (C::Reset, "0.0 0.0 1.0", "0.0 0.0 1.0 1.0", All),
        (C::Timeout, "0.0 1.0", "0.0 1.0", All),
        (C::Server, "0.0 1.0", "0.0 1.0 wait 0.0 wait 1.0", All),
        (C::Overloaded, "0.0 1.0", "0.0 1.0 wait 0.0 wait 1.0", All),
        (C::RateLimited, "0.0 0.1 1.0", "0.0 0.1 1.0 1.1", All),
        (C::QuotaExhausted, "0.0 0.1 1.0", "0.0 0.1 1.0 1.1", All),
        (C::Authentication, "0.0 0.1", "0.0 0.1", Failed),
        (C::ModelNotFound, "0.0 1.0", "0.0 1.0", All),
        (C::ContextLength, "0.0", "0.0", Failed),
        (C::ContentFiltered, "0.0", "0.0", Failed),
        (C::InvalidRequest, "0.0", "0.0", Failed),
        (C::Malformed, "0.0 1.0", "0.0 1.0", All),
        (C::Unsupported, "0.0 1.0", "0.0 1.0", All),
    ];
    for (class, first_fails, all_fail, ending) in cases {
        let mut bench = Bench::new(plan(&[2, 2]), rules());
        let ended = bench.run(|start| (start.index == 0).then(|| failure(class)));
        assert_eq!(bench.trace.join(" "), first_fails, "{class}, first fails");
        let stops = matches!(ending, Failed);
        assert_eq!(ended, stops.then_some(Failed), "{class}, first fails");

        let mut bench = Bench::new(plan(&[2, 2]), rules());
        let ended = bench.run(|_| Some(failure(class)));
        assert_eq!(bench.trace.join(" "), all_fail, "{class}, all fail");
        assert_eq!(ended, Some(ending), "{class}, all fail");
    }
}

#[test]
fn a_repeat_never_takes_a_later_targets_attempt() {
    let mut bench = Bench::new(plan(&[1, 1, 1]), rules());
    bench.run(|_| Some(failure(C::Connect)));
    assert_eq!(bench.trace.join(" "), "0.0 0.0 1.0 2.0");
    let mut bench = Bench::new(plan(&[1, 1, 1, 1]), rules());
    bench.run(|_| Some(failure(C::Connect)));
    assert_eq!(bench.trace.join(" "), "0.0 1.0 2.0 3.0");
}

#[test]
fn opting_in_goes_on() {
    for class in [C::Authentication, C::ContentFiltered] {
        let mut bench = Bench::new(
            plan(&[1, 1]),
            Rules {
                failover_on: vec![class],
                ..rules()
            },
        );
        assert_eq!(
            bench.run(|start| (start.index == 0).then(|| failure(class))),
            None
        );
        assert_eq!(bench.trace.join(" "), "0.0 1.0");
    }
}

#[test]
fn context_length_goes_only_to_a_larger_window() {
    let mut targets = plan(&[1, 1, 1, 1]);
    for (target, window) in targets.iter_mut().zip([Some(100), Some(100), None, Some(200)]) {
        target.window = window;
    }
    let mut bench = Bench::new(targets, rules());
    let ended = bench.run(|start| (start.index == 0).then(|| failure(C::ContextLength)));
    assert_eq!((bench.trace.join(" "), ended), ("0.0 3.0".to_owned(), None));
}

#[test]
fn a_rate_limit_is_waited_for_only_when_nothing_else_is_left_and_it_fits() {
    let limited = |seconds| {
        move |_: &Start| {
            let mut failure = failure(C::RateLimited);
            failure.retry_after = Some(secs(seconds));
            Some(failure)
        }
    };
    // (retry-after, deadline, waits)
    for (seconds, total, waits) in [(5, 60, true), (11, 60, false), (5, 5, false)] {
        let mut rules = rules();
        rules.timeouts.total = secs(total);
        let mut bench = Bench::new(plan(&[1]), rules);
        let ended = bench.run(limited(seconds));
        assert_eq!(ended, Some(Ending::AllTargetsFailed));
        let expected = if waits { "0.0 wait 0.0" } else { "0.0" };
        assert_eq!(bench.trace.join(" "), expected, "{seconds} s of {total} s");
        if waits {
            assert_eq!(bench.now, at(5000), "waited exactly as long as asked");
        }
    }
}

#[test]
fn a_comeback_uses_the_key_that_opens_first() {
    let limited = |start: &Start| {
        let mut failure = failure(C::RateLimited);
        failure.retry_after = Some(secs(if start.key.key == 0 { 2 } else { 8 }));
        Some(failure)
    };
    let mut bench = Bench::new(plan(&[2]), rules());
    assert_eq!(bench.run(limited), Some(Ending::AllTargetsFailed));
    assert_eq!(bench.trace.join(" "), "0.0 0.1 wait 0.0");
    assert_eq!(bench.now, at(2000));
}

#[test]
fn a_target_is_not_tried_again_where_another_request_was_told_to_keep_away() {
    let mut limited = failure(C::RateLimited);
    for first in [C::RateLimited, C::Connect] {
        let mut gates = Gates::default();
        let mut machine = Machine::new(plan(&[1]), rules(), at(0), 1);
        let Step::Start(start) = machine.next(at(0), &gates) else {
            panic!("it starts")
        };
        let mut failed = failure(first);
        failed.retry_after = Some(secs(2));
        gates.note(start.target, start.key, &failed, at(0));
        machine.failed(at(0), &start, &failed, false, false, &gates);
        // Meanwhile, elsewhere:
        limited.retry_after = Some(secs(30));
        gates.note(start.target, start.key, &limited, at(0));
        let step = machine.next(at(2000), &gates);
        assert!(matches!(step, Step::Refuse { .. }), "{first}: {step:?}");
    }
}

#[test]
fn a_backoff_is_no_rate_limit_wait() {
    // (class, retry-after, tried again though `rate_limit_wait` is zero)
    for (class, retry_after, again) in [
        (C::Server, None, true),
        (C::Server, Some(1), false),
        (C::RateLimited, None, false),
        (C::RateLimited, Some(0), false),
    ] {
        let rules = Rules {
            rate_limit_wait: Duration::ZERO,
            ..rules()
        };
        let mut bench = Bench::new(plan(&[1]), rules);
        bench.run(|_| {
            let mut failure = failure(class);
            failure.retry_after = retry_after.map(secs);
            Some(failure)
        });
        let expected = if again { "0.0 wait 0.0" } else { "0.0" };
        assert_eq!(bench.trace.join(" "), expected, "{class} {retry_after:?}");
    }
}

#[test]
fn a_closed_gate_is_not_knocked_at() {
    let mut gates = Gates::default();
    let mut limited = failure(C::RateLimited);
    limited.retry_after = Some(secs(3));
    gates.note(TargetId(0), key(0, 0), &limited, at(0));
    let mut bench = Bench::new(plan(&[1, 1]), rules());
    bench.gates = gates;
    assert_eq!(bench.run(|_| None), None);
    assert_eq!(bench.trace.join(" "), "0! 1.0");

    // With nothing else, it is waited for.
    let mut gates = Gates::default();
    gates.note(TargetId(0), key(0, 0), &limited, at(0));
    let mut bench = Bench::new(plan(&[1]), rules());
    bench.gates = gates;
    assert_eq!(bench.run(|_| None), None);
    assert_eq!(
        (bench.trace.join(" "), bench.now),
        ("0! wait 0.0".to_owned(), at(3000))
    );
}

#[test]
fn a_key_that_was_refused_ends_the_request_and_one_that_is_not_set_does_not() {
    let mut bench = Bench::new(plan(&[1, 1]), rules());
    bench
        .gates
        .note(TargetId(0), key(0, 0), &failure(C::Authentication), at(0));
    assert_eq!(bench.run(|_| None), Some(Ending::Failed));
    let mut bench = Bench::new(plan(&[0, 1]), rules());
    assert_eq!(bench.run(|_| None), None);
    assert_eq!(bench.trace.join(" "), "0! 1.0");
}

#[test]
fn a_renewed_secret_is_tried_once() {
    let mut machine = Machine::new(plan(&[1, 1]), rules(), at(0), 1);
    let gates = Gates::default();
    let Step::Start(start) = machine.next(at(0), &gates) else {
        panic!("it starts")
    };
    let refused = failure(C::Authentication);
    assert_eq!(
        machine.failed(at(1), &start, &refused, false, true, &gates).next,
        Next::SameTarget
    );
    let Step::Start(start) = machine.next(at(1), &gates) else {
        panic!("it starts again")
    };
    assert_eq!(
        machine.failed(at(2), &start, &refused, false, true, &gates).next,
        Next::Finish
    );
}

#[test]
fn the_vendors_word_on_retrying_wins_for_the_same_target() {
    let told = |word| {
        move |_: &Start| {
            let mut failure = failure(C::Server);
            failure.should_retry = Some(word);
            Some(failure)
        }
    };
    let mut bench = Bench::new(plan(&[1]), rules());
    bench.run(told(false));
    assert_eq!(bench.trace.join(" "), "0.0");
    let mut bench = Bench::new(plan(&[1]), rules());
    bench.run(told(true));
    assert_eq!(bench.trace.join(" "), "0.0 wait 0.0");
}

#[test]
fn slices_leave_later_targets_their_minimum() {
    // (targets, total, reserve, slices of the attempts when each uses its slice up)
    let cases: [(usize, u64, u64, &[u64]); 4] = [
        (3, 60, 10, &[40, 10, 10]),
        (1, 60, 10, &[60]),
        (3, 12, 10, &[4, 4, 4]),
        (2, 60, 40, &[30, 30]),
    ];
    for (targets, total, reserve, slices) in cases {
        let mut rules = rules();
        rules.timeouts.total = secs(total);
        rules.timeouts.reserve = secs(reserve);
        let mut machine = Machine::new(plan(&vec![1; targets]), rules, at(0), 1);
        let gates = Gates::default();
        let mut now = at(0);
        for slice in slices {
            let Step::Start(start) = machine.next(now, &gates) else {
                panic!("it starts")
            };
            assert_eq!(
                start.limits.answer_by - now,
                secs(*slice),
                "{targets} in {total} s, {reserve} s each"
            );
            now = start.limits.answer_by;
            machine.failed(now, &start, &failure(C::Timeout), false, false, &gates);
        }
        assert!(matches!(
            machine.next(now, &gates),
            Step::Finish(Ending::AllTargetsFailed)
        ));
    }
}

#[test]
fn after_content_nothing_is_tried() {
    let mut machine = Machine::new(plan(&[1, 1]), rules(), at(0), 1);
    let gates = Gates::default();
    let Step::Start(start) = machine.next(at(0), &gates) else {
        panic!("it starts")
    };
    let verdict = machine.failed(at(1), &start, &failure(C::Malformed), true, false, &gates);
    assert_eq!(verdict.next, Next::Finish);
    assert_eq!(machine.next(at(1), &gates), Step::Finish(Ending::Interrupted));
}

fn any_class() -> impl Strategy<Value = C> {
    prop::sample::select(C::ALL.to_vec())
}

proptest! {
    /// Whatever fails however: it ends, within its attempts, never before a gate's time, never past the deadline.
    #[test]
    fn every_request_ends_within_its_bounds(
        keys in prop::collection::vec(0..3_usize, 1..6),
        script in prop::collection::vec((any_class(), prop::option::of(0..30_u64), 0..20_u64), 40),
        max_attempts in 1..8_u32,
        stream in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let rules = Rules { max_attempts, stream, ..rules() };
        let mut machine = Machine::new(plan(&keys), rules, at(0), seed);
        let mut gates = Gates::default();
        let mut now = at(0);
        let mut sent = 0_u32;
        let mut steps = script.into_iter();
        let mut ended = false;
        for _ in 0..200 {
            match machine.next(now, &gates) {
                Step::Start(start) => {
                    prop_assert!(gates.closed(start.target, start.key, now).is_none(), "a closed key is used");
                    prop_assert!(now < at(60_000));
                    prop_assert!(start.limits.answer_by > now && start.limits.answer_by <= at(60_000));
                    let Some((class, retry_after, took)) = steps.next() else { ended = true; break };
                    if class != C::Unsupported { sent += 1; }
                    now = (now + secs(took)).min(start.limits.answer_by);
                    let mut failure = failure(class);
                    failure.retry_after = retry_after.map(secs);
                    gates.note(start.target, start.key, &failure, now);
                    machine.failed(now, &start, &failure, false, false, &gates);
                }
                Step::Refuse { index, refusal, .. } => { machine.refused(now, index, &refusal); }
                Step::Wait(until) => { prop_assert!(until > now); now = until; }
                Step::Finish(_) => { ended = true; break }
            }
        }
        prop_assert!(ended);
        prop_assert!(sent <= max_attempts);
    }
}
