//! Request → path and body: the settings. The conversation is [`super::messages`]'s.

use bytes::Bytes;
use serde_json::{Value, json};

use super::messages::{API, conversation};
use crate::catalog::Reasoning;
use crate::dialect::capabilities::nearest;
use crate::dialect::fit::Fit;
use crate::dialect::foreign::{lose_settings, note_hints};
use crate::dialect::options::apply_provider_options;
use crate::dialect::schema::read_by_gemini;
use crate::dialect::vendor::{filled, lay_fixed, path, taken};
use crate::dialect::{Call, Encoded};
use crate::types::{
    ChatRequest, DialectId, Failure, JsonMap, ReasoningEffort, ResponseFormat, Stop, Tool, ToolChoice,
};

/// The vendor's limit.
const MAX_STOPS: usize = 5;

/// The levels of `thinkingLevel`.
const LEVELS: [ReasoningEffort; 5] = [
    ReasoningEffort::Minimal,
    ReasoningEffort::Low,
    ReasoningEffort::Medium,
    ReasoningEffort::High,
    ReasoningEffort::Xhigh,
];

pub(super) fn encode(call: &Call<'_>) -> Result<Encoded, Failure> {
    let mut fit = Fit::new(call.lossy);
    let taken = taken(call, &mut fit)?;
    let call = &Call {
        request: &taken,
        ..*call
    };
    let request = call.request;
    lose_settings(request, API, &mut fit)?;
    note_hints(request, &mut fit);
    let (system, contents) = conversation(call, &mut fit)?;
    let config = generation_config(call, &mut fit)?;

    let mut body = JsonMap::new();
    if !system.is_empty() {
        body.insert("systemInstruction".to_owned(), json!({"parts": system}));
    }
    body.insert("contents".to_owned(), Value::Array(contents));
    if !request.tools.is_empty() {
        body.insert("tools".to_owned(), Value::Array(tools(&request.tools, &mut fit)));
    }
    if request.parallel_tool_calls == Some(false) && !request.tools.is_empty() {
        fit.lose(
            "parallel_tool_calls",
            "the Gemini API cannot keep the model from making several calls at once",
        )?;
    }
    if let Some(calling) = calling_config(request, &mut fit) {
        body.insert("toolConfig".to_owned(), json!({"functionCallingConfig": calling}));
    }
    if !config.is_empty() {
        body.insert("generationConfig".to_owned(), Value::Object(config));
    }
    if request.user.is_some() {
        fit.note("user: left out; the Gemini API has no place for it");
    }
    lay_fixed(call, &mut body);
    apply_provider_options(call, DialectId::Gemini, &mut body);

    let usual = if call.stream {
        "/models/{model}:streamGenerateContent?alt=sse"
    } else {
        "/models/{model}:generateContent"
    };
    Ok(Encoded {
        path: path(call, &filled(usual, call.model)),
        headers: Vec::new(),
        body: Bytes::from(Value::Object(body).to_string()),
        adapted: fit.adapted,
    })
}

/// Schemas go as `parametersJsonSchema`, which takes JSON Schema as people and libraries write it. The older
/// `parameters` is a subset of OpenAPI 3.0 that refuses `$ref`, `additionalProperties`, `const` and empty objects.
fn tools(tools: &[Tool], fit: &mut Fit) -> Vec<Value> {
    let mut declarations = Vec::with_capacity(tools.len());
    let mut others = Vec::new();
    let mut place = 0;
    for (i, tool) in tools.iter().enumerate() {
        let function = match tool {
            Tool::Function { function, .. } => function,
            Tool::Other(own) => {
                others.push(Value::Object(own.clone()));
                if declarations.is_empty() {
                    place = others.len();
                }
                continue;
            }
        };
        let mut entry = JsonMap::new();
        entry.insert("name".to_owned(), json!(function.name));
        if let Some(description) = &function.description {
            entry.insert("description".to_owned(), json!(description));
        }
        if let Some(schema) = &function.parameters {
            let at = format!("tools[{i}].function.parameters");
            let schema = read_by_gemini(schema, &at, fit);
            entry.insert("parametersJsonSchema".to_owned(), schema);
        }
        declarations.push(Value::Object(entry));
    }
    if !declarations.is_empty() {
        others.insert(place, json!({"functionDeclarations": declarations}));
    }
    others
}

