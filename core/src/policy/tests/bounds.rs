//! What no request may exceed: its deadline, its attempts, and the slices of both.

use proptest::prelude::*;

use super::*;

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
        let mut bench = Bench::new(plan(&vec![1; targets]), rules);
        for slice in slices {
            let (start, permit) = bench.start();
            assert_eq!(
                start.limits.answer_by - bench.now,
                secs(*slice),
                "{targets} in {total} s, {reserve} s each"
            );
            bench.now = start.limits.answer_by;
            bench.fail((start, permit), &failure(C::Timeout), false, false);
        }
        assert!(matches!(
            bench.machine.next(bench.now, &mut bench.admission),
            Step::Finish(Ending::AllTargetsFailed)
        ));
    }
}

#[test]
fn at_the_deadline_nothing_follows() {
    // Not the same target, nor another key, nor the next target, nor a wait.
    for class in C::ALL {
        let mut bench = Bench::new(plan(&[2, 2]), rules());
        let (start, permit) = bench.start();
        bench.now = start.limits.deadline;
        let (before, _) = bench.admission.retries.level(bench.now);
        let next = bench.fail(
            (start, permit),
            &failure(class),
            false,
            class == C::Authentication,
        );
        assert_eq!(next, Next::Finish, "{class}");
        assert!(bench.run(|_| None).is_some(), "{class}");
        assert_eq!(bench.trace.join(" "), "", "{class}");
        assert_eq!(bench.admission.retries.level(bench.now).0, before, "{class}");
    }
}

#[test]
fn no_comeback_is_kept_for_a_target_whose_breaker_would_be_open_then() {
    // (failures of others before, so that this one opens its breaker; what is done)
    for (others, trace) in [(3, "0.0 1.0 wait 0.0"), (4, "0.0 1.0")] {
        let mut bench = Bench::new(plan(&[1, 1]), rules());
        for _ in 0..others {
            bench.told(0, &failure(C::Server));
        }
        let ended = bench.run(|start| {
            Some(failure(match start.index {
                0 => C::Server,
                _ => C::Timeout,
            }))
        });
        assert_eq!(
            (bench.trace.join(" "), ended),
            (trace.to_owned(), Some(Ending::AllTargetsFailed)),
            "{others}"
        );
    }
    // One that is open again by then is waited for.
    let rules = Rules {
        rate_limit_wait: secs(30),
        ..rules()
    };
    let mut bench = Bench::new(plan(&[1, 1]), rules);
    for _ in 0..4 {
        bench.told(0, &failure(C::Server));
    }
    let mut later = failure(C::Server);
    later.retry_after = Some(secs(20));
    bench.run(|start| {
        Some(match start.index {
            0 => later.clone(),
            _ => failure(C::Timeout),
        })
    });
    assert_eq!(bench.trace.join(" "), "0.0 1.0 wait 0.0");
}

fn any_class() -> impl Strategy<Value = C> {
    prop::sample::select(C::ALL.to_vec())
}

proptest! {
    /// Whatever fails however: it ends, within its attempts, never past the deadline, and every permit is given back.
    #[test]
    fn every_request_ends_within_its_bounds(
        keys in prop::collection::vec(0..3_usize, 1..6),
        script in prop::collection::vec((any_class(), prop::option::of(0..30_u64), 0..20_u64, any::<bool>()), 40),
        max_attempts in 1..8_u32,
        stream in any::<bool>(),
        recovers in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let rules = Rules { max_attempts, stream, recovers, ..rules() };
        let mut bench = Bench::new(plan(&keys), rules.clone());
        bench.machine = Machine::new(plan(&keys), rules, at(0), seed);
        let mut sent = 0_u32;
        let mut steps = script.into_iter();
        let mut ended = false;
        for _ in 0..400 {
            match bench.machine.next(bench.now, &mut bench.admission) {
                Step::Start(start, permit) => {
                    prop_assert!(bench.now < at(60_000));
                    prop_assert!(start.limits.answer_by > bench.now && start.limits.answer_by <= at(60_000));
                    let Some((class, retry_after, took, delivered)) = steps.next() else {
                        end(&mut bench.admission, *permit, &failure(C::InvalidRequest), bench.now);
                        ended = true;
                        break
                    };
                    if class != C::Unsupported { sent += 1; }
                    bench.now = (bench.now + secs(took)).min(start.limits.answer_by);
                    let mut failure = failure(class);
                    failure.retry_after = retry_after.map(secs);
                    let delivered = delivered && stream && class != C::Unsupported;
                    bench.fail((start, *permit), &failure, delivered, false);
                }
                Step::Refuse { index, refusal } => { bench.machine.refused(bench.now, index, &refusal); }
                Step::Wait(until) => { prop_assert!(until > bench.now); bench.now = until; }
                Step::Finish(_) => { ended = true; break }
            }
        }
        prop_assert!(ended);
        prop_assert!(sent <= max_attempts);
        prop_assert_eq!(bench.admission.ledger.open(), 0);
    }

    /// Against the words of the design: of what is left, each later target keeps its minimum, or its even share where
    /// there is less; and no attempt gets more than its own limit.
    #[test]
    fn slices_are_those_of_the_simplest_model(
        turns in prop::collection::vec((any::<bool>(), 0..=100_u32), 1..7),
        total in 1..120_000_u64,
        reserve in 0..30_000_u64,
        own in prop::option::of(1..60_000_u64),
        stream in any::<bool>(),
    ) {
        let mut rules = Rules { max_attempts: 8, stream, ..rules() };
        rules.timeouts.total = Duration::from_millis(total);
        rules.timeouts.reserve = Duration::from_millis(reserve);
        match stream {
            true => rules.timeouts.first_token = Duration::from_millis(own.unwrap_or(60_000)),
            false => rules.timeouts.attempt = own.map(Duration::from_millis),
        }
        let own = if stream { own.or(Some(60_000)) } else { own };
        // Those that have no key are passed over in no time.
        let keys: Vec<usize> = turns.iter().map(|(has_key, _)| usize::from(*has_key)).collect();
        let mut bench = Bench::new(plan(&keys), rules);
        let mut left = u128::from(total) * 1_000_000;
        for (turn, (has_key, percent)) in turns.iter().enumerate() {
            if left == 0 {
                break;
            }
            if !has_key {
                let Step::Refuse { index, refusal } = bench.machine.next(bench.now, &mut bench.admission) else {
                    panic!("it has no key");
                };
                bench.machine.refused(bench.now, index, &refusal);
                continue;
            }
            let later = (turns.len() - turn - 1) as u128;
            let minimum = (u128::from(reserve) * 1_000_000 * later).min(left);
            let slice = (left - minimum).max(left / (later + 1));
            let slice = slice.min(own.map_or(u128::MAX, |own| u128::from(own) * 1_000_000));
            let (start, permit) = bench.start();
            prop_assert_eq!((start.limits.answer_by - bench.now).as_nanos(), slice);
            prop_assert_eq!(start.limits.deadline, at(total));
            let took = slice * u128::from(*percent) / 100;
            left -= took;
            bench.now = bench.now + Duration::from_nanos(u64::try_from(took).unwrap());
            bench.fail((start, permit), &failure(C::Timeout), false, false);
        }
        let step = bench.machine.next(bench.now, &mut bench.admission);
        prop_assert!(matches!(step, Step::Finish(_)), "{:?}", step);
    }
}
