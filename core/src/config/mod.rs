//! What a user writes → a [`Config`] that is known to be right.
//!
//! Readers report *all* problems, each with its key path, its line where the text has lines, and the nearest valid name.

mod embed;
mod field;
mod ingress;
mod options;
mod problem;
mod read;
mod read_options;
mod read_provider;
mod section;
mod tree;

pub use embed::{Embedding, RouteKind};
pub(crate) use embed::{SAME_MODEL, other_model};
pub(crate) use field::check_key;
pub use ingress::Names;
pub use options::{Adapt, CatalogSource, CloudKey, Hedge, HoldBack, PooledKey, Standby, StreamRecovery};
pub(crate) use problem::did_you_mean;
pub use problem::{ConfigError, Problem};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderName;
use secrecy::SecretString;
use url::Url;

use crate::catalog::{Auth, Quirks, fits};
use crate::types::{DialectId, FailureClass, Rates};

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
    /// PEM files of certificate authorities trusted besides the platform's. Relative to the config file's directory.
    pub extra_roots: Vec<PathBuf>,
    /// Connections kept open to the targets a route would use next.
    pub standby: Standby,
    /// Facts on models besides those of this build.
    pub catalog: CatalogSource,
    /// What the model names of clients that speak a vendor's format mean.
    pub ingress: Names,
}

impl Config {
    /// Reads TOML.
    ///
    /// # Errors
    /// Every problem, each with its key path and line.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        read::config(tree::from_toml(text), Path::new(""))
    }

    /// Reads strict JSON of the same shape. A null is as good as a key left out.
    ///
    /// # Errors
    /// Every problem, each with its key path, and its line when the text has more than one.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        read::config(tree::from_json(text), Path::new(""))
    }

    /// Reads a file: TOML, or JSON when its name ends in `.json`. Relative paths in it (`file:` keys, `extra_roots`)
    /// are taken from the file's own directory.
    ///
    /// # Errors
    /// Every problem; one, when the file cannot be read.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let base = path.parent().unwrap_or(Path::new(""));
        let tree = match (
            path.extension().and_then(|extension| extension.to_str()),
            std::fs::read_to_string(path),
        ) {
            (Some("toml"), Ok(text)) => tree::from_toml(&text),
            (Some("json"), Ok(text)) => tree::from_json(&text),
            (Some("toml" | "json"), Err(error)) => {
                Err(vec![Problem::of_text(format!("cannot be read: {error}"))])
            }
            _ => Err(vec![Problem::of_text(
                "expected a file name that ends in .toml or .json".to_owned(),
            )]),
        };
        read::config(tree, base).map_err(|error| error.in_file(path))
    }

    /// A config of one route named `default`, made of `targets` such as `openai/gpt-4o-mini`, all of providers in the
    /// [catalog](crate::catalog). Keys come from the providers' usual environment variables.
    ///
    /// # Errors
    /// Every problem, under the path `targets`.
    pub fn from_targets<T: Into<String>>(targets: impl IntoIterator<Item = T>) -> Result<Self, ConfigError> {
        read::targets(targets.into_iter().map(Into::into))
    }

    /// Every target of every route, each once.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        let targets: std::collections::BTreeSet<&Target> =
            self.routes.values().flat_map(|route| &route.targets).collect();
        targets.into_iter()
    }
}

