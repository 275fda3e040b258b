//! What a client of `/chat/completions` is answered with.

mod calls;
mod passed;
mod problem;
mod stream;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::hash::{Hash, Hasher};

use http::StatusCode;
use serde::Serialize;
use serde_json::Value;

use super::OpenaiChat;
use crate::dialect::{EventWriter, Heard, Ingress, Opening, Problem, SseEvent};
use crate::types::{ChatCompletion, Reply, Tool};

/// The data of the event that ends a stream.
const DONE: &str = "[DONE]";

impl Ingress for OpenaiChat {
    fn write_reply(&self, reply: &Reply, heard: &Heard) -> Vec<u8> {
        let custom = custom_tools(heard);
        let mut body = ChatCompletion::of(reply, &custom);
        let made;
        if body.id.is_none_or(str::is_empty) {
            made = made_id(reply);
            body.id = Some(&made);
        }
        body.model = body.model.or_else(|| model_of(&reply.target));
        let mut out = Vec::with_capacity(1024);
        put(&body, &mut out);
        out
    }

    fn writer(&self, opening: Opening, heard: &Heard) -> Box<dyn EventWriter> {
        Box::new(stream::Writer::new(
            &opening,
            asks_for_counts(heard),
            custom_tools(heard),
        ))
    }

    fn write_error(&self, problem: &Problem) -> (StatusCode, Vec<u8>) {
        problem::written(problem)
    }

    fn pass<'a>(&self, event: &'a SseEvent, heard: &Heard) -> Option<Cow<'a, str>> {
        let data = event.data.as_str();
        match data.trim() {
            DONE => None,
            _ if asks_for_counts(heard) => Some(Cow::Borrowed(data)),
            _ => passed::without_counts(data),
        }
    }

    fn ending(&self) -> &'static [u8] {
        b"data: [DONE]\n\n"
    }

    fn id_header(&self) -> &'static str {
        "x-request-id"
    }
}

/// Whether the client wants a stream's counts: we always ask for them.
fn asks_for_counts(heard: &Heard) -> bool {
    let options = heard.asked.request.extra.get("stream_options");
    options.and_then(|options| options.get("include_usage")) == Some(&Value::Bool(true))
}

/// The names of the tools that take free text.
fn custom_tools(heard: &Heard) -> Vec<String> {
    let tools = heard.asked.request.tools.iter();
    tools
        .filter_map(|tool| match tool {
            Tool::Other(map) => map.get("custom")?.get("name")?.as_str().map(str::to_owned),
            Tool::Function { .. } => None,
        })
        .collect()
}

/// An id for a reply that its vendor gave none: the same for the same reply.
fn made_id(reply: &Reply) -> String {
    let mut hasher = std::hash::DefaultHasher::new();
    reply.target.hash(&mut hasher);
    reply.created.hash(&mut hasher);
    reply.elapsed.to_bits().hash(&mut hasher);
    reply.completion.text.hash(&mut hasher);
    format!("chatcmpl-{:016x}", hasher.finish())
}

fn model_of(target: &str) -> Option<&str> {
    target.split_once('/').map(|(_, model)| model)
}

/// Appends a value as JSON.
fn put(value: &impl Serialize, out: &mut Vec<u8>) {
    let start = out.len();
    if serde_json::to_writer(&mut *out, value).is_err() {
        // Only a map whose keys are no texts cannot be written, and there is none here.
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}
