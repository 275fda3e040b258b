//! Tables of the key pool; models and interleavings are beside it.

mod bucket;
mod interleaved;
mod retry;
mod signals;

use std::time::Duration;

use super::*;
use crate::types::{Failure, FailureClass as C, Phase, RateTold, RateUnit, Rates};

const TARGET: TargetId = TargetId(7);
const A: KeyId = KeyId { provider: 0, key: 0 };
const B: KeyId = KeyId { provider: 0, key: 1 };

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(seconds: u64) -> Moment {
    Moment::new(secs(seconds))
}

fn ms(ms: u64) -> Moment {
    Moment::new(Duration::from_millis(ms))
}

fn spec(key: KeyId, group: u32) -> KeySpec {
    KeySpec {
        key,
        group: GroupId(group),
        weight: 1.0,
    }
}

/// One key, with these rates.
fn one(rates: &Rates) -> Limits {
    let mut limits = Limits::new(1);
    limits.register(spec(A, 0), rates);
    limits
}

/// Two keys in accounts of their own.
fn two(rates: &Rates) -> Limits {
    let mut limits = one(rates);
    limits.register(spec(B, 1), rates);
    limits
}

fn ask() -> Take<'static> {
    Take {
        target: TARGET,
        keys: &[A, B],
        spent: &[],
        estimate: Estimate::default(),
        spill: false,
        only: None,
    }
}

fn tokens(input_tokens: u64, output_tokens: u64) -> Take<'static> {
    Take {
        estimate: Estimate {
            input_tokens,
            output_tokens,
        },
        ..ask()
    }
}

fn usage(input_tokens: u64, output_tokens: u64) -> Settled {
    Settled::Used(Usage {
        reported: true,
        input_tokens,
        output_tokens,
        ..Usage::default()
    })
}

fn failure(class: C, retry_after: Option<u64>) -> Failure {
    let mut failure = Failure::new(class, Phase::Head, "");
    failure.retry_after = retry_after.map(secs);
    failure.status = Some(429);
    failure
}

fn rpm(limit: u32) -> Rates {
    Rates {
        requests_per_minute: Some(limit),
        ..Rates::default()
    }
}

fn why(result: Result<impl Sized, Blocked>) -> (BlockedBy, Option<Moment>) {
    match result {
        Ok(_) => panic!("it is open"),
        Err(blocked) => (blocked.why, blocked.gate.until),
    }
}

/// Takes as many as it can, and says how many those were.
fn drain(limits: &mut Limits, ask: &Take<'_>, now: Moment) -> Vec<Slot> {
    let mut slots = Vec::new();
    while let Ok(slot) = limits.take(ask, now) {
        assert!(slots.len() < 100_000, "nothing ends it");
        slots.push(slot);
    }
    slots
}

#[test]
fn picks_the_key_with_the_most_left_for_its_weight() {
    let mut limits = two(&rpm(100));
    let picked: Vec<usize> = (0..4)
        .map(|_| limits.take(&ask(), at(0)).unwrap().key().key)
        .collect();
    assert_eq!(picked, [0, 1, 0, 1]);

    // No limit known, or one that is far: by use and weight.
    for rates in [Rates::default(), rpm(1_000_000)] {
        let mut limits = one(&rates);
        limits.register(
            KeySpec {
                weight: 3.0,
                ..spec(B, 1)
            },
            &rates,
        );
        let heavy = (0..40).filter(|_| limits.take(&ask(), at(0)).unwrap().key() == B);
        assert_eq!(heavy.count(), 30);
    }

    // Half as much left: half as much use.
    let mut limits = two(&rpm(1_000_000));
    let slot = limits.take(&ask(), at(0)).unwrap();
    let told = RateTold {
        what: RateUnit::Requests,
        per: None,
        limit: None,
        remaining: Some(50_000),
        resets_in: None,
    };
    limits.learn(&slot, &[told], at(0));
    let less = (0..29).filter(|_| limits.take(&ask(), at(0)).unwrap().key() == A);
    assert_eq!(less.count(), 9, "10 of 30");

    // What the pool cannot use as a weight.
    for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let mut limits = Limits::new(1);
        limits.register(KeySpec { weight, ..spec(A, 0) }, &Rates::default());
        assert_eq!(limits.take(&ask(), at(0)).unwrap().key(), A);
    }
}

