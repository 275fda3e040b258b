//! The conversation and its tools, without what the vendor has no place for.

use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};

use super::fitted::{Fitted, REASONING, call_id, reasoning_of};
use crate::catalog::{Quirks, ReasoningBack};
use crate::types::{Content, FunctionTool, Message, Part, Role, Tool, ToolCall, WrittenCall};

/// The messages of a request.
pub(super) struct Messages<'a>(pub(super) &'a Fitted<'a>);

impl Serialize for Messages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let messages = &self.0.call.request.messages;
        let last = messages.len().saturating_sub(1);
        serializer.collect_seq(messages.iter().enumerate().map(|(index, message)| WireMessage {
            message,
            fitted: self.0,
            last: index == last,
        }))
    }
}

struct WireMessage<'a> {
    message: &'a Message,
    fitted: &'a Fitted<'a>,
    last: bool,
}

impl Serialize for WireMessage<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (message, quirks) = (self.message, self.fitted.call.quirks);
        let mut map = serializer.serialize_map(None)?;
        match message.role {
            Role::Developer if !quirks.developer_role => map.serialize_entry("role", &Role::System)?,
            role => map.serialize_entry("role", &role)?,
        }
        // The form OpenAI itself gives a turn that only calls or refuses.
        let silent =
            message.content.is_empty() && (!message.tool_calls.is_empty() || message.refusal.is_some());
        match &message.content {
            _ if silent => map.serialize_entry("content", &())?,
            Content::Text(text) => map.serialize_entry("content", text)?,
            Content::Parts(parts) if quirks.cache_marks => map.serialize_entry("content", parts)?,
            Content::Parts(parts) => map.serialize_entry("content", &Parts(parts))?,
        }
        if let Some(name) = &message.name {
            map.serialize_entry("name", name)?;
        }
        if !message.tool_calls.is_empty() {
            let calls = &message.tool_calls;
            map.serialize_entry("tool_calls", &Calls { calls, quirks })?;
        }
        if let Some(id) = &message.tool_call_id {
            map.serialize_entry("tool_call_id", &call_id(id, quirks))?;
        }
        if let Some(refusal) = &message.refusal {
            map.serialize_entry("refusal", refusal)?;
        }
        let back = self.fitted.reasoning_back;
        if back == ReasoningBack::Content
            && message.role == Role::Assistant
            && let Some(text) = reasoning_of(message)
        {
            map.serialize_entry("reasoning_content", &text)?;
        }
        for (field, value) in &message.extra {
            if back == ReasoningBack::AsWritten || !REASONING.contains(&field.as_str()) {
                map.serialize_entry(field, value)?;
            }
        }
        let goes_on = self.last && message.role == Role::Assistant && message.tool_calls.is_empty();
        if quirks.prefix && goes_on && !message.extra.contains_key("prefix") {
            map.serialize_entry("prefix", &true)?;
        }
        map.end()
    }
}

/// Content parts without their cache marks.
struct Parts<'a>(&'a [Part]);

impl Serialize for Parts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|part| &part.body))
    }
}

/// Calls without their signatures.
struct Calls<'a> {
    calls: &'a [ToolCall],
    quirks: &'a Quirks,
}

impl Serialize for Calls<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(self.calls.len()))?;
        for call in self.calls {
            seq.serialize_element(&WrittenCall {
                id: &call_id(&call.id, self.quirks),
                call,
                custom: call.is_custom(),
                signed: false,
            })?;
        }
        seq.end()
    }
}

/// The tools, with their cache marks where the vendor takes them.
pub(super) struct Tools<'a> {
    pub(super) tools: &'a [Tool],
    pub(super) cache_marks: bool,
}

impl Serialize for Tools<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire<'a> {
            r#type: &'static str,
            function: &'a FunctionTool,
        }
        let mut seq = serializer.serialize_seq(Some(self.tools.len()))?;
        for tool in self.tools {
            match tool {
                Tool::Function { function, .. } if !self.cache_marks => seq.serialize_element(&Wire {
                    r#type: "function",
                    function,
                })?,
                tool => seq.serialize_element(tool)?,
            }
        }
        seq.end()
    }
}
