use http::HeaderValue;
use serde_json::{Value, json};

use crate::catalog::Quirks;
use crate::catalog::{Model, Reasoning};
use crate::dialect::anthropic_messages::ANTHROPIC_MESSAGES;
use crate::dialect::testing::facts;
use crate::dialect::{Call, Dialect as _, Encoded};
use crate::types::{ChatRequest, Failure, FailureClass};

fn encode_with(request: Value, facts: Option<&Model>, stream: bool) -> Result<Encoded, Failure> {
    let request: ChatRequest = serde_json::from_value(request).unwrap();
    crate::dialect::encode(
        &ANTHROPIC_MESSAGES,
        &Call {
            request: &request,
            provider: "anthropic",
            model: "claude",
            facts,
            quirks: &Quirks::default(),
            lossy: false,
            stream,
        },
    )
}

/// The body's fields that are not always there, and the lines of `adapted` besides the one for `max_tokens`.
fn encode(request: Value, facts: Option<&Model>) -> (Value, Vec<String>) {
    let encoded = encode_with(request, facts, false).unwrap();
    let mut body: Value = serde_json::from_slice(&encoded.body).unwrap();
    let fields = body.as_object_mut().unwrap();
    for (field, value) in [("model", json!("claude")), ("stream", json!(false))] {
        assert_eq!(fields.shift_remove(field), Some(value));
    }
    let adapted = encoded
        .adapted
        .into_iter()
        .filter(|line| !line.starts_with("max_tokens"));
    (body, adapted.collect())
}

#[test]
fn encodes_the_frame() {
    let encoded = encode_with(json!({"messages": "hi"}), None, true).unwrap();
    assert_eq!(encoded.path, "/messages");
    let version = HeaderValue::from_static("2023-06-01");
    assert_eq!(encoded.headers, [("anthropic-version", version)]);
    assert_eq!(
        serde_json::from_slice::<Value>(&encoded.body).unwrap(),
        json!({
            "model": "claude",
            "max_tokens": 4096,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
            "stream": true,
        })
    );
    assert_eq!(
        encoded.adapted,
        ["max_tokens: the vendor needs it; 4096 was chosen"]
    );

    let known = facts(Some(64_000), None, Reasoning::Unknown);
    let encoded = encode_with(json!({"messages": "hi"}), Some(&known), false).unwrap();
    assert_eq!(
        encoded.adapted,
        ["max_tokens: the vendor needs it; 64000 was chosen"]
    );
    let encoded = encode_with(json!({"messages": "hi", "max_tokens": 5}), Some(&known), false).unwrap();
    assert!(encoded.adapted.is_empty());
    assert_eq!(ANTHROPIC_MESSAGES.auth(), ("x-api-key", ""));
}

