//! Recorded exchanges, served again byte for byte.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderValue;
use serde::Deserialize;
use serde_json::Value;

use crate::plan::Body;
use crate::render::{self, Piece};
use crate::script::Dialect;

/// One recorded reply.
#[derive(Debug, Clone)]
pub(crate) struct Recording {
    pub(crate) id: String,
    pub(crate) id_header: HeaderValue,
    pub(crate) status: u16,
    pub(crate) content_type: Option<HeaderValue>,
    pub(crate) body: Arc<Body>,
    /// The same without its end: what the fault `no_terminal_marker` serves.
    pub(crate) endless: Arc<Body>,
}

#[derive(Deserialize)]
struct Fixture {
    id: String,
    endpoint: String,
    response: Response,
}

#[derive(Deserialize)]
struct Response {
    status: u16,
    #[serde(default)]
    headers: serde_json::Map<String, Value>,
    body: Option<Value>,
    text: Option<String>,
    sse: Option<String>,
    ndjson: Option<String>,
    eventstream_b64: Option<String>,
    eventstream_decoded: Option<Vec<DecodedEvent>>,
}

/// An event of which the frame was not recorded.
#[derive(Deserialize)]
struct DecodedEvent {
    headers: BTreeMap<String, String>,
    payload: Value,
}

impl Recording {
    /// Reads a file, or a folder and all below it in order of name, and keeps the good replies of the dialect.
    pub(crate) fn load(path: &Path, dialect: Dialect) -> io::Result<Vec<Self>> {
        let mut files = Vec::new();
        let told = |path: &Path, problem: &dyn std::fmt::Display| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("`{}`: {problem}", path.display()),
            )
        };
        find(path, &mut files).map_err(|problem| told(path, &problem))?;
        files.sort();
        let mut recordings = Vec::new();
        for file in files {
            let text = fs::read(&file).map_err(|problem| told(&file, &problem))?;
            let document: Value = serde_json::from_slice(&text).map_err(|problem| told(&file, &problem))?;
            if document.get("schema").and_then(Value::as_str) != Some("fixture/1") {
                continue;
            }
            let fixture = Fixture::deserialize(document).map_err(|problem| told(&file, &problem))?;
            recordings.extend(Self::new(fixture, dialect));
        }
        Ok(recordings)
    }

    fn new(fixture: Fixture, dialect: Dialect) -> Option<Self> {
        let response = fixture.response;
        let endpoints: &[&str] = match dialect {
            Dialect::OpenaiChat => &["chat.completions", "openai-compat"],
            Dialect::OpenaiResponses => &["responses"],
            Dialect::AnthropicMessages => &["messages"],
            Dialect::Gemini => &["generateContent", "streamGenerateContent"],
            Dialect::BedrockConverse => &["converse", "converse-stream"],
            Dialect::CohereChat => &["v2.chat"],
            Dialect::OllamaChat => &["api.chat"],
        };
        if !endpoints.contains(&fixture.endpoint.as_str()) || !(200..300).contains(&response.status) {
            return None;
        }
        let events = match (response.sse, response.ndjson, response.eventstream_b64) {
            (Some(sse), _, _) => Some(blocks(&sse)),
            (_, Some(lines), _) => {
                let lines = lines.split_inclusive('\n');
                Some(lines.map(|line| Bytes::from(line.to_owned())).collect())
            }
            (_, _, Some(frames)) => Some(split_frames(STANDARD.decode(frames).ok()?.into())),
            _ => response
                .eventstream_decoded
                .map(|events| events.iter().map(framed).collect()),
        };
        let (body, endless) = if let Some(events) = events {
            let pieces = pieces(dialect, events);
            let content = pieces.iter().take_while(|piece| piece.content).cloned().collect();
            (Body::stream(pieces), Body::stream(content))
        } else if let Some(mut body) = response.body {
            let whole = Body::whole(body.to_string());
            forget_finish(&mut body);
            (whole, Body::whole(body.to_string()))
        } else {
            let text = response.text?;
            (Body::whole(text.clone()), Body::whole(text))
        };
        let content_type = response.headers.get("content-type").and_then(Value::as_str);
        Some(Self {
            id_header: HeaderValue::from_str(&fixture.id).ok()?,
            id: fixture.id,
            status: response.status,
            content_type: content_type.and_then(|value| HeaderValue::from_str(value).ok()),
            body: Arc::new(body),
            endless: Arc::new(endless),
        })
    }
}

