//! Request → body: the settings. The conversation is [`super::messages`]'s.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderValue;
use serde_json::{Value, json};

use super::messages::{API, conversation};
use crate::catalog::Reasoning;
use crate::dialect::capabilities::{drop_sampling, nearest};
use crate::dialect::fit::Fit;
use crate::dialect::foreign::{lose_settings, note_hints};
use crate::dialect::options::apply_provider_options;
use crate::dialect::schema;
use crate::dialect::vendor::{lay_fixed, path, taken};
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

/// The levels of `output_config.effort`.
const LEVELS: [ReasoningEffort; 5] = [
    ReasoningEffort::Low,
    ReasoningEffort::Medium,
    ReasoningEffort::High,
    ReasoningEffort::Xhigh,
    ReasoningEffort::Max,
];

pub(super) fn encode(call: &Call<'_>) -> Result<Encoded, Failure> {
    let mut fit = Fit::new(call.lossy);
    let taken = taken(call, &mut fit)?;
    let call = &Call {
        request: &taken,
        ..*call
    };
    lose_settings(call.request, API, &mut fit)?;
    note_hints(call.request, &mut fit);
    let mut request = Cow::Borrowed(call.request);
    fit_sampling(&mut request, &mut fit)?;
    let max_tokens = request.max_tokens.unwrap_or_else(|| {
        let chosen = call
            .facts
            .and_then(|facts| facts.max_output)
            .unwrap_or(DEFAULT_MAX_TOKENS);
        fit.note(format!("max_tokens: the vendor needs it; {chosen} was chosen"));
        chosen
    });
    let reasoning = call.facts.map(|facts| facts.reasoning).unwrap_or_default();
    let (thinking, effort) = thinking(&request, reasoning, max_tokens, &mut fit)?;
    if thinks(&thinking) {
        fit_thinking(&mut request, &mut fit);
    }
    let (system, messages) = conversation(&request.messages, &mut fit)?;

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
    set("tools", tools(&request.tools, &mut fit)?);
    set("tool_choice", tool_choice(&request));
    let mut output = JsonMap::new();
    if let Some(format) = output_format(&request, &mut fit)? {
        output.insert("format".to_owned(), format);
    }
    if let Some(effort) = effort {
        output.insert("effort".to_owned(), json!(effort.as_str()));
    }
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
        adapted: fit.adapted,
    })
}

/// Loses what the format has no equal for, and brings the temperature into its range.
fn fit_sampling(request: &mut Cow<'_, ChatRequest>, fit: &mut Fit) -> Result<(), Failure> {
    let absent = [
        ("seed", request.seed.is_some()),
        ("frequency_penalty", request.frequency_penalty.is_some()),
        ("presence_penalty", request.presence_penalty.is_some()),
    ];
    for (field, _) in absent.iter().filter(|(_, given)| *given) {
        fit.lose(field, "the Messages API has no such parameter")?;
    }
    if let Some(temperature) = request.temperature.filter(|temperature| *temperature > 1.0) {
        fit.note(format!(
            "temperature: {temperature} lowered to 1, the vendor's most"
        ));
        request.to_mut().temperature = Some(1.0);
    }
    Ok(())
}

/// Whether the `thinking` setting has the model think.
fn thinks(thinking: &Value) -> bool {
    matches!(
        thinking.get("type").and_then(Value::as_str),
        Some("enabled" | "adaptive")
    )
}

/// The vendor's rules for a thinking model: temperature 1, no `top_k`, `top_p` of 0.95 at least.
fn fit_thinking(request: &mut Cow<'_, ChatRequest>, fit: &mut Fit) {
    let refused = request.temperature.is_some_and(|t| t < 1.0)
        || request.top_k.is_some()
        || request.top_p.is_some_and(|p| p < 0.95);
    if refused {
        drop_sampling(request, "it cannot be changed while the model thinks", fit);
    }
}

fn tools(tools: &[Tool], fit: &mut Fit) -> Result<Value, Failure> {
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
            Tool::Other(own) => {
                out.push(Value::Object(own.clone()));
                continue;
            }
        };
        let mut entry = JsonMap::new();
        entry.insert("name".to_owned(), json!(function.name));
        if let Some(description) = &function.description {
            entry.insert("description".to_owned(), json!(description));
        }
        let schema = match &function.parameters {
            Some(schema) if function.strict == Some(true) => {
                schema::closed(schema, &format!("tools[{i}].function.parameters"), fit)?
            }
            Some(schema) => schema.clone(),
            None => json!({"type": "object"}),
        };
        entry.insert("input_schema".to_owned(), schema);
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

