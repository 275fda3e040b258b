use std::time::Duration;

use super::breaker::Breaker;
use super::{Endpoint, Forced, Health, Scope, State};
use crate::types::{FailureClass, Moment, TargetId};

/// One error of a target, for its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecentError {
    /// When.
    pub at: Moment,
    /// Its class; `Reset` for a stream that broke off.
    pub class: FailureClass,
    /// HTTP status, when there was one.
    pub status: Option<u16>,
}

/// How one target stands.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetHealth {
    /// The worse of its own state and its endpoint's, or the operator's word.
    pub state: State,
    /// Whose state that is.
    pub scope: Scope,
    /// Why, for a person.
    pub why: String,
    /// Since when.
    pub since: Moment,
    /// When it may be tried again, where that is a set time.
    pub next_probe: Option<Moment>,
    /// Attempts under way.
    pub in_flight: u32,
    /// How many may begin at once while it is coming back.
    pub ramp: Option<u32>,
    /// Others it fails together with failed lately.
    pub suspect: bool,
    /// Its last 8 errors, oldest first.
    pub errors: Vec<RecentError>,
    /// Half of its last 64 first contents came within this time. None below 5.
    pub ttft_p50: Option<Duration>,
    /// 95 % of them did. None below 20.
    pub ttft_p95: Option<Duration>,
    /// Their peak average: it rises at once and falls with 60 s.
    pub ttft_ewma: Option<Duration>,
    /// Attempts begun in the last 60 s; none from before its breaker last opened.
    pub starts: u32,
    /// Those of them that failed by the target's own fault.
    pub failures: u32,
}

/// Below so many first contents a 95th percentile is left out of the status.
const LEAST_FOR_P95: usize = 20;

impl Health {
    /// Half of the target's last 64 first contents came within this time. None below 5.
    #[must_use]
    pub fn ttft_p50(&self, target: TargetId) -> Option<Duration> {
        self.targets.get(&target)?.latency.p50()
    }

    /// 95 % of the target's last 64 first contents came within this time. None below `min` of them.
    #[must_use]
    pub fn ttft_p95(&self, target: TargetId, min: usize) -> Option<Duration> {
        self.targets.get(&target)?.latency.p95(min)
    }

    /// The peak average of the target's first contents: a slower one counts at once and in full, a faster one by its
    /// distance in time (60 s). A failed attempt counts as one that took what it took, or what the vendor asked to wait,
    /// but at least 5 s.
    #[must_use]
    pub fn ttft_ewma(&self, target: TargetId) -> Option<Duration> {
        self.targets.get(&target)?.latency.ewma()
    }

    /// Whether two targets it fails together with opened within 30 s of each other, less than 60 s ago.
    #[must_use]
    pub fn suspect(&self, target: TargetId, now: Moment) -> bool {
        self.targets.get(&target).is_some_and(|known| {
            let mut domains = known.place.domains.iter();
            domains.any(|domain| self.domains.suspects(*domain, target, now))
        })
    }

    /// How the target stands. One that was never registered is closed.
    #[must_use]
    pub fn status(&self, target: TargetId, now: Moment) -> TargetHealth {
        let mut status = TargetHealth {
            state: State::Closed,
            scope: Scope::Target(target),
            why: "nothing is known of it".to_owned(),
            since: Moment::default(),
            next_probe: None,
            in_flight: 0,
            ramp: None,
            suspect: self.suspect(target, now),
            errors: Vec::new(),
            ttft_p50: self.ttft_p50(target),
            ttft_p95: self.ttft_p95(target, LEAST_FOR_P95),
            ttft_ewma: self.ttft_ewma(target),
            starts: 0,
            failures: 0,
        };
        let Some(known) = self.targets.get(&target) else {
            return status;
        };
        status.show(Scope::Target(target), &known.breaker, self, now);
        let endpoint = known.place.endpoint;
        if let Some(Endpoint { breaker, .. }) = self.endpoints.get(&endpoint)
            && breaker.state(&self.settings, now).severity() > status.state.severity()
        {
            status.show(Scope::Endpoint(endpoint), breaker, self, now);
        }
        if let Some((forced, since)) = known.forced {
            status.scope = Scope::Target(target);
            status.state = forced.state();
            status.since = since;
            status.next_probe = None;
            status.ramp = None;
            let why = match forced {
                Forced::Open => "held by the operator",
                Forced::Closed => "kept closed by the operator",
            };
            why.clone_into(&mut status.why);
        }
        status.in_flight = known.breaker.in_flight();
        (status.starts, status.failures) = known.breaker.counts(now);
        status.errors = known.errors.iter().copied().collect();
        status
    }
}

impl TargetHealth {
    fn show(&mut self, scope: Scope, breaker: &Breaker, health: &Health, now: Moment) {
        self.scope = scope;
        self.state = breaker.state(&health.settings, now);
        breaker.why().clone_into(&mut self.why);
        self.since = breaker.since();
        self.next_probe = breaker.reopens().filter(|at| *at > now);
        self.ramp = breaker.allowance();
    }
}
