use proptest::prelude::*;
use serde_json::{Value, json};

use crate::catalog::Quirks;
use crate::dialect::cohere_chat::COHERE_CHAT;
use crate::dialect::{Asked, Call, Dialect as _, encode};
use crate::types::{ChatRequest, FailureClass};

fn ask(body: &Value) -> Asked {
    COHERE_CHAT
        .decode_request("/v2/chat", body.to_string().as_bytes())
        .unwrap()
}

/// What is asked for, encoded again: the body, and what was changed.
fn again(asked: &Asked) -> (Value, Vec<String>) {
    let call = Call {
        request: &asked.request,
        provider: "cohere",
        model: asked.model.as_deref().unwrap_or_default(),
        facts: None,
        quirks: &Quirks::default(),
        lossy: false,
        stream: asked.stream,
    };
    let encoded = encode(&COHERE_CHAT, &call).unwrap();
    (serde_json::from_slice(&encoded.body).unwrap(), encoded.adapted)
}

/// A request of everything the vendor documents comes out as it went in.
#[test]
fn what_is_asked_is_kept() {
    let body = json!({
        "model": "command-a",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [
                {"type": "text", "text": "see"},
                {"type": "image_url", "image_url": {"url": "https://x.example/a.png", "detail": "high"}},
            ]},
            {"role": "assistant",
             "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "ok"}],
             "tool_plan": "I will look.",
             "tool_calls": [{"id": "f_1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}],
             "citations": [{"start": 0, "end": 1}]},
            {"role": "tool", "tool_call_id": "f_1", "content": [
                {"type": "document", "document": {"id": "d", "data": {"a": "b"}}},
                {"type": "text", "text": "12"},
            ]},
        ],
        "max_tokens": 9000, "temperature": 0.5, "p": 0.5, "k": 7, "stop_sequences": ["x", "y"], "seed": 3,
        "frequency_penalty": 0.5, "presence_penalty": 0.5,
        "thinking": {"type": "enabled", "token_budget": 500},
        "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}],
        "strict_tools": true, "tool_choice": "REQUIRED",
        "documents": ["a", {"id": "b", "data": {"c": 1}}],
        "citation_options": {"mode": "FAST"}, "safety_mode": "STRICT", "logprobs": true, "priority": 2,
        "stream": true,
    });
    let asked = ask(&body);
    assert_eq!((asked.model.as_deref(), asked.stream), (Some("command-a"), true));
    assert_eq!(again(&asked), (body, Vec::new()));
    assert_eq!(
        serde_json::to_value(&asked.request.provider_options["cohere_chat"]).unwrap(),
        json!({
            "thinking": {"type": "enabled", "token_budget": 500},
            "documents": ["a", {"id": "b", "data": {"c": 1}}],
            "citation_options": {"mode": "FAST"}, "safety_mode": "STRICT", "logprobs": true, "priority": 2,
        })
    );
}

