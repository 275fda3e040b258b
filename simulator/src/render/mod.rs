//! Replies as the vendors write them. Written from the vendors' own wire formats, not from hotspare's codecs: a
//! mistake they shared would go unseen.

mod anthropic;
mod gemini;
mod openai;

use bytes::Bytes;
use serde_json::Value;

use crate::script::{Dialect, ReplyScript, ToolCallScript, UsageScript};

const DEFAULT_TEXT: &str = "Hello there, this is a simulated reply.";

/// How the client asked to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Shape {
    /// One JSON document.
    Whole,
    /// Server-sent events.
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

    pub(crate) fn whole(&self, dialect: Dialect, model: &str) -> Bytes {
        let body = match dialect {
            Dialect::OpenaiChat => openai::whole(self, model),
            Dialect::AnthropicMessages => anthropic::whole(self, model),
            Dialect::Gemini => gemini::whole(self, model),
        };
        Bytes::from(body.to_string())
    }

    pub(crate) fn stream(&self, dialect: Dialect, model: &str, shape: Shape) -> Vec<Piece> {
        match dialect {
            Dialect::OpenaiChat => openai::stream(self, model, shape == Shape::EventsWithUsage),
            Dialect::AnthropicMessages => anthropic::stream(self, model),
            Dialect::Gemini => gemini::stream(self, model, shape == Shape::Array),
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

/// An error told inside a stream that began well.
pub(crate) fn error_event(dialect: Dialect, shape: Shape, first: bool, body: &Value) -> Bytes {
    let end = if shape == Shape::Array { "]" } else { "" };
    event(dialect, shape, first, "error", &format!("{body}{end}"))
}

/// An event whose JSON breaks off.
pub(crate) fn malformed_event(dialect: Dialect, shape: Shape, first: bool) -> Bytes {
    let data = match dialect {
        Dialect::OpenaiChat => {
            r#"{"id":"chatcmpl-sim","object":"chat.completion.chunk","choices":[{"index":0,"del"#
        }
        Dialect::AnthropicMessages => r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_de"#,
        Dialect::Gemini => r#"{"candidates":[{"content":{"parts":[{"tex"#,
    };
    event(dialect, shape, first, "content_block_delta", data)
}

/// What keeps a connection open and says nothing.
pub(crate) fn keep_alive(dialect: Dialect, shape: Shape) -> Bytes {
    Bytes::from_static(match (dialect, shape) {
        (_, Shape::Whole | Shape::Array) => b"\n",
        (Dialect::OpenaiChat, _) => openai::KEEP_ALIVE,
        (Dialect::AnthropicMessages, _) => b"event: ping\ndata: {\"type\": \"ping\"}\n\n",
        (Dialect::Gemini, _) => gemini::KEEP_ALIVE,
    })
}

fn event(dialect: Dialect, shape: Shape, first: bool, name: &str, data: &str) -> Bytes {
    Bytes::from(match (dialect, shape) {
        (_, Shape::Array) => format!("{}{data}", if first { "[" } else { ",\r\n" }),
        (Dialect::OpenaiChat, _) => format!("data: {data}\n\n"),
        (Dialect::AnthropicMessages, _) => format!("event: {name}\ndata: {data}\n\n"),
        (Dialect::Gemini, _) => format!("data: {data}\r\n\r\n"),
    })
}

/// The models a provider lists.
pub(crate) fn models(dialect: Dialect) -> Bytes {
    let body = match dialect {
        Dialect::OpenaiChat => openai::models(),
        Dialect::AnthropicMessages => anthropic::models(),
        Dialect::Gemini => gemini::models(),
    };
    Bytes::from(body.to_string())
}