fn tool_choice(request: &ChatRequest) -> Value {
    let one_at_a_time = request.parallel_tool_calls == Some(false) && !request.tools.is_empty();
    let mut choice = match &request.tool_choice {
        None if one_at_a_time => json!({"type": "auto"}),
        None => return Value::Null,
        Some(ToolChoice::None) => return json!({"type": "none"}),
        Some(ToolChoice::Auto) => json!({"type": "auto"}),
        Some(ToolChoice::Required) => json!({"type": "any"}),
        Some(ToolChoice::Function(name)) => json!({"type": "tool", "name": name}),
        Some(ToolChoice::Other(own)) => Value::Object(own.clone()),
    };
    if let (true, Some(choice)) = (one_at_a_time, choice.as_object_mut()) {
        choice.insert("disable_parallel_tool_use".to_owned(), json!(true));
    }
    choice
}

fn output_format(request: &ChatRequest, fit: &mut Fit) -> Result<Option<Value>, Failure> {
    const NO_SCHEMA: &str = "the Messages API has no JSON mode without a schema";
    match &request.response_format {
        None | Some(ResponseFormat::Text) => Ok(None),
        Some(ResponseFormat::Other(own)) => Ok(Some(Value::Object(own.clone()))),
        Some(ResponseFormat::JsonObject) => {
            fit.lose("response_format", NO_SCHEMA)?;
            Ok(None)
        }
        Some(ResponseFormat::JsonSchema { json_schema }) => {
            if json_schema.description.is_some() {
                fit.note("response_format.json_schema.description: left out; the vendor has no place for it");
            }
            let at = "response_format.json_schema.schema";
            match &json_schema.schema {
                Some(schema) => {
                    let schema = schema::closed(schema, at, fit)?;
                    Ok(Some(json!({"type": "json_schema", "schema": schema})))
                }
                None => {
                    fit.lose(at, NO_SCHEMA)?;
                    Ok(None)
                }
            }
        }
    }
}

/// The `thinking` setting, and the level for `output_config.effort`.
fn thinking(
    request: &ChatRequest,
    reasoning: Reasoning,
    max_tokens: u32,
    fit: &mut Fit,
) -> Result<(Value, Option<ReasoningEffort>), Failure> {
    let forced = matches!(
        request.tool_choice,
        Some(ToolChoice::Required | ToolChoice::Function(_))
    );
    let Some(effort) = request.reasoning_effort else {
        return Ok((Value::Null, None));
    };
    if effort == ReasoningEffort::None {
        return Ok((json!({"type": "disabled"}), None));
    }
    if reasoning == Reasoning::Budget {
        let hindrance = if forced {
            Some("the model cannot think while a call is forced")
        } else if max_tokens <= MIN_BUDGET {
            Some("thinking needs `max_tokens` of more than 1024")
        } else {
            None
        };
        if let Some(why) = hindrance {
            fit.lose("reasoning_effort", why)?;
            return Ok((Value::Null, None));
        }
        let tokens = budget(effort, max_tokens, fit);
        return Ok((json!({"type": "enabled", "budget_tokens": tokens}), None));
    }
    let level = nearest(effort, &LEVELS, fit)?;
    if forced {
        // Effort bounds the whole answer and stands without thinking, which a forced call rules out.
        fit.note("reasoning_effort: without thinking, since a tool call is forced");
        return Ok((Value::Null, level));
    }
    Ok((json!({"type": "adaptive"}), level))
}

/// Tokens of thinking for a level: 1024, 2048, 8192, 16384, 24576 and 32000, and at most three quarters of
/// `max_tokens`, so that an answer fits too.
fn budget(effort: ReasoningEffort, max_tokens: u32, fit: &mut Fit) -> u32 {
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
        fit.note(format!(
            "reasoning_effort: {most} tokens of thinking instead of {wanted}, to leave room for an answer in max_tokens"
        ));
    }
    wanted.min(most)
}
