//! Replies as the vendors write them. Written from the vendors' own wire formats, not from hotspare's codecs: a
//! mistake they shared would go unseen.

mod anthropic;
pub(crate) mod bedrock;
mod cohere;
mod embed;
mod gemini;
mod ollama;
mod openai;
mod responses;

use bytes::Bytes;
use http::HeaderValue;
use serde_json::Value;

use crate::errors::VendorError;
use crate::script::{Dialect, ReplyScript, ToolCallScript, UsageScript};

pub(crate) use embed::Texts;

const DEFAULT_TEXT: &str = "Hello there, this is a simulated reply.";

/// How the client asked to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Shape {
    /// One JSON document.
    Whole,
    /// Server-sent events; with Bedrock its frames, with Ollama lines.
    Events,
    /// Server-sent events, with OpenAI's usage chunk.
    EventsWithUsage,
    /// Gemini's JSON array in pieces, when `alt=sse` is not asked for.
    Array,
}

impl Shape {
    pub(crate) fn streams(self) -> bool {
        self != Self::Whole
    }
}

/// The format a reply is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Wire {
    pub(crate) dialect: Dialect,
    pub(crate) shape: Shape,
    /// Whether reasoning comes in its encrypted form too, as OpenAI Responses gives it to who asks.
    pub(crate) sealed: bool,
}

impl Wire {
    pub(crate) fn whole(dialect: Dialect) -> Self {
        Self {
            dialect,
            shape: Shape::Whole,
            sealed: false,
        }
    }

    pub(crate) fn streams(self) -> bool {
        self.shape.streams()
    }
}

/// A part of a body. Only the pieces that carry content are counted as chunks and paced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) bytes: Bytes,
    pub(crate) content: bool,
}

impl Piece {
    pub(crate) fn content(bytes: impl Into<Bytes>) -> Self {
        Self {
            bytes: bytes.into(),
            content: true,
        }
    }

    pub(crate) fn frame(bytes: impl Into<Bytes>) -> Self {
        Self {
            bytes: bytes.into(),
            content: false,
        }
    }
}

/// What the model says, defaults filled in.
#[derive(Debug)]
pub(crate) struct Reply {
    text: String,
    chunks: Vec<String>,
    reasoning: Vec<String>,
    tool_calls: Vec<ToolCallScript>,
    refusal: Option<String>,
    finish: Option<String>,
    pub(crate) usage: UsageScript,
    /// Whether the reason it ended, and the stream's end marker, are said.
    terminal: bool,
}

impl Reply {
    pub(crate) fn new(script: &ReplyScript, terminal: bool) -> Self {
        let tool_calls = script.tool_calls.clone().unwrap_or_default();
        let text = match (&script.text, &script.chunks) {
            (Some(text), _) => text.clone(),
            (None, Some(chunks)) => chunks.concat(),
            (None, None) if tool_calls.is_empty() && script.refusal.is_none() => DEFAULT_TEXT.to_owned(),
            (None, None) => String::new(),
        };
        let chunks = script.chunks.clone().unwrap_or_else(|| words(&text));
        let reasoning = words(script.reasoning.as_deref().unwrap_or_default());
        let mut reply = Self {
            text,
            chunks,
            reasoning,
            tool_calls,
            refusal: script.refusal.clone(),
            finish: script.finish.clone(),
            usage: script.usage.unwrap_or_default(),
            terminal,
        };
        if script.usage.is_none() {
            reply.usage = UsageScript {
                input_tokens: 12,
                output_tokens: u64::from(reply.chunks()),
                cache_read_tokens: 0,
                reasoning_tokens: reply.reasoning.len() as u64,
            };
        }
        reply
    }

    /// How many things it says, each a chunk of its stream.
    pub(crate) fn chunks(&self) -> u32 {
        let said = self.chunks.len() + self.reasoning.len() + self.tool_calls.len();
        u32::try_from(said + usize::from(self.refusal.is_some())).unwrap_or(u32::MAX)
    }

    /// The reason it ended: the script's, in the vendor's word where it is one of ours, else verbatim.
    fn finish<'a>(&'a self, vendor: impl Fn(&str) -> Option<&'a str>) -> &'a str {
        let default = if !self.tool_calls.is_empty() {
            "tool_calls"
        } else if self.refusal.is_some() {
            "refusal"
        } else {
            "stop"
        };
        let ours = self.finish.as_deref().unwrap_or(default);
        vendor(ours).unwrap_or(ours)
    }

    /// What it says in the vendors that have no place of its own for a refusal.
    fn said(&self) -> Vec<&str> {
        let texts = self.chunks.iter().chain(&self.refusal);
        texts.map(String::as_str).collect()
    }

    /// The same in one piece.
    fn said_whole(&self) -> String {
        self.text.clone() + self.refusal.as_deref().unwrap_or_default()
    }

    pub(crate) fn whole(&self, wire: Wire, model: &str) -> Bytes {
        let body = match wire.dialect {
            Dialect::OpenaiChat => openai::whole(self, model),
            Dialect::OpenaiResponses => responses::whole(self, model, wire.sealed),
            Dialect::AnthropicMessages => anthropic::whole(self, model),
            Dialect::Gemini => gemini::whole(self, model),
            Dialect::BedrockConverse => bedrock::whole(self),
            Dialect::CohereChat => cohere::whole(self),
            Dialect::OllamaChat => ollama::whole(self, model),
        };
        Bytes::from(body.to_string())
    }

