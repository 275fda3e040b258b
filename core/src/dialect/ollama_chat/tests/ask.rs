use proptest::prelude::*;
use serde_json::{Value, json};

use crate::catalog::Quirks;
use crate::dialect::ollama_chat::OLLAMA_CHAT;
use crate::dialect::{Asked, Call, Dialect as _};
use crate::types::{ChatRequest, FailureClass};

const PNG: &str = "iVBORw0KGgo=";

fn ask(body: &Value) -> Asked {
    OLLAMA_CHAT
        .decode_request("/api/chat", body.to_string().as_bytes())
        .unwrap()
}

/// What is asked for, encoded again: the body, and what was changed.
fn again(asked: &Asked) -> (Value, Vec<String>) {
    let encoded = OLLAMA_CHAT
        .encode(&Call {
            request: &asked.request,
            provider: "ollama",
            model: asked.model.as_deref().unwrap_or_default(),
            facts: None,
            quirks: &Quirks::default(),
            lossy: false,
            stream: asked.stream,
        })
        .unwrap();
    (serde_json::from_slice(&encoded.body).unwrap(), encoded.adapted)
}

/// A request of everything the server documents comes out as it went in.
#[test]
fn what_is_asked_is_kept() {
    let body = json!({
        "model": "qwen3",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "see", "images": [PNG]},
            {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [
                {"id": "a", "function": {"name": "f", "arguments": {"x": 1}}},
            ]},
            {"role": "tool", "content": "12", "tool_name": "f", "tool_call_id": "a"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}],
        "format": {"type": "object"},
        "options": {"num_predict": 9, "temperature": 0.5, "top_p": 0.5, "top_k": 7, "stop": ["x"], "seed": -3,
            "frequency_penalty": 0.5, "presence_penalty": 0.5, "num_ctx": 4096, "mirostat": 1},
        "think": "high", "keep_alive": "5m", "truncate": false, "logprobs": true,
        "stream": false,
    });
    let asked = ask(&body);
    assert_eq!((asked.model.as_deref(), asked.stream), (Some("qwen3"), false));
    let (sent, adapted) = again(&asked);
    assert_eq!(sent, body);
    assert_eq!(
        adapted,
        ["reasoning_effort: high is sent as thinking without a level"]
    );
    let request = serde_json::to_value(&asked.request).unwrap();
    assert_eq!(request["reasoning_effort"], "high");
    assert_eq!(
        request["provider_options"]["ollama_chat"],
        json!({"think": "high", "options": {"num_ctx": 4096, "mirostat": 1}, "keep_alive": "5m",
            "truncate": false, "logprobs": true})
    );
}

#[test]
fn settings_are_understood() {
    for (field, value, ours_field, ours) in [
        ("format", json!(""), "response_format", Value::Null),
        (
            "format",
            json!("json"),
            "response_format",
            json!({"type": "json_object"}),
        ),
        ("format", json!("xml"), "response_format", Value::Null),
        ("think", json!(false), "reasoning_effort", json!("none")),
        ("think", json!(true), "reasoning_effort", json!("medium")),
        ("think", json!("of_tomorrow"), "reasoning_effort", Value::Null),
        ("options", json!({"num_predict": -1}), "max_tokens", Value::Null),
        ("keep_alive", json!(0), "keep_alive", Value::Null),
    ] {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        body[field] = value.clone();
        let asked = ask(&body);
        assert!(asked.stream, "the server streams unless told not to");
        let request = serde_json::to_value(&asked.request).unwrap();
        assert_eq!(request.get(ours_field).unwrap_or(&Value::Null), &ours, "{value}");
        // An empty format is none.
        if value != json!("") {
            assert_eq!(again(&asked).0[field], value);
        }
    }
    let nothing = json!({"messages": [{"role": "user", "content": "hi"}], "tools": [], "format": "",
        "options": {}, "keep_alive": null});
    assert_eq!(ask(&nothing).request, ChatRequest::of("hi"));
}

