//! The shapes of what is written.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::types::{JsonMap, Usage};

/// A message: whole, or as a stream begins it.
#[derive(Serialize)]
pub(super) struct Message<'a> {
    pub(super) id: &'a str,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) role: &'static str,
    pub(super) model: &'a str,
    pub(super) content: Vec<Block<'a>>,
    pub(super) stop_reason: Option<&'static str>,
    pub(super) stop_sequence: Option<&'a str>,
    pub(super) stop_details: Option<StopDetails<'a>>,
    pub(super) usage: Counts,
}

/// A content block.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block<'a> {
    Thinking {
        thinking: &'a str,
        signature: Cow<'a, str>,
    },
    RedactedThinking {
        data: Cow<'a, str>,
    },
    Text {
        text: &'a str,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: Input<'a>,
    },
}

/// Arguments, as they came where they are an object.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Input<'a> {
    Given(&'a RawValue),
    None {},
    Odd {
        #[serde(rename = "INVALID_JSON")]
        text: &'a str,
    },
}

/// Arguments that are no JSON object, of a call that was cut off for one, are wrapped in one by the name that the vendor's
/// guide gives them.
pub(super) fn input(arguments: &str) -> Input<'_> {
    if arguments.trim().is_empty() {
        return Input::None {};
    }
    let object = serde_json::from_str::<JsonMap>(arguments).is_ok();
    // As it came: a number may have more digits than a float holds.
    match serde_json::from_str(arguments) {
        Ok(given) if object => Input::Given(given),
        _ => Input::Odd { text: arguments },
    }
}

/// Why it was refused.
#[derive(Serialize)]
pub(super) struct StopDetails<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) category: Option<&'static str>,
    pub(super) explanation: Option<&'a str>,
}

/// Tokens, in the vendor's way of counting: what was read from the cache, or written to it, is not in `input_tokens`.
#[derive(Serialize, Default)]
pub(super) struct Counts {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    cache_creation: Written,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Serialize, Default)]
struct Written {
    ephemeral_5m_input_tokens: u64,
    ephemeral_1h_input_tokens: u64,
}

#[derive(Serialize)]
struct OutputDetails {
    thinking_tokens: u64,
}

impl From<&Usage> for Counts {
    fn from(usage: &Usage) -> Self {
        let (read, written) = (usage.cache_read_tokens, usage.cache_write_tokens);
        Self {
            input_tokens: usage.input_tokens.saturating_sub(read).saturating_sub(written),
            cache_creation_input_tokens: written,
            cache_read_input_tokens: read,
            cache_creation: Written {
                ephemeral_5m_input_tokens: written.saturating_sub(usage.cache_write_1h_tokens),
                ephemeral_1h_input_tokens: usage.cache_write_1h_tokens,
            },
            output_tokens: usage.output_tokens,
            output_tokens_details: (usage.reasoning_tokens > 0).then_some(OutputDetails {
                thinking_tokens: usage.reasoning_tokens,
            }),
        }
    }
}

/// An event of a stream.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Event<'a> {
    MessageStart { message: Message<'a> },
    ContentBlockStart { index: usize, content_block: Block<'a> },
    ContentBlockDelta { index: usize, delta: Piece<'a> },
    ContentBlockStop { index: usize },
    MessageDelta { delta: End<'a>, usage: Counts },
    MessageStop {},
}

impl Event<'_> {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::MessageStart { .. } => "message_start",
            Self::ContentBlockStart { .. } => "content_block_start",
            Self::ContentBlockDelta { .. } => "content_block_delta",
            Self::ContentBlockStop { .. } => "content_block_stop",
            Self::MessageDelta { .. } => "message_delta",
            Self::MessageStop {} => "message_stop",
        }
    }
}

/// A piece of a content block.
#[derive(Serialize)]
#[serde(tag = "type")]
pub(super) enum Piece<'a> {
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
    #[serde(rename = "input_json_delta")]
    Input { partial_json: &'a str },
}

/// What a `message_delta` says.
#[derive(Serialize)]
pub(super) struct End<'a> {
    pub(super) stop_reason: &'static str,
    pub(super) stop_sequence: Option<&'a str>,
    pub(super) stop_details: Option<StopDetails<'a>>,
}

/// JSON text. Everything here has text for keys, so there is none that cannot be written.
pub(super) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
