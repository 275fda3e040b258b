//! Exceptions → failure classes.

use std::borrow::Cow;
use std::time::SystemTime;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::catalog::Quirks;
use crate::dialect::common::{Rejection, parse_json};
use crate::dialect::evidence::Evidence;
use crate::types::Failure;

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
        ..read(named, said, Some(status.as_u16()), quirks)
    }
    .at_status(status, headers, now)
}

/// The failure of an exception in a stream, or of an error body in a 200. `named` is the exception's name, where the
/// framing gives it.
pub(super) fn in_band(named: Option<&str>, body: &Value, quirks: &Quirks) -> Failure {
    read(named, body, None, quirks).in_band()
}

fn read<'a>(named: Option<&str>, body: &'a Value, status: Option<u16>, quirks: &Quirks) -> Rejection<'a> {
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let in_body = || {
        let inner = body.pointer("/Output/__type").and_then(Value::as_str);
        text("__type").or(text("code")).or(inner)
    };
    let code = named.or_else(in_body).map(bare).filter(|code| !code.is_empty());
    let message = text("message").or(text("Message"));
    let mut evidence = Evidence {
        codes: code.iter().map(Cow::from).collect(),
        message: message.unwrap_or_default(),
        status,
    };
    if let Some(status) = body.get("originalStatusCode").and_then(Value::as_u64) {
        // What the model's own server answered to Bedrock says more than that it did.
        evidence.codes.retain(|code| quirks.codes.contains_key(&**code));
        evidence.status = Some(of_model(status));
    }
    Rejection {
        class: evidence.class(&quirks.codes),
        code,
        message,
        body: None,
    }
}

/// The status that the answer of the model's own server stands for. That it refused Bedrock, or was not found, is no
/// fault of the caller's key or model id.
fn of_model(status: u64) -> u16 {
    match u16::try_from(status) {
        Ok(401..=404 | 410) | Err(_) => 424,
        Ok(status @ 400..=599) => status,
        Ok(_) => 424,
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
