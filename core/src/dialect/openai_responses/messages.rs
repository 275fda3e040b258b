//! The conversation: OpenAI-shaped messages → `instructions` and `input` items.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::decode::RAW;
use crate::dialect::Call;
use crate::dialect::fit::Fit;
use crate::types::{
    Content, DialectId, Failure, FilePart, JsonMap, Message, Part, PartBody, ReasoningBlock, Role, Tool,
    ToolCall,
};

/// The type of a part that holds an item of this format we have no word for, as a client gave it.
pub(super) const ITEM: &str = "openai_responses_item";

/// Message fields of this format only stand under its name.
const OWN: DialectId = DialectId::OpenaiResponses;

/// The vendor's own bound on the length of a call's id, in bytes.
const LONGEST_ID: usize = 64;

/// What message fields hold for people to read, or for a vendor of another format.
const LEFT_OUT: [&str; 3] = ["reasoning_content", "reasoning", "reasoning_details"];

/// The `instructions`, which are the first message where that is plain text of the system's or the developer's and the
/// provider takes them; and the `input`.
pub(super) fn conversation(call: &Call<'_>, fit: &mut Fit) -> Result<(Option<String>, Vec<Value>), Failure> {
    let messages = &call.request.messages;
    let takes = !call.quirks.refuses.iter().any(|field| field == "instructions");
    let first = messages.first().filter(|_| takes && messages.len() > 1);
    let instructions = first.and_then(|message| match &message.content {
        Content::Text(text) if is_instruction(message.role) && !text.is_empty() => Some(text.clone()),
        _ => None,
    });
    let mut custom = Custom::of(call);
    let mut input = Vec::new();
    for (i, message) in messages.iter().enumerate() {
        let at = format!("messages[{i}]");
        check(message, &at, fit)?;
        if i == 0 && instructions.is_some() {
            continue;
        }
        match message.role {
            Role::Tool => input.push(json!({
                "type": custom.output_type(message),
                "call_id": call_id(message.tool_call_id.as_deref().unwrap_or_default()),
                "output": content(&message.content, Side::Input, &at, fit)?,
            })),
            Role::Assistant => assistant(message, &at, fit, &mut custom, &mut input)?,
            Role::System | Role::Developer | Role::User => said(call, message, &at, fit, &mut input)?,
        }
    }
    if input.is_empty() {
        return Err(Failure::unsupported(
            "messages",
            "the Responses API needs a message that says something",
        ));
    }
    Ok((instructions, input))
}

/// Tools that take free text where a function takes JSON: the request's, and the calls made of them.
struct Custom<'a> {
    names: HashSet<&'a str>,
    calls: HashSet<&'a str>,
}

impl<'a> Custom<'a> {
    fn of(call: &Call<'a>) -> Self {
        let name = |tool: &'a Tool| match tool {
            Tool::Other(map) if map.get("type")?.as_str()? == "custom" => map
                .get("custom")
                .map_or(map.get("name"), |inner| inner.get("name"))?
                .as_str(),
            _ => None,
        };
        Self {
            names: call.request.tools.iter().filter_map(name).collect(),
            calls: HashSet::new(),
        }
    }

    /// Whether a call is of such a tool.
    fn calls(&mut self, call: &'a ToolCall) -> bool {
        let custom = call.is_custom() || self.names.contains(call.name.as_str());
        if custom {
            self.calls.insert(&call.id);
        }
        custom
    }

    fn output_type(&self, message: &Message) -> &'static str {
        let call = message.tool_call_id.as_deref().unwrap_or_default();
        match self.calls.contains(call) {
            true => "custom_tool_call_output",
            false => "function_call_output",
        }
    }
}

const fn is_instruction(role: Role) -> bool {
    matches!(role, Role::System | Role::Developer)
}

/// Fields of a message that have no place in an item.
fn check(message: &Message, at: &str, fit: &mut Fit) -> Result<(), Failure> {
    if message.name.is_some() {
        // A tool's name is known from its call; a system message has no speaker to tell apart.
        if matches!(message.role, Role::User | Role::Assistant) {
            fit.lose(&format!("{at}.name"), "the Responses API cannot name a speaker")?;
        } else {
            fit.note(format!("{at}.name: left out"));
        }
    }
    for field in message.extra.keys() {
        if LEFT_OUT.contains(&field.as_str()) {
            fit.note(format!("{at}.{field}: left out"));
        } else if !(message.role == Role::Assistant && (field == "annotations" || field == OWN.as_str())) {
            fit.lose(&format!("{at}.{field}"), "the Responses API has no such field")?;
        }
    }
    Ok(())
}