#[test]
fn encodes_conversations() {
    let pdf = "data:application/pdf;base64,JVBERi0=";
    let cases: Vec<(Value, Value, Value, &[&str])> = vec![
        (
            json!([
                {"role": "system", "content": "be brief"},
                {"role": "user", "content": "a"},
                {"role": "user", "content": "b"},
                {"role": "assistant", "content": "c"},
            ]),
            json!("be brief"),
            json!([
                {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
                {"role": "assistant", "content": [{"type": "text", "text": "c"}]},
            ]),
            &[],
        ),
        (
            json!([
                {"role": "developer", "content": [
                    {"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}},
                ]},
                {"role": "user", "content": "a"},
                {"role": "system", "content": "late"},
                {"role": "assistant", "content": ""},
            ]),
            json!([
                {"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}},
                {"type": "text", "text": "late"},
            ]),
            json!([{"role": "user", "content": [{"type": "text", "text": "a"}]}]),
            &[
                "messages[2]: instructions moved to the top, the only place the vendor has for them",
                "messages[3]: left out, since the vendor refuses empty messages",
            ],
        ),
        (
            json!([
                {"role": "user", "content": [
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
                    {"type": "file", "file": {"file_data": pdf, "filename": "a.pdf"}},
                    {"type": "file", "file": {"file_data": "data:text/plain;charset=utf-8;base64,aGk="}},
                    {"type": "file", "file": {"file_data": "https://x.example/a.pdf"}},
                    {"type": "file", "file": {"file_id": "file_1"}, "cache_control": {"type": "ephemeral"}},
                    {"type": "text", "text": ""},
                ]},
            ]),
            Value::Null,
            json!([{"role": "user", "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
                {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}},
                {"type": "document", "title": "a.pdf",
                 "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hi"}},
                {"type": "document", "source": {"type": "url", "url": "https://x.example/a.pdf"}},
                {"type": "document", "source": {"type": "file", "file_id": "file_1"},
                 "cache_control": {"type": "ephemeral"}},
            ]}]),
            &["image_url.detail: left out; the vendor chooses the resolution"],
        ),
        // Results stand together and first, whatever order they and the user's words came in.
        (
            json!([
                {"role": "user", "content": "weather?"},
                {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [
                    {"id": "functions.w:0", "type": "function", "function": {"name": "w", "arguments": "{\"a\":1}"}},
                    {"id": "t2", "type": "function", "function": {"name": "w", "arguments": ""}},
                ], "reasoning_details": [
                    {"dialect": "anthropic_messages", "text": "think", "signature": "sig"},
                    {"dialect": "anthropic_messages", "redacted": "xyz"},
                    {"dialect": "anthropic_messages", "text": "unsigned"},
                    {"dialect": "gemini", "signature": "g"},
                ]},
                {"role": "tool", "tool_call_id": "functions.w:0", "content": "sun", "name": "w"},
                {"role": "user", "content": "well?"},
                {"role": "tool", "tool_call_id": "t2", "content": [
                    {"type": "text", "text": "rain"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
                ]},
            ]),
            Value::Null,
            json!([
                {"role": "user", "content": [{"type": "text", "text": "weather?"}]},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "think", "signature": "sig"},
                    {"type": "redacted_thinking", "data": "xyz"},
                    {"type": "tool_use", "id": "functions_w_0", "name": "w", "input": {"a": 1}},
                    {"type": "tool_use", "id": "t2", "name": "w", "input": {}},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "functions_w_0", "content": "sun"},
                    {"type": "tool_result", "tool_use_id": "t2", "content": [
                        {"type": "text", "text": "rain"},
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
                    ]},
                    {"type": "text", "text": "well?"},
                ]},
            ]),
            &[
                "messages[1].reasoning_content: left out",
                "messages[1].reasoning_details[2]: left out, since it is not signed",
                "messages[1].reasoning_details[3]: left out, since only gemini can read it",
                "messages[2].name: left out",
            ],
        ),
        (
            json!([
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": null, "refusal": "no"},
                {"role": "user", "content": "b"},
            ]),
            Value::Null,
            json!([
                {"role": "user", "content": [{"type": "text", "text": "a"}]},
                {"role": "assistant", "content": [{"type": "text", "text": "no"}]},
                {"role": "user", "content": [{"type": "text", "text": "b"}]},
            ]),
            &["messages[1].refusal: sent as text"],
        ),
    ];
    for (messages, system, expected, lines) in cases {
        let (body, adapted) = encode(json!({"messages": messages}), None);
        assert_eq!(
            body.get("system").cloned().unwrap_or_default(),
            system,
            "{messages}"
        );
        assert_eq!(body["messages"], expected, "{messages}");
        assert_eq!(adapted, lines, "{messages}");
    }
}