/// Each setting alone: what it means to others, and that it comes out as it went in.
#[test]
fn settings_are_understood() {
    let schema = json!({"type": "object", "properties": {}});
    for (field, value, ours) in [
        (
            "response_format",
            json!({"type": "text"}),
            json!({"type": "text"}),
        ),
        (
            "response_format",
            json!({"type": "json_object"}),
            json!({"type": "json_object"}),
        ),
        (
            "response_format",
            json!({"type": "json_object", "json_schema": schema}),
            json!({"type": "json_schema", "json_schema": {"name": "response", "schema": schema}}),
        ),
        ("thinking", json!({"type": "disabled"}), json!("none")),
        ("thinking", json!({"type": "enabled"}), json!("high")),
        (
            "thinking",
            json!({"type": "enabled", "token_budget": 1024}),
            json!("minimal"),
        ),
        (
            "thinking",
            json!({"type": "enabled", "token_budget": 1025}),
            json!("low"),
        ),
        (
            "thinking",
            json!({"type": "enabled", "token_budget": 8192}),
            json!("medium"),
        ),
        (
            "thinking",
            json!({"type": "enabled", "token_budget": 31000}),
            json!("high"),
        ),
        ("thinking", json!({"type": "of_tomorrow"}), Value::Null),
        ("tool_choice", json!("NONE"), json!("none")),
        ("tool_choice", json!("OF_TOMORROW"), Value::Null),
        ("strict_tools", json!(true), Value::Null),
    ] {
        let mut body =
            json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": false});
        body[field] = value.clone();
        let asked = ask(&body);
        let ours_field = if field == "thinking" {
            "reasoning_effort"
        } else {
            field
        };
        let request = serde_json::to_value(&asked.request).unwrap();
        assert_eq!(request.get(ours_field).unwrap_or(&Value::Null), &ours, "{value}");
        let (sent, _) = again(&asked);
        // Text is what there is without a format.
        if value != json!({"type": "text"}) {
            assert_eq!(sent[field], value);
        }
    }
    let old = json!({"messages": [{"role": "user", "content": "hi"}],
        "response_format": {"type": "json_object", "schema": schema}});
    assert_eq!(again(&ask(&old)).0["response_format"]["json_schema"], schema);
    // What is said of a budget by `max_tokens` is not said over the client's own.
    let tight = json!({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 4000,
        "thinking": {"type": "enabled", "token_budget": 8192}});
    assert_eq!(again(&ask(&tight)).0["thinking"], tight["thinking"]);
}

#[test]
fn what_is_wrong_is_named() {
    for (body, place) in [
        (json!([]), "body"),
        (json!({"model": "m"}), "messages"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": ["a"]}), "messages[0]"),
        (json!({"messages": [{"content": "a"}]}), "messages[0].role"),
        (
            json!({"messages": [{"role": "user", "content": 1}]}),
            "messages[0].content",
        ),
        (
            json!({"messages": [{"role": "tool", "content": "a"}]}),
            "messages[0].tool_call_id",
        ),
        (
            json!({"messages": [{"role": "user", "content": "a"}], "max_tokens": "9"}),
            "max_tokens",
        ),
        (
            json!({"messages": [{"role": "user", "content": "a"}], "tools": [{}]}),
            "tools",
        ),
    ] {
        let failure = COHERE_CHAT
            .decode_request("/v2/chat", body.to_string().as_bytes())
            .unwrap_err();
        assert_eq!(failure.class, FailureClass::InvalidRequest);
        assert_eq!(failure.code.as_deref(), Some(place), "{body}");
    }
    assert!(COHERE_CHAT.decode_request("/v2/chat", b"{").is_err());
}

fn text() -> impl Strategy<Value = String> {
    "[a-z é😀\"\\\\\n]{1,8}"
}

fn number() -> impl Strategy<Value = f64> {
    (1u32..99).prop_map(|n| f64::from(n) / 100.0)
}

fn content(images: bool) -> BoxedStrategy<Value> {
    let part = if images {
        prop_oneof![
            text().prop_map(|text| json!({"type": "text", "text": text})),
            Just(json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORaGk="}})),
            Just(json!({"type": "image_url", "image_url": {"url": "https://a.b/c", "detail": "low"}})),
        ]
        .boxed()
    } else {
        text()
            .prop_map(|text| json!({"type": "text", "text": text}))
            .boxed()
    };
    prop_oneof![
        text().prop_map(Value::String),
        prop::collection::vec(part, 1..4).prop_map(Value::Array),
    ]
    .boxed()
}

fn turn() -> impl Strategy<Value = Value> {
    let assistant = (
        prop::option::of(content(false)),
        prop::option::of(text()),
        prop::option::of(text()),
        prop::collection::vec("[a-z]{1,4}", 0..3),
    )
        .prop_map(|(content, thought, plan, calls)| {
            let mut reasoning = Vec::new();
            reasoning.extend(thought.map(|text| json!({"dialect": "cohere_chat", "text": text})));
            reasoning
                .extend(plan.map(|text| json!({"dialect": "cohere_chat", "id": "tool_plan", "text": text})));
            let calls: Vec<Value> = calls
                .iter()
                .map(|id| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{\"a\":[1]}"}}))
                .collect();
            // One part alone, beside a thought, comes back as plain text.
            let content = content.filter(|content| reasoning.is_empty() || content.as_array().is_none_or(|parts| parts.len() > 1));
            let content = content.unwrap_or_else(|| json!(if calls.is_empty() { "a" } else { "" }));
            json!({"role": "assistant", "content": content, "reasoning_details": reasoning, "tool_calls": calls})
        });
    prop_oneof![
        content(true).prop_map(|content| json!({"role": "user", "content": content})),
        content(false).prop_map(|content| json!({"role": "tool", "tool_call_id": "c", "content": content})),
        assistant,
    ]
}

