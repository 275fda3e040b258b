//! A reply and a fault → the list of actions an interpreter carries out.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fastrand::Rng;
use http::HeaderMap;

use crate::errors::VendorError;
use crate::render::{self, Piece, Wire};
use crate::script::{Fault, Latency, Split, Step, StreamCode, UsageScript};

/// How the end of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(usize),
    Chunked,
}

#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Without those of the framing.
    pub(crate) headers: HeaderMap,
    pub(crate) framing: Framing,
}

/// What a provider does next.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    Delay(Duration),
    Head(Head),
    /// The first half of the head.
    HeadPart(Head),
    /// A part of the body, and how many chunks of content end in it.
    Bytes(Bytes, u32),
    /// What follows must not share a write with what came before.
    Flush,
    /// The same bytes again and again, until the client goes.
    Forever {
        every: Duration,
        bytes: Bytes,
    },
    /// Nothing more, until the client goes.
    Hang,
    /// No connection. Over a socket, where there is one already, a reset.
    Refuse,
    /// The connection is reset.
    Reset,
    /// HTTP/2 says that the connection ends, and that this request was not looked at. Elsewhere a reset.
    GoAway,
    /// HTTP/2 resets the stream alone. Elsewhere a reset.
    ResetStream(StreamCode),
    /// The connection is closed in good order, whatever the framing still promises.
    Close,
    /// The body is whole.
    End,
}

/// A body, ready to send.
#[derive(Debug)]
pub(crate) struct Body {
    pieces: Vec<Piece>,
    joined: Bytes,
    chunks: u32,
    streams: bool,
    /// What it says it used; None where it was not made here.
    usage: Option<UsageScript>,
}

impl Body {
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        let joined: Bytes = bytes.into();
        Self {
            pieces: Vec::new(),
            chunks: 1,
            joined,
            streams: false,
            usage: None,
        }
    }

    /// A whole body that took as long to generate as a stream of that many chunks.
    pub(crate) fn whole_of(bytes: Bytes, chunks: u32) -> Self {
        Self {
            chunks,
            ..Self::whole(bytes)
        }
    }

    pub(crate) fn stream(pieces: Vec<Piece>) -> Self {
        let mut joined = BytesMut::new();
        for piece in &pieces {
            joined.extend_from_slice(&piece.bytes);
        }
        let chunks = pieces.iter().filter(|piece| piece.content).count();
        Self {
            joined: joined.freeze(),
            chunks: u32::try_from(chunks).unwrap_or(u32::MAX),
            pieces,
            streams: true,
            usage: None,
        }
    }

    pub(crate) fn with_usage(self, usage: UsageScript) -> Self {
        Self {
            usage: Some(usage),
            ..self
        }
    }

    /// How many pieces there are up to that chunk, itself included.
    fn before(&self, chunk: u32) -> usize {
        let mut left = chunk;
        let pieces = self.pieces.iter().take_while(|piece| {
            let more = left > 0;
            left -= u32::from(piece.content && more);
            more
        });
        pieces.count()
    }

    pub(crate) fn usage(&self) -> Option<UsageScript> {
        self.usage
    }

    pub(crate) fn streams(&self) -> bool {
        self.streams
    }

    pub(crate) fn chunks(&self) -> u32 {
        self.chunks
    }
}

/// How long things take, jitter drawn.
#[derive(Debug)]
pub(crate) struct Pace {
    head: Duration,
    first_token: Duration,
    gap: Duration,
    jitter: f64,
    /// What load makes of the head and the first token.
    stretch: f64,
    rng: Rng,
}