#[test]
fn encodes_settings() {
    let tool = json!({"type": "function", "function": {"name": "f"}});
    let cases: Vec<(Value, Value)> = vec![
        (
            json!({"temperature": 1, "top_p": 0.5, "top_k": 3, "stop": "END", "user": "u1"}),
            json!({"temperature": 1.0, "top_p": 0.5, "top_k": 3, "stop_sequences": ["END"],
                   "metadata": {"user_id": "u1"}}),
        ),
        (
            json!({"tools": [
                tool,
                {"type": "function", "cache_control": {"type": "ephemeral"}, "function": {
                    "name": "g", "description": "d", "strict": true,
                    "parameters": {"type": "object", "additionalProperties": false, "x": 1}}},
            ]}),
            json!({"tools": [
                {"name": "f", "input_schema": {"type": "object"}},
                {"name": "g", "description": "d", "strict": true,
                 "input_schema": {"type": "object", "additionalProperties": false, "x": 1},
                 "cache_control": {"type": "ephemeral"}},
            ]}),
        ),
        (
            json!({"tool_choice": "none"}),
            json!({"tool_choice": {"type": "none"}}),
        ),
        (
            json!({"tool_choice": "auto"}),
            json!({"tool_choice": {"type": "auto"}}),
        ),
        (
            json!({"tool_choice": "required"}),
            json!({"tool_choice": {"type": "any"}}),
        ),
        (
            json!({"tool_choice": {"type": "function", "function": {"name": "f"}}}),
            json!({"tool_choice": {"type": "tool", "name": "f"}}),
        ),
        (json!({"parallel_tool_calls": false}), json!({})),
        (
            json!({"tools": [tool], "parallel_tool_calls": false}),
            json!({"tools": [{"name": "f", "input_schema": {"type": "object"}}],
                   "tool_choice": {"type": "auto", "disable_parallel_tool_use": true}}),
        ),
        (
            json!({"response_format": {"type": "json_schema", "json_schema": {
                "name": "n", "strict": true, "schema": {"type": "string"}}}}),
            json!({"output_config": {"format": {"type": "json_schema", "schema": {"type": "string"}}}}),
        ),
        (json!({"response_format": {"type": "text"}}), json!({})),
        (
            json!({"reasoning_effort": "high", "provider_options": {
                "anthropic_messages": {"speed": "fast"},
                "anthropic": {"output_config": {"effort": "max"}, "stream": true},
            }}),
            json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}, "speed": "fast"}),
        ),
    ];
    for (mut settings, mut expected) in cases {
        settings["messages"] = json!("hi");
        expected["max_tokens"] = json!(4096);
        expected["messages"] = json!([{"role": "user", "content": [{"type": "text", "text": "hi"}]}]);
        let (body, adapted) = encode(settings.clone(), None);
        assert_eq!(body, expected, "{settings}");
        assert!(adapted.is_empty(), "{adapted:?}");
    }
}

#[test]
fn encodes_reasoning() {
    use Reasoning::{Budget, Effort, None, Unknown};
    let budget = |tokens: u32| json!({"type": "enabled", "budget_tokens": tokens});
    let adaptive = || json!({"type": "adaptive"});
    let cases: Vec<(Reasoning, Value, Value, Value, usize)> = vec![
        (
            None,
            json!({"reasoning_effort": "none"}),
            Value::Null,
            Value::Null,
            1,
        ),
        (
            Effort,
            json!({"reasoning_effort": "none"}),
            json!({"type": "disabled"}),
            Value::Null,
            0,
        ),
        (
            Unknown,
            json!({"reasoning_effort": "xhigh"}),
            adaptive(),
            json!("xhigh"),
            0,
        ),
        (
            Effort,
            json!({"reasoning_effort": "minimal"}),
            adaptive(),
            json!("low"),
            1,
        ),
        (
            Effort,
            json!({"reasoning_effort": "low", "tool_choice": "required"}),
            Value::Null,
            json!("low"),
            1,
        ),
        (
            Budget,
            json!({"reasoning_effort": "minimal", "max_tokens": 1025}),
            budget(1024),
            Value::Null,
            0,
        ),
        (
            Budget,
            json!({"reasoning_effort": "low", "max_tokens": 64000}),
            budget(2048),
            Value::Null,
            0,
        ),
        (
            Budget,
            json!({"reasoning_effort": "medium", "max_tokens": 64000}),
            budget(8192),
            Value::Null,
            0,
        ),
        (
            Budget,
            json!({"reasoning_effort": "high", "max_tokens": 64000}),
            budget(16_384),
            Value::Null,
            0,
        ),
        (
            Budget,
            json!({"reasoning_effort": "max", "max_tokens": 64000}),
            budget(32_000),
            Value::Null,
            0,
        ),
        (
            Budget,
            json!({"reasoning_effort": "max", "max_tokens": 8000}),
            budget(6000),
            Value::Null,
            1,
        ),
    ];
    for (reasoning, mut settings, thinking, effort, lines) in cases {
        settings["messages"] = json!("hi");
        let (body, adapted) = encode(
            settings.clone(),
            Some(&facts(Option::None, Option::None, reasoning)),
        );
        assert_eq!(
            body.get("thinking").cloned().unwrap_or_default(),
            thinking,
            "{settings}"
        );
        assert_eq!(body["output_config"]["effort"], effort, "{settings}");
        assert_eq!(adapted.len(), lines, "{settings}: {adapted:?}");
    }
}

