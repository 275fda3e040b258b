//! Error bodies → failure classes.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::dialect::common::{Rejection, parse_json};
use crate::dialect::evidence::{Codes, Evidence, NO_CODES};
use crate::types::{Failure, FailureClass};

/// Shortest believable wait for a daily quota or for money.
const LONG: Duration = Duration::from_secs(3600);

pub(super) fn classify(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: SystemTime,
    codes: &Codes,
) -> Failure {
    let json = parse_json(body);
    // Some deployments wrap the error in a list of one.
    let holder = json.as_ref().map(|json| json.get(0).unwrap_or(json));
    let error = holder.and_then(|holder| holder.get("error"));
    let mut rejection = read(error.unwrap_or(&Value::Null), Some(status.as_u16()), codes);
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
    let status = code.and_then(|code| u16::try_from(code).ok());
    read(error, status, &NO_CODES).in_band()
}

fn read<'a>(error: &'a Value, http: Option<u16>, codes: &Codes) -> Rejection<'a> {
    let text = |field: &str| error.get(field).and_then(Value::as_str);
    let message = text("message").or_else(|| error.as_str());
    let details = || {
        error
            .get("details")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let reason = details().find_map(|detail| detail.get("reason")?.as_str());
    let quotas = details()
        .filter_map(|detail| detail.get("violations")?.as_array())
        .flatten()
        .filter_map(|violation| violation.get("quotaId")?.as_str());
    // The Interactions API says its word in `code`, the others a number.
    let (status, code) = (text("status"), text("code"));
    let said = reason.into_iter().chain(quotas).chain(status).chain(code);
    let evidence = Evidence {
        codes: said.map(Cow::Borrowed).collect(),
        message: message.unwrap_or_default(),
        status: http,
    };
    Rejection {
        class: evidence.class(codes),
        code: reason.or(status).or(code).map(str::to_owned),
        message,
        body: None,
    }
}