impl Pace {
    /// The latency with the step's own laid over it. `tokens` over `chunks` is what a chunk weighs.
    pub(crate) fn new(latency: &Latency, step: Option<&Step>, tokens: u64, chunks: u32, rng: Rng) -> Self {
        let gap = step.and_then(|step| step.gap).or(latency.gap);
        let by_rate = || {
            let pace = latency.tokens_per_second?;
            Duration::try_from_secs_f64(tokens as f64 / f64::from(chunks.max(1)) / pace).ok()
        };
        Self {
            head: step.and_then(|step| step.head).unwrap_or(latency.head).0,
            first_token: step
                .and_then(|step| step.first_token)
                .unwrap_or(latency.first_token)
                .0,
            gap: gap.map(|gap| gap.0).or_else(by_rate).unwrap_or_default(),
            jitter: latency.jitter,
            stretch: 1.0,
            rng,
        }
    }

    pub(crate) fn stretched(self, stretch: f64) -> Self {
        Self { stretch, ..self }
    }

    fn vary(&mut self, length: Duration, stretch: f64) -> Duration {
        if length.is_zero() || self.jitter == 0.0 && stretch == 1.0 {
            return length;
        }
        let mut factor = stretch;
        if self.jitter != 0.0 {
            factor *= 1.0 + self.jitter * (2.0 * self.rng.f64() - 1.0);
        }
        Duration::try_from_secs_f64(length.as_secs_f64() * factor).unwrap_or(length)
    }

    fn head(&mut self) -> Duration {
        self.vary(self.head, self.stretch)
    }

    fn first_token(&mut self) -> Duration {
        self.vary(self.first_token, self.stretch)
    }

    fn gap(&mut self) -> Duration {
        self.vary(self.gap, 1.0)
    }

    fn flat(&self) -> bool {
        self.first_token.is_zero() && self.gap.is_zero()
    }
}

/// A reply that is settled but for its faults.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Arc<Body>,
    pub(crate) wire: Wire,
    /// Whether a model was asked, which takes its time.
    pub(crate) generated: bool,
    /// What the fault `error_event` tells, and of which model.
    pub(crate) error: Option<(VendorError, String)>,
}

impl Answer {
    /// Everything the provider does with this request.
    pub(crate) fn actions(self, step: Option<&Step>, mut pace: Pace) -> Vec<Action> {
        let mut actions = Vec::with_capacity(4);
        let fault = step.and_then(|step| step.fault);
        match fault {
            Some(Fault::Refuse | Fault::TlsHandshakeClose) => return vec![Action::Refuse],
            Some(Fault::Hang) => return vec![Action::Hang],
            _ => delay(&mut actions, pace.head()),
        }
        let head = |framing| Head {
            status: self.status,
            headers: self.headers.clone(),
            framing,
        };
        match fault {
            Some(Fault::ResetBeforeHead) => {
                actions.push(Action::Reset);
                return actions;
            }
            Some(Fault::ResetInHead) => {
                actions.push(Action::HeadPart(head(Framing::Chunked)));
                actions.push(Action::Reset);
                return actions;
            }
            Some(Fault::Goaway) => {
                actions.push(Action::GoAway);
                return actions;
            }
            Some(Fault::RstStream) if step.is_some_and(|step| step.after_chunks.is_none()) => {
                actions.push(Action::ResetStream(code(step)));
                return actions;
            }
            Some(Fault::PingOnly) => {
                let every = if pace.gap.is_zero() {
                    Duration::from_secs(1)
                } else {
                    pace.gap
                };
                let bytes = render::keep_alive(self.wire);
                actions.push(Action::Head(head(Framing::Chunked)));
                actions.push(Action::Forever { every, bytes });
                return actions;
            }
            _ => {}
        }
        if self.body.streams {
            self.stream(step, &mut pace, &mut actions);
        } else {
            self.whole(step, &mut pace, &mut actions);
        }
        match step.and_then(|step| step.split.as_ref()) {
            Some(split) => torn(actions, split),
            None => actions,
        }
    }

