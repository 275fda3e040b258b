//! The vendors: a transport that answers from the swarm, and writes down what it saw.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use hotspare::transport::{
    Body, Exchange, HttpRequest, HttpResponse, Transport, TransportError, TransportErrorKind,
};
use hotspare::types::DialectId;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::time::Sleep;

use crate::faults::{Error, Fault, Lesson};
use crate::invariants;
use crate::ledger::{Attempt, Books, End, Key, Ledger, open};
use crate::render::{self, Answer, Sent, Step};
use crate::world::{CANARY, LONGEST_WAIT, Ms, PROMPT, Scope};

/// All vendors of a seed.
pub(crate) struct Vendors(pub(crate) Books);

impl Transport for Vendors {
    fn send(&self, request: HttpRequest) -> Exchange {
        let (serial, play) = open(&self.0).receive(&request);
        let seat = Seat {
            books: self.0.clone(),
            serial,
        };
        Box::pin(exchange(seat, play, request.connect_timeout))
    }
}

/// What an exchange is going to be.
struct Play {
    /// Milliseconds before anything else.
    wait: Ms,
    /// How making the connection goes.
    connect: Connect,
    status: u16,
    headers: HeaderMap,
    steps: VecDeque<Step>,
}

enum Connect {
    Made,
    Fails(&'static str),
    Hangs,
    /// Made, and lost before the head.
    Lost,
    /// Made, and then silence.
    Silent,
}

impl Ledger {
    /// A request came.
    fn receive(&mut self, request: &HttpRequest) -> (u32, Play) {
        let now = self.now();
        let serial = u32::try_from(self.attempts.len()).unwrap_or(u32::MAX);
        let host = request.url.host_str().unwrap_or_default();
        let call = number_after(&request.body, PROMPT).unwrap_or(u32::MAX);
        let (target, key) = invariants::origin(self, request, host).unwrap_or_else(|found| {
            self.judge(25, Some(call), Err(found));
            (0, None)
        });
        let stream = request
            .headers
            .get(header::ACCEPT)
            .is_some_and(|accept| accept == "text/event-stream");
        let fault = self.fault(target, key, now);
        let mut attempt = Attempt {
            call,
            target,
            key,
            at: now,
            fault,
            stream,
            reached: true,
            status: 200,
            asked: None,
            lesson: Lesson::Other,
            learnt: false,
            ended: now,
            end: End::Open,
            tokens: self.rng.u32(1..=20),
            sent: 0,
            generated: 0,
            generation: 0,
            terminal: false,
            counted: false,
            bytes: 0,
            // No fewer than a token for eight bytes of the prompt, and no more than one for each.
            input: self.rng.u64(8..24),
            bill: 0.0,
        };
        let play = self.play(&mut attempt, serial, now);
        self.note(&format!(
            "call {call} attempt {serial} at {} key {key:?} meets {fault:?}",
            self.world.targets[target].name
        ));
        let name = fault.map_or_else(|| "none".to_owned(), Fault::name);
        *self.faults.entry(name).or_default() += 1;
        self.attempts.push(attempt);
        invariants::received(self, serial);
        if let Some(call) = self.calls.get_mut(call as usize) {
            call.attempts.push(serial);
            call.open += 1;
        }
        (serial, play)
    }

    /// What goes wrong with an exchange that begins now.
    fn fault(&mut self, target: usize, key: Option<Key>, now: Ms) -> Option<Fault> {
        if let Some(key) = key {
            // After the healing a secret works that no client has been told is refused: a call of one attempt could
            // not learn of it and succeed.
            let refused = match self.healed {
                true => self.refused.contains_key(&key),
                false => self.revoked.contains_key(&key) || key.2 != self.generations[key.0][key.1],
            };
            if refused {
                return Some(Fault::Error(Error::Key401));
            }
        }
        if self.healed {
            return None;
        }
        let vendor = self.world.targets[target].vendor;
        let domain = self.world.vendors[vendor].domain;
        let mut fault = None;
        for episode in &self.world.episodes {
            let struck = now >= episode.from
                && now < episode.until
                && match episode.scope {
                    Scope::Everyone => true,
                    Scope::Domain(of) => of == domain,
                    Scope::Vendor(of) => of == vendor,
                    Scope::Target(of) => of == target,
                    Scope::Key(of, slot) => key.is_some_and(|key| (key.0, key.1) == (of, slot)),
                };
            if struck && fault.is_none() && !episode.faults.is_empty() && self.rng.f64() < episode.share {
                fault = Some(episode.faults[self.rng.usize(..episode.faults.len())]);
            }
        }
        if fault.is_none() && self.rng.f64() < self.world.background {
            fault = Some(Fault::ALL[self.rng.usize(..Fault::ALL.len())]);
        }
        let fault = fault.filter(|fault| !fault.heavy() || self.rng.f64() < 0.01);
        // A key that stands in the config itself can never be replaced, so that a refusal would be for good.
        let lasting = matches!(fault, Some(Fault::Error(Error::Key401 | Error::Forbidden403)));
        let fault = fault.filter(|_| !lasting || (key.is_some() && self.world.vendors[vendor].renewable));
        fault.or_else(|| {
            self.limited(target, key, now)
                .then_some(Fault::Error(Error::RateLimit))
        })
    }

