use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Sleep;

use super::attempt::checked;
use super::exchange::{broken, timed_out};
use super::recovery::Resume;
use super::targets::PreparedTarget;
use super::ticket::Ticket;
use super::world::World;
use crate::config::HoldBack;
use crate::dialect::{SseEvent, StreamDecoder};
use crate::mutant::{self, Mutant};
use crate::policy::Start;
use crate::transport::Body;
use crate::types::{Accumulator, Completion, Delta, Failure, Moment, Phase, StreamEvent, ToolCallDelta};

/// How long token counts are waited for that some vendors send after the terminal marker.
const TAIL: Duration = Duration::from_secs(2);

/// What a stream gives: an event of ours, or one of the vendor's as it came.
pub(crate) enum Piece {
    Event(StreamEvent),
    Raw(SseEvent),
}

/// The live side of a stream: bytes, their decoder, and the timer that watches for silence.
pub(super) struct Live {
    world: Arc<World>,
    /// Its name, for the caller.
    target: String,
    body: Body,
    decoder: StreamDecoder,
    accumulator: Accumulator,
    deltas: Vec<Delta>,
    pub(super) pieces: VecDeque<Piece>,
    start: Start,
    /// Silence is a failure from then on.
    limit: Moment,
    timer: Pin<Box<Sleep>>,
    /// The caller waits for content. Silence is measured only then: the time it takes over what it got is its own.
    waited_for: bool,
    /// Content has come in this attempt.
    content: bool,
    pub(super) ended: bool,
    /// White space at the end of what an earlier attempt delivered, that this one may say again.
    overlap: String,
    /// What an earlier attempt delivered is void, though this one went on from it.
    voided: bool,
}

pub(super) enum Pumped {
    Content,
    Ended,
}

impl Live {
    pub(super) fn new(
        world: &Arc<World>,
        target: &PreparedTarget,
        start: &Start,
        body: Body,
        resume: Option<&Resume>,
        raw: bool,
    ) -> Self {
        let decoder = StreamDecoder::new(target.dialect, &target.quirks);
        let limit = start.limits.answer_by;
        Self {
            world: Arc::clone(world),
            target: target.name.clone(),
            body: if mutant::on(Mutant::StreamLeaks) {
                mutant::leaky(body)
            } else {
                body
            },
            decoder: match raw {
                true => decoder.keeping(),
                false => decoder,
            },
            accumulator: resume.map_or_else(Accumulator::default, |resume| {
                Accumulator::resume(resume.partial.clone())
            }),
            deltas: Vec::new(),
            pieces: VecDeque::new(),
            start: *start,
            limit,
            timer: Box::pin(tokio::time::sleep_until(world.clock.instant(limit))),
            waited_for: true,
            content: false,
            ended: false,
            overlap: resume.map_or_else(String::new, |resume| resume.overlap().to_owned()),
            voided: false,
        }
    }

    /// Waits for the first content, or the end of a stream that has none.
    pub(super) async fn first_content(&mut self, ticket: &mut Ticket) -> Result<(), Failure> {
        let pumped = std::future::poll_fn(|cx| self.pump(cx, Phase::FirstContent, ticket)).await?;
        if matches!(pumped, Pumped::Ended) {
            let so_far = self.so_far();
            let said = match self.content {
                true => so_far.clone(),
                // What an earlier attempt had said is no answer of this one's: going on with nothing would pass for the end.
                false => Completion {
                    finish_reason: so_far.finish_reason,
                    finish_raw: so_far.finish_raw.clone(),
                    ..Completion::default()
                },
            };
            checked(said).map_err(|failure| Failure {
                phase: Phase::FirstContent,
                status: ticket.notes.status,
                ..failure
            })?;
        }
        if self.content {
            ticket.first_content();
        }
        Ok(())
    }

    /// Reads on until enough is there to hand the stream over. What fails meanwhile the caller has not seen.
    pub(super) async fn hold_back(&mut self, wanted: HoldBack, ticket: &mut Ticket) -> Result<(), Failure> {
        let world = Arc::clone(&self.world);
        let until = wanted.time.map(|time| world.clock.now() + time);
        let enough = |live: &Self| {
            let said = live.so_far();
            let chars = || {
                let calls = said
                    .tool_calls
                    .iter()
                    .map(|call| call.arguments.len())
                    .sum::<usize>();
                said.text.chars().count() + said.reasoning.chars().count() + calls
            };
            live.ended
                || wanted.chars.is_some_and(|wanted| chars() >= wanted)
                // What comes without a pause never lets a timer have its turn.
                || until.is_some_and(|until| world.clock.now() >= until)
        };
        while !enough(self) {
            let more = std::future::poll_fn(|cx| self.pump(cx, Phase::FirstContent, ticket));
            match until {
                None => {
                    more.await?;
                }
                Some(until) => tokio::select! {
                    biased;
                    more = more => {
                        more?;
                    }
                    () = world.clock.sleep_until(until) => return Ok(()),
                },
            }
        }
        Ok(())
    }

