//! A client keeps the connection to its route's next target warm.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, in its helpers too, and runs its servers beside itself"
)]

#[path = "support/http1.rs"]
mod http1;
#[path = "support/tls.rs"]
mod tls;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hotspare::types::What;
use hotspare::{Client, Config};
use tls::{Tls, tls};
use tokio::net::TcpListener;

const BODY: &str = r#"{"id":"x","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}"#;

struct Server {
    tls: Tls,
    port: u16,
    handshakes: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start() -> Self {
        let tls = tls("localhost", false, &["http/1.1"]);
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
                    let Ok(tls) = acceptor.accept(socket).await else {
                        return;
                    };
                    handshakes.fetch_add(1, Ordering::SeqCst);
                    http1::answer(tls, BODY, |line| requests.lock().unwrap().push(line.to_owned())).await;
                });
            }
        });
        server
    }

    fn seen(&self) -> (usize, Vec<String>) {
        (
            self.handshakes.load(Ordering::SeqCst),
            self.requests.lock().unwrap().clone(),
        )
    }

    /// Waits until it has seen so many requests.
    async fn sees(&self, count: usize) {
        for _ in 0..500 {
            if self.seen().1.len() >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(self.seen().1.len() >= count, "{:?}", self.seen());
    }
}

fn client(a: &Server, b: &Server, more: &str) -> Client {
    let provider = |name: &str, server: &Server| {
        format!(
            "[providers.{name}]\ndialect = \"openai_chat\"\nbase_url = \"https://localhost:{}/v1\"\nkeys = [\"canary\"]\n\
             probe = \"/models\"\n",
            server.port
        )
    };
    let text = format!(
        "{more}\n[tls]\nextra_roots = [{:?}, {:?}]\n{}{}[routes.default]\ntargets = [\"a/m\", \"b/m\"]\n",
        a.tls.authority,
        b.tls.authority,
        provider("a", a),
        provider("b", b),
    );
    Client::new(Config::from_toml(&text).unwrap()).unwrap()
}

#[tokio::test]
async fn a_failover_finds_a_warm_connection() {
    let (a, b) = (Server::start().await, Server::start().await);
    let client = client(&a, &b, "");
    let told = Arc::new(Mutex::new(Vec::new()));
    let events = Arc::clone(&told);
    client.on_event(move |event| {
        if let What::Probed {
            provider,
            reached,
            status,
        } = &event.what
        {
            events.lock().unwrap().push((provider.clone(), *reached, *status));
        }
    });
    client.chat("hi").send().await.unwrap();
    // The connection is back in the pool once the answer was read.
    for _ in 0..500 {
        if !told.lock().unwrap().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(b.seen(), (1, vec!["GET /v1/models".to_owned()]));
    client.hold("a").unwrap();
    let reply = client.chat("hi").send().await.unwrap();
    assert_eq!(reply.target, "b/m");
    assert_eq!(b.seen().0, 1, "the call made no handshake");
    assert_eq!(*told.lock().unwrap(), [("b".to_owned(), true, Some(200))]);

    // On another network what was warm is dead, and is made anew.
    client.network_changed();
    b.sees(3).await;
    assert_eq!(b.seen().0, 2);
}

#[tokio::test]
async fn a_pause_and_a_config_stop_it() {
    let (a, b) = (Server::start().await, Server::start().await);
    let paused = client(&a, &b, "");
    paused.pause();
    assert!(paused.status().paused);
    paused.chat("hi").send().await.unwrap();
    let off = client(&a, &b, "standby = false");
    off.chat("hi").send().await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(b.seen(), (0, Vec::new()));
    paused.resume();
    b.sees(1).await;
    assert!(!paused.status().paused);
}
