//! Which targets and endpoints work now. Pure: time is passed in, and jitter is drawn from a seed.
//!
//! A target has a breaker, and so has its endpoint (base URL and region): a refused connection says something of every
//! model behind it, a model's own 500 does not. An attempt needs leave of both ([`Health::admit`]), and what it came to
//! is told to both. Keys, quotas and rate limits are not health; `limits` keeps those.
//!
//! Departures from the reliability reference, all deliberate:
//!
//! - Three failures in a row are enough when they span 5 s, and a breaker is open for 10 s at first, of which a random
//!   quarter is taken off. Five in a row and 2.5 to 5 s would let a target that fails for a minute, at one call every
//!   4 s, cost a dozen calls.
//! - A first content that is late is a hard fault of the target as well as a slow start: a target gone silent must not
//!   cost every call its first-token limit.
//! - A failed connection counts only once another endpoint was reached at about that time; else it may be the local
//!   network, and nobody's breaker moves.
//! - A ramp bounds attempts on their way to a first content, not whole streams: a long answer that is coming along is no
//!   reason to hold the next one back.
//! - A request with no alternative (`alone`) is never refused by a breaker. A throttle stands in for it: it refuses a
//!   share, at most 90 %, of requests to a target that answers few. Its faults still count in a row, for the sake of
//!   requests that do have an alternative, but never open on rates.

mod admit;
mod breaker;
mod domains;
mod fault;
mod latency;
mod network;
mod outcomes;
mod settings;
mod state;
mod status;
#[cfg(test)]
mod tests;
mod throttle;
mod turn;
mod window;

pub use admit::{Ask, Pass};
pub use fault::{Fault, FaultKind, Outcome, outcome_of};
pub use settings::HealthSettings;
pub use state::{Change, Scope, Shut, Standing, State};
pub use status::{RecentError, TargetHealth};

use std::collections::{BTreeMap, VecDeque};

use breaker::Breaker;
use domains::Domains;
use latency::Latency;
use network::Network;
use throttle::Throttle;
use turn::{Move, Turn};

use crate::types::{DomainId, EndpointId, Moment, TargetId};

/// Changes that nobody fetched are forgotten beyond so many, the oldest first.
const KEPT_CHANGES: usize = 1024;

/// Where a target lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The client's number for it.
    pub target: TargetId,
    /// `openai/gpt-4o-mini`.
    pub name: String,
    /// The endpoint it is reached at.
    pub endpoint: EndpointId,
    /// The endpoint's provider: `openai`.
    pub endpoint_name: String,
    /// What it fails together with.
    pub domains: Vec<DomainId>,
}

/// An operator's word on a target. It wins over both breakers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Forced {
    Open,
    Closed,
}

impl Forced {
    const fn state(self) -> State {
        match self {
            Self::Open => State::ForcedOpen,
            Self::Closed => State::ForcedClosed,
        }
    }
}

#[derive(Debug)]
struct Target {
    place: Place,
    breaker: Breaker,
    forced: Option<(Forced, Moment)>,
    throttle: Throttle,
    latency: Latency,
    errors: VecDeque<RecentError>,
}

#[derive(Debug)]
struct Endpoint {
    name: String,
    breaker: Breaker,
}

/// The health of every target of one client. Its memory is bounded by the number of targets, not by that of calls.
#[derive(Debug)]
pub struct Health {
    settings: HealthSettings,
    rng: fastrand::Rng,
    targets: BTreeMap<TargetId, Target>,
    endpoints: BTreeMap<EndpointId, Endpoint>,
    domains: Domains,
    network: Network,
    changes: VecDeque<Change>,
}

impl Health {
    /// Health of nothing yet. The same seed and the same calls give the same answers.
    #[must_use]
    pub fn new(settings: HealthSettings, seed: u64) -> Self {
        Self {
            settings,
            rng: fastrand::Rng::with_seed(seed),
            targets: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            domains: Domains::default(),
            network: Network::default(),
            changes: VecDeque::new(),
        }
    }

    /// Makes a target known. One that is known keeps its state, and takes the new names, endpoint and domains.
    pub fn register(&mut self, place: Place) {
        self.network.register(place.endpoint);
        let endpoint = self.endpoints.entry(place.endpoint).or_insert_with(|| Endpoint {
            name: String::new(),
            breaker: Breaker::new(&self.settings),
        });
        endpoint.name.clone_from(&place.endpoint_name);
        match self.targets.get_mut(&place.target) {
            Some(target) => target.place = place,
            None => {
                let target = Target {
                    breaker: Breaker::new(&self.settings),
                    forced: None,
                    throttle: Throttle::new(),
                    latency: Latency::default(),
                    errors: VecDeque::new(),
                    place,
                };
                self.targets.insert(target.place.target, target);
            }
        }
    }

    /// Lets nothing through to these targets until [`Self::release`]. `name` is a target's, a provider's, or a
    /// provider's with `/*`. Gives how many targets it matched.
    pub fn hold(&mut self, name: &str, now: Moment) -> usize {
        self.force(name, Some(Forced::Open), "held by the operator", now)
    }

