//! The keys of a client: read once, kept, bound to the one origin they may go to.

use std::sync::{Arc, Mutex};

use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use url::{Origin, Url};

use super::credentials::{Cloud, Scope};
use super::lock;
use crate::catalog::Auth;
use crate::config::{self, KeySource};
use crate::dialect::dialect;
use crate::secrets;
use crate::types::{DialectId, Failure, KeyId, Moment};

/// A key as it is sent at each door of its provider.
pub(crate) struct Key {
    pub(crate) fingerprint: String,
    pub(super) kept: Kept,
    shown: Vec<Shown>,
}

/// What a request is made one with that the vendor takes.
pub(super) enum Kept {
    /// A secret, sent as it is.
    Secret(SecretString),
    /// A cloud's credentials, of which a token or a signature is made.
    Cloud(Box<Cloud>),
}

/// A key at a door, bound to the one origin it may go to.
pub(crate) struct Shown {
    pub(crate) origin: Origin,
    /// Its header; None for what is made anew for each request.
    pub(super) header: Option<(HeaderName, HeaderValue)>,
    /// What requests are signed for, where they can be.
    pub(super) scope: Option<Scope>,
}

impl Key {
    /// As it is sent at a door; None when the provider has no such door.
    pub(crate) fn at(&self, door: usize) -> Option<&Shown> {
        self.shown.get(door)
    }

    /// Takes the key out of what a vendor said: some echo what they were sent.
    pub(super) fn scrub(&self, failure: &mut Failure) {
        match &self.kept {
            Kept::Secret(secret) => scrub(secret, failure),
            Kept::Cloud(cloud) => cloud.shown().iter().for_each(|secret| scrub(secret, failure)),
        }
    }
}

/// Fewer characters of a key are its vendor's mark (`sk-proj-`), and tell nothing.
const TELLING: usize = 8;

/// Takes a secret out of what a vendor said.
fn scrub(secret: &SecretString, failure: &mut Failure) {
    let texts = [
        Some(&mut failure.message),
        failure.code.as_mut(),
        failure.request_id.as_mut(),
    ];
    for text in texts.into_iter().flatten() {
        take_out(secret, text);
    }
}

/// Takes a secret out of a text.
pub(super) fn take_out(secret: &SecretString, text: &mut String) {
    let secret = secret.expose_secret();
    if !secret.is_empty() && text.contains(secret) {
        *text = text.replace(secret, "[key]");
    }
    cut_off(secret, text);
}

/// Takes away the beginning of a key at the end of a text that was cut there.
fn cut_off(secret: &str, text: &mut String) {
    let Some(said) = text.strip_suffix('…') else {
        return;
    };
    let at = (TELLING..secret.len()).find_map(|length| {
        let head = secret.get(..length)?;
        said.strip_suffix(head).map(str::len)
    });
    if let Some(at) = at {
        text.truncate(at);
        text.push_str("[key]…");
    }
}

struct Slot {
    source: KeySource,
    read: Mutex<Option<Arc<Key>>>,
}

/// Where a key is shown, and how: the provider's own place, then each of its surfaces.
struct Door {
    header: HeaderName,
    prefix: &'static str,
    origin: Origin,
    scope: Option<Scope>,
}

impl Door {
    fn new(auth: Option<&Auth>, id: DialectId, base_url: &Url, region: Option<&str>) -> Self {
        let (header, prefix) = auth.map_or_else(|| dialect(id).auth(), Auth::header);
        Self {
            // A name that is none is a slip in the table, which a test reads.
            header: HeaderName::try_from(header).unwrap_or(AUTHORIZATION),
            prefix,
            origin: base_url.origin(),
            scope: Scope::of(auth, region, base_url),
        }
    }
}

/// A header that every request of a provider carries.
struct Fixed {
    name: HeaderName,
    secret: SecretString,
    value: HeaderValue,
}

/// The key pool of one provider, and what else its requests show.
pub(super) struct Pool {
    provider: usize,
    doors: Vec<Door>,
    slots: Vec<Slot>,
    sources: Vec<(HeaderName, KeySource)>,
    fixed: Mutex<Option<Arc<[Fixed]>>>,
}

impl Pool {
    pub(super) fn new(provider: usize, config: &config::Provider) -> Self {
        let slots = config.keys.iter().map(|key| Slot {
            source: key.source.clone(),
            read: Mutex::new(None),
        });
        let region = config.region.as_deref();
        let own = Door::new(config.auth.as_ref(), config.dialect, &config.base_url, region);
        let surfaces = config.surfaces.iter();
        let surfaces =
            surfaces.map(|there| Door::new(there.auth.as_ref(), there.dialect, &there.base_url, region));
        Self {
            provider,
            doors: std::iter::once(own).chain(surfaces).collect(),
            slots: slots.collect(),
            sources: config.headers.clone(),
            fixed: Mutex::new(None),
        }
    }

    /// Adds the headers that every request carries, if it goes where the door `door` leads.
    pub(super) fn dress(&self, door: usize, origin: &Origin, headers: &mut HeaderMap) -> Result<(), String> {
        let leads_there = self.doors.get(door).is_some_and(|door| door.origin == *origin);
        if self.sources.is_empty() || !leads_there {
            return Ok(());
        }
        for fixed in &*self.fixed()? {
            headers.insert(fixed.name.clone(), fixed.value.clone());
        }
        Ok(())
    }

