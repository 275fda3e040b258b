//! The conversation: OpenAI-shaped messages → `systemInstruction` parts and `contents`.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::dialect::Call;
use crate::dialect::foreign::{arguments, check_message, has_cache_marks, parts as all_parts};
use crate::types::{
    ChatRequest, Content, DialectId, Failure, FilePart, JsonMap, Media, Message, Part, PartBody, Role,
    ToolCall, parse_data_url,
};

/// What the vendor documents for a call that no model of its own made, and so none signed.
const UNSIGNED: &str = "skip_thought_signature_validator";

/// What the format is called.
pub(super) const API: &str = "the Gemini API";

/// The `systemInstruction` parts and the `contents`.
pub(super) fn conversation(
    call: &Call<'_>,
    adapted: &mut Vec<String>,
) -> Result<(Vec<Value>, Vec<Value>), Failure> {
    let mut system = Vec::new();
    let mut contents = Vec::new();
    // Results of one turn's calls, which must stand together.
    let mut results = Vec::new();
    let mut names: HashMap<&str, &str> = HashMap::new();
    note_left_out(call.request, adapted);
    for (i, message) in call.request.messages.iter().enumerate() {
        let at = format!("messages[{i}]");
        check_message(message, &at, API, adapted)?;
        if message.role == Role::Tool {
            results.push(result(message, &at, &names)?);
            continue;
        }
        flush_results(&mut results, &mut contents);
        let (role, parts) = match message.role {
            Role::System | Role::Developer => {
                if !contents.is_empty() {
                    adapted.push(format!(
                        "{at}: instructions moved to the top, the only place the vendor has for them"
                    ));
                }
                system.extend(parts(&message.content, &at, false)?);
                continue;
            }
            Role::Assistant => {
                names.extend(
                    message
                        .tool_calls
                        .iter()
                        .map(|call| (call.id.as_str(), call.name.as_str())),
                );
                ("model", assistant(message, &at, call.model, adapted)?)
            }
            Role::User | Role::Tool => ("user", parts(&message.content, &at, true)?),
        };
        if parts.is_empty() {
            adapted.push(format!("{at}: left out, since the vendor refuses empty messages"));
        } else {
            contents.push(json!({"role": role, "parts": parts}));
        }
    }
    flush_results(&mut results, &mut contents);
    if contents.is_empty() {
        return Err(Failure::unsupported(
            "messages",
            "the Gemini API needs a user or assistant message that is not empty",
        ));
    }
    Ok((system, contents))
}

fn flush_results(results: &mut Vec<Value>, contents: &mut Vec<Value>) {
    if !results.is_empty() {
        contents.push(json!({"role": "user", "parts": std::mem::take(results)}));
    }
}

fn note_left_out(request: &ChatRequest, adapted: &mut Vec<String>) {
    if has_cache_marks(request) {
        adapted.push("`cache_control` marks left out: gemini caches by itself".to_owned());
    }
    let named = |part: &Part| matches!(&part.body, PartBody::File { file } if file.filename.is_some());
    if all_parts(request).any(named) {
        adapted.push("file.filename: left out; the Gemini API has no place for it".to_owned());
    }
}

fn assistant(
    message: &Message,
    at: &str,
    model: &str,
    adapted: &mut Vec<String>,
) -> Result<Vec<Value>, Failure> {
    let mut signature = None;
    for (j, block) in message.reasoning.iter().enumerate() {
        if block.dialect == DialectId::Gemini {
            signature = block.signature.as_deref().or(signature);
        } else {
            adapted.push(format!(
                "{at}.reasoning_details[{j}]: left out, since only {} can read it",
                block.dialect
            ));
        }
    }
    let mut out = parts(&message.content, at, false)?;
    if let Some(refusal) = message.refusal.as_ref().filter(|text| !text.is_empty()) {
        adapted.push(format!("{at}.refusal: sent as text"));
        out.push(json!({"text": refusal}));
    }
    if let Some(signature) = signature {
        // The answer's own signature came with its last text, or with an empty one after it.
        match out.last_mut().and_then(Value::as_object_mut) {
            Some(last) => {
                last.insert("thoughtSignature".to_owned(), json!(signature));
            }
            None => out.push(json!({"text": "", "thoughtSignature": signature})),
        }
    }
    // Parallel calls are signed on the first.
    let signed = message
        .tool_calls
        .first()
        .is_none_or(|call| call.signature.is_some());
    let mut stand_in = (!signed && wants_signatures(model)).then_some(UNSIGNED);
    if stand_in.is_some() {
        adapted.push(format!(
            "{at}.tool_calls: marked as not made by the vendor's own model"
        ));
    }
    for (j, call) in message.tool_calls.iter().enumerate() {
        let signature = call.signature.as_deref().or(stand_in.take());
        out.push(function_call(call, signature, &format!("{at}.tool_calls[{j}]"))?);
    }
    Ok(out)
}

/// Whether the model refuses calls in the history that are not signed: all since Gemini 3, and the aliases for them.
fn wants_signatures(model: &str) -> bool {
    model
        .strip_prefix("gemini-")
        .is_some_and(|version| !version.starts_with("1.") && !version.starts_with("2."))
}

