//! The conversation: OpenAI-shaped messages → the vendor's, which are nearly the same.

use serde_json::{Value, json};

use super::TOOL_PLAN;
use crate::dialect::fit::Fit;
use crate::dialect::foreign::{fit_message, text_of_document};
use crate::types::{
    Content, DialectId, Failure, ImagePart, JsonMap, Message, Part, PartBody, Role, ToolCall, parse_data_url,
};

/// What the format is called.
pub(super) const API: &str = "the Cohere Chat API";

/// The name under which a message carries what only this format has a word for.
const OWN: &str = DialectId::CohereChat.as_str();

pub(super) fn conversation(messages: &[Message], fit: &mut Fit) -> Result<Vec<Value>, Failure> {
    let mut system = Vec::new();
    let mut turns = Vec::new();
    for (i, message) in messages.iter().enumerate() {
        let at = format!("messages[{i}]");
        fit_message(message, &at, API, &[OWN], fit)?;
        match message.role {
            Role::System | Role::Developer => {
                if !turns.is_empty() {
                    fit.note(format!(
                        "{at}: instructions moved to the top, the only place the vendor has for them"
                    ));
                }
                system.extend(content(&message.content, &at, Place::System, fit)?);
            }
            Role::Tool => turns.push(with_own(
                message,
                json!({
                    "role": "tool",
                    "tool_call_id": message.tool_call_id.as_deref().unwrap_or_default(),
                    "content": content(&message.content, &at, Place::Tool, fit)?.unwrap_or_else(|| json!("")),
                }),
            )),
            Role::User => match content(&message.content, &at, Place::User, fit)? {
                Some(content) => turns.push(with_own(message, json!({"role": "user", "content": content}))),
                None => note_empty(&at, fit),
            },
            Role::Assistant => match assistant(message, &at, fit)? {
                Some(turn) => turns.push(turn),
                None => note_empty(&at, fit),
            },
        }
    }
    if turns.is_empty() {
        return Err(Failure::unsupported(
            "messages",
            "the Cohere Chat API needs a message that is not empty, besides instructions",
        ));
    }
    if let Some(content) = one_system(system, fit) {
        turns.insert(0, json!({"role": "system", "content": content}));
    }
    Ok(turns)
}

fn note_empty(at: &str, fit: &mut Fit) {
    fit.note(format!("{at}: left out, since the vendor refuses empty messages"));
}

/// The vendor takes instructions in the first message only.
fn one_system(mut system: Vec<Value>, fit: &mut Fit) -> Option<Value> {
    if system.len() < 2 {
        return system.pop();
    }
    fit.note(format!(
        "messages: {} system messages are sent as one",
        system.len()
    ));
    let parts = system.into_iter().flat_map(|content| match content {
        Value::Array(parts) => parts,
        text => vec![json!({"type": "text", "text": text})],
    });
    Some(Value::Array(parts.collect()))
}

/// An assistant's turn; None when it says nothing.
fn assistant(message: &Message, at: &str, fit: &mut Fit) -> Result<Option<Value>, Failure> {
    let mut said = content(&message.content, at, Place::Assistant, fit)?;
    if let Some(refusal) = message.refusal.as_ref().filter(|text| !text.is_empty()) {
        fit.note(format!("{at}.refusal: sent as text"));
        let mut parts = parts_of(said.take());
        parts.push(json!({"type": "text", "text": refusal}));
        said = Some(Value::Array(parts));
    }
    let mut thoughts = Vec::new();
    let mut plan = String::new();
    for (j, block) in message.reasoning.iter().enumerate() {
        if block.dialect != DialectId::CohereChat {
            fit.note(format!(
                "{at}.reasoning_details[{j}]: left out, since only {} can read it",
                block.dialect
            ));
        } else if block.id.as_deref() == Some(TOOL_PLAN) {
            plan.push_str(&block.text);
        } else {
            thoughts.push(json!({"type": "thinking", "thinking": block.text}));
        }
    }
    if !thoughts.is_empty() {
        thoughts.extend(parts_of(said.take()));
        said = Some(Value::Array(thoughts));
    }
    let mut turn = JsonMap::new();
    turn.insert("role".to_owned(), json!("assistant"));
    if let Some(content) = said {
        turn.insert("content".to_owned(), content);
    }
    if !plan.is_empty() {
        turn.insert("tool_plan".to_owned(), json!(plan));
    }
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().enumerate();
        let calls = calls.map(|(j, call)| tool_call(call, &format!("{at}.tool_calls[{j}]"), fit));
        turn.insert("tool_calls".to_owned(), calls.collect());
    }
    if turn.len() == 1 {
        return Ok(None);
    }
    Ok(Some(with_own(message, Value::Object(turn))))
}

