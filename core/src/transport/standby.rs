use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::USER_AGENT;
use http::{HeaderMap, Method};
use url::Url;

use super::{AGENT, HttpRequest};
use crate::types::{EndpointId, Moment};

/// How long an endpoint that no plan names is kept warm: traffic that pauses for longer pays for one handshake.
const FORGET: Duration = Duration::from_secs(600);
/// Longest time between two touches of an endpoint that does not answer; the breaker's longest open time.
const MAX_BACKOFF: Duration = Duration::from_secs(300);

/// What is kept warm, and how often that is seen to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandbySettings {
    /// Whether anything is. Default: yes.
    pub enabled: bool,
    /// How many endpoints after the one in use are kept warm. Default: 1.
    pub spares: usize,
    /// How long an endpoint may be idle before it is touched, above zero. Default: 45 s, below the 50 s after which an idle
    /// connection is dropped and the 60 s of the vendors' edges.
    pub refresh: Duration,
    /// How often an endpoint that is down is asked, above zero; doubled at every touch that is not answered, up to 5 min.
    /// Default: 15 s.
    pub probe: Duration,
    /// How often connections are made anew, so that host names are resolved again, above zero. Default: 5 min.
    pub resolve: Duration,
}

impl Default for StandbySettings {
    fn default() -> Self {
        Self {
            enabled: true,
            spares: 1,
            refresh: Duration::from_secs(45),
            probe: Duration::from_secs(15),
            resolve: Duration::from_secs(300),
        }
    }
}

/// An endpoint, and the request that warms a connection to it.
#[derive(Debug, Clone)]
pub struct WarmEndpoint {
    /// Which.
    pub id: EndpointId,
    /// What is asked for, by GET: HEAD is not known to every server people run themselves.
    pub url: Url,
    /// All headers, a key's marked sensitive.
    pub headers: HeaderMap,
    /// How long making the connection may take. Connections are pooled by it: it has to be that of the attempts which are
    /// to find the connection.
    pub connect_timeout: Duration,
}

impl WarmEndpoint {
    /// The endpoint at `base_url`. `free` is the path of the vendor's free request, asked with `headers`; without one the
    /// base URL itself is asked for, without `headers`, and whatever it says will do.
    ///
    /// # Errors
    /// Base URL and path make no URL.
    pub fn new(
        id: EndpointId,
        base_url: &str,
        free: Option<&str>,
        headers: HeaderMap,
        connect_timeout: Duration,
    ) -> Result<Self, url::ParseError> {
        let url = format!("{}{}", base_url.trim_end_matches('/'), free.unwrap_or_default());
        let mut headers = if free.is_some() { headers } else { HeaderMap::new() };
        headers.insert(USER_AGENT, AGENT);
        Ok(Self {
            id,
            url: Url::parse(&url)?,
            headers,
            connect_timeout,
        })
    }

    /// The request that warms it.
    #[must_use]
    pub fn request(&self) -> HttpRequest {
        HttpRequest {
            method: Method::GET,
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: Bytes::new(),
            connect_timeout: self.connect_timeout,
        }
    }
}

/// What [`Standby::next`] wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send the endpoint's request, then say how it went with [`Standby::touched`].
    Touch(EndpointId),
    /// Tell the transport that the network changed: connections are old enough to resolve host names again.
    Renew,
    /// Nothing until then, or until something is told.
    Sleep(Moment),
    /// Nothing until something is told.
    Idle,
}

#[derive(Debug)]
struct Entry {
    endpoint: Arc<WarmEndpoint>,
    /// When a plan last named it.
    wanted: Moment,
    /// When it is to be touched next.
    due: Moment,
    /// Touches in a row that nobody answered.
    failures: u32,
    touching: bool,
}

/// Which endpoints are kept warm, and when each is touched. Pure: time is passed in, and somebody else does the touching.
///
/// What changes the plan says whether the next touch is due sooner than was told before: then whoever sleeps on
/// [`Action::Sleep`] or [`Action::Idle`] has to be woken.
#[derive(Debug, Default)]
pub struct Standby {
    settings: StandbySettings,
    endpoints: BTreeMap<EndpointId, Entry>,
    /// Kept apart from `endpoints`: one that is forgotten is still down.
    down: BTreeSet<EndpointId>,
    renew: Option<Moment>,
    paused: Option<Moment>,
}

