//! What OpenAI's Responses can say.

use hotspare::types::{Completion, DialectId, FinishReason};
use serde_json::json;

use crate::formats::{Format, usual};

pub(crate) const FORMAT: Format = Format {
    id: DialectId::OpenaiResponses,
    path: "/v1/responses",
    asks: || json!({"model": "m", "input": "hi", "stream": true}),
    reads,
    sends_back: |reply| {
        let mut input = vec![json!({"role": "user", "content": "hi"})];
        input.extend(reply["output"].as_array().into_iter().flatten().cloned());
        json!({"model": "m", "input": input})
    },
    keeps: |done| done,
    paragraphs: true,
    class: |class, _| usual(class),
};

/// It has four words for how a reply ended, and one for what was written to a cache.
fn reads(mut done: Completion) -> Completion {
    done.usage.cache_write_1h_tokens = 0;
    done.refusal = done.refusal.filter(|refusal| !refusal.is_empty());
    done.finish_reason = Some(match done.finish_reason {
        Some(FinishReason::Length | FinishReason::ContextExceeded) => FinishReason::Length,
        Some(FinishReason::ContentFilter) => FinishReason::ContentFilter,
        // Told with a word that the vendor does not have.
        Some(FinishReason::Pause) => FinishReason::Other,
        Some(FinishReason::Refusal) if done.refusal.is_none() => FinishReason::ContentFilter,
        _ if !done.tool_calls.is_empty() => FinishReason::ToolCalls,
        _ if done.refusal.is_some() => FinishReason::Refusal,
        _ => FinishReason::Stop,
    });
    done
}
