use serde_json::{Value, json};

use crate::catalog::Quirks;
use crate::catalog::{Model, Reasoning};
use crate::dialect::gemini::GEMINI;
use crate::dialect::testing::facts;
use crate::dialect::{Call, Dialect as _, Encoded};
use crate::types::{ChatRequest, Failure, FailureClass};

fn encode_with(request: Value, model: &str, facts: Option<&Model>, stream: bool) -> Result<Encoded, Failure> {
    let request: ChatRequest = serde_json::from_value(request).unwrap();
    crate::dialect::encode(
        &GEMINI,
        &Call {
            request: &request,
            provider: "google",
            model,
            facts,
            quirks: &Quirks::default(),
            lossy: false,
            stream,
        },
    )
}

fn encode(request: Value, model: &str) -> (Value, Vec<String>) {
    let encoded = encode_with(request, model, None, false).unwrap();
    (serde_json::from_slice(&encoded.body).unwrap(), encoded.adapted)
}

#[test]
fn encodes_the_frame() {
    let cases = [
        (
            "gemini-2.5-flash",
            false,
            "/models/gemini-2.5-flash:generateContent",
        ),
        (
            "gemini-2.5-flash",
            true,
            "/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
        ),
        ("a/b c:d?e", false, "/models/a%2Fb%20c%3Ad%3Fe:generateContent"),
    ];
    for (model, stream, path) in cases {
        let encoded = encode_with(json!({"messages": "hi"}), model, None, stream).unwrap();
        assert_eq!(encoded.path, path);
        assert!(encoded.headers.is_empty() && encoded.adapted.is_empty());
        assert_eq!(
            serde_json::from_slice::<Value>(&encoded.body).unwrap(),
            json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]})
        );
    }
    assert_eq!(GEMINI.auth(), ("x-goog-api-key", ""));
}

#[test]
fn encodes_conversations() {
    let cases: Vec<(Value, Value, &[&str])> = vec![
        (
            json!([
                {"role": "system", "content": "be brief"},
                {"role": "user", "content": [
                    {"type": "text", "text": "see", "cache_control": {"type": "ephemeral"}},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
                    {"type": "image_url", "image_url": {"url": "https://x.example/a.JPG?size=1"}},
                    {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}},
                    {"type": "file", "file": {"file_data": "data:application/pdf;base64,aGk="}},
                    {"type": "file", "file": {"file_id": "https://g.example/v1beta/files/1"}},
                ]},
                {"role": "assistant", "content": "ok"},
                {"role": "developer", "content": "late"},
                {"role": "user", "content": ""},
            ]),
            json!({
                "systemInstruction": {"parts": [{"text": "be brief"}, {"text": "late"}]},
                "contents": [
                    {"role": "user", "parts": [
                        {"text": "see"},
                        {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
                        {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://x.example/a.JPG?size=1"}},
                        {"inlineData": {"mimeType": "audio/mp3", "data": "aGk="}},
                        {"inlineData": {"mimeType": "application/pdf", "data": "aGk="}},
                        {"fileData": {"fileUri": "https://g.example/v1beta/files/1"}},
                    ]},
                    {"role": "model", "parts": [{"text": "ok"}]},
                ],
            }),
            &[
                "cache_control: left out; gemini caches by itself",
                "messages[3]: instructions moved to the top, the only place the vendor has for them",
                "messages[4]: left out, since the vendor refuses empty messages",
            ],
        ),
        // Signed calls go back with their signature; one turn's results stand together; a result becomes an object.
        (
            json!([
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "c0", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"},
                     "extra_content": {"google": {"thought_signature": "sig"}}},
                    {"id": "c1", "type": "function", "function": {"name": "g", "arguments": ""}},
                ]},
                {"role": "tool", "tool_call_id": "c0", "content": "{\"x\":1}"},
                {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "[1]"}]},
                {"role": "assistant", "content": "done", "reasoning_details": [
                    {"dialect": "gemini", "signature": "text-sig"},
                    {"dialect": "anthropic_messages", "text": "t", "signature": "s"},
                ]},
                {"role": "user", "content": "b"},
            ]),
            json!({"contents": [
                {"role": "user", "parts": [{"text": "a"}]},
                {"role": "model", "parts": [
                    {"functionCall": {"id": "c0", "name": "f", "args": {"a": 1}}, "thoughtSignature": "sig"},
                    {"functionCall": {"id": "c1", "name": "g", "args": {}}},
                ]},
                {"role": "user", "parts": [
                    {"functionResponse": {"id": "c0", "name": "f", "response": {"x": 1}}},
                    {"functionResponse": {"id": "c1", "name": "g", "response": {"result": "[1]"}}},
                ]},
                {"role": "model", "parts": [{"text": "done", "thoughtSignature": "text-sig"}]},
                {"role": "user", "parts": [{"text": "b"}]},
            ]}),
            &["messages[4].reasoning_details[1]: left out, since only anthropic_messages can read it"],
        ),
        // An id used again means the latest call.
        (
            json!([
                {"role": "assistant", "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "old", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "c", "content": ""},
                {"role": "assistant", "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "new", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "c", "content": "r"},
            ]),
            json!({"contents": [
                {"role": "model", "parts": [{"functionCall": {"id": "c", "name": "old", "args": {}}}]},
                {"role": "user", "parts": [
                    {"functionResponse": {"id": "c", "name": "old", "response": {"result": ""}}}]},
                {"role": "model", "parts": [{"functionCall": {"id": "c", "name": "new", "args": {}}}]},
                {"role": "user", "parts": [
                    {"functionResponse": {"id": "c", "name": "new", "response": {"result": "r"}}}]},
            ]}),
            &[],
        ),
    ];
    for (messages, expected, lines) in cases {
        let (body, adapted) = encode(json!({"messages": messages}), "gemini-2.5-flash");
        assert_eq!(body, expected, "{messages}");
        assert_eq!(adapted, lines, "{messages}");
    }
}

