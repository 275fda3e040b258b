//! A client's request → ours.

use serde_json::{Value, json};

use super::TOOL_PLAN;
use super::decode::block;
use super::encode::{BUDGETS, most_thinking};
use crate::dialect::Asked;
use crate::dialect::asked::{Fields, wrong};
use crate::dialect::foreign::marked;
use crate::types::{
    ChatRequest, Content, DialectId, Failure, JsonMap, JsonSchema, Message, Part, PartBody, ReasoningEffort,
    ResponseFormat, Role, Stop, Tool, ToolChoice,
};

const OWN: DialectId = DialectId::CohereChat;

/// A schema has no name here, and needs one elsewhere.
const SCHEMA_NAME: &str = "response";

pub(super) fn ask(body: &[u8]) -> Result<Asked, Failure> {
    let mut fields = Fields::of_body(body)?;
    let model = fields.read("model")?;
    let stream = fields.read("stream")?.unwrap_or(false);
    let mut request = ChatRequest {
        messages: messages(&mut fields)?,
        max_tokens: fields.read("max_tokens")?,
        temperature: fields.read("temperature")?,
        top_p: fields.read("p")?,
        top_k: fields.read("k")?,
        seed: fields.read("seed")?,
        frequency_penalty: fields.read("frequency_penalty")?,
        presence_penalty: fields.read("presence_penalty")?,
        tools: tools(&mut fields)?,
        ..ChatRequest::default()
    };
    let stops: Vec<String> = fields.read("stop_sequences")?.unwrap_or_default();
    request.stop = (!stops.is_empty()).then_some(Stop::Many(stops));
    let response_format: Option<JsonMap> = fields.read("response_format")?;
    request.response_format = response_format.map(format);
    let mut own = JsonMap::new();
    if let Some(strict) = fields.read("strict_tools")? {
        set_strict(&mut request.tools, strict, &mut own);
    }
    if let Some(choice) = fields.read::<String>("tool_choice")? {
        match choice.as_str() {
            "REQUIRED" => request.tool_choice = Some(ToolChoice::Required),
            "NONE" => request.tool_choice = Some(ToolChoice::None),
            _ => {
                own.insert("tool_choice".to_owned(), json!(choice));
            }
        }
    }
    if let Some(setting) = fields.read("thinking")? {
        request.reasoning_effort = thinking(setting, request.max_tokens, &mut own)?;
    }
    own.extend(fields.rest());
    if !own.is_empty() {
        let name = OWN.as_str().to_owned();
        request.provider_options.insert(name, own);
    }
    Ok(Asked {
        request,
        model,
        stream,
    })
}

fn messages(fields: &mut Fields) -> Result<Vec<Message>, Failure> {
    let messages: Vec<Value> = fields.need("messages")?;
    if messages.is_empty() {
        return Err(wrong("messages", "it is empty"));
    }
    let read = |(i, message): (usize, Value)| {
        let mut fields = Fields::of(message, &format!("messages[{i}]"))?;
        let mut message = self::message(&mut fields)?;
        let rest = rest(&mut fields);
        if !rest.is_empty() {
            message.extra.insert(OWN.as_str().to_owned(), Value::Object(rest));
        }
        Ok(message)
    };
    messages.into_iter().enumerate().map(read).collect()
}

fn tools(fields: &mut Fields) -> Result<Vec<Tool>, Failure> {
    let mut tools: Vec<Tool> = fields.read("tools")?.unwrap_or_default();
    for tool in &mut tools {
        if let Tool::Other(map) = tool {
            *map = marked(OWN, std::mem::take(map));
        }
    }
    Ok(tools)
}

/// What a message says beside what is read; an empty list says nothing.
fn rest(fields: &mut Fields) -> JsonMap {
    let mut rest = fields.rest();
    rest.retain(|_, value| value.as_array().is_none_or(|list| !list.is_empty()));
    rest
}

