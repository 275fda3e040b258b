//! Request → body: the settings. The conversation is [`super::messages`]'s.

use bytes::Bytes;
use serde_json::{Value, json};

use super::messages::{API, conversation};
use crate::catalog::Reasoning;
use crate::dialect::fit::Fit;
use crate::dialect::foreign::{fit_setting, fit_tool, has_cache_marks, lose_settings};
use crate::dialect::options::apply_provider_options;
use crate::dialect::vendor::{lay_fixed, path};
use crate::dialect::{Call, Encoded};
use crate::types::{
    ChatRequest, DialectId, Failure, FunctionTool, JsonMap, ReasoningEffort, ResponseFormat, ToolChoice,
};

/// The vendor's limits.
const MAX_STOPS: usize = 5;
const MIN_P: f64 = 0.01;
const MAX_P: f64 = 0.99;
const MAX_K: u32 = 500;

/// Tokens of thinking for the levels that have a bound, the least first. The vendor counts tokens and has no levels.
pub(super) const BUDGETS: [(ReasoningEffort, u32); 3] = [
    (ReasoningEffort::Minimal, 1024),
    (ReasoningEffort::Low, 2048),
    (ReasoningEffort::Medium, 8192),
];

pub(super) fn encode(call: &Call<'_>) -> Result<Encoded, Failure> {
    let request = call.request;
    let mut fit = Fit::new(call.lossy);
    lose_settings(request, API, &mut fit)?;
    if has_cache_marks(request) {
        fit.note("cache_control: left out; the vendor caches by itself");
    }
    let mut body = JsonMap::new();
    body.insert("model".to_owned(), json!(call.model));
    body.insert(
        "messages".to_owned(),
        Value::Array(conversation(&request.messages, &mut fit)?),
    );
    let settings = [
        ("max_tokens", "max_tokens", json!(request.max_tokens)),
        ("temperature", "temperature", temperature(request, &mut fit)?),
        ("p", "top_p", top_p(request, &mut fit)),
        ("k", "top_k", top_k(request, &mut fit)),
        ("stop_sequences", "stop", stop(request, &mut fit)?),
        ("seed", "seed", seed(request, &mut fit)?),
        (
            "frequency_penalty",
            "frequency_penalty",
            penalty("frequency_penalty", request.frequency_penalty, &mut fit)?,
        ),
        (
            "presence_penalty",
            "presence_penalty",
            penalty("presence_penalty", request.presence_penalty, &mut fit)?,
        ),
        (
            "response_format",
            "response_format",
            response_format(request, &mut fit)?,
        ),
        ("thinking", "reasoning_effort", thinking(call, &mut fit)?),
    ];
    for (name, field, value) in settings {
        let value = fit_setting(call, field, value, &mut fit)?;
        if !value.is_null() {
            body.insert(name.to_owned(), value);
        }
    }
    tools(request, &mut body, &mut fit)?;
    if request.user.is_some() {
        fit.note("user: left out; the Cohere Chat API has no place for it");
    }
    lay_fixed(call, &mut body);
    apply_provider_options(call, DialectId::CohereChat, &mut body);
    // Ours to say, whatever the options hold: it decides how the reply is read.
    body.insert("stream".to_owned(), json!(call.stream));
    Ok(Encoded {
        path: path(call, "/chat"),
        headers: Vec::new(),
        body: Bytes::from(Value::Object(body).to_string()),
        adapted: fit.adapted,
    })
}

fn temperature(request: &ChatRequest, fit: &mut Fit) -> Result<Value, Failure> {
    if request.temperature.is_some_and(|temperature| temperature > 1.0) {
        fit.lose("temperature", "the Cohere Chat API takes 0 to 1")?;
        return Ok(Value::Null);
    }
    Ok(json!(request.temperature))
}

/// 1, which others take for "all tokens", is refused.
fn top_p(request: &ChatRequest, fit: &mut Fit) -> Value {
    json!(request.top_p.map(|top_p| {
        let sent = top_p.clamp(MIN_P, MAX_P);
        if (sent - top_p).abs() > f64::EPSILON {
            fit.note(format!(
                "top_p: {top_p} is sent as {sent}, the nearest the vendor takes"
            ));
        }
        sent
    }))
}

fn top_k(request: &ChatRequest, fit: &mut Fit) -> Value {
    json!(request.top_k.map(|top_k| {
        if top_k > MAX_K {
            fit.note(format!("top_k: {top_k} is sent as {MAX_K}, the vendor's most"));
        }
        top_k.min(MAX_K)
    }))
}

fn stop(request: &ChatRequest, fit: &mut Fit) -> Result<Value, Failure> {
    let Some(stop) = &request.stop else {
        return Ok(Value::Null);
    };
    let texts = stop.texts();
    if texts.len() > MAX_STOPS {
        fit.lose(
            "stop",
            "the Cohere Chat API takes 5 texts at most, and gets the first 5",
        )?;
    }
    Ok(json!(texts.iter().take(MAX_STOPS).collect::<Vec<_>>()))
}

fn seed(request: &ChatRequest, fit: &mut Fit) -> Result<Value, Failure> {
    if request.seed.is_some_and(i64::is_negative) {
        fit.lose("seed", "the Cohere Chat API takes none below 0")?;
        return Ok(Value::Null);
    }
    Ok(json!(request.seed))
}

fn penalty(field: &str, value: Option<f64>, fit: &mut Fit) -> Result<Value, Failure> {
    if value.is_some_and(|value| !(0.0..=1.0).contains(&value)) {
        fit.lose(field, "the Cohere Chat API takes 0 to 1")?;
        return Ok(Value::Null);
    }
    Ok(json!(value))
}

