//! How many requests one target is sent at once.

use std::time::Duration;

use crate::types::Moment;

/// What is left of the limit after a sign of too many, as a ratio: Netflix uses 0.9 for its own services, AWS and TCP
/// less; a vendor that says "overloaded" means it.
const CUT: (u32, u32) = (7, 10);
/// The peak is looked for in this window and the one before it.
const WINDOW: u64 = Duration::from_secs(60).as_secs();
/// A limit so many times the peak binds nothing.
const LOOSE: u32 = 4;
/// Fewer at once are no crowd: where so few were in flight lately, a failure of one says nothing of the others.
const CROWD: u32 = 4;

/// Additive increase, multiplicative decrease; no limit until there was a sign.
#[derive(Debug, Clone, Default)]
pub(super) struct Concurrency {
    in_flight: u32,
    limit: Option<u32>,
    /// The config's limit, never exceeded.
    ceiling: Option<u32>,
    successes: u32,
    /// The first slot taken under the limit: what was sent before says nothing of it, so that fifty refusals of one bad
    /// moment are one sign.
    since: u64,
    cut_at: Moment,
    window: u64,
    /// The most in flight in this window, and in the one before.
    peak: (u32, u32),
}

impl Concurrency {
    pub(super) fn new(ceiling: Option<u32>) -> Self {
        Self {
            ceiling: ceiling.map(|ceiling| ceiling.max(1)),
            ..Self::default()
        }
    }

