use std::error::Error as _;
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

/// [`Transport`] over reqwest: rustls, HTTP/1.1 and HTTP/2, connections kept, no redirects, no retries of its own.
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
    fn send(&self, request: HttpRequest) -> Exchange {
        let client = self.client(request.connect_timeout);
        Box::pin(async move {
            let response = client?
                .post(request.url)
                .headers(request.headers)
                .body(request.body)
                .send()
                .await
                .map_err(|error| TransportError {
                    kind: if error.is_connect() || error.is_builder() {
                        TransportErrorKind::Connect
                    } else {
                        TransportErrorKind::Reset
                    },
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
