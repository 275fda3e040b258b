//! Error bodies → failure classes. The vendor has no codes, only a message and the status.

use std::time::SystemTime;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::dialect::common::{Rejection, parse_json};
use crate::dialect::evidence::{Codes, Evidence, NO_CODES};
use crate::types::{Failure, FailureClass};

/// The prompt or the answer holds a text the vendor blocks. Elsewhere this status means something else.
const BLOCKED: u16 = 498;

pub(super) fn classify(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: SystemTime,
    codes: &Codes,
) -> Failure {
    let body = parse_json(body);
    let message = body.as_ref().and_then(said);
    let evidence = Evidence {
        message: message.unwrap_or_default(),
        status: Some(status.as_u16()),
        ..Evidence::default()
    };
    let class = match status.as_u16() {
        BLOCKED => FailureClass::ContentFiltered,
        _ => evidence.class(codes),
    };
    Rejection {
        class,
        code: None,
        message,
        body: body.as_ref(),
    }
    .at_status(status, headers, now)
}

/// The failure of an error inside a 200; `otherwise` is its class when the message does not tell.
pub(super) fn in_band(message: Option<&str>, otherwise: FailureClass) -> Failure {
    let evidence = Evidence {
        message: message.unwrap_or_default(),
        ..Evidence::default()
    };
    Rejection {
        class: evidence.class_or(&NO_CODES, otherwise),
        code: None,
        message,
        body: None,
    }
    .in_band()
}

/// The message of an error body: the vendor's `{"message": …}`, or what gateways put in its place.
pub(super) fn said(body: &Value) -> Option<&str> {
    ["/message", "/error/message", "/error", "/detail"]
        .iter()
        .find_map(|place| body.pointer(place)?.as_str())
}
