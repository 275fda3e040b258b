//! Request → path and body: the settings. The conversation is [`super::messages`]'s.

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::messages::{API, conversation};
use crate::catalog::Reasoning;
use crate::dialect::foreign::{note_hints, refuse_settings, refuse_tool};
use crate::dialect::options::apply_provider_options;
use crate::dialect::{Call, Encoded};
use crate::types::{
    ChatRequest, DialectId, Failure, JsonMap, ReasoningEffort, ResponseFormat, Stop, Tool, ToolChoice,
};

/// All but RFC 3986's unreserved characters.
pub(crate) const PATH_PART: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The vendor's limit.
const MAX_STOPS: usize = 5;

pub(super) fn encode(call: &Call<'_>) -> Result<Encoded, Failure> {
    let request = call.request;
    let mut adapted = Vec::new();
    refuse(request)?;
    refuse_settings(call, API)?;
    note_hints(request, &mut adapted);
    let (system, contents) = conversation(call, &mut adapted)?;
    let config = generation_config(call, &mut adapted)?;

    let mut body = JsonMap::new();
    if !system.is_empty() {
        body.insert("systemInstruction".to_owned(), json!({"parts": system}));
    }
    body.insert("contents".to_owned(), Value::Array(contents));
    if !request.tools.is_empty() {
        let declarations = declarations(&request.tools)?;
        body.insert(
            "tools".to_owned(),
            json!([{"functionDeclarations": declarations}]),
        );
    }
    if let Some(calling) = calling_config(request)? {
        body.insert("toolConfig".to_owned(), json!({"functionCallingConfig": calling}));
    }
    if !config.is_empty() {
        body.insert("generationConfig".to_owned(), Value::Object(config));
    }
    if request.user.is_some() {
        adapted.push("user: left out; the Gemini API has no place for it".to_owned());
    }
    apply_provider_options(call, DialectId::Gemini, &mut body);

    let model = utf8_percent_encode(call.model, PATH_PART);
    let method = if call.stream {
        "streamGenerateContent?alt=sse"
    } else {
        "generateContent"
    };
    Ok(Encoded {
        path: format!("/models/{model}:{method}"),
        headers: Vec::new(),
        body: Bytes::from(Value::Object(body).to_string()),
        adapted,
    })
}

/// Refuses what the format has no equal for.
fn refuse(request: &ChatRequest) -> Result<(), Failure> {
    if request.parallel_tool_calls == Some(false) && !request.tools.is_empty() {
        return Err(Failure::unsupported(
            "parallel_tool_calls",
            "the Gemini API cannot keep the model from making several calls at once",
        ));
    }
    if request
        .stop
        .as_ref()
        .is_some_and(|stop| stop.texts().len() > MAX_STOPS)
    {
        return Err(Failure::unsupported(
            "stop",
            "the Gemini API takes 5 texts at most",
        ));
    }
    if request.seed.is_some_and(|seed| i32::try_from(seed).is_err()) {
        return Err(Failure::unsupported("seed", "the Gemini API takes 32 bits"));
    }
    Ok(())
}

/// Schemas go as `parametersJsonSchema`, which takes JSON Schema as people and libraries write it. The older
/// `parameters` is a subset of OpenAPI 3.0 that refuses `$ref`, `additionalProperties`, `const` and empty objects.
fn declarations(tools: &[Tool]) -> Result<Vec<Value>, Failure> {
    let declaration = |(i, tool): (usize, &Tool)| {
        let function = match tool {
            Tool::Function { function, .. } => function,
            Tool::Other(other) => return Err(refuse_tool(i, other)),
        };
        let mut entry = JsonMap::new();
        entry.insert("name".to_owned(), json!(function.name));
        if let Some(description) = &function.description {
            entry.insert("description".to_owned(), json!(description));
        }
        if let Some(schema) = &function.parameters {
            entry.insert("parametersJsonSchema".to_owned(), schema.clone());
        }
        Ok(Value::Object(entry))
    };
    tools.iter().enumerate().map(declaration).collect()
}