    fn whole(self, step: Option<&Step>, pace: &mut Pace, actions: &mut Vec<Action>) {
        let body = &self.body.joined;
        let fault = step.and_then(|step| step.fault);
        let half = body.len() / 2;
        let cut = match step.and_then(|step| step.after_chunks) {
            Some(0) => 0,
            _ => step
                .and_then(|step| step.after_bytes)
                .unwrap_or(half)
                .min(body.len()),
        };
        let (framing, sent, tail) = match fault {
            Some(Fault::Cut | Fault::ResetMidBody) => (Framing::Length(body.len()), cut, Action::Reset),
            Some(Fault::Stall) => (Framing::Length(body.len()), cut, Action::Hang),
            Some(Fault::RstStream) => (Framing::Length(body.len()), cut, Action::ResetStream(code(step))),
            Some(Fault::CleanCut) => (Framing::Chunked, cut, Action::End),
            Some(Fault::MalformedEvent) => (Framing::Length(half), half, Action::End),
            Some(Fault::WrongContentLength) => (Framing::Length(promised(body)), body.len(), Action::Close),
            _ => (Framing::Length(body.len()), body.len(), Action::End),
        };
        if self.generated && !pace.flat() {
            let mut total = pace.first_token();
            for _ in 1..self.body.chunks {
                total += pace.gap();
            }
            delay(actions, total);
        }
        let chunks = u32::from(sent == body.len());
        let bytes = body.slice(..sent);
        actions.push(Action::Head(Head {
            status: self.status,
            headers: self.headers,
            framing,
        }));
        if !bytes.is_empty() {
            actions.push(Action::Bytes(bytes, chunks));
        }
        actions.push(tail);
    }

    fn stream(self, step: Option<&Step>, pace: &mut Pace, actions: &mut Vec<Action>) {
        let body = &self.body;
        let fault = step.and_then(|step| step.fault);
        let (framing, tail) = match fault {
            Some(Fault::Cut | Fault::ResetMidBody) => (Framing::Chunked, Action::Reset),
            Some(Fault::Stall) => (Framing::Chunked, Action::Hang),
            Some(Fault::RstStream) => (Framing::Chunked, Action::ResetStream(code(step))),
            Some(Fault::WrongContentLength) => (Framing::Length(promised(&body.joined)), Action::Close),
            _ => (Framing::Chunked, Action::End),
        };
        let cuts = matches!(
            fault,
            Some(Fault::Cut | Fault::CleanCut | Fault::Stall | Fault::ResetMidBody | Fault::RstStream)
        );
        let after_bytes = step.and_then(|step| step.after_bytes).or_else(|| {
            // In the middle of an event, unless the script says where.
            let anywhere = fault == Some(Fault::ResetMidBody) && step?.after_chunks.is_none();
            anywhere.then_some(body.joined.len() / 2)
        });
        let after_chunks = step.and_then(|step| step.after_chunks).unwrap_or(1);
        let before = body.before(after_chunks.min(body.chunks));
        let inserted = match fault {
            Some(Fault::MalformedEvent) => Some(render::malformed_event(self.wire, before)),
            Some(Fault::ErrorEvent) => self
                .error
                .as_ref()
                .map(|(error, model)| render::error_event(self.wire, model, before, error)),
            _ => None,
        };
        actions.push(Action::Head(Head {
            status: self.status,
            headers: self.headers,
            framing,
        }));
        if !cuts && inserted.is_none() && pace.flat() {
            if !body.joined.is_empty() {
                actions.push(Action::Bytes(body.joined.clone(), body.chunks));
            }
            actions.push(tail);
            return;
        }
        actions.reserve(2 * body.pieces.len() + 2);
        let mut writer = Writer {
            actions,
            left: if cuts { after_bytes } else { None },
            pending: Pending::Nothing,
            chunks: 0,
        };
        let stop = match (cuts, after_bytes) {
            (true, None) => Some(after_chunks.min(body.chunks)),
            _ => inserted.as_ref().map(|_| after_chunks.min(body.chunks)),
        };
        let ends_there = cuts || fault == Some(Fault::ErrorEvent);
        let mut inserted = inserted;
        let mut pieces = body.pieces.as_slice();
        if stop == Some(0) {
            writer.insert(&mut inserted);
            if ends_there {
                pieces = &[];
            }
        }
        let mut seen = 0;
        for piece in pieces {
            if piece.content {
                writer.delay(if seen == 0 { pace.first_token() } else { pace.gap() });
                seen += 1;
            }
            if !writer.write(&piece.bytes, u32::from(piece.content)) {
                break;
            }
            if piece.content && stop == Some(seen) {
                writer.insert(&mut inserted);
                if ends_there {
                    break;
                }
            }
        }
        writer.flush();
        actions.push(tail);
    }
}

