use serde_json::{Value, json};

use crate::catalog::{Model, Quirks, Reasoning};
use crate::dialect::openai_chat::encode::encode;
use crate::dialect::testing::facts;
use crate::dialect::{Call, Encoded};
use crate::types::{ChatRequest, Failure, FailureClass};

fn quirks(provider: &str) -> Quirks {
    crate::catalog::provider(provider).map_or_else(Quirks::default, |known| known.quirks.clone())
}

/// How a request is asked for.
#[derive(Default)]
struct Ask<'a> {
    facts: Option<&'a Model>,
    lossy: bool,
    stream: bool,
}

fn encoded(provider: &str, quirks: &Quirks, ask: &Ask<'_>, request: Value) -> Result<Encoded, Failure> {
    let request: ChatRequest = serde_json::from_value(request).unwrap();
    encode(&Call {
        request: &request,
        provider,
        model: "m",
        facts: ask.facts,
        quirks,
        lossy: ask.lossy,
        stream: ask.stream,
    })
}

fn sent(provider: &str, stream: bool, request: Value) -> (Value, Vec<String>) {
    let ask = Ask {
        stream,
        ..Ask::default()
    };
    let encoded = encoded(provider, &quirks(provider), &ask, request).unwrap();
    assert_eq!(encoded.path, "/chat/completions");
    (serde_json::from_slice(&encoded.body).unwrap(), encoded.adapted)
}

/// What a body says besides the model and the messages.
fn settings(encoded: &Encoded) -> Value {
    let mut body: Value = serde_json::from_slice(&encoded.body).unwrap();
    let map = body.as_object_mut().unwrap();
    map.shift_remove("model");
    map.shift_remove("messages");
    body
}

#[test]
fn bodies() {
    let hi = json!([{"role": "user", "content": "hi"}]);
    let cases = [
        (
            "openai",
            false,
            json!({"route": "r", "timeout": 3.0, "messages": "hi", "max_tokens": 5, "temperature": 0.5,
                   "verbosity": "low", "stream": true, "stream_options": {"include_usage": true},
                   "provider_options": {"groq": {"x": 1}}}),
            json!({"model": "m", "messages": hi, "max_completion_tokens": 5, "temperature": 0.5,
                   "verbosity": "low"}),
        ),
        (
            "vllm",
            true,
            json!({"messages": "hi", "max_completion_tokens": 5, "top_k": 3, "stop": ["a"],
                   "reasoning_effort": "low", "stream_options": {"continuous_usage_stats": true}}),
            json!({"model": "m", "messages": hi, "max_tokens": 5, "top_k": 3, "stop": ["a"],
                   "chat_template_kwargs": {"enable_thinking": true}, "reasoning_effort": "low", "stream": true,
                   "stream_options": {"continuous_usage_stats": true, "include_usage": true}}),
        ),
        (
            "groq",
            true,
            json!({"messages": "hi", "temperature": 0.5, "seed": 1, "provider_options": {
                "groq": {"temperature": 1, "seed": null, "stream_options": null, "stream": false},
                "openai_chat": {"temperature": 2, "top_p": 0.1}}}),
            json!({"model": "m", "messages": hi, "temperature": 1, "top_p": 0.1, "stream": true}),
        ),
    ];
    for (provider, stream, request, expected) in cases {
        assert_eq!(
            sent(provider, stream, request),
            (expected, Vec::new()),
            "{provider}"
        );
    }
}

#[test]
fn what_has_no_place_is_left_out_and_named() {
    let request = json!({
        "messages": [
            {"role": "developer", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]},
            {"role": "assistant", "content": "", "mood": "good",
             "reasoning_details": [{"dialect": "anthropic_messages", "signature": "s"}],
             "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"},
                             "extra_content": {"google": {"thought_signature": "t"}}}]},
            {"role": "tool", "tool_call_id": "c", "content": "1"},
        ],
        "tools": [
            {"type": "function", "function": {"name": "f", "strict": true}, "cache_control": {"type": "ephemeral"}},
            {"type": "custom", "custom": {"name": "g"}},
        ],
    });
    let (body, adapted) = sent("local", false, request.clone());
    let expected = json!({
        "model": "m",
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "a"}]},
            {"role": "assistant", "content": null, "mood": "good",
             "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c", "content": "1"},
        ],
        "tools": [
            {"type": "function", "function": {"name": "f", "strict": true}},
            {"type": "custom", "custom": {"name": "g"}},
        ],
    });
    assert_eq!(body, expected);
    assert_eq!(adapted.len(), 4, "{adapted:?}");
    let (body, adapted) = sent("openai", false, request);
    assert_eq!(body["messages"][0]["role"], "developer");
    assert_eq!(adapted.len(), 3, "{adapted:?}");
}

