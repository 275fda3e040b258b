//! Error bodies → failure classes. The vendor has no codes, only a message and the status.

use std::time::SystemTime;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::dialect::codes::class_of_message;
use crate::dialect::common::{Rejection, class_of_status, matches_any, parse_json, says_context_length};
use crate::types::{Failure, FailureClass};

/// More output asked for than the model can give. It is worded as what does not fit the window is ("too many tokens: …"),
/// but no larger window helps.
const OUTPUT_TOO_LONG: &[&[&str]] = &[&["max tokens must be less than or equal to"]];

/// The prompt or the answer holds a text the vendor blocks. Elsewhere this status means something else.
const BLOCKED: u16 = 498;

pub(super) fn classify(status: StatusCode, headers: &HeaderMap, body: &[u8], now: SystemTime) -> Failure {
    let body = parse_json(body);
    let by_status = match status.as_u16() {
        BLOCKED => FailureClass::ContentFiltered,
        other => class_of_status(other),
    };
    let message = body.as_ref().and_then(said);
    let mut failure = Rejection {
        body: body.as_ref(),
        ..read(message, by_status)
    }
    .at_status(status, headers, now);
    if failure.request_id.is_none() {
        let id = body.as_ref().and_then(|body| body.get("id")?.as_str());
        failure.request_id = id.map(Failure::clean);
    }
    failure
}

/// The failure of an error inside a 200; `otherwise` is its class when the message does not tell.
pub(super) fn in_band(message: Option<&str>, otherwise: FailureClass) -> Failure {
    read(message, otherwise).in_band()
}

/// The message of an error body: the vendor's `{"message": …}`, or what gateways put in its place.
pub(super) fn said(body: &Value) -> Option<&str> {
    ["/message", "/error/message", "/error", "/detail"]
        .iter()
        .find_map(|place| body.pointer(place)?.as_str())
}

fn read(message: Option<&str>, otherwise: FailureClass) -> Rejection<'_> {
    let text = message.unwrap_or_default();
    let class = if matches_any(&text.to_ascii_lowercase(), OUTPUT_TOO_LONG) {
        FailureClass::InvalidRequest
    } else if says_context_length(text) {
        FailureClass::ContextLength
    } else {
        class_of_message(text).unwrap_or(otherwise)
    };
    Rejection {
        class,
        code: None,
        message,
        body: None,
    }
}
