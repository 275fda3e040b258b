use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::BEDROCK_CONVERSE;
use super::{body, encode_for};
use crate::dialect::{Asked, Dialect as _};
use crate::types::{ChatRequest, Failure, FailureClass};

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const PATH: &str = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse";

fn ask(path: &str, body: &Value) -> Result<Asked, Failure> {
    BEDROCK_CONVERSE.decode_request(path, body.to_string().as_bytes())
}

/// A request in our words, and the body it becomes again.
fn there_and_back(given: &Value) -> (Value, Value) {
    let asked = ask(PATH, given).unwrap();
    let encoded = encode_for(&asked.request, CLAUDE, None, false).unwrap();
    assert_eq!(encoded.adapted, Vec::<String>::new());
    (serde_json::to_value(&asked.request).unwrap(), body(&encoded))
}

#[test]
fn reads_requests() {
    let given = json!({
        "messages": [
            {"role": "user", "content": [
                {"text": "long"}, {"cachePoint": {"type": "default"}},
                {"image": {"format": "png", "source": {"bytes": "aGk="}}},
                {"image": {"format": "jpeg", "source": {"s3Location": {"uri": "s3://bucket/a.jpg"}}}},
                {"document": {"name": "Document 1", "format": "txt", "source": {"bytes": "aGk="}}},
                {"document": {"name": "cited", "format": "pdf", "source": {"bytes": "aGk="}, "citations": {"enabled": true}}},
                {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://bucket/a.mp4"}}}},
                {"guardContent": {"text": {"text": "guard"}}},
            ]},
            {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
                {"reasoningContent": {"redactedContent": "eA=="}},
                {"text": "calling"},
                {"toolUse": {"toolUseId": "s", "name": "python", "input": {}, "type": "server_tool_use"}},
                {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": 1}}},
            ]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": "t1", "content": [{"text": "no"}], "status": "error"}},
                {"cachePoint": {"type": "default", "ttl": "1h"}},
                {"text": "well?"},
            ]},
        ],
        "system": [{"text": "brief"}],
        "toolConfig": {"tools": [
            {"toolSpec": {"name": "f", "description": "d", "strict": true, "inputSchema": {"json": {"type": "object"}}}},
            {"cachePoint": {"type": "default"}},
            {"systemTool": {"name": "nova_code_interpreter"}},
        ], "toolChoice": {"any": {}}},
        "outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {
            "schema": "{\"type\":\"object\"}", "name": "n", "description": "d"}}}},
        "inferenceConfig": {"maxTokens": 9, "temperature": 0.5, "topP": 0.25, "stopSequences": ["x"]},
        "additionalModelRequestFields": {"top_k": 3, "anthropic_beta": ["b"]},
        "guardrailConfig": {"trace": "enabled"},
        "requestMetadata": {"a": "b"},
    });
    let (ours, again) = there_and_back(&given);
    assert_eq!(again, given);
    assert_eq!(
        ours,
        json!({
            "messages": [
                {"role": "system", "content": "brief"},
                {"role": "user", "content": [
                    {"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
                    {"type": "image_url", "image_url": {"url": "s3://bucket/a.jpg"}},
                    {"type": "file", "file": {"file_data": "data:text/plain;base64,aGk=", "filename": "Document 1"}},
                    {"dialect": "bedrock_converse", "type": "bedrock_converse", "document": {"name": "cited", "format": "pdf",
                        "source": {"bytes": "aGk="}, "citations": {"enabled": true}}},
                    {"dialect": "bedrock_converse", "type": "bedrock_converse", "video": {"format": "mp4",
                        "source": {"s3Location": {"uri": "s3://bucket/a.mp4"}}}},
                    {"dialect": "bedrock_converse", "type": "bedrock_converse", "guardContent": {"text": {"text": "guard"}}},
                ]},
                {"role": "assistant", "content": [
                    {"type": "text", "text": "calling"},
                    {"dialect": "bedrock_converse", "type": "bedrock_converse", "toolUse": {"toolUseId": "s", "name": "python", "input": {},
                        "type": "server_tool_use"}},
                ], "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}],
                "reasoning_details": [
                    {"dialect": "bedrock_converse", "text": "hm", "signature": "sig"},
                    {"dialect": "bedrock_converse", "text": "", "redacted": "eA=="}]},
                {"role": "tool", "tool_call_id": "t1", "bedrock_converse": {"is_error": true}, "content": [
                    {"type": "text", "text": "no", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
                {"role": "user", "content": "well?"},
            ],
            "max_tokens": 9, "temperature": 0.5, "top_p": 0.25, "top_k": 3, "stop": ["x"],
            "tools": [
                {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"},
                    "strict": true}, "cache_control": {"type": "ephemeral"}},
                {"dialect": "bedrock_converse", "type": "bedrock_converse", "systemTool": {"name": "nova_code_interpreter"}},
            ],
            "tool_choice": "required",
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "description": "d",
                "schema": {"type": "object"}}},
            "provider_options": {"bedrock_converse": {
                "additionalModelRequestFields": {"anthropic_beta": ["b"]},
                "guardrailConfig": {"trace": "enabled"}, "requestMetadata": {"a": "b"}}},
        })
    );
}

