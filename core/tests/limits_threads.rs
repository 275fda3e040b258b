//! The key pool under every order of threads that shuttle finds: what is taken is given back, and no more is sent than
//! the limit allows.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::time::Duration;

use hotspare::limits::{KeyId, KeySpec, Limits, Settled, Take, TargetId};
use hotspare::types::{Estimate, Failure, FailureClass, GroupId, Moment, Phase, Rates, Usage};
use shuttle::sync::{Arc, Mutex};

const KEY: KeyId = KeyId { provider: 0, key: 0 };
const TARGET: TargetId = TargetId(7);

fn pool() -> Limits {
    let mut limits = Limits::new(1);
    let spec = KeySpec {
        key: KEY,
        group: GroupId(0),
        weight: 1.0,
    };
    let rates = Rates {
        requests_per_minute: Some(60),
        tokens_per_minute: Some(2000),
        burst: Some(5),
        concurrency: Some(2),
        ..Rates::default()
    };
    limits.register(spec, &rates);
    limits
}

/// Settles on drop, as the owner of a slot does when its call is cancelled.
struct Guard {
    limits: Arc<Mutex<Limits>>,
    slot: Option<hotspare::limits::Slot>,
    ending: Settled,
    now: Moment,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.limits.lock().unwrap().settle(slot, self.ending, self.now);
        }
    }
}

/// One of three threads: the first never sends, the second's requests time out, the third's are answered.
fn work(limits: &Arc<Mutex<Limits>>, worker: u64) -> u64 {
    let ask = Take {
        target: TARGET,
        keys: &[KEY],
        spent: &[],
        estimate: Estimate {
            input_tokens: 100,
            output_tokens: 100,
        },
        spill: false,
        only: None,
    };
    let mut sent = 0;
    for round in 0..4 {
        let now = Moment::new(Duration::from_millis(worker * 10 + round));
        let taken = limits.lock().unwrap().take(&ask, now);
        let Ok(slot) = taken else { continue };
        let mut guard = Guard {
            limits: Arc::clone(limits),
            slot: Some(slot),
            ending: Settled::Unsent,
            now,
        };
        shuttle::thread::yield_now();
        guard.ending = match worker {
            0 => Settled::Unsent,
            1 => {
                let timeout = Failure::new(FailureClass::Timeout, Phase::Head, "");
                if let Some(slot) = &guard.slot {
                    limits.lock().unwrap().failed(slot, &timeout, now);
                }
                Settled::Unknown
            }
            _ => Settled::Used(Usage {
                reported: true,
                input_tokens: 10,
                ..Usage::default()
            }),
        };
        sent += u64::from(worker != 0);
    }
    sent
}

fn threads() {
    let limits = Arc::new(Mutex::new(pool()));
    let workers: Vec<_> = (0..3)
        .map(|worker| {
            let limits = Arc::clone(&limits);
            shuttle::thread::spawn(move || work(&limits, worker))
        })
        .collect();
    let watch = limits.lock().unwrap().headroom(TARGET, KEY, Moment::default());
    assert!(watch.in_flight <= 2);
    let sent: u64 = workers.into_iter().map(|worker| worker.join().unwrap()).sum();
    let headroom = limits
        .lock()
        .unwrap()
        .headroom(TARGET, KEY, Moment::new(Duration::from_millis(100)));
    assert_eq!(headroom.in_flight, 0);
    assert!((1..=5).contains(&sent), "{sent} within 100 ms");
    assert_eq!(
        headroom.requests_left,
        Some(5 - sent),
        "what was not sent is given back"
    );
}

#[test]
fn in_random_orders() {
    shuttle::check_random(threads, 3000);
}

#[test]
fn in_orders_that_preempt_seldom() {
    shuttle::check_pct(threads, 3000, 3);
}
