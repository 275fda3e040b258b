use serde_json::{Value, json};

use crate::catalog::Quirks;
use crate::dialect::anthropic_messages::ANTHROPIC_MESSAGES;
use crate::dialect::{Asked, Call, Dialect as _, encode};
use crate::types::FailureClass;

fn ask(body: &Value) -> Asked {
    ANTHROPIC_MESSAGES
        .decode_request("/v1/messages", body.to_string().as_bytes())
        .unwrap_or_else(|failure| panic!("{body}: {failure:?}"))
}

/// The body that goes to a target of this format, and what was changed on the way.
fn sent(asked: &Asked) -> (Value, Vec<String>) {
    let encoded = encode(
        &ANTHROPIC_MESSAGES,
        &Call {
            request: &asked.request,
            provider: "anthropic",
            model: asked.model.as_deref().unwrap(),
            facts: None,
            quirks: &Quirks::default(),
            lossy: false,
            stream: asked.stream,
        },
    )
    .unwrap();
    (serde_json::from_slice(&encoded.body).unwrap(), encoded.adapted)
}

fn body(fields: Value) -> Value {
    let mut body = json!({"model": "claude", "max_tokens": 9000, "stream": false,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]});
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    body
}

/// What the format can say goes through unchanged: what our words cover, and what they do not.
#[test]
fn comes_back_as_it_was() {
    let hidden = json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}});
    let cited = json!({"type": "text", "text": "so", "citations": [{"cited_text": "c"}]});
    for fields in [
        json!({"temperature": 0.5, "top_p": 0.9, "top_k": 3, "stop_sequences": ["a"], "metadata": {"user_id": "u"}}),
        json!({"service_tier": "auto", "container": "c", "metadata": {"user_id": "u", "team": "t"}}),
        json!({"system": "be brief"}),
        json!({"system": [{"type": "text", "text": "long", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}),
        json!({"tools": [
            {"name": "f", "description": "d", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}},
            {"name": "g", "input_schema": {"type": "object"}, "defer_loading": true},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": true}}),
        json!({"tools": [{"name": "f", "input_schema": {"type": "object"}}],
            "tool_choice": {"type": "tool", "name": "f"}}),
        json!({"tool_choice": {"type": "odd", "x": 1}}),
        json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
        json!({"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "high"}}),
        json!({"thinking": {"type": "adaptive"}}),
        json!({"thinking": {"type": "disabled"}}),
        json!({"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}}),
        json!({"thinking": {"type": "enabled", "budget_tokens": 3000}}),
        json!({"thinking": {"type": "enabled", "budget_tokens": 3000}, "output_config": {"effort": "max"}}),
        json!({"thinking": {"type": "between_tools"}}),
        json!({"output_config": {"effort": "low", "task_budget": {"total": 1}, "format": {
            "type": "json_schema", "schema": {"type": "object", "properties": {}, "additionalProperties": false}}}}),
        json!({"messages": [
            {"role": "user", "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aQ=="}},
                {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}},
                {"type": "image", "source": {"type": "file", "file_id": "f"}},
                {"type": "document", "title": "t", "source":
                    {"type": "base64", "media_type": "application/pdf", "data": "aQ=="}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
                {"type": "document", "source": {"type": "url", "url": "https://a/b.pdf"}, "context": "c"},
                {"type": "document", "source": {"type": "file", "file_id": "f"}, "cache_control": {"type": "ephemeral"}},
                {"type": "container_upload", "file_id": "f"}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "redacted_thinking", "data": "x"},
                hidden, cited,
                {"type": "thinking", "thinking": "again", "signature": "s2"},
                {"type": "text", "text": "then"},
                {"type": "tool_use", "id": "a", "name": "f", "input": {"b": 1}, "cache_control": {"type": "ephemeral"}},
                {"type": "tool_use", "id": "c", "name": "f", "input": {}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": "no", "is_error": true},
                {"type": "tool_result", "tool_use_id": "c", "cache_control": {"type": "ephemeral"}, "content": [
                    {"type": "text", "text": "see"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aQ=="}}]},
                {"type": "text", "text": "well?"}]}]}),
    ] {
        let body = body(fields);
        let (sent, adapted) = sent(&ask(&body));
        assert_eq!(sent, body);
        assert!(adapted.is_empty(), "{adapted:?}");
    }
}

/// What every format has a word for is in our words.
#[test]
fn is_read_into_our_words() {
    let asked = ask(
        &json!({"model": "claude", "max_tokens": 9, "stream": true, "system": "s",
        "thinking": {"type": "enabled", "budget_tokens": 20_000},
        "output_format": {"type": "json_schema", "schema": {"type": "string"}},
        "tools": [{"type": "custom", "name": "f", "input_schema": {"type": "object"}, "strict": true}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": true},
        "messages": [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": [
                {"type": "text", "text": "a"}, {"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "r"}]},
                {"type": "text", "text": "go on"}]}]}),
    );
    assert!(asked.stream);
    assert_eq!(asked.model.as_deref(), Some("claude"));
    assert_eq!(
        serde_json::to_value(&asked.request).unwrap(),
        json!({"max_tokens": 9, "reasoning_effort": "high",
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": "a", "tool_calls": [
                    {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}}]},
                {"role": "tool", "content": "r", "tool_call_id": "t"},
                {"role": "user", "content": "go on"}],
            "tools": [{"type": "function", "function": {
                "name": "f", "parameters": {"type": "object"}, "strict": true}}],
            "tool_choice": "auto", "parallel_tool_calls": false,
            "response_format": {"type": "json_schema", "json_schema": {
                "name": "response", "schema": {"type": "string"}, "strict": true}},
            "provider_options": {"anthropic_messages": {
                "thinking": {"type": "enabled", "budget_tokens": 20_000}, "output_config": {"effort": null}}}})
    );
}

#[test]
fn names_what_is_wrong() {
    let message = |message: Value| json!({"messages": [message]});
    for (body, at) in [
        (json!([]), "body"),
        (json!({}), "messages"),
        (json!({"messages": [], "max_tokens": -1}), "max_tokens"),
        (json!({"messages": "hi"}), "messages"),
        (message(json!("hi")), "messages[0]"),
        (
            message(json!({"role": "cook", "content": "a"})),
            "messages[0].role",
        ),
        (
            message(json!({"role": "user", "content": 1})),
            "messages[0].content",
        ),
        (
            message(json!({"role": "user", "content": ["a"]})),
            "messages[0].content[0]",
        ),
        (
            message(json!({"role": "assistant", "content": [{"type": "tool_use", "id": "a"}]})),
            "messages[0].content[0].name",
        ),
        (
            message(json!({"role": "user", "content": [{"type": "tool_result"}]})),
            "messages[0].content[0].tool_use_id",
        ),
        (
            message(json!({"role": "user", "content": [{"type": "image", "source": {"type": 1}}]})),
            "messages[0].content[0].source.type",
        ),
        (
            json!({"messages": [], "tools": [{"input_schema": {}}]}),
            "tools[0].name",
        ),
        (json!({"messages": [], "thinking": 3}), "thinking"),
    ] {
        let failure = ANTHROPIC_MESSAGES
            .decode_request("", body.to_string().as_bytes())
            .expect_err(at);
        assert_eq!(failure.class, FailureClass::InvalidRequest, "{body}");
        assert_eq!(failure.code.as_deref(), Some(at), "{body}");
    }
}
