use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::breaker::Slot;
use super::fault::Fault;
use crate::types::{EndpointId, Moment, TargetId};

/// A failed connection counts when another endpoint was reached at most so long before it.
const JUST_BEFORE: Duration = Duration::from_secs(1);
/// How many failed connections an endpoint remembers until it is known whose fault they were: more than open a breaker.
const KEPT: usize = 8;

/// A failed connection of which it is not known yet whether it is the endpoint's fault or the local network's.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) target: TargetId,
    pub(super) slot: Slot,
    pub(super) fault: Fault,
    pub(super) at: Moment,
    pub(super) alone: bool,
}

#[derive(Debug, Default)]
struct Link {
    reached: Option<Moment>,
    refused: Option<Moment>,
    pending: VecDeque<Pending>,
}

/// Tells a dead endpoint from a dead local network: a failed connection is an endpoint's fault only if another endpoint
/// could be reached at about that time.
#[derive(Debug, Default)]
pub(super) struct Network {
    links: BTreeMap<EndpointId, Link>,
}

impl Network {
    pub(super) fn register(&mut self, endpoint: EndpointId) {
        self.links.entry(endpoint).or_default();
    }

    /// The endpoint answered. Gives what is now known to be the other endpoints' own fault, of the last `window`.
    pub(super) fn reached(
        &mut self,
        endpoint: EndpointId,
        now: Moment,
        window: Duration,
    ) -> Vec<(EndpointId, Pending)> {
        let mut proven = Vec::new();
        for (id, link) in &mut self.links {
            if *id == endpoint {
                link.reached = Some(now);
                link.pending.clear();
            } else {
                let recent = link.pending.drain(..).filter(|fault| now - fault.at <= window);
                proven.extend(recent.map(|fault| (*id, fault)));
            }
        }
        proven
    }

    /// A connection to the endpoint failed. Gives the fault back if it is the endpoint's at once.
    pub(super) fn refused(&mut self, endpoint: EndpointId, fault: Pending, now: Moment) -> Option<Pending> {
        let alone = self.links.len() < 2;
        let other_lives = self.links.iter().any(|(id, link)| {
            *id != endpoint && link.reached.is_some_and(|reached| now - reached <= JUST_BEFORE)
        });
        let Some(link) = self.links.get_mut(&endpoint) else {
            return Some(fault);
        };
        link.refused = Some(now);
        if alone || other_lives {
            return Some(fault);
        }
        if link.pending.len() >= KEPT {
            link.pending.pop_front();
        }
        link.pending.push_back(fault);
        None
    }

    /// Whether at least two endpoints refused within the last `window`, and none was reached since.
    pub(super) fn down(&self, now: Moment, window: Duration) -> bool {
        let reached = self.links.values().filter_map(|link| link.reached).max();
        let refusing = self.links.values().filter(|link| {
            link.refused
                .is_some_and(|at| now - at <= window && reached.is_none_or(|reached| at > reached))
        });
        refusing.count() >= 2
    }

    /// The device is on another network: earlier refusals say nothing.
    pub(super) fn changed(&mut self) {
        for link in self.links.values_mut() {
            link.refused = None;
            link.pending.clear();
        }
    }
}
