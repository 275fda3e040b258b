//! Request → body: the settings. The conversation is [`super::messages`]'s.

use bytes::Bytes;
use http::HeaderValue;
use serde_json::{Value, json};

use super::messages::{API, conversation};
use crate::catalog::Reasoning;
use crate::dialect::foreign::{note_hints, refuse_settings, refuse_tool};
use crate::dialect::options::apply_provider_options;
use crate::dialect::vendor::{lay_fixed, path};
use crate::dialect::{Call, Encoded};
use crate::types::{
    ChatRequest, DialectId, Failure, JsonMap, ReasoningEffort, ResponseFormat, Stop, Tool, ToolChoice,
};

/// Pinned: from `2026-10-21` on, `temperature`, `top_p` and `top_k` are refused even at their defaults. This version
/// takes them wherever the model does.
pub(super) static HEADERS: [(&str, HeaderValue); 1] =
    [("anthropic-version", HeaderValue::from_static("2023-06-01"))];

/// `max_tokens` is required. Every model of the vendor can give this many.
const DEFAULT_MAX_TOKENS: u32 = 4096;

/// The vendor's own lower bound of `thinking.budget_tokens`.
const MIN_BUDGET: u32 = 1024;

pub(super) fn encode(call: &Call<'_>) -> Result<Encoded, Failure> {
    let request = call.request;
    let mut adapted = Vec::new();
    refuse(request)?;
    refuse_settings(call, API)?;
    note_hints(request, &mut adapted);
    let (system, messages) = conversation(&request.messages, &mut adapted)?;
    let max_tokens = request.max_tokens.unwrap_or_else(|| {
        let chosen = call
            .facts
            .and_then(|facts| facts.max_output)
            .unwrap_or(DEFAULT_MAX_TOKENS);
        adapted.push(format!("max_tokens: the vendor needs it; {chosen} was chosen"));
        chosen
    });

    let mut body = JsonMap::new();
    let mut set = |key: &str, value: Value| {
        if !value.is_null() {
            body.insert(key.to_owned(), value);
        }
    };
    set("model", json!(call.model));
    set("max_tokens", json!(max_tokens));
    set("system", system);
    set("messages", Value::Array(messages));
    set("temperature", json!(request.temperature));
    set("top_p", json!(request.top_p));
    set("top_k", json!(request.top_k));
    set("stop_sequences", json!(request.stop.as_ref().map(Stop::texts)));
    set(
        "metadata",
        json!(request.user.as_ref().map(|user| json!({"user_id": user}))),
    );
    set("tools", tools(&request.tools)?);
    let (tool_choice, forced) = tool_choice(request)?;
    set("tool_choice", tool_choice);
    let mut output = JsonMap::new();
    if let Some(format) = output_format(request)? {
        output.insert("format".to_owned(), format);
    }
    let reasoning = call.facts.map(|facts| facts.reasoning).unwrap_or_default();
    let thinking = thinking(request, reasoning, max_tokens, forced, &mut output, &mut adapted)?;
    set("thinking", thinking);
    if !output.is_empty() {
        set("output_config", Value::Object(output));
    }

    lay_fixed(call, &mut body);
    apply_provider_options(call, DialectId::AnthropicMessages, &mut body);
    // Ours to say, whatever the options hold: it decides how the reply is read.
    body.insert("stream".to_owned(), json!(call.stream));
    Ok(Encoded {
        path: path(call, "/messages"),
        headers: HEADERS.to_vec(),
        body: Bytes::from(Value::Object(body).to_string()),
        adapted,
    })
}

/// Refuses what the format has no equal for.
fn refuse(request: &ChatRequest) -> Result<(), Failure> {
    let absent = [
        ("seed", request.seed.is_some()),
        ("frequency_penalty", request.frequency_penalty.is_some()),
        ("presence_penalty", request.presence_penalty.is_some()),
    ];
    if let Some((field, _)) = absent.iter().find(|(_, given)| *given) {
        return Err(Failure::unsupported(
            field,
            "the Messages API has no such parameter",
        ));
    }
    if request.temperature.is_some_and(|temperature| temperature > 1.0) {
        return Err(Failure::unsupported(
            "temperature",
            "the Messages API takes 0 to 1",
        ));
    }
    Ok(())
}

fn tools(tools: &[Tool]) -> Result<Value, Failure> {
    if tools.is_empty() {
        return Ok(Value::Null);
    }
    let mut out = Vec::with_capacity(tools.len());
    for (i, tool) in tools.iter().enumerate() {
        let (function, cache_control) = match tool {
            Tool::Function {
                function,
                cache_control,
            } => (function, cache_control),
            Tool::Other(other) => return Err(refuse_tool(i, other)),
        };
        let mut entry = JsonMap::new();
        entry.insert("name".to_owned(), json!(function.name));
        if let Some(description) = &function.description {
            entry.insert("description".to_owned(), json!(description));
        }
        let schema = function.parameters.clone();
        entry.insert(
            "input_schema".to_owned(),
            schema.unwrap_or_else(|| json!({"type": "object"})),
        );
        if let Some(strict) = function.strict {
            entry.insert("strict".to_owned(), json!(strict));
        }
        if let Some(mark) = cache_control {
            entry.insert("cache_control".to_owned(), mark.clone());
        }
        out.push(Value::Object(entry));
    }
    Ok(Value::Array(out))
}

