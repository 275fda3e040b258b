//! The transport on sockets: warm connections are used, a changed network drops them, and each way an exchange can break
//! gets its kind.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, in its helpers too, and runs its server beside itself"
)]

#[path = "support/http1.rs"]
mod http1;
#[path = "support/tls.rs"]
mod tls;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use hotspare::transport::{
    HttpRequest, HttpTransport, KeepWarm, Standby, StandbySettings, Transport, TransportError,
    TransportErrorKind as Kind, WarmEndpoint, Warmth,
};
use hotspare::types::{EndpointId, FailureClass, Moment, Sent};
use hotspare::{Client, Config};
use http::{HeaderMap, Method, StatusCode};
use tls::{Tls, tls};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

const BODY: &str = r#"{"id":"x","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}"#;
const CONNECT: Duration = Duration::from_secs(2);

/// What an HTTP/2 server does to its first request; later ones are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// RST_STREAM before the head.
    Reset(Reason),
    /// RST_STREAM after half a body.
    Cut,
    /// GOAWAY that names this stream as the last one it saw to, then the end of the connection.
    GoAway(u8, Reason),
}

struct Server {
    tls: Tls,
    port: u16,
    handshakes: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(host: &str, expired: bool, protocol: &str, fault: Fault) -> Self {
        let tls = tls(host, expired, &[protocol]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            handshakes: Arc::default(),
            requests: Arc::default(),
            tls,
        };
        let acceptor = server.tls.acceptor.clone();
        let (handshakes, requests) = (Arc::clone(&server.handshakes), Arc::clone(&server.requests));
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (acceptor, requests) = (acceptor.clone(), Arc::clone(&requests));
                let handshakes = Arc::clone(&handshakes);
                tokio::spawn(async move {
                    // A client that does not trust us hangs up here.
                    let Ok(tls) = acceptor.accept(socket).await else {
                        return;
                    };
                    let before = handshakes.fetch_add(1, Ordering::SeqCst);
                    let is_h2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
                    let fault = if before == 0 { fault } else { Fault::None };
                    match fault {
                        Fault::GoAway(last, reason) => go_away(tls, last, reason).await,
                        fault if is_h2 => serve_h2(tls, fault, &requests).await,
                        _ => {
                            http1::answer(tls, BODY, |line| requests.lock().unwrap().push(line.to_owned()))
                                .await
                        }
                    }
                });
            }
        });
        server
    }

    fn transport(&self) -> HttpTransport {
        HttpTransport::new(std::slice::from_ref(&self.tls.authority)).unwrap()
    }

    fn base_url(&self) -> String {
        format!("https://localhost:{}/v1", self.port)
    }

    fn post(&self) -> HttpRequest {
        HttpRequest {
            method: Method::POST,
            url: format!("{}/chat/completions", self.base_url()).parse().unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::from_static(b"{}"),
            connect_timeout: CONNECT,
        }
    }

    fn client(&self) -> Client {
        let text = format!(
            "[tls]\nextra_roots = [{:?}]\n[providers.a]\ndialect = \"openai_chat\"\nbase_url = \"{}\"\nkeys = [\"canary\"]\n\
             [routes.default]\ntargets = [\"a/m\"]\n",
            self.tls.authority,
            self.base_url()
        );
        Client::new(Config::from_toml(&text).unwrap()).unwrap()
    }

    fn handshakes(&self) -> usize {
        self.handshakes.load(Ordering::SeqCst)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve_h2(
    tls: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    mut fault: Fault,
    requests: &Mutex<Vec<String>>,
) {
    let mut connection = h2::server::handshake(tls).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let line = format!("{} {}", request.method(), request.uri().path());
        requests.lock().unwrap().push(line);
        match std::mem::replace(&mut fault, Fault::None) {
            Fault::Reset(reason) => respond.send_reset(reason),
            Fault::Cut => {
                let mut body = respond.send_response(http::Response::new(()), false).unwrap();
                body.send_data(Bytes::from_static(b"{\"id\""), false).unwrap();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    body.send_reset(Reason::INTERNAL_ERROR);
                });
            }
            _ => {
                let mut body = respond.send_response(http::Response::new(()), false).unwrap();
                body.send_data(Bytes::from_static(BODY.as_bytes()), true).unwrap();
            }
        }
    }
}

