//! What the formats other than OpenAI's own refuse alike, or leave out and say so.

use crate::config::did_you_mean;
use crate::dialect::Call;
use crate::types::{ChatRequest, Content, Failure, JsonMap, Message, Part, PartBody, Role, Tool, ToolCall};

/// Refuses request fields that no format but OpenAI's is known to take, and sampling the model does not take. `api` is
/// what the format is called.
pub(crate) fn refuse_settings(call: &Call<'_>, api: &str) -> Result<(), Failure> {
    let request = call.request;
    if let Some((field, _)) = request.extra.iter().find(|(field, value)| !is_ours(field, value)) {
        let hint = did_you_mean(field, ChatRequest::FIELDS)
            .unwrap_or_else(|| "use provider_options to pass a field of the vendor's own".to_owned());
        return Err(Failure::unsupported(
            field,
            &format!("{api} is not known to take it; {hint}"),
        ));
    }
    if call.facts.is_some_and(|facts| facts.sampling == Some(false)) {
        let sampling = [
            ("temperature", request.temperature.is_some()),
            ("top_p", request.top_p.is_some()),
            ("top_k", request.top_k.is_some()),
        ];
        if let Some((field, _)) = sampling.iter().find(|(_, given)| *given) {
            return Err(Failure::unsupported(
                field,
                "the model takes no sampling parameters",
            ));
        }
    }
    Ok(())
}

/// Fields that ask for what every call does anyway: whether it streams is the call's to say, counts always come, and
/// there is one answer.
fn is_ours(field: &str, value: &serde_json::Value) -> bool {
    match field {
        "stream" => true,
        "stream_options" => value
            .as_object()
            .is_some_and(|options| options.keys().all(|option| option == "include_usage")),
        "n" => value.as_u64() == Some(1),
        _ => false,
    }
}

/// Fields of a message that have no place in a turn.
pub(crate) fn check_message(
    message: &Message,
    at: &str,
    api: &str,
    adapted: &mut Vec<String>,
) -> Result<(), Failure> {
    if message.name.is_some() {
        // A tool's name is known from its call; a system message has no speaker to tell apart.
        if matches!(message.role, Role::User | Role::Assistant) {
            return Err(Failure::unsupported(
                &format!("{at}.name"),
                &format!("{api} cannot name a speaker"),
            ));
        }
        adapted.push(format!("{at}.name: left out"));
    }
    for field in message.extra.keys() {
        // What replies carry for people to read, or for the vendor that made them.
        if matches!(
            field.as_str(),
            "reasoning_content" | "reasoning" | "reasoning_details" | "annotations" | "phase"
        ) {
            adapted.push(format!("{at}.{field}: left out"));
        } else {
            return Err(Failure::unsupported(
                &format!("{at}.{field}"),
                &format!("{api} has no such field"),
            ));
        }
    }
    Ok(())
}

/// The arguments of an earlier call as the object these formats want.
pub(crate) fn arguments(call: &ToolCall, at: &str, api: &str) -> Result<JsonMap, Failure> {
    if call.arguments.trim().is_empty() {
        return Ok(JsonMap::new());
    }
    serde_json::from_str(&call.arguments).map_err(|_| {
        Failure::unsupported(
            &format!("{at}.function.arguments"),
            &format!("{api} takes a JSON object only"),
        )
    })
}

/// Says of hints that have no word in these formats that they are left out.
pub(crate) fn note_hints(request: &ChatRequest, adapted: &mut Vec<String>) {
    let detailed = parts(request).any(|part| {
        matches!(&part.body, PartBody::ImageUrl { image_url }
            if image_url.detail.as_deref().is_some_and(|detail| detail != "auto"))
    });
    if detailed {
        adapted.push("image_url.detail: left out; the vendor chooses the resolution".to_owned());
    }
}

/// Every content part of the request.
pub(crate) fn parts(request: &ChatRequest) -> impl Iterator<Item = &Part> {
    request
        .messages
        .iter()
        .flat_map(|message| match &message.content {
            Content::Parts(parts) => parts.as_slice(),
            Content::Text(_) => &[],
        })
}

/// Whether any part or tool has a prompt-cache mark.
pub(crate) fn has_cache_marks(request: &ChatRequest) -> bool {
    let on_tool = |tool: &Tool| {
        matches!(
            tool,
            Tool::Function {
                cache_control: Some(_),
                ..
            }
        )
    };
    parts(request).any(|part| part.cache_control.is_some()) || request.tools.iter().any(on_tool)
}

