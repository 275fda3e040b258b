//! How much is spent on second tries, so that an outage is never multiplied.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::mutant::{self, Mutant};
use crate::types::{Moment, RouteId, Sent};

/// Counts are kept in fifths of a retry: each request earns one (20 %), as Finagle's `RetryBudget` gives.
const FIFTHS: u64 = 5;
/// Ten retries a second for the ten seconds an earning lasts, whatever the traffic: Finagle's floor.
const FLOOR: u64 = 10 * 10 * FIFTHS;
/// Ten seconds, in slices of one.
const COUNTS: Span = Span {
    slice: Duration::from_secs(1),
    slices: 10,
};
/// Ten minutes, in slices of ten seconds.
const MONEY: Span = Span {
    slice: Duration::from_secs(10),
    slices: 60,
};
/// Retries of a route that may run at once whatever they cost: Envoy's and failsafe-go's floor.
const CONCURRENT: u32 = 3;
/// Money is counted in billionths of a dollar, so that sums are exact.
const NANO: f64 = 1e9;

#[derive(Debug, Clone, Copy)]
struct Span {
    slice: Duration,
    slices: u64,
}

/// What came in and went out lately. Each slice forgets both at once.
#[derive(Debug, Clone)]
struct Window {
    span: Span,
    slices: VecDeque<Slice>,
}

#[derive(Debug, Clone)]
struct Slice {
    at: u64,
    earned: u64,
    spent: u64,
}

impl Window {
    const fn new(span: Span) -> Self {
        Self {
            span,
            slices: VecDeque::new(),
        }
    }

    fn slice(&self, now: Moment) -> u64 {
        let slice = now.since_start().as_nanos() / self.span.slice.as_nanos();
        u64::try_from(slice).unwrap_or(u64::MAX)
    }

    fn add(&mut self, earned: u64, spent: u64, now: Moment) {
        let at = self.slice(now);
        while self
            .slices
            .front()
            .is_some_and(|slice| slice.at.saturating_add(self.span.slices) <= at)
        {
            self.slices.pop_front();
        }
        match self.slices.back_mut() {
            Some(last) if last.at >= at => {
                last.earned = last.earned.saturating_add(earned);
                last.spent = last.spent.saturating_add(spent);
            }
            _ => self.slices.push_back(Slice { at, earned, spent }),
        }
    }

    /// Earned and spent within the span.
    fn sums(&self, now: Moment) -> (u64, u64) {
        let at = self.slice(now);
        let recent = self
            .slices
            .iter()
            .filter(|slice| slice.at.saturating_add(self.span.slices) > at);
        recent.fold((0, 0), |(earned, spent), slice| {
            (
                u64::saturating_add(earned, slice.earned),
                u64::saturating_add(spent, slice.spent),
            )
        })
    }
}

#[derive(Debug)]
struct Purse {
    money: Window,
    /// Granted and not yet done.
    running: u32,
}

/// What a second try is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draw {
    /// The same target again.
    SameTarget,
    /// A second target beside the first, which may still answer. Only while more than half of the budget is left, as
    /// gRPC has it.
    Hedge,
}

/// The budget of second tries of one process: in counts for all routes together, in money for each route.
///
/// *Counts*: a token bucket that gets a fifth of a retry with each request and ten a second besides. *Money*: a route's first
/// attempts earn a fifth of their estimated cost; a second try spends its own times what is likely lost of it: nothing when
/// the one before was never sent ([`Sent::No`]), a quarter when the vendor answered it ([`Sent::Yes`]), all when its fate
/// is unknown ([`Sent::Maybe`]; say so too of a stream that starts again after content, which is billed twice). Three
/// tries of a route may always run at once. What costs nobody knows is not counted in money.
#[derive(Debug)]
pub struct RetryBudget {
    counts: Window,
    routes: BTreeMap<RouteId, Purse>,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from float saturates, and turns what is no number to 0"
)]
fn nanos(cost_usd: Option<f64>) -> u64 {
    (cost_usd.unwrap_or_default() * NANO) as u64
}

