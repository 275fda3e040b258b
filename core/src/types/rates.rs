use std::time::Duration;

/// The limits a config names for a key. None: not named, so what the vendor's headers tell holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rates {
    /// Requests a minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens a minute, input and output together.
    pub tokens_per_minute: Option<u32>,
    /// Input tokens a minute.
    pub input_tokens_per_minute: Option<u32>,
    /// Output tokens a minute.
    pub output_tokens_per_minute: Option<u32>,
    /// Requests that may be sent at once after a pause. Default: a tenth of the requests a minute, at least 1.
    pub burst: Option<u32>,
    /// Requests in flight at once to one target. Default: no limit until the vendor shows one.
    pub concurrency: Option<u32>,
}

/// What a rate limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RateUnit {
    /// Requests.
    Requests,
    /// Tokens, input and output together.
    Tokens,
    /// Input tokens.
    InputTokens,
    /// Output tokens.
    OutputTokens,
}

/// What a reply's headers told of one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateTold {
    /// What it counts.
    pub what: RateUnit,
    /// Over how long. None: not told; a minute is the usual.
    pub per: Option<Duration>,
    /// How many in that time. Never 0: vendors that write 0 mean "unknown".
    pub limit: Option<u64>,
    /// How many are left.
    pub remaining: Option<u64>,
    /// When the vendor says that it is whole again.
    pub resets_in: Option<Duration>,
}

/// What a request is thought to use before it is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Input tokens.
    pub input_tokens: u64,
    /// Output tokens: the most it may use.
    pub output_tokens: u64,
}
