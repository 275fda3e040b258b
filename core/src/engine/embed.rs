//! Texts → vectors. A call of many texts is one request that is driven once for each part of them.

use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::attempt::{Answer, How, Job};
use super::book::Book;
use super::check::check_timeout;
use super::exchange as wire;
use super::run::{Answered, Run};
use super::targets::{PreparedRoute, PreparedTarget};
use super::ticket::Ticket;
use super::world::World;
use crate::dialect::{self, EmbedInput, Embedder, PartLimits};
use crate::error::Error;
use crate::policy::Start;
use crate::routing::{self, Demand};
use crate::types::{EmbedReply, EmbedRequest, Embedded, Failure, FailureClass, Phase};

/// Texts that go into one exchange.
#[derive(Debug, Clone)]
pub(super) struct Part {
    request: Arc<EmbedRequest>,
    texts: Range<usize>,
    /// How long every vector must be: known from the start when a length was asked for, else once the first have come.
    length: Arc<OnceLock<usize>>,
}

/// Makes the vectors of texts.
pub(crate) async fn embed(world: Arc<World>, mut request: EmbedRequest) -> Result<EmbedReply, Error> {
    check(&request)?;
    let route = world.route(Some(routing::embed_route(
        &world.config,
        request.route.as_deref(),
    )?))?;
    routing::check_one_model(&route.route)?;
    request.dimensions = dimensions(&route, request.dimensions)?;
    let mut rules = route.rules(false, false);
    if let Some(timeout) = request.timeout {
        rules.timeouts.total = Duration::from_secs_f64(timeout);
    }
    let length = match request.dimensions {
        Some(dimensions) => Arc::new(OnceLock::from(usize::try_from(dimensions).unwrap_or(usize::MAX))),
        None => Arc::clone(&route.vector_length),
    };
    let parts = dialect::parts(&request.input, limits(&route));
    let request = Arc::new(request);
    let mut run: Option<Run> = None;
    let mut all = Embedded::default();
    let last = parts.len().saturating_sub(1);
    for (number, texts) in parts.into_iter().enumerate() {
        let demand = Demand::of_texts(request.input.get(texts.clone()).unwrap_or_default());
        let job = Job::Embed(Part {
            request: Arc::clone(&request),
            texts,
            length: Arc::clone(&length),
        });
        let mut going = match run.take() {
            Some(mut going) => {
                going.next_part(&route, job, rules.clone(), &demand);
                going
            }
            None => Run::start(
                Arc::clone(&world),
                &route,
                job,
                How::Whole,
                rules.clone(),
                &demand,
            ),
        };
        let Answered {
            start,
            ticket,
            answer,
        } = going.drive(None).await?;
        let Answer::Vectors(part) = answer else {
            return Err(Error::internal("vectors were asked for, and none came"));
        };
        let (target, now) = going.answered(&start, ticket, &part.usage)?;
        join(&mut all, part, number == 0);
        if number == last {
            let book = std::mem::replace(&mut going.book, Book::open(now));
            let created = world.clock.unix_seconds(now);
            let reply = book.embed_reply(&target, all, now, created);
            going.finish("ok", Some(&reply.target), &reply.trail, reply.elapsed);
            return Ok(reply);
        }
        run = Some(going);
    }
    Err(Error::internal("texts to embed were divided into nothing"))
}

/// Refuses what no target can be asked.
fn check(request: &EmbedRequest) -> Result<(), Error> {
    if request.input.is_empty() {
        return Err(Error::invalid_request("`input`: at least one text is needed"));
    }
    if let Some(index) = request.input.iter().position(String::is_empty) {
        return Err(Error::invalid_request(format!(
            "`input[{index}]`: the text is empty, and vendors refuse that"
        )));
    }
    if request.dimensions == Some(0) {
        return Err(Error::invalid_request(
            "`dimensions`: expected a number above 0, found 0",
        ));
    }
    check_timeout(request.timeout)
}