/// Requests made of what the format can say.
fn request() -> impl Strategy<Value = ChatRequest> {
    let messages = (
        prop::option::of(content(false)),
        prop::collection::vec(turn(), 1..5),
    )
        .prop_map(|(system, mut turns)| {
            if let Some(content) = system {
                turns.insert(0, json!({"role": "system", "content": content}));
            }
            turns
        });
    let sampling = (
        prop::option::of(5000u32..90_000),
        prop::option::of(number()),
        prop::option::of(number()),
        prop::option::of(0u32..500),
        prop::option::of(0i64..i64::MAX),
        prop::option::of(prop::collection::vec(text(), 1..5)),
        prop::option::of(number()),
    );
    let tools = (
        1usize..3,
        any::<bool>(),
        prop::option::of(prop::sample::select(vec!["none", "required"])),
    )
        .prop_map(|(count, strict, choice)| {
            let tools: Vec<Value> = (0..count)
                .map(|i| {
                    let mut function = json!({"name": format!("f{i}"), "parameters": {"type": "object"}});
                    if strict {
                        function["strict"] = json!(true);
                    }
                    json!({"type": "function", "function": function})
                })
                .collect();
            json!({"tools": tools, "tool_choice": choice})
        });
    let format = prop::sample::select(vec![
        json!({"response_format": {"type": "json_object"}}),
        json!({"response_format": {"type": "json_schema",
            "json_schema": {"name": "response", "schema": {"type": "object"}}}}),
        json!({}),
    ]);
    let effort = prop::option::of(prop::sample::select(vec!["none", "minimal", "low", "high"]));
    (messages, sampling, prop_oneof![tools, format], effort).prop_map(
        |(messages, (max_tokens, temperature, top_p, top_k, seed, stop, penalty), mut request, effort)| {
            request["messages"] = json!(messages);
            request["max_tokens"] = json!(max_tokens);
            request["temperature"] = json!(temperature);
            request["top_p"] = json!(top_p);
            request["top_k"] = json!(top_k);
            request["seed"] = json!(seed);
            request["stop"] = json!(stop);
            request["frequency_penalty"] = json!(penalty);
            request["reasoning_effort"] = json!(effort);
            serde_json::from_value(request).unwrap()
        },
    )
}

proptest! {
    #[test]
    fn what_can_be_said_comes_back(request in request(), stream: bool) {
        let asked = Asked { request, model: Some("m".to_owned()), stream };
        let (body, adapted) = again(&asked);
        prop_assert_eq!(adapted, Vec::<String>::new());
        prop_assert_eq!(ask(&body), asked);
    }

    #[test]
    fn no_body_is_too_much(body in "[\\[\\]{}\":,a-z0-9]{0,40}") {
        let _ = COHERE_CHAT.decode_request("/v2/chat", body.as_bytes());
        let _ = COHERE_CHAT.decode(body.as_bytes());
    }
}
