//! What each failure closes or slows, and what is told of it.

use super::*;

fn fail(limits: &mut Limits, ask: &Take<'_>, failure: &Failure, now: Moment) {
    let slot = limits.take(ask, now).unwrap();
    limits.failed(&slot, failure, now);
    limits.settle(slot, Settled::Unknown, now);
}

#[test]
fn each_class_closes_its_own_scope_and_says_so() {
    let ask = Take {
        only: Some(A),
        ..ask()
    };
    let other_key = Take { only: Some(B), ..ask };
    let other_target = Take {
        target: TargetId(8),
        ..ask
    };
    // (class, what closes: this key, the account's other key, this key at another target)
    for (class, closed) in [
        (C::RateLimited, (true, true, false)),
        (C::QuotaExhausted, (true, true, true)),
        (C::Authentication, (true, false, true)),
        (C::ModelNotFound, (true, true, false)),
        (C::Server, (false, false, false)),
        (C::Timeout, (false, false, false)),
    ] {
        let mut limits = one(&Rates::default());
        limits.register(spec(B, 0), &Rates::default());
        fail(&mut limits, &ask, &failure(class, Some(50)), at(0));
        let found = [&ask, &other_key, &other_target].map(|ask| limits.peek(ask, at(1)).is_err());
        assert_eq!(found, [closed.0, closed.1, closed.2], "{class}");
        let changes = limits.drain_changes();
        let parked = |key, until| LimitChange::KeyParked {
            key,
            class,
            status: Some(429),
            until,
        };
        let expected = match class {
            C::RateLimited => vec![LimitChange::GroupLimited {
                group: GroupId(0),
                target: TARGET,
                until: at(50),
            }],
            C::QuotaExhausted => vec![parked(A, Some(at(50))), parked(B, Some(at(50)))],
            C::Authentication => vec![parked(A, None)],
            C::ModelNotFound => vec![LimitChange::TargetParked {
                target: TARGET,
                status: Some(429),
                until: Some(at(3600)),
            }],
            _ => vec![],
        };
        assert_eq!(changes, expected, "{class}");
        assert_eq!(limits.drain_changes(), []);
    }
}

#[test]
fn the_same_news_is_told_once() {
    let mut limits = one(&Rates::default());
    let slots = drain_two(&mut limits);
    for slot in slots {
        limits.failed(&slot, &failure(C::Authentication, None), at(0));
        limits.failed(&slot, &failure(C::RateLimited, Some(9)), at(0));
        limits.settle(slot, Settled::Unknown, at(0));
    }
    assert_eq!(limits.drain_changes().len(), 2);
}

fn drain_two(limits: &mut Limits) -> [Slot; 2] {
    [
        limits.take(&ask(), at(0)).unwrap(),
        limits.take(&ask(), at(0)).unwrap(),
    ]
}

#[test]
fn keys_open_again_in_time_or_with_another_secret() {
    let mut limits = one(&Rates::default());
    fail(&mut limits, &ask(), &failure(C::QuotaExhausted, Some(5)), at(0));
    limits.drain_changes();
    assert!(limits.take(&ask(), at(4)).is_err());
    assert_eq!(limits.drain_changes(), []);
    let slot = limits.take(&ask(), at(5)).unwrap();
    assert_eq!(limits.drain_changes(), [LimitChange::KeyOpened { key: A }]);
    limits.failed(&slot, &failure(C::Authentication, None), at(5));
    limits.settle(slot, Settled::Unknown, at(5));
    assert!(limits.headroom(TARGET, A, at(6)).parked.is_some());
    limits.drain_changes();
    limits.renewed(A, at(6));
    limits.renewed(A, at(6));
    assert_eq!(limits.drain_changes(), [LimitChange::KeyOpened { key: A }]);
}

#[test]
fn an_unnamed_quota_rest_is_jittered_and_never_shorter() {
    let rests: Vec<u128> = (0..20)
        .map(|seed| {
            let mut limits = Limits::new(seed);
            limits.register(spec(A, 0), &Rates::default());
            fail(&mut limits, &ask(), &failure(C::QuotaExhausted, None), at(0));
            let (_, until) = why(limits.peek(&ask(), at(1)));
            until.unwrap().since_start().as_millis()
        })
        .collect();
    assert!(rests.iter().all(|rest| (600_000..=660_000).contains(rest)));
    assert!(rests.iter().any(|rest| *rest != rests[0]));
}

#[test]
fn changes_nobody_asks_for_are_bounded() {
    let mut limits = one(&Rates::default());
    for round in 0..3000 {
        fail(
            &mut limits,
            &ask(),
            &failure(C::RateLimited, Some(1)),
            at(round * 10),
        );
    }
    assert_eq!(limits.drain_changes().len(), 1024);
}

