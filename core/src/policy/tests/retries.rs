//! What second tries draw, and what is waited for.

use super::*;

#[test]
fn retries_stop_when_their_budget_is_used_up_and_failovers_do_not() {
    let mut bench = Bench::new(plan(&[1]), rules());
    let spent = |admission: &mut Admission, now| {
        while admission.retries.try_retry(
            RouteId(9),
            crate::limits::Draw::SameTarget,
            None,
            Sent::Maybe,
            now,
        ) {}
    };
    spent(&mut bench.admission, bench.now);
    let ended = bench.run(|_| Some(failure(C::Reset)));
    assert_eq!(
        (bench.trace.join(" "), ended),
        ("0.0".to_owned(), Some(Ending::AllTargetsFailed))
    );
    // What was never sent is free.
    let mut bench = Bench::new(plan(&[1]), rules());
    spent(&mut bench.admission, bench.now);
    bench.run(|_| Some(failure(C::Connect)));
    assert_eq!(bench.trace.join(" "), "0.0 0.0");
    let mut bench = Bench::new(plan(&[1, 1]), rules());
    spent(&mut bench.admission, bench.now);
    assert_eq!(
        bench.run(|start| (start.index == 0).then(|| failure(C::Timeout))),
        None
    );
    assert_eq!(bench.trace.join(" "), "0.0 1.0");
}

#[test]
fn a_place_is_queued_for_as_long_as_the_route_waits() {
    // One at a time, and one is under way: (frees after, `rate_limit_wait`, ends with an answer)
    for (frees, wait, answered) in [(120, 10_000, true), (5_000, 300, false)] {
        let rules = Rules {
            rate_limit_wait: Duration::from_millis(wait),
            ..rules()
        };
        let plan = plan(&[1]);
        let mut bench = Bench::new(plan.clone(), rules);
        let spec = KeySpec {
            key: key(0, 0),
            group: GroupId(0),
            weight: 1.0,
        };
        let one = Rates {
            concurrency: Some(1),
            ..Rates::default()
        };
        bench.admission.limits = KeyLimits::new(1);
        bench.admission.limits.register(spec, &one);
        let asked = Asked {
            planned: &plan[0],
            spent: &[],
            only: None,
            alone: true,
            last_resort: false,
            expires: at(9000),
        };
        let mut held = Some(bench.admission.admit(&asked, at(0)).unwrap());
        let mut waits = 0;
        let ended = loop {
            if bench.now >= at(frees)
                && let Some(permit) = held.take()
            {
                end(
                    &mut bench.admission,
                    permit,
                    &failure(C::InvalidRequest),
                    bench.now,
                );
            }
            match bench.machine.next(bench.now, &mut bench.admission) {
                Step::Start(_, permit) => {
                    end(
                        &mut bench.admission,
                        *permit,
                        &failure(C::InvalidRequest),
                        bench.now,
                    );
                    break None;
                }
                Step::Refuse { index, refusal } => {
                    bench.machine.refused(bench.now, index, &refusal);
                }
                Step::Wait(until) => {
                    waits += 1;
                    bench.now = until;
                }
                Step::Finish(ending) => break Some(ending),
            }
        };
        assert!(waits > 1, "it asks again");
        assert_eq!(ended, (!answered).then_some(Ending::AllTargetsFailed));
        assert!(bench.now <= at(frees + 100), "{:?}", bench.now);
    }
}

/// A bench whose targets have one key each, and take one request at a time.
fn one_at_a_time(targets: usize, rules: Rules) -> Bench {
    let mut bench = Bench::new(plan(&vec![1; targets]), rules);
    bench.admission.limits = KeyLimits::new(1);
    let one = Rates {
        concurrency: Some(1),
        ..Rates::default()
    };
    for index in 0..targets {
        let spec = KeySpec {
            key: key(index, 0),
            group: GroupId(index as u32),
            weight: 1.0,
        };
        bench.admission.limits.register(spec, &one);
    }
    bench
}

/// Another request's attempt.
fn taken(bench: &mut Bench, index: usize, alone: bool) -> Permit {
    let asked = Asked {
        planned: &bench.plan[index].clone(),
        spent: &[],
        only: None,
        alone,
        last_resort: false,
        expires: bench.now + secs(60),
    };
    bench.admission.admit(&asked, bench.now).unwrap()
}

fn left(admission: &mut Admission, permit: Permit, now: Moment) {
    admission.end(permit, Ended::Left, (Billing::Unsent, CostRange::ZERO), now);
}

