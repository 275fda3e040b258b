//! Body → completion, and what the stream decoder shares with it: finish reasons, usage, reasoning blocks.

use serde_json::Value;

use super::TOOL_PLAN;
use super::classify::{in_band, said};
use crate::dialect::common::made_call_id;
use crate::types::{
    Completion, DialectId, Failure, FailureClass, FinishReason, ReasoningBlock, ToolCall, Usage,
};

pub(super) fn decode(body: &[u8]) -> Result<Completion, Failure> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| Failure::malformed(format!("the reply is not JSON: {error}")))?;
    let Some(message) = body.get("message").filter(|message| message.is_object()) else {
        if let Some(message) = said(&body) {
            return Err(in_band(Some(message), FailureClass::Malformed));
        }
        return Err(Failure::malformed("the reply has no `message`"));
    };
    let Some(raw) = text(&body, "finish_reason") else {
        return Err(Failure::malformed("the reply has no `finish_reason`"));
    };
    let mut done = Completion {
        id: text(&body, "id"),
        ..Completion::default()
    };
    match message.get("content") {
        Some(Value::String(said)) => done.text.push_str(said),
        Some(Value::Array(parts)) => {
            for part in parts {
                if let Some(thought) = part.get("thinking").and_then(Value::as_str) {
                    done.reasoning.push_str(thought);
                    done.reasoning_blocks.extend(block(thought.to_owned(), None));
                } else {
                    done.text.push_str(str_of(part, "text"));
                }
            }
        }
        _ => {}
    }
    let plan = str_of(message, "tool_plan");
    done.reasoning.push_str(plan);
    done.reasoning_blocks
        .extend(block(plan.to_owned(), Some(TOOL_PLAN)));
    let calls = message.get("tool_calls").and_then(Value::as_array);
    for (index, call) in (0u32..).zip(calls.into_iter().flatten()) {
        done.tool_calls.push(ToolCall {
            id: text(call, "id").unwrap_or_else(|| made_call_id(done.id.as_deref(), index)),
            name: name(call),
            arguments: match arguments(call).as_str() {
                "" | "null" => "{}".to_owned(),
                given => given.to_owned(),
            },
            signature: None,
            ..ToolCall::default()
        });
    }
    done.usage = usage(&body);
    let reason = finish_reason(&raw, !done.tool_calls.is_empty(), error(&body))?;
    done.finish_reason = Some(reason);
    done.finish_raw = Some(raw);
    Ok(done)
}

pub(super) fn str_of<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn text(value: &Value, key: &str) -> Option<String> {
    value
        .get(key)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

pub(super) fn name(call: &Value) -> String {
    call.get("function")
        .map(|function| str_of(function, "name"))
        .unwrap_or_default()
        .to_owned()
}

/// The arguments' JSON text, or a piece of it.
pub(super) fn arguments(call: &Value) -> String {
    match call.pointer("/function/arguments") {
        Some(Value::String(text)) => text.clone(),
        Some(object @ Value::Object(_)) => object.to_string(),
        _ => String::new(),
    }
}

/// What was thought, to be handed back. It is not signed.
pub(super) fn block(text: String, id: Option<&str>) -> Option<ReasoningBlock> {
    (!text.is_empty()).then(|| ReasoningBlock {
        dialect: DialectId::CohereChat,
        id: id.map(str::to_owned),
        text,
        signature: None,
        redacted: None,
    })
}

/// What the vendor says of an error beside the finish reason.
pub(super) fn error(holder: &Value) -> Option<&str> {
    holder
        .get("error")
        .and_then(Value::as_str)
        .filter(|error| !error.is_empty())
}

/// # Errors
/// The failure that the vendor gives as a finish reason.
pub(super) fn finish_reason(raw: &str, called: bool, error: Option<&str>) -> Result<FinishReason, Failure> {
    Ok(match raw {
        "COMPLETE" | "STOP_SEQUENCE" | "TOOL_CALL" if called => FinishReason::ToolCalls,
        "COMPLETE" => FinishReason::Stop,
        "STOP_SEQUENCE" => FinishReason::StopSequence,
        "MAX_TOKENS" => FinishReason::Length,
        "TOOL_CALL" => FinishReason::ToolCalls,
        "ERROR" | "TIMEOUT" => {
            let (class, otherwise) = match raw {
                "TIMEOUT" => (FailureClass::Timeout, "the vendor ran out of time"),
                _ => (FailureClass::Server, "the vendor says that generation failed"),
            };
            return Err(in_band(error.or(Some(otherwise)), class));
        }
        _ => FinishReason::Other,
    })
}

/// `usage.tokens`: what the model read and wrote. `billed_units` leaves out what the vendor adds to a prompt itself and
/// what it does not charge for; it stands in where there is nothing else.
pub(super) fn usage(holder: &Value) -> Usage {
    let Some(usage) = holder.get("usage").filter(|usage| usage.is_object()) else {
        return Usage::default();
    };
    let count = |value: Option<&Value>| value.and_then(whole).unwrap_or_default();
    let counts = ["tokens", "billed_units"]
        .iter()
        .find_map(|kind| usage.get(kind).filter(|counts| counts.is_object()));
    let part = |name: &str| count(counts.and_then(|counts| counts.get(name)));
    Usage {
        reported: counts.is_some(),
        input_tokens: part("input_tokens"),
        output_tokens: part("output_tokens"),
        cache_read_tokens: count(usage.get("cached_tokens")).min(part("input_tokens")),
        ..Usage::default()
    }
}

/// A count, which the vendor's own schema types as a float.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count below 2^53 and not below 0 is whole after rounding"
)]
fn whole(value: &Value) -> Option<u64> {
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        (0.0..LIMIT).contains(&number).then(|| number.round() as u64)
    })
}
