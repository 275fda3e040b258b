//! OpenAI Responses.

use serde_json::{Value, json};

use super::{Piece, Reply, fragments};
use crate::script::UsageScript;

const ID: &str = "resp_simulated0000000000000000000000";
const MESSAGE: &str = "msg_simulated00000000000000000000000";
const REASONING: &str = "rs_simulated000000000000000000000000";
const SEALED: &str = "c2ltdWxhdGVk";
const CREATED: u64 = 1_767_225_600;

pub(super) const KEEP_ALIVE: &[u8] = b": keep-alive\n\n\
    event: keepalive\ndata: {\"type\":\"keepalive\",\"sequence_number\":0}\n\n";

fn usage(usage: &UsageScript) -> Value {
    json!({
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cache_read_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens.saturating_add(usage.output_tokens),
    })
}

fn response(model: &str, status: &str, output: &[Value], used: Value) -> Value {
    json!({
        "id": ID,
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "background": false,
        "error": null,
        "incomplete_details": null,
        "instructions": null,
        "max_output_tokens": null,
        "max_tool_calls": null,
        "model": model,
        "output": output,
        "parallel_tool_calls": true,
        "previous_response_id": null,
        "prompt_cache_key": null,
        "reasoning": {"effort": null, "summary": null},
        "safety_identifier": null,
        "service_tier": "default",
        "store": true,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": used,
        "user": null,
        "metadata": {},
    })
}

/// The response once it has ended, or, where its end is not told, while it goes on.
fn ended(reply: &Reply, model: &str, sealed: bool) -> Value {
    let reason = reply.finish(|ours| match ours {
        "length" => Some("max_output_tokens"),
        "stop" | "stop_sequence" | "tool_calls" | "refusal" => Some("completed"),
        _ => None,
    });
    let status = match (reply.terminal, reason) {
        (false, _) => "in_progress",
        (true, "completed") => "completed",
        (true, _) => "incomplete",
    };
    let mut body = response(model, status, &items(reply, sealed), usage(&reply.usage));
    if let (true, "incomplete", Some(details)) = (reply.terminal, status, body.get_mut("incomplete_details"))
    {
        *details = json!({"reason": reason});
    }
    body
}

fn reasoning(reply: &Reply, sealed: bool, done: bool) -> Value {
    let text = reply.reasoning.concat();
    let summary = if done {
        json!([{"type": "summary_text", "text": text}])
    } else {
        json!([])
    };
    let mut item = json!({"id": REASONING, "type": "reasoning", "summary": summary});
    if let (true, Some(fields)) = (sealed, item.as_object_mut()) {
        fields.insert("encrypted_content".to_owned(), SEALED.into());
    }
    item
}

fn message(content: &Value, status: &str) -> Value {
    json!({"id": MESSAGE, "type": "message", "status": status, "role": "assistant", "content": content})
}

fn text_part(text: &str) -> Value {
    json!({"type": "output_text", "annotations": [], "logprobs": [], "text": text})
}

fn refusal_part(text: &str) -> Value {
    json!({"type": "refusal", "refusal": text})
}

fn call(index: usize, reply: &Reply, arguments: &str, status: &str) -> Value {
    let call = reply.tool_calls.get(index);
    json!({
        "id": call_id(index),
        "type": "function_call",
        "status": status,
        "arguments": arguments,
        "call_id": call.map(|call| &call.id),
        "name": call.map(|call| &call.name),
    })
}

fn call_id(index: usize) -> String {
    format!("fc_simulated{index:024}")
}

fn items(reply: &Reply, sealed: bool) -> Vec<Value> {
    let mut items = Vec::new();
    if !reply.reasoning.is_empty() {
        items.push(reasoning(reply, sealed, true));
    }
    let mut parts = Vec::new();
    if !reply.text.is_empty() {
        parts.push(text_part(&reply.text));
    }
    parts.extend(reply.refusal.as_deref().map(refusal_part));
    if !parts.is_empty() {
        items.push(message(&Value::Array(parts), "completed"));
    }
    let calls = reply.tool_calls.iter().enumerate();
    items.extend(calls.map(|(index, one)| call(index, reply, &one.arguments, "completed")));
    items
}

pub(super) fn whole(reply: &Reply, model: &str, sealed: bool) -> Value {
    ended(reply, model, sealed)
}

/// Events in order, numbered as they are added.
#[derive(Default)]
struct Events(Vec<Piece>);

impl Events {
    fn add(&mut self, content: bool, kind: &str, mut body: Value) {
        if let Some(fields) = body.as_object_mut() {
            fields.insert("type".to_owned(), kind.into());
            fields.insert("sequence_number".to_owned(), self.0.len().into());
        }
        let bytes = named(kind, &body).into();
        self.0.push(Piece { bytes, content });
    }

    fn frame(&mut self, kind: &str, body: Value) {
        self.add(false, kind, body);
    }

    fn item(&mut self, output: usize, begun: &Value, done: &Value, between: impl FnOnce(&mut Self)) {
        self.frame(
            "response.output_item.added",
            json!({"output_index": output, "item": begun}),
        );
        between(self);
        self.frame(
            "response.output_item.done",
            json!({"output_index": output, "item": done}),
        );
    }
}

fn named(kind: &str, body: &Value) -> String {
    format!("event: {kind}\ndata: {body}\n\n")
}

