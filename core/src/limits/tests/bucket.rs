//! The GCRA against a model that keeps a log of all it sent.

use proptest::prelude::*;

use super::super::bucket::{Bucket, burst};
use super::*;

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
enum Op {
    /// Wait so many milliseconds.
    Wait(u64),
    /// Take this much, when it fits.
    Take(u64),
    /// Settle the n-th open slot: so many percent of what it took were used; None: unknown.
    Settle(usize, Option<u64>),
    /// The vendor counts this many left.
    Told(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (0..20_000_u64).prop_map(Op::Wait),
        1 => (0..200_u64).prop_map(Op::Wait),
        5 => (0..30_u64).prop_map(Op::Take),
        4 => (any::<usize>(), prop::option::of(0..=100_u64)).prop_map(|(n, used)| Op::Settle(n, used)),
        1 => (0..60_u64).prop_map(Op::Told),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// In any minute no more is used than the limit and the burst, whatever is given back and when; what is left is never
    /// above the burst; and what waits is served when it was told.
    #[test]
    fn no_minute_holds_more_than_limit_and_burst(
        limit in 1..60_u64,
        burst in 1..40_u64,
        ops in prop::collection::vec(op(), 1..120),
    ) {
        let mut bucket = Bucket::new(MINUTE, limit, burst, at(0));
        let mut now = at(0);
        // When, and what it used as far as is known.
        let mut log: Vec<(Moment, u64)> = Vec::new();
        let mut open: Vec<(u64, usize)> = Vec::new();
        for (id, op) in (0_u64..).zip(ops) {
            match op {
                Op::Wait(ms) => now = now + Duration::from_millis(ms),
                Op::Take(cost) => {
                    if let Some(until) = bucket.fits_at(cost, now) {
                        prop_assert!(until > now);
                        prop_assert_eq!(bucket.fits_at(cost, until), None);
                        let before = until.since_start() - Duration::from_nanos(1);
                        prop_assert!(bucket.fits_at(cost, Moment::new(before)).is_some());
                    } else {
                        bucket.reserve(id, cost, now);
                        log.push((now, cost.min(burst)));
                        open.push((id, log.len() - 1));
                    }
                }
                Op::Settle(n, used) if !open.is_empty() => {
                    let (id, entry) = open.remove(n % open.len());
                    let used = used.map(|percent| log[entry].1 * percent / 100);
                    bucket.settle(id, used, now);
                    log[entry].1 = used.unwrap_or(log[entry].1);
                }
                Op::Settle(..) => bucket.settle(id, Some(0), now),
                Op::Told(left) => {
                    let before = bucket.left(now);
                    bucket.told(left, now);
                    prop_assert_eq!(bucket.left(now), before.min(left));
                }
            }
            prop_assert!(bucket.left(now) <= burst);
            prop_assert!((0.0..=1.0).contains(&bucket.share(now)));
        }
        for (index, (begin, _)) in log.iter().enumerate() {
            let minute = log[index..].iter().take_while(|(when, _)| *when - *begin < MINUTE);
            let used: u64 = minute.map(|(_, used)| used).sum();
            prop_assert!(used <= limit + burst, "{used} from {begin:?}");
        }
    }

    /// What is all given back at once leaves the bucket as it was.
    #[test]
    fn all_is_given_back(costs in prop::collection::vec(0..20_u64, 0..12), order in any::<u64>()) {
        let mut bucket = Bucket::new(MINUTE, 60, 240, at(0));
        let mut ids: Vec<u64> = (0..costs.len() as u64).collect();
        for (id, cost) in (0..).zip(&costs) {
            bucket.reserve(id, *cost, at(0));
        }
        prop_assert_eq!(bucket.left(at(0)), 240 - costs.iter().sum::<u64>());
        fastrand::Rng::with_seed(order).shuffle(&mut ids);
        for id in ids {
            bucket.settle(id, Some(0), at(0));
        }
        prop_assert_eq!(bucket.left(at(0)), 240);
        prop_assert!(bucket.is_whole(at(0)));
    }

    /// Numbers a vendor may write never overflow, and never block for ever.
    #[test]
    fn any_numbers_hold(
        per in any::<u64>(), limit in any::<u64>(), burst in any::<u64>(),
        cost in any::<u64>(), wait in any::<u64>(), told in any::<u64>(),
    ) {
        let mut bucket = Bucket::new(Duration::from_nanos(per), limit, burst, at(0));
        bucket.reserve(0, cost, at(1));
        bucket.refused(Duration::from_secs(wait), at(1));
        bucket.told(told, at(1));
        bucket.set(limit / 2, burst / 2, at(2));
        bucket.settle(0, Some(u64::MAX), at(2));
        let far = Moment::new(Duration::MAX);
        prop_assert_eq!(bucket.fits_at(cost, far), None);
        prop_assert_eq!(bucket.left(far), (burst / 2).clamp(1, 1_000_000_000_000_000));
    }
}

#[test]
fn a_busy_bucket_gives_back_what_a_slow_request_did_not_use() {
    // 60 a minute, 60 at once, all taken; as one drains a second, one more is sent each second.
    let mut bucket = Bucket::new(MINUTE, 60, 60, at(0));
    bucket.reserve(0, 30, at(0));
    bucket.reserve(1, 30, at(0));
    for second in 1..=20 {
        bucket.reserve(second + 1, 1, at(second));
    }
    assert_eq!(bucket.left(at(20)), 0);
    // Time drained what the two had reserved, the older first.
    bucket.settle(1, Some(0), at(20));
    bucket.settle(0, Some(0), at(20));
    assert_eq!(bucket.left(at(20)), 40);
    // Where others' use is known, that is what drains, and all is given back.
    let mut known = Bucket::new(MINUTE, 60, 60, at(0));
    known.reserve(0, 30, at(0));
    known.reserve(1, 30, at(0));
    known.settle(0, Some(30), at(0));
    known.settle(1, Some(0), at(20));
    assert_eq!(known.left(at(20)), 50);
    // Not found by chance: a reservation given back, and one older than it, when a later one stands on both.
    let mut later = Bucket::new(MINUTE, 60, 60, at(0));
    later.reserve(0, 30, at(0));
    later.reserve(1, 30, at(1));
    later.reserve(2, 30, at(30));
    later.settle(2, None, at(30));
    later.settle(1, Some(0), at(30));
    later.settle(0, Some(0), at(30));
    assert_eq!(later.left(at(30)), 30);
    // And an idle one has none to give: the debt was gone before.
    let mut idle = Bucket::new(MINUTE, 60, 60, at(0));
    idle.reserve(0, 30, at(0));
    idle.reserve(1, 60, at(30));
    idle.settle(0, Some(0), at(30));
    assert_eq!(idle.left(at(30)), 0);
}

#[test]
fn bursts() {
    let second = Duration::from_secs(1);
    let day = Duration::from_secs(86_400);
    for (what, per, limit, configured, expected) in [
        (RateUnit::Requests, MINUTE, 600, None, 60),
        (RateUnit::Requests, MINUTE, 5, None, 1),
        (RateUnit::Requests, MINUTE, 600, Some(7), 7),
        (RateUnit::Requests, MINUTE, 600, Some(0), 1),
        (RateUnit::Requests, second, 20, Some(7), 2),
        (RateUnit::Requests, day, 600, Some(7), 600),
        (RateUnit::Tokens, MINUTE, 600, Some(7), 600),
    ] {
        assert_eq!(burst(what, per, limit, configured), expected);
    }
}
