//! One fake provider: its state, and the pure function from a request to what is done with it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::clock::{Clock, Now};
use crate::errors::{self, Exceeded, VendorError};
use crate::journal::{End, Journal, JournalEntry, fingerprint, hash};
use crate::limits::Limiter;
use crate::plan::{Action, Answer, Body, Pace};
use crate::render::{self, Reply, Shape};
use crate::replay::Recording;
use crate::request::{Ask, Endpoint, Request};
use crate::script::{Dialect, ErrorKind, Fault, ProviderScript, ReplyScript, Step, UsageScript};

/// A provider and its state, shared by all its connections.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) name: String,
    pub(crate) script: ProviderScript,
    pub(crate) clock: Clock,
    seed: u64,
    /// What a normal reply uses.
    usage: UsageScript,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    requests: u64,
    /// Chat requests that were let in; the random faults are drawn by it.
    admitted: u64,
    step: usize,
    step_uses: u32,
    replayed: [usize; 2],
    limiter: Option<Limiter>,
    journal: Journal,
    rendered: HashMap<(Shape, String), Arc<Body>>,
}

/// What to do with one request, and under which number to tell the journal.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) n: u64,
    pub(crate) actions: Vec<Action>,
}

/// A reply before it is a plan, and what the journal says of it.
struct Settled<'a> {
    answer: Answer,
    step: Option<&'a Step>,
    pace: Pace,
    label: Option<String>,
}

