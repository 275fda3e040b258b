use proptest::prelude::*;
use serde_json::{Value, json};

use crate::catalog::Quirks;
use crate::dialect::openai_responses::OPENAI_RESPONSES;
use crate::dialect::{self, Asked, Call, Dialect as _};
use crate::types::{ChatRequest, Failure, FailureClass};

fn ask(body: &Value) -> Result<Asked, Failure> {
    OPENAI_RESPONSES.decode_request("/v1/responses", body.to_string().as_bytes())
}

fn encode(asked: &Asked) -> (Value, Vec<String>) {
    let quirks = Quirks {
        developer_role: true,
        ..Quirks::default()
    };
    let encoded = dialect::encode(
        &OPENAI_RESPONSES,
        &Call {
            request: &asked.request,
            provider: "openai",
            model: asked.model.as_deref().unwrap_or("m"),
            facts: None,
            quirks: &quirks,
            lossy: false,
            stream: asked.stream,
        },
    )
    .unwrap();
    (serde_json::from_slice(&encoded.body).unwrap(), encoded.adapted)
}

#[test]
fn reads_a_request() {
    let asked = ask(&json!({
        "model": "gpt", "stream": true, "instructions": "be brief", "max_output_tokens": 9, "temperature": 1,
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "look"},
                {"type": "input_image", "image_url": "https://a", "detail": "auto", "file_id": null},
                {"type": "input_file", "file_url": "https://b"}]},
            {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "enc"},
            {"type": "message", "id": "msg", "status": "completed", "role": "assistant", "phase": "commentary",
             "content": [{"type": "output_text", "text": "ok", "annotations": []}]},
            {"type": "function_call", "id": "fc", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call", "call_id": "c2", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "1"},
            {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "2"}]},
        ],
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": null}],
        "tool_choice": {"type": "function", "name": "f"},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}, "verbosity": "low"},
        "reasoning": {"effort": "low", "summary": "auto"},
        "previous_response_id": "resp_0", "metadata": null,
    }))
    .unwrap();
    assert_eq!(asked.model.as_deref(), Some("gpt"));
    assert!(asked.stream);
    let expected = json!({
        "max_tokens": 9, "temperature": 1.0, "reasoning_effort": "low",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": "https://a", "detail": "auto"}},
                {"type": "file", "file": {"file_data": "https://b"}}]},
            {"role": "assistant", "content": "ok", "openai_responses": {"phase": "commentary"},
             "reasoning_details": [{"dialect": "openai_responses", "id": "rs", "redacted": "enc"}],
             "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": "{}"}},
                            {"id": "c2", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "1"},
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "2"}]},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
        "provider_options": {"openai_responses": {"text": {"verbosity": "low"}, "reasoning": {"summary": "auto"},
            "previous_response_id": "resp_0", "store": true}},
    });
    let expected: ChatRequest = serde_json::from_value(expected).unwrap();
    assert_eq!(asked.request, expected);
}

/// What we have no word for comes out as it went in, in its place.
#[test]
fn nothing_is_dropped() {
    let items = json!([
        {"role": "user", "content": "a"},
        {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"type": "item_reference", "id": "msg_1"},
        {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "s"}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
        {"type": "function_call", "call_id": "c2", "name": "f", "arguments": "{}", "namespace": "n"},
        {"type": "custom_tool_call", "call_id": "c3", "name": "h", "input": "free"},
        {"type": "custom_tool_call_output", "call_id": "c3", "output": "3"},
        {"role": "user", "content": [{"type": "input_text", "text": "b", "prompt_cache_breakpoint": {"mode": "explicit"}}]},
        {"role": "critic", "content": "c"},
        {"type": "message", "role": "assistant", "content": [
            {"type": "output_text", "text": "d"}, {"type": "refusal", "refusal": "no"}]},
        {"role": "user", "content": [{"type": "input_image", "file_id": "f", "detail": "low"}]},
    ]);
    let body = json!({
        "model": "gpt", "input": items, "store": true, "include": ["file_search_call.results"], "truncation": "auto",
        "tools": [{"type": "custom", "name": "h"}, {"type": "function", "name": "f", "defer_loading": true},
                  {"type": "mcp", "server_label": "s"}],
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        "text": {"format": {"type": "grammar", "syntax": "lark"}},
        "reasoning": {"effort": "ultra", "mode": "pro"}, "stream": false,
    });
    let mut expected = body.clone();
    // Reasoning with nothing behind it but an item we do not know is left out, and named.
    expected["input"].as_array_mut().unwrap().remove(5);
    let (sent, adapted) = encode(&ask(&body).unwrap());
    assert_eq!(sent, expected);
    assert_eq!(adapted.len(), 1, "{adapted:?}");
}

