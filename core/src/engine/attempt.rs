use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;

use super::embed::Part;
use super::exchange as wire;
use super::live::Live;
use super::recovery::Resume;
use super::targets::PreparedTarget;
use super::ticket::Ticket;
use super::world::World;
use crate::config::HoldBack;
use crate::policy::Start;
use crate::types::{ChatRequest, Completion, DialectId, Embedded, Failure, FinishReason, Phase};

/// How an answer is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) enum How {
    /// As a whole, in one reply.
    Whole,
    /// As a whole, but over a stream, so that silence is noticed.
    ViaStream,
    /// As a stream that is handed over once so much of it is there.
    Stream(Option<HoldBack>),
}

impl How {
    /// Whether the vendor is asked for a stream.
    pub(super) const fn streams(self) -> bool {
        !matches!(self, Self::Whole)
    }
}

/// A client that speaks a vendor's format: what comes in the same format is given to it as it came.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Relay {
    /// The format.
    pub(crate) dialect: DialectId,
    /// Headers of its request that a target of the same format gets.
    pub(crate) headers: Vec<(&'static str, HeaderValue)>,
    /// How long it waits for the whole of an answer, where that is shorter than its route's deadline.
    pub(crate) patience: Option<Duration>,
}

/// How the answer of an attempt is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) how: How,
    pub(super) resume: Option<&'a Resume>,
    pub(super) relay: Option<&'a Relay>,
    /// Whether what comes in the client's format is given to it as it came.
    pub(super) verbatim: bool,
}

impl Wanted<'_> {
    /// The client, if the target speaks its format.
    fn relay_to(&self, target: &PreparedTarget) -> Option<&Relay> {
        self.relay.filter(|relay| relay.dialect == target.dialect.id())
    }
}

/// What a request asks for.
#[derive(Debug, Clone)]
pub(super) enum Job {
    /// An answer.
    Chat(Arc<ChatRequest>),
    /// The vectors of texts.
    Embed(Part),
}

pub(super) enum Answer {
    /// With its body as it came, where it is wanted so.
    Whole(Box<Completion>, Option<Bytes>),
    Stream(Box<Live>),
    Vectors(Embedded),
}

/// One exchange with one target, to its answer or to the first content of it.
pub(super) async fn attempt(
    world: &Arc<World>,
    target: &PreparedTarget,
    start: &Start,
    job: &Job,
    wanted: Wanted<'_>,
    ticket: &mut Ticket,
) -> Result<Answer, Failure> {
    let answer = match job {
        Job::Chat(request) => exchange(world, target, start, request, wanted, ticket).await,
        Job::Embed(part) => part.exchange(world, target, start, ticket).await,
    };
    answer.map_err(|failure| world.scrubbed(start.key, failure))
}

async fn exchange(
    world: &Arc<World>,
    target: &PreparedTarget,
    start: &Start,
    request: &ChatRequest,
    wanted: Wanted<'_>,
    ticket: &mut Ticket,
) -> Result<Answer, Failure> {
    let Wanted { how, resume, .. } = wanted;
    let relay = wanted.relay_to(target);
    let raw = relay.is_some() && wanted.verbatim;
    let facts = world.facts_of(target);
    let continued = resume.and_then(|resume| resume.request_for(facts.as_deref(), request));
    ticket.notes.continues = continued.is_some();
    let asked = continued.as_ref().unwrap_or(request);
    let mut encoded = target.encode(facts.as_deref(), asked, how.streams())?;
    if let Some(relay) = relay {
        encoded.headers.extend(relay.headers.iter().cloned());
    }
    let body = wire::open(world, target, start, encoded, how.streams(), ticket).await?;
    if how.streams() {
        let resume = resume.filter(|_| ticket.notes.continues);
        let stream_raw = raw && matches!(how, How::Stream(_));
        let mut live = Live::new(world, target, start, body, resume, stream_raw);
        live.first_content(ticket).await?;
        return match how {
            How::Stream(hold_back) => {
                if let Some(hold_back) = hold_back {
                    live.hold_back(hold_back, ticket).await?;
                }
                Ok(Answer::Stream(Box::new(live)))
            }
            How::Whole | How::ViaStream => {
                live.read_whole(ticket).await?;
                checked(live.into_completion()).map(|completion| Answer::Whole(Box::new(completion), None))
            }
        };
    }
    let bytes = wire::whole(world, start, body, ticket).await?;
    match target.dialect.decode(&bytes).and_then(checked) {
        Ok(completion) => {
            ticket.notes.seen = completion.text.len() as u64;
            ticket.first_content();
            Ok(Answer::Whole(Box::new(completion), raw.then_some(bytes)))
        }
        Err(mut failure) => {
            failure.phase = Phase::Body;
            failure.status = failure.status.or(ticket.notes.status);
            Err(failure)
        }
    }
}

/// A reply that is none: it says nothing and gives no reason, or the vendor says that generation failed.
pub(super) fn checked(completion: Completion) -> Result<Completion, Failure> {
    let raw = completion.finish_raw.as_deref().unwrap_or("none");
    match completion.finish_reason {
        Some(FinishReason::Error) => Err(Failure::malformed(format!(
            "the vendor says generation failed (finish reason {})",
            Failure::clean(raw)
        ))),
        None | Some(FinishReason::Stop | FinishReason::ToolCalls | FinishReason::Other)
            if !completion.has_content() =>
        {
            Err(Failure::malformed(format!(
                "the reply is empty (finish reason {})",
                Failure::clean(raw)
            )))
        }
        _ => Ok(completion),
    }
}
