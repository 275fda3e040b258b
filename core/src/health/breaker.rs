//! The breaker of one target or one endpoint.
//!
//! ```text
//! Closed ⇄ Degraded ─► Open ─(time, or a free probe)─► HalfOpen ─(first content)─► Ramp ─(full)─► Closed
//!    └──────────────────►▲ ◄──────────(fault)────────────┘  ◄──────(fault)──────────┘
//! ```
//!
//! Attempts end in any order, long after the state they began in. Each slot carries the *era* it began in, which ends
//! with every opening, every permit and every recovery; what comes of an older era moves nothing.

use std::time::Duration;

use super::fault::{Fault, FaultKind};
use super::settings::HealthSettings;
use super::state::{Standing, State};
use super::turn::{Bar, Cause, Move, Turn};
use super::window::{Window, reaches};
use crate::mutant::{self, Mutant};
use crate::types::{FailureClass, Moment};

const STARTS: usize = 0;
const FAILED: usize = 1;
const SETTLED: usize = 2;
const SLOW: usize = 3;

const STREAMS: usize = 0;
const CUT: usize = 1;

/// The era of slots that are not followed: an operator holds the breaker closed.
const NO_ERA: u64 = 0;

/// One attempt's place in a breaker.
#[derive(Debug)]
pub(super) struct Slot {
    era: u64,
    began: Moment,
    /// It holds, or held, the half-open permit.
    probe: bool,
    /// It holds a place in the ramp.
    ramp: bool,
    /// Its start is in the window.
    counted: bool,
}

impl Slot {
    /// A place nothing is learnt from.
    pub(super) const fn unfollowed(began: Moment) -> Self {
        Self {
            era: NO_ERA,
            began,
            probe: false,
            ramp: false,
            counted: false,
        }
    }

    pub(super) const fn is_probe(&self) -> bool {
        self.probe
    }

