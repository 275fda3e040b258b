//! The shapes of replies and stream chunks. Lenient where vendors differ: a field of an unexpected type reads as absent.

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::types::{FinishReason, ReasoningBlock, Usage};

/// A reply, or one chunk of a stream.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope {
    #[serde(default)]
    pub(super) id: Text,
    #[serde(default)]
    pub(super) model: Text,
    pub(super) choices: Option<Vec<Choice>>,
    /// Boxed like what else most chunks of a stream lack: chunks are moved about a lot.
    pub(super) usage: Option<Box<Counts>>,
    pub(super) error: Option<Value>,
    /// Groq gives a stream's counts here too, and older deployments only here.
    pub(super) x_groq: Option<Box<XGroq>>,
}

impl Envelope {
    /// The counts, when the vendor sent any.
    pub(super) fn usage(&self) -> Option<Usage> {
        let nested = self.x_groq.as_ref().and_then(|x| x.usage.as_ref());
        self.usage.as_deref().or(nested).and_then(Counts::normalize)
    }

    /// The first choice: `n` above 1 is asked for and paid, but a reply holds one answer.
    pub(super) fn into_choice(self) -> Option<Choice> {
        self.choices?
            .into_iter()
            .find(|choice| choice.index.is_none_or(|index| index == 0))
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct XGroq {
    usage: Option<Counts>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    #[serde(default, deserialize_with = "lenient_index")]
    index: Option<u64>,
    message: Option<Box<Said>>,
    delta: Option<Said>,
    #[serde(default)]
    pub(super) finish_reason: Text,
    pub(super) error: Option<Value>,
}

impl Choice {
    /// The message or its next piece. Some vendors send a whole message at the end of a stream.
    pub(super) fn take_said(&mut self) -> Said {
        self.delta
            .take()
            .or_else(|| self.message.take().map(|said| *said))
            .unwrap_or_default()
    }
}

/// A message, or the next piece of one.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Said {
    #[serde(default)]
    pub(super) content: Content,
    #[serde(default)]
    pub(super) reasoning_content: Text,
    #[serde(default)]
    pub(super) reasoning: Text,
    /// OpenRouter repeats in `reasoning` what is in here; Snowflake does not. We write signed blocks here.
    #[serde(default)]
    reasoning_details: Details,
    #[serde(default)]
    pub(super) refusal: Text,
    pub(super) tool_calls: Option<Vec<CallPiece>>,
    /// The form before `tool_calls`.
    pub(super) function_call: Option<Called>,
}

impl Said {
    /// The readable reasoning. Some vendors send the same under both names, for old clients.
    pub(super) fn take_reasoning(&mut self) -> Option<String> {
        let old = self.reasoning_content.take();
        let new = self.reasoning.take();
        let details = self.reasoning_details.text.take();
        old.or(new).or(details).or_else(|| self.content.reasoning.take())
    }

    /// Signed reasoning, as a hotspare in between writes it.
    pub(super) fn take_blocks(&mut self) -> Vec<ReasoningBlock> {
        std::mem::take(&mut self.reasoning_details.blocks)
    }