/// An HTTP/2 server by hand: it waits for the first HEADERS frame, says GOAWAY and hangs up.
async fn go_away(mut tls: impl AsyncRead + AsyncWrite + Unpin, last: u8, reason: Reason) {
    const PREFACE: usize = 24;
    const HEADERS: u8 = 1;
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const SETTINGS_ACK: [u8; 9] = [0, 0, 0, 4, 1, 0, 0, 0, 0];
    tls.read_exact(&mut [0; PREFACE]).await.unwrap();
    tls.write_all(&SETTINGS).await.unwrap();
    loop {
        let mut head = [0; 9];
        tls.read_exact(&mut head).await.unwrap();
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        tls.read_exact(&mut vec![0; length]).await.unwrap();
        if head[3] == HEADERS {
            break;
        }
    }
    let code = u32::from(reason).to_be_bytes();
    let mut frame = vec![0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, last];
    frame.extend_from_slice(&code);
    tls.write_all(&SETTINGS_ACK).await.unwrap();
    tls.write_all(&frame).await.unwrap();
    tls.flush().await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let _ = tls.shutdown().await;
}

/// Sends and reads to the end; the kind of whatever breaks.
async fn exchange(transport: &HttpTransport, request: HttpRequest) -> Result<String, (Kind, String)> {
    let told = |error: TransportError| (error.kind, error.message);
    let mut response = transport.send(request).await.map_err(told)?;
    let mut all = Vec::new();
    while let Some(bytes) = response.body.next().await {
        all.extend_from_slice(&bytes.map_err(told)?);
    }
    Ok(String::from_utf8(all).unwrap())
}

/// As much of a client as warm connections need.
struct Warm {
    standby: Mutex<Standby>,
    transport: Arc<HttpTransport>,
    keep: KeepWarm,
    start: Instant,
    probes: UnboundedSender<(EndpointId, Result<StatusCode, Kind>)>,
}

impl Warmth for Warm {
    fn standby(&self) -> MutexGuard<'_, Standby> {
        self.standby.lock().unwrap()
    }

    fn transport(&self) -> Arc<dyn Transport> {
        Arc::<HttpTransport>::clone(&self.transport)
    }

    fn now(&self) -> Moment {
        Moment::new(self.start.elapsed())
    }

    fn sleep_until(&self, moment: Moment) -> tokio::time::Sleep {
        tokio::time::sleep_until(self.start + moment.since_start())
    }

    fn probed(&self, endpoint: EndpointId, answer: &Result<StatusCode, TransportError>) {
        let answer = answer.as_ref().map_err(|error| error.kind).copied();
        let _ = self.probes.send((endpoint, answer));
    }
}

type Probes = UnboundedReceiver<(EndpointId, Result<StatusCode, Kind>)>;

/// A client whose first target is in use elsewhere, and whose second is the server.
fn warm(server: &Server, settings: StandbySettings) -> (Arc<Warm>, Probes) {
    let (probes, seen) = unbounded_channel();
    let client = Arc::new(Warm {
        standby: Mutex::new(Standby::new(settings)),
        transport: Arc::new(server.transport()),
        keep: KeepWarm::default(),
        start: Instant::now(),
        probes,
    });
    client.keep.start(&client);
    let endpoint = |id, url: &str, free| {
        Arc::new(WarmEndpoint::new(EndpointId(id), url, free, HeaderMap::new(), CONNECT).unwrap())
    };
    let endpoints = [
        endpoint(1, "https://127.0.0.1:1/v1", None),
        endpoint(2, &server.base_url(), Some("/models")),
    ];
    let wake = client.standby().want(&endpoints, client.now());
    assert!(wake);
    client.keep.wake();
    (client, seen)
}

