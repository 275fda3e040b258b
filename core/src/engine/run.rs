use std::sync::Arc;
use std::time::Duration;

use super::book::{Book, Notes};
use super::exchange;
use super::stream::{ChatStream, Live};
use super::world::{PreparedRoute, World};
use crate::error::Error;
use crate::limits::KeyId;
use crate::mutant::{self, Mutant};
use crate::policy::{Ending, Machine, Refusal, Start, Step};
use crate::types::{ChatRequest, Completion, Failure, FailureClass, FinishReason, Phase, Reply, Sent};

/// Longest deadline taken from a request.
const MAX_TIMEOUT: f64 = 86_400.0;

/// One request on its way.
pub(super) struct Run {
    pub(super) world: Arc<World>,
    pub(super) route: Arc<PreparedRoute>,
    pub(super) machine: Machine,
    pub(super) book: Book,
}

enum Answer {
    Whole(Box<Completion>),
    Stream(Box<Live>),
}

/// Answers a request whole.
pub(crate) async fn chat(world: Arc<World>, request: ChatRequest) -> Result<Reply, Error> {
    let mut run = Run::begin(world, &request, false)?;
    let (start, notes, answer) = run.drive(&request, false).await?;
    match answer {
        Answer::Whole(completion) => run.reply(&start, notes, *completion),
        Answer::Stream(_) => Err(Error::internal("a whole reply was asked for, and a stream came")),
    }
}

/// Opens a stream: gives it once its first content, or its end, is there.
pub(crate) async fn open(world: Arc<World>, request: ChatRequest) -> Result<ChatStream, Error> {
    let mut run = Run::begin(world, &request, true)?;
    let (start, notes, answer) = run.drive(&request, true).await?;
    match answer {
        Answer::Stream(live) => ChatStream::new(run, start, notes, *live),
        Answer::Whole(_) => Err(Error::internal("a stream was asked for, and a whole reply came")),
    }
}

impl Run {
    fn begin(world: Arc<World>, request: &ChatRequest, stream: bool) -> Result<Self, Error> {
        if request.messages.is_empty() {
            return Err(Error::invalid_request(
                "`messages`: at least one message is needed",
            ));
        }
        if let Some(n) = request.extra.get("n").filter(|n| n.as_u64() != Some(1)) {
            return Err(Error::invalid_request(format!(
                "`n`: expected 1, since a reply holds one answer, found {}",
                Failure::clean(&n.to_string())
            )));
        }
        let route = world.route(request.route.as_deref())?;
        let mut rules = route.rules(stream);
        if let Some(timeout) = request.timeout {
            if !(timeout > 0.0 && timeout <= MAX_TIMEOUT) {
                return Err(Error::invalid_request(format!(
                    "`timeout`: expected seconds above 0 and up to {MAX_TIMEOUT}, found {timeout}"
                )));
            }
            rules.timeouts.total = Duration::from_secs_f64(timeout);
        }
        let now = world.clock.now();
        let fixed = world.seed.filter(|_| !mutant::on(Mutant::JitterUnseeded));
        let seed = fixed.unwrap_or_else(|| fastrand::u64(..));
        if mutant::on(Mutant::PromptLogged) {
            tracing::debug!(prompt = ?request.messages, "a request begins");
        }
        let machine = Machine::new(world.plan(&route), rules, now, seed);
        Ok(Self {
            world,
            route,
            machine,
            book: Book::open(now),
        })
    }

    /// Does what the machine says until something answers.
    async fn drive(&mut self, request: &ChatRequest, stream: bool) -> Result<(Start, Notes, Answer), Error> {
        loop {
            let now = self.world.clock.now();
            let step = {
                let gates = self.world.gates();
                self.machine.next(now, &gates)
            };
            match step {
                Step::Start(start) => {
                    let mut notes = Notes {
                        started: now,
                        ..Notes::default()
                    };
                    match self.attempt(&start, request, stream, &mut notes).await {
                        Ok(answer) => return Ok((start, notes, answer)),
                        Err(failure) => self.failed(&start, notes, failure, false),
                    }
                }
                Step::Refuse { index, refusal, .. } => self.refused(index, &refusal),
                Step::Wait(until) => self.world.clock.sleep_until(until).await,
                Step::Finish(ending) => return Err(self.error(ending)),
            }
        }
    }

    async fn attempt(
        &self,
        start: &Start,
        request: &ChatRequest,
        stream: bool,
        notes: &mut Notes,
    ) -> Result<Answer, Failure> {
        let Some(target) = self.route.targets.get(start.index) else {
            return Err(Failure::new(
                FailureClass::InvalidRequest,
                Phase::Encode,
                "no such target",
            ));
        };
        let body = exchange::open(&self.world, target, start, request, stream, notes).await?;
        if stream {
            let mut live = Live::new(&self.world, target, start, body);
            live.first_content(notes).await?;
            return Ok(Answer::Stream(Box::new(live)));
        }
        let bytes = exchange::whole(&self.world, start, body, notes).await?;
        let completion = target.dialect.decode(&bytes).and_then(checked);
        match completion {
            Ok(completion) => {
                notes.first_content = Some(self.world.clock.now());
                Ok(Answer::Whole(Box::new(completion)))
            }
            Err(mut failure) => {
                failure.phase = Phase::Body;
                failure.status = failure.status.or(notes.status);
                Err(failure)
            }
        }
    }

