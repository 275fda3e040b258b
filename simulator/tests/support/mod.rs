//! One client over plain TCP, one over the in-process transport; both tell what they met in the same words.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::time::Duration;

use bytes::Bytes;
use hotspare::transport::{HttpRequest, Transport as _, TransportErrorKind};
use hotspare_simulator::{JournalEntry, Script, SimTransport, Simulator};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// No connection.
    Refused,
    /// The connection broke before the whole head.
    NoHead,
    /// It broke in the body.
    Broken,
    /// The body came whole.
    Complete,
    /// Nothing more came, and nothing broke.
    Waiting,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) status: Option<u16>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) ending: Ending,
}

impl Outcome {
    fn none(ending: Ending) -> Self {
        Self {
            status: None,
            headers: HeaderMap::new(),
            body: Vec::new(),
            ending,
        }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The same with all that is not ASCII text in its body, as in the frames of Bedrock, replaced byte for byte.
    pub(crate) fn readable(&self) -> Self {
        let shown = |byte: &u8| {
            if byte.is_ascii_graphic() || byte.is_ascii_whitespace() {
                *byte
            } else {
                b'?'
            }
        };
        Self {
            body: self.body.iter().map(shown).collect(),
            ..self.clone()
        }
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub(crate) const DIALECTS: [&str; 7] = [
    "openai_chat",
    "openai_responses",
    "anthropic_messages",
    "gemini",
    "bedrock_converse",
    "cohere_chat",
    "ollama_chat",
];

/// A chat request of a dialect: its path under the base URL, and its body.
pub(crate) fn chat(dialect: &str, stream: bool) -> (String, String) {
    let body = format!(r#"{{"model":"m","stream":{stream}}}"#);
    match dialect {
        "openai_chat" => ("/chat/completions".to_owned(), body),
        "openai_responses" => ("/responses".to_owned(), body),
        "anthropic_messages" => ("/messages".to_owned(), body),
        "bedrock_converse" if stream => ("/model/m/converse-stream".to_owned(), "{}".to_owned()),
        "bedrock_converse" => ("/model/m/converse".to_owned(), "{}".to_owned()),
        "cohere_chat" => ("/chat".to_owned(), body),
        "ollama_chat" => ("/api/chat".to_owned(), body),
        _ if stream => (
            "/models/m:streamGenerateContent?alt=sse".to_owned(),
            "{}".to_owned(),
        ),
        _ => ("/models/m:generateContent".to_owned(), "{}".to_owned()),
    }
}

pub(crate) fn key_header(dialect: &str, key: &str) -> (&'static str, String) {
    match dialect {
        "anthropic_messages" => ("x-api-key", key.to_owned()),
        "gemini" => ("x-goog-api-key", key.to_owned()),
        "bedrock_converse" => (
            "authorization",
            format!(
                "AWS4-HMAC-SHA256 Credential={key}/20261124/us-east-1/bedrock/aws4_request, SignedHeaders=host"
            ),
        ),
        _ => ("authorization", format!("Bearer {key}")),
    }
}

pub(crate) fn script(json: serde_json::Value) -> Script {
    Script::from_json(&json.to_string()).unwrap()
}

pub(crate) fn address(simulator: &Simulator, provider: &str) -> String {
    let url = url::Url::parse(simulator.url(provider).unwrap()).unwrap();
    format!("127.0.0.1:{}", url.port().unwrap())
}

pub(crate) fn request_bytes(method: &str, url: &str, headers: &[(&str, String)], body: &str) -> Vec<u8> {
    let url = url::Url::parse(url).unwrap();
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let mut head = format!(
        "{method} {target} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    format!("{head}\r\n{body}").into_bytes()
}

/// Reads one response; `patience` is how long it may take before it counts as waiting.
pub(crate) async fn read_response(stream: &mut TcpStream, patience: Duration) -> Outcome {
    let mut input = Vec::new();
    let silence = tokio::time::sleep(patience);
    tokio::pin!(silence);
    loop {
        let read = tokio::select! {
            read = stream.read_buf(&mut input) => Ok(read),
            () = &mut silence => Err(()),
        };
        let mut outcome = decode(&input);
        match read {
            _ if outcome.ending == Ending::Complete => return outcome,
            Ok(Ok(1..)) => {}
            Ok(_) => {
                outcome.ending = match outcome.status {
                    Some(_) => Ending::Broken,
                    None => Ending::NoHead,
                };
                return outcome;
            }
            Err(_) => return outcome,
        }
    }
}

fn decode(input: &[u8]) -> Outcome {
    let mut slots = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut slots);
    let httparse::Status::Complete(head) = response.parse(input).unwrap() else {
        return Outcome::none(Ending::Waiting);
    };
    let mut headers = HeaderMap::new();
    for header in response.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes()).unwrap();
        headers.insert(name, HeaderValue::from_bytes(header.value).unwrap());
    }
    let mut rest = &input[head..];
    let mut body = Vec::new();
    let complete = if let Some(length) = headers.get("content-length") {
        body.extend_from_slice(rest);
        body.len() == length.to_str().unwrap().parse::<usize>().unwrap()
    } else {
        loop {
            let Ok(httparse::Status::Complete((line, size))) = httparse::parse_chunk_size(rest) else {
                break false;
            };
            let (data, size) = (&rest[line..], usize::try_from(size).unwrap());
            body.extend_from_slice(&data[..size.min(data.len())]);
            if data.len() < size + 2 {
                break false;
            }
            if size == 0 {
                break true;
            }
            rest = &data[size + 2..];
        }
    };
    Outcome {
        status: response.code,
        headers,
        body,
        ending: if complete {
            Ending::Complete
        } else {
            Ending::Waiting
        },
    }
}

/// One request on a connection of its own.
pub(crate) async fn over_tcp(
    simulator: &Simulator,
    provider: &str,
    path: &str,
    headers: &[(&str, String)],
    body: &str,
    patience: Duration,
) -> Outcome {
    let url = format!("{}{path}", simulator.url(provider).unwrap());
    let Ok(mut stream) = TcpStream::connect(address(simulator, provider)).await else {
        return Outcome::none(Ending::Refused);
    };
    stream
        .write_all(&request_bytes(method(path).as_str(), &url, headers, body))
        .await
        .unwrap();
    read_response(&mut stream, patience).await
}

fn method(path: &str) -> http::Method {
    if ["/models", "/foundation-models", "/api/tags"].contains(&path) {
        http::Method::GET
    } else {
        http::Method::POST
    }
}

pub(crate) fn in_process_request(
    provider: &str,
    path: &str,
    headers: &[(&str, String)],
    body: &str,
) -> HttpRequest {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        map.insert(name, HeaderValue::from_str(value).unwrap());
    }
    HttpRequest {
        method: method(path),
        url: url::Url::parse(&format!("{}{path}", SimTransport::url(provider))).unwrap(),
        headers: map,
        body: Bytes::from(body.to_owned()),
        connect_timeout: Duration::from_secs(1),
    }
}

/// One request without a socket.
pub(crate) async fn in_process(
    transport: &SimTransport,
    provider: &str,
    path: &str,
    headers: &[(&str, String)],
    body: &str,
    patience: Duration,
) -> Outcome {
    let exchange = transport.send(in_process_request(provider, path, headers, body));
    let mut response = match tokio::time::timeout(patience, exchange).await {
        Err(_) => return Outcome::none(Ending::Waiting),
        Ok(Err(error)) => {
            return Outcome::none(match error.kind {
                TransportErrorKind::Connect | TransportErrorKind::Refused => Ending::Refused,
                TransportErrorKind::Reset | TransportErrorKind::Body => Ending::NoHead,
            });
        }
        Ok(Ok(response)) => response,
    };
    let mut outcome = Outcome {
        status: Some(response.status.as_u16()),
        headers: response.headers,
        body: Vec::new(),
        ending: Ending::Waiting,
    };
    let whole = async {
        while let Some(next) = response.body.next().await {
            match next {
                Ok(bytes) => outcome.body.extend_from_slice(&bytes),
                Err(_) => return Ending::Broken,
            }
        }
        Ending::Complete
    };
    if let Ok(ending) = tokio::time::timeout(patience, whole).await {
        outcome.ending = ending;
    }
    outcome
}

/// The journal once every exchange has ended.
pub(crate) async fn settled(simulator: &Simulator) -> Vec<JournalEntry> {
    let all_ended = async {
        loop {
            let journal = simulator.journal();
            if journal.iter().all(|entry| entry.end.is_some()) {
                return journal;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), all_ended)
        .await
        .unwrap()
}

/// Long enough that silence means silence.
pub(crate) const LONG: Duration = Duration::from_secs(20);
