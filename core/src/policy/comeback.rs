//! The same target again: at once, with another key, or after a wait when nothing else is left.

use std::time::Duration;

use super::admission::{Admission, Asked, Refusal, RefusedBy};
use super::backoff::full_jitter;
use super::machine::{Cursor, Machine};
use super::step::{Start, Step, Verdict};
use super::table::{Again, Row};
use crate::health::State;
use crate::limits::{Draw, Take};
use crate::mutant::{self, Mutant};
use crate::types::{Failure, FailureClass, KeyId, Moment, Next, Sent};

/// When a place is asked for again that no time is known for.
const ASK_AGAIN: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Copy)]
pub(super) struct Comeback {
    pub(super) at: Moment,
    pub(super) key: Option<KeyId>,
    /// The wait is the vendor's, or for a place, so `rate_limit_wait` bounds it; a mere backoff is bounded by its own cap.
    pub(super) asked: bool,
    /// It is a retry, which the retry budget pays for; else it is the first call, waited for.
    pub(super) retry: bool,
}

impl Machine {
    /// At once again, be it with the same key or another one of the target.
    pub(super) fn here_again(
        &mut self,
        now: Moment,
        start: &Start,
        failure: &Failure,
        (row, again): (Row, Again),
        renewed: bool,
        admission: &mut Admission,
    ) -> Option<Verdict> {
        let room = self.has_room() && now < self.deadline;
        let cost = self.cost(start.index);
        let route = self.rules.route;
        let alone = self.plan.len() == 1;
        let state = self
            .states
            .get_mut(start.index)
            .filter(|state| !state.ruled_out)?;
        let reason = match again {
            Again::AtOnce => Some("tried again at once"),
            Again::IfRenewed if renewed => Some("its key has changed"),
            _ => None,
        };
        if let Some(reason) = reason
            && room
            && !state.repeated
            && admission.health.peek(start.target, alone, now).is_ok()
            // What never left costs nothing and is no load on anybody.
            && (failure.sent == Sent::No || renewed || admission.retries.try_retry(route, Draw::SameTarget, cost, failure.sent, now))
        {
            state.repeated = true;
            self.paid = failure.sent != Sent::No && !renewed;
            self.cursor = Cursor::Again(
                start.index,
                Comeback {
                    at: now,
                    key: Some(start.key),
                    asked: false,
                    retry: false,
                },
            );
            return Some(Verdict::new(Next::SameTarget, reason));
        }
        if row.other_key {
            state.spent.push(start.key);
            let planned = self.plan.get(start.index)?;
            let asked = Asked {
                planned,
                spent: &state.spent,
                only: None,
                alone,
                last_resort: false,
                expires: now,
            };
            if room && admission.peek(&asked, now).is_ok() {
                admission.retries.failover(route, cost, failure.sent, now);
                self.cursor = Cursor::Target(start.index);
                return Some(Verdict::new(Next::NextKey, "another key of this target is open"));
            }
        }
        None
    }

    /// When the target may be called again, should nothing else be left.
    pub(super) fn set_comeback(
        &mut self,
        now: Moment,
        start: &Start,
        failure: &Failure,
        admission: &Admission,
    ) {
        let wait = full_jitter(&self.rules.backoff, self.sent.saturating_sub(1), &mut self.rng);
        let limited = failure.class == FailureClass::RateLimited;
        let soonest = limited
            .then(|| self.soonest(start.index, now, admission))
            .flatten();
        let (key, asked) = soonest.map_or_else(
            || (start.key, failure.retry_after.unwrap_or_default()),
            |(key, until)| (key, until - now),
        );
        let at = now + wait.max(asked);
        // What its breaker would refuse then is not waited for.
        let shut = admission.health.peek(start.target, self.plan.len() == 1, at);
        if shut.is_err_and(|shut| matches!(shut.state, State::Open | State::ForcedOpen)) {
            return;
        }
        if let Some(state) = self.states.get_mut(start.index)
            && !state.came_back
            && !state.ruled_out
        {
            state.comeback = Some(Comeback {
                at,
                key: Some(key),
                asked: limited || !asked.is_zero(),
                retry: true,
            });
        }
    }

