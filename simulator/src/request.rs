//! What a request asks for, as far as a fake provider cares.

use std::borrow::Cow;

use serde::Deserialize;

use crate::render::Shape;
use crate::script::Dialect;

/// A request as it came, over a socket or not.
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    /// Path and query.
    pub(crate) target: &'a str,
    /// A header's value, by its name in lower case.
    pub(crate) header: &'a dyn Fn(&str) -> Option<&'a str>,
    pub(crate) body: &'a [u8],
    /// The client gave up before it was sent: the certificate is bad.
    pub(crate) unsent: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Chat,
    Models,
    Other,
}

#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) endpoint: Endpoint,
    /// Without the query.
    pub(crate) path: &'a str,
    pub(crate) key: Option<&'a str>,
    pub(crate) model: Option<Cow<'a, str>>,
    pub(crate) shape: Shape,
    /// Whether the body is the JSON it should be.
    pub(crate) readable: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ChatBody<'a> {
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StreamOptions {
    include_usage: Option<bool>,
}

impl<'a> Ask<'a> {
    pub(crate) fn read(dialect: Dialect, request: &Request<'a>) -> Self {
        let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
        let mut ask = Self {
            endpoint: endpoint(dialect, request.method, path),
            path,
            key: key(dialect, request, query),
            model: None,
            shape: Shape::Whole,
            readable: true,
        };
        if ask.endpoint != Endpoint::Chat {
            return ask;
        }
        match serde_json::from_slice::<ChatBody<'a>>(request.body) {
            Ok(body) if dialect != Dialect::Gemini => {
                ask.readable = body.model.is_some();
                ask.model = body.model;
                let usage = body.stream_options.and_then(|options| options.include_usage);
                ask.shape = match (body.stream, usage) {
                    (Some(true), Some(true)) => Shape::EventsWithUsage,
                    (Some(true), _) => Shape::Events,
                    _ => Shape::Whole,
                };
            }
            Ok(_) => {}
            Err(_) => ask.readable = false,
        }
        if dialect == Dialect::Gemini {
            let named = path
                .split_once("/models/")
                .and_then(|(_, rest)| rest.rsplit_once(':'));
            let (model, method) = named.unwrap_or_default();
            ask.model = Some(percent_decoded(model));
            ask.shape = match (method, query.split('&').any(|part| part == "alt=sse")) {
                ("streamGenerateContent", true) => Shape::Events,
                ("streamGenerateContent", false) => Shape::Array,
                _ => Shape::Whole,
            };
        }
        ask
    }
}

fn endpoint(dialect: Dialect, method: &str, path: &str) -> Endpoint {
    let chat = match dialect {
        Dialect::OpenaiChat => path.ends_with("/chat/completions"),
        Dialect::AnthropicMessages => path.ends_with("/messages"),
        Dialect::Gemini => path.ends_with(":generateContent") || path.ends_with(":streamGenerateContent"),
    };
    // What lies under here was never a provider's: it is where the fault `redirect` leads.
    let ours = path.starts_with("/_hotspare/");
    match method {
        "POST" if chat && !ours => Endpoint::Chat,
        "GET" if path.ends_with("/models") && !ours => Endpoint::Models,
        _ => Endpoint::Other,
    }
}

fn key<'a>(dialect: Dialect, request: &Request<'a>, query: &'a str) -> Option<&'a str> {
    let header = |name| (request.header)(name);
    let bearer = || header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let key = match dialect {
        Dialect::OpenaiChat => bearer(),
        Dialect::AnthropicMessages => header("x-api-key").or_else(bearer),
        Dialect::Gemini => header("x-goog-api-key")
            .or_else(bearer)
            .or_else(|| query.split('&').find_map(|part| part.strip_prefix("key="))),
    };
    key.filter(|key| !key.is_empty())
}

fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match hex.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(value) if byte == b'%' => {
                decoded.push(value);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                decoded.push(byte);
                rest = tail;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}
