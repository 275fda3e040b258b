//! The conversation: OpenAI-shaped messages → `systemInstruction` parts and `contents`.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::dialect::Call;
use crate::dialect::fit::Fit;
use crate::dialect::foreign::{arguments, check_message, has_cache_marks, parts as all_parts};
use crate::types::{
    ChatRequest, Content, DialectId, Failure, FilePart, JsonMap, Media, Message, Part, PartBody, Role,
    parse_data_url,
};

/// What the vendor documents for a call that no model of its own made, and so none signed.
const UNSIGNED: &str = "skip_thought_signature_validator";

/// What the format is called.
pub(super) const API: &str = "the Gemini API";

/// The `systemInstruction` parts and the `contents`.
pub(super) fn conversation(call: &Call<'_>, fit: &mut Fit) -> Result<(Vec<Value>, Vec<Value>), Failure> {
    let mut system = Vec::new();
    let mut contents = Vec::new();
    // Results of one turn's calls, which must stand together, and what they show.
    let mut results = Vec::new();
    let mut shown = Vec::new();
    let mut names: HashMap<&str, &str> = HashMap::new();
    note_left_out(call.request, fit);
    for (i, message) in call.request.messages.iter().enumerate() {
        let at = format!("messages[{i}]");
        check_message(message, &at, (DialectId::Gemini, API), fit)?;
        if message.role == Role::Tool {
            results.push(result(message, &at, &names, call.model, &mut shown, fit)?);
            continue;
        }
        flush_results(&mut results, &mut shown, &mut contents);
        let (role, parts) = match message.role {
            Role::System | Role::Developer => {
                if !contents.is_empty() {
                    fit.note(format!(
                        "{at}: instructions moved to the top, the only place the vendor has for them"
                    ));
                }
                system.extend(parts(&message.content, &at, false, fit)?);
                continue;
            }
            Role::Assistant => {
                names.extend(
                    message
                        .tool_calls
                        .iter()
                        .map(|call| (call.id.as_str(), call.name.as_str())),
                );
                ("model", assistant(message, &at, call.model, fit)?)
            }
            Role::User | Role::Tool => ("user", parts(&message.content, &at, true, fit)?),
        };
        if parts.is_empty() {
            fit.note(format!("{at}: left out, since the vendor refuses empty messages"));
        } else {
            contents.push(json!({"role": role, "parts": parts}));
        }
    }
    flush_results(&mut results, &mut shown, &mut contents);
    if contents.is_empty() {
        return Err(Failure::unsupported(
            "messages",
            "the Gemini API needs a user or assistant message that is not empty",
        ));
    }
    Ok((system, contents))
}

fn flush_results(results: &mut Vec<Value>, shown: &mut Vec<Value>, contents: &mut Vec<Value>) {
    if !results.is_empty() {
        results.append(shown);
        contents.push(json!({"role": "user", "parts": std::mem::take(results)}));
    }
}

fn note_left_out(request: &ChatRequest, fit: &mut Fit) {
    if has_cache_marks(request) {
        fit.note("cache_control: left out; gemini caches by itself".to_owned());
    }
    let named = |part: &Part| matches!(&part.body, PartBody::File { file } if file.filename.is_some());
    if all_parts(request).any(named) {
        fit.note("file.filename: left out; the Gemini API has no place for it".to_owned());
    }
}

