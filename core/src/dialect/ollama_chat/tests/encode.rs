use serde_json::{Value, json};

use crate::catalog::{Model, Quirks, Reasoning};
use crate::dialect::ollama_chat::OLLAMA_CHAT;
use crate::dialect::testing::{facts, places, written};
use crate::dialect::{Call, Dialect as _, Encoded, Framing};
use crate::types::{ChatRequest, Failure, FailureClass};

fn encode_with(request: &Value, facts: Option<&Model>, lossy: bool) -> Result<Encoded, Failure> {
    written(
        &OLLAMA_CHAT,
        ("ollama/gemma3:1b", "presence_penalty"),
        request,
        facts,
        lossy,
    )
}

fn encode(request: &Value) -> (Value, Vec<String>) {
    let encoded = encode_with(request, None, false).unwrap();
    (serde_json::from_slice(&encoded.body).unwrap(), encoded.adapted)
}

#[test]
fn encodes_the_frame() {
    let request = ChatRequest::of("hi");
    for stream in [false, true] {
        let encoded = OLLAMA_CHAT
            .encode(&Call {
                request: &request,
                provider: "ollama",
                model: "gemma3:1b",
                facts: None,
                quirks: &Quirks::default(),
                lossy: false,
                stream,
            })
            .unwrap();
        assert_eq!(encoded.path, "/api/chat");
        assert!(encoded.headers.is_empty() && encoded.adapted.is_empty());
        assert_eq!(
            serde_json::from_slice::<Value>(&encoded.body).unwrap(),
            json!({"model": "gemma3:1b", "stream": stream, "messages": [{"role": "user", "content": "hi"}]})
        );
    }
    assert_eq!(OLLAMA_CHAT.auth(), ("authorization", "Bearer "));
    assert_eq!(OLLAMA_CHAT.framing(), Framing::Lines);
}

#[test]
fn encodes_conversations() {
    let (body, adapted) = encode(&json!({"messages": [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [
            {"type": "text", "text": "see", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": ""},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        ]},
        {"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}},
            {"type": "text", "text": "and"},
            {"type": "file", "file": {"file_data": "data:text/plain;base64,aGk=", "filename": "a.txt"}},
        ]},
        {"role": "assistant", "content": "", "refusal": "not that",
         "reasoning_details": [
            {"dialect": "ollama_chat", "text": "hm"},
            {"dialect": "gemini", "text": "", "signature": "s"},
         ],
         "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": ""},
             "extra_content": {"google": {"thought_signature": "s"}}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{\"x\": 1}"}},
         ]},
        {"role": "tool", "tool_call_id": "b", "content": "12"},
        {"role": "tool", "tool_call_id": "z", "name": "h", "content": "13"},
        {"role": "tool", "tool_call_id": "y", "content": "14"},
        {"role": "developer", "content": "late"},
    ]}));
    assert_eq!(
        body["messages"],
        json!([
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "see", "images": ["aGk="]},
            {"role": "user", "content": "and\n\na.txt:\nhi", "images": ["aGk="]},
            {"role": "assistant", "content": "not that", "thinking": "hm", "tool_calls": [
                {"id": "a", "function": {"name": "f", "arguments": {}}},
                {"id": "b", "function": {"name": "g", "arguments": {"x": 1}}},
            ]},
            {"role": "tool", "content": "12", "tool_name": "g", "tool_call_id": "b"},
            {"role": "tool", "content": "13", "tool_name": "h", "tool_call_id": "z"},
            {"role": "tool", "content": "14", "tool_call_id": "y"},
            {"role": "system", "content": "late"},
        ])
    );
    assert_eq!(
        places(&adapted),
        [
            "cache_control",
            "messages[1].content",
            "messages[2].content[0].image_url.detail",
            "messages[2].content[2]",
            "messages[2].content",
            "messages[3].refusal",
            "messages[3].reasoning_details[1]",
            "messages[3].tool_calls[0].extra_content",
            "messages[6].tool_call_id",
            "messages[7].role",
        ]
    );
}

#[test]
fn encodes_settings() {
    let tool = json!({"type": "function", "function":
        {"name": "f", "description": "d", "parameters": {"type": "object"}}});
    let bare = json!({"type": "function", "function": {"name": "g"}});
    let cases: Vec<(Value, Value, &[&str])> = vec![
        (
            json!({"max_tokens": 9, "temperature": 0.5, "top_p": 0.5, "top_k": 7, "stop": "x", "seed": -3,
                "frequency_penalty": 0.5, "response_format": {"type": "text"}, "n": 1, "user": "u"}),
            json!({"options": {"num_predict": 9, "temperature": 0.5, "top_p": 0.5, "top_k": 7, "stop": ["x"],
                "seed": -3, "frequency_penalty": 0.5}}),
            &["user"],
        ),
        (
            json!({"response_format": {"type": "json_object"}}),
            json!({"format": "json"}),
            &[],
        ),
        (
            json!({"response_format": {"type": "json_schema", "json_schema":
                {"name": "a", "schema": {"type": "object"}, "description": "d"}}}),
            json!({"format": {"type": "object"}}),
            &["response_format.json_schema.description"],
        ),
        (
            json!({"tools": [tool, bare], "tool_choice": "auto", "parallel_tool_calls": true}),
            json!({"tools": [tool, bare]}),
            &[],
        ),
        (
            json!({"tools": [tool], "tool_choice": "none"}),
            json!({}),
            &["tools"],
        ),
        (json!({"tool_choice": "none"}), json!({}), &[]),
        (
            json!({"seed": 1, "provider_options": {
                "ollama_chat": {"truncate": false, "options": {"num_ctx": 32768}, "stream": true},
                "ollama": {"keep_alive": "5m"}}}),
            json!({"options": {"seed": 1, "num_ctx": 32768}, "truncate": false, "keep_alive": "5m"}),
            &[],
        ),
    ];
    for (mut request, mut expected, changed) in cases {
        request["messages"] = json!("hi");
        expected["model"] = json!("gemma3:1b");
        expected["messages"] = json!([{"role": "user", "content": "hi"}]);
        expected["stream"] = json!(false);
        let (body, adapted) = encode(&request);
        assert_eq!(body, expected);
        assert_eq!(places(&adapted), changed);
    }
}