/// One vendor account.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its name.
    pub name: String,
    /// Its entry in the [catalog](crate::catalog), under which the facts on its models stand. None: a vendor not known
    /// there.
    pub vendor: Option<String>,
    /// The format it speaks.
    pub dialect: DialectId,
    /// Base URL without a trailing slash (`Url` itself keeps one where there is no path). `https`, or `http` on loopback,
    /// `*.localhost` and `*.sim` hosts. Never with a user, a query or a fragment.
    pub base_url: Url,
    /// The region it is called in, where the vendor has regions.
    pub region: Option<String>,
    /// How a request shows its key. None: as is usual in the dialect.
    pub auth: Option<Auth>,
    /// Its key pool. Empty: requests carry no key.
    pub keys: Vec<PooledKey>,
    /// Headers that every request carries, over those of the dialect. Their values may be secrets.
    pub headers: Vec<(HeaderName, KeySource)>,
    /// Models that are served in another format, or elsewhere; the first that fits.
    pub surfaces: Vec<Surface>,
    /// How its way of speaking the format differs.
    pub quirks: Quirks,
    /// The limits of each of its accounts, as far as the user knows them.
    pub limits: Rates,
    /// What it may fail together with, such as `cloud:aws:us-east-1` or `edge:cloudflare`; other targets are preferred
    /// while these fail. A provider always has its own name as one.
    pub domains: Vec<String>,
    /// Path of a free request under `base_url`, such as `/models`; it keeps connections warm and finds out whether the
    /// endpoint can be reached. None: the base URL is asked for without a key.
    pub probe: Option<String>,
}

impl Provider {
    /// The surface that serves `model`; None when it is served as the provider's other models are.
    #[must_use]
    pub fn surface(&self, model: &str) -> Option<&Surface> {
        self.surfaces
            .iter()
            .find(|surface| surface.models.iter().any(|pattern| fits(pattern, model)))
    }
}

/// Models of a provider that are served in another format, or elsewhere.
#[derive(Debug, Clone)]
pub struct Surface {
    /// The format they are served in.
    pub dialect: DialectId,
    /// Patterns of their ids; `*` stands for any text.
    pub models: Vec<String>,
    /// Base URL, as [`Provider::base_url`].
    pub base_url: Url,
    /// How a request shows its key there. None: as is usual in the dialect.
    pub auth: Option<Auth>,
    /// How the format is spoken there.
    pub quirks: Quirks,
}

/// Where a key comes from. `Debug` never shows a literal.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// `env:NAME`.
    Env(String),
    /// `file:PATH`; white space around the content is dropped. Relative to the config file's directory.
    File(PathBuf),
    /// The key itself.
    Literal(SecretString),
    /// Credentials of a cloud, from which tokens or signatures are made.
    Cloud(CloudKey),
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
    /// What is done when a stream breaks after content has reached the caller. Default: a typed error.
    pub stream_recovery: StreamRecovery,
    /// How long a stream's first delivery is held back. Default: not at all.
    pub hold_back: Option<HoldBack>,
    /// Whether calls that want a whole reply run over a stream upstream, so that silence is noticed after
    /// `first_token` or `idle`, and a cut one begins anew unseen. Default: no.
    pub via_stream: bool,
    /// A second attempt that races a slow first one. Default: none.
    pub hedge: Option<Hedge>,
    /// What is done with a request that a target cannot be asked as it is. Default: that target is passed over.
    pub adapt: Adapt,
    /// Whether it answers chats or makes embeddings. Default: chats. A route of either kind whose targets are all of one
    /// model name serves embeddings that are asked of it by name.
    pub kind: RouteKind,
    /// What a route of kind `embed` says of its vectors.
    pub embedding: Embedding,
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

impl Default for Route {
    /// The defaults, with no name and no targets.
    fn default() -> Self {
        Self {
            name: String::new(),
            targets: Vec::new(),
            strategy: Strategy::default(),
            timeouts: Timeouts::default(),
            max_attempts: MAX_ATTEMPTS,
            rate_limit_wait: RATE_LIMIT_WAIT,
            failover_on: Vec::new(),
            backoff: Backoff::default(),
            stream_recovery: StreamRecovery::default(),
            hold_back: None,
            via_stream: false,
            hedge: None,
            adapt: Adapt::default(),
            kind: RouteKind::default(),
            embedding: Embedding::default(),
        }
    }
}

#[cfg(test)]
mod provider_tests;
#[cfg(test)]
mod tests;