fn response_format(request: &ChatRequest, fit: &mut Fit) -> Result<Value, Failure> {
    let schema = match &request.response_format {
        None | Some(ResponseFormat::Text) => return Ok(Value::Null),
        Some(ResponseFormat::Other(_)) => {
            fit.lose(
                "response_format",
                "its type, or a field of it, is not known, so it cannot be translated",
            )?;
            return Ok(Value::Null);
        }
        Some(ResponseFormat::JsonObject) => None,
        Some(ResponseFormat::JsonSchema { json_schema }) => {
            if json_schema.description.is_some() {
                fit.note("response_format.json_schema.description: left out");
            }
            json_schema.schema.as_ref()
        }
    };
    if !request.tools.is_empty() {
        fit.lose(
            "response_format",
            "the Cohere Chat API takes no format beside tools",
        )?;
        return Ok(Value::Null);
    }
    Ok(match schema {
        Some(schema) => json!({"type": "json_object", "json_schema": schema}),
        None => json!({"type": "json_object"}),
    })
}

/// `tools`, `strict_tools` and `tool_choice`.
fn tools(request: &ChatRequest, body: &mut JsonMap, fit: &mut Fit) -> Result<(), Failure> {
    let mut functions = Vec::with_capacity(request.tools.len());
    for (i, tool) in request.tools.iter().enumerate() {
        functions.extend(fit_tool(i, tool, fit)?);
    }
    if request.parallel_tool_calls == Some(false) && !functions.is_empty() {
        fit.lose(
            "parallel_tool_calls",
            "the Cohere Chat API cannot keep the model from making several calls at once",
        )?;
    }
    let choice = match &request.tool_choice {
        None | Some(ToolChoice::Auto) => None,
        Some(ToolChoice::None) => Some("NONE"),
        Some(ToolChoice::Required) => Some("REQUIRED"),
        Some(ToolChoice::Function(name)) => only(name, &mut functions, fit)?,
        Some(ToolChoice::Other(_)) => {
            fit.lose(
                "tool_choice",
                "the Cohere Chat API takes auto, none, required or one function",
            )?;
            None
        }
    };
    if !functions.is_empty() {
        let tools = functions.iter().map(|function| tool(function)).collect();
        body.insert("tools".to_owned(), Value::Array(tools));
    }
    let strict = |function: &&FunctionTool| function.strict == Some(true);
    if functions.iter().any(strict) {
        if !functions.iter().all(strict) {
            fit.note("tools: all are sent as strict, since the vendor has one setting for all");
        }
        body.insert("strict_tools".to_owned(), json!(true));
    }
    if let Some(choice) = choice {
        body.insert("tool_choice".to_owned(), json!(choice));
    }
    Ok(())
}

/// A call of one function cannot be asked for by name. A call of some function can, and with this one alone to choose
/// from it is the same.
fn only(
    name: &str,
    functions: &mut Vec<&FunctionTool>,
    fit: &mut Fit,
) -> Result<Option<&'static str>, Failure> {
    if !functions.iter().any(|function| function.name == name) {
        fit.lose("tool_choice", "it names none of the tools")?;
        return Ok(None);
    }
    if functions.len() > 1 {
        fit.note(format!(
            "tool_choice: only {name} is sent, since the vendor cannot be told which tool to call"
        ));
        functions.retain(|function| function.name == name);
    }
    Ok(Some("REQUIRED"))
}

fn tool(function: &FunctionTool) -> Value {
    let mut entry = JsonMap::new();
    entry.insert("name".to_owned(), json!(function.name));
    if let Some(description) = &function.description {
        entry.insert("description".to_owned(), json!(description));
    }
    // The vendor requires a schema.
    let schema = function.parameters.clone();
    entry.insert(
        "parameters".to_owned(),
        schema.unwrap_or_else(|| json!({"type": "object", "properties": {}})),
    );
    json!({"type": "function", "function": entry})
}

/// The `thinking` setting. Models that reason do so without a bound unless told otherwise; `token_budget` bounds it.
fn thinking(call: &Call<'_>, fit: &mut Fit) -> Result<Value, Failure> {
    let Some(effort) = call.request.reasoning_effort else {
        return Ok(Value::Null);
    };
    let reasoning = call.facts.map(|facts| facts.reasoning).unwrap_or_default();
    if reasoning == Reasoning::None {
        if effort != ReasoningEffort::None {
            fit.lose("reasoning_effort", "the model does not reason")?;
        }
        return Ok(Value::Null);
    }
    if effort == ReasoningEffort::None {
        return Ok(json!({"type": "disabled"}));
    }
    let Some((_, wanted)) = BUDGETS.iter().find(|(level, _)| *level == effort) else {
        if effort != ReasoningEffort::High {
            fit.note(format!(
                "reasoning_effort: {} is sent as thinking without a bound, the vendor's most",
                effort.as_str()
            ));
        }
        return Ok(json!({"type": "enabled"}));
    };
    let most = most_thinking(call.request.max_tokens);
    if *wanted > most {
        fit.note(format!(
            "reasoning_effort: {most} tokens of thinking instead of {wanted}, to leave room for an answer in max_tokens"
        ));
    }
    Ok(json!({"type": "enabled", "token_budget": (*wanted).min(most)}))
}

/// Most tokens of thinking. They count as output, and an answer must fit too.
pub(super) fn most_thinking(max_tokens: Option<u32>) -> u32 {
    max_tokens.map_or(u32::MAX, |max| (max - max / 4).max(1))
}
