//! The chunks of a stream → deltas.

use super::classify::{in_band, in_band_body};
use super::decode::{gave_up, made_id};
use super::wire::{CallPiece, Choice, Envelope, finish_reason, is_complete, settle};
use crate::catalog::Quirks;
use crate::dialect::evidence::Codes;
use crate::dialect::{EventDecoder, SseEvent};
use crate::types::{Delta, Failure, FinishReason};

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
    /// `[DONE]` is the end, whether a finish reason came or not.
    done_is_end: bool,
    /// What codes mean at the provider.
    codes: Codes,
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
            if !self.ended && self.done_is_end {
                self.end(FinishReason::Stop, None, out);
            }
            // A proxy adds it to a stream that was cut, too.
            return if self.ended {
                Ok(())
            } else {
                Err(Failure::malformed("the stream ended without a `finish_reason`"))
            };
        }
        let mut chunk: Envelope = serde_json::from_str(data).map_err(|error| {
            self.error_event(data).unwrap_or_else(|| {
                Failure::malformed(format!("a chunk of the stream is not readable: {error}"))
            })
        })?;
        if let Some(error) = &chunk.error {
            return Err(in_band(error, &self.codes));
        }
        // An error in another shape has no `choices`. Chunks of counts have none either at some vendors.
        let named = event.name.as_deref() == Some("error");
        if named || (chunk.choices.is_none() && chunk.usage.is_none()) {
            let failure = self.error_event(data);
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
        self.done && self.ended
    }
}

impl Events {
    /// For a stream of a provider with `quirks`.
    pub(super) fn new(quirks: &Quirks) -> Self {
        Self {
            done_is_end: quirks.done_is_end,
            codes: quirks.codes.clone(),
            ..Self::default()
        }
    }

    fn error_event(&self, data: &str) -> Option<Failure> {
        in_band_body(&serde_json::from_str(data).ok()?, &self.codes)
    }

