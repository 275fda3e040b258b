//! Events → deltas.

use std::collections::HashMap;

use serde::de::IgnoredAny;
use serde_json::Value;

use super::classify::in_band;
use super::decode::{block, error_of, finish_reason, str_of, texts, usage};
use crate::catalog::Quirks;
use crate::dialect::common::next_call;
use crate::dialect::envelope::{CallMark, unpack_mark};
use crate::dialect::evidence::Codes;
use crate::dialect::{EventDecoder, SseEvent};
use crate::types::{Delta, Failure, FailureClass};

/// The events of one reply.
#[derive(Debug, Default)]
pub(super) struct Events {
    codes: Codes,
    id: Option<String>,
    model: Option<String>,
    /// Output items begun, by their place in the output.
    items: HashMap<u64, Item>,
    /// Calls begun so far.
    calls: u32,
    /// Their ids, and the marks that stand apart from them in what we wrote ourselves.
    ids: Vec<(u32, String)>,
    marks: Vec<CallMark>,
    /// A call came whole.
    called: bool,
    refused: bool,
    done: bool,
}

/// What has been given of an output item, so that what its end repeats is not given twice.
#[derive(Debug, Default)]
struct Item {
    /// Bytes of text, of a refusal, of readable reasoning, and of a call's arguments.
    text: usize,
    refusal: usize,
    reasoning: usize,
    arguments: usize,
    /// The part of a summary being given.
    summary: u64,
    /// Which call it is.
    call: Option<u32>,
    closed: bool,
}

impl EventDecoder for Events {
    fn event(&mut self, event: &SseEvent, out: &mut Vec<Delta>) -> Result<(), Failure> {
        // `[DONE]` is no word of this format, but some gateways end every stream with it.
        if self.done || event.data.is_empty() || event.data == "[DONE]" {
            return Ok(());
        }
        let data: Value = serde_json::from_str(&event.data)
            .map_err(|error| Failure::malformed(format!("a stream event is not JSON: {error}")))?;
        let kind = match str_of(&data, "type") {
            "" => event.name.as_deref().unwrap_or_default(),
            kind => kind,
        };
        self.read(kind, &data, out)
    }

    fn complete(&self) -> bool {
        self.done
    }
}

impl Events {
    pub(super) fn new(quirks: &Quirks) -> Self {
        Self {
            codes: quirks.codes.clone(),
            ..Self::default()
        }
    }

