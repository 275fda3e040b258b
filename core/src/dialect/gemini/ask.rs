//! A client's request: path and body → our words. What they do not cover is kept for targets of this format. Names are
//! read in camel case and in snake case, as the vendor reads them.

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::contents::{Contents, read_parts};
use crate::dialect::Asked;
use crate::dialect::asked::{Fields, wrong};
use crate::dialect::capabilities::level_of_budget;
use crate::dialect::foreign::marked;
use crate::dialect::schema::{from_open_api, is_strict};
use crate::types::{
    ChatRequest, DialectId, Failure, FunctionTool, JsonMap, JsonSchema, Message, ReasoningEffort,
    ResponseFormat, Role, Stop, Tool, ToolChoice,
};

/// The name the format has none for, and OpenAI wants.
const SCHEMA_NAME: &str = "response";

pub(super) fn ask(path: &str, body: &[u8]) -> Result<Asked, Failure> {
    let (model, stream) = addressed(path)?;
    let mut fields = Fields::of_body(body)?;
    let mut request = ChatRequest::default();
    let mut left = JsonMap::new();
    if let Some(said) = fields.take("systemInstruction") {
        let mut system = Message::new(Role::System, "");
        system.content = read_parts(said, "systemInstruction")?;
        request.messages.push(system);
    }
    let contents = match fields.take("contents") {
        Some(Value::Array(contents)) => contents,
        Some(one) => vec![one],
        None => Vec::new(),
    };
    let mut turns = Contents::default();
    for (i, content) in contents.into_iter().enumerate() {
        turns.read(content, &format!("contents[{i}]"))?;
    }
    request.messages.extend(turns.messages);
    for (i, tool) in fields.list("tools")?.into_iter().enumerate() {
        tools(tool, &format!("tools[{i}]"), &mut request.tools)?;
    }
    let mut config = fields.object("toolConfig")?;
    tool_choice(&mut config, &mut request)?;
    keep(&mut left, "toolConfig", config.rest());
    let config = fields.object("generationConfig")?;
    keep(&mut left, "generationConfig", settings(config, &mut request)?);
    left.extend(fields.rest());
    if !left.is_empty() {
        let name = DialectId::Gemini.as_str().to_owned();
        request.provider_options.insert(name, left);
    }
    if request.messages.is_empty() {
        return Err(wrong("contents", "the Gemini API needs one at least"));
    }
    Ok(Asked {
        request,
        model,
        stream,
    })
}

fn keep(left: &mut JsonMap, name: &str, fields: JsonMap) {
    if !fields.is_empty() {
        left.insert(name.to_owned(), Value::Object(fields));
    }
}

/// The model and whether to stream, which this format says in the path: `…/models/{model}:{method}`.
fn addressed(path: &str) -> Result<(Option<String>, bool), Failure> {
    let last = path.rsplit('/').next().unwrap_or_default();
    let (model, method) = last
        .rsplit_once(':')
        .ok_or_else(|| wrong("path", "expected `models/{model}:generateContent`"))?;
    let stream = match method {
        "generateContent" => false,
        "streamGenerateContent" => true,
        _ => {
            return Err(wrong(
                "path",
                "expected the method `generateContent` or `streamGenerateContent`",
            ));
        }
    };
    let model = percent_decode_str(model).decode_utf8_lossy().into_owned();
    Ok(((!model.is_empty()).then_some(model), stream))
}

/// The functions of one entry, and what else it holds as a tool of the vendor's own each.
fn tools(tool: Value, at: &str, out: &mut Vec<Tool>) -> Result<(), Failure> {
    let mut fields = Fields::of(tool, at)?;
    for (j, declared) in fields.list("functionDeclarations")?.into_iter().enumerate() {
        out.push(function(declared, &format!("{at}.functionDeclarations[{j}]"))?);
    }
    for (name, value) in fields.rest() {
        let own = JsonMap::from_iter([(name, value)]);
        out.push(Tool::Other(marked(DialectId::Gemini, own)));
    }
    Ok(())
}

fn function(declared: Value, at: &str) -> Result<Tool, Failure> {
    let mut fields = Fields::of(declared.clone(), at)?;
    let name = fields
        .read("name")?
        .ok_or_else(|| wrong(&format!("{at}.name"), "a function needs a name"))?;
    let description = fields.read("description")?;
    let parameters = match (fields.take("parametersJsonSchema"), fields.take("parameters")) {
        (Some(schema), _) => Some(schema),
        (None, Some(schema)) => Some(from_open_api(&schema)),
        (None, None) => None,
    };
    if !fields.is_empty() {
        let own = JsonMap::from_iter([("functionDeclarations".to_owned(), json!([declared]))]);
        return Ok(Tool::Other(marked(DialectId::Gemini, own)));
    }
    Ok(Tool::Function {
        function: FunctionTool {
            name,
            description,
            parameters,
            strict: None,
        },
        cache_control: None,
    })
}

