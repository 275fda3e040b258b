//! The `response` object: what was asked for, repeated as the vendor repeats it, and what came of it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::{Value, json};

use crate::dialect::openai_responses::ids::reply_id;
use crate::dialect::{Heard, Opening};
use crate::types::{Completion, FinishReason, JsonMap, Reply, Usage};

/// How a reply stands.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) status: &'static str,
    pub(super) incomplete: Value,
    pub(super) error: Value,
    /// When it was complete, Unix seconds.
    pub(super) completed: Option<u64>,
}

impl Standing {
    /// It goes on.
    pub(super) const fn open() -> Self {
        Self {
            status: "in_progress",
            incomplete: Value::Null,
            error: Value::Null,
            completed: None,
        }
    }

    /// It broke.
    pub(super) const fn failed(error: Value) -> Self {
        Self {
            status: "failed",
            incomplete: Value::Null,
            error,
            completed: None,
        }
    }

    /// It ended as the model ended it.
    pub(super) fn of(reply: &Reply) -> Self {
        let done = &reply.completion;
        let cut = |reason: &str| Self {
            status: "incomplete",
            incomplete: json!({"reason": reason}),
            ..Self::open()
        };
        match done.finish_reason {
            Some(FinishReason::Length | FinishReason::ContextExceeded) => cut("max_output_tokens"),
            Some(FinishReason::ContentFilter) => cut("content_filter"),
            // The format says a refusal in the model's words only.
            Some(FinishReason::Refusal) if done.refusal.as_ref().is_none_or(String::is_empty) => {
                cut("content_filter")
            }
            Some(reason @ FinishReason::Pause) => cut(reason.as_str()),
            Some(FinishReason::Error) => {
                let raw = done.finish_raw.as_deref().unwrap_or("error");
                let message = format!("The model's answer could not be completed: `{raw}`.");
                Self::failed(json!({"code": "server_error", "message": message}))
            }
            _ => Self {
                status: "completed",
                completed: Some(reply.created),
                ..Self::open()
            },
        }
    }

    /// The name of the event that tells it.
    pub(super) fn event(&self) -> &'static str {
        match self.status {
            "incomplete" => "response.incomplete",
            "failed" => "response.failed",
            _ => "response.completed",
        }
    }

    /// The status of what was being written when it ended.
    pub(super) fn last(&self) -> &'static str {
        match self.status {
            "completed" => "completed",
            _ => "incomplete",
        }
    }
}

/// What of a response stands from its start.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) opening: Opening,
    /// The request's fields, and what the vendor takes where they are not given.
    echo: JsonMap,
}

impl Head {
    pub(super) fn new(opening: Opening, heard: &Heard) -> Self {
        Self {
            opening,
            echo: echo(&heard.body),
        }
    }

    pub(super) fn response(&self, standing: &Standing, output: Vec<Value>, usage: Value) -> Value {
        let mut out = JsonMap::new();
        let mut set = |field: &str, value: Value| out.insert(field.to_owned(), value);
        set("id", json!(reply_id(&self.opening.id)));
        set("object", json!("response"));
        set("created_at", json!(self.opening.created));
        set("status", json!(standing.status));
        set("background", json!(false));
        set("completed_at", json!(standing.completed));
        set("error", standing.error.clone());
        set("incomplete_details", standing.incomplete.clone());
        set("model", json!(self.opening.model));
        set("output", Value::Array(output));
        set("usage", usage);
        out.extend(self.echo.clone());
        Value::Object(out)
    }
}

/// What a whole reply is opened with.
pub(super) fn opening(reply: &Reply) -> Opening {
    // As long as the vendor's own.
    const LONGEST: usize = 48;
    let done = &reply.completion;
    let given = done.id.as_deref().unwrap_or_default();
    let mut id: String = given.chars().filter(char::is_ascii_alphanumeric).collect();
    id.drain(..id.len().saturating_sub(LONGEST));
    if id.is_empty() {
        id = made_id(reply, done);
    }
    let named = reply.target.split_once('/').map(|(_, model)| model);
    Opening {
        id,
        model: done
            .model
            .as_deref()
            .or(named)
            .unwrap_or(&reply.target)
            .to_owned(),
        created: reply.created,
    }
}

/// An id for a reply of a vendor that gives none.
fn made_id(reply: &Reply, done: &Completion) -> String {
    let mut hasher = DefaultHasher::new();
    reply.target.hash(&mut hasher);
    reply.created.hash(&mut hasher);
    reply.elapsed.to_bits().hash(&mut hasher);
    done.text.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The counts; null when the vendor gave none.
pub(super) fn usage(usage: &Usage) -> Value {
    if !usage.reported {
        return Value::Null;
    }
    json!({
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens(),
    })
}

/// The fields of a request that a reply repeats.
pub(super) const REPEATED: [&str; 18] = [
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "user",
    "parallel_tool_calls",
    "reasoning",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "metadata",
];

/// The request's fields as the vendor repeats them.
fn echo(body: &JsonMap) -> JsonMap {
    let given = |field: &str| body.get(field).filter(|value| !value.is_null()).cloned();
    let or = |field: &str, otherwise: Value| given(field).unwrap_or(otherwise);
    let mut out = JsonMap::new();
    let mut set = |field: &str, value: Value| {
        out.insert(field.to_owned(), value);
    };
    // Null, unless it has a default below.
    for field in REPEATED {
        set(field, or(field, Value::Null));
    }
    set("parallel_tool_calls", or("parallel_tool_calls", json!(true)));
    set(
        "reasoning",
        filled(given("reasoning"), json!({"effort": null, "summary": null})),
    );
    set("service_tier", json!("default"));
    // Whatever was asked for: what another vendor answers is kept nowhere.
    set("store", json!(false));
    set("temperature", or("temperature", json!(1.0)));
    let text = json!({"format": {"type": "text"}, "verbosity": "medium"});
    set("text", filled(given("text"), text));
    set("tool_choice", or("tool_choice", json!("auto")));
    set("tools", tools(or("tools", json!([]))));
    set("top_logprobs", or("top_logprobs", json!(0)));
    set("top_p", or("top_p", json!(1.0)));
    set("truncation", or("truncation", json!("disabled")));
    set("metadata", or("metadata", json!({})));
    out
}

/// What is given, and of the rest the defaults.
fn filled(given: Option<Value>, defaults: Value) -> Value {
    match (given, defaults) {
        (Some(Value::Object(given)), Value::Object(mut out)) => {
            out.extend(given.into_iter().filter(|(_, value)| !value.is_null()));
            Value::Object(out)
        }
        (Some(given), _) => given,
        (None, defaults) => defaults,
    }
}

fn tools(mut tools: Value) -> Value {
    for tool in tools.as_array_mut().into_iter().flatten() {
        if tool.get("type").and_then(Value::as_str) == Some("function") {
            let defaults = json!({"description": null, "parameters": null, "strict": true});
            *tool = filled(Some(tool.take()), defaults);
        }
    }
    tools
}
