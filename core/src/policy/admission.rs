use std::sync::Arc;
use std::time::Duration;

use super::hedge::HedgeBudget;
use crate::budget::{Ledger, Quote, Reservation};
use crate::health::{self, Ask, Health, Outcome, Pass, Shut, Standing, State};
use crate::limits::{Blocked, BlockedBy, Limits, RetryBudget, Settled, Slot, Take};
use crate::types::{
    Billing, CostRange, DomainId, Estimate, Failure, FailureClass, KeyId, Moment, RateTold, RouteId, Sent,
    TargetId, Usage,
};

/// Samples of a target's time to first content below which its 95th percentile says nothing.
const SAMPLES: usize = 20;

/// What all requests of a client know together: the health of targets, the limits of keys, what retries are left, and
/// what was spent. Whoever wants to make an attempt asks here, and gives the permit back when it is over.
#[derive(Debug)]
pub struct Admission {
    /// Breakers and latencies.
    pub health: Health,
    /// Key pools and rate limits.
    pub limits: Limits,
    /// What retries and hedges may still be made.
    pub retries: RetryBudget,
    /// What hedges may still be made.
    pub hedges: HedgeBudget,
    /// What was reserved and spent.
    pub ledger: Ledger,
}

/// One target of a plan, as the machine needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedTarget {
    /// The client's number for the target.
    pub target: TargetId,
    /// The keys that may be used. Empty: no usable key, see [`RefusedBy::NoKey`].
    pub keys: Vec<KeyId>,
    /// Tokens its model's window holds, when known.
    pub window: Option<u64>,
    /// What it may fail together with.
    pub domains: Arc<[DomainId]>,
    /// Tokens it is thought to need.
    pub estimate: Estimate,
    /// US dollars it may cost.
    pub quote: Quote,
    /// It takes over for others: it is not the first of its route.
    pub spill: bool,
}

/// Leave to make one attempt. Given back to [`Admission::end`], once.
#[derive(Debug)]
#[must_use = "a permit that is not given back holds its place for ever"]
pub struct Permit {
    pass: Pass,
    slot: Slot,
    reservation: Reservation,
    began: Moment,
    /// It was paid from the retry budget of this route.
    retry: Option<RouteId>,
}

impl Permit {
    /// Whether it tries out a target whose breaker is half-open.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.pass.is_probe()
    }

    /// The key to use.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.slot.key()
    }
}

/// What closes a target to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedBy {
    /// None of the provider's keys was found, or all were used up in this request.
    NoKey,
    /// Its key was refused, or has no money left.
    Parked,
    /// The vendor asked to wait.
    Limited,
    /// We keep below a known limit.
    Paced,
    /// As many attempts as it takes are under way.
    Busy,
    /// It takes over for others, and gets their traffic bit by bit.
    Spill,
    /// Its breaker, or its endpoint's, is open.
    Breaker,
    /// It is coming back, and as many attempts as that allows are under way.
    Recovering,
    /// The operator holds it.
    Held,
}

/// Why a target is not called.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// What closes it.
    pub by: RefusedBy,
    /// The key that would open first.
    pub key: Option<KeyId>,
    /// The class of what closed it.
    pub class: FailureClass,
    /// The status that came with it.
    pub status: Option<u16>,
    /// When it opens; None: not by waiting, or not known.
    pub until: Option<Moment>,
    /// Why, in a few words.
    pub why: String,
}

impl From<Shut> for Refusal {
    fn from(shut: Shut) -> Self {
        Self {
            by: match shut.state {
                State::ForcedOpen => RefusedBy::Held,
                State::HalfOpen | State::Ramp => RefusedBy::Recovering,
                State::Closed | State::Degraded | State::Open | State::ForcedClosed => RefusedBy::Breaker,
            },
            key: None,
            class: shut.class,
            status: shut.status,
            until: shut.until,
            why: shut.why,
        }
    }
}

impl From<Blocked> for Refusal {
    fn from(blocked: Blocked) -> Self {
        let (by, why) = match blocked.why {
            BlockedBy::NoKey => (RefusedBy::NoKey, "it has no key"),
            BlockedBy::Parked => (RefusedBy::Parked, "its key is not to be used now"),
            BlockedBy::Limited => (RefusedBy::Limited, "the vendor asked to wait"),
            BlockedBy::Paced => (RefusedBy::Paced, "its rate limit is used up for now"),
            BlockedBy::Busy => (RefusedBy::Busy, "as many attempts as it takes are under way"),
            BlockedBy::Spill => (RefusedBy::Spill, "it takes over bit by bit"),
        };
        Self {
            by,
            key: blocked.key,
            class: blocked.gate.class,
            status: blocked.gate.status,
            until: blocked.gate.until,
            why: why.to_owned(),
        }
    }
}

/// What is asked of a target.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The target.
    pub planned: &'a PlannedTarget,
    /// Keys not to use.
    pub spent: &'a [KeyId],
    /// The one key to use.
    pub only: Option<KeyId>,
    /// No other target can serve the request.
    pub alone: bool,
    /// Everything else has failed or is shut.
    pub last_resort: bool,
    /// When a probe has run out of time.
    pub expires: Moment,
}

