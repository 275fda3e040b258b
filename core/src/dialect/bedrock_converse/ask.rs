//! A client's request in Converse's format → ours.

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::family::{Effort, Family, family};
use super::keep;
use super::media::{self, lone};
use super::messages::IS_ERROR;
use crate::dialect::Asked;
use crate::types::{
    ChatRequest, Content, DialectId, Failure, FailureClass, FunctionTool, JsonMap, JsonSchema, Message, Part,
    PartBody, Phase, ReasoningBlock, ReasoningEffort, ResponseFormat, Role, Stop, Tool, ToolCall, ToolChoice,
};

pub(super) fn decode_request(path: &str, body: &[u8]) -> Result<Asked, Failure> {
    let (model, stream) = read_path(path).ok_or_else(|| {
        wrong(
            "path",
            "expected `/model/{model}/converse` or `/model/{model}/converse-stream`",
        )
    })?;
    let body: Value = serde_json::from_slice(body).map_err(|error| wrong("body", &error.to_string()))?;
    let Value::Object(mut body) = body else {
        return Err(wrong("body", "expected an object"));
    };
    body.retain(|_, value| !value.is_null());
    let mut request = ChatRequest::default();
    if let Some(system) = body.shift_remove("system") {
        let parts = parts(list(&system, "system")?, "system")?;
        if !parts.is_empty() {
            request.messages.push(Message {
                content: content(parts),
                ..Message::system("")
            });
        }
    }
    let messages = body.shift_remove("messages").unwrap_or_else(|| json!([]));
    for (i, message) in list(&messages, "messages")?.iter().enumerate() {
        read_message(message, &format!("messages[{i}]"), &mut request.messages)?;
    }
    if let Some(config) = body.get_mut("inferenceConfig") {
        inference(object_mut(config, "inferenceConfig")?, &mut request)?;
    }
    if let Some(config) = body.get_mut("toolConfig") {
        tool_config(object_mut(config, "toolConfig")?, &mut request)?;
    }
    if let Some(format) = body.get_mut("outputConfig").and_then(Value::as_object_mut)
        && let Some(schema) = format.get("textFormat").and_then(json_schema)
    {
        format.shift_remove("textFormat");
        request.response_format = Some(ResponseFormat::JsonSchema { json_schema: schema });
    }
    if let (Some(fields), Some(family)) = (
        body.get_mut("additionalModelRequestFields")
            .and_then(Value::as_object_mut),
        family(&model),
    ) {
        request.top_k = family.take_top_k(fields);
        request.reasoning_effort = take_effort(family, fields);
    }
    // What is left has no word of ours. Groups that are empty say nothing.
    body.retain(|_, value| value.as_object().is_none_or(|map| !map.is_empty()));
    if !body.is_empty() {
        let name = DialectId::BedrockConverse.as_str().to_owned();
        request.provider_options.insert(name, body);
    }
    Ok(Asked {
        request,
        model: Some(model),
        stream,
    })
}

fn wrong(at: &str, what: &str) -> Failure {
    let message = Failure::clean(&format!("`{at}`: {what}"));
    Failure::new(FailureClass::InvalidRequest, Phase::Encode, message)
}

/// The model's id, and whether a stream is asked for.
fn read_path(path: &str) -> Option<(String, bool)> {
    let (rest, verb) = path.rsplit_once('/')?;
    let stream = match verb {
        "converse" => false,
        "converse-stream" => true,
        _ => return None,
    };
    let (_, model) = rest.rsplit_once("/model/")?;
    let model = percent_decode_str(model).decode_utf8().ok()?;
    (!model.is_empty()).then(|| (model.into_owned(), stream))
}

fn list<'a>(value: &'a Value, at: &str) -> Result<&'a [Value], Failure> {
    value
        .as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| wrong(at, "expected a list"))
}

fn object<'a>(value: &'a Value, at: &str) -> Result<&'a JsonMap, Failure> {
    value.as_object().ok_or_else(|| wrong(at, "expected an object"))
}

fn object_mut<'a>(value: &'a mut Value, at: &str) -> Result<&'a mut JsonMap, Failure> {
    value
        .as_object_mut()
        .ok_or_else(|| wrong(at, "expected an object"))
}

