//! Lines → deltas.

use serde_json::Value;

use super::classify::in_band;
use crate::dialect::common::{made_call_id, next_call};
use crate::dialect::{EventDecoder, SseEvent};
use crate::types::{Delta, DialectId, Failure, FinishReason, ReasoningBlock, Usage};

/// The lines of one reply.
#[derive(Debug, Default)]
pub(super) struct Events {
    named: bool,
    /// What has been thought since the last text or call.
    thought: String,
    /// Calls given so far.
    calls: u32,
    done: bool,
}

impl EventDecoder for Events {
    fn event(&mut self, event: &SseEvent, out: &mut Vec<Delta>) -> Result<(), Failure> {
        let line: Value = serde_json::from_str(&event.data)
            .map_err(|error| Failure::malformed(format!("a stream line is not JSON: {error}")))?;
        self.line(&line, out)
    }

    fn complete(&self) -> bool {
        self.done
    }
}

impl Events {
    pub(super) fn line(&mut self, line: &Value, out: &mut Vec<Delta>) -> Result<(), Failure> {
        if self.done {
            return Ok(());
        }
        if let Some(error) = line.get("error").filter(|error| !error.is_null()) {
            return Err(in_band(error));
        }
        if let Some(model) = text(line, "/model").filter(|_| !self.named) {
            self.named = true;
            out.push(Delta::Meta {
                id: None,
                model: Some(model.to_owned()),
            });
        }
        // A reply of `/api/generate` has these on the top.
        for place in ["/message/thinking", "/thinking"] {
            self.think(text(line, place).unwrap_or_default(), out);
        }
        for place in ["/message/content", "/response"] {
            if let Some(said) = text(line, place).filter(|said| !said.is_empty()) {
                self.end_thought(out);
                out.push(Delta::Text(said.to_owned()));
            }
        }
        let calls = line.pointer("/message/tool_calls").and_then(Value::as_array);
        for call in calls.into_iter().flatten() {
            self.call(line, call, out)?;
        }
        if line.get("done").and_then(Value::as_bool) == Some(true) {
            self.end(line, out);
        }
        Ok(())
    }

    fn think(&mut self, thought: &str, out: &mut Vec<Delta>) {
        if !thought.is_empty() {
            self.thought.push_str(thought);
            out.push(Delta::Reasoning(thought.to_owned()));
        }
    }

    /// Gives what was thought as a block to be handed back. It is not signed.
    fn end_thought(&mut self, out: &mut Vec<Delta>) {
        let text = std::mem::take(&mut self.thought);
        if !text.is_empty() {
            out.push(Delta::ReasoningBlock(ReasoningBlock {
                dialect: DialectId::OllamaChat,
                id: None,
                text,
                signature: None,
                redacted: None,
            }));
        }
    }

    /// A call, which always comes whole.
    fn call(&mut self, line: &Value, call: &Value, out: &mut Vec<Delta>) -> Result<(), Failure> {
        self.end_thought(out);
        let index = next_call(&mut self.calls)?;
        // Replies have no id; the moment tells them apart as well.
        let id = text(call, "/id")
            .filter(|id| !id.is_empty())
            .map_or_else(|| made_call_id(text(line, "/created_at"), index), str::to_owned);
        let arguments = match call.pointer("/function/arguments") {
            Some(object @ Value::Object(_)) => object.to_string(),
            Some(Value::String(text)) if !text.trim().is_empty() => text.clone(),
            _ => "{}".to_owned(),
        };
        out.push(Delta::ToolCall {
            index,
            id: Some(id),
            name: Some(text(call, "/function/name").unwrap_or_default().to_owned()),
            arguments,
            signature: None,
        });
        Ok(())
    }

    fn end(&mut self, line: &Value, out: &mut Vec<Delta>) {
        self.end_thought(out);
        let count = |field: &str| line.get(field).and_then(Value::as_u64);
        let (input, output) = (count("prompt_eval_count"), count("eval_count"));
        if input.is_some() || output.is_some() {
            out.push(Delta::Usage(Usage {
                reported: true,
                // Left out by the server where it had the whole prompt in its cache.
                input_tokens: input.unwrap_or_default(),
                output_tokens: output.unwrap_or_default(),
                ..Usage::default()
            }));
        }
        let raw = text(line, "/done_reason").filter(|raw| !raw.is_empty());
        let reason = match raw {
            _ if self.calls > 0 => FinishReason::ToolCalls,
            // Old servers give none.
            Some("stop") | None => FinishReason::Stop,
            Some("length") => FinishReason::Length,
            Some(_) => FinishReason::Other,
        };
        out.push(Delta::Finish {
            reason,
            raw: raw.map(str::to_owned),
        });
        self.done = true;
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}
