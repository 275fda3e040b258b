//! Anthropic's.

use serde_json::{Value, json};

use super::Exceeded;
use crate::script::ErrorKind;

pub(super) fn error(kind: ErrorKind, model: &str, exceeded: Exceeded) -> (u16, Value) {
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
