//! What Anthropic's Messages can say.

use hotspare::types::{Completion, DialectId, FailureClass, FinishReason, ReasoningBlock};
use serde_json::json;

use crate::formats::{Format, usual};

pub(crate) const FORMAT: Format = Format {
    id: DialectId::AnthropicMessages,
    path: "/v1/messages",
    asks: || json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "stream": true}),
    reads,
    sends_back: |reply| {
        json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"},
            {"role": "assistant", "content": reply["content"]}]})
    },
    keeps,
    paragraphs: false,
    class: |class, streams| match class {
        // Its word for a timeout is of its own servers.
        FailureClass::Timeout => FailureClass::Server,
        FailureClass::Cancelled if streams => FailureClass::Server,
        class => usual(class),
    },
};

/// It has one word for what a filter stopped and for what the model refused, none for a failure, and always tells counts,
/// which add up.
fn reads(mut done: Completion) -> Completion {
    let usage = &mut done.usage;
    usage.reported = true;
    usage.cache_write_tokens = usage
        .cache_write_tokens
        .min(usage.input_tokens - usage.cache_read_tokens);
    done.finish_reason = Some(match done.finish_reason {
        _ if done.refusal.is_some() => FinishReason::Refusal,
        Some(FinishReason::ContentFilter) => FinishReason::Refusal,
        None | Some(FinishReason::Stop | FinishReason::Error | FinishReason::Other) => {
            match done.tool_calls.is_empty() {
                true => FinishReason::Stop,
                false => FinishReason::ToolCalls,
            }
        }
        Some(reason) => reason,
    });
    if done.finish_reason == Some(FinishReason::Refusal) {
        done.refusal.get_or_insert_default();
    }
    done
}

/// A turn does not say why it ended. Reasoning that stands in no block comes back unsigned, unless a block whose text was
/// not shown says it too.
fn keeps(mut done: Completion) -> Completion {
    let unsigned = |text: &str| {
        (!text.is_empty()).then(|| ReasoningBlock {
            dialect: DialectId::AnthropicMessages,
            id: None,
            text: text.to_owned(),
            signature: None,
            redacted: None,
        })
    };
    done.refusal = None;
    let mut rest = done.reasoning.as_str();
    let mut all = Vec::new();
    let mut repeated = false;
    for block in &done.reasoning_blocks {
        let shown = !block.text.is_empty() && block.redacted.is_none();
        match rest.find(&block.text).filter(|_| shown) {
            Some(at) => {
                all.extend(unsigned(&rest[..at]));
                rest = &rest[at + block.text.len()..];
            }
            None => repeated |= !block.text.is_empty(),
        }
        all.push(block.clone());
    }
    all.extend(unsigned(rest));
    let is_unsigned = |block: &ReasoningBlock| {
        block.dialect == DialectId::AnthropicMessages && block.signature.is_none() && block.redacted.is_none()
    };
    all.retain(|block| !(repeated && is_unsigned(block)));
    done.reasoning_blocks = all;
    done
}
