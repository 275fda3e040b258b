//! Body → completion, and what the stream decoder shares with it: finish reasons, usage, in-band errors.

use serde_json::Value;

use super::classify::in_band;
use crate::dialect::envelope::{unpack, unpack_mark};
use crate::types::{Completion, DialectId, Failure, FinishReason, JsonMap, ReasoningBlock, ToolCall, Usage};

pub(super) fn decode(body: &[u8]) -> Result<Completion, Failure> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| Failure::malformed(format!("the reply is not JSON: {error}")))?;
    if let Some(error) = body.get("error").filter(|error| !error.is_null()) {
        return Err(in_band(error));
    }
    let Some(content) = body.get("content").and_then(Value::as_array) else {
        return Err(Failure::malformed("the reply has no `content` list"));
    };
    let Some(raw) = text(&body, "stop_reason") else {
        return Err(Failure::malformed("the reply has no `stop_reason`"));
    };
    let mut done = Completion {
        id: text(&body, "id"),
        model: text(&body, "model"),
        ..Completion::default()
    };
    let mut marks = Vec::new();
    for block in content {
        match block.get("type").and_then(Value::as_str) {
            Some("text") => done.text.push_str(str_of(block, "text")),
            Some("thinking") => {
                done.reasoning.push_str(str_of(block, "thinking"));
                let signature = text(block, "signature").filter(|signature| !signature.is_empty());
                done.reasoning_blocks.extend(
                    signature.map(|signature| signed(str_of(block, "thinking").to_owned(), signature)),
                );
            }
            Some("redacted_thinking") => match unpack_mark(str_of(block, "data")) {
                Some(mark) => marks.push(mark),
                None => done
                    .reasoning_blocks
                    .push(redacted(str_of(block, "data").to_owned())),
            },
            Some("tool_use") => done.tool_calls.push(ToolCall {
                id: str_of(block, "id").to_owned(),
                name: str_of(block, "name").to_owned(),
                arguments: arguments(block),
                signature: None,
                ..ToolCall::default()
            }),
            Some("fallback") => done.model = fallback_model(block).or(done.model),
            // Tools the vendor ran itself (`server_tool_use`, `…_tool_result`) and blocks we do not know: their outcome
            // is in the text.
            _ => {}
        }
    }
    for mark in marks {
        mark.sign(&mut done.tool_calls);
    }
    done.finish_reason = Some(finish_reason(&raw, !done.tool_calls.is_empty()));
    done.finish_raw = Some(raw);
    if done.finish_reason == Some(FinishReason::Refusal) {
        done.refusal = Some(refusal(&body));
    }
    if let Some(usage) = body.get("usage").and_then(Value::as_object) {
        let mut counts = Counts::default();
        counts.update(usage);
        done.usage = counts.usage();
    }
    Ok(done)
}

pub(super) fn str_of<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).map(str::to_owned)
}

/// Signed reasoning: of this vendor, or of the one whose block the signature carries.
pub(super) fn signed(text: String, signature: String) -> ReasoningBlock {
    if let Some(block) = unpack(&signature) {
        return ReasoningBlock { text, ..block };
    }
    ReasoningBlock {
        dialect: DialectId::AnthropicMessages,
        id: None,
        text,
        signature: Some(signature),
        redacted: None,
    }
}

/// Reasoning that is not shown: of this vendor, or of the one whose block the data carry.
pub(super) fn redacted(data: String) -> ReasoningBlock {
    unpack(&data).unwrap_or_else(|| ReasoningBlock {
        dialect: DialectId::AnthropicMessages,
        id: None,
        text: String::new(),
        signature: None,
        redacted: Some(data),
    })
}

/// A `tool_use` block's input as JSON text.
pub(super) fn arguments(block: &Value) -> String {
    match block.get("input") {
        Some(input @ Value::Object(_)) => input.to_string(),
        _ => "{}".to_owned(),
    }
}

/// The model that took over within the vendor, after a refusal of the one that was asked.
pub(super) fn fallback_model(block: &Value) -> Option<String> {
    block
        .pointer("/to/model")
        .and_then(Value::as_str)
        .map(str::to_owned)
}

/// What a refusal says: its explanation, or "" when the vendor gives none.
pub(super) fn refusal(holder: &Value) -> String {
    holder
        .pointer("/stop_details/explanation")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

pub(super) fn finish_reason(raw: &str, called: bool) -> FinishReason {
    match raw {
        "end_turn" if called => FinishReason::ToolCalls,
        "end_turn" => FinishReason::Stop,
        "stop_sequence" => FinishReason::StopSequence,
        "max_tokens" => FinishReason::Length,
        "model_context_window_exceeded" => FinishReason::ContextExceeded,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::Refusal,
        "pause_turn" => FinishReason::Pause,
        _ => FinishReason::Other,
    }
}

/// Counts as the vendor sends them: each new one replaces the old, since all are cumulative.
#[derive(Debug, Default)]
pub(super) struct Counts {
    fresh: u64,
    written: u64,
    written_1h: u64,
    read: u64,
    output: u64,
    thinking: u64,
}

impl Counts {
    /// Takes what `usage` names; what it leaves out (a `message_delta` may have `output_tokens` only) stays.
    pub(super) fn update(&mut self, usage: &JsonMap) {
        let part = |outer: &str, key: &str| usage.get(outer).and_then(|inner| inner.get(key));
        let counts = [
            (&mut self.fresh, usage.get("input_tokens")),
            (&mut self.written, usage.get("cache_creation_input_tokens")),
            (
                &mut self.written_1h,
                part("cache_creation", "ephemeral_1h_input_tokens"),
            ),
            (&mut self.read, usage.get("cache_read_input_tokens")),
            (&mut self.output, usage.get("output_tokens")),
            (
                &mut self.thinking,
                part("output_tokens_details", "thinking_tokens"),
            ),
        ];
        for (count, value) in counts {
            if let Some(value) = value.and_then(Value::as_u64) {
                *count = value;
            }
        }
    }

    pub(super) const fn usage(&self) -> Usage {
        Usage {
            reported: true,
            input_tokens: self.fresh.saturating_add(self.written).saturating_add(self.read),
            output_tokens: self.output,
            cache_read_tokens: self.read,
            cache_write_tokens: self.written,
            cache_write_1h_tokens: self.written_1h,
            reasoning_tokens: self.thinking,
        }
    }
}
