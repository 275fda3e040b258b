//! What OpenAI's Chat Completions can say.

use hotspare::types::{Completion, DialectId, FinishReason};
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::formats::{Format, usual};

pub(crate) const FORMAT: Format = Format {
    id: DialectId::OpenaiChat,
    path: "/v1/chat/completions",
    asks: || {
        json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": true,
               "stream_options": {"include_usage": true}})
    },
    reads,
    sends_back: |reply| {
        let message: &Value = &reply["choices"][0]["message"];
        json!({"model": "m", "messages": [{"role": "user", "content": "hi"}, message]})
    },
    keeps: |done| done,
    paragraphs: false,
    class: |class, _| usual(class),
};

/// It has five words for why a model stopped, and one for what was written to a cache.
fn reads(mut done: Completion) -> Completion {
    done.refusal = done.refusal.filter(|refusal| !refusal.is_empty());
    done.usage.cache_write_1h_tokens = 0;
    let called = done
        .tool_calls
        .iter()
        .any(|call| !call.name.is_empty() && serde_json::from_str::<IgnoredAny>(&call.arguments).is_ok());
    done.finish_reason = Some(match done.finish_reason {
        _ if called => FinishReason::ToolCalls,
        Some(FinishReason::ToolCalls) => FinishReason::ToolCalls,
        Some(FinishReason::Length | FinishReason::ContextExceeded) => FinishReason::Length,
        Some(FinishReason::ContentFilter) => FinishReason::ContentFilter,
        Some(FinishReason::Refusal) if done.refusal.is_none() => FinishReason::ContentFilter,
        _ if done.refusal.is_some() => FinishReason::Refusal,
        _ => FinishReason::Stop,
    });
    done
}