#[test]
fn fields_that_vendors_have_no_place_for() {
    let format = json!({"type": "json_schema", "json_schema": {"name": "a", "schema": {}}});
    for (provider, request, refused, expected) in [
        ("openai", json!({"top_k": 1}), Some("top_k"), json!({})),
        (
            "mistral",
            json!({"seed": 1, "user": "u"}),
            None,
            json!({"random_seed": 1}),
        ),
        (
            "zai",
            json!({"seed": 1, "user": "u"}),
            None,
            json!({"user_id": "u"}),
        ),
        (
            "mistral",
            json!({"logit_bias": {"1": 1}}),
            Some("logit_bias"),
            json!({}),
        ),
        (
            "deepseek",
            json!({"parallel_tool_calls": false}),
            Some("parallel_tool_calls"),
            json!({}),
        ),
        (
            "deepseek",
            json!({"parallel_tool_calls": true, "n": 1}),
            None,
            json!({}),
        ),
        ("deepseek", json!({"n": 2}), Some("n"), json!({})),
        ("cerebras", json!({"frequency_penalty": 0.0}), None, json!({})),
        (
            "cerebras",
            json!({"frequency_penalty": 0.5}),
            Some("frequency_penalty"),
            json!({}),
        ),
        (
            "deepseek",
            json!({"response_format": format}),
            Some("response_format.json_schema"),
            json!({"response_format": {"type": "json_object"}}),
        ),
        (
            "deepseek",
            json!({"response_format": {"type": "json_object"}}),
            None,
            json!({"response_format": {"type": "json_object"}}),
        ),
        (
            "openai",
            json!({"response_format": format}),
            None,
            json!({"response_format": format}),
        ),
    ] {
        let mut asked = request;
        asked["messages"] = json!("hi");
        let quirks = quirks(provider);
        let strict = encoded(provider, &quirks, &Ask::default(), asked.clone());
        let why = strict
            .as_ref()
            .err()
            .map(|failure| (failure.class, failure.code.as_deref().unwrap()));
        assert_eq!(
            why,
            refused.map(|field| (FailureClass::Unsupported, field)),
            "{provider} {asked}"
        );
        let ask = Ask {
            lossy: true,
            ..Ask::default()
        };
        let taken = encoded(provider, &quirks, &ask, asked.clone()).unwrap();
        assert_eq!(settings(&taken), expected, "{provider} {asked}");
        if let Some(field) = refused {
            let head = format!("{field}: left out: ");
            assert!(
                taken.adapted.iter().any(|line| line.starts_with(&head)),
                "{:?}",
                taken.adapted
            );
        }
        // Every field that was asked for is there, under some name, or is named as left out.
        for field in asked
            .as_object()
            .unwrap()
            .keys()
            .filter(|field| *field != "messages")
        {
            let named = taken.adapted.iter().any(|line| line.starts_with(field.as_str()));
            let renamed = quirks
                .rename
                .get(field)
                .is_some_and(|name| expected.get(name).is_some());
            assert!(
                named || renamed || expected.get(field).is_some(),
                "{provider} {field}"
            );
        }
    }
}

