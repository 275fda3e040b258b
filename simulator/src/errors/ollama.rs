//! Ollama's: one text.

use serde_json::{Value, json};

use crate::script::ErrorKind;

pub(super) fn error(kind: ErrorKind, model: &str) -> (u16, Value) {
    let (status, message) = match kind {
        ErrorKind::RateLimit => (429, "rate limit exceeded".to_owned()),
        ErrorKind::Acceleration => (429, "too many concurrent requests".to_owned()),
        ErrorKind::InsufficientQuota => {
            let message = "you have reached your weekly usage limit, please upgrade to continue";
            (429, message.to_owned())
        }
        ErrorKind::Authentication => (401, "unauthorized".to_owned()),
        ErrorKind::ModelNotFound => (404, format!("model '{model}' not found")),
        ErrorKind::ContextLength => (400, "the input length exceeds the context length".to_owned()),
        // Ollama filters nothing itself: the wording is ours.
        ErrorKind::ContentFilter => (400, "the prompt was blocked by the content filter".to_owned()),
        ErrorKind::InvalidRequest => {
            let message = "json: cannot unmarshal string into Go struct field ChatRequest.messages of type []api.Message";
            (400, message.to_owned())
        }
        ErrorKind::Server => (
            500,
            "an error was encountered while running the model: unexpected EOF".to_owned(),
        ),
        ErrorKind::Overloaded => (
            503,
            "server busy, please try again.  maximum pending requests exceeded".to_owned(),
        ),
    };
    let mut body = json!({"error": message});
    if let (401, Some(fields)) = (status, body.as_object_mut()) {
        fields.insert("signin_url".to_owned(), "https://ollama.com/connect".into());
    }
    (status, body)
}
