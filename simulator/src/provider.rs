//! One fake provider: its state, and the pure function from a request to what is done with it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use http::{HeaderMap, HeaderName, header};

use crate::answer::{insert, refusal};
use crate::clock::{Clock, Now};
use crate::errors::{self, Exceeded, VendorError};
use crate::exchange::{Exchange, Meter};
use crate::journal::{End, Journal, JournalEntry, fingerprint, hash};
use crate::limits::Limiter;
use crate::plan::{Action, Answer, Body, Pace};
use crate::render::{Reply, Wire};
use crate::request::{Ask, Endpoint, Request};
use crate::script::{
    Certificate, Dialect, ErrorKind, Fault, Phase, ProviderScript, Step, StreamCode, UsageScript,
};

/// A provider and its state, shared by all its connections.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) name: String,
    pub(crate) script: ProviderScript,
    pub(crate) clock: Clock,
    seed: u64,
    /// What a normal reply uses.
    pub(crate) usage: UsageScript,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    requests: u64,
    /// Chat requests that were let in; the random faults are drawn by it.
    admitted: u64,
    /// Those of them whose exchange goes on.
    under_way: u32,
    step: usize,
    step_uses: u32,
    pub(crate) replayed: [usize; 2],
    limiter: Option<Limiter>,
    journal: Journal,
    pub(crate) rendered: HashMap<(Wire, String), Arc<Body>>,
    /// Input and output tokens billed, journal entries that were dropped included.
    billed: (u64, u64),
}

/// What to do with one request.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) exchange: Exchange,
    pub(crate) actions: Vec<Action>,
}

/// Whether a connection comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Open,
    /// The port is closed.
    Refused,
    /// The connection is there, and is closed in the TLS handshake.
    HandshakeClosed,
}

/// A reply before it is a plan, and what the journal says of it.
struct Settled<'a> {
    answer: Answer,
    step: Option<&'a Step>,
    pace: Pace,
    label: Option<&'a str>,
    under_way: bool,
}

