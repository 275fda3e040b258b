//! A second breaker, as simple as can be, that the real one must agree with: it keeps every event and counts them anew
//! each time.

use proptest::prelude::*;

use super::breaker::Bench;
use super::*;
use crate::health::breaker::Slot;
use crate::health::turn::Bar;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Heard {
    Nothing,
    Good { slow: bool },
    Bad { slow: bool },
}

#[derive(Debug, Clone)]
struct Attempt {
    life: u32,
    probe: bool,
    /// On its way to a first content since then, or heard of then. None: it is not in the books.
    booked: Option<(f64, Heard)>,
    ramping: bool,
}

#[derive(Debug, Default)]
struct Model {
    state: &'static str,
    life: u32,
    attempts: Vec<Attempt>,
    streams: Vec<(f64, bool)>,
    bad_run: Vec<(f64, bool)>,
    until: f64,
    spent: bool,
    permit: f64,
    limit: usize,
    full: usize,
    level: i32,
    closed_at: f64,
    judge_at: f64,
    bad_windows: u32,
    flying: Vec<(f64, usize)>,
    in_flight: usize,
}

fn live(then: f64, now: f64) -> bool {
    (now / 5.0).floor() - (then / 5.0).floor() < 12.0
}

impl Model {
    fn counts(&self, now: f64) -> (usize, usize, usize, usize) {
        let booked: Vec<Heard> = self
            .attempts
            .iter()
            .filter_map(|attempt| attempt.booked)
            .filter(|(then, _)| live(*then, now))
            .map(|(_, heard)| heard)
            .collect();
        let count = |test: fn(&Heard) -> bool| booked.iter().filter(|heard| test(heard)).count();
        (
            booked.len(),
            count(|heard| matches!(heard, Heard::Bad { .. })),
            count(|heard| *heard != Heard::Nothing),
            count(|heard| matches!(heard, Heard::Bad { slow: true } | Heard::Good { slow: true })),
        )
    }

    fn cuts(&self, now: f64) -> (usize, usize) {
        let recent: Vec<bool> = self
            .streams
            .iter()
            .filter(|(then, _)| live(*then, now))
            .map(|(_, cut)| *cut)
            .collect();
        (recent.len(), recent.iter().filter(|cut| **cut).count())
    }

    fn bad(&self, now: f64) -> bool {
        let (_, _, settled, slow) = self.counts(now);
        let (streams, cut) = self.cuts(now);
        settled >= 10 && slow * 10 >= settled * 8 || streams >= 8 && cut * 4 >= streams
    }

    fn heal(&mut self, now: f64) {
        if self.state == "closed" {
            let healthy = ((now - self.closed_at + 1e-9) / 60.0).floor() as i32;
            self.level = (self.level - healthy).max(0);
        }
    }

    /// Opens; the real breaker says until when, which must be in bounds.
    fn open(&mut self, now: f64, asked: f64, real: f64) {
        self.heal(now);
        if self.state == "closed" || self.state == "degraded" {
            let peak = self
                .flying
                .iter()
                .filter(|(then, _)| live(*then, now))
                .map(|(_, n)| *n)
                .max();
            self.full = peak.unwrap_or(0).max(self.in_flight).max(8);
        }
        let longest = (10.0 * 2.0_f64.powi(self.level)).min(300.0);
        self.level = (self.level + 1).min(5);
        let asked = asked.min(300.0);
        assert!(
            real - now >= (longest * 0.75).max(asked) - 1e-6 && real - now <= longest.max(asked) + 1e-6,
            "open for {} rather than {longest} or {asked}",
            real - now
        );
        self.state = "open";
        self.until = real;
        self.spent = false;
        self.new_life();
        self.streams.clear();
        self.bad_run.clear();
    }

    fn new_life(&mut self) {
        self.life += 1;
        for attempt in &mut self.attempts {
            attempt.booked = None;
            attempt.ramping = false;
        }
    }

    fn under_way(&self) -> usize {
        self.attempts.iter().filter(|attempt| attempt.ramping).count()
    }

