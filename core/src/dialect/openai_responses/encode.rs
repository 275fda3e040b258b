//! Request → body: the settings. The conversation is [`super::messages`]'s.

use bytes::Bytes;
use serde_json::{Value, json};

use super::messages::conversation;
use super::tools::{flat, tool_choice, tools};
use crate::catalog::Reasoning;
use crate::dialect::fit::Fit;
use crate::dialect::options::apply_provider_options;
use crate::dialect::strict::loosen;
use crate::dialect::vendor::{lay_fixed, path};
use crate::dialect::{Call, Encoded};
use crate::types::{DialectId, Failure, JsonMap, ReasoningEffort, ResponseFormat};

/// What is included in a reply of a model that reasons.
pub(super) const ENCRYPTED: &str = "reasoning.encrypted_content";

/// Request fields of Chat Completions beyond ours that mean the same here, under the same name.
const SAME: &[&str] = &[
    "service_tier",
    "metadata",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
    "safety_identifier",
    "moderation",
    "store",
    "top_logprobs",
];

/// Fields of this format that callers may give beside ours, as they may at any vendor's own API.
const OWN: &[&str] = &[
    "include",
    "truncation",
    "max_tool_calls",
    "previous_response_id",
    "conversation",
    "prompt",
    "context_management",
];

/// Sampling parameters, which reasoning models refuse.
const SAMPLING: &[&str] = &["temperature", "top_p", "top_logprobs"];

pub(super) fn encode(call: &Call<'_>) -> Result<Encoded, Failure> {
    let mut fit = Fit::new(call.lossy);
    let loosened = loosen(call.request, &mut fit);
    let call = &Call {
        request: &loosened,
        ..*call
    };
    let request = call.request;
    let (instructions, input) = conversation(call, &mut fit)?;
    lose_absent(call, &mut fit)?;
    let mut body = JsonMap::new();
    let mut set = |key: &str, value: Value| {
        if !value.is_null() {
            body.insert(key.to_owned(), value);
        }
    };
    set("model", json!(call.model));
    set("instructions", json!(instructions));
    set("input", Value::Array(input));
    set("max_output_tokens", json!(request.max_tokens));
    set("temperature", json!(request.temperature));
    set("top_p", json!(request.top_p));
    set("user", json!(request.user));
    if !request.tools.is_empty() {
        set("tools", tools(&request.tools, &mut fit));
    }
    set(
        "tool_choice",
        json!(request.tool_choice.as_ref().map(tool_choice)),
    );
    set("parallel_tool_calls", json!(request.parallel_tool_calls));
    set("text", text(call, &mut fit)?);
    let (reasoning, reasons) = reasoning(call, &mut fit)?;
    set("reasoning", reasoning);
    set("store", json!(false));
    if reasons {
        set("include", json!([ENCRYPTED]));
    }
    for (field, value) in &request.extra {
        if SAME.contains(&field.as_str()) || OWN.contains(&field.as_str()) {
            set(field, value.clone());
        } else if !is_ours(field, value) {
            fit.lose(field, "the Responses API has no such parameter")?;
        }
    }
    take_out(call, &mut body, &mut fit)?;

    lay_fixed(call, &mut body);
    apply_provider_options(call, DialectId::OpenaiResponses, &mut body);
    // Ours to say, whatever the options hold: it decides how the reply is read.
    body.insert("stream".to_owned(), json!(call.stream));
    Ok(Encoded {
        path: path(call, "/responses"),
        headers: Vec::new(),
        body: Bytes::from(Value::Object(body).to_string()),
        adapted: fit.adapted,
    })
}

/// What the format has no word for.
fn lose_absent(call: &Call<'_>, fit: &mut Fit) -> Result<(), Failure> {
    let request = call.request;
    let absent = [
        ("top_k", request.top_k.is_some()),
        ("stop", request.stop.is_some()),
        ("seed", request.seed.is_some()),
        ("frequency_penalty", request.frequency_penalty.is_some()),
        ("presence_penalty", request.presence_penalty.is_some()),
    ];
    for (field, _) in absent.iter().filter(|(_, given)| *given) {
        fit.lose(field, "the Responses API has no such parameter")?;
    }
    Ok(())
}