#[test]
fn spent_and_unknown_keys_are_passed_over() {
    let mut limits = two(&Rates::default());
    let spent = Take { spent: &[A], ..ask() };
    assert_eq!(limits.peek(&spent, at(0)), Ok(B));
    let only = Take {
        only: Some(A),
        ..spent
    };
    assert_eq!(limits.take(&only, at(0)).unwrap().key(), A);
    let unknown = KeyId { provider: 9, key: 9 };
    for ask in [
        Take { keys: &[], ..ask() },
        Take {
            spent: &[A, B],
            ..ask()
        },
        Take {
            only: Some(unknown),
            ..ask()
        },
    ] {
        let blocked = limits.peek(&ask, at(0)).unwrap_err();
        assert_eq!((blocked.key, blocked.why), (None, BlockedBy::NoKey));
    }
    assert_eq!(limits.headroom(TARGET, unknown, at(0)), Headroom::default());
}

#[test]
fn an_estimate_above_the_whole_limit_takes_the_whole_limit() {
    let rates = Rates {
        tokens_per_minute: Some(1000),
        ..Rates::default()
    };
    let mut limits = one(&rates);
    let slot = limits.take(&tokens(5000, 5000), at(0)).unwrap();
    assert_eq!((slot.target(), slot.estimate().input_tokens), (TARGET, 5000));
    let (by, until) = why(limits.take(&tokens(500, 0), at(0)));
    assert_eq!((by, until), (BlockedBy::Paced, Some(at(30))));
    assert!(limits.take(&tokens(500, 0), at(30)).is_ok());
    limits.settle(slot, usage(10, 10), at(30));
}

#[test]
fn every_unit_is_counted_apart() {
    let rates = Rates {
        tokens_per_minute: Some(800),
        input_tokens_per_minute: Some(600),
        output_tokens_per_minute: Some(300),
        ..Rates::default()
    };
    // (input and output of a request, of the next one, whether that fits)
    for (first, next, open) in [
        ((300, 0), (300, 0), true),
        ((300, 0), (301, 0), false),
        ((0, 150), (0, 150), true),
        ((0, 150), (0, 151), false),
        ((400, 200), (100, 100), true),
        ((400, 200), (101, 100), false),
    ] {
        let mut limits = one(&rates);
        let slot = limits.take(&tokens(first.0, first.1), at(0)).unwrap();
        let fits = limits.peek(&tokens(next.0, next.1), at(0)).is_ok();
        assert_eq!(fits, open, "{first:?} {next:?}");
        limits.settle(slot, Settled::Unknown, at(0));
    }
}

#[test]
fn every_unit_is_put_right_by_what_was_used() {
    let rates = Rates {
        input_tokens_per_minute: Some(600),
        output_tokens_per_minute: Some(300),
        ..Rates::default()
    };
    // 600 and 300 are reserved; (used, the most that fits then)
    for (used, left) in [
        ((600, 300), (0, 0)),
        ((100, 300), (500, 0)),
        ((600, 100), (0, 200)),
    ] {
        let mut limits = one(&rates);
        let slot = limits.take(&tokens(600, 300), at(0)).unwrap();
        limits.settle(slot, usage(used.0, used.1), at(0));
        assert!(limits.peek(&tokens(left.0, left.1), at(0)).is_ok(), "{used:?}");
        assert!(
            limits.peek(&tokens(left.0 + 1, left.1), at(0)).is_err(),
            "{used:?}"
        );
        assert!(
            limits.peek(&tokens(left.0, left.1 + 1), at(0)).is_err(),
            "{used:?}"
        );
    }
}

#[test]
fn what_was_not_used_is_given_back() {
    let rates = Rates {
        requests_per_minute: Some(60),
        tokens_per_minute: Some(1000),
        burst: Some(2),
        ..Rates::default()
    };
    // (how it ends, requests and tokens left after it)
    for (settled, left) in [
        (Settled::Unsent, (2, 1000)),
        (Settled::Unknown, (1, 400)),
        (Settled::Used(Usage::default()), (1, 400)),
        (usage(100, 50), (1, 850)),
        (usage(900, 50), (1, 50)),
        (usage(5000, 0), (1, 0)),
    ] {
        let mut limits = one(&rates);
        let slot = limits.take(&tokens(400, 200), at(0)).unwrap();
        assert_eq!(limits.headroom(TARGET, A, at(0)).in_flight, 1);
        limits.settle(slot, settled, at(0));
        let headroom = limits.headroom(TARGET, A, at(0));
        let found = (headroom.requests_left.unwrap(), headroom.tokens_left.unwrap());
        assert_eq!((found, headroom.in_flight), (left, 0), "{settled:?}");
        assert_eq!(
            (headroom.requests_limit, headroom.tokens_limit),
            (Some(60), Some(1000))
        );
    }
}

