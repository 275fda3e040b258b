use serde_json::{Value, json};

use crate::catalog::{Model, Quirks, Reasoning};
use crate::dialect::cohere_chat::COHERE_CHAT;
use crate::dialect::testing::{facts, places, written};
use crate::dialect::{Call, Dialect as _, Encoded};
use crate::types::{ChatRequest, Failure, FailureClass};

fn encode_with(request: &Value, facts: Option<&Model>, lossy: bool) -> Result<Encoded, Failure> {
    written(&COHERE_CHAT, ("cohere/command-a", "seed"), request, facts, lossy)
}

fn encode(request: &Value) -> (Value, Vec<String>) {
    let encoded = encode_with(request, None, false).unwrap();
    (serde_json::from_slice(&encoded.body).unwrap(), encoded.adapted)
}

#[test]
fn encodes_the_frame() {
    let request = ChatRequest::of("hi");
    for stream in [false, true] {
        let encoded = COHERE_CHAT
            .encode(&Call {
                request: &request,
                provider: "cohere",
                model: "command-a",
                facts: None,
                quirks: &Quirks::default(),
                lossy: false,
                stream,
            })
            .unwrap();
        assert_eq!(encoded.path, "/chat");
        assert!(encoded.headers.is_empty() && encoded.adapted.is_empty());
        assert_eq!(
            serde_json::from_slice::<Value>(&encoded.body).unwrap(),
            json!({"model": "command-a", "stream": stream, "messages": [{"role": "user", "content": "hi"}]})
        );
    }
    assert_eq!(COHERE_CHAT.auth(), ("authorization", "Bearer "));
}

#[test]
fn encodes_conversations() {
    let cases: Vec<(Value, Value, &[&str])> = vec![
        (
            json!([
                {"role": "system", "content": "be brief"},
                {"role": "user", "content": [
                    {"type": "text", "text": "see", "cache_control": {"type": "ephemeral"}},
                    {"type": "text", "text": ""},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": "https://x.example/a.jpg"}},
                    {"type": "file", "file": {"file_data": "data:text/plain;base64,aGk=", "filename": "a.txt"}},
                ]},
                {"role": "assistant", "content": ""},
                {"role": "developer", "content": [{"type": "text", "text": "late"}]},
            ]),
            json!([
                {"role": "system", "content": [
                    {"type": "text", "text": "be brief"}, {"type": "text", "text": "late"},
                ]},
                {"role": "user", "content": [
                    {"type": "text", "text": "see"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": "https://x.example/a.jpg"}},
                    {"type": "text", "text": "a.txt:\nhi"},
                ]},
            ]),
            &[
                "cache_control",
                "messages[1].content[4]",
                "messages[2]",
                "messages[3].role",
                "messages[3]",
                "messages",
            ],
        ),
        (
            json!([
                {"role": "user", "content": "time?"},
                {"role": "assistant", "content": "let me see", "refusal": "not that", "cohere_chat": {"citations": [{"start": 0}]},
                 "reasoning": "hm",
                 "reasoning_details": [
                    {"dialect": "cohere_chat", "text": "hm"},
                    {"dialect": "cohere_chat", "id": "tool_plan", "text": "I will look."},
                    {"dialect": "gemini", "text": "", "signature": "s"},
                 ],
                 "tool_calls": [
                    {"id": "a.1", "type": "function", "function": {"name": "f", "arguments": ""},
                     "extra_content": {"google": {"thought_signature": "s"}}},
                    {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{\"x\": 1}"}},
                 ]},
                {"role": "tool", "tool_call_id": "a.1", "name": "f", "content": "12"},
                {"role": "tool", "tool_call_id": "b", "content": [
                    {"type": "text", "text": "noon"},
                    {"type": "document", "document": {"data": {"a": 1}, "id": "d"}},
                ]},
                {"role": "tool", "tool_call_id": "c", "content": ""},
            ]),
            json!([
                {"role": "user", "content": "time?"},
                {"role": "assistant",
                 "content": [
                    {"type": "thinking", "thinking": "hm"},
                    {"type": "text", "text": "let me see"},
                    {"type": "text", "text": "not that"},
                 ],
                 "tool_plan": "I will look.",
                 "tool_calls": [
                    {"id": "a.1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                    {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{\"x\": 1}"}},
                 ],
                 "citations": [{"start": 0}]},
                {"role": "tool", "tool_call_id": "a.1", "content": "12"},
                {"role": "tool", "tool_call_id": "b", "content": [
                    {"type": "text", "text": "noon"},
                    {"type": "document", "document": {"data": {"a": 1}, "id": "d"}},
                ]},
                {"role": "tool", "tool_call_id": "c", "content": ""},
            ]),
            &[
                "messages[1].reasoning",
                "messages[1].refusal",
                "messages[1].reasoning_details[2]",
                "messages[1].tool_calls[0].extra_content",
                "messages[2].name",
            ],
        ),
    ];
    for (messages, expected, changed) in cases {
        let (body, adapted) = encode(&json!({"messages": messages}));
        assert_eq!(body["messages"], expected);
        assert_eq!(places(&adapted), changed);
    }
}

