//! Error bodies → failure classes. The server has no codes, only `{"error": text}` and the status.

use std::time::SystemTime;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::dialect::codes::class_of_message;
use crate::dialect::common::{Rejection, class_of_status, parse_json, says_context_length};
use crate::types::{Failure, FailureClass};

pub(super) fn classify(status: StatusCode, headers: &HeaderMap, body: &[u8], now: SystemTime) -> Failure {
    let body = parse_json(body);
    let error = body.as_ref().and_then(|body| body.get("error"));
    Rejection {
        body: body.as_ref(),
        ..read(error, class_of_status(status.as_u16()))
    }
    .at_status(status, headers, now)
}

/// The failure of an `error` in a stream that had begun well: the server, or the model it runs, broke off.
pub(super) fn in_band(error: &Value) -> Failure {
    read(Some(error), FailureClass::Server).in_band()
}

fn read(error: Option<&Value>, otherwise: FailureClass) -> Rejection<'_> {
    // Proxies in front of it send an object.
    let message = error.and_then(|error| error.as_str().or_else(|| error.get("message")?.as_str()));
    let text = message.unwrap_or_default();
    let class = if says_context_length(text) {
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
