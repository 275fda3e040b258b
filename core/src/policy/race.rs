//! Hedging: when a second attempt may race the first.

use std::time::Duration;

use super::admission::{Admission, Asked, Permit};
use super::machine::Machine;
use super::step::Start;
use crate::limits::Draw;
use crate::types::{Moment, Sent};

/// Samples below which a target's 95th percentile is no ground for a second attempt.
const SAMPLES: usize = 50;
/// A first attempt is given at least this long, where the route names no time.
const FLOOR: Duration = Duration::from_secs(1);

impl Machine {
    /// Whether any attempt of the request may be raced.
    #[must_use]
    pub fn hedges(&self) -> bool {
        self.rules.stream && self.rules.hedge.is_some()
    }

    /// When a second attempt may race this one; None when none may.
    #[must_use]
    pub fn hedge_at(&self, start: &Start, now: Moment, admission: &Admission) -> Option<Moment> {
        let hedge = self.rules.hedge.as_ref().filter(|_| self.rules.stream)?;
        let after = match hedge.after {
            Some(after) => after,
            None => admission.health.ttft_p95(start.target, SAMPLES)?.max(FLOOR),
        };
        Some(now + after).filter(|at| *at < start.limits.answer_by)
    }

    /// A second attempt to race `start`, if there is a target of another correlation domain that is open now, every
    /// breaker of the route is closed, and it can be paid.
    pub fn hedge(
        &mut self,
        now: Moment,
        start: &Start,
        admission: &mut Admission,
    ) -> Option<(Start, Permit)> {
        if self.sent.saturating_add(2) > self.rules.max_attempts {
            return None;
        }
        let shut =
            |planned: &super::PlannedTarget| admission.health.peek(planned.target, false, now).is_err();
        if self.plan.iter().any(shut) {
            return None;
        }
        let first = self.plan.get(start.index)?;
        let index = self.plan.iter().zip(&self.states).position(|(planned, state)| {
            !state.seen
                && planned
                    .domains
                    .iter()
                    .all(|domain| !first.domains.contains(domain))
        })?;
        let planned = self.plan.get(index)?;
        let (route, cost) = (self.rules.route, planned.quote.worst());
        let limits = self.limits(index, now);
        let asked = Asked {
            planned,
            spent: &[],
            only: None,
            alone: false,
            last_resort: false,
            expires: limits.answer_by,
        };
        // What cannot be had is found out first: the budgets are drawn only for what goes out.
        if !admission.hedges.can(route, cost)
            || admission.peek(&asked, now).is_err()
            || !admission
                .retries
                .try_retry(route, Draw::Hedge, cost, Sent::Maybe, now)
        {
            return None;
        }
        let Ok(mut permit) = admission.admit(&asked, now) else {
            // What asking brought to light: a degraded target that has not got better opens.
            admission.retries.done(route);
            return None;
        };
        Admission::paid(&mut permit, route);
        admission.hedges.pay(route, cost);
        let (target, key) = (planned.target, permit.key());
        if let Some(state) = self.states.get_mut(index) {
            state.seen = true;
        }
        let start = Start {
            index,
            target,
            key,
            limits,
        };
        Some((start, permit))
    }
}