impl Standby {
    /// Nothing is warm yet.
    #[must_use]
    pub fn new(settings: StandbySettings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// A plan was made: `endpoints` are those of its route in the plan's order, the ones it leaves out included. The first
    /// that is up, and [`StandbySettings::spares`] more, are kept warm; those known to be down are asked whether they are
    /// back. The first is about to be used, so it is not touched until it has been idle. True: wake.
    #[must_use]
    pub fn want(&mut self, endpoints: &[Arc<WarmEndpoint>], now: Moment) -> bool {
        if !self.settings.enabled {
            return false;
        }
        let mut left = self.settings.spares.saturating_add(1);
        let mut in_use = true;
        let mut sooner = false;
        for (rank, endpoint) in endpoints.iter().enumerate() {
            let named = |other: &Arc<WarmEndpoint>| other.id == endpoint.id;
            if endpoints.iter().take(rank).any(named) {
                continue;
            }
            let entry = self.endpoints.get_mut(&endpoint.id);
            let up =
                !self.down.contains(&endpoint.id) && entry.as_ref().is_none_or(|entry| entry.failures == 0);
            if up && left == 0 {
                continue;
            }
            if let Some(entry) = entry {
                entry.wanted = now;
                // Its key may have been renewed.
                entry.endpoint = Arc::clone(endpoint);
            } else {
                let busy = up && in_use;
                self.endpoints.insert(
                    endpoint.id,
                    Entry {
                        endpoint: Arc::clone(endpoint),
                        wanted: now,
                        due: if busy { now + self.settings.refresh } else { now },
                        failures: 0,
                        touching: false,
                    },
                );
                sooner = true;
            }
            if up {
                left -= 1;
                in_use = false;
            }
        }
        if self.renew.is_none() && !self.endpoints.is_empty() {
            self.renew = Some(now + self.settings.resolve);
        }
        sooner
    }

    /// A real exchange ended well there, so a connection is warm. True: wake.
    #[must_use]
    pub fn used(&mut self, endpoint: EndpointId, now: Moment) -> bool {
        let down = self.down.contains(&endpoint);
        let Some(entry) = self.endpoints.get_mut(&endpoint) else {
            return false;
        };
        entry.failures = 0;
        if down {
            return false;
        }
        let before = std::mem::replace(&mut entry.due, now + self.settings.refresh);
        entry.due < before
    }

    /// The endpoint's breaker opened (`down`), or closed again. One that is down is asked every
    /// [`StandbySettings::probe`], and stands in nobody's place as a spare. Saying it again changes nothing. True: wake.
    #[must_use]
    pub fn set_down(&mut self, endpoint: EndpointId, down: bool, now: Moment) -> bool {
        let (changed, wait) = if down {
            (self.down.insert(endpoint), self.settings.probe)
        } else {
            (self.down.remove(&endpoint), self.settings.refresh)
        };
        if !changed {
            return false;
        }
        let Some(entry) = self.endpoints.get_mut(&endpoint) else {
            return false;
        };
        if !down {
            entry.failures = 0;
        }
        let before = entry.due;
        entry.due = before.min(now + wait);
        entry.due < before
    }

    /// What to do now. Ask again after doing it; a touch need not have ended.
    #[must_use]
    pub fn next(&mut self, now: Moment) -> Action {
        if !self.settings.enabled || self.paused.is_some() {
            return Action::Idle;
        }
        self.endpoints
            .retain(|_, entry| entry.touching || now - entry.wanted < FORGET);
        if self.endpoints.is_empty() {
            self.renew = None;
            return Action::Idle;
        }
        // A touch under way would warm a connection that is about to be dropped.
        let still = self.endpoints.values().all(|entry| !entry.touching);
        let renew = self.renew.filter(|_| still);
        if renew.is_some_and(|at| at <= now) {
            self.renew = Some(now + self.settings.resolve);
            for (id, entry) in &mut self.endpoints {
                if entry.failures == 0 && !self.down.contains(id) {
                    entry.due = now;
                }
            }
            return Action::Renew;
        }
        let free = self.endpoints.iter_mut().filter(|(_, entry)| !entry.touching);
        match free.min_by_key(|(id, entry)| (entry.due, **id)) {
            Some((id, entry)) if entry.due <= now => {
                entry.touching = true;
                Action::Touch(*id)
            }
            Some((_, entry)) => Action::Sleep(renew.map_or(entry.due, |at| at.min(entry.due))),
            None => Action::Idle,
        }
    }

    /// A touch ended; `ok`: something answered, whatever it said.
    pub fn touched(&mut self, endpoint: EndpointId, ok: bool, now: Moment) {
        let Some(entry) = self.endpoints.get_mut(&endpoint) else {
            return;
        };
        entry.touching = false;
        entry.failures = if ok { 0 } else { entry.failures.saturating_add(1) };
        let wait = match entry.failures.checked_sub(1) {
            Some(doublings) => {
                let longest = MAX_BACKOFF.max(self.settings.probe);
                let factor = 2_u32.saturating_pow(doublings);
                self.settings.probe.saturating_mul(factor).min(longest)
            }
            None if self.down.contains(&endpoint) => self.settings.probe,
            None => self.settings.refresh,
        };
        entry.due = now + wait;
    }

    /// Connections were dropped, since the network changed: everything is cold, and what could not be reached before may be
    /// now. Wake.
    pub fn renewed(&mut self, now: Moment) {
        self.renew = Some(now + self.settings.resolve);
        for entry in self.endpoints.values_mut() {
            entry.failures = 0;
            entry.due = now;
        }
    }

    /// Touches nothing from now on, as when an app goes to the background.
    pub fn pause(&mut self, now: Moment) {
        self.paused.get_or_insert(now);
    }

    /// Ends a pause; nothing was forgotten during it. Wake.
    pub fn resume(&mut self, now: Moment) {
        if let Some(since) = self.paused.take() {
            for entry in self.endpoints.values_mut() {
                entry.wanted = entry.wanted + (now - entry.wanted.max(since));
            }
        }
    }

    /// An endpoint that is kept warm.
    #[must_use]
    pub fn endpoint(&self, id: EndpointId) -> Option<Arc<WarmEndpoint>> {
        self.endpoints.get(&id).map(|entry| Arc::clone(&entry.endpoint))
    }

    /// Whoever did the touching is gone, and another begins: touches under way will not be heard of.
    pub(super) fn begin(&mut self) {
        for entry in self.endpoints.values_mut() {
            entry.touching = false;
        }
    }
}

#[cfg(test)]
mod tests;
