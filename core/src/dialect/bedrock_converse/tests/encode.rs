use serde_json::{Value, json};

use super::super::BEDROCK_CONVERSE;
use super::{body, encode_for};
use crate::catalog::{Model, Quirks, Reasoning};
use crate::dialect::testing::facts;
use crate::dialect::{Call, Dialect as _};
use crate::types::{ChatRequest, FailureClass};

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

fn request(request: Value) -> ChatRequest {
    serde_json::from_value(request).unwrap()
}

/// The body and what was changed.
fn encode(fields: Value, model: &str, facts: Option<&Model>) -> (Value, Vec<String>) {
    let encoded = encode_for(&request(fields), model, facts, false).unwrap();
    (body(&encoded), encoded.adapted)
}

/// The field refused; and what the body and the changes are when it may be lost.
fn lose(fields: Value, model: &str, facts: Option<&Model>) -> (String, Value, Vec<String>) {
    let request = request(fields);
    let failure = encode_for(&request, model, facts, false).unwrap_err();
    assert_eq!(failure.class, FailureClass::Unsupported);
    let encoded = encode_for(&request, model, facts, true).unwrap();
    (failure.code.unwrap(), body(&encoded), encoded.adapted)
}

fn hi() -> Value {
    json!([{"role": "user", "content": [{"text": "hi"}]}])
}

#[test]
fn encodes_the_frame() {
    let request = request(json!({"messages": "hi"}));
    for (model, stream, path) in [
        (
            CLAUDE,
            false,
            "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse",
        ),
        (
            CLAUDE,
            true,
            "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream",
        ),
        (
            "arn:aws:bedrock:us-east-1::a/b c",
            false,
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A%3Aa%2Fb%20c/converse",
        ),
    ] {
        let encoded = BEDROCK_CONVERSE
            .encode(&Call {
                request: &request,
                provider: "bedrock",
                model,
                facts: None,
                quirks: &Quirks::default(),
                lossy: false,
                stream,
            })
            .unwrap();
        assert_eq!(encoded.path, path);
        assert_eq!(body(&encoded), json!({"messages": hi()}));
        assert!(encoded.adapted.is_empty() && encoded.headers.is_empty());
    }
    assert_eq!(BEDROCK_CONVERSE.auth(), ("authorization", "Bearer "));
}

#[test]
fn encodes_settings() {
    let (body, adapted) = encode(
        json!({
            "messages": "hi", "max_tokens": 9, "temperature": 1.5, "top_p": 0.5, "top_k": 7, "stop": "x", "user": "u",
            "stream": true, "n": 1, "service_tier": "flex",
            "provider_options": {"bedrock_converse": {"guardrailConfig": {"trace": "enabled"},
                "inferenceConfig": {"topP": 0.25}}, "bedrock": {"requestMetadata": {"a": "b"}}},
        }),
        CLAUDE,
        None,
    );
    assert_eq!(
        body,
        json!({
            "messages": hi(),
            "inferenceConfig": {"maxTokens": 9, "temperature": 1.0, "topP": 0.25, "stopSequences": ["x"]},
            "additionalModelRequestFields": {"top_k": 7},
            "serviceTier": {"type": "flex"},
            "guardrailConfig": {"trace": "enabled"},
            "requestMetadata": {"a": "b"},
        })
    );
    assert_eq!(
        adapted,
        [
            "user: left out; Converse has no place for it",
            "temperature: 1 instead of 1.5, the most the vendor takes",
        ]
    );
    let (body, _) = encode(
        json!({"messages": "hi", "top_k": 7}),
        "amazon.nova-lite-v1:0",
        None,
    );
    assert_eq!(
        body["additionalModelRequestFields"],
        json!({"inferenceConfig": {"topK": 7}})
    );
    let known = facts(Some(100), Some(false), Reasoning::Unknown);
    let (body, adapted) = encode(
        json!({"messages": "hi", "max_tokens": 101, "temperature": 0.5, "top_k": 1}),
        CLAUDE,
        Some(&known),
    );
    assert_eq!(
        body,
        json!({"messages": hi(), "inferenceConfig": {"maxTokens": 100}})
    );
    assert_eq!(
        adapted,
        [
            "max_tokens: 100 instead of 101, the most the model gives",
            "temperature: left out, since the model takes no sampling parameters",
            "top_k: left out, since the model takes no sampling parameters",
        ]
    );
}