/// `functionCallingConfig`. A strict tool asks for arguments that match its schema: `ANY` promises that by itself, in
/// `NONE` there are none, and `VALIDATED` is `AUTO` with that promise, for all tools alike.
fn calling_config(request: &ChatRequest, fit: &mut Fit) -> Option<Value> {
    let strict =
        |tool: &Tool| matches!(tool, Tool::Function { function, .. } if function.strict == Some(true));
    let any_strict = request.tools.iter().any(strict);
    let mode = match &request.tool_choice {
        None | Some(ToolChoice::Auto) if any_strict => {
            if !request.tools.iter().all(strict) {
                fit.note("tools: all are strict, since one is");
            }
            return Some(json!({"mode": "VALIDATED"}));
        }
        None => return None,
        Some(ToolChoice::Other(own)) => Value::Object(own.clone()),
        Some(ToolChoice::Auto) => json!({"mode": "AUTO"}),
        Some(ToolChoice::None) => json!({"mode": "NONE"}),
        Some(ToolChoice::Required) => json!({"mode": "ANY"}),
        Some(ToolChoice::Function(name)) => json!({"mode": "ANY", "allowedFunctionNames": [name]}),
    };
    if any_strict {
        fit.note("tools: strict left out, which only mode VALIDATED says");
    }
    Some(mode)
}

fn generation_config(call: &Call<'_>, fit: &mut Fit) -> Result<JsonMap, Failure> {
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
    if let Some(stops) = request.stop.as_ref().map(Stop::texts) {
        if stops.len() > MAX_STOPS {
            fit.lose("stop", "the Gemini API takes 5 texts at most; the first 5 count")?;
        }
        set("stopSequences", json!(stops.get(..MAX_STOPS).unwrap_or(stops)));
    }
    match request.seed.map(i32::try_from) {
        Some(Ok(seed)) => set("seed", json!(seed)),
        Some(Err(_)) => fit.lose("seed", "the Gemini API takes 32 bits")?,
        None => {}
    }
    set("frequencyPenalty", json!(request.frequency_penalty));
    set("presencePenalty", json!(request.presence_penalty));
    match &request.response_format {
        None | Some(ResponseFormat::Text) => {}
        Some(ResponseFormat::Other(own)) => own.iter().for_each(|(key, value)| set(key, value.clone())),
        Some(ResponseFormat::JsonObject) => set("responseMimeType", json!("application/json")),
        Some(ResponseFormat::JsonSchema { json_schema }) => {
            if json_schema.description.is_some() {
                fit.note("response_format.json_schema.description: left out; the vendor has no place for it");
            }
            set("responseMimeType", json!("application/json"));
            if let Some(schema) = &json_schema.schema {
                let schema = read_by_gemini(schema, "response_format.json_schema.schema", fit);
                set("responseJsonSchema", schema);
            }
        }
    }
    if let Some(effort) = request.reasoning_effort {
        let reasoning = call.facts.map(|facts| facts.reasoning).unwrap_or_default();
        set("thinkingConfig", thinking(effort, reasoning, fit)?);
    }
    Ok(config)
}

/// A level, or for models that count tokens the budget Google's own OpenAI-compatible API gives a level: 1024, 8192
/// or 24576 tokens. A budget of 0 turns thinking off; levels cannot.
fn thinking(effort: ReasoningEffort, reasoning: Reasoning, fit: &mut Fit) -> Result<Value, Failure> {
    use ReasoningEffort as E;
    let tokens = match (reasoning, effort) {
        (Reasoning::Budget | Reasoning::Unknown, E::None) => 0,
        (Reasoning::Budget, E::Minimal | E::Low) => 1024,
        (Reasoning::Budget, E::Medium) => 8192,
        (Reasoning::Budget, E::High | E::Xhigh | E::Max) => 24_576,
        _ => {
            let level = nearest(effort, &LEVELS, fit)?;
            return Ok(level.map_or(
                Value::Null,
                |level| json!({"thinkingLevel": level.as_str().to_ascii_uppercase()}),
            ));
        }
    };
    Ok(json!({"thinkingBudget": tokens}))
}
