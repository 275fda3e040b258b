//! Requests of what every format can say.

use bytes::Bytes;
use hotspare::types::{ChatRequest, Content, DialectId, Message, PartBody, Tool, ToolChoice};
use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::{Value, json};

/// Lines about what one format says otherwise, without a change of meaning.
pub(crate) fn known(_: DialectId, line: &str) -> bool {
    // Nothing yet for the formats that are written.
    line.is_empty()
}

/// The request without the settings that a format has no word for.
pub(crate) fn shared(id: DialectId, request: &ChatRequest) -> ChatRequest {
    let mut request = request.clone();
    let called = request
        .messages
        .iter()
        .any(|message| !message.tool_calls.is_empty());
    match id {
        DialectId::OpenaiResponses => request.stop = None,
        DialectId::CohereChat => {
            request.top_p = request.top_p.filter(|top_p| *top_p < 1.0);
            if let Some(ToolChoice::Function(name)) = &request.tool_choice {
                let is_it =
                    |tool: &Tool| matches!(tool, Tool::Function { function, .. } if function.name == *name);
                request.tools.retain(is_it);
            }
            if !request.tools.is_empty() {
                request.response_format = None;
            }
        }
        DialectId::OllamaChat => {
            request.tool_choice = None;
            request.messages.iter_mut().for_each(one_text_first);
        }
        // The vendor wants tools beside earlier calls.
        DialectId::BedrockConverse if request.tools.is_empty() && called => {
            let tool =
                json!([{"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}]);
            request.tools = serde_json::from_value(tool).unwrap();
        }
        _ => {}
    }
    request
}

/// Leaves one text of a message, before its images.
fn one_text_first(message: &mut Message) {
    if let Content::Parts(parts) = &mut message.content {
        parts.sort_by_key(|part| !matches!(part.body, PartBody::Text { .. }));
        let mut texts = 0;
        parts.retain(|part| {
            texts += usize::from(matches!(part.body, PartBody::Text { .. }));
            !matches!(part.body, PartBody::Text { .. }) || texts == 1
        });
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9 .,]{1,20}",
        Just("naïve 🦀 \"quoted\"\nline".to_owned()),
        Just("{\"not\": \"a result\"}".to_owned()),
    ]
}

fn schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({"type": "string"})),
        Just(json!({"type": "integer", "description": "a count"})),
        Just(json!({"type": "array", "items": {"type": "boolean"}})),
        Just(json!({"type": "string", "enum": ["a", "b"]})),
    ];
    proptest::collection::btree_map("[a-z]{1,6}", leaf, 0..4).prop_map(|fields| {
        let required: Vec<_> = fields.keys().cloned().collect();
        json!({"type": "object", "properties": fields, "required": required, "additionalProperties": false})
    })
}

fn tools() -> impl Strategy<Value = Vec<Value>> {
    let tool = |name: &'static str| {
        (schema(), proptest::option::of(text())).prop_map(move |(schema, description)| {
            json!({"type": "function", "function":
                {"name": name, "description": description, "parameters": schema}})
        })
    };
    (tool("get_weather"), tool("find"), tool("f-3"))
        .prop_map(|(a, b, c)| vec![a, b, c])
        .prop_flat_map(|tools| subsequence(tools, 0..=3))
}

fn user() -> impl Strategy<Value = Vec<Value>> {
    let part = prop_oneof![
        text().prop_map(|text| json!({"type": "text", "text": text})),
        Just(json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}})),
    ];
    prop_oneof![
        text().prop_map(|text| vec![json!({"role": "user", "content": text})]),
        proptest::collection::vec(part, 1..4)
            .prop_map(|parts| vec![json!({"role": "user", "content": parts})]),
    ]
}

/// A turn of the model's, and the results of the calls it made.
fn assistant() -> impl Strategy<Value = Vec<Value>> {
    let call = (
        prop_oneof![Just("get_weather"), Just("find"), Just("f-3")],
        prop_oneof![
            Just(json!({})),
            Just(json!({"city": "Ålesund", "days": [1, 2], "deep": {"x": null}}))
        ],
        prop_oneof![text(), Just("{\"celsius\": 7}".to_owned()), Just(String::new())],
    );
    (
        proptest::option::of(text()),
        proptest::collection::vec(call, 0..3),
    )
        .prop_map(|(said, calls)| {
            if calls.is_empty() {
                return vec![
                    json!({"role": "assistant", "content": said.unwrap_or_else(|| "ok".to_owned())}),
                ];
            }
            let made: Vec<Value> = calls
                .iter()
                .map(|(name, arguments, _)| {
                    json!({"id": "", "type": "function",
                    "function": {"name": name, "arguments": arguments.to_string()}})
                })
                .collect();
            let mut turn = vec![json!({"role": "assistant", "content": said, "tool_calls": made})];
            turn.extend(
                calls
                    .iter()
                    .map(|(_, _, result)| json!({"role": "tool", "tool_call_id": "", "content": result})),
            );
            turn
        })
}

