//! Cohere's: an id and a message.

use serde_json::{Value, json};

use super::Exceeded;
use crate::script::ErrorKind;

pub(super) fn error(kind: ErrorKind, model: &str, exceeded: Exceeded) -> (u16, Value) {
    let (status, message) = match kind {
        ErrorKind::RateLimit => {
            let message = format!(
                "You are using a Trial key, which is limited to {} {} / minute. You can continue to use the Trial key \
                 for free or upgrade to a Production key with higher rate limits at \
                 'https://dashboard.cohere.com/api-keys'.",
                exceeded.limit,
                if exceeded.tokens() { "tokens" } else { "API calls" },
            );
            (429, message)
        }
        ErrorKind::Acceleration => (429, "Please wait and try again later".to_owned()),
        ErrorKind::InsufficientQuota => {
            let message = "Please add or update your payment method at https://dashboard.cohere.com/billing?tab=payment \
                           to continue";
            (402, message.to_owned())
        }
        ErrorKind::Authentication => (401, "invalid api token".to_owned()),
        ErrorKind::ModelNotFound => {
            let message = format!(
                "model '{model}' not found, make sure the correct model ID was used and that you have access to the \
                 model."
            );
            (404, message)
        }
        ErrorKind::ContextLength => {
            let message = "too many tokens: size limit exceeded by 11326 tokens. Try using shorter or fewer inputs, or \
                           setting prompt_truncation='AUTO'.";
            (400, message.to_owned())
        }
        // Cohere documents none: the wording is ours.
        ErrorKind::ContentFilter => {
            let message = "invalid request: the prompt was blocked by the content filter";
            (400, message.to_owned())
        }
        ErrorKind::InvalidRequest => (400, "invalid request: messages must not be empty.".to_owned()),
        ErrorKind::Server => {
            let message = "internal server error, this has been reported to our developers.";
            (500, message.to_owned())
        }
        ErrorKind::Overloaded => (503, "service temporarily unavailable".to_owned()),
    };
    (
        status,
        json!({"id": "00000000-0000-4000-8000-000000000000", "message": message}),
    )
}
