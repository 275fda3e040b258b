//! Routes and targets, looked up once.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, OnceLock};

use super::catalog::Looked;
use super::keys::Pool;
use crate::catalog::{self, Model, Quirks, fits};
use crate::config::{Adapt, Config, Provider, Route, Surface, Target};
use crate::dialect::{self, Call, Dialect, Encoded, dialect};
use crate::health::Place;
use crate::limits::KeySpec;
use crate::policy::{Admission, Rules};
use crate::types::{ChatRequest, DomainId, EndpointId, Failure, GroupId, KeyId, Moment, RouteId, TargetId};

/// The route of requests that name a target: all of them share one retry budget.
const BY_HAND: RouteId = RouteId(u32::MAX);

/// A provider with what every attempt on it needs.
pub(crate) struct PreparedProvider {
    pub(super) name: String,
    pub(super) dialect: &'static dyn Dialect,
    pub(super) base_url: String,
    pub(super) pool: Pool,
    /// The account of each of its keys; one stands for "no key" where there are none.
    pub(super) groups: Vec<(GroupId, String)>,
    pub(super) endpoint: EndpointId,
    domains: Arc<[DomainId]>,
    stops: bool,
    vendor: Option<String>,
    /// How its own place is spoken to, then each of its surfaces.
    doors: Vec<Door>,
}

/// A place of a provider, and how it is spoken to.
struct Door {
    dialect: &'static dyn Dialect,
    base_url: String,
    quirks: Arc<Quirks>,
    models: Vec<String>,
}

impl Door {
    fn of_surface(surface: &Surface) -> Self {
        Self {
            dialect: dialect(surface.dialect),
            base_url: surface.base_url.as_str().trim_end_matches('/').to_owned(),
            quirks: Arc::new(surface.quirks.clone()),
            models: surface.models.clone(),
        }
    }
}

/// A target with what every attempt on it needs.
pub(crate) struct PreparedTarget {
    pub(crate) id: TargetId,
    pub(crate) name: String,
    pub(crate) provider_name: String,
    pub(crate) model: String,
    pub(crate) dialect: &'static dyn Dialect,
    pub(crate) base_url: String,
    /// Which of its provider's doors it is behind: 0 is the provider's own, the rest are its surfaces.
    pub(crate) door: usize,
    /// What its provider is called in the catalog.
    pub(super) vendor: String,
    pub(super) looked: Looked,
    pub(crate) quirks: Arc<Quirks>,
    /// Whether its route takes a loss where the target has no equal for what is asked.
    pub(crate) lossy: bool,
    pub(crate) domains: Arc<[DomainId]>,
    /// Whether the vendor stops billing when a stream is left.
    pub(crate) stops: bool,
    pub(super) provider: usize,
    pub(super) endpoint: EndpointId,
}

impl PreparedTarget {
    /// Fits a request to the target, by what is known of its model.
    pub(super) fn encode(
        &self,
        facts: Option<&Model>,
        request: &ChatRequest,
        stream: bool,
    ) -> Result<Encoded, Failure> {
        let call = Call {
            request,
            provider: &self.provider_name,
            model: &self.model,
            facts,
            quirks: &self.quirks,
            lossy: self.lossy,
            stream,
        };
        dialect::encode(self.dialect, &call)
    }
}

/// A route with its targets looked up.
pub(crate) struct PreparedRoute {
    pub(crate) targets: Vec<Arc<PreparedTarget>>,
    pub(crate) route: Route,
    pub(crate) id: RouteId,
    /// When it last said which endpoints it would use.
    pub(super) said: Mutex<Option<Moment>>,
    /// The length of vectors that are made on it where none is asked for, once the first were.
    pub(super) vector_length: Arc<OnceLock<usize>>,
}

impl PreparedRoute {
    pub(crate) fn rules(&self, stream: bool, recovers: bool) -> Rules {
        Rules {
            route: self.id,
            max_attempts: self.route.max_attempts,
            rate_limit_wait: self.route.rate_limit_wait,
            failover_on: self.route.failover_on.clone(),
            backoff: self.route.backoff.clone(),
            timeouts: self.route.timeouts.clone(),
            stream,
            recovers,
            hedge: self.route.hedge,
        }
    }
}

/// The providers of a config, numbered.
pub(super) struct Providers {
    all: Vec<PreparedProvider>,
    index: BTreeMap<String, usize>,
}

impl Providers {
    pub(super) fn new(config: &Config) -> Self {
        let mut numbers = Numbers::default();
        let mut all = Vec::with_capacity(config.providers.len());
        let mut index = BTreeMap::new();
        for (name, provider) in &config.providers {
            index.insert(name.clone(), all.len());
            all.push(numbers.provider(all.len(), provider));
        }
        Self { all, index }
    }

