//! One rate limit, as a GCRA.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::types::{Moment, RateUnit};

const MINUTE: Duration = Duration::from_secs(60);
/// Largest limit believed, so that sums stay far from overflow.
const MOST: u64 = 1_000_000_000_000_000;

/// What a reservation holds.
#[derive(Debug, Clone)]
struct Held {
    /// In requests or tokens.
    cost: u64,
    /// The least debt since it was made.
    low: u128,
}

/// A limit of so many requests or tokens in a period, with a burst.
///
/// The usual GCRA keeps the moment at which it would be whole again. Here that moment is kept as a *debt*, which drains
/// with time: in units of one request (or token) ÷ the period's nanoseconds, so that every sum is exact and no
/// rounding can let one more through. What is used in any period is at most `limit + burst`.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    per: Duration,
    limit: u64,
    burst: u64,
    debt: u128,
    /// What the debt was counted at.
    at: Moment,
    held: BTreeMap<u64, Held>,
}

/// How much of a limit may be used at once. Requests over a minute or less: what the config says, or a tenth, since
/// vendors also watch the second (60 a minute is 1 a second to them). Tokens, and anything over longer periods: all of it,
/// since one long prompt is worth many short ones, and vendors' own buckets hold as much.
pub(super) fn burst(what: RateUnit, per: Duration, limit: u64, configured: Option<u32>) -> u64 {
    match (what, configured) {
        (RateUnit::Requests, Some(burst)) if per == MINUTE => u64::from(burst).max(1),
        (RateUnit::Requests, _) if per <= MINUTE => (limit / 10).max(1),
        _ => limit.max(1),
    }
}

impl Bucket {
    /// Whole at first. `limit` and `burst` are at least 1.
    pub(super) fn new(per: Duration, limit: u64, burst: u64, now: Moment) -> Self {
        Self {
            per: per.max(Duration::from_nanos(1)),
            limit: limit.clamp(1, MOST),
            burst: burst.clamp(1, MOST),
            debt: 0,
            at: now,
            held: BTreeMap::new(),
        }
    }

    fn units(&self, count: u64) -> u128 {
        u128::from(count).saturating_mul(self.per.as_nanos())
    }

    fn debt_at(&self, now: Moment) -> u128 {
        let drained = (now - self.at).as_nanos().saturating_mul(u128::from(self.limit));
        self.debt.saturating_sub(drained)
    }

    fn advance(&mut self, now: Moment) {
        self.debt = self.debt_at(now);
        self.at = self.at.max(now);
    }

    /// Every reservation learns how low the debt has been. Older ones have seen no less than newer ones, so the first
    /// that knows ends it.
    fn remember(&mut self, low: u128, before: u64) {
        for (_, held) in self.held.range_mut(..before).rev() {
            if held.low <= low {
                break;
            }
            held.low = low;
        }
    }

    fn owe(&mut self, debt: u128) {
        self.remember(self.debt, u64::MAX);
        self.debt = debt.min(self.units(self.burst));
    }

    /// What may be used at once.
    pub(super) fn left(&self, now: Moment) -> u64 {
        let free = self.units(self.burst).saturating_sub(self.debt_at(now));
        u64::try_from(free / self.per.as_nanos()).unwrap_or(self.burst)
    }

    /// The share of the burst that is left, 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more than 53 bits")]
    pub(super) fn share(&self, now: Moment) -> f64 {
        1.0 - self.debt_at(now) as f64 / self.units(self.burst) as f64
    }

    /// So many in a period.
    pub(super) const fn limit(&self) -> u64 {
        self.limit
    }

    /// The period.
    pub(super) const fn per(&self) -> Duration {
        self.per
    }

    /// When `cost` fits; None: now. What is more than the whole burst takes the whole burst.
    pub(super) fn fits_at(&self, cost: u64, now: Moment) -> Option<Moment> {
        let wanted = self.debt_at(now).saturating_add(self.units(cost.min(self.burst)));
        let over = wanted.saturating_sub(self.units(self.burst));
        let wait = over.div_ceil(u128::from(self.limit));
        let wait = Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX));
        (!wait.is_zero()).then(|| self.at.max(now) + wait)
    }

    /// Takes `cost` for the slot `id`. Ask [`Self::fits_at`] first: what does not fit is cut to what is left.
    pub(super) fn reserve(&mut self, id: u64, cost: u64, now: Moment) {
        let cost = cost.min(self.burst);
        self.charge(cost, now);
        self.held.insert(id, Held { cost, low: u128::MAX });
    }

    /// Takes `cost`, or what is left: never below zero.
    pub(super) fn charge(&mut self, cost: u64, now: Moment) {
        self.advance(now);
        self.owe(self.debt.saturating_add(self.units(cost)));
    }

    /// The slot `id` used `used`; None: not known, the reservation stays.
    ///
    /// What is given back is what the debt would be less by now, had the rest never been taken: giving back all of it
    /// after the debt has drained would let more through than the limit.
    pub(super) fn settle(&mut self, id: u64, used: Option<u64>, now: Moment) {
        let Some(held) = self.held.remove(&id) else { return };
        let Some(used) = used else { return };
        if used > held.cost {
            self.charge(used - held.cost, now);
            return;
        }
        self.advance(now);
        let unused = self.units(held.cost - used);
        let back = unused.min(held.low).min(self.debt);
        self.debt -= back;
        // Later ones stand on a debt that now never was.
        for (_, later) in self.held.range_mut(id..) {
            later.low = later.low.saturating_sub(unused);
        }
        let least = self.held.range(id..).next().map(|(_, later)| later.low);
        self.remember(least.unwrap_or(u128::MAX).min(self.debt), id);
        self.remember(self.debt, u64::MAX);
    }

    /// The limit is this from now on. What was left stays, as far as it still fits.
    pub(super) fn set(&mut self, limit: u64, burst: u64, now: Moment) {
        self.advance(now);
        self.limit = limit.clamp(1, MOST);
        self.burst = burst.clamp(1, MOST);
        self.owe(self.debt);
        self.remember(self.debt, u64::MAX);
    }

    /// The vendor counts `remaining` left. Less than ours is believed; more is not, since what is on its way is not in
    /// its count.
    pub(super) fn told(&mut self, remaining: u64, now: Moment) {
        self.advance(now);
        let debt = self.units(self.burst.saturating_sub(remaining));
        self.owe(self.debt.max(debt));
    }

    /// The vendor refused, and asks to wait: what is left by then is one, or what refills meanwhile.
    pub(super) fn refused(&mut self, wait: Duration, now: Moment) {
        self.advance(now);
        let refill = wait.as_nanos().saturating_mul(u128::from(self.limit));
        let debt = self.units(self.burst - 1).saturating_add(refill);
        self.owe(self.debt.max(debt));
    }

    /// Whether nothing is owed or held.
    pub(super) fn is_whole(&self, now: Moment) -> bool {
        self.held.is_empty() && self.debt_at(now) == 0
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }
}
