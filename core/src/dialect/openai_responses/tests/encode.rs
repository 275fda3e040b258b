use serde_json::{Value, json};

use crate::catalog::{Model, Quirks, Reasoning};
use crate::dialect::openai_responses::OPENAI_RESPONSES;
use crate::dialect::testing::facts;
use crate::dialect::{Call, Dialect as _};
use crate::types::{ChatRequest, Failure};

fn encode(
    request: Value,
    facts: Option<&Model>,
    quirks: &Quirks,
    lossy: bool,
) -> Result<(Value, Vec<String>), Failure> {
    let request: ChatRequest = serde_json::from_value(request).unwrap();
    let encoded = OPENAI_RESPONSES.encode(&Call {
        request: &request,
        provider: "openai",
        model: "m",
        facts,
        quirks,
        lossy,
        stream: false,
    })?;
    assert_eq!(encoded.path, "/responses");
    let mut body: Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!(body["model"].take(), "m");
    assert_eq!(body["stream"].take(), false);
    body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    Ok((body, encoded.adapted))
}

/// The body, where only `store` is ours.
fn sent(request: Value) -> (Value, Vec<String>) {
    let (mut body, adapted) = encode(request, None, &Quirks::default(), false).unwrap();
    assert_eq!(body["store"].take(), false);
    body.as_object_mut().unwrap().shift_remove("store");
    (body, adapted)
}

#[test]
fn settings() {
    let hi = json!([{"role": "user", "content": "hi"}]);
    let schema = json!({"type": "object", "properties": {}, "required": [], "additionalProperties": false});
    for (given, expected) in [
        (
            json!({"max_tokens": 5, "temperature": 0.5, "top_p": 0.5, "user": "u", "parallel_tool_calls": false,
                   "n": 1, "stream": true, "stream_options": {"include_usage": true}}),
            json!({"max_output_tokens": 5, "temperature": 0.5, "top_p": 0.5, "user": "u", "parallel_tool_calls": false}),
        ),
        (
            json!({"service_tier": "flex", "metadata": {"a": "b"}, "prompt_cache_key": "k", "safety_identifier": "s", "truncation": "auto"}),
            json!({"service_tier": "flex", "metadata": {"a": "b"}, "prompt_cache_key": "k", "safety_identifier": "s", "truncation": "auto"}),
        ),
        (
            json!({"response_format": {"type": "json_object"}, "verbosity": "low"}),
            json!({"text": {"format": {"type": "json_object"}, "verbosity": "low"}}),
        ),
        (
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": true}}}),
            json!({"text": {"format": {"type": "json_schema", "name": "n", "schema": schema, "strict": true}}}),
        ),
        (
            json!({"tools": [
                {"type": "function", "function": {"name": "f", "description": "d", "parameters": schema, "strict": true}},
                {"type": "function", "function": {"name": "g"}},
                {"type": "custom", "custom": {"name": "h", "format": {"type": "text"}}},
                {"type": "web_search"},
            ], "tool_choice": {"type": "function", "function": {"name": "f"}}}),
            json!({"tools": [
                {"type": "function", "name": "f", "description": "d", "parameters": schema, "strict": true},
                {"type": "function", "name": "g", "parameters": {"type": "object", "properties": {}}, "strict": false},
                {"type": "custom", "name": "h", "format": {"type": "text"}},
                {"type": "web_search"},
            ], "tool_choice": {"type": "function", "name": "f"}}),
        ),
        (
            json!({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto",
                   "tools": [{"type": "function", "function": {"name": "f"}}]}}}),
            json!({"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]}}),
        ),
        (
            json!({"provider_options": {"openai_responses": {"reasoning": {"summary": "auto"}}, "groq": {"x": 1}}}),
            json!({"reasoning": {"summary": "auto"}}),
        ),
    ] {
        let mut request = given;
        request["messages"] = json!("hi");
        let mut expected = expected;
        expected["input"] = hi.clone();
        assert_eq!(sent(request), (expected, Vec::new()));
    }
    for (choice, word) in [("auto", "auto"), ("none", "none"), ("required", "required")] {
        let (body, _) = sent(json!({"messages": "hi", "tool_choice": choice}));
        assert_eq!(body["tool_choice"], word);
    }
    let kept = json!({"messages": "hi", "store": true});
    let (body, _) = encode(kept, None, &Quirks::default(), false).unwrap();
    assert_eq!(body["store"], true);
}

