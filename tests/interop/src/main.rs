//! Reads one JSON object a line, does what it asks, and answers with a line: so that tests in Python can hold what the core
//! does against what botocore does.

use std::io::{self, BufRead as _, Write as _};
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hotspare::catalog::Quirks;
use hotspare::dialect::{Call, EventStreamParser, StreamDecoder, dialect};
use hotspare::secrets::{AwsCredentials, SigningRequest, sign};
use hotspare::types::{Accumulator, ChatRequest, DialectId};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

/// What a line asks for. Bytes are base64.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Ask {
    /// The headers that sign a request, and its URL as it would be sent.
    Sign(Box<Sign>),
    /// The events in the frames of an AWS event stream.
    Frames { bytes: String, split: usize },
    /// The reply in a Bedrock stream.
    Stream { bytes: String, split: usize },
    /// The reply in a Bedrock body.
    Reply { bytes: String },
    /// The body of a request to Bedrock.
    Encode {
        model: String,
        request: Box<ChatRequest>,
    },
}

#[derive(Deserialize)]
struct Sign {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: String,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    region: String,
    service: String,
    /// Seconds since 1970.
    time: u64,
}

type Answer = Result<Value, Box<dyn std::error::Error>>;

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let answer = answer(&line?).unwrap_or_else(|error| json!({"failed": error.to_string()}));
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

fn answer(line: &str) -> Answer {
    match serde_json::from_str(line)? {
        Ask::Sign(ask) => signed(*ask),
        Ask::Frames { bytes, split } => frames(&STANDARD.decode(bytes)?, split),
        Ask::Stream { bytes, split } => stream(&STANDARD.decode(bytes)?, split),
        Ask::Reply { bytes } => {
            let done = dialect(DialectId::BedrockConverse).decode(&STANDARD.decode(bytes)?);
            Ok(json!(done.map_err(|failure| failure.message)?))
        }
        Ask::Encode { model, request } => {
            let encoded = dialect(DialectId::BedrockConverse).encode(&Call {
                request: &request,
                provider: "bedrock",
                model: &model,
                facts: None,
                quirks: &Quirks::default(),
                lossy: false,
                stream: false,
            });
            let encoded = encoded.map_err(|failure| failure.message)?;
            let body: Value = serde_json::from_slice(&encoded.body)?;
            Ok(json!({"path": encoded.path, "body": body}))
        }
    }
}

fn signed(ask: Sign) -> Answer {
    let url = Url::parse(&ask.url)?;
    let mut headers = HeaderMap::new();
    for (name, value) in ask.headers {
        headers.append(
            HeaderName::from_bytes(name.as_bytes())?,
            HeaderValue::from_bytes(value.as_bytes())?,
        );
    }
    let added = sign(
        &SigningRequest {
            method: &Method::from_bytes(ask.method.as_bytes())?,
            url: &url,
            headers: &headers,
            body: &STANDARD.decode(ask.body)?,
        },
        &AwsCredentials {
            access_key_id: ask.access_key_id,
            secret_access_key: SecretString::from(ask.secret_access_key),
            session_token: ask.session_token.map(SecretString::from),
        },
        &ask.region,
        &ask.service,
        UNIX_EPOCH + Duration::from_secs(ask.time),
    )?;
    let mut shown = serde_json::Map::new();
    for (name, value) in added {
        shown.insert(name.to_string(), json!(value.to_str()?));
    }
    Ok(json!({"url": url.as_str(), "headers": shown}))
}

fn frames(bytes: &[u8], split: usize) -> Answer {
    let mut parser = EventStreamParser::new();
    let mut events = Vec::new();
    let mut failed = None;
    for piece in bytes.chunks(split.max(1)) {
        if let Err(failure) = parser.push(piece, &mut events) {
            failed = Some(failure.message);
            break;
        }
    }
    let events: Vec<Value> = events
        .into_iter()
        .map(|event| json!({"name": event.name, "data": event.data, "error": event.error}))
        .collect();
    Ok(json!({"events": events, "failed": failed}))
}

fn stream(bytes: &[u8], split: usize) -> Answer {
    let mut decoder = StreamDecoder::new(dialect(DialectId::BedrockConverse), &Quirks::default());
    let mut deltas = Vec::new();
    let pushed = bytes
        .chunks(split.max(1))
        .try_for_each(|piece| decoder.push(piece, &mut deltas));
    let ended = pushed.and_then(|()| decoder.finish(&mut deltas));
    let mut reply = Accumulator::default();
    deltas.iter().for_each(|delta| reply.apply(delta));
    Ok(json!({
        "reply": reply.finish(),
        "failure": ended.err().map(|failure| json!({"class": failure.class, "code": failure.code})),
    }))
}