#[test]
fn wrong_requests_are_named() {
    for (body, place) in [
        (json!([]), "body"),
        (json!({}), "input"),
        (json!({"input": []}), "input"),
        (json!({"input": 5}), "input"),
        (json!({"input": [5]}), "input[0]"),
        (json!({"input": [{}]}), "input[0]"),
        (
            json!({"input": [{"role": "user", "content": 5}]}),
            "input[0].content",
        ),
        (
            json!({"input": [{"role": "user", "content": [5]}]}),
            "input[0].content[0]",
        ),
        (
            json!({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}),
            "input[0].call_id",
        ),
        (json!({"input": "a", "model": 5}), "model"),
        (json!({"input": "a", "stream": "yes"}), "stream"),
        (
            json!({"input": "a", "max_output_tokens": -1}),
            "max_output_tokens",
        ),
        (json!({"input": "a", "tools": {}}), "tools"),
        (json!({"input": "a", "background": true}), "background"),
    ] {
        let failure = ask(&body).unwrap_err();
        assert_eq!(failure.class, FailureClass::InvalidRequest);
        assert_eq!(failure.code.as_deref(), Some(place), "{body}");
    }
}

fn text() -> impl Strategy<Value = String> {
    "[a-z é\"\\\\]{1,8}"
}

fn part() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(|text| json!({"type": "text", "text": text})),
        (text(), proptest::option::of("low|high|auto")).prop_map(|(url, detail)| {
            let mut image = json!({"url": format!("https://a/{url}")});
            if let Some(detail) = detail {
                image["detail"] = json!(detail);
            }
            json!({"type": "image_url", "image_url": image})
        }),
        text().prop_map(|data| json!({"type": "input_audio", "input_audio": {"data": data, "format": "wav"}})),
        text().prop_map(|name| json!({"type": "file", "file": {"file_data": "data:application/pdf;base64,AA", "filename": name}})),
        Just(json!({"type": "file", "file": {"file_id": "f"}})),
        Just(json!({"type": "file", "file": {"file_data": "https://a"}})),
    ]
}

fn content() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(Value::String),
        proptest::collection::vec(part(), 1..3).prop_map(Value::Array),
    ]
}

/// One exchange: what the user says, and what the model answers or has done.
fn exchange() -> impl Strategy<Value = Vec<Value>> {
    let reasoning = || {
        proptest::collection::vec(
            prop_oneof![
                text().prop_map(
                    |text| json!({"dialect": "openai_responses", "id": "rs", "text": text, "redacted": "enc"})
                ),
                text().prop_map(
                    |text| json!({"dialect": "openai_responses", "text": text, "signature": "reasoning_text"})
                ),
                Just(json!({"dialect": "openai_responses", "id": "rs"})),
            ],
            0..3,
        )
    };
    let user = || content().prop_map(|content| json!({"role": "user", "content": content}));
    let said = (reasoning(), text()).prop_map(|(reasoning, text)| {
        vec![json!({"role": "assistant", "content": text, "reasoning_details": reasoning})]
    });
    let refused =
        text().prop_map(|text| vec![json!({"role": "assistant", "content": null, "refusal": text})]);
    let done = (reasoning(), proptest::option::of(text()), proptest::collection::vec(content(), 1..3)).prop_map(
        |(reasoning, said, results)| {
            let calls: Vec<Value> = (0..results.len())
                .map(|i| json!({"id": format!("c{i}"), "function": {"name": "f", "arguments": "{\"a\": 1}"}}))
                .collect();
            let mut out = vec![
                json!({"role": "assistant", "content": said, "reasoning_details": reasoning, "tool_calls": calls}),
            ];
            out.extend(results.into_iter().enumerate().map(
                |(i, content)| json!({"role": "tool", "tool_call_id": format!("c{i}"), "content": content}),
            ));
            out
        },
    );
    (user(), prop_oneof![said, refused, done]).prop_map(|(user, rest)| {
        let mut out = vec![user];
        out.extend(rest);
        out
    })
}

fn settings() -> impl Strategy<Value = Value> {
    proptest::sample::subsequence(
        vec![
            ("max_tokens", json!(7)),
            ("temperature", json!(0.5)),
            ("top_p", json!(0.25)),
            ("user", json!("u")),
            ("parallel_tool_calls", json!(false)),
            ("reasoning_effort", json!("high")),
            ("tool_choice", json!("required")),
            ("response_format", json!({"type": "json_object"})),
            (
                "tools",
                json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}, "additionalProperties": false}, "strict": true}}]),
            ),
        ],
        0..9,
    )
    .prop_map(|chosen| chosen.into_iter().map(|(field, value)| (field.to_owned(), value)).collect())
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(
        instructions in proptest::collection::vec(("system|developer", text()), 0..3),
        exchanges in proptest::collection::vec(exchange(), 1..4),
        settings in settings(),
        stream in any::<bool>(),
    ) {
        let mut request = settings;
        let mut messages: Vec<Value> = instructions
            .into_iter()
            .map(|(role, text)| json!({"role": role, "content": text}))
            .collect();
        if let Some(first) = messages.first_mut() {
            // `instructions` do not say which of the two they are.
            first["role"] = json!("system");
        }
        messages.extend(exchanges.into_iter().flatten());
        request["messages"] = Value::Array(messages);
        let asked = Asked {
            request: serde_json::from_value(request).unwrap(),
            model: Some("m".to_owned()),
            stream,
        };
        let (body, adapted) = encode(&asked);
        prop_assert_eq!(adapted, Vec::<String>::new());
        let read = ask(&body).unwrap();
        prop_assert_eq!(read, asked);
    }
}
