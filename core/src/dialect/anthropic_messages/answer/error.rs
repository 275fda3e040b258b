//! Errors, in the vendor's words and with its statuses.

use http::StatusCode;
use serde::Serialize;

use super::wire;
use crate::dialect::Problem;
use crate::types::FailureClass;

/// "Overloaded", which no standard names.
const OVERLOADED: u16 = 529;

pub(super) fn status(problem: &Problem) -> StatusCode {
    use FailureClass as C;
    match problem.class {
        Some(C::QuotaExhausted | C::BudgetExceeded) => StatusCode::PAYMENT_REQUIRED,
        Some(C::Overloaded) => StatusCode::from_u16(OVERLOADED).unwrap_or(problem.status),
        _ => problem.status,
    }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    error: Told<'a>,
    request_id: &'a str,
}

#[derive(Serialize)]
struct Told<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: &'a str,
}

/// The body of an error, which is also the data of a stream's `error` event.
pub(super) fn body(problem: &Problem) -> String {
    let words = words(problem);
    wire::json(&Body {
        kind: "error",
        error: Told {
            kind: kind(problem),
            message: words.as_deref().unwrap_or(&problem.message),
        },
        request_id: &problem.request_id,
    })
}

fn kind(problem: &Problem) -> &'static str {
    match status(problem).as_u16() {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        503 | OVERLOADED => "overloaded_error",
        // The caller left: whatever it is called, nobody reads it.
        408 => "api_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

/// The message with what the vendor would say, where only its words tell one error from another.
fn words(problem: &Problem) -> Option<String> {
    let message = &problem.message;
    match problem.class {
        Some(FailureClass::ContextLength) if !message.contains("prompt is too long") => {
            Some(format!("prompt is too long: {message}"))
        }
        Some(FailureClass::ContentFiltered) => {
            Some(format!("Blocked by content filtering policy: {message}"))
        }
        _ => None,
    }
}