#[test]
fn marks_calls_that_nobody_signed() {
    let request = json!({"messages": [
        {"role": "assistant", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "b", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        ]},
    ]});
    for (model, marked) in [
        ("gemini-1.5-pro", false),
        ("gemini-2.5-pro", false),
        ("gemini-3-flash-preview", true),
        ("gemini-flash-latest", true),
        ("gemma-3-27b-it", false),
    ] {
        let (body, adapted) = encode(request.clone(), model);
        let parts = &body["contents"][0]["parts"];
        let mark = marked.then_some("skip_thought_signature_validator");
        assert_eq!(parts[0]["thoughtSignature"].as_str(), mark, "{model}");
        assert!(parts[1]["thoughtSignature"].is_null(), "{model}");
        assert_eq!(adapted.len(), usize::from(marked), "{model}");
    }
}

#[test]
fn encodes_settings() {
    let tool = |strict: bool| {
        json!([{"type": "function", "function": {
            "name": "f", "description": "d", "strict": strict, "parameters": {"type": "object", "$defs": {}}}}])
    };
    let declared = json!([{"functionDeclarations": [
        {"name": "f", "description": "d", "parametersJsonSchema": {"type": "object", "$defs": {}}}]}]);
    let calling = |config: Value| json!({"tools": declared, "toolConfig": {"functionCallingConfig": config}});
    let cases: Vec<(Value, Value)> = vec![
        (
            json!({"max_tokens": 9, "temperature": 2, "top_p": 0.5, "top_k": 3, "stop": ["a", "b"], "seed": -1,
                   "frequency_penalty": 0.5, "presence_penalty": -0.5, "parallel_tool_calls": true}),
            json!({"generationConfig": {
                "maxOutputTokens": 9, "temperature": 2.0, "topP": 0.5, "topK": 3, "stopSequences": ["a", "b"],
                "seed": -1, "frequencyPenalty": 0.5, "presencePenalty": -0.5}}),
        ),
        (
            json!({"response_format": {"type": "json_object"}}),
            json!({"generationConfig": {"responseMimeType": "application/json"}}),
        ),
        (
            json!({"response_format": {"type": "json_schema", "json_schema": {
                "name": "n", "schema": {"type": "object", "additionalProperties": false}}}}),
            json!({"generationConfig": {"responseMimeType": "application/json",
                "responseJsonSchema": {"type": "object", "additionalProperties": false}}}),
        ),
        (json!({"tools": tool(false)}), json!({"tools": declared})),
        (
            json!({"tools": tool(true)}),
            calling(json!({"mode": "VALIDATED"})),
        ),
        (
            json!({"tools": tool(false), "tool_choice": "auto"}),
            calling(json!({"mode": "AUTO"})),
        ),
        (
            json!({"tools": tool(true), "tool_choice": "none"}),
            calling(json!({"mode": "NONE"})),
        ),
        (
            json!({"tools": tool(true), "tool_choice": "required"}),
            calling(json!({"mode": "ANY"})),
        ),
        (
            json!({"tools": tool(false), "tool_choice": {"type": "function", "function": {"name": "f"}}}),
            calling(json!({"mode": "ANY", "allowedFunctionNames": ["f"]})),
        ),
        (
            json!({"max_tokens": 9, "provider_options": {
                "gemini": {"generationConfig": {"mediaResolution": "LOW"}},
                "google": {"serviceTier": "flex"},
                "vertex": {"labels": {}},
            }}),
            json!({"generationConfig": {"maxOutputTokens": 9, "mediaResolution": "LOW"}, "serviceTier": "flex"}),
        ),
    ];
    for (mut settings, mut expected) in cases {
        settings["messages"] = json!("hi");
        expected["contents"] = json!([{"role": "user", "parts": [{"text": "hi"}]}]);
        let (body, adapted) = encode(settings.clone(), "gemini-2.5-flash");
        assert_eq!(body, expected, "{settings}");
        let strict = settings.pointer("/tools/0/function/strict") == Some(&json!(true));
        let lines: &[&str] = match strict && settings.get("tool_choice").is_some() {
            true => &["tools: strict left out, which only mode VALIDATED says"],
            false => &[],
        };
        assert_eq!(adapted, lines, "{settings}");
    }
}