#[test]
fn encodes_effort() {
    use Reasoning as R;
    for (reasoning, effort, expected, notes) in [
        (R::None, "none", Value::Null, 0),
        (R::Unknown, "none", json!(false), 0),
        (R::Unknown, "medium", json!(true), 0),
        (R::Budget, "high", json!(true), 1),
        (R::Effort, "minimal", json!("low"), 1),
        (R::Effort, "low", json!("low"), 0),
        (R::Effort, "high", json!("high"), 0),
        (R::Effort, "max", json!("high"), 1),
    ] {
        let facts = facts(None, None, reasoning);
        let request = json!({"messages": "hi", "reasoning_effort": effort});
        let encoded = encode_with(&request, Some(&facts), false).unwrap();
        let body: Value = serde_json::from_slice(&encoded.body).unwrap();
        assert_eq!(body["think"], expected, "{effort}");
        assert_eq!(encoded.adapted.len(), notes, "{effort}");
    }
    for (reasoning, effort) in [(R::None, "low"), (R::Effort, "none")] {
        let facts = facts(None, None, reasoning);
        let request = json!({"messages": "hi", "reasoning_effort": effort});
        let failure = encode_with(&request, Some(&facts), false).unwrap_err();
        assert_eq!(failure.code.as_deref(), Some("reasoning_effort"));
        let encoded = encode_with(&request, Some(&facts), true).unwrap();
        assert_eq!(places(&encoded.adapted), ["reasoning_effort"]);
    }
}

/// What has no equal is refused by name, and left out and named where the route takes a loss.
#[test]
fn loses_by_name() {
    let tool = |strict: bool| json!({"type": "function", "function": {"name": "f", "strict": strict}});
    let part = |part: Value| json!([{"role": "user", "content": [{"type": "text", "text": "a"}, part]}]);
    for (field, value, lost) in [
        ("store", json!(true), "store"),
        ("presence_penalty", json!(0.5), "presence_penalty"),
        (
            "response_format",
            json!({"type": "grammar", "grammar": "g"}),
            "response_format",
        ),
        ("tools", json!([{"type": "web_search"}]), "tools[0].type"),
        (
            "tools",
            json!([tool(false), tool(true)]),
            "tools[1].function.strict",
        ),
        ("tool_choice", json!("required"), "tool_choice"),
        (
            "tool_choice",
            json!({"type": "function", "function": {"name": "f"}}),
            "tool_choice",
        ),
        ("tool_choice", json!({"type": "allowed_tools"}), "tool_choice"),
        (
            "messages",
            json!([{"role": "assistant", "content": "a", "name": "Ann"}]),
            "messages[0].name",
        ),
        (
            "messages",
            json!([{"role": "assistant", "content": "", "tool_calls":
                [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "[1]"}}]}]),
            "messages[0].tool_calls[0].function.arguments",
        ),
        (
            "messages",
            part(json!({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}})),
            "messages[0].content[1]",
        ),
        (
            "messages",
            part(json!({"type": "file", "file": {"file_id": "f"}})),
            "messages[0].content[1]",
        ),
        (
            "messages",
            part(json!({"type": "video_url", "video_url": {}})),
            "messages[0].content[1]",
        ),
        (
            "messages",
            part(json!({"type": "image_url", "image_url": {"url": "https://x.example/a.png"}})),
            "messages[0].content[1].image_url.url",
        ),
    ] {
        let facts = facts(None, Some(false), Reasoning::Unknown);
        let mut request = json!({"messages": "hi"});
        request[field] = value;
        let failure = encode_with(&request, Some(&facts), false).unwrap_err();
        assert_eq!(failure.class, FailureClass::Unsupported);
        assert_eq!(failure.code.as_deref(), Some(lost));
        let encoded = encode_with(&request, Some(&facts), true).unwrap();
        assert_eq!(places(&encoded.adapted), [lost], "{request}");
    }
    let request = json!({"messages": "hi", "tools": [tool(false)], "parallel_tool_calls": false});
    let failure = encode_with(&request, None, false).unwrap_err();
    assert_eq!(failure.code.as_deref(), Some("parallel_tool_calls"));
}