    fn end(&mut self, reason: FinishReason, raw: Option<String>, out: &mut Vec<Delta>) {
        self.ended = true;
        out.push(Delta::Finish {
            reason: settle(reason, self.calls.iter().any(Call::is_complete), self.refused),
            raw,
        });
    }

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
            return Err(in_band(error, &self.codes));
        }
        let mut said = choice.take_said();
        out.extend(said.take_reasoning().map(Delta::Reasoning));
        out.extend(said.take_blocks().into_iter().map(Delta::ReasoningBlock));
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
            self.end(reason, Some(raw), out);
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::dialect::StreamDecoder;
    use crate::dialect::openai_chat::OPENAI_CHAT;
    use crate::types::{Accumulator, Completion, FailureClass, ToolCall};

    fn chunk(delta: &Value) -> String {
        format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": delta}]}))
    }

    fn finish(reason: &str) -> String {
        format!(
            "data: {}\n\n",
            json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
        )
    }

    fn run(text: &str) -> (Completion, Result<(), Failure>) {
        run_at(text, &Quirks::default())
    }

    fn run_at(text: &str, quirks: &Quirks) -> (Completion, Result<(), Failure>) {
        let mut decoder = StreamDecoder::new(&OPENAI_CHAT, quirks);
        let mut deltas = Vec::new();
        let result = decoder
            .push(text.as_bytes(), &mut deltas)
            .and_then(|()| decoder.finish(&mut deltas));
        let mut fold = Accumulator::default();
        deltas.iter().for_each(|delta| fold.apply(delta));
        (fold.finish(), result)
    }

    #[test]
    fn counts_follow_the_finish_reason() {
        let usage =
            "data: {\"choices\": [], \"usage\": {\"prompt_tokens\": 3, \"completion_tokens\": 1}}\n\n";
        let mut decoder = StreamDecoder::new(&OPENAI_CHAT, &Quirks::default());
        let mut out = Vec::new();
        let states: Vec<(bool, bool)> = [
            chunk(&json!({"content": "a"})),
            finish("stop"),
            usage.to_owned(),
            "data: [DONE]\n\n".to_owned(),
            "data: [DONE]\n\n".to_owned(),
        ]
        .iter()
        .map(|text| {
            decoder.push(text.as_bytes(), &mut out).unwrap();
            (decoder.complete(), decoder.finished())
        })
        .collect();
        assert_eq!(
            states,
            [
                (false, false),
                (true, false),
                (true, false),
                (true, true),
                (true, true)
            ]
        );
        decoder.finish(&mut out).unwrap();
        assert!(matches!(out.last(), Some(Delta::Usage(usage)) if usage.input_tokens == 3));
    }

    #[test]
    fn endings() {
        use FailureClass as C;
        let a = chunk(&json!({"content": "a"}));
        let cases = [
            (format!("{a}{}", finish("stop")), None),
            (a.clone(), Some(C::Malformed)),
            (format!("{a}data: [DONE]\n\n"), Some(C::Malformed)),
            (format!("{a}{}", finish("")), Some(C::Malformed)),
            (format!("{a}{}", finish("error")), Some(C::Server)),
            (format!("{a}data: {{\"choices\": [\n\n"), Some(C::Malformed)),
            (
                format!("{a}data: {{\"error\": {{\"code\": 429, \"message\": \"x\"}}}}\n\n"),
                Some(C::RateLimited),
            ),
            (format!("{a}data: {{\"error\": \"x\"}}\n\n"), Some(C::Malformed)),
            (
                format!(
                    "{a}event: error\ndata: {{\"error\": {{\"status_code\": 400, \"code\": \"tool_use_failed\"}}}}\n\n"
                ),
                Some(C::Malformed),
            ),
            (format!("{a}event: error\ndata: {{}}\n\n"), Some(C::Malformed)),
            (
                format!("{a}data: {{\"object\": \"error\", \"message\": \"x\", \"code\": 503}}\n\n"),
                Some(C::Overloaded),
            ),
        ];
        for (text, class) in cases {
            let (done, result) = run(&text);
            assert_eq!(result.err().map(|failure| failure.class), class, "{text}");
            assert_eq!(done.text, "a", "{text}");
        }
        let error = json!({"error": {"message": "slow", "code": "rate_limit_exceeded"}}).to_string();
        assert_eq!(run(&error).1.unwrap_err().class, C::RateLimited);
        let whole = json!({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}).to_string();
        let (done, result) = run(&whole);
        assert_eq!(
            (done.text.as_str(), done.finish_reason),
            ("a", Some(FinishReason::Stop))
        );
        result.unwrap();
    }

    #[test]
    fn done_is_the_end_where_the_vendor_means_it() {
        let quirks = Quirks {
            done_is_end: true,
            ..Quirks::default()
        };
        let a = chunk(&json!({"content": "a"}));
        let call = chunk(&json!({"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]}));
        let done = "data: [DONE]\n\n";
        for (text, reason) in [
            (format!("{a}{done}"), Some(FinishReason::Stop)),
            (format!("{call}{done}"), Some(FinishReason::ToolCalls)),
            (
                format!("{a}{}{done}", finish("length")),
                Some(FinishReason::Length),
            ),
            (a, None),
        ] {
            let (completion, ended) = run_at(&text, &quirks);
            assert_eq!(
                (completion.finish_reason, ended.is_ok()),
                (reason, reason.is_some()),
                "{text}"
            );
        }
    }

    #[test]
    fn codes_in_a_stream_mean_what_the_provider_means() {
        let quirks = crate::catalog::provider("qwen").unwrap().quirks.clone();
        let error = "data: {\"error\": {\"code\": \"insufficient_quota\", \"message\": \"x\"}}\n\n";
        assert_eq!(
            run_at(error, &quirks).1.unwrap_err().class,
            FailureClass::RateLimited
        );
        assert_eq!(run(error).1.unwrap_err().class, FailureClass::QuotaExhausted);
    }

    #[test]
    fn chunks_that_say_nothing() {
        let text = [
            ": ping\n\n".to_owned(),
            "data: {\"id\": \"\", \"model\": \"\", \"choices\": [], \"prompt_filter_results\": []}\n\n".to_owned(),
            "data: {\"id\": \"r\", \"model\": \"m\", \"choices\": [{\"delta\": {\"role\": \"assistant\", \"content\": null}}], \"usage\": null}\n\n".to_owned(),
            "data:\n\n".to_owned(),
            "data: {\"choices\": [{\"index\": 1, \"delta\": {\"content\": \"other\"}}]}\n\n".to_owned(),
            "data: {\"choices\": null}\n\n".to_owned(),
            "event: keepalive\ndata: {\"type\": \"keepalive\"}\n\n".to_owned(),
            finish("stop"),
        ]
        .concat();
        let (done, result) = run(&text);
        result.unwrap();
        assert_eq!(
            (done.id.as_deref(), done.model.as_deref()),
            (Some("r"), Some("m"))
        );
        assert_eq!(done.text, "");
    }

    #[test]
    fn tool_calls() {
        let piece = |value: Value| chunk(&json!({"tool_calls": value}));
        let call = |id: &str, name: &str, arguments: &str| ToolCall {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
            signature: None,
            ..ToolCall::default()
        };
        let cases: Vec<(&str, Vec<String>, Vec<ToolCall>)> = vec![
            (
                "as OpenAI does",
                vec![
                    piece(json!([{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}])),
                    piece(json!([{"index": 0, "function": {"arguments": "{\"x\":"}}])),
                    piece(json!([{"index": 1, "id": "b", "function": {"name": "f", "arguments": "{}"}}])),
                    piece(json!([{"index": 0, "function": {"arguments": "1}"}}])),
                ],
                vec![call("a", "f", "{\"x\":1}"), call("b", "f", "{}")],
            ),
            (
                "from 1, with id and name repeated",
                vec![
                    piece(json!([{"index": 1, "id": "a", "function": {"name": "f", "arguments": "{"}}])),
                    piece(json!([{"index": 1, "id": "a", "function": {"name": "f", "arguments": "}"}}])),
                ],
                vec![call("a", "f", "{}")],
            ),
            (
                "without index",
                vec![
                    piece(json!([{"id": "a", "function": {"name": "f", "arguments": "{\"x\":"}}])),
                    piece(json!([{"function": {"arguments": "1}"}}])),
                    piece(json!([{"id": "b", "function": {"name": "g", "arguments": "{}"}}])),
                    piece(json!([{"id": "a", "function": {"arguments": " "}}])),
                ],
                vec![call("a", "f", "{\"x\":1} "), call("b", "g", "{}")],
            ),
            (
                "with neither index nor id",
                vec![
                    piece(json!([{"function": {"name": "f", "arguments": "{\"x\":"}}])),
                    piece(json!([{"function": {"name": "f", "arguments": "1}"}}])),
                    piece(json!([{"function": {"name": "f", "arguments": "{}"}}])),
                ],
                vec![call("call_0_0", "f", "{\"x\":1}"), call("call_0_1", "f", "{}")],
            ),
            (
                "all numbered 0",
                vec![piece(json!([
                    {"index": 0, "id": "a", "function": {"name": "f", "arguments": {"x": 1}}},
                    {"index": 0, "id": "b", "function": {"name": "f", "arguments": null}},
                ]))],
                vec![call("a", "f", "{\"x\":1}"), call("b", "f", "{}")],
            ),
            (
                "in the old form",
                vec![
                    chunk(&json!({"function_call": {"name": "f", "arguments": "{"}})),
                    chunk(&json!({"function_call": {"arguments": "}"}})),
                ],
                vec![call("call_0_0", "f", "{}")],
            ),
        ];
        for (what, chunks, expected) in cases {
            let (done, result) = run(&format!("{}{}", chunks.concat(), finish("stop")));
            result.unwrap();
            assert_eq!(done.tool_calls, expected, "{what}");
            assert_eq!(done.finish_reason, Some(FinishReason::ToolCalls), "{what}");
        }
        let cut = piece(json!([{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\":"}}]));
        let (done, _) = run(&format!("{cut}{}", finish("length")));
        assert_eq!(done.finish_reason, Some(FinishReason::Length));
    }

    #[test]
    fn calls_are_bounded() {
        let many: String = (0..=MAX_CALLS)
            .map(|index| chunk(&json!({"tool_calls": [{"index": index, "function": {"name": "f"}}]})))
            .collect();
        assert_eq!(run(&many).1.unwrap_err().class, FailureClass::Malformed);
    }
}
