use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::attempt::Answer;
use super::live::{Live, Piece, Pumped};
use super::recovery::Resume;
use super::run::{Answered, Run};
use super::ticket::Ticket;
use crate::config::StreamRecovery;
use crate::error::{Error, Result};
use crate::mutant::{self, Mutant};
use crate::policy::Start;
use crate::types::{
    Attempt, Completion, Failure, FailureClass, FinishReason, Next, Phase, Reply, Span, StreamEvent, Usage,
    What,
};

/// A stream that has begun. Its first content is there already. What fails now cannot be hidden: by the route's
/// `stream_recovery` it comes as [`ErrorKind::StreamInterrupted`](crate::ErrorKind::StreamInterrupted), or another
/// attempt goes on after a `restart` or `continue` event. Dropping it closes the connection to the vendor at once.
pub struct ChatStream {
    target: String,
    state: State,
    reply: Option<Box<Reply>>,
}

enum State {
    Live(Box<Running>),
    /// Events that came before the break, then whatever the next attempt brings.
    Recovering(VecDeque<Piece>, Recovery),
    /// Events left to give, then the error, if any.
    Ending(VecDeque<Piece>, Option<Error>),
}

type Recovery = Pin<Box<dyn Future<Output = Recovered> + Send>>;

struct Recovered {
    run: Run,
    resume: Resume,
    from: String,
    outcome: Result<Answered>,
}

