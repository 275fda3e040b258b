//! Chunks → deltas.

use std::collections::HashSet;

use serde_json::Value;

use super::classify::in_band;
use super::partial_args;
use crate::dialect::{EventDecoder, SseEvent};
use crate::types::{Delta, DialectId, Failure, FailureClass, FinishReason, Phase, ReasoningBlock, Usage};

/// The chunks of one reply.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// The reply's id, from the first chunk.
    id: Option<String>,
    named: bool,
    call_ids: HashSet<String>,
    /// Calls given so far.
    calls: u32,
    open: Option<OpenCall>,
    finished: bool,
    /// Counts came with the finish reason or after it: the last there are.
    counted: bool,
}

/// A call whose arguments come in pieces. It is given whole, since the pieces are values at paths and no JSON text.
#[derive(Debug)]
struct OpenCall {
    id: Option<String>,
    name: String,
    args: Value,
    signature: Option<String>,
}

impl EventDecoder for Events {
    fn event(&mut self, event: &SseEvent, out: &mut Vec<Delta>) -> Result<(), Failure> {
        // Not the vendor's, but what gateways in front of it end a stream with.
        if event.data == "[DONE]" {
            return Ok(());
        }
        let chunk: Value = serde_json::from_str(&event.data)
            .map_err(|error| Failure::malformed(format!("a stream event is not JSON: {error}")))?;
        self.body(&chunk, out)
    }

    fn complete(&self) -> bool {
        self.finished
    }

    fn finished(&self) -> bool {
        self.finished && self.counted
    }
}

impl Events {
    /// Reads one chunk, a whole body, or a list of chunks.
    pub(super) fn body(&mut self, body: &Value, out: &mut Vec<Delta>) -> Result<(), Failure> {
        match body {
            Value::Array(chunks) => chunks.iter().try_for_each(|chunk| self.chunk(chunk, out)),
            chunk => self.chunk(chunk, out),
        }
    }

    fn chunk(&mut self, chunk: &Value, out: &mut Vec<Delta>) -> Result<(), Failure> {
        if let Some(error) = chunk.get("error").filter(|error| !error.is_null()) {
            return Err(in_band(error));
        }
        self.name(chunk, out);
        let candidate = chunk.get("candidates").and_then(|candidates| candidates.get(0));
        if let (None, Some(reason)) = (candidate, text(chunk, "/promptFeedback/blockReason")) {
            return Err(blocked(chunk, reason));
        }
        let parts = candidate.and_then(|candidate| candidate.pointer("/content/parts")?.as_array());
        for part in parts.into_iter().flatten() {
            self.part(part, out)?;
        }
        // Counts first, so that an error in the finish reason leaves them known.
        let counts = chunk.get("usageMetadata").and_then(usage);
        out.extend(counts.map(Delta::Usage));
        if let Some(candidate) = candidate {
            self.finish(candidate, out)?;
        }
        self.counted |= self.finished && counts.is_some();
        Ok(())
    }

    fn name(&mut self, chunk: &Value, out: &mut Vec<Delta>) {
        if self.named {
            return;
        }
        let (id, model) = (text(chunk, "/responseId"), text(chunk, "/modelVersion"));
        if id.is_some() || model.is_some() {
            self.named = true;
            self.id = id.map(str::to_owned);
            out.push(Delta::Meta {
                id: self.id.clone(),
                model: model.map(str::to_owned),
            });
        }
    }

    fn part(&mut self, part: &Value, out: &mut Vec<Delta>) -> Result<(), Failure> {
        let signature = text(part, "/thoughtSignature").filter(|signature| !signature.is_empty());
        if let Some(call) = part.get("functionCall") {
            return self.call(call, signature, out);
        }
        // Tools the vendor ran itself (`executableCode`, `toolCall`, …) have no `text`; their outcome is in a part that has.
        let Some(said) = text(part, "/text") else {
            return Ok(());
        };
        if !said.is_empty() {
            let thought = part.get("thought").and_then(Value::as_bool) == Some(true);
            let kind = if thought { Delta::Reasoning } else { Delta::Text };
            out.push(kind(said.to_owned()));
        }
        out.extend(signature.map(|signature| {
            Delta::ReasoningBlock(ReasoningBlock {
                dialect: DialectId::Gemini,
                id: None,
                text: String::new(),
                signature: Some(signature.to_owned()),
                redacted: None,
            })
        }));
        Ok(())
    }

    fn call(&mut self, call: &Value, signature: Option<&str>, out: &mut Vec<Delta>) -> Result<(), Failure> {
        if let Some(name) = text(call, "/name").filter(|name| !name.is_empty()) {
            self.give(out);
            self.open = Some(OpenCall {
                id: text(call, "/id").map(str::to_owned),
                name: name.to_owned(),
                args: call
                    .get("args")
                    .filter(|args| args.is_object())
                    .cloned()
                    .unwrap_or_default(),
                signature: signature.map(str::to_owned),
            });
        }
        let pieces = call.get("partialArgs").and_then(Value::as_array);
        if let Some(open) = &mut self.open {
            for piece in pieces.into_iter().flatten() {
                partial_args::apply(&mut open.args, piece)?;
            }
        }
        if call.get("willContinue").and_then(Value::as_bool) != Some(true) {
            self.give(out);
        }
        Ok(())
    }

