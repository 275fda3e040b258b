//! The vendors' own error replies, word for word where a recording exists.

mod anthropic;
mod bedrock;
mod cohere;
mod gemini;
mod ollama;
mod openai;

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::script::{Dialect, ErrorKind};

/// An error reply before the script's own status, headers and body are laid over it.
#[derive(Debug)]
pub(crate) struct VendorError {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl VendorError {
    /// Bedrock's name of it.
    pub(crate) fn exception(&self) -> &str {
        let value = self
            .headers
            .get(bedrock::NAME)
            .and_then(|value| value.to_str().ok());
        value
            .and_then(|value| value.split(':').next())
            .unwrap_or_default()
    }

    /// Puts another message into it, wherever the vendor has it.
    pub(crate) fn say(&mut self, message: &str) {
        for at in ["/error/message", "/message", "/error"] {
            if let Some(text) = self.body.pointer_mut(at).filter(|text| text.is_string()) {
                *text = Value::from(message);
                return;
            }
        }
    }
}

/// Which limit a rate-limit error speaks of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exceeded {
    /// Until a request like this one would pass.
    pub(crate) wait: Duration,
    /// The limit, a minute.
    pub(crate) limit: u32,
    /// What it counts.
    pub(crate) of: Limit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    Requests,
    Tokens,
    /// How fast traffic grows.
    Acceleration,
}

impl Exceeded {
    /// The kind of error that tells of it.
    pub(crate) fn kind(self) -> ErrorKind {
        match self.of {
            Limit::Requests | Limit::Tokens => ErrorKind::RateLimit,
            Limit::Acceleration => ErrorKind::Acceleration,
        }
    }

    fn tokens(self) -> bool {
        self.of == Limit::Tokens
    }
}

impl Default for Exceeded {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(1),
            limit: 60,
            of: Limit::Requests,
        }
    }
}

/// The error of that kind.
pub(crate) fn error(dialect: Dialect, kind: ErrorKind, model: &str, exceeded: Exceeded) -> VendorError {
    let (status, body) = match dialect {
        Dialect::OpenaiChat => openai::error(kind, model, exceeded),
        Dialect::OpenaiResponses => openai::responses(kind, model, exceeded),
        Dialect::AnthropicMessages => anthropic::error(kind, model, exceeded),
        Dialect::Gemini => gemini::error(kind, model, exceeded),
        Dialect::BedrockConverse => bedrock::error(kind, exceeded),
        Dialect::CohereChat => cohere::error(kind, model, exceeded),
        Dialect::OllamaChat => ollama::error(kind, model),
    };
    let mut headers = HeaderMap::new();
    if dialect == Dialect::BedrockConverse {
        bedrock::name(bedrock::exception(kind), &mut headers);
    }
    if matches!(kind, ErrorKind::RateLimit | ErrorKind::Acceleration) {
        retry_headers(dialect, exceeded.wait, &mut headers);
    }
    if dialect == Dialect::AnthropicMessages {
        let again = matches!(
            kind,
            ErrorKind::RateLimit | ErrorKind::Acceleration | ErrorKind::Server | ErrorKind::Overloaded
        );
        let again = HeaderValue::from_static(if again { "true" } else { "false" });
        headers.insert(HeaderName::from_static("x-should-retry"), again);
    }
    VendorError {
        status,
        headers,
        body,
    }
}

fn retry_headers(dialect: Dialect, wait: Duration, headers: &mut HeaderMap) {
    let milliseconds = wait.as_nanos().div_ceil(1_000_000);
    let seconds = u64::try_from(milliseconds.div_ceil(1000)).unwrap_or(u64::MAX);
    if dialect.openai() || dialect == Dialect::AnthropicMessages {
        headers.insert(http::header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if dialect.openai() {
        let milliseconds = u64::try_from(milliseconds).unwrap_or(u64::MAX);
        headers.insert(
            HeaderName::from_static("retry-after-ms"),
            HeaderValue::from(milliseconds),
        );
    }
}

/// The kind of error a bare status stands for.
pub(crate) fn kind_of(status: u16) -> ErrorKind {
    match status {
        401 | 403 => ErrorKind::Authentication,
        402 => ErrorKind::InsufficientQuota,
        404 => ErrorKind::ModelNotFound,
        429 => ErrorKind::RateLimit,
        503 | 529 => ErrorKind::Overloaded,
        400..=499 => ErrorKind::InvalidRequest,
        _ => ErrorKind::Server,
    }
}

/// When no key came at all.
pub(crate) fn missing_key(dialect: Dialect) -> VendorError {
    let mut error = error(dialect, ErrorKind::Authentication, "", Exceeded::default());
    let (status, message) = match dialect {
        Dialect::OpenaiChat | Dialect::OpenaiResponses => (
            401,
            "You didn't provide an API key. You need to provide your API key in an Authorization header using \
             Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
        ),
        Dialect::AnthropicMessages => (401, "x-api-key header is required"),
        Dialect::Gemini => {
            error.status = 403;
            error.body = gemini::google(
                403,
                "PERMISSION_DENIED",
                "Method doesn't allow unregistered callers (callers without established identity). Please use \
                 API Key or other form of API consumer identity to call this API.",
                &[],
            );
            return error;
        }
        Dialect::BedrockConverse => {
            bedrock::name("MissingAuthenticationTokenException", &mut error.headers);
            (403, "Missing Authentication Token")
        }
        Dialect::CohereChat => (401, "no api key supplied"),
        Dialect::OllamaChat => (401, "unauthorized"),
    };
    error.status = status;
    error.say(message);
    if let Some(code) = error.body.pointer_mut("/error/code") {
        *code = Value::Null;
    }
    error
}
