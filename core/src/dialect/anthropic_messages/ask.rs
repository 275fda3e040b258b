//! A client's request: body → our words. What they do not cover is kept for targets of this format.

use serde_json::{Value, json};

use super::messages::API;
use super::turns::{parts_of, turn};
use crate::dialect::Asked;
use crate::dialect::asked::{Fields, wrong};
use crate::dialect::capabilities::level_of_budget;
use crate::dialect::foreign::marked;
use crate::dialect::schema;
use crate::types::{
    ChatRequest, Content, DialectId, Failure, FunctionTool, JsonMap, JsonSchema, Message, Part, PartBody,
    ReasoningEffort, ResponseFormat, Role, Stop, Tool, ToolChoice,
};

/// The name the format has none for, and OpenAI wants.
const SCHEMA_NAME: &str = "response";

pub(super) fn ask(body: &[u8]) -> Result<Asked, Failure> {
    let mut fields = Fields::of_body(body)?;
    let model = fields.read("model")?;
    let stream = fields.read("stream")?.unwrap_or_default();
    let mut request = ChatRequest {
        max_tokens: fields.read("max_tokens")?,
        temperature: fields.read("temperature")?,
        top_p: fields.read("top_p")?,
        top_k: fields.read("top_k")?,
        stop: fields.read("stop_sequences")?.map(Stop::Many),
        ..ChatRequest::default()
    };
    if let Some(said) = fields.take("system") {
        request.messages.push(system(said)?);
    }
    for (i, message) in fields.list("messages")?.into_iter().enumerate() {
        turn(message, &format!("messages[{i}]"), &mut request.messages)?;
    }
    for (i, tool) in fields.list("tools")?.into_iter().enumerate() {
        request.tools.push(read_tool(tool, &format!("tools[{i}]"))?);
    }
    tool_choice(&mut fields, &mut request)?;
    let mut left = JsonMap::new();
    let mut metadata = fields.object("metadata")?;
    request.user = metadata.read("user_id")?;
    keep(&mut left, "metadata", metadata);
    thinking(&mut fields, &mut request, &mut left)?;
    left.extend(fields.rest());
    if !left.is_empty() {
        let name = DialectId::AnthropicMessages.as_str().to_owned();
        request.provider_options.insert(name, left);
    }
    if request.messages.is_empty() {
        return Err(wrong("messages", &format!("{API} needs one at least")));
    }
    Ok(Asked {
        request,
        model,
        stream,
    })
}

fn keep(left: &mut JsonMap, name: &str, mut fields: Fields) {
    if !fields.is_empty() {
        left.insert(name.to_owned(), Value::Object(fields.rest()));
    }
}

fn system(said: Value) -> Result<Message, Failure> {
    let mut message = Message::new(Role::System, "");
    let (parts, asides) = parts_of(said, "system")?;
    message.content = plain(parts);
    if !asides.is_empty() {
        let own = json!({"content": asides});
        message
            .extra
            .insert(DialectId::AnthropicMessages.as_str().to_owned(), own);
    }
    Ok(message)
}

/// One text with no mark is plain text.
pub(super) fn plain(mut parts: Vec<Part>) -> Content {
    match parts.as_mut_slice() {
        [] => Content::default(),
        [
            Part {
                body: PartBody::Text { text },
                cache_control: None,
            },
        ] => Content::Text(std::mem::take(text)),
        _ => Content::Parts(parts),
    }
}

fn read_tool(tool: Value, at: &str) -> Result<Tool, Failure> {
    let mut fields = Fields::of(tool.clone(), at)?;
    let other = |tool: Value| match tool {
        Value::Object(map) => Tool::Other(marked(DialectId::AnthropicMessages, map)),
        _ => Tool::Other(JsonMap::new()),
    };
    if !matches!(fields.word("type"), None | Some("custom")) {
        return Ok(other(tool));
    }
    fields.take("type");
    let name = fields
        .read("name")?
        .ok_or_else(|| wrong(&format!("{at}.name"), "a tool needs a name"))?;
    let function = FunctionTool {
        name,
        description: fields.read("description")?,
        parameters: fields.take("input_schema"),
        strict: fields.read("strict")?,
    };
    let cache_control = fields.take("cache_control");
    if !fields.is_empty() {
        return Ok(other(tool));
    }
    Ok(Tool::Function {
        function,
        cache_control,
    })
}