/// Without ids, results tell by the tool's name which call they answer, and in order.
#[test]
fn ids_are_made() {
    let call = |name: &str| json!({"function": {"name": name, "arguments": {}}});
    let result = |name: &str| json!({"role": "tool", "tool_name": name, "content": "1"});
    let asked = ask(&json!({"messages": [
        {"role": "user", "content": "a"},
        {"role": "assistant", "tool_calls": [call("f"), call("g"), call("f")]},
        result("g"), result("f"), {"role": "tool", "content": "1"},
        {"role": "assistant", "tool_calls": [call("f")]},
        result("h"), result("f"),
    ]}));
    let messages = serde_json::to_value(&asked.request.messages).unwrap();
    let ids = |i: usize| {
        let calls = messages[i]["tool_calls"].as_array().unwrap();
        calls
            .iter()
            .map(|call| call["id"].as_str().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(1), ["call_0", "call_1", "call_2"]);
    assert_eq!(ids(5), ["call_3"]);
    let answers: Vec<_> = [2, 3, 4, 6, 7]
        .iter()
        .map(|i| {
            (
                messages[*i]["tool_call_id"].as_str().unwrap(),
                messages[*i]["name"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        answers,
        [
            ("call_1", None),
            ("call_0", None),
            ("call_2", None),
            ("call_4", Some("h")),
            ("call_3", None),
        ]
    );
}

#[test]
fn images_get_their_type() {
    for (data, url) in [
        ("/9j/4A", "data:image/jpeg;base64,/9j/4A"),
        ("R0lGODdh", "data:image/gif;base64,R0lGODdh"),
        ("UklGRg", "data:image/webp;base64,UklGRg"),
        ("AAAA", "data:application/octet-stream;base64,AAAA"),
        ("data:image/png;base64,AAAA", "data:image/png;base64,AAAA"),
    ] {
        let asked = ask(&json!({"messages": [{"role": "user", "images": [data]}]}));
        let messages = serde_json::to_value(&asked.request.messages).unwrap();
        assert_eq!(messages[0]["content"][0]["image_url"]["url"], url);
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (body, place) in [
        (json!({"prompt": "a"}), "messages"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": [{"role": "boss"}]}), "messages[0].role"),
        (
            json!({"messages": [{"role": "user", "content": ["a"]}]}),
            "messages[0].content",
        ),
        (
            json!({"messages": [{"role": "assistant", "tool_calls": [{"function": {}}]}]}),
            "messages[0].tool_calls[0].function.name",
        ),
        (
            json!({"messages": [{"role": "assistant", "tool_calls": [{}]}]}),
            "messages[0].tool_calls[0].function",
        ),
        (json!({"messages": [{"role": "user"}], "options": 1}), "options"),
        (
            json!({"messages": [{"role": "user"}], "tools": [{"function": {}}]}),
            "tools[0]",
        ),
    ] {
        let failure = OLLAMA_CHAT
            .decode_request("/api/chat", body.to_string().as_bytes())
            .unwrap_err();
        assert_eq!(failure.class, FailureClass::InvalidRequest);
        assert_eq!(failure.code.as_deref(), Some(place), "{body}");
    }
}

fn text() -> impl Strategy<Value = String> {
    "[a-z é😀\"\\\\\n]{1,8}"
}

fn number() -> impl Strategy<Value = f64> {
    (-200i32..200).prop_map(|n| f64::from(n) / 100.0)
}

fn content() -> impl Strategy<Value = Value> {
    let image = json!({"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{PNG}")}});
    prop_oneof![
        text().prop_map(Value::String),
        (prop::option::of(text()), 1usize..3).prop_map(move |(text, images)| {
            let text = text.map(|text| json!({"type": "text", "text": text}));
            let images = std::iter::repeat_n(image.clone(), images);
            text.into_iter().chain(images).collect()
        }),
    ]
}

/// An assistant's turn and the results of its calls, or a turn of someone else.
fn turns() -> impl Strategy<Value = Vec<Value>> {
    let assistant = (text(), prop::option::of(text()), 0usize..3, any::<u32>()).prop_map(
        |(content, thought, count, seed)| {
            let ids: Vec<String> = (0..count).map(|i| format!("c{seed}_{i}")).collect();
            let calls: Vec<Value> = ids
                .iter()
                .map(|id| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{\"a\":[1]}"}}))
                .collect();
            let reasoning: Vec<Value> = thought
                .into_iter()
                .map(|text| json!({"dialect": "ollama_chat", "text": text}))
                .collect();
            let mut out = vec![json!({"role": "assistant", "content": content, "reasoning_details": reasoning,
                "tool_calls": calls})];
            out.extend(
                ids.iter()
                    .map(|id| json!({"role": "tool", "tool_call_id": id, "content": "1"})),
            );
            out
        },
    );
    prop_oneof![
        content().prop_map(|content| vec![json!({"role": "user", "content": content})]),
        text().prop_map(|content| vec![json!({"role": "system", "content": content})]),
        assistant,
    ]
}

/// Requests made of what the format can say.
fn request() -> impl Strategy<Value = ChatRequest> {
    let sampling = (
        prop::option::of(any::<u32>()),
        prop::option::of(number()),
        prop::option::of(any::<u32>()),
        prop::option::of(any::<i64>()),
        prop::option::of(prop::collection::vec(text(), 1..9)),
        prop::option::of(number()),
    );
    let format = prop::sample::select(vec![
        json!({"response_format": {"type": "json_object"}}),
        json!({"response_format": {"type": "json_schema",
            "json_schema": {"name": "response", "schema": {"type": "object"}}}}),
        json!({}),
    ]);
    let messages = prop::collection::vec(turns(), 1..5).prop_map(|turns| turns.concat());
    let tools = prop::option::of(Just(json!([{"type": "function", "function":
        {"name": "f", "description": "d", "parameters": {"type": "object"}}}])));
    let effort = prop::option::of(Just("none"));
    (messages, sampling, format, tools, effort).prop_map(
        |(messages, (max_tokens, number, top_k, seed, stop, penalty), mut request, tools, effort)| {
            request["messages"] = json!(messages);
            request["max_tokens"] = json!(max_tokens);
            request["temperature"] = json!(number);
            request["top_p"] = json!(number);
            request["top_k"] = json!(top_k);
            request["seed"] = json!(seed);
            request["stop"] = json!(stop);
            request["frequency_penalty"] = json!(penalty);
            request["presence_penalty"] = json!(penalty);
            request["tools"] = json!(tools);
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
        let _ = OLLAMA_CHAT.decode_request("/api/chat", body.as_bytes());
        let _ = OLLAMA_CHAT.decode(body.as_bytes());
    }
}
