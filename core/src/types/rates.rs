/// Limits a user knows of an account. None: not known, to be learned from replies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rates {
    /// Requests a minute.
    pub requests_per_minute: Option<u32>,
    /// Input and output tokens a minute.
    pub tokens_per_minute: Option<u32>,
    /// Input tokens a minute.
    pub input_tokens_per_minute: Option<u32>,
    /// Output tokens a minute.
    pub output_tokens_per_minute: Option<u32>,
    /// Requests that may go out at once.
    pub burst: Option<u32>,
    /// Requests under way at once, for each target.
    pub concurrency: Option<u32>,
}

/// Tokens a request is thought to need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Estimate {
    /// Of the prompt.
    pub input_tokens: u64,
    /// Of the answer: the most it may have.
    pub output_tokens: u64,
}
