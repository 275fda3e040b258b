use serde::{Deserialize, Serialize};

use super::openai::ChatCompletion;
use super::{Completion, Trail};

/// Why a model stopped, normalized over vendors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FinishReason {
    /// It was done.
    Stop,
    /// A stop text came up.
    StopSequence,
    /// `max_tokens` was reached.
    Length,
    /// The context window is full.
    ContextExceeded,
    /// It made tool calls.
    ToolCalls,
    /// A content filter cut the answer.
    ContentFilter,
    /// The model refused.
    Refusal,
    /// The vendor paused a long turn: send the history back to go on.
    Pause,
    /// The vendor says generation failed.
    Error,
    /// A word we do not know; see the raw one.
    Other,
}

impl FinishReason {
    /// The stable code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::StopSequence => "stop_sequence",
            Self::Length => "length",
            Self::ContextExceeded => "context_exceeded",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Refusal => "refusal",
            Self::Pause => "pause",
            Self::Error => "error",
            Self::Other => "other",
        }
    }
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The target that answered, `provider/model`.
    pub target: String,
    /// What it said.
    #[serde(flatten)]
    pub completion: Completion,
    /// US dollars of the whole request, from the catalog's prices: the sum over attempts. None when any part is unknown.
    pub cost_usd: Option<f64>,
    /// US dollars of the whole request at least.
    #[serde(default)]
    pub cost_min_usd: f64,
    /// US dollars of the whole request at most; None when a price is unknown.
    #[serde(default)]
    pub cost_max_usd: Option<f64>,
    /// Which target each part of the text came from, when it came from several.
    #[serde(default)]
    pub spans: Vec<Span>,
    /// Seconds from the call to the reply.
    pub elapsed: f64,
    /// When it was answered, Unix seconds.
    pub created: u64,
    /// Every attempt, the last one being the answer.
    pub trail: Trail,
}

/// A part of a reply's text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The target it came from, `provider/model`.
    pub target: String,
    /// Where it begins, in characters.
    pub start: usize,
    /// Where it ends, in characters.
    pub end: usize,
}

impl Reply {
    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.completion.text
    }

    /// The reply as an OpenAI `chat.completion` object, for code that expects one.
    #[must_use]
    pub fn to_openai(&self) -> serde_json::Value {
        // Nothing in it can fail to be written.
        serde_json::to_value(ChatCompletion::of(self, &[])).unwrap_or_default()
    }
}

/// A piece of a tool call in a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCallDelta {
    /// Which call of the reply, from 0.
    pub index: u32,
    /// Its id, in the first piece.
    pub id: Option<String>,
    /// Its name, in the first piece.
    pub name: Option<String>,
    /// The next piece of the arguments' JSON text.
    pub arguments: String,
}

/// What a stream gives its caller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum StreamEvent {
    /// Text.
    Text {
        /// The next piece.
        text: String,
    },
    /// Readable reasoning.
    Reasoning {
        /// The next piece.
        reasoning: String,
    },
    /// A refusal's text.
    Refusal {
        /// The next piece.
        refusal: String,
    },
    /// A piece of a tool call.
    ToolCall(ToolCallDelta),
    /// What came before is void: the answer begins again, from another target or, when the vendor began it again, from
    /// the same.
    Restart {
        /// The target that answers now.
        target: String,
    },
    /// The stream broke, and another target goes on where the text broke off.
    Continue {
        /// The target that answers now.
        target: String,
    },
    /// The end, with the whole reply.
    Finish {
        /// The reply.
        reply: Box<Reply>,
    },
}

impl StreamEvent {
    /// The text of a text event, "" for any other.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Text { text } => text,
            _ => "",
        }
    }
}
