use serde_json::{Value, json};

use crate::catalog::Quirks;
use crate::dialect::gemini::GEMINI;
use crate::dialect::{Asked, Call, Dialect as _, encode};
use crate::types::FailureClass;

const PATH: &str = "/v1beta/models/gemini-3-pro:generateContent";

fn ask(body: &Value) -> Asked {
    GEMINI
        .decode_request(PATH, body.to_string().as_bytes())
        .unwrap_or_else(|failure| panic!("{body}: {failure:?}"))
}

/// The body that goes to a target of this format, and what was changed on the way.
fn sent(asked: &Asked) -> (Value, Vec<String>) {
    let encoded = encode(
        &GEMINI,
        &Call {
            request: &asked.request,
            provider: "vertex",
            model: asked.model.as_deref().unwrap(),
            facts: None,
            quirks: &Quirks::default(),
            lossy: false,
            stream: asked.stream,
        },
    )
    .unwrap();
    assert_eq!(encoded.path, "/models/gemini-3-pro:generateContent");
    (serde_json::from_slice(&encoded.body).unwrap(), encoded.adapted)
}

fn body(fields: Value) -> Value {
    let mut body = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]});
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    body
}

/// What the format can say goes through unchanged: what our words cover, and what they do not.
#[test]
fn comes_back_as_it_was() {
    let declared = json!({"functionDeclarations": [
        {"name": "f", "description": "d", "parametersJsonSchema": {"type": "object"}}]});
    let calling =
        |config: Value| json!({"tools": [declared], "toolConfig": {"functionCallingConfig": config}});
    for fields in [
        json!({"systemInstruction": {"parts": [{"text": "be"}, {"text": "brief"}]}}),
        json!({"safetySettings": [{"category": "c", "threshold": "t"}], "cachedContent": "c", "labels": {"a": "b"}}),
        json!({"generationConfig": {"maxOutputTokens": 9, "temperature": 2.0, "topP": 0.5, "topK": 3,
            "stopSequences": ["a"], "seed": 1, "frequencyPenalty": 0.5, "presencePenalty": 0.5,
            "responseModalities": ["TEXT"], "candidateCount": 2}}),
        json!({"generationConfig": {"responseMimeType": "application/json"}}),
        json!({"generationConfig": {"responseMimeType": "application/json",
            "responseJsonSchema": {"type": "object", "properties": {"a": {"type": "string"}}}}}),
        json!({"generationConfig": {"responseMimeType": "text/x.enum", "responseSchema": {"enum": ["a"]}}}),
        json!({"generationConfig": {"thinkingConfig": {"thinkingLevel": "HIGH", "includeThoughts": true}}}),
        json!({"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}),
        json!({"generationConfig": {"thinkingConfig": {"thinkingBudget": -1}}}),
        json!({"generationConfig": {"thinkingConfig": {"thinkingBudget": 3000, "includeThoughts": false}}}),
        json!({"tools": [{"googleSearch": {}}, declared, {"codeExecution": {}}],
            "toolConfig": {"includeServerSideToolInvocations": true}}),
        calling(json!({"mode": "AUTO"})),
        calling(json!({"mode": "NONE"})),
        calling(json!({"mode": "ANY"})),
        calling(json!({"mode": "ANY", "allowedFunctionNames": ["f"]})),
        calling(json!({"mode": "ANY", "allowedFunctionNames": ["f", "g"]})),
        calling(json!({"mode": "VALIDATED"})),
        json!({"contents": [
            {"role": "user", "parts": [
                {"inlineData": {"mimeType": "image/png", "data": "aQ=="}},
                {"inlineData": {"mimeType": "audio/wav", "data": "aQ=="}},
                {"inlineData": {"mimeType": "application/pdf", "data": "aQ=="}},
                {"inlineData": {"mimeType": "video/mp4", "data": "aQ=="}, "videoMetadata": {"fps": 1}},
                {"fileData": {"mimeType": "image/png", "fileUri": "https://a/b.png"}},
                {"fileData": {"mimeType": "video/mp4", "fileUri": "https://a/watch?v=1"}},
                {"fileData": {"fileUri": "files/abc"}}]},
            {"role": "model", "parts": [
                {"text": "hm", "thought": true},
                {"text": "I look", "thoughtSignature": "s"},
                {"functionCall": {"id": "a", "name": "f", "args": {"x": 1}}, "thoughtSignature": "s2"},
                {"functionCall": {"id": "b", "name": "f", "args": {}}}]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "a", "name": "f", "response": {"result": "plain"}, "willContinue": false}},
                {"functionResponse": {"id": "b", "name": "f", "response": {"result": "{\"x\": 1}"},
                    "parts": [{"inlineData": {"mimeType": "image/png", "data": "aQ=="}}]}},
                {"functionResponse": {"id": "z", "name": "g", "response": {"a": 1}}}]},
            {"role": "model", "parts": [{"executableCode": {"code": "1"}}]}]}),
    ] {
        let body = body(fields);
        let (sent, adapted) = sent(&ask(&body));
        assert_eq!(sent, body);
        let adapted: Vec<_> = adapted
            .iter()
            .filter(|line| !line.starts_with("messages[4].name"))
            .collect();
        assert!(adapted.is_empty(), "{adapted:?}");
    }
}

