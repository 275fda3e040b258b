use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;

use super::attempt::{Answer, How, Job, Relay, Wanted, attempt};
use super::book::Book;
use super::check::{chat_route, check};
use super::recovery::Resume;
use super::stream::ChatStream;
use super::targets::{PreparedRoute, PreparedTarget};
use super::ticket::{Closed, Notes, Ticket};
use super::words::{deadline_error, not_called, told};
use super::world::World;
use crate::config::StreamRecovery;
use crate::error::{Error, ErrorKind};
use crate::mutant::{self, Mutant};
use crate::policy::{
    Ending, Machine, Permit, PlannedTarget, Refusal, RefusedBy, Rules, Start, Step, Verdict,
};
use crate::routing::Demand;
use crate::types::{
    Attempt, ChatRequest, Completion, Failure, FailureClass, JsonMap, Moment, Next, Outcome, Phase, Reply,
    Span, Usage, What,
};

/// One request on its way.
pub(super) struct Run {
    pub(super) world: Arc<World>,
    job: Job,
    pub(super) targets: Vec<Arc<PreparedTarget>>,
    pub(super) recovery: StreamRecovery,
    pub(super) book: Book,
    how: How,
    relay: Option<Arc<Relay>>,
    machine: Machine,
    number: u64,
    seed: u64,
    /// What an attempt was told, while another one raced it, that no target would answer differently.
    decided: Option<Failure>,
    /// How long it may take in all.
    total: Duration,
    over: bool,
}

/// An answer, and the attempt it came from.
pub(super) struct Answered {
    pub(super) start: Start,
    pub(super) ticket: Ticket,
    pub(super) answer: Answer,
}

struct Failed {
    start: Start,
    ticket: Ticket,
    failure: Failure,
}

/// Answers a request whole.
pub(crate) async fn chat(world: Arc<World>, request: ChatRequest) -> Result<Reply, Error> {
    chat_for(world, request, None).await.map(|(reply, _)| reply)
}

/// Answers a client's request whole; with the body as it came, where the target that answered speaks the client's format.
pub(crate) async fn chat_for(
    world: Arc<World>,
    request: ChatRequest,
    relay: Option<Relay>,
) -> Result<(Reply, Option<Bytes>), Error> {
    let mut run = Run::begin(world, request, false, relay)?;
    let Answered {
        start,
        ticket,
        answer,
    } = run.drive(None).await?;
    match answer {
        Answer::Whole(completion, raw) => {
            let reply = run.reply(&start, ticket, *completion, Vec::new())?;
            Ok((reply, raw))
        }
        Answer::Stream(_) | Answer::Vectors(_) => {
            Err(Error::internal("a whole reply was asked for, and none came"))
        }
    }
}

/// Opens a stream: gives it once its first content, or its end, is there.
pub(crate) async fn open(world: Arc<World>, request: ChatRequest) -> Result<ChatStream, Error> {
    open_for(world, request, None).await
}

/// Opens a stream for a client; events of a target that speaks the client's format are given to it as they came.
pub(crate) async fn open_for(
    world: Arc<World>,
    request: ChatRequest,
    relay: Option<Relay>,
) -> Result<ChatStream, Error> {
    let mut run = Run::begin(world, request, true, relay)?;
    let Answered {
        start,
        ticket,
        answer,
    } = run.drive(None).await?;
    match answer {
        Answer::Stream(live) => ChatStream::new(run, start, ticket, *live),
        Answer::Whole(..) | Answer::Vectors(_) => {
            Err(Error::internal("a stream was asked for, and none came"))
        }
    }
}

impl Run {
    fn begin(
        world: Arc<World>,
        request: ChatRequest,
        stream: bool,
        relay: Option<Relay>,
    ) -> Result<Self, Error> {
        if mutant::on(Mutant::PromptLogged) {
            tracing::debug!(prompt = ?request.messages, "a request begins");
        }
        let route = chat_route(&world, &request)?;
        check(&request, relay.is_some() && !stream && !route.route.via_stream)?;
        let recovery = match (&relay, route.route.stream_recovery) {
            // No vendor's format can say that what came before is void.
            (Some(_), StreamRecovery::Restart) => StreamRecovery::Error,
            (_, recovery) => recovery,
        };
        let how = match stream {
            true => How::Stream(route.route.hold_back),
            false if route.route.via_stream => How::ViaStream,
            false => How::Whole,
        };
        let mut rules = route.rules(how.streams(), stream && recovery != StreamRecovery::Error);
        if let Some(timeout) = request.timeout {
            rules.timeouts.total = Duration::from_secs_f64(timeout);
        }
        if let Some(patience) = relay.as_ref().and_then(|relay| relay.patience) {
            rules.timeouts.total = rules.timeouts.total.min(patience);
        }
        let leaves = |fields: &JsonMap| fields.contains_key("store") || fields.contains_key("background");
        if leaves(&request.extra) || request.provider_options.values().any(leaves) {
            // What leaves something behind at a vendor is not done twice for speed.
            rules.hedge = None;
        }
        let demand = Demand::of_chat(&request);
        let job = Job::Chat(Arc::new(request));
        let mut run = Self::start(world, &route, job, how, rules, &demand);
        run.recovery = recovery;
        run.relay = relay.map(Arc::new);
        Ok(run)
    }