#[test]
fn requests_go_out_at_their_pace() {
    let mut limits = one(&rpm(60));
    assert_eq!(drain(&mut limits, &ask(), at(0)).len(), 6);
    assert_eq!(why(limits.peek(&ask(), at(0))), (BlockedBy::Paced, Some(at(1))));
    assert_eq!(drain(&mut limits, &ask(), at(1)).len(), 1);
    assert_eq!(drain(&mut limits, &ask(), at(3)).len(), 2);
    assert_eq!(limits.headroom(TARGET, A, at(600)).requests_left, Some(6));
}

#[test]
fn headers_lower_what_is_left_and_never_raise_it() {
    let told = |limit, remaining| RateTold {
        what: RateUnit::Requests,
        per: None,
        limit,
        remaining,
        resets_in: None,
    };
    // (config, told, left, limit)
    for (rates, header, left, limit) in [
        (Rates::default(), told(Some(100), Some(99)), Some(10), Some(100)),
        (Rates::default(), told(Some(100), Some(4)), Some(4), Some(100)),
        (Rates::default(), told(Some(0), Some(4)), None, None),
        (Rates::default(), told(None, Some(4)), None, None),
        (rpm(50), told(None, Some(2)), Some(2), Some(50)),
        (rpm(50), told(Some(500), Some(499)), Some(4), Some(50)),
        // Of 5 at once one is taken; 2 at once then leave one.
        (rpm(50), told(Some(20), Some(500)), Some(1), Some(20)),
        (rpm(50), told(Some(u64::MAX), Some(u64::MAX)), Some(4), Some(50)),
    ] {
        let mut limits = one(&rates);
        let slot = limits.take(&ask(), at(0)).unwrap();
        limits.learn(&slot, &[header], at(0));
        limits.learn(&slot, &[header], at(0));
        let headroom = limits.headroom(TARGET, A, at(0));
        assert_eq!(
            (headroom.requests_left, headroom.requests_limit),
            (left, limit),
            "{header:?}"
        );
        limits.settle(slot, usage(0, 0), at(0));
    }
}

#[test]
fn limits_over_other_periods_are_kept_apart() {
    let mut limits = one(&Rates::default());
    let slot = limits.take(&ask(), at(0)).unwrap();
    let told = |per: Option<u64>, limit, remaining| RateTold {
        what: RateUnit::Requests,
        per: per.map(secs),
        limit: Some(limit),
        remaining: Some(remaining),
        resets_in: None,
    };
    limits.learn(
        &slot,
        &[told(Some(86_400), 14_400, 3), told(Some(1), 20, 20)],
        at(0),
    );
    assert_eq!(
        limits.headroom(TARGET, A, at(0)).requests_left,
        Some(3),
        "the day's"
    );
    // Told without a period: the limit of the same size.
    limits.learn(&slot, &[told(None, 14_400, 1)], at(0));
    assert_eq!(limits.headroom(TARGET, A, at(0)).requests_left, Some(1));
    assert_eq!(drain(&mut limits, &ask(), at(0)).len(), 1);
    // One more refills in 6 s, and the second's limit holds two at once.
    assert_eq!(drain(&mut limits, &ask(), at(6)).len(), 1);
    limits.settle(slot, Settled::Unknown, at(6));
}

#[test]
fn the_key_that_opens_first_says_why() {
    let mut limits = two(&Rates::default());
    let (a, b) = (
        limits.take(&ask(), at(0)).unwrap(),
        limits.take(&ask(), at(0)).unwrap(),
    );
    limits.failed(&a, &failure(C::Authentication, None), at(0));
    limits.failed(&b, &failure(C::RateLimited, Some(20)), at(0));
    let blocked = limits.take(&ask(), at(5)).unwrap_err();
    assert_eq!((blocked.key, blocked.why), (Some(B), BlockedBy::Limited));
    assert_eq!(
        (blocked.gate.status, blocked.gate.until),
        (Some(429), Some(at(20)))
    );
    let only = Take {
        only: Some(A),
        ..ask()
    };
    assert_eq!(why(limits.take(&only, at(5))), (BlockedBy::Parked, None));
    limits.renewed(A, at(5));
    assert_eq!(limits.peek(&ask(), at(5)), Ok(A));
    limits.settle(a, Settled::Unknown, at(5));
    limits.settle(b, Settled::Unknown, at(5));
}

#[test]
fn names_called_once_are_forgotten() {
    let mut limits = one(&rpm(60));
    for target in 0..5000 {
        let ask = Take {
            target: TargetId(target),
            ..ask()
        };
        let now = at(target * 120);
        let slot = limits.take(&ask, now).unwrap();
        limits.settle(slot, usage(0, 0), now);
    }
    let kept = limits.take(&ask(), at(1_000_000)).unwrap();
    limits.settle(kept, usage(0, 0), at(1_000_000));
    assert!(limits.sizes().0 <= 1025 && limits.sizes().1 <= 1025);
}