#[test]
fn reasoning_goes_by_what_is_known_of_the_model() {
    let ask = |effort: &str, reasoning: Reasoning| {
        let facts = facts(None, None, reasoning);
        let request = json!({"messages": "hi", "reasoning_effort": effort});
        encode(request, Some(&facts), &Quirks::default(), false)
    };
    let encrypted = json!(["reasoning.encrypted_content"]);
    for (effort, known, reasoning, include) in [
        (
            "low",
            Reasoning::Unknown,
            json!({"effort": "low"}),
            encrypted.clone(),
        ),
        ("none", Reasoning::Unknown, json!({"effort": "none"}), json!(null)),
        (
            "none",
            Reasoning::Effort,
            json!({"effort": "none"}),
            encrypted.clone(),
        ),
        ("high", Reasoning::Budget, json!({"effort": "high"}), encrypted),
        ("none", Reasoning::None, json!(null), json!(null)),
    ] {
        let (body, adapted) = ask(effort, known).unwrap();
        assert_eq!(
            body.get("reasoning").cloned().unwrap_or_default(),
            reasoning,
            "{effort}"
        );
        assert_eq!(
            body.get("include").cloned().unwrap_or_default(),
            include,
            "{effort}"
        );
        assert_eq!(adapted, Vec::<String>::new());
    }
    let refused = ask("low", Reasoning::None).unwrap_err();
    assert_eq!(refused.code.as_deref(), Some("reasoning_effort"));
    let (body, _) = encode(json!({"messages": "hi"}), None, &Quirks::default(), false).unwrap();
    assert_eq!((body.get("reasoning"), body.get("include")), (None, None));
}

#[test]
fn what_the_model_or_the_provider_refuses_is_taken_out() {
    let request = json!({"messages": "hi", "temperature": 0.5, "top_p": 1.0, "top_logprobs": 3});
    let steady = facts(None, Some(false), Reasoning::Effort);
    let (body, adapted) = encode(request, Some(&steady), &Quirks::default(), false).unwrap();
    assert_eq!(adapted.len(), 3, "{adapted:?}");
    assert!(
        body.get("temperature").is_none()
            && body.get("top_p").is_none()
            && body.get("top_logprobs").is_none()
    );

    let quirks = Quirks {
        refuses: ["store", "include", "user", "max_tokens"]
            .map(str::to_owned)
            .to_vec(),
        ..Quirks::default()
    };
    let (body, adapted) = encode(
        json!({"messages": "hi", "reasoning_effort": "low"}),
        None,
        &quirks,
        false,
    )
    .unwrap();
    assert_eq!(
        (body, adapted),
        (
            json!({"input": [{"role": "user", "content": "hi"}], "reasoning": {"effort": "low"}}),
            Vec::new()
        )
    );
    for field in ["user", "store", "max_tokens"] {
        let mut request = json!({"messages": "hi"});
        request[field] = match field {
            "max_tokens" => json!(5),
            "store" => json!(true),
            _ => json!("u"),
        };
        let refused = encode(request.clone(), None, &quirks, false).unwrap_err();
        assert_eq!(refused.code.as_deref(), Some(field));
        let (_, adapted) = encode(request, None, &quirks, true).unwrap();
        assert_eq!(
            adapted,
            [format!("{field}: left out: the provider does not take it")]
        );
    }
}

#[test]
fn what_has_no_word_is_refused_or_lost_by_name() {
    let in_message = |role: &str, field: &str, value: Value| {
        let mut message = json!({"role": role, "content": "a"});
        message[field] = value;
        json!({"messages": [message]})
    };
    let assistant = |part: Value| json!({"messages": [{"role": "assistant", "content": [part]}]});
    for (request, field) in [
        (json!({"messages": "hi", "stop": "x"}), "stop"),
        (json!({"messages": "hi", "seed": 1}), "seed"),
        (json!({"messages": "hi", "top_k": 1}), "top_k"),
        (
            json!({"messages": "hi", "frequency_penalty": 1.0}),
            "frequency_penalty",
        ),
        (
            json!({"messages": "hi", "presence_penalty": 1.0}),
            "presence_penalty",
        ),
        (json!({"messages": "hi", "n": 2}), "n"),
        (json!({"messages": "hi", "logit_bias": {}}), "logit_bias"),
        (json!({"messages": "hi", "background": true}), "background"),
        (
            json!({"messages": "hi", "response_format": {"type": "json_schema", "json_schema": {"name": "n"}}}),
            "response_format.json_schema.schema",
        ),
        (in_message("user", "name", json!("Ann")), "messages[0].name"),
        (in_message("user", "mood", json!("good")), "messages[0].mood"),
        (
            assistant(json!({"type": "image_url", "image_url": {"url": "https://a"}})),
            "messages[0].content[0]",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "video_url", "video_url": {}}]}]}),
            "messages[0].content[0]",
        ),
    ] {
        let refused = encode(request.clone(), None, &Quirks::default(), false).unwrap_err();
        assert_eq!(refused.code.as_deref(), Some(field), "{request}");
        let (_, adapted) = encode(request, None, &Quirks::default(), true).unwrap();
        assert!(
            adapted[0].starts_with(&format!("{field}: left out: ")),
            "{adapted:?}"
        );
    }
}