    pub(crate) fn stream(&self, wire: Wire, model: &str) -> Vec<Piece> {
        match wire.dialect {
            Dialect::OpenaiChat => openai::stream(self, model, wire.shape == Shape::EventsWithUsage),
            Dialect::OpenaiResponses => responses::stream(self, model, wire.sealed),
            Dialect::AnthropicMessages => anthropic::stream(self, model),
            Dialect::Gemini => gemini::stream(self, model, wire.shape == Shape::Array),
            Dialect::BedrockConverse => bedrock::stream(self),
            Dialect::CohereChat => cohere::stream(self),
            Dialect::OllamaChat => ollama::stream(self, model),
        }
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_inclusive(' ').map(str::to_owned).collect()
}

/// A call's arguments in the fragments a model would stream.
fn fragments(arguments: &str) -> Vec<String> {
    let characters: Vec<char> = arguments.chars().collect();
    characters.chunks(8).map(|part| part.iter().collect()).collect()
}

/// Arguments as the object they should be; what is no JSON stays a string.
fn arguments_value(arguments: &str) -> Value {
    if arguments.is_empty() {
        return Value::Object(serde_json::Map::new());
    }
    serde_json::from_str(arguments).unwrap_or_else(|_| Value::String(arguments.to_owned()))
}

/// An error told inside a stream that began well, after so many of its pieces.
pub(crate) fn error_event(wire: Wire, model: &str, before: usize, error: &VendorError) -> Bytes {
    let body = &error.body;
    match (wire.dialect, wire.shape) {
        (_, Shape::Array) => event(wire, before == 0, "error", &format!("{body}]")),
        (Dialect::OpenaiResponses, _) => responses::error_events(model, before, body).into(),
        (Dialect::BedrockConverse, _) => bedrock::exception_event(error.exception(), body),
        (Dialect::CohereChat, _) => cohere::error_event(body).into(),
        _ => event(wire, before == 0, "error", &body.to_string()),
    }
}

/// An event whose JSON breaks off.
pub(crate) fn malformed_event(wire: Wire, before: usize) -> Bytes {
    let (name, data) = match wire.dialect {
        Dialect::OpenaiChat => (
            "",
            r#"{"id":"chatcmpl-sim","object":"chat.completion.chunk","choices":[{"index":0,"del"#,
        ),
        Dialect::OpenaiResponses => (
            "response.output_text.delta",
            r#"{"type":"response.output_text.delta","content_index":0,"del"#,
        ),
        Dialect::AnthropicMessages => (
            "content_block_delta",
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_de"#,
        ),
        Dialect::Gemini => ("", r#"{"candidates":[{"content":{"parts":[{"tex"#),
        Dialect::BedrockConverse => return bedrock::malformed_event(),
        Dialect::CohereChat => (
            "content-delta",
            r#"{"type":"content-delta","index":0,"delta":{"mess"#,
        ),
        Dialect::OllamaChat => ("", r#"{"model":"simulated","message":{"role":"assis"#),
    };
    event(wire, before == 0, name, data)
}

/// What keeps a connection open and says nothing.
pub(crate) fn keep_alive(wire: Wire) -> Bytes {
    Bytes::from_static(match (wire.dialect, wire.shape) {
        (_, Shape::Whole | Shape::Array) => b"\n",
        (Dialect::OpenaiChat, _) => openai::KEEP_ALIVE,
        (Dialect::OpenaiResponses, _) => responses::KEEP_ALIVE,
        (Dialect::AnthropicMessages, _) => b"event: ping\ndata: {\"type\": \"ping\"}\n\n",
        (Dialect::Gemini, _) => gemini::KEEP_ALIVE,
        (Dialect::BedrockConverse, _) => return bedrock::keep_alive(),
        (Dialect::CohereChat, _) => cohere::KEEP_ALIVE,
        (Dialect::OllamaChat, _) => ollama::KEEP_ALIVE,
    })
}

fn event(wire: Wire, first: bool, name: &str, data: &str) -> Bytes {
    Bytes::from(match (wire.dialect, wire.shape) {
        (_, Shape::Array) => format!("{}{data}", if first { "[" } else { ",\r\n" }),
        (Dialect::Gemini, _) => format!("data: {data}\r\n\r\n"),
        (Dialect::OllamaChat, _) => format!("{data}\n"),
        (Dialect::OpenaiChat, _) => format!("data: {data}\n\n"),
        _ => format!("event: {name}\ndata: {data}\n\n"),
    })
}

/// What a provider's body is, by its `content-type`.
pub(crate) fn content_type(wire: Wire) -> HeaderValue {
    HeaderValue::from_static(match (wire.dialect, wire.shape) {
        (_, Shape::Whole | Shape::Array) => "application/json",
        (Dialect::BedrockConverse, _) => "application/vnd.amazon.eventstream",
        (Dialect::OllamaChat, _) => "application/x-ndjson",
        _ => "text/event-stream; charset=utf-8",
    })
}

/// The models a provider lists.
pub(crate) fn models(dialect: Dialect) -> Bytes {
    let body = match dialect {
        Dialect::OpenaiChat | Dialect::OpenaiResponses => openai::models(),
        Dialect::AnthropicMessages => anthropic::models(),
        Dialect::Gemini => gemini::models(),
        Dialect::BedrockConverse => bedrock::models(),
        Dialect::CohereChat => cohere::models(),
        Dialect::OllamaChat => ollama::models(),
    };
    Bytes::from(body.to_string())
}
