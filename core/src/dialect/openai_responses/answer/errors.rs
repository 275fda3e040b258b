//! Errors: the vendor tells those of both its formats alike.

use http::StatusCode;
use serde_json::{Value, json};

use crate::dialect::common::parse_json;
use crate::dialect::openai_chat::OPENAI_CHAT;
use crate::dialect::{Ingress as _, Problem};

/// Status and body of an error.
pub(super) fn write_error(problem: &Problem) -> (StatusCode, Vec<u8>) {
    let (status, body) = OPENAI_CHAT.write_error(problem);
    let mut body = parse_json(&body).unwrap_or_default();
    if let Some(param) = body.pointer_mut("/error/param")
        && *param == "messages"
    {
        // What is called so there.
        *param = json!("input");
    }
    (status, body.to_string().into_bytes())
}

/// What of it stands under `error`.
pub(super) fn error_object(problem: &Problem) -> Value {
    let (_, body) = write_error(problem);
    let mut body = parse_json(&body).unwrap_or_default();
    body.get_mut("error").map(Value::take).unwrap_or_default()
}
