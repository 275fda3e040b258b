//! A request → its body, written straight from the request without a JSON tree between.

use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};
use serde_json::Value;

use crate::dialect::foreign::has_cache_marks;
use crate::dialect::options::apply_provider_options;
use crate::dialect::{Call, Encoded};
use crate::types::{
    ChatRequest, Content, DialectId, Failure, FailureClass, FunctionTool, Message, Part, Phase, Role, Tool,
    ToolCall,
};

const STREAM_OPTIONS: &str = "stream_options";

pub(super) fn encode(call: &Call<'_>) -> Result<Encoded, Failure> {
    let request = call.request;
    if request.top_k.is_some() && call.quirks.refuses.iter().any(|field| field == "top_k") {
        return Err(Failure::unsupported("top_k", "the vendor has no equal for it"));
    }
    let body = write(&Body { call }).map_err(|error| {
        Failure::new(
            FailureClass::InvalidRequest,
            Phase::Encode,
            format!("the request cannot be written as JSON: {error}"),
        )
    })?;
    Ok(Encoded {
        path: "/chat/completions".to_owned(),
        headers: Vec::new(),
        body: body.into(),
        adapted: adapted(request, call.quirks.developer_role),
    })
}

fn write(body: &Body<'_>) -> serde_json::Result<Vec<u8>> {
    let options = &body.call.request.provider_options;
    let dialect = DialectId::OpenaiChat;
    if !options.contains_key(body.call.provider) && !options.contains_key(dialect.as_str()) {
        let mut bytes = Vec::with_capacity(1024);
        serde_json::to_writer(&mut bytes, body)?;
        return Ok(bytes);
    }
    let mut value = serde_json::to_value(body)?;
    if let Value::Object(map) = &mut value {
        apply_provider_options(body.call, dialect, map);
        // Whether a stream comes back decides how it is read, so it is not the caller's to set.
        map.shift_remove("stream");
        if body.call.stream {
            map.insert("stream".to_owned(), Value::Bool(true));
        }
    }
    serde_json::to_vec(&value)
}

/// What is left out of the body, or changed, because the format has no place for it.
fn adapted(request: &ChatRequest, developer_role: bool) -> Vec<String> {
    let messages = &request.messages;
    let mut lines = Vec::new();
    if messages.iter().any(|message| !message.reasoning.is_empty()) {
        lines.push("signed reasoning of earlier turns left out: openai_chat has no place for it".to_owned());
    }
    if messages
        .iter()
        .flat_map(|m| &m.tool_calls)
        .any(|call| call.signature.is_some())
    {
        lines.push("signatures of earlier tool calls left out: openai_chat has no place for them".to_owned());
    }
    if has_cache_marks(request) {
        lines.push("`cache_control` marks left out: openai_chat caches by itself".to_owned());
    }
    if !developer_role && messages.iter().any(|message| message.role == Role::Developer) {
        lines.push("role `developer` sent as `system`".to_owned());
    }
    lines
}

struct Body<'a> {
    call: &'a Call<'a>,
}

