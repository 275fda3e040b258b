use std::error::Error as StdError;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use reqwest::{Certificate, Client};

use super::{Body, Exchange, HttpRequest, HttpResponse, Transport, TransportError, TransportErrorKind};
use crate::error::Error;

/// How long an unused connection is kept. Shorter than the idle limits of the vendors' edges (60 s and up), since a
/// connection they have closed costs a failed attempt.
const POOL_IDLE: Duration = Duration::from_secs(50);
/// After how much silence an HTTP/2 connection is pinged, in use or idle, and how long the answer may take; what
/// Kubernetes' clients use. An idle one that has died is found by this rather than by the request that needed it.
const H2_PING: Duration = Duration::from_secs(30);
const H2_PONG: Duration = Duration::from_secs(15);
/// After how much silence TCP asks whether the other side is there, and how often; HTTP/1.1 has nothing of its own. Also
/// keeps the entries of home routers and mobile networks alive.
const TCP_KEEPALIVE: Duration = Duration::from_secs(15);

/// [`Transport`] over reqwest: rustls, HTTP/1.1 and HTTP/2, connections kept, no redirects, no retries of its own.
///
/// Host names are resolved by the system's resolver at every new connection; nothing is remembered in between, but a
/// connection in use stays with the address it was made to. [`Transport::network_changed`] is what ends that: reqwest can
/// bound neither age nor address of a connection, so its clients are dropped and built anew, which
/// [`Standby`](super::Standby) asks for every few minutes. Where that is switched off, a connection in constant use lives
/// for as long as its server lets it.
///
/// Certificates are checked by the platform's store; where there is none (slim containers), by Mozilla's roots, bundled.
pub struct HttpTransport {
    extra_roots: Vec<Certificate>,
    /// One client a connect timeout, since reqwest sets that for a whole client. Routes have few.
    clients: Mutex<Vec<(Duration, Client)>>,
}

impl std::fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpTransport")
            .field("extra_roots", &self.extra_roots.len())
            .finish_non_exhaustive()
    }
}

impl HttpTransport {
    /// A transport that trusts the certificate authorities of these PEM files too.
    ///
    /// # Errors
    /// A config error naming the file that cannot be read or holds no certificate.
    pub fn new(extra_roots: &[PathBuf]) -> Result<Self, Error> {
        let mut certificates = Vec::new();
        for path in extra_roots {
            let problem =
                |what: String| Error::config(format!("tls.extra_roots: {}: {what}", path.display()));
            let pem = std::fs::read(path).map_err(|error| problem(error.to_string()))?;
            let found = Certificate::from_pem_bundle(&pem).map_err(|error| problem(error.to_string()))?;
            if found.is_empty() {
                return Err(problem("it holds no PEM certificate".to_owned()));
            }
            certificates.extend(found);
        }
        Ok(Self {
            extra_roots: certificates,
            clients: Mutex::default(),
        })
    }

    pub(super) fn client(&self, connect_timeout: Duration) -> Result<Client, TransportError> {
        let mut clients = self
            .clients
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((_, client)) = clients.iter().find(|(timeout, _)| *timeout == connect_timeout) {
            return Ok(client.clone());
        }
        let client = build(connect_timeout, &self.extra_roots).map_err(|error| TransportError {
            kind: TransportErrorKind::Connect,
            message: format!("TLS cannot be set up: {}", chain(&error)),
        })?;
        clients.push((connect_timeout, client.clone()));
        Ok(client)
    }
}

fn build(connect_timeout: Duration, extra_roots: &[Certificate]) -> Result<Client, reqwest::Error> {
    // An app that has chosen its own provider already keeps it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        Client::builder()
            .connect_timeout(connect_timeout)
            .pool_idle_timeout(POOL_IDLE)
            .http2_keep_alive_interval(H2_PING)
            .http2_keep_alive_timeout(H2_PONG)
            .http2_keep_alive_while_idle(true)
            .tcp_keepalive(TCP_KEEPALIVE)
            .tcp_keepalive_interval(TCP_KEEPALIVE)
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
    };
    let platform = if extra_roots.is_empty() {
        builder().build()
    } else {
        builder().tls_certs_merge(extra_roots.iter().cloned()).build()
    };
    platform.or_else(|_| {
        let bundled = webpki_root_certs::TLS_SERVER_ROOT_CERTS
            .iter()
            .filter_map(|der| Certificate::from_der(der).ok());
        builder()
            .tls_certs_only(bundled.chain(extra_roots.iter().cloned()))
            .build()
    })
}

impl Transport for HttpTransport {
    fn keeps_connections(&self) -> bool {
        true
    }

    fn send(&self, request: HttpRequest) -> Exchange {
        let client = self.client(request.connect_timeout);
        Box::pin(async move {
            let mut ready = client?
                .request(request.method, request.url)
                .headers(request.headers);
            if !request.body.is_empty() {
                ready = ready.body(request.body);
            }
            let response = ready.send().await.map_err(|error| TransportError {
                kind: kind(&error),
                message: chain(&error.without_url()),
            })?;
            let status = response.status();
            let mut response = http::Response::<reqwest::Body>::from(response);
            Ok(HttpResponse {
                status,
                headers: std::mem::take(response.headers_mut()),
                body: Body::new(Frames(response.into_body())),
            })
        })
    }

    fn network_changed(&self) {
        self.clients
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clear();
    }
}

/// How an exchange broke before its head.
fn kind(error: &reqwest::Error) -> TransportErrorKind {
    if error.is_connect() || error.is_builder() {
        return TransportErrorKind::Connect;
    }
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.downcast_ref::<h2::Error>().is_some_and(unprocessed) {
            return TransportErrorKind::Refused;
        }
        source = cause.source();
    }
    TransportErrorKind::Reset
}

/// Whether the server's word is that it did not process the request (RFC 9113 §8.7). h2 gives the error of a GOAWAY only
/// to streams later than the last one the server named, whatever the reason; the others end by themselves.
fn unprocessed(error: &h2::Error) -> bool {
    error.is_remote()
        && (error.is_go_away() || (error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM)))
}

/// reqwest's body as a stream of its data.
struct Frames(reqwest::Body);

impl Stream for Frames {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let frame = std::task::ready!(http_body::Body::poll_frame(Pin::new(&mut self.0), cx));
            return Poll::Ready(match frame {
                None => None,
                Some(Err(error)) => Some(Err(TransportError {
                    kind: TransportErrorKind::Body,
                    message: chain(&error),
                })),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => Some(Ok(data)),
                    Err(_trailers) => continue,
                },
            });
        }
    }
}

/// An error with all its causes: reqwest's own text leaves out the one that tells.
pub(super) fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = cause.source();
    }
    text
}