#[test]
fn encodes_conversations() {
    let ask = json!({"role": "user", "content": "weather?"});
    let call = |id: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": "w", "arguments": arguments}});
    let (body, adapted) = encode(
        json!({"messages": [
            {"role": "developer", "content": [
                {"type": "text", "text": "brief", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
            ask,
            {"role": "assistant", "content": null, "reasoning_content": "hm",
             "tool_calls": [call("functions.w:0", "{\"a\":1}"), call("call/2", "")],
             "reasoning_details": [
                {"dialect": "bedrock_converse", "text": "think", "signature": "sig"},
                {"dialect": "bedrock_converse", "text": "", "redacted": "eA=="},
                {"dialect": "anthropic_messages", "text": "other", "signature": "sig"}]},
            {"role": "user", "content": "well?"},
            {"role": "tool", "tool_call_id": "functions.w:0", "content": "1"},
            {"role": "tool", "tool_call_id": "call/2", "bedrock_converse": {"is_error": true}, "content": [
                {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,aGk="}},
                {"type": "text", "text": "2", "cache_control": {"type": "ephemeral"}}]},
            {"role": "system", "content": "late"},
            {"role": "assistant", "content": ""},
        ], "tools": [{"type": "function", "function": {"name": "w", "description": ""}}]}),
        CLAUDE,
        None,
    );
    assert_eq!(
        body["system"],
        json!([{"text": "brief"}, {"cachePoint": {"type": "default", "ttl": "1h"}}, {"text": "late"}])
    );
    assert_eq!(
        body["messages"],
        json!([
            {"role": "user", "content": [{"text": "weather?"}]},
            {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "think", "signature": "sig"}}},
                {"reasoningContent": {"redactedContent": "eA=="}},
                {"toolUse": {"toolUseId": "functions.w:0", "name": "w", "input": {"a": 1}}},
                {"toolUse": {"toolUseId": "call_2", "name": "w", "input": {}}},
            ]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": "functions.w:0", "content": [{"text": "1"}]}},
                {"toolResult": {"toolUseId": "call_2", "status": "error", "content": [
                    {"image": {"format": "jpeg", "source": {"bytes": "aGk="}}}, {"text": "2"}]}},
                {"cachePoint": {"type": "default"}},
                {"text": "well?"},
            ]},
        ])
    );
    assert_eq!(
        adapted,
        [
            "messages[2].reasoning_content: left out",
            "messages[2].reasoning_details[2]: left out, since only anthropic_messages can read it",
            "messages[6]: instructions moved to the top, where the vendor has them",
            "messages[7]: left out, since the vendor refuses empty messages",
        ]
    );
}

#[test]
fn long_ids_stay_apart() {
    let long = |end: &str| format!("{}{end}", "a".repeat(80));
    let call =
        |id: String| json!({"id": id, "type": "function", "function": {"name": "w", "arguments": "{}"}});
    let (body, _) = encode(
        json!({"messages": [{"role": "user", "content": "hi"},
            {"role": "assistant", "tool_calls": [call(long("b")), call(long("c"))]},
            {"role": "tool", "tool_call_id": long("b"), "content": "1"}],
            "tools": [{"type": "function", "function": {"name": "w"}}]}),
        CLAUDE,
        None,
    );
    let id = |pointer: &str| body.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let first = id("/messages/1/content/0/toolUse/toolUseId");
    assert_eq!(first.len(), 64);
    assert_ne!(first, id("/messages/1/content/1/toolUse/toolUseId"));
    assert_eq!(first, id("/messages/2/content/0/toolResult/toolUseId"));
}

