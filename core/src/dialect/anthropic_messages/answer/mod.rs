//! What a client that speaks this format is answered with: the reply as the vendor would have written it.

mod error;
mod events;
mod wire;

use std::borrow::Cow;

use http::StatusCode;

use self::events::Writer;
use self::wire::{Block, Message, StopDetails};
use super::AnthropicMessages;
use crate::dialect::envelope::{pack, pack_mark};
use crate::dialect::{EventWriter, Heard, Ingress, Opening, Problem};
use crate::types::{Completion, DialectId, FinishReason, ReasoningBlock, Reply, Stop};

impl Ingress for AnthropicMessages {
    fn write_reply(&self, reply: &Reply, heard: &Heard) -> Vec<u8> {
        let done = &reply.completion;
        let stop = Ending::of(done, only_stop(heard));
        let message = Message {
            id: &message_id(reply),
            kind: "message",
            role: "assistant",
            model: model(reply),
            content: content(done),
            stop_reason: Some(stop.reason),
            stop_sequence: stop.sequence,
            stop_details: stop.details,
            usage: (&done.usage).into(),
        };
        wire::json(&message).into_bytes()
    }

    fn writer(&self, opening: Opening, heard: &Heard) -> Box<dyn EventWriter> {
        Box::new(Writer::new(opening, only_stop(heard).map(str::to_owned)))
    }

    fn write_error(&self, problem: &Problem) -> (StatusCode, Vec<u8>) {
        (error::status(problem), error::body(problem).into_bytes())
    }

    fn id_header(&self) -> &'static str {
        "request-id"
    }

    fn relayed(&self) -> &'static [&'static str] {
        &["anthropic-beta"]
    }
}

/// Why a message ended, in the vendor's words.
struct Ending<'a> {
    reason: &'static str,
    sequence: Option<&'a str>,
    details: Option<StopDetails<'a>>,
}

impl<'a> Ending<'a> {
    /// `only_stop`: the one stop text of the request, if it had just one.
    fn of(done: &'a Completion, only_stop: Option<&'a str>) -> Self {
        let reason = match done.finish_reason {
            _ if done.refusal.is_some() => "refusal",
            Some(FinishReason::ContentFilter | FinishReason::Refusal) => "refusal",
            Some(FinishReason::StopSequence) => "stop_sequence",
            Some(FinishReason::Length) => "max_tokens",
            Some(FinishReason::ContextExceeded) => "model_context_window_exceeded",
            Some(FinishReason::Pause) => "pause_turn",
            Some(FinishReason::ToolCalls) => "tool_use",
            _ if !done.tool_calls.is_empty() => "tool_use",
            Some(FinishReason::Stop | FinishReason::Error | FinishReason::Other) | None => "end_turn",
        };
        Self {
            reason,
            // Which of several it was, other vendors do not say.
            sequence: only_stop.filter(|_| reason == "stop_sequence"),
            details: (reason == "refusal").then(|| StopDetails {
                kind: "refusal",
                category: None,
                explanation: done.refusal.as_deref().filter(|text| !text.is_empty()),
            }),
        }
    }
}

/// The stop text of a request that has just one.
fn only_stop(heard: &Heard) -> Option<&str> {
    match heard.asked.request.stop.as_ref().map(Stop::texts)? {
        [only] => Some(only),
        _ => None,
    }
}

/// The vendor's id behind this format's prefix. Where it gave none, the moment of the answer stands for it.
fn message_id(reply: &Reply) -> String {
    const PREFIX: &str = "msg_";
    let id: String = reply
        .completion
        .id
        .iter()
        .flat_map(|id| id.chars())
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .collect();
    if id.is_empty() {
        format!("{PREFIX}{:x}{:x}", reply.created, reply.elapsed.to_bits())
    } else if id.starts_with(PREFIX) {
        id
    } else {
        format!("{PREFIX}{id}")
    }
}

fn model(reply: &Reply) -> &str {
    let target = || reply.target.split_once('/').map(|(_, model)| model);
    reply
        .completion
        .model
        .as_deref()
        .or_else(target)
        .unwrap_or_default()
}

fn content(done: &Completion) -> Vec<Block<'_>> {
    let mut out = thoughts(done);
    out.extend(marks(done));
    if !done.text.is_empty() {
        out.push(Block::Text { text: &done.text });
    }
    out.extend(done.tool_calls.iter().map(|call| Block::ToolUse {
        id: &call.id,
        name: &call.name,
        input: wire::input(&call.arguments),
    }));
    out
}

/// The reasoning: each block with its own text, and without a signature what no block holds.
fn thoughts(done: &Completion) -> Vec<Block<'_>> {
    let mut out = Vec::new();
    let mut rest = done.reasoning.as_str();
    for block in &done.reasoning_blocks {
        let found = rest.split_once(block.text.as_str());
        match found.filter(|_| !block.text.is_empty() && block.redacted.is_none()) {
            Some((before, after)) => {
                out.extend(unsigned(before));
                out.push(Block::Thinking {
                    thinking: &block.text,
                    signature: signature(block),
                });
                rest = after;
            }
            None => out.push(hidden(block)),
        }
    }
    out.extend(unsigned(rest));
    out
}

fn unsigned(thinking: &str) -> Option<Block<'_>> {
    (!thinking.is_empty()).then_some(Block::Thinking {
        thinking,
        signature: Cow::Borrowed(""),
    })
}

/// The signature of a block whose text stands beside it.
fn signature(block: &ReasoningBlock) -> Cow<'_, str> {
    match (block.dialect, &block.signature) {
        (DialectId::AnthropicMessages, Some(own)) => Cow::Borrowed(own),
        (DialectId::AnthropicMessages, None) => Cow::Borrowed(""),
        _ => Cow::Owned(pack(&ReasoningBlock {
            text: String::new(),
            ..block.clone()
        })),
    }
}

/// A block that is not shown.
fn hidden(block: &ReasoningBlock) -> Block<'_> {
    let data = match (block.dialect, &block.redacted) {
        (DialectId::AnthropicMessages, Some(own)) => Cow::Borrowed(own.as_str()),
        _ => Cow::Owned(pack(block)),
    };
    Block::RedactedThinking { data }
}

/// The marks of signed calls, which have no place of their own.
fn marks(done: &Completion) -> impl Iterator<Item = Block<'_>> {
    done.tool_calls
        .iter()
        .filter_map(pack_mark)
        .map(|data| Block::RedactedThinking {
            data: Cow::Owned(data),
        })
}
