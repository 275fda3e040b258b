//! The chunks of a stream.

use serde::Serialize;

use super::calls::{Calls, Piece};
use super::{DONE, problem, put};
use crate::dialect::{EventWriter, Opening, Problem, put_event};
use crate::types::{Counts, ReasoningBlock, Reply, StreamEvent, finish_word};

/// Writes one stream.
#[derive(Debug)]
pub(super) struct Writer {
    chunks: Chunks,
    /// Whether the client asked for counts.
    counts: bool,
    opened: bool,
    calls: Calls,
}

/// What is the same in every chunk.
#[derive(Debug)]
struct Chunks {
    head: Vec<u8>,
    tail: &'static [u8],
}

#[derive(Serialize)]
struct Choice<D> {
    index: u32,
    delta: D,
    logprobs: (),
    finish_reason: Option<&'static str>,
}

#[derive(Serialize)]
struct First<'a> {
    role: &'static str,
    content: Option<&'a str>,
    refusal: (),
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Next<'a> {
    Content(&'a str),
    ReasoningContent(&'a str),
    Refusal(&'a str),
    ToolCalls([&'a Piece<'a>; 1]),
    ReasoningDetails(&'a [ReasoningBlock]),
}

#[derive(Serialize)]
struct Nothing {}

impl Chunks {
    fn new(opening: &Opening, counts: bool) -> Self {
        #[derive(Serialize)]
        struct Head<'a> {
            id: String,
            object: &'static str,
            created: u64,
            model: &'a str,
        }
        let mut head = b"data: ".to_vec();
        put(
            &Head {
                id: format!("chatcmpl-{}", opening.id),
                object: "chat.completion.chunk",
                created: opening.created,
                model: &opening.model,
            },
            &mut head,
        );
        head.pop();
        head.extend_from_slice(b",\"choices\":[");
        Self {
            head,
            tail: match counts {
                true => b"],\"usage\":null}\n\n",
                false => b"]}\n\n",
            },
        }
    }

    fn put(&self, delta: impl Serialize, finish_reason: Option<&'static str>, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        put(
            &Choice {
                index: 0,
                delta,
                logprobs: (),
                finish_reason,
            },
            out,
        );
        out.extend_from_slice(self.tail);
    }

    fn put_counts(&self, counts: &Counts, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b"],\"usage\":");
        put(counts, out);
        out.extend_from_slice(b"}\n\n");
    }
}

impl Writer {
    pub(super) fn new(opening: &Opening, counts: bool, custom: Vec<String>) -> Self {
        Self {
            chunks: Chunks::new(opening, counts),
            counts,
            opened: false,
            calls: Calls::new(custom),
        }
    }

    /// The first chunk says who speaks.
    fn open(&mut self, content: Option<&str>, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.opened, true) {
            let first = First {
                role: "assistant",
                content,
                refusal: (),
            };
            self.chunks.put(first, None, out);
        }
    }

    fn finish(&mut self, reply: &Reply, out: &mut Vec<u8>) {
        let done = &reply.completion;
        let chunks = &self.chunks;
        self.calls.finish(&done.tool_calls, &mut |piece| {
            chunks.put(Next::ToolCalls([piece]), None, out);
        });
        if !done.reasoning_blocks.is_empty() {
            chunks.put(Next::ReasoningDetails(&done.reasoning_blocks), None, out);
        }
        chunks.put(Nothing {}, Some(finish_word(done)), out);
        if let Some(counts) = Counts::of(&done.usage).filter(|_| self.counts) {
            chunks.put_counts(&counts, out);
        }
        put_event(None, DONE, out);
    }
}

impl EventWriter for Writer {
    fn event(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        match event {
            StreamEvent::Text { text } => {
                self.open(Some(""), out);
                self.chunks.put(Next::Content(text), None, out);
            }
            StreamEvent::Reasoning { reasoning } => {
                self.open(Some(""), out);
                self.chunks.put(Next::ReasoningContent(reasoning), None, out);
            }
            StreamEvent::Refusal { refusal } => {
                self.open(None, out);
                self.chunks.put(Next::Refusal(refusal), None, out);
            }
            StreamEvent::ToolCall(piece) => {
                self.open(None, out);
                let chunks = &self.chunks;
                self.calls.piece(piece, &mut |piece| {
                    chunks.put(Next::ToolCalls([piece]), None, out);
                });
            }
            StreamEvent::Restart { .. } | StreamEvent::Continue { .. } => {}
            StreamEvent::Finish { reply } => {
                self.open(Some(""), out);
                self.finish(reply, out);
            }
        }
    }

    fn error(&mut self, problem: &Problem, out: &mut Vec<u8>) {
        out.extend_from_slice(b"data: ");
        problem::put_body(problem, out);
        out.extend_from_slice(b"\n\n");
    }
}