fn tool_choice(config: &mut Fields, request: &mut ChatRequest) -> Result<(), Failure> {
    let at = config.at("functionCallingConfig");
    let Some(choice) = config.take("functionCallingConfig") else {
        return Ok(());
    };
    let mut fields = Fields::of(choice.clone(), &at)?;
    let mode: String = fields.read("mode")?.unwrap_or_default();
    let mut names: Vec<String> = fields.read("allowedFunctionNames")?.unwrap_or_default();
    let only = names.pop().filter(|_| names.is_empty());
    request.tool_choice = match (mode.as_str(), only, fields.is_empty()) {
        ("" | "MODE_UNSPECIFIED", None, true) if names.is_empty() => None,
        ("AUTO", None, true) if names.is_empty() => Some(ToolChoice::Auto),
        ("NONE", None, true) if names.is_empty() => Some(ToolChoice::None),
        ("ANY", None, true) if names.is_empty() => Some(ToolChoice::Required),
        ("ANY", Some(name), true) => Some(ToolChoice::Function(name)),
        ("VALIDATED", None, true) if names.is_empty() => {
            for tool in &mut request.tools {
                if let Tool::Function { function, .. } = tool {
                    function.strict = Some(true);
                }
            }
            None
        }
        _ => match choice {
            Value::Object(map) => Some(ToolChoice::Other(marked(DialectId::Gemini, map))),
            _ => None,
        },
    };
    Ok(())
}

/// `generationConfig`; gives what our words do not cover.
fn settings(mut config: Fields, request: &mut ChatRequest) -> Result<JsonMap, Failure> {
    request.max_tokens = config.read("maxOutputTokens")?;
    request.temperature = config.read("temperature")?;
    request.top_p = config.read("topP")?;
    request.top_k = match config.read::<f64>("topK")? {
        Some(k) if k >= 0.0 && k <= f64::from(u32::MAX) && k.fract() == 0.0 => {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "just checked"
            )]
            let k = k as u32;
            Some(k)
        }
        Some(_) => return Err(wrong("generationConfig.topK", "expected a whole number")),
        None => None,
    };
    request.stop = config.read("stopSequences")?.map(Stop::Many);
    request.seed = config.read("seed")?;
    request.frequency_penalty = config.read("frequencyPenalty")?;
    request.presence_penalty = config.read("presencePenalty")?;
    let mut left = JsonMap::new();
    let thinking = config.object("thinkingConfig")?;
    keep(&mut left, "thinkingConfig", effort(thinking, request)?);
    response_format(&mut config, request)?;
    // What is asked for anyway.
    if config.word("responseMimeType") == Some("text/plain") {
        config.take("responseMimeType");
    }
    left.extend(config.rest());
    Ok(left)
}

fn response_format(config: &mut Fields, request: &mut ChatRequest) -> Result<(), Failure> {
    if config.word("responseMimeType") != Some("application/json") {
        if config.has("responseSchema") || config.has("responseJsonSchema") {
            // An enum of words, which the vendor alone has.
            let mut own = JsonMap::new();
            for name in ["responseMimeType", "responseSchema", "responseJsonSchema"] {
                if let Some(value) = config.take(name) {
                    own.insert(name.to_owned(), value);
                }
            }
            request.response_format = Some(ResponseFormat::Other(marked(DialectId::Gemini, own)));
        }
        return Ok(());
    }
    config.take("responseMimeType");
    let schema = match (config.take("responseJsonSchema"), config.take("responseSchema")) {
        (Some(schema), _) => Some(schema),
        (None, Some(schema)) => Some(from_open_api(&schema)),
        (None, None) => None,
    };
    request.response_format = Some(match schema {
        None => ResponseFormat::JsonObject,
        Some(schema) => ResponseFormat::JsonSchema {
            json_schema: JsonSchema {
                name: SCHEMA_NAME.to_owned(),
                description: None,
                // The vendor always keeps to it; OpenAI does so for schemas of a stricter form only.
                strict: is_strict(&schema).then_some(true),
                schema: Some(schema),
            },
        },
    });
    Ok(())
}

/// `thinkingConfig`: a level is an effort; a budget is kept beside the nearest one, and stands in its place at targets of
/// this format.
fn effort(mut thinking: Fields, request: &mut ChatRequest) -> Result<JsonMap, Failure> {
    let budget: Option<i64> = thinking.read("thinkingBudget")?;
    let level: Option<String> = thinking.read("thinkingLevel")?;
    let mut left = thinking.rest();
    request.reasoning_effort = match (budget, level.as_deref()) {
        (None, None) => None,
        (None, Some(level)) => {
            let word = level.to_ascii_lowercase();
            let known = serde_json::from_value::<ReasoningEffort>(Value::from(word)).ok();
            if known.is_none() {
                left.insert("thinkingLevel".to_owned(), Value::from(level));
            }
            known
        }
        (Some(0), _) => Some(ReasoningEffort::None),
        (Some(budget), _) => {
            left.insert("thinkingBudget".to_owned(), Value::from(budget));
            left.insert("thinkingLevel".to_owned(), json!(level));
            // -1 leaves it to the model.
            u64::try_from(budget).ok().map(level_of_budget)
        }
    };
    Ok(left)
}