    pub(super) fn get(&self, index: usize) -> Option<&PreparedProvider> {
        self.all.get(index)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &PreparedProvider> {
        self.all.iter()
    }

    /// Makes the keys known, with the limits the user knows of their accounts.
    pub(super) fn register(&self, config: &Config, admission: &mut Admission) {
        for (provider, (prepared, written)) in self.all.iter().zip(config.providers.values()).enumerate() {
            for (key, (group, _)) in prepared.groups.iter().enumerate() {
                let spec = KeySpec {
                    key: KeyId { provider, key },
                    group: *group,
                    weight: written.keys.get(key).map_or(1.0, |key| key.weight),
                };
                admission.limits.register(spec, &written.limits);
            }
        }
    }

    fn target(&self, target: &Target, adapt: Adapt) -> Option<PreparedTarget> {
        let index = *self.index.get(&target.provider)?;
        let provider = self.all.get(index)?;
        let name = target.to_string();
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let serves = |door: &Door| door.models.iter().any(|pattern| fits(pattern, &target.model));
        let at = provider.doors.iter().position(serves).unwrap_or(0);
        let door = provider.doors.get(at)?;
        Some(PreparedTarget {
            id: TargetId(hasher.finish()),
            name,
            provider_name: target.provider.clone(),
            model: target.model.clone(),
            dialect: door.dialect,
            base_url: door.base_url.clone(),
            door: at,
            vendor: provider.vendor.clone().unwrap_or_else(|| target.provider.clone()),
            looked: Looked::default(),
            quirks: Arc::clone(&door.quirks),
            lossy: adapt == Adapt::Lossy,
            domains: Arc::clone(&provider.domains),
            stops: provider.stops,
            provider: index,
            endpoint: provider.endpoint,
        })
    }

    pub(super) fn route(&self, route: Route, id: Option<u32>) -> PreparedRoute {
        let targets = route
            .targets
            .iter()
            .filter_map(|target| self.target(target, route.adapt).map(Arc::new))
            .collect();
        PreparedRoute {
            targets,
            route,
            id: id.map_or(BY_HAND, RouteId),
            said: Mutex::default(),
            vector_length: Arc::default(),
        }
    }

    /// The target as the breakers know it.
    pub(super) fn place(target: &PreparedTarget) -> Place {
        Place {
            target: target.id,
            name: target.name.clone(),
            endpoint: target.endpoint,
            endpoint_name: target.provider_name.clone(),
            domains: target.domains.to_vec(),
        }
    }
}

#[derive(Default)]
struct Numbers {
    domains: BTreeMap<String, u32>,
    groups: u32,
}

impl Numbers {
    fn provider(&mut self, index: usize, config: &Provider) -> PreparedProvider {
        // What a vendor runs fails together, wherever it is called.
        let own = format!("vendor:{}", config.name);
        let mut domains = vec![self.domain(&own)];
        for name in &config.domains {
            let domain = self.domain(name);
            if !domains.contains(&domain) {
                domains.push(domain);
            }
        }
        let own = Door {
            dialect: dialect(config.dialect),
            base_url: config.base_url.as_str().trim_end_matches('/').to_owned(),
            quirks: Arc::new(config.quirks.clone()),
            models: Vec::new(),
        };
        let vendor = config.vendor.as_deref().and_then(catalog::provider);
        PreparedProvider {
            name: config.name.clone(),
            dialect: own.dialect,
            base_url: own.base_url.clone(),
            pool: Pool::new(index, config),
            groups: self.accounts(config),
            endpoint: EndpointId(u32::try_from(index).unwrap_or(u32::MAX)),
            domains: domains.into(),
            stops: vendor.is_some_and(|known| known.stops_on_disconnect),
            vendor: config.vendor.clone(),
            doors: std::iter::once(own)
                .chain(config.surfaces.iter().map(Door::of_surface))
                .collect(),
        }
    }

    fn domain(&mut self, name: &str) -> DomainId {
        let next = u32::try_from(self.domains.len()).unwrap_or(u32::MAX);
        DomainId(*self.domains.entry(name.to_owned()).or_insert(next))
    }

    fn accounts(&mut self, config: &Provider) -> Vec<(GroupId, String)> {
        let mut named: BTreeMap<&str, GroupId> = BTreeMap::new();
        let mut fresh = || {
            self.groups += 1;
            GroupId(self.groups)
        };
        if config.keys.is_empty() {
            return vec![(fresh(), config.name.clone())];
        }
        let keys = config.keys.iter().enumerate();
        keys.map(|(key, pooled)| match pooled.group.as_deref() {
            Some(name) => (*named.entry(name).or_insert_with(&mut fresh), name.to_owned()),
            None => (fresh(), format!("{}[{key}]", config.name)),
        })
        .collect()
    }
}
