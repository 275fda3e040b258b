//! Events → deltas.

use std::collections::HashMap;

use serde_json::Value;

use super::TOOL_PLAN;
use super::classify::{in_band, said};
use super::decode::{arguments, block, error, finish_reason, name, str_of, text, usage};
use crate::dialect::common::{made_call_id, next_call};
use crate::dialect::{EventDecoder, SseEvent};
use crate::types::{Delta, Failure, FailureClass, Usage};

/// The events of one stream.
#[derive(Debug, Default)]
pub(super) struct Events {
    id: Option<String>,
    /// What has been thought in the open content block.
    thought: String,
    /// The plan so far.
    plan: String,
    /// The calls that are open, by the vendor's index.
    open: HashMap<Option<u64>, Open>,
    /// Calls begun so far.
    calls: u32,
    ended: bool,
}

/// A call that has begun and not ended.
#[derive(Debug)]
struct Open {
    index: u32,
    /// The arguments so far, while they may turn out to be the word `null`, which stands for none.
    held: Option<String>,
}

impl EventDecoder for Events {
    fn event(&mut self, event: &SseEvent, out: &mut Vec<Delta>) -> Result<(), Failure> {
        if self.ended || event.data == "[DONE]" {
            return Ok(());
        }
        let data: Value = serde_json::from_str(&event.data)
            .map_err(|error| Failure::malformed(format!("a stream event is not JSON: {error}")))?;
        let kind = match str_of(&data, "type") {
            "" => event.name.as_deref().unwrap_or_default(),
            kind => kind,
        };
        let message = data.pointer("/delta/message").unwrap_or(&Value::Null);
        match kind {
            "message-start" => self.start(&data, out),
            "content-start" | "content-delta" => {
                self.content(message.get("content").unwrap_or(&Value::Null), out);
            }
            "content-end" => self.end_thought(out),
            "tool-plan-delta" => {
                let more = str_of(message, "tool_plan");
                self.plan.push_str(more);
                say(Delta::Reasoning, more, out);
            }
            "tool-call-start" => self.begin_call(index(&data), first(message), out)?,
            "tool-call-delta" => self.call_piece(index(&data), &arguments(first(message)), out),
            "tool-call-end" => self.end_call(index(&data), out),
            "message-end" => self.end(&data, out)?,
            // The vendor documents none, but gateways send them.
            "error" | "" => {
                let message = said(&data);
                if kind == "error" || message.is_some() {
                    return Err(in_band(message, FailureClass::Malformed));
                }
            }
            // Citations, which point into the text, and what the vendor may add.
            _ => {}
        }
        Ok(())
    }

    fn complete(&self) -> bool {
        self.ended
    }
}

impl Events {
    fn start(&mut self, data: &Value, out: &mut Vec<Delta>) {
        self.id = text(data, "id");
        out.push(Delta::Meta {
            id: self.id.clone(),
            model: None,
        });
    }

    fn content(&mut self, content: &Value, out: &mut Vec<Delta>) {
        let thought = str_of(content, "thinking");
        self.thought.push_str(thought);
        say(Delta::Reasoning, thought, out);
        say(Delta::Text, str_of(content, "text"), out);
    }

    fn end_thought(&mut self, out: &mut Vec<Delta>) {
        let thought = std::mem::take(&mut self.thought);
        out.extend(block(thought, None).map(Delta::ReasoningBlock));
    }

    fn end_plan(&mut self, out: &mut Vec<Delta>) {
        let plan = std::mem::take(&mut self.plan);
        out.extend(block(plan, Some(TOOL_PLAN)).map(Delta::ReasoningBlock));
    }

    fn begin_call(&mut self, at: Option<u64>, call: &Value, out: &mut Vec<Delta>) -> Result<(), Failure> {
        self.end_plan(out);
        // A call that was not ended, under the same number.
        self.end_call(at, out);
        let index = next_call(&mut self.calls)?;
        out.push(Delta::ToolCall {
            index,
            id: Some(text(call, "id").unwrap_or_else(|| made_call_id(self.id.as_deref(), index))),
            name: Some(name(call)),
            arguments: String::new(),
            signature: None,
        });
        let held = Some(String::new());
        self.open.insert(at, Open { index, held });
        self.call_piece(at, &arguments(call), out);
        Ok(())
    }

    fn call_piece(&mut self, at: Option<u64>, piece: &str, out: &mut Vec<Delta>) {
        let Some(open) = self.open.get_mut(&at) else {
            return;
        };
        let Some(mut held) = open.held.take() else {
            give(open.index, piece.to_owned(), out);
            return;
        };
        held.push_str(piece);
        if "null".starts_with(held.as_str()) {
            open.held = Some(held);
        } else {
            give(open.index, held, out);
        }
    }

    fn end_call(&mut self, at: Option<u64>, out: &mut Vec<Delta>) {
        if let Some(open) = self.open.remove(&at) {
            let held = open.held.filter(|held| held != "null");
            give(open.index, held.unwrap_or_default(), out);
        }
    }

    fn end(&mut self, data: &Value, out: &mut Vec<Delta>) -> Result<(), Failure> {
        self.end_thought(out);
        self.end_plan(out);
        let mut left: Vec<_> = self.open.keys().copied().collect();
        left.sort_unstable();
        for at in left {
            self.end_call(at, out);
        }
        let delta = data.get("delta").unwrap_or(&Value::Null);
        let counts = usage(delta);
        if counts != Usage::default() {
            out.push(Delta::Usage(counts));
        }
        let Some(raw) = text(delta, "finish_reason") else {
            return Err(match error(delta) {
                Some(message) => in_band(Some(message), FailureClass::Server),
                None => Failure::malformed("the stream ended without a `finish_reason`"),
            });
        };
        let reason = finish_reason(&raw, self.calls > 0, error(delta))?;
        out.push(Delta::Finish {
            reason,
            raw: Some(raw),
        });
        self.ended = true;
        Ok(())
    }
}

fn index(data: &Value) -> Option<u64> {
    data.get("index").and_then(Value::as_u64)
}

/// The call of an event: the vendor sends it as an object under the plural name; a list of one is read too.
fn first(message: &Value) -> &Value {
    let calls = message.get("tool_calls").unwrap_or(&Value::Null);
    calls.get(0).unwrap_or(calls)
}

fn say(kind: fn(String) -> Delta, text: &str, out: &mut Vec<Delta>) {
    if !text.is_empty() {
        out.push(kind(text.to_owned()));
    }
}

fn give(index: u32, arguments: String, out: &mut Vec<Delta>) {
    if !arguments.is_empty() {
        out.push(Delta::ToolCall {
            index,
            id: None,
            name: None,
            arguments,
            signature: None,
        });
    }
}