#[test]
fn a_429_empties_the_bucket_but_for_one_at_its_end() {
    let mut limits = one(&rpm(600));
    fail(&mut limits, &ask(), &failure(C::RateLimited, Some(2)), at(0));
    assert_eq!(why(limits.take(&ask(), at(0))), (BlockedBy::Limited, Some(at(2))));
    // 10 a second for 2 s.
    assert_eq!(drain(&mut limits, &ask(), at(2)).len(), 20);

    let mut limits = one(&rpm(6));
    fail(&mut limits, &ask(), &failure(C::RateLimited, Some(1)), at(0));
    assert_eq!(
        why(limits.take(&ask(), at(0))).1,
        Some(at(10)),
        "our own pace is slower"
    );
}

#[test]
fn without_known_limits_a_429_sets_a_pace() {
    let mut limits = one(&Rates::default());
    let mut last = None;
    // 10 a second for 5 s.
    for tick in 0..50 {
        let slot = limits.take(&ask(), ms(tick * 100)).unwrap();
        last = Some(slot);
    }
    limits.failed(&last.unwrap(), &failure(C::RateLimited, None), ms(5_000));
    // Asked for 30 a second over 5 s: it begins at 7, is back at 10 in 2 s, and then looks for more.
    let mut sent = 0;
    for tick in 0..150 {
        let now = ms(6_000 + tick * 100 / 3);
        match limits.take(&ask(), now) {
            Ok(slot) if tick % 10 == 9 => limits.settle(slot, Settled::Unsent, now),
            Ok(slot) => {
                sent += 1;
                limits.settle(slot, usage(1, 1), now);
            }
            Err(blocked) => assert_eq!(blocked.why, BlockedBy::Paced),
        }
    }
    assert!((40..80).contains(&sent), "{sent} of 150");

    // A known limit ends it.
    let now = ms(11_000);
    let slot = limits.take(&ask(), at(13)).unwrap();
    let told = RateTold {
        what: RateUnit::Requests,
        per: Some(secs(60)),
        limit: Some(6000),
        remaining: Some(5999),
        resets_in: None,
    };
    limits.learn(&slot, &[told], now);
    assert_eq!(drain(&mut limits, &ask(), at(13)).len(), 600);
}

#[test]
fn a_pace_without_a_limit_is_forgotten_and_cut_again() {
    let mut limits = one(&Rates::default());
    fail(&mut limits, &ask(), &failure(C::RateLimited, None), at(0));
    for ending in [Settled::Unsent, Settled::Unknown] {
        let mut slots = drain(&mut limits, &ask(), at(1));
        assert_eq!(slots.len(), 1, "given back unsent");
        limits.settle(slots.remove(0), ending, at(1));
    }
    assert_eq!(why(limits.take(&ask(), at(1))).0, BlockedBy::Paced);
    fail(&mut limits, &ask(), &failure(C::RateLimited, None), at(2));
    assert_eq!(drain(&mut limits, &ask(), at(3)).len(), 1);
    assert_eq!(drain(&mut limits, &ask(), at(601)).len(), 1);
    assert_eq!(limits.peek(&ask(), at(602)), Ok(A));
    for _ in 0..50 {
        assert!(limits.take(&ask(), at(602)).is_ok(), "ten minutes after the last");
    }
}

#[test]
fn the_signs_of_too_many_at_once() {
    let too_many = |text: &str| {
        let mut failure = failure(C::RateLimited, None);
        failure.message = text.to_owned();
        failure
    };
    let mut coded = failure(C::RateLimited, None);
    coded.code = Some("concurrency_limit".to_owned());
    let mut slow = failure(C::Overloaded, None);
    slow.code = Some("slow_down".to_owned());
    for (failure, limited) in [
        (failure(C::Overloaded, None), true),
        (failure(C::Timeout, None), true),
        (too_many("Too many concurrent requests"), true),
        (coded, true),
        (too_many("requests per minute"), false),
        (failure(C::Server, None), false),
        (slow, false),
    ] {
        let mut limits = one(&Rates::default());
        let mut slots: Vec<Slot> = (0..10).map(|_| limits.take(&ask(), at(0)).unwrap()).collect();
        limits.failed(&slots[9], &failure, at(0));
        let limit = limited.then_some(7);
        assert_eq!(
            limits.headroom(TARGET, A, at(0)).concurrency,
            limit,
            "{failure:?}"
        );
        // What has no time to wait for is said so: 10 are in flight, so none is sent until 4 have ended.
        if limited && failure.class != C::RateLimited {
            assert_eq!(why(limits.take(&ask(), at(0))), (BlockedBy::Busy, None));
            for slot in slots.drain(..4) {
                limits.settle(slot, usage(1, 1), at(1));
            }
            assert!(limits.take(&ask(), at(1)).is_ok());
        }
    }
}

#[test]
fn a_place_is_free_sooner_than_any_gate() {
    let rates = Rates {
        concurrency: Some(1),
        ..Rates::default()
    };
    let mut limits = two(&rates);
    assert_eq!(limits.headroom(TARGET, A, at(0)).concurrency, Some(1));
    let slot = limits.take(&ask(), at(0)).unwrap();
    limits.failed(&slot, &failure(C::RateLimited, Some(1)), at(0));
    let blocked = limits.peek(&ask(), at(0)).unwrap_err();
    assert_eq!((blocked.key, blocked.why), (Some(B), BlockedBy::Busy));
    limits.settle(slot, Settled::Unknown, at(0));
    assert_eq!(limits.peek(&ask(), at(0)), Ok(B));
}

