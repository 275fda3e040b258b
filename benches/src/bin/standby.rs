//! A call that fails over: the primary's port is closed, the backup answers over TLS. Either nothing is known of the backup
//! (cold: TCP and TLS are to be done first), or a free request has just gone there (warm). Both protocols, on loopback and
//! with 5 ms added to every round trip. Prints p50 and p95 of each, in milliseconds.
//!
//! On loopback a closed port says so at once. Over a network that costs one round trip more, cold and warm.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench prints, measures time itself, runs its servers beside itself, and stops at the first thing that goes wrong"
)]

#[path = "../../../core/tests/support/http1.rs"]
mod http1;
#[path = "../../../core/tests/support/tls.rs"]
mod tls;

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hotspare::types::What;
use hotspare::{Client, Config};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::unbounded_channel;
use tokio_rustls::TlsAcceptor;

/// Measured calls of each kind; a tenth as many are made first.
const CALLS: usize = 300;
const ADDED: Duration = Duration::from_millis(5);
const REPLY: &str = r#"{"id":"x","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}"#;

/// A port nobody listens at.
async fn closed() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("an address").port()
}

async fn answer_h2(socket: impl AsyncRead + AsyncWrite + Unpin) {
    let mut connection = h2::server::handshake(socket).await.expect("HTTP/2");
    while let Some(Ok((_, mut respond))) = connection.accept().await {
        let mut body = respond
            .send_response(http::Response::new(()), false)
            .expect("a head");
        body.send_data(Bytes::from_static(REPLY.as_bytes()), true)
            .expect("a body");
    }
}

/// A vendor that answers everything.
async fn vendor(acceptor: TlsAcceptor) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.expect("a connection");
            socket.set_nodelay(true).expect("no delay");
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(tls) = acceptor.accept(socket).await else {
                    return;
                };
                if tls.get_ref().1.alpn_protocol() == Some(b"h2") {
                    answer_h2(tls).await;
                } else {
                    http1::answer(tls, REPLY, |_| ()).await;
                }
            });
        }
    });
    port
}

/// A proxy that adds `ADDED` to every round trip, all of it on the way there. TCP's own handshake cannot be held up from
/// here, so its round trip is added to the first bytes. Tokio rounds each delay up to the next millisecond.
async fn distance(to: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        loop {
            let (near, _) = listener.accept().await.expect("a connection");
            let far = TcpStream::connect(("127.0.0.1", to)).await.expect("the vendor");
            for socket in [&near, &far] {
                socket.set_nodelay(true).expect("no delay");
            }
            let (mut near_read, mut near_write) = near.into_split();
            let (mut far_read, mut far_write) = far.into_split();
            let (bytes, mut on_the_way) = unbounded_channel::<(Instant, Vec<u8>)>();
            tokio::spawn(async move { tokio::io::copy(&mut far_read, &mut near_write).await });
            tokio::spawn(async move {
                while let Some((due, bytes)) = on_the_way.recv().await {
                    tokio::time::sleep_until(due.into()).await;
                    if far_write.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
            });
            tokio::spawn(async move {
                let mut added = ADDED * 2;
                let mut buffer = vec![0; 16 << 10];
                while let Ok(read @ 1..) = near_read.read(&mut buffer).await {
                    let chunk = buffer.get(..read).unwrap_or_default().to_vec();
                    if bytes.send((Instant::now() + added, chunk)).is_err() {
                        return;
                    }
                    added = ADDED;
                }
            });
        }
    });
    port
}

/// A client whose first target refuses connections and whose second is the vendor at `port`. Its breakers are kept closed,
/// so that every call fails over.
fn client(authority: &Path, dead: u16, port: u16, standby: bool) -> Client {
    let provider = |name: &str, url: String| {
        format!(
            "[providers.{name}]\ndialect = \"openai_chat\"\nbase_url = \"{url}\"\nkeys = [\"k\"]\nprobe = \"/models\"\n"
        )
    };
    let text = format!(
        "standby = {standby}\n[tls]\nextra_roots = [{authority:?}]\n{}{}[routes.default]\ntargets = [\"dead/m\", \"backup/m\"]\n",
        provider("dead", format!("http://localhost:{dead}/v1")),
        provider("backup", format!("https://localhost:{port}/v1")),
    );
    let client = Client::new(Config::from_toml(&text).expect("a config")).expect("a client");
    client.force_closed("dead").expect("it is known");
    client.force_closed("backup").expect("it is known");
    client
}

/// One call that fails over, in milliseconds.
async fn call(client: &Client) -> f64 {
    let began = Instant::now();
    let reply = client.chat("Say hi").send().await.expect("an answer");
    let took = began.elapsed().as_secs_f64() * 1e3;
    assert_eq!(reply.target, "backup/m");
    took
}

/// Sets TLS up anew, which no call in a client's life but the first pays for.
async fn forget(client: &Client) {
    client.network_changed();
    client.hold("backup").expect("it is known");
    let error = client.chat("Say hi").send().await.expect_err("nothing answers");
    assert_eq!(
        error.trail().first().map(hotspare::types::Attempt::code),
        Some("connect")
    );
    client.force_closed("backup").expect("it is known");
}

fn percentiles(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    let at = |share: usize| {
        *times
            .get((times.len() - 1) * share / 100)
            .expect("calls were made")
    };
    (at(50), at(95))
}

/// Times of cold calls and of warm ones, made in turn.
async fn measure(authority: &Path, port: u16) -> (Vec<f64>, Vec<f64>) {
    let dead = closed().await;
    let (cold, warm) = (
        client(authority, dead, port, false),
        client(authority, dead, port, true),
    );
    let (told, mut touched) = unbounded_channel();
    warm.on_event(move |event| {
        if let What::Probed {
            provider,
            reached: true,
            ..
        } = &event.what
            && provider == "backup"
        {
            let _ = told.send(());
        }
    });
    let (mut cold_times, mut warm_times) = (Vec::new(), Vec::new());
    for round in 0..CALLS + CALLS / 10 {
        forget(&cold).await;
        let cold_time = call(&cold).await;
        forget(&warm).await;
        touched.recv().await.expect("the backup is touched");
        let warm_time = call(&warm).await;
        if round >= CALLS / 10 {
            cold_times.push(cold_time);
            warm_times.push(warm_time);
        }
    }
    (cold_times, warm_times)
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    println!("a call that fails over, {CALLS} of each kind, ms");
    println!("{:<10}{:<12}{:>20}{:>20}", "", "", "cold backup", "warm backup");
    println!(
        "{:<10}{:<12}{:>10}{:>10}{:>10}{:>10}",
        "protocol", "round trip", "p50", "p95", "p50", "p95"
    );
    for protocol in ["http/1.1", "h2"] {
        let made = tls::tls("localhost", false, &[protocol]);
        let near = vendor(made.acceptor.clone()).await;
        let far = distance(near).await;
        for (way, port) in [("loopback", near), ("+ 5 ms", far)] {
            let (cold, warm) = measure(&made.authority, port).await;
            let ((cold_p50, cold_p95), (warm_p50, warm_p95)) = (percentiles(cold), percentiles(warm));
            println!(
                "{protocol:<10}{way:<12}{cold_p50:>10.2}{cold_p95:>10.2}{warm_p50:>10.2}{warm_p95:>10.2}"
            );
        }
    }
}
