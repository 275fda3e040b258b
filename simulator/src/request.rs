//! What a request asks for, as far as a fake provider cares.

use std::borrow::Cow;

use serde_json::Value;

use crate::asked::Asked;
use crate::render::{Shape, Texts, Wire};
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
    Embed,
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
    pub(crate) wire: Wire,
    /// Whether the body is the JSON it should be.
    pub(crate) readable: bool,
    /// What a chat request holds.
    pub(crate) asked: Option<Asked>,
    /// What a request for vectors holds.
    pub(crate) texts: Option<Texts>,
}

impl<'a> Ask<'a> {
    pub(crate) fn read(provider: Dialect, request: &Request<'a>) -> Self {
        let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
        let (endpoint, dialect) = endpoint(provider, request.method, path);
        let mut ask = Self {
            endpoint,
            path,
            key: key(provider, request, query),
            model: None,
            wire: Wire::whole(dialect),
            readable: true,
            asked: None,
            texts: None,
        };
        if !matches!(endpoint, Endpoint::Chat | Endpoint::Embed) {
            return ask;
        }
        let body = serde_json::from_slice::<Value>(request.body).ok();
        ask.model = named(dialect, path);
        let in_path = ask.model.is_some();
        let Some(body) = body.filter(Value::is_object) else {
            ask.readable = false;
            return ask;
        };
        if !in_path {
            ask.model = body
                .get("model")
                .and_then(Value::as_str)
                .map(|model| model.to_owned().into());
            ask.readable = ask.model.is_some();
        }
        if endpoint == Endpoint::Embed {
            ask.texts = Texts::read(dialect, &body);
            ask.readable &= ask.texts.is_some();
            return ask;
        }
        ask.asked = Some(Asked::read(dialect, &body));
        match shape(dialect, path, query, &body) {
            Some(shape) => ask.wire.shape = shape,
            None => ask.readable = false,
        }
        let include = body.get("include").and_then(Value::as_array);
        ask.wire.sealed = dialect == Dialect::OpenaiResponses
            && include.is_some_and(|list| list.iter().any(|one| one == "reasoning.encrypted_content"));
        ask
    }
}

/// What is asked for, and in which of the dialects the provider serves.
fn endpoint(provider: Dialect, method: &str, path: &str) -> (Endpoint, Dialect) {
    // What lies under here was never a provider's: it is where the fault `redirect` leads.
    if path.starts_with("/_hotspare/") {
        return (Endpoint::Other, provider);
    }
    let ends = |with: &[&str]| with.iter().any(|end| path.ends_with(end));
    let (chat, embed, models): (&[&str], &[&str], &[&str]) = match provider {
        Dialect::OpenaiChat | Dialect::OpenaiResponses => (
            &["/chat/completions", "/responses"],
            &["/embeddings"],
            &["/models"],
        ),
        Dialect::AnthropicMessages => (&["/messages"], &[], &["/models"]),
        Dialect::Gemini => (
            &[":generateContent", ":streamGenerateContent"],
            &[":embedContent", ":batchEmbedContents"],
            &["/models"],
        ),
        Dialect::BedrockConverse => (
            &["/converse", "/converse-stream"],
            &[],
            &["/foundation-models", "/models"],
        ),
        Dialect::CohereChat => (&["/chat"], &["/embed"], &["/models"]),
        Dialect::OllamaChat => (&["/chat"], &["/embed"], &["/tags", "/version", "/models"]),
    };
    let dialect = match provider {
        Dialect::OpenaiChat | Dialect::OpenaiResponses if path.ends_with("/chat/completions") => {
            Dialect::OpenaiChat
        }
        Dialect::OpenaiChat | Dialect::OpenaiResponses if path.ends_with("/responses") => {
            Dialect::OpenaiResponses
        }
        other => other,
    };
    let endpoint = match method {
        "POST" if ends(chat) => Endpoint::Chat,
        "POST" if ends(embed) => Endpoint::Embed,
        "GET" if ends(models) => Endpoint::Models,
        _ => Endpoint::Other,
    };
    (endpoint, dialect)
}

/// The model, where the path names it.
fn named(dialect: Dialect, path: &str) -> Option<Cow<'_, str>> {
    let (mark, end) = match dialect {
        Dialect::Gemini => ("/models/", ':'),
        Dialect::BedrockConverse => ("/model/", '/'),
        _ => return None,
    };
    let named = path.split_once(mark).and_then(|(_, rest)| rest.rsplit_once(end));
    Some(percent_decoded(named.unwrap_or_default().0))
}

/// None: `stream` is neither true nor false.
fn shape(dialect: Dialect, path: &str, query: &str, body: &Value) -> Option<Shape> {
    let streams = match dialect {
        Dialect::Gemini if path.ends_with(":streamGenerateContent") => {
            let events = query.split('&').any(|part| part == "alt=sse");
            return Some(if events { Shape::Events } else { Shape::Array });
        }
        Dialect::Gemini => false,
        Dialect::BedrockConverse => path.ends_with("/converse-stream"),
        _ => match body.get("stream") {
            Some(Value::Bool(stream)) => *stream,
            // Ollama streams unless it is told not to.
            None | Some(Value::Null) => dialect == Dialect::OllamaChat,
            Some(_) => return None,
        },
    };
    let usage = body.pointer("/stream_options/include_usage") == Some(&Value::Bool(true));
    Some(match (streams, usage && dialect == Dialect::OpenaiChat) {
        (true, true) => Shape::EventsWithUsage,
        (true, false) => Shape::Events,
        (false, _) => Shape::Whole,
    })
}

fn key<'a>(dialect: Dialect, request: &Request<'a>, query: &'a str) -> Option<&'a str> {
    let header = |name| (request.header)(name);
    let bearer = || header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let key = match dialect {
        Dialect::OpenaiChat | Dialect::OpenaiResponses | Dialect::CohereChat | Dialect::OllamaChat => {
            bearer()
        }
        Dialect::AnthropicMessages => header("x-api-key").or_else(bearer),
        Dialect::Gemini => header("x-goog-api-key")
            .or_else(bearer)
            .or_else(|| query.split('&').find_map(|part| part.strip_prefix("key="))),
        // A signed request names the id of its access key; the secret never travels.
        Dialect::BedrockConverse => bearer().or_else(|| {
            let signed = header("authorization")?.strip_prefix("AWS4-HMAC-SHA256")?;
            let (_, credential) = signed.split_once("Credential=")?;
            Some(credential.split(['/', ',']).next().unwrap_or_default())
        }),
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
