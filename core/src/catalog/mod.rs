//! Facts on models and vendors: prices, windows, what a model takes. Each with its date and source.

use crate::types::DialectId;

/// A vendor we know: enough to call it by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Provider {
    /// Its name in configs and targets.
    pub name: String,
    /// The format it speaks.
    pub dialect: DialectId,
    /// Its base URL, without a trailing slash.
    pub base_url: String,
    /// Environment variables that hold a key, the usual first.
    pub key_env: Vec<String>,
}

/// What is known of one model. Prices are US dollars for a million tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The provider's name.
    pub provider: String,
    /// The provider's own model id.
    pub id: String,
    /// Price of input read fresh.
    pub input: f64,
    /// Price of output, reasoning included.
    pub output: f64,
    /// Price of input read from the cache; None when the vendor has no such price.
    pub cache_read: Option<f64>,
    /// Price of input written to the cache.
    pub cache_write: Option<f64>,
    /// Price of input written to the cache for an hour.
    pub cache_write_1h: Option<f64>,
    /// Tokens of prompt and answer together.
    pub context_window: Option<u64>,
    /// Most tokens of one answer.
    pub max_output: Option<u32>,
    /// Whether it takes `temperature`, `top_p` and `top_k`; None when not known.
    pub sampling: Option<bool>,
    /// Whether it reasons, and how effort is said to it.
    pub reasoning: Reasoning,
    /// Where the facts come from.
    pub source: String,
    /// When they were read, `YYYY-MM-DD`.
    pub date: String,
}

/// How a model is told how hard to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reasoning {
    /// Not known: effort is passed in the dialect's newest form.
    #[default]
    Unknown,
    /// It does not reason.
    None,
    /// By a level.
    Effort,
    /// By a number of tokens (Anthropic `budget_tokens`, Gemini `thinkingBudget`).
    Budget,
}
