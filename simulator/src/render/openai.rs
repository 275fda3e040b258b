//! OpenAI Chat Completions.

use serde_json::{Value, json};

use super::{Piece, Reply, fragments};
use crate::script::UsageScript;

const ID: &str = "chatcmpl-simulated000000000000000000";
const CREATED: u64 = 1_767_225_600;

pub(super) const KEEP_ALIVE: &[u8] = b": keep-alive\n\n\
    data: {\"id\":\"chatcmpl-simulated000000000000000000\",\"object\":\"chat.completion.chunk\",\
    \"created\":1767225600,\"model\":\"simulated\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\
    \"logprobs\":null,\"finish_reason\":null}]}\n\n";

fn finish(reply: &Reply) -> &str {
    reply.finish(|ours| match ours {
        "refusal" | "stop_sequence" => Some("stop"),
        _ => None,
    })
}

fn usage(usage: &UsageScript) -> Value {
    json!({
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens.saturating_add(usage.output_tokens),
        "prompt_tokens_details": {"cached_tokens": usage.cache_read_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}

pub(super) fn whole(reply: &Reply, model: &str) -> Value {
    let mut message = json!({
        "role": "assistant",
        "content": if reply.text.is_empty() { Value::Null } else { json!(reply.text) },
        "refusal": reply.refusal,
        "annotations": [],
    });
    if !reply.reasoning.is_empty() {
        insert(&mut message, "reasoning_content", json!(reply.reasoning.concat()));
    }
    if !reply.tool_calls.is_empty() {
        let calls = reply.tool_calls.iter().map(|call| {
            json!({
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            })
        });
        insert(&mut message, "tool_calls", calls.collect());
    }
    json!({
        "id": ID,
        "object": "chat.completion",
        "created": CREATED,
        "model": model,
        "choices": [{
            "index": 0,
            "message": message,
            "logprobs": null,
            "finish_reason": reply.terminal.then(|| finish(reply)),
        }],
        "usage": usage(&reply.usage),
        "service_tier": "default",
        "system_fingerprint": null,
    })
}

fn insert(object: &mut Value, name: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

pub(super) fn stream(reply: &Reply, model: &str, with_usage: bool) -> Vec<Piece> {
    let chunk = |choices: Value, used: Option<Value>| {
        let mut body = json!({
            "id": ID,
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": model,
            "system_fingerprint": null,
            "choices": choices,
        });
        if with_usage {
            insert(&mut body, "usage", used.unwrap_or(Value::Null));
        }
        format!("data: {body}\n\n")
    };
    let delta = |delta: Value, finish: Option<&str>| {
        let choice = json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]);
        chunk(choice, None)
    };
    let content = |value: Value| Piece::content(delta(value, None));

    let opening = json!({"role": "assistant", "content": "", "refusal": null});
    let mut pieces = vec![Piece::frame(delta(opening, None))];
    pieces.extend(
        reply
            .reasoning
            .iter()
            .map(|part| content(json!({"reasoning_content": part}))),
    );
    pieces.extend(reply.chunks.iter().map(|part| content(json!({"content": part}))));
    pieces.extend(reply.refusal.iter().map(|part| content(json!({"refusal": part}))));
    for (index, call) in reply.tool_calls.iter().enumerate() {
        pieces.push(content(json!({"tool_calls": [{
            "index": index,
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": ""},
        }]})));
        pieces.extend(
            fragments(&call.arguments).iter().map(|part| {
                content(json!({"tool_calls": [{"index": index, "function": {"arguments": part}}]}))
            }),
        );
    }
    if reply.terminal {
        pieces.push(Piece::frame(delta(json!({}), Some(finish(reply)))));
        if with_usage {
            pieces.push(Piece::frame(chunk(json!([]), Some(usage(&reply.usage)))));
        }
        pieces.push(Piece::frame("data: [DONE]\n\n"));
    }
    pieces
}

pub(super) fn models() -> Value {
    let model = |id: &str| json!({"id": id, "object": "model", "created": CREATED, "owned_by": "simulator"});
    json!({"object": "list", "data": [model("gpt-4o-mini"), model("gpt-4o")]})
}
