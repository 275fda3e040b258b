//! Exceptions → failure classes.

use std::time::SystemTime;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::catalog::Quirks;
use crate::dialect::codes::{class_of_code, class_of_message};
use crate::dialect::common::{Rejection, class_of_status, matches_any, parse_json, says_context_length};
use crate::types::{Failure, FailureClass};

/// What messages say where the exception says less, or something else.
const MESSAGES: &[(FailureClass, &[&[&str]])] = &[
    (
        // Clears with the day, where "too many tokens, please wait" clears with the minute.
        FailureClass::QuotaExhausted,
        &[&["too many tokens per day"]],
    ),
    (
        FailureClass::ModelNotFound,
        &[
            &["model identifier is invalid"],
            // The model takes no calls but by an inference profile.
            &["on-demand throughput", "supported"],
            // Not the key's fault: it may call every other model.
            &["access to the model with the specified model id"],
        ],
    ),
];

pub(super) fn classify(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: SystemTime,
    quirks: &Quirks,
) -> Failure {
    let body = parse_json(body);
    let named = headers
        .get("x-amzn-errortype")
        .and_then(|value| value.to_str().ok());
    let said = body.as_ref().unwrap_or(&Value::Null);
    Rejection {
        body: body.as_ref(),
        ..read(named, said, class_of_status(status.as_u16()), quirks)
    }
    .at_status(status, headers, now)
}

/// The failure of an exception in a stream, or of an error body in a 200. `named` is the exception's name, where the
/// framing gives it.
pub(super) fn in_band(named: Option<&str>, body: &Value, quirks: &Quirks) -> Failure {
    read(named, body, FailureClass::Malformed, quirks).in_band()
}

/// `otherwise` is the class when nothing known is said.
fn read<'a>(named: Option<&str>, body: &'a Value, otherwise: FailureClass, quirks: &Quirks) -> Rejection<'a> {
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let in_body = || {
        let inner = body.pointer("/Output/__type").and_then(Value::as_str);
        text("__type").or(text("code")).or(inner)
    };
    let code = named.or_else(in_body).map(bare).filter(|code| !code.is_empty());
    let message = text("message").or(text("Message"));
    Rejection {
        class: class(
            code.as_deref(),
            message.unwrap_or_default(),
            body,
            otherwise,
            quirks,
        ),
        code,
        message,
        body: None,
    }
}

fn class(
    code: Option<&str>,
    message: &str,
    body: &Value,
    otherwise: FailureClass,
    quirks: &Quirks,
) -> FailureClass {
    if let Some(class) = code.and_then(|code| quirks.codes.get(code)) {
        return *class;
    }
    let lowercase = message.to_ascii_lowercase();
    let by_message = MESSAGES
        .iter()
        .find(|(_, patterns)| matches_any(&lowercase, patterns))
        .map(|(class, _)| *class);
    if let Some(class) = by_message {
        return class;
    }
    let by_code = code.and_then(class_of_code);
    // A rate limit speaks of tokens too, so there a message is no evidence of a full window.
    let limited = matches!(
        by_code.unwrap_or(otherwise),
        FailureClass::RateLimited | FailureClass::QuotaExhausted | FailureClass::Authentication
    );
    if !limited && says_context_length(message) {
        return FailureClass::ContextLength;
    }
    if let Some(status) = body.get("originalStatusCode").and_then(Value::as_u64) {
        return of_model(status);
    }
    by_code
        .or_else(|| class_of_message(message))
        .or_else(|| (code == Some("ValidationException")).then_some(FailureClass::InvalidRequest))
        .unwrap_or(otherwise)
}

/// The class of what the model's own server answered to Bedrock. That it refused Bedrock, or was not found, is no fault
/// of the caller's key or model id.
fn of_model(status: u64) -> FailureClass {
    let class = u16::try_from(status).map_or(FailureClass::Server, class_of_status);
    match class {
        FailureClass::Authentication
        | FailureClass::QuotaExhausted
        | FailureClass::ModelNotFound
        | FailureClass::Malformed => FailureClass::Server,
        class => class,
    }
}

/// An exception's name without what may stand around it: `com.amazon.coral.service#X`, `X:http://…`. Streams write
/// its first letter small.
fn bare(name: &str) -> String {
    let name = name.split(':').next().unwrap_or_default();
    let name = name.rsplit('#').next().unwrap_or_default();
    let mut letters = name.trim().chars();
    letters
        .next()
        .map(|first| first.to_ascii_uppercase())
        .into_iter()
        .chain(letters)
        .collect()
}