#[test]
fn encodes_settings() {
    let tool = |name: &str| json!({"type": "function", "function": {"name": name, "strict": true}});
    let sent = |name: &str| {
        json!({"type": "function", "function":
            {"name": name, "parameters": {"type": "object", "properties": {}}}})
    };
    let cases: Vec<(Value, Value, &[&str])> = vec![
        (
            json!({"max_tokens": 9, "temperature": 0.5, "top_p": 0.5, "top_k": 7, "stop": "x",
                "frequency_penalty": 0.5, "presence_penalty": 1.0, "response_format": {"type": "text"}, "n": 1}),
            json!({"max_tokens": 9, "temperature": 0.5, "p": 0.5, "k": 7, "stop_sequences": ["x"],
                "frequency_penalty": 0.5, "presence_penalty": 1.0}),
            &[],
        ),
        (
            json!({"top_p": 1.0, "top_k": 501, "user": "u"}),
            json!({"p": 0.99, "k": 500}),
            &["top_p", "top_k", "user"],
        ),
        (
            json!({"response_format": {"type": "json_object"}}),
            json!({"response_format": {"type": "json_object"}}),
            &[],
        ),
        (
            json!({"response_format": {"type": "json_schema", "json_schema":
                {"name": "a", "schema": {"type": "object"}, "strict": true, "description": "d"}}}),
            json!({"response_format": {"type": "json_object", "json_schema": {"type": "object"}}}),
            &["response_format.json_schema.description"],
        ),
        (
            json!({"tools": [{"type": "function", "function":
                {"name": "f", "description": "d", "parameters": {"type": "object"}}}], "tool_choice": "auto",
                "parallel_tool_calls": true}),
            json!({"tools": [{"type": "function", "function":
                {"name": "f", "description": "d", "parameters": {"type": "object"}}}]}),
            &[],
        ),
        (
            json!({"tools": [tool("f"), {"type": "function", "function": {"name": "g"}}],
                "tool_choice": "required"}),
            json!({"tools": [sent("f"), sent("g")], "strict_tools": true, "tool_choice": "REQUIRED"}),
            &["tools"],
        ),
        (
            json!({"tools": [tool("f")], "tool_choice": "none"}),
            json!({"tools": [sent("f")], "strict_tools": true, "tool_choice": "NONE"}),
            &[],
        ),
        (
            json!({"tools": [tool("f"), tool("g")],
                "tool_choice": {"type": "function", "function": {"name": "g"}}}),
            json!({"tools": [sent("g")], "strict_tools": true, "tool_choice": "REQUIRED"}),
            &["tool_choice"],
        ),
        (
            json!({"provider_options": {"cohere_chat": {"safety_mode": "OFF", "stream": true},
                "cohere": {"priority": 3}}}),
            json!({"safety_mode": "OFF", "priority": 3}),
            &[],
        ),
    ];
    for (mut request, mut expected, changed) in cases {
        request["messages"] = json!("hi");
        expected["model"] = json!("command-a");
        expected["messages"] = json!([{"role": "user", "content": "hi"}]);
        expected["stream"] = json!(false);
        let (body, adapted) = encode(&request);
        assert_eq!(body, expected);
        assert_eq!(places(&adapted), changed);
    }
}

#[test]
fn encodes_effort() {
    let budget = |budget: u32| json!({"type": "enabled", "token_budget": budget});
    for (effort, max_tokens, reasoning, expected, notes) in [
        ("none", None, Reasoning::Unknown, json!({"type": "disabled"}), 0),
        ("minimal", None, Reasoning::Budget, budget(1024), 0),
        ("low", None, Reasoning::Unknown, budget(2048), 0),
        ("medium", Some(20_000), Reasoning::Unknown, budget(8192), 0),
        ("medium", Some(4000), Reasoning::Effort, budget(3000), 1),
        ("high", Some(9), Reasoning::Unknown, json!({"type": "enabled"}), 0),
        ("max", None, Reasoning::Unknown, json!({"type": "enabled"}), 1),
        ("none", None, Reasoning::None, Value::Null, 0),
    ] {
        let facts = facts(None, None, reasoning);
        let request = json!({"messages": "hi", "reasoning_effort": effort, "max_tokens": max_tokens});
        let encoded = encode_with(&request, Some(&facts), false).unwrap();
        let body: Value = serde_json::from_slice(&encoded.body).unwrap();
        assert_eq!(body["thinking"], expected, "{effort}");
        assert_eq!(encoded.adapted.len(), notes, "{effort}");
    }
}

