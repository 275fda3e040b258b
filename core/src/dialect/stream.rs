//! What the streams of all dialects share: framing, a JSON body where a stream was asked for, and "did it really end?".

use super::lines::LineParser;
use super::{Dialect, EventStreamParser, SseEvent, SseParser};
use crate::catalog::Quirks;
use crate::mutant::{self, Mutant};
use crate::types::{Completion, Delta, Failure};

/// Longest JSON body taken where a stream was asked for, in bytes.
const MAX_BODY: usize = 64 << 20;
/// Most bytes of a stream. Framing weighs many times the text it carries, so this is more than a whole reply may have.
const MAX_STREAM: usize = 256 << 20;

/// How a body is cut into events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    Sse,
    /// One JSON document a line.
    Lines,
    /// AWS event-stream frames.
    EventStream,
}

impl Framing {
    /// The media type to ask for.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Sse => "text/event-stream",
            Self::Lines => "application/x-ndjson",
            Self::EventStream => "application/vnd.amazon.eventstream",
        }
    }

    const fn parser(self) -> Parser {
        match self {
            Self::Sse => Parser::Sse(SseParser::new()),
            Self::Lines => Parser::Lines(LineParser::new()),
            Self::EventStream => Parser::EventStream(EventStreamParser::new()),
        }
    }

    /// Whether a body that begins so is one document, and not the first event.
    const fn is_whole(self, first: Option<&u8>) -> bool {
        match self {
            // A frame that began so would be longer than any is allowed to be.
            Self::Sse | Self::EventStream => matches!(first, Some(b'{' | b'[' | b'<')),
            Self::Lines => matches!(first, Some(b'[' | b'<')),
        }
    }
}

enum Parser {
    Sse(SseParser),
    Lines(LineParser),
    EventStream(EventStreamParser),
}

impl Parser {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<SseEvent>) -> Result<(), Failure> {
        match self {
            Self::Sse(parser) => parser.push(bytes, out),
            Self::Lines(parser) => parser.push(bytes, out),
            Self::EventStream(parser) => parser.push(bytes, out),
        }
    }

    fn finish(&mut self, out: &mut Vec<SseEvent>) -> Result<(), Failure> {
        match self {
            Self::Sse(parser) => parser.finish(out),
            Self::Lines(parser) => parser.finish(out),
            // A frame that is cut off says nothing; whether what came before is whole is the dialect's to say.
            Self::EventStream(_) => Ok(()),
        }
    }
}

/// Reads one dialect's events.
pub trait EventDecoder: Send {
    /// Appends what an event says to `out`.
    ///
    /// # Errors
    /// The class of an error event; `malformed` when it is not this format.
    fn event(&mut self, event: &SseEvent, out: &mut Vec<Delta>) -> Result<(), Failure>;

    /// Whether the stream is a success if the body ends now: the dialect's terminal marker has come.
    fn complete(&self) -> bool;

    /// Whether nothing that matters can follow, so that reading may stop though the connection is open.
    /// Never holds unless [`Self::complete`] does; comes later where counts follow the terminal marker, as in
    /// `openai_chat`.
    fn finished(&self) -> bool {
        self.complete()
    }
}

enum Mode {
    /// Nothing but white space yet.
    Start,
    Events,
    /// A JSON body came instead of events: an error, or a whole reply.
    Json(Vec<u8>),
}

/// Bytes in, deltas out, for one stream of any dialect.
pub struct StreamDecoder {
    dialect: &'static dyn Dialect,
    events: Box<dyn EventDecoder>,
    parser: Parser,
    mode: Mode,
    ready: Vec<SseEvent>,
    /// The events that were read, for who passes them on.
    kept: Option<Vec<SseEvent>>,
    read: usize,
}

impl std::fmt::Debug for StreamDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamDecoder")
            .field("dialect", &self.dialect.id())
            .finish_non_exhaustive()
    }
}

impl StreamDecoder {
    /// A decoder for one stream of `dialect`, as a provider with `quirks` speaks it.
    #[must_use]
    pub fn new(dialect: &'static dyn Dialect, quirks: &Quirks) -> Self {
        Self {
            dialect,
            events: dialect.events(quirks),
            parser: dialect.framing().parser(),
            mode: Mode::Start,
            ready: Vec::new(),
            kept: None,
            read: 0,
        }
    }