#[test]
fn refuses_by_name() {
    let fixed = facts(None, None, Reasoning::None);
    let budget = facts(None, None, Reasoning::Budget);
    let audio = json!([{"role": "user", "content": [
        {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}]}]);
    let call = |arguments: &str| {
        json!([{"role": "assistant", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "b", "type": "function", "function": {"name": "f", "arguments": arguments}},
        ]}])
    };
    let user = |part: Value| json!([{"role": "user", "content": [part]}]);
    let cases: Vec<(Option<&Model>, Value, &str)> = vec![
        (None, json!({"seed": 1}), "seed"),
        (None, json!({"frequency_penalty": 1}), "frequency_penalty"),
        (None, json!({"presence_penalty": 1}), "presence_penalty"),
        (None, json!({"n": 2}), "n"),
        (
            Some(&fixed),
            json!({"reasoning_effort": "low"}),
            "reasoning_effort",
        ),
        (
            Some(&budget),
            json!({"reasoning_effort": "low", "max_tokens": 1024}),
            "reasoning_effort",
        ),
        (
            Some(&budget),
            json!({"reasoning_effort": "low", "tool_choice": "required"}),
            "reasoning_effort",
        ),
        (
            None,
            json!({"response_format": {"type": "json_schema", "json_schema": {
                "name": "n", "schema": {"type": "object", "additionalProperties": true}}}}),
            "response_format.json_schema.schema.additionalProperties",
        ),
        (
            None,
            json!({"response_format": {"type": "json_object"}}),
            "response_format",
        ),
        (
            None,
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}}),
            "response_format.json_schema.schema",
        ),
        (None, json!({"tools": [{"type": "custom"}]}), "tools[0].type"),
        (
            None,
            json!({"tool_choice": {"type": "allowed_tools"}}),
            "tool_choice",
        ),
        (
            None,
            json!({"messages": [{"role": "system", "content": "x"}]}),
            "messages",
        ),
        (None, json!({"messages": audio}), "messages[0].content[0]"),
        (
            None,
            json!({"messages": user(json!({"type": "video"}))}),
            "messages[0].content[0]",
        ),
        (
            None,
            json!({"messages": user(json!({"type": "image_url", "image_url": {"url": "data:,hi"}}))}),
            "messages[0].content[0].image_url.url",
        ),
        (
            None,
            json!({"messages": user(json!({"type": "file", "file": {"file_data": "data:a/b;base64,aGk="}}))}),
            "messages[0].content[0].file.file_data",
        ),
        (
            None,
            json!({"messages": user(json!({"type": "file", "file": {}}))}),
            "messages[0].content[0].file",
        ),
        (
            None,
            json!({"messages": call("[1]")}),
            "messages[0].tool_calls[1].function.arguments",
        ),
        (
            None,
            json!({"messages": call("{")}),
            "messages[0].tool_calls[1].function.arguments",
        ),
        (
            None,
            json!({"messages": [{"role": "user", "content": "a", "name": "Al"}]}),
            "messages[0].name",
        ),
        (
            None,
            json!({"messages": [{"role": "user", "content": "a", "x": 1}]}),
            "messages[0].x",
        ),
    ];
    for (facts, mut request, field) in cases {
        if request.get("messages").is_none() {
            request["messages"] = json!("hi");
        }
        let failure = encode_with(request.clone(), facts, false).expect_err(field);
        assert_eq!(failure.class, FailureClass::Unsupported, "{request}");
        assert_eq!(failure.code.as_deref(), Some(field), "{request}");
    }
}

