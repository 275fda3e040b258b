//! Error bodies → failure classes.

use std::time::SystemTime;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::dialect::common::{Rejection, class_of_status, matches_any, parse_json, says_context_length};
use crate::types::{Failure, FailureClass};

/// Money or a monthly cap, which the vendor types `invalid_request_error` or `rate_limit_error`.
const SPENT: &[&[&str]] = &[&["credit balance is too low"], &["reached your", "usage limits"]];

/// An answer the vendor's filter held back, typed `invalid_request_error`.
const FILTERED: &[&[&str]] = &[&["blocked by content filtering policy"]];

pub(super) fn classify(status: StatusCode, headers: &HeaderMap, body: &[u8], now: SystemTime) -> Failure {
    let body = parse_json(body);
    let error = body.as_ref().and_then(|body| body.get("error"));
    Rejection {
        body: body.as_ref(),
        ..read(error.unwrap_or(&Value::Null), class_of_status(status.as_u16()))
    }
    .at_status(status, headers, now)
}

/// The failure of an `error` object inside a 200.
pub(super) fn in_band(error: &Value) -> Failure {
    read(error, FailureClass::Malformed).in_band()
}

/// What an `error` object says; `otherwise` is the class when it says nothing we know.
fn read(error: &Value, otherwise: FailureClass) -> Rejection<'_> {
    let text = |pointer: &str| error.pointer(pointer).and_then(Value::as_str);
    // Some servers that speak the format send a bare text.
    let message = text("/message").or_else(|| error.as_str());
    let (kind, detail) = (text("/type"), text("/details/error_code"));
    let lowercase = message.unwrap_or_default().to_ascii_lowercase();
    let class = match (kind, detail) {
        (_, Some("enforced_spend_limit_reached")) | (Some("billing_error"), _) => {
            FailureClass::QuotaExhausted
        }
        (Some("authentication_error" | "permission_error"), _) => FailureClass::Authentication,
        (Some("not_found_error"), _) => FailureClass::ModelNotFound,
        (Some("overloaded_error"), _) => FailureClass::Overloaded,
        (Some("api_error" | "timeout_error" | "conflict_error"), _) => FailureClass::Server,
        (Some("rate_limit_error" | "invalid_request_error"), _) if matches_any(&lowercase, SPENT) => {
            FailureClass::QuotaExhausted
        }
        (Some("rate_limit_error"), _) => FailureClass::RateLimited,
        (Some("invalid_request_error"), _) if matches_any(&lowercase, FILTERED) => {
            FailureClass::ContentFiltered
        }
        _ if says_context_length(&lowercase) => FailureClass::ContextLength,
        (Some("invalid_request_error" | "request_too_large"), _) => FailureClass::InvalidRequest,
        _ => otherwise,
    };
    Rejection {
        class,
        code: detail.or(kind).map(str::to_owned),
        message,
        body: None,
    }
}
