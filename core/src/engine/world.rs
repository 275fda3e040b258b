use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use http::HeaderMap;
use url::Url;

use super::catalog::Facts;
use super::clock::Clock;
use super::keys::{Key, Renewed};
use super::listeners::Listeners;
use super::targets::{PreparedRoute, PreparedTarget, Providers};
use super::{lock, warm};
use crate::budget::{Ledger, Quote};
use crate::config::{Config, did_you_mean};
use crate::error::Error;
use crate::health::{Health, HealthSettings};
use crate::limits::{Limits, RetryBudget};
use crate::mutant::{self, Mutant};
use crate::policy::{Admission, Asked, HedgeBudget, PlannedTarget};
use crate::routing;
use crate::transport::{KeepWarm, Standby, Transport};
use crate::types::{Event, Failure, KeyId, Moment, TargetId, What};

/// What all requests of one client share.
pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) clock: Clock,
    pub(super) providers: Providers,
    pub(super) facts: Facts,
    pub(crate) listeners: Listeners,
    pub(super) in_flight: AtomicU64,
    pub(super) standby: Mutex<Standby>,
    pub(super) keep_warm: KeepWarm,
    pub(super) paused: AtomicBool,
    /// Whether the local network was last thought to be down.
    local_down: AtomicBool,
    seed: Option<u64>,
    requests: AtomicU64,
    routes: HashMap<String, Arc<PreparedRoute>>,
    /// Every target there has been, by its number.
    known: Mutex<BTreeMap<TargetId, Arc<PreparedTarget>>>,
    admission: Mutex<Admission>,
}

impl World {
    pub(crate) fn new(config: Config, transport: Arc<dyn Transport>, seed: Option<u64>) -> Self {
        let providers = Providers::new(&config);
        let fixed = seed.unwrap_or_else(|| fastrand::u64(..));
        let mut admission = Admission {
            health: Health::new(HealthSettings::default(), fixed),
            limits: Limits::new(fixed),
            retries: RetryBudget::new(),
            hedges: HedgeBudget::default(),
            ledger: Ledger::default(),
        };
        providers.register(&config, &mut admission);
        let mut world = Self {
            transport,
            clock: Clock::start(),
            listeners: Listeners::default(),
            in_flight: AtomicU64::new(0),
            standby: Mutex::new(warm::schedule(config.standby)),
            keep_warm: KeepWarm::default(),
            paused: AtomicBool::new(false),
            local_down: AtomicBool::new(false),
            seed,
            requests: AtomicU64::new(0),
            routes: HashMap::new(),
            known: Mutex::default(),
            admission: Mutex::new(admission),
            providers,
            facts: Facts::new(Arc::clone(&config.catalog.facts)),
            config,
        };
        let routes = (0..).zip(&world.config.routes).map(|(id, (name, route))| {
            let route = world.providers.route(route.clone(), Some(id));
            (name.clone(), Arc::new(world.known(route)))
        });
        world.routes = routes.collect();
        world
    }

    /// Makes the targets of a route known.
    fn known(&self, route: PreparedRoute) -> PreparedRoute {
        let mut known = lock(&self.known);
        for target in &route.targets {
            if let Entry::Vacant(place) = known.entry(target.id) {
                place.insert(Arc::clone(target));
                lock(&self.admission).health.register(Providers::place(target));
            }
        }
        drop(known);
        route
    }

    /// The number of a request that begins, from 1, and a seed of its own.
    pub(super) fn number(&self) -> (u64, u64) {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let seed = self
            .seed
            .filter(|_| !mutant::on(Mutant::JitterUnseeded))
            .map_or_else(
                || fastrand::u64(..),
                |seed| seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            );
        (number, seed)
    }

    pub(crate) fn route(&self, name: Option<&str>) -> Result<Arc<PreparedRoute>, Error> {
        if let Some(route) = self.routes.get(name.unwrap_or("default")) {
            return Ok(Arc::clone(route));
        }
        let route = self.providers.route(routing::route(&self.config, name)?, None);
        Ok(Arc::new(self.known(route)))
    }

    /// The targets of a request, in the order they are called.
    pub(super) fn plan(
        &self,
        route: &PreparedRoute,
        demand: &routing::Demand,
        seed: u64,
    ) -> (Vec<PlannedTarget>, Vec<Arc<PreparedTarget>>) {
        let planned: Vec<PlannedTarget> = route
            .targets
            .iter()
            .enumerate()
            .map(|(place, target)| {
                let facts = self.facts_of(target);
                PlannedTarget {
                    target: target.id,
                    keys: self.usable_keys(target),
                    window: facts.as_ref().and_then(|facts| facts.context_window),
                    domains: Arc::clone(&target.domains),
                    estimate: demand.estimate,
                    quote: Quote::new(facts.as_deref(), demand.bytes, demand.max_output, target.stops),
                    spill: place > 0,
                }
            })
            .collect();
        if planned.len() < 2 {
            return (planned, route.targets.clone());
        }
        let now = self.clock.now();
        let places: Vec<routing::Place> = self.decide(|admission| {
            let health = &admission.health;
            planned
                .iter()
                .map(|planned| routing::Place {
                    standing: health.peek(planned.target, false, now).ok(),
                    suspect: health.suspect(planned.target, now),
                })
                .collect()
        });
        let mut rng = fastrand::Rng::with_seed(seed.rotate_left(32));
        let order = routing::order(&places, || rng.f64());
        if order.iter().copied().eq(0..planned.len()) {
            return (planned, route.targets.clone());
        }
        let targets = order
            .iter()
            .filter_map(|index| route.targets.get(*index).cloned())
            .collect();
        let planned = order
            .iter()
            .filter_map(|index| planned.get(*index).cloned())
            .collect();
        (planned, targets)
    }

