//! What other languages are tested against: error codes and request fields, as JSON in `tests/schema/`.
//! `make gen` writes the files; this test fails when they are not what the core says.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::collections::BTreeMap;
use std::path::Path;

use hotspare::ErrorKind;
use hotspare::types::{
    ChatRequest, FailureClass, JsonMap, JsonSchema, Message, ReasoningEffort, ResponseFormat, Stop, Tool,
    ToolChoice,
};
use serde_json::{Value, json};

fn golden(name: &str, value: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/schema")
        .join(name);
    let text = format!("{}\n", serde_json::to_string_pretty(value).unwrap());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "{name} is not what the core says: run `make gen`");
}

#[test]
fn error_codes() {
    golden(
        "errors.json",
        &json!({
            "kinds": ErrorKind::ALL.map(ErrorKind::as_str),
            "classes": FailureClass::ALL.map(FailureClass::as_str),
        }),
    );
}

#[test]
fn request_fields() {
    // No `..default()`: a new field must come here too.
    let request = ChatRequest {
        route: Some("default".to_owned()),
        timeout: Some(1.0),
        messages: vec![Message::user("hi")],
        max_tokens: Some(1),
        temperature: Some(1.0),
        top_p: Some(1.0),
        top_k: Some(1),
        stop: Some(Stop::One("x".to_owned())),
        seed: Some(1),
        frequency_penalty: Some(0.0),
        presence_penalty: Some(0.0),
        tools: vec![Tool::Other(JsonMap::new())],
        tool_choice: Some(ToolChoice::Auto),
        parallel_tool_calls: Some(true),
        response_format: Some(ResponseFormat::JsonSchema {
            json_schema: JsonSchema {
                name: "x".to_owned(),
                description: None,
                schema: None,
                strict: None,
            },
        }),
        reasoning_effort: Some(ReasoningEffort::Low),
        user: Some("x".to_owned()),
        provider_options: BTreeMap::from([("openai".to_owned(), JsonMap::new())]),
        extra: JsonMap::new(),
    };
    let Value::Object(fields) = serde_json::to_value(&request).unwrap() else {
        panic!("a request is an object")
    };
    let names: Vec<&String> = fields.keys().collect();
    assert_eq!(names, ChatRequest::FIELDS);
    golden("request-fields.json", &json!(names));
}