    /// All calls of the message, the old form included.
    pub(super) fn take_calls(&mut self) -> Vec<CallPiece> {
        let mut calls = self.tool_calls.take().unwrap_or_default();
        // Snowflake sends an empty one beside every message.
        if let Some(function) = self.function_call.take().filter(|function| !function.is_empty()) {
            calls.push(CallPiece {
                // The old form knows one call, so its pieces are all of the same.
                index: Some(0),
                function: Some(function),
                ..CallPiece::default()
            });
        }
        calls
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct CallPiece {
    #[serde(default, deserialize_with = "lenient_index")]
    pub(super) index: Option<u64>,
    #[serde(default)]
    pub(super) id: Text,
    pub(super) function: Option<Called>,
    /// OpenAI's `custom` tools: free text where a function has JSON.
    custom: Option<Custom>,
    extra_content: Option<Value>,
}

impl CallPiece {
    pub(super) fn name(&mut self) -> Option<String> {
        let function = self.function.as_mut().and_then(|function| function.name.take());
        function.or_else(|| self.custom.as_mut()?.name.take())
    }

    pub(super) fn arguments(&mut self) -> String {
        let function = self
            .function
            .as_mut()
            .and_then(|function| function.arguments.take());
        match function {
            Some(raw) => arguments_text(&raw),
            None => self
                .custom
                .as_mut()
                .and_then(|custom| custom.input.take())
                .unwrap_or_default(),
        }
    }

    pub(super) fn signature(&self) -> Option<String> {
        let mark = self
            .extra_content
            .as_ref()?
            .pointer("/google/thought_signature")?;
        mark.as_str().map(str::to_owned)
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Called {
    #[serde(default)]
    name: Text,
    arguments: Option<Box<RawValue>>,
}

impl Called {
    fn is_empty(&self) -> bool {
        self.name.0.is_none()
            && self
                .arguments
                .as_deref()
                .is_none_or(|raw| arguments_text(raw).is_empty())
    }
}

#[derive(Debug, Deserialize)]
struct Custom {
    #[serde(default)]
    name: Text,
    #[serde(default)]
    input: Text,
}

/// Arguments come as JSON text in a string, or as the object itself.
fn arguments_text(raw: &RawValue) -> String {
    match raw.get() {
        "null" => String::new(),
        text if text.starts_with('"') => serde_json::from_str(text).unwrap_or_default(),
        text => text.to_owned(),
    }
}

/// A string that is not empty; anything else is None.
#[derive(Debug, Default)]
pub(super) struct Text(Option<String>);

impl Text {
    pub(super) fn take(&mut self) -> Option<String> {
        self.0.take()
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let content = Content::deserialize(deserializer)?;
        Ok(Self(content.text))
    }
}

/// What is said: text, or a list of parts that hold text and (at Mistral) thinking.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) text: Option<String>,
    reasoning: Option<String>,
    pub(super) refusal: Option<String>,
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

/// Reasoning in parts.
#[derive(Debug, Default)]
struct Details {
    text: Option<String>,
    blocks: Vec<ReasoningBlock>,
}

impl<'de> Deserialize<'de> for Details {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut details = Self::default();
        let mut content = Content::default();
        match Value::deserialize(deserializer)? {
            Value::String(text) => details.text = Some(text).filter(|text| !text.is_empty()),
            Value::Array(parts) => {
                for part in parts {
                    if part.get("dialect").is_none() {
                        content.add(&part);
                    } else if let Ok(block) = serde_json::from_value(part) {
                        details.blocks.push(block);
                    }
                }
                details.text = content.text;
            }
            _ => {}
        }
        Ok(details)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("text or content parts")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Content, E> {
        self.visit_string(text.to_owned())
    }

    fn visit_string<E>(self, text: String) -> Result<Content, E> {
        Ok(Content {
            text: (!text.is_empty()).then_some(text),
            ..Content::default()
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Content, A::Error> {
        let mut content = Content::default();
        while let Some(part) = seq.next_element::<Value>()? {
            content.add(&part);
        }
        Ok(content)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Content::default())
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Content, E> {
        Ok(Content::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Content, E> {
        Ok(Content::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Content, E> {
        Ok(Content::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Content, E> {
        Ok(Content::default())
    }
}

impl Content {
    fn add(&mut self, part: &Value) {
        let append = |to: &mut Option<String>, text: &str| {
            if !text.is_empty() {
                to.get_or_insert_default().push_str(text);
            }
        };
        let field = |name: &str| part.get(name).and_then(Value::as_str).unwrap_or_default();
        match field("type") {
            "thinking" => match part.get("thinking") {
                Some(Value::Array(inner)) => {
                    for text in inner.iter().filter_map(|item| item.get("text")?.as_str()) {
                        append(&mut self.reasoning, text);
                    }
                }
                Some(Value::String(text)) => append(&mut self.reasoning, text),
                _ => {}
            },
            "refusal" => append(&mut self.refusal, field("refusal")),
            // References, images and what else a vendor adds hold no text of the answer.
            _ => append(&mut self.text, part.as_str().unwrap_or_else(|| field("text"))),
        }
    }
}

/// Token counts as vendors send them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    prompt_tokens: Count,
    completion_tokens: Count,
    total_tokens: Count,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
    /// DeepSeek.
    prompt_cache_hit_tokens: Count,
    /// Moonshot.
    cached_tokens: Count,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Count,
    cache_write_tokens: Count,
    /// Qwen's explicit cache.
    cache_creation_input_tokens: Count,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CompletionDetails {
    reasoning_tokens: Count,
}

impl Counts {
    fn normalize(&self) -> Option<Usage> {
        if self.prompt_tokens.0.is_none() && self.completion_tokens.0.is_none() {
            return None;
        }
        let input = self.prompt_tokens.get();
        let mut output = self.completion_tokens.get();
        let reasoning = self
            .completion_tokens_details
            .as_ref()
            .map_or(0, |d| d.reasoning_tokens.get());
        // xAI counts reasoning beside `completion_tokens`, not in it; only the total tells.
        let with_reasoning = output.saturating_add(reasoning);
        if self.total_tokens.get() == input.saturating_add(with_reasoning) {
            output = with_reasoning;
        }
        let details = self.prompt_tokens_details.as_ref();
        let first = |counts: [Option<u64>; 3]| counts.into_iter().flatten().next().unwrap_or(0);
        Some(Usage {
            reported: true,
            input_tokens: input,
            output_tokens: output,
            cache_read_tokens: first([
                details.and_then(|d| d.cached_tokens.0),
                self.prompt_cache_hit_tokens.0,
                self.cached_tokens.0,
            ]),
            cache_write_tokens: first([
                details.and_then(|d| d.cache_write_tokens.0),
                details.and_then(|d| d.cache_creation_input_tokens.0),
                None,
            ]),
            cache_write_1h_tokens: 0,
            reasoning_tokens: reasoning,
        })
    }
}

/// A count that may be null, missing, or a float.
#[derive(Debug, Default, Clone, Copy)]
struct Count(Option<u64>);

impl Count {
    fn get(self) -> u64 {
        self.0.unwrap_or(0)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float casts saturating, and a count below zero is none"
        )]
        Ok(Self(match Value::deserialize(deserializer)? {
            Value::Number(number) => number.as_u64().or_else(|| number.as_f64().map(|n| n as u64)),
            _ => None,
        }))
    }
}

fn lenient_index<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(Value::deserialize(deserializer)?.as_u64())
}

/// Our word for a finish reason. None for the words by which a vendor says that it failed.
pub(super) fn finish_reason(raw: &str) -> Option<FinishReason> {
    Some(match raw {
        "stop" | "eos" | "end_turn" => FinishReason::Stop,
        "length" | "max_tokens" => FinishReason::Length,
        "model_length" => FinishReason::ContextExceeded,
        "tool_calls" | "function_call" => FinishReason::ToolCalls,
        "content_filter" => FinishReason::ContentFilter,
        // OpenRouter and Mistral; vLLM and SGLang when the engine gave the request up.
        "error" | "abort" => return None,
        _ => FinishReason::Other,
    })
}

/// The reason told to the caller, from the vendor's word and from what the reply holds.
pub(super) fn settle(reason: FinishReason, complete_call: bool, refused: bool) -> FinishReason {
    match reason {
        _ if complete_call => FinishReason::ToolCalls,
        FinishReason::Stop if refused => FinishReason::Refusal,
        reason => reason,
    }
}

/// Whether a call can be made as it stands.
pub(super) fn is_complete(name: &str, arguments: &str) -> bool {
    !name.is_empty() && (arguments.trim().is_empty() || serde_json::from_str::<IgnoredAny>(arguments).is_ok())
}
