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
    ChatRequest, DialectId, Failure, FunctionTool, JsonMap, ReasoningEffort, ResponseFormat, Stop, ToolChoice,
};

pub(super) fn encode(call: &Call<'_>) -> Result<Encoded, Failure> {
    let request = call.request;
    let mut fit = Fit::new(call.lossy);
    lose_settings(request, API, &mut fit)?;
    if has_cache_marks(request) {
        fit.note("cache_control: left out; the server caches by itself");
    }
    let mut body = JsonMap::new();
    body.insert("model".to_owned(), json!(call.model));
    body.insert(
        "messages".to_owned(),
        Value::Array(conversation(&request.messages, &mut fit)?),
    );
    let tools = tools(request, &mut fit)?;
    if !tools.is_empty() {
        body.insert("tools".to_owned(), Value::Array(tools));
    }
    let settings = [
        ("format", "response_format", format(request, &mut fit)?),
        ("think", "reasoning_effort", think(call, &mut fit)?),
    ];
    for (name, field, value) in settings {
        let value = fit_setting(call, field, value, &mut fit)?;
        if !value.is_null() {
            body.insert(name.to_owned(), value);
        }
    }
    let options = options(call, &mut fit)?;
    if !options.is_empty() {
        body.insert("options".to_owned(), Value::Object(options));
    }
    if request.user.is_some() {
        fit.note("user: left out; the Ollama API has no place for it");
    }
    lay_fixed(call, &mut body);
    apply_provider_options(call, DialectId::OllamaChat, &mut body);
    // Ours to say, whatever the options hold: it decides how the reply is read. The server streams unless told not to.
    body.insert("stream".to_owned(), json!(call.stream));
    Ok(Encoded {
        path: path(call, "/api/chat"),
        headers: Vec::new(),
        body: Bytes::from(Value::Object(body).to_string()),
        adapted: fit.adapted,
    })
}

fn options(call: &Call<'_>, fit: &mut Fit) -> Result<JsonMap, Failure> {
    let request = call.request;
    let settings = [
        ("num_predict", "max_tokens", json!(request.max_tokens)),
        ("temperature", "temperature", json!(request.temperature)),
        ("top_p", "top_p", json!(request.top_p)),
        ("top_k", "top_k", json!(request.top_k)),
        ("stop", "stop", json!(request.stop.as_ref().map(Stop::texts))),
        ("seed", "seed", json!(request.seed)),
        (
            "frequency_penalty",
            "frequency_penalty",
            json!(request.frequency_penalty),
        ),
        (
            "presence_penalty",
            "presence_penalty",
            json!(request.presence_penalty),
        ),
    ];
    let mut options = JsonMap::new();
    for (name, field, value) in settings {
        let value = fit_setting(call, field, value, fit)?;
        if !value.is_null() {
            options.insert(name.to_owned(), value);
        }
    }
    Ok(options)
}

fn tools(request: &ChatRequest, fit: &mut Fit) -> Result<Vec<Value>, Failure> {
    let mut out = Vec::with_capacity(request.tools.len());
    for (i, entry) in request.tools.iter().enumerate() {
        if let Some(function) = fit_tool(i, entry, fit)? {
            if function.strict == Some(true) {
                fit.lose(
                    &format!("tools[{i}].function.strict"),
                    "the Ollama API does not hold arguments to a schema",
                )?;
            }
            out.push(tool(function));
        }
    }
    if request.parallel_tool_calls == Some(false) && !out.is_empty() {
        fit.lose(
            "parallel_tool_calls",
            "the Ollama API cannot keep the model from making several calls at once",
        )?;
    }
    match &request.tool_choice {
        None | Some(ToolChoice::Auto) => {}
        Some(ToolChoice::None) if out.is_empty() => {}
        Some(ToolChoice::None) => {
            fit.note("tools: left out, since the server has no other way to forbid calls");
            out.clear();
        }
        Some(ToolChoice::Required | ToolChoice::Function(_)) => {
            fit.lose("tool_choice", "the Ollama API cannot force a call")?;
        }
        Some(ToolChoice::Other(_)) => {
            fit.lose("tool_choice", "the Ollama API takes auto and none only")?;
        }
    }
    Ok(out)
}

fn tool(function: &FunctionTool) -> Value {
    let mut entry = JsonMap::new();
    entry.insert("name".to_owned(), json!(function.name));
    if let Some(description) = &function.description {
        entry.insert("description".to_owned(), json!(description));
    }
    if let Some(schema) = &function.parameters {
        entry.insert("parameters".to_owned(), schema.clone());
    }
    json!({"type": "function", "function": entry})
}

fn format(request: &ChatRequest, fit: &mut Fit) -> Result<Value, Failure> {
    Ok(match &request.response_format {
        None | Some(ResponseFormat::Text) => Value::Null,
        Some(ResponseFormat::JsonObject) => json!("json"),
        Some(ResponseFormat::JsonSchema { json_schema }) => {
            if json_schema.description.is_some() {
                fit.note("response_format.json_schema.description: left out");
            }
            json_schema.schema.clone().unwrap_or_else(|| json!("json"))
        }
        Some(ResponseFormat::Other(_)) => {
            fit.lose(
                "response_format",
                "its type, or a field of it, is not known, so it cannot be translated",
            )?;
            Value::Null
        }
    })
}

/// Most models that think can be told to or not to; those known to take a level (gpt-oss) take three of them, and cannot
/// be kept from it. A level at a model that takes none is refused by the server.
fn think(call: &Call<'_>, fit: &mut Fit) -> Result<Value, Failure> {
    use ReasoningEffort as E;
    let Some(effort) = call.request.reasoning_effort else {
        return Ok(Value::Null);
    };
    let reasoning = call.facts.map(|facts| facts.reasoning).unwrap_or_default();
    Ok(match (reasoning, effort) {
        (Reasoning::None, E::None) => Value::Null,
        (Reasoning::None, _) => {
            fit.lose("reasoning_effort", "the model does not reason")?;
            Value::Null
        }
        (Reasoning::Effort, E::None) => {
            fit.lose(
                "reasoning_effort",
                "the model cannot stop thinking; its least is low",
            )?;
            Value::Null
        }
        (Reasoning::Effort, E::Low | E::Medium | E::High) => json!(effort.as_str()),
        (Reasoning::Effort, E::Minimal) => {
            fit.note("reasoning_effort: minimal is sent as low, the vendor's least");
            json!("low")
        }
        (Reasoning::Effort, E::Xhigh | E::Max) => {
            fit.note(format!(
                "reasoning_effort: {} is sent as high, the vendor's most",
                effort.as_str()
            ));
            json!("high")
        }
        (_, E::None) => json!(false),
        (_, level) => {
            if level != E::Medium {
                fit.note(format!(
                    "reasoning_effort: {} is sent as thinking without a level",
                    level.as_str()
                ));
            }
            json!(true)
        }
    })
}