fn text_at<'a>(map: &'a JsonMap, key: &str, at: &str) -> Result<&'a str, Failure> {
    map.get(key)
        .and_then(Value::as_str)
        .ok_or_else(|| wrong(&format!("{at}.{key}"), "expected a text"))
}

/// Whether an object has these fields at most. A `type` beside what a block is says nothing.
fn only(map: &JsonMap, known: &[&str]) -> bool {
    map.keys().all(|key| known.contains(&key.as_str()))
}

/// A message, and before it the results it begins with, each a message of its own.
fn read_message(message: &Value, at: &str, out: &mut Vec<Message>) -> Result<(), Failure> {
    let message = object(message, at)?;
    let role = match text_at(message, "role", at)? {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        other => {
            return Err(wrong(
                &format!("{at}.role"),
                &format!("expected user, assistant or system, found \"{other}\""),
            ));
        }
    };
    if let Some(field) = message
        .keys()
        .find(|key| !["role", "content"].contains(&key.as_str()))
    {
        return Err(wrong(&format!("{at}.{field}"), "Converse has no such field"));
    }
    let at = format!("{at}.content");
    let blocks = list(message.get("content").unwrap_or(&Value::Null), &at)?;
    let mut said = Message::new(role, "");
    let mut rest = Vec::new();
    let mut results = 0;
    for (j, block) in blocks.iter().enumerate() {
        let at = format!("{at}[{j}]");
        let map = object(block, &at)?;
        let result = map
            .get("toolResult")
            .and_then(Value::as_object)
            .filter(|result| role == Role::User && only(result, &["toolUseId", "content", "status"]));
        if let Some(result) = result {
            out.push(tool_result(result, &at)?);
            results += 1;
            continue;
        }
        if role == Role::Assistant {
            if let Some(call) = map.get("toolUse").and_then(call) {
                said.tool_calls.push(call);
                continue;
            }
            if let Some(block) = map.get("reasoningContent").and_then(reasoning) {
                said.reasoning.push(block);
                continue;
            }
        }
        // A cache point right after results belongs to the last of them.
        let point = map.get("cachePoint").and_then(cache_control);
        if let (Some(mark), true, Some(result)) = (&point, results > 0 && rest.is_empty(), out.last_mut())
            && mark_last(result, mark)
        {
            continue;
        }
        rest.push(block.clone());
    }
    said.content = content(parts(&rest, &at)?);
    // A turn of results only is no message besides them.
    if results == 0 || !said.content.is_empty() {
        out.push(said);
    }
    Ok(())
}

/// One text as such, anything else as parts.
fn content(parts: Vec<Part>) -> Content {
    match parts.as_slice() {
        [] => Content::default(),
        [
            Part {
                body: PartBody::Text { text },
                cache_control: None,
            },
        ] => Content::Text(text.clone()),
        _ => Content::Parts(parts),
    }
}

fn parts(blocks: &[Value], at: &str) -> Result<Vec<Part>, Failure> {
    let mut parts: Vec<Part> = Vec::with_capacity(blocks.len());
    for (j, block) in blocks.iter().enumerate() {
        let block = object(block, &format!("{at}[{j}]"))?;
        let mark = lone_block(block, "cachePoint").and_then(cache_control);
        if let (Some(mark), Some(last)) = (mark, parts.last_mut())
            && last.cache_control.is_none()
        {
            last.cache_control = Some(mark);
            continue;
        }
        let body = lone_block(block, "text")
            .and_then(Value::as_str)
            .map(|text| PartBody::Text {
                text: text.to_owned(),
            })
            .or_else(|| media::part(block))
            .unwrap_or_else(|| PartBody::Other(keep(block)));
        parts.push(Part {
            body,
            cache_control: None,
        });
    }
    Ok(parts)
}

/// What a block holds that holds only this.
fn lone_block<'a>(block: &'a JsonMap, kind: &str) -> Option<&'a Value> {
    only(block, &[kind, "type"]).then(|| block.get(kind)).flatten()
}