    /// Keeps every event that was read, for [`Self::take_kept`].
    #[must_use]
    pub fn keeping(mut self) -> Self {
        self.kept = Some(Vec::new());
        self
    }

    /// The events that were read since the last time. None are kept of a body that is one document.
    pub fn take_kept(&mut self) -> impl Iterator<Item = SseEvent> {
        self.kept.as_mut().map(std::mem::take).into_iter().flatten()
    }

    /// Whether the events are kept, and there are some: a body that is one document has none.
    #[must_use]
    pub fn keeps(&self) -> bool {
        self.kept.is_some() && matches!(self.mode, Mode::Events)
    }

    /// Takes the next bytes and appends what they say to `out`.
    ///
    /// # Errors
    /// The class of an error event; `malformed` when it is not this format, or is longer than 256 MiB. What came before
    /// the error is in `out`.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut Vec<Delta>) -> Result<(), Failure> {
        self.read = self.read.saturating_add(bytes.len());
        if self.read > MAX_STREAM {
            return Err(Failure::malformed("the stream is longer than 256 MiB"));
        }
        if matches!(self.mode, Mode::Start) {
            let Some(at) = bytes.iter().position(|b| !b.is_ascii_whitespace()) else {
                return Ok(());
            };
            bytes = bytes.get(at..).unwrap_or_default();
            self.mode = match self.dialect.framing().is_whole(bytes.first()) {
                true => Mode::Json(Vec::new()),
                false => Mode::Events,
            };
        }
        if let Mode::Json(body) = &mut self.mode {
            if body.len().saturating_add(bytes.len()) > MAX_BODY {
                return Err(Failure::malformed("the reply is longer than 64 MiB"));
            }
            body.extend_from_slice(bytes);
            return Ok(());
        }
        let parsed = self.parser.push(bytes, &mut self.ready);
        self.drain(out)?;
        parsed
    }

    fn drain(&mut self, out: &mut Vec<Delta>) -> Result<(), Failure> {
        for event in self.ready.drain(..) {
            self.events.event(&event, out)?;
            if let Some(kept) = &mut self.kept {
                kept.push(event);
            }
        }
        Ok(())
    }

    /// Whether the stream is a success if the body ends now. A reader that runs out of time or loses the connection
    /// while this holds has the whole answer, and may only miss token counts.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.events.complete()
    }

    /// Whether reading may stop now, the answer being whole. The connection may stay open after it; nobody waits for that.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.events.finished()
    }

    /// The body ended.
    ///
    /// # Errors
    /// `malformed` when it ended without the terminal marker; otherwise as [`Self::push`].
    pub fn finish(&mut self, out: &mut Vec<Delta>) -> Result<(), Failure> {
        if let Mode::Json(body) = &mut self.mode {
            let body = std::mem::take(body);
            let done = self.dialect.decode(&body)?;
            explode(done, out);
            return Ok(());
        }
        let parsed = self.parser.finish(&mut self.ready);
        self.drain(out)?;
        parsed?;
        if self.events.complete() || mutant::on(Mutant::EndNotNeeded) {
            Ok(())
        } else {
            Err(Failure::malformed("the stream ended without its terminal marker"))
        }
    }
}

/// A whole reply as the deltas a stream of it would give.
fn explode(done: Completion, out: &mut Vec<Delta>) {
    out.push(Delta::Meta {
        id: done.id,
        model: done.model,
    });
    if !done.reasoning.is_empty() {
        out.push(Delta::Reasoning(done.reasoning));
    }
    out.extend(done.reasoning_blocks.into_iter().map(Delta::ReasoningBlock));
    if !done.text.is_empty() {
        out.push(Delta::Text(done.text));
    }
    out.extend(done.refusal.map(Delta::Refusal));
    for (index, call) in (0u32..).zip(done.tool_calls) {
        out.push(Delta::ToolCall {
            index,
            id: Some(call.id),
            name: Some(call.name),
            arguments: call.arguments,
            signature: call.signature,
        });
    }
    out.push(Delta::Usage(done.usage));
    if let Some(reason) = done.finish_reason {
        out.push(Delta::Finish {
            reason,
            raw: done.finish_raw,
        });
    }
}
