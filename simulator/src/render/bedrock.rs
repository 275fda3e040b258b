//! Bedrock Converse, and the frames of its streams (`application/vnd.amazon.eventstream`).

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Piece, Reply, arguments_value, fragments};
use crate::journal::hash;
use crate::script::UsageScript;

const SIGNATURE: &str = "c2ltdWxhdGVk";
/// What the padding of an event is cut from: it hides how long the text is.
const PADDING: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

fn finish(reply: &Reply) -> &str {
    reply.finish(|ours| match ours {
        "stop" => Some("end_turn"),
        "length" => Some("max_tokens"),
        "tool_calls" => Some("tool_use"),
        "content_filter" | "refusal" => Some("content_filtered"),
        _ => None,
    })
}

/// Bedrock counts what came from the cache apart from the rest of the input.
fn usage(usage: &UsageScript) -> Value {
    json!({
        "inputTokens": usage.input_tokens.saturating_sub(usage.cache_read_tokens),
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.input_tokens.saturating_add(usage.output_tokens),
        "cacheReadInputTokens": usage.cache_read_tokens,
        "cacheWriteInputTokens": 0,
        "serverToolUsage": {},
    })
}

pub(super) fn whole(reply: &Reply) -> Value {
    let mut content = Vec::new();
    if !reply.reasoning.is_empty() {
        let text = reply.reasoning.concat();
        let text = json!({"text": text, "signature": SIGNATURE});
        content.push(json!({"reasoningContent": {"reasoningText": text}}));
    }
    let text = reply.said_whole();
    if !text.is_empty() {
        content.push(json!({"text": text}));
    }
    content.extend(reply.tool_calls.iter().map(|call| {
        let input = arguments_value(&call.arguments);
        json!({"toolUse": {"toolUseId": call.id, "name": call.name, "input": input}})
    }));
    json!({
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": reply.terminal.then(|| finish(reply)),
        "usage": usage(&reply.usage),
        "metrics": {"latencyMs": 42},
    })
}

pub(super) fn stream(reply: &Reply) -> Vec<Piece> {
    let mut pieces = vec![Piece::frame(event("messageStart", json!({"role": "assistant"})))];
    let mut index = 0;
    let delta = |index: usize, delta: Value| {
        event(
            "contentBlockDelta",
            json!({"contentBlockIndex": index, "delta": delta}),
        )
    };
    let stop = |index: usize| Piece::frame(event("contentBlockStop", json!({"contentBlockIndex": index})));
    if !reply.reasoning.is_empty() {
        let thoughts = reply.reasoning.iter();
        pieces.extend(
            thoughts.map(|part| Piece::content(delta(index, json!({"reasoningContent": {"text": part}})))),
        );
        let signature = json!({"reasoningContent": {"signature": SIGNATURE}});
        pieces.push(Piece::frame(delta(index, signature)));
        pieces.push(stop(index));
        index += 1;
    }
    let said = reply.said();
    if !said.is_empty() {
        // A block of text has no start of its own.
        pieces.extend(
            said.iter()
                .map(|part| Piece::content(delta(index, json!({"text": part})))),
        );
        pieces.push(stop(index));
        index += 1;
    }
    for call in &reply.tool_calls {
        let start = json!({"toolUse": {"toolUseId": call.id, "name": call.name}});
        let start = json!({"contentBlockIndex": index, "start": start});
        pieces.push(Piece::content(event("contentBlockStart", start)));
        pieces.extend(
            fragments(&call.arguments)
                .iter()
                .map(|part| Piece::content(delta(index, json!({"toolUse": {"input": part}})))),
        );
        pieces.push(stop(index));
        index += 1;
    }
    if reply.terminal {
        let stopped = json!({"stopReason": finish(reply)});
        pieces.push(Piece::frame(event("messageStop", stopped)));
        let metadata = json!({"usage": usage(&reply.usage), "metrics": {"latencyMs": 42}});
        pieces.push(Piece::frame(event("metadata", metadata)));
    }
    pieces
}

