//! A whole 200 body → a completion.

use super::classify::{in_band, in_band_body};
use super::wire::{Envelope, finish_reason, is_complete, settle};
use crate::dialect::common::parse_json;
use crate::types::{Completion, Failure, FailureClass, FinishReason, Phase, ToolCall};

pub(super) fn decode(body: &[u8]) -> Result<Completion, Failure> {
    let mut reply: Envelope = match serde_json::from_slice(body) {
        Ok(reply) => reply,
        Err(error) => return Err(unreadable(body, &error)),
    };
    if let Some(error) = &reply.error {
        return Err(in_band(error));
    }
    let usage = reply.usage().unwrap_or_default();
    let (id, model) = (reply.id.take(), reply.model.take());
    let Some(mut choice) = reply.into_choice() else {
        return Err(parse_json(body)
            .and_then(|body| in_band_body(&body))
            .unwrap_or_else(|| Failure::malformed("the reply has no `choices`")));
    };
    if let Some(error) = &choice.error {
        return Err(in_band(error));
    }
    let mut said = choice.take_said();
    let mut done = Completion {
        reasoning: said.take_reasoning().unwrap_or_default(),
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
        .and_then(|body| in_band_body(&body))
        .unwrap_or_else(|| Failure::malformed(format!("the reply is not a chat completion: {error}")))
}
