//! Error bodies → failure classes. The server has no codes, only `{"error": text}` and the status.

use std::time::SystemTime;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::dialect::common::{Rejection, parse_json};
use crate::dialect::evidence::{Codes, Evidence, NO_CODES};
use crate::types::{Failure, FailureClass};

pub(super) fn classify(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: SystemTime,
    codes: &Codes,
) -> Failure {
    let body = parse_json(body);
    let message = body.as_ref().and_then(|body| said(body.get("error")?));
    let evidence = Evidence {
        message: message.unwrap_or_default(),
        status: Some(status.as_u16()),
        ..Evidence::default()
    };
    Rejection {
        class: evidence.class(codes),
        code: None,
        message,
        body: body.as_ref(),
    }
    .at_status(status, headers, now)
}

/// The failure of an `error` in a stream that had begun well: the server, or the model it runs, broke off.
pub(super) fn in_band(error: &Value) -> Failure {
    let message = said(error);
    let evidence = Evidence {
        message: message.unwrap_or_default(),
        ..Evidence::default()
    };
    Rejection {
        class: evidence.class_or(&NO_CODES, FailureClass::Server),
        code: None,
        message,
        body: None,
    }
    .in_band()
}

/// The server's text; proxies in front of it send an object.
fn said(error: &Value) -> Option<&str> {
    error.as_str().or_else(|| error.get("message")?.as_str())
}