/// One part of a message: opened, told piece by piece, closed.
fn part(
    events: &mut Events,
    at: (usize, usize),
    (kind, field): (&str, &str),
    pieces: &[String],
    part: impl Fn(&str) -> Value,
) {
    let place = |mut body: Value| {
        if let Some(fields) = body.as_object_mut() {
            fields.insert("item_id".to_owned(), MESSAGE.into());
            fields.insert("output_index".to_owned(), at.0.into());
            fields.insert("content_index".to_owned(), at.1.into());
            if kind == "output_text" {
                fields.entry("logprobs").or_insert_with(|| json!([]));
            }
        }
        body
    };
    let text = pieces.concat();
    events.frame("response.content_part.added", place(json!({"part": part("")})));
    for piece in pieces {
        events.add(
            true,
            &format!("response.{kind}.delta"),
            place(json!({"delta": piece})),
        );
    }
    events.frame(&format!("response.{kind}.done"), place(json!({field: text})));
    events.frame("response.content_part.done", place(json!({"part": part(&text)})));
}

pub(super) fn stream(reply: &Reply, model: &str, sealed: bool) -> Vec<Piece> {
    let mut events = Events::default();
    for kind in ["response.created", "response.in_progress"] {
        let begun = response(model, "in_progress", &[], Value::Null);
        events.frame(kind, json!({"response": begun}));
    }
    let mut output = 0;
    if !reply.reasoning.is_empty() {
        let (begun, done) = (reasoning(reply, sealed, false), reasoning(reply, sealed, true));
        events.item(output, &begun, &done, |events| thoughts(events, reply, output));
        output += 1;
    }
    let refusal: Vec<String> = reply.refusal.iter().cloned().collect();
    if !reply.chunks.is_empty() || !refusal.is_empty() {
        let begun = message(&json!([]), "in_progress");
        let mut parts = Vec::new();
        if !reply.chunks.is_empty() {
            parts.push(text_part(&reply.chunks.concat()));
        }
        parts.extend(reply.refusal.as_deref().map(refusal_part));
        let done = message(&Value::Array(parts), "completed");
        events.item(output, &begun, &done, |events| {
            let mut content = 0;
            if !reply.chunks.is_empty() {
                let kind = ("output_text", "text");
                part(events, (output, content), kind, &reply.chunks, text_part);
                content += 1;
            }
            if !refusal.is_empty() {
                let kind = ("refusal", "refusal");
                part(events, (output, content), kind, &refusal, refusal_part);
            }
        });
        output += 1;
    }
    for (index, one) in reply.tool_calls.iter().enumerate() {
        let begun = call(index, reply, "", "in_progress");
        let done = call(index, reply, &one.arguments, "completed");
        events.item(output, &begun, &done, |events| {
            let place = json!({"item_id": call_id(index), "output_index": output});
            let with = |field: &str, text: &str| {
                let mut body = place.clone();
                if let Some(fields) = body.as_object_mut() {
                    fields.insert(field.to_owned(), text.into());
                }
                body
            };
            for fragment in fragments(&one.arguments) {
                let kind = "response.function_call_arguments.delta";
                events.add(true, kind, with("delta", &fragment));
            }
            let mut done = with("arguments", &one.arguments);
            if let Some(fields) = done.as_object_mut() {
                fields.insert("name".to_owned(), one.name.clone().into());
            }
            events.frame("response.function_call_arguments.done", done);
        });
        output += 1;
    }
    if reply.terminal {
        let body = ended(reply, model, sealed);
        let kind = match body.get("status").and_then(Value::as_str) {
            Some("completed") => "response.completed",
            _ => "response.incomplete",
        };
        events.frame(kind, json!({"response": body}));
    }
    events.0
}

fn thoughts(events: &mut Events, reply: &Reply, output: usize) {
    let place = |field: &str, value: Value| {
        let mut body = json!({"item_id": REASONING, "output_index": output, "summary_index": 0});
        if let Some(fields) = body.as_object_mut() {
            fields.insert(field.to_owned(), value);
        }
        body
    };
    let part = |text: &str| json!({"type": "summary_text", "text": text});
    let text = reply.reasoning.concat();
    events.frame("response.reasoning_summary_part.added", place("part", part("")));
    for piece in &reply.reasoning {
        let kind = "response.reasoning_summary_text.delta";
        events.add(true, kind, place("delta", json!(piece)));
    }
    events.frame("response.reasoning_summary_text.done", place("text", json!(text)));
    events.frame("response.reasoning_summary_part.done", place("part", part(&text)));
}

/// The error in a stream: an event of its own, and the response that failed of it. `before` events came first.
pub(super) fn error_events(model: &str, before: usize, body: &Value) -> String {
    let error = body.get("error").unwrap_or(body);
    let told = json!({"type": "error", "sequence_number": before, "error": error});
    let mut failed = response(model, "failed", &[], Value::Null);
    if let Some(place) = failed.get_mut("error") {
        let code = error.get("code").filter(|code| !code.is_null());
        let code = code.or_else(|| error.get("type"));
        *place = json!({"code": code, "message": error.get("message")});
    }
    let failed = json!({"type": "response.failed", "sequence_number": before + 1, "response": failed});
    named("error", &told) + &named("response.failed", &failed)
}
