//! The conversation: OpenAI-shaped messages → `system` and `messages` of content blocks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::dialect::fit::Fit;
use crate::dialect::foreign::{arguments, check_message};
use crate::types::{
    Content, DialectId, Failure, FilePart, ImagePart, JsonMap, Media, Message, Part, PartBody, Role,
    parse_data_url,
};

/// What the format is called.
pub(super) const API: &str = "the Messages API";

/// The `system` value (null when there is none) and the `messages`.
pub(super) fn conversation(messages: &[Message], fit: &mut Fit) -> Result<(Value, Vec<Value>), Failure> {
    let mut system = Vec::new();
    let mut turns = Turns::default();
    for (i, message) in messages.iter().enumerate() {
        let at = format!("messages[{i}]");
        check_message(message, &at, (DialectId::AnthropicMessages, API), fit)?;
        let said = match message.role {
            Role::System | Role::Developer => {
                if !turns.is_empty() {
                    fit.note(format!(
                        "{at}: instructions moved to the top, the only place the vendor has for them"
                    ));
                }
                system.extend(blocks(message, &at, Place::System, fit)?);
                continue;
            }
            Role::Tool => {
                turns.push_result(tool_result(message, &at, fit)?);
                continue;
            }
            Role::User => blocks(message, &at, Place::User, fit)?,
            Role::Assistant => assistant(message, &at, fit)?,
        };
        if said.is_empty() {
            fit.note(format!("{at}: left out, since the vendor refuses empty messages"));
        } else if message.role == Role::User {
            turns.push("user", said);
        } else {
            turns.push("assistant", said);
        }
    }
    if turns.is_empty() {
        return Err(Failure::unsupported(
            "messages",
            "the Messages API needs a user or assistant message that is not empty",
        ));
    }
    Ok((system_value(system), turns.finish()))
}

/// Turns under construction. Neighbours of one role become one turn, as the vendor itself reads them.
#[derive(Default)]
struct Turns {
    done: Vec<Value>,
    role: &'static str,
    content: Vec<Value>,
}

impl Turns {
    fn is_empty(&self) -> bool {
        self.done.is_empty() && self.content.is_empty()
    }

    fn begin(&mut self, role: &'static str) {
        if self.role != role {
            self.flush();
            self.role = role;
        }
    }

    fn flush(&mut self) {
        if !self.content.is_empty() {
            let content = std::mem::take(&mut self.content);
            self.done.push(json!({"role": self.role, "content": content}));
        }
    }

    fn push(&mut self, role: &'static str, blocks: Vec<Value>) {
        self.begin(role);
        self.content.extend(blocks);
    }

    /// The results of one turn's calls must all be in one user message, before anything else in it.
    fn push_result(&mut self, block: Value) {
        self.begin("user");
        let is_result = |block: &&Value| block.get("type").and_then(Value::as_str) == Some("tool_result");
        let results = self.content.iter().take_while(is_result).count();
        self.content.insert(results, block);
    }

    fn finish(mut self) -> Vec<Value> {
        self.flush();
        self.done
    }
}

/// Plain text as a string, anything marked or in several pieces as blocks; null when there is none.
fn system_value(mut blocks: Vec<Value>) -> Value {
    let plain = match blocks.as_mut_slice() {
        [] => return Value::Null,
        [only] if only.get("cache_control").is_none() => only.get_mut("text").map(Value::take),
        _ => None,
    };
    plain.unwrap_or(Value::Array(blocks))
}

fn assistant(message: &Message, at: &str, fit: &mut Fit) -> Result<Vec<Value>, Failure> {
    let mut out = Vec::new();
    for (j, block) in message.reasoning.iter().enumerate() {
        if block.dialect != DialectId::AnthropicMessages {
            fit.note(format!(
                "{at}.reasoning_details[{j}]: left out, since only {} can read it",
                block.dialect
            ));
        } else if let Some(data) = &block.redacted {
            out.push(json!({"type": "redacted_thinking", "data": data}));
        } else if let Some(signature) = &block.signature {
            out.push(json!({"type": "thinking", "thinking": block.text, "signature": signature}));
        } else {
            fit.note(format!(
                "{at}.reasoning_details[{j}]: left out, since it is not signed"
            ));
        }
    }
    out.extend(blocks(message, at, Place::Assistant, fit)?);
    if let Some(refusal) = message.refusal.as_ref().filter(|text| !text.is_empty()) {
        fit.note(format!("{at}.refusal: sent as text"));
        out.push(json!({"type": "text", "text": refusal}));
    }
    for (j, call) in message.tool_calls.iter().enumerate() {
        let at = format!("{at}.tool_calls[{j}]");
        let input = arguments(call, &at, API, fit)?;
        if call.signature.is_some() {
            fit.note(format!(
                "{at}.extra_content: left out, since only gemini can read it"
            ));
        }
        let mut block = json!({"type": "tool_use", "id": id(&call.id), "name": call.name, "input": input});
        put_back(
            &mut block,
            own(message, "tool_use").and_then(|calls| calls.get(&call.id)),
        );
        out.push(block);
    }
    Ok(out)
}

/// A call's id in the letters the vendor takes; others' ids may hold dots and colons.
fn id(id: &str) -> String {
    id.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        })
        .collect()
}