    /// Begins a request on a route. `stream` in the event is what the caller gets, not how it is fetched.
    pub(super) fn start(
        world: Arc<World>,
        route: &PreparedRoute,
        job: Job,
        how: How,
        rules: Rules,
        demand: &Demand,
    ) -> Self {
        world.warm(route);
        world.keep_catalog();
        let now = world.clock.now();
        let (number, seed) = world.number();
        let (plan, targets) = world.plan(route, demand, seed);
        count(&world, &rules, &plan, now);
        world.in_flight.fetch_add(1, Ordering::Relaxed);
        world.tell(Some(number), || What::RequestStarted {
            route: route.route.name.clone(),
            stream: matches!(how, How::Stream(_)),
        });
        Self {
            total: rules.timeouts.total,
            machine: Machine::new(plan, rules, now, seed),
            job,
            targets,
            recovery: route.route.stream_recovery,
            book: Book::open(now),
            how,
            relay: None,
            number,
            seed,
            decided: None,
            over: false,
            world,
        }
    }

    /// Goes on with the next part of a request whose last part was answered, within the same deadline.
    pub(super) fn next_part(&mut self, route: &PreparedRoute, job: Job, mut rules: Rules, demand: &Demand) {
        let now = self.world.clock.now();
        let deadline = self.book.began() + self.total;
        rules.timeouts.total = deadline - now;
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let (plan, targets) = self.world.plan(route, demand, self.seed);
        count(&self.world, &rules, &plan, now);
        self.machine = Machine::new(plan, rules, now, self.seed);
        self.targets = targets;
        self.job = job;
    }

    /// Does what the machine says until something answers.
    pub(super) async fn drive(&mut self, resume: Option<&Resume>) -> Result<Answered, Error> {
        loop {
            let now = self.world.clock.now();
            match self.world.decide(|admission| self.machine.next(now, admission)) {
                Step::Start(start, permit) => {
                    let ticket = self.ticket(&start, *permit, false);
                    match Box::pin(self.race(start, ticket, resume)).await {
                        Ok(answered) => return Ok(answered),
                        Err(failed) => {
                            let Failed {
                                start,
                                ticket,
                                failure,
                            } = *failed;
                            self.failed(&start, ticket, failure, false);
                        }
                    }
                }
                Step::Refuse { index, refusal } => self.refused(index, &refusal),
                Step::Wait(until) => {
                    self.tell(|| What::Waiting {
                        seconds: (until - now).as_secs_f64(),
                    });
                    self.world.clock.sleep_until(until).await;
                }
                Step::Finish(ending) => return Err(self.error(ending)),
            }
        }
    }

    pub(super) fn tell(&self, what: impl FnOnce() -> What) {
        self.world.tell(Some(self.number), what);
    }

    fn ticket(&self, start: &Start, permit: Permit, hedge: bool) -> Ticket {
        let target = self.targets.get(start.index);
        let quote = self.machine.quote(start.index);
        let way = (self.how.streams(), hedge);
        Ticket::open(&self.world, self.number, target, quote, (start, permit), way)
    }