    fn read(&mut self, kind: &str, data: &Value, out: &mut Vec<Delta>) -> Result<(), Failure> {
        let at = data
            .get("output_index")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        let item = data.get("item").unwrap_or(&Value::Null);
        let delta = str_of(data, "delta");
        match kind {
            "error" => {
                // The specification has the fields on top; the vendor sends them under `error`.
                let error = error_of(data).unwrap_or(data);
                return Err(in_band(error, &self.codes, FailureClass::Malformed));
            }
            "response.created" | "response.in_progress" | "response.queued" => {
                self.name(data.get("response").unwrap_or(&Value::Null), out);
            }
            "response.output_item.added" => self.open(at, item, out)?,
            "response.output_item.done" => self.close(at, item, out)?,
            "response.output_text.delta" => {
                give(&mut self.item(at).text, delta, Delta::Text, out);
            }
            "response.refusal.delta" => {
                self.refused |= !delta.is_empty();
                give(&mut self.item(at).refusal, delta, Delta::Refusal, out);
            }
            "response.reasoning_text.delta" => {
                give(&mut self.item(at).reasoning, delta, Delta::Reasoning, out);
            }
            "response.reasoning_summary_text.delta" => self.summary(at, data, delta, out),
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                let open = self.item(at);
                if let (Some(index), false) = (open.call, delta.is_empty()) {
                    open.arguments = open.arguments.saturating_add(delta.len());
                    out.push(piece(index, delta));
                }
            }
            "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled" => {
                let Some(reply) = data.get("response").filter(|reply| reply.is_object()) else {
                    return Err(Failure::malformed(format!("`{kind}` has no `response`")));
                };
                return self.whole(reply, out);
            }
            // The rest repeats what came, tells of tools the vendor runs itself, or is new: the rule is to skip it.
            _ => {
                if let (false, Some(error)) = (kind.starts_with("response."), error_of(data)) {
                    return Err(in_band(error, &self.codes, FailureClass::Malformed));
                }
            }
        }
        Ok(())
    }

    /// Reads a reply as it stands at its end: a whole body, or the last event's.
    pub(super) fn whole(&mut self, reply: &Value, out: &mut Vec<Delta>) -> Result<(), Failure> {
        self.name(reply, out);
        if self.items.is_empty() {
            let output = reply.get("output").and_then(Value::as_array);
            for (at, item) in (0..).zip(output.into_iter().flatten()) {
                self.close(at, item, out)?;
            }
        }
        // Counts first, so that an error leaves them known.
        out.extend(usage(reply).map(Delta::Usage));
        if let Some(error) = error_of(reply) {
            return Err(in_band(error, &self.codes, FailureClass::Server));
        }
        // Servers that do not close their items say by this status that they are whole.
        let whole = matches!(str_of(reply, "status"), "" | "completed");
        let called = self.called || (whole && self.calls > 0);
        let (reason, raw) = finish_reason(reply, called, self.refused)?;
        self.done = true;
        out.push(Delta::Finish {
            reason,
            raw: Some(raw),
        });
        Ok(())
    }

    fn name(&mut self, reply: &Value, out: &mut Vec<Delta>) {
        let text = |field: &str| Some(str_of(reply, field).to_owned()).filter(|text| !text.is_empty());
        let (id, model) = (text("id"), text("model"));
        let news = (id.is_some() && id != self.id) || (model.is_some() && model != self.model);
        if news {
            self.id = id.or(self.id.take());
            self.model = model.or(self.model.take());
            out.push(Delta::Meta {
                id: self.id.clone(),
                model: self.model.clone(),
            });
        }
    }

    fn item(&mut self, at: u64) -> &mut Item {
        self.items.entry(at).or_default()
    }

    /// Begins an item: only a call has something to give already.
    fn open(&mut self, at: u64, item: &Value, out: &mut Vec<Delta>) -> Result<(), Failure> {
        let open = self.items.entry(at).or_default();
        if !is_call(item) || open.call.is_some() {
            return Ok(());
        }
        let next = next_call(&mut self.calls)?;
        open.call = Some(next);
        let id = [str_of(item, "call_id"), str_of(item, "id")]
            .into_iter()
            .find(|id| !id.is_empty())
            .map_or_else(
                || format!("call_{}_{next}", self.id.as_deref().unwrap_or("0")),
                str::to_owned,
            );
        let arguments = arguments(item);
        open.arguments = arguments.len();
        let mark = self.marks.iter().find(|mark| mark.call == id);
        let signature = mark.map(|mark| mark.signature.clone());
        self.ids.push((next, id.clone()));
        out.push(Delta::ToolCall {
            index: next,
            id: Some(id),
            name: Some(str_of(item, "name").to_owned()),
            arguments,
            signature,
        });
        Ok(())
    }

    /// Ends an item, giving what its pieces left out.
    fn close(&mut self, at: u64, item: &Value, out: &mut Vec<Delta>) -> Result<(), Failure> {
        self.open(at, item, out)?;
        let open = self.items.entry(at).or_default();
        if std::mem::replace(&mut open.closed, true) {
            return Ok(());
        }
        match str_of(item, "type") {
            "message" => {
                let text: String = texts(item, "content", "text").collect();
                give_rest(&mut open.text, &text, Delta::Text, out);
                let refusal: String = texts(item, "content", "refusal").collect();
                give_rest(&mut open.refusal, &refusal, Delta::Refusal, out);
                self.refused |= !refusal.is_empty();
            }
            "reasoning" => {
                if open.reasoning == 0 {
                    let parts = texts(item, "summary", "text").chain(texts(item, "content", "text"));
                    let text = parts.collect::<Vec<_>>().join("\n\n");
                    give(&mut open.reasoning, &text, Delta::Reasoning, out);
                }
                out.extend(block(item).map(Delta::ReasoningBlock));
                if let Some(mark) = unpack_mark(str_of(item, "encrypted_content")) {
                    self.mark(mark, out);
                }
            }
            _ => {
                if let Some(index) = open.call {
                    let all = arguments(item);
                    if let Some(rest) = all.get(open.arguments..).filter(|rest| !rest.is_empty()) {
                        open.arguments = all.len();
                        out.push(piece(index, rest));
                    }
                    self.called |= is_whole(item, &all);
                }
            }
        }
        Ok(())
    }

    /// Gives a call its mark, once both are there.
    fn mark(&mut self, mark: CallMark, out: &mut Vec<Delta>) {
        match self.ids.iter().find(|(_, id)| *id == mark.call) {
            Some((index, _)) => out.push(Delta::ToolCall {
                index: *index,
                id: None,
                name: None,
                arguments: String::new(),
                signature: Some(mark.signature),
            }),
            None => self.marks.push(mark),
        }
    }

    /// A piece of a summary, whose parts are paragraphs.
    fn summary(&mut self, at: u64, data: &Value, delta: &str, out: &mut Vec<Delta>) {
        let part = data
            .get("summary_index")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        let open = self.item(at);
        if part > open.summary && open.reasoning > 0 {
            give(&mut open.reasoning, "\n\n", Delta::Reasoning, out);
        }
        open.summary = part;
        give(&mut open.reasoning, delta, Delta::Reasoning, out);
    }
}

/// Whether an item is a call for the caller to run. Calls of tools the vendor runs itself are of other types.
fn is_call(item: &Value) -> bool {
    matches!(str_of(item, "type"), "function_call" | "custom_tool_call")
}

/// Whether a call can be made as it stands.
fn is_whole(item: &Value, arguments: &str) -> bool {
    let readable = str_of(item, "type") != "function_call"
        || arguments.trim().is_empty()
        || serde_json::from_str::<IgnoredAny>(arguments).is_ok();
    readable && str_of(item, "status") != "incomplete" && !str_of(item, "name").is_empty()
}

/// A call's arguments: JSON text, or for a custom tool free text.
fn arguments(item: &Value) -> String {
    match item.get("arguments").or_else(|| item.get("input")) {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

fn give(given: &mut usize, text: &str, kind: fn(String) -> Delta, out: &mut Vec<Delta>) {
    if !text.is_empty() {
        *given = given.saturating_add(text.len());
        out.push(kind(text.to_owned()));
    }
}

/// Gives what of the whole text has not been given.
fn give_rest(given: &mut usize, whole: &str, kind: fn(String) -> Delta, out: &mut Vec<Delta>) {
    if let Some(rest) = whole.get(*given..) {
        give(given, rest, kind, out);
    }
}

fn piece(index: u32, arguments: &str) -> Delta {
    Delta::ToolCall {
        index,
        id: None,
        name: None,
        arguments: arguments.to_owned(),
        signature: None,
    }
}
