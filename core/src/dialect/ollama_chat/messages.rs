//! The conversation: OpenAI-shaped messages → the server's, which hold one text and, beside it, images.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::dialect::fit::Fit;
use crate::dialect::foreign::{arguments, fit_message, text_of_document};
use crate::types::{
    Content, DialectId, Failure, ImagePart, JsonMap, Media, Message, Part, PartBody, Role, ToolCall,
    parse_data_url,
};

/// What the format is called.
pub(super) const API: &str = "the Ollama API";

/// The name under which a message carries what only this format has a word for.
const OWN: &str = DialectId::OllamaChat.as_str();

/// What stands between the texts of one message.
const BETWEEN: &str = "\n\n";

pub(super) fn conversation(messages: &[Message], fit: &mut Fit) -> Result<Vec<Value>, Failure> {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut out = Vec::with_capacity(messages.len());
    for (i, message) in messages.iter().enumerate() {
        let at = format!("messages[{i}]");
        // A result is told apart by its tool's name.
        let taken: &[&str] = if message.role == Role::Tool {
            &["name", OWN]
        } else {
            &[OWN]
        };
        fit_message(message, &at, API, taken, fit)?;
        let calls = message.tool_calls.iter();
        names.extend(calls.map(|call| (call.id.as_str(), call.name.as_str())));
        out.push(Value::Object(turn(message, &at, &names, fit)?));
    }
    if out.is_empty() {
        return Err(Failure::unsupported("messages", "the Ollama API needs a message"));
    }
    Ok(out)
}

fn turn(message: &Message, at: &str, names: &HashMap<&str, &str>, fit: &mut Fit) -> Result<JsonMap, Failure> {
    let role = match message.role {
        Role::System | Role::Developer => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    let mut said = said(&message.content, at, fit)?;
    if let Some(refusal) = message.refusal.as_ref().filter(|text| !text.is_empty()) {
        fit.note(format!("{at}.refusal: sent as text"));
        said.texts.push(refusal.clone());
    }
    let mut turn = JsonMap::new();
    turn.insert("role".to_owned(), json!(role));
    turn.insert("content".to_owned(), json!(said.texts.join(BETWEEN)));
    if !said.images.is_empty() {
        turn.insert("images".to_owned(), json!(said.images));
    }
    let thought = thought(message, at, fit);
    if !thought.is_empty() {
        turn.insert("thinking".to_owned(), json!(thought));
    }
    if !message.tool_calls.is_empty() {
        let mut calls = Vec::with_capacity(message.tool_calls.len());
        for (j, call) in message.tool_calls.iter().enumerate() {
            calls.push(tool_call(call, &format!("{at}.tool_calls[{j}]"), fit)?);
        }
        turn.insert("tool_calls".to_owned(), Value::Array(calls));
    }
    if message.role == Role::Tool {
        let id = message.tool_call_id.as_deref().unwrap_or_default();
        let name = names.get(id).copied().or(message.name.as_deref());
        match name {
            Some(name) => {
                turn.insert("tool_name".to_owned(), json!(name));
            }
            None => fit.note(format!(
                "{at}.tool_call_id: no earlier message has this call, so the tool is not named"
            )),
        }
        // Older servers pass over it.
        turn.insert("tool_call_id".to_owned(), json!(id));
    }
    if let Some(Value::Object(own)) = message.extra.get(OWN) {
        turn.extend(own.clone());
    }
    Ok(turn)
}

/// What the model of an earlier turn thought, if it ran on such a server.
fn thought(message: &Message, at: &str, fit: &mut Fit) -> String {
    let mut out = String::new();
    for (j, block) in message.reasoning.iter().enumerate() {
        if block.dialect == DialectId::OllamaChat {
            out.push_str(&block.text);
        } else {
            fit.note(format!(
                "{at}.reasoning_details[{j}]: left out, since only {} can read it",
                block.dialect
            ));
        }
    }
    out
}

fn tool_call(call: &ToolCall, at: &str, fit: &mut Fit) -> Result<Value, Failure> {
    if call.signature.is_some() {
        fit.note(format!(
            "{at}.extra_content: left out, since only gemini can read it"
        ));
    }
    let arguments = arguments(call, at, API, fit)?;
    Ok(json!({"id": call.id, "function": {"name": call.name, "arguments": arguments}}))
}

/// What a message says, in the two places the format has for it.
#[derive(Default)]
struct Said {
    texts: Vec<String>,
    images: Vec<String>,
}

fn said(content: &Content, at: &str, fit: &mut Fit) -> Result<Said, Failure> {
    let mut said = Said::default();
    match content {
        Content::Text(text) if text.is_empty() => {}
        Content::Text(text) => said.texts.push(text.clone()),
        Content::Parts(parts) => {
            for (j, one) in parts.iter().enumerate() {
                part(one, &format!("{at}.content[{j}]"), &mut said, fit)?;
            }
            // One text with images after it is the format's own order.
            let last_text = parts
                .iter()
                .rposition(|part| matches!(part.body, PartBody::Text { .. }));
            if last_text.is_some_and(|last| last > 0) {
                fit.note(format!(
                    "{at}.content: texts are sent as one, with images beside it and not between"
                ));
            }
        }
    }
    Ok(said)
}

fn part(part: &Part, at: &str, said: &mut Said, fit: &mut Fit) -> Result<(), Failure> {
    match &part.body {
        PartBody::Text { text } if text.is_empty() => {}
        PartBody::Text { text } => said.texts.push(text.clone()),
        PartBody::Refusal { refusal } => {
            fit.note(format!("{at}: a refusal is sent as text"));
            said.texts.push(refusal.clone());
        }
        PartBody::ImageUrl { image_url } => said.images.extend(image(image_url, at, fit)?),
        PartBody::File { file } => match text_of_document(file) {
            Some(text) => {
                fit.note(format!("{at}: the document is sent as text"));
                said.texts.push(text);
            }
            None => fit.lose(at, "the Ollama API takes no documents but plain text")?,
        },
        PartBody::InputAudio { .. } => fit.lose(at, "the Ollama API takes no audio")?,
        PartBody::Other(_) => fit.lose(
            at,
            "the part's type, or a field of it, is not known, so it cannot be translated",
        )?,
    }
    Ok(())
}

/// An image as bare base64: the server tells its type by itself, and fetches none.
fn image(image: &ImagePart, at: &str, fit: &mut Fit) -> Result<Option<String>, Failure> {
    let Some(Media::Base64 { data, .. }) = parse_data_url(&image.url) else {
        fit.lose(
            &format!("{at}.image_url.url"),
            "the Ollama API takes images inline only, as a base64 `data:` URL",
        )?;
        return Ok(None);
    };
    if image.detail.as_deref().is_some_and(|detail| detail != "auto") {
        fit.note(format!(
            "{at}.image_url.detail: left out; the vendor chooses the resolution"
        ));
    }
    Ok(Some(data.to_owned()))
}
