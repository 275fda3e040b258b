mod ask;
mod encode;
mod reply;

use serde_json::Value;

use super::BEDROCK_CONVERSE;
use crate::catalog::{Model, Quirks};
use crate::dialect::testing::frame;
use crate::dialect::{Call, Dialect as _, Encoded};
use crate::types::{ChatRequest, Failure};

fn encode_for(
    request: &ChatRequest,
    model: &str,
    facts: Option<&Model>,
    lossy: bool,
) -> Result<Encoded, Failure> {
    BEDROCK_CONVERSE.encode(&Call {
        request,
        provider: "bedrock",
        model,
        facts,
        quirks: &Quirks::default(),
        lossy,
        stream: false,
    })
}

fn body(encoded: &Encoded) -> Value {
    serde_json::from_slice(&encoded.body).unwrap()
}

/// A frame as Bedrock sends it.
fn event(kind: &str, name: &str, payload: &Value) -> Vec<u8> {
    let named = if kind == "event" {
        ":event-type"
    } else {
        ":exception-type"
    };
    let mut headers = Vec::new();
    for (name, value) in [
        (named, name),
        (":content-type", "application/json"),
        (":message-type", kind),
    ] {
        headers.push(u8::try_from(name.len()).unwrap());
        headers.extend_from_slice(name.as_bytes());
        headers.push(7);
        headers.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    frame(&headers, payload.to_string().as_bytes())
}
