use serde::{Deserialize, Serialize};

use super::CostRange;

/// What a client knows now of its targets and keys. A snapshot; taking it changes nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Seconds since the client was made.
    pub at: f64,
    /// Every target that a route names or a request has named, by name.
    pub targets: Vec<TargetStatus>,
    /// Every key, by provider and place in its pool.
    pub keys: Vec<KeyStatus>,
    /// Retries and hedges that are paid for now, and the most that can be.
    pub retry_budget: RetryBudgetStatus,
    /// US dollars of every attempt that has ended.
    pub spent: CostRange,
    /// US dollars reserved for the attempts under way: their worst case, where prices are known.
    pub reserved: f64,
    /// Requests under way.
    pub in_flight: u64,
    /// Whether every provider refuses to connect, so that it seems to be the local network.
    pub local_network_down: bool,
    /// Whether background requests are paused.
    pub paused: bool,
}

/// What is left of the retry budget.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RetryBudgetStatus {
    /// Retries and hedges that could be made now.
    pub left: f64,
    /// The most there can be.
    pub most: f64,
}

/// One target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetStatus {
    /// `provider/model`.
    pub target: String,
    /// `closed`, `degraded`, `open`, `half_open`, `ramp`, `forced_open` or `forced_closed`: the worse of the target's
    /// own breaker and its endpoint's.
    pub state: String,
    /// Why, in a few words; "" while closed.
    pub why: String,
    /// Seconds it has been so.
    pub since: f64,
    /// Seconds until it may be tried again; None unless open.
    pub next_probe: Option<f64>,
    /// Whether others of its correlation domain opened just now, so that it gets half the traffic.
    pub suspect: bool,
    /// Attempts under way.
    pub in_flight: u32,
    /// The most there may be at once; None while no limit is known.
    pub concurrency: Option<u32>,
    /// Seconds to first content.
    pub latency: LatencyStatus,
    /// Requests that may be sent at once, with the best of its keys; None while no limit is known.
    pub requests_left: Option<u64>,
    /// Tokens that may be used at once, with the best of its keys; None while no limit is known.
    pub tokens_left: Option<u64>,
    /// The last failures, the newest last; at most 8.
    pub recent_errors: Vec<RecentError>,
    /// US dollars of its attempts that have ended.
    pub spent: CostRange,
}

/// Seconds to first content, over the last 64 streams: the time of a whole reply is mostly that of its length.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct LatencyStatus {
    /// The median.
    pub p50: Option<f64>,
    /// 19 of 20 are faster.
    pub p95: Option<f64>,
    /// Peak-EWMA: rises at once, falls over a minute.
    pub ewma: Option<f64>,
}

/// A failure that lies a while back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecentError {
    /// Seconds ago.
    pub ago: f64,
    /// The failure class's code.
    pub code: String,
    /// HTTP status, when there was a response.
    pub status: Option<u16>,
}

/// One key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyStatus {
    /// Whose.
    pub provider: String,
    /// Its place in the pool, from 0.
    pub index: usize,
    /// Its fingerprint; None when it cannot be read.
    pub key: Option<String>,
    /// The account whose limits it shares.
    pub group: String,
    /// `open`, `parked` or `not_set`.
    pub state: String,
    /// The class that parked it.
    pub code: Option<String>,
    /// Seconds it stays parked; None when open, or until its secret changes.
    pub seconds: Option<f64>,
}

/// What would be done with a request, and why. Nothing is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The route.
    pub route: String,
    /// Input tokens, estimated.
    pub input_tokens: u64,
    /// The targets, in the order they would be called.
    pub targets: Vec<ExplainedTarget>,
    /// Most attempts.
    pub max_attempts: u32,
    /// Seconds the whole request may take.
    pub timeout: f64,
}

/// One target of an [`Explanation`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExplainedTarget {
    /// `provider/model`.
    pub target: String,
    /// Whether it would be called, should its turn come now.
    pub included: bool,
    /// Why, in a few words.
    pub reason: String,
    /// The fingerprint of the key that would be used.
    pub key: Option<String>,
    /// Seconds until it may be called; None when it is open, or waiting does not help.
    pub opens_in: Option<f64>,
    /// US dollars: the prompt alone at least, the longest answer at most.
    pub cost: CostRange,
    /// How the request would be changed to fit, one line a change.
    pub adapted: Vec<String>,
}
