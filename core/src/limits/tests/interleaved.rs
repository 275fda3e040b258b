//! Random orders of taking, failing and settling. Threads are in `core/tests/limits_threads.rs`.

use proptest::prelude::*;

use super::*;

fn rates() -> Rates {
    Rates {
        requests_per_minute: Some(60),
        tokens_per_minute: Some(2000),
        burst: Some(5),
        concurrency: Some(4),
        ..Rates::default()
    }
}

#[derive(Debug, Clone)]
enum Op {
    Wait(u64),
    Take(u64, bool),
    Settle(usize, u8, u64),
    Fail(usize, usize, Option<u64>),
    Learn(usize, u64, u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => (0..8_000_u64).prop_map(Op::Wait),
        4 => (0..600_u64, any::<bool>()).prop_map(|(tokens, spill)| Op::Take(tokens, spill)),
        4 => (any::<usize>(), 0..3_u8, 0..900_u64).prop_map(|(n, how, used)| Op::Settle(n, how, used)),
        1 => (any::<usize>(), 0..C::ALL.len(), prop::option::of(0..20_u64))
            .prop_map(|(n, class, wait)| Op::Fail(n, class, wait)),
        1 => (any::<usize>(), 0..90_u64, 0..90_u64).prop_map(|(n, limit, left)| Op::Learn(n, limit, left)),
    ]
}

fn settled(how: u8, used: u64) -> Settled {
    match how {
        0 => Settled::Unsent,
        1 => Settled::Unknown,
        _ => usage(used, used / 2),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Nothing is lost: all that is settled is given back, in flight is what is open, and no account sends more in a minute
    /// than its limit and burst. What may be peeked at may be taken, and the other way round.
    #[test]
    fn nothing_is_lost_in_any_order(ops in prop::collection::vec(op(), 1..100)) {
        let mut limits = two(&rates());
        let mut now = at(0);
        let mut open: Vec<Slot> = Vec::new();
        let mut log: Vec<(KeyId, Moment)> = Vec::new();
        for op in ops {
            match op {
                Op::Wait(wait) => now = now + Duration::from_millis(wait),
                Op::Take(estimate, spill) => {
                    let ask = Take { spill, ..tokens(estimate, estimate) };
                    let taken = limits.take(&ask, now);
                    match taken {
                        Ok(slot) => {
                            log.push((slot.key(), now));
                            open.push(slot);
                        }
                        Err(blocked) => {
                            prop_assert_eq!(limits.peek(&ask, now), Err(blocked.clone()));
                            prop_assert!(blocked.gate.until.is_none_or(|until| until > now));
                        }
                    }
                }
                Op::Settle(n, how, used) if !open.is_empty() => {
                    let slot = open.remove(n % open.len());
                    if how == 0 {
                        let at = log.iter().rposition(|(key, _)| *key == slot.key()).unwrap();
                        // It never was; that a later one is struck out instead only makes the check below stricter.
                        log.remove(at);
                    }
                    limits.settle(slot, settled(how, used), now);
                }
                Op::Fail(n, class, wait) if !open.is_empty() => {
                    let slot = &open[n % open.len()];
                    limits.failed(slot, &failure(C::ALL[class], wait), now);
                }
                Op::Learn(n, limit, left) if !open.is_empty() => {
                    let told = |what| RateTold { what, per: None, limit: Some(limit), remaining: Some(left), resets_in: None };
                    let slot = &open[n % open.len()];
                    limits.learn(slot, &[told(RateUnit::Requests), told(RateUnit::OutputTokens)], now);
                }
                _ => {}
            }
            prop_assert_eq!(limits.headroom(TARGET, A, now).in_flight as usize, open.len());
            prop_assert!(open.len() <= 4);
        }
        for key in [A, B] {
            let sends: Vec<Moment> = log.iter().filter(|(of, _)| *of == key).map(|(_, when)| *when).collect();
            for (index, begin) in sends.iter().enumerate() {
                let minute = sends[index..].iter().take_while(|when| **when - *begin < secs(60));
                prop_assert!(minute.count() <= 65);
            }
        }
        for slot in open {
            limits.settle(slot, Settled::Unsent, now);
        }
        let later = now + secs(7200);
        for key in [A, B] {
            limits.renewed(key, later);
            let headroom = limits.headroom(TARGET, key, later);
            prop_assert_eq!(headroom.in_flight, 0);
            let whole = headroom.requests_limit.map_or(0, |limit| if limit == 60 { 5 } else { 1 });
            prop_assert!(headroom.requests_left.unwrap() >= whole);
            let only = Take { only: Some(key), ..ask() };
            prop_assert_eq!(limits.peek(&only, later), Ok(key));
        }
        prop_assert_eq!(limits.open_slots(), 0);
    }

    /// The same seed and the same calls give the same answers and the same events.
    #[test]
    fn the_same_calls_give_the_same_answers(ops in prop::collection::vec(op(), 1..60), seed in any::<u64>()) {
        let run = || {
            let mut limits = Limits::new(seed);
            limits.register(spec(A, 0), &rates());
            limits.register(spec(B, 0), &rates());
            let mut now = at(0);
            let mut said = Vec::new();
            for op in &ops {
                match op {
                    Op::Wait(wait) => now = now + Duration::from_millis(*wait),
                    Op::Fail(_, class, wait) => {
                        if let Ok(slot) = limits.take(&ask(), now) {
                            limits.failed(&slot, &failure(C::ALL[*class], *wait), now);
                            limits.settle(slot, Settled::Unknown, now);
                        }
                    }
                    _ => said.push(format!("{:?}", limits.take(&ask(), now))),
                }
            }
            said.push(format!("{:?}", limits.drain_changes()));
            said
        };
        prop_assert_eq!(run(), run());
    }
}
