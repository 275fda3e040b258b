//! A pace where no limit is known: what AWS's SDKs do in "adaptive" mode.

use std::time::Duration;

use crate::types::Moment;

/// AWS's numbers: what is left of the rate after a refusal, the curve's scale, the least rate a second.
const BETA: f64 = 0.7;
const SCALE: f64 = 0.4;
const FLOOR: f64 = 0.5;
/// After so long without a refusal the pace is forgotten: what was true of a busy minute is no law.
const FORGET: Duration = Duration::from_secs(600);
/// Rounding must not make a wait end just short of the token it was for.
const SLACK: Duration = Duration::from_micros(1);

/// Cut at a refusal, then grown along a cubic: fast back to near the old rate, slow around it, then fast beyond it.
#[derive(Debug, Clone)]
pub(super) struct Cubic {
    /// Requests a second.
    rate: f64,
    /// The rate at the last refusal.
    last_max: f64,
    refused: Moment,
    /// Tokens that may be sent now: 0 to the larger of `rate` and 1. Never negative: AWS's own went so, and the waits
    /// it told then never ended (smithy-rs #4632).
    tokens: f64,
    at: Moment,
    /// The first slot taken under it.
    since: u64,
}

impl Cubic {
    /// Begins at the first refusal, from the rate measured then. `since` is the next slot's number.
    pub(super) fn new(measured: f64, since: u64, now: Moment) -> Self {
        let mut cubic = Self {
            rate: measured,
            last_max: measured,
            refused: now,
            tokens: 0.0,
            at: now,
            since,
        };
        cubic.refuse(measured, since, now);
        cubic
    }

    fn tokens_at(&self, now: Moment) -> f64 {
        (self.tokens + (now - self.at).as_secs_f64() * self.rate).min(self.rate.max(1.0))
    }

    fn set(&mut self, rate: f64, measured: f64, now: Moment) {
        self.tokens = self.tokens_at(now);
        self.at = self.at.max(now);
        self.rate = rate.min(2.0 * measured).max(FLOOR);
        self.tokens = self.tokens.min(self.rate.max(1.0));
    }

    fn refuse(&mut self, measured: f64, next: u64, now: Moment) {
        self.last_max = measured.min(self.rate);
        self.refused = now;
        self.since = next;
        self.set(self.last_max * BETA, measured, now);
    }

    /// The vendor refused the slot `id`. Slots taken before the last cut say nothing of what came after it.
    pub(super) fn refused(&mut self, id: u64, measured: f64, next: u64, now: Moment) {
        if id >= self.since {
            self.refuse(measured, next, now);
        }
    }

    /// The vendor takes one again at `opens`: the pace begins there, and asks for no wait of its own before.
    pub(super) fn opens(&mut self, opens: Moment, now: Moment) {
        let missing = 1.0 - (opens - now).as_secs_f64() * self.rate;
        self.tokens = self.tokens_at(now).max(missing).max(0.0);
        self.at = self.at.max(now);
    }

    /// A request went through.
    pub(super) fn succeeded(&mut self, measured: f64, now: Moment) {
        let window = (self.last_max * (1.0 - BETA) / SCALE).cbrt();
        let elapsed = (now - self.refused).as_secs_f64();
        let rate = SCALE * (elapsed - window).powi(3) + self.last_max;
        self.set(rate, measured, now);
    }

    /// When one more may be sent; None: now.
    pub(super) fn fits_at(&self, now: Moment) -> Option<Moment> {
        let missing = 1.0 - self.tokens_at(now);
        (missing > 0.0).then(|| {
            let wait = Duration::try_from_secs_f64(missing / self.rate).unwrap_or(FORGET);
            self.at.max(now) + wait + SLACK
        })
    }

    /// One is sent.
    pub(super) fn take(&mut self, now: Moment) {
        self.tokens = (self.tokens_at(now) - 1.0).max(0.0);
        self.at = self.at.max(now);
    }

    /// The slot `id` was never sent.
    pub(super) fn give_back(&mut self, id: u64, now: Moment) {
        if id >= self.since {
            self.tokens = (self.tokens_at(now) + 1.0).min(self.rate.max(1.0));
            self.at = self.at.max(now);
        }
    }

    /// The share of what may be sent at once that is left, 0 to 1.
    pub(super) fn share(&self, now: Moment) -> f64 {
        self.tokens_at(now) / self.rate.max(1.0)
    }

    /// Whether the last refusal is too long ago to matter.
    pub(super) fn is_over(&self, now: Moment) -> bool {
        now - self.refused >= FORGET
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::new(Duration::from_millis(ms))
    }

    #[test]
    fn cuts_grows_back_and_goes_beyond() {
        let mut cubic = Cubic::new(10.0, 5, at(0));
        assert!((cubic.rate - 7.0).abs() < 1e-9);
        // (10 × 0.3 / 0.4)^(1/3) = 1.957 s back to where it was.
        for (ms, rate) in [(0, 7.0), (1_957, 10.0), (3_000, 10.453)] {
            cubic.succeeded(10.0, at(ms));
            assert!((cubic.rate - rate).abs() < 0.01, "{ms}: {}", cubic.rate);
        }
        cubic.succeeded(10.0, at(60_000));
        assert!(
            (cubic.rate - 20.0).abs() < 1e-9,
            "never more than twice what is sent"
        );
        cubic.refused(4, 10.0, 9, at(60_000));
        assert!((cubic.rate - 20.0).abs() < 1e-9, "taken before the cut");
        cubic.refused(5, 10.0, 9, at(60_000));
        assert!((cubic.rate - 7.0).abs() < 1e-9);
        for id in 9..40 {
            cubic.refused(id, 0.01, id + 1, at(60_000));
        }
        assert!((cubic.rate - 0.5).abs() < 1e-9, "the floor");
        assert!(!cubic.is_over(at(600_000)) && cubic.is_over(at(660_000)));
    }

    #[test]
    fn a_wait_ends_when_it_says_and_capacity_is_never_negative() {
        let mut cubic = Cubic::new(1.0, 0, at(0));
        let mut now = at(0);
        for _ in 0..50 {
            now = cubic.fits_at(now).unwrap();
            assert_eq!(cubic.fits_at(now), None);
            cubic.take(now);
            assert!(cubic.tokens >= 0.0);
        }
        // 0.7 a second.
        assert!((now.since_start().as_secs_f64() - 50.0 / 0.7).abs() < 0.1);
        cubic.take(now);
        assert!(cubic.share(now).abs() < 1e-6);
        cubic.give_back(0, now);
        assert!((cubic.share(now) - 1.0).abs() < 1e-6);
        let mut later = Cubic::new(1.0, 7, at(0));
        later.give_back(6, at(0));
        assert!(later.fits_at(at(0)).is_some(), "taken before it began");
    }
}