    /// The key of a rate-limited target that opens first, and when. Keys that no waiting opens are left out.
    fn soonest(&self, index: usize, now: Moment, admission: &Admission) -> Option<(KeyId, Moment)> {
        let planned = self.plan.get(index)?;
        let take = Take {
            target: planned.target,
            keys: &planned.keys,
            spent: &[],
            estimate: planned.estimate,
            spill: planned.spill,
            only: None,
        };
        match admission.limits.peek(&take, now) {
            Ok(key) => Some((key, now)),
            Err(blocked) if blocked.gate.class == FailureClass::RateLimited => {
                Some((blocked.key?, blocked.gate.until?))
            }
            Err(_) => None,
        }
    }

    /// Draws on the retry budget when the call goes out, not when it is decided: a request may end while it waits.
    pub(super) fn call_again(
        &mut self,
        index: usize,
        comeback: Comeback,
        now: Moment,
        admission: &mut Admission,
    ) -> Step {
        let only = comeback.key;
        if comeback.retry {
            // Whether it would be let in is found out first: a place that is waited for is asked for many times.
            if let Some(asked) = self.asked(index, only, false, now)
                && let Err(refusal) = admission.peek(&asked, now)
            {
                return self.wait_on(index, comeback, refusal, now);
            }
            let (route, cost) = (self.rules.route, self.cost(index));
            if !admission
                .retries
                .try_retry(route, Draw::SameTarget, cost, Sent::Maybe, now)
            {
                // Another target may still be waited for, or let a last call through.
                self.go_on(now, "");
                return self.next(now, admission);
            }
            self.paid = true;
        }
        match self.ask(index, only, false, now, admission) {
            Ok(permit) => self.start(index, permit, now),
            Err(refusal) => {
                self.unpay(admission);
                self.wait_on(index, comeback, refusal, now)
            }
        }
    }

    /// The attempt that was paid from the retry budget is not made.
    pub(super) fn unpay(&mut self, admission: &mut Admission) {
        if std::mem::take(&mut self.paid) {
            admission.retries.done(self.rules.route);
        }
    }

    fn wait_on(&mut self, index: usize, comeback: Comeback, refusal: Refusal, now: Moment) -> Step {
        match self.queue_on(index, comeback, &refusal, now) {
            Some(at) => Step::Wait(at),
            None => Step::Refuse { index, refusal },
        }
    }

    /// Whether a wait until then is within what the route allows, or why not.
    pub(super) fn too_long(&self, comeback: &Comeback, now: Moment) -> Option<&'static str> {
        let waited = comeback.at - self.waiting.unwrap_or(now);
        if comeback.asked && waited > self.rules.rate_limit_wait && !mutant::on(Mutant::WaitUnbounded) {
            Some("nothing else is left, and the wait is longer than `rate_limit_wait`")
        } else if comeback.at >= self.deadline {
            Some("nothing else is left, and the wait does not fit the deadline")
        } else {
            None
        }
    }

    /// A place that was waited for has gone to another request: waits on, as long as that is allowed.
    fn queue_on(
        &mut self,
        index: usize,
        comeback: Comeback,
        refusal: &Refusal,
        now: Moment,
    ) -> Option<Moment> {
        let at = opens(refusal, now)?;
        let comeback = Comeback {
            at,
            asked: true,
            ..comeback
        };
        if self.too_long(&comeback, now).is_some() {
            return None;
        }
        self.cursor = Cursor::Again(index, comeback);
        Some(at)
    }
}

/// When a target that was not called may be asked again: rate limits and places come free by waiting; breakers do too,
/// but are not waited for.
pub(super) fn opens(refusal: &Refusal, now: Moment) -> Option<Moment> {
    let soon = now + ASK_AGAIN;
    match refusal.by {
        RefusedBy::Limited => refusal.until,
        // A permit that is out comes back with its attempt, mostly long before it expires.
        RefusedBy::Recovering => Some(soon),
        RefusedBy::Paced | RefusedBy::Busy | RefusedBy::Spill => Some(
            refusal
                .until
                .map_or(soon, |until| until.max(now + Duration::from_millis(1))),
        ),
        RefusedBy::NoKey | RefusedBy::Parked | RefusedBy::Breaker | RefusedBy::Held => None,
    }
}

/// Whether the same target may be called again: the table's word, unless the vendor has one of its own.
pub(super) fn again(row: Row, failure: &Failure, delivered: bool) -> Again {
    match row.again {
        Again::AtOnce | Again::WhenNothingElse if failure.should_retry == Some(false) => Again::No,
        // A stream that broke says little of the target: where no other is left, it may answer from the start.
        _ if delivered => Again::WhenNothingElse,
        Again::No if failure.should_retry == Some(true) && failure.sent != Sent::No => Again::WhenNothingElse,
        again => again,
    }
}