/// Whether three retries of the route may run at once, whatever they cost: none that ended is thought to run.
fn none_runs(bench: &mut Bench) -> bool {
    (0..3).all(|_| {
        bench.admission.retries.try_retry(
            RouteId(0),
            crate::limits::Draw::SameTarget,
            Some(1.0),
            Sent::Maybe,
            bench.now,
        )
    })
}

#[test]
fn a_retry_that_queues_draws_on_the_budget_once() {
    let mut bench = one_at_a_time(1, rules());
    let (before, _) = bench.admission.retries.level(bench.now);
    let started = bench.start();
    bench.fail(started, &failure(C::Server), false, false);
    // Its place goes to another request for five seconds.
    let other = taken(&mut bench, 0, true);
    while bench.now < at(5000) {
        match bench.machine.next(bench.now, &mut bench.admission) {
            Step::Wait(until) => bench.now = until,
            step => panic!("it does not wait: {step:?}"),
        }
    }
    assert_eq!(
        bench.admission.retries.level(at(0)).0,
        before,
        "it waits for free"
    );
    left(&mut bench.admission, other, bench.now);
    let (_, permit) = bench.start();
    assert_eq!(bench.admission.retries.level(at(0)).0, before - 1.0);
    left(&mut bench.admission, permit, bench.now);
    assert!(none_runs(&mut bench));
}

#[test]
fn an_end_draws_nothing() {
    let mut bench = Bench::new(plan(&[1]), rules());
    let (before, _) = bench.admission.retries.level(bench.now);
    assert_eq!(
        bench.run(|_| Some(failure(C::Timeout))),
        Some(Ending::AllTargetsFailed)
    );
    assert_eq!(bench.admission.retries.level(bench.now).0, before);
    let mut bench = Bench::new(plan(&[1, 1]), rules());
    bench.run(|_| Some(failure(C::Timeout)));
    assert_eq!(
        bench.admission.retries.level(bench.now).0,
        before - 1.0,
        "one failover"
    );
}

#[test]
fn a_retry_that_the_deadline_overtakes_does_not_run_for_ever() {
    let mut bench = Bench::new(plan(&[1]), rules());
    let started = bench.start();
    bench.now = at(59_999);
    assert_eq!(
        bench.fail(started, &failure(C::Reset), false, false),
        Next::SameTarget
    );
    bench.now = at(60_000);
    assert_eq!(bench.run(|_| None), Some(Ending::AllTargetsFailed));
    assert!(none_runs(&mut bench));
}

#[test]
fn a_hedge_whose_target_turns_out_to_be_shut_does_not_run_for_ever() {
    let rules = Rules {
        stream: true,
        hedge: Some(Hedge {
            after: Some(secs(1)),
            share: 1.0,
        }),
        ..rules()
    };
    let mut bench = Bench::new(plan(&[1, 1]), rules);
    let streams = |bench: &mut Bench, cuts: usize| {
        for stream in 0..8 {
            let mut permit = taken(bench, 1, false);
            bench.admission.first_content(&mut permit, bench.now);
            let broken = Ended::Failed {
                failure: &failure(C::Malformed),
                delivered: true,
                renewed: false,
                late: false,
            };
            let ended = match stream >= 8 - cuts {
                true => broken,
                false => Ended::Answered(&Usage::default()),
            };
            let bill = (Billing::Unknown, CostRange::ZERO);
            bench.admission.end(permit, ended, bill, bench.now);
        }
    };
    // Bad for two windows: whoever asks next opens it.
    for second in [0, 30, 61, 110] {
        bench.now = at(second * 1000);
        streams(&mut bench, 3);
    }
    bench.now = at(125_000);
    bench.machine = Machine::new(bench.plan.clone(), bench.machine.rules.clone(), bench.now, 1);
    bench.admission.retries.request(RouteId(0), None, bench.now);
    bench.admission.hedges.request(RouteId(0), 1.0, None);
    let (start, permit) = bench.start();
    assert!(bench.admission.health.peek(TargetId(1), false, bench.now).is_ok());
    let hedge = bench.machine.hedge(bench.now, &start, &mut bench.admission);
    assert!(hedge.is_none());
    assert!(
        bench
            .admission
            .health
            .peek(TargetId(1), false, bench.now)
            .is_err(),
        "it opened"
    );
    left(&mut bench.admission, permit, bench.now);
    assert!(none_runs(&mut bench));
}

