use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderValue;
use http::header::HeaderName;
use secrecy::ExposeSecret;
use url::Origin;

use super::clock::Clock;
use crate::catalog::{self, Model};
use crate::config::{Config, KeySource, Route, Target};
use crate::dialect::{Dialect, dialect};
use crate::error::Error;
use crate::limits::{Gates, KeyId, TargetId};
use crate::mutant::{self, Mutant};
use crate::policy::{PlannedTarget, Rules};
use crate::transport::Transport;
use crate::{routing, secrets};

/// A key as it is sent, bound to the one origin it may go to.
pub(crate) struct Key {
    pub(crate) fingerprint: String,
    pub(crate) header: (HeaderName, HeaderValue),
    pub(crate) origin: Origin,
}

struct Slot {
    source: KeySource,
    read: Mutex<Option<Arc<Key>>>,
}

struct Provider {
    dialect: &'static dyn Dialect,
    base_url: String,
    origin: Origin,
    keys: Vec<Slot>,
}

/// A target with what every attempt on it needs.
pub(crate) struct PreparedTarget {
    pub(crate) id: TargetId,
    pub(crate) name: String,
    pub(crate) provider_name: String,
    pub(crate) model: String,
    pub(crate) dialect: &'static dyn Dialect,
    pub(crate) base_url: String,
    pub(crate) facts: Option<&'static Model>,
    provider: usize,
}

/// A route with its targets looked up.
pub(crate) struct PreparedRoute {
    pub(crate) targets: Vec<PreparedTarget>,
    route: Route,
}

impl PreparedRoute {
    pub(crate) fn rules(&self, stream: bool) -> Rules {
        Rules {
            max_attempts: self.route.max_attempts,
            rate_limit_wait: self.route.rate_limit_wait,
            failover_on: self.route.failover_on.clone(),
            backoff: self.route.backoff.clone(),
            timeouts: self.route.timeouts.clone(),
            stream,
        }
    }
}

/// What all requests of one client share.
pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) clock: Clock,
    pub(crate) seed: Option<u64>,
    providers: Vec<Provider>,
    provider_index: HashMap<String, usize>,
    routes: HashMap<String, Arc<PreparedRoute>>,
    gates: Mutex<Gates>,
}

