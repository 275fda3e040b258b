//! Cohere Chat, version 2.

use serde_json::{Value, json};

use super::{Piece, Reply, fragments};
use crate::script::UsageScript;

const ID: &str = "00000000-0000-4000-8000-000000000000";

pub(super) const KEEP_ALIVE: &[u8] = b": keep-alive\n\n\
    event: content-delta\ndata: {\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":{\"content\":\
    {\"text\":\"\"}}}}\n\n";

fn finish(reply: &Reply) -> &str {
    reply.finish(|ours| match ours {
        "stop" | "refusal" => Some("COMPLETE"),
        "length" => Some("MAX_TOKENS"),
        "tool_calls" => Some("TOOL_CALL"),
        "stop_sequence" => Some("STOP_SEQUENCE"),
        "content_filter" => Some("ERROR"),
        _ => None,
    })
}

fn usage(usage: &UsageScript) -> Value {
    let tokens = json!({"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens});
    json!({"billed_units": tokens, "tokens": tokens, "cached_tokens": usage.cache_read_tokens})
}

pub(super) fn whole(reply: &Reply) -> Value {
    let mut content = Vec::new();
    if !reply.reasoning.is_empty() {
        content.push(json!({"type": "thinking", "thinking": reply.reasoning.concat()}));
    }
    let said = reply.said();
    if !said.is_empty() {
        content.push(json!({"type": "text", "text": said.concat()}));
    }
    let mut message = json!({"role": "assistant"});
    if let Some(fields) = message.as_object_mut() {
        if !content.is_empty() {
            fields.insert("content".to_owned(), Value::Array(content));
        }
        if !reply.tool_calls.is_empty() {
            let calls = reply.tool_calls.iter().map(|call| {
                let function = json!({"name": call.name, "arguments": call.arguments});
                json!({"id": call.id, "type": "function", "function": function})
            });
            fields.insert("tool_calls".to_owned(), calls.collect());
        }
    }
    json!({
        "id": ID,
        "message": message,
        "finish_reason": reply.terminal.then(|| finish(reply)),
        "usage": usage(&reply.usage),
    })
}

fn event(kind: &str, index: Option<usize>, delta: Option<Value>) -> String {
    let mut body = json!({"type": kind});
    if let Some(fields) = body.as_object_mut() {
        fields.extend(index.map(|index| ("index".to_owned(), index.into())));
        fields.extend(delta.map(|delta| ("delta".to_owned(), delta)));
    }
    format!("event: {kind}\ndata: {body}\n\n")
}

/// A block of content: its start, its deltas, its end.
fn block(pieces: &mut Vec<Piece>, index: usize, kind: &str, parts: &[&str]) {
    let content = |content: Value| Some(json!({"message": {"content": content}}));
    let start = content(json!({"type": kind, kind: ""}));
    pieces.push(Piece::frame(event("content-start", Some(index), start)));
    pieces.extend(parts.iter().map(|part| {
        let delta = content(json!({kind: part}));
        Piece::content(event("content-delta", Some(index), delta))
    }));
    pieces.push(Piece::frame(event("content-end", Some(index), None)));
}

pub(super) fn stream(reply: &Reply) -> Vec<Piece> {
    let message =
        json!({"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []});
    let opening = json!({"id": ID, "type": "message-start", "delta": {"message": message}});
    let mut pieces = vec![Piece::frame(format!("event: message-start\ndata: {opening}\n\n"))];
    let thoughts: Vec<&str> = reply.reasoning.iter().map(String::as_str).collect();
    let mut index = 0;
    for (kind, parts) in [("thinking", thoughts), ("text", reply.said())] {
        if !parts.is_empty() {
            block(&mut pieces, index, kind, &parts);
            index += 1;
        }
    }
    for (index, call) in reply.tool_calls.iter().enumerate() {
        // One call and not a list of them, in spite of the name.
        let calls = |call: Value| Some(json!({"message": {"tool_calls": call}}));
        let function = json!({"name": call.name, "arguments": ""});
        let start = calls(json!({"id": call.id, "type": "function", "function": function}));
        pieces.push(Piece::content(event("tool-call-start", Some(index), start)));
        pieces.extend(fragments(&call.arguments).iter().map(|part| {
            let delta = calls(json!({"function": {"arguments": part}}));
            Piece::content(event("tool-call-delta", Some(index), delta))
        }));
        pieces.push(Piece::frame(event("tool-call-end", Some(index), None)));
    }
    if reply.terminal {
        let delta = json!({"finish_reason": finish(reply), "usage": usage(&reply.usage)});
        pieces.push(Piece::frame(event("message-end", None, Some(delta))));
        pieces.push(Piece::frame("data: [DONE]\n\n"));
    }
    pieces
}

/// The end of a message that failed.
pub(super) fn error_event(body: &Value) -> String {
    let delta = json!({"finish_reason": "ERROR", "error": body.get("message")});
    event("message-end", None, Some(delta))
}

pub(super) fn models() -> Value {
    let model = |name: &str, endpoint: &str| json!({"name": name, "endpoints": [endpoint], "finetuned": false, "context_length": 256_000});
    json!({"models": [model("command-a-03-2025", "chat"), model("embed-v4.0", "embed")]})
}