fn tool_result(message: &Message, at: &str, fit: &mut Fit) -> Result<Value, Failure> {
    let mut block = JsonMap::new();
    block.insert("type".to_owned(), json!("tool_result"));
    let call = message.tool_call_id.as_deref().unwrap_or_default();
    block.insert("tool_use_id".to_owned(), json!(id(call)));
    match &message.content {
        Content::Text(text) if text.is_empty() => {}
        Content::Text(text) => {
            block.insert("content".to_owned(), json!(text));
        }
        Content::Parts(_) => {
            let content = blocks(message, at, Place::Tool, fit)?;
            block.insert("content".to_owned(), Value::Array(content));
        }
    }
    if let Some(Value::Object(fields)) = message.extra.get(DialectId::AnthropicMessages.as_str()) {
        let fields = fields.iter().filter(|(field, _)| *field != "content");
        block.extend(fields.map(|(field, value)| (field.clone(), value.clone())));
    }
    Ok(Value::Object(block))
}

/// What a message of this format carries that our words do not cover, under one name.
fn own<'a>(message: &'a Message, field: &str) -> Option<&'a Value> {
    message
        .extra
        .get(DialectId::AnthropicMessages.as_str())?
        .get(field)
}

fn put_back(block: &mut Value, fields: Option<&Value>) {
    if let (Value::Object(block), Some(Value::Object(fields))) = (block, fields) {
        block.extend(fields.clone());
    }
}

/// Where content stands, which decides what it may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    System,
    User,
    Assistant,
    Tool,
}

/// Content as blocks. Empty texts are left out: the vendor refuses them, and they say nothing.
fn blocks(message: &Message, at: &str, place: Place, fit: &mut Fit) -> Result<Vec<Value>, Failure> {
    let parts = match &message.content {
        Content::Text(text) if text.is_empty() => return Ok(Vec::new()),
        Content::Text(text) => return Ok(vec![json!({"type": "text", "text": text})]),
        Content::Parts(parts) => parts,
    };
    let mut out = Vec::with_capacity(parts.len());
    for (j, part) in parts.iter().enumerate() {
        if matches!(&part.body, PartBody::Text { text } if text.is_empty()) {
            continue;
        }
        let mut block = block(part, &format!("{at}.content[{j}]"), place, fit)?;
        put_back(
            &mut block,
            own(message, "content").and_then(|marks| marks.get(j.to_string())),
        );
        out.push(block);
    }
    Ok(out)
}

fn block(part: &Part, at: &str, place: Place, fit: &mut Fit) -> Result<Value, Failure> {
    let media = matches!(part.body, PartBody::ImageUrl { .. } | PartBody::File { .. });
    if media && matches!(place, Place::System | Place::Assistant) {
        return Err(Failure::unsupported(
            at,
            "the Messages API takes images and documents in user and tool messages only",
        ));
    }
    let mut block = match &part.body {
        PartBody::Text { text } => json!({"type": "text", "text": text}),
        PartBody::Refusal { refusal } => {
            fit.note(format!("{at}.refusal: sent as text"));
            json!({"type": "text", "text": refusal})
        }
        PartBody::ImageUrl { image_url } => image(image_url, at)?,
        PartBody::File { file } => document(file, at)?,
        PartBody::InputAudio { .. } => {
            return Err(Failure::unsupported(at, "the Messages API takes no audio"));
        }
        PartBody::Other(own) => Value::Object(own.clone()),
    };
    if let (Some(mark), Some(block)) = (&part.cache_control, block.as_object_mut()) {
        block.insert("cache_control".to_owned(), mark.clone());
    }
    Ok(block)
}

/// An image.
fn image(image: &ImagePart, at: &str) -> Result<Value, Failure> {
    let source = match parse_data_url(&image.url) {
        Some(Media::Url(url)) => json!({"type": "url", "url": url}),
        Some(Media::Base64 { media_type, data }) => {
            json!({"type": "base64", "media_type": media_type, "data": data})
        }
        None => {
            return Err(Failure::unsupported(
                &format!("{at}.image_url.url"),
                "a `data:` URL must be base64 and name its media type",
            ));
        }
    };
    Ok(json!({"type": "image", "source": source}))
}

/// A PDF, inline or by URL; a text, inline; or an upload of the vendor's.
fn document(file: &FilePart, at: &str) -> Result<Value, Failure> {
    let data_at = format!("{at}.file.file_data");
    let source = match (&file.file_data, &file.file_id) {
        (None, Some(id)) => json!({"type": "file", "file_id": id}),
        (Some(data), None) => match parse_data_url(data) {
            Some(Media::Url(url)) if url.starts_with("https://") || url.starts_with("http://") => {
                json!({"type": "url", "url": url})
            }
            Some(Media::Base64 { media_type, data }) if media_type == "application/pdf" => {
                json!({"type": "base64", "media_type": media_type, "data": data})
            }
            Some(Media::Base64 { media_type, data }) if media_type.starts_with("text/") => {
                let text = STANDARD
                    .decode(data)
                    .ok()
                    .and_then(|bytes| String::from_utf8(bytes).ok());
                let Some(text) = text else {
                    return Err(Failure::unsupported(&data_at, "the text is not base64 of UTF-8"));
                };
                json!({"type": "text", "media_type": "text/plain", "data": text})
            }
            Some(Media::Base64 { .. }) => {
                return Err(Failure::unsupported(
                    &data_at,
                    "the Messages API takes PDF and plain text",
                ));
            }
            Some(Media::Url(_)) | None => {
                return Err(Failure::unsupported(
                    &data_at,
                    "expected a base64 `data:` URL with its media type, or an `https:` URL",
                ));
            }
        },
        _ => {
            return Err(Failure::unsupported(
                &format!("{at}.file"),
                "give exactly one of `file_data` and `file_id`",
            ));
        }
    };
    let mut block = json!({"type": "document", "source": source});
    if let (Some(name), Some(block)) = (&file.filename, block.as_object_mut()) {
        block.insert("title".to_owned(), json!(name));
    }
    Ok(block)
}