#[test]
fn a_learned_limit_on_requests_at_once_is_dropped_when_it_binds_nothing() {
    let mut limits = one(&Rates::default());
    let slots: Vec<Slot> = (0..10).map(|_| limits.take(&ask(), at(0)).unwrap()).collect();
    limits.failed(&slots[0], &failure(C::Overloaded, None), at(0));
    for slot in slots {
        limits.settle(slot, usage(1, 1), at(0));
    }
    limits.drain_changes();
    assert!(limits.take(&ask(), at(200)).is_ok());
    assert_eq!(
        limits.drain_changes(),
        [LimitChange::ConcurrencyFreed { target: TARGET }]
    );
    assert_eq!(limits.headroom(TARGET, A, at(200)).concurrency, None);
}

#[test]
fn who_takes_over_begins_at_a_fifth_and_doubles() {
    let mut limits = one(&rpm(600));
    let spill = Take { spill: true, ..ask() };
    // 120 a minute: 12 at once, 2 a second.
    assert_eq!(drain(&mut limits, &spill, at(0)).len(), 12);
    assert_eq!(why(limits.peek(&spill, at(0))), (BlockedBy::Spill, Some(ms(500))));
    let mut sent = Vec::new();
    for second in 1..=40 {
        sent.push(drain(&mut limits, &spill, at(second)).len());
    }
    assert_eq!((sent[0], sent[8]), (2, 2));
    assert_eq!((sent[11], sent[18]), (4, 4));
    assert_eq!((sent[21], sent[28]), (8, 8));
    assert_eq!(sent[31], 10, "its limit of 10 a second");

    // Its own traffic is never held by the ramp, and counts.
    let mut limits = one(&rpm(600));
    drain(&mut limits, &spill, at(0));
    assert!(limits.take(&ask(), at(0)).is_ok());

    // An account's ramp begins with its own first request, not with another account's.
    let mut limits = two(&rpm(600));
    let of = |key: KeyId| Take {
        only: Some(key),
        ..spill
    };
    // Both have been used, so both have a pace.
    for key in [A, B] {
        let slot = limits
            .take(
                &Take {
                    spill: false,
                    ..of(key)
                },
                at(0),
            )
            .unwrap();
        limits.settle(slot, Settled::Unsent, at(0));
    }
    for second in 0..30 {
        let asked = Take {
            only: None,
            keys: &[A, B],
            spent: &[B],
            ..spill
        };
        drop(limits.take(&asked, at(second)));
    }
    assert_eq!(drain(&mut limits, &of(B), at(30)).len(), 12);

    // No known limit, no ramp.
    let mut limits = one(&Rates::default());
    for _ in 0..500 {
        assert!(limits.take(&spill, at(0)).is_ok());
    }
}

#[test]
fn a_request_that_takes_over_unsent_is_given_back() {
    let mut limits = one(&rpm(50));
    let spill = Take { spill: true, ..ask() };
    let slot = limits.take(&spill, at(0)).unwrap();
    assert_eq!(why(limits.peek(&spill, at(0))).0, BlockedBy::Spill);
    limits.settle(slot, Settled::Unsent, at(0));
    let slot = limits.take(&spill, at(0)).unwrap();
    limits.settle(slot, usage(1, 1), at(0));
    assert_eq!(why(limits.peek(&spill, at(0))).0, BlockedBy::Spill);
}

#[test]
fn too_fast_a_growth_slows_everyone() {
    let accelerating = |class, code: Option<&str>, message: &str| {
        let mut failure = failure(class, Some(1));
        failure.code = code.map(str::to_owned);
        failure.message = message.to_owned();
        failure
    };
    for (failure, slowed) in [
        (accelerating(C::Overloaded, Some("slow_down"), ""), true),
        (
            accelerating(C::RateLimited, None, "usage Acceleration limit"),
            true,
        ),
        (
            accelerating(C::RateLimited, None, "your traffic increased too quickly"),
            true,
        ),
        (accelerating(C::Server, Some("slow_down"), ""), false),
    ] {
        let mut limits = one(&rpm(6000));
        for _ in 0..100 {
            let slot = limits.take(&ask(), at(0)).unwrap();
            limits.settle(slot, usage(1, 1), at(0));
        }
        let slot = limits.take(&ask(), at(0)).unwrap();
        limits.failed(&slot, &failure, at(0));
        limits.settle(slot, Settled::Unknown, at(0));
        if slowed {
            assert_eq!(why(limits.take(&ask(), at(0))), (BlockedBy::Limited, Some(at(1))));
            // 70 a minute from 101: 7 at once.
            assert_eq!(drain(&mut limits, &ask(), at(1)).len(), 7, "{failure:?}");
            assert_eq!(why(limits.take(&ask(), at(1))).0, BlockedBy::Spill);
            assert!(drain(&mut limits, &ask(), at(80)).len() > 500, "it has grown");
        } else {
            assert!(drain(&mut limits, &ask(), at(1)).len() > 100);
        }
    }
}
