use std::time::Duration;

use super::fault::{Fault, FaultKind, Outcome};
use super::network::Pending;
use super::status::RecentError;
use super::{Endpoint, Health, Pass, Target, Turn};
use crate::types::{EndpointId, FailureClass, Moment};

/// A failed attempt counts in the peak average as at least so long (reliability reference §1.7).
const LEAST_COST: Duration = Duration::from_secs(5);
/// How many errors of a target are kept for its status.
const KEPT_ERRORS: usize = 8;

/// What a breaker is told of a start.
enum Start<'a> {
    Good { slow: bool },
    Bad { fault: &'a Fault, at: Moment },
    Nothing,
}

impl Health {
    /// A response head came, of whatever status: the endpoint can be reached. What was not known to be another
    /// endpoint's fault or the local network's is the other endpoint's now.
    pub fn reached(&mut self, pass: &Pass, now: Moment) {
        if let Some(endpoint) = pass.endpoint {
            self.reached_endpoint(endpoint, now);
        }
    }

    fn reached_endpoint(&mut self, id: EndpointId, now: Moment) {
        if let Some(endpoint) = self.endpoints.get_mut(&id) {
            endpoint.breaker.connected();
        }
        for (other, pending) in self.network.reached(id, now, self.settings.window) {
            self.endpoint_failed(other, pending, now);
        }
    }

    /// First content came, `ttft` after the attempt began: the start is a success. For streams only: a whole reply's
    /// time is mostly that of its length, and such an attempt is just [`Self::ended`].
    pub fn first_content(&mut self, pass: &mut Pass, ttft: Duration, now: Moment) {
        if pass.started {
            return;
        }
        let mut slow = false;
        if let Some(target) = self.targets.get_mut(&pass.target) {
            let settings = &self.settings;
            // The median costs a look at every time that is kept: below the floor nothing depends on it.
            slow = ttft > settings.slow_floor
                && ttft
                    > target
                        .latency
                        .p50()
                        .unwrap_or_default()
                        .mul_f64(settings.slow_factor);
            target.latency.first_content(ttft, now);
        }
        self.start_succeeded(pass, slow, now);
    }

    /// The attempt is over. Must be called once for each pass, with [`Outcome::Neutral`] where the caller went away.
    ///
    /// A stream is one that had its [`Self::first_content`]; a failure after that is a cut, whether or not the caller has
    /// seen anything yet. A cut says nothing of the start, which was a success.
    pub fn ended(&mut self, mut pass: Pass, outcome: Outcome, now: Moment) {
        self.clear_domains(now);
        match &outcome {
            Outcome::Failed(fault) => self.note_error(&pass, fault.class, fault.status, now),
            Outcome::Cut => self.note_error(&pass, FailureClass::Reset, None, now),
            Outcome::Answered | Outcome::Neutral => {}
        }
        let streamed = pass.started;
        match outcome {
            Outcome::Failed(fault) if !streamed => self.start_failed(&mut pass, fault, now),
            Outcome::Failed(_) | Outcome::Cut => {
                self.start_succeeded(&mut pass, false, now);
                self.stream_ended(&pass, true, now);
            }
            Outcome::Answered => {
                self.start_succeeded(&mut pass, false, now);
                if streamed {
                    self.stream_ended(&pass, false, now);
                }
            }
            Outcome::Neutral => {
                self.tell_target(&mut pass, &Start::Nothing, now);
                self.tell_endpoint(&mut pass, &Start::Nothing, now);
            }
        }
        if let Some(target) = self.targets.get_mut(&pass.target) {
            target.breaker.leave();
        }
        if let Some(endpoint) = pass.endpoint.and_then(|id| self.endpoints.get_mut(&id)) {
            endpoint.breaker.leave();
        }
    }

    fn note_error(&mut self, pass: &Pass, class: FailureClass, status: Option<u16>, now: Moment) {
        if let Some(target) = self.targets.get_mut(&pass.target) {
            if target.errors.len() >= KEPT_ERRORS {
                target.errors.pop_front();
            }
            target.errors.push_back(RecentError {
                at: now,
                class,
                status,
            });
        }
    }

    fn start_succeeded(&mut self, pass: &mut Pass, slow: bool, now: Moment) {
        if pass.started {
            return;
        }
        pass.started = true;
        if let Some(endpoint) = pass.endpoint {
            self.reached_endpoint(endpoint, now);
        }
        if let Some(target) = self.targets.get_mut(&pass.target) {
            target.throttle.accepted(now);
        }
        self.tell_endpoint(pass, &Start::Good { slow: false }, now);
        self.tell_target(pass, &Start::Good { slow }, now);
    }

