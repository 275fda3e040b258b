//! How fast one account may call one target: all the limits that count there.

use std::collections::BTreeMap;
use std::time::Duration;

use super::BlockedBy;
use super::bucket::{Bucket, burst};
use super::cubic::Cubic;
use super::meter::Meter;
use super::spill::Ramp;
use crate::mutant::{self, Mutant};
use crate::types::{Estimate, Moment, RateTold, RateUnit, Rates, Usage};

const MINUTE: Duration = Duration::from_secs(60);

/// What is known of the limits of one account and one target.
#[derive(Debug, Clone, Default)]
pub(super) struct Pace {
    rates: Rates,
    buckets: BTreeMap<(RateUnit, Duration), Bucket>,
    cubic: Option<Cubic>,
    ramp: Option<Ramp>,
    meter: Meter,
}

fn configured(rates: &Rates, what: RateUnit) -> Option<u64> {
    let limit = match what {
        RateUnit::Requests => rates.requests_per_minute,
        RateUnit::Tokens => rates.tokens_per_minute,
        RateUnit::InputTokens => rates.input_tokens_per_minute,
        RateUnit::OutputTokens => rates.output_tokens_per_minute,
    };
    limit.map(u64::from)
}

const fn cost(what: RateUnit, estimate: &Estimate) -> u64 {
    match what {
        RateUnit::Requests => 1,
        RateUnit::Tokens => estimate.input_tokens.saturating_add(estimate.output_tokens),
        RateUnit::InputTokens => estimate.input_tokens,
        RateUnit::OutputTokens => estimate.output_tokens,
    }
}

const fn used(what: RateUnit, usage: &Usage) -> u64 {
    match what {
        RateUnit::Requests => 1,
        RateUnit::Tokens => usage.total_tokens(),
        RateUnit::InputTokens => usage.input_tokens,
        RateUnit::OutputTokens => usage.output_tokens,
    }
}

impl Pace {
    pub(super) fn new(rates: &Rates, now: Moment) -> Self {
        const UNITS: [RateUnit; 4] = [
            RateUnit::Requests,
            RateUnit::Tokens,
            RateUnit::InputTokens,
            RateUnit::OutputTokens,
        ];
        let buckets = UNITS.into_iter().filter_map(|what| {
            let limit = configured(rates, what)?;
            let burst = burst(what, MINUTE, limit, rates.burst);
            Some(((what, MINUTE), Bucket::new(MINUTE, limit, burst, now)))
        });
        Self {
            buckets: buckets.collect(),
            rates: rates.clone(),
            ..Self::default()
        }
    }

    /// Requests a minute that are known to be allowed. A day's limit says nothing of the minute.
    fn requests_per_minute(&self) -> Option<u64> {
        let paces = self.buckets.iter().filter_map(|((what, per), bucket)| {
            let short = *what == RateUnit::Requests && *per <= MINUTE;
            let minutes = MINUTE.as_millis() / per.as_millis().max(1);
            short.then(|| bucket.limit().saturating_mul(u64::try_from(minutes).unwrap_or(1)))
        });
        paces.min()
    }

    /// The pace and the ramp that are in force.
    fn in_force(&self, now: Moment) -> (Option<&Cubic>, Option<&Ramp>) {
        let limit = self.requests_per_minute();
        (
            self.cubic.as_ref().filter(|cubic| !cubic.is_over(now)),
            self.ramp.as_ref().filter(|ramp| !ramp.is_over(limit, now)),
        )
    }

    /// What holds a request back, and until when; None: it may be sent.
    pub(super) fn blocked(
        &self,
        estimate: &Estimate,
        spill: bool,
        now: Moment,
    ) -> Option<(Moment, BlockedBy)> {
        if mutant::on(Mutant::PaceForgotten) {
            return None;
        }
        let (cubic, ramp) = self.in_force(now);
        let buckets = self.buckets.iter();
        let paced = buckets
            .filter_map(|((what, _), bucket)| bucket.fits_at(cost(*what, estimate), now))
            .chain(cubic.and_then(|cubic| cubic.fits_at(now)))
            .max();
        let limit = self.requests_per_minute();
        let ramped = ramp.and_then(|ramp| ramp.fits_at(spill, limit, now));
        let paced = paced.map(|until| (until, BlockedBy::Paced));
        let ramped = ramped.map(|until| (until, BlockedBy::Spill));
        paced.into_iter().chain(ramped).max_by_key(|(until, _)| *until)
    }

    /// Forgets what is over, and begins a ramp when the target takes over for another.
    pub(super) fn refresh(&mut self, spill: bool, now: Moment) {
        let (cubic, ramp) = self.in_force(now);
        let (paced, ramped) = (cubic.is_some(), ramp.is_some());
        self.cubic = self.cubic.take().filter(|_| paced);
        self.ramp = self.ramp.take().filter(|_| ramped);
        let limit = self.requests_per_minute();
        if let (true, None, Some(limit)) = (spill, &self.ramp, limit) {
            let start = self.meter.last_minute(now).max(limit / 5);
            self.ramp = Some(Ramp::new(start, false, now));
        }
    }

