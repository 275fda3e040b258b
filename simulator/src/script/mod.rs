//! What a test writes: fake providers, how they answer, and what goes wrong with them.

mod duration;
mod error;
mod physics;
mod validate;

pub use error::ScriptError;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

pub(crate) use duration::Span;
pub(crate) use physics::{Acceleration, Certificate, Key, Load, Outage, Prices, StreamCode, Tls};

use crate::replay::Recording;

/// A checked script. The README describes its fields; `tests/schema/script.schema.json` is its JSON schema.
#[derive(Debug, Clone)]
pub struct Script {
    pub(crate) seed: u64,
    pub(crate) providers: BTreeMap<String, ProviderScript>,
}

impl Script {
    /// Reads a script, checks it, and loads the recordings it names (paths are relative to the working directory).
    ///
    /// # Errors
    /// The first thing wrong, with its path and the nearest valid name.
    pub fn from_json(text: &str) -> Result<Self, ScriptError> {
        let mut de = serde_json::Deserializer::from_str(text);
        let file: ScriptFile =
            serde_path_to_error::deserialize(&mut de).map_err(|problem| ScriptError::read(&problem))?;
        de.end()
            .map_err(|problem| ScriptError::new("", problem.to_string()))?;
        validate::script(&file)?;
        let mut script = Self {
            seed: file.seed,
            providers: file.providers,
        };
        for (name, provider) in &mut script.providers {
            provider.lay_out(name, &file.outages);
            let Some(path) = &provider.replay else { continue };
            let at = format!("providers.{name}.replay");
            provider.recordings = Recording::load(path, provider.dialect)
                .map_err(|problem| ScriptError::new(at.as_str(), problem.to_string()))?;
            if provider.recordings.is_empty() {
                let problem = format!(
                    "`{}` holds no successful exchange of this dialect",
                    path.display()
                );
                return Err(ScriptError::new(at, problem));
            }
        }
        Ok(script)
    }

    /// The providers' names, sorted.
    pub fn providers(&self) -> impl Iterator<Item = &str> {
        self.providers.keys().map(String::as_str)
    }

