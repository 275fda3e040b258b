//! Who is told of what happens.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::lock;
use super::world::World;
use crate::health::{Change, Scope, State};
use crate::limits::LimitChange;
use crate::types::{Event, KeyId, Moment, What};

/// What is called with every event. It runs where the event happens, with no lock held: it may look at the client's state
/// and begin calls, but must be quick.
pub(crate) type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

/// The callbacks of one client.
#[derive(Default)]
pub(crate) struct Listeners {
    /// Whether there are any: most clients have none, and events are not made for nobody.
    any: AtomicBool,
    all: Mutex<Vec<Listener>>,
}

impl Listeners {
    pub(crate) fn add(&self, listener: Listener) {
        lock(&self.all).push(listener);
        self.any.store(true, Ordering::Release);
    }

    pub(super) fn tell(&self, event: impl FnOnce() -> Event) {
        if !self.any.load(Ordering::Acquire) {
            return;
        }
        let event = event();
        let all = lock(&self.all).clone();
        for listener in all {
            // One that panics must not take the call down; where the call is being dropped, it would take the process.
            let told = catch_unwind(AssertUnwindSafe(|| listener(&event)));
            if told.is_err() {
                tracing::error!("a listener of events panicked");
            }
        }
    }
}

impl World {
    /// Says which endpoints are down. Called while what is known is locked, so that the last word is the last change.
    pub(super) fn note_down(&self, health: &[Change]) {
        for change in health {
            if let Scope::Endpoint(endpoint) = change.scope {
                self.down(endpoint, matches!(change.to, State::Open | State::ForcedOpen));
            }
        }
    }

    /// Tells of changes of state. Of two changes that threads make at one moment, either may be told first.
    pub(super) fn announce(&self, health: &[Change], limits: &[LimitChange]) {
        for change in health {
            tracing::info!(
                name = %change.name, from = change.from.as_str(), to = change.to.as_str(), why = %change.why, "breaker"
            );
            self.tell(None, || What::Breaker {
                scope: match change.scope {
                    Scope::Target(_) => "target",
                    Scope::Endpoint(_) => "endpoint",
                    Scope::Domain(_) => "domain",
                }
                .to_owned(),
                name: change.name.clone(),
                from: change.from.as_str().to_owned(),
                to: change.to.as_str().to_owned(),
                why: change.why.clone(),
            });
        }
        for change in limits {
            self.limit_changed(change);
        }
    }

    fn limit_changed(&self, change: &LimitChange) {
        let now = self.clock.now();
        let seconds = |until: Moment| (until - now).as_secs_f64();
        let name = |target| {
            self.target(target)
                .map(|target| target.name.clone())
                .unwrap_or_default()
        };
        match change {
            LimitChange::KeyParked {
                key,
                class,
                status,
                until,
            } => {
                let (provider, key) = self.owner(*key);
                tracing::warn!(%provider, key, %class, status, "key parked");
                self.tell(None, || What::KeyParked {
                    provider,
                    key,
                    code: class.as_str().to_owned(),
                    status: *status,
                    seconds: until.map(seconds),
                });
            }
            LimitChange::KeyOpened { key } => {
                let (provider, key) = self.owner(*key);
                self.tell(None, || What::KeyOpened { provider, key });
            }
            LimitChange::GroupLimited { target, until, .. } => self.tell(None, || What::Limited {
                target: name(*target),
                reason: "the vendor asked to wait".to_owned(),
                seconds: Some(seconds(*until)),
            }),
            LimitChange::TargetParked { target, until, .. } => {
                tracing::warn!(target = %name(*target), "the vendor does not know the model");
                self.tell(None, || What::TargetParked {
                    target: name(*target),
                    seconds: until.map(seconds),
                });
            }
            LimitChange::ConcurrencyLimited { target, limit } => self.tell(None, || What::Limited {
                target: name(*target),
                reason: format!("no more than {limit} at once"),
                seconds: None,
            }),
            LimitChange::ConcurrencyFreed { target } => self.tell(None, || What::Limited {
                target: name(*target),
                reason: "as many at once as there are".to_owned(),
                seconds: None,
            }),
        }
    }

    /// Whose key it is, and its fingerprint.
    fn owner(&self, key: KeyId) -> (String, Option<String>) {
        let provider = self.providers.get(key.provider);
        (
            provider.map(|provider| provider.name.clone()).unwrap_or_default(),
            self.fingerprint(key),
        )
    }
}
