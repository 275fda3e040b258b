//! Error bodies → failure classes.

use std::collections::BTreeMap;
use std::time::SystemTime;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::catalog::Quirks;
use crate::dialect::Dialect as _;
use crate::dialect::codes::{class_of_code, class_of_message};
use crate::dialect::common::{Rejection, class_of_status, says_context_length};
use crate::dialect::openai_chat::OPENAI_CHAT;
use crate::types::{Failure, FailureClass};

/// What codes mean at one provider, where others mean something else by them.
pub(super) type Codes = BTreeMap<String, FailureClass>;

/// Codes of a reply that failed because of an image in the request, by how they begin.
const IMAGE: &[&str] = &[
    "invalid_image",
    "invalid_base64_image",
    "image_",
    "empty_image_file",
    "failed_to_download_image",
    "unsupported_image_media_type",
];

/// The class of a reply with an error status: its body is that of the vendors' other API.
pub(super) fn classify(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: SystemTime,
    quirks: &Quirks,
) -> Failure {
    OPENAI_CHAT.classify(status, headers, body, now, quirks)
}

/// The failure of an error inside a 200. `error` holds `code`, `message` and perhaps `type`, or is a text; `otherwise`
/// is the class when it says nothing we know.
pub(super) fn in_band(error: &Value, codes: &Codes, otherwise: FailureClass) -> Failure {
    let word = |field: &str| match error.get(field) {
        // The `type` of an event is no word on what happened.
        Some(Value::String(word)) if !word.is_empty() && word != "error" => Some(word.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let words = [word("code"), word("type")];
    let message = error
        .get("message")
        .and_then(Value::as_str)
        .or_else(|| error.as_str());
    let status = words
        .iter()
        .flatten()
        .find_map(|word| word.parse().ok().filter(|status| (400..=599).contains(status)));
    let said = || {
        words
            .iter()
            .flatten()
            .find_map(|word| codes.get(word).copied().or_else(|| class_of_code(word)))
    };
    let text = message.unwrap_or_default();
    let class = said()
        .or_else(|| says_context_length(text).then_some(FailureClass::ContextLength))
        .or_else(|| class_of_message(text))
        .or_else(|| status.map(class_of_status))
        .or_else(|| {
            words
                .iter()
                .flatten()
                .any(|word| {
                    word.starts_with("invalid_request") || IMAGE.iter().any(|start| word.starts_with(start))
                })
                .then_some(FailureClass::InvalidRequest)
        })
        .unwrap_or(otherwise);
    let [code, kind] = words;
    let mut failure = Rejection {
        class,
        code: code.or(kind),
        message,
        body: None,
    }
    .in_band();
    failure.status = status;
    failure
}
