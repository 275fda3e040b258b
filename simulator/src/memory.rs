//! The script without sockets: a [`Transport`] for tests under Tokio's paused clock.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use hotspare::transport::{
    self, Body, HttpRequest, HttpResponse, Transport, TransportError, TransportErrorKind,
};
use http::{HeaderValue, StatusCode, header};
use tokio::time::Sleep;

use crate::clock::{self, Clock};
use crate::exchange::Exchange;
use crate::journal::{End, JournalEntry};
use crate::plan::{Action, Framing, Head};
use crate::provider::{Plan, Provider};
use crate::request::Request;
use crate::script::{Script, StreamCode};

/// A [`Transport`] that answers from a script, in process. Its delays are Tokio's, so a paused clock skips them.
///
/// A request goes to the provider its host names: `http://openai.sim/v1` is the base URL of `openai`. Any other host
/// fails to connect. A dropped exchange is written down as one the client left.
#[derive(Debug, Clone)]
pub struct SimTransport {
    providers: Arc<BTreeMap<String, Arc<Provider>>>,
}

impl SimTransport {
    /// Plays the script, whose time begins now. Make it inside the runtime that will use it, so that both share a clock.
    pub fn new(script: Script) -> Self {
        Self {
            providers: Arc::new(providers(script, Clock::start())),
        }
    }

    /// The base URL of a provider; `/v1` whatever its dialect, since only a path's end is looked at.
    pub fn url(provider: &str) -> String {
        format!("http://{provider}.sim/v1")
    }

    /// What every request met: by provider, then in order of arrival.
    pub fn journal(&self) -> Vec<JournalEntry> {
        self.providers
            .values()
            .flat_map(|provider| provider.journal())
            .collect()
    }

    /// What each provider has billed so far, at the script's prices, in US dollars. An exchange is billed when it ends.
    pub fn billed_usd(&self) -> BTreeMap<String, f64> {
        let all = self.providers.iter();
        all.map(|(name, provider)| (name.clone(), provider.billed_usd()))
            .collect()
    }
}

pub(crate) fn providers(script: Script, clock: Clock) -> BTreeMap<String, Arc<Provider>> {
    let seed = script.seed;
    let all = script.providers.into_iter();
    all.map(|(name, script)| {
        let provider = Provider::new(&name, script, seed, clock);
        (name, Arc::new(provider))
    })
    .collect()
}

impl Transport for SimTransport {
    fn send(&self, request: HttpRequest) -> transport::Exchange {
        let host = request.url.host_str().unwrap_or_default();
        let name = host.strip_suffix(".sim").unwrap_or(host);
        let provider = self.providers.get(name).cloned();
        Box::pin(async move {
            let Some(provider) = provider else {
                return Err(broken(
                    TransportErrorKind::Connect,
                    "the script has no provider of that name",
                ));
            };
            exchange(provider, &request).await
        })
    }
}

fn broken(kind: TransportErrorKind, message: &str) -> TransportError {
    TransportError {
        kind,
        message: message.to_owned(),
    }
}

/// What HTTP/2's own word that a request was not looked at comes to.
fn unprocessed() -> TransportError {
    broken(
        TransportErrorKind::Refused,
        "http2 error: the request was not processed",
    )
}

async fn exchange(provider: Arc<Provider>, request: &HttpRequest) -> Result<HttpResponse, TransportError> {
    let target = match request.url.query() {
        Some(query) => Cow::Owned(format!("{}?{query}", request.url.path())),
        None => Cow::Borrowed(request.url.path()),
    };
    let Plan {
        mut exchange,
        actions,
    } = provider.receive(&Request {
        method: request.method.as_str(),
        target: &target,
        header: &|name| request.headers.get(name)?.to_str().ok(),
        body: &request.body,
        unsent: provider.bad_certificate().is_some(),
    });
    let mut actions = VecDeque::from(actions);
    while let Some(action) = actions.pop_front() {
        match action {
            Action::Delay(length) => tokio::time::sleep(length).await,
            Action::Head(head) => {
                exchange.tell();
                return Ok(response(head, actions, exchange));
            }
            Action::Refuse => {
                exchange.end(End::Refused);
                let problem = provider.bad_certificate().unwrap_or("connection refused");
                return Err(broken(TransportErrorKind::Connect, problem));
            }
            Action::GoAway | Action::ResetStream(StreamCode::RefusedStream) => {
                exchange.end(End::Refused);
                return Err(unprocessed());
            }
            Action::Hang => std::future::pending::<()>().await,
            Action::HeadPart(_) | Action::Bytes(..) | Action::Flush | Action::Forever { .. } => {}
            Action::Reset | Action::ResetStream(_) | Action::Close | Action::End => break,
        }
    }
    exchange.end(End::Reset);
    Err(broken(TransportErrorKind::Reset, "connection reset by peer"))
}

fn response(head: Head, actions: VecDeque<Action>, exchange: Exchange) -> HttpResponse {
    let mut headers = head.headers;
    match head.framing {
        Framing::Length(length) => headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length)),
        Framing::Chunked => headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked")),
    };
    HttpResponse {
        status: StatusCode::from_u16(head.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        headers,
        body: Body::new(SimBody {
            actions,
            sleep: None,
            sleeps: false,
            exchange,
        }),
    }
}

/// The rest of the actions, as a body.
struct SimBody {
    actions: VecDeque<Action>,
    /// One timer for all delays.
    sleep: Option<Pin<Box<Sleep>>>,
    sleeps: bool,
    exchange: Exchange,
}

impl SimBody {
    fn pause(&mut self, length: Duration) {
        self.sleeps = true;
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(clock::instant() + length),
            None => self.sleep = Some(Box::pin(tokio::time::sleep(length))),
        }
    }
}

impl Stream for SimBody {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let (true, Some(sleep)) = (this.sleeps, &mut this.sleep) {
                ready!(sleep.as_mut().poll(cx));
                this.sleeps = false;
            }
            match this.actions.pop_front() {
                Some(Action::Delay(length)) => this.pause(length),
                Some(Action::Bytes(bytes, chunks)) => {
                    this.exchange.count(bytes.len(), chunks);
                    // A body whose end is the next thing to do has ended once its last bytes are out.
                    if matches!(this.actions.front(), Some(Action::End)) {
                        this.exchange.end(End::Complete);
                    } else {
                        this.exchange.tell();
                    }
                    return Poll::Ready(Some(Ok(bytes)));
                }
                Some(Action::Forever { every, bytes }) => {
                    this.exchange.count(bytes.len(), 0);
                    this.exchange.tell();
                    this.actions.push_back(Action::Delay(every));
                    this.actions.push_back(Action::Forever {
                        every,
                        bytes: bytes.clone(),
                    });
                    return Poll::Ready(Some(Ok(bytes)));
                }
                Some(Action::Hang) => {
                    this.actions.push_front(Action::Hang);
                    return Poll::Pending;
                }
                Some(
                    Action::Reset | Action::ResetStream(_) | Action::GoAway | Action::Close | Action::Refuse,
                ) => {
                    this.exchange.end(End::Cut);
                    let error = broken(TransportErrorKind::Body, "connection lost in the body");
                    return Poll::Ready(Some(Err(error)));
                }
                Some(Action::End) | None => {
                    this.exchange.end(End::Complete);
                    return Poll::Ready(None);
                }
                Some(Action::Flush | Action::Head(_) | Action::HeadPart(_)) => {}
            }
        }
    }
}
