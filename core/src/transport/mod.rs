//! The only room that opens sockets. Everything above it sees [`Transport`], so tests swap the network out.

mod probe;
mod reqwest;
mod standby;
mod warmth;

pub use reqwest::HttpTransport;
pub use standby::{Action, Standby, StandbySettings, WarmEndpoint};
pub use warmth::{KeepWarm, Warmth, keep_warm};

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use url::Url;

/// The `User-Agent` of everything we send.
pub(crate) const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("hotspare/", env!("CARGO_PKG_VERSION")));

/// A request ready to go, its key's header in place and marked sensitive.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// POST for everything that is answered by a model; GET, with no body, for what is free.
    pub method: Method,
    /// Where to. The key's origin has been checked against it.
    pub url: Url,
    /// All headers.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Bytes,
    /// How long making the connection may take.
    pub connect_timeout: Duration,
}

/// How an exchange broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportErrorKind {
    /// DNS, TCP or TLS failed: nothing was sent.
    Connect,
    /// The server said that it did not process the request, and never will (HTTP/2 `REFUSED_STREAM`, or a `GOAWAY` whose
    /// last stream came before this one): free to repeat, as gRPC's transparent retries are.
    Refused,
    /// The connection was lost before the whole head had come: the request may have arrived.
    Reset,
    /// The connection was lost, or its framing broke, in the body.
    Body,
}

/// An exchange that broke. The message never holds a URL's query or a header.
#[derive(Debug, Clone)]
pub struct TransportError {
    /// How.
    pub kind: TransportErrorKind,
    /// What the layers below said, joined.
    pub message: String,
}

/// A response whose head has come.
pub struct HttpResponse {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// The rest. Dropping it closes the exchange.
    pub body: Body,
}

/// The bytes of a response, as they come. Dropping it closes the connection, which the other side sees.
pub struct Body(Pin<Box<dyn futures_core::Stream<Item = Result<Bytes, TransportError>> + Send>>);

impl Body {
    /// A body of whatever the stream gives.
    pub fn new(
        stream: impl futures_core::Stream<Item = Result<Bytes, TransportError>> + Send + 'static,
    ) -> Self {
        Self(Box::pin(stream))
    }

    /// The next bytes; None at the end. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<Bytes, TransportError>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Polls for the next bytes.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, TransportError>>> {
        self.0.as_mut().poll_next(cx)
    }
}

/// A boxed future of an exchange.
pub type Exchange = Pin<Box<dyn Future<Output = Result<HttpResponse, TransportError>> + Send>>;

/// Sends one request and gives the response once its head is there. Never retries, never follows a redirect.
/// Dropping the future abandons the exchange.
pub trait Transport: Send + Sync + 'static {
    /// Begins an exchange.
    fn send(&self, request: HttpRequest) -> Exchange;

    /// Whether it keeps connections, so that a free request in time saves a later one the handshake. Default: no.
    fn keeps_connections(&self) -> bool {
        false
    }

    /// The ways out have changed, or are to be looked for anew: no later exchange may use a connection made before, and
    /// host names are resolved again. Exchanges under way are left alone. Default: nothing, for what keeps no connections.
    fn network_changed(&self) {}
}