/// Dropped in this order: what became of the attempt is told before what became of the request.
struct Running {
    live: Live,
    ticket: Ticket,
    run: Run,
    start: Start,
    /// Where the text of earlier attempts came from.
    spans: Vec<Span>,
    /// What they used.
    usage: Usage,
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
    pub(super) fn new(run: Run, start: Start, ticket: Ticket, live: Live) -> Result<Self> {
        let target = target_of(&run, &start)?;
        Ok(Self {
            target,
            state: State::Live(Box::new(Running {
                run,
                start,
                ticket,
                live,
                spans: Vec::new(),
                usage: Usage::default(),
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
            match ready!(self.poll_piece(cx)) {
                Some(Ok(Piece::Event(event))) => return Poll::Ready(Some(Ok(event))),
                // There are none unless they were asked for, and then they are taken as pieces.
                Some(Ok(Piece::Raw(_))) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }

    /// What was tried before the stream was opened.
    pub(crate) fn trail(&self) -> &[Attempt] {
        match &self.state {
            State::Live(running) => running.run.book.trail(),
            State::Recovering(..) | State::Ending(..) => &[],
        }
    }

    /// How the request was changed to fit the target that answers.
    pub(crate) fn adapted(&self) -> &[String] {
        match &self.state {
            State::Live(running) => &running.ticket.notes.adapted,
            State::Recovering(..) | State::Ending(..) => &[],
        }
    }

    /// The model that answers, by the vendor's own name.
    pub(crate) fn model(&self) -> Option<&str> {
        match &self.state {
            State::Live(running) => running.live.so_far().model.as_deref(),
            State::Recovering(..) | State::Ending(..) => None,
        }
    }

    /// The next piece: events of ours, or the vendor's as they came, where they were asked for.
    pub(crate) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece>>> {
        loop {
            match &mut self.state {
                State::Ending(events, error) => {
                    let event = events.pop_front().map(Ok).or_else(|| error.take().map(Err));
                    if let Some(Ok(Piece::Event(StreamEvent::Finish { reply }))) = &event {
                        self.reply = Some(reply.clone());
                        if mutant::on(Mutant::LastEventTwice) {
                            events.push_back(Piece::Event(StreamEvent::Finish { reply: reply.clone() }));
                        }
                    }
                    return Poll::Ready(event);
                }
                State::Recovering(events, recovery) => {
                    if let Some(event) = events.pop_front() {
                        return Poll::Ready(Some(Ok(event)));
                    }
                    let recovered = ready!(recovery.as_mut().poll(cx));
                    self.state = self.recovered(recovered);
                }
                State::Live(running) => {
                    if let Some(event) = running.live.pieces.pop_front() {
                        return Poll::Ready(Some(Ok(event)));
                    }
                    let outcome = if running.live.ended {
                        Ok(Pumped::Ended)
                    } else {
                        let Running { live, ticket, .. } = &mut **running;
                        ready!(live.pump(cx, Phase::Stream, ticket))
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
        if let State::Live(running) = std::mem::replace(&mut self.state, ending) {
            let outcome = outcome.and_then(|()| checked_end(running.live.so_far()));
            self.state = match outcome {
                Ok(()) => running.answered(),
                Err(failure) => running.broke(failure),
            };
        }
    }

    /// Another attempt has taken over, or none could.
    fn recovered(&mut self, recovered: Recovered) -> State {
        let Recovered {
            run,
            resume,
            from,
            outcome,
        } = recovered;
        let (start, ticket, mut live) = match outcome {
            Ok(Answered {
                start,
                ticket,
                answer: Answer::Stream(live),
            }) => (start, ticket, *live),
            Ok(_) => {
                let error = Error::internal("a stream was asked for, and a whole reply came");
                return State::Ending(VecDeque::new(), Some(error));
            }
            Err(error) => {
                let failure = error
                    .failure()
                    .cloned()
                    .unwrap_or_else(|| Failure::malformed("the stream broke"));
                let trail = error.trail().clone();
                let partial = Completion {
                    usage: resume.usage,
                    ..resume.partial
                };
                let error = Error::stream_interrupted(failure, partial, trail);
                return State::Ending(VecDeque::new(), Some(error));
            }
        };
        let to = match target_of(&run, &start) {
            Ok(target) => target,
            Err(error) => return State::Ending(VecDeque::new(), Some(error)),
        };
        let continues = ticket.notes.continues && !live.voided();
        let (how, event) = match continues {
            true => (
                StreamRecovery::Continue,
                StreamEvent::Continue { target: to.clone() },
            ),
            false => (
                StreamRecovery::Restart,
                StreamEvent::Restart { target: to.clone() },
            ),
        };
        live.pieces.push_front(Piece::Event(event));
        run.tell(|| What::Recovering {
            how: how.as_str().to_owned(),
            from,
            to: to.clone(),
        });
        self.target = to;
        let (spans, usage) = match continues {
            true => (resume.spans, resume.usage),
            false => (Vec::new(), Usage::default()),
        };
        State::Live(Box::new(Running {
            run,
            start,
            ticket,
            live,
            spans,
            usage,
        }))
    }
}

impl Running {
    /// Where the text so far came from.
    fn spans_so_far(&mut self) -> Vec<Span> {
        let mut spans = std::mem::take(&mut self.spans);
        if self.live.voided() {
            spans.clear();
        }
        let start = spans.last().map_or(0, |span| span.end);
        let end = self.live.so_far().text.chars().count();
        if let Ok(target) = target_of(&self.run, &self.start)
            && end > start
        {
            spans.push(Span { target, start, end });
        }
        spans
    }

    fn answered(mut self: Box<Self>) -> State {
        let continues = self.ticket.notes.continues && !self.live.voided();
        let spans = match continues {
            true => self.spans_so_far(),
            false => Vec::new(),
        };
        let Self {
            run,
            start,
            ticket,
            mut live,
            usage,
            ..
        } = *self;
        let mut events = std::mem::take(&mut live.pieces);
        let mut completion = live.into_completion();
        if continues {
            completion.usage = completion.usage.plus(&usage);
        }
        let error = match run.reply(&start, ticket, completion, spans) {
            Ok(_) if mutant::on(Mutant::NoLastEvent) => None,
            Ok(reply) => {
                events.push_back(Piece::Event(StreamEvent::Finish {
                    reply: Box::new(reply),
                }));
                None
            }
            Err(error) => Some(error),
        };
        State::Ending(events, error)
    }

    fn broke(mut self: Box<Self>, failure: Failure) -> State {
        let failure = self.run.world.scrubbed(self.start.key, failure);
        let spans = self.spans_so_far();
        let Self {
            mut run,
            start,
            ticket,
            live,
            usage,
            ..
        } = *self;
        let from = target_of(&run, &start).unwrap_or_default();
        let used = usage.plus(&ticket.notes.usage);
        // As far as it came: an unfinished call must not look whole.
        let partial = live.so_far().clone();
        let events = live.pieces;
        if run.failed(&start, ticket, failure.clone(), true) == Next::Finish {
            let trail = run.book.take_trail();
            let elapsed = trail.last().map_or(0.0, |attempt| attempt.ended);
            run.finish("stream_interrupted", None, &trail, elapsed);
            let error = Error::stream_interrupted(failure, partial, trail);
            return State::Ending(events, Some(error));
        }
        let resume = Resume {
            partial: Completion {
                usage: Usage::default(),
                ..partial
            },
            spans,
            usage: used,
            continues: run.recovery == StreamRecovery::Continue,
        };
        let recovery = Box::pin(async move {
            let outcome = run.drive(Some(&resume)).await;
            Recovered {
                run,
                resume,
                from,
                outcome,
            }
        });
        State::Recovering(events, recovery)
    }
}

fn target_of(run: &Run, start: &Start) -> Result<String> {
    run.targets
        .get(start.index)
        .map(|target| target.name.clone())
        .ok_or_else(|| Error::internal("a stream came from a target that is not in the plan"))
}

/// The vendor may say at the very end that generation failed.
fn checked_end(completion: &Completion) -> Result<(), Failure> {
    match completion.finish_reason {
        Some(FinishReason::Error) => Err(Failure::new(
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