    /// Gives the open call, if there is one.
    fn give(&mut self, out: &mut Vec<Delta>) {
        let Some(call) = self.open.take() else { return };
        let index = self.calls;
        self.calls = index.saturating_add(1);
        let id = self.call_id(call.id, index);
        let arguments = if call.args.is_null() {
            "{}".to_owned()
        } else {
            call.args.to_string()
        };
        out.push(Delta::ToolCall {
            index,
            id: Some(id),
            name: Some(call.name),
            arguments,
            signature: call.signature,
        });
    }

    /// The vendor's id of a call, or one made of the reply's id and the call's number: the same for the same reply,
    /// different within a conversation, and of characters and a length that every vendor takes.
    fn call_id(&mut self, given: Option<String>, index: u32) -> String {
        const LONGEST: usize = 24;
        let id = given
            .filter(|id| !id.is_empty() && !self.call_ids.contains(id))
            .unwrap_or_else(|| {
                let reply: String = self
                    .id
                    .iter()
                    .flat_map(|id| id.chars())
                    .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
                    .take(LONGEST)
                    .collect();
                let mut id = if reply.is_empty() {
                    format!("call_{index}")
                } else {
                    format!("call_{reply}_{index}")
                };
                while self.call_ids.contains(&id) {
                    id.push('_');
                }
                id
            });
        self.call_ids.insert(id.clone());
        id
    }

    fn finish(&mut self, candidate: &Value, out: &mut Vec<Delta>) -> Result<(), Failure> {
        let raw = match candidate.get("finishReason") {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::String(word)) if word.is_empty() || word == "FINISH_REASON_UNSPECIFIED" => {
                return Ok(());
            }
            Some(Value::String(word)) => word.clone(),
            Some(other) => other.to_string(),
        };
        let reason = match raw.as_str() {
            "STOP" if self.open.is_some() => {
                return Err(Failure::malformed(
                    "the reply stopped inside a function call's arguments",
                ));
            }
            "STOP" if self.calls > 0 => FinishReason::ToolCalls,
            "STOP" => FinishReason::Stop,
            "MAX_TOKENS" => FinishReason::Length,
            "SAFETY"
            | "RECITATION"
            | "BLOCKLIST"
            | "PROHIBITED_CONTENT"
            | "SPII"
            | "LANGUAGE"
            | "IMAGE_SAFETY"
            | "IMAGE_PROHIBITED_CONTENT"
            | "IMAGE_RECITATION"
            | "MODEL_ARMOR"
            | "ESCALATION"
            | "PUP_LIMITED_DISABLED" => FinishReason::ContentFilter,
            "CONTINUATION" => FinishReason::Pause,
            "MALFORMED_FUNCTION_CALL"
            | "UNEXPECTED_TOOL_CALL"
            | "TOO_MANY_TOOL_CALLS"
            | "MISSING_THOUGHT_SIGNATURE"
            | "MALFORMED_RESPONSE"
            | "OTHER"
            | "NO_IMAGE"
            | "IMAGE_OTHER" => {
                return Err(failed(&raw, text(candidate, "/finishMessage")));
            }
            _ => FinishReason::Other,
        };
        // A call cut by the limit has only part of its arguments, and looks whole: better none.
        self.open = None;
        self.finished = true;
        out.push(Delta::Finish {
            reason,
            raw: Some(raw),
        });
        Ok(())
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

/// The prompt was refused: there is no candidate, and so no answer.
fn blocked(chunk: &Value, reason: &str) -> Failure {
    let message = match text(chunk, "/promptFeedback/blockReasonMessage") {
        Some(message) => Failure::clean(message),
        None => format!("the prompt was blocked: {}", Failure::clean(reason)),
    };
    let mut failure = Failure::new(FailureClass::ContentFiltered, Phase::Body, message);
    failure.code = Some(Failure::clean(reason));
    failure
}

/// The model's output cannot be used, in the vendor's own judgement.
fn failed(reason: &str, message: Option<&str>) -> Failure {
    let mut failure = Failure::malformed(match message {
        Some(message) => format!("{reason}: {}", Failure::clean(message)),
        None => format!("the vendor ended the reply with {reason}"),
    });
    failure.code = Some(reason.to_owned());
    failure
}

/// The counts; None when only the traffic's type is given, as Vertex does in all chunks but the last.
fn usage(metadata: &Value) -> Option<Usage> {
    let count = |key: &str| metadata.get(key).and_then(Value::as_u64);
    count("totalTokenCount").or(count("promptTokenCount"))?;
    let sum = |a: &str, b: &str| {
        let (a, b) = (count(a).unwrap_or_default(), count(b).unwrap_or_default());
        a.saturating_add(b)
    };
    Some(Usage {
        reported: true,
        input_tokens: sum("promptTokenCount", "toolUsePromptTokenCount"),
        output_tokens: sum("candidatesTokenCount", "thoughtsTokenCount"),
        cache_read_tokens: count("cachedContentTokenCount").unwrap_or_default(),
        cache_write_tokens: 0,
        cache_write_1h_tokens: 0,
        reasoning_tokens: count("thoughtsTokenCount").unwrap_or_default(),
    })
}