#[test]
fn models_that_reason_take_no_sampling() {
    let fixed = facts(None, Some(false), Reasoning::Effort);
    let ask = Ask {
        facts: Some(&fixed),
        ..Ask::default()
    };
    let request = json!({"messages": "hi", "temperature": 0.5, "top_p": 0.5});
    let taken = encoded("openai", &quirks("openai"), &ask, request.clone()).unwrap();
    assert_eq!(settings(&taken), json!({}));
    assert_eq!(taken.adapted.len(), 2);
    let mut unreasoned = request;
    unreasoned["reasoning_effort"] = json!("none");
    let taken = encoded("openai", &quirks("openai"), &ask, unreasoned).unwrap();
    assert_eq!(
        settings(&taken),
        json!({"temperature": 0.5, "top_p": 0.5, "reasoning_effort": "none"})
    );

    let penalties =
        json!({"messages": "hi", "frequency_penalty": 0.5, "presence_penalty": 0.5, "logprobs": false});
    let taken = encoded("openai", &quirks("openai"), &ask, penalties).unwrap();
    assert_eq!((settings(&taken), taken.adapted.len()), (json!({}), 2));
    let biased = json!({"messages": "hi", "logit_bias": {"1": 5}});
    let refused = encoded("openai", &quirks("openai"), &ask, biased).unwrap_err();
    assert_eq!(refused.code.as_deref(), Some("logit_bias"));

    let plain = facts(None, Some(true), Reasoning::None);
    let ask = Ask {
        facts: Some(&plain),
        ..Ask::default()
    };
    let request = |effort: &str| json!({"messages": "hi", "reasoning_effort": effort});
    let taken = encoded("openai", &quirks("openai"), &ask, request("none")).unwrap();
    assert_eq!((settings(&taken), taken.adapted.len()), (json!({}), 1));
    let refused = encoded("openai", &quirks("openai"), &ask, request("high")).unwrap_err();
    assert_eq!(refused.code.as_deref(), Some("reasoning_effort"));
}

#[test]
fn how_hard_to_think_in_each_vendors_words() {
    for (provider, effort, expected, notes) in [
        ("openai", "max", json!({"reasoning_effort": "max"}), 0),
        ("openrouter", "high", json!({"reasoning": {"effort": "high"}}), 0),
        ("moonshot", "high", json!({"thinking": {"type": "enabled"}}), 1),
        ("moonshot", "none", json!({"thinking": {"type": "disabled"}}), 0),
        (
            "deepseek",
            "max",
            json!({"thinking": {"type": "enabled"}, "reasoning_effort": "max"}),
            0,
        ),
        ("deepseek", "none", json!({"thinking": {"type": "disabled"}}), 0),
        (
            "qwen",
            "medium",
            json!({"enable_thinking": true, "thinking_budget": 8192}),
            1,
        ),
        ("qwen", "max", json!({"enable_thinking": true}), 1),
        ("qwen", "none", json!({"enable_thinking": false}), 0),
        (
            "vllm",
            "xhigh",
            json!({"chat_template_kwargs": {"enable_thinking": true}, "reasoning_effort": "high"}),
            1,
        ),
        (
            "vllm",
            "none",
            json!({"chat_template_kwargs": {"enable_thinking": false}}),
            0,
        ),
    ] {
        let request = json!({"messages": "hi", "reasoning_effort": effort});
        let taken = encoded(provider, &quirks(provider), &Ask::default(), request).unwrap();
        assert_eq!(settings(&taken), expected, "{provider} {effort}");
        assert_eq!(
            taken.adapted.len(),
            notes,
            "{provider} {effort}: {:?}",
            taken.adapted
        );
    }
}

#[test]
fn counts_of_streams_are_asked_for_where_they_do_not_come_by_themselves() {
    let ask = Ask {
        stream: true,
        ..Ask::default()
    };
    let request = json!({"messages": "hi", "stream_options": {"include_usage": true}});
    let taken = encoded("mistral", &quirks("mistral"), &ask, request.clone()).unwrap();
    assert_eq!(settings(&taken), json!({"stream": true}));
    let taken = encoded("groq", &quirks("groq"), &ask, request).unwrap();
    assert_eq!(
        settings(&taken),
        json!({"stream": true, "stream_options": {"include_usage": true}})
    );
    let request = json!({"messages": "hi", "stream_options": {"include_obfuscation": false}});
    let refused = encoded("mistral", &quirks("mistral"), &ask, request).unwrap_err();
    assert_eq!(
        refused.code.as_deref(),
        Some("stream_options.include_obfuscation")
    );
}

