//! Body → completion, and what the stream decoder shares with it: finish reasons, usage, reasoning.

use serde_json::Value;

use super::classify::in_band;
use crate::catalog::Quirks;
use crate::types::{Completion, DialectId, Failure, FinishReason, ReasoningBlock, ToolCall, Usage};

pub(super) fn decode(body: &[u8]) -> Result<Completion, Failure> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| Failure::malformed(format!("the reply is not JSON: {error}")))?;
    let Some(content) = body.pointer("/output/message/content").and_then(Value::as_array) else {
        if ["message", "Message", "__type", "Output"]
            .iter()
            .any(|key| body.get(key).is_some())
        {
            return Err(in_band(None, &body, &Quirks::default()));
        }
        return Err(Failure::malformed("the reply has no `output.message.content`"));
    };
    let Some(raw) = text(&body, "stopReason") else {
        return Err(Failure::malformed("the reply has no `stopReason`"));
    };
    let mut done = Completion {
        model: routed_model(&body),
        ..Completion::default()
    };
    for block in content {
        if let Some(text) = block.get("text").and_then(Value::as_str) {
            done.text.push_str(text);
        } else if let Some(cited) = block
            .pointer("/citationsContent/content")
            .and_then(Value::as_array)
        {
            cited
                .iter()
                .for_each(|piece| done.text.push_str(str_of(piece, "text")));
        } else if let Some(reasoning) = block.get("reasoningContent") {
            let said = reasoning.get("reasoningText").unwrap_or(&Value::Null);
            done.reasoning.push_str(str_of(said, "text"));
            done.reasoning_blocks.extend(reasoning_block(
                str_of(said, "text").to_owned(),
                text(said, "signature"),
                text(reasoning, "redactedContent"),
            ));
        } else if let Some(call) = block.get("toolUse").filter(|call| !is_servers(call)) {
            done.tool_calls.push(ToolCall {
                id: str_of(call, "toolUseId").to_owned(),
                name: str_of(call, "name").to_owned(),
                arguments: arguments(call.get("input")),
                signature: None,
                ..ToolCall::default()
            });
        }
        // What is left: tools the vendor ran itself and their results, images, and blocks we do not know.
    }
    done.finish_reason = Some(finish_reason(&raw, !done.tool_calls.is_empty()));
    done.finish_raw = Some(raw);
    done.usage = usage(&body).unwrap_or_default();
    Ok(done)
}

pub(super) fn str_of<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).map(str::to_owned)
}

/// Whether the vendor runs the tool itself. A caller's own calls have no `type`, or `tool_use`.
pub(super) fn is_servers(call: &Value) -> bool {
    call.get("type").and_then(Value::as_str) == Some("server_tool_use")
}

/// A call's input as JSON text.
fn arguments(input: Option<&Value>) -> String {
    match input {
        None | Some(Value::Null) => "{}".to_owned(),
        Some(input) => input.to_string(),
    }
}

/// Reasoning that must go back: what is signed or encrypted. The rest is only for reading.
pub(super) fn reasoning_block(
    text: String,
    signature: Option<String>,
    redacted: Option<String>,
) -> Option<ReasoningBlock> {
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (signature, redacted) = (filled(signature), filled(redacted));
    (signature.is_some() || redacted.is_some()).then_some(ReasoningBlock {
        dialect: DialectId::BedrockConverse,
        id: None,
        text,
        signature,
        redacted,
    })
}

/// The model a prompt router chose.
pub(super) fn routed_model(holder: &Value) -> Option<String> {
    holder
        .pointer("/trace/promptRouter/invokedModelId")
        .and_then(Value::as_str)
        .map(str::to_owned)
}

pub(super) fn finish_reason(raw: &str, called: bool) -> FinishReason {
    match raw {
        "end_turn" if called => FinishReason::ToolCalls,
        "end_turn" => FinishReason::Stop,
        "stop_sequence" => FinishReason::StopSequence,
        "max_tokens" => FinishReason::Length,
        "model_context_window_exceeded" => FinishReason::ContextExceeded,
        "tool_use" => FinishReason::ToolCalls,
        "content_filtered" | "guardrail_intervened" => FinishReason::ContentFilter,
        "malformed_model_output" | "malformed_tool_use" => FinishReason::Error,
        _ => FinishReason::Other,
    }
}

/// The counts. `inputTokens` is what neither came from the cache nor went there.
pub(super) fn usage(holder: &Value) -> Option<Usage> {
    let usage = holder.get("usage").filter(|usage| usage.is_object())?;
    let count = |key: &str| usage.get(key).and_then(Value::as_u64);
    let read = count("cacheReadInputTokens").unwrap_or_default();
    let written = count("cacheWriteInputTokens").unwrap_or_default();
    let details = usage.get("cacheDetails").and_then(Value::as_array);
    let written_1h = details
        .into_iter()
        .flatten()
        .filter(|detail| str_of(detail, "ttl") == "1h")
        .filter_map(|detail| detail.get("inputTokens")?.as_u64())
        .fold(0, u64::saturating_add);
    Some(Usage {
        reported: true,
        input_tokens: count("inputTokens")
            .unwrap_or_default()
            .saturating_add(read)
            .saturating_add(written),
        output_tokens: count("outputTokens").unwrap_or_default(),
        cache_read_tokens: read,
        cache_write_tokens: written,
        cache_write_1h_tokens: written_1h.min(written),
        reasoning_tokens: 0,
    })
}
