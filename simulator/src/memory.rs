//! The script without sockets: a [`Transport`] for tests under Tokio's paused clock.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use hotspare::transport::{
    Body, Exchange, HttpRequest, HttpResponse, Transport, TransportError, TransportErrorKind,
};
use http::{HeaderValue, StatusCode, header};
use tokio::time::Sleep;

use crate::clock::Clock;
use crate::journal::{End, JournalEntry};
use crate::plan::{Action, Framing, Head};
use crate::provider::Provider;
use crate::request::Request;
use crate::script::Script;

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
    fn send(&self, request: HttpRequest) -> Exchange {
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

/// Tells the journal that the client left, unless the exchange has ended otherwise.
struct Guard {
    provider: Arc<Provider>,
    n: u64,
    ended: bool,
}

impl Guard {
    fn end(&mut self, end: End) {
        if !std::mem::replace(&mut self.ended, true) {
            self.provider.sent(self.n, 0, 0, Some(end));
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.end(End::ClientDisconnected);
    }
}

async fn exchange(provider: Arc<Provider>, request: &HttpRequest) -> Result<HttpResponse, TransportError> {
    let target = match request.url.query() {
        Some(query) => format!("{}?{query}", request.url.path()),
        None => request.url.path().to_owned(),
    };
    let plan = provider.receive(&Request {
        method: request.method.as_str(),
        target: &target,
        header: &|name| request.headers.get(name)?.to_str().ok(),
        body: &request.body,
    });
    let mut guard = Guard {
        provider,
        n: plan.n,
        ended: false,
    };
    let mut actions = VecDeque::from(plan.actions);
    while let Some(action) = actions.pop_front() {
        match action {
            Action::Delay(length) => tokio::time::sleep(length).await,
            Action::Head(head) => {
                guard.provider.sent(guard.n, 0, 0, None);
                return Ok(response(head, actions, guard));
            }
            Action::Refuse => {
                guard.end(End::Refused);
                return Err(broken(TransportErrorKind::Connect, "connection refused"));
            }
            Action::Hang => std::future::pending::<()>().await,
            Action::HeadPart(_) | Action::Bytes(..) | Action::Flush | Action::Forever { .. } => {}
            Action::Reset | Action::Close | Action::End => break,
        }
    }
    guard.end(End::Reset);
    Err(broken(TransportErrorKind::Reset, "connection reset by peer"))
}

fn response(head: Head, actions: VecDeque<Action>, guard: Guard) -> HttpResponse {
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
            guard,
        }),
    }
}

/// The rest of the actions, as a body.
struct SimBody {
    actions: VecDeque<Action>,
    sleep: Option<Pin<Box<Sleep>>>,
    guard: Guard,
}

impl SimBody {
    fn sent(&self, bytes: &Bytes, chunks: u32) {
        let guard = &self.guard;
        guard
            .provider
            .sent(guard.n, bytes.len() as u64, u64::from(chunks), None);
    }

    fn pause(&mut self, length: Duration) {
        self.sleep = Some(Box::pin(tokio::time::sleep(length)));
    }
}

impl Stream for SimBody {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(sleep) = &mut this.sleep {
                ready!(sleep.as_mut().poll(cx));
                this.sleep = None;
            }
            match this.actions.pop_front() {
                Some(Action::Delay(length)) => this.pause(length),
                Some(Action::Bytes(bytes, chunks)) => {
                    this.sent(&bytes, chunks);
                    // A body whose end is the next thing to do has ended once its last bytes are out.
                    if matches!(this.actions.front(), Some(Action::End)) {
                        this.guard.end(End::Complete);
                    }
                    return Poll::Ready(Some(Ok(bytes)));
                }
                Some(Action::Forever { every, bytes }) => {
                    this.sent(&bytes, 0);
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
                Some(Action::Reset | Action::Close | Action::Refuse) => {
                    this.guard.end(End::Cut);
                    let error = broken(TransportErrorKind::Body, "connection lost in the body");
                    return Poll::Ready(Some(Err(error)));
                }
                Some(Action::End) | None => {
                    this.guard.end(End::Complete);
                    return Poll::Ready(None);
                }
                Some(Action::Flush | Action::Head(_) | Action::HeadPart(_)) => {}
            }
        }
    }
}