/// The length of vectors that the request or the route asks for.
fn dimensions(route: &PreparedRoute, asked: Option<u32>) -> Result<Option<u32>, Error> {
    match (route.route.embedding.dimensions, asked) {
        (Some(fixed), Some(asked)) if fixed != asked => Err(Error::invalid_request(format!(
            "`dimensions`: the route \"{}\" makes vectors of {fixed} numbers, and {asked} were asked for",
            route.route.name
        ))),
        (fixed, asked) => Ok(fixed.or(asked)),
    }
}

/// How much a part may hold, so that any target of the route takes it.
fn limits(route: &PreparedRoute) -> PartLimits {
    let most = route.route.embedding.batch;
    let start = PartLimits {
        texts: most.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX)),
        bytes: usize::MAX,
    };
    route.targets.iter().fold(start, |limits, target| {
        let Ok(embedder) = embedder(target) else {
            return limits;
        };
        let own = embedder.limits(&target.quirks);
        PartLimits {
            texts: limits.texts.min(own.texts),
            bytes: limits.bytes.min(own.bytes),
        }
    })
}

fn join(all: &mut Embedded, part: Embedded, first: bool) {
    let reported = part.usage.reported && (first || all.usage.reported);
    all.usage = part.usage.plus(&all.usage);
    all.usage.reported = reported;
    all.vectors.extend(part.vectors);
    all.model = part.model.or_else(|| all.model.take());
}

fn embedder(target: &PreparedTarget) -> Result<&'static dyn Embedder, Failure> {
    let id = target.dialect.id();
    dialect::embedder(id)
        .filter(|_| target.quirks.embed.offered)
        .ok_or_else(|| {
            let why = format!(
                "\"{}\", by {}, makes no embeddings",
                target.provider_name,
                id.as_str()
            );
            Failure::unsupported("embed", &why)
        })
}

impl Part {
    /// One exchange with one target.
    pub(super) async fn exchange(
        &self,
        world: &World,
        target: &PreparedTarget,
        start: &Start,
        ticket: &mut Ticket,
    ) -> Result<Answer, Failure> {
        let embedder = embedder(target)?;
        let input = self.request.input.get(self.texts.clone()).unwrap_or_default();
        let encoded = embedder.encode(&EmbedInput {
            request: &self.request,
            input,
            provider: &target.provider_name,
            dialect: target.dialect.id(),
            model: &target.model,
            quirks: &target.quirks,
            lossy: target.lossy,
        })?;
        let body = wire::open(world, target, start, encoded, false, ticket).await?;
        let bytes = wire::whole(world, start, body, ticket).await?;
        let read = embedder
            .decode(&bytes)
            .map_err(|failure| in_band(target, &bytes).unwrap_or(failure))
            .and_then(|embedded| self.checked(embedded, input.len()));
        match read {
            Ok(embedded) => {
                ticket.first_content();
                Ok(Answer::Vectors(embedded))
            }
            Err(mut failure) => {
                failure.phase = Phase::Body;
                failure.status = failure.status.or(ticket.notes.status);
                Err(failure)
            }
        }
    }

    /// Vectors of another length than the others would spoil what they are put beside.
    fn checked(&self, embedded: Embedded, texts: usize) -> Result<Embedded, Failure> {
        let found = dialect::length(&embedded, texts)?;
        let wanted = *self.length.get_or_init(|| found);
        if found == wanted {
            return Ok(embedded);
        }
        let why = match self.request.dimensions {
            Some(_) => "were asked for",
            None => "had the first that were made on this route",
        };
        Err(Failure::malformed(format!(
            "the vectors have {found} numbers, where {wanted} {why}"
        )))
    }
}

/// The failure that a 200 speaks of instead of vectors, if it does: errors look the same whatever was asked for.
fn in_band(target: &PreparedTarget, body: &[u8]) -> Option<Failure> {
    let failure = target.dialect.decode(body).err()?;
    (failure.class != FailureClass::Malformed).then_some(failure)
}
