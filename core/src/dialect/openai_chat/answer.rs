//! What a client of Chat Completions is answered with.

use http::StatusCode;
use serde_json::{Value, json};

use super::OpenaiChat;
use crate::dialect::{EventWriter, Heard, Ingress, Opening, Problem, put_event};
use crate::types::{Reply, StreamEvent};

impl Ingress for OpenaiChat {
    fn write_reply(&self, reply: &Reply, _: &Heard) -> Vec<u8> {
        reply.to_openai().to_string().into_bytes()
    }

    fn writer(&self, opening: Opening, _: &Heard) -> Box<dyn EventWriter> {
        Box::new(Writer(opening))
    }

    fn write_error(&self, problem: &Problem) -> (StatusCode, Vec<u8>) {
        let body = json!({"error": {"message": problem.message, "type": problem.code, "param": null, "code": problem.detail}});
        (problem.status, body.to_string().into_bytes())
    }

    fn ending(&self) -> &'static [u8] {
        b"data: [DONE]\n\n"
    }

    fn id_header(&self) -> &'static str {
        "x-request-id"
    }
}

struct Writer(Opening);

impl Writer {
    fn chunk(&self, delta: &Value, finish: Option<&str>, out: &mut Vec<u8>) {
        let Opening { id, model, created } = &self.0;
        let chunk = json!({"id": format!("chatcmpl-{id}"), "object": "chat.completion.chunk", "created": created, "model": model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
        put_event(None, &chunk.to_string(), out);
    }
}

impl EventWriter for Writer {
    fn event(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        match event {
            StreamEvent::Text { text } => {
                self.chunk(&json!({"role": "assistant", "content": text}), None, out)
            }
            StreamEvent::Finish { .. } => {
                self.chunk(&json!({}), Some("stop"), out);
                out.extend_from_slice(b"data: [DONE]\n\n");
            }
            _ => {}
        }
    }

    fn error(&mut self, problem: &Problem, out: &mut Vec<u8>) {
        put_event(
            None,
            &json!({"error": {"message": problem.message, "type": problem.code}}).to_string(),
            out,
        );
    }
}