#[test]
fn what_ours_cannot_say_stays_as_it_was() {
    let message = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    let with = |field: &str, value: Value| {
        let mut given = message(json!([{"text": "hi"}]));
        given[field] = value;
        given
    };
    for given in [
        message(json!([{"cachePoint": {"type": "default"}}, {"text": "hi"}])),
        message(json!([{"text": "hi"}, {"cachePoint": {"type": "default", "ttl": "9h"}}])),
        message(
            json!([{"text": "hi"}, {"cachePoint": {"type": "default"}}, {"cachePoint": {"type": "default"}}]),
        ),
        message(
            json!([{"text": "hi"}, {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/a.jpg"}}}}]),
        ),
        message(
            json!([{"text": "hi"}, {"image": {"format": "png", "source": {"s3Location":
            {"uri": "s3://b/a.png", "bucketOwner": "1"}}}}]),
        ),
        message(
            json!([{"toolResult": {"toolUseId": "t", "content": []}}, {"cachePoint": {"type": "default"}}]),
        ),
        message(json!([{"toolResult": {"toolUseId": "t", "content": [{"searchResult": {"source": "s"}}]}}])),
        message(json!([{"toolResult": {"toolUseId": "t", "content": [], "type": "x"}}])),
        with(
            "toolConfig",
            json!({"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {}}, "x": 1}}]}),
        ),
        with("outputConfig", json!({"effort": "low"})),
        with("outputConfig", json!({"textFormat": {"type": "of_tomorrow"}})),
        with(
            "additionalModelRequestFields",
            json!({"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        ),
        with(
            "additionalModelRequestFields",
            json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
        ),
        with(
            "additionalModelRequestFields",
            json!({"thinking": {"type": "disabled"}}),
        ),
        with("inferenceConfig", json!({"topK": 3})),
        with("serviceTier", json!({"type": "reserved"})),
    ] {
        let (_, again) = there_and_back(&given);
        assert_eq!(again, given);
    }
}

#[test]
fn equivalents() {
    let say = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    for (given, expected) in [
        // Results as JSON are text everywhere else; success is what no status says.
        (
            say(
                json!([{"toolResult": {"toolUseId": "t", "content": [{"json": {"a": 1}}], "status": "success"}}]),
            ),
            say(json!([{"toolResult": {"toolUseId": "t", "content": [{"text": "{\"a\":1}"}]}}])),
        ),
        // Neighbours of one role are one turn, and results stand first.
        (
            json!({"messages": [{"role": "user", "content": [{"text": "a"}]}, {"role": "user", "content": [
                {"text": "b"}, {"toolResult": {"toolUseId": "t", "content": []}}]}]}),
            say(json!([{"toolResult": {"toolUseId": "t", "content": []}}, {"text": "a"}, {"text": "b"}])),
        ),
        // What is empty says nothing.
        (
            json!({"messages": [{"role": "user", "content": [{"text": "a"}]}], "system": [], "inferenceConfig": {},
                "toolConfig": {}, "guardrailConfig": null}),
            say(json!([{"text": "a"}])),
        ),
    ] {
        assert_eq!(there_and_back(&given).1, expected);
    }
}

#[test]
fn families_say_top_k_and_effort_in_their_own_words() {
    for (model, fields, top_k, effort) in [
        (
            "amazon.nova-lite-v1%3A0",
            json!({"inferenceConfig": {"topK": 4}}),
            json!(4),
            Value::Null,
        ),
        ("cohere.command-r-v1%3A0", json!({"k": 4}), json!(4), Value::Null),
        (
            "openai.gpt-oss-120b-1%3A0",
            json!({"reasoning_effort": "medium"}),
            Value::Null,
            json!("medium"),
        ),
    ] {
        let given = json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}],
            "additionalModelRequestFields": fields});
        let asked = ask(&format!("/v1/model/{model}/converse-stream"), &given).unwrap();
        assert!(asked.stream);
        let ours = serde_json::to_value(&asked.request).unwrap();
        assert_eq!((&ours["top_k"], &ours["reasoning_effort"]), (&top_k, &effort));
        let encoded = encode_for(&asked.request, &asked.model.unwrap(), None, false).unwrap();
        assert_eq!(body(&encoded), given);
    }
}

#[test]
fn names_what_is_wrong() {
    let message = |message: Value| json!({"messages": [message]});
    let cases = [
        ("/model//converse", json!({}), "path"),
        ("/model/a/invoke", json!({}), "path"),
        ("/converse", json!({}), "path"),
        (PATH, json!([]), "body"),
        (PATH, json!({"messages": "hi"}), "messages"),
        (PATH, json!({"system": "hi"}), "system"),
        (PATH, json!({"system": ["hi"]}), "system[0]"),
        (PATH, message(json!("hi")), "messages[0]"),
        (
            PATH,
            message(json!({"role": "tool", "content": []})),
            "messages[0].role",
        ),
        (PATH, message(json!({"role": "user"})), "messages[0].content"),
        (
            PATH,
            message(json!({"role": "user", "content": [], "name": "n"})),
            "messages[0].name",
        ),
        (
            PATH,
            message(json!({"role": "user", "content": [1]})),
            "messages[0].content[0]",
        ),
        (
            PATH,
            message(json!({"role": "user", "content": [{"toolResult": {"content": []}}]})),
            "messages[0].content[0].toolResult.toolUseId",
        ),
        (
            PATH,
            message(
                json!({"role": "user", "content": [{"toolResult": {"toolUseId": "t", "content": [], "status": "?"}}]}),
            ),
            "messages[0].content[0].toolResult.status",
        ),
        (PATH, json!({"inferenceConfig": 1}), "inferenceConfig"),
        (
            PATH,
            json!({"inferenceConfig": {"maxTokens": 0.5}}),
            "inferenceConfig.maxTokens",
        ),
        (
            PATH,
            json!({"inferenceConfig": {"topP": "a"}}),
            "inferenceConfig.topP",
        ),
        (
            PATH,
            json!({"inferenceConfig": {"stopSequences": [1]}}),
            "inferenceConfig.stopSequences",
        ),
        (PATH, json!({"toolConfig": []}), "toolConfig"),
        (PATH, json!({"toolConfig": {"tools": [1]}}), "toolConfig.tools[0]"),
    ];
    for (path, body, at) in cases {
        let failure = ask(path, &body).unwrap_err();
        assert_eq!(failure.class, FailureClass::InvalidRequest);
        assert!(
            failure.message.starts_with(&format!("`{at}`: ")),
            "{}",
            failure.message
        );
    }
}

fn text() -> impl Strategy<Value = String> {
    "[a-zé{}\" ]{1,8}"
}

fn part(media: bool) -> BoxedStrategy<Value> {
    let text = text().prop_map(|text| json!({"type": "text", "text": text}));
    if !media {
        return text.boxed();
    }
    let kind = prop::sample::select(vec!["png", "jpeg", "gif", "webp"]);
    prop_oneof![
        3 => text,
        1 => kind.prop_map(|kind| json!({"type": "image_url",
            "image_url": {"url": format!("data:image/{kind};base64,aGk=")}})),
    ]
    .boxed()
}

/// Two parts or more, since one text is said plainly.
fn content(media: bool) -> BoxedStrategy<Value> {
    let marked = (part(media), any::<bool>()).prop_map(|(mut part, marked)| {
        if marked {
            part["cache_control"] = json!({"type": "ephemeral"});
        }
        part
    });
    prop_oneof![
        text().prop_map(Value::from),
        prop::collection::vec(marked, 2..4).prop_map(Value::from),
    ]
    .boxed()
}

/// A user's message, an answer, and perhaps calls with their results.
fn turn() -> impl Strategy<Value = Vec<Value>> {
    let call = prop_oneof![Just("{}"), Just("{\"a\":[1,\"é\"]}")];
    let reasoning = any::<bool>();
    (content(true), content(false), prop::collection::vec((call, content(false)), 0..3), reasoning).prop_map(
        |(asked, said, calls, reasoning)| {
            let mut answer = json!({"role": "assistant", "content": said});
            let ids: Vec<String> = (0..calls.len()).map(|i| format!("call:{i}.x")).collect();
            if !calls.is_empty() {
                answer["tool_calls"] = calls
                    .iter()
                    .zip(&ids)
                    .map(|((arguments, _), id)| {
                        json!({"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}})
                    })
                    .collect();
            }
            if reasoning {
                answer["reasoning_details"] =
                    json!([{"dialect": "bedrock_converse", "text": "hm", "signature": "s"}]);
            }
            let mut messages = vec![json!({"role": "user", "content": asked}), answer];
            for ((_, result), id) in calls.iter().zip(&ids) {
                // Of marks in a result only the last has a place.
                let mut result = result.clone();
                for part in result.as_array_mut().into_iter().flatten().rev().skip(1) {
                    part.as_object_mut().unwrap().shift_remove("cache_control");
                }
                messages.push(json!({"role": "tool", "tool_call_id": id, "content": result}));
            }
            messages
        },
    )
}

fn request() -> impl Strategy<Value = Value> {
    let settings = (
        prop::option::of(1u32..9999),
        prop::option::of(0u8..=4),
        prop::option::of(1u32..100),
        prop::option::of(prop::collection::vec("[a-z]{1,4}", 1..3)),
        prop::sample::select(vec![
            Value::Null,
            json!("auto"),
            json!("required"),
            json!({"type": "function", "function": {"name": "f"}}),
        ]),
        any::<bool>(),
    );
    let messages = (
        prop::option::of(content(false)),
        prop::collection::vec(turn(), 1..3),
        content(true),
    );
    (messages, settings).prop_map(
        |((system, turns, last), (max_tokens, quarters, top_k, stop, choice, schema))| {
            let mut messages: Vec<Value> = system
                .map(|content| json!({"role": "system", "content": content}))
                .into_iter()
                .collect();
            messages.extend(turns.into_iter().flatten());
            messages.push(json!({"role": "user", "content": last}));
            let quarters = quarters.map(|quarters| f64::from(quarters) / 4.0);
            let mut request = json!({
                "messages": messages, "max_tokens": max_tokens, "temperature": quarters, "top_p": quarters,
                "top_k": top_k, "stop": stop, "tool_choice": choice,
                "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
            });
            if schema {
                request["response_format"] = json!({"type": "json_schema",
                    "json_schema": {"name": "n", "schema": {"type": "object", "properties": {"é": {}}}}});
            }
            request
        },
    )
}

/// Messages as Converse tells them apart: neighbours of the user's are one.
fn joined(mut request: Value) -> Value {
    let mut out: Vec<Value> = Vec::new();
    for message in request["messages"].as_array().unwrap() {
        match out.last_mut() {
            Some(last) if last["role"] == "user" && message["role"] == "user" => {
                let parts = |content: &Value| match content {
                    Value::String(text) => vec![json!({"type": "text", "text": text})],
                    parts => parts.as_array().unwrap().clone(),
                };
                let both = [parts(&last["content"]), parts(&message["content"])].concat();
                last["content"] = Value::from(both);
            }
            _ => out.push(message.clone()),
        }
    }
    request["messages"] = Value::from(out);
    request
}

proptest! {
    #[test]
    fn what_the_format_can_say_comes_back(given in request()) {
        let given: ChatRequest = serde_json::from_value(given).unwrap();
        let encoded = encode_for(&given, CLAUDE, None, false).unwrap();
        prop_assert_eq!(&encoded.adapted, &Vec::<String>::new());
        let asked = BEDROCK_CONVERSE.decode_request(&encoded.path, &encoded.body).unwrap();
        prop_assert_eq!(asked.model.as_deref(), Some(CLAUDE));
        prop_assert!(!asked.stream);
        let back = serde_json::to_value(&asked.request).unwrap();
        prop_assert_eq!(joined(back), joined(serde_json::to_value(&given).unwrap()));
    }

    #[test]
    fn no_body_panics(text in "[\\[\\]{}\",:a-z0-9]{0,40}", path in "[/a-z%0-9]{0,30}") {
        let _ = BEDROCK_CONVERSE.decode_request(&path, text.as_bytes());
        let _ = BEDROCK_CONVERSE.decode_request(PATH, text.as_bytes());
    }
}