#[test]
fn encodes_reasoning() {
    let cases = [
        (Reasoning::None, "none", Some(Value::Null)),
        (Reasoning::None, "low", None),
        (Reasoning::Budget, "none", Some(json!({"thinkingBudget": 0}))),
        (Reasoning::Budget, "low", Some(json!({"thinkingBudget": 1024}))),
        (Reasoning::Budget, "medium", Some(json!({"thinkingBudget": 8192}))),
        (Reasoning::Budget, "max", Some(json!({"thinkingBudget": 24576}))),
        (Reasoning::Effort, "none", None),
        (Reasoning::Unknown, "none", Some(json!({"thinkingBudget": 0}))),
        (
            Reasoning::Effort,
            "minimal",
            Some(json!({"thinkingLevel": "MINIMAL"})),
        ),
        (Reasoning::Unknown, "high", Some(json!({"thinkingLevel": "HIGH"}))),
        (Reasoning::Unknown, "max", Some(json!({"thinkingLevel": "XHIGH"}))),
    ];
    for (reasoning, effort, expected) in cases {
        let request = json!({"messages": "hi", "reasoning_effort": effort});
        let encoded = encode_with(request, "m", Some(&facts(None, None, reasoning)), false);
        let found = encoded.ok().map(|encoded| {
            let body: Value = serde_json::from_slice(&encoded.body).unwrap();
            body["generationConfig"]["thinkingConfig"].clone()
        });
        assert_eq!(found, expected, "{reasoning:?} {effort}");
    }
}

#[test]
fn refuses_by_name() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let image = json!([{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}]);
    let cases: Vec<(Option<&Model>, Value, &str)> = vec![
        (None, json!({"n": 2}), "n"),
        (
            None,
            json!({"tools": tools, "parallel_tool_calls": false}),
            "parallel_tool_calls",
        ),
        (None, json!({"stop": ["1", "2", "3", "4", "5", "6"]}), "stop"),
        (None, json!({"seed": 1_u64 << 40}), "seed"),
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
        (
            None,
            json!({"messages": [{"role": "system", "content": image}]}),
            "messages[0].content[0]",
        ),
        (
            None,
            json!({"messages": [{"role": "tool", "tool_call_id": "z", "content": "r"}]}),
            "messages[0].tool_call_id",
        ),
        (
            None,
            json!({"messages": [
                {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "1"}}]},
            ]}),
            "messages[0].tool_calls[0].function.arguments",
        ),
        (
            None,
            json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}),
            "messages[0].content[0].image_url.url",
        ),
    ];
    for (facts, mut request, field) in cases {
        if request.get("messages").is_none() {
            request["messages"] = json!("hi");
        }
        let failure = encode_with(request.clone(), "m", facts, false).expect_err(field);
        assert_eq!(failure.class, FailureClass::Unsupported, "{request}");
        assert_eq!(failure.code.as_deref(), Some(field), "{request}");
    }
}

#[test]
fn leaves_out_the_user() {
    let (_, adapted) = encode(json!({"messages": "hi", "user": "u"}), "m");
    assert_eq!(adapted, ["user: left out; the Gemini API has no place for it"]);
}

/// Models before Gemini 3 take nothing but text from a tool.
#[test]
fn what_a_tool_shows_goes_where_the_model_looks() {
    let image = |data: &str| json!({"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{data}")}});
    let call = |id: &str| {
        json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "s"}}})
    };
    let request = json!({"messages": [
        {"role": "assistant", "tool_calls": [call("a"), call("b")]},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "see"}, image("aQ==")]},
        {"role": "tool", "tool_call_id": "b", "content": [image("ag==")]},
        {"role": "tool", "tool_call_id": "z", "name": "g", "content": "no such call"},
    ]});
    let (body, adapted) = encode(request.clone(), "gemini-2.5-flash");
    let parts = body["contents"][1]["parts"].as_array().unwrap();
    let kinds: Vec<&String> = parts
        .iter()
        .map(|part| part.as_object().unwrap().keys().next().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "functionResponse",
            "functionResponse",
            "functionResponse",
            "inlineData",
            "inlineData"
        ]
    );
    assert_eq!(parts[2]["functionResponse"]["name"], "g");
    assert_eq!(adapted.len(), 3, "{adapted:?}");
    let (body, adapted) = encode(request, "gemini-3-pro");
    let shown = &body["contents"][1]["parts"][0]["functionResponse"]["parts"];
    assert_eq!(
        *shown,
        json!([{"inlineData": {"mimeType": "image/png", "data": "aQ=="}}])
    );
    assert_eq!(adapted.len(), 1, "{adapted:?}");
}
