//! A reply as a stream of the vendor's events.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::wire::{self, Counts, End, Event, Input, Message, Piece};
use super::{Ending, error, marks};
use crate::dialect::envelope::pack;
use crate::dialect::{EventWriter, Opening, Problem, put_event};
use crate::types::{Reply, StreamEvent};

/// One block is open at a time, where other vendors mix the pieces of several calls: what comes for another block waits
/// until the open one is known to be whole.
#[derive(Debug)]
pub(super) struct Writer {
    opening: Opening,
    only_stop: Option<String>,
    started: bool,
    ended: bool,
    /// Blocks begun so far.
    blocks: usize,
    /// Calls begun so far.
    calls: u32,
    open: Option<Open>,
    /// Blocks that have not begun, in order. Only an open call that is not whole makes any wait.
    waiting: VecDeque<Waiting>,
}

/// What a block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    /// The call of this number.
    Call(u32),
}

#[derive(Debug)]
struct Open {
    kind: Kind,
    arguments: Arguments,
}

/// A block that something came for. Calls have an id and a name, at least in their first piece.
#[derive(Clone, Copy)]
struct Block<'a> {
    kind: Kind,
    id: &'a str,
    name: &'a str,
}

impl Block<'_> {
    const fn of(kind: Kind) -> Self {
        Self {
            kind,
            id: "",
            name: "",
        }
    }
}

#[derive(Debug)]
struct Waiting {
    kind: Kind,
    id: String,
    name: String,
    said: String,
}

/// Finds the end of a call's arguments, piece by piece.
#[derive(Debug, Default)]
struct Arguments {
    depth: usize,
    in_text: bool,
    escaped: bool,
    whole: bool,
}

impl Arguments {
    fn push(&mut self, piece: &str) {
        for byte in piece.bytes() {
            if self.in_text {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_text = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_text = true,
                b'{' | b'[' => self.depth = self.depth.saturating_add(1),
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.whole |= self.depth == 0;
                }
                _ => {}
            }
        }
    }
}

impl Writer {
    pub(super) const fn new(opening: Opening, only_stop: Option<String>) -> Self {
        Self {
            opening,
            only_stop,
            started: false,
            ended: false,
            blocks: 0,
            calls: 0,
            open: None,
            waiting: VecDeque::new(),
        }
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let message = Message {
            id: &format!("msg_{}", self.opening.id),
            kind: "message",
            role: "assistant",
            model: &self.opening.model,
            content: Vec::new(),
            stop_reason: None,
            stop_sequence: None,
            stop_details: None,
            usage: Counts::default(),
        };
        put(&Event::MessageStart { message }, out);
    }

    /// Writes what came for a block, or lets it wait.
    fn say(&mut self, block: Block<'_>, said: &str, out: &mut Vec<u8>) {
        if self.open.as_ref().is_some_and(|open| open.kind == block.kind) {
            self.piece(said, out);
        } else if self.is_over(block.kind) {
            return;
        } else if self.is_free() {
            self.begin(block, out);
            self.piece(said, out);
        } else {
            self.wait(block, said);
        }
        while self.is_free()
            && let Some(waiting) = self.waiting.pop_front()
        {
            self.begin_waiting(&waiting, out);
        }
    }

    /// Whether it is a call that is whole and closed: blanks are all that can come for it.
    fn is_over(&self, kind: Kind) -> bool {
        matches!(kind, Kind::Call(index) if index < self.calls)
    }

    /// Whether another block may begin: none is open, or nothing more can come for the open one.
    fn is_free(&self) -> bool {
        self.open.as_ref().is_none_or(|open| match open.kind {
            Kind::Text | Kind::Thinking => true,
            Kind::Call(_) => open.arguments.whole,
        })
    }

    fn wait(&mut self, block: Block<'_>, said: &str) {
        let place = match block.kind {
            Kind::Call(_) => self.waiting.iter_mut().find(|waiting| waiting.kind == block.kind),
            Kind::Text | Kind::Thinking => self
                .waiting
                .back_mut()
                .filter(|waiting| waiting.kind == block.kind),
        };
        if let Some(waiting) = place {
            waiting.said.push_str(said);
            return;
        }
        self.waiting.push_back(Waiting {
            kind: block.kind,
            id: block.id.to_owned(),
            name: block.name.to_owned(),
            said: said.to_owned(),
        });
    }

