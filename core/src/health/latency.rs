use std::collections::VecDeque;
use std::time::Duration;

use crate::types::Moment;

/// How many first-content times are kept.
const KEPT: usize = 64;
/// Below so many times a median says too little.
const LEAST_FOR_MEDIAN: usize = 5;
/// How fast the peak average forgets (reliability reference §1.7).
const FORGETS_IN: Duration = Duration::from_secs(60);

/// What a target's first contents took.
#[derive(Debug, Clone, Default)]
pub(super) struct Latency {
    times: VecDeque<Duration>,
    /// The peak average in seconds, and when it was last fed.
    peak: Option<(f64, Moment)>,
}

impl Latency {
    /// First content came after `ttft`.
    pub(super) fn first_content(&mut self, ttft: Duration, now: Moment) {
        if self.times.len() >= KEPT {
            self.times.pop_front();
        }
        self.times.push_back(ttft);
        self.feed(ttft, now);
    }

    /// An attempt failed: the peak average takes it as one that took `cost`, so that a target which fails fast does not
    /// look like the fastest.
    pub(super) fn failed(&mut self, cost: Duration, now: Moment) {
        self.feed(cost, now);
    }

    /// A slower time counts at once and in full, a faster one by how long ago the last was.
    fn feed(&mut self, time: Duration, now: Moment) {
        let new = time.as_secs_f64();
        let cost = match self.peak {
            Some((old, at)) if new < old => {
                let keep = (-(now - at).as_secs_f64() / FORGETS_IN.as_secs_f64()).exp();
                old * keep + new * (1.0 - keep)
            }
            _ => new,
        };
        self.peak = Some((cost, now));
    }

    pub(super) fn p50(&self) -> Option<Duration> {
        self.quantile(1, 2, LEAST_FOR_MEDIAN)
    }

    pub(super) fn p95(&self, min: usize) -> Option<Duration> {
        self.quantile(19, 20, min)
    }

    pub(super) fn ewma(&self) -> Option<Duration> {
        let (seconds, _) = self.peak?;
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// The smallest time that at least `part` of every `of` times do not exceed.
    fn quantile(&self, part: usize, of: usize, min: usize) -> Option<Duration> {
        if self.times.len() < min {
            return None;
        }
        let mut times: Vec<Duration> = self.times.iter().copied().collect();
        let rank = (times.len() * part).div_ceil(of).saturating_sub(1);
        (rank < times.len()).then(|| *times.select_nth_unstable(rank).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn at(seconds: u64) -> Moment {
        Moment::new(Duration::from_secs(seconds))
    }

    #[test]
    fn quantiles_are_of_the_last_64() {
        let mut latency = Latency::default();
        assert_eq!((latency.p50(), latency.p95(0)), (None, None));
        for n in 1..=4 {
            latency.first_content(ms(n), at(0));
        }
        assert_eq!((latency.p50(), latency.p95(5)), (None, None));
        latency.first_content(ms(5), at(0));
        assert_eq!((latency.p50(), latency.p95(5)), (Some(ms(3)), Some(ms(5))));
        for n in 1..=100 {
            latency.first_content(ms(n), at(0));
        }
        // 37..=100 are left.
        assert_eq!((latency.p50(), latency.p95(64)), (Some(ms(68)), Some(ms(97))));
        assert_eq!(latency.p95(65), None);
        assert_eq!(latency.times.len(), KEPT);
    }

    #[test]
    fn the_peak_average_rises_at_once_and_falls_slowly() {
        let mut latency = Latency::default();
        assert_eq!(latency.ewma(), None);
        latency.first_content(ms(200), at(0));
        assert_eq!(latency.ewma(), Some(ms(200)));
        latency.failed(ms(5000), at(1));
        assert_eq!(latency.ewma(), Some(ms(5000)));
        latency.first_content(ms(200), at(1));
        assert_eq!(latency.ewma(), Some(ms(5000)), "no time has passed");
        latency.first_content(ms(200), at(61));
        let fallen = latency.ewma().unwrap().as_secs_f64();
        let expected = 5.0_f64.mul_add((-1.0_f64).exp(), 0.2 * (1.0 - (-1.0_f64).exp()));
        assert!((fallen - expected).abs() < 1e-6, "{fallen} {expected}");
    }
}
