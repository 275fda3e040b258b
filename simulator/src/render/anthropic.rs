//! Anthropic Messages.

use serde_json::{Value, json};

use super::{Piece, Reply, arguments_value, fragments};
use crate::script::UsageScript;

const ID: &str = "msg_01Simulated00000000000000";
const SIGNATURE: &str = "c2ltdWxhdGVk";

fn finish(reply: &Reply) -> &str {
    reply.finish(|ours| match ours {
        "stop" => Some("end_turn"),
        "length" => Some("max_tokens"),
        "tool_calls" => Some("tool_use"),
        "content_filter" => Some("refusal"),
        _ => None,
    })
}

fn stop_details(reply: &Reply) -> Value {
    match &reply.refusal {
        Some(text) => json!({"type": "refusal", "category": null, "explanation": text}),
        None => Value::Null,
    }
}

/// Anthropic counts what came from the cache apart from the rest of the input.
fn usage(usage: &UsageScript, output_tokens: u64) -> Value {
    json!({
        "input_tokens": usage.input_tokens.saturating_sub(usage.cache_read_tokens),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": output_tokens,
        "service_tier": "standard",
    })
}

pub(super) fn whole(reply: &Reply, model: &str) -> Value {
    let mut content = Vec::new();
    if !reply.reasoning.is_empty() {
        let thinking = reply.reasoning.concat();
        content.push(json!({"type": "thinking", "thinking": thinking, "signature": SIGNATURE}));
    }
    if !reply.text.is_empty() {
        content.push(json!({"type": "text", "text": reply.text}));
    }
    content.extend(reply.tool_calls.iter().map(|call| {
        let input = arguments_value(&call.arguments);
        json!({"type": "tool_use", "id": call.id, "name": call.name, "input": input})
    }));
    json!({
        "id": ID,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": reply.terminal.then(|| finish(reply)),
        "stop_sequence": null,
        "stop_details": stop_details(reply),
        "usage": usage(&reply.usage, reply.usage.output_tokens),
    })
}

fn event(body: &Value) -> String {
    let name = body.get("type").and_then(Value::as_str).unwrap_or_default();
    format!("event: {name}\ndata: {body}\n\n")
}

/// One content block: its start, its deltas, its end.
fn block(
    pieces: &mut Vec<Piece>,
    index: usize,
    start: &Value,
    deltas: impl Iterator<Item = Value>,
    end: &[Value],
) {
    let delta =
        |delta: &Value| event(&json!({"type": "content_block_delta", "index": index, "delta": delta}));
    let opening = json!({"type": "content_block_start", "index": index, "content_block": start});
    pieces.push(Piece::frame(event(&opening)));
    if index == 0 {
        pieces.push(Piece::frame("event: ping\ndata: {\"type\": \"ping\"}\n\n"));
    }
    pieces.extend(deltas.map(|part| Piece::content(delta(&part))));
    pieces.extend(end.iter().map(|part| Piece::frame(delta(part))));
    pieces.push(Piece::frame(event(
        &json!({"type": "content_block_stop", "index": index}),
    )));
}

pub(super) fn stream(reply: &Reply, model: &str) -> Vec<Piece> {
    let opening = json!({"type": "message_start", "message": {
        "id": ID,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": usage(&reply.usage, 1),
    }});
    let mut pieces = vec![Piece::frame(event(&opening))];
    let mut index = 0;
    if !reply.reasoning.is_empty() {
        let start = json!({"type": "thinking", "thinking": "", "signature": ""});
        let deltas = reply
            .reasoning
            .iter()
            .map(|part| json!({"type": "thinking_delta", "thinking": part}));
        let signature = json!({"type": "signature_delta", "signature": SIGNATURE});
        block(&mut pieces, index, &start, deltas, &[signature]);
        index += 1;
    }
    if !reply.chunks.is_empty() {
        let deltas = reply
            .chunks
            .iter()
            .map(|part| json!({"type": "text_delta", "text": part}));
        block(
            &mut pieces,
            index,
            &json!({"type": "text", "text": ""}),
            deltas,
            &[],
        );
        index += 1;
    }
    for call in &reply.tool_calls {
        let start = json!({"type": "tool_use", "id": call.id, "name": call.name, "input": {}});
        let mut parts = vec![String::new()];
        parts.extend(fragments(&call.arguments));
        let deltas = parts
            .iter()
            .map(|part| json!({"type": "input_json_delta", "partial_json": part}));
        block(&mut pieces, index, &start, deltas, &[]);
        index += 1;
    }
    if reply.terminal {
        let delta = json!({
            "stop_reason": finish(reply),
            "stop_sequence": null,
            "stop_details": stop_details(reply),
        });
        let closing = json!({
            "type": "message_delta",
            "delta": delta,
            "usage": usage(&reply.usage, reply.usage.output_tokens),
        });
        pieces.push(Piece::frame(event(&closing)));
        pieces.push(Piece::frame(event(&json!({"type": "message_stop"}))));
    }
    pieces
}

pub(super) fn models() -> Value {
    let model = |id: &str| json!({"type": "model", "id": id, "display_name": id, "created_at": "2026-01-01T00:00:00Z"});
    json!({
        "data": [model("claude-haiku-4-5"), model("claude-sonnet-4-5")],
        "has_more": false,
        "first_id": "claude-haiku-4-5",
        "last_id": "claude-sonnet-4-5",
    })
}