/// The item that a message stands for, when a client gave one that we have no word for.
fn as_item(message: &Message) -> Option<&Value> {
    let Content::Parts(parts) = &message.content else {
        return None;
    };
    match parts.as_slice() {
        [
            Part {
                body: PartBody::Other(map),
                ..
            },
        ] if map.get("type").and_then(Value::as_str) == Some(ITEM) => map.get("item"),
        _ => None,
    }
}

fn said(
    call: &Call<'_>,
    message: &Message,
    at: &str,
    fit: &mut Fit,
    input: &mut Vec<Value>,
) -> Result<(), Failure> {
    if let Some(item) = as_item(message) {
        input.push(item.clone());
        return Ok(());
    }
    let role = match message.role {
        Role::User => "user",
        Role::Developer if call.quirks.developer_role => "developer",
        Role::Developer => {
            fit.note(format!("{at}.role: `developer` sent as `system`"));
            "system"
        }
        _ => "system",
    };
    let content = content(&message.content, Side::Input, at, fit)?;
    input.push(json!({"role": role, "content": content}));
    Ok(())
}

/// A turn of the model's: its reasoning, what it said, what it called.
fn assistant<'a>(
    message: &'a Message,
    at: &str,
    fit: &mut Fit,
    custom: &mut Custom<'a>,
    input: &mut Vec<Value>,
) -> Result<(), Failure> {
    let speaks = !message.content.is_empty() || message.refusal.is_some();
    for (j, block) in message.reasoning.iter().enumerate() {
        let at = format!("{at}.reasoning_details[{j}]");
        if block.dialect != DialectId::OpenaiResponses {
            fit.note(format!(
                "{at}: left out, since only {} can read it",
                block.dialect
            ));
        } else if !speaks && message.tool_calls.is_empty() {
            fit.note(format!(
                "{at}: left out, since the vendor refuses reasoning that nothing follows"
            ));
        } else {
            input.push(reasoning(block));
        }
    }
    if !speaks && message.tool_calls.is_empty() && message.reasoning.is_empty() {
        fit.note(format!("{at}: left out, since it says nothing"));
    }
    if speaks {
        input.push(spoken(message, at, fit)?);
    }
    for (j, call) in message.tool_calls.iter().enumerate() {
        if call.signature.is_some() {
            fit.note(format!(
                "{at}.tool_calls[{j}].extra_content: left out, since only gemini can read it"
            ));
        }
        if custom.calls(call) {
            input.push(json!({
                "type": "custom_tool_call",
                "call_id": call_id(&call.id),
                "name": call.name,
                "input": call.arguments,
            }));
            continue;
        }
        let arguments = match call.arguments.trim() {
            "" => "{}",
            _ => call.arguments.as_str(),
        };
        input.push(json!({
            "type": "function_call",
            "call_id": call_id(&call.id),
            "name": call.name,
            "arguments": arguments,
        }));
    }
    Ok(())
}

fn spoken(message: &Message, at: &str, fit: &mut Fit) -> Result<Value, Failure> {
    let mut content = content(&message.content, Side::Output, at, fit)?;
    let annotations = message.extra.get("annotations");
    if annotations.is_some() || message.refusal.is_some() {
        let mut parts = match content {
            Value::String(text) if text.is_empty() => Vec::new(),
            Value::String(text) => vec![json!({"type": "output_text", "text": text})],
            Value::Array(parts) => parts,
            _ => Vec::new(),
        };
        if let (Some(annotations), Some(Value::Object(last))) = (annotations, parts.last_mut()) {
            last.insert("annotations".to_owned(), annotations.clone());
        }
        if let Some(refusal) = &message.refusal {
            parts.push(json!({"type": "refusal", "refusal": refusal}));
        }
        content = Value::Array(parts);
    }
    let mut item = json!({"role": "assistant", "content": content});
    let own = message.extra.get(OWN.as_str()).and_then(Value::as_object);
    if let (Some(own), Some(item)) = (own, item.as_object_mut()) {
        item.extend(own.clone());
    }
    if let (Value::Array(_), Some(item)) = (&content, item.as_object_mut()) {
        // Without its type, a message may hold input only.
        item.insert("type".to_owned(), json!("message"));
    }
    Ok(item)
}

