//! OpenAI's.

use serde_json::{Value, json};

use super::Exceeded;
use crate::script::ErrorKind;

const INVALID: &str = "invalid_request_error";

fn build(status: u16, message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> (u16, Value) {
    let body = json!({"error": {"message": message, "type": kind, "param": param, "code": code}});
    (status, body)
}

/// Those of the Responses API, where they differ from Chat Completions'.
pub(super) fn responses(kind: ErrorKind, model: &str, exceeded: Exceeded) -> (u16, Value) {
    match kind {
        ErrorKind::ModelNotFound => build(
            400,
            &format!("The requested model '{model}' does not exist."),
            INVALID,
            Some("model"),
            Some("model_not_found"),
        ),
        ErrorKind::ContextLength => build(
            400,
            "Your input exceeds the context window of this model. Please adjust your input and try again.",
            INVALID,
            Some("input"),
            Some("context_length_exceeded"),
        ),
        ErrorKind::ContentFilter => build(
            400,
            "Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again with \
             a different prompt.",
            INVALID,
            None,
            Some("invalid_prompt"),
        ),
        ErrorKind::InvalidRequest => build(
            400,
            "Invalid type for 'input': expected one of an array of input items or a string.",
            INVALID,
            Some("input"),
            Some("invalid_type"),
        ),
        other => error(other, model, exceeded),
    }
}

pub(super) fn error(kind: ErrorKind, model: &str, exceeded: Exceeded) -> (u16, Value) {
    let invalid = INVALID;
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
