use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::dialect::{EventWriter, Heard, Ingress, Opening, Problem, put_event};
use crate::engine::{ChatStream, Piece};
use crate::error::Error;
use crate::types::{Failure, FailureClass, Phase, StreamEvent, Trail};

/// Most bytes handed over at once, about: events are never cut.
const BATCH: usize = 64 << 10;

/// The server-sent events of a reply, in the client's format. What breaks after the first of them is told by an event, as
/// the vendor would. Dropping it closes the connection to the vendor at once.
pub struct ServedStream {
    stream: ChatStream,
    format: &'static dyn Ingress,
    heard: Heard,
    id: String,
    created: u64,
    /// Writes what comes in another format; made when it is needed.
    writer: Option<Box<dyn EventWriter>>,
    /// Some events went through as they came.
    verbatim: bool,
    ended: bool,
}

impl std::fmt::Debug for ServedStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServedStream")
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

impl ServedStream {
    pub(super) fn new(
        stream: ChatStream,
        format: &'static dyn Ingress,
        heard: Heard,
        (id, created): (&str, u64),
    ) -> Self {
        Self {
            stream,
            format,
            heard,
            id: id.to_owned(),
            created,
            writer: None,
            verbatim: false,
            ended: false,
        }
    }

    /// The next events, all that are there; None after the last. Cancel-safe.
    pub async fn next(&mut self) -> Option<Bytes> {
        std::future::poll_fn(|cx| self.poll_bytes(cx)).await
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut out = Vec::new();
        while !self.ended && out.len() < BATCH {
            match self.stream.poll_piece(cx) {
                Poll::Ready(Some(Ok(piece))) => self.write(piece, &mut out),
                Poll::Ready(Some(Err(error))) => self.broke(&error, &mut out),
                Poll::Ready(None) => self.ended = true,
                Poll::Pending if out.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        if out.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Bytes::from(out)))
    }

    fn write(&mut self, piece: Piece, out: &mut Vec<u8>) {
        match piece {
            Piece::Raw(event) => {
                self.verbatim = true;
                if let Some(data) = self.format.pass(&event, &self.heard) {
                    put_event(event.name.as_deref(), &data, out);
                }
            }
            Piece::Event(StreamEvent::Finish { .. }) if self.verbatim => {
                out.extend_from_slice(self.format.ending());
            }
            Piece::Event(StreamEvent::Restart { target }) => {
                let failure = Failure::new(
                    FailureClass::Malformed,
                    Phase::Stream,
                    format!(
                        "the stream broke, and {target} began the answer again, which this format cannot say: \
                         stream_recovery = \"error\" or hold_back suit it better"
                    ),
                );
                self.broke(&Error::failed(failure, Trail::new()), out);
            }
            Piece::Event(event) => self.writer().event(&event, out),
        }
    }

    fn broke(&mut self, error: &Error, out: &mut Vec<u8>) {
        self.ended = true;
        let problem = Problem::of(error, &self.id);
        self.writer().error(&problem, out);
    }

    fn writer(&mut self) -> &mut dyn EventWriter {
        let Self {
            stream,
            format,
            heard,
            writer,
            ..
        } = self;
        let (id, created) = (&self.id, self.created);
        let writer = writer.get_or_insert_with(|| {
            let target = stream.target();
            let of_target = target.split_once('/').map_or(target, |(_, model)| model);
            let opening = Opening {
                id: id.clone(),
                model: stream.model().unwrap_or(of_target).to_owned(),
                created,
            };
            format.writer(opening, heard)
        });
        &mut **writer
    }
}

impl futures_core::Stream for ServedStream {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.get_mut().poll_bytes(cx)
    }
}
