//! The keys of a client: read once, kept, bound to the one origin they may go to.

use std::sync::{Arc, Mutex};

use http::HeaderValue;
use http::header::HeaderName;
use secrecy::{ExposeSecret, SecretString};
use url::Origin;

use super::credentials::{Cloud, Scope};
use super::lock;
use crate::config::{self, KeySource};
use crate::dialect::{Dialect, dialect};
use crate::secrets;
use crate::types::{Failure, KeyId, Moment};

/// A key as it is sent, bound to the one origin it may go to.
pub(crate) struct Key {
    pub(crate) fingerprint: String,
    pub(crate) origin: Origin,
    pub(super) way: Way,
}

/// How a request is made one that the vendor takes.
pub(super) enum Way {
    /// By a header that is always the same.
    Header {
        secret: SecretString,
        name: HeaderName,
        value: HeaderValue,
    },
    /// By a token or a signature made of a cloud's credentials.
    Cloud(Cloud),
}

impl Key {
    /// Takes the key out of what a vendor said: some echo what they were sent.
    pub(super) fn scrub(&self, failure: &mut Failure) {
        match &self.way {
            Way::Header { secret, .. } => scrub(secret, failure),
            Way::Cloud(cloud) => cloud.shown().iter().for_each(|secret| scrub(secret, failure)),
        }
    }
}

fn scrub(secret: &SecretString, failure: &mut Failure) {
    let secret = secret.expose_secret();
    let texts = [
        Some(&mut failure.message),
        failure.code.as_mut(),
        failure.request_id.as_mut(),
    ];
    for text in texts.into_iter().flatten() {
        if text.contains(secret) {
            *text = text.replace(secret, "[key]");
        }
        cut_off(secret, text);
    }
}

/// Takes away the beginning of a key at the end of a text that was cut there.
fn cut_off(secret: &str, text: &mut String) {
    /// Fewer characters of a key are its vendor's mark (`sk-proj-`), and tell nothing.
    const TELLING: usize = 8;
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

/// The key pool of one provider.
pub(super) struct Pool {
    provider: usize,
    dialect: &'static dyn Dialect,
    origin: Origin,
    scope: Option<Scope>,
    slots: Vec<Slot>,
}

impl Pool {
    pub(super) fn new(provider: usize, config: &config::Provider) -> Self {
        let slots = config.keys.iter().map(|key| Slot {
            source: key.source.clone(),
            read: Mutex::new(None),
        });
        Self {
            provider,
            dialect: dialect(config.dialect),
            origin: config.base_url.origin(),
            scope: Scope::of(&config.base_url),
            slots: slots.collect(),
        }
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
            && let Way::Cloud(cloud) = &key.way
        {
            return cloud.refuse(refused, now);
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
        let (name, prefix) = self.dialect.auth();
        let name = HeaderName::from_static(name);
        if let KeySource::Cloud(cloud) = source {
            secrets::cloud::check(cloud)?;
            return Ok(Arc::new(Key {
                fingerprint: secrets::fingerprint(&SecretString::from(cloud.to_string())),
                origin: self.origin.clone(),
                way: Way::Cloud(Cloud::new(
                    cloud.clone(),
                    (name, prefix.to_owned()),
                    self.scope.clone(),
                )),
            }));
        }
        let secret = secrets::resolve(source)?;
        let mut value = HeaderValue::from_str(&format!("{prefix}{}", secret.expose_secret()))
            .map_err(|_| "the key holds a character that no header takes".to_owned())?;
        value.set_sensitive(true);
        Ok(Arc::new(Key {
            fingerprint: secrets::fingerprint(&secret),
            origin: self.origin.clone(),
            way: Way::Header { secret, name, value },
        }))
    }
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