fn put<M: SerializeMap, T: Serialize>(
    map: &mut M,
    field: &'static str,
    value: Option<T>,
) -> Result<(), M::Error> {
    match value {
        Some(value) => map.serialize_entry(field, &value),
        None => Ok(()),
    }
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let request = self.call.request;
        let mut serialized = serializer.serialize_map(None)?;
        let map = &mut serialized;
        put(map, "model", Some(self.call.model))?;
        let messages = Messages {
            messages: &request.messages,
            developer_role: self.call.quirks.developer_role,
        };
        put(map, "messages", Some(&messages))?;
        if let Some(tokens) = request.max_tokens {
            map.serialize_entry(&self.call.quirks.max_tokens, &tokens)?;
        }
        put(map, "temperature", request.temperature.as_ref())?;
        put(map, "top_p", request.top_p.as_ref())?;
        put(map, "top_k", request.top_k.as_ref())?;
        put(map, "stop", request.stop.as_ref())?;
        put(map, "seed", request.seed.as_ref())?;
        put(map, "frequency_penalty", request.frequency_penalty.as_ref())?;
        put(map, "presence_penalty", request.presence_penalty.as_ref())?;
        let tools = (!request.tools.is_empty()).then_some(Tools(&request.tools));
        put(map, "tools", tools.as_ref())?;
        put(map, "tool_choice", request.tool_choice.as_ref())?;
        put(map, "parallel_tool_calls", request.parallel_tool_calls.as_ref())?;
        put(map, "response_format", request.response_format.as_ref())?;
        let effort = request.reasoning_effort.map(|effort| effort.as_str());
        put(map, "reasoning_effort", effort)?;
        put(map, "user", request.user.as_ref())?;
        for (field, value) in &request.extra {
            if field != "stream" && field != STREAM_OPTIONS {
                map.serialize_entry(field, value)?;
            }
        }
        if self.call.stream {
            map.serialize_entry("stream", &true)?;
            // Counts at the end of the stream, beside what the caller asks for.
            let asked = request.extra.get(STREAM_OPTIONS).and_then(Value::as_object);
            let mut options = asked.cloned().unwrap_or_default();
            options.insert("include_usage".to_owned(), Value::Bool(true));
            map.serialize_entry(STREAM_OPTIONS, &options)?;
        }
        serialized.end()
    }
}

struct Messages<'a> {
    messages: &'a [Message],
    developer_role: bool,
}

impl Serialize for Messages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.messages.iter().map(|message| WireMessage {
            message,
            developer_role: self.developer_role,
        }))
    }
}

/// A message without what the format has no place for.
struct WireMessage<'a> {
    message: &'a Message,
    developer_role: bool,
}

impl Serialize for WireMessage<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let message = self.message;
        let mut map = serializer.serialize_map(None)?;
        match message.role {
            Role::Developer if !self.developer_role => map.serialize_entry("role", &Role::System)?,
            role => map.serialize_entry("role", &role)?,
        }
        // The form OpenAI itself gives a turn that only calls or refuses.
        let silent =
            message.content.is_empty() && (!message.tool_calls.is_empty() || message.refusal.is_some());
        match &message.content {
            _ if silent => map.serialize_entry("content", &())?,
            Content::Text(text) => map.serialize_entry("content", text)?,
            Content::Parts(parts) => map.serialize_entry("content", &Parts(parts))?,
        }
        if let Some(name) = &message.name {
            map.serialize_entry("name", name)?;
        }
        if !message.tool_calls.is_empty() {
            map.serialize_entry("tool_calls", &Calls(&message.tool_calls))?;
        }
        if let Some(id) = &message.tool_call_id {
            map.serialize_entry("tool_call_id", id)?;
        }
        if let Some(refusal) = &message.refusal {
            map.serialize_entry("refusal", refusal)?;
        }
        for (field, value) in &message.extra {
            map.serialize_entry(field, value)?;
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
struct Calls<'a>(&'a [ToolCall]);

impl Serialize for Calls<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire<'a> {
            id: &'a str,
            r#type: &'static str,
            function: Function<'a>,
        }
        #[derive(Serialize)]
        struct Function<'a> {
            name: &'a str,
            arguments: &'a str,
        }
        serializer.collect_seq(self.0.iter().map(|call| Wire {
            id: &call.id,
            r#type: "function",
            function: Function {
                name: &call.name,
                arguments: &call.arguments,
            },
        }))
    }
}

/// Tools without their cache marks.
struct Tools<'a>(&'a [Tool]);

