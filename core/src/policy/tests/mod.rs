use std::time::Duration;

use super::*;
use crate::budget::{Ledger, Quote};
use crate::config::{Backoff, Hedge, Timeouts};
use crate::health::{Health, HealthSettings, Place};
use crate::limits::{KeySpec, Limits as KeyLimits, RetryBudget};
use crate::types::{
    Billing, CostRange, DomainId, EndpointId, Estimate, Failure, FailureClass as C, GroupId, KeyId, Moment,
    Next, Phase, Rates, RouteId, Sent, TargetId, Usage,
};

mod bounds;
mod hedges;
mod retries;

fn at(millis: u64) -> Moment {
    Moment::new(Duration::from_millis(millis))
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn key(provider: usize, key: usize) -> KeyId {
    KeyId { provider, key }
}

/// `keys[i]` keys at the i-th target, each target at a provider, and in a domain, of its own.
fn plan(keys: &[usize]) -> Vec<PlannedTarget> {
    keys.iter()
        .enumerate()
        .map(|(provider, count)| PlannedTarget {
            target: TargetId(provider as u64),
            keys: (0..*count).map(|index| key(provider, index)).collect(),
            window: None,
            domains: [DomainId(provider as u32)].into(),
            estimate: Estimate::default(),
            quote: Quote::default(),
            spill: provider > 0,
        })
        .collect()
}

/// What is known together at the start: all is well with every target and key of the plan.
fn admission(plan: &[PlannedTarget]) -> Admission {
    let mut admission = Admission {
        health: Health::new(HealthSettings::default(), 1),
        limits: KeyLimits::new(1),
        retries: RetryBudget::new(),
        hedges: HedgeBudget::default(),
        ledger: Ledger::default(),
    };
    let mut groups = 0..;
    for (index, planned) in plan.iter().enumerate() {
        admission.health.register(Place {
            target: planned.target,
            name: format!("p{index}/m"),
            endpoint: EndpointId(index as u32),
            endpoint_name: format!("p{index}"),
            domains: planned.domains.to_vec(),
        });
        for (key, group) in planned.keys.iter().zip(groups.by_ref()) {
            let spec = KeySpec {
                key: *key,
                group: GroupId(group),
                weight: 1.0,
            };
            admission.limits.register(spec, &Rates::default());
        }
    }
    admission
}

/// Gives a permit back as the engine does.
fn end(admission: &mut Admission, permit: Permit, failure: &Failure, now: Moment) {
    let billing = match failure.sent {
        Sent::No => Billing::Unsent,
        _ => Billing::Unknown,
    };
    let ended = Ended::Failed {
        failure,
        delivered: false,
        renewed: false,
        late: false,
    };
    admission.end(permit, ended, (billing, CostRange::ZERO), now);
}

/// Another request is told to keep away from a target's first key.
fn told(admission: &mut Admission, planned: &PlannedTarget, failure: &Failure, now: Moment) {
    let asked = Asked {
        planned,
        spent: &[],
        only: None,
        alone: false,
        last_resort: false,
        expires: now + secs(1),
    };
    let permit = admission.admit(&asked, now).expect("it is open");
    end(admission, permit, failure, now);
}

fn rules() -> Rules {
    Rules {
        route: RouteId(0),
        max_attempts: 4,
        rate_limit_wait: secs(10),
        failover_on: Vec::new(),
        backoff: Backoff::default(),
        timeouts: Timeouts {
            total: secs(60),
            ..Timeouts::default()
        },
        stream: false,
        recovers: false,
        hedge: None,
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

/// Runs a machine against failures given per target in turn; the trace is `target.key` of each attempt, `!` of each
/// refusal, and the waits.
struct Bench {
    machine: Machine,
    admission: Admission,
    plan: Vec<PlannedTarget>,
    now: Moment,
    trace: Vec<String>,
}

impl Bench {
    fn new(plan: Vec<PlannedTarget>, rules: Rules) -> Self {
        Self {
            admission: admission(&plan),
            machine: Machine::new(plan.clone(), rules, at(0), 1),
            plan,
            now: at(0),
            trace: Vec::new(),
        }
    }

    fn told(&mut self, index: usize, failure: &Failure) {
        told(&mut self.admission, &self.plan[index], failure, self.now);
    }

    fn start(&mut self) -> (Start, Permit) {
        match self.machine.next(self.now, &mut self.admission) {
            Step::Start(start, permit) => (start, *permit),
            step => panic!("it does not start: {step:?}"),
        }
    }

    /// The attempt fails; what follows.
    fn fail(
        &mut self,
        (start, permit): (Start, Permit),
        failure: &Failure,
        delivered: bool,
        renewed: bool,
    ) -> Next {
        end(&mut self.admission, permit, failure, self.now);
        self.machine
            .failed(self.now, &start, failure, delivered, renewed, &mut self.admission)
            .next
    }

    fn run(&mut self, fail: impl Fn(&Start) -> Option<Failure>) -> Option<Ending> {
        for _ in 0..64 {
            match self.machine.next(self.now, &mut self.admission) {
                Step::Start(start, permit) => {
                    self.trace.push(format!("{}.{}", start.index, start.key.key));
                    let Some(failure) = fail(&start) else {
                        let ended = Ended::Answered(&Usage::default());
                        self.admission
                            .end(*permit, ended, (Billing::Complete, CostRange::ZERO), self.now);
                        return None;
                    };
                    self.fail((start, *permit), &failure, false, false);
                }
                Step::Refuse { index, refusal } => {
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
        let mut bench = Bench::new(plan(&[1]), rules());
        let (start, permit) = bench.start();
        // Another request is under way.
        let asked = Asked {
            planned: &bench.plan[0].clone(),
            spent: &[],
            only: None,
            alone: true,
            last_resort: false,
            expires: at(1000),
        };
        let other = bench.admission.admit(&asked, at(0)).unwrap();
        let mut failed = failure(first);
        failed.retry_after = Some(secs(2));
        bench.fail((start, permit), &failed, false, false);
        limited.retry_after = Some(secs(30));
        end(&mut bench.admission, other, &limited, at(0));
        let step = bench.machine.next(at(2000), &mut bench.admission);
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
    let mut limited = failure(C::RateLimited);
    limited.retry_after = Some(secs(3));
    let mut bench = Bench::new(plan(&[1, 1]), rules());
    bench.told(0, &limited);
    assert_eq!(bench.run(|_| None), None);
    assert_eq!(bench.trace.join(" "), "0! 1.0");

    // With nothing else, it is waited for.
    let mut bench = Bench::new(plan(&[1]), rules());
    bench.told(0, &limited);
    assert_eq!(bench.run(|_| None), None);
    assert_eq!(
        (bench.trace.join(" "), bench.now),
        ("0! wait 0.0".to_owned(), at(3000))
    );
}

#[test]
fn a_key_that_was_refused_ends_the_request_and_one_that_is_not_set_does_not() {
    let mut bench = Bench::new(plan(&[1, 1]), rules());
    bench.told(0, &failure(C::Authentication));
    assert_eq!(bench.run(|_| None), Some(Ending::Failed));
    let mut bench = Bench::new(plan(&[0, 1]), rules());
    assert_eq!(bench.run(|_| None), None);
    assert_eq!(bench.trace.join(" "), "0! 1.0");
}

#[test]
fn a_renewed_secret_is_tried_once() {
    let mut bench = Bench::new(plan(&[1, 1]), rules());
    let refused = failure(C::Authentication);
    for next in [Next::SameTarget, Next::Finish] {
        let (start, permit) = bench.start();
        // The old secret was refused, so nothing is parked.
        let ended = Ended::Failed {
            failure: &refused,
            delivered: false,
            renewed: true,
            late: false,
        };
        let bill = (Billing::Rejected, CostRange::ZERO);
        bench.admission.end(permit, ended, bill, bench.now);
        let verdict = bench
            .machine
            .failed(bench.now, &start, &refused, false, true, &mut bench.admission);
        assert_eq!(verdict.next, next);
    }
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
fn after_content_nothing_is_tried_unless_the_route_recovers() {
    // (recovers, class, what follows)
    for (recovers, class, next) in [
        (false, C::Malformed, Next::Finish),
        (true, C::Malformed, Next::NextTarget),
        (true, C::Timeout, Next::NextTarget),
        (true, C::InvalidRequest, Next::Finish),
        (true, C::ContentFiltered, Next::Finish),
    ] {
        let rules = Rules {
            recovers,
            stream: true,
            ..rules()
        };
        let mut bench = Bench::new(plan(&[1, 1]), rules);
        let started = bench.start();
        assert_eq!(bench.fail(started, &failure(class), true, false), next, "{class}");
        if next == Next::Finish {
            let step = bench.machine.next(bench.now, &mut bench.admission);
            assert!(matches!(step, Step::Finish(Ending::Interrupted)), "{step:?}");
        } else {
            // What fails from then on leaves the stream interrupted, whatever it is.
            let ended = bench.run(|_| Some(failure(C::Authentication)));
            assert_eq!(ended, Some(Ending::Interrupted));
        }
    }
}

#[test]
fn a_broken_stream_with_no_other_target_is_begun_again_at_its_own() {
    let rules = Rules {
        recovers: true,
        stream: true,
        ..rules()
    };
    let mut bench = Bench::new(plan(&[1]), rules);
    let started = bench.start();
    assert_eq!(
        bench.fail(started, &failure(C::Malformed), true, false),
        Next::SameTarget
    );
    assert_eq!(bench.run(|_| None), None);
    assert_eq!(bench.trace.join(" "), "wait 0.0");
}

#[test]
fn an_open_breaker_is_passed_over_and_let_through_once_when_nothing_else_is_left() {
    let mut bench = Bench::new(plan(&[1, 1]), rules());
    for _ in 0..5 {
        bench.told(0, &failure(C::Overloaded));
    }
    assert_eq!(bench.run(|_| None), None);
    assert_eq!(bench.trace.join(" "), "0! 1.0");
    for _ in 0..5 {
        bench.told(1, &failure(C::Overloaded));
    }
    for expected in ["0! 1! 0.0 1.0", "0! 1!"] {
        let plan = bench.plan.clone();
        bench.machine = Machine::new(
            plan,
            Rules {
                max_attempts: 2,
                ..rules()
            },
            bench.now,
            2,
        );
        bench.trace.clear();
        let ended = bench.run(|_| Some(failure(C::Timeout)));
        assert_eq!(
            (bench.trace.join(" "), ended),
            (expected.to_owned(), Some(Ending::AllTargetsFailed))
        );
    }
}

#[test]
fn a_held_target_is_never_called() {
    let mut bench = Bench::new(plan(&[1, 1]), rules());
    bench.admission.health.hold("p0", at(0));
    assert_eq!(bench.run(|_| None), None);
    assert_eq!(bench.trace.join(" "), "0! 1.0");
    let mut bench = Bench::new(plan(&[1]), rules());
    bench.admission.health.hold("p0/m", at(0));
    assert_eq!(bench.run(|_| None), Some(Ending::AllTargetsFailed));
    assert_eq!(bench.trace.join(" "), "0!");
}