    fn look(&self, now: f64) -> &'static str {
        match self.state {
            "degraded" if self.judge_at <= now && !self.bad(now) => "closed",
            "open" if self.until > now => "open",
            "half" if self.permit > now => "taken",
            "open" | "half" => "free",
            "ramp" if self.under_way() >= self.limit => "full",
            other => other,
        }
    }

    fn enter(&mut self, now: f64, expires: f64, last_resort: bool) -> usize {
        self.in_flight += 1;
        self.flying.push((now, self.in_flight));
        let free = self.look(now) == "free";
        if free {
            self.state = "half";
            self.permit = expires;
            self.new_life();
        }
        self.spent |= last_resort && self.state == "open";
        let books = matches!(self.state, "closed" | "degraded" | "ramp");
        self.attempts.push(Attempt {
            life: self.life,
            probe: free,
            booked: books.then_some((now, Heard::Nothing)),
            ramping: self.state == "ramp",
        });
        self.attempts.len() - 1
    }

    fn judge(&mut self, now: f64, alone: bool, real: f64) {
        if self.state != "degraded" || self.judge_at > now {
            return;
        }
        if !self.bad(now) {
            self.state = "closed";
            self.closed_at = now;
            return;
        }
        self.bad_windows += 1;
        self.judge_at = now + 60.0;
        if !alone && self.bad_windows >= 2 {
            self.open(now, 0.0, real);
        }
    }

    fn degrade(&mut self, now: f64) {
        if self.state == "closed" && self.bad(now) {
            self.heal(now);
            self.state = "degraded";
            self.judge_at = now + 60.0;
            self.bad_windows = 0;
        }
    }

    fn hear(&mut self, which: usize, heard: Heard, now: f64) {
        self.attempts[which].ramping = false;
        self.attempts[which].booked = Some((now, heard));
    }

    fn success(&mut self, which: usize, slow: bool, alone: bool, now: f64, real: f64) {
        self.judge(now, alone, real);
        if self.attempts[which].life != self.life {
            return;
        }
        match self.state {
            "open" | "half" => {
                self.new_life();
                self.attempts[which].life = self.life;
                self.state = "ramp";
                self.limit = 1;
            }
            "ramp" => {
                self.limit *= 2;
                if self.limit >= self.full {
                    self.state = "closed";
                    self.closed_at = now;
                }
            }
            _ => {}
        }
        self.bad_run.clear();
        self.hear(which, Heard::Good { slow }, now);
        self.degrade(now);
    }

    fn fault(&mut self, which: usize, fault: &Fault, alone: bool, now: f64, real: f64) {
        self.judge(now, alone, real);
        if self.attempts[which].life != self.life {
            return;
        }
        let asked = fault.retry_after.unwrap_or_default().as_secs_f64();
        match self.state {
            "open" => self.until = self.until.max(now + asked.min(300.0)),
            "half" if self.attempts[which].probe => self.open(now, asked, real),
            "half" => {}
            "ramp" => self.open(now, asked, real),
            _ => {
                let slow = fault.kind == FaultKind::Slow;
                self.hear(which, Heard::Bad { slow }, now);
                self.bad_run.push((now, fault.kind == FaultKind::Unreachable));
                let run = self.bad_run.len();
                let connects = self.bad_run.iter().rev().take_while(|(_, connect)| *connect);
                let (starts, failed, ..) = self.counts(now);
                if connects.count() >= 3
                    || run >= 5
                    || run >= 3 && now - self.bad_run[0].0 >= 5.0
                    || !alone && starts >= 10 && failed * 2 >= starts
                {
                    self.open(now, asked, real);
                }
            }
        }
    }

    fn neutral(&mut self, which: usize) {
        let attempt = &mut self.attempts[which];
        if attempt.life == self.life {
            attempt.booked = None;
            attempt.ramping = false;
            if attempt.probe && self.state == "half" {
                self.permit = 0.0;
            }
        }
    }

    fn stream(&mut self, which: usize, cut: bool, alone: bool, now: f64, real: f64) {
        self.judge(now, alone, real);
        if self.attempts[which].life != self.life {
            return;
        }
        self.streams.push((now, cut));
        let (streams, cuts) = self.cuts(now);
        if cut && !alone && streams >= 8 && cuts * 2 >= streams {
            self.open(now, 0.0, real);
        } else {
            self.degrade(now);
        }
    }
}

#[derive(Debug, Clone)]
enum Act {
    /// In quarters of a second, so that both count alike.
    Wait(u32),
    Enter(u32, bool),
    Success(usize, bool, bool),
    Fault(usize, usize, u64, bool),
    Neutral(usize),
    Stream(usize, bool, bool),
    Probed,
}

const KINDS: [FaultKind; 4] = [
    FaultKind::Server,
    FaultKind::Unreachable,
    FaultKind::Slow,
    FaultKind::Edge,
];

