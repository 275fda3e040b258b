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
}