    fn start_failed(&mut self, pass: &mut Pass, fault: Fault, now: Moment) {
        if let Some(target) = self.targets.get_mut(&pass.target) {
            let cost = (now - pass.began)
                .max(LEAST_COST)
                .max(fault.retry_after.unwrap_or_default());
            target.latency.failed(cost, now);
            target.throttle.rejected(now);
        }
        if let Some(endpoint) = pass.endpoint
            && fault.kind.shows_a_head()
        {
            self.reached_endpoint(endpoint, now);
        }
        if fault.kind == FaultKind::Unreachable {
            self.tell_target(pass, &Start::Nothing, now);
            self.unreachable(pass, fault, now);
        } else if fault.kind.is_of_endpoint() {
            self.tell_target(pass, &Start::Nothing, now);
            self.tell_endpoint(
                pass,
                &Start::Bad {
                    fault: &fault,
                    at: now,
                },
                now,
            );
        } else {
            // The endpoint did its part, unless it is not known whether anything answered at all.
            let endpoint = match fault.kind.shows_a_head() {
                true => Start::Good { slow: false },
                false => Start::Nothing,
            };
            self.tell_endpoint(pass, &endpoint, now);
            self.tell_target(
                pass,
                &Start::Bad {
                    fault: &fault,
                    at: now,
                },
                now,
            );
        }
    }

    /// A failed connection waits until it is known whose fault it was; its permit does not.
    fn unreachable(&mut self, pass: &mut Pass, fault: Fault, now: Moment) {
        let Some(id) = pass.endpoint else {
            return;
        };
        let pending = Pending {
            target: pass.target,
            slot: pass.on_endpoint.kept(),
            fault,
            at: now,
            alone: pass.alone,
        };
        if let Some(proven) = self.network.refused(id, pending, now) {
            self.endpoint_failed(id, proven, now);
        }
        // After the verdict, which a half-open breaker hears from the holder of its permit.
        if let Some(endpoint) = self.endpoints.get_mut(&id) {
            endpoint.breaker.give_back(&mut pass.on_endpoint);
        }
    }

    fn endpoint_failed(&mut self, id: EndpointId, mut pending: Pending, now: Moment) {
        if let Some(endpoint) = self.endpoints.get_mut(&id) {
            let mut turn = Turn {
                settings: &self.settings,
                rng: &mut self.rng,
                now,
            };
            endpoint.breaker.fault(
                &mut pending.slot,
                &pending.fault,
                pending.at,
                pending.alone,
                &mut turn,
            );
        }
        self.book_endpoint(id, Some(pending.target), now);
    }

    fn tell_endpoint(&mut self, pass: &mut Pass, start: &Start<'_>, now: Moment) {
        let Some(id) = pass.endpoint else {
            return;
        };
        if let Some(Endpoint { breaker, .. }) = self.endpoints.get_mut(&id) {
            let mut turn = Turn {
                settings: &self.settings,
                rng: &mut self.rng,
                now,
            };
            match start {
                Start::Good { slow } => {
                    breaker.success(&mut pass.on_endpoint, *slow, pass.alone, &mut turn);
                }
                Start::Bad { fault, at } => {
                    breaker.fault(&mut pass.on_endpoint, fault, *at, pass.alone, &mut turn);
                }
                Start::Nothing => breaker.neutral(&mut pass.on_endpoint),
            }
        }
        self.book_endpoint(id, Some(pass.target), now);
    }

    fn tell_target(&mut self, pass: &mut Pass, start: &Start<'_>, now: Moment) {
        if let Some(Target {
            breaker, throttle, ..
        }) = self.targets.get_mut(&pass.target)
        {
            let mut turn = Turn {
                settings: &self.settings,
                rng: &mut self.rng,
                now,
            };
            match start {
                Start::Good { slow } => {
                    if breaker.success(&mut pass.on_target, *slow, pass.alone, &mut turn) {
                        throttle.clear();
                    }
                }
                Start::Bad { fault, at } => {
                    breaker.fault(&mut pass.on_target, fault, *at, pass.alone, &mut turn);
                }
                Start::Nothing => breaker.neutral(&mut pass.on_target),
            }
        }
        self.book_target(pass.target, now);
    }

    fn stream_ended(&mut self, pass: &Pass, cut: bool, now: Moment) {
        if let Some(target) = self.targets.get_mut(&pass.target) {
            let mut turn = Turn {
                settings: &self.settings,
                rng: &mut self.rng,
                now,
            };
            target
                .breaker
                .stream_ended(&pass.on_target, cut, pass.alone, &mut turn);
        }
        self.book_target(pass.target, now);
    }
}