fn code(step: Option<&Step>) -> StreamCode {
    step.and_then(|step| step.code)
        .unwrap_or(StreamCode::InternalError)
}

/// More than there is.
fn promised(body: &Bytes) -> usize {
    body.len().saturating_add(64)
}

fn delay(actions: &mut Vec<Action>, length: Duration) {
    if !length.is_zero() {
        actions.push(Action::Delay(length));
    }
}

/// What waits to be sent together. A lone piece is not copied, since most of them are alone.
enum Pending {
    Nothing,
    One(Bytes),
    Many(BytesMut),
}

impl Pending {
    fn push(&mut self, bytes: Bytes) {
        *self = match std::mem::replace(self, Self::Nothing) {
            Self::Nothing if bytes.is_empty() => Self::Nothing,
            Self::Nothing => Self::One(bytes),
            Self::One(first) => {
                let mut both = BytesMut::with_capacity(first.len() + bytes.len());
                both.extend_from_slice(&first);
                both.extend_from_slice(&bytes);
                Self::Many(both)
            }
            Self::Many(mut all) => {
                all.extend_from_slice(&bytes);
                Self::Many(all)
            }
        };
    }

    fn take(&mut self) -> Option<Bytes> {
        match std::mem::replace(self, Self::Nothing) {
            Self::Nothing => None,
            Self::One(bytes) => Some(bytes),
            Self::Many(all) => Some(all.freeze()),
        }
    }
}

/// Joins what no delay parts, and stops after a number of bytes.
struct Writer<'a> {
    actions: &'a mut Vec<Action>,
    left: Option<usize>,
    pending: Pending,
    chunks: u32,
}

impl Writer<'_> {
    /// False when no more may be written.
    fn write(&mut self, bytes: &Bytes, chunks: u32) -> bool {
        if let Some(left) = &mut self.left {
            if *left < bytes.len() {
                self.pending.push(bytes.slice(..*left));
                *left = 0;
                return false;
            }
            *left -= bytes.len();
        }
        self.pending.push(bytes.clone());
        self.chunks += chunks;
        self.left.is_none_or(|left| left > 0)
    }

    fn insert(&mut self, event: &mut Option<Bytes>) {
        if let Some(bytes) = event.take() {
            self.pending.push(bytes);
        }
    }

    fn delay(&mut self, length: Duration) {
        if !length.is_zero() {
            self.flush();
            self.actions.push(Action::Delay(length));
        }
    }

    fn flush(&mut self) {
        if let Some(bytes) = self.pending.take() {
            self.actions
                .push(Action::Bytes(bytes, std::mem::take(&mut self.chunks)));
        }
    }
}

/// Tears the body apart where the script says. A chunk is counted with the last of its parts.
fn torn(actions: Vec<Action>, split: &Split) -> Vec<Action> {
    let mut torn = Vec::new();
    let mut at = 0_usize;
    for action in actions {
        let Action::Bytes(mut bytes, chunks) = action else {
            torn.push(action);
            continue;
        };
        while !bytes.is_empty() {
            let next = match split {
                Split::Word(_) => at.checked_add(1),
                Split::Every(size) => (at / size.get() + 1).checked_mul(size.get()),
                Split::At(offsets) => offsets.iter().copied().filter(|offset| *offset > at).min(),
            };
            let length = next.map_or(bytes.len(), |next| (next - at).min(bytes.len()));
            let part = bytes.split_to(length);
            at += length;
            torn.push(Action::Flush);
            torn.push(Action::Bytes(part, if bytes.is_empty() { chunks } else { 0 }));
        }
        torn.push(Action::Flush);
    }
    torn
}
