//! Recorded exchanges, served again byte for byte.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::HeaderValue;
use serde::Deserialize;
use serde_json::Value;

use crate::plan::Body;
use crate::render::Piece;
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
        let chat = match dialect {
            Dialect::OpenaiChat => matches!(fixture.endpoint.as_str(), "chat.completions" | "openai-compat"),
            Dialect::AnthropicMessages => fixture.endpoint == "messages",
            Dialect::Gemini => {
                matches!(
                    fixture.endpoint.as_str(),
                    "generateContent" | "streamGenerateContent"
                )
            }
        };
        if !chat || !(200..300).contains(&response.status) {
            return None;
        }
        let (body, endless) = if let Some(sse) = response.sse {
            let pieces = pieces(dialect, &sse);
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

/// The events of a stream, each with the blank line that ends it. From the one on that says why the reply ended,
/// they count as its end, not as content.
fn pieces(dialect: Dialect, sse: &str) -> Vec<Piece> {
    let mut events = Vec::new();
    let mut event = String::new();
    for line in sse.split_inclusive('\n') {
        event.push_str(line);
        if line.trim_end_matches(['\r', '\n']).is_empty() {
            events.push(std::mem::take(&mut event));
        }
    }
    if !event.is_empty() {
        events.push(event);
    }
    let mut content = true;
    let pieces = events.into_iter().map(|event| {
        content = content && !says_end(dialect, &event);
        Piece {
            bytes: event.into(),
            content,
        }
    });
    pieces.collect()
}

fn says_end(dialect: Dialect, event: &str) -> bool {
    let data = event
        .lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .map(str::trim);
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
        "/candidates/0/finishReason",
    ] {
        if let Some(reason) = body.pointer_mut(path) {
            *reason = Value::Null;
        }
    }
}
