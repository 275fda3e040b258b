use serde::{Deserialize, Deserializer, Serialize};

use super::{Content, JsonMap, ReasoningBlock, ToolCall};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Instructions.
    System,
    /// Instructions, in the word newer OpenAI models use. Treated as [`Role::System`] elsewhere.
    Developer,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// A tool's result.
    Tool,
}

/// One message, in OpenAI's shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "WireMessage")]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said; may be empty beside tool calls.
    pub content: Content,
    /// The speaker's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Assistant only: the calls it made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Tool only: the call this answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// Assistant only: a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// Assistant only: signed reasoning, to be handed back to the vendor that made it.
    #[serde(rename = "reasoning_details", skip_serializing_if = "Vec::is_empty")]
    pub reasoning: Vec<ReasoningBlock>,
    /// Fields we do not know, passed as they are to targets of the same dialect. Nulls and empty lists are not kept.
    #[serde(flatten)]
    pub extra: JsonMap,
}

#[derive(Deserialize)]
struct WireMessage {
    role: Role,
    #[serde(default)]
    content: Content,
    name: Option<String>,
    tool_calls: Option<Vec<ToolCall>>,
    tool_call_id: Option<String>,
    refusal: Option<String>,
    reasoning_details: Option<Reasoning>,
    #[serde(flatten)]
    extra: JsonMap,
}

/// `reasoning_details` is OpenRouter's name too, for blocks of another shape.
enum Reasoning {
    Ours(Vec<ReasoningBlock>),
    Foreign(serde_json::Value),
}

impl<'de> Deserialize<'de> for Reasoning {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let ours = value
            .as_array()
            .is_some_and(|blocks| blocks.iter().all(|block| block.get("dialect").is_some()));
        if !ours {
            return Ok(Self::Foreign(value));
        }
        serde_json::from_value(value)
            .map(Self::Ours)
            .map_err(serde::de::Error::custom)
    }
}

impl TryFrom<WireMessage> for Message {
    type Error = String;

    fn try_from(wire: WireMessage) -> Result<Self, String> {
        let tool_calls = wire.tool_calls.unwrap_or_default();
        if !tool_calls.is_empty() && wire.role != Role::Assistant {
            return Err("`tool_calls` belongs to an assistant message".to_owned());
        }
        if wire.role == Role::Tool && wire.tool_call_id.is_none() {
            return Err("a tool message needs `tool_call_id`".to_owned());
        }
        let mut extra = wire.extra;
        let reasoning = match wire.reasoning_details {
            None => Vec::new(),
            Some(Reasoning::Ours(blocks)) => blocks,
            Some(Reasoning::Foreign(value)) => {
                extra.insert("reasoning_details".to_owned(), value);
                Vec::new()
            }
        };
        extra.retain(|_, value| match value {
            serde_json::Value::Null => false,
            serde_json::Value::Array(list) => !list.is_empty(),
            _ => true,
        });
        Ok(Self {
            role: wire.role,
            content: wire.content,
            name: wire.name,
            tool_calls,
            tool_call_id: wire.tool_call_id,
            refusal: wire.refusal,
            reasoning,
            extra,
        })
    }
}

impl Message {
    /// A message of `role` saying `content`.
    #[must_use]
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: Content::Text(content.into()),
            name: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
            refusal: None,
            reasoning: Vec::new(),
            extra: JsonMap::new(),
        }
    }

    /// A user message.
    #[must_use]
    pub fn user(content: impl Into<String>) -> Self {
        Self::new(Role::User, content)
    }

    /// A system message.
    #[must_use]
    pub fn system(content: impl Into<String>) -> Self {
        Self::new(Role::System, content)
    }
}