impl Asked<'_> {
    fn take(&self) -> Take<'_> {
        Take {
            target: self.planned.target,
            keys: &self.planned.keys,
            spent: self.spent,
            estimate: self.planned.estimate,
            spill: self.planned.spill,
            only: self.only,
        }
    }
}

/// How an attempt ended, for its permit.
#[derive(Debug, Clone, Copy)]
pub enum Ended<'a> {
    /// It answered, to its end.
    Answered(&'a Usage),
    /// It failed.
    Failed {
        /// How.
        failure: &'a Failure,
        /// Content had reached the caller.
        delivered: bool,
        /// The key's secret was read again and is another one, so what was refused was the old one.
        renewed: bool,
        /// The request's own deadline had passed.
        late: bool,
    },
    /// We left it: the caller went away, or another attempt was faster.
    Left,
}

impl Admission {
    /// Leave for one attempt: a half-open permit or a place below the breakers, a key, its share of the rate limits, and
    /// the money.
    ///
    /// # Errors
    /// What closes the target.
    pub fn admit(&mut self, asked: &Asked<'_>, now: Moment) -> Result<Permit, Refusal> {
        // Whether the breaker is open says more than which key would have been used, and taking nothing twice is
        // simpler than giving back.
        if !asked.last_resort {
            self.health.peek(asked.planned.target, asked.alone, now)?;
        }
        let slot = self.limits.take(&asked.take(), now)?;
        let ask = Ask {
            target: asked.planned.target,
            alone: asked.alone,
            last_resort: asked.last_resort,
            expires: asked.expires,
        };
        let pass = match self.health.admit(&ask, now) {
            Ok(pass) => pass,
            Err(shut) => {
                self.limits.settle(slot, Settled::Unsent, now);
                return Err(shut.into());
            }
        };
        let worst = asked.planned.quote.worst();
        Ok(Permit {
            pass,
            slot,
            reservation: self.ledger.reserve(asked.planned.target, worst),
            began: now,
            retry: None,
        })
    }

    /// Whether leave would be given now, and how the target stands. Takes nothing.
    ///
    /// # Errors
    /// What closes the target.
    pub fn peek(&self, asked: &Asked<'_>, now: Moment) -> Result<(Standing, KeyId), Refusal> {
        let standing = self.health.peek(asked.planned.target, asked.alone, now)?;
        Ok((standing, self.limits.peek(&asked.take(), now)?))
    }

    /// A response head came: the endpoint can be reached, and told of its limits.
    pub fn head(&mut self, permit: &Permit, told: &[RateTold], now: Moment) {
        self.health.reached(&permit.pass, now);
        if !told.is_empty() {
            self.limits.learn(&permit.slot, told, now);
        }
    }

    /// The first content of a stream came.
    pub fn first_content(&mut self, permit: &mut Permit, now: Moment) {
        let after = now - permit.began;
        self.health.first_content(&mut permit.pass, after, now);
    }

    /// Marks an attempt as paid from the retry budget.
    pub(super) const fn paid(permit: &mut Permit, route: RouteId) {
        permit.retry = Some(route);
    }

    /// An attempt is over. `bill` is what is known of its cost.
    pub fn end(&mut self, permit: Permit, ended: Ended<'_>, bill: (Billing, CostRange), now: Moment) {
        let Permit {
            pass,
            slot,
            reservation,
            began,
            retry,
        } = permit;
        let outcome = match ended {
            Ended::Answered(_) => Outcome::Answered,
            Ended::Left => Outcome::Neutral,
            Ended::Failed {
                failure,
                delivered,
                late,
                ..
            } => {
                // A long answer that our deadline cuts off says nothing of its target.
                let patient = match delivered {
                    true => !late,
                    false => self.patient(pass.target(), now - began),
                };
                health::outcome_of(failure, delivered, patient)
            }
        };
        self.health.ended(pass, outcome, now);
        if let Ended::Failed {
            failure,
            renewed: false,
            ..
        } = ended
            && failure.sent != Sent::No
        {
            self.limits.failed(&slot, failure, now);
        }
        let settled = match (ended, bill.0) {
            (_, Billing::Unsent) => Settled::Unsent,
            (_, Billing::Rejected) => Settled::Used(Usage {
                reported: true,
                ..Usage::default()
            }),
            (Ended::Answered(usage), _) if usage.reported => Settled::Used(*usage),
            _ => Settled::Unknown,
        };
        self.limits.settle(slot, settled, now);
        self.ledger.settle(reservation, bill.1);
        if let Some(route) = retry {
            self.retries.done(route);
        }
    }

    /// Whether an attempt was given the time its target usually takes: else a timeout says more of us than of it.
    fn patient(&self, target: TargetId, waited: Duration) -> bool {
        self.health
            .ttft_p95(target, SAMPLES)
            .is_none_or(|usual| waited >= usual)
    }
}
