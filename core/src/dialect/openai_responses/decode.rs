//! Body → completion. A whole body is what the last event of a stream holds, so the stream decoder reads both.

use serde_json::Value;

use super::classify::in_band;
use super::stream::Events;
use crate::dialect::common::parse_json;
use crate::dialect::envelope::{unpack, unpack_mark};
use crate::dialect::evidence::NO_CODES;
use crate::types::{
    Accumulator, Completion, DialectId, Failure, FailureClass, FinishReason, Phase, ReasoningBlock, Usage,
};

/// Stands where a signature would in a block whose text is the reasoning itself, and no summary of it: servers of open
/// models send it readable, and take it back as `content`.
pub(super) const RAW: &str = "reasoning_text";

pub(super) fn decode(body: &[u8]) -> Result<Completion, Failure> {
    let Some(reply) = parse_json(body) else {
        let start = body.trim_ascii_start();
        return Err(Failure::malformed(match start.first() {
            None => "the reply is empty",
            Some(b'<') => "the reply is HTML where JSON was expected",
            Some(_) => "the reply is not JSON",
        }));
    };
    if !reply.get("output").is_some_and(Value::is_array) {
        return Err(match error_of(&reply) {
            Some(error) => in_band(error, &NO_CODES, FailureClass::Malformed),
            None => Failure::malformed("the reply has no `output`"),
        });
    }
    let mut deltas = Vec::new();
    Events::default().whole(&reply, &mut deltas)?;
    let mut done = Accumulator::default();
    deltas.iter().for_each(|delta| done.apply(delta));
    Ok(done.finish())
}

/// The error in a body or an event. xAI puts its text in `error` and the code beside it.
pub(super) fn error_of(holder: &Value) -> Option<&Value> {
    match holder.get("error") {
        None | Some(Value::Null) => None,
        Some(Value::String(_)) if holder.get("code").is_some_and(Value::is_string) => Some(holder),
        error => error,
    }
}

pub(super) fn str_of<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// The texts of a list of parts, of those that have one under `field`.
pub(super) fn texts<'a>(item: &'a Value, list: &str, field: &'a str) -> impl Iterator<Item = &'a str> {
    let parts = item.get(list).and_then(Value::as_array);
    parts
        .into_iter()
        .flatten()
        .filter_map(move |part| part.get(field)?.as_str())
}

/// A reasoning item as what goes back to the vendor that made it; None when the vendor would not know it again, having kept nothing.
pub(super) fn block(item: &Value) -> Option<ReasoningBlock> {
    let id = item.get("id").and_then(Value::as_str);
    let block = |text, signature, redacted| ReasoningBlock {
        dialect: DialectId::OpenaiResponses,
        id: id.map(str::to_owned),
        text,
        signature,
        redacted,
    };
    let encrypted = str_of(item, "encrypted_content");
    if unpack_mark(encrypted).is_some() {
        return None;
    }
    if let Some(carried) = unpack(encrypted) {
        return Some(carried);
    }
    if !encrypted.is_empty() {
        let summary = texts(item, "summary", "text").collect::<Vec<_>>().join("\n\n");
        return Some(block(summary, None, Some(encrypted.to_owned())));
    }
    let raw: String = texts(item, "content", "text").collect();
    (!raw.is_empty()).then(|| block(raw, Some(RAW.to_owned()), None))
}

/// The counts of a reply; None when it has none.
pub(super) fn usage(reply: &Value) -> Option<Usage> {
    let usage = reply.get("usage").filter(|usage| usage.is_object())?;
    let count = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
    Some(Usage {
        reported: true,
        input_tokens: count("/input_tokens"),
        output_tokens: count("/output_tokens"),
        cache_read_tokens: count("/input_tokens_details/cached_tokens"),
        cache_write_tokens: count("/input_tokens_details/cache_write_tokens"),
        cache_write_1h_tokens: 0,
        reasoning_tokens: count("/output_tokens_details/reasoning_tokens"),
    })
}

/// Why a reply ended, in our word and the vendor's. `called`: it holds a complete call; `refused`: it holds a refusal.
pub(super) fn finish_reason(
    reply: &Value,
    called: bool,
    refused: bool,
) -> Result<(FinishReason, String), Failure> {
    let status = match str_of(reply, "status") {
        "" => "completed",
        status => status,
    };
    let why = reply
        .pointer("/incomplete_details/reason")
        .and_then(Value::as_str);
    let (reason, raw) = match (status, why) {
        ("completed", _) if refused => (FinishReason::Refusal, status),
        ("completed", _) => (FinishReason::Stop, status),
        ("incomplete", Some(why @ "max_output_tokens")) => (FinishReason::Length, why),
        ("incomplete", Some(why @ "content_filter")) => (FinishReason::ContentFilter, why),
        ("incomplete", why) => (FinishReason::Other, why.unwrap_or(status)),
        ("failed" | "cancelled", _) => {
            let mut failure = Failure::new(
                FailureClass::Server,
                Phase::Body,
                format!("the vendor ended the reply with status `{status}`"),
            );
            failure.code = Some(status.to_owned());
            return Err(failure);
        }
        ("queued" | "in_progress", _) => {
            return Err(Failure::malformed(format!(
                "the reply is not there yet: its status is `{status}`"
            )));
        }
        (other, _) => (FinishReason::Other, other),
    };
    let reason = if called { FinishReason::ToolCalls } else { reason };
    Ok((reason, raw.to_owned()))
}
