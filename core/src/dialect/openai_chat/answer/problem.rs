//! An error as OpenAI tells it.

use http::StatusCode;
use serde::Serialize;

use super::put;
use crate::dialect::Problem;
use crate::types::FailureClass;

const INVALID: &str = "invalid_request_error";
const SERVER: &str = "server_error";
const QUOTA: &str = "insufficient_quota";

#[derive(Serialize)]
struct Body<'a> {
    error: Said<'a>,
}

#[derive(Serialize)]
struct Said<'a> {
    message: &'a str,
    r#type: &'static str,
    param: Option<&'a str>,
    code: Option<&'static str>,
}

/// Status and body.
pub(super) fn written(problem: &Problem) -> (StatusCode, Vec<u8>) {
    let status = match problem.class {
        // OpenAI's own word for a spent quota is a 429.
        Some(FailureClass::BudgetExceeded) => StatusCode::TOO_MANY_REQUESTS,
        _ => problem.status,
    };
    let mut body = Vec::with_capacity(256);
    put_body(problem, &mut body);
    (status, body)
}

/// Appends the body.
pub(super) fn put_body(problem: &Problem, out: &mut Vec<u8>) {
    let (kind, code) = words(problem);
    let error = Said {
        message: &problem.message,
        r#type: kind,
        param: param(problem),
        code,
    };
    put(&Body { error }, out);
}

/// OpenAI's type and code.
fn words(problem: &Problem) -> (&'static str, Option<&'static str>) {
    use FailureClass as C;
    match problem.class {
        Some(C::RateLimited) => ("requests", Some("rate_limit_exceeded")),
        Some(C::QuotaExhausted | C::BudgetExceeded) => (QUOTA, Some(QUOTA)),
        Some(C::Authentication) if problem.status == StatusCode::FORBIDDEN => {
            (INVALID, Some("permission_denied"))
        }
        Some(C::Authentication) => (INVALID, Some("invalid_api_key")),
        Some(C::ModelNotFound) => (INVALID, Some("model_not_found")),
        Some(C::ContextLength) => (INVALID, Some("context_length_exceeded")),
        Some(C::ContentFiltered) => (INVALID, Some("content_filter")),
        Some(C::Unsupported) => (INVALID, Some("unsupported_parameter")),
        Some(C::InvalidRequest) => (INVALID, None),
        Some(C::Overloaded) => (SERVER, Some("server_is_overloaded")),
        Some(C::Timeout | C::Cancelled) => (SERVER, Some("timeout")),
        Some(C::Server | C::Connect | C::Reset | C::Malformed) => (SERVER, None),
        None if problem.status.is_client_error() => (INVALID, Some(problem.code)),
        None => (SERVER, Some(problem.code)),
    }
}

/// The field that is wrong.
fn param(problem: &Problem) -> Option<&str> {
    use FailureClass as C;
    let detail = problem.detail.as_deref();
    match problem.class {
        Some(C::Unsupported) => detail,
        // A vendor's own code is not named so.
        Some(C::InvalidRequest) => detail.filter(|field| problem.message.contains(&format!("`{field}`"))),
        Some(C::ModelNotFound) => Some("model"),
        Some(C::ContextLength) => Some("messages"),
        _ => None,
    }
}
