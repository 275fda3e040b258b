use serde::{Deserialize, Serialize};

use crate::types::{ReasoningEffort, Usage};

/// What is known of one model. Prices are US dollars for a million tokens, text, standard service tier. None: not known.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Model {
    /// The provider's name.
    #[serde(skip_deserializing)]
    pub provider: String,
    /// The provider's own model id.
    #[serde(skip_deserializing)]
    pub id: String,
    /// What it is for. Default: chat.
    pub kind: Kind,
    /// Price of input read fresh.
    pub input: Option<f64>,
    /// Price of output, reasoning included.
    pub output: Option<f64>,
    /// Price of input read from the cache; None when the vendor has no such price.
    pub cache_read: Option<f64>,
    /// Price of input written to the cache.
    pub cache_write: Option<f64>,
    /// Price of input written to the cache for an hour.
    pub cache_write_1h: Option<f64>,
    /// Other prices of longer prompts, shortest first.
    pub tiers: Vec<Tier>,
    /// Price of fresh input in the vendor's batch service.
    pub batch_input: Option<f64>,
    /// Price of output in the vendor's batch service.
    pub batch_output: Option<f64>,
    /// Tokens of prompt and answer together.
    pub context_window: Option<u64>,
    /// Most tokens of a prompt, where that is less than the window.
    pub max_input: Option<u64>,
    /// Most tokens of one answer.
    pub max_output: Option<u32>,
    /// Numbers in a vector; where a request may ask for fewer, the most.
    pub dimensions: Option<u32>,
    /// Whether it takes images.
    pub vision: Option<bool>,
    /// Whether it takes documents (PDF).
    pub documents: Option<bool>,
    /// Whether it takes sound.
    pub audio: Option<bool>,
    /// Whether it calls functions.
    pub tools: Option<bool>,
    /// Whether it calls several functions in one turn.
    pub parallel_tools: Option<bool>,
    /// Whether its answer can be held to a JSON Schema.
    pub json_schema: Option<bool>,
    /// Whether it takes system messages.
    pub system: Option<bool>,
    /// Whether it reasons, and how effort is said to it.
    pub reasoning: Reasoning,
    /// The levels of effort it takes, least first; empty when not known.
    pub efforts: Vec<ReasoningEffort>,
    /// Whether it takes `temperature`, `top_p` and `top_k`.
    pub sampling: Option<bool>,
    /// Whether it goes on from a last message of the assistant's own.
    pub prefill: Option<bool>,
    /// What only OpenAI's Responses API can ask of it. Default: nothing.
    pub responses: Option<Responses>,
    /// When its knowledge ends: `YYYY-MM-DD`, `YYYY-MM` or `YYYY`.
    pub knowledge: Option<String>,
    /// The day from which the vendor no longer answers for it, `YYYY-MM-DD`.
    pub retires: Option<String>,
    /// Whether the vendor advises against it.
    pub deprecated: Option<bool>,
    /// The fields that the sources differ on: `docs/catalog-disagreements.tsv`.
    pub disputed: Vec<String>,
    /// Where the facts come from.
    pub source: Vec<Source>,
}

/// The prices of prompts above a length: the whole request is billed at them, as vendors do. A price that is not there
/// stays what it is below.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tier {
    /// Tokens of input, cached ones included, that the prompt must have more than.
    pub above: u64,
    /// As [`Model::input`].
    pub input: Option<f64>,
    /// As [`Model::output`].
    pub output: Option<f64>,
    /// As [`Model::cache_read`].
    pub cache_read: Option<f64>,
    /// As [`Model::cache_write`].
    pub cache_write: Option<f64>,
    /// As [`Model::cache_write_1h`].
    pub cache_write_1h: Option<f64>,
}

/// What every token of one request costs, in US dollars for a million.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prices {
    /// Input read fresh.
    pub input: f64,
    /// Output.
    pub output: f64,
    /// Input read from the cache; where the vendor has no such price, that of fresh input.
    pub cache_read: f64,
    /// Input written to the cache; likewise.
    pub cache_write: f64,
    /// Input written to the cache for an hour; where the vendor has no such price, that of a write.
    pub cache_write_1h: f64,
}

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It answers.
    #[default]
    Chat,
    /// It makes vectors of texts.
    Embedding,
}

/// How a model is told how hard to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
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

/// What only OpenAI's Responses API can ask of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Responses {
    /// Tools together with an effort other than `none`: Chat Completions answers 400.
    Tools,
    /// Everything.
    Only,
}

/// Where a fact comes from. The versions that were read are in `sources.json`, beside the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// genai-prices, by Pydantic: prices and windows.
    #[serde(rename = "genai-prices")]
    GenaiPrices,
    /// LiteLLM's model list: limits, flags, retirement.
    #[serde(rename = "litellm")]
    Litellm,
    /// models.dev: knowledge, and what the others leave open.
    #[serde(rename = "models.dev")]
    ModelsDev,
    /// An overlay: a file, a URL or the app.
    #[serde(rename = "overlay")]
    Overlay,
}

impl Model {
    /// What a prompt of so many tokens, cached ones included, is billed at; None when a price that it takes is not known.
    #[must_use]
    pub fn prices(&self, input_tokens: u64) -> Option<Prices> {
        let tier = self.tiers.iter().rev().find(|tier| input_tokens > tier.above);
        let tier = tier.copied().unwrap_or_default();
        let input = tier.input.or(self.input)?;
        let write = tier.cache_write.or(self.cache_write).unwrap_or(input);
        let output = tier.output.or(self.output);
        Some(Prices {
            input,
            output: match self.kind {
                Kind::Chat => output?,
                Kind::Embedding => output.unwrap_or(0.0),
            },
            cache_read: tier.cache_read.or(self.cache_read).unwrap_or(input),
            cache_write: write,
            cache_write_1h: tier.cache_write_1h.or(self.cache_write_1h).unwrap_or(write),
        })
    }

    /// US dollars for `usage`; None when the vendor sent no counts, or the prices are not known.
    ///
    /// Input read from or written to the cache has its own price; where the vendor has none, it costs as much as fresh
    /// input. Batch and priority rates, regional surcharges, tools billed by the call (web search) and dearer modalities
    /// (audio) are not in it.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^52")]
    pub fn cost_usd(&self, usage: &Usage) -> Option<f64> {
        if !usage.reported {
            return None;
        }
        let prices = self.prices(usage.input_tokens)?;
        let write_1h = usage.cache_write_1h_tokens.min(usage.cache_write_tokens);
        let write = usage.cache_write_tokens.saturating_sub(write_1h);
        let fresh = usage
            .input_tokens
            .saturating_sub(usage.cache_read_tokens)
            .saturating_sub(usage.cache_write_tokens);
        let micros = fresh as f64 * prices.input
            + usage.cache_read_tokens as f64 * prices.cache_read
            + write as f64 * prices.cache_write
            + write_1h as f64 * prices.cache_write_1h
            + usage.output_tokens as f64 * prices.output;
        Some(micros / 1e6)
    }
}