#[test]
fn encodes_media() {
    let file =
        |data: &str, name: Value| json!({"type": "file", "file": {"file_data": data, "filename": name}});
    let (body, adapted) = encode(
        json!({"messages": [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "s3://bucket/a.JPG"}},
            file("data:application/pdf;base64,aGk=", json!("Q3  report_v2.pdf")),
            file("data:text/x-python;base64,aGk=", Value::Null),
            file("data:text/csv;base64,aGk=", json!("Document")),
            file("s3://bucket/b.docx", json!("b")),
            {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
        ]}]}),
        CLAUDE,
        None,
    );
    let bytes = json!({"bytes": "aGk="});
    assert_eq!(
        body["messages"][0]["content"],
        json!([
            {"image": {"format": "png", "source": bytes}},
            {"image": {"format": "jpeg", "source": {"s3Location": {"uri": "s3://bucket/a.JPG"}}}},
            {"document": {"name": "Q3 report-v2", "format": "pdf", "source": bytes}},
            {"document": {"name": "Document", "format": "txt", "source": bytes}},
            {"document": {"name": "Document (2)", "format": "csv", "source": bytes}},
            {"document": {"name": "b", "format": "docx", "source": {"s3Location": {"uri": "s3://bucket/b.docx"}}}},
            {"audio": {"format": "wav", "source": bytes}},
            {"text": "See the document."},
        ])
    );
    assert_eq!(
        adapted,
        [
            "messages[0].content[0].image_url.detail: left out; the vendor chooses the resolution",
            "messages[0].content[2].file.filename: sent as \"Q3 report-v2\"",
            "messages[0].content[3].file.file_data: text/x-python is sent as plain text",
            "messages[0].content[3].file.filename: sent as \"Document\"",
            "messages[0].content[4].file.filename: sent as \"Document (2)\"",
            "messages: a text was added to a message of documents only, which the vendor refuses",
        ]
    );
}

#[test]
fn encodes_tools() {
    let tools = json!([
        {"type": "function", "function": {"name": "f", "description": "d", "strict": true,
            "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}},
         "cache_control": {"type": "ephemeral"}},
        {"type": "bedrock_converse", "systemTool": {"name": "nova_code_interpreter"}},
    ]);
    let expected = json!([
        {"toolSpec": {"name": "f", "description": "d", "strict": true,
            "inputSchema": {"json": {"type": "object", "properties": {"a": {"type": "string"}}}}}},
        {"cachePoint": {"type": "default"}},
        {"systemTool": {"name": "nova_code_interpreter"}},
    ]);
    for (choice, sent) in [
        (Value::Null, Value::Null),
        (json!("auto"), json!({"auto": {}})),
        (json!("required"), json!({"any": {}})),
        (
            json!({"type": "function", "function": {"name": "f"}}),
            json!({"tool": {"name": "f"}}),
        ),
    ] {
        let mut fields = json!({"messages": "hi", "tools": tools});
        if !choice.is_null() {
            fields["tool_choice"] = choice;
        }
        let (body, adapted) = encode(fields, CLAUDE, None);
        assert_eq!(body["toolConfig"]["tools"], expected);
        assert_eq!(body["toolConfig"]["toolChoice"], sent);
        assert!(adapted.is_empty(), "{adapted:?}");
    }

    let (body, adapted) = encode(
        json!({"messages": "hi", "tools": tools, "tool_choice": "none"}),
        CLAUDE,
        None,
    );
    assert_eq!(body.get("toolConfig"), None);
    assert_eq!(
        adapted,
        ["tools: left out, since none may be called and the vendor has no word for that"]
    );

    let history = json!([
        {"role": "user", "content": "hi"},
        {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "g", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "x"},
    ]);
    let (refused, body, adapted) = lose(
        json!({"messages": history, "tools": tools, "tool_choice": "none"}),
        CLAUDE,
        None,
    );
    assert_eq!(refused, "tool_choice");
    assert_eq!(body["toolConfig"], json!({"tools": expected}));
    assert_eq!(
        adapted,
        ["tool_choice: left out: the vendor has no word for none, and wants the tools of earlier calls"]
    );
    let (body, adapted) = encode(json!({"messages": history}), CLAUDE, None);
    assert_eq!(
        body["toolConfig"],
        json!({"tools": [{"toolSpec": {"name": "g", "inputSchema": {"json": {"type": "object"}}}}]})
    );
    assert_eq!(
        adapted,
        ["tools: those called before were named again, since the vendor wants them beside their calls"]
    );
}

#[test]
fn encodes_schemas() {
    let (body, _) = encode(
        json!({"messages": "hi", "response_format": {"type": "json_schema", "json_schema": {
            "name": "n", "description": "d", "strict": true, "schema": {"type": "object"}}}}),
        CLAUDE,
        None,
    );
    assert_eq!(
        body["outputConfig"],
        json!({"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {
            "schema": "{\"type\":\"object\"}", "name": "n", "description": "d"}}}})
    );
}