    fn usable_keys(&self, target: &PreparedTarget) -> Vec<KeyId> {
        self.providers
            .get(target.provider)
            .map(|provider| provider.pool.usable())
            .unwrap_or_default()
    }

    /// A key, read once and kept; None for a provider that has none.
    pub(crate) fn key(&self, id: KeyId) -> Option<Result<Arc<Key>, String>> {
        let id = if mutant::on(Mutant::OneKeyForAll) {
            KeyId::default()
        } else {
            id
        };
        self.providers.get(id.provider)?.pool.key(id.key)
    }

    /// Adds the headers that every request of the target's provider carries.
    pub(super) fn dress(
        &self,
        target: &PreparedTarget,
        url: &Url,
        headers: &mut HeaderMap,
    ) -> Result<(), String> {
        match self.providers.get(target.provider) {
            Some(provider) => provider.pool.dress(target.door, &url.origin(), headers),
            None => Ok(()),
        }
    }

    /// The failure, with the key it was made with taken out of the vendor's words.
    pub(super) fn scrubbed(&self, id: KeyId, mut failure: Failure) -> Failure {
        if let Some(Ok(key)) = self.key(id) {
            key.scrub(&mut failure);
        }
        if let Some(provider) = self.providers.get(id.provider) {
            provider.pool.scrub(&mut failure);
        }
        failure
    }

    /// What may be shown of a key.
    pub(super) fn fingerprint(&self, id: KeyId) -> Option<String> {
        Some(self.key(id)?.ok()?.fingerprint.clone())
    }

    /// Whether a key whose secret was refused holds another one now.
    pub(super) fn renew(&self, id: KeyId, refused: Option<&str>) -> bool {
        let Some(provider) = self.providers.get(id.provider) else {
            return false;
        };
        match provider.pool.renew(id.key, refused, self.clock.now()) {
            Renewed::No => false,
            Renewed::Before => true,
            Renewed::Now => {
                let now = self.clock.now();
                self.decide(|admission| admission.limits.renewed(id, now));
                self.tell(None, || What::KeyRenewed {
                    provider: provider.name.clone(),
                    key: self.fingerprint(id),
                });
                true
            }
        }
    }

    /// Why a target's keys cannot be used: what reading each of them said.
    pub(super) fn missing_keys(&self, target: &PreparedTarget) -> String {
        let problems = self
            .providers
            .get(target.provider)
            .map(|provider| provider.pool.problems())
            .unwrap_or_default();
        format!("no key: {}", problems.join("; "))
    }

    /// Looks at, or changes, what all requests know together; then tells what has changed. Never call a client's own
    /// code inside.
    pub(super) fn decide<T>(&self, act: impl FnOnce(&mut Admission) -> T) -> T {
        let mut admission = lock(&self.admission);
        let result = act(&mut admission);
        let health = admission.health.drain_changes();
        let limits = admission.limits.drain_changes();
        self.note_down(&health);
        drop(admission);
        if !health.is_empty() || !limits.is_empty() {
            self.announce(&health, &limits);
        }
        result
    }

    /// Looks whether it is the local network: after a failed connection, and after a head while it seemed to be down.
    pub(super) fn look_at_network(&self, connected: bool) {
        if connected && !self.local_down.load(Ordering::Relaxed) {
            return;
        }
        let now = self.clock.now();
        let down = self.decide(|admission| admission.health.local_network_down(now));
        if self.local_down.swap(down, Ordering::Relaxed) != down {
            self.tell(None, || What::LocalNetwork { down });
        }
    }

    /// Whether it is the local network that is down, as far as can be told from here.
    pub(super) fn local_network_down(&self) -> bool {
        self.local_down.load(Ordering::Relaxed)
    }

    /// Tells those who listen.
    pub(super) fn tell(&self, request: Option<u64>, what: impl FnOnce() -> What) {
        self.listeners.tell(|| Event {
            at: self.clock.now().since_start().as_secs_f64(),
            request,
            what: what(),
        });
    }

    /// Does what the operator says to the targets of a name.
    pub(crate) fn operate(
        &self,
        name: &str,
        act: impl FnOnce(&mut Health, &str, Moment) -> usize,
    ) -> Result<usize, Error> {
        let now = self.clock.now();
        match self.decide(|admission| act(&mut admission.health, name, now)) {
            0 => {
                let targets = self.targets();
                let names = targets.iter().map(|target| target.name.as_str());
                let near = did_you_mean(name, names.clone())
                    .unwrap_or_else(|| format!("known: {}", names.collect::<Vec<_>>().join(", ")));
                Err(Error::invalid_request(format!(
                    "no target or provider is named \"{name}\"; {near}"
                )))
            }
            count => Ok(count),
        }
    }

    /// The target of a number.
    pub(super) fn target(&self, id: TargetId) -> Option<Arc<PreparedTarget>> {
        lock(&self.known).get(&id).cloned()
    }

    /// Every target there has been, by name.
    pub(super) fn targets(&self) -> Vec<Arc<PreparedTarget>> {
        let mut targets: Vec<_> = lock(&self.known).values().cloned().collect();
        targets.sort_by(|one, two| one.name.cmp(&two.name));
        targets
    }

    /// What would be asked of a target for a request of nothing.
    pub(super) fn asked<'a>(&self, planned: &'a PlannedTarget, alone: bool) -> Asked<'a> {
        Asked {
            planned,
            spent: &[],
            only: None,
            alone,
            last_resort: false,
            expires: self.clock.now(),
        }
    }
}
