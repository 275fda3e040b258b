//! The parts of routes, providers and clients that have defaults of their own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::KeySource;
use crate::catalog::Catalog;

/// What a route does when a stream breaks after content has reached the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StreamRecovery {
    /// The caller gets a typed error with what had come.
    #[default]
    Error,
    /// The caller gets a `restart` event, then the answer of the next attempt from its start.
    Restart,
    /// The caller gets a `continue` event, and the next attempt goes on where the text broke off: only at models that
    /// the catalog says go on from a last assistant message, and never in a tool call, a refusal, signed reasoning or
    /// a JSON answer. Otherwise as `restart`.
    Continue,
}

impl StreamRecovery {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Error, Self::Restart, Self::Continue];

    /// The word used in configs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Restart => "restart",
            Self::Continue => "continue",
        }
    }
}

/// How long a stream's first delivery is held back, so that more failures stay silent: until either is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldBack {
    /// Characters of content.
    pub chars: Option<usize>,
    /// Time since the first content.
    pub time: Option<Duration>,
}

/// A second attempt that races a slow first one. Only streams are hedged, since only there a vendor that is left stops
/// working; it goes to a target of another correlation domain, before any content, and the first content wins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hedge {
    /// How long the first attempt is given. None: its target's 95th percentile of time to first content, once 50 are
    /// known, and at least 1 s.
    pub after: Option<Duration>,
    /// Most of the requests, and of the money of the last 10 minutes, that hedges may take. Default 0.05.
    pub share: f64,
}

impl Default for Hedge {
    fn default() -> Self {
        Self {
            after: None,
            share: 0.05,
        }
    }
}

/// One key of a provider's pool.
#[derive(Debug, Clone)]
pub struct PooledKey {
    /// Where it is read from.
    pub source: KeySource,
    /// Its share of the traffic, beside the other keys' weights. Default 1.
    pub weight: f64,
    /// The account whose limits it shares with other keys of the provider. None: one of its own.
    pub group: Option<String>,
}

impl From<KeySource> for PooledKey {
    fn from(source: KeySource) -> Self {
        Self {
            source,
            weight: 1.0,
            group: None,
        }
    }
}

/// Connections kept open to the targets a route would use next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standby {
    /// Whether any are. Default: yes.
    pub enabled: bool,
    /// How many targets beside the first of a plan. Default 1.
    pub spares: u32,
    /// How often an idle connection is used, for a free request. Default 45 s: vendors' edges close idle connections
    /// after 60 s and more, and ours are kept for 50 s.
    pub refresh: Duration,
}

impl Default for Standby {
    fn default() -> Self {
        Self {
            enabled: true,
            spares: 1,
            refresh: Duration::from_secs(45),
        }
    }
}

/// Facts on models besides those of this build. `Debug` shows the host of the URL only: the rest may hold a secret.
#[derive(Clone)]
pub struct CatalogSource {
    /// The facts of this build with those of `catalog.file` over them.
    pub facts: Arc<Catalog>,
    /// Where more are fetched from, from the first call on. They stand over those of the file.
    pub url: Option<Url>,
    /// How often they are fetched. Default 24 h: prices change by the month.
    pub refresh: Duration,
}

impl std::fmt::Debug for CatalogSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CatalogSource")
            .field("host", &self.url.as_ref().and_then(Url::host_str))
            .field("refresh", &self.refresh)
            .finish_non_exhaustive()
    }
}

impl Default for CatalogSource {
    fn default() -> Self {
        Self {
            facts: Arc::default(),
            url: None,
            refresh: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// What is done with a request that a target has no equal for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Adapt {
    /// It is fitted where the meaning stays; otherwise the target is passed over, with the reason.
    #[default]
    Strict,
    /// What the target has no equal for is left out, and named in the trail.
    Lossy,
}

/// Credentials of a cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloudKey {
    /// `gcp:service-account:PATH`: a service account's key file. Relative to the config file's directory.
    GcpServiceAccount(PathBuf),
    /// `gcp:metadata`: the account of the Google machine this runs on.
    GcpMetadata,
    /// `gcp:default`: the file that `GOOGLE_APPLICATION_CREDENTIALS` names, or else the machine's account.
    GcpDefault,
    /// `azure:entra`: an app, by `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET`.
    AzureEntra,
    /// `azure:managed-identity`: the identity of the Azure machine this runs on.
    AzureManagedIdentity,
    /// `aws:env`: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, where set, `AWS_SESSION_TOKEN`.
    AwsEnv,
    /// `aws:profile:NAME`: a profile of the shared credentials file.
    AwsProfile(String),
    /// `aws:role`: the role of the container, or of the instance, this runs on.
    AwsRole,
    /// `aws:default`: the first of variables, the profile `AWS_PROFILE` or `default`, and the role.
    AwsDefault,
}

impl CloudKey {
    /// What configs say for each, without what follows.
    pub const FORMS: [&str; 9] = [
        "gcp:service-account:PATH",
        "gcp:metadata",
        "gcp:default",
        "azure:entra",
        "azure:managed-identity",
        "aws:env",
        "aws:profile:NAME",
        "aws:role",
        "aws:default",
    ];
}

impl std::fmt::Display for CloudKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::GcpServiceAccount(path) => write!(f, "gcp:service-account:{}", path.display()),
            Self::GcpMetadata => f.write_str("gcp:metadata"),
            Self::GcpDefault => f.write_str("gcp:default"),
            Self::AzureEntra => f.write_str("azure:entra"),
            Self::AzureManagedIdentity => f.write_str("azure:managed-identity"),
            Self::AwsEnv => f.write_str("aws:env"),
            Self::AwsProfile(name) => write!(f, "aws:profile:{name}"),
            Self::AwsRole => f.write_str("aws:role"),
            Self::AwsDefault => f.write_str("aws:default"),
        }
    }
}
