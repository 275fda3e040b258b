use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Sleep;

use super::book::Notes;
use super::exchange::{broken, timed_out};
use super::run::{Run, checked};
use super::world::{PreparedTarget, World};
use crate::dialect::StreamDecoder;
use crate::error::{Error, Result};
use crate::mutant::{self, Mutant};
use crate::policy::Start;
use crate::transport::Body;
use crate::types::{
    Accumulator, Completion, Delta, Failure, FailureClass, Moment, Phase, Reply, StreamEvent, ToolCallDelta,
};

/// How long token counts are waited for that some vendors send after the terminal marker.
const TAIL: Duration = Duration::from_secs(2);

/// The live side of a stream: bytes, their decoder, and the timer that watches for silence.
pub(super) struct Live {
    world: Arc<World>,
    /// Its name, for the caller.
    target: String,
    body: Body,
    decoder: StreamDecoder,
    accumulator: Accumulator,
    deltas: Vec<Delta>,
    events: VecDeque<StreamEvent>,
    start: Start,
    /// Silence is a failure from then on.
    limit: Moment,
    timer: Pin<Box<Sleep>>,
    /// The caller waits for content. Silence is measured only then: the time it takes over what it got is its own.
    waited_for: bool,
    ended: bool,
}

enum Pumped {
    Content,
    Ended,
}

impl Live {
    pub(super) fn new(world: &Arc<World>, target: &PreparedTarget, start: &Start, body: Body) -> Self {
        let limit = start.limits.answer_by;
        Self {
            world: Arc::clone(world),
            target: target.name.clone(),
            body: if mutant::on(Mutant::StreamLeaks) {
                mutant::leaky(body)
            } else {
                body
            },
            decoder: StreamDecoder::new(target.dialect),
            accumulator: Accumulator::default(),
            deltas: Vec::new(),
            events: VecDeque::new(),
            start: *start,
            limit,
            timer: Box::pin(tokio::time::sleep_until(world.clock.instant(limit))),
            waited_for: true,
            ended: false,
        }
    }

    /// Waits for the first content, or the end of a stream that has none.
    pub(super) async fn first_content(&mut self, notes: &mut Notes) -> Result<(), Failure> {
        let pumped = std::future::poll_fn(|cx| self.pump(cx, Phase::FirstContent, notes)).await;
        notes.usage = self.accumulator.so_far().usage;
        match pumped? {
            Pumped::Content => {}
            Pumped::Ended => {
                checked(self.accumulator.so_far().clone()).map_err(|failure| Failure {
                    phase: Phase::FirstContent,
                    status: notes.status,
                    ..failure
                })?;
            }
        }
        if self.accumulator.so_far().has_content() {
            notes.first_content = Some(self.world.clock.now());
        }
        Ok(())
    }

    /// Reads until there is content, the end, or a failure.
    fn pump(&mut self, cx: &mut Context<'_>, phase: Phase, notes: &Notes) -> Poll<Result<Pumped, Failure>> {
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
                    return Poll::Ready(self.silent(phase, notes));
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
            let content = self.digest(phase);
            if let Err(mut failure) = result {
                failure.phase = phase;
                failure.status = failure.status.or(notes.status);
                return Poll::Ready(Err(failure));
            }
            if self.ended {
                return Poll::Ready(Ok(Pumped::Ended));
            }
            if content {
                self.waited_for = self.decoder.complete();
                return Poll::Ready(Ok(Pumped::Content));
            }
            // A vendor that sends nothing of worth without a pause is silent too, and never lets the timer have its turn.
            if self.world.clock.now() >= self.limit {
                return Poll::Ready(self.silent(phase, notes));
            }
        }
    }

    /// The limit has passed.
    fn silent(&mut self, phase: Phase, notes: &Notes) -> Result<Pumped, Failure> {
        if self.decoder.complete() {
            self.ended = true;
            return Ok(Pumped::Ended);
        }
        let what = match phase {
            Phase::Stream => "nothing more came",
            _ => "no content came",
        };
        Err(timed_out(phase, &self.world, notes, what))
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
    fn digest(&mut self, phase: Phase) -> bool {
        let mut content = false;
        for delta in self.deltas.drain(..) {
            if delta == Delta::Reset {
                content = false;
                if self.accumulator.so_far().has_content() {
                    // What has not been given yet is void too.
                    self.events.clear();
                    // Before the stream is opened, nothing has.
                    if phase == Phase::Stream && !mutant::on(Mutant::RestartUntold) {
                        self.events.push_back(StreamEvent::Restart {
                            target: self.target.clone(),
                        });
                    }
                }
            }
            self.accumulator.apply(&delta);
            // An id alone shows nothing, but is said once: the pieces that follow go without.
            let tells = matches!(&delta, Delta::ToolCall { id: Some(_), .. });
            content |= delta.is_content();
            if mutant::on(Mutant::TextTwice) && matches!(&delta, Delta::Text(_)) {
                self.events.extend(event(delta.clone()));
            }
            if tells || delta.is_content() {
                self.events.extend(event(delta));
            }
        }
        content
    }
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

/// A stream that has begun. Its first content is there already; what fails now cannot be hidden and comes as
/// [`ErrorKind::StreamInterrupted`](crate::ErrorKind::StreamInterrupted). Dropping it closes the connection to the
/// vendor at once.
pub struct ChatStream {
    target: String,
    state: State,
    reply: Option<Box<Reply>>,
}

enum State {
    Live(Box<Running>),
    /// Events left to give, then the error, if any.
    Ending(VecDeque<StreamEvent>, Option<Error>),
}

struct Running {
    run: Run,
    start: Start,
    notes: Notes,
    live: Live,
}

impl std::fmt::Debug for ChatStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatStream")
            .field("target", &self.target)
            .field("finished", &self.reply.is_some())
            .finish_non_exhaustive()
    }
}