async fn next(probes: &mut Probes) -> Option<(EndpointId, Result<StatusCode, Kind>)> {
    tokio::time::timeout(Duration::from_secs(10), probes.recv())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_warm_connection_is_used_until_the_network_changes() {
    for protocol in ["http/1.1", "h2"] {
        // A task of its own gives a connection back once its answer was read. On a busy machine that may be after the next
        // call began, which then makes another one: so the warm one must be used once in ten times, not at every time.
        let mut used = false;
        for _ in 0..10 {
            let server = Server::start("localhost", false, protocol, Fault::None).await;
            let (client, mut probes) = warm(&server, StandbySettings::default());
            let probe = next(&mut probes).await;
            assert_eq!(probe, Some((EndpointId(2), Ok(StatusCode::OK))), "{protocol}");
            assert_eq!(server.handshakes(), 1, "{protocol}");

            assert_eq!(exchange(&client.transport, server.post()).await.unwrap(), BODY);
            used = server.handshakes() == 1;
            let post = "POST /v1/chat/completions";
            assert_eq!(server.requests(), ["GET /v1/models", post], "{protocol}");
            if !used {
                continue;
            }
            client.transport.network_changed();
            assert_eq!(exchange(&client.transport, server.post()).await.unwrap(), BODY);
            assert_eq!(server.handshakes(), 2, "{protocol}");
            break;
        }
        assert!(used, "{protocol}: the warm connection is never used");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchange_under_way_outlives_a_changed_network() {
    let server = Server::start("localhost", false, "h2", Fault::None).await;
    let transport = server.transport();
    let mut response = transport.send(server.post()).await.unwrap();
    transport.network_changed();
    let mut read = 0;
    while let Some(bytes) = response.body.next().await {
        read += bytes.unwrap().len();
    }
    assert_eq!(read, BODY.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_renewed_and_the_task_ends_with_its_client() {
    let server = Server::start("localhost", false, "http/1.1", Fault::None).await;
    let settings = StandbySettings {
        refresh: Duration::from_millis(100),
        resolve: Duration::from_millis(250),
        ..StandbySettings::default()
    };
    let (client, mut probes) = warm(&server, settings);
    // Touches at 0, 100 and 200 ms share a connection; those after the renewal at 250 ms have another.
    let mut touched = 0;
    while server.handshakes() < 2 {
        let (endpoint, answer) = next(&mut probes).await.unwrap();
        match endpoint.0 {
            2 => assert_eq!(answer, Ok(StatusCode::OK)),
            _ => assert_eq!(answer, Err(Kind::Connect)),
        }
        touched += usize::from(endpoint.0 == 2);
    }
    assert!(touched > 1, "a connection for every touch");
    drop(client);
    // The senders are gone with the client, and with the task's hold on it.
    while next(&mut probes).await.is_some() {}
    let seen = server.requests().len();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(server.requests().len() <= seen + 1, "touched after the end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_no_good_is_found_before_anything_is_sent() {
    for (host, expired, trusted, word) in [
        ("localhost", true, true, "expired"),
        ("elsewhere.example", false, true, "not valid for name"),
        ("localhost", false, false, "UnknownIssuer"),
    ] {
        let server = Server::start(host, expired, "h2", Fault::None).await;
        let transport = if trusted {
            server.transport()
        } else {
            HttpTransport::new(&[]).unwrap()
        };
        let (kind, message) = exchange(&transport, server.post()).await.unwrap_err();
        assert_eq!(kind, Kind::Connect, "{message}");
        assert!(
            message.contains("certificate") && message.contains(word),
            "{message}"
        );
        assert!(server.requests().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_http_2_server_says_of_a_request_is_heard() {
    for (fault, kind) in [
        (Fault::Reset(Reason::REFUSED_STREAM), Kind::Refused),
        (Fault::Reset(Reason::INTERNAL_ERROR), Kind::Reset),
        (Fault::Reset(Reason::CANCEL), Kind::Reset),
        (Fault::GoAway(0, Reason::NO_ERROR), Kind::Refused),
        (Fault::GoAway(0, Reason::ENHANCE_YOUR_CALM), Kind::Refused),
        (Fault::GoAway(1, Reason::NO_ERROR), Kind::Reset),
        (Fault::GoAway(1, Reason::INTERNAL_ERROR), Kind::Reset),
        (Fault::Cut, Kind::Body),
    ] {
        let server = Server::start("localhost", false, "h2", fault).await;
        let transport = server.transport();
        let (found, message) = exchange(&transport, server.post()).await.unwrap_err();
        assert_eq!(found, kind, "{fault:?}: {message}");
        // Another connection where this one is going away; the same one otherwise.
        assert_eq!(
            exchange(&transport, server.post()).await.unwrap(),
            BODY,
            "{fault:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_request_was_not_sent_and_is_repeated_at_once() {
    for fault in [
        Fault::Reset(Reason::REFUSED_STREAM),
        Fault::GoAway(0, Reason::NO_ERROR),
    ] {
        let server = Server::start("localhost", false, "h2", fault).await;
        let reply = server.client().chat("hi").send().await.unwrap();
        assert_eq!(reply.text(), "hi");
        let failure = reply.trail[0].failure().unwrap();
        assert_eq!(failure.class, FailureClass::Connect, "{fault:?}");
        assert_eq!(failure.sent, Sent::No, "{fault:?}");
        assert_eq!(reply.trail.len(), 2, "{fault:?}");
    }
}