fn tool_choice(fields: &mut Fields, request: &mut ChatRequest) -> Result<(), Failure> {
    let at = fields.at("tool_choice");
    let Some(choice) = fields.take("tool_choice") else {
        return Ok(());
    };
    let mut fields = Fields::of(choice.clone(), &at)?;
    let kind: String = fields.read("type")?.unwrap_or_default();
    let one_at_a_time = fields.read("disable_parallel_tool_use")?;
    let name: Option<String> = fields.read("name")?;
    request.tool_choice = Some(match (kind.as_str(), name) {
        ("auto", None) => ToolChoice::Auto,
        ("any", None) => ToolChoice::Required,
        ("none", None) => ToolChoice::None,
        ("tool", Some(name)) => ToolChoice::Function(name),
        _ => {
            if let Value::Object(map) = choice {
                request.tool_choice = Some(ToolChoice::Other(marked(DialectId::AnthropicMessages, map)));
            }
            return Ok(());
        }
    });
    request.parallel_tool_calls = one_at_a_time.map(|one: bool| !one);
    Ok(())
}

/// `thinking`, `output_config` and the older `output_format`. A budget, or another form that an effort does not say, is
/// kept beside the nearest effort, and stands in its place at targets of this format.
fn thinking(fields: &mut Fields, request: &mut ChatRequest, left: &mut JsonMap) -> Result<(), Failure> {
    let mut output = fields.object("output_config")?;
    let effort: Option<ReasoningEffort> = match output.word("effort") {
        Some(_) => output.read("effort")?,
        None => None,
    };
    let format = output.take("format").or_else(|| fields.take("output_format"));
    if let Some(format) = format {
        request.response_format = Some(response_format(format)?);
    }
    let mut options = output.rest();
    let asked = fields.take("thinking");
    let mut thinking = Fields::of(asked.clone().unwrap_or_else(|| json!({})), "thinking")?;
    let kind: String = thinking.read("type")?.unwrap_or_default();
    let budget: Option<u64> = thinking.read("budget_tokens")?;
    let told = match (kind.as_str(), effort) {
        ("disabled", _) => Some(ReasoningEffort::None),
        ("enabled", None) => Some(budget.map_or(ReasoningEffort::Medium, level_of_budget)),
        _ => effort,
    };
    request.reasoning_effort = told;
    if let (true, Some(effort)) = (kind == "disabled", effort) {
        options.insert("effort".to_owned(), json!(effort.as_str()));
    }
    let said_by_effort = match (kind.as_str(), effort) {
        ("adaptive", Some(_)) | ("disabled", _) => thinking.is_empty() && budget.is_none(),
        ("", None) => thinking.is_empty(),
        _ => false,
    };
    if !said_by_effort {
        // What the effort would write is taken out again, and what was there put in its place.
        let mut own = asked.unwrap_or_default();
        if let (Value::Object(map), true) = (&mut own, told.is_some() && budget.is_none()) {
            map.insert("budget_tokens".to_owned(), Value::Null);
        }
        left.insert("thinking".to_owned(), own);
        if kind == "enabled" && effort.is_none() {
            options.insert("effort".to_owned(), Value::Null);
        }
    }
    if !options.is_empty() {
        left.insert("output_config".to_owned(), Value::Object(options));
    }
    Ok(())
}

fn response_format(format: Value) -> Result<ResponseFormat, Failure> {
    let mut fields = Fields::of(format.clone(), "output_config.format")?;
    let kind: Option<String> = fields.read("type")?;
    let schema = fields.take("schema");
    if let (Some("json_schema"), Some(schema), true) = (kind.as_deref(), &schema, fields.is_empty()) {
        return Ok(ResponseFormat::JsonSchema {
            json_schema: JsonSchema {
                name: SCHEMA_NAME.to_owned(),
                description: None,
                // The vendor always keeps to it; OpenAI does so for schemas of a stricter form only.
                strict: schema::is_strict(schema).then_some(true),
                schema: Some(schema.clone()),
            },
        });
    }
    match format {
        Value::Object(map) => Ok(ResponseFormat::Other(marked(DialectId::AnthropicMessages, map))),
        _ => Err(wrong("output_config.format", "expected an object")),
    }
}