impl Provider {
    pub(crate) fn new(name: &str, script: ProviderScript, seed: u64, clock: Clock) -> Self {
        let state = State {
            limiter: script.limits.clone().map(Limiter::new),
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

    /// Whether connections are refused at that time.
    pub(crate) fn refuses(&self, now: Now) -> bool {
        let phases = self.script.phases.iter();
        self.script.refuse
            || phases
                .filter(|phase| phase.refuses())
                .any(|phase| phase_covers(phase, now))
    }

    /// When [`refuses`](Self::refuses) may next give another answer, since the start.
    pub(crate) fn next_turn(&self, now: Now) -> Option<Duration> {
        let phases = self.script.phases.iter().filter(|phase| phase.refuses());
        let turns = phases.flat_map(|phase| [Some(phase.from.0), phase.until.map(|until| until.0)]);
        turns.flatten().filter(|turn| *turn > now.elapsed).min()
    }

    /// Takes the request in, and says what is done with it.
    pub(crate) fn receive(&self, request: &Request<'_>) -> Plan {
        let now = self.clock.now();
        let ask = Ask::read(self.script.dialect, request);
        let mut state = self.state();
        state.requests += 1;
        let n = state.requests;
        let accepted = self.accepts(ask.key);
        let refused = self.refuses(now);
        let (actions, status, label) = if refused {
            (vec![Action::Refuse], None, None)
        } else {
            let settled = self.settle(&mut state, &ask, accepted, n, now);
            let status = settled.answer.status;
            let actions = settled.answer.actions(settled.step, settled.pace);
            let told = actions.iter().any(|action| matches!(action, Action::Head(_)));
            (actions, told.then_some(status), settled.label)
        };
        state.journal.push(JournalEntry {
            provider: self.name.clone(),
            n,
            at_ms: now.millis(),
            method: request.method.to_owned(),
            path: ask.path.to_owned(),
            model: ask.model.as_deref().map(str::to_owned),
            stream: ask.shape.streams(),
            key: ask.key.map(|key| fingerprint(key.as_bytes())),
            authorized: accepted,
            status,
            bytes_sent: 0,
            chunks_sent: 0,
            first_byte_ms: None,
            ended_ms: None,
            end: None,
            step: label,
        });
        Plan { n, actions }
    }

    fn accepts(&self, key: Option<&str>) -> bool {
        let keys = self.script.keys.as_ref();
        keys.is_none_or(|keys| key.is_some_and(|key| keys.iter().any(|good| good == key)))
    }

    fn settle<'a>(
        &'a self,
        state: &mut State,
        ask: &Ask<'_>,
        accepted: bool,
        n: u64,
        now: Now,
    ) -> Settled<'a> {
        let dialect = self.script.dialect;
        let model = ask.model.as_deref().unwrap_or_default();
        let mut label = None;
        let mut headers = self.headers(n, now);
        let fixed = |error: VendorError, label: Option<&str>, mut headers: HeaderMap| Settled {
            answer: refusal(dialect, ask.shape, error, &mut headers),
            step: None,
            pace: self.pace(None, 0, 0, n),
            label: label.map(str::to_owned),
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
                headers.insert(header::CONTENT_TYPE, JSON);
                return Settled {
                    answer: Answer {
                        status: 200,
                        headers,
                        body: Arc::new(Body::whole(render::models(dialect))),
                        dialect,
                        shape: Shape::Whole,
                        generated: false,
                        error: None,
                    },
                    step: None,
                    pace: self.pace(None, 0, 0, n),
                    label: None,
                };
            }
            Endpoint::Other => {
                let mut error = errors::error(dialect, ErrorKind::InvalidRequest, model, Exceeded::default());
                error.status = 404;
                if let Some(message) = error.body.pointer_mut("/error/message") {
                    *message = format!("the simulator does not serve {}", ask.path).into();
                }
                return fixed(error, None, headers);
            }
            Endpoint::Chat => {}
        }
        if !ask.readable {
            let error = errors::error(dialect, ErrorKind::InvalidRequest, model, Exceeded::default());
            return fixed(error, None, headers);
        }
        let usage = self.usage;
        if let Some(limiter) = &mut state.limiter {
            let tokens = usage.input_tokens.saturating_add(usage.output_tokens);
            let (told, exceeded) = limiter.take(ask.key, tokens, dialect, now);
            headers.extend(told);
            if let Some(exceeded) = exceeded {
                let error = errors::error(dialect, ErrorKind::RateLimit, model, exceeded);
                return fixed(error, Some("limits"), headers);
            }
        }
        state.admitted += 1;
        let step = self.step(state, now, &mut label);
        let answer = self.answer(state, ask, step, headers);
        let (tokens, chunks) = (usage.output_tokens, answer.body.chunks());
        Settled {
            pace: self.pace(step, tokens, chunks, n),
            answer,
            step,
            label,
        }
    }

    fn pace(&self, step: Option<&Step>, tokens: u64, chunks: u32, n: u64) -> Pace {
        let rng = Rng::with_seed(self.seed.rotate_left(17) ^ n);
        Pace::new(&self.script.latency, step, tokens, chunks, rng)
    }

    /// Scripted steps first, then the phase that is on, then chance.
    fn step(&self, state: &mut State, now: Now, label: &mut Option<String>) -> Option<&Step> {
        if let Some(step) = self.script.steps.get(state.step) {
            *label = Some(format!("steps[{}]", state.step));
            state.step_uses += 1;
            if state.step_uses >= step.repeat.unwrap_or(1) {
                state.step += 1;
                state.step_uses = 0;
            }
            return Some(step);
        }
        let mut phases = self.script.phases.iter().enumerate();
        if let Some((index, phase)) = phases.find(|(_, phase)| phase_covers(phase, now)) {
            *label = Some(format!("phases[{index}]"));
            return Some(&phase.step);
        }
        let mut rng = Rng::with_seed(self.seed ^ state.admitted.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut random = self.script.random.iter().enumerate();
        let (index, random) = random.find(|(_, random)| rng.f64() < random.probability)?;
        *label = Some(format!("random[{index}]"));
        Some(&random.step)
    }

    /// The headers every reply has.
    fn headers(&self, n: u64, now: Now) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(8);
        insert(&mut headers, header::DATE, &httpdate::fmt_http_date(now.wall));
        let id = match self.script.dialect {
            Dialect::OpenaiChat => "x-request-id",
            Dialect::AnthropicMessages => "request-id",
            Dialect::Gemini => return headers,
        };
        insert(
            &mut headers,
            HeaderName::from_static(id),
            &format!("req_sim{n:08}"),
        );
        headers
    }

    /// The reply to a chat request that was let in.
    fn answer(
        &self,
        state: &mut State,
        ask: &Ask<'_>,
        step: Option<&Step>,
        mut headers: HeaderMap,
    ) -> Answer {
        let dialect = self.script.dialect;
        let fault = step.and_then(|step| step.fault);
        let model = ask.model.as_deref().unwrap_or_default();
        let status = step.and_then(|step| step.status);
        let error = |kind| errors::error(dialect, kind, model, exceeded(step));
        let in_band = fault == Some(Fault::ErrorEvent);
        let kind = step.and_then(|step| step.error);
        let whole = |status, bytes: Bytes, headers| Answer {
            status,
            headers,
            body: Arc::new(Body::whole(bytes)),
            dialect,
            shape: ask.shape,
            generated: false,
            error: None,
        };
        let mut answer = match (fault, step.and_then(|step| step.body.as_ref())) {
            (_, Some(body)) => {
                let (content_type, text) = match body {
                    serde_json::Value::String(text) => (HeaderValue::from_static("text/plain"), text.clone()),
                    json => (JSON, json.to_string()),
                };
                headers.insert(header::CONTENT_TYPE, content_type);
                whole(status.unwrap_or(200), text.into(), headers)
            }
            (Some(Fault::Html), None) => {
                headers.insert(
                    header::CONTENT_TYPE,
                    HeaderValue::from_static("text/html; charset=UTF-8"),
                );
                whole(status.unwrap_or(200), Bytes::from_static(HTML), headers)
            }
            (Some(Fault::Redirect), None) => {
                insert(
                    &mut headers,
                    header::LOCATION,
                    &format!("/_hotspare/redirected{}", ask.path),
                );
                whole(status.unwrap_or(307), Bytes::new(), headers)
            }
            (Some(Fault::ErrorEvent), None) if !ask.shape.streams() => {
                let mut error = error(kind.unwrap_or(ErrorKind::Server));
                error.status = 200;
                refusal(dialect, ask.shape, error, &mut headers)
            }
            (_, None) => match (kind.filter(|_| !in_band), status) {
                (Some(kind), _) => refusal(dialect, ask.shape, error(kind), &mut headers),
                (None, Some(300..=399)) => whole(200, Bytes::new(), headers),
                (None, Some(failing @ 400..)) => {
                    refusal(dialect, ask.shape, error(errors::kind_of(failing)), &mut headers)
                }
                _ => {
                    let mut answer = self.reply(state, ask, step, headers);
                    let kind = kind.unwrap_or(ErrorKind::Server);
                    answer.error = in_band.then(|| error(kind).body);
                    answer
                }
            },
        };
        answer.status = status.unwrap_or(answer.status);
        if let Some(step) = step {
            for (name, value) in &step.headers {
                if let Ok(name) = HeaderName::try_from(name) {
                    insert(&mut answer.headers, name, value);
                }
            }
        }
        answer
    }

    /// A good reply: recorded, or made up.
    fn reply(&self, state: &mut State, ask: &Ask<'_>, step: Option<&Step>, mut headers: HeaderMap) -> Answer {
        let dialect = self.script.dialect;
        let fault = step.and_then(|step| step.fault);
        let over = step.and_then(|step| step.reply.as_ref());
        let terminal = fault != Some(Fault::NoTerminalMarker);
        let model = ask.model.as_deref().unwrap_or_default();
        let mut status = 200;
        let mut content_type = None;
        let body = match self.recording(state, ask).filter(|_| over.is_none()) {
            Some(recording) => {
                status = recording.status;
                content_type.clone_from(&recording.content_type);
                headers.insert(
                    HeaderName::from_static("x-hotspare-fixture"),
                    recording.id_header.clone(),
                );
                Arc::clone(if terminal {
                    &recording.body
                } else {
                    &recording.endless
                })
            }
            None if terminal && over.is_none() => {
                state.rendered(dialect, &self.script.reply, ask.shape, model)
            }
            None => {
                let script = over.map(|over| self.script.reply.overlaid(over));
                let script = script.as_ref().unwrap_or(&self.script.reply);
                Arc::new(rendered(dialect, script, terminal, ask.shape, model))
            }
        };
        let streams = body.streams();
        headers.insert(
            header::CONTENT_TYPE,
            content_type.unwrap_or_else(|| own_content_type(streams, ask.shape)),
        );
        let body = match (fault, streams) {
            (Some(Fault::Empty), true) => Arc::new(Body::stream(Vec::new())),
            (Some(Fault::Empty), false) => Arc::new(Body::whole(Bytes::new())),
            _ => body,
        };
        Answer {
            status,
            headers,
            body,
            dialect,
            shape: ask.shape,
            generated: true,
            error: None,
        }
    }

    /// The recording the model names, else the next of the kind asked for, else the next of the other kind.
    fn recording(&self, state: &mut State, ask: &Ask<'_>) -> Option<&Recording> {
        let all = &self.script.recordings;
        if let Some(named) = all
            .iter()
            .find(|one| ask.model.as_deref() == Some(one.id.as_str()))
        {
            return Some(named);
        }
        let of = |streams: bool| all.iter().filter(move |one| one.body.streams() == streams);
        let asked = ask.shape.streams();
        let kind = if of(asked).next().is_some() { asked } else { !asked };
        let count = of(kind).count().max(1);
        let next = state.replayed.get_mut(usize::from(kind))?;
        let index = *next % count;
        *next = index + 1;
        of(kind).nth(index)
    }

    /// Tells the journal of an exchange's progress.
    pub(crate) fn sent(&self, n: u64, bytes: u64, chunks: u64, end: Option<End>) {
        let at = self.clock.now().millis();
        if let Some(entry) = self.state().journal.entry(n) {
            entry.bytes_sent += bytes;
            entry.chunks_sent += chunks;
            if end.is_none_or(|end| end == End::Complete) {
                entry.first_byte_ms.get_or_insert(at);
            }
            if end.is_some() {
                entry.ended_ms = Some(at);
                entry.end = end;
            }
        }
    }

    pub(crate) fn journal(&self) -> Vec<JournalEntry> {
        self.state().journal.entries().cloned().collect()
    }
}

