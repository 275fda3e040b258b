//! The retry budget, in tables and against a model that keeps a log.

use proptest::prelude::*;

use super::*;
use crate::types::{RouteId, Sent};

const ROUTE: RouteId = RouteId(0);
const DOLLAR: Option<f64> = Some(1.0);

/// Retries without a known cost, until one is refused.
fn granted(budget: &mut RetryBudget, kind: Draw, now: Moment) -> usize {
    (0..10_000)
        .take_while(|_| budget.try_retry(ROUTE, kind, None, Sent::Yes, now))
        .count()
}

#[test]
fn the_floor_and_a_fifth_of_requests() {
    for (requests, retries) in [(0, 100), (4, 100), (5, 101), (1000, 300)] {
        let mut budget = RetryBudget::default();
        for _ in 0..requests {
            budget.request(ROUTE, None, at(0));
        }
        assert_eq!(granted(&mut budget, Draw::SameTarget, at(0)), retries);
        assert!(budget.level(at(0)).0 < 1.0);
        assert_eq!(granted(&mut budget, Draw::SameTarget, at(9)), 0);
        // Ten seconds later all of it is forgotten, what was earned too.
        assert_eq!(budget.level(at(10)), (100.0, 100.0));
    }
}

#[test]
fn hedges_need_more_than_half() {
    let mut budget = RetryBudget::new();
    assert_eq!(granted(&mut budget, Draw::Hedge, at(0)), 50);
    assert_eq!(granted(&mut budget, Draw::SameTarget, at(0)), 50);
}

#[test]
fn a_failover_is_never_refused_and_never_goes_below_zero() {
    let mut budget = RetryBudget::new();
    for _ in 0..200 {
        budget.failover(ROUTE, DOLLAR, Sent::Maybe, at(0));
    }
    assert_eq!(budget.level(at(0)), (0.0, 100.0));
    assert!(!budget.try_retry(ROUTE, Draw::SameTarget, None, Sent::Yes, at(0)));
    for _ in 0..5 {
        budget.request(ROUTE, None, at(0));
    }
    assert_eq!(
        budget.level(at(0)),
        (1.0, 101.0),
        "what was never there is not owed"
    );
}

#[test]
fn after_what_was_never_sent_all_is_free() {
    let mut budget = RetryBudget::new();
    for _ in 0..1000 {
        budget.failover(ROUTE, DOLLAR, Sent::No, at(0));
        assert!(budget.try_retry(ROUTE, Draw::SameTarget, DOLLAR, Sent::No, at(0)));
    }
    assert_eq!(budget.level(at(0)), (100.0, 100.0));
}

#[test]
fn money_is_kept_by_route() {
    // (requests of a dollar, what became of the try before, retries of a dollar beyond the three that always may run)
    for (requests, sent, retries) in [
        (0, Sent::Yes, 0),
        (20, Sent::Maybe, 4),
        (20, Sent::Yes, 16),
        (23, Sent::Maybe, 4),
    ] {
        let mut budget = RetryBudget::new();
        for _ in 0..requests {
            budget.request(ROUTE, DOLLAR, at(0));
        }
        let retry =
            |budget: &mut RetryBudget, now| budget.try_retry(ROUTE, Draw::SameTarget, DOLLAR, sent, now);
        let granted = (0..100).take_while(|_| retry(&mut budget, at(0))).count();
        assert_eq!(granted, retries.max(3), "{requests} {sent:?}");
        let mut other = RouteId(1);
        assert!(budget.try_retry(other, Draw::SameTarget, DOLLAR, sent, at(0)));
        other = RouteId(2);
        budget.done(other);
        // When enough are over, three may run again, whatever is left.
        for _ in 0..granted {
            budget.done(ROUTE);
        }
        budget.done(ROUTE);
        assert_eq!((0..100).take_while(|_| retry(&mut budget, at(1))).count(), 3);
        // Earnings last ten minutes.
        assert!(!retry(&mut budget, at(590)));
        for _ in 0..20 {
            budget.request(ROUTE, DOLLAR, at(650));
        }
        assert!(retry(&mut budget, at(650)));
    }
}

#[test]
fn costs_that_are_no_number_are_nothing() {
    let mut budget = RetryBudget::new();
    for cost in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 1e300] {
        budget.request(ROUTE, Some(cost), at(0));
        budget.failover(ROUTE, Some(cost), Sent::Maybe, at(0));
    }
    assert!(budget.level(at(0)).0 > 0.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Each grant, with those of the nine seconds before it (ten, less the slice that forgets), is within the floor and a
    /// fifth of the requests of ten seconds; the level is never below zero nor above its cap.
    #[test]
    fn no_window_grants_more_than_it_earned(
        steps in prop::collection::vec((0..1500_u64, 0..60_u64, 0..120_u64, any::<bool>()), 1..40),
    ) {
        let mut budget = RetryBudget::new();
        let mut now = at(0);
        let mut requests: Vec<Moment> = Vec::new();
        let mut retries: Vec<Moment> = Vec::new();
        for (wait, begin, again, hedge) in steps {
            now = now + Duration::from_millis(wait);
            for _ in 0..begin {
                budget.request(ROUTE, None, now);
                requests.push(now);
            }
            let kind = if hedge { Draw::Hedge } else { Draw::SameTarget };
            for _ in 0..again {
                let (left, cap) = budget.level(now);
                prop_assert!((0.0..=cap).contains(&left));
                let granted = budget.try_retry(ROUTE, kind, None, Sent::Maybe, now);
                prop_assert_eq!(granted, left >= 1.0 && (!hedge || left * 2.0 > cap));
                if granted {
                    budget.done(ROUTE);
                    retries.push(now);
                    let count = |log: &[Moment], window| log.iter().filter(|when| now - **when < secs(window)).count();
                    prop_assert!(count(&retries, 9) * 5 <= 500 + count(&requests, 10));
                }
            }
        }
    }
}
