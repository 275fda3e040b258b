//! A whole 200 body → a completion.

use super::classify::{in_band, in_band_body};
use super::wire::{Envelope, finish_reason, is_complete, settle};
use crate::dialect::common::parse_json;
use crate::dialect::evidence::NO_CODES;
use crate::types::{Completion, Failure, FailureClass, FinishReason, Phase, ToolCall};

pub(super) fn decode(body: &[u8]) -> Result<Completion, Failure> {
    let mut reply: Envelope = match serde_json::from_slice(body) {
        Ok(reply) => reply,
        Err(error) => return Err(unreadable(body, &error)),
    };
    if let Some(error) = &reply.error {
        return Err(in_band(error, &NO_CODES));
    }
    let usage = reply.usage().unwrap_or_default();
    let (id, model) = (reply.id.take(), reply.model.take());
    let Some(mut choice) = reply.into_choice() else {
        return Err(parse_json(body)
            .and_then(|body| in_band_body(&body, &NO_CODES))
            .unwrap_or_else(|| Failure::malformed("the reply has no `choices`")));
    };
    if let Some(error) = &choice.error {
        return Err(in_band(error, &NO_CODES));
    }
    let mut said = choice.take_said();
    let mut done = Completion {
        reasoning: said.take_reasoning().unwrap_or_default(),
        reasoning_blocks: said.take_blocks(),
        text: said.content.text.take().unwrap_or_default(),
        refusal: said.refusal.take().or_else(|| said.content.refusal.take()),
        finish_raw: choice.finish_reason.take(),
        usage,
        model,
        ..Completion::default()
    };
    for (index, mut call) in said.take_calls().into_iter().enumerate() {
        let signature = call.signature();
        let mut arguments = call.arguments();
        if arguments.trim().is_empty() {
            "{}".clone_into(&mut arguments);
        }
        done.tool_calls.push(ToolCall {
            id: call.id.take().unwrap_or_else(|| made_id(id.as_deref(), index)),
            name: call.name().unwrap_or_default(),
            arguments,
            signature,
            ..ToolCall::default()
        });
    }
    done.id = id;
    let complete = done
        .tool_calls
        .iter()
        .any(|call| is_complete(&call.name, &call.arguments));
    done.finish_reason = match done.finish_raw.as_deref().map(finish_reason) {
        Some(None) => return Err(gave_up(done.finish_raw.as_deref())),
        Some(Some(reason)) => Some(settle(reason, complete, done.refusal.is_some())),
        None if complete => Some(FinishReason::ToolCalls),
        None if done.has_content() => None,
        None => {
            return Err(Failure::malformed(
                "the reply says nothing and gives no finish reason",
            ));
        }
    };
    Ok(done)
}

/// An id for a call the vendor gave none, the same each time and different in each reply.
pub(super) fn made_id(reply: Option<&str>, index: usize) -> String {
    format!("call_{}_{index}", reply.unwrap_or("0"))
}

/// The vendor says that generation failed, and not how.
pub(super) fn gave_up(raw: Option<&str>) -> Failure {
    let raw = raw.unwrap_or_default();
    let mut failure = Failure::new(
        FailureClass::Server,
        Phase::Body,
        format!("the vendor ended the reply with finish reason `{raw}`"),
    );
    failure.code = Some(raw.to_owned());
    failure
}

