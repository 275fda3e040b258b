//! Chat and embedding requests, replies, stream events, usage, failure classes and the trail. No I/O and no clock.

mod content;
mod cost;
mod delta;
mod embed;
mod event;
mod failure;
mod ids;
mod message;
mod moment;
mod openai;
mod rates;
mod reply;
mod request;
mod status;
mod tool;
mod trail;
mod usage;

pub use content::{Audio, Content, FilePart, ImagePart, Media, Part, PartBody, parse_data_url};
pub use cost::{Billing, CostRange};
pub use delta::{Accumulator, Completion, Delta, ReasoningBlock};
pub use embed::{EmbedReply, EmbedRequest, Embedded, InputType};
pub use event::{Event, What};
pub use failure::{Failure, FailureClass, Phase, Sent};
pub use ids::{DomainId, EndpointId, GroupId, KeyId, RouteId, TargetId};
pub use message::{Message, Role};
pub use moment::Moment;
pub(crate) use openai::{ChatCompletion, Counts, finish_word};
pub use rates::{Estimate, RateTold, RateUnit, Rates};
pub use reply::{FinishReason, Reply, Span, StreamEvent, ToolCallDelta};
pub use request::{ChatRequest, JsonSchema, ReasoningEffort, ResponseFormat, Stop};
pub use status::{
    ExplainedTarget, Explanation, KeyStatus, LatencyStatus, RecentError, RetryBudgetStatus, Status,
    TargetStatus,
};
pub(crate) use tool::WrittenCall;
pub use tool::{FunctionTool, Tool, ToolCall, ToolChoice};
pub use trail::{Attempt, Next, Outcome, Trail, cost};
pub use usage::Usage;

use serde::{Deserialize, Serialize};

/// A JSON object whose keys keep their order.
pub type JsonMap = serde_json::Map<String, serde_json::Value>;

/// Whether the object says nothing beyond these fields. What does is kept as it came, so that nothing is dropped
/// silently; a null says nothing.
fn only(map: &JsonMap, known: &[&str]) -> bool {
    map.iter()
        .all(|(field, value)| value.is_null() || known.contains(&field.as_str()))
}

/// Whether the object in `field` says nothing beyond these fields. What is no object is for the typed reading to refuse.
fn only_in(map: &JsonMap, field: &str, known: &[&str]) -> bool {
    map.get(field)
        .and_then(serde_json::Value::as_object)
        .is_none_or(|inner| only(inner, known))
}

/// A wire format. A provider *speaks* a dialect; twenty providers speak `openai_chat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DialectId {
    /// OpenAI Chat Completions, `POST {base}/chat/completions`.
    OpenaiChat,
    /// Anthropic Messages, `POST {base}/messages`.
    AnthropicMessages,
    /// Google Gemini `generateContent`, `POST {base}/models/{model}:generateContent`.
    Gemini,
    /// OpenAI Responses, `POST {base}/responses`.
    OpenaiResponses,
    /// AWS Bedrock Converse, `POST {base}/model/{model}/converse`.
    BedrockConverse,
    /// Cohere Chat v2, `POST {base}/chat`.
    CohereChat,
    /// Ollama's own chat, `POST {base}/api/chat`.
    OllamaChat,
}

impl DialectId {
    /// Every dialect this build speaks.
    pub const ALL: [Self; 7] = [
        Self::OpenaiChat,
        Self::OpenaiResponses,
        Self::AnthropicMessages,
        Self::Gemini,
        Self::BedrockConverse,
        Self::CohereChat,
        Self::OllamaChat,
    ];

    /// The name used in config files and trails.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenaiChat => "openai_chat",
            Self::AnthropicMessages => "anthropic_messages",
            Self::Gemini => "gemini",
            Self::OpenaiResponses => "openai_responses",
            Self::BedrockConverse => "bedrock_converse",
            Self::CohereChat => "cohere_chat",
            Self::OllamaChat => "ollama_chat",
        }
    }
}

impl std::fmt::Display for DialectId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