/// A cache point as the mark of what stands before it; None when it says more than a mark can.
fn cache_control(point: &Value) -> Option<Value> {
    let point = point.as_object()?;
    if !only(point, &["type", "ttl"]) || point.get("type")?.as_str()? != "default" {
        return None;
    }
    Some(match point.get("ttl").and_then(Value::as_str) {
        None if point.contains_key("ttl") => return None,
        None => json!({"type": "ephemeral"}),
        Some(ttl @ ("5m" | "1h")) => json!({"type": "ephemeral", "ttl": ttl}),
        Some(_) => return None,
    })
}

/// Marks the last part of a result. False when it has none, or one that is marked.
fn mark_last(result: &mut Message, mark: &Value) -> bool {
    if let Content::Text(text) = &mut result.content
        && !text.is_empty()
    {
        result.content = Content::Parts(vec![Part::text(std::mem::take(text))]);
    }
    match &mut result.content {
        Content::Parts(parts) => match parts.last_mut() {
            Some(last) if last.cache_control.is_none() => {
                last.cache_control = Some(mark.clone());
                true
            }
            _ => false,
        },
        Content::Text(_) => false,
    }
}

fn call(call: &Value) -> Option<ToolCall> {
    let call = call.as_object()?;
    if !only(call, &["toolUseId", "name", "input"]) {
        return None;
    }
    Some(ToolCall {
        id: call.get("toolUseId")?.as_str()?.to_owned(),
        name: call.get("name")?.as_str()?.to_owned(),
        arguments: call.get("input").filter(|input| input.is_object())?.to_string(),
        signature: None,
        ..ToolCall::default()
    })
}

fn reasoning(block: &Value) -> Option<ReasoningBlock> {
    let made = ReasoningBlock {
        dialect: DialectId::BedrockConverse,
        id: None,
        text: String::new(),
        signature: None,
        redacted: None,
    };
    if let Some(data) = lone(block, "redactedContent") {
        return Some(ReasoningBlock {
            redacted: Some(data.as_str()?.to_owned()),
            ..made
        });
    }
    let said = lone(block, "reasoningText")?.as_object()?;
    if !only(said, &["text", "signature"]) {
        return None;
    }
    Some(ReasoningBlock {
        text: said.get("text")?.as_str()?.to_owned(),
        signature: said.get("signature").and_then(Value::as_str).map(str::to_owned),
        ..made
    })
}

fn tool_result(result: &JsonMap, at: &str) -> Result<Message, Failure> {
    let at = format!("{at}.toolResult");
    let id = text_at(result, "toolUseId", &at)?.to_owned();
    let content_at = format!("{at}.content");
    let mut blocks = list(result.get("content").unwrap_or(&Value::Null), &content_at)?.to_vec();
    for block in &mut blocks {
        // Every other format has results as text.
        if let Some(data) = lone(block, "json") {
            *block = json!({"text": data.to_string()});
        }
    }
    let mut message = Message::new(Role::Tool, "");
    message.content = content(parts(&blocks, &content_at)?);
    message.tool_call_id = Some(id);
    if let Some(status) = result.get("status") {
        let failed = match status.as_str() {
            // As when nothing is said.
            Some("success") => return Ok(message),
            Some("error") => json!({ IS_ERROR: true }),
            _ => return Err(wrong(&format!("{at}.status"), "expected success or error")),
        };
        let name = DialectId::BedrockConverse.as_str().to_owned();
        message.extra.insert(name, failed);
    }
    Ok(message)
}

/// Takes out of `inferenceConfig` what we have words for.
fn inference(config: &mut JsonMap, request: &mut ChatRequest) -> Result<(), Failure> {
    let mut take = |key: &str| config.shift_remove(key).filter(|value| !value.is_null());
    let number = |value: &Value, key: &str| {
        value
            .as_f64()
            .ok_or_else(|| wrong(&format!("inferenceConfig.{key}"), "expected a number"))
    };
    if let Some(value) = take("maxTokens") {
        let tokens = value.as_u64().and_then(|tokens| u32::try_from(tokens).ok());
        request.max_tokens =
            Some(tokens.ok_or_else(|| wrong("inferenceConfig.maxTokens", "expected a whole number"))?);
    }
    if let Some(value) = take("temperature") {
        request.temperature = Some(number(&value, "temperature")?);
    }
    if let Some(value) = take("topP") {
        request.top_p = Some(number(&value, "topP")?);
    }
    if let Some(value) = take("stopSequences") {
        let texts: Vec<String> = serde_json::from_value(value)
            .map_err(|_| wrong("inferenceConfig.stopSequences", "expected a list of texts"))?;
        request.stop = (!texts.is_empty()).then_some(Stop::Many(texts));
    }
    Ok(())
}