/// What is likely lost of a second try's cost.
fn at_stake(cost_usd: Option<f64>, sent: Sent) -> u64 {
    match sent {
        Sent::No => 0,
        Sent::Yes => nanos(cost_usd) / 4,
        Sent::Maybe => nanos(cost_usd),
    }
}

impl RetryBudget {
    /// A budget that holds its floor.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            counts: Window::new(COUNTS),
            routes: BTreeMap::new(),
        }
    }

    fn purse(&mut self, route: RouteId) -> &mut Purse {
        self.routes.entry(route).or_insert_with(|| Purse {
            money: Window::new(MONEY),
            running: 0,
        })
    }

    /// A request begins on a route; `cost_usd` is what its first attempt is thought to cost, when known.
    pub fn request(&mut self, route: RouteId, cost_usd: Option<f64>, now: Moment) {
        self.counts.add(1, 0, now);
        let earned = nanos(cost_usd) / FIFTHS;
        self.purse(route).money.add(earned, 0, now);
    }

    /// Whether a second try may be made; it is drawn when it may. `cost_usd` is what it is thought to cost, and `sent`
    /// says what became of the try before. After one that was never sent it is free. Call [`Self::done`] when a granted
    /// one is over.
    pub fn try_retry(
        &mut self,
        route: RouteId,
        kind: Draw,
        cost_usd: Option<f64>,
        sent: Sent,
        now: Moment,
    ) -> bool {
        if sent == Sent::No {
            let purse = self.purse(route);
            purse.running = purse.running.saturating_add(1);
            return true;
        }
        if mutant::on(Mutant::RetriesUnlimited) {
            return true;
        }
        let (left, cap) = self.fifths(now);
        let enough = match kind {
            Draw::SameTarget => left >= FIFTHS,
            Draw::Hedge => left >= FIFTHS && left.saturating_mul(2) > cap,
        };
        let stake = at_stake(cost_usd, sent);
        let purse = self.purse(route);
        let (earned, spent) = purse.money.sums(now);
        let affordable = earned.saturating_sub(spent) >= stake || purse.running < CONCURRENT;
        if enough && affordable {
            self.draw(route, FIFTHS, stake, now);
            let purse = self.purse(route);
            purse.running = purse.running.saturating_add(1);
        }
        enough && affordable
    }

    /// A request goes on to its next target: drawn as a second try, but never refused, since another target is what the
    /// route is for. Takes what is left when that is less.
    pub fn failover(&mut self, route: RouteId, cost_usd: Option<f64>, sent: Sent, now: Moment) {
        let fifths = if sent == Sent::No { 0 } else { FIFTHS };
        self.draw(route, fifths, at_stake(cost_usd, sent), now);
    }

    fn draw(&mut self, route: RouteId, fifths: u64, stake: u64, now: Moment) {
        let (left, _) = self.fifths(now);
        self.counts.add(0, fifths.min(left), now);
        let purse = self.purse(route);
        let (earned, spent) = purse.money.sums(now);
        purse.money.add(0, stake.min(earned.saturating_sub(spent)), now);
    }

    /// A second try that was granted is over.
    pub fn done(&mut self, route: RouteId) {
        let purse = self.purse(route);
        purse.running = purse.running.saturating_sub(1);
    }

    fn fifths(&self, now: Moment) -> (u64, u64) {
        let (earned, spent) = self.counts.sums(now);
        let cap = earned.saturating_add(FLOOR);
        (cap.saturating_sub(spent), cap)
    }

    /// Retries left, and how many it would be had none been made.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "ten seconds' requests fit 53 bits")]
    pub fn level(&self, now: Moment) -> (f64, f64) {
        let (left, cap) = self.fifths(now);
        (left as f64 / FIFTHS as f64, cap as f64 / FIFTHS as f64)
    }
}