/// An event that says nothing.
pub(super) fn keep_alive() -> Bytes {
    event(
        "contentBlockDelta",
        json!({"contentBlockIndex": 0, "delta": {"text": ""}}),
    )
}

/// An event whose JSON breaks off, in a frame that is whole.
pub(super) fn malformed_event() -> Bytes {
    frame(
        &event_headers("contentBlockDelta"),
        br#"{"contentBlockIndex":0,"delta":{"te"#,
    )
}

/// The exceptions that a stream may tell. Any other comes as an error without a body.
const IN_STREAM: [&str; 5] = [
    "InternalServerException",
    "ModelStreamErrorException",
    "ServiceUnavailableException",
    "ThrottlingException",
    "ValidationException",
];

pub(super) fn exception_event(exception: &str, body: &Value) -> Bytes {
    if IN_STREAM.contains(&exception) {
        let name = exception.get(..1).unwrap_or_default().to_ascii_lowercase()
            + exception.get(1..).unwrap_or_default();
        let headers = [
            (":exception-type", name.as_str()),
            (":content-type", "application/json"),
            (":message-type", "exception"),
        ];
        return frame(&headers, body.to_string().as_bytes());
    }
    let message = body.get("message").and_then(Value::as_str).unwrap_or_default();
    let headers = [
        (":error-code", exception),
        (":error-message", message),
        (":message-type", "error"),
    ];
    frame(&headers, b"")
}

fn event_headers(name: &str) -> [(&str, &str); 3] {
    [
        (":event-type", name),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ]
}

fn event(name: &str, mut payload: Value) -> Bytes {
    let letters = hash(payload.to_string().as_bytes()) % PADDING.len() as u64 + 1;
    let padding = usize::try_from(letters)
        .ok()
        .and_then(|letters| PADDING.get(..letters));
    if let Some(fields) = payload.as_object_mut() {
        fields.insert("p".to_owned(), padding.into());
    }
    frame(&event_headers(name), payload.to_string().as_bytes())
}

/// Lengths, their checksum, headers of type string, the payload, and the checksum of it all.
pub(crate) fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    const AROUND: usize = 16;
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        block.extend_from_slice(name.as_bytes());
        block.push(7);
        block.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        block.extend_from_slice(value.as_bytes());
    }
    let word = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    let mut bytes = Vec::with_capacity(AROUND + block.len() + payload.len());
    bytes.extend_from_slice(&word(AROUND + block.len() + payload.len()));
    bytes.extend_from_slice(&word(block.len()));
    bytes.extend_from_slice(&crc32(&bytes).to_be_bytes());
    bytes.extend_from_slice(&block);
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(&crc32(&bytes).to_be_bytes());
    bytes.into()
}

/// The checksum of Ethernet and gzip.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

pub(super) fn models() -> Value {
    let model = |id: &str| {
        json!({
            "modelArn": format!("arn:aws:bedrock:us-east-1::foundation-model/{id}"),
            "modelId": id,
            "modelName": id,
            "providerName": "Simulated",
            "inputModalities": ["TEXT", "IMAGE"],
            "outputModalities": ["TEXT"],
            "responseStreamingSupported": true,
            "inferenceTypesSupported": ["ON_DEMAND"],
            "modelLifecycle": {"status": "ACTIVE"},
        })
    };
    json!({"modelSummaries": [
        model("anthropic.claude-haiku-4-5-20251001-v1:0"),
        model("amazon.nova-lite-v1:0"),
    ]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_the_known_ones() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn frames_are_laid_out_as_documented() {
        let bytes = frame(&[("a", "bc")], b"{}");
        assert_eq!(&bytes[..8], [0, 0, 0, 25, 0, 0, 0, 7]);
        assert_eq!(bytes[8..12], crc32(&bytes[..8]).to_be_bytes());
        assert_eq!(&bytes[12..21], b"\x01a\x07\x00\x02bc{}");
        assert_eq!(bytes[21..], crc32(&bytes[..21]).to_be_bytes());
    }
}