#[test]
fn encodes_effort() {
    let by = |reasoning| facts(Some(20_000), None, reasoning);
    let ask = |effort: &str| json!({"messages": "hi", "reasoning_effort": effort});
    let with = |effort: &str, field: &str, value: Value| {
        let mut fields = ask(effort);
        fields[field] = value;
        fields
    };
    let fields = |fields: Value, model: &str, reasoning: Option<Reasoning>| {
        let known = reasoning.map(by);
        let (body, adapted) = encode(fields, model, known.as_ref());
        (
            body.get("additionalModelRequestFields")
                .cloned()
                .unwrap_or_default(),
            body["inferenceConfig"].clone(),
            adapted,
        )
    };
    let adaptive =
        |level: &str| json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": level}});
    let enabled = |tokens: u32| json!({"thinking": {"type": "enabled", "budget_tokens": tokens}});
    assert_eq!(fields(ask("high"), CLAUDE, None).0, adaptive("high"));
    assert_eq!(
        fields(ask("minimal"), CLAUDE, Some(Reasoning::Effort)).0,
        adaptive("low")
    );
    assert_eq!(
        fields(ask("none"), CLAUDE, None).0,
        json!({"thinking": {"type": "disabled"}})
    );
    assert_eq!(fields(ask("none"), CLAUDE, Some(Reasoning::None)).0, Value::Null);
    let (sent, config, adapted) = fields(ask("low"), CLAUDE, Some(Reasoning::Budget));
    assert_eq!(
        (sent, config, adapted),
        (
            enabled(2048),
            json!({"maxTokens": 6144}),
            vec!["max_tokens: thinking needs a bound; 6144 was chosen".to_owned()]
        )
    );
    let (sent, config, _) = fields(ask("max"), CLAUDE, Some(Reasoning::Budget));
    assert_eq!((sent, config), (enabled(15_000), json!({"maxTokens": 20_000})));
    let (sent, _, adapted) = fields(
        with("medium", "max_tokens", json!(2000)),
        CLAUDE,
        Some(Reasoning::Budget),
    );
    assert_eq!(sent, enabled(1500));
    assert_eq!(
        adapted,
        [
            "reasoning_effort: 1500 tokens of thinking instead of 8192, to leave room for an answer in max_tokens"
        ]
    );
    let (sent, _, adapted) = fields(ask("max"), "openai.gpt-oss-120b-1:0", None);
    assert_eq!(sent, json!({"reasoning_effort": "high"}));
    assert_eq!(
        adapted,
        ["reasoning_effort: max is sent as high, the nearest the model knows"]
    );
}

