//! Warm standby: which connections a client keeps open, and what their free requests tell.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, HeaderValue};
use http::{HeaderMap, StatusCode};
use tokio::time::Sleep;

use super::lock;
use super::targets::PreparedRoute;
use super::world::World;
use crate::config;
use crate::transport::{Standby, StandbySettings, Transport, TransportError, WarmEndpoint, Warmth};
use crate::types::{EndpointId, Moment, What};

/// How often a route says which endpoints it would use: often enough for an hour's traffic, too rarely to cost a call
/// anything.
const SAY_AGAIN: Duration = Duration::from_secs(1);

/// The schedule a config asks for.
pub(super) fn schedule(config: config::Standby) -> Standby {
    Standby::new(StandbySettings {
        enabled: config.enabled,
        spares: usize::try_from(config.spares).unwrap_or(usize::MAX),
        refresh: config.refresh,
        ..StandbySettings::default()
    })
}

impl World {
    /// A request begins on a route: what it may need next is kept warm from now on.
    pub(super) fn warm(self: &Arc<Self>, route: &PreparedRoute) {
        if !self.config.standby.enabled || !self.transport.keeps_connections() {
            return;
        }
        self.keep_warm.start(self);
        let now = self.clock.now();
        {
            let mut said = lock(&route.said);
            if said.is_some_and(|at| now - at < SAY_AGAIN) {
                return;
            }
            *said = Some(now);
        }
        let endpoints: Vec<Arc<WarmEndpoint>> = route
            .targets
            .iter()
            .filter_map(|target| {
                self.warm_endpoint(target.provider, route.route.timeouts.connect)
                    .map(Arc::new)
            })
            .collect();
        if lock(&self.standby).want(&endpoints, now) {
            self.keep_warm.wake();
        }
    }

    fn warm_endpoint(&self, provider: usize, connect_timeout: Duration) -> Option<WarmEndpoint> {
        let prepared = self.providers.get(provider)?;
        let free = self.config.providers.get(&prepared.name)?.probe.as_deref();
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if free.is_some() {
            for (name, value) in prepared.dialect.headers() {
                headers.insert(*name, value.clone());
            }
            let key = prepared.pool.usable().first().and_then(|id| self.key(*id));
            let origin = self.config.providers.get(&prepared.name)?.base_url.origin();
            // A header that cannot be read fails the attempts that need it, which is soon enough.
            let _ = prepared.pool.dress(0, &origin, &mut headers);
            if let Some(Ok(key)) = key {
                // A cloud's token is not got for this: what is answered without one is an answer too.
                headers.extend(key.at(0).and_then(|shown| shown.header.clone()));
            }
        }
        WarmEndpoint::new(
            prepared.endpoint,
            &prepared.base_url,
            free,
            headers,
            connect_timeout,
        )
        .ok()
    }

    /// An exchange with a provider ended well, so a connection to it is warm.
    pub(super) fn warmed(&self, endpoint: EndpointId) {
        if lock(&self.standby).used(endpoint, self.clock.now()) {
            self.keep_warm.wake();
        }
    }

    /// An endpoint's breaker opened, or let traffic through again.
    pub(super) fn down(&self, endpoint: EndpointId, down: bool) {
        if lock(&self.standby).set_down(endpoint, down, self.clock.now()) {
            self.keep_warm.wake();
        }
    }

    /// Stops background requests until [`Self::resume`].
    pub(crate) fn pause(&self) {
        lock(&self.standby).pause(self.clock.now());
        self.paused.store(true, Ordering::Relaxed);
    }

    /// Lets background requests go on, and warms what went cold.
    pub(crate) fn resume(&self) {
        lock(&self.standby).resume(self.clock.now());
        self.paused.store(false, Ordering::Relaxed);
        self.keep_warm.wake();
    }

    /// The machine is on another network: the old connections are dead, and nobody is to blame for it.
    pub(crate) fn network_changed(&self) {
        let now = self.clock.now();
        self.transport.network_changed();
        self.decide(|admission| admission.health.network_changed(now));
        lock(&self.standby).renewed(now);
        self.keep_warm.wake();
    }
}

impl Warmth for World {
    fn standby(&self) -> MutexGuard<'_, Standby> {
        lock(&self.standby)
    }

    fn transport(&self) -> Arc<dyn Transport> {
        Arc::clone(&self.transport)
    }

    fn now(&self) -> Moment {
        self.clock.now()
    }

    fn sleep_until(&self, moment: Moment) -> Sleep {
        tokio::time::sleep_until(self.clock.instant(moment))
    }

    fn probed(&self, endpoint: EndpointId, answer: &Result<StatusCode, TransportError>) {
        // An error of the server's says that something answers, not that it works.
        let reached = answer.as_ref().is_ok_and(|status| !status.is_server_error());
        let now = self.clock.now();
        self.decide(|admission| admission.health.probed(endpoint, reached, now));
        let provider = self
            .providers
            .iter()
            .find(|provider| provider.endpoint == endpoint);
        self.tell(None, || What::Probed {
            provider: provider.map(|provider| provider.name.clone()).unwrap_or_default(),
            reached,
            status: answer.as_ref().ok().map(StatusCode::as_u16),
        });
    }
}