fn unreadable(body: &[u8], error: &serde_json::Error) -> Failure {
    let start = body.trim_ascii_start();
    if start.is_empty() {
        return Failure::malformed("the reply is empty");
    }
    if start.starts_with(b"<") {
        return Failure::malformed("the reply is HTML where JSON was expected");
    }
    // An error body need not fit the shape of a reply.
    parse_json(body)
        .and_then(|body| in_band_body(&body, &NO_CODES))
        .unwrap_or_else(|| Failure::malformed(format!("the reply is not a chat completion: {error}")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn choice(message: Value, finish: Value) -> String {
        json!({"id": "r", "choices": [{"index": 0, "message": message, "finish_reason": finish}]}).to_string()
    }

    #[test]
    fn finish_reasons() {
        use FinishReason as F;
        let call =
            |arguments: &str| json!({"tool_calls": [{"function": {"name": "f", "arguments": arguments}}]});
        let text = json!({"content": "a"});
        for (message, raw, expected) in [
            (text.clone(), json!("stop"), Some(F::Stop)),
            (text.clone(), json!("eos"), Some(F::Stop)),
            (text.clone(), json!("length"), Some(F::Length)),
            (text.clone(), json!("model_length"), Some(F::ContextExceeded)),
            (text.clone(), json!("content_filter"), Some(F::ContentFilter)),
            (text.clone(), json!("new_word"), Some(F::Other)),
            (text.clone(), json!(null), None),
            (json!({"refusal": "no"}), json!("stop"), Some(F::Refusal)),
            (
                json!({"content": null}),
                json!("content_filter"),
                Some(F::ContentFilter),
            ),
            (json!(null), json!("stop"), Some(F::Stop)),
            (call("{}"), json!("stop"), Some(F::ToolCalls)),
            (call(""), json!(null), Some(F::ToolCalls)),
            (call("{\"a\": 1"), json!("length"), Some(F::Length)),
        ] {
            let done = decode(choice(message.clone(), raw.clone()).as_bytes()).unwrap();
            assert_eq!(done.finish_reason, expected, "{message} {raw}");
            assert_eq!(done.finish_raw.as_deref(), raw.as_str());
        }
    }

    #[test]
    fn messages() {
        let body = choice(
            json!({
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                    {"type": "text", "text": "a"}, {"type": "reference", "reference_ids": [1]}, {"type": "text", "text": "b"},
                ],
                "refusal": 7,
                "tool_calls": [
                    {"function": {"name": "f", "arguments": {"b": 1, "a": [2]}}, "index": "x"},
                    {"id": "mine", "function": {"name": "g", "arguments": null}},
                    {"id": "c", "type": "custom", "custom": {"name": "h", "input": "free text"}},
                ],
            }),
            json!("tool_calls"),
        );
        let done = decode(body.as_bytes()).unwrap();
        assert_eq!(
            (done.text.as_str(), done.reasoning.as_str(), &done.refusal),
            ("ab", "hm", &None)
        );
        let calls: Vec<_> = done
            .tool_calls
            .iter()
            .map(|call| (call.id.as_str(), call.name.as_str(), call.arguments.as_str()))
            .collect();
        let expected = [
            ("call_r_0", "f", r#"{"b":1,"a":[2]}"#),
            ("mine", "g", "{}"),
            ("c", "h", "free text"),
        ];
        assert_eq!(calls, expected);
        let reasoned = json!({"content": "a", "reasoning": "why", "reasoning_content": "why"});
        assert_eq!(
            decode(choice(reasoned, json!("stop")).as_bytes())
                .unwrap()
                .reasoning,
            "why"
        );
    }

    #[test]
    fn usage() {
        for (usage, expected) in [
            (json!(null), (false, 0, 0, 0, 0, 0)),
            (json!({}), (false, 0, 0, 0, 0, 0)),
            (
                json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
                       "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
                       "completion_tokens_details": {"reasoning_tokens": 3}}),
                (true, 10, 5, 4, 2, 3),
            ),
            // xAI counts reasoning beside the completion.
            (
                json!({"prompt_tokens": 12, "completion_tokens": 2, "total_tokens": 334,
                       "completion_tokens_details": {"reasoning_tokens": 320}}),
                (true, 12, 322, 0, 0, 320),
            ),
            (
                json!({"prompt_tokens": 10.0, "completion_tokens": null, "prompt_tokens_details": null,
                       "prompt_cache_hit_tokens": 6}),
                (true, 10, 0, 6, 0, 0),
            ),
        ] {
            let body =
                json!({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}], "usage": usage});
            let found = decode(body.to_string().as_bytes()).unwrap().usage;
            let found = (
                found.reported,
                found.input_tokens,
                found.output_tokens,
                found.cache_read_tokens,
                found.cache_write_tokens,
                found.reasoning_tokens,
            );
            assert_eq!(found, expected, "{usage}");
        }
    }

    #[test]
    fn what_is_no_answer() {
        use FailureClass as C;
        for (body, class) in [
            ("", C::Malformed),
            ("\n\n", C::Malformed),
            ("<html>", C::Malformed),
            ("{\"choices\": [", C::Malformed),
            ("[]", C::Malformed),
            ("null", C::Malformed),
            ("{}", C::Malformed),
            (r#"{"choices": null}"#, C::Malformed),
            (r#"{"choices": []}"#, C::Malformed),
            (
                r#"{"choices": [{"index": 0, "message": {"content": ""}}]}"#,
                C::Malformed,
            ),
            (
                r#"{"error": {"message": "Internal Server Error", "code": 500}}"#,
                C::Server,
            ),
            (
                r#"{"error": {"message": "x", "code": "content_filter"}}"#,
                C::ContentFiltered,
            ),
            (
                r#"{"error": {"message": "x", "code": 429}, "choices": null}"#,
                C::RateLimited,
            ),
            (r#"{"error": "no idea"}"#, C::Malformed),
            (
                r#"{"object": "error", "message": "gone", "code": 503}"#,
                C::Overloaded,
            ),
            (
                r#"{"choices": [{"message": {"content": "a"}, "finish_reason": "error"}]}"#,
                C::Server,
            ),
            (
                r#"{"choices": [{"message": {"content": "a"}, "error": {"code": 502, "message": "x"}}]}"#,
                C::Server,
            ),
        ] {
            let failure = decode(body.as_bytes()).unwrap_err();
            assert_eq!(failure.class, class, "{body} {failure:?}");
            assert!(!failure.message.is_empty());
        }
        let deep = format!("{{\"choices\": {}", "[".repeat(100_000));
        assert_eq!(decode(deep.as_bytes()).unwrap_err().class, C::Malformed);
    }
}