    /// Makes an attempt, and a second one beside it where the first is slow and the route hedges.
    async fn race(
        &mut self,
        start: Start,
        mut ticket: Ticket,
        resume: Option<&Resume>,
    ) -> Result<Answered, Box<Failed>> {
        let hedge_at = match self.machine.hedges() {
            true => {
                let now = self.world.clock.now();
                self.world
                    .decide(|admission| self.machine.hedge_at(&start, now, admission))
            }
            false => None,
        };
        let (world, job) = (Arc::clone(&self.world), self.job.clone());
        let relay = self.relay.clone();
        let Some(target) = self.targets.get(start.index).cloned() else {
            return Err(no_target(start, ticket));
        };
        let wanted = Wanted {
            how: self.how,
            resume,
            relay: relay.as_deref(),
            verbatim: self.recovery != StreamRecovery::Continue || !matches!(self.how, How::Stream(_)),
        };
        let Some(at) = hedge_at else {
            let result = attempt(&world, &target, &start, &job, wanted, &mut ticket).await;
            return ended(start, ticket, result);
        };
        let mut first = Box::pin(attempt(&world, &target, &start, &job, wanted, &mut ticket));
        let early = tokio::select! {
            biased;
            result = &mut first => Some(result),
            () = world.clock.sleep_until(at) => None,
        };
        if let Some(result) = early {
            drop(first);
            return ended(start, ticket, result);
        }
        let Some((other, mut racer, rival)) = self.second(&start) else {
            let result = first.await;
            return ended(start, ticket, result);
        };
        let mut second = Box::pin(attempt(&world, &rival, &other, &job, wanted, &mut racer));
        let one = tokio::select! {
            biased;
            result = &mut first => Side::First(result),
            result = &mut second => Side::Second(result),
        };
        // Who loses is booked at once: what it failed with may close a key, or a breaker, that others wait for.
        match one {
            Side::First(Ok(answer)) => {
                drop((first, second));
                self.raced(&other, racer, None);
                ended(start, ticket, Ok(answer))
            }
            Side::Second(Ok(answer)) => {
                drop((first, second));
                self.raced(&start, ticket, None);
                ended(other, racer, Ok(answer))
            }
            Side::First(Err(failure)) => {
                drop(first);
                self.raced(&start, ticket, Some(failure));
                let result = second.await;
                ended(other, racer, result)
            }
            Side::Second(Err(failure)) => {
                drop(second);
                self.raced(&other, racer, Some(failure));
                let result = first.await;
                ended(start, ticket, result)
            }
        }
    }

    /// A second attempt, if there may be one.
    fn second(&mut self, start: &Start) -> Option<(Start, Ticket, Arc<PreparedTarget>)> {
        let now = self.world.clock.now();
        let (other, permit) = self
            .world
            .decide(|admission| self.machine.hedge(now, start, admission))?;
        let ticket = self.ticket(&other, permit, true);
        Some((other, ticket, self.targets.get(other.index).cloned()?))
    }

    /// Books an attempt that failed, or was left, while another one goes on.
    fn raced(&mut self, start: &Start, ticket: Ticket, failure: Option<Failure>) {
        let renewed = failure.as_ref().is_some_and(|failure| {
            failure.class == FailureClass::Authentication
                && self.world.renew(start.key, ticket.notes.secret())
        });
        let now = self.world.clock.now();
        let verdict = self.machine.raced(start, failure.as_ref());
        if self.machine.is_last() {
            self.decided.clone_from(&failure);
        }
        match failure {
            Some(failure) => {
                let closed = ticket.failed(&failure, renewed);
                self.enter(
                    start.index,
                    closed,
                    Outcome::Failed(failure),
                    (&verdict, true),
                    now,
                );
            }
            None if mutant::on(Mutant::LoserUnbooked) => drop(ticket.left()),
            None => {
                let closed = ticket.left();
                self.enter(start.index, closed, Outcome::Cancelled, (&verdict, true), now);
            }
        }
    }

    /// Books a failure and what the machine decides, and gives that.
    pub(super) fn failed(
        &mut self,
        start: &Start,
        ticket: Ticket,
        failure: Failure,
        delivered: bool,
    ) -> Next {
        let renewed = failure.class == FailureClass::Authentication
            && self.world.renew(start.key, ticket.notes.secret());
        let closed = ticket.failed(&failure, renewed);
        let now = self.world.clock.now();
        let verdict = self.world.decide(|admission| {
            self.machine
                .failed(now, start, &failure, delivered, renewed, admission)
        });
        self.enter(
            start.index,
            closed,
            Outcome::Failed(failure),
            (&verdict, true),
            now,
        );
        verdict.next
    }

    fn enter(
        &mut self,
        index: usize,
        closed: Closed,
        outcome: Outcome,
        (verdict, called): (&Verdict, bool),
        now: Moment,
    ) {
        let Some(target) = self.targets.get(index) else {
            return;
        };
        if let Some(attempt) = self.book.enter(target, closed, outcome, verdict, now) {
            self.world.tell(Some(self.number), || told(attempt, called));
        }
    }

    fn refused(&mut self, index: usize, refusal: &Refusal) {
        let now = self.world.clock.now();
        let fingerprint = refusal.key.and_then(|key| self.world.fingerprint(key));
        if refusal.by == RefusedBy::Parked
            && refusal.class == FailureClass::Authentication
            && let Some(key) = refusal.key
            && self.world.renew(key, fingerprint.as_deref())
        {
            return;
        }
        let Some(target) = self.targets.get(index) else {
            return;
        };
        let (class, message) = match refusal.by {
            RefusedBy::NoKey => (FailureClass::Authentication, self.world.missing_keys(target)),
            _ => (refusal.class, not_called(refusal, now)),
        };
        let mut failure = Failure::new(class, Phase::Encode, message);
        failure.retry_after = refusal.until.map(|until| until - now);
        failure.status = refusal.status;
        let notes = Notes {
            started: now,
            key: fingerprint,
            ..Notes::default()
        };
        let verdict = self.machine.refused(now, index, refusal);
        let outcome = Outcome::Failed(failure);
        self.enter(index, Closed::unsent(notes), outcome, (&verdict, false), now);
    }

