//! Gemini `generateContent` and `streamGenerateContent`.

use serde_json::{Value, json};

use super::{Piece, Reply, arguments_value};
use crate::script::UsageScript;

const ID: &str = "simulated0000000000000";

pub(super) const KEEP_ALIVE: &[u8] = b": keep-alive\r\n\r\n\
    data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}],\"role\":\"model\"},\"index\":0}]}\r\n\r\n";

fn finish(reply: &Reply) -> &str {
    reply.finish(|ours| match ours {
        "stop" | "stop_sequence" | "tool_calls" => Some("STOP"),
        "length" => Some("MAX_TOKENS"),
        "content_filter" | "refusal" => Some("SAFETY"),
        _ => None,
    })
}

/// Gemini counts thoughts apart from the candidates.
fn usage(usage: &UsageScript) -> Value {
    json!({
        "promptTokenCount": usage.input_tokens,
        "cachedContentTokenCount": usage.cache_read_tokens,
        "candidatesTokenCount": usage.output_tokens.saturating_sub(usage.reasoning_tokens),
        "thoughtsTokenCount": usage.reasoning_tokens,
        "totalTokenCount": usage.input_tokens.saturating_add(usage.output_tokens),
    })
}

fn document(reply: &Reply, model: &str, parts: &Value, finish: Option<&str>) -> Value {
    let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": 0});
    if let (Some(reason), Some(fields)) = (finish, candidate.as_object_mut()) {
        fields.insert("finishReason".to_owned(), json!(reason));
    }
    json!({
        "candidates": [candidate],
        "usageMetadata": usage(&reply.usage),
        "modelVersion": model,
        "responseId": ID,
    })
}

/// Gemini's refusal has no candidates at all.
fn blocked(reply: &Reply, model: &str) -> Value {
    json!({
        "promptFeedback": {"blockReason": "OTHER", "blockReasonMessage": reply.refusal},
        "usageMetadata": usage(&reply.usage),
        "modelVersion": model,
        "responseId": ID,
    })
}

fn call_parts(reply: &Reply) -> impl Iterator<Item = Value> {
    reply.tool_calls.iter().map(|call| {
        let args = arguments_value(&call.arguments);
        json!({"functionCall": {"id": call.id, "name": call.name, "args": args}})
    })
}

pub(super) fn whole(reply: &Reply, model: &str) -> Value {
    if reply.refusal.is_some() {
        return blocked(reply, model);
    }
    let mut parts = Vec::new();
    if !reply.reasoning.is_empty() {
        parts.push(json!({"text": reply.reasoning.concat(), "thought": true}));
    }
    if !reply.text.is_empty() {
        parts.push(json!({"text": reply.text}));
    }
    parts.extend(call_parts(reply));
    document(
        reply,
        model,
        &Value::Array(parts),
        reply.terminal.then(|| finish(reply)),
    )
}

pub(super) fn stream(reply: &Reply, model: &str, array: bool) -> Vec<Piece> {
    let mut documents = Vec::new();
    if reply.refusal.is_some() {
        documents.push((blocked(reply, model), true));
    } else {
        let thoughts = reply
            .reasoning
            .iter()
            .map(|part| json!({"text": part, "thought": true}));
        let texts = reply.chunks.iter().map(|part| json!({"text": part}));
        for part in thoughts.chain(texts).chain(call_parts(reply)) {
            documents.push((document(reply, model, &json!([part]), None), true));
        }
        if reply.terminal {
            let closing = document(reply, model, &json!([{"text": ""}]), Some(finish(reply)));
            documents.push((closing, false));
        }
    }
    let mut pieces: Vec<Piece> = documents
        .into_iter()
        .enumerate()
        .map(|(index, (body, content))| {
            let bytes = match (array, index) {
                (false, _) => format!("data: {body}\r\n\r\n"),
                (true, 0) => format!("[{body}"),
                (true, _) => format!(",\r\n{body}"),
            };
            Piece {
                bytes: bytes.into(),
                content,
            }
        })
        .collect();
    if array && reply.terminal {
        pieces.push(Piece::frame("]"));
    }
    pieces
}

pub(super) fn models() -> Value {
    let model = |id: &str| {
        json!({
            "name": format!("models/{id}"),
            "displayName": id,
            "inputTokenLimit": 1_048_576,
            "outputTokenLimit": 65_536,
            "supportedGenerationMethods": ["generateContent", "countTokens"],
        })
    };
    json!({"models": [model("gemini-2.5-flash"), model("gemini-2.5-pro")]})
}