    /// Whether the vendor's own limiter turns a request away. It takes one request from it otherwise.
    fn limited(&mut self, target: usize, key: Option<Key>, now: Ms) -> bool {
        let vendor = self.world.targets[target].vendor;
        let Some((limit, burst)) = self.world.vendors[vendor].limit else {
            return false;
        };
        let group = self.world.group(vendor, key.map(|key| key.1));
        #[expect(clippy::cast_precision_loss, reason = "limits far below 2^52")]
        let (limit, burst) = (limit as f64, burst as f64);
        let (left, at) = self
            .buckets
            .entry((vendor, group, target))
            .or_insert((burst, now));
        *left = (*left + seconds(now - *at) * limit / 60.0).min(burst);
        *at = now;
        let over = *left < 1.0;
        if !over {
            *left -= 1.0;
        }
        over
    }

    fn play(&mut self, attempt: &mut Attempt, serial: u32, now: Ms) -> Play {
        let dialect = self.dialect(attempt.target);
        let vendor = self.world.targets[attempt.target].vendor;
        // After the healing vendors are quick, so that no timer of any route can run out.
        let (least, most) = if self.healed { (1, 5) } else { self.world.head };
        let pace = if self.healed { 0 } else { self.world.pace };
        let mut play = Play {
            wait: self.rng.u64(least..=most),
            connect: Connect::Made,
            status: 200,
            headers: HeaderMap::new(),
            steps: VecDeque::new(),
        };
        let answer = Answer {
            dialect,
            call: attempt.call,
            serial,
            tokens: attempt.tokens,
            input: attempt.input,
            counts: self.world.vendors[vendor].counts && attempt.fault != Some(Fault::NoCounts),
            pace,
        };
        match attempt.fault {
            Some(Fault::Dns) => play.connect = Connect::Fails("dns error"),
            Some(Fault::Refused) => play.connect = Connect::Fails("connection refused"),
            Some(Fault::Tls) => play.connect = Connect::Fails("invalid peer certificate: Expired"),
            Some(Fault::ConnectHangs) => play.connect = Connect::Hangs,
            Some(Fault::ResetBeforeHead) => play.connect = Connect::Lost,
            Some(Fault::HangBeforeHead) => play.connect = Connect::Silent,
            Some(Fault::Error(Error::Filtered)) if dialect == DialectId::Gemini => {
                attempt.lesson = Lesson::Filtered;
                play.steps = render::blocked(attempt.stream);
            }
            Some(Fault::Error(error)) => self.refuse(attempt, error, now, &mut play),
            Some(Fault::ErrorStalls) => {
                self.refuse(attempt, Error::Busy503, now, &mut play);
                play.steps.push_back(Step::Hang);
            }
            Some(Fault::EndlessError) => {
                play.status = 500;
                play.steps = render::endless_error();
            }
            Some(Fault::Html) => {
                play.steps.push_back(html());
            }
            Some(Fault::Redirect) => {
                play.status = 307;
                let evil = HeaderValue::from_static("http://evil.sim/v1");
                play.headers.insert(header::LOCATION, evil);
            }
            Some(Fault::Nothing) => {}
            fault => {
                if fault == Some(Fault::SlowHead) {
                    play.wait += self.rng.u64(1_000..60_000);
                }
                play.steps = match attempt.stream {
                    true => answer.stream(fault, &mut self.rng),
                    false => answer.whole(fault, &mut self.rng),
                };
                if !attempt.stream {
                    // A whole reply takes as long as its tokens do.
                    play.wait += self.rng.u64(..=pace * u64::from(attempt.tokens));
                }
            }
        }
        self.tell_limit(attempt, &mut play.headers);
        attempt.status = play.status;
        attempt.reached = !matches!(play.connect, Connect::Fails(_) | Connect::Hangs);
        play
    }

