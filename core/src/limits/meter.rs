//! How many requests are sent, measured.

use std::collections::VecDeque;
use std::time::Duration;

use crate::types::Moment;

/// A minute is counted in slices of this many seconds.
const SLICE: u64 = 5;
const SLICES: u64 = 12;
/// AWS's adaptive retry mode measures in half seconds, and lets the newest weigh 0.8.
const HALF: Duration = Duration::from_millis(500);
const SMOOTHING: f64 = 0.8;

/// Counts the sends of one account to one target.
#[derive(Debug, Clone, Default)]
pub(super) struct Meter {
    slices: VecDeque<(u64, u32)>,
    /// The half second being counted.
    half: u64,
    count: u32,
    rate: f64,
}

fn half_of(now: Moment) -> u64 {
    u64::try_from(now.since_start().as_nanos() / HALF.as_nanos()).unwrap_or(u64::MAX)
}

impl Meter {
    /// One was sent.
    pub(super) fn sent(&mut self, now: Moment) {
        let slice = now.since_start().as_secs() / SLICE;
        match self.slices.back_mut() {
            Some((at, count)) if *at >= slice => *count = count.saturating_add(1),
            _ => self.slices.push_back((slice, 1)),
        }
        while self.slices.front().is_some_and(|(at, _)| at + SLICES <= slice) {
            self.slices.pop_front();
        }
        self.roll(now);
        self.count = self.count.saturating_add(1);
    }

    /// One that was counted was never sent. It began lately, so it is taken from the newest slice that counts any.
    pub(super) fn unsent(&mut self) {
        let mut newest = self.slices.iter_mut().rev();
        if let Some((_, count)) = newest.find(|(_, count)| *count > 0) {
            *count -= 1;
        }
        self.count = self.count.saturating_sub(1);
    }

    /// Sends in the last minute.
    pub(super) fn last_minute(&self, now: Moment) -> u64 {
        let slice = now.since_start().as_secs() / SLICE;
        let recent = self.slices.iter().filter(|(at, _)| at + SLICES > slice);
        recent.map(|(_, count)| u64::from(*count)).sum()
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "half seconds since the start fit 53 bits"
    )]
    fn roll(&mut self, now: Moment) {
        let half = half_of(now);
        if half > self.half {
            let seconds = (half - self.half) as f64 * HALF.as_secs_f64();
            let rate = f64::from(self.count) / seconds;
            self.rate = rate * SMOOTHING + self.rate * (1.0 - SMOOTHING);
            self.half = half;
            self.count = 0;
        }
    }

    /// Sends a second, smoothed; no less than what the running half second shows.
    pub(super) fn per_second(&mut self, now: Moment) -> f64 {
        self.roll(now);
        self.rate.max(f64::from(self.count) / HALF.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::new(Duration::from_millis(ms))
    }

    #[test]
    fn what_was_never_sent_is_not_counted() {
        let mut meter = Meter::default();
        meter.unsent();
        let at = |seconds| Moment::new(Duration::from_secs(seconds));
        for seconds in [1, 2, 7] {
            meter.sent(at(seconds));
        }
        for left in [2, 1, 0, 0] {
            meter.unsent();
            assert_eq!(meter.last_minute(at(8)), left);
        }
    }

    #[test]
    fn a_minute_is_counted_and_forgotten() {
        let mut meter = Meter::default();
        for ms in [0, 4_999, 5_000, 30_000] {
            meter.sent(at(ms));
        }
        for (ms, expected) in [(30_000, 4), (59_999, 4), (60_000, 2), (65_000, 1), (90_000, 0)] {
            assert_eq!(meter.last_minute(at(ms)), expected, "{ms}");
        }
        meter.sent(at(200_000));
        assert_eq!(meter.slices.len(), 1);
    }

    #[test]
    fn the_rate_follows_what_is_sent() {
        let mut meter = Meter::default();
        for _ in 0..5 {
            meter.sent(at(100));
        }
        assert!(
            (meter.per_second(at(200)) - 10.0).abs() < 1e-9,
            "the running half second"
        );
        assert!((meter.per_second(at(500)) - 8.0).abs() < 1e-9, "10 × 0.8");
        for tick in 1..100 {
            meter.sent(at(500 * tick));
        }
        assert!((meter.per_second(at(50_000)) - 2.0).abs() < 0.01);
        assert!(meter.per_second(at(500_000)) < 0.5);
    }
}
