//! Gemini's.

use std::time::Duration;

use serde_json::{Value, json};

use super::Exceeded;
use crate::script::ErrorKind;

pub(super) fn google(code: u16, status: &str, message: &str, details: &[Value]) -> Value {
    let mut error = json!({"code": code, "message": message, "status": status});
    if let (false, Some(fields)) = (details.is_empty(), error.as_object_mut()) {
        fields.insert("details".to_owned(), Value::Array(details.to_vec()));
    }
    json!({"error": error})
}

pub(super) fn error(kind: ErrorKind, model: &str, exceeded: Exceeded) -> (u16, Value) {
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