fn message(fields: &mut Fields) -> Result<Message, Failure> {
    let role = fields.need("role")?;
    let mut message = Message::new(role, "");
    message.content = fields.read("content")?.unwrap_or_default();
    if let Content::Parts(parts) = &mut message.content {
        for part in parts {
            if let PartBody::Other(map) = &mut part.body {
                *map = marked(OWN, std::mem::take(map));
            }
        }
    }
    match role {
        Role::Assistant => {
            if let Content::Parts(parts) = &mut message.content {
                let thoughts = parts.extract_if(.., |part| thought(&part.body).is_some());
                message
                    .reasoning
                    .extend(thoughts.filter_map(|part| block(thought(&part.body)?.to_owned(), None)));
                // Beside thoughts a text must be a part; without them it is plain.
                match parts.as_slice() {
                    [] => message.content = Content::default(),
                    [
                        Part {
                            body: PartBody::Text { text },
                            cache_control: None,
                        },
                    ] if !message.reasoning.is_empty() => message.content = Content::Text(text.clone()),
                    _ => {}
                }
            }
            let plan = fields.read("tool_plan")?.unwrap_or_default();
            message.reasoning.extend(block(plan, Some(TOOL_PLAN)));
            message.tool_calls = fields.read("tool_calls")?.unwrap_or_default();
        }
        Role::Tool => message.tool_call_id = Some(fields.need("tool_call_id")?),
        Role::System | Role::Developer | Role::User => {}
    }
    Ok(message)
}

/// The text of a `thinking` part.
fn thought(body: &PartBody) -> Option<&str> {
    match body {
        PartBody::Other(part) if part.get("type") == Some(&json!("thinking")) => {
            part.get("thinking")?.as_str()
        }
        _ => None,
    }
}

/// One setting for all tools, where others have one each.
fn set_strict(tools: &mut [Tool], strict: bool, own: &mut JsonMap) {
    if tools.is_empty() {
        own.insert("strict_tools".to_owned(), json!(strict));
    }
    for tool in tools {
        if let Tool::Function { function, .. } = tool {
            function.strict = Some(strict);
        }
    }
}

fn format(mut map: JsonMap) -> ResponseFormat {
    map.retain(|_, value| !value.is_null());
    let kind = map.get("type").and_then(Value::as_str);
    // `schema` is what the field was called before.
    let schema = map.get("json_schema").or_else(|| map.get("schema"));
    match (kind, map.len(), schema) {
        (Some("text"), 1, _) => ResponseFormat::Text,
        (Some("json_object"), 1, _) => ResponseFormat::JsonObject,
        (Some("json_object"), 2, Some(schema)) => ResponseFormat::JsonSchema {
            json_schema: JsonSchema {
                name: SCHEMA_NAME.to_owned(),
                description: None,
                schema: Some(schema.clone()),
                strict: None,
            },
        },
        _ => ResponseFormat::Other(marked(OWN, map)),
    }
}

/// The level that comes nearest. What it does not say exactly is kept as it was for targets that speak this format.
fn thinking(
    setting: Value,
    max_tokens: Option<u32>,
    own: &mut JsonMap,
) -> Result<Option<ReasoningEffort>, Failure> {
    let mut fields = Fields::of(setting.clone(), "thinking")?;
    let kind: Option<String> = fields.read("type")?;
    let budget: Option<u32> = fields.read("token_budget")?;
    let (effort, bound) = match (kind.as_deref(), budget) {
        (Some("disabled"), _) => (Some(ReasoningEffort::None), None),
        (Some("enabled"), None) => (Some(ReasoningEffort::High), None),
        (Some("enabled"), Some(budget)) => {
            let level = BUDGETS.iter().find(|(_, bound)| budget <= *bound);
            let effort = level.map_or(ReasoningEffort::High, |(level, _)| *level);
            (
                Some(effort),
                level.map(|(_, bound)| (*bound).min(most_thinking(max_tokens))),
            )
        }
        _ => (None, None),
    };
    if effort.is_none() || budget != bound || !fields.rest().is_empty() {
        own.insert("thinking".to_owned(), setting);
    }
    Ok(effort)
}