    /// Books a failure and what the machine decides.
    pub(super) fn failed(&mut self, start: &Start, notes: Notes, failure: Failure, delivered: bool) {
        let now = self.world.clock.now();
        let renewed = failure.class == FailureClass::Authentication
            && self.world.renew(start.key, notes.key.as_deref());
        let verdict = {
            let mut gates = self.world.gates();
            if !renewed && failure.sent != Sent::No {
                gates.note(start.target, start.key, &failure, now);
            }
            self.machine
                .failed(now, start, &failure, delivered, renewed, &gates)
        };
        if matches!(
            failure.class,
            FailureClass::Authentication | FailureClass::QuotaExhausted | FailureClass::ModelNotFound
        ) {
            tracing::warn!(class = %failure.class, status = failure.status, key = notes.key, "needs a person");
        }
        if let Some(target) = self.route.targets.get(start.index) {
            self.book.failed(target, notes, failure, &verdict, now);
        }
    }

    fn refused(&mut self, index: usize, refusal: &Refusal) {
        let now = self.world.clock.now();
        if let Refusal::Closed { key, gate } = refusal
            && gate.class == FailureClass::Authentication
            && self.world.renew(*key, self.fingerprint(refusal).as_deref())
        {
            return;
        }
        let route = Arc::clone(&self.route);
        let Some(target) = route.targets.get(index) else {
            return;
        };
        let (class, message, retry_after, status) = match refusal {
            Refusal::NoKey => (
                FailureClass::Authentication,
                self.world.missing_keys(target),
                None,
                None,
            ),
            Refusal::Closed { gate, .. } => {
                let wait = gate.until.map(|until| until - now);
                let message = wait.map_or_else(
                    || {
                        format!(
                            "not called: its key was refused ({}) and has not changed since",
                            gate.class
                        )
                    },
                    |wait| {
                        format!(
                            "not called: {} before, and to be left alone for {:.1} s more",
                            gate.class,
                            wait.as_secs_f64()
                        )
                    },
                );
                (gate.class, message, wait, gate.status)
            }
        };
        let mut failure = Failure::new(class, Phase::Encode, message);
        failure.retry_after = retry_after;
        failure.status = status;
        let notes = Notes {
            started: now,
            key: self.fingerprint(refusal),
            ..Notes::default()
        };
        let verdict = self.machine.refused(now, index, refusal);
        self.book.failed(target, notes, failure, &verdict, now);
    }

    fn fingerprint(&self, refusal: &Refusal) -> Option<String> {
        let key: KeyId = match refusal {
            Refusal::NoKey => return None,
            Refusal::Closed { key, .. } => *key,
        };
        Some(self.world.key(key)?.ok()?.fingerprint.clone())
    }

    pub(super) fn reply(self, start: &Start, notes: Notes, completion: Completion) -> Result<Reply, Error> {
        let now = self.world.clock.now();
        let Some(target) = self.route.targets.get(start.index) else {
            return Err(Error::internal(
                "an answer came from a target that is not in the plan",
            ));
        };
        Ok(self
            .book
            .answered(target, notes, completion, now, self.world.clock.unix_seconds()))
    }

    fn error(&mut self, ending: Ending) -> Error {
        let now = self.world.clock.now();
        let trail = std::mem::replace(&mut self.book, Book::open(now)).into_trail();
        let last = trail.last().and_then(|attempt| attempt.failure()).cloned();
        let Some(last) = last else {
            return deadline_error(&self.machine, trail);
        };
        match ending {
            Ending::Failed | Ending::Interrupted => Error::failed(last, trail),
            Ending::AllTargetsFailed | Ending::AttemptsExhausted => {
                Error::all_targets_failed(last, trail, self.machine.untried())
            }
            Ending::DeadlineExceeded => deadline_error(&self.machine, trail),
        }
    }
}

fn deadline_error(machine: &Machine, trail: crate::types::Trail) -> Error {
    let total = machine.total().as_secs_f64();
    let left = machine.untried();
    let mut failure = Failure::new(
        FailureClass::Timeout,
        Phase::Head,
        format!("the deadline of {total} s passed with {left} of the plan's targets not tried"),
    );
    failure.sent = trail
        .iter()
        .filter_map(|attempt| attempt.failure())
        .map(|failure| failure.sent)
        .find(|sent| *sent != Sent::No)
        .unwrap_or(Sent::No);
    Error::failed(failure, trail)
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