/// A turn with the fields that only this format has.
fn with_own(message: &Message, mut turn: Value) -> Value {
    if let (Some(Value::Object(own)), Some(turn)) = (message.extra.get(OWN), turn.as_object_mut()) {
        turn.extend(own.clone());
    }
    turn
}

fn parts_of(content: Option<Value>) -> Vec<Value> {
    match content {
        None => Vec::new(),
        Some(Value::Array(parts)) => parts,
        Some(text) => vec![json!({"type": "text", "text": text})],
    }
}

fn tool_call(call: &ToolCall, at: &str, fit: &mut Fit) -> Value {
    if call.signature.is_some() {
        fit.note(format!(
            "{at}.extra_content: left out, since only gemini can read it"
        ));
    }
    let arguments = match call.arguments.trim() {
        "" => "{}",
        _ => &call.arguments,
    };
    json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}})
}

/// Where content stands, which decides what it may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    System,
    User,
    Assistant,
    Tool,
}

/// Content as text or parts; None when it is empty. Empty texts are left out: they say nothing.
fn content(content: &Content, at: &str, place: Place, fit: &mut Fit) -> Result<Option<Value>, Failure> {
    match content {
        Content::Text(text) if text.is_empty() => Ok(None),
        Content::Text(text) => Ok(Some(json!(text))),
        Content::Parts(parts) => {
            let mut out = Vec::with_capacity(parts.len());
            for (j, one) in parts.iter().enumerate() {
                if !matches!(&one.body, PartBody::Text { text } if text.is_empty()) {
                    out.extend(part(one, &format!("{at}.content[{j}]"), place, fit)?);
                }
            }
            Ok((!out.is_empty()).then_some(Value::Array(out)))
        }
    }
}

fn part(part: &Part, at: &str, place: Place, fit: &mut Fit) -> Result<Option<Value>, Failure> {
    let text = |text: &str| Ok(Some(json!({"type": "text", "text": text})));
    match &part.body {
        PartBody::Text { text: said } => return text(said),
        PartBody::Refusal { refusal } => {
            fit.note(format!("{at}: a refusal is sent as text"));
            return text(refusal);
        }
        PartBody::ImageUrl { image_url } if place == Place::User => return image(image_url, at, fit),
        PartBody::ImageUrl { .. } => {
            fit.lose(at, "the Cohere Chat API takes images in user messages only")?
        }
        PartBody::File { file } => match text_of_document(file) {
            Some(said) => {
                fit.note(format!("{at}: the document is sent as text"));
                return text(&said);
            }
            None => fit.lose(at, "the Cohere Chat API takes no documents but plain text")?,
        },
        PartBody::InputAudio { .. } => fit.lose(at, "the Cohere Chat API takes no audio")?,
        // The vendor's own form of what a tool found.
        PartBody::Other(other) if place == Place::Tool && other.get("type") == Some(&json!("document")) => {
            return Ok(Some(Value::Object(other.clone())));
        }
        PartBody::Other(_) => fit.lose(
            at,
            "the part's type, or a field of it, is not known, so it cannot be translated",
        )?,
    }
    Ok(None)
}

fn image(image: &ImagePart, at: &str, fit: &mut Fit) -> Result<Option<Value>, Failure> {
    if parse_data_url(&image.url).is_none() {
        fit.lose(
            &format!("{at}.image_url.url"),
            "a `data:` URL must be base64 and name its media type",
        )?;
        return Ok(None);
    }
    Ok(Some(json!({"type": "image_url", "image_url": image})))
}
