//! The vendors' own error replies, word for word where a recording exists.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::script::{Dialect, ErrorKind};

/// An error reply before the script's own status, headers and body are laid over it.
#[derive(Debug)]
pub(crate) struct VendorError {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
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
        Dialect::OpenaiChat => openai(kind, model, exceeded),
        Dialect::AnthropicMessages => anthropic(kind, model, exceeded),
        Dialect::Gemini => gemini(kind, model, exceeded),
    };
    let mut headers = HeaderMap::new();
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
    if dialect != Dialect::Gemini {
        headers.insert(http::header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if dialect == Dialect::OpenaiChat {
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
        Dialect::OpenaiChat => (
            401,
            "You didn't provide an API key. You need to provide your API key in an Authorization header using \
             Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
        ),
        Dialect::AnthropicMessages => (401, "x-api-key header is required"),
        Dialect::Gemini => {
            error.status = 403;
            error.body = google(
                403,
                "PERMISSION_DENIED",
                "Method doesn't allow unregistered callers (callers without established identity). Please use \
                 API Key or other form of API consumer identity to call this API.",
                &[],
            );
            return error;
        }
    };
    error.status = status;
    if let Some(text) = error.body.pointer_mut("/error/message") {
        *text = Value::from(message);
    }
    if let Some(code) = error.body.pointer_mut("/error/code") {
        *code = Value::Null;
    }
    error
}

fn openai(kind: ErrorKind, model: &str, exceeded: Exceeded) -> (u16, Value) {
    let build = |status: u16, message: &str, kind: &str, param: Option<&str>, code: Option<&str>| {
        let body = json!({"error": {"message": message, "type": kind, "param": param, "code": code}});
        (status, body)
    };
    let invalid = "invalid_request_error";
    match kind {
        ErrorKind::RateLimit => build(
            429,
            &format!(
                "Rate limit reached for {model} in organization org-simulated on {}: Limit {limit}, Used {limit}, \
                 Requested 1. Please try again in {}. Visit https://platform.openai.com/account/rate-limits to \
                 learn more.",
                if exceeded.tokens() {
                    "tokens per min (TPM)"
                } else {
                    "requests per min (RPM)"
                },
                crate::limits::go_duration(exceeded.wait),
                limit = exceeded.limit,
            ),
            if exceeded.tokens() { "tokens" } else { "requests" },
            None,
            Some("rate_limit_exceeded"),
        ),
        ErrorKind::Acceleration => build(429, "Slow down", "rate_limit_error", None, Some("slow_down")),
        ErrorKind::InsufficientQuota => build(
            429,
            "You exceeded your current quota, please check your plan and billing details. For more information \
             on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.",
            "insufficient_quota",
            None,
            Some("insufficient_quota"),
        ),
        ErrorKind::Authentication => build(
            401,
            "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys.",
            invalid,
            None,
            Some("invalid_api_key"),
        ),
        ErrorKind::ModelNotFound => build(
            404,
            &format!("The model `{model}` does not exist or you do not have access to it."),
            invalid,
            None,
            Some("model_not_found"),
        ),
        ErrorKind::ContextLength => build(
            400,
            "This model's maximum context length is 4096 tokens. However, you requested 5048 tokens (3000 in the \
             messages, 2048 in the completion). Please reduce the length of the messages or completion.",
            invalid,
            Some("messages"),
            Some("context_length_exceeded"),
        ),
        ErrorKind::ContentFilter => build(
            400,
            "Your request was rejected as a result of our safety system.",
            invalid,
            None,
            Some("content_policy_violation"),
        ),
        ErrorKind::InvalidRequest => build(
            400,
            "Invalid value for 'messages': expected an array of messages.",
            invalid,
            Some("messages"),
            None,
        ),
        ErrorKind::Server => build(
            500,
            "The server had an error while processing your request. Sorry about that!",
            "server_error",
            None,
            None,
        ),
        ErrorKind::Overloaded => build(
            503,
            "The server is currently overloaded with other requests. Sorry about that! You can retry your request.",
            "server_error",
            None,
            Some("server_is_overloaded"),
        ),
    }
}

fn anthropic(kind: ErrorKind, model: &str, exceeded: Exceeded) -> (u16, Value) {
    let model_message = format!("model: {model}");
    let (status, kind, message) = match kind {
        ErrorKind::RateLimit => (
            429,
            "rate_limit_error",
            if exceeded.tokens() {
                "Number of request tokens has exceeded your per-minute rate limit"
            } else {
                "Number of requests has exceeded your per-minute rate limit"
            },
        ),
        ErrorKind::Acceleration => (
            429,
            "rate_limit_error",
            "This request would exceed your organization's maximum usage increase rate (acceleration limit). Please \
             scale up your usage more gradually.",
        ),
        ErrorKind::InsufficientQuota => (
            400,
            "invalid_request_error",
            "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade \
             or purchase credits.",
        ),
        ErrorKind::Authentication => (401, "authentication_error", "invalid x-api-key"),
        ErrorKind::ModelNotFound => (404, "not_found_error", model_message.as_str()),
        ErrorKind::ContextLength => (
            400,
            "invalid_request_error",
            "prompt is too long: 213462 tokens > 200000 maximum",
        ),
        ErrorKind::ContentFilter => (
            400,
            "invalid_request_error",
            "Output blocked by content filtering policy",
        ),
        ErrorKind::InvalidRequest => (400, "invalid_request_error", "messages: Field required"),
        ErrorKind::Server => (500, "api_error", "Internal server error"),
        ErrorKind::Overloaded => (529, "overloaded_error", "Overloaded"),
    };
    let body = json!({
        "type": "error",
        "error": {"details": null, "type": kind, "message": message},
        "request_id": "req_simulated",
    });
    (status, body)
}

fn google(code: u16, status: &str, message: &str, details: &[Value]) -> Value {
    let mut error = json!({"code": code, "message": message, "status": status});
    if let (false, Some(fields)) = (details.is_empty(), error.as_object_mut()) {
        fields.insert("details".to_owned(), Value::Array(details.to_vec()));
    }
    json!({"error": error})
}

fn gemini(kind: ErrorKind, model: &str, exceeded: Exceeded) -> (u16, Value) {
    let plain = |code: u16, status: &str, message: &str| (code, google(code, status, message, &[]));
    let quota = |id: &str, value: &str| {
        json!({
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{
                "quotaMetric": "generativelanguage.googleapis.com/generate_content_requests",
                "quotaId": id,
                "quotaDimensions": {"location": "global", "model": model},
                "quotaValue": value,
            }],
        })
    };
    let retry = |wait: Duration| {
        let delay = format!("{}s", wait.as_secs_f64());
        json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})
    };
    match kind {
        ErrorKind::RateLimit => {
            let message = format!(
                "You exceeded your current quota, please check your plan and billing details. For more information \
                 on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.\n* Quota exceeded for \
                 metric: generativelanguage.googleapis.com/generate_content_requests, limit: {}\nPlease retry in \
                 {}s.",
                exceeded.limit,
                exceeded.wait.as_secs_f64()
            );
            let id = if exceeded.tokens() {
                "GenerateContentInputTokensPerModelPerMinute"
            } else {
                "GenerateRequestsPerMinutePerProjectPerModel"
            };
            let details = [quota(id, &exceeded.limit.to_string()), retry(exceeded.wait)];
            (429, google(429, "RESOURCE_EXHAUSTED", &message, &details))
        }
        ErrorKind::Acceleration => {
            let message = "Resource has been exhausted (e.g. check quota).";
            let details = [retry(exceeded.wait)];
            (429, google(429, "RESOURCE_EXHAUSTED", message, &details))
        }
        ErrorKind::InsufficientQuota => {
            let details = [
                quota("GenerateRequestsPerDayPerProjectPerModel", "50"),
                retry(Duration::from_secs(10)),
            ];
            (429, google(429, "RESOURCE_EXHAUSTED", "Quota exceeded", &details))
        }
        ErrorKind::Authentication => {
            let message = "API key not valid. Please pass a valid API key.";
            let details = [
                json!({
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "API_KEY_INVALID",
                    "domain": "googleapis.com",
                    "metadata": {"service": "generativelanguage.googleapis.com"},
                }),
                json!({
                    "@type": "type.googleapis.com/google.rpc.LocalizedMessage",
                    "locale": "en-US",
                    "message": message,
                }),
            ];
            (400, google(400, "INVALID_ARGUMENT", message, &details))
        }
        ErrorKind::ModelNotFound => plain(
            404,
            "NOT_FOUND",
            &format!(
                "models/{model} is not found for API version v1beta, or is not supported for generateContent. Call \
                 ListModels to see the list of available models and their supported methods."
            ),
        ),
        ErrorKind::ContextLength => plain(
            400,
            "INVALID_ARGUMENT",
            "The input token count exceeds the maximum number of tokens allowed 1048576.",
        ),
        // Gemini has no error for this: it answers, and says that the prompt was blocked.
        ErrorKind::ContentFilter => {
            let body = json!({
                "promptFeedback": {"blockReason": "SAFETY"},
                "usageMetadata": {"promptTokenCount": 12, "totalTokenCount": 12},
                "modelVersion": model,
            });
            (200, body)
        }
        ErrorKind::InvalidRequest => plain(
            400,
            "INVALID_ARGUMENT",
            "* GenerateContentRequest.contents: contents is not specified\n",
        ),
        ErrorKind::Server => plain(
            500,
            "INTERNAL",
            "An internal error has occurred. Please retry or report in \
             https://developers.generativeai.google/guide/troubleshooting",
        ),
        ErrorKind::Overloaded => plain(
            503,
            "UNAVAILABLE",
            "The model is overloaded. Please try again later.",
        ),
    }
}