/// Gives every call an id of its own, and its result the same.
fn number(messages: &mut [Value]) {
    let mut made = 0;
    let mut answered = 0;
    for message in messages {
        if let Some(calls) = message.get_mut("tool_calls").and_then(Value::as_array_mut) {
            for call in calls {
                call["id"] = json!(format!("call_{made}"));
                made += 1;
            }
        }
        if message["role"] == "tool" {
            message["tool_call_id"] = json!(format!("call_{answered}"));
            answered += 1;
        }
    }
}

fn conversation() -> impl Strategy<Value = Vec<Value>> {
    let turn = (user(), assistant()).prop_map(|(mut user, assistant)| {
        user.extend(assistant);
        user
    });
    (
        proptest::option::of(text()),
        proptest::collection::vec(turn, 0..4),
        user(),
    )
        .prop_map(|(system, turns, last)| {
            let mut messages: Vec<Value> = system
                .map(|text| json!({"role": "system", "content": text}))
                .into_iter()
                .collect();
            messages.extend(turns.into_iter().flatten());
            messages.extend(last);
            number(&mut messages);
            messages
        })
}

/// A request of what every format can say.
pub(crate) fn request() -> impl Strategy<Value = ChatRequest> {
    let choice = prop_oneof![
        Just(Value::Null),
        Just(json!("auto")),
        Just(json!("required")),
        Just(json!({"type": "function", "function": {"name": ""}})),
    ];
    let settings = (
        1_u32..5000,
        proptest::option::of(0_u8..=10),
        proptest::option::of(1_u8..=10),
        proptest::collection::vec("[A-Z]{1,5}", 0..4),
    );
    (
        conversation(),
        tools(),
        choice,
        proptest::option::of(schema()),
        settings,
    )
        .prop_map(
            |(messages, tools, mut choice, format, (most, temperature, top_p, stop))| {
                let mut request = json!({"messages": messages, "max_tokens": most});
                if let Some(name) = tools.first().map(|tool| tool["function"]["name"].clone()) {
                    if choice.is_object() {
                        choice["function"]["name"] = name;
                    }
                    request["tools"] = json!(tools);
                    request["tool_choice"] = choice;
                }
                if let Some(schema) = format {
                    request["response_format"] =
                        json!({"type": "json_schema", "json_schema": {"name": "response", "schema": schema}});
                }
                request["temperature"] = json!(temperature.map(|tenths| f64::from(tenths) / 10.0));
                request["top_p"] = json!(top_p.map(|tenths| f64::from(tenths) / 10.0));
                if !stop.is_empty() {
                    request["stop"] = json!(stop);
                }
                serde_json::from_value(request).unwrap()
            },
        )
}

/// JSON that is almost a request of some format, and bytes that are not.
pub(crate) fn any_body() -> impl Strategy<Value = Bytes> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        prop_oneof![
            Just("user"),
            Just("assistant"),
            Just("model"),
            Just("text"),
            Just("tool_use"),
            Just("tool_result"),
            Just("thinking"),
            Just("image"),
            Just("any")
        ]
        .prop_map(Value::from),
    ];
    let name = prop_oneof![
        Just("messages"),
        Just("contents"),
        Just("parts"),
        Just("role"),
        Just("content"),
        Just("type"),
        Just("text"),
        Just("tools"),
        Just("functionCall"),
        Just("function_response"),
        Just("name"),
        Just("id"),
        Just("source"),
        Just("system"),
        Just("generationConfig"),
        Just("thinking"),
        Just("tool_choice"),
        Just("output_config")
    ];
    let tree = leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| json!(map)),
        ]
    });
    prop_oneof![
        8 => tree.prop_map(|value| Bytes::from(value.to_string())),
        1 => proptest::collection::vec(any::<u8>(), 0..64).prop_map(Bytes::from),
    ]
}