fn reasoning(block: &ReasoningBlock) -> Value {
    let mut item = JsonMap::new();
    item.insert("type".to_owned(), json!("reasoning"));
    if let Some(id) = &block.id {
        item.insert("id".to_owned(), json!(id));
    }
    let raw = block.signature.as_deref() == Some(RAW);
    let summary = match block.text.as_str() {
        text if raw || text.is_empty() => json!([]),
        text => json!([{"type": "summary_text", "text": text}]),
    };
    item.insert("summary".to_owned(), summary);
    if raw {
        let content = json!([{"type": "reasoning_text", "text": block.text}]);
        item.insert("content".to_owned(), content);
    }
    if let Some(encrypted) = &block.redacted {
        item.insert("encrypted_content".to_owned(), json!(encrypted));
    }
    Value::Object(item)
}

/// A call's id of a length the vendor takes. What tells ids apart tends to stand at their end.
fn call_id(id: &str) -> &str {
    let mut start = id.len().saturating_sub(LONGEST_ID);
    while !id.is_char_boundary(start) {
        start = start.saturating_add(1);
    }
    id.get(start..).unwrap_or_default()
}

/// Whose content it is, which decides its words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Input,
    Output,
}

/// A text, or a list of parts.
fn content(content: &Content, side: Side, at: &str, fit: &mut Fit) -> Result<Value, Failure> {
    let parts = match content {
        Content::Text(text) => return Ok(json!(text)),
        Content::Parts(parts) => parts,
    };
    let mut out = Vec::with_capacity(parts.len());
    for (j, given) in parts.iter().enumerate() {
        let at = format!("{at}.content[{j}]");
        if given.cache_control.is_some() {
            fit.note(format!(
                "{at}.cache_control: left out; the vendor caches by itself"
            ));
        }
        out.extend(part(&given.body, side, &at, fit)?);
    }
    Ok(Value::Array(out))
}

fn part(body: &PartBody, side: Side, at: &str, fit: &mut Fit) -> Result<Option<Value>, Failure> {
    Ok(Some(match (body, side) {
        (PartBody::Text { text }, Side::Input) => json!({"type": "input_text", "text": text}),
        (PartBody::Text { text }, Side::Output) => json!({"type": "output_text", "text": text}),
        (PartBody::Refusal { refusal }, Side::Output) => json!({"type": "refusal", "refusal": refusal}),
        (PartBody::Refusal { refusal }, Side::Input) => {
            fit.note(format!("{at}.refusal: sent as text"));
            json!({"type": "input_text", "text": refusal})
        }
        (PartBody::Other(map), _) if is_ours(map) => Value::Object(map.clone()),
        (PartBody::Other(_), _) => {
            fit.lose(
                at,
                "the part's type, or a field of it, is not known, so it cannot be translated",
            )?;
            return Ok(None);
        }
        (_, Side::Output) => {
            fit.lose(at, "the Responses API takes only text in the model's own turns")?;
            return Ok(None);
        }
        (PartBody::ImageUrl { image_url }, Side::Input) => {
            let mut part = json!({"type": "input_image", "image_url": image_url.url});
            if let (Some(detail), Some(part)) = (&image_url.detail, part.as_object_mut()) {
                part.insert("detail".to_owned(), json!(detail));
            }
            part
        }
        (PartBody::InputAudio { input_audio }, Side::Input) => {
            json!({"type": "input_audio", "input_audio": input_audio})
        }
        (PartBody::File { file }, Side::Input) => document(file, at, fit),
    }))
}

/// Whether a part of a type or with a field we do not know is one of this format.
fn is_ours(part: &JsonMap) -> bool {
    let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
    kind.starts_with("input_") || kind.starts_with("output_")
}

fn document(file: &FilePart, at: &str, fit: &mut Fit) -> Value {
    let mut part = JsonMap::new();
    part.insert("type".to_owned(), json!("input_file"));
    if let Some(id) = &file.file_id {
        part.insert("file_id".to_owned(), json!(id));
    }
    let inline = match &file.file_data {
        Some(url) if url.starts_with("https://") || url.starts_with("http://") => {
            part.insert("file_url".to_owned(), json!(url));
            false
        }
        Some(data) => {
            part.insert("file_data".to_owned(), json!(data));
            true
        }
        None => false,
    };
    match &file.filename {
        Some(name) => {
            part.insert("filename".to_owned(), json!(name));
        }
        None if inline => {
            fit.note(format!(
                "{at}.file.filename: the vendor needs one; `document` was chosen"
            ));
            part.insert("filename".to_owned(), json!("document"));
        }
        None => {}
    }
    Value::Object(part)
}