impl Serialize for Tools<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire<'a> {
            r#type: &'static str,
            function: &'a FunctionTool,
        }
        let mut seq = serializer.serialize_seq(Some(self.0.len()))?;
        for tool in self.0 {
            match tool {
                Tool::Function { function, .. } => seq.serialize_element(&Wire {
                    r#type: "function",
                    function,
                })?,
                Tool::Other(map) => seq.serialize_element(map)?,
            }
        }
        seq.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::Quirks;

    fn quirks(provider: &str) -> Quirks {
        crate::catalog::provider(provider).map_or_else(Quirks::default, |known| known.quirks.clone())
    }

    fn sent(provider: &str, stream: bool, request: Value) -> (Value, Vec<String>) {
        let request: ChatRequest = serde_json::from_value(request).unwrap();
        let encoded = encode(&Call {
            request: &request,
            provider,
            model: "m",
            facts: None,
            quirks: &quirks(provider),
            lossy: false,
            stream,
        })
        .unwrap();
        assert_eq!(encoded.path, "/chat/completions");
        (serde_json::from_slice(&encoded.body).unwrap(), encoded.adapted)
    }

    #[test]
    fn bodies() {
        let hi = json!([{"role": "user", "content": "hi"}]);
        let cases = [
            (
                "openai",
                false,
                json!({"route": "r", "timeout": 3.0, "messages": "hi", "max_tokens": 5, "temperature": 0.5,
                       "verbosity": "low", "stream": true, "stream_options": {"include_usage": true},
                       "provider_options": {"groq": {"x": 1}}}),
                json!({"model": "m", "messages": hi, "max_completion_tokens": 5, "temperature": 0.5,
                       "verbosity": "low"}),
            ),
            (
                "vllm",
                true,
                json!({"messages": "hi", "max_completion_tokens": 5, "top_k": 3, "stop": ["a"],
                       "reasoning_effort": "low", "stream_options": {"continuous_usage_stats": true}}),
                json!({"model": "m", "messages": hi, "max_tokens": 5, "top_k": 3, "stop": ["a"],
                       "reasoning_effort": "low", "stream": true,
                       "stream_options": {"continuous_usage_stats": true, "include_usage": true}}),
            ),
            (
                "groq",
                true,
                json!({"messages": "hi", "temperature": 0.5, "seed": 1, "provider_options": {
                    "groq": {"temperature": 1, "seed": null, "stream_options": null, "stream": false},
                    "openai_chat": {"temperature": 2, "top_p": 0.1}}}),
                json!({"model": "m", "messages": hi, "temperature": 1, "top_p": 0.1, "stream": true}),
            ),
        ];
        for (provider, stream, request, expected) in cases {
            assert_eq!(
                sent(provider, stream, request),
                (expected, Vec::new()),
                "{provider}"
            );
        }
    }

    #[test]
    fn what_has_no_place_is_left_out_and_named() {
        let request = json!({
            "messages": [
                {"role": "developer", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]},
                {"role": "assistant", "content": "", "mood": "good",
                 "reasoning_details": [{"dialect": "anthropic_messages", "signature": "s"}],
                 "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"},
                                 "extra_content": {"google": {"thought_signature": "t"}}}]},
                {"role": "tool", "tool_call_id": "c", "content": "1"},
            ],
            "tools": [
                {"type": "function", "function": {"name": "f", "strict": true}, "cache_control": {"type": "ephemeral"}},
                {"type": "custom", "custom": {"name": "g"}},
            ],
        });
        let (body, adapted) = sent("azure", false, request.clone());
        let expected = json!({
            "model": "m",
            "messages": [
                {"role": "system", "content": [{"type": "text", "text": "a"}]},
                {"role": "assistant", "content": null, "mood": "good",
                 "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "c", "content": "1"},
            ],
            "tools": [
                {"type": "function", "function": {"name": "f", "strict": true}},
                {"type": "custom", "custom": {"name": "g"}},
            ],
        });
        assert_eq!(body, expected);
        assert_eq!(adapted.len(), 4, "{adapted:?}");
        let (body, adapted) = sent("openai", false, request);
        assert_eq!(body["messages"][0]["role"], "developer");
        assert_eq!(adapted.len(), 3, "{adapted:?}");
    }

    #[test]
    fn openai_has_no_top_k() {
        let request = ChatRequest {
            top_k: Some(1),
            ..ChatRequest::of("hi")
        };
        let call = Call {
            request: &request,
            provider: "openai",
            model: "m",
            facts: None,
            quirks: &quirks("openai"),
            lossy: false,
            stream: false,
        };
        let failure = encode(&call).unwrap_err();
        assert_eq!(failure.class, FailureClass::Unsupported);
        assert_eq!(failure.code.as_deref(), Some("top_k"));
    }
}