/// Refuses a tool of another type, or one with a field we do not know, by the name of what is foreign in it.
pub(crate) fn refuse_tool(i: usize, tool: &JsonMap) -> Failure {
    const FUNCTION: [&str; 4] = ["name", "description", "parameters", "strict"];
    const TOOL: [&str; 3] = ["type", "function", "cache_control"];
    if tool.get("type").and_then(serde_json::Value::as_str) != Some("function") {
        return Failure::unsupported(
            &format!("tools[{i}].type"),
            "only function tools can be sent to another vendor",
        );
    }
    let unknown = |map: &JsonMap, known: &[&str], at: &str| {
        map.keys()
            .find(|field| !known.contains(&field.as_str()))
            .map(|field| format!("tools[{i}]{at}.{field}"))
    };
    let function = tool.get("function").and_then(serde_json::Value::as_object);
    let field = unknown(tool, &TOOL, "")
        .or_else(|| unknown(function?, &FUNCTION, ".function"))
        .unwrap_or_else(|| format!("tools[{i}]"));
    Failure::unsupported(&field, "another vendor's tools have no such field")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::catalog::Quirks;
    use crate::dialect::dialect;
    use crate::types::DialectId;

    const FOREIGN: [DialectId; 2] = [DialectId::AnthropicMessages, DialectId::Gemini];

    /// What a dialect changed, or the field it refused.
    fn encode(id: DialectId, request: Value) -> Result<Vec<String>, String> {
        let request: ChatRequest = serde_json::from_value(request).unwrap();
        let encoded = dialect(id).encode(&Call {
            request: &request,
            provider: "p",
            model: "m",
            facts: None,
            quirks: &Quirks::default(),
            lossy: false,
            stream: false,
        });
        encoded
            .map(|encoded| encoded.adapted)
            .map_err(|failure| failure.code.unwrap_or_default())
    }

    #[test]
    fn what_cannot_be_said_is_refused_by_name() {
        for (field, value, refused) in [
            ("store", json!(true), "store"),
            ("n", json!(2), "n"),
            (
                "stream_options",
                json!({"include_obfuscation": false}),
                "stream_options",
            ),
            (
                "response_format",
                json!({"type": "json_object", "schema": {}}),
                "response_format",
            ),
            (
                "tools",
                json!([{"type": "function", "function": {"name": "f", "x": 1}}]),
                "tools[0].function.x",
            ),
            (
                "tool_choice",
                json!({"type": "function", "function": {"name": "f"}, "x": 1}),
                "tool_choice",
            ),
        ] {
            let mut request = json!({"messages": "hi", "max_tokens": 9});
            request[field] = value;
            for id in FOREIGN {
                assert_eq!(encode(id, request.clone()), Err(refused.to_owned()), "{id}");
            }
        }
    }

    #[test]
    fn what_every_call_does_anyway_is_taken() {
        let request = json!({"messages": "hi", "max_tokens": 9, "stream": true, "n": 1,
            "stream_options": {"include_usage": true}});
        for id in FOREIGN {
            assert_eq!(encode(id, request.clone()), Ok(Vec::new()), "{id}");
        }
    }

    #[test]
    fn what_is_left_out_is_said() {
        let request = json!({"max_tokens": 9, "messages": [
            {"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}},
                {"type": "file", "file": {"file_id": "f", "filename": "a.pdf"}},
            ]},
            {"role": "assistant", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}],
             "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"},
                             "extra_content": {"google": {"thought_signature": "s"}}}]},
            {"role": "tool", "tool_call_id": "c", "content": "1"},
        ]});
        let expected = [
            (
                FOREIGN[0],
                [
                    "image_url.detail",
                    "messages[1].reasoning_details",
                    "messages[1].tool_calls[0].extra_content",
                ],
            ),
            (
                FOREIGN[1],
                [
                    "image_url.detail",
                    "file.filename",
                    "messages[1].reasoning_details",
                ],
            ),
        ];
        for (id, fields) in expected {
            let adapted = encode(id, request.clone()).unwrap();
            let said: Vec<_> = adapted
                .iter()
                .map(|line| line.split(':').next().unwrap())
                .collect();
            assert_eq!(said, fields, "{id}");
        }
    }
}
