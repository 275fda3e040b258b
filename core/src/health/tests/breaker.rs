//! The breaker alone: a table of its transitions.

use super::*;
use crate::health::breaker::{Breaker, Slot};
use crate::health::turn::{Bar, Turn};

pub(super) struct Bench {
    pub(super) breaker: Breaker,
    pub(super) settings: HealthSettings,
    rng: fastrand::Rng,
    pub(super) now: Moment,
}

impl Bench {
    pub(super) fn new() -> Self {
        let settings = HealthSettings::default();
        Self {
            breaker: Breaker::new(&settings),
            settings,
            rng: fastrand::Rng::with_seed(7),
            now: at(0.0),
        }
    }

    pub(super) fn with<T>(&mut self, step: impl FnOnce(&mut Breaker, &mut Turn<'_>) -> T) -> T {
        let mut turn = Turn {
            settings: &self.settings,
            rng: &mut self.rng,
            now: self.now,
        };
        step(&mut self.breaker, &mut turn)
    }

    pub(super) fn wait(&mut self, seconds: f64) {
        self.now = self.now + Duration::from_secs_f64(seconds);
    }

    fn enter(&mut self, last_resort: bool) -> Slot {
        let expires = self.now + secs(30);
        self.with(|breaker, turn| breaker.enter(expires, last_resort, turn))
    }

    fn success(&mut self, slot: &mut Slot, slow: bool) -> bool {
        self.with(|breaker, turn| {
            let recovered = breaker.success(slot, slow, false, turn);
            breaker.leave();
            recovered
        })
    }

    fn fault(&mut self, slot: &mut Slot, fault: &Fault) {
        self.with(|breaker, turn| {
            breaker.fault(slot, fault, turn.now, false, turn);
            breaker.leave();
        });
    }

    fn fail(&mut self, times: u32, kind: FaultKind) {
        for _ in 0..times {
            let mut slot = self.enter(false);
            self.fault(&mut slot, &fault(kind));
        }
    }

    fn succeed(&mut self, times: u32, slow: bool) {
        for _ in 0..times {
            let mut slot = self.enter(false);
            self.success(&mut slot, slow);
        }
    }

    fn streams(&mut self, times: u32, cut: bool) {
        for _ in 0..times {
            let mut slot = self.enter(false);
            self.success(&mut slot, false);
            self.with(|breaker, turn| breaker.stream_ended(&slot, cut, false, turn));
        }
    }

    fn state(&self) -> State {
        self.breaker.state(&self.settings, self.now)
    }

    /// Waits until it may be probed.
    fn reopen(&mut self) {
        self.now = self.breaker.reopens().unwrap();
    }

    fn open_for(&self) -> f64 {
        (self.breaker.reopens().unwrap() - self.now).as_secs_f64()
    }
}

/// What is done to a new breaker.
type Acts = fn(&mut Bench);

#[test]
fn every_transition() {
    use FaultKind::{Edge, Server, Slow, Unreachable};
    use State::{Closed, Degraded, HalfOpen, Open, Ramp};
    // (what is done, the state it leads to, why)
    let table: &[(Acts, State, &str)] = &[
        (|b| b.fail(4, Server), Closed, "nothing speaks"),
        (
            |b| b.fail(5, Server),
            Open,
            "5 failures in a row; the last: server, status 500",
        ),
        (
            |b| b.fail(5, Slow),
            Open,
            "5 failures in a row; the last: timeout",
        ),
        (
            |b| {
                b.fail(4, Server);
                b.succeed(1, false);
                b.fail(4, Server)
            },
            Closed,
            "nothing",
        ),
        (|b| b.fail(2, Unreachable), Closed, "nothing speaks"),
        (
            |b| b.fail(3, Unreachable),
            Open,
            "3 connections failed in a row; the last: connect",
        ),
        (
            |b| {
                b.fail(2, Unreachable);
                b.fail(1, Edge);
                b.fail(1, Unreachable)
            },
            Closed,
            "nothing",
        ),
        // Low traffic: three in a row that span 5 s.
        (
            |b| {
                b.fail(2, Server);
                b.wait(4.9);
                b.fail(1, Server)
            },
            Closed,
            "nothing",
        ),
        (
            |b| {
                b.fail(2, Server);
                b.wait(5.0);
                b.fail(1, Server)
            },
            Open,
            "3 failures in a row over 5 s",
        ),
        (
            |b| {
                b.fail(1, Server);
                b.wait(9.0);
                b.fail(1, Server)
            },
            Closed,
            "nothing",
        ),
        (
            |b| {
                b.fail(1, Server);
                b.succeed(1, false);
                b.wait(9.0);
                b.fail(2, Server)
            },
            Closed,
            "nothing",
        ),
        // Rates.
        (
            |b| {
                for _ in 0..5 {
                    b.succeed(1, false);
                    b.fail(1, Server)
                }
            },
            Open,
            "5 of 10 attempts failed within 60 s",
        ),
        (
            |b| {
                for _ in 0..4 {
                    b.succeed(1, false);
                    b.fail(1, Server)
                }
                b.succeed(1, false)
            },
            Closed,
            "nothing",
        ),
        (
            |b| {
                for _ in 0..4 {
                    b.succeed(1, false);
                    b.fail(1, Server)
                }
                b.wait(60.0);
                b.succeed(1, false);
                b.fail(1, Server)
            },
            Closed,
            "nothing",
        ),
        // A start that says nothing is taken out of the window again: 4 of 9.
        (
            |b| {
                b.succeed(5, false);
                let mut slot = b.enter(false);
                b.breaker.neutral(&mut slot);
                b.fail(4, Server);
            },
            Closed,
            "nothing",
        ),
        // Starts under way count: 5 of 11 is less than half.
        (
            |b| {
                b.succeed(5, false);
                b.enter(false);
                b.fail(4, Server);
                b.succeed(1, false);
                b.fail(1, Server)
            },
            Closed,
            "nothing",
        ),
        // Slow first contents.
        (|b| b.succeed(9, true), Closed, "nothing"),
        (
            |b| b.succeed(10, true),
            Degraded,
            "10 of 10 first contents were slow within 60 s",
        ),
        (
            |b| {
                b.succeed(3, false);
                b.succeed(11, true)
            },
            Closed,
            "nothing",
        ),
        (
            |b| {
                b.succeed(10, true);
                b.wait(59.9)
            },
            Degraded,
            "10 of 10",
        ),
        (
            |b| {
                b.succeed(10, true);
                b.wait(60.0);
                b.succeed(1, false)
            },
            Closed,
            "a whole window without trouble",
        ),
        (
            |b| {
                b.succeed(10, true);
                b.wait(59.0);
                b.succeed(10, true);
                b.wait(1.0);
                b.succeed(1, true);
            },
            Degraded,
            "10 of 10",
        ),
        // Broken streams.
        (
            |b| {
                b.streams(5, false);
                b.streams(2, true)
            },
            Closed,
            "nothing",
        ),
        (
            |b| {
                b.streams(6, false);
                b.streams(2, true)
            },
            Degraded,
            "2 of 8 streams broke off within 60 s",
        ),
        (
            |b| {
                b.streams(4, false);
                b.streams(4, true)
            },
            Open,
            "4 of 8 streams broke off within 60 s",
        ),
        (
            |b| {
                b.streams(6, false);
                b.streams(6, true)
            },
            Open,
            "6 of 12 streams broke off within 60 s",
        ),
        (
            |b| {
                b.succeed(10, true);
                b.fail(5, Server)
            },
            Open,
            "5 failures in a row",
        ),
        // Two more bad windows, and there is an alternative.
        (
            |b| {
                b.streams(6, false);
                b.streams(2, true);
                for _ in 0..2 {
                    b.wait(59.0);
                    b.streams(6, false);
                    b.streams(2, true);
                    b.wait(1.0);
                    b.with(|breaker, turn| breaker.judge(true, turn));
                }
            },
            Open,
            "it did not get better while it was degraded",
        ),
        (
            |b| {
                b.streams(6, false);
                b.streams(2, true);
                for _ in 0..5 {
                    b.wait(59.0);
                    b.streams(6, false);
                    b.streams(2, true);
                    b.wait(1.0);
                    b.with(|breaker, turn| breaker.judge(false, turn));
                }
            },
            Degraded,
            "2 of 8 streams broke off",
        ),
        // Open.
        (
            |b| {
                b.fail(5, Server);
                b.reopen()
            },
            HalfOpen,
            "5 failures in a row",
        ),
        (
            |b| {
                b.fail(5, Server);
                b.breaker.probed(b.now)
            },
            HalfOpen,
            "a free probe found it reachable",
        ),
        (|b| b.breaker.probed(b.now), Closed, "nothing"),
        (
            |b| {
                b.fail(5, Server);
                let mut slot = b.enter(true);
                b.success(&mut slot, false);
            },
            Ramp,
            "it answered",
        ),
        (
            |b| {
                b.fail(5, Server);
                let mut slot = b.enter(true);
                b.fault(&mut slot, &fault(Server))
            },
            Open,
            "5 failures",
        ),
        // Half-open.
        (
            |b| {
                b.fail(5, Server);
                b.reopen();
                b.enter(false);
            },
            HalfOpen,
            "its time is over",
        ),
        (
            |b| {
                b.fail(5, Server);
                b.reopen();
                b.succeed(1, false)
            },
            Ramp,
            "it answered: traffic comes back step by step",
        ),
        (
            |b| {
                b.fail(5, Server);
                b.reopen();
                b.fail(1, Server)
            },
            Open,
            "its probe failed: server, status 500",
        ),
        (
            |b| {
                b.fail(5, Server);
                b.reopen();
                let mut slot = b.enter(false);
                b.breaker.neutral(&mut slot)
            },
            HalfOpen,
            "its time",
        ),
        // One with no alternative fails beside the probe.
        (
            |b| {
                b.fail(5, Server);
                b.reopen();
                b.enter(false);
                b.fail(1, Server)
            },
            HalfOpen,
            "its time is over",
        ),
        (
            |b| {
                b.fail(5, Server);
                b.reopen();
                b.enter(false);
                b.succeed(1, false)
            },
            Ramp,
            "it answered",
        ),
        // An expired permit is given anew; the old one's late answer is not heard.
        (
            |b| {
                b.fail(5, Server);
                b.reopen();
                let mut old = b.enter(false);
                b.wait(30.0);
                b.enter(false);
                b.success(&mut old, false);
            },
            HalfOpen,
            "its time is over",
        ),
        (
            |b| {
                b.fail(5, Server);
                b.reopen();
                let mut old = b.enter(false);
                b.wait(30.0);
                let mut new = b.enter(false);
                b.fault(&mut old, &fault(Server));
                b.success(&mut new, false);
            },
            Ramp,
            "it answered",
        ),
        // Ramp: 1, 2, 4, full at 8.
        (
            |b| {
                b.fail(5, Server);
                b.reopen();
                b.succeed(3, false)
            },
            Ramp,
            "it answered",
        ),
        (
            |b| {
                b.fail(5, Server);
                b.reopen();
                b.succeed(4, false)
            },
            Closed,
            "traffic is back",
        ),
        (
            |b| {
                b.fail(5, Server);
                b.reopen();
                b.succeed(3, false);
                b.fail(1, Server)
            },
            Open,
            "it failed while traffic was coming back: server",
        ),
        (
            |b| {
                b.fail(5, Server);
                b.reopen();
                b.succeed(1, false);
                let mut slot = b.enter(false);
                b.breaker.neutral(&mut slot)
            },
            Ramp,
            "it answered",
        ),
        // What began before it opened moves nothing.
        (
            |b| {
                let mut old: Vec<Slot> = (0..9).map(|_| b.enter(false)).collect();
                b.fail(5, Server);
                b.reopen();
                b.succeed(1, false);
                b.fault(&mut old[0], &fault(Server));
                for slot in &mut old[1..] {
                    b.success(slot, false);
                }
            },
            Ramp,
            "it answered",
        ),
        (
            |b| {
                let old = b.enter(false);
                b.fail(5, Server);
                b.with(|breaker, turn| breaker.stream_ended(&old, true, false, turn));
            },
            Open,
            "5 failures",
        ),
        (
            |b| {
                for _ in 0..5 {
                    let mut slot = b.breaker.enter_unfollowed(b.now);
                    b.fault(&mut slot, &fault(Server))
                }
            },
            Closed,
            "nothing",
        ),
    ];
    for (number, (acts, state, why)) in table.iter().enumerate() {
        let mut bench = Bench::new();
        acts(&mut bench);
        assert_eq!(bench.state(), *state, "row {number}: {why}");
        assert!(
            bench.breaker.why().starts_with(why),
            "row {number}: {} / {why}",
            bench.breaker.why()
        );
        // The changes form a chain from closed to where it is.
        let mut from = Closed;
        for change in bench.breaker.take_moves() {
            assert_eq!(change.from, from, "row {number}");
            from = change.to;
        }
        assert!(
            from == *state || *state == HalfOpen && from == Open,
            "row {number}"
        );
    }
}

#[test]
fn without_an_alternative_rates_and_cuts_do_not_open() {
    let mut bench = Bench::new();
    for _ in 0..20 {
        bench.succeed(1, false);
        let mut slot = bench.enter(false);
        bench.with(|breaker, turn| breaker.fault(&mut slot, &fault(FaultKind::Server), turn.now, true, turn));
    }
    assert_eq!(bench.state(), State::Closed);
    for _ in 0..20 {
        let mut slot = bench.enter(false);
        bench.success(&mut slot, false);
        bench.with(|breaker, turn| breaker.stream_ended(&slot, true, true, turn));
    }
    assert_eq!(bench.state(), State::Degraded);
}

#[test]
fn open_times_double_up_to_a_bound_and_halve_again() {
    let mut bench = Bench::new();
    bench.fail(5, FaultKind::Server);
    for expected in [10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0] {
        let open_for = bench.open_for();
        assert!(
            open_for >= expected * 0.75 && open_for <= expected,
            "{open_for} {expected}"
        );
        bench.reopen();
        bench.fail(1, FaultKind::Server);
    }
    // Back for two and a half healthy minutes: two openings are forgotten, so 300 s become 80 s.
    bench.reopen();
    bench.succeed(4, false);
    assert_eq!(bench.state(), State::Closed);
    bench.wait(150.0);
    bench.fail(5, FaultKind::Server);
    let open_for = bench.open_for();
    assert!((60.0..=80.0).contains(&open_for), "{open_for}");
    bench.reopen();
    bench.succeed(4, false);
    bench.wait(1e6);
    bench.fail(5, FaultKind::Server);
    assert!((7.5..=10.0).contains(&bench.open_for()));
}

#[test]
fn the_vendors_word_is_heeded_up_to_300_s() {
    // (asked for, open for at least, at most)
    for (asked, least, most) in [(1, 7.5, 10.0), (45, 45.0, 45.0), (3600, 300.0, 300.0)] {
        let mut bench = Bench::new();
        let mut last = fault(FaultKind::Overloaded);
        last.retry_after = Some(secs(asked));
        bench.fail(4, FaultKind::Server);
        let mut slot = bench.enter(false);
        bench.fault(&mut slot, &last);
        assert!((least..=most).contains(&bench.open_for()), "{asked}");
        let cause = bench.breaker.cause().unwrap();
        assert_eq!((cause.class, cause.status), (FailureClass::Overloaded, Some(503)));
        // A last resort that is told to wait makes it no shorter, but maybe longer.
        let mut slot = bench.enter(true);
        let mut longer = fault(FaultKind::Overloaded);
        longer.retry_after = Some(secs(200));
        bench.fault(&mut slot, &longer);
        assert!(bench.open_for() >= most.max(200.0) - 1e-9);
    }
}

#[test]
fn what_it_refuses_with() {
    let mut bench = Bench::new();
    bench.fail(5, FaultKind::Server);
    let until = bench.breaker.reopens().unwrap();
    let look = |bench: &Bench| bench.breaker.look(&bench.settings, bench.now);
    assert_eq!(look(&bench), Err(Bar::Open { until, spent: false }));
    bench.enter(false);
    assert_eq!(look(&bench), Err(Bar::Open { until, spent: false }));
    bench.enter(true);
    assert_eq!(look(&bench), Err(Bar::Open { until, spent: true }));
    bench.reopen();
    assert_eq!(look(&bench), Ok(Standing::Probing));
    let mut probe = bench.enter(false);
    assert!(probe.is_probe());
    let until = bench.now + secs(30);
    assert_eq!(look(&bench), Err(Bar::Permit { until }));
    bench.success(&mut probe, false);
    assert_eq!(
        (look(&bench), bench.breaker.allowance()),
        (Ok(Standing::Ramping), Some(1))
    );
    let mut slot = bench.enter(false);
    assert_eq!(look(&bench), Err(Bar::Ramp));
    bench.breaker.neutral(&mut slot);
    assert_eq!(look(&bench), Ok(Standing::Ramping));
    bench.succeed(3, false);
    assert_eq!(
        (look(&bench), bench.breaker.allowance()),
        (Ok(Standing::Healthy), None)
    );
    assert_eq!(bench.breaker.reopens(), None);
}

#[test]
fn a_busy_target_ramps_further() {
    let mut bench = Bench::new();
    let mut busy: Vec<Slot> = (0..33).map(|_| bench.enter(false)).collect();
    for slot in busy.iter_mut().take(5) {
        bench.fault(slot, &fault(FaultKind::Server));
    }
    bench.reopen();
    // 1, 2, 4, 8, 16, 32: not yet as many as it had.
    bench.succeed(6, false);
    assert_eq!(bench.breaker.allowance(), Some(32));
    bench.succeed(1, false);
    assert_eq!(bench.state(), State::Closed);
    assert_eq!(bench.breaker.in_flight(), 28);
}