impl ChatStream {
    pub(super) fn new(run: Run, start: Start, notes: Notes, live: Live) -> Result<Self> {
        let target = run
            .route
            .targets
            .get(start.index)
            .map(|target| target.name.clone())
            .ok_or_else(|| Error::internal("a stream came from a target that is not in the plan"))?;
        Ok(Self {
            target,
            state: State::Live(Box::new(Running {
                run,
                start,
                notes,
                live,
            })),
            reply: None,
        })
    }

    /// The target that answers.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The whole reply, once the `finish` event was given.
    #[must_use]
    pub fn reply(&self) -> Option<&Reply> {
        self.reply.as_deref()
    }

    /// The next event; None after the last. Cancel-safe.
    ///
    /// # Errors
    /// The stream broke: the error holds what had come, and is the last thing given.
    pub async fn next(&mut self) -> Option<Result<StreamEvent>> {
        std::future::poll_fn(|cx| self.poll_event(cx)).await
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<StreamEvent>>> {
        loop {
            match &mut self.state {
                State::Ending(events, error) => {
                    let event = events.pop_front().map(Ok).or_else(|| error.take().map(Err));
                    if let Some(Ok(StreamEvent::Finish { reply })) = &event {
                        self.reply = Some(reply.clone());
                        if mutant::on(Mutant::LastEventTwice) {
                            events.push_back(StreamEvent::Finish { reply: reply.clone() });
                        }
                    }
                    return Poll::Ready(event);
                }
                State::Live(running) => {
                    if let Some(event) = running.live.events.pop_front() {
                        return Poll::Ready(Some(Ok(event)));
                    }
                    let outcome = if running.live.ended {
                        Ok(Pumped::Ended)
                    } else {
                        let Running { live, notes, .. } = &mut **running;
                        ready!(live.pump(cx, Phase::Stream, notes))
                    };
                    match outcome {
                        Ok(Pumped::Content) => {}
                        Ok(Pumped::Ended) => self.end(Ok(())),
                        Err(failure) => self.end(Err(failure)),
                    }
                }
            }
        }
    }

    fn end(&mut self, outcome: Result<(), Failure>) {
        let ending = State::Ending(VecDeque::new(), None);
        let State::Live(running) = std::mem::replace(&mut self.state, ending) else {
            return;
        };
        let Running {
            mut run,
            start,
            mut notes,
            live,
        } = *running;
        let mut events = live.events;
        let so_far = live.accumulator.so_far();
        notes.usage = so_far.usage;
        let outcome = outcome.and_then(|()| checked_end(so_far));
        let error = match outcome {
            Ok(()) => match run.reply(&start, notes, live.accumulator.finish()) {
                Ok(_) if mutant::on(Mutant::NoLastEvent) => None,
                Ok(reply) => {
                    events.push_back(StreamEvent::Finish {
                        reply: Box::new(reply),
                    });
                    None
                }
                Err(error) => Some(error),
            },
            Err(failure) => {
                run.failed(&start, notes, failure.clone(), true);
                Some(Error::stream_interrupted(
                    failure,
                    // As far as it came: an unfinished call must not look whole.
                    live.accumulator.so_far().clone(),
                    run.book.into_trail(),
                ))
            }
        };
        self.state = State::Ending(events, error);
    }
}

/// The vendor may say at the very end that generation failed.
fn checked_end(completion: &Completion) -> Result<(), Failure> {
    match completion.finish_reason {
        Some(crate::types::FinishReason::Error) => Err(Failure::new(
            FailureClass::Malformed,
            Phase::Stream,
            format!(
                "the vendor says generation failed (finish reason {})",
                Failure::clean(completion.finish_raw.as_deref().unwrap_or("none"))
            ),
        )),
        _ => Ok(()),
    }
}

impl futures_core::Stream for ChatStream {
    type Item = Result<StreamEvent>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_event(cx)
    }
}
