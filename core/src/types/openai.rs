//! The shape of OpenAI's `chat.completion`, written from a reply.

use serde::{Serialize, Serializer};

use super::{Completion, FinishReason, ReasoningBlock, Reply, ToolCall, Usage, WrittenCall};

/// A whole reply.
#[derive(Debug, Serialize)]
pub(crate) struct ChatCompletion<'a> {
    pub(crate) id: Option<&'a str>,
    object: &'static str,
    created: u64,
    pub(crate) model: Option<&'a str>,
    choices: [Choice<'a>; 1],
    usage: Option<Counts>,
}

#[derive(Debug, Serialize)]
struct Choice<'a> {
    index: u32,
    message: Said<'a>,
    finish_reason: &'static str,
    logprobs: (),
}

#[derive(Debug, Serialize)]
struct Said<'a> {
    role: &'static str,
    content: Option<&'a str>,
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Calls::is_empty")]
    tool_calls: Calls<'a>,
    #[serde(skip_serializing_if = "str::is_empty")]
    reasoning_content: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    reasoning_details: &'a [ReasoningBlock],
}

impl<'a> ChatCompletion<'a> {
    /// Of a reply. `custom` are the names of the custom tools it could call.
    pub(crate) fn of(reply: &'a Reply, custom: &'a [String]) -> Self {
        let done = &reply.completion;
        let silent = done.text.is_empty() && (!done.tool_calls.is_empty() || done.refusal.is_some());
        Self {
            id: done.id.as_deref(),
            object: "chat.completion",
            created: reply.created,
            model: done.model.as_deref(),
            choices: [Choice {
                index: 0,
                message: Said {
                    role: "assistant",
                    content: (!silent).then_some(done.text.as_str()),
                    refusal: done.refusal.as_deref(),
                    tool_calls: Calls {
                        calls: &done.tool_calls,
                        custom,
                    },
                    reasoning_content: &done.reasoning,
                    reasoning_details: &done.reasoning_blocks,
                },
                finish_reason: finish_word(done),
                logprobs: (),
            }],
            usage: Counts::of(&done.usage),
        }
    }
}

/// OpenAI's word for why the model stopped. It has none for a refusal without a word.
pub(crate) fn finish_word(done: &Completion) -> &'static str {
    let speechless = done.refusal.as_deref().is_none_or(str::is_empty);
    match done.finish_reason {
        Some(FinishReason::ToolCalls) => "tool_calls",
        Some(FinishReason::Length | FinishReason::ContextExceeded) => "length",
        Some(FinishReason::ContentFilter) => "content_filter",
        Some(FinishReason::Refusal) if speechless => "content_filter",
        _ => "stop",
    }
}

#[derive(Debug)]
struct Calls<'a> {
    calls: &'a [ToolCall],
    custom: &'a [String],
}

impl Calls<'_> {
    const fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }
}

impl Serialize for Calls<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.calls.iter().map(|call| WrittenCall {
            id: &call.id,
            call,
            custom: call.is_custom() || self.custom.contains(&call.name),
            signed: true,
        }))
    }
}

/// Token counts.
#[derive(Debug, Serialize)]
pub(crate) struct Counts {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Debug, Serialize)]
struct PromptDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

#[derive(Debug, Serialize)]
struct CompletionDetails {
    reasoning_tokens: u64,
}

impl Counts {
    /// None when the vendor sent none.
    pub(crate) fn of(usage: &Usage) -> Option<Self> {
        usage.reported.then(|| Self {
            prompt_tokens: usage.input_tokens,
            completion_tokens: usage.output_tokens,
            total_tokens: usage.total_tokens(),
            prompt_tokens_details: PromptDetails {
                cached_tokens: usage.cache_read_tokens,
                cache_write_tokens: usage.cache_write_tokens,
            },
            completion_tokens_details: CompletionDetails {
                reasoning_tokens: usage.reasoning_tokens,
            },
        })
    }
}