/// What keeps the meaning is changed, and said.
#[test]
fn changes_and_says_so() {
    let budget = facts(None, None, Reasoning::Budget);
    let fixed = facts(Some(64), Some(false), Reasoning::Unknown);
    let cases: Vec<(Option<&Model>, Value, Value, &[&str])> = vec![
        (
            None,
            json!({"temperature": 1.5}),
            json!({"temperature": 1.0, "max_tokens": 4096}),
            &["temperature: 1.5 lowered to 1, the vendor's most"],
        ),
        (
            Some(&fixed),
            json!({"temperature": 1, "top_k": 3, "max_tokens": 100}),
            json!({"max_tokens": 64}),
            &[
                "temperature: left out; the model takes no sampling parameters",
                "top_k: left out; the model takes no sampling parameters",
                "max_tokens: 100 lowered to 64, the model's most",
            ],
        ),
        (
            Some(&budget),
            json!({"reasoning_effort": "low", "temperature": 0, "max_tokens": 4096}),
            json!({"max_tokens": 4096, "thinking": {"type": "enabled", "budget_tokens": 2048}}),
            &["temperature: left out; it cannot be changed while the model thinks"],
        ),
        (
            None,
            json!({"max_tokens": 9, "provider_options": {"gemini": {"labels": {}}, "groq": {"x": 1}}}),
            json!({"max_tokens": 9}),
            &["provider_options.gemini.labels: left out; it is for that format only"],
        ),
        (
            None,
            json!({"max_tokens": 9, "response_format": {"type": "json_schema", "json_schema": {
                "name": "n", "description": "d", "schema": {"type": "object", "properties": {}}}}}),
            json!({"max_tokens": 9, "output_config": {"format": {"type": "json_schema", "schema": {
                "type": "object", "properties": {}, "additionalProperties": false}}}}),
            &[
                "response_format.json_schema.description: left out; the vendor has no place for it",
                "response_format.json_schema.schema: `additionalProperties: false` set, which the vendor needs",
            ],
        ),
    ];
    for (facts, mut request, mut expected, lines) in cases {
        request["messages"] = json!("hi");
        expected["messages"] = json!([{"role": "user", "content": [{"type": "text", "text": "hi"}]}]);
        expected["model"] = json!("claude");
        expected["stream"] = json!(false);
        let encoded = encode_with(request.clone(), facts, false).unwrap();
        let body: Value = serde_json::from_slice(&encoded.body).unwrap();
        assert_eq!(body, expected, "{request}");
        let said: Vec<&String> = encoded
            .adapted
            .iter()
            .filter(|line| !line.contains("was chosen"))
            .collect();
        assert_eq!(said, lines, "{request}");
    }
}

/// Where a loss is taken, what has no equal is left out by name; pictures never are.
#[test]
fn loses_by_name() {
    let request: ChatRequest = serde_json::from_value(json!({
        "max_tokens": 9, "seed": 1, "n": 2, "logit_bias": {"1": 2},
        "response_format": {"type": "json_object"},
        "tools": [{"type": "custom", "custom": {"name": "c"}}], "tool_choice": "required",
        "messages": [
            {"role": "user", "name": "Al", "content": [{"type": "text", "text": "a"}, {"type": "video", "video": {}}]},
            {"role": "assistant", "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": "[1]"}}]},
        ],
    }))
    .unwrap();
    let call = Call {
        request: &request,
        provider: "anthropic",
        model: "claude",
        facts: None,
        quirks: &Quirks::default(),
        lossy: true,
        stream: false,
    };
    let encoded = crate::dialect::encode(&ANTHROPIC_MESSAGES, &call).unwrap();
    let body: Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!(
        body,
        json!({"model": "claude", "max_tokens": 9, "stream": false, "messages": [
            {"role": "user", "content": [{"type": "text", "text": "a"}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
        ]})
    );
    let fields: Vec<&str> = encoded
        .adapted
        .iter()
        .map(|line| line.split(':').next().unwrap())
        .collect();
    assert_eq!(
        fields,
        [
            "messages[0].content[1]",
            "tools[0].type",
            "tool_choice",
            "n",
            "logit_bias",
            "seed",
            "messages[0].name",
            "messages[1].tool_calls[0].function.arguments",
            "response_format",
        ]
    );
    let mut audio = request.clone();
    audio.messages = serde_json::from_value(json!([{"role": "user", "content": [
        {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}]}]))
    .unwrap();
    let failure = crate::dialect::encode(
        &ANTHROPIC_MESSAGES,
        &Call {
            request: &audio,
            ..call
        },
    )
    .unwrap_err();
    assert_eq!(failure.code.as_deref(), Some("messages[0].content[0]"));
}