#[test]
fn what_has_no_equal_is_refused_or_lost() {
    let with = |field: &str, value: Value| {
        let mut fields = json!({"messages": "hi"});
        fields[field] = value;
        fields
    };
    let part = |part: Value| json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}, part]}]});
    let message = |message: Value| json!({"messages": [{"role": "user", "content": "hi"}, message]});
    let thinking = |field: &str, value: Value| {
        let mut fields = with(field, value);
        fields["reasoning_effort"] = json!("high");
        fields
    };
    let tool = json!([{"type": "function", "function": {"name": "f"}}]);
    let image = |url: &str| part(json!({"type": "image_url", "image_url": {"url": url}}));
    let file = |file: Value| part(json!({"type": "file", "file": file}));
    let cases = [
        (with("seed", json!(1)), "seed"),
        (with("frequency_penalty", json!(1)), "frequency_penalty"),
        (with("presence_penalty", json!(1)), "presence_penalty"),
        (with("store", json!(true)), "store"),
        (with("n", json!(2)), "n"),
        (with("service_tier", json!("scale")), "service_tier"),
        (
            with("response_format", json!({"type": "json_object"})),
            "response_format",
        ),
        (
            with("response_format", json!({"type": "grammar"})),
            "response_format",
        ),
        (
            with(
                "response_format",
                json!({"type": "json_schema", "json_schema": {"name": "n"}}),
            ),
            "response_format.json_schema.schema",
        ),
        (with("tools", json!([{"type": "web_search"}])), "tools[0]"),
        (with("tool_choice", json!("required")), "tool_choice"),
        (
            json!({"messages": "hi", "tools": tool, "tool_choice": {"type": "allowed_tools"}}),
            "tool_choice",
        ),
        (
            json!({"messages": "hi", "tools": tool, "parallel_tool_calls": false}),
            "parallel_tool_calls",
        ),
        (thinking("temperature", json!(0.5)), "temperature"),
        (thinking("top_p", json!(0.5)), "top_p"),
        (thinking("top_k", json!(5)), "top_k"),
        (image("https://a/b.png"), "messages[0].content[1].image_url.url"),
        (
            image("data:image/tiff;base64,aGk="),
            "messages[0].content[1].image_url.url",
        ),
        (image("data:image/png,a"), "messages[0].content[1].image_url.url"),
        (image("s3://a/b"), "messages[0].content[1].image_url.url"),
        (
            file(json!({"file_id": "f"})),
            "messages[0].content[1].file.file_id",
        ),
        (file(json!({})), "messages[0].content[1].file"),
        (
            file(json!({"file_data": "https://a/b.pdf"})),
            "messages[0].content[1].file.file_data",
        ),
        (
            file(json!({"file_data": "data:application/zip;base64,aGk="})),
            "messages[0].content[1].file.file_data",
        ),
        (
            part(json!({"type": "input_audio", "input_audio": {"data": "", "format": "midi"}})),
            "messages[0].content[1].input_audio.format",
        ),
        (
            part(json!({"type": "video_url", "video_url": {}})),
            "messages[0].content[1]",
        ),
        (
            message(json!({"role": "assistant", "content": [
                {"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}]})),
            "messages[1].content[1]",
        ),
        (
            message(json!({"role": "assistant", "content": "a", "name": "n"})),
            "messages[1].name",
        ),
        (
            message(json!({"role": "assistant", "content": "a", "mood": "n"})),
            "messages[1].mood",
        ),
        (
            message(json!({"role": "assistant", "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "g", "arguments": "[1]"}}]})),
            "messages[1].tool_calls[0].function.arguments",
        ),
    ];
    for (fields, field) in cases {
        let (refused, _, adapted) = lose(fields.clone(), CLAUDE, None);
        assert_eq!(refused, field);
        let line = format!("{field}: left out: ");
        assert!(
            adapted.iter().any(|change| change.starts_with(&line)),
            "{fields} {adapted:?}"
        );
    }
    let (field, body, _) = lose(with("top_k", json!(5)), "meta.llama3", None);
    assert_eq!((field.as_str(), body), ("top_k", json!({"messages": hi()})));
    for (model, reasoning) in [("meta.llama3", Reasoning::Unknown), (CLAUDE, Reasoning::None)] {
        let known = facts(None, None, reasoning);
        let (field, body, _) = lose(with("reasoning_effort", json!("low")), model, Some(&known));
        assert_eq!(
            (field.as_str(), body),
            ("reasoning_effort", json!({"messages": hi()}))
        );
    }
    let budget = facts(None, None, Reasoning::Budget);
    for fields in [
        json!({"messages": "hi", "reasoning_effort": "low", "max_tokens": 1024}),
        json!({"messages": "hi", "reasoning_effort": "low", "tools": tool, "tool_choice": "required"}),
    ] {
        assert_eq!(lose(fields, CLAUDE, Some(&budget)).0, "reasoning_effort");
    }
    let (field, _, _) = lose(
        with("reasoning_effort", json!("none")),
        "openai.gpt-oss-20b-1:0",
        None,
    );
    assert_eq!(field, "reasoning_effort");

    // Without a user's message first nothing can be asked, at whatever loss.
    for messages in [
        json!([]),
        json!([{"role": "assistant", "content": "a"}]),
        json!([{"role": "user", "content": ""}]),
    ] {
        let request = request(json!({"messages": messages}));
        let failure = encode_for(&request, CLAUDE, None, true).unwrap_err();
        assert_eq!(failure.code.as_deref(), Some("messages"));
    }
}

#[test]
fn what_the_provider_refuses_is_lost() {
    let quirks = Quirks {
        refuses: vec!["temperature".to_owned(), "top_p".to_owned()],
        ..Quirks::default()
    };
    let request = request(json!({"messages": "hi", "temperature": 0.5}));
    let encode = |lossy| {
        BEDROCK_CONVERSE.encode(&Call {
            request: &request,
            provider: "bedrock",
            model: CLAUDE,
            facts: None,
            quirks: &quirks,
            lossy,
            stream: false,
        })
    };
    assert_eq!(encode(false).unwrap_err().code.as_deref(), Some("temperature"));
    let encoded = encode(true).unwrap();
    assert_eq!(body(&encoded), json!({"messages": hi()}));
    assert_eq!(
        encoded.adapted,
        ["temperature: left out: the provider refuses it"]
    );
}
