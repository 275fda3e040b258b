//! Events → deltas.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::classify::in_band;
use super::decode::{finish_reason, is_servers, reasoning_block, routed_model, str_of, text, usage};
use crate::catalog::Quirks;
use crate::dialect::common::next_call;
use crate::dialect::{EventDecoder, SseEvent};
use crate::types::{Delta, Failure};

/// The events of one stream.
#[derive(Debug, Default)]
pub(super) struct Events {
    quirks: Quirks,
    /// Blocks that have begun and not ended. Texts are not among them: they are given as they come.
    blocks: BTreeMap<u64, Block>,
    /// Calls begun so far.
    calls: u32,
    stopped: bool,
    counted: bool,
}

#[derive(Debug)]
enum Block {
    Reasoning {
        text: String,
        signature: String,
        /// Decoded: its pieces are encoded one by one, so that each may end in padding.
        redacted: Vec<u8>,
    },
    Tool {
        index: u32,
    },
    /// A tool that the vendor runs itself.
    Servers,
}

impl EventDecoder for Events {
    fn event(&mut self, event: &SseEvent, out: &mut Vec<Delta>) -> Result<(), Failure> {
        if event.error {
            // What an exception says beside its name is for people, so it need not be JSON.
            let body = serde_json::from_str(&event.data).unwrap_or(Value::Null);
            return Err(in_band(event.name.as_deref(), &body, &self.quirks));
        }
        let name = event.name.as_deref().unwrap_or_default();
        if !matches!(
            name,
            "contentBlockStart" | "contentBlockDelta" | "contentBlockStop" | "messageStop" | "metadata"
        ) {
            // `messageStart` says who speaks, which is known; other events may be added.
            return Ok(());
        }
        let data: Value = serde_json::from_str(&event.data)
            .map_err(|error| Failure::malformed(format!("a stream event is not JSON: {error}")))?;
        let index = data
            .get("contentBlockIndex")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        match name {
            // Of what follows the end only the counts matter.
            "metadata" => self.metadata(&data, out),
            _ if self.stopped => {}
            "contentBlockStart" => self.open(index, &data, out)?,
            "contentBlockDelta" => self.piece(index, &data, out),
            "contentBlockStop" => {
                if let Some(block) = self.blocks.remove(&index) {
                    close(block, out);
                }
            }
            _ => self.stop(&data, out)?,
        }
        Ok(())
    }

    fn complete(&self) -> bool {
        self.stopped
    }

    /// The counts come after the end, or before it.
    fn finished(&self) -> bool {
        self.stopped && self.counted
    }
}

impl Events {
    pub(super) fn new(quirks: &Quirks) -> Self {
        Self {
            quirks: quirks.clone(),
            ..Self::default()
        }
    }

    fn open(&mut self, index: u64, data: &Value, out: &mut Vec<Delta>) -> Result<(), Failure> {
        // A block that was not ended, under the same number.
        if let Some(block) = self.blocks.remove(&index) {
            close(block, out);
        }
        let Some(call) = data.pointer("/start/toolUse").filter(|call| !is_servers(call)) else {
            // The vendor's own tools and their results, and images.
            self.blocks.insert(index, Block::Servers);
            return Ok(());
        };
        let number = next_call(&mut self.calls)?;
        out.push(Delta::ToolCall {
            index: number,
            id: text(call, "toolUseId"),
            name: text(call, "name"),
            arguments: String::new(),
            signature: None,
        });
        self.blocks.insert(index, Block::Tool { index: number });
        Ok(())
    }

    fn piece(&mut self, index: u64, data: &Value, out: &mut Vec<Delta>) {
        let piece = data.get("delta").unwrap_or(&Value::Null);
        if let Some(said) = piece.get("text").and_then(Value::as_str) {
            say(Delta::Text, said, out);
        } else if let Some(input) = piece.pointer("/toolUse/input").and_then(Value::as_str) {
            if let Some(Block::Tool { index }) = self.blocks.get(&index)
                && !input.is_empty()
            {
                out.push(Delta::ToolCall {
                    index: *index,
                    id: None,
                    name: None,
                    arguments: input.to_owned(),
                    signature: None,
                });
            }
        } else if let Some(more) = piece.get("reasoningContent") {
            say(Delta::Reasoning, str_of(more, "text"), out);
            let block = self.blocks.entry(index).or_insert_with(|| Block::Reasoning {
                text: String::new(),
                signature: String::new(),
                redacted: Vec::new(),
            });
            if let Block::Reasoning {
                text,
                signature,
                redacted,
            } = block
            {
                text.push_str(str_of(more, "text"));
                signature.push_str(str_of(more, "signature"));
                // What is not base64 could not be handed back either.
                if let Ok(bytes) = STANDARD.decode(str_of(more, "redactedContent")) {
                    redacted.extend(bytes);
                }
            }
        }
        // What is left: citations, results of the vendor's own tools, images.
    }

    fn stop(&mut self, data: &Value, out: &mut Vec<Delta>) -> Result<(), Failure> {
        let Some(raw) = text(data, "stopReason") else {
            return Err(Failure::malformed("the stream ended without a `stopReason`"));
        };
        // Servers that speak the format may leave out the ends of blocks.
        for block in std::mem::take(&mut self.blocks).into_values() {
            close(block, out);
        }
        out.push(Delta::Finish {
            reason: finish_reason(&raw, self.calls > 0),
            raw: Some(raw),
        });
        self.stopped = true;
        Ok(())
    }

    fn metadata(&mut self, data: &Value, out: &mut Vec<Delta>) {
        self.counted = true;
        out.extend(usage(data).map(Delta::Usage));
        if let Some(model) = routed_model(data) {
            out.push(Delta::Meta {
                id: None,
                model: Some(model),
            });
        }
    }
}

fn say(kind: fn(String) -> Delta, text: &str, out: &mut Vec<Delta>) {
    if !text.is_empty() {
        out.push(kind(text.to_owned()));
    }
}

fn close(block: Block, out: &mut Vec<Delta>) {
    if let Block::Reasoning {
        text,
        signature,
        redacted,
    } = block
    {
        let redacted = STANDARD.encode(redacted);
        out.extend(reasoning_block(text, Some(signature), Some(redacted)).map(Delta::ReasoningBlock));
    }
}
