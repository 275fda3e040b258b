use serde::{Deserialize, Serialize};

use super::{DialectId, FinishReason, ToolCall, Usage};

/// Reasoning a vendor wants back unchanged in later turns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasoningBlock {
    /// The dialect that made it: it is opaque to every other.
    pub dialect: DialectId,
    /// The vendor's id of it, where it has one (OpenAI Responses).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The readable text; empty when the vendor hides it.
    #[serde(default)]
    pub text: String,
    /// The vendor's signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Encrypted reasoning (Anthropic `redacted_thinking`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redacted: Option<String>,
}

/// One step of a stream, as a dialect's decoder gives it.
#[derive(Debug, Clone, PartialEq)]
pub enum Delta {
    /// The vendor's id of the reply and the model that answers.
    Meta {
        /// Reply id.
        id: Option<String>,
        /// Model id.
        model: Option<String>,
    },
    /// Text.
    Text(String),
    /// Readable reasoning.
    Reasoning(String),
    /// The end of a reasoning block, with its signature or encrypted form. Its text came as [`Delta::Reasoning`]
    /// and stands in the block too.
    ReasoningBlock(ReasoningBlock),
    /// A piece of a refusal.
    Refusal(String),
    /// A piece of a tool call. `index` counts the calls of this reply from 0, in order of appearance.
    ToolCall {
        /// Which call.
        index: u32,
        /// Its id, in the first piece.
        id: Option<String>,
        /// Its name, in the first piece.
        name: Option<String>,
        /// The next piece of the arguments' JSON text.
        arguments: String,
        /// Gemini's `thoughtSignature`.
        signature: Option<String>,
    },
    /// Token counts so far; replaces earlier ones.
    Usage(Usage),
    /// Why the model stopped.
    Finish {
        /// Our word.
        reason: FinishReason,
        /// The vendor's.
        raw: Option<String>,
    },
    /// The vendor began the reply again: what came before is void, content included. Who has shown content to a caller
    /// must tell them ([`StreamEvent::Restart`](super::StreamEvent::Restart)).
    Reset,
}

impl Delta {
    /// Whether a caller would see something: this, and not bytes or headers, is what ends "waiting for first content".
    #[must_use]
    pub fn is_content(&self) -> bool {
        match self {
            Self::Text(text) | Self::Reasoning(text) | Self::Refusal(text) => !text.is_empty(),
            Self::ToolCall { name, arguments, .. } => name.is_some() || !arguments.is_empty(),
            Self::ReasoningBlock(_)
            | Self::Meta { .. }
            | Self::Usage(_)
            | Self::Finish { .. }
            | Self::Reset => false,
        }
    }
}

/// A whole reply as one dialect decodes it, before target, cost and trail are added.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Completion {
    /// The vendor's id.
    pub id: Option<String>,
    /// The model that answered, in the vendor's word.
    pub model: Option<String>,
    /// The text.
    pub text: String,
    /// Readable reasoning.
    pub reasoning: String,
    /// Signed reasoning, to hand back.
    pub reasoning_blocks: Vec<ReasoningBlock>,
    /// A refusal's text.
    pub refusal: Option<String>,
    /// The calls made, in order.
    pub tool_calls: Vec<ToolCall>,
    /// Why it stopped; None when the vendor never said, which is not a success.
    pub finish_reason: Option<FinishReason>,
    /// The vendor's word for it.
    pub finish_raw: Option<String>,
    /// Tokens.
    pub usage: Usage,
}

impl Completion {
    /// Whether it says, calls or refuses anything.
    #[must_use]
    pub fn has_content(&self) -> bool {
        !self.text.is_empty()
            || !self.tool_calls.is_empty()
            || !self.reasoning.is_empty()
            || self.refusal.is_some()
    }
}

/// Folds deltas into a [`Completion`].
#[derive(Debug, Default)]
pub struct Accumulator {
    completion: Completion,
}

impl Accumulator {
    /// One that goes on from what an earlier attempt had said.
    #[must_use]
    pub const fn resume(completion: Completion) -> Self {
        Self { completion }
    }

    /// Adds one delta.
    pub fn apply(&mut self, delta: &Delta) {
        let done = &mut self.completion;
        match delta {
            Delta::Meta { id, model } => {
                if let Some(id) = id {
                    done.id = Some(id.clone());
                }
                if let Some(model) = model {
                    done.model = Some(model.clone());
                }
            }
            Delta::Text(text) => done.text.push_str(text),
            Delta::Reasoning(text) => done.reasoning.push_str(text),
            Delta::ReasoningBlock(block) => done.reasoning_blocks.push(block.clone()),
            Delta::Refusal(text) => done.refusal.get_or_insert_default().push_str(text),
            Delta::ToolCall {
                index,
                id,
                name,
                arguments,
                signature,
            } => {
                // A decoder numbers calls densely, so an index past the end can only be the next one.
                let index = (*index as usize).min(done.tool_calls.len());
                if index == done.tool_calls.len() {
                    done.tool_calls.push(ToolCall::default());
                }
                if let Some(call) = done.tool_calls.get_mut(index) {
                    if let Some(id) = id {
                        call.id.clone_from(id);
                    }
                    if let Some(name) = name {
                        call.name.clone_from(name);
                    }
                    call.arguments.push_str(arguments);
                    if signature.is_some() {
                        call.signature.clone_from(signature);
                    }
                }
            }
            Delta::Usage(usage) => done.usage = *usage,
            Delta::Finish { reason, raw } => {
                done.finish_reason = Some(*reason);
                done.finish_raw.clone_from(raw);
            }
            Delta::Reset => {
                *done = Completion::default();
            }
        }
    }

    /// What has come so far.
    #[must_use]
    pub const fn so_far(&self) -> &Completion {
        &self.completion
    }

    /// The completion. A call without arguments gets `{}`.
    #[must_use]
    pub fn finish(mut self) -> Completion {
        for call in &mut self.completion.tool_calls {
            if call.arguments.trim().is_empty() {
                "{}".clone_into(&mut call.arguments);
            }
        }
        self.completion
    }
}