    /// The reply, `completion` being the whole answer.
    pub(super) fn reply(
        mut self,
        start: &Start,
        ticket: Ticket,
        completion: Completion,
        spans: Vec<Span>,
    ) -> Result<Reply, Error> {
        let used = match ticket.notes.continues {
            // What the attempt itself used, not what the whole answer did.
            true => ticket.notes.usage,
            false => completion.usage,
        };
        let (target, now) = self.answered(start, ticket, &used)?;
        let book = std::mem::replace(&mut self.book, Book::open(now));
        let created = self.world.clock.unix_seconds(now);
        let reply = book.reply(&target, completion, spans, now, created);
        self.finish("ok", Some(&reply.target), &reply.trail, reply.elapsed);
        Ok(reply)
    }

    /// Books an answer; gives the target that gave it, and the time.
    pub(super) fn answered(
        &mut self,
        start: &Start,
        ticket: Ticket,
        used: &Usage,
    ) -> Result<(Arc<PreparedTarget>, Moment), Error> {
        let now = self.world.clock.now();
        let Some(target) = self.targets.get(start.index).cloned() else {
            return Err(Error::internal(
                "an answer came from a target that is not in the plan",
            ));
        };
        let closed = ticket.answered(used);
        let verdict = Verdict {
            next: Next::Finish,
            reason: "answered",
            wait: Duration::ZERO,
        };
        self.enter(start.index, closed, Outcome::Answered, (&verdict, true), now);
        Ok((target, now))
    }

    pub(super) fn error(&mut self, ending: Ending) -> Error {
        let trail = self.book.take_trail();
        // What came of the attempt that raced it, when it is over, says less.
        let decided = self.decided.take().filter(|_| ending == Ending::Failed);
        let mut last = decided.or_else(|| trail.iter().rev().find_map(Attempt::failure).cloned());
        if let Some(last) = last.as_mut().filter(|last| last.class == FailureClass::Connect)
            && self.world.local_network_down()
        {
            last.message.push_str(
                "; no provider could be reached of late, so it may be this machine's own network that is down",
            );
        }
        let error = match (last, ending) {
            (None, _) | (_, Ending::DeadlineExceeded) => {
                deadline_error(self.total, self.machine.untried(), trail)
            }
            (Some(last), Ending::Failed | Ending::Interrupted) => Error::failed(last, trail),
            (Some(last), Ending::AllTargetsFailed | Ending::AttemptsExhausted) => {
                Error::all_targets_failed(last, trail, self.machine.untried())
            }
        };
        let now = self.world.clock.now();
        let elapsed = (now - self.book.began()).as_secs_f64();
        let code = match ending {
            Ending::Interrupted => ErrorKind::StreamInterrupted.as_str(),
            _ => error.code(),
        };
        self.finish(code, None, error.trail(), elapsed);
        error
    }

    /// The request is over, and those who listen are told so.
    pub(super) fn finish(&mut self, code: &str, target: Option<&str>, trail: &[Attempt], elapsed: f64) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        self.world.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.tell(|| What::RequestEnded {
            code: code.to_owned(),
            target: target.map(str::to_owned),
            attempts: trail.len(),
            elapsed,
            cost: crate::types::cost(trail),
        });
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if !self.over {
            let elapsed = (self.world.clock.now() - self.book.began()).as_secs_f64();
            let trail = self.book.take_trail();
            self.finish("cancelled", None, &trail, elapsed);
        }
    }
}

/// Counts a request, or a part of one, as traffic that retries and hedges may be a share of.
fn count(world: &World, rules: &Rules, plan: &[PlannedTarget], now: Moment) {
    let cost = plan.first().and_then(|planned| planned.quote.worst());
    world.decide(|admission| {
        admission.retries.request(rules.route, cost, now);
        if let Some(hedge) = rules.hedge.filter(|_| rules.stream) {
            admission.hedges.request(rules.route, hedge.share, cost);
        }
    });
}

/// Which of two attempts came to something first, and to what.
enum Side {
    First(Result<Answer, Failure>),
    Second(Result<Answer, Failure>),
}

fn ended(start: Start, ticket: Ticket, result: Result<Answer, Failure>) -> Result<Answered, Box<Failed>> {
    match result {
        Ok(answer) => Ok(Answered {
            start,
            ticket,
            answer,
        }),
        Err(failure) => Err(Box::new(Failed {
            start,
            ticket,
            failure,
        })),
    }
}

fn no_target(start: Start, ticket: Ticket) -> Box<Failed> {
    Box::new(Failed {
        start,
        ticket,
        failure: Failure::new(FailureClass::InvalidRequest, Phase::Encode, "no such target"),
    })
}