    /// Reads the whole answer.
    pub(super) async fn read_whole(&mut self, ticket: &mut Ticket) -> Result<(), Failure> {
        while !self.ended {
            std::future::poll_fn(|cx| self.pump(cx, Phase::Body, ticket)).await?;
            self.pieces.clear();
        }
        Ok(())
    }

    /// What has been said so far, earlier attempts included.
    pub(super) const fn so_far(&self) -> &Completion {
        self.accumulator.so_far()
    }

    /// Whether the vendor began anew in an attempt that went on from an earlier one's words.
    pub(super) const fn voided(&self) -> bool {
        self.voided
    }

    pub(super) fn into_completion(self) -> Completion {
        self.accumulator.finish()
    }

    /// Reads until there is content, the end, or a failure.
    pub(super) fn pump(
        &mut self,
        cx: &mut Context<'_>,
        phase: Phase,
        ticket: &mut Ticket,
    ) -> Poll<Result<Pumped, Failure>> {
        if !self.waited_for {
            self.waited_for = true;
            let idle = self.world.clock.now() + self.start.limits.idle;
            self.watch(idle.min(self.start.limits.deadline));
        }
        loop {
            let result = match self.body.poll_next(cx) {
                Poll::Ready(Some(Ok(bytes))) => self.decoder.push(&bytes, &mut self.deltas),
                Poll::Ready(Some(Err(_))) if self.decoder.complete() => self.tail(),
                Poll::Ready(Some(Err(error))) => Err(broken(&error, phase)),
                Poll::Ready(None) => {
                    let finished = self.decoder.finish(&mut self.deltas);
                    self.ended = finished.is_ok();
                    finished
                }
                Poll::Pending => {
                    ready!(self.silence(cx));
                    return Poll::Ready(self.silent(phase, ticket));
                }
            };
            if self.decoder.complete() {
                self.watch(self.limit.min(self.world.clock.now() + TAIL));
            }
            if result.is_ok() && !self.ended && self.decoder.finished() {
                self.ended = true;
                // The framing's own end mostly came with the marker: reading it lets the connection be used again.
                let _ = self.body.poll_next(cx);
            }
            let content = self.digest(phase, ticket);
            if let Err(mut failure) = result {
                failure.phase = phase;
                failure.status = failure.status.or(ticket.notes.status);
                return Poll::Ready(Err(failure));
            }
            if self.ended {
                return Poll::Ready(Ok(Pumped::Ended));
            }
            if content {
                self.waited_for = self.decoder.complete();
                return Poll::Ready(Ok(Pumped::Content));
            }
            // What goes through as it came is not held back for what follows. It is no content, and stops no timer.
            if phase == Phase::Stream && self.decoder.keeps() && !self.pieces.is_empty() {
                return Poll::Ready(Ok(Pumped::Content));
            }
            // A vendor that sends nothing of worth without a pause is silent too, and never lets the timer have its turn.
            if self.world.clock.now() >= self.limit {
                return Poll::Ready(self.silent(phase, ticket));
            }
        }
    }

    /// The limit has passed.
    fn silent(&mut self, phase: Phase, ticket: &Ticket) -> Result<Pumped, Failure> {
        if self.decoder.complete() {
            self.ended = true;
            return Ok(Pumped::Ended);
        }
        let what = match self.content {
            true => "nothing more came",
            false => "no content came",
        };
        Err(timed_out(phase, &self.world, ticket, what))
    }

    /// The answer is whole: what breaks after its terminal marker takes nothing away.
    fn tail(&mut self) -> Result<(), Failure> {
        self.ended = true;
        Ok(())
    }

    /// Sets the limit. A timer that would fire too early is left to: moving it at every token is what costs.
    fn watch(&mut self, limit: Moment) {
        self.limit = limit;
        let instant = self.world.clock.instant(limit);
        if instant < self.timer.deadline() {
            self.timer.as_mut().reset(instant);
        }
    }