#[test]
fn conversation() {
    let long = format!("{}end", "x".repeat(70));
    let (body, adapted) = sent(json!({"messages": [
        {"role": "system", "content": "be brief"},
        {"role": "developer", "content": "be kind"},
        {"role": "user", "content": [
            {"type": "text", "text": "look", "cache_control": {"type": "ephemeral"}},
            {"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}},
            {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA"}},
            {"type": "file", "file": {"file_data": "https://a/c.pdf"}},
            {"type": "file", "file": {"file_id": "f1"}},
        ]},
        {"role": "assistant", "content": "let me see",
         "reasoning_details": [
            {"dialect": "openai_responses", "id": "rs", "text": "sum", "redacted": "enc"},
            {"dialect": "openai_responses", "text": "raw", "signature": "reasoning_text"},
            {"dialect": "anthropic_messages", "text": "t", "signature": "s"}],
         "tool_calls": [
            {"id": "c1", "function": {"name": "f", "arguments": "{\"a\": 1}"}},
            {"id": long, "function": {"name": "g", "arguments": ""}, "extra_content": {"google": {"thought_signature": "t"}}},
            {"id": "c3", "function": {"name": "h", "arguments": "free"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
        {"role": "tool", "tool_call_id": long, "name": "g", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]},
        {"role": "tool", "tool_call_id": "c3", "content": "3"},
        {"role": "assistant", "content": null, "refusal": "no"},
        {"role": "assistant", "content": "", "reasoning_content": "hm"},
        {"role": "assistant", "content": "bye", "openai_responses": {"phase": "final_answer"}, "annotations": [{"type": "url_citation"}]},
    ], "tools": [{"type": "custom", "custom": {"name": "h"}}]}));
    let id = &long[long.len() - 64..];
    assert_eq!(body["instructions"], "be brief");
    assert_eq!(
        body["input"],
        json!([
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": [
                {"type": "input_text", "text": "look"},
                {"type": "input_image", "image_url": "https://a/b.png", "detail": "low"},
                {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
                {"type": "input_file", "file_data": "data:application/pdf;base64,AA", "filename": "document"},
                {"type": "input_file", "file_url": "https://a/c.pdf"},
                {"type": "input_file", "file_id": "f1"},
            ]},
            {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "sum"}], "encrypted_content": "enc"},
            {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "raw"}]},
            {"role": "assistant", "content": "let me see"},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{\"a\": 1}"},
            {"type": "function_call", "call_id": id, "name": "g", "arguments": "{}"},
            {"type": "custom_tool_call", "call_id": "c3", "name": "h", "input": "free"},
            {"type": "function_call_output", "call_id": "c1", "output": "1"},
            {"type": "function_call_output", "call_id": id, "output": [{"type": "input_image", "image_url": "data:image/png;base64,AA"}]},
            {"type": "custom_tool_call_output", "call_id": "c3", "output": "3"},
            {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
            {"type": "message", "role": "assistant", "phase": "final_answer",
             "content": [{"type": "output_text", "text": "bye", "annotations": [{"type": "url_citation"}]}]},
        ])
    );
    let fields: Vec<_> = adapted
        .iter()
        .map(|line| line.split(": ").next().unwrap())
        .collect();
    assert_eq!(
        fields,
        [
            "messages[1].role",
            "messages[2].content[0].cache_control",
            "messages[2].content[3].file.filename",
            "messages[3].reasoning_details[2]",
            "messages[3].tool_calls[1].extra_content",
            "messages[5].name",
            "messages[8].reasoning_content",
            "messages[8]",
        ]
    );
    let quirks = Quirks {
        developer_role: true,
        ..Quirks::default()
    };
    let only = json!({"messages": [{"role": "developer", "content": "hi"}]});
    let (body, adapted) = encode(only, None, &quirks, false).unwrap();
    assert_eq!(body["input"], json!([{"role": "developer", "content": "hi"}]));
    assert_eq!(adapted, Vec::<String>::new());
}

#[test]
fn reasoning_that_nothing_follows_stays_out() {
    let block = json!({"dialect": "openai_responses", "id": "rs", "redacted": "enc"});
    let (body, adapted) = sent(json!({"messages": [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "", "reasoning_details": [block]},
        {"role": "user", "content": "b"},
    ]}));
    assert_eq!(
        body["input"],
        json!([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}])
    );
    assert_eq!(adapted.len(), 1);
}

#[test]
fn a_conversation_that_says_nothing_is_refused() {
    let silent = json!({"messages": [{"role": "assistant", "content": ""}]});
    let refused = encode(silent, None, &Quirks::default(), true).unwrap_err();
    assert_eq!(refused.code.as_deref(), Some("messages"));
}

#[test]
fn instructions_stay_in_the_input_where_the_provider_refuses_the_field() {
    let request =
        json!({"messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]});
    let quirks = Quirks {
        refuses: vec!["instructions".to_owned()],
        ..Quirks::default()
    };
    let (body, adapted) = encode(request.clone(), None, &quirks, false).unwrap();
    assert_eq!(body["input"], request["messages"]);
    assert_eq!((body.get("instructions"), adapted), (None, Vec::new()));
}