#[test]
fn a_retry_that_cannot_be_paid_leaves_a_first_call_to_be_waited_for() {
    let mut bench = one_at_a_time(2, rules());
    let other = taken(&mut bench, 1, false);
    let started = bench.start();
    bench.fail(started, &failure(C::Server), false, false);
    while bench.admission.retries.try_retry(
        RouteId(9),
        crate::limits::Draw::SameTarget,
        None,
        Sent::Maybe,
        bench.now,
    ) {}
    let mut other = Some(other);
    let mut called = None;
    for _ in 0..20 {
        match bench.machine.next(bench.now, &mut bench.admission) {
            Step::Start(start, permit) => {
                left(&mut bench.admission, *permit, bench.now);
                called = Some(start.index);
                break;
            }
            Step::Refuse { index, refusal } => {
                bench.machine.refused(bench.now, index, &refusal);
            }
            Step::Wait(until) => bench.now = until,
            Step::Finish(ending) => panic!("it ends, {ending:?}, though a place may come free"),
        }
        if bench.now >= at(200)
            && let Some(permit) = other.take()
        {
            left(&mut bench.admission, permit, bench.now);
        }
    }
    assert_eq!(called, Some(1));
}

#[test]
fn a_wait_that_is_too_long_keeps_nobody_from_a_last_call() {
    // The first target asks for a minute; the second's breaker is open, and its last call not made.
    let mut bench = Bench::new(plan(&[1, 1]), rules());
    for _ in 0..5 {
        bench.told(1, &failure(C::Overloaded));
    }
    let limited = |start: &Start| {
        let mut failure = failure(C::RateLimited);
        failure.retry_after = Some(secs(60));
        (start.index == 0).then_some(failure)
    };
    assert_eq!(bench.run(limited), None);
    assert_eq!(bench.trace.join(" "), "0.0 1! 1.0");
}

#[test]
fn a_retry_that_is_put_off_is_still_a_retry() {
    // The first target's retry waits for a place that does not come in time, then the second target's does.
    let rules = Rules {
        rate_limit_wait: Duration::from_millis(100),
        ..rules()
    };
    let mut bench = one_at_a_time(2, rules);
    let mut permits = Vec::new();
    let (before, _) = bench.admission.retries.level(bench.now);
    let started = bench.start();
    let mut told = failure(C::Server);
    told.retry_after = Some(Duration::from_millis(10));
    bench.fail(started, &told, false, false);
    permits.push((0, taken(&mut bench, 0, false)));
    let started = bench.start();
    told.retry_after = Some(Duration::from_millis(90));
    bench.fail(started, &told, false, false);
    let mut starts = Vec::new();
    for _ in 0..100 {
        match bench.machine.next(bench.now, &mut bench.admission) {
            Step::Start(start, permit) => {
                starts.push(start.index);
                // The other one's place is free now.
                for (_, permit) in permits.drain(..) {
                    left(&mut bench.admission, permit, bench.now);
                }
                bench.fail((start, *permit), &failure(C::Timeout), false, false);
            }
            Step::Refuse { index, refusal } => {
                bench.machine.refused(bench.now, index, &refusal);
            }
            Step::Wait(until) => bench.now = until,
            Step::Finish(_) => break,
        }
    }
    assert_eq!(starts, [1, 0]);
    // A failover, and two retries.
    let drawn = before - bench.admission.retries.level(at(0)).0;
    assert!((drawn - 3.0).abs() < 1e-9, "{drawn}");
}

#[test]
fn a_throttled_request_is_not_thrown_for_twice() {
    let once = Rules {
        max_attempts: 1,
        ..rules()
    };
    let mut bench = Bench::new(plan(&[1]), once.clone());
    for _ in 0..200 {
        let asked = Asked {
            planned: &bench.plan[0].clone(),
            spent: &[],
            only: None,
            alone: true,
            last_resort: false,
            expires: at(1000),
        };
        if let Ok(permit) = bench.admission.admit(&asked, at(0)) {
            end(&mut bench.admission, permit, &failure(C::Server), at(0));
        }
    }
    let mut called = 0;
    for seed in 0..1000 {
        bench.machine = Machine::new(bench.plan.clone(), once.clone(), bench.now, seed);
        loop {
            match bench.machine.next(bench.now, &mut bench.admission) {
                Step::Start(_, permit) => {
                    called += 1;
                    left(&mut bench.admission, *permit, bench.now);
                    break;
                }
                Step::Refuse { index, refusal } => {
                    bench.machine.refused(bench.now, index, &refusal);
                }
                Step::Wait(until) => bench.now = until,
                Step::Finish(_) => break,
            }
        }
    }
    assert!(
        (60..150).contains(&called),
        "{called} of 1000, where a tenth is let through"
    );
}
