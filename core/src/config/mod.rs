//! What a user writes → a [`Config`] that is known to be right.
//!
//! Readers report *all* problems, each with its key path, its line where the text has lines, and the nearest valid name.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::types::{DialectId, FailureClass};

/// Most attempts a request, by default: gRPC's and AWS's own caps are 3 to 5.
pub const MAX_ATTEMPTS: u32 = 4;
/// Longest wait for a rate-limited target when nothing else is left, by default.
pub const RATE_LIMIT_WAIT: Duration = Duration::from_secs(10);

/// A validated config. Every target names a provider that is in `providers`; every route has a target.
#[derive(Debug, Clone)]
pub struct Config {
    /// Providers by name.
    pub providers: BTreeMap<String, Provider>,
    /// Routes by name. The one used when a request names none is `default`.
    pub routes: BTreeMap<String, Route>,
    /// PEM files of certificate authorities trusted besides the platform's.
    pub extra_roots: Vec<PathBuf>,
}

/// One vendor account.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its name.
    pub name: String,
    /// The format it speaks.
    pub dialect: DialectId,
    /// Base URL without a trailing slash. `https`, or `http` on loopback.
    pub base_url: Url,
    /// Its key pool, in order of preference. Empty: requests carry no key.
    pub keys: Vec<KeySource>,
}

/// Where a key comes from. `Debug` never shows a literal.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// `env:NAME`.
    Env(String),
    /// `file:PATH`; white space around the content is dropped.
    File(PathBuf),
    /// The key itself.
    Literal(SecretString),
}

/// Provider and model: what one attempt is sent to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// The provider's name.
    pub provider: String,
    /// The provider's own model id; may itself hold slashes.
    pub model: String,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

/// How a plan is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// In the order written.
    #[default]
    Priority,
}

/// A named policy.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its name.
    pub name: String,
    /// Its targets, in the order written. Never empty.
    pub targets: Vec<Target>,
    /// How they are ordered.
    pub strategy: Strategy,
    /// Its timers.
    pub timeouts: Timeouts,
    /// Most attempts a request. Default: 4 (reference: gRPC's and AWS's caps are 3–5).
    pub max_attempts: u32,
    /// Longest wait for a rate-limited target when no other key or target is left. Default: 10 s.
    pub rate_limit_wait: Duration,
    /// Classes that go on to the next target though by default they do not:
    /// any of `authentication`, `content_filtered`. Default: none.
    pub failover_on: Vec<FailureClass>,
    /// Jittered waits before the same target is tried again.
    pub backoff: Backoff,
}

/// A route's timers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// The whole request: attempts and waits. Default: 120 s.
    pub total: Duration,
    /// Making a connection. Default: 3 s.
    pub connect: Duration,
    /// From an attempt's start to its first content, in streams. Comments, pings and empty deltas are not content.
    /// Default: 30 s.
    pub first_token: Duration,
    /// Between two pieces of content, in streams. Default: 30 s.
    pub idle: Duration,
    /// One attempt of a call that is not streamed. Default: its slice of `total`.
    pub attempt: Option<Duration>,
    /// What each later target is left of `total`, at least, as long as `total` allows. Default: 10 s.
    pub reserve: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            total: Duration::from_secs(120),
            connect: Duration::from_secs(3),
            first_token: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            attempt: None,
            reserve: Duration::from_secs(10),
        }
    }
}

/// Full-jitter exponential backoff: the n-th wait is random in 0..min(`cap`, `base`·2ⁿ).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    /// Default: 50 ms.
    pub base: Duration,
    /// Default: 2 s.
    pub cap: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            base: Duration::from_millis(50),
            cap: Duration::from_secs(2),
        }
    }
}