/// Takes out what the model or the provider refuses.
fn take_out(call: &Call<'_>, body: &mut JsonMap, fit: &mut Fit) -> Result<(), Failure> {
    if call.facts.is_some_and(|facts| facts.sampling == Some(false)) {
        for field in SAMPLING {
            if body.shift_remove(*field).is_some() {
                fit.note(format!(
                    "{field}: left out: the model takes no sampling parameters"
                ));
            }
        }
    }
    for refused in &call.quirks.refuses {
        // The names callers know, where the wire's differ.
        let field = match refused.as_str() {
            "max_tokens" => "max_output_tokens",
            "reasoning_effort" => "reasoning",
            "response_format" => "text",
            other => other,
        };
        let asked_by_us = match field {
            "store" => !call.request.extra.contains_key("store"),
            "include" => !call.request.extra.contains_key("include"),
            _ => false,
        };
        if body.shift_remove(field).is_some() && !asked_by_us {
            fit.lose(refused, "the provider does not take it")?;
        }
    }
    Ok(())
}

/// Fields that ask for what every call does anyway, or that have their place elsewhere in the body.
fn is_ours(field: &str, value: &Value) -> bool {
    match field {
        "stream" | "verbosity" | "reasoning" => true,
        "stream_options" => value
            .as_object()
            .is_some_and(|options| options.keys().all(|option| option == "include_usage")),
        "n" => value.as_u64() == Some(1),
        "background" => value.as_bool() == Some(false),
        _ => false,
    }
}

/// The `text` setting: the answer's format, and how much it says.
fn text(call: &Call<'_>, fit: &mut Fit) -> Result<Value, Failure> {
    let mut text = JsonMap::new();
    let format = match &call.request.response_format {
        None => Value::Null,
        Some(ResponseFormat::Text) => json!({"type": "text"}),
        Some(ResponseFormat::JsonObject) => json!({"type": "json_object"}),
        Some(ResponseFormat::JsonSchema { json_schema }) => {
            let mut format = json!({"type": "json_schema"});
            let fields = serde_json::to_value(json_schema).unwrap_or_default();
            if let (Some(format), Value::Object(fields)) = (format.as_object_mut(), fields) {
                format.extend(fields);
            }
            if json_schema.schema.is_none() {
                fit.lose(
                    "response_format.json_schema.schema",
                    "the Responses API needs a schema",
                )?;
                format = json!({"type": "json_object"});
            }
            format
        }
        Some(ResponseFormat::Other(map)) => Value::Object(flat(map)),
    };
    if !format.is_null() {
        text.insert("format".to_owned(), format);
    }
    if let Some(verbosity) = call.request.extra.get("verbosity") {
        text.insert("verbosity".to_owned(), verbosity.clone());
    }
    Ok(if text.is_empty() {
        Value::Null
    } else {
        Value::Object(text)
    })
}

/// The `reasoning` setting, and whether the model is known to reason, so that its reasoning can be asked for encrypted:
/// other models refuse the question.
fn reasoning(call: &Call<'_>, fit: &mut Fit) -> Result<(Value, bool), Failure> {
    let known = call.facts.map(|facts| facts.reasoning).unwrap_or_default();
    let given = call.request.extra.get("reasoning").and_then(Value::as_object);
    let mut reasoning = given.cloned().unwrap_or_default();
    match (call.request.reasoning_effort, known) {
        (None, _) | (Some(ReasoningEffort::None), Reasoning::None) => {}
        (Some(_), Reasoning::None) => fit.lose("reasoning_effort", "the model does not reason")?,
        (Some(effort), _) => {
            reasoning.insert("effort".to_owned(), json!(effort.as_str()));
        }
    }
    let asked = reasoning
        .get("effort")
        .and_then(Value::as_str)
        .is_some_and(|effort| effort != "none");
    let reasons = match known {
        Reasoning::Effort | Reasoning::Budget => true,
        Reasoning::None => false,
        Reasoning::Unknown => asked,
    };
    let value = match reasoning.is_empty() {
        true => Value::Null,
        false => Value::Object(reasoning),
    };
    Ok((value, reasons))
}