    /// Headers that tell of the vendor's limit, in its own words. (Gemini has none.)
    fn tell_limit(&self, attempt: &Attempt, headers: &mut HeaderMap) {
        let vendor = self.world.targets[attempt.target].vendor;
        let known = &self.world.vendors[vendor];
        let (Some((limit, _)), true) = (known.limit, known.limit_told) else {
            return;
        };
        let group = self.world.group(vendor, attempt.key.map(|key| key.1));
        let bucket = self.buckets.get(&(vendor, group, attempt.target));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small count that is never negative"
        )]
        let left = bucket.map_or(0, |(left, _)| *left as u64);
        let (of, rest) = match known.dialect {
            DialectId::OpenaiChat => ("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests"),
            DialectId::AnthropicMessages => (
                "anthropic-ratelimit-requests-limit",
                "anthropic-ratelimit-requests-remaining",
            ),
            _ => return,
        };
        headers.insert(of, HeaderValue::from(limit));
        // Nothing left reads as a wait on errors that are none of the limit's.
        headers.insert(rest, HeaderValue::from(left.max(1)));
    }

    /// A response head was read, and with it what it told of limits.
    fn headed(&mut self, serial: u32) {
        let now = self.now();
        let attempt = &self.attempts[serial as usize];
        let vendor = self.world.targets[attempt.target].vendor;
        let known = &self.world.vendors[vendor];
        let speaks = known.dialect != DialectId::Gemini;
        if let (Some((limit, _)), true, true) = (known.limit, known.limit_told, speaks) {
            let group = self.world.group(vendor, attempt.key.map(|key| key.1));
            let scope = (vendor, group, attempt.target);
            self.learnt.entry(scope).or_insert((limit, now));
        }
    }

    /// An error status, its body, and perhaps a wait.
    fn refuse(&mut self, attempt: &mut Attempt, error: Error, now: Ms, play: &mut Play) {
        let dialect = self.dialect(attempt.target);
        play.status = error.status(dialect);
        attempt.lesson = error.lesson();
        let body = error.body(dialect).to_string();
        play.steps.push_back(Step::Send(Sent {
            bytes: body.into(),
            ..Sent::default()
        }));
        if error.may_ask_to_wait() && self.rng.f64() < 0.7 {
            let wait = match self.rng.u8(..10) {
                0 => 0,
                1..=5 => self.rng.u64(1..2_000),
                6..=8 => self.rng.u64(2_000..30_000),
                _ => self.rng.u64(30_000..=LONGEST_WAIT),
            };
            if self.rng.bool() {
                play.headers.insert("retry-after-ms", HeaderValue::from(wait));
                attempt.asked = Some(wait);
            } else {
                let whole = wait.div_ceil(1_000);
                play.headers.insert(header::RETRY_AFTER, HeaderValue::from(whole));
                attempt.asked = Some(whole * 1_000);
            }
        }
        if let (Lesson::Key, Some(key)) = (attempt.lesson, attempt.key)
            && key.2 == self.generations[key.0][key.1]
            && self.revoked.insert(key, now).is_none()
        {
            // A person sees it and puts a new key in its place some time later.
            let later = now + self.rng.u64(1_000..60_000);
            self.rotations.push((later, key.0, key.1));
        }
    }

    /// The vendor sent bytes.
    fn sent(&mut self, serial: u32, sent: &Sent) {
        let attempt = &mut self.attempts[serial as usize];
        attempt.bytes += sent.bytes.len() as u64;
        if sent.anew {
            attempt.generation += 1;
            attempt.sent = 0;
        }
        attempt.sent += sent.tokens;
        attempt.generated += sent.tokens;
        attempt.terminal |= sent.terminal;
        attempt.counted |= sent.counts;
        attempt.learnt |= sent.refusal;
    }

    /// An exchange is over.
    fn over(&mut self, serial: u32, end: End) {
        let now = self.now();
        let dialect = self.dialect(self.attempts[serial as usize].target);
        let attempt = &mut self.attempts[serial as usize];
        if attempt.end != End::Open {
            return;
        }
        attempt.end = end;
        attempt.ended = now;
        attempt.learnt |= end == End::Complete;
        let (call, target, key) = (attempt.call, attempt.target, attempt.key);
        let (lesson, asked) = (attempt.lesson, attempt.asked);
        let billed = attempt.reached && attempt.status < 400 && attempt.status != 307;
        // Anthropic counts the prompt, and a first token, before it says anything.
        let told = dialect == DialectId::AnthropicMessages && attempt.stream && attempt.bytes > 0;
        let worked =
            told || attempt.generated > 0 || matches!(end, End::Left | End::Reset) || attempt.terminal;
        let vendor = &self.world.vendors[self.world.targets[target].vendor];
        // Where the answer was whole, or the vendor goes on though nobody listens, all of it is billed.
        // Of an answer that began anew a vendor counts the last beginning; one that counts nothing bills all of it.
        let whole = attempt.terminal && (attempt.counted || attempt.generation == 0);
        let output = if whole || (vendor.burns && end == End::Left) {
            attempt.tokens
        } else {
            attempt.generated
        };
        let input = attempt.input;
        let learnt = attempt.learnt;
        if billed && worked {
            self.attempts[serial as usize].bill = self.price(
                target,
                input,
                (u64::from(output) * render::WEIGHT).max(u64::from(told)),
            );
        }
        if learnt && let Some(key) = key {
            match (lesson, asked) {
                (Lesson::Key, _) => {
                    self.refused.insert(key, now);
                }
                (Lesson::Limit, Some(asked)) => {
                    let scope = self.gate(key, target);
                    let until = self.gates.entry(scope).or_default();
                    *until = (*until).max(now + asked);
                }
                _ => {}
            }
        }
        self.note(&format!("attempt {serial} ends {end:?}"));
        invariants::ended(self, serial);
        if let Some(call) = self.calls.get_mut(call as usize) {
            call.open -= 1;
        }
    }
}