impl State {
    /// Models a client may name before what was rendered for them is thrown away.
    const MODELS: usize = 256;

    /// The provider's normal reply, rendered once a model and shape.
    fn rendered(&mut self, dialect: Dialect, script: &ReplyScript, shape: Shape, model: &str) -> Arc<Body> {
        let key = (shape, model.to_owned());
        if let Some(body) = self.rendered.get(&key) {
            return Arc::clone(body);
        }
        if self.rendered.len() >= Self::MODELS {
            self.rendered.clear();
        }
        let body = Arc::new(rendered(dialect, script, true, shape, model));
        self.rendered.insert(key, Arc::clone(&body));
        body
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

const HTML: &[u8] = b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head>\n\
    <body><center><h1>502 Bad Gateway</h1></center><hr><center>cloudflare</center></body></html>\n";

fn own_content_type(streams: bool, shape: Shape) -> HeaderValue {
    if streams && shape != Shape::Array {
        HeaderValue::from_static("text/event-stream; charset=utf-8")
    } else {
        JSON
    }
}

fn rendered(dialect: Dialect, script: &ReplyScript, terminal: bool, shape: Shape, model: &str) -> Body {
    let reply = Reply::new(script, terminal);
    if shape.streams() {
        Body::stream(reply.stream(dialect, model, shape))
    } else {
        Body::whole_of(reply.whole(dialect, model), reply.chunks())
    }
}

fn phase_covers(phase: &crate::script::Phase, now: Now) -> bool {
    now.elapsed >= phase.from.0 && phase.until.is_none_or(|until| now.elapsed < until.0)
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

/// What a scripted rate limit says to wait: what the step's own headers say, so that body and headers agree.
fn exceeded(step: Option<&Step>) -> Exceeded {
    let header = |name: &str| {
        let mut headers = step?.headers.iter();
        let (_, value) = headers.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        value.parse::<f64>().ok()
    };
    let seconds = header("retry-after-ms")
        .map(|wait| wait / 1000.0)
        .or_else(|| header("retry-after"));
    let wait = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let default = Exceeded::default();
    Exceeded {
        wait: wait.unwrap_or(default.wait),
        ..default
    }
}

/// An error reply. One that comes with a 200 to a stream is an event of that stream.
fn refusal(dialect: Dialect, shape: Shape, error: VendorError, headers: &mut HeaderMap) -> Answer {
    let mut headers = std::mem::take(headers);
    headers.extend(error.headers);
    let (content_type, body) = if error.status == 200 && shape.streams() {
        let event = render::error_event(dialect, shape, true, &error.body);
        let pieces = vec![render::Piece::frame(event)];
        (own_content_type(true, shape), Body::stream(pieces))
    } else {
        (JSON, Body::whole(error.body.to_string()))
    };
    headers.insert(header::CONTENT_TYPE, content_type);
    Answer {
        status: error.status,
        headers,
        body: Arc::new(body),
        dialect,
        shape,
        generated: false,
        error: None,
    }
}