/// `functionCallingConfig`. A strict tool asks for arguments that match its schema: `ANY` promises that by itself, and
/// `VALIDATED` is `AUTO` with that promise.
fn calling_config(request: &ChatRequest) -> Result<Option<Value>, Failure> {
    let strict = request.tools.iter().any(|tool| match tool {
        Tool::Function { function, .. } => function.strict == Some(true),
        Tool::Other(_) => false,
    });
    Ok(match &request.tool_choice {
        None | Some(ToolChoice::Auto) if strict => Some(json!({"mode": "VALIDATED"})),
        None => None,
        Some(ToolChoice::Auto) => Some(json!({"mode": "AUTO"})),
        Some(ToolChoice::None) => Some(json!({"mode": "NONE"})),
        Some(ToolChoice::Required) => Some(json!({"mode": "ANY"})),
        Some(ToolChoice::Function(name)) => Some(json!({"mode": "ANY", "allowedFunctionNames": [name]})),
        Some(ToolChoice::Other(_)) => {
            return Err(Failure::unsupported(
                "tool_choice",
                "the Gemini API takes auto, none, required or one function",
            ));
        }
    })
}

fn generation_config(call: &Call<'_>, adapted: &mut Vec<String>) -> Result<JsonMap, Failure> {
    let request = call.request;
    let mut config = JsonMap::new();
    let mut set = |key: &str, value: Value| {
        if !value.is_null() {
            config.insert(key.to_owned(), value);
        }
    };
    set("maxOutputTokens", json!(request.max_tokens));
    set("temperature", json!(request.temperature));
    set("topP", json!(request.top_p));
    set("topK", json!(request.top_k));
    set("stopSequences", json!(request.stop.as_ref().map(Stop::texts)));
    set("seed", json!(request.seed));
    set("frequencyPenalty", json!(request.frequency_penalty));
    set("presencePenalty", json!(request.presence_penalty));
    match &request.response_format {
        None | Some(ResponseFormat::Text) => {}
        Some(ResponseFormat::Other(_)) => {
            return Err(Failure::unsupported(
                "response_format",
                "its type, or a field of it, is not known, so it cannot be translated",
            ));
        }
        Some(ResponseFormat::JsonObject) => set("responseMimeType", json!("application/json")),
        Some(ResponseFormat::JsonSchema { json_schema }) => {
            set("responseMimeType", json!("application/json"));
            set("responseJsonSchema", json!(json_schema.schema));
        }
    }
    if let Some(effort) = request.reasoning_effort {
        let reasoning = call.facts.map(|facts| facts.reasoning).unwrap_or_default();
        set("thinkingConfig", thinking(effort, reasoning, adapted)?);
    }
    Ok(config)
}

/// A level, or for models that count tokens the budget Google's own OpenAI-compatible API gives a level: 1024, 8192
/// or 24576 tokens. A budget of 0 turns thinking off; levels cannot.
fn thinking(
    effort: ReasoningEffort,
    reasoning: Reasoning,
    adapted: &mut Vec<String>,
) -> Result<Value, Failure> {
    use ReasoningEffort as E;
    Ok(match (reasoning, effort) {
        (Reasoning::None, E::None) => Value::Null,
        (Reasoning::None, _) => {
            return Err(Failure::unsupported(
                "reasoning_effort",
                "the model does not reason",
            ));
        }
        (Reasoning::Budget, E::None) => json!({"thinkingBudget": 0}),
        (Reasoning::Budget, E::Minimal | E::Low) => json!({"thinkingBudget": 1024}),
        (Reasoning::Budget, E::Medium) => json!({"thinkingBudget": 8192}),
        (Reasoning::Budget, E::High | E::Xhigh | E::Max) => json!({"thinkingBudget": 24_576}),
        (Reasoning::Effort | Reasoning::Unknown, E::None) => {
            return Err(Failure::unsupported(
                "reasoning_effort",
                "the model cannot stop thinking; its least is minimal",
            ));
        }
        (Reasoning::Effort | Reasoning::Unknown, E::Max) => {
            adapted.push("reasoning_effort: max is sent as xhigh, the vendor's most".to_owned());
            json!({"thinkingLevel": "XHIGH"})
        }
        (Reasoning::Effort | Reasoning::Unknown, level) => {
            json!({"thinkingLevel": level.as_str().to_ascii_uppercase()})
        }
    })
}