    /// Lets everything through to these targets until [`Self::release`], whatever their breakers say. Names as in
    /// [`Self::hold`].
    pub fn force_closed(&mut self, name: &str, now: Moment) -> usize {
        self.force(name, Some(Forced::Closed), "kept closed by the operator", now)
    }

    /// Takes the operator's word back: the breakers decide again, from where they were. Names as in [`Self::hold`].
    pub fn release(&mut self, name: &str, now: Moment) -> usize {
        self.force(name, None, "released by the operator", now)
    }

    fn force(&mut self, name: &str, forced: Option<Forced>, why: &str, now: Moment) -> usize {
        let provider = name.strip_suffix("/*").unwrap_or(name);
        let mut matched = 0;
        for (id, target) in &mut self.targets {
            if target.place.name != name && target.place.endpoint_name != provider {
                continue;
            }
            matched += 1;
            let state = |target: &Target| match target.forced {
                Some((forced, _)) => forced.state(),
                None => target.breaker.state(&self.settings, now),
            };
            let from = state(target);
            target.forced = forced.map(|forced| (forced, now));
            let to = state(target);
            if from != to {
                self.changes.push_back(Change {
                    at: now,
                    scope: Scope::Target(*id),
                    name: target.place.name.clone(),
                    from,
                    to,
                    why: why.to_owned(),
                });
            }
        }
        self.trim_changes();
        matched
    }

    /// A free probe of an endpoint (a request that lists models) came back. One that went well ends the open interval of
    /// the endpoint's breaker early, so that the next request is its half-open one; it never closes anything. A target's
    /// breaker is left alone, since none opens for reasons of connection. One that failed changes nothing.
    pub fn probed(&mut self, endpoint: EndpointId, ok: bool, now: Moment) {
        if !ok {
            return;
        }
        if let Some(known) = self.endpoints.get_mut(&endpoint) {
            known.breaker.probed(now);
        }
        self.book_endpoint(endpoint, None, now);
    }

    /// True while at least two endpoints failed to connect within the last 60 s and none was reached since: then it is
    /// the local network.
    #[must_use]
    pub fn local_network_down(&self, now: Moment) -> bool {
        self.network.down(now, self.settings.window)
    }

    /// The device is on another network: connections that failed before say nothing.
    pub fn network_changed(&mut self, _now: Moment) {
        self.network.changed();
        for endpoint in self.endpoints.values_mut() {
            endpoint.breaker.forget_connect_run();
        }
    }

    /// The changes since the last call, in order; the last 1024 where there were more.
    pub fn drain_changes(&mut self) -> Vec<Change> {
        self.changes.drain(..).collect()
    }

    fn trim_changes(&mut self) {
        let over = self.changes.len().saturating_sub(KEPT_CHANGES);
        self.changes.drain(..over);
    }

    /// Books what an endpoint's breaker did. `by`: the target whose attempt moved it.
    fn book_endpoint(&mut self, id: EndpointId, by: Option<TargetId>, now: Moment) {
        if let Some(endpoint) = self.endpoints.get_mut(&id) {
            let moves = endpoint.breaker.take_moves();
            if !moves.is_empty() {
                let name = endpoint.name.clone();
                self.book(Scope::Endpoint(id), &name, moves, by, now);
            }
        }
    }

    fn book_target(&mut self, id: TargetId, now: Moment) {
        if let Some(target) = self.targets.get_mut(&id) {
            let moves = target.breaker.take_moves();
            if !moves.is_empty() {
                let name = target.place.name.clone();
                self.book(Scope::Target(id), &name, moves, Some(id), now);
            }
        }
    }

    fn book(&mut self, scope: Scope, name: &str, moves: Vec<Move>, by: Option<TargetId>, now: Moment) {
        for Move { from, to, why } in moves {
            self.changes.push_back(Change {
                at: now,
                scope,
                name: name.to_owned(),
                from,
                to,
                why,
            });
            // A probe that failed is no news of the domain.
            if to == State::Open
                && from != State::HalfOpen
                && let Some(target) = by
            {
                self.opened(target, now);
            }
        }
        self.trim_changes();
    }

    /// An opening counts for the target whose attempt brought it, also where it is its endpoint that opened.
    fn opened(&mut self, target: TargetId, now: Moment) {
        let Some(known) = self.targets.get(&target) else {
            return;
        };
        for domain in &known.place.domains {
            if self.domains.opened(*domain, target, now) {
                self.changes.push_back(Change {
                    at: now,
                    scope: Scope::Domain(*domain),
                    name: format!("domain {}", domain.0),
                    from: State::Closed,
                    to: State::Degraded,
                    why: "two of its targets opened within 30 s".to_owned(),
                });
            }
        }
    }

    /// Books domains that are suspect no more.
    fn clear_domains(&mut self, now: Moment) {
        for domain in self.domains.cleared(now) {
            self.changes.push_back(Change {
                at: now,
                scope: Scope::Domain(domain),
                name: format!("domain {}", domain.0),
                from: State::Degraded,
                to: State::Closed,
                why: "none of its targets opened for 60 s".to_owned(),
            });
        }
    }
}
