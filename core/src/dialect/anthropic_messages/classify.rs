//! Error bodies → failure classes.

use std::borrow::Cow;
use std::time::SystemTime;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::dialect::common::{Rejection, parse_json};
use crate::dialect::evidence::{Codes, Evidence, NO_CODES};
use crate::types::Failure;

pub(super) fn classify(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: SystemTime,
    codes: &Codes,
) -> Failure {
    let body = parse_json(body);
    let error = body.as_ref().and_then(|body| body.get("error"));
    Rejection {
        body: body.as_ref(),
        ..read(error.unwrap_or(&Value::Null), Some(status.as_u16()), codes)
    }
    .at_status(status, headers, now)
}

/// The failure of an `error` object inside a 200.
pub(super) fn in_band(error: &Value) -> Failure {
    read(error, None, &NO_CODES).in_band()
}

fn read<'a>(error: &'a Value, status: Option<u16>, codes: &Codes) -> Rejection<'a> {
    let text = |pointer: &str| error.pointer(pointer).and_then(Value::as_str);
    // Some servers that speak the format send a bare text.
    let message = text("/message").or_else(|| error.as_str());
    let (kind, detail) = (text("/type"), text("/details/error_code"));
    let evidence = Evidence {
        codes: detail.into_iter().chain(kind).map(Cow::Borrowed).collect(),
        message: message.unwrap_or_default(),
        status,
    };
    Rejection {
        class: evidence.class(codes),
        code: detail.or(kind).map(str::to_owned),
        message,
        body: None,
    }
}