/// The `tool_choice`, and whether it forces a call.
fn tool_choice(request: &ChatRequest) -> Result<(Value, bool), Failure> {
    let one_at_a_time = request.parallel_tool_calls == Some(false) && !request.tools.is_empty();
    let (mut choice, forced) = match &request.tool_choice {
        None if one_at_a_time => (json!({"type": "auto"}), false),
        None => return Ok((Value::Null, false)),
        Some(ToolChoice::None) => return Ok((json!({"type": "none"}), false)),
        Some(ToolChoice::Auto) => (json!({"type": "auto"}), false),
        Some(ToolChoice::Required) => (json!({"type": "any"}), true),
        Some(ToolChoice::Function(name)) => (json!({"type": "tool", "name": name}), true),
        Some(ToolChoice::Other(_)) => {
            return Err(Failure::unsupported(
                "tool_choice",
                "the Messages API takes auto, none, required or one function",
            ));
        }
    };
    if let (true, Some(choice)) = (one_at_a_time, choice.as_object_mut()) {
        choice.insert("disable_parallel_tool_use".to_owned(), json!(true));
    }
    Ok((choice, forced))
}

fn output_format(request: &ChatRequest) -> Result<Option<Value>, Failure> {
    match &request.response_format {
        None | Some(ResponseFormat::Text) => Ok(None),
        Some(ResponseFormat::Other(_)) => Err(Failure::unsupported(
            "response_format",
            "its type, or a field of it, is not known, so it cannot be translated",
        )),
        Some(ResponseFormat::JsonObject) => Err(Failure::unsupported(
            "response_format",
            "the Messages API has no JSON mode without a schema",
        )),
        Some(ResponseFormat::JsonSchema { json_schema }) => match &json_schema.schema {
            Some(schema) => Ok(Some(json!({"type": "json_schema", "schema": schema}))),
            None => Err(Failure::unsupported(
                "response_format.json_schema.schema",
                "the Messages API has no JSON mode without a schema",
            )),
        },
    }
}

/// The `thinking` setting; an effort goes to `output`.
fn thinking(
    request: &ChatRequest,
    reasoning: Reasoning,
    max_tokens: u32,
    forced: bool,
    output: &mut JsonMap,
    adapted: &mut Vec<String>,
) -> Result<Value, Failure> {
    let Some(effort) = request.reasoning_effort else {
        return Ok(Value::Null);
    };
    match (reasoning, effort) {
        (Reasoning::None, ReasoningEffort::None) => return Ok(Value::Null),
        (Reasoning::None, _) => {
            return Err(Failure::unsupported(
                "reasoning_effort",
                "the model does not reason",
            ));
        }
        (_, ReasoningEffort::None) => return Ok(json!({"type": "disabled"})),
        _ => {}
    }
    // The vendor's rules for a thinking model: temperature 1, no top_k, top_p of 0.95 at least.
    let refused = [
        ("temperature", request.temperature.is_some_and(|t| t < 1.0)),
        ("top_k", request.top_k.is_some()),
        ("top_p", request.top_p.is_some_and(|p| p < 0.95)),
    ];
    if let Some((field, _)) = refused.iter().find(|(_, given)| *given) {
        return Err(Failure::unsupported(
            field,
            "it cannot be changed while the model thinks",
        ));
    }
    if reasoning == Reasoning::Budget {
        if forced {
            return Err(Failure::unsupported(
                "tool_choice",
                "a call cannot be forced while the model thinks",
            ));
        }
        if max_tokens <= MIN_BUDGET {
            return Err(Failure::unsupported(
                "reasoning_effort",
                "thinking needs `max_tokens` of more than 1024",
            ));
        }
        return Ok(json!({"type": "enabled", "budget_tokens": budget(effort, max_tokens, adapted)}));
    }
    let level = if effort == ReasoningEffort::Minimal {
        adapted.push("reasoning_effort: minimal is sent as low, the vendor's least".to_owned());
        ReasoningEffort::Low
    } else {
        effort
    };
    output.insert("effort".to_owned(), json!(level.as_str()));
    if forced {
        // Effort bounds the whole answer and stands without thinking, which a forced call rules out.
        adapted.push("reasoning_effort: without thinking, since a tool call is forced".to_owned());
        return Ok(Value::Null);
    }
    Ok(json!({"type": "adaptive"}))
}

/// Tokens of thinking for a level: 1024, 2048, 8192, 16384, 24576 and 32000, and at most three quarters of
/// `max_tokens`, so that an answer fits too.
fn budget(effort: ReasoningEffort, max_tokens: u32, adapted: &mut Vec<String>) -> u32 {
    let wanted = match effort {
        ReasoningEffort::None | ReasoningEffort::Minimal => MIN_BUDGET,
        ReasoningEffort::Low => 2048,
        ReasoningEffort::Medium => 8192,
        ReasoningEffort::High => 16_384,
        ReasoningEffort::Xhigh => 24_576,
        ReasoningEffort::Max => 32_000,
    };
    let most = (max_tokens - max_tokens / 4).max(MIN_BUDGET);
    if wanted > most {
        adapted.push(format!(
            "reasoning_effort: {most} tokens of thinking instead of {wanted}, to leave room for an answer in max_tokens"
        ));
    }
    wanted.min(most)
}