/// Takes out of `toolConfig` what we have words for.
fn tool_config(config: &mut JsonMap, request: &mut ChatRequest) -> Result<(), Failure> {
    if let Some(tools) = config.shift_remove("tools").filter(|tools| !tools.is_null()) {
        for (i, tool) in list(&tools, "toolConfig.tools")?.iter().enumerate() {
            let tool = object(tool, &format!("toolConfig.tools[{i}]"))?;
            let mark = tool.get("cachePoint").and_then(cache_control);
            if let (Some(mark), Some(Tool::Function { cache_control, .. })) = (mark, request.tools.last_mut())
                && cache_control.is_none()
            {
                *cache_control = Some(mark);
                continue;
            }
            request.tools.push(match function(tool) {
                Some(function) => Tool::Function {
                    function,
                    cache_control: None,
                },
                None => Tool::Other(keep(tool)),
            });
        }
    }
    let Some(choice) = config.get("toolChoice") else {
        return Ok(());
    };
    let known = if lone(choice, "auto").is_some() {
        Some(ToolChoice::Auto)
    } else if lone(choice, "any").is_some() {
        Some(ToolChoice::Required)
    } else {
        let name = lone(choice, "tool").and_then(|tool| lone(tool, "name"));
        name.and_then(Value::as_str)
            .map(|name| ToolChoice::Function(name.to_owned()))
    };
    if known.is_some() {
        config.shift_remove("toolChoice");
        request.tool_choice = known;
    }
    Ok(())
}

fn function(tool: &JsonMap) -> Option<FunctionTool> {
    let spec = lone_block(tool, "toolSpec")?.as_object()?;
    if !only(spec, &["name", "description", "inputSchema", "strict"]) {
        return None;
    }
    let text = |key: &str| spec.get(key).and_then(Value::as_str).map(str::to_owned);
    Some(FunctionTool {
        name: text("name")?,
        description: text("description"),
        parameters: Some(lone(spec.get("inputSchema")?, "json")?.clone()),
        strict: spec.get("strict").and_then(Value::as_bool),
    })
}

/// None when it says more than ours can.
fn json_schema(format: &Value) -> Option<JsonSchema> {
    let format = format.as_object()?;
    if !only(format, &["type", "structure"]) || format.get("type")?.as_str()? != "json_schema" {
        return None;
    }
    let schema = lone(format.get("structure")?, "jsonSchema")?.as_object()?;
    if !only(schema, &["schema", "name", "description"]) {
        return None;
    }
    let text = |key: &str| schema.get(key).and_then(Value::as_str).map(str::to_owned);
    Some(JsonSchema {
        // A name is needed everywhere else.
        name: text("name").unwrap_or_else(|| "answer".to_owned()),
        description: text("description"),
        schema: Some(serde_json::from_str(schema.get("schema")?.as_str()?).ok()?),
        strict: None,
    })
}

/// Takes an effort out of a family's own fields, where it says no more than ours does.
fn take_effort(family: &Family, fields: &mut JsonMap) -> Option<ReasoningEffort> {
    let level = |value: &Value| serde_json::from_value(value.clone()).ok();
    match family.effort? {
        Effort::Field => {
            let effort = fields.get("reasoning_effort").and_then(level)?;
            if !matches!(
                effort,
                ReasoningEffort::Low | ReasoningEffort::Medium | ReasoningEffort::High
            ) {
                return None;
            }
            fields.shift_remove("reasoning_effort");
            Some(effort)
        }
        Effort::Thinking => {
            let kind = lone(fields.get("thinking")?, "type")?.as_str()?;
            if kind == "disabled" {
                fields.shift_remove("thinking");
                return Some(ReasoningEffort::None);
            }
            let effort = lone(fields.get("output_config")?, "effort").and_then(level)?;
            if kind != "adaptive" || matches!(effort, ReasoningEffort::None | ReasoningEffort::Minimal) {
                return None;
            }
            fields.shift_remove("thinking");
            fields.shift_remove("output_config");
            Some(effort)
        }
    }
}
