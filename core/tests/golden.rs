//! What other languages are tested against: error codes, request fields, and the fields of what a client tells of itself,
//! as JSON in `tests/schema/`.
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
    Billing, ChatRequest, CostRange, EmbedRequest, Event, ExplainedTarget, Explanation, FailureClass,
    InputType, JsonMap, JsonSchema, KeyStatus, LatencyStatus, Message, Next, ReasoningEffort, RecentError,
    ResponseFormat, RetryBudgetStatus, Status, Stop, TargetStatus, Tool, ToolChoice, What,
};
use serde::Serialize;
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

#[test]
fn embed_request_fields() {
    // No `..default()`: a new field must come here too.
    let request = EmbedRequest {
        route: Some("embed".to_owned()),
        timeout: Some(1.0),
        input: vec!["hi".to_owned()],
        dimensions: Some(1),
        input_type: Some(InputType::Query),
        user: Some("x".to_owned()),
        provider_options: BTreeMap::from([("openai".to_owned(), JsonMap::new())]),
        extra: JsonMap::new(),
    };
    let fields = names(&request);
    assert_eq!(fields, EmbedRequest::FIELDS);
    golden("embed-request-fields.json", &json!(fields));
}

fn names(value: &impl Serialize) -> Vec<String> {
    let Value::Object(fields) = serde_json::to_value(value).unwrap() else {
        panic!("it is an object")
    };
    fields.keys().cloned().collect()
}

#[test]
fn status_fields() {
    let (latency, spent) = (LatencyStatus::default(), CostRange::ZERO);
    let error = RecentError {
        ago: 1.0,
        code: "server".to_owned(),
        status: None,
    };
    let target = TargetStatus {
        target: "p/m".to_owned(),
        state: "closed".to_owned(),
        why: String::new(),
        since: 0.0,
        next_probe: None,
        suspect: false,
        in_flight: 0,
        concurrency: None,
        latency,
        requests_left: None,
        tokens_left: None,
        recent_errors: vec![error.clone()],
        spent,
    };
    let key = KeyStatus {
        provider: "p".to_owned(),
        index: 0,
        key: None,
        group: "p".to_owned(),
        state: "open".to_owned(),
        code: None,
        seconds: None,
    };
    let retry_budget = RetryBudgetStatus { left: 1.0, most: 1.0 };
    let status = Status {
        at: 0.0,
        targets: vec![target.clone()],
        keys: vec![key.clone()],
        retry_budget,
        spent,
        reserved: 0.0,
        in_flight: 0,
        local_network_down: false,
        paused: false,
    };
    let explained = ExplainedTarget {
        target: "p/m".to_owned(),
        included: true,
        reason: String::new(),
        key: None,
        opens_in: None,
        cost: spent,
        adapted: Vec::new(),
    };
    let explanation = Explanation {
        route: "default".to_owned(),
        input_tokens: 1,
        targets: vec![explained.clone()],
        max_attempts: 1,
        timeout: 1.0,
    };
    golden(
        "status.json",
        &json!({
            "Status": names(&status),
            "TargetStatus": names(&target),
            "LatencyStatus": names(&latency),
            "RecentError": names(&error),
            "KeyStatus": names(&key),
            "RetryBudgetStatus": names(&retry_budget),
            "CostRange": names(&spent),
            "Explanation": names(&explanation),
            "ExplainedTarget": names(&explained),
        }),
    );
}

/// One event of each kind.
fn every_event() -> Vec<What> {
    let text = || "x".to_owned();
    vec![
        What::RequestStarted {
            route: text(),
            stream: true,
        },
        What::AttemptStarted {
            target: text(),
            key: None,
            hedge: false,
            probe: false,
        },
        What::FirstContent {
            target: text(),
            after: 1.0,
        },
        What::AttemptEnded {
            target: text(),
            key: None,
            code: text(),
            status: None,
            billing: Billing::Complete,
            cost: CostRange::ZERO,
            next: Next::Finish,
            reason: text(),
        },
        What::Skipped {
            target: text(),
            code: text(),
            reason: text(),
            next: Next::NextTarget,
        },
        What::Waiting { seconds: 1.0 },
        What::Recovering {
            how: text(),
            from: text(),
            to: text(),
        },
        What::RequestEnded {
            code: text(),
            target: None,
            attempts: 1,
            elapsed: 1.0,
            cost: CostRange::ZERO,
        },
        What::Breaker {
            scope: text(),
            name: text(),
            from: text(),
            to: text(),
            why: text(),
        },
        What::KeyParked {
            provider: text(),
            key: None,
            code: text(),
            status: None,
            seconds: None,
        },
        What::KeyOpened {
            provider: text(),
            key: None,
        },
        What::KeyRenewed {
            provider: text(),
            key: None,
        },
        What::Limited {
            target: text(),
            reason: text(),
            seconds: None,
        },
        What::TargetParked {
            target: text(),
            seconds: None,
        },
        What::LocalNetwork { down: true },
        What::Catalog {
            layer: text(),
            problem: None,
        },
        What::Probed {
            provider: text(),
            reached: true,
            status: None,
        },
    ]
}

#[test]
fn event_fields() {
    let events: BTreeMap<String, Vec<String>> = every_event()
        .into_iter()
        .map(|what| {
            let kind = serde_json::to_value(&what).unwrap()["type"]
                .as_str()
                .unwrap()
                .to_owned();
            let event = Event {
                at: 0.0,
                request: None,
                what,
            };
            (kind, names(&event))
        })
        .collect();
    // `What` may grow, and no match from here is exhaustive; but its reader names every kind it knows.
    let refused = serde_json::from_value::<What>(json!({ "type": "no such kind" }))
        .unwrap_err()
        .to_string();
    let mut known: Vec<&str> = refused.split('`').skip(3).step_by(2).collect();
    known.sort_unstable();
    assert_eq!(events.keys().collect::<Vec<_>>(), known, "{refused}");
    golden("events.json", &json!(events));
}