    pub(super) const fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// The limit in force; None: none.
    pub(super) fn limit(&self) -> Option<u32> {
        match (self.limit, self.ceiling) {
            (Some(limit), Some(ceiling)) => Some(limit.min(ceiling)),
            (limit, ceiling) => limit.or(ceiling),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.limit().is_some_and(|limit| self.in_flight >= limit)
    }

    fn roll(&mut self, now: Moment) {
        let window = now.since_start().as_secs() / WINDOW;
        if window > self.window {
            let before = if window == self.window + 1 {
                self.peak.0
            } else {
                self.in_flight
            };
            self.peak = (self.in_flight, before);
            self.window = window;
        }
    }

    pub(super) fn enter(&mut self, now: Moment) {
        self.roll(now);
        self.in_flight = self.in_flight.saturating_add(1);
        self.peak.0 = self.peak.0.max(self.in_flight);
    }

    pub(super) fn leave(&mut self, now: Moment) {
        self.roll(now);
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// The slot `id` showed that there are too many, or (`told`) the vendor said so; `next` is the number of the next slot.
    /// The first limit is cut from the most in flight lately: at the moment of a failure there may be few by chance. The new
    /// limit, when it changed.
    pub(super) fn cut(&mut self, id: u64, next: u64, told: bool, now: Moment) -> Option<u32> {
        if id < self.since {
            return None;
        }
        self.roll(now);
        let from = match self.limit() {
            Some(limit) => limit,
            None if told => self.in_flight,
            None => self.peak.0.max(self.peak.1),
        };
        if self.limit().is_none() && !told && from < CROWD {
            return None;
        }
        let limit = (u64::from(from) * u64::from(CUT.0) / u64::from(CUT.1)).max(1);
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let changed = self.limit() != Some(limit);
        self.limit = Some(limit);
        self.since = next;
        self.cut_at = now;
        self.successes = 0;
        changed.then_some(limit)
    }

    /// One went through, and is still counted as in flight. Grows by one a limit's worth of successes, and only while
    /// the limit is at least half used: a limit nobody comes near proves nothing.
    pub(super) fn succeeded(&mut self) {
        let Some(limit) = self.limit else { return };
        if self.in_flight.saturating_mul(2) < limit {
            return;
        }
        self.successes += 1;
        if self.successes >= limit {
            self.successes = 0;
            self.limit = Some(limit.saturating_add(1).min(self.ceiling.unwrap_or(u32::MAX)));
        }
    }

    /// Drops a learned limit that is far above all that was in flight lately. True when it did.
    pub(super) fn loosen(&mut self, now: Moment) -> bool {
        self.roll(now);
        // Both windows must lie after the cut.
        let judged = now - self.cut_at >= Duration::from_secs(2 * WINDOW);
        let peak = self.peak.0.max(self.peak.1);
        let loose = judged && self.limit.is_some_and(|limit| limit > peak.saturating_mul(LOOSE));
        if loose {
            self.limit = None;
        }
        loose
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::new(Duration::from_secs(seconds))
    }

    fn with(in_flight: u32) -> Concurrency {
        let mut concurrency = Concurrency::default();
        for _ in 0..in_flight {
            concurrency.enter(at(0));
        }
        concurrency
    }

    #[test]
    fn one_bad_moment_is_one_cut_and_never_below_one() {
        let mut concurrency = with(20);
        assert!(!concurrency.is_full());
        assert_eq!(concurrency.cut(3, 20, false, at(1)), Some(14));
        assert_eq!(concurrency.cut(4, 20, false, at(1)), None);
        assert!(concurrency.is_full());
        for id in 20..30 {
            concurrency.cut(id, id + 1, false, at(1));
        }
        assert_eq!(concurrency.limit(), Some(1));
        assert_eq!(concurrency.cut(40, 41, false, at(1)), None, "nothing changed");
    }

    #[test]
    fn a_few_are_no_crowd_unless_the_vendor_says_so() {
        assert_eq!(with(3).cut(0, 3, false, at(1)), None);
        assert_eq!(with(3).cut(0, 3, true, at(1)), Some(2));
        assert_eq!(with(4).cut(0, 4, false, at(1)), Some(2));
        // Most of them have just ended.
        let mut concurrency = with(20);
        for _ in 0..19 {
            concurrency.leave(at(1));
        }
        assert_eq!(concurrency.clone().cut(0, 20, true, at(1)), Some(1));
        assert_eq!(concurrency.cut(0, 20, false, at(1)), Some(14));
    }

    #[test]
    fn grows_by_one_a_limit_of_successes_and_only_in_use() {
        let mut concurrency = with(10);
        concurrency.cut(0, 1, false, at(0));
        for _ in 0..6 {
            concurrency.succeeded();
        }
        assert_eq!(concurrency.limit(), Some(7));
        concurrency.succeeded();
        assert_eq!(concurrency.limit(), Some(8));
        for _ in 0..7 {
            concurrency.leave(at(0));
        }
        for _ in 0..50 {
            concurrency.succeeded();
        }
        assert_eq!(concurrency.limit(), Some(8), "3 of 8 in flight");
        Concurrency::default().succeeded();
    }

    #[test]
    fn the_config_is_never_exceeded() {
        let mut concurrency = Concurrency::new(Some(4));
        for _ in 0..4 {
            assert!(!concurrency.is_full());
            concurrency.enter(at(0));
        }
        assert!(concurrency.is_full());
        assert_eq!(concurrency.cut(0, 1, false, at(0)), Some(2));
        for _ in 0..100 {
            concurrency.succeeded();
        }
        assert_eq!(concurrency.limit(), Some(4));
        for _ in 0..4 {
            concurrency.leave(at(0));
        }
        assert!(concurrency.loosen(at(10_000)));
        assert_eq!(concurrency.limit(), Some(4), "the config's own stays");
        concurrency.leave(at(10_000));
        assert_eq!(concurrency.in_flight(), 0);
    }

    #[test]
    fn a_limit_far_above_the_traffic_is_dropped() {
        let mut concurrency = with(20);
        concurrency.cut(0, 1, false, at(0));
        for _ in 0..19 {
            concurrency.leave(at(1));
        }
        // (seconds, whether the limit of 14 is dropped): the peak of 20 counts for its window and the next.
        for (seconds, dropped) in [(59, false), (61, false), (119, false), (121, true)] {
            assert_eq!(concurrency.clone().loosen(at(seconds)), dropped, "{seconds}");
        }
        concurrency.loosen(at(121));
        assert_eq!(concurrency.limit(), None);
    }
}