/// What every format has a word for is in our words; names in snake case, types in capitals and calls without ids too.
#[test]
fn is_read_into_our_words() {
    let asked = GEMINI
        .decode_request(
            "/v1beta/models/tunedModels%2Fa:streamGenerateContent",
            json!({"system_instruction": {"parts": {"text": "s"}},
                "generation_config": {"max_output_tokens": 9, "response_mime_type": "application/json",
                    "response_schema": {"type": "STRING", "nullable": true},
                    "thinking_config": {"thinking_level": "low"}},
                "tools": [{"function_declarations": [{"name": "f", "parameters": {"type": "OBJECT"}}]}],
                "contents": [
                    {"parts": [{"text": "q"}, {"inline_data": {"mime_type": "image/png", "data": "aQ=="}}]},
                    {"role": "model", "parts": [
                        {"function_call": {"name": "f", "args": {"x": 1}}}, {"function_call": {"name": "f"}}]},
                    {"role": "function", "parts": [
                        {"function_response": {"name": "f", "response": {"result": "r"}}},
                        {"function_response": {"name": "f", "response": {"a": 1}}}, {"text": "go on"}]}]})
            .to_string()
            .as_bytes(),
        )
        .unwrap();
    assert!(asked.stream);
    assert_eq!(asked.model.as_deref(), Some("tunedModels/a"));
    let call = |id: &str, arguments: &str| {
        json!({"id": id, "type": "function",
        "function": {"name": "f", "arguments": arguments}})
    };
    assert_eq!(
        serde_json::to_value(&asked.request).unwrap(),
        json!({"max_tokens": 9, "reasoning_effort": "low",
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "user", "content": [
                    {"type": "text", "text": "q"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,aQ=="}}]},
                {"role": "assistant", "content": "", "tool_calls": [call("call_0", "{\"x\":1}"), call("call_1", "{}")]},
                {"role": "tool", "content": "r", "tool_call_id": "call_0"},
                {"role": "tool", "content": "{\"a\":1}", "tool_call_id": "call_1"},
                {"role": "user", "content": "go on"}],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
            "response_format": {"type": "json_schema", "json_schema": {
                "name": "response", "schema": {"type": ["string", "null"]}, "strict": true}}})
    );
}

#[test]
fn names_what_is_wrong() {
    let content = |content: Value| json!({"contents": [content]});
    for (path, body, at) in [
        ("/v1beta/models", json!({}), "path"),
        ("/v1beta/models/m:countTokens", json!({}), "path"),
        (PATH, json!(3), "body"),
        (PATH, json!({}), "contents"),
        (PATH, content(json!("hi")), "contents[0]"),
        (
            PATH,
            content(json!({"role": "cook", "parts": []})),
            "contents[0].role",
        ),
        (PATH, content(json!({"parts": ["a"]})), "contents[0].parts[0]"),
        (
            PATH,
            content(json!({"role": "model", "parts": [{"functionCall": {}}]})),
            "contents[0].parts[0].functionCall.name",
        ),
        (
            PATH,
            json!({"generationConfig": {"topK": 1.5}}),
            "generationConfig.topK",
        ),
        (
            PATH,
            json!({"generationConfig": {"seed": "x"}}),
            "generationConfig.seed",
        ),
        (
            PATH,
            json!({"tools": [{"functionDeclarations": [{}]}]}),
            "tools[0].functionDeclarations[0].name",
        ),
        (PATH, json!({"systemInstruction": {}}), "systemInstruction.parts"),
    ] {
        let failure = GEMINI
            .decode_request(path, body.to_string().as_bytes())
            .expect_err(at);
        assert_eq!(failure.class, FailureClass::InvalidRequest, "{body}");
        assert_eq!(failure.code.as_deref(), Some(at), "{body}");
    }
}
