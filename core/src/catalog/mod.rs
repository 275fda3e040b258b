//! Facts on models and vendors: prices, windows, what a model takes. Each with its date and source.

mod capabilities;
mod providers;

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::types::Usage;

pub use capabilities::Capabilities;
pub use providers::{Provider, Quirks};

/// What is known of one model. Prices are US dollars for a million tokens.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// Whether it goes on from a last message of the assistant's own.
    #[serde(default)]
    pub prefill: bool,
    /// Whether it reasons, and how effort is said to it.
    #[serde(default)]
    pub reasoning: Reasoning,
    /// Where the facts come from.
    pub source: String,
    /// When they were read, `YYYY-MM-DD`.
    pub date: String,
}

impl Model {
    /// US dollars for `usage`; None when the vendor sent no counts.
    ///
    /// Input read from or written to the cache has its own price; where the vendor has none, it costs as much as fresh
    /// input. Long-context tiers, batch and priority discounts, tools billed by the call (web search) and dearer
    /// modalities (audio) are not in it.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^52")]
    pub fn cost_usd(&self, usage: &Usage) -> Option<f64> {
        if !usage.reported {
            return None;
        }
        let write_1h = usage.cache_write_1h_tokens.min(usage.cache_write_tokens);
        let write = usage.cache_write_tokens.saturating_sub(write_1h);
        let fresh = usage
            .input_tokens
            .saturating_sub(usage.cache_read_tokens)
            .saturating_sub(usage.cache_write_tokens);
        let write_price = self.cache_write.unwrap_or(self.input);
        let micros = fresh as f64 * self.input
            + usage.cache_read_tokens as f64 * self.cache_read.unwrap_or(self.input)
            + write as f64 * write_price
            + write_1h as f64 * self.cache_write_1h.unwrap_or(write_price)
            + usage.output_tokens as f64 * self.output;
        Some(micros / 1e6)
    }
}

/// How a model is told how hard to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
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

/// The vendor named `name` in configs and targets.
#[must_use]
pub fn provider(name: &str) -> Option<&'static Provider> {
    CATALOG.providers.iter().find(|provider| provider.name == name)
}

/// Every vendor known by name.
#[must_use]
pub fn providers() -> &'static [Provider] {
    &CATALOG.providers
}

/// What is known of a provider's model.
///
/// Dated ids (`gpt-4o-mini-2024-07-18`, `claude-haiku-4-5-20251001`) that are not listed are read as their undated
/// form, and so are Gemini's full names (`models/gemini-2.5-flash`).
#[must_use]
pub fn model(provider: &str, id: &str) -> Option<&'static Model> {
    let models = CATALOG.models.get(provider)?;
    let id = id.strip_prefix("models/").unwrap_or(id);
    models.get(id).or_else(|| models.get(undated(id)?))
}

/// `id` without `-YYYYMMDD` or `-YYYY-MM-DD`; None when it ends in neither.
fn undated(id: &str) -> Option<&str> {
    ["-dddddddd", "-dddd-dd-dd"].into_iter().find_map(|form| {
        let (stem, tail) = id.split_at_checked(id.len().checked_sub(form.len())?)?;
        let fits = tail.bytes().zip(form.bytes()).all(|(byte, form)| match form {
            b'd' => byte.is_ascii_digit(),
            dash => byte == dash,
        });
        fits.then_some(stem)
    })
}

const PROVIDERS: &str = include_str!("providers.toml");
const MODELS: &str = include_str!("models.toml");

#[derive(Default)]
struct Catalog {
    providers: Vec<Provider>,
    models: HashMap<String, HashMap<String, Model>>,
}

impl Catalog {
    fn parse(providers: &str, models: &str) -> Result<Self, toml::de::Error> {
        #[derive(Deserialize)]
        struct Providers {
            provider: Vec<Provider>,
        }
        #[derive(Deserialize)]
        struct Models {
            model: Vec<Model>,
        }
        let mut catalog = Self {
            providers: toml::from_str::<Providers>(providers)?.provider,
            models: HashMap::new(),
        };
        for model in toml::from_str::<Models>(models)?.model {
            catalog
                .models
                .entry(model.provider.clone())
                .or_default()
                .insert(model.id.clone(), model);
        }
        Ok(catalog)
    }
}

// The data is part of the build and a test parses it, so the default is never seen; without it a slip would be a panic.
static CATALOG: LazyLock<Catalog> = LazyLock::new(|| Catalog::parse(PROVIDERS, MODELS).unwrap_or_default());

#[cfg(test)]
mod tests;