/// A panic elsewhere must not make every later call fail: the guarded values are whole between statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub(crate) fn new(config: Config, transport: Arc<dyn Transport>, seed: Option<u64>) -> Self {
        let mut providers = Vec::with_capacity(config.providers.len());
        let mut provider_index = HashMap::new();
        for (name, provider) in &config.providers {
            provider_index.insert(name.clone(), providers.len());
            providers.push(Provider {
                dialect: dialect(provider.dialect),
                base_url: provider.base_url.as_str().trim_end_matches('/').to_owned(),
                origin: provider.base_url.origin(),
                keys: provider
                    .keys
                    .iter()
                    .map(|source| Slot {
                        source: source.clone(),
                        read: Mutex::new(None),
                    })
                    .collect(),
            });
        }
        let mut world = Self {
            transport,
            clock: Clock::start(),
            seed,
            providers,
            provider_index,
            routes: HashMap::new(),
            gates: Mutex::default(),
            config,
        };
        let routes = world
            .config
            .routes
            .iter()
            .map(|(name, route)| (name.clone(), Arc::new(world.prepare(route.clone()))))
            .collect();
        world.routes = routes;
        world
    }

    fn prepare(&self, route: Route) -> PreparedRoute {
        let targets = route
            .targets
            .iter()
            .filter_map(|target| self.prepare_target(target))
            .collect();
        PreparedRoute { targets, route }
    }

    fn prepare_target(&self, target: &Target) -> Option<PreparedTarget> {
        let index = *self.provider_index.get(&target.provider)?;
        let provider = self.providers.get(index)?;
        let name = target.to_string();
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Some(PreparedTarget {
            id: TargetId(hasher.finish()),
            name,
            provider_name: target.provider.clone(),
            model: target.model.clone(),
            dialect: provider.dialect,
            base_url: provider.base_url.clone(),
            facts: catalog::model(&target.provider, &target.model),
            provider: index,
        })
    }

    pub(crate) fn route(&self, name: Option<&str>) -> Result<Arc<PreparedRoute>, Error> {
        if let Some(route) = self.routes.get(name.unwrap_or("default")) {
            return Ok(Arc::clone(route));
        }
        Ok(Arc::new(self.prepare(routing::route(&self.config, name)?)))
    }

    pub(crate) fn plan(&self, route: &PreparedRoute) -> Vec<PlannedTarget> {
        route
            .targets
            .iter()
            .map(|target| PlannedTarget {
                target: target.id,
                keys: self.usable_keys(target.provider),
                window: target.facts.and_then(|facts| facts.context_window),
            })
            .collect()
    }

    fn usable_keys(&self, provider: usize) -> Vec<KeyId> {
        let Some(found) = self.providers.get(provider) else {
            return Vec::new();
        };
        if found.keys.is_empty() {
            return vec![KeyId { provider, key: 0 }];
        }
        (0..found.keys.len())
            .map(|key| KeyId { provider, key })
            .filter(|id| self.key(*id).is_some_and(|key| key.is_ok()))
            .collect()
    }

    /// A key, read once and kept; None for a provider that has none. An unreadable one is looked for anew each time,
    /// since the variable may be set later.
    pub(crate) fn key(&self, id: KeyId) -> Option<Result<Arc<Key>, String>> {
        let id = if mutant::on(Mutant::OneKeyForAll) {
            KeyId::default()
        } else {
            id
        };
        let provider = self.providers.get(id.provider)?;
        let slot = provider.keys.get(id.key)?;
        let mut read = lock(&slot.read);
        if let Some(key) = &*read {
            return Some(Ok(Arc::clone(key)));
        }
        let key = read_key(provider, &slot.source);
        if let Ok(key) = &key {
            *read = Some(Arc::clone(key));
        }
        Some(key)
    }

    /// Reads the source of a key again of which the secret with the fingerprint `refused` was refused. True when the
    /// key holds another secret now, whoever noticed first: calls that began with the old one end after it was replaced.
    pub(crate) fn renew(&self, id: KeyId, refused: Option<&str>) -> bool {
        let Some(provider) = self.providers.get(id.provider) else {
            return false;
        };
        let Some(slot) = provider.keys.get(id.key) else {
            return false;
        };
        let Ok(key) = read_key(provider, &slot.source) else {
            return false;
        };
        if refused == Some(key.fingerprint.as_str()) {
            return false;
        }
        let mut read = lock(&slot.read);
        let known = read
            .as_ref()
            .is_some_and(|old| old.fingerprint == key.fingerprint);
        *read = Some(key);
        drop(read);
        if !known {
            self.gates().renewed(id);
        }
        true
    }

    /// Why a target's keys cannot be used: what reading each of them said.
    pub(crate) fn missing_keys(&self, target: &PreparedTarget) -> String {
        let Some(provider) = self.providers.get(target.provider) else {
            return String::new();
        };
        let problems: Vec<String> = (0..provider.keys.len())
            .filter_map(|key| {
                self.key(KeyId {
                    provider: target.provider,
                    key,
                })?
                .err()
            })
            .collect();
        format!("no key: {}", problems.join("; "))
    }

    pub(crate) fn gates(&self) -> MutexGuard<'_, Gates> {
        lock(&self.gates)
    }
}

fn read_key(provider: &Provider, source: &KeySource) -> Result<Arc<Key>, String> {
    let secret = secrets::resolve(source)?;
    let (name, prefix) = provider.dialect.auth();
    let mut value = HeaderValue::from_str(&format!("{prefix}{}", secret.expose_secret()))
        .map_err(|_| "the key holds a character that no header takes".to_owned())?;
    value.set_sensitive(true);
    Ok(Arc::new(Key {
        fingerprint: secrets::fingerprint(&secret),
        header: (HeaderName::from_static(name), value),
        origin: provider.origin.clone(),
    }))
}
