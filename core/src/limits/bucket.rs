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
    /// How much of the debt is its own still.
    owed: u128,
}

/// A limit of so many requests or tokens in a period, with a burst.
///
/// The usual GCRA keeps the moment at which it would be whole again. Here that moment is kept as a *debt*, which drains
/// with time: in units of one request (or token) ÷ the period's nanoseconds, so that every sum is exact and no
/// rounding can let one more through. What is used in any period is at most `limit + burst`.
///
/// What a reservation did not use is given back only as far as its debt still stands: to give back what has drained would
/// let more through than the limit. So that a busy bucket gives back all, time drains first what is known to be used, then
/// reservations, the oldest first. (Whatever the order, what is known to be used drains no faster than if the rest had
/// never been reserved, so the debt is never less than that of what was used.)
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    per: Duration,
    limit: u64,
    burst: u64,
    /// All of it, what reservations owe included.
    debt: u128,
    /// The part of it that no reservation owes.
    firm: u128,
    /// When the debt was counted.
    at: Moment,
    held: BTreeMap<u64, Held>,
    /// Reservations before this one owe nothing more.
    drained: u64,
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
            firm: 0,
            at: now,
            held: BTreeMap::new(),
            drained: 0,
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
        self.drain_to(self.debt_at(now));
        self.at = self.at.max(now);
    }

    /// Less is owed from now on.
    fn drain_to(&mut self, debt: u128) {
        let mut drained = self.debt.saturating_sub(debt);
        self.debt -= drained;
        let firm = drained.min(self.firm);
        self.firm -= firm;
        drained -= firm;
        for (id, held) in self.held.range_mut(self.drained..) {
            if drained == 0 {
                break;
            }
            let owed = drained.min(held.owed);
            held.owed -= owed;
            drained -= owed;
            self.drained = *id;
        }
    }

    /// More is owed from now on, up to the whole burst. How much more.
    fn owe(&mut self, more: u128) -> u128 {
        let more = more.min(self.units(self.burst).saturating_sub(self.debt));
        self.debt += more;
        more
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

    /// Takes `cost` for the slot `id`, which is higher than any before. Ask [`Self::fits_at`] first: what does not fit is
    /// cut to what is left.
    pub(super) fn reserve(&mut self, id: u64, cost: u64, now: Moment) {
        self.advance(now);
        let cost = cost.min(self.burst);
        let owed = self.owe(self.units(cost));
        self.held.insert(id, Held { cost, owed });
    }

    /// The slot `id` used `used`; None: not known, the reservation stays.
    pub(super) fn settle(&mut self, id: u64, used: Option<u64>, now: Moment) {
        self.advance(now);
        let Some(held) = self.held.remove(&id) else { return };
        let used = used.unwrap_or(held.cost);
        let back = self.units(held.cost.saturating_sub(used)).min(held.owed);
        self.debt -= back;
        self.firm += held.owed - back;
        self.firm += self.owe(self.units(used.saturating_sub(held.cost)));
    }

    /// The limit is this from now on. What was left stays, as far as it still fits.
    pub(super) fn set(&mut self, limit: u64, burst: u64, now: Moment) {
        self.advance(now);
        self.limit = limit.clamp(1, MOST);
        self.burst = burst.clamp(1, MOST);
        self.drain_to(self.debt.min(self.units(self.burst)));
    }

    /// At least this is owed.
    fn owe_least(&mut self, debt: u128) {
        self.firm += self.owe(debt.saturating_sub(self.debt));
    }

    /// The vendor counts `remaining` left. Less than ours is believed; more is not, since what is on its way is not in
    /// its count.
    pub(super) fn told(&mut self, remaining: u64, now: Moment) {
        self.advance(now);
        self.owe_least(self.units(self.burst.saturating_sub(remaining)));
    }

    /// The vendor refused, and asks to wait: what is left by then is one, or what refills meanwhile.
    pub(super) fn refused(&mut self, wait: Duration, now: Moment) {
        self.advance(now);
        let refill = wait.as_nanos().saturating_mul(u128::from(self.limit));
        self.owe_least(self.units(self.burst - 1).saturating_add(refill));
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
