//! Bedrock's: a message, and the exception's name in a header.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::Exceeded;
use crate::script::ErrorKind;

/// The header that names the exception.
pub(crate) const NAME: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// Names the exception, with the place of its definition after it, as the service does.
pub(super) fn name(exception: &str, headers: &mut HeaderMap) {
    let value = format!("{exception}:http://internal.amazon.com/coral/com.amazon.bedrock/");
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(NAME, value);
    }
}

/// The exception of that kind. Bedrock has none for a wrong model or a prompt too long but the one for bad requests.
pub(super) fn exception(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::RateLimit | ErrorKind::Acceleration => "ThrottlingException",
        ErrorKind::InsufficientQuota => "ServiceQuotaExceededException",
        ErrorKind::Authentication => "UnrecognizedClientException",
        ErrorKind::ModelNotFound
        | ErrorKind::ContextLength
        | ErrorKind::ContentFilter
        | ErrorKind::InvalidRequest => "ValidationException",
        ErrorKind::Server => "InternalServerException",
        ErrorKind::Overloaded => "ServiceUnavailableException",
    }
}

pub(super) fn error(kind: ErrorKind, exceeded: Exceeded) -> (u16, Value) {
    let (status, message) = match kind {
        ErrorKind::RateLimit if exceeded.tokens() => {
            (429, "Too many tokens, please wait before trying again.")
        }
        ErrorKind::RateLimit => (429, "Too many requests, please wait before trying again."),
        ErrorKind::Acceleration => (
            429,
            "Your request rate is too high. Please reduce the frequency of requests. Check your Bedrock model \
             invocation quotas.",
        ),
        ErrorKind::InsufficientQuota => (400, "Your request exceeds the service quota for your account."),
        ErrorKind::Authentication => (403, "The security token included in the request is invalid."),
        ErrorKind::ModelNotFound => (400, "The provided model identifier is invalid."),
        ErrorKind::ContextLength => (400, "Input is too long for requested model."),
        ErrorKind::ContentFilter => (
            400,
            "The model returned the following errors: Output blocked by content filtering policy",
        ),
        ErrorKind::InvalidRequest => (
            400,
            "A conversation must start with a user message. Try again with a conversation that starts with a user \
             message.",
        ),
        ErrorKind::Server => (
            500,
            "The system encountered an unexpected error during processing. Try your request again.",
        ),
        ErrorKind::Overloaded => (503, "Bedrock is unable to process your request."),
    };
    (status, json!({"message": message}))
}
