//! The chunks of a stream → deltas.

use super::classify::{in_band, in_band_body};
use super::decode::{gave_up, made_id};
use super::wire::{CallPiece, Choice, Envelope, finish_reason, is_complete, settle};
use crate::dialect::{EventDecoder, SseEvent};
use crate::types::{Delta, Failure};

/// Most tool calls of one reply.
const MAX_CALLS: usize = 1024;

/// Reads the events of one stream. The terminal marker is a finish reason: counts may follow it, and `[DONE]`, which
/// many vendors leave out.
#[derive(Debug, Default)]
pub(super) struct Events {
    id: Option<String>,
    model: Option<String>,
    calls: Vec<Call>,
    refused: bool,
    /// A finish reason came.
    ended: bool,
    /// `[DONE]` came.
    done: bool,
}

/// A call as far as it has come.
#[derive(Debug)]
struct Call {
    /// The vendor's number for it, which need not start at 0.
    index: Option<u64>,
    id: Option<String>,
    name: Option<String>,
    arguments: String,
}

impl Call {
    fn is_complete(&self) -> bool {
        self.name
            .as_deref()
            .is_some_and(|name| is_complete(name, &self.arguments))
    }
}

impl EventDecoder for Events {
    fn event(&mut self, event: &SseEvent, out: &mut Vec<Delta>) -> Result<(), Failure> {
        let data = event.data.trim();
        if data.is_empty() || self.done {
            return Ok(());
        }
        if data == "[DONE]" {
            self.done = true;
            return Ok(());
        }
        let mut chunk: Envelope = serde_json::from_str(data).map_err(|error| {
            error_event(data).unwrap_or_else(|| {
                Failure::malformed(format!("a chunk of the stream is not readable: {error}"))
            })
        })?;
        if let Some(error) = &chunk.error {
            return Err(in_band(error));
        }
        // An error in another shape has no `choices`. Chunks of counts have none either at some vendors.
        let named = event.name.as_deref() == Some("error");
        if named || (chunk.choices.is_none() && chunk.usage.is_none()) {
            let failure = error_event(data);
            if named || failure.is_some() {
                return Err(failure.unwrap_or_else(|| {
                    Failure::malformed("the stream has an error event that says nothing")
                }));
            }
        }
        self.meta(&mut chunk, out);
        let usage = chunk.usage();
        let gave_up = match chunk.into_choice() {
            Some(choice) => self.choice(choice, out),
            None => Ok(()),
        };
        out.extend(usage.map(Delta::Usage));
        gave_up
    }

    fn complete(&self) -> bool {
        self.ended
    }

    fn finished(&self) -> bool {
        self.done
    }
}

fn error_event(data: &str) -> Option<Failure> {
    in_band_body(&serde_json::from_str(data).ok()?)
}

impl Events {
    /// Azure's first chunk has an empty id and model, and routers name the model late.
    fn meta(&mut self, chunk: &mut Envelope, out: &mut Vec<Delta>) {
        let changed = |old: &mut Option<String>, new: Option<String>| {
            let new = new.filter(|new| old.as_ref() != Some(new))?;
            *old = Some(new.clone());
            Some(new)
        };
        let id = changed(&mut self.id, chunk.id.take());
        let model = changed(&mut self.model, chunk.model.take());
        if id.is_some() || model.is_some() {
            out.push(Delta::Meta { id, model });
        }
    }

    fn choice(&mut self, mut choice: Choice, out: &mut Vec<Delta>) -> Result<(), Failure> {
        if let Some(error) = &choice.error {
            return Err(in_band(error));
        }
        let mut said = choice.take_said();
        out.extend(said.take_reasoning().map(Delta::Reasoning));
        out.extend(said.content.text.take().map(Delta::Text));
        if let Some(refusal) = said.refusal.take().or_else(|| said.content.refusal.take()) {
            self.refused = true;
            out.push(Delta::Refusal(refusal));
        }
        for piece in said.take_calls() {
            self.call(piece, out)?;
        }
        if let Some(raw) = choice.finish_reason.take() {
            let reason = finish_reason(&raw).ok_or_else(|| gave_up(Some(&raw)))?;
            self.ended = true;
            out.push(Delta::Finish {
                reason: settle(reason, self.calls.iter().any(Call::is_complete), self.refused),
                raw: Some(raw),
            });
        }
        Ok(())
    }

    fn call(&mut self, mut piece: CallPiece, out: &mut Vec<Delta>) -> Result<(), Failure> {
        let (id, name) = (piece.id.take(), piece.name());
        let arguments = piece.arguments();
        let signature = piece.signature();
        let at = match self.find(piece.index, id.as_deref(), name.as_deref()) {
            Some(at) => at,
            None if self.calls.len() >= MAX_CALLS => {
                return Err(Failure::malformed(format!(
                    "the reply has more than {MAX_CALLS} tool calls"
                )));
            }
            None => {
                self.calls.push(Call {
                    index: piece.index,
                    id: None,
                    name: None,
                    arguments: String::new(),
                });
                self.calls.len() - 1
            }
        };
        let reply = self.id.as_deref();
        let Some(call) = self.calls.get_mut(at) else {
            return Ok(());
        };
        // Id and name go out once, though some vendors repeat them with each piece.
        let id = call
            .id
            .is_none()
            .then(|| id.unwrap_or_else(|| made_id(reply, at)));
        let name = name.filter(|_| call.name.is_none());
        if id.is_none() && name.is_none() && arguments.is_empty() && signature.is_none() {
            return Ok(());
        }
        call.id = call.id.take().or_else(|| id.clone());
        call.name = call.name.take().or_else(|| name.clone());
        call.arguments.push_str(&arguments);
        out.push(Delta::ToolCall {
            index: u32::try_from(at).unwrap_or(u32::MAX),
            id,
            name,
            arguments,
            signature,
        });
        Ok(())
    }

    /// The call a piece belongs to; None when it begins a new one.
    fn find(&self, index: Option<u64>, id: Option<&str>, name: Option<&str>) -> Option<usize> {
        if let Some(index) = index {
            let at = self.calls.iter().rposition(|call| call.index == Some(index))?;
            // Vendors that number every call 0 still give each its own id and name.
            let other = id.is_some()
                && name.is_some()
                && self.calls.get(at).is_some_and(|call| call.id.as_deref() != id);
            return (!other).then_some(at);
        }
        if let Some(id) = id {
            return self.calls.iter().rposition(|call| call.id.as_deref() == Some(id));
        }
        let last = self.calls.last()?;
        let begins = name.is_some_and(|name| call_begins(last, name));
        (!begins).then(|| self.calls.len() - 1)
    }
}

/// Whether a piece with this name, and neither index nor id, begins a call after `last`.
fn call_begins(last: &Call, name: &str) -> bool {
    last.name.as_deref() != Some(name) || last.is_complete()
}
