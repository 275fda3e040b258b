use serde::{Deserialize, Serialize};

/// Tokens one reply used, normalized over vendors: the totals include their parts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Whether the vendor sent counts. When it did not, every count is 0 and the cost is unknown, not $0.
    pub reported: bool,
    /// All input tokens, cached ones included.
    pub input_tokens: u64,
    /// All output tokens, reasoning included.
    pub output_tokens: u64,
    /// Input tokens read from the vendor's prompt cache.
    pub cache_read_tokens: u64,
    /// Input tokens written to the vendor's prompt cache, at any lifetime.
    pub cache_write_tokens: u64,
    /// The part of `cache_write_tokens` written with a lifetime of an hour, which Anthropic bills higher.
    pub cache_write_1h_tokens: u64,
    /// Output tokens spent on reasoning.
    pub reasoning_tokens: u64,
}

impl Usage {
    /// Both together. `reported` is this one's: an answer in several parts is counted as far as its vendors told.
    #[must_use]
    pub const fn plus(&self, other: &Self) -> Self {
        Self {
            reported: self.reported,
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cache_read_tokens: self.cache_read_tokens.saturating_add(other.cache_read_tokens),
            cache_write_tokens: self.cache_write_tokens.saturating_add(other.cache_write_tokens),
            cache_write_1h_tokens: self
                .cache_write_1h_tokens
                .saturating_add(other.cache_write_1h_tokens),
            reasoning_tokens: self.reasoning_tokens.saturating_add(other.reasoning_tokens),
        }
    }

    /// Input plus output tokens.
    #[must_use]
    pub const fn total_tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
}
