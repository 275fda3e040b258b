//! Events → deltas.

use std::collections::HashMap;

use serde_json::Value;

use super::classify::in_band;
use super::decode::{
    Counts, arguments, fallback_model, finish_reason, redacted, refusal, signed, str_of, text,
};
use crate::dialect::envelope::{CallMark, unpack_mark};
use crate::dialect::{EventDecoder, SseEvent};
use crate::types::{Delta, Failure, FinishReason};

/// The events of one stream.
///
/// A second `message_start` begins the reply anew: the vendor's own final message is the last one begun, so all that
/// came before is void ([`Delta::Reset`]), even when some of it was content.
#[derive(Debug, Default)]
pub(super) struct Events {
    started: bool,
    blocks: HashMap<u64, Block>,
    /// The ids of the calls begun so far.
    calls: Vec<String>,
    counts: Counts,
    finished: bool,
    stopped: bool,
}

/// A content block that has begun and not ended.
#[derive(Debug)]
enum Block {
    Text,
    Thinking {
        text: String,
        signature: String,
    },
    Tool {
        index: u32,
        /// Arguments given whole with the block's start, which count only when no pieces follow.
        whole: Option<String>,
    },
}

impl EventDecoder for Events {
    fn event(&mut self, event: &SseEvent, out: &mut Vec<Delta>) -> Result<(), Failure> {
        if self.stopped || event.data == "[DONE]" {
            return Ok(());
        }
        let data: Value = serde_json::from_str(&event.data)
            .map_err(|error| Failure::malformed(format!("a stream event is not JSON: {error}")))?;
        if let Some(error) = data.get("error").filter(|error| !error.is_null()) {
            return Err(in_band(error));
        }
        let index = data.get("index").and_then(Value::as_u64).unwrap_or_default();
        match str_of(&data, "type") {
            "message_start" => self.start(&data, out),
            "content_block_start" => self.open(index, &data, out),
            "content_block_delta" => self.piece(index, &data, out),
            "content_block_stop" => {
                if let Some(block) = self.blocks.remove(&index) {
                    close(block, out);
                }
            }
            "message_delta" => self.message_delta(&data, out),
            "message_stop" => {
                if !self.finished {
                    return Err(Failure::malformed("the stream ended without a `stop_reason`"));
                }
                self.stopped = true;
            }
            // `ping`, and what the vendor may add: its rule is to skip unknown events.
            _ => {}
        }
        Ok(())
    }

    fn complete(&self) -> bool {
        self.stopped
    }
}

impl Events {
    fn start(&mut self, data: &Value, out: &mut Vec<Delta>) {
        if self.started {
            *self = Self::default();
            out.push(Delta::Reset);
        }
        self.started = true;
        let message = data.get("message").unwrap_or(&Value::Null);
        out.push(Delta::Meta {
            id: text(message, "id"),
            model: text(message, "model"),
        });
        self.count(message, out);
    }

    fn count(&mut self, holder: &Value, out: &mut Vec<Delta>) {
        if let Some(usage) = holder.get("usage").and_then(Value::as_object) {
            self.counts.update(usage);
            out.push(Delta::Usage(self.counts.usage()));
        }
    }

    fn open(&mut self, index: u64, data: &Value, out: &mut Vec<Delta>) {
        let start = data.get("content_block").unwrap_or(&Value::Null);
        let block = match str_of(start, "type") {
            "text" => {
                say(Delta::Text, str_of(start, "text"), out);
                Block::Text
            }
            "thinking" => {
                say(Delta::Reasoning, str_of(start, "thinking"), out);
                Block::Thinking {
                    text: str_of(start, "thinking").to_owned(),
                    signature: str_of(start, "signature").to_owned(),
                }
            }
            "redacted_thinking" => {
                match unpack_mark(str_of(start, "data")) {
                    Some(mark) => self.sign(mark, out),
                    None => out.push(Delta::ReasoningBlock(redacted(str_of(start, "data").to_owned()))),
                }
                return;
            }
            "tool_use" => {
                let call = index_of(self.calls.len());
                self.calls.push(str_of(start, "id").to_owned());
                out.push(Delta::ToolCall {
                    index: call,
                    id: text(start, "id"),
                    name: text(start, "name"),
                    arguments: String::new(),
                    signature: None,
                });
                Block::Tool {
                    index: call,
                    whole: Some(arguments(start)).filter(|arguments| arguments != "{}"),
                }
            }
            "fallback" => {
                if let Some(model) = fallback_model(start) {
                    out.push(Delta::Meta {
                        id: None,
                        model: Some(model),
                    });
                }
                return;
            }
            // Tools the vendor runs itself, and blocks we do not know: their pieces find no open block.
            _ => return,
        };
        self.blocks.insert(index, block);
    }

    fn piece(&mut self, index: u64, data: &Value, out: &mut Vec<Delta>) {
        let piece = data.get("delta").unwrap_or(&Value::Null);
        match (self.blocks.get_mut(&index), str_of(piece, "type")) {
            (Some(Block::Text), "text_delta") => say(Delta::Text, str_of(piece, "text"), out),
            (Some(Block::Thinking { text, .. }), "thinking_delta") => {
                let more = str_of(piece, "thinking");
                text.push_str(more);
                say(Delta::Reasoning, more, out);
            }
            (Some(Block::Thinking { signature, .. }), "signature_delta") => {
                signature.push_str(str_of(piece, "signature"));
            }
            (Some(Block::Tool { index, whole }), "input_json_delta") => {
                let more = str_of(piece, "partial_json");
                if !more.is_empty() {
                    *whole = None;
                    out.push(call_piece(*index, more.to_owned()));
                }
            }
            // Citations, and pieces of blocks that are not content.
            _ => {}
        }
    }

    fn sign(&self, mark: CallMark, out: &mut Vec<Delta>) {
        if let Some(index) = self.calls.iter().position(|id| *id == mark.call) {
            out.push(Delta::ToolCall {
                index: index_of(index),
                id: None,
                name: None,
                arguments: String::new(),
                signature: Some(mark.signature),
            });
        }
    }

    fn message_delta(&mut self, data: &Value, out: &mut Vec<Delta>) {
        self.count(data, out);
        let Some(delta) = data.get("delta") else { return };
        let Some(raw) = text(delta, "stop_reason") else {
            return;
        };
        let reason = finish_reason(&raw, !self.calls.is_empty());
        if reason == FinishReason::Refusal {
            out.push(Delta::Refusal(refusal(delta)));
        }
        out.push(Delta::Finish {
            reason,
            raw: Some(raw),
        });
        self.finished = true;
    }
}

fn say(kind: fn(String) -> Delta, text: &str, out: &mut Vec<Delta>) {
    if !text.is_empty() {
        out.push(kind(text.to_owned()));
    }
}

fn index_of(calls: usize) -> u32 {
    u32::try_from(calls).unwrap_or(u32::MAX)
}

fn call_piece(index: u32, arguments: String) -> Delta {
    Delta::ToolCall {
        index,
        id: None,
        name: None,
        arguments,
        signature: None,
    }
}

fn close(block: Block, out: &mut Vec<Delta>) {
    match block {
        Block::Thinking { text, signature } if !signature.is_empty() => {
            out.push(Delta::ReasoningBlock(signed(text, signature)));
        }
        Block::Tool {
            index,
            whole: Some(arguments),
        } => out.push(call_piece(index, arguments)),
        Block::Text | Block::Thinking { .. } | Block::Tool { .. } => {}
    }
}
