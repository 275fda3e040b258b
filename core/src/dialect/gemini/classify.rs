//! Error bodies → failure classes.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::dialect::common::{Rejection, class_of_status, matches_any, parse_json, says_context_length};
use crate::types::{Failure, FailureClass};

/// A wrong key, or one that cannot be used from where we are: answered with 400, and not always with details.
const KEY_REFUSED: &[&[&str]] = &[
    &["api key not valid"],
    &["api key expired"],
    &["location is not supported"],
    &["not available in your country"],
];

/// Money or a daily quota, when only the message says so.
const SPENT: &[&[&str]] = &[&["prepayment credits are depleted"], &["per day"], &["perday"]];

/// Shortest believable wait for a daily quota or for money.
const LONG: Duration = Duration::from_secs(3600);

pub(super) fn classify(status: StatusCode, headers: &HeaderMap, body: &[u8], now: SystemTime) -> Failure {
    let json = parse_json(body);
    // Some deployments wrap the error in a list of one.
    let holder = json.as_ref().map(|json| json.get(0).unwrap_or(json));
    let error = holder.and_then(|holder| holder.get("error"));
    let mut rejection = read(error.unwrap_or(&Value::Null), class_of_status(status.as_u16()));
    rejection.body = json.as_ref();
    if json.is_none() {
        // Vertex may answer in plain text; a page of HTML would tell nobody anything.
        let plain = std::str::from_utf8(body).ok().map(str::trim);
        rejection.message = plain.filter(|plain| !plain.starts_with('<'));
    }
    let mut failure = rejection.at_status(status, headers, now);
    if failure.class == FailureClass::QuotaExhausted {
        // Beside a used-up daily quota stands the wait of the limit per minute, which would send the caller back in vain.
        failure.retry_after = failure.retry_after.filter(|wait| *wait >= LONG);
    }
    failure
}

/// The failure of an `error` object inside a 200.
pub(super) fn in_band(error: &Value) -> Failure {
    let code = error.get("code").and_then(Value::as_u64);
    let otherwise = code
        .and_then(|code| u16::try_from(code).ok())
        .map_or(FailureClass::Malformed, class_of_status);
    read(error, otherwise).in_band()
}

/// What an `error` object says; `otherwise` is the class when it says nothing we know.
fn read(error: &Value, otherwise: FailureClass) -> Rejection<'_> {
    let message = error
        .get("message")
        .and_then(Value::as_str)
        .or_else(|| error.as_str());
    let lowercase = message.unwrap_or_default().to_ascii_lowercase();
    let status = error.get("status").and_then(Value::as_str);
    let details = || {
        error
            .get("details")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let reason = details().find_map(|detail| detail.get("reason")?.as_str());
    let daily = details()
        .filter_map(|detail| detail.get("violations")?.as_array())
        .flatten()
        .filter_map(|violation| violation.get("quotaId")?.as_str())
        .any(|quota| quota.contains("PerDay"));
    let class = match (reason.unwrap_or_default(), status.unwrap_or_default()) {
        (
            "API_KEY_INVALID" | "API_KEY_EXPIRED" | "ACCESS_TOKEN_EXPIRED" | "ACCESS_TOKEN_TYPE_UNSUPPORTED",
            _,
        ) => FailureClass::Authentication,
        ("MODEL_CAPACITY_EXHAUSTED" | "MODEL_CAPACITY_EXCEEDED", _) => FailureClass::Overloaded,
        ("QUOTA_EXHAUSTED" | "INSUFFICIENT_G1_CREDITS_BALANCE" | "BILLING_DISABLED", _) => {
            FailureClass::QuotaExhausted
        }
        (_, "RESOURCE_EXHAUSTED") if daily || matches_any(&lowercase, SPENT) => FailureClass::QuotaExhausted,
        (_, "INVALID_ARGUMENT" | "FAILED_PRECONDITION") if matches_any(&lowercase, KEY_REFUSED) => {
            FailureClass::Authentication
        }
        (_, "INVALID_ARGUMENT") if says_context_length(&lowercase) => FailureClass::ContextLength,
        (_, "RESOURCE_EXHAUSTED") if otherwise != FailureClass::QuotaExhausted => FailureClass::RateLimited,
        (_, "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE") => FailureClass::InvalidRequest,
        (_, "UNAUTHENTICATED" | "PERMISSION_DENIED") => FailureClass::Authentication,
        (_, "NOT_FOUND") => FailureClass::ModelNotFound,
        (_, "UNAVAILABLE") => FailureClass::Overloaded,
        (_, "INTERNAL" | "UNKNOWN" | "ABORTED" | "DEADLINE_EXCEEDED") => FailureClass::Server,
        _ => otherwise,
    };
    Rejection {
        class,
        // The Interactions API says its word in `code`, the others a number.
        code: reason
            .or(status)
            .or_else(|| error.get("code")?.as_str())
            .map(str::to_owned),
        message,
        body: None,
    }
}