    /// Takes the values of those headers out of what a vendor said.
    pub(super) fn scrub(&self, failure: &mut Failure) {
        let Some(fixed) = lock(&self.fixed).clone() else {
            return;
        };
        for fixed in &*fixed {
            if fixed.secret.expose_secret().len() >= TELLING {
                scrub(&fixed.secret, failure);
            }
        }
    }

    /// Read once and kept; an unreadable one is looked for anew each time.
    fn fixed(&self) -> Result<Arc<[Fixed]>, String> {
        let mut kept = lock(&self.fixed);
        if let Some(fixed) = &*kept {
            return Ok(Arc::clone(fixed));
        }
        let read = self.sources.iter().map(|(name, source)| {
            let secret = secrets::resolve(source).map_err(|why| format!("header {name}: {why}"))?;
            Ok(Fixed {
                name: name.clone(),
                value: sensitive(secret.expose_secret()).map_err(|why| format!("header {name}: {why}"))?,
                secret,
            })
        });
        let fixed: Arc<[Fixed]> = read.collect::<Result<_, String>>()?;
        *kept = Some(Arc::clone(&fixed));
        Ok(fixed)
    }

    /// The keys that can be read; the one that stands for "none needed" where there are none.
    pub(super) fn usable(&self) -> Vec<KeyId> {
        let id = |key| KeyId {
            provider: self.provider,
            key,
        };
        if self.slots.is_empty() {
            return vec![id(0)];
        }
        (0..self.slots.len())
            .filter(|key| self.key(*key).is_some_and(|key| key.is_ok()))
            .map(id)
            .collect()
    }

    /// A key, read once and kept; None for a provider that has none. An unreadable one is looked for anew each time,
    /// since the variable may be set later.
    pub(super) fn key(&self, index: usize) -> Option<Result<Arc<Key>, String>> {
        let slot = self.slots.get(index)?;
        let mut read = lock(&slot.read);
        if let Some(key) = &*read {
            return Some(Ok(Arc::clone(key)));
        }
        let key = self.read(&slot.source);
        if let Ok(key) = &key {
            *read = Some(Arc::clone(key));
        }
        Some(key)
    }

    /// Reads the source of a key again of which the secret with the fingerprint `refused` was refused: whether it holds
    /// another secret now, whoever noticed first, and whether that was news. Calls that began with the old one end after
    /// it was replaced.
    pub(super) fn renew(&self, index: usize, refused: Option<&str>, now: Moment) -> Renewed {
        let Some(slot) = self.slots.get(index) else {
            return Renewed::No;
        };
        if let Some(key) = &*lock(&slot.read)
            && let Kept::Cloud(cloud) = &key.kept
        {
            // Its own name is no secret that was sent.
            return cloud.refuse(refused.filter(|refused| *refused != key.fingerprint), now);
        }
        let Ok(key) = self.read(&slot.source) else {
            return Renewed::No;
        };
        if refused == Some(key.fingerprint.as_str()) {
            return Renewed::No;
        }
        let mut read = lock(&slot.read);
        let known = read
            .as_ref()
            .is_some_and(|old| old.fingerprint == key.fingerprint);
        *read = Some(key);
        if known { Renewed::Before } else { Renewed::Now }
    }

    /// What reading each key that cannot be read said.
    pub(super) fn problems(&self) -> Vec<String> {
        (0..self.slots.len())
            .filter_map(|key| self.key(key)?.err())
            .collect()
    }

    fn read(&self, source: &KeySource) -> Result<Arc<Key>, String> {
        let shown = |door: &Door, header| Shown {
            origin: door.origin.clone(),
            header,
            scope: door.scope.clone(),
        };
        if let KeySource::Cloud(cloud) = source {
            secrets::cloud::check(cloud)?;
            return Ok(Arc::new(Key {
                fingerprint: secrets::fingerprint(&SecretString::from(cloud.to_string())),
                kept: Kept::Cloud(Box::new(Cloud::new(cloud.clone()))),
                shown: self.doors.iter().map(|door| shown(door, None)).collect(),
            }));
        }
        let secret = secrets::resolve(source)?;
        let all = self.doors.iter().map(|door| {
            let value = sensitive(&format!("{}{}", door.prefix, secret.expose_secret()))
                .map_err(|why| format!("the key {why}"))?;
            Ok(shown(door, Some((door.header.clone(), value))))
        });
        let shown = all.collect::<Result<_, String>>()?;
        Ok(Arc::new(Key {
            fingerprint: secrets::fingerprint(&secret),
            kept: Kept::Secret(secret),
            shown,
        }))
    }
}

fn sensitive(text: &str) -> Result<HeaderValue, &'static str> {
    let mut value = HeaderValue::from_str(text).map_err(|_| "holds a character that no header takes")?;
    value.set_sensitive(true);
    Ok(value)
}

/// What reading a secret again has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Renewed {
    /// It is the one that was refused, or cannot be read.
    No,
    /// It is another one, as another call has noticed.
    Before,
    /// It is another one.
    Now,
}