    /// Ready once the limit has passed.
    fn silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            if self.world.clock.now() >= self.limit {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(self.world.clock.instant(self.limit));
        }
    }

    /// Turns deltas into events; whether any is content.
    fn digest(&mut self, phase: Phase, ticket: &mut Ticket) -> bool {
        let mut content = false;
        let raw = self.decoder.keeps();
        for mut delta in self.deltas.drain(..) {
            match &mut delta {
                Delta::Text(text) if !self.overlap.is_empty() => cut_overlap(&mut self.overlap, text),
                Delta::Usage(usage) => ticket.notes.usage = *usage,
                Delta::Reset => {
                    content = false;
                    if self.content || !self.accumulator.so_far().text.is_empty() {
                        // What has not been given yet is void too.
                        if !raw {
                            self.pieces.clear();
                        }
                        self.voided = true;
                        // Before the stream is opened, nothing has.
                        if phase == Phase::Stream && !raw && !mutant::on(Mutant::RestartUntold) {
                            self.pieces.push_back(Piece::Event(StreamEvent::Restart {
                                target: self.target.clone(),
                            }));
                        }
                    }
                }
                _ => {}
            }
            self.accumulator.apply(&delta);
            // An id alone shows nothing, but is said once: the pieces that follow go without.
            let tells = matches!(&delta, Delta::ToolCall { id: Some(_), .. });
            let shows = delta.is_content();
            content |= shows;
            if shows {
                ticket.notes.seen += weight(&delta);
            }
            if raw {
                continue;
            }
            if mutant::on(Mutant::TextTwice) && matches!(&delta, Delta::Text(_)) {
                self.pieces.extend(event(delta.clone()).map(Piece::Event));
            }
            if tells || shows {
                self.pieces.extend(event(delta).map(Piece::Event));
            }
        }
        self.pieces.extend(self.decoder.take_kept().map(Piece::Raw));
        self.content |= content;
        content
    }
}

/// Takes off the front of `text` what was delivered already.
fn cut_overlap(overlap: &mut String, text: &mut String) {
    let same = overlap
        .bytes()
        .zip(text.bytes())
        .take_while(|(one, two)| one == two)
        .count();
    // White space may be of several bytes a character.
    let same = (0..=same)
        .rev()
        .find(|at| text.is_char_boundary(*at) && overlap.is_char_boundary(*at))
        .unwrap_or_default();
    text.drain(..same);
    overlap.drain(..same);
    if !text.is_empty() {
        overlap.clear();
    }
}

/// Bytes of content.
fn weight(delta: &Delta) -> u64 {
    let bytes = match delta {
        Delta::Text(text) | Delta::Reasoning(text) | Delta::Refusal(text) => text.len(),
        Delta::ToolCall { name, arguments, .. } => name.as_ref().map_or(0, String::len) + arguments.len(),
        Delta::ReasoningBlock(_)
        | Delta::Meta { .. }
        | Delta::Usage(_)
        | Delta::Finish { .. }
        | Delta::Reset => 0,
    };
    bytes as u64
}

fn event(delta: Delta) -> Option<StreamEvent> {
    match delta {
        Delta::Text(text) => Some(StreamEvent::Text { text }),
        Delta::Reasoning(reasoning) => Some(StreamEvent::Reasoning { reasoning }),
        Delta::Refusal(refusal) => Some(StreamEvent::Refusal { refusal }),
        Delta::ToolCall {
            index,
            id,
            name,
            arguments,
            ..
        } => Some(StreamEvent::ToolCall(ToolCallDelta {
            index,
            id,
            name,
            arguments,
        })),
        Delta::Meta { .. }
        | Delta::ReasoningBlock(_)
        | Delta::Usage(_)
        | Delta::Finish { .. }
        | Delta::Reset => None,
    }
}

#[cfg(test)]
mod tests {
    use super::cut_overlap;

    #[test]
    fn white_space_is_not_said_twice() {
        // (delivered, what comes, what is given, what may still be said again)
        for (overlap, text, given, left) in [
            ("\n\n", "\n\nThen", "Then", ""),
            ("\n\n", "\n", "", "\n"),
            (" ", "then", "then", ""),
            (" ", " then", "then", ""),
            ("\u{2003}", "\u{2003}x", "x", ""),
            ("\u{2003}", "\u{2002}x", "\u{2002}x", ""),
            ("", " x", " x", ""),
        ] {
            let (mut overlap, mut text) = (overlap.to_owned(), text.to_owned());
            cut_overlap(&mut overlap, &mut text);
            assert_eq!((text.as_str(), overlap.as_str()), (given, left));
        }
    }
}
