//! Taking over gently: a vendor also limits how fast traffic may grow.

use std::time::Duration;

use super::bucket::Bucket;
use crate::mutant::{self, Mutant};
use crate::types::Moment;

/// The pace doubles this often.
const STEP: Duration = Duration::from_secs(10);
/// A ramp nobody needed for so long is over.
const OVER: Duration = Duration::from_secs(60);
const MINUTE: Duration = Duration::from_secs(60);

/// A pace for one account and target that grows to its known limit.
#[derive(Debug, Clone)]
pub(super) struct Ramp {
    /// Requests a minute at the beginning.
    start: u64,
    began: Moment,
    last: Moment,
    /// The vendor said that traffic grows too fast: it holds for every request, not only for those that take over.
    forced: bool,
    bucket: Bucket,
}

impl Ramp {
    pub(super) fn new(start: u64, forced: bool, now: Moment) -> Self {
        let start = start.max(1);
        Self {
            start,
            began: now,
            last: now,
            forced,
            bucket: Bucket::new(MINUTE, start, Self::burst(start), now),
        }
    }

    fn burst(pace: u64) -> u64 {
        (pace / 10).max(1)
    }

    /// Requests a minute by now.
    fn pace(&self, now: Moment) -> u64 {
        let doublings = (now - self.began).as_secs() / STEP.as_secs();
        let factor = u32::try_from(doublings)
            .ok()
            .and_then(|doublings| 1_u64.checked_shl(doublings));
        self.start.saturating_mul(factor.unwrap_or(u64::MAX))
    }

    /// Whether it still holds anyone: `limit` requests a minute are known to be allowed.
    pub(super) fn is_over(&self, limit: Option<u64>, now: Moment) -> bool {
        let grown = limit.is_none_or(|limit| self.pace(now) >= limit);
        // A takeover stays grown while it lasts, or each later request would begin a new ramp.
        if self.forced {
            grown
        } else {
            now - self.last >= OVER
        }
    }

    /// When a request may be sent; None: now.
    pub(super) fn fits_at(&self, spill: bool, limit: Option<u64>, now: Moment) -> Option<Moment> {
        let pace = self.pace(now);
        if mutant::on(Mutant::SpillAtOnce) {
            return None;
        }
        if !(spill || self.forced) || limit.is_none_or(|limit| pace >= limit) {
            return None;
        }
        let mut bucket = self.bucket.clone();
        bucket.set(pace, Self::burst(pace), now);
        bucket.fits_at(1, now)
    }

    /// The slot `id` is sent.
    pub(super) fn take(&mut self, id: u64, spill: bool, now: Moment) {
        let pace = self.pace(now);
        self.bucket.set(pace, Self::burst(pace), now);
        self.bucket.reserve(id, 1, now);
        if spill {
            self.last = self.last.max(now);
        }
    }

    /// The slot `id` was sent after all, or was not.
    pub(super) fn settle(&mut self, id: u64, sent: bool, now: Moment) {
        self.bucket.settle(id, Some(u64::from(sent)), now);
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.bucket.held()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::new(Duration::from_secs(seconds))
    }

    #[test]
    fn doubles_up_to_the_limit() {
        let ramp = Ramp::new(20, false, at(100));
        for (seconds, pace) in [(100, 20), (109, 20), (110, 40), (129, 80), (100_000, u64::MAX)] {
            assert_eq!(ramp.pace(at(seconds)), pace, "{seconds}");
        }
    }

    #[test]
    fn holds_whoever_takes_over_and_ends_when_nobody_does() {
        let mut ramp = Ramp::new(60, false, at(0));
        for id in 0..6 {
            assert_eq!(ramp.fits_at(true, Some(600), at(0)), None);
            ramp.take(id, true, at(0));
        }
        assert_eq!(ramp.fits_at(true, Some(600), at(0)), Some(at(1)));
        assert_eq!(
            ramp.fits_at(false, Some(600), at(0)),
            None,
            "its own traffic is not held"
        );
        assert_eq!(ramp.fits_at(true, None, at(0)), None, "no known limit, no cap");
        ramp.settle(5, false, at(0));
        assert_eq!(ramp.fits_at(true, Some(600), at(0)), None, "given back");
        assert!(!ramp.is_over(Some(600), at(59)));
        ramp.take(6, false, at(59));
        assert!(ramp.is_over(Some(600), at(60)));
    }

    #[test]
    fn a_forced_one_holds_everyone_until_it_has_grown() {
        let mut ramp = Ramp::new(0, true, at(0));
        ramp.take(0, false, at(0));
        assert_eq!(ramp.fits_at(false, Some(4), at(0)), Some(at(60)));
        assert!(!ramp.is_over(Some(4), at(19)));
        assert!(ramp.is_over(Some(4), at(20)));
        assert!(ramp.is_over(None, at(0)), "nothing to grow to");
    }
}
