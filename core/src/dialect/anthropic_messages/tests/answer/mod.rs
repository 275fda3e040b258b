//! What a client that speaks this format gets.

mod back;
mod errors;
mod streams;
mod whole;

use std::time::SystemTime;

use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::catalog::Quirks;
use crate::dialect::anthropic_messages::ANTHROPIC_MESSAGES;
use crate::dialect::envelope::{pack, pack_mark};
use crate::dialect::{Dialect as _, Heard, Ingress as _, Opening, Problem, SseParser};
use crate::error::Error;
use crate::types::{
    Completion, DialectId, Failure, FailureClass, FinishReason, Phase, ReasoningBlock, Reply, StreamEvent,
    ToolCall, ToolCallDelta, Trail, Usage,
};

fn heard(stops: &[&str]) -> Heard {
    let body = json!({"model": "claude", "max_tokens": 9, "stop_sequences": stops,
        "messages": [{"role": "user", "content": "hi"}]});
    Heard {
        asked: ANTHROPIC_MESSAGES
            .decode_request("/v1/messages", body.to_string().as_bytes())
            .unwrap(),
        body: body.as_object().unwrap().clone(),
    }
}

fn reply(completion: Completion) -> Reply {
    Reply {
        target: "openai/gpt-4o".to_owned(),
        completion,
        cost_usd: None,
        cost_min_usd: 0.0,
        cost_max_usd: None,
        spans: Vec::new(),
        elapsed: 0.5,
        created: 1_790_000_000,
        trail: Trail::new(),
    }
}

fn whole(completion: &Completion) -> Value {
    let body = ANTHROPIC_MESSAGES.write_reply(&reply(completion.clone()), &heard(&["END"]));
    serde_json::from_slice(&body).unwrap()
}

fn opening() -> Opening {
    Opening {
        id: "01AbC".to_owned(),
        model: "gpt-4o".to_owned(),
        created: 1_790_000_000,
    }
}

fn read(bytes: &[u8]) -> Vec<Value> {
    let mut parser = SseParser::new();
    let mut events = Vec::new();
    parser.push(bytes, &mut events).unwrap();
    parser.finish(&mut events).unwrap();
    let data = events.into_iter().map(|event| {
        let data: Value = serde_json::from_str(&event.data).unwrap();
        assert_eq!(data["type"].as_str(), event.name.as_deref());
        data
    });
    data.collect()
}

/// What a client reads of these events, and then of the end.
fn streamed(events: &[StreamEvent], completion: Completion) -> Vec<Value> {
    let mut out = Vec::new();
    let mut writer = ANTHROPIC_MESSAGES.writer(opening(), &heard(&["END"]));
    for event in events {
        writer.event(event, &mut out);
    }
    let reply = Box::new(reply(completion));
    writer.event(&StreamEvent::Finish { reply }, &mut out);
    read(&out)
}

/// As [`streamed`], without the events that every stream has: how the blocks come.
fn blocks(events: &[StreamEvent], completion: Completion) -> Vec<Value> {
    let mut all = streamed(events, completion);
    let end = all.split_off(all.len() - 2);
    assert_eq!(end[0]["type"], "message_delta");
    assert_eq!(end[1], json!({"type": "message_stop"}));
    let start = all.remove(0);
    assert_eq!(start["type"], "message_start");
    all
}

fn text(text: &str) -> StreamEvent {
    StreamEvent::Text {
        text: text.to_owned(),
    }
}

fn reasoning(reasoning: &str) -> StreamEvent {
    StreamEvent::Reasoning {
        reasoning: reasoning.to_owned(),
    }
}

fn call(index: u32, first: Option<(&str, &str)>, arguments: &str) -> StreamEvent {
    StreamEvent::ToolCall(ToolCallDelta {
        index,
        id: first.map(|(id, _)| id.to_owned()),
        name: first.map(|(_, name)| name.to_owned()),
        arguments: arguments.to_owned(),
    })
}

fn made_call(id: &str, name: &str, arguments: &str, signature: Option<&str>) -> ToolCall {
    ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
        signature: signature.map(str::to_owned),
        ..ToolCall::default()
    }
}

fn block(dialect: DialectId, text: &str, signature: Option<&str>, redacted: Option<&str>) -> ReasoningBlock {
    ReasoningBlock {
        dialect,
        id: None,
        text: text.to_owned(),
        signature: signature.map(str::to_owned),
        redacted: redacted.map(str::to_owned),
    }
}

fn begun(index: usize, block: Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn piece(index: usize, delta: Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn closed(index: usize) -> Value {
    json!({"type": "content_block_stop", "index": index})
}

fn text_block(index: usize, said: &[&str]) -> Vec<Value> {
    let mut all = vec![begun(index, json!({"type": "text", "text": ""}))];
    all.extend(
        said.iter()
            .map(|said| piece(index, json!({"type": "text_delta", "text": said}))),
    );
    all.push(closed(index));
    all
}

fn thinking_block(index: usize, said: &[&str]) -> Vec<Value> {
    let start = json!({"type": "thinking", "thinking": "", "signature": ""});
    let mut all = vec![begun(index, start)];
    all.extend(
        said.iter()
            .map(|said| piece(index, json!({"type": "thinking_delta", "thinking": said}))),
    );
    all.push(closed(index));
    all
}

fn call_block(index: usize, id: &str, name: &str, said: &[&str]) -> Vec<Value> {
    let start = json!({"type": "tool_use", "id": id, "name": name, "input": {}});
    let mut all = vec![begun(index, start)];
    all.extend(
        said.iter()
            .map(|said| piece(index, json!({"type": "input_json_delta", "partial_json": said}))),
    );
    all.push(closed(index));
    all
}

fn hidden_block(index: usize, data: &str) -> Vec<Value> {
    let start = json!({"type": "redacted_thinking", "data": data});
    vec![begun(index, start), closed(index)]
}

/// A completion with something of everything.
fn full() -> Completion {
    Completion {
        id: Some("chatcmpl-9.x".to_owned()),
        model: Some("gpt-4o-2024".to_owned()),
        text: "hello".to_owned(),
        reasoning: "first, then second".to_owned(),
        reasoning_blocks: vec![
            block(DialectId::BedrockConverse, "first", Some("sig"), None),
            block(DialectId::BedrockConverse, "", None, Some("xyz")),
        ],
        tool_calls: vec![
            made_call(
                "a",
                "f",
                r#"{"n": 12345678901234567890123, "s": "é"}"#,
                Some("mark"),
            ),
            made_call("b", "g", "", None),
        ],
        finish_reason: Some(FinishReason::ToolCalls),
        finish_raw: Some("tool_calls".to_owned()),
        usage: Usage {
            reported: true,
            input_tokens: 100,
            output_tokens: 20,
            cache_read_tokens: 30,
            cache_write_tokens: 50,
            cache_write_1h_tokens: 10,
            reasoning_tokens: 7,
        },
        refusal: None,
    }
}

fn full_usage() -> Value {
    json!({"input_tokens": 20, "cache_creation_input_tokens": 50, "cache_read_input_tokens": 30,
        "cache_creation": {"ephemeral_5m_input_tokens": 40, "ephemeral_1h_input_tokens": 10},
        "output_tokens": 20, "output_tokens_details": {"thinking_tokens": 7}})
}