fn find(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        fs::metadata(path)?;
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?.path();
        if entry.is_dir() || entry.extension().is_some_and(|extension| extension == "json") {
            find(&entry, files)?;
        }
    }
    Ok(())
}

/// The events of a stream, each with the blank line that ends it.
fn blocks(sse: &str) -> Vec<Bytes> {
    let mut events: Vec<Bytes> = Vec::new();
    let mut event = String::new();
    for line in sse.split_inclusive('\n') {
        event.push_str(line);
        if line.trim_end_matches(['\r', '\n']).is_empty() {
            events.push(std::mem::take(&mut event).into());
        }
    }
    if !event.is_empty() {
        events.push(event.into());
    }
    events
}

/// The frames of an event stream, each of which begins with its length.
fn split_frames(mut bytes: Bytes) -> Vec<Bytes> {
    let mut frames = Vec::new();
    while let Some(length) = bytes.first_chunk() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        frames.push(bytes.split_to(length.clamp(4, bytes.len())));
    }
    frames
}

fn framed(event: &DecodedEvent) -> Bytes {
    let headers: Vec<(&str, &str)> = event
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    render::bedrock::frame(&headers, event.payload.to_string().as_bytes())
}

/// From the event on that says why the reply ended, they count as its end, not as content.
fn pieces(dialect: Dialect, events: Vec<Bytes>) -> Vec<Piece> {
    let mut content = true;
    let pieces = events.into_iter().map(|bytes| {
        content = content && !says_end(dialect, &bytes);
        Piece { bytes, content }
    });
    pieces.collect()
}

fn says_end(dialect: Dialect, event: &[u8]) -> bool {
    let event = String::from_utf8_lossy(event);
    if dialect == Dialect::BedrockConverse {
        return event.contains("messageStop");
    }
    let data = event.lines().filter_map(|line| match dialect {
        Dialect::OllamaChat => Some(line),
        _ => line.strip_prefix("data:").map(str::trim),
    });
    data.into_iter().any(|data| {
        if data == "[DONE]" {
            return true;
        }
        let Ok(body) = serde_json::from_str::<Value>(data) else {
            return false;
        };
        let said = |path: &str| body.pointer(path).is_some_and(|value| !value.is_null());
        match dialect {
            Dialect::OpenaiChat => said("/choices/0/finish_reason"),
            Dialect::OpenaiResponses => {
                let kind = body.get("type").and_then(Value::as_str).unwrap_or_default();
                ["response.completed", "response.incomplete", "response.failed"].contains(&kind)
            }
            Dialect::CohereChat => said("/delta/finish_reason"),
            Dialect::OllamaChat => body.get("done") == Some(&Value::Bool(true)),
            // Its frames are told above.
            Dialect::BedrockConverse => false,
            Dialect::AnthropicMessages => {
                said("/delta/stop_reason") || body.get("type").is_some_and(|kind| kind == "message_stop")
            }
            Dialect::Gemini => said("/candidates/0/finishReason") || said("/promptFeedback/blockReason"),
        }
    })
}

fn forget_finish(body: &mut Value) {
    for path in [
        "/choices/0/finish_reason",
        "/stop_reason",
        "/status",
        "/stopReason",
        "/finish_reason",
        "/done_reason",
        "/candidates/0/finishReason",
    ] {
        if let Some(reason) = body.pointer_mut(path) {
            *reason = Value::Null;
        }
    }
}