    /// Gives the providers that name no port of their own consecutive ports, in order of name.
    ///
    /// # Errors
    /// When the ports run over 65535.
    pub fn assign_ports(&mut self, base: u16) -> Result<(), ScriptError> {
        for (offset, (name, provider)) in self.providers.iter_mut().enumerate() {
            if provider.port.is_none() {
                let port = u16::try_from(usize::from(base) + offset).map_err(|_| {
                    ScriptError::new(format!("providers.{name}.port"), "the port would be over 65535")
                })?;
                provider.port = Some(port);
            }
        }
        Ok(())
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScriptFile {
    #[serde(default)]
    seed: u64,
    providers: BTreeMap<String, ProviderScript>,
    #[serde(default)]
    outages: Vec<Outage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Dialect {
    OpenaiChat,
    OpenaiResponses,
    AnthropicMessages,
    Gemini,
    BedrockConverse,
    CohereChat,
    OllamaChat,
}

impl Dialect {
    /// Whether it is one of OpenAI's, which its servers answer side by side.
    pub(crate) fn openai(self) -> bool {
        matches!(self, Self::OpenaiChat | Self::OpenaiResponses)
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderScript {
    pub(crate) dialect: Dialect,
    #[serde(default)]
    pub(crate) port: Option<u16>,
    #[serde(default)]
    pub(crate) reply: ReplyScript,
    #[serde(default)]
    pub(crate) latency: Latency,
    #[serde(default)]
    pub(crate) limits: Option<Limits>,
    #[serde(default)]
    pub(crate) accounts: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(crate) load: Option<Load>,
    #[serde(default)]
    pub(crate) prices: Prices,
    #[serde(default)]
    pub(crate) bills_after_cancel: bool,
    #[serde(default)]
    pub(crate) keys: Option<Vec<Key>>,
    #[serde(default)]
    pub(crate) tls: Option<Tls>,
    #[serde(default)]
    pub(crate) http2: bool,
    #[serde(default)]
    pub(crate) steps: Vec<Step>,
    #[serde(default)]
    pub(crate) phases: Vec<Phase>,
    #[serde(default)]
    pub(crate) random: Vec<Random>,
    #[serde(default)]
    pub(crate) replay: Option<PathBuf>,
    #[serde(default)]
    pub(crate) refuse: bool,
    #[serde(skip)]
    pub(crate) recordings: Vec<Recording>,
}

impl ProviderScript {
    /// Puts the outages that take this provider before its own phases, and notes where each step is written.
    fn lay_out(&mut self, name: &str, outages: &[Outage]) {
        for (index, step) in self.steps.iter_mut().enumerate() {
            step.label = format!("steps[{index}]");
        }
        for (index, phase) in self.phases.iter_mut().enumerate() {
            phase.step.label = format!("phases[{index}]");
        }
        for (index, random) in self.random.iter_mut().enumerate() {
            random.step.label = format!("random[{index}]");
        }
        let outages = outages.iter().enumerate();
        let mine = outages.filter(|(_, outage)| outage.providers.iter().any(|one| one == name));
        let mut phases: Vec<Phase> = mine
            .map(|(index, outage)| Phase {
                from: outage.from,
                until: outage.until,
                step: Step {
                    label: format!("outages[{index}]"),
                    ..outage.step.clone()
                },
            })
            .collect();
        phases.append(&mut self.phases);
        self.phases = phases;
    }
}

/// What the model says. A field not given takes the provider's, then the default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ReplyScript {
    pub(crate) text: Option<String>,
    pub(crate) chunks: Option<Vec<String>>,
    pub(crate) reasoning: Option<String>,
    pub(crate) tool_calls: Option<Vec<ToolCallScript>>,
    pub(crate) refusal: Option<String>,
    pub(crate) finish: Option<String>,
    pub(crate) usage: Option<UsageScript>,
}

impl ReplyScript {
    /// This reply with the other's fields laid over it. New text without chunks of its own drops the old chunks.
    pub(crate) fn overlaid(&self, over: &Self) -> Self {
        let new_text = over.text.is_some() || over.chunks.is_some();
        Self {
            text: if new_text {
                over.text.clone()
            } else {
                self.text.clone()
            },
            chunks: if new_text {
                over.chunks.clone()
            } else {
                self.chunks.clone()
            },
            reasoning: over.reasoning.clone().or_else(|| self.reasoning.clone()),
            tool_calls: over.tool_calls.clone().or_else(|| self.tool_calls.clone()),
            refusal: over.refusal.clone().or_else(|| self.refusal.clone()),
            finish: over.finish.clone().or_else(|| self.finish.clone()),
            usage: over.usage.or(self.usage),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToolCallScript {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) arguments: String,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct UsageScript {
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) cache_read_tokens: u64,
    pub(crate) reasoning_tokens: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Latency {
    pub(crate) head: Span,
    pub(crate) first_token: Span,
    pub(crate) gap: Option<Span>,
    pub(crate) jitter: f64,
    pub(crate) tokens_per_second: Option<f64>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    pub(crate) requests_per_minute: Option<u32>,
    pub(crate) tokens_per_minute: Option<u32>,
    pub(crate) burst: Option<u32>,
    pub(crate) acceleration: Option<Acceleration>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Phase {
    #[serde(default)]
    pub(crate) from: Span,
    /// None: for ever.
    #[serde(default)]
    pub(crate) until: Option<Span>,
    pub(crate) step: Step,
}

impl Phase {
    pub(crate) fn covers(&self, elapsed: Duration) -> bool {
        elapsed >= self.from.0 && self.until.is_none_or(|until| elapsed < until.0)
    }

    /// Whether no connection comes about while it lasts.
    pub(crate) fn refuses(&self) -> bool {
        matches!(self.step.fault, Some(Fault::Refuse | Fault::TlsHandshakeClose))
    }

    /// Whether the list of models fails too. A provider that cannot be reached, or says nothing, does so to everyone.
    pub(crate) fn meets_probes(&self) -> bool {
        self.step.probe || self.refuses() || self.step.fault == Some(Fault::Hang)
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Random {
    pub(crate) probability: f64,
    pub(crate) step: Step,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Step {
    pub(crate) repeat: Option<u32>,
    pub(crate) status: Option<u16>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Option<serde_json::Value>,
    pub(crate) error: Option<ErrorKind>,
    pub(crate) fault: Option<Fault>,
    pub(crate) after_chunks: Option<u32>,
    pub(crate) after_bytes: Option<usize>,
    pub(crate) head: Option<Span>,
    pub(crate) first_token: Option<Span>,
    pub(crate) gap: Option<Span>,
    pub(crate) split: Option<Split>,
    pub(crate) reply: Option<ReplyScript>,
    pub(crate) code: Option<StreamCode>,
    pub(crate) probe: bool,
    /// Where in the script it is written, for the journal.
    #[serde(skip)]
    pub(crate) label: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErrorKind {
    RateLimit,
    Acceleration,
    InsufficientQuota,
    Authentication,
    ModelNotFound,
    ContextLength,
    ContentFilter,
    InvalidRequest,
    Server,
    Overloaded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    Refuse,
    ResetBeforeHead,
    ResetInHead,
    ResetMidBody,
    Hang,
    Stall,
    Cut,
    CleanCut,
    MalformedEvent,
    ErrorEvent,
    Html,
    NoTerminalMarker,
    Empty,
    WrongContentLength,
    Redirect,
    PingOnly,
    TlsHandshakeClose,
    Goaway,
    RstStream,
}

/// Where the body is torn into separate writes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(
    untagged,
    expecting = "expected \"bytes\", a number of bytes, or a list of offsets"
)]
pub(crate) enum Split {
    Word(SplitWord),
    Every(std::num::NonZeroUsize),
    At(Vec<usize>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SplitWord {
    Bytes,
}