fn assistant(message: &Message, at: &str, model: &str, fit: &mut Fit) -> Result<Vec<Value>, Failure> {
    let mut signature = None;
    let mut out = Vec::new();
    for (j, block) in message.reasoning.iter().enumerate() {
        if block.dialect == DialectId::Gemini && !block.text.is_empty() {
            let mut thought = json!({"text": block.text, "thought": true});
            sign(&mut thought, block.signature.as_deref());
            out.push(thought);
        } else if block.dialect == DialectId::Gemini {
            signature = block.signature.as_deref().or(signature);
        } else {
            fit.note(format!(
                "{at}.reasoning_details[{j}]: left out, since only {} can read it",
                block.dialect
            ));
        }
    }
    let thoughts = out.len();
    out.extend(parts(&message.content, at, false, fit)?);
    if let Some(refusal) = message.refusal.as_ref().filter(|text| !text.is_empty()) {
        fit.note(format!("{at}.refusal: sent as text"));
        out.push(json!({"text": refusal}));
    }
    if let Some(signature) = signature {
        // The answer's own signature came with its last text, or with an empty one after it.
        match out.get_mut(thoughts..).and_then(<[Value]>::last_mut) {
            Some(last) => sign(last, Some(signature)),
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
        fit.note(format!(
            "{at}.tool_calls: marked as not made by the vendor's own model"
        ));
    }
    for (j, call) in message.tool_calls.iter().enumerate() {
        let signature = call.signature.as_deref().or(stand_in.take());
        let args = arguments(call, &format!("{at}.tool_calls[{j}]"), API, fit)?;
        let mut part = json!({"functionCall": {"id": call.id, "name": call.name, "args": args}});
        sign(&mut part, signature);
        out.push(part);
    }
    Ok(out)
}

/// Whether the model refuses calls in the history that are not signed: all since Gemini 3, and the aliases for them.
fn wants_signatures(model: &str) -> bool {
    model
        .strip_prefix("gemini-")
        .is_some_and(|version| !version.starts_with("1.") && !version.starts_with("2."))
}

fn sign(part: &mut Value, signature: Option<&str>) {
    if let (Some(signature), Some(part)) = (signature, part.as_object_mut()) {
        part.insert("thoughtSignature".to_owned(), json!(signature));
    }
}

/// A tool's result. The vendor wants the function's name, which stands in the call, and an object. What it shows goes
/// into `shown` for models that take nothing but text from a tool.
fn result<'a>(
    message: &'a Message,
    at: &str,
    names: &HashMap<&str, &'a str>,
    model: &str,
    shown: &mut Vec<Value>,
    fit: &mut Fit,
) -> Result<Value, Failure> {
    let id = message.tool_call_id.as_deref().unwrap_or_default();
    let Some(name) = names.get(id).copied().or(message.name.as_deref()) else {
        return Err(Failure::unsupported(
            &format!("{at}.tool_call_id"),
            "the Gemini API needs the function's name, and no earlier assistant message has this call",
        ));
    };
    let mut text = String::new();
    let mut media = Vec::new();
    match &message.content {
        Content::Text(said) => text.push_str(said),
        Content::Parts(parts) => {
            for (j, one) in parts.iter().enumerate() {
                match &one.body {
                    PartBody::Text { text: said } => text.push_str(said),
                    _ => media.push(part(one, &format!("{at}.content[{j}]"), true, fit)?),
                }
            }
        }
    }
    let response = match serde_json::from_str::<JsonMap>(&text) {
        Ok(object) => Value::Object(object),
        Err(_) => json!({"result": text}),
    };
    let mut answer = json!({"id": id, "name": name, "response": response});
    if let Some(answer) = answer.as_object_mut() {
        if wants_signatures(model) && !media.is_empty() {
            answer.insert("parts".to_owned(), Value::Array(std::mem::take(&mut media)));
        }
        if let Some(Value::Object(fields)) = message.extra.get(DialectId::Gemini.as_str()) {
            answer.extend(fields.clone());
        }
    }
    if !media.is_empty() {
        fit.note(format!(
            "{at}.content: what is not text moved behind the tools' results, since the model takes only text from a tool"
        ));
        shown.append(&mut media);
    }
    Ok(json!({"functionResponse": answer}))
}

/// Content as parts. Empty texts are left out: they say nothing.
fn parts(content: &Content, at: &str, media: bool, fit: &mut Fit) -> Result<Vec<Value>, Failure> {
    match content {
        Content::Text(text) if text.is_empty() => Ok(Vec::new()),
        Content::Text(text) => Ok(vec![json!({"text": text})]),
        Content::Parts(parts) => parts
            .iter()
            .enumerate()
            .filter(|(_, part)| !matches!(&part.body, PartBody::Text { text } if text.is_empty()))
            .map(|(j, one)| part(one, &format!("{at}.content[{j}]"), media, fit))
            .collect(),
    }
}

fn part(part: &Part, at: &str, media: bool, fit: &mut Fit) -> Result<Value, Failure> {
    match &part.body {
        PartBody::Text { text } => Ok(json!({"text": text})),
        PartBody::Refusal { refusal } => {
            fit.note(format!("{at}.refusal: sent as text"));
            Ok(json!({"text": refusal}))
        }
        PartBody::Other(own) => Ok(Value::Object(own.clone())),
        _ if !media => Err(Failure::unsupported(
            at,
            "the Gemini API takes images, documents and audio in user messages only",
        )),
        PartBody::ImageUrl { image_url } => {
            let at = format!("{at}.image_url.url");
            let place = located(&image_url.url, &at)?;
            if place
                .pointer("/fileData")
                .is_some_and(|file| file.get("mimeType").is_none())
            {
                fit.note(format!(
                    "{at}: not said to be an image, since its ending does not tell of what type"
                ));
            }
            Ok(place)
        }
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
pub(super) fn file_data(uri: &str) -> Value {
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