/// What has no equal is refused by name, and left out and named where the route takes a loss.
#[test]
fn loses_by_name() {
    let plain = json!([{"type": "function", "function": {"name": "f"}}]);
    let part = |part: Value| json!([{"role": "user", "content": [{"type": "text", "text": "a"}, part]}]);
    let png = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}});
    for (field, value, lost) in [
        ("store", json!(true), "store"),
        ("n", json!(2), "n"),
        ("temperature", json!(1.5), "temperature"),
        ("seed", json!(-1), "seed"),
        // By the provider.
        ("seed", json!(1), "seed"),
        ("frequency_penalty", json!(-0.5), "frequency_penalty"),
        ("presence_penalty", json!(1.5), "presence_penalty"),
        ("stop", json!(["1", "2", "3", "4", "5", "6"]), "stop"),
        (
            "response_format",
            json!({"type": "grammar", "grammar": "g"}),
            "response_format",
        ),
        ("tools", json!([{"type": "web_search"}]), "tools[0].type"),
        ("tool_choice", json!({"type": "allowed_tools"}), "tool_choice"),
        (
            "tool_choice",
            json!({"type": "function", "function": {"name": "g"}}),
            "tool_choice",
        ),
        ("reasoning_effort", json!("high"), "reasoning_effort"),
        (
            "messages",
            json!([{"role": "user", "content": "a", "name": "Ann"}]),
            "messages[0].name",
        ),
        (
            "messages",
            json!([{"role": "user", "content": "a", "mood": 1}]),
            "messages[0].mood",
        ),
        (
            "messages",
            part(json!({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}})),
            "messages[0].content[1]",
        ),
        (
            "messages",
            part(json!({"type": "file", "file": {"file_data": "data:application/pdf;base64,aGk="}})),
            "messages[0].content[1]",
        ),
        (
            "messages",
            part(json!({"type": "document", "document": {"data": {}}})),
            "messages[0].content[1]",
        ),
        (
            "messages",
            part(json!({"type": "image_url", "image_url": {"url": "data:text"}})),
            "messages[0].content[1].image_url.url",
        ),
        (
            "messages",
            json!([{"role": "user", "content": "a"}, {"role": "tool", "tool_call_id": "c", "content": [png]}]),
            "messages[1].content[0]",
        ),
    ] {
        let facts = facts(None, Some(false), Reasoning::None);
        let mut request = json!({"messages": "hi"});
        request[field] = value;
        let failure = encode_with(&request, Some(&facts), false).unwrap_err();
        assert_eq!(failure.class, FailureClass::Unsupported);
        assert_eq!(failure.code.as_deref(), Some(lost));
        let encoded = encode_with(&request, Some(&facts), true).unwrap();
        assert_eq!(places(&encoded.adapted), [lost], "{request}");
    }
    for (field, value) in [
        ("parallel_tool_calls", json!(false)),
        ("response_format", json!({"type": "json_object"})),
    ] {
        let mut request = json!({"messages": "hi", "tools": plain});
        request[field] = value;
        let failure = encode_with(&request, None, false).unwrap_err();
        assert_eq!(failure.code.as_deref(), Some(field));
        let encoded = encode_with(&request, None, true).unwrap();
        assert_eq!(places(&encoded.adapted), [field]);
        let body: Value = serde_json::from_slice(&encoded.body).unwrap();
        assert!(body.get(field).is_none() && body["tools"].is_array());
    }
    for messages in [json!([{"role": "system", "content": "a"}]), json!("")] {
        let failure = encode_with(&json!({"messages": messages}), None, true).unwrap_err();
        assert_eq!(failure.code.as_deref(), Some("messages"));
    }
}

#[test]
fn of_too_many_stops_the_first_are_sent() {
    let request = json!({"messages": "hi", "stop": ["1", "2", "3", "4", "5", "6"]});
    let encoded = encode_with(&request, None, true).unwrap();
    let body: Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!(body["stop_sequences"], json!(["1", "2", "3", "4", "5"]));
}