fn html() -> Step {
    Step::Send(Sent {
        bytes: Bytes::from_static(b"<!DOCTYPE html><html><body>Sorry</body></html>"),
        ..Sent::default()
    })
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds far below 2^52")]
fn seconds(ms: Ms) -> f64 {
    ms as f64 / 1e3
}

/// The number that follows `word` and a space in a body.
fn number_after(body: &[u8], word: &str) -> Option<u32> {
    let at = memchr::memmem::find(body, word.as_bytes())? + word.len() + 1;
    let digits = body.get(at..)?.iter().take_while(|byte| byte.is_ascii_digit());
    let text: String = digits.map(|byte| char::from(*byte)).collect();
    text.parse().ok()
}

/// The secret in a request's headers, wherever it stands.
pub(crate) fn secret(headers: &HeaderMap) -> Option<&str> {
    headers.values().find_map(|value| {
        let text = value.to_str().ok()?;
        text.find(CANARY).and_then(|at| text.get(at..))
    })
}

/// One place at a vendor. Leaving it is seen.
struct Seat {
    books: Books,
    serial: u32,
}

impl Seat {
    fn over(&self, end: End) {
        open(&self.books).over(self.serial, end);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.over(End::Left);
    }
}

fn broken(kind: TransportErrorKind, message: &str) -> TransportError {
    TransportError {
        kind,
        message: message.to_owned(),
    }
}

async fn exchange(seat: Seat, play: Play, connect: Duration) -> Result<HttpResponse, TransportError> {
    match play.connect {
        Connect::Fails(why) => {
            tokio::time::sleep(Duration::from_millis(play.wait.min(20))).await;
            seat.over(End::Unmade);
            return Err(broken(TransportErrorKind::Connect, why));
        }
        Connect::Hangs => {
            tokio::time::sleep(connect).await;
            seat.over(End::Unmade);
            return Err(broken(TransportErrorKind::Connect, "connecting timed out"));
        }
        Connect::Lost => {
            tokio::time::sleep(Duration::from_millis(play.wait)).await;
            seat.over(End::Reset);
            return Err(broken(TransportErrorKind::Reset, "connection reset by peer"));
        }
        Connect::Silent => std::future::pending().await,
        Connect::Made => tokio::time::sleep(Duration::from_millis(play.wait)).await,
    }
    open(&seat.books).headed(seat.serial);
    Ok(HttpResponse {
        status: StatusCode::from_u16(play.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        headers: play.headers,
        body: Body::new(Speech {
            seat,
            steps: play.steps,
            sleep: None,
        }),
    })
}

/// A body as it is sent.
struct Speech {
    seat: Seat,
    steps: VecDeque<Step>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Stream for Speech {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(sleep) = &mut this.sleep {
                ready!(sleep.as_mut().poll(cx));
                this.sleep = None;
            }
            match this.steps.pop_front() {
                Some(Step::Wait(ms)) => {
                    this.sleep = Some(Box::pin(tokio::time::sleep(Duration::from_millis(ms))));
                }
                Some(Step::Send(sent)) => {
                    open(&this.seat.books).sent(this.seat.serial, &sent);
                    return Poll::Ready(Some(Ok(sent.bytes)));
                }
                Some(Step::Flood(bytes, left)) => {
                    if let Some(left) = left.checked_sub(1) {
                        this.steps.push_front(Step::Flood(bytes.clone(), left));
                    }
                    let sent = Sent {
                        bytes: bytes.clone(),
                        ..Sent::default()
                    };
                    open(&this.seat.books).sent(this.seat.serial, &sent);
                    return Poll::Ready(Some(Ok(bytes)));
                }
                Some(Step::Hang) => {
                    this.steps.push_front(Step::Hang);
                    return Poll::Pending;
                }
                Some(Step::Cut) => {
                    this.seat.over(End::Cut);
                    return Poll::Ready(Some(Err(broken(TransportErrorKind::Body, "connection lost"))));
                }
                None => {
                    this.seat.over(End::Complete);
                    return Poll::Ready(None);
                }
            }
        }
    }
}