impl Provider {
    pub(crate) fn new(name: &str, script: ProviderScript, seed: u64, clock: Clock) -> Self {
        let limits = script.limits.clone();
        let state = State {
            limiter: limits.map(|limits| Limiter::new(limits, &script.accounts)),
            ..State::default()
        };
        Self {
            name: name.to_owned(),
            seed: seed ^ hash(name.as_bytes()),
            usage: Reply::new(&script.reply, true).usage,
            script,
            clock,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether connections come about at that time.
    pub(crate) fn reach(&self, now: Now) -> Reach {
        let mut phases = self.script.phases.iter();
        let closing = phases.find(|phase| phase.refuses() && phase.covers(now.elapsed));
        match closing.map(|phase| phase.step.fault) {
            _ if self.script.refuse => Reach::Refused,
            Some(Some(Fault::TlsHandshakeClose)) => Reach::HandshakeClosed,
            Some(_) => Reach::Refused,
            None => Reach::Open,
        }
    }

    /// When [`reach`](Self::reach) may next give another answer, since the start.
    pub(crate) fn next_turn(&self, now: Now) -> Option<Duration> {
        let phases = self.script.phases.iter().filter(|phase| phase.refuses());
        let turns = phases.flat_map(|phase| [Some(phase.from.0), phase.until.map(|until| until.0)]);
        turns.flatten().filter(|turn| *turn > now.elapsed).min()
    }

    /// What a client says of a certificate that is not good.
    pub(crate) fn bad_certificate(&self) -> Option<&'static str> {
        match self.script.tls?.certificate {
            Certificate::Good => None,
            Certificate::Expired => Some("invalid peer certificate: Expired"),
            Certificate::WrongHost => Some("invalid peer certificate: NotValidForName"),
            Certificate::UnknownCa => Some("invalid peer certificate: UnknownIssuer"),
        }
    }

    /// Takes the request in, and says what is done with it.
    pub(crate) fn receive(self: &Arc<Self>, request: &Request<'_>) -> Plan {
        let now = self.clock.now();
        let ask = Ask::read(self.script.dialect, request);
        let mut state = self.state();
        state.requests += 1;
        let n = state.requests;
        let accepted = self.accepts(ask.key, now);
        let (mut meter, mut under_way) = (None, false);
        let (actions, status, label) = if self.reach(now) == Reach::Open && !request.unsent {
            let settled = self.settle(&mut state, &ask, accepted, n, now);
            let status = settled.answer.status;
            under_way = settled.under_way;
            meter = self.meter(&settled);
            let actions = settled.answer.actions(settled.step, settled.pace);
            let told = actions.iter().any(|action| matches!(action, Action::Head(_)));
            (actions, told.then_some(status), settled.label.map(str::to_owned))
        } else {
            (vec![Action::Refuse], None, None)
        };
        state.under_way += u32::from(under_way);
        state.journal.push(JournalEntry {
            provider: self.name.clone(),
            n,
            at_ms: now.millis(),
            method: request.method.to_owned(),
            path: ask.path.to_owned(),
            chat: ask.endpoint == Endpoint::Chat,
            model: ask.model.as_deref().map(str::to_owned),
            embed: ask.endpoint == Endpoint::Embed,
            stream: ask.wire.streams(),
            asked: ask.asked,
            key: ask.key.map(|key| fingerprint(key.as_bytes())),
            authorized: accepted,
            status,
            bytes_sent: 0,
            chunks_sent: 0,
            first_byte_ms: None,
            ended_ms: None,
            end: None,
            input_tokens: 0,
            output_tokens: 0,
            billed_usd: 0.0,
            step: label,
        });
        Plan {
            exchange: Exchange::new(Arc::clone(self), n, meter, under_way),
            actions,
        }
    }

    fn accepts(&self, key: Option<&str>, now: Now) -> bool {
        let Some(keys) = &self.script.keys else {
            return true;
        };
        let at = now.elapsed;
        let good = |key: &str| {
            keys.iter().any(|good| {
                good.key == key && at >= good.from.0 && good.until.is_none_or(|until| at < until.0)
            })
        };
        key.is_some_and(good)
    }

    /// What is billed for a reply, if a model is at work on it.
    fn meter(&self, settled: &Settled<'_>) -> Option<Meter> {
        let answer = &settled.answer;
        let unseen = settled.step.is_some_and(|step| {
            matches!(
                step.fault,
                Some(Fault::Refuse | Fault::TlsHandshakeClose | Fault::Goaway)
            ) || step.code == Some(StreamCode::RefusedStream)
        });
        if !answer.generated || unseen {
            return None;
        }
        let usage = answer.body.usage().unwrap_or(self.usage);
        Some(Meter {
            input: usage.input_tokens,
            output: usage.output_tokens,
            chunks: answer.body.chunks(),
            whole: self.script.bills_after_cancel || !answer.wire.streams(),
        })
    }

    fn settle<'a>(
        &'a self,
        state: &mut State,
        ask: &Ask<'_>,
        accepted: bool,
        n: u64,
        now: Now,
    ) -> Settled<'a> {
        let dialect = ask.wire.dialect;
        let model = ask.model.as_deref().unwrap_or_default();
        let mut headers = self.headers(n, now);
        let fixed = |error: VendorError, label: Option<&'a str>, mut headers: HeaderMap| Settled {
            answer: refusal(ask.wire, model, error, &mut headers),
            step: None,
            pace: self.pace(None, 0, 0, n),
            label,
            under_way: false,
        };
        if !accepted {
            let error = if ask.key.is_none() {
                errors::missing_key(dialect)
            } else {
                errors::error(dialect, ErrorKind::Authentication, model, Exceeded::default())
            };
            return fixed(error, Some("keys"), headers);
        }
        match ask.endpoint {
            Endpoint::Models => {
                let phase = self.phase(now).filter(|phase| phase.meets_probes());
                let step = phase.map(|phase| &phase.step);
                return Settled {
                    answer: self.answer(state, ask, step, headers),
                    step,
                    pace: self.pace(step, 0, 0, n),
                    label: phase.map(|phase| phase.step.label.as_str()),
                    under_way: false,
                };
            }
            Endpoint::Other => {
                let mut error = errors::error(dialect, ErrorKind::InvalidRequest, model, Exceeded::default());
                error.status = 404;
                error.say(&format!("the simulator does not serve {}", ask.path));
                return fixed(error, None, headers);
            }
            Endpoint::Chat | Endpoint::Embed => {}
        }
        if !ask.readable {
            let error = errors::error(dialect, ErrorKind::InvalidRequest, model, Exceeded::default());
            return fixed(error, None, headers);
        }
        let usage = match &ask.texts {
            Some(texts) => UsageScript {
                input_tokens: texts.tokens(),
                ..UsageScript::default()
            },
            None => self.usage,
        };
        if let Some(limiter) = &mut state.limiter {
            let tokens = usage.input_tokens.saturating_add(usage.output_tokens);
            let (told, exceeded) = limiter.take(ask.key, tokens, dialect, now);
            headers.extend(told);
            if let Some(exceeded) = exceeded {
                let error = errors::error(dialect, exceeded.kind(), model, exceeded);
                return fixed(error, Some("limits"), headers);
            }
        }
        let stretch = match self.script.load {
            Some(load) => load.stretch(state.under_way),
            None => Some(1.0),
        };
        let Some(stretch) = stretch else {
            let error = errors::error(dialect, ErrorKind::Overloaded, model, Exceeded::default());
            return fixed(error, Some("load"), headers);
        };
        state.admitted += 1;
        let (step, label) = self.step(state, now);
        let answer = self.answer(state, ask, step, headers);
        let (tokens, chunks) = (usage.output_tokens, answer.body.chunks());
        Settled {
            pace: self.pace(step, tokens, chunks, n).stretched(stretch),
            answer,
            step,
            label,
            under_way: true,
        }
    }

    fn pace(&self, step: Option<&Step>, tokens: u64, chunks: u32, n: u64) -> Pace {
        let rng = Rng::with_seed(self.seed.rotate_left(17) ^ n);
        Pace::new(&self.script.latency, step, tokens, chunks, rng)
    }

    /// The phase that is on, outages first.
    fn phase(&self, now: Now) -> Option<&Phase> {
        let mut phases = self.script.phases.iter();
        phases.find(|phase| phase.covers(now.elapsed))
    }

    /// Scripted steps first, then the phase that is on, then chance; and where in the script it is written.
    fn step(&self, state: &mut State, now: Now) -> (Option<&Step>, Option<&str>) {
        if let Some(step) = self.script.steps.get(state.step) {
            state.step_uses += 1;
            if state.step_uses >= step.repeat.unwrap_or(1) {
                state.step += 1;
                state.step_uses = 0;
            }
            return (Some(step), Some(&step.label));
        }
        if let Some(phase) = self.phase(now) {
            return (Some(&phase.step), Some(&phase.step.label));
        }
        let mut rng = Rng::with_seed(self.seed ^ state.admitted.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut random = self.script.random.iter();
        match random.find(|random| rng.f64() < random.probability) {
            Some(random) => (Some(&random.step), Some(&random.step.label)),
            None => (None, None),
        }
    }

    /// The headers every reply has.
    fn headers(&self, n: u64, now: Now) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(8);
        insert(&mut headers, header::DATE, &httpdate::fmt_http_date(now.wall));
        let id = match self.script.dialect {
            Dialect::OpenaiChat | Dialect::OpenaiResponses => "x-request-id",
            Dialect::AnthropicMessages => "request-id",
            Dialect::BedrockConverse => "x-amzn-requestid",
            Dialect::CohereChat => "x-debug-trace-id",
            Dialect::Gemini | Dialect::OllamaChat => return headers,
        };
        insert(
            &mut headers,
            HeaderName::from_static(id),
            &format!("req_sim{n:08}"),
        );
        headers
    }

    /// Tells the journal of an exchange's progress.
    pub(crate) fn sent(&self, n: u64, bytes: u64, chunks: u64) {
        if let Some(entry) = self.state().journal.entry(n) {
            entry.bytes_sent += bytes;
            entry.chunks_sent += chunks;
            if entry.first_byte_ms.is_none() {
                entry.first_byte_ms = Some(self.clock.now().millis());
            }
        }
    }

    /// Tells the journal, the bill and the load of an exchange's end. `counted` are bytes and chunks not told before,
    /// `billed` input and output tokens.
    pub(crate) fn ended(&self, n: u64, counted: (u64, u64), end: End, billed: (u64, u64), under_way: bool) {
        let at = self.clock.now().millis();
        let mut state = self.state();
        state.under_way = state.under_way.saturating_sub(u32::from(under_way));
        state.billed.0 += billed.0;
        state.billed.1 += billed.1;
        if let Some(entry) = state.journal.entry(n) {
            entry.bytes_sent += counted.0;
            entry.chunks_sent += counted.1;
            if end == End::Complete {
                entry.first_byte_ms.get_or_insert(at);
            }
            entry.ended_ms = Some(at);
            entry.end = Some(end);
            (entry.input_tokens, entry.output_tokens) = billed;
            entry.billed_usd = self.script.prices.of(billed.0, billed.1);
        }
    }

    pub(crate) fn journal(&self) -> Vec<JournalEntry> {
        self.state().journal.entries().cloned().collect()
    }

    /// What it billed so far, in US dollars.
    pub(crate) fn billed_usd(&self) -> f64 {
        let (input, output) = self.state().billed;
        self.script.prices.of(input, output)
    }
}