    fn begin_waiting(&mut self, waiting: &Waiting, out: &mut Vec<u8>) {
        let block = Block {
            kind: waiting.kind,
            id: &waiting.id,
            name: &waiting.name,
        };
        self.begin(block, out);
        self.piece(&waiting.said, out);
    }

    fn begin(&mut self, block: Block<'_>, out: &mut Vec<u8>) {
        self.close(out);
        let content_block = match block.kind {
            Kind::Text => wire::Block::Text { text: "" },
            Kind::Thinking => wire::Block::Thinking {
                thinking: "",
                signature: Cow::Borrowed(""),
            },
            Kind::Call(index) => {
                self.calls = index.saturating_add(1);
                wire::Block::ToolUse {
                    id: block.id,
                    name: block.name,
                    input: Input::None {},
                }
            }
        };
        self.put_start(content_block, out);
        self.open = Some(Open {
            kind: block.kind,
            arguments: Arguments::default(),
        });
    }

    fn put_start(&mut self, content_block: wire::Block<'_>, out: &mut Vec<u8>) {
        let index = self.blocks;
        self.blocks = index.saturating_add(1);
        put(&Event::ContentBlockStart { index, content_block }, out);
    }

    /// The number of the block that began last.
    const fn last(&self) -> usize {
        self.blocks.saturating_sub(1)
    }

    fn piece(&mut self, said: &str, out: &mut Vec<u8>) {
        let index = self.last();
        let Some(open) = self.open.as_mut().filter(|_| !said.is_empty()) else {
            return;
        };
        let delta = match open.kind {
            Kind::Text => Piece::Text { text: said },
            Kind::Thinking => Piece::Thinking { thinking: said },
            Kind::Call(_) => {
                open.arguments.push(said);
                Piece::Input { partial_json: said }
            }
        };
        put(&Event::ContentBlockDelta { index, delta }, out);
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if self.open.take().is_some() {
            put(&Event::ContentBlockStop { index: self.last() }, out);
        }
    }

    fn finish(&mut self, reply: &Reply, out: &mut Vec<u8>) {
        while let Some(waiting) = self.waiting.pop_front() {
            self.begin_waiting(&waiting, out);
        }
        self.close(out);
        let done = &reply.completion;
        // Their text was told before anyone knew its signature. So they come whole, and are not shown again.
        let blocks = done
            .reasoning_blocks
            .iter()
            .map(|block| wire::Block::RedactedThinking {
                data: Cow::Owned(pack(block)),
            });
        for block in blocks.chain(marks(done)) {
            self.put_start(block, out);
            put(&Event::ContentBlockStop { index: self.last() }, out);
        }
        let stop = Ending::of(done, self.only_stop.as_deref());
        let delta = End {
            stop_reason: stop.reason,
            stop_sequence: stop.sequence,
            stop_details: stop.details,
        };
        let usage = (&done.usage).into();
        put(&Event::MessageDelta { delta, usage }, out);
        put(&Event::MessageStop {}, out);
        self.ended = true;
    }
}

impl EventWriter for Writer {
    fn event(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        self.start(out);
        match event {
            StreamEvent::Text { text } if !text.is_empty() => {
                self.say(Block::of(Kind::Text), text, out);
            }
            StreamEvent::Reasoning { reasoning } if !reasoning.is_empty() => {
                self.say(Block::of(Kind::Thinking), reasoning, out);
            }
            StreamEvent::ToolCall(call) => {
                let block = Block {
                    kind: Kind::Call(call.index),
                    id: call.id.as_deref().unwrap_or_default(),
                    name: call.name.as_deref().unwrap_or_default(),
                };
                self.say(block, &call.arguments, out);
            }
            StreamEvent::Finish { reply } => self.finish(reply, out),
            // The vendor tells a refusal at the end, with why the message stopped.
            StreamEvent::Refusal { .. }
            | StreamEvent::Text { .. }
            | StreamEvent::Reasoning { .. }
            | StreamEvent::Restart { .. }
            | StreamEvent::Continue { .. } => {}
        }
    }

    fn error(&mut self, problem: &Problem, out: &mut Vec<u8>) {
        if !self.ended {
            put_event(Some("error"), &error::body(problem), out);
            self.ended = true;
        }
    }
}

fn put(event: &Event<'_>, out: &mut Vec<u8>) {
    put_event(Some(event.name()), &wire::json(event), out);
}