fn act() -> impl Strategy<Value = Act> {
    let alone = || prop::bool::weighted(0.1);
    prop_oneof![
        4 => (0_u32..60).prop_map(Act::Wait),
        1 => (0_u32..600).prop_map(Act::Wait),
        12 => (1_u32..200, any::<bool>()).prop_map(|(expires, last)| Act::Enter(expires, last)),
        6 => (any::<usize>(), any::<bool>(), alone()).prop_map(|(i, slow, alone)| Act::Success(i, slow, alone)),
        5 => (any::<usize>(), 0_usize..4, prop_oneof![4 => Just(0_u64), 1 => 0_u64..400], alone())
            .prop_map(|(i, kind, asked, alone)| Act::Fault(i, kind, asked, alone)),
        1 => any::<usize>().prop_map(Act::Neutral),
        4 => (any::<usize>(), prop::bool::weighted(0.3), alone())
            .prop_map(|(i, cut, alone)| Act::Stream(i, cut, alone)),
        1 => Just(Act::Probed),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn it_agrees_with_the_model(acts in prop::collection::vec(act(), 0..300), often in any::<bool>()) {
        let mut bench = Bench::new();
        let mut model = Model { state: "closed", full: 8, ..Model::default() };
        // Slots on their way to a first content, and streams after it.
        let mut out: Vec<(Slot, usize)> = Vec::new();
        let mut flowing: Vec<(Slot, usize)> = Vec::new();
        for act in acts {
            let now = bench.now.since_start().as_secs_f64();
            let real = |bench: &Bench| bench.breaker.reopens().unwrap_or_default().since_start().as_secs_f64();
            match act {
                // Half of the runs are busy, half are quiet.
                Act::Wait(quarters) => bench.wait(f64::from(if often { quarters / 8 } else { quarters }) * 0.25),
                Act::Enter(expires, last_resort) => {
                    let until = bench.now + Duration::from_millis(u64::from(expires) * 250);
                    let slot = bench.with(|breaker, turn| breaker.enter(until, last_resort, turn));
                    let which = model.enter(now, now + f64::from(expires) * 0.25, last_resort);
                    prop_assert_eq!(slot.is_probe(), model.attempts[which].probe);
                    out.push((slot, which));
                }
                Act::Success(i, slow, alone) if !out.is_empty() => {
                    let (mut slot, which) = out.swap_remove(i % out.len());
                    bench.with(|breaker, turn| breaker.success(&mut slot, slow, alone, turn));
                    model.success(which, slow, alone, now, real(&bench));
                    flowing.push((slot, which));
                }
                Act::Fault(i, kind, asked, alone) if !out.is_empty() => {
                    let (mut slot, which) = out.swap_remove(i % out.len());
                    let mut fault = fault(KINDS[kind]);
                    fault.retry_after = Some(secs(asked));
                    bench.with(|breaker, turn| breaker.fault(&mut slot, &fault, turn.now, alone, turn));
                    bench.breaker.leave();
                    model.fault(which, &fault, alone, now, real(&bench));
                    model.in_flight -= 1;
                }
                Act::Neutral(i) if !out.is_empty() => {
                    let (mut slot, which) = out.swap_remove(i % out.len());
                    bench.breaker.neutral(&mut slot);
                    bench.breaker.leave();
                    model.neutral(which);
                    model.in_flight -= 1;
                }
                Act::Stream(i, cut, alone) if !flowing.is_empty() => {
                    let (slot, which) = flowing.swap_remove(i % flowing.len());
                    bench.with(|breaker, turn| breaker.stream_ended(&slot, cut, alone, turn));
                    bench.breaker.leave();
                    model.stream(which, cut, alone, now, real(&bench));
                    model.in_flight -= 1;
                }
                Act::Probed => {
                    bench.breaker.probed(bench.now);
                    if model.state == "open" {
                        model.state = "half";
                        model.permit = 0.0;
                    }
                }
                Act::Success(..) | Act::Fault(..) | Act::Neutral(_) | Act::Stream(..) => {}
            }
            let now = bench.now.since_start().as_secs_f64();
            let look = match bench.breaker.look(&bench.settings, bench.now) {
                Ok(Standing::Healthy) => "closed",
                Ok(Standing::Degraded) => "degraded",
                Ok(Standing::Ramping) => "ramp",
                Ok(Standing::Probing) => "free",
                Ok(Standing::LastResort) => "no answer of a breaker",
                Err(Bar::Open { spent, .. }) => {
                    prop_assert_eq!(spent, model.spent);
                    "open"
                }
                Err(Bar::Permit { .. }) => "taken",
                Err(Bar::Ramp) => "full",
            };
            prop_assert_eq!(look, model.look(now));
            let (starts, failed, ..) = model.counts(now);
            prop_assert_eq!(bench.breaker.counts(bench.now), (starts as u32, failed as u32));
            prop_assert_eq!(bench.breaker.in_flight() as usize, model.in_flight);
        }
    }
}
