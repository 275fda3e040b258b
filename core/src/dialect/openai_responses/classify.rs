//! Error bodies → failure classes.

use std::borrow::Cow;
use std::time::SystemTime;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::catalog::Quirks;
use crate::dialect::Dialect as _;
use crate::dialect::common::Rejection;
use crate::dialect::evidence::{Codes, Evidence};
use crate::dialect::openai_chat::OPENAI_CHAT;
use crate::types::{Failure, FailureClass};

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
    let status_of = |word: &str| word.parse().ok().filter(|status| (400..=599).contains(status));
    let status: Option<u16> = words.iter().flatten().find_map(|word| status_of(word));
    let telling = words.iter().flatten().filter(|word| status_of(word).is_none());
    let evidence = Evidence {
        codes: telling.map(Cow::from).collect(),
        message: message.unwrap_or_default(),
        status,
    };
    let class = evidence.class_or(codes, otherwise);
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