fn function_call(call: &ToolCall, signature: Option<&str>, at: &str) -> Result<Value, Failure> {
    let args = arguments(call, at, API)?;
    let mut part = json!({"functionCall": {"id": call.id, "name": call.name, "args": args}});
    if let (Some(signature), Some(part)) = (signature, part.as_object_mut()) {
        part.insert("thoughtSignature".to_owned(), json!(signature));
    }
    Ok(part)
}

/// A tool's result. The vendor wants the function's name, which stands in the call, and an object.
fn result(message: &Message, at: &str, names: &HashMap<&str, &str>) -> Result<Value, Failure> {
    let id = message.tool_call_id.as_deref().unwrap_or_default();
    let Some(name) = names.get(id) else {
        return Err(Failure::unsupported(
            &format!("{at}.tool_call_id"),
            "the Gemini API needs the function's name, and no earlier assistant message has this call",
        ));
    };
    let mut text = String::new();
    match &message.content {
        Content::Text(said) => text.push_str(said),
        Content::Parts(parts) => {
            for (j, part) in parts.iter().enumerate() {
                let PartBody::Text { text: said } = &part.body else {
                    return Err(Failure::unsupported(
                        &format!("{at}.content[{j}]"),
                        "not every Gemini model takes anything but text from a tool",
                    ));
                };
                text.push_str(said);
            }
        }
    }
    let response = match serde_json::from_str::<JsonMap>(&text) {
        Ok(object) => Value::Object(object),
        Err(_) => json!({"result": text}),
    };
    Ok(json!({"functionResponse": {"id": id, "name": name, "response": response}}))
}

/// Content as parts. Empty texts are left out: they say nothing.
fn parts(content: &Content, at: &str, media: bool) -> Result<Vec<Value>, Failure> {
    match content {
        Content::Text(text) if text.is_empty() => Ok(Vec::new()),
        Content::Text(text) => Ok(vec![json!({"text": text})]),
        Content::Parts(parts) => parts
            .iter()
            .enumerate()
            .filter(|(_, part)| !matches!(&part.body, PartBody::Text { text } if text.is_empty()))
            .map(|(j, one)| part(one, &format!("{at}.content[{j}]"), media))
            .collect(),
    }
}

fn part(part: &Part, at: &str, media: bool) -> Result<Value, Failure> {
    match &part.body {
        PartBody::Text { text } | PartBody::Refusal { refusal: text } => Ok(json!({"text": text})),
        PartBody::Other(_) => Err(Failure::unsupported(
            at,
            "the part's type, or a field of it, is not known, so it cannot be translated",
        )),
        _ if !media => Err(Failure::unsupported(
            at,
            "the Gemini API takes images, documents and audio in user messages only",
        )),
        PartBody::ImageUrl { image_url } => located(&image_url.url, &format!("{at}.image_url.url")),
        PartBody::InputAudio { input_audio } => Ok(json!({"inlineData": {
            "mimeType": format!("audio/{}", input_audio.format),
            "data": input_audio.data,
        }})),
        PartBody::File { file } => document(file, at),
    }
}

fn document(file: &FilePart, at: &str) -> Result<Value, Failure> {
    match (&file.file_data, &file.file_id) {
        (Some(data), None) => located(data, &format!("{at}.file.file_data")),
        (None, Some(id)) => Ok(file_data(id)),
        _ => Err(Failure::unsupported(
            &format!("{at}.file"),
            "give exactly one of `file_data` and `file_id`",
        )),
    }
}

fn located(url: &str, at: &str) -> Result<Value, Failure> {
    match parse_data_url(url) {
        Some(Media::Base64 { media_type, data }) => {
            Ok(json!({"inlineData": {"mimeType": media_type, "data": data}}))
        }
        // `gs:` is a bucket, which Vertex reads.
        Some(Media::Url(url))
            if ["https://", "http://", "gs://"]
                .iter()
                .any(|scheme| url.starts_with(scheme)) =>
        {
            Ok(file_data(url))
        }
        Some(Media::Url(_)) | None => Err(Failure::unsupported(
            at,
            "expected a base64 `data:` URL with its media type, or an `https:` URL",
        )),
    }
}

/// A file by URI. Vertex wants its media type, which a URL tells by its ending.
fn file_data(uri: &str) -> Value {
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    let ending = path
        .rsplit_once('.')
        .map(|(_, ending)| ending.to_ascii_lowercase());
    let media_type = match ending.as_deref() {
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("webp") => "image/webp",
        Some("gif") => "image/gif",
        Some("heic") => "image/heic",
        Some("pdf") => "application/pdf",
        Some("txt") => "text/plain",
        Some("mp3") => "audio/mp3",
        Some("wav") => "audio/wav",
        Some("mp4") => "video/mp4",
        _ => return json!({"fileData": {"fileUri": uri}}),
    };
    json!({"fileData": {"mimeType": media_type, "fileUri": uri}})
}