#[test]
fn reasoning_goes_back_where_it_is_wanted() {
    let history = |message: Value| json!({"messages": [{"role": "user", "content": "a"}, message, {"role": "user", "content": "b"}]});
    let calls =
        json!([{"id": "abcdefghi", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    let with_call = |mut message: Value| {
        message["tool_calls"] = calls.clone();
        history(message)
    };
    let written = json!({"role": "assistant", "content": "x", "reasoning_content": "hm"});
    let blocks = json!({"role": "assistant", "content": "x", "reasoning_details": [
        {"dialect": "anthropic_messages", "text": "hm", "signature": "s"}]});
    for (provider, request, expected, notes) in [
        ("deepseek", with_call(written.clone()), Some("hm"), 0),
        ("deepseek", with_call(blocks.clone()), Some("hm"), 0),
        ("deepseek", history(written.clone()), None, 1),
        ("deepseek", history(blocks.clone()), None, 1),
        ("groq", with_call(written.clone()), None, 1),
        ("vllm", history(written), Some("hm"), 0),
        ("vllm", with_call(blocks), None, 1),
    ] {
        let (body, adapted) = sent(provider, false, request.clone());
        let message = &body["messages"][1];
        assert_eq!(
            message["reasoning_content"].as_str(),
            expected,
            "{provider} {request}"
        );
        assert_eq!(message.get("reasoning_details"), None);
        assert_eq!(adapted.len(), notes, "{provider} {adapted:?}");
        assert!(
            adapted
                .iter()
                .all(|line| line.starts_with("messages[1].reasoning")),
            "{adapted:?}"
        );
    }
}

#[test]
fn ids_of_nine_letters_and_a_marked_prefix() {
    let request = json!({"messages": [
        {"role": "assistant", "tool_calls": [
            {"id": "call_abc", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "Abcdefgh9", "type": "function", "function": {"name": "g", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "call_abc", "content": "1"},
        {"role": "tool", "tool_call_id": "Abcdefgh9", "content": "2"},
        {"role": "assistant", "content": "and so"},
    ]});
    let (body, adapted) = sent("mistral", false, request.clone());
    let messages = &body["messages"];
    let id = messages[0]["tool_calls"][0]["id"].as_str().unwrap();
    assert!(
        id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        "{id}"
    );
    assert_eq!(messages[1]["tool_call_id"], id);
    assert_eq!(messages[0]["tool_calls"][1]["id"], "Abcdefgh9");
    assert_eq!(messages[2]["tool_call_id"], "Abcdefgh9");
    assert_eq!(messages[3]["prefix"], true);
    assert_eq!(messages[0].get("prefix"), None);
    assert_eq!(adapted.len(), 1, "{adapted:?}");
    let (body, adapted) = sent("groq", false, request);
    assert_eq!(body["messages"][1]["tool_call_id"], "call_abc");
    assert_eq!(body["messages"][3].get("prefix"), None);
    assert_eq!(adapted, Vec::<String>::new());
}

#[test]
fn cache_marks_go_where_they_are_taken() {
    let request = json!({
        "messages": [{"role": "user", "content": [
            {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]}],
        "tools": [{"type": "function", "function": {"name": "f"}, "cache_control": {"type": "ephemeral"}}],
    });
    let (body, adapted) = sent("openrouter", false, request.clone());
    assert_eq!(body["messages"], request["messages"]);
    assert_eq!(body["tools"], request["tools"]);
    assert_eq!(adapted, Vec::<String>::new());
    let (body, adapted) = sent("groq", false, request);
    assert!(!body.to_string().contains("cache_control"));
    assert_eq!(adapted, ["cache_control: left out: the vendor caches by itself"]);
}

#[test]
fn paths_and_fixed_fields() {
    let quirks = Quirks {
        path: Some("/deployments/{model}/chat?v=1".to_owned()),
        model_in_body: false,
        body: json!({"safe_prompt": true}).as_object().unwrap().clone(),
        ..Quirks::default()
    };
    let request: ChatRequest = serde_json::from_value(json!({"messages": "hi"})).unwrap();
    let call = Call {
        request: &request,
        provider: "p",
        model: "a/b c",
        facts: None,
        quirks: &quirks,
        lossy: false,
        stream: false,
    };
    let taken = encode(&call).unwrap();
    assert_eq!(taken.path, "/deployments/a%2Fb%20c/chat?v=1");
    let body: Value = serde_json::from_slice(&taken.body).unwrap();
    assert_eq!(
        body,
        json!({"messages": [{"role": "user", "content": "hi"}], "safe_prompt": true})
    );
}