    /// Takes all that the slot `id` needs. Ask [`Self::blocked`] first.
    pub(super) fn take(&mut self, id: u64, estimate: &Estimate, spill: bool, now: Moment) {
        for ((what, _), bucket) in &mut self.buckets {
            bucket.reserve(id, cost(*what, estimate), now);
        }
        if let Some(cubic) = &mut self.cubic {
            cubic.take(now);
        }
        if let Some(ramp) = &mut self.ramp {
            ramp.take(id, spill, now);
        }
        self.meter.sent(now);
    }

    /// The slot `id` was never sent.
    pub(super) fn unsent(&mut self, id: u64, now: Moment) {
        for bucket in self.buckets.values_mut() {
            bucket.settle(id, Some(0), now);
        }
        if let Some(cubic) = &mut self.cubic {
            cubic.give_back(id, now);
        }
        if let Some(ramp) = &mut self.ramp {
            ramp.settle(id, false, now);
        }
        self.meter.unsent();
    }

    /// The slot `id` was sent; `usage` is what it used, when known.
    pub(super) fn sent(&mut self, id: u64, usage: Option<&Usage>, now: Moment) {
        for ((what, _), bucket) in &mut self.buckets {
            bucket.settle(id, usage.map(|usage| used(*what, usage)), now);
        }
        if let Some(ramp) = &mut self.ramp {
            ramp.settle(id, true, now);
        }
    }

    /// A request went through.
    pub(super) fn succeeded(&mut self, now: Moment) {
        if let Some(cubic) = &mut self.cubic {
            cubic.succeeded(self.meter.per_second(now), now);
        }
    }

    /// What headers told. The vendor's limit holds, but never more than the config allows.
    pub(super) fn learn(&mut self, told: &RateTold, now: Moment) {
        let per = told.per.unwrap_or_else(|| self.usual(told));
        let own = configured(&self.rates, told.what).filter(|_| per == MINUTE);
        let at = (told.what, per);
        if let Some(limit) = told.limit.filter(|limit| *limit > 0) {
            let limit = own.map_or(limit, |own| own.min(limit));
            let burst = burst(told.what, per, limit, self.rates.burst);
            self.buckets
                .entry(at)
                .and_modify(|bucket| bucket.set(limit, burst, now))
                .or_insert_with(|| Bucket::new(per, limit, burst, now));
            self.cubic = None;
        }
        if let (Some(remaining), Some(bucket)) = (told.remaining, self.buckets.get_mut(&at)) {
            bucket.told(remaining, now);
        }
    }

    /// The period of a limit that was told without one: that of the same limit told before, else a minute.
    fn usual(&self, told: &RateTold) -> Duration {
        let same = self.buckets.iter().find(|((what, _), bucket)| {
            *what == told.what && told.limit.is_none_or(|limit| limit == bucket.limit())
        });
        same.map_or(MINUTE, |(_, bucket)| bucket.per())
    }

    /// The vendor refused the slot `id` for its rate. `next` is the number of the next slot.
    pub(super) fn refused(&mut self, id: u64, wait: Duration, next: u64, now: Moment) {
        for ((what, per), bucket) in &mut self.buckets {
            if *what == RateUnit::Requests && *per <= MINUTE {
                bucket.refused(wait, now);
            }
        }
        if self.buckets.is_empty() {
            let measured = self.meter.per_second(now);
            match &mut self.cubic {
                Some(cubic) => cubic.refused(id, measured, next, now),
                None => self.cubic = Some(Cubic::new(measured, next, now)),
            }
            if let Some(cubic) = &mut self.cubic {
                cubic.opens(now + wait, now);
            }
        }
    }

    /// The vendor says that traffic grows too fast: it goes on at 0.7 of the last minute's pace, and grows from there.
    pub(super) fn slowed(&mut self, now: Moment) {
        let pace = self.meter.last_minute(now) * 7 / 10;
        self.ramp = Some(Ramp::new(pace, true, now));
    }

    /// The share of the tightest limit that is left, 0 to 1; 1 where none is known.
    pub(super) fn share(&self, now: Moment) -> f64 {
        self.buckets
            .values()
            .map(|bucket| bucket.share(now))
            .chain(self.cubic.as_ref().map(|cubic| cubic.share(now)))
            .fold(1.0, f64::min)
    }

    /// Sends in the last minute.
    pub(super) fn last_minute(&self, now: Moment) -> u64 {
        self.meter.last_minute(now)
    }

    /// What may be sent at once, and the limit, of the tightest limit on requests or on tokens.
    pub(super) fn left(&self, requests: bool, now: Moment) -> (Option<u64>, Option<u64>) {
        let tightest = self
            .buckets
            .iter()
            .filter(|((what, _), _)| (*what == RateUnit::Requests) == requests)
            .map(|(_, bucket)| bucket)
            .min_by(|a, b| a.share(now).total_cmp(&b.share(now)));
        (
            tightest.map(|bucket| bucket.left(now)),
            tightest.map(Bucket::limit),
        )
    }

    /// Whether forgetting it would forget nothing but what headers will tell again.
    pub(super) fn is_idle(&self, now: Moment) -> bool {
        self.cubic.is_none()
            && self.ramp.is_none()
            && self.meter.last_minute(now) == 0
            && self.buckets.values().all(|bucket| bucket.is_whole(now))
    }

    /// Reservations that stand.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.buckets.values().map(Bucket::held).sum::<usize>() + self.ramp.as_ref().map_or(0, Ramp::held)
    }
}
