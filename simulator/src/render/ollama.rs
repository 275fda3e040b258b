//! Ollama's own chat: one JSON object a line.

use serde_json::{Value, json};

use super::{Piece, Reply, arguments_value};
use crate::script::{ToolCallScript, UsageScript};

const CREATED: &str = "2026-01-01T00:00:00.000000Z";

pub(super) const KEEP_ALIVE: &[u8] =
    b"{\"model\":\"simulated\",\"created_at\":\"2026-01-01T00:00:00.000000Z\",\
    \"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":false}\n";

fn finish(reply: &Reply) -> &str {
    reply.finish(|ours| match ours {
        "stop" | "stop_sequence" | "tool_calls" | "refusal" | "content_filter" => Some("stop"),
        _ => None,
    })
}

fn document(model: &str, message: &Value, end: Option<(&str, &UsageScript)>) -> Value {
    let mut body = json!({
        "model": model,
        "created_at": CREATED,
        "message": message,
        "done": end.is_some(),
    });
    if let (Some((reason, usage)), Some(fields)) = (end, body.as_object_mut()) {
        for (name, value) in [
            ("done_reason", json!(reason)),
            ("total_duration", json!(1_000_000_000)),
            ("load_duration", json!(1_000_000)),
            ("prompt_eval_count", json!(usage.input_tokens)),
            ("prompt_eval_duration", json!(100_000_000)),
            ("eval_count", json!(usage.output_tokens)),
            ("eval_duration", json!(800_000_000)),
        ] {
            fields.insert(name.to_owned(), value);
        }
    }
    body
}

/// Arguments are an object, not text.
fn call(index: usize, call: &ToolCallScript) -> Value {
    let arguments = arguments_value(&call.arguments);
    json!({"id": call.id, "function": {"index": index, "name": call.name, "arguments": arguments}})
}

fn end(reply: &Reply) -> Option<(&str, &UsageScript)> {
    reply.terminal.then(|| (finish(reply), &reply.usage))
}

pub(super) fn whole(reply: &Reply, model: &str) -> Value {
    let mut message = json!({"role": "assistant", "content": reply.said().concat()});
    if let Some(fields) = message.as_object_mut() {
        if !reply.reasoning.is_empty() {
            fields.insert("thinking".to_owned(), reply.reasoning.concat().into());
        }
        if !reply.tool_calls.is_empty() {
            let calls = reply.tool_calls.iter().enumerate();
            let calls = calls.map(|(index, one)| call(index, one)).collect();
            fields.insert("tool_calls".to_owned(), calls);
        }
    }
    document(model, &message, end(reply))
}

pub(super) fn stream(reply: &Reply, model: &str) -> Vec<Piece> {
    let line = |message: &Value, end| format!("{}\n", document(model, message, end));
    let thoughts = reply.reasoning.iter();
    let thoughts = thoughts.map(|part| json!({"role": "assistant", "content": "", "thinking": part}));
    let texts = reply.said().into_iter();
    let texts = texts.map(|part| json!({"role": "assistant", "content": part}));
    let calls =
        reply.tool_calls.iter().enumerate().map(
            |(index, one)| json!({"role": "assistant", "content": "", "tool_calls": [call(index, one)]}),
        );
    let mut pieces: Vec<Piece> = thoughts
        .chain(texts)
        .chain(calls)
        .map(|message| Piece::content(line(&message, None)))
        .collect();
    if reply.terminal {
        let closing = json!({"role": "assistant", "content": ""});
        pieces.push(Piece::frame(line(&closing, end(reply))));
    }
    pieces
}

/// What `/api/tags` lists, and `/api/version` says: the one has `models`, the other `version`.
pub(super) fn models() -> Value {
    let model = |name: &str| {
        json!({
            "name": name,
            "model": name,
            "modified_at": CREATED,
            "size": 2_019_393_189,
            "digest": "simulated",
            "details": {"format": "gguf", "family": "llama", "parameter_size": "3.2B", "quantization_level": "Q4_K_M"},
        })
    };
    json!({"version": "0.13.0", "models": [model("llama3.2:latest"), model("nomic-embed-text:latest")]})
}