    /// The same place once more, for a verdict that comes after the attempt has ended.
    pub(super) const fn kept(&self) -> Self {
        Self {
            era: self.era,
            began: self.began,
            probe: self.probe,
            ramp: false,
            counted: self.counted,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    Closed,
    Degraded {
        /// It is judged again then.
        judged_at: Moment,
        /// Bad windows since it is degraded.
        bad: u32,
    },
    Open {
        until: Moment,
        spent: bool,
    },
    HalfOpen {
        /// When the permit that is out expires.
        permit: Option<Moment>,
    },
    Ramp {
        /// Attempts that may be on their way to a first content at once.
        limit: u32,
        under_way: u32,
    },
}

/// The state machine. It never reads a clock: each step is told the time.
#[derive(Debug)]
pub(super) struct Breaker {
    stage: Stage,
    era: u64,
    since: Moment,
    why: String,
    cause: Option<Cause>,
    /// Hard faults since the last success, and when the first of them was.
    run: u32,
    run_began: Moment,
    connect_run: u32,
    starts: Window<4>,
    streams: Window<2>,
    busiest: Window<1>,
    in_flight: u32,
    /// The ramp's end.
    full: u32,
    /// Openings in a row.
    openings: u32,
    /// Since when it is closed without a break.
    healthy_since: Option<Moment>,
    moves: Vec<Move>,
}

impl Breaker {
    pub(super) fn new(settings: &HealthSettings) -> Self {
        Self {
            stage: Stage::Closed,
            era: NO_ERA + 1,
            since: Moment::default(),
            why: "nothing speaks against it".to_owned(),
            cause: None,
            run: 0,
            run_began: Moment::default(),
            connect_run: 0,
            starts: Window::new(settings.window),
            streams: Window::new(settings.window),
            busiest: Window::new(settings.window),
            in_flight: 0,
            full: settings.ramp_full,
            openings: 0,
            healthy_since: Some(Moment::default()),
            moves: Vec::new(),
        }
    }

    /// The state at `now`. Time alone ends an open interval and a degraded window.
    pub(super) fn state(&self, settings: &HealthSettings, now: Moment) -> State {
        match self.stage {
            Stage::Degraded { judged_at, .. } if judged_at <= now && !self.is_bad(settings, now) => {
                State::Closed
            }
            Stage::Open { until, .. } if until <= now => State::HalfOpen,
            _ => self.stage_name(),
        }
    }

    const fn stage_name(&self) -> State {
        match self.stage {
            Stage::Closed => State::Closed,
            Stage::Degraded { .. } => State::Degraded,
            Stage::Open { .. } => State::Open,
            Stage::HalfOpen { .. } => State::HalfOpen,
            Stage::Ramp { .. } => State::Ramp,
        }
    }

    pub(super) const fn since(&self) -> Moment {
        self.since
    }

    pub(super) fn why(&self) -> &str {
        &self.why
    }

    /// What opened it last.
    pub(super) const fn cause(&self) -> Option<&Cause> {
        self.cause.as_ref()
    }

    pub(super) const fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// How many attempts may begin at once while it ramps.
    pub(super) const fn allowance(&self) -> Option<u32> {
        match self.stage {
            Stage::Ramp { limit, .. } => Some(limit),
            _ => None,
        }
    }

    /// Starts, and those that failed, in the window.
    pub(super) fn counts(&self, now: Moment) -> (u32, u32) {
        let [starts, failed, ..] = self.starts.sums(now);
        (starts, failed)
    }

    /// The changes since the last call, in order.
    pub(super) fn take_moves(&mut self) -> Vec<Move> {
        std::mem::take(&mut self.moves)
    }

    /// Whether one more attempt may begin.
    pub(super) fn look(&self, settings: &HealthSettings, now: Moment) -> Result<Standing, Bar> {
        match self.stage {
            Stage::Closed => Ok(Standing::Healthy),
            Stage::Degraded { .. } if self.state(settings, now) == State::Closed => Ok(Standing::Healthy),
            Stage::Degraded { .. } => Ok(Standing::Degraded),
            Stage::Open { .. } | Stage::HalfOpen { .. } if mutant::on(Mutant::BreakerIgnored) => {
                Ok(Standing::Healthy)
            }
            Stage::HalfOpen { .. } if mutant::on(Mutant::ProbesUncounted) => Ok(Standing::Probing),
            Stage::Open { until, spent } if until > now => Err(Bar::Open { until, spent }),
            Stage::HalfOpen { permit: Some(until) } if until > now => Err(Bar::Permit { until }),
            Stage::Open { .. } | Stage::HalfOpen { .. } => Ok(Standing::Probing),
            Stage::Ramp { limit, under_way } if under_way < limit => Ok(Standing::Ramping),
            Stage::Ramp { .. } => Err(Bar::Ramp),
        }
    }

    /// An attempt begins, whether [`Self::look`] let it or something else did. `last_resort` uses up the open interval's
    /// one attempt. A permit is free again at `expires`.
    pub(super) fn enter(&mut self, expires: Moment, last_resort: bool, turn: &Turn<'_>) -> Slot {
        let now = turn.now;
        let look = self.look(turn.settings, now);
        self.board(now);
        if look == Ok(Standing::Probing) {
            self.half_open("its time is over: one attempt may try it", now);
            self.era += 1;
            self.stage = Stage::HalfOpen {
                permit: Some(expires),
            };
        }
        let mut slot = Slot {
            era: self.era,
            began: now,
            probe: look == Ok(Standing::Probing),
            ramp: false,
            counted: false,
        };
        match &mut self.stage {
            Stage::Open { spent, .. } => *spent |= last_resort,
            Stage::HalfOpen { .. } => {}
            Stage::Ramp { under_way, .. } => {
                *under_way = under_way.saturating_add(1);
                slot.ramp = true;
                slot.counted = true;
            }
            Stage::Closed | Stage::Degraded { .. } => slot.counted = true,
        }
        if slot.counted {
            self.starts.add(now, STARTS);
        }
        slot
    }

    /// An attempt begins that nothing is learnt from, since an operator holds the breaker closed.
    pub(super) fn enter_unfollowed(&mut self, now: Moment) -> Slot {
        self.board(now);
        Slot::unfollowed(now)
    }

    fn board(&mut self, now: Moment) {
        self.in_flight = self.in_flight.saturating_add(1);
        self.busiest.raise(now, 0, self.in_flight);
    }

    /// An attempt is over, whatever it came to.
    pub(super) const fn leave(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Gives the permit, or the place in the ramp, back.
    pub(super) const fn give_back(&mut self, slot: &mut Slot) {
        if slot.era != self.era {
            return;
        }
        match &mut self.stage {
            Stage::HalfOpen { permit } if slot.probe => *permit = None,
            Stage::Ramp { under_way, .. } if slot.ramp => *under_way = under_way.saturating_sub(1),
            _ => {}
        }
        slot.ramp = false;
    }

    /// The attempt says nothing: it is as if it had not been.
    pub(super) fn neutral(&mut self, slot: &mut Slot) {
        self.give_back(slot);
        if slot.era == self.era && slot.counted {
            self.starts.take_back(slot.began, STARTS);
            slot.counted = false;
        }
    }

    /// A connection was made: the run of failed ones is over.
    pub(super) const fn connected(&mut self) {
        self.connect_run = 0;
    }

    /// Forgets what was counted of failed connections.
    pub(super) const fn forget_connect_run(&mut self) {
        self.run = self.run.saturating_sub(self.connect_run);
        self.connect_run = 0;
    }

    /// First content came (for an endpoint: an answer of any kind).
    ///
    /// Content that comes while it is open or half-open proves that it works, whoever asked for it: the permit, a last
    /// resort, or a request with no alternative. True when it did so.
    pub(super) fn success(&mut self, slot: &mut Slot, slow: bool, alone: bool, turn: &mut Turn<'_>) -> bool {
        self.judge(!alone, turn);
        if slot.era != self.era {
            return false;
        }
        let now = turn.now;
        self.give_back(slot);
        self.run = 0;
        self.connect_run = 0;
        let recovered = matches!(self.stage, Stage::Open { .. } | Stage::HalfOpen { .. });
        match &mut self.stage {
            Stage::Open { .. } | Stage::HalfOpen { .. } => {
                self.era += 1;
                slot.era = self.era;
                let ramp = Stage::Ramp {
                    limit: 1,
                    under_way: 0,
                };
                self.go(ramp, "it answered: traffic comes back step by step", now);
            }
            Stage::Ramp { limit, .. } => {
                *limit = limit.saturating_mul(2);
                if *limit >= self.full {
                    self.close("traffic is back", now);
                }
            }
            Stage::Closed | Stage::Degraded { .. } => {}
        }
        self.settle(slot, now, false, slow);
        self.degrade(turn);
        recovered
    }

    /// A hard fault, found at `at`, which may be earlier than now. `alone`: the target had no alternative, so rates do
    /// not open.
    pub(super) fn fault(
        &mut self,
        slot: &mut Slot,
        fault: &Fault,
        at: Moment,
        alone: bool,
        turn: &mut Turn<'_>,
    ) {
        self.judge(!alone, turn);
        if slot.era != self.era {
            return;
        }
        self.give_back(slot);
        match &mut self.stage {
            Stage::Closed | Stage::Degraded { .. } => {
                self.settle(slot, turn.now, true, fault.kind == FaultKind::Slow);
                if self.run == 0 {
                    self.run_began = at;
                }
                self.run = self.run.saturating_add(1);
                self.connect_run = match fault.kind {
                    FaultKind::Unreachable => self.connect_run.saturating_add(1),
                    _ => 0,
                };
                if let Some(why) = self.trips(at, alone, turn) {
                    self.open(&format!("{why}; the last: {}", fault.text()), fault, turn);
                }
            }
            // A last resort that failed changes nothing, but the vendor's word on when to come back is heeded.
            Stage::Open { until, .. } => {
                *until = (*until).max(turn.now + asked(fault.retry_after, turn.settings));
            }
            Stage::HalfOpen { .. } if slot.probe => {
                self.open(&format!("its probe failed: {}", fault.text()), fault, turn);
            }
            Stage::HalfOpen { .. } => {}
            Stage::Ramp { .. } => self.open(
                &format!("it failed while traffic was coming back: {}", fault.text()),
                fault,
                turn,
            ),
        }
    }

    /// A stream ended, well or not, after its first content.
    pub(super) fn stream_ended(&mut self, slot: &Slot, cut: bool, alone: bool, turn: &mut Turn<'_>) {
        self.judge(!alone, turn);
        if slot.era != self.era {
            return;
        }
        self.streams.add(turn.now, STREAMS);
        if cut {
            self.streams.add(turn.now, CUT);
        }
        let [streams, cuts] = self.streams.sums(turn.now);
        let settings = turn.settings;
        if cut && !alone && reaches(cuts, streams, settings.min_streams, settings.cut_open) {
            let why = format!(
                "{cuts} of {streams} streams broke off within {}",
                text(settings.window)
            );
            self.open(&why, &cut_fault(), turn);
        } else {
            self.degrade(turn);
        }
    }

    /// A free probe came back well: the open interval ends early. Never more than that.
    pub(super) fn probed(&mut self, now: Moment) {
        self.half_open("a free probe found it reachable", now);
    }

    fn half_open(&mut self, why: &str, now: Moment) {
        if matches!(self.stage, Stage::Open { .. }) {
            self.go(Stage::HalfOpen { permit: None }, why, now);
        }
    }

    /// When an open interval, or the permit that is out, ends.
    pub(super) const fn reopens(&self) -> Option<Moment> {
        match self.stage {
            Stage::Open { until, .. } => Some(until),
            Stage::HalfOpen { permit } => permit,
            _ => None,
        }
    }

    /// Judges a degraded target whose window is over. `may_open`: there is an alternative.
    pub(super) fn judge(&mut self, may_open: bool, turn: &mut Turn<'_>) {
        let Stage::Degraded { judged_at, bad } = self.stage else {
            return;
        };
        if judged_at > turn.now {
            return;
        }
        if !self.is_bad(turn.settings, turn.now) {
            self.close("a whole window without trouble", turn.now);
            return;
        }
        let bad = bad.saturating_add(1);
        if may_open && bad >= turn.settings.bad_windows {
            self.open("it did not get better while it was degraded", &cut_fault(), turn);
        } else {
            self.stage = Stage::Degraded {
                judged_at: turn.now + turn.settings.window,
                bad,
            };
        }
    }

    /// Counts what a start came to where that is known, so that there are never more failures than starts.
    fn settle(&mut self, slot: &mut Slot, now: Moment, failed: bool, slow: bool) {
        if slot.counted {
            self.starts.take_back(slot.began, STARTS);
            slot.counted = false;
        }
        self.starts.add(now, STARTS);
        self.starts.add(now, SETTLED);
        if failed {
            self.starts.add(now, FAILED);
        }
        if slow {
            self.starts.add(now, SLOW);
        }
    }

    /// Why the faults so far open it, if they do.
    fn trips(&self, at: Moment, alone: bool, turn: &Turn<'_>) -> Option<String> {
        let settings = turn.settings;
        let span = at - self.run_began;
        let [starts, failed, ..] = self.starts.sums(turn.now);
        if self.connect_run >= settings.connect_failures {
            Some(format!("{} connections failed in a row", self.connect_run))
        } else if self.run >= settings.consecutive {
            Some(format!("{} failures in a row", self.run))
        } else if self.run >= settings.low_traffic_consecutive && span >= settings.low_traffic_span {
            Some(format!("{} failures in a row over {}", self.run, text(span)))
        } else if !alone && reaches(failed, starts, settings.min_starts, settings.failure_rate) {
            Some(format!(
                "{failed} of {starts} attempts failed within {}",
                text(settings.window)
            ))
        } else {
            None
        }
    }

    fn slow_share(&self, settings: &HealthSettings, now: Moment) -> Option<(u32, u32)> {
        let [_, _, settled, slow] = self.starts.sums(now);
        reaches(slow, settled, settings.min_starts, settings.slow_rate).then_some((slow, settled))
    }

    fn cut_share(&self, settings: &HealthSettings, now: Moment) -> Option<(u32, u32)> {
        let [streams, cut] = self.streams.sums(now);
        reaches(cut, streams, settings.min_streams, settings.cut_degraded).then_some((cut, streams))
    }

    fn is_bad(&self, settings: &HealthSettings, now: Moment) -> bool {
        self.slow_share(settings, now).is_some() || self.cut_share(settings, now).is_some()
    }

    /// Closed → degraded, where the windows say so.
    fn degrade(&mut self, turn: &Turn<'_>) {
        if !matches!(self.stage, Stage::Closed) {
            return;
        }
        let (settings, now) = (turn.settings, turn.now);
        let why = if let Some((cut, streams)) = self.cut_share(settings, now) {
            format!("{cut} of {streams} streams broke off")
        } else if let Some((slow, settled)) = self.slow_share(settings, now) {
            format!("{slow} of {settled} first contents were slow")
        } else {
            return;
        };
        self.heal(now, settings);
        let degraded = Stage::Degraded {
            judged_at: now + settings.window,
            bad: 0,
        };
        self.go(degraded, &format!("{why} within {}", text(settings.window)), now);
    }

    fn close(&mut self, why: &str, now: Moment) {
        self.healthy_since = Some(now);
        self.go(Stage::Closed, why, now);
    }

    /// A healthy stretch ends: openings it outlived are forgotten.
    fn heal(&mut self, now: Moment, settings: &HealthSettings) {
        if let Some(since) = self.healthy_since.take() {
            let stretches = (now - since).as_nanos() / settings.heal_every.as_nanos().max(1);
            self.openings = self
                .openings
                .saturating_sub(u32::try_from(stretches).unwrap_or(u32::MAX));
        }
    }

    fn open(&mut self, why: &str, fault: &Fault, turn: &mut Turn<'_>) {
        let (settings, now) = (turn.settings, turn.now);
        self.heal(now, settings);
        if matches!(self.stage, Stage::Closed | Stage::Degraded { .. }) {
            let [busiest] = self.busiest.maxima(now);
            self.full = busiest.max(self.in_flight).max(settings.ramp_full);
        }
        let doubled = |openings: u32| {
            settings
                .open_base
                .saturating_mul(1_u32.checked_shl(openings).unwrap_or(u32::MAX))
        };
        let longest = doubled(self.openings).min(settings.open_max);
        // Once the time no longer grows, neither does the number, or a long outage would take as long to be forgotten.
        if doubled(self.openings) < settings.open_max {
            self.openings += 1;
        }
        let open_for = longest.mul_f64(0.25_f64.mul_add(turn.rng.f64(), 0.75));
        let until = now + open_for.max(asked(fault.retry_after, settings));
        self.era += 1;
        self.run = 0;
        self.connect_run = 0;
        self.starts.clear();
        self.streams.clear();
        self.cause = Some(Cause {
            why: why.to_owned(),
            class: fault.class,
            status: fault.status,
        });
        self.go(Stage::Open { until, spent: false }, why, now);
    }

    fn go(&mut self, stage: Stage, why: &str, now: Moment) {
        let from = self.stage_name();
        self.stage = stage;
        self.since = now;
        why.clone_into(&mut self.why);
        self.moves.push(Move {
            from,
            to: self.stage_name(),
            why: why.to_owned(),
        });
    }
}

/// What stands for broken streams and slow windows, where no single failure opened the breaker.
const fn cut_fault() -> Fault {
    Fault {
        kind: FaultKind::Server,
        class: FailureClass::Server,
        status: None,
        retry_after: None,
    }
}

/// The wait a vendor asked for, as far as it is heeded here.
fn asked(retry_after: Option<Duration>, settings: &HealthSettings) -> Duration {
    retry_after.unwrap_or_default().min(settings.open_max)
}

/// A duration for a person.
pub(super) fn text(duration: Duration) -> String {
    format!("{} s", duration.as_secs())
}
